"""Tokens from a command or a file: what reaches the API, how often the command runs, and what the commands of Squire say."""
import json, os, pathlib, pty, select, signal, threading, time
from harness import *


class StatelessCase(Scenario):
    def helper(self, script, name="helper"):
        """A command that leaves a line in `runs` each time it runs."""
        path = self.directory / name
        path.write_text(f"#!/bin/sh\necho run >> {self.directory}/runs\n{script}\n")
        path.chmod(0o700)
        return path

    @property
    def runs(self):
        path = self.directory / "runs"
        return len(path.read_text().splitlines()) if path.exists() else 0

    def stateless(self, upstream, session, extra="", name="squire.yaml"):
        path = self.directory / name
        path.write_text(f"upstream: {upstream}\nlisten: 127.0.0.1:0\ninspector: \"off\"\nsession:\n  {session}\n{extra}")
        path.chmod(0o600)
        return str(path)

    def put(self, name, text):
        """Atomically."""
        path = self.directory / name
        (self.directory / (name + ".new")).write_text(text)
        os.replace(self.directory / (name + ".new"), path)
        return path

    def accepting(self, *tokens):
        """An upstream that knows these tokens only."""
        def respond(request):
            return reply(200, b"ok") if request.token in tokens else reply(401, b"no")
        return self.upstream(respond)


class ExecTest(StatelessCase):
    def test_the_first_token_is_asked_for_at_the_start_and_nothing_is_kept(self):
        upstream = self.accepting("tok-1")
        self.helper("echo tok-1")
        squire = self.run_squire(self.stateless(upstream.url, "exec: [./helper]"))
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual([request.token for request in upstream.requests], ["tok-1"])
        self.assertEqual(self.runs, 1)
        # Neither a session, nor a lock.
        self.assertEqual([path.name for path in (self.directory / "state").rglob("*") if path.is_file()], ["trusted"])
        self.assertNotIn("tok-1", squire.text())

    def test_a_refused_token_is_asked_for_again_and_replaced(self):
        upstream = self.accepting("new")
        (self.directory / "now").write_text("old")
        self.helper('cat now; echo; printf new > now')
        squire = self.run_squire(self.stateless(upstream.url, "exec: [./helper]"))
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual([request.token for request in upstream.requests], ["old", "new"])

    def test_the_same_token_after_a_401_is_relayed_and_not_asked_for_all_the_time(self):
        upstream = self.accepting()
        self.helper("echo same")
        squire = self.run_squire(self.stateless(upstream.url, "exec: [./helper]"))
        answers = [self.fetch(squire, target=f"/{index}") for index in range(6)]
        self.assertEqual({(answer.status, answer.data) for answer in answers}, {(401, b"no")})
        # The first, and one at the first refusal.
        self.assertLessEqual(self.runs, 2)

    def test_a_command_that_hangs_costs_its_waiters_no_more_than_its_timeout(self):
        upstream = self.accepting()
        self.helper("trap '' TERM\nsleep 600 &\necho $! > child\nwait; sleep 600")
        squire = self.run_squire(self.stateless(upstream.url, "exec: {command: [./helper], timeout: 1s}"))
        begun = time.monotonic()
        answer = self.fetch(squire)
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (503, "session_unavailable"))
        self.assertLess(time.monotonic() - begun, 4)
        self.assertIsNotNone(answer.getheader("Retry-After"))
        self.assertEqual(upstream.requests, [])
        # However it ignores SIGTERM, neither it nor its children outlive Squire.
        self.assertEqual(squire.stop(), 0)
        child = int((self.directory / "child").read_text())
        self.until(lambda: not is_alive(child), "the command outlives Squire")

    def test_what_a_command_says_is_in_the_log_without_secrets(self):
        upstream = self.accepting()
        token = jwt()
        self.helper(f"echo first >&2; echo 'bad {token} for hunter2hunter2' >&2; exit 3")
        config = self.stateless(upstream.url, "exec: {command: [./helper], env: {PASSWORD: {file: pw}}}")
        (self.directory / "pw").write_text("hunter2hunter2\n")
        (self.directory / "pw").chmod(0o600)
        squire = self.run_squire(config)
        answer = self.fetch(squire)
        self.assertEqual(answer.status, 503)
        self.assertIn("the command ./helper ends with code 3; Squire's log says more", json.loads(answer.data)["detail"])
        self.assertNotIn(b"hunter2", answer.data)
        said = "ends with code 3: bad ‹redacted› for ‹redacted›"
        self.until(lambda: said in squire.text(), "what the command says is not in the log")
        for text in (squire.text(), answer.data.decode()):
            self.assertNotIn("eyJ", text)
            self.assertNotIn("hunter2", text)

    def test_commands_say_what_failed_by_their_exit_code(self):
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]")
        for script, code, text in [("echo tok", 0, "tok"), ("exit 1", 75, "no token can be had now: the command ./helper ends with code 1"), ("true", 78, "prints nothing"),
                                   ("echo a b", 78, "a blank"), ("head -c 70000 /dev/zero", 78, "more than 64 KiB"),
                                   ("echo '{\"SecretAccessKey\": \"x\"}'", 78, "AWS credentials are not a bearer token")]:
            with self.subTest(script):
                self.helper(script)
                result = self.command("token", "--config", config, code=code)
                self.assertIn(text, result.stdout + result.stderr)
        (self.directory / "helper").unlink()
        self.command("token", "--config", config, code=78)

    def test_check_online_asks_and_says_what_came_of_it(self):
        upstream = self.accepting("tok")
        config = self.stateless(upstream.url, "exec: [./helper]\n  probe: GET /me")
        self.helper("echo tok")
        self.assertRegex(self.command("check", "--config", config, "--online").stdout, "ok +session")
        self.assertIn("tok", [request.token for request in upstream.requests])
        self.helper("echo other")
        self.assertRegex(self.command("check", "--config", config, "--online", code=77).stdout, "fail +session")
        self.helper("true")
        self.assertIn("prints nothing", self.command("check", "--config", config, "--online", code=78).stdout)

    def test_a_command_that_asks_this_squire_is_refused(self):
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]")
        self.helper(f"{SQUIRE} token --config {config}")
        self.assertIn("runs this Squire", self.command("token", "--config", config, code=75).stderr)
        self.assertEqual(self.runs, 1)
        self.command("token", "--config", config, code=75, env={"SQUIRE_EXEC": "1"})
        self.assertEqual(self.runs, 1)

    def test_words_of_a_command_show_no_configured_secret(self):
        """One list for whatever others wrote: headers, however they are given, the key, the proxy's password."""
        secrets = {"header": "hush-header-11", "variable": "hush-variable-22", "file": "hush-file-33", "key": "hush-key-44444444", "proxy": "hush-proxy-55"}
        for name, value in (("key", secrets["key"]), ("value", secrets["file"])):
            (self.directory / name).write_text(value + "\n")
            (self.directory / name).chmod(0o600)
        self.helper(f"echo 'no luck with {' and '.join(secrets.values())}' >&2\nexit 1")
        extra = f"""access: {{key: {self.directory}/key}}
proxy: http://user:{secrets["proxy"]}@127.0.0.1:9
headers:
  X-A: {{value: "{secrets["header"]}", secret: true}}
  X-B: {{env: HUSH}}
  X-C: {{file: value}}
"""
        self.env["HUSH"] = secrets["variable"]
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]", extra)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, headers={"X-Squire-Key": secrets["key"]}).status, 503)
        # In one message, or in two.
        self.until(lambda: "no luck with" in squire.text(), "the failure is logged")
        said = self.command("token", "--config", config, code=75, env={"SQUIRE_EXEC": "1"}).stderr
        for value in secrets.values():
            self.assertNotIn(value, squire.text() + said)

    def test_commands_that_look_run_nothing(self):
        self.helper("echo tok")
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper, --password, hunter2]",
                                "headers: {X-A: {exec: [./helper]}}\n")
        for arguments in (["check"], ["explain", "GET", "/x"], ["status"], ["status", "--json"]):
            result = self.command(arguments[0], "--config", config, *arguments[1:])
            self.assertNotIn("hunter2", result.stdout + result.stderr)
        self.command("reload", "--config", config, code=69)
        self.assertEqual(self.runs, 0)

    def test_a_configuration_that_others_may_write_runs_nothing(self):
        self.helper("echo tok")
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]")
        os.chmod(config, 0o666)
        for command in ("token", "check", "run"):
            self.assertIn("squire.yaml:5: ", self.command(command, "--config", config, code=78).stderr)
        self.assertEqual(self.runs, 0)

    def test_one_that_was_taken_unasked_runs_nothing_before_it_was_named(self):
        self.helper("echo tok")
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]")
        result = self.command("token", code=78, cwd=self.directory)
        self.assertIn("squire.yaml:5: session.exec", result.stderr)
        self.assertEqual(self.runs, 0)
        self.command("token", "--config", "squire.yaml", cwd=self.directory)
        self.command("token", cwd=self.directory)
        self.assertEqual(self.runs, 2)

    def test_login_asks_once_and_lends_the_command_the_terminal(self):
        config = self.stateless("http://127.0.0.1:9", "exec: [./helper]")
        self.helper("echo 'token expires in 60 s' >&2; echo tok")
        result = self.command("login", "--config", config)
        self.assertIn("no login is needed", result.stdout)
        self.assertIn("expires in 60 s", result.stderr)
        self.command("login", "--config", config, "--token", "-", input="x\n", code=64)
        self.helper("exit 1")
        self.command("login", "--config", config, code=75)
        self.helper("stty -echo; printf 'what? ' >&2; read answer; [ \"$answer\" = secret-answer ] && echo tok; stty echo")
        code, shown = self.at_terminal(b"secret-answer\n", b"what? ", "login", "--config", config)
        self.assertEqual(code, 0, shown)
        self.assertIn(b"no login is needed", shown)
        self.assertNotIn(b"secret-answer", shown)

    def at_terminal(self, answer, question, *arguments):
        """Runs a command at a terminal of its own, and types the answer."""
        pid, terminal = pty.fork()
        if pid == 0:
            os.execve(SQUIRE, [SQUIRE, *arguments], clean_environment(**self.env))
        shown, deadline, isAnswered = b"", time.monotonic() + LIMIT, False
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 0.1)
            try:
                part = os.read(terminal, 4096) if ready else b""
            except OSError:
                break
            shown += part
            if not isAnswered and question in shown:
                isAnswered = True
                os.write(terminal, answer)
        os.close(terminal)
        return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), shown

    def test_a_reload_changes_the_source_and_leaves_what_runs_alone(self):
        going = threading.Event()
        arrived = threading.Event()

        def respond(request):
            if request.target == "/slow":
                arrived.set()
                going.wait(LIMIT)
            return reply(200, request.token.encode())

        upstream = self.upstream(respond)
        self.helper("echo from-exec")
        self.put("token", "from-file\n")
        config = self.stateless(upstream.url, "exec: [./helper]")
        squire = self.run_squire(config)
        slow = []
        thread = threading.Thread(target=lambda: slow.append(self.fetch(squire, target="/slow").data))
        thread.start()
        self.assertTrue(arrived.wait(LIMIT))
        self.stateless(upstream.url, "token-file: token")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read")
        self.assertEqual(self.fetch(squire).data, b"from-file")
        self.stateless(upstream.url, "exec: [./helper]")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read", 2)
        self.assertEqual(self.fetch(squire).data, b"from-exec")
        going.set()
        thread.join(LIMIT)
        self.assertEqual(slow, [b"from-exec"])


def is_alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # A zombie that nobody waits for is dead enough.
    return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"


class TokenFileTest(StatelessCase):
    def test_another_token_in_the_file_is_used_at_once(self):
        upstream = self.upstream(lambda request: reply(200, request.token.encode()))
        self.put("token", "one\n")
        squire = self.run_squire(self.stateless(upstream.url, "token-file: token"))
        self.assertEqual(self.fetch(squire).data, b"one")
        self.put("token", "two\n")
        self.until(lambda: self.fetch(squire).data == b"two", "the new token is not used")
        # As the kubelet has it.
        for name in ("..1", "..2"):
            (self.directory / name).mkdir()
            (self.directory / name / "token").write_text(f"three{name}\n")
        os.symlink("..1", self.directory / "..data")
        os.symlink("..data/token", self.directory / "link")
        os.replace(self.directory / "link", self.directory / "token")
        self.until(lambda: self.fetch(squire).data == b"three..1", "the link is not followed")
        os.symlink("..2", self.directory / "..tmp")
        os.replace(self.directory / "..tmp", self.directory / "..data")
        self.until(lambda: self.fetch(squire).data == b"three..2", "the swapped directory is not seen")
        self.assertNotIn("three", squire.text())

    def test_an_empty_or_missing_file_keeps_the_old_token(self):
        upstream = self.upstream(lambda request: reply(200, request.token.encode()))
        self.put("token", "one\n")
        squire = self.run_squire(self.stateless(upstream.url, "token-file: token"))
        self.assertEqual(self.fetch(squire).data, b"one")
        self.put("token", "")
        self.assertEqual(self.fetch(squire).data, b"one")
        (self.directory / "token").unlink()
        self.assertEqual(self.fetch(squire).data, b"one")
        self.put("token", "two\n")
        self.until(lambda: self.fetch(squire).data == b"two", "the new token is not used")

    def test_a_refused_token_is_read_again_and_waited_for_once(self):
        upstream = self.accepting("good")
        self.env["SQUIRE_TEST_TOKEN_FILE_PATIENCE"] = "500"
        self.put("token", "bad\n")
        squire = self.run_squire(self.stateless(upstream.url, "token-file: token"))
        waits = []
        for _ in range(3):
            begun = time.monotonic()
            self.assertEqual(self.fetch(squire).status, 401)
            waits.append(time.monotonic() - begun)
        self.assertGreater(waits[0], 0.5)
        self.assertLess(min(waits), 0.5)
        self.put("token", "good\n")
        self.until(lambda: self.fetch(squire).status == 200, "the good token is not used")

    def test_a_file_that_comes_later_is_found(self):
        upstream = self.upstream(lambda request: reply(200, request.token.encode()))
        squire = self.run_squire(self.stateless(upstream.url, "token-file: {path: sub/token, token: /t}"))
        squire.wait_for_text("no first token")
        (self.directory / "sub").mkdir()
        self.put("sub/token", json.dumps({"t": "late"}))
        self.until(lambda: self.fetch(squire).data == b"late", "the file is not found")

    def test_commands(self):
        config = self.stateless("http://127.0.0.1:9", "token-file: token")
        self.command("token", "--config", config, code=75)
        self.assertIn("is not there", self.command("check", "--config", config).stdout)
        self.put("token", "tok-1\n")
        self.assertEqual(self.command("token", "--config", config).stdout, "tok-1\n")
        self.assertNotIn("tok-1", self.command("check", "--config", config).stdout)
        os.chmod(self.directory / "token", 0o644)
        self.assertIn("session.token-file: other users of this machine may read",
                      self.command("check", "--config", config).stdout)
        self.command("status", "--config", config)


if __name__ == "__main__":
    main()
