"""The command line: configuration, sessions, signals, logs, exit codes."""
import fcntl, pty, re, struct, termios, threading
from harness import *


def left_over(text):
    """Processes with that text in their command line."""
    found = []
    for path in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            if text in path.read_bytes().decode(errors="replace"):
                found.append(path.parent.name)
    return found


class Configuration(Scenario):
    def test_all_errors_at_once_with_their_lines(self):
        path = self.directory / "bad.yaml"
        path.write_text("""profile: menu
upstraem: https://api.example.com
upstream: http://api.example.com/path
listen: 80800
headers:
  Application: a
  application: b
  "X Y": c
  Authorization: Bearer x
session:
  margin: soon
  refesh: {}
  sign-in: [login]
timeouts: {idle: 5 parsecs}
workers: many
access: {same-user: perhaps}
""")
        started = time.monotonic()
        result = self.command("run", "--config", str(path), code=78)
        self.assertLess(time.monotonic() - started, 1)
        self.assertEqual(result.stdout, "")
        lines = result.stderr.splitlines()
        for number, text in ((2, 'did you mean "upstream"'), (3, "upstream"), (4, "listen"), (5, "Api-Version"), (7, "twice"), (8, "not a header name"),
                             (9, "squire login"), (11, "margin"), (12, 'did you mean "refresh"'), (13, "sign-in"), (14, "idle"), (15, "workers"), (16, "same-user")):
            self.assertTrue(any(line.startswith(f"{path}:{number}: ") and text in line for line in lines), (number, text, result.stderr))

    def test_single_mistakes(self):
        base = "upstream: https://api.example.com\n"
        for text, expected in (
            ("upstream: [\n", ":"),
            ("upstream: http://api.example.com\n", "allow-plain-upstream"),
            (base + "listen: 0.0.0.0:8080\n", "allow-remote"),
            (base + base, "twice"),
            (base + "tls: {ca: /nonexistent}\n", "/nonexistent"),
            (base + "inspector: 0.0.0.0:1\n", "this machine"),
            ("upstream: http://localhost:8080\n", "circles"),
            (base + "headers: {X: \"a\\nb\"}\n", "line break"),
            ("listen: 127.0.0.1:1\n", "upstream is missing"),
            ("", "upstream is missing"),
        ):
            path = self.directory / "c.yaml"
            path.write_text(text)
            result = self.command("check", "--config", str(path), code=78)
            self.assertIn(expected, result.stderr)
            self.assertRegex(result.stderr, rf"^{re.escape(str(path))}:\d+: ")

    def test_no_configuration(self):
        self.assertIn("--config", self.command("run", code=78, cwd=self.directory).stderr)
        (self.directory / "squire.yml").write_text("upstream: https://api.example.com\n")
        self.assertIn("name it: squire check --config squire.yml\n", self.command("check", code=78, cwd=self.directory).stderr)
        self.assertIn("cannot be read", self.command("run", "--config", "/nonexistent.yaml", code=78).stderr)

    def test_precedence(self):
        first, second, third = self.upstream(), self.upstream(), self.upstream()
        config = self.config(first.url, session="  missing: forward\n")
        for env, arguments, expected in (({}, (), first), ({"SQUIRE_UPSTREAM": second.url}, (), second),
                                         ({"SQUIRE_UPSTREAM": second.url}, ("--upstream", third.url), third)):
            process = Process("run", "--config", config, *arguments, env={**self.env, **env}).wait_for("proxy")
            process.port = int(process.endpoints["proxy"].rsplit(":", 1)[1])
            self.assertEqual(self.fetch(process).status, 200)
            self.assertEqual(process.stop(), 0)
            self.assertEqual(len(expected.requests), 1)

    def test_default_places(self):
        config = pathlib.Path(self.config("https://api.example.com"))
        home = self.directory / "xdg" / "squire"
        home.mkdir(parents=True)
        (home / "squire.yaml").write_text(config.read_text())
        self.assertIn("xdg/squire/squire.yaml", self.command("check", env={"XDG_CONFIG_HOME": str(home.parent)}, cwd="/").stdout)
        self.assertIn("squire.yaml", self.command("check", cwd=self.directory).stdout)
        self.assertIn(str(config), self.command("check", env={"SQUIRE_CONFIG": str(config)}, cwd="/").stdout)
        # Who named a file that is not there is said where it was no option.
        said = "none.yaml: cannot be read: No such file or directory. The variable SQUIRE_CONFIG names it\n"
        self.assertTrue(self.command("check", env={"SQUIRE_CONFIG": "none.yaml"}, code=78).stderr.endswith(said))
        self.assertNotIn("SQUIRE_CONFIG", self.command("check", "--config", "none.yaml", code=78).stderr)

    def test_who_has_a_port_is_said(self):
        playground = self.playground()
        address = playground.removeprefix("http://")
        for command in (("run", "--upstream", "https://api.example.com", "--listen", address), ("demo", "--listen", address)):
            said = self.command(*command, code=74).stderr
            self.assertRegex(said, r"Address already in use\. squire playground \(PID \d+\) listens there already\. ")
        path = str(self.directory / "s.sock")
        with socket.socket(socket.AF_UNIX) as holder:
            holder.bind(path)
            holder.listen()
            said = self.command("run", "--upstream", "https://api.example.com", "--listen", f"unix:{path}", code=74).stderr
            self.assertIn(f"(PID {os.getpid()}) listens there already. ", said)

    def test_a_token_that_was_broken_on_its_way_is_warned_of(self):
        config = self.config("https://api.example.com", profile="")
        said = self.command("login", "--config", config, "--token", "-", input="abc.\ndef\n").stderr
        self.assertEqual(said, "squire: warning: the token is the first line of standard input; what follows it is not read\n")
        for text in ("abc\n", "abc", "abc\r\n\r\n", "abc\n\n"):
            self.assertEqual(self.command("login", "--config", config, "--token", "-", "--replace", input=text).stderr, "")

    def test_a_file_that_this_user_may_not_read_is_told_with_both_users(self):
        """As in a container, whose user is seldom the file's."""
        path = self.directory / "c.yaml"
        path.write_text("upstream: http://127.0.0.1:1\n")
        self.directory.chmod(0o755)
        user = {"user": 65534, "group": 65534, "extra_groups": []} if os.geteuid() == 0 else {}
        path.chmod(0o600 if user else 0o000)
        try:
            result = subprocess.run([SQUIRE, "check", "--config", path], capture_output=True, text=True, cwd="/", env=clean_environment(**self.env), **user)
        except PermissionError:
            self.skipTest("the program is where another user cannot run it")
        self.assertEqual((result.returncode, result.stderr), (78, f"{path}: cannot be read: Permission denied: the file belongs to user {os.geteuid()} "
            f"(mode {'600' if user else '0'}), and Squire runs as user {user.get('user', os.geteuid())}\n"))

    def shown(self, *arguments, columns=80):
        """What a terminal shows of a command that reads nothing."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
        process = subprocess.Popen([SQUIRE, *arguments], stdin=subprocess.DEVNULL, stdout=follower, stderr=follower, env=clean_environment(**self.env))
        os.close(follower)
        text = b""
        while True:
            try: data = os.read(leader, 4096)
            except OSError: break
            if not data: break
            text += data
        os.close(leader)
        process.wait(LIMIT)
        return text.decode().replace("\r\n", "\n")

    def test_a_terminal_gets_words_that_are_whole(self):
        config = self.config("http://127.0.0.1:1", session="  sign-in: [POST /api/customers/login, POST /api/customers/register, POST /api/c]\n")
        self.leave_sessions()
        for command in (("check", "--config", config), ("status", "--config", config), ("status", "--all"),
                        ("explain", "--config", config, "GET", "/api/x"), ("token", "--config", config), ("reload", "--config", config)):
            result = subprocess.run([SQUIRE, *command], capture_output=True, text=True, stdin=subprocess.DEVNULL, env=clean_environment(**self.env))
            whole, text = result.stdout + result.stderr, self.shown(*command)
            # Only a person gets a heading.
            if command == ("status", "--all"): whole = "STATE CUSTOMER API CONFIGURATION SESSION FILE\n" + whole
            words = [re.sub("squire-[0-9a-f]{8}|[0-9a-f-]{36}", "", shown).split() for shown in (whole, text)]
            self.assertEqual(*words)
            self.assertLessEqual(max(map(len, text.splitlines())), 80, text)
            self.assertGreater(max(map(len, whole.splitlines())), 80, command)

    def leave_sessions(self):
        """What `status --all` shows."""
        state = pathlib.Path(self.env["XDG_STATE_HOME"]) / "squire"
        state.mkdir(parents=True, exist_ok=True)
        for name in "ab":
            (state / f"{name}.json").write_text(json.dumps({"token": jwt(), "upstream": "https://api.example.com", "configuration": f"/home/somebody/{name}/squire.yaml"}))

    def test_several_configurations(self):
        first, second = self.upstream(lambda r: reply(200, b"first")), self.upstream(lambda r: reply(200, b"second"))
        paths = [self.config(url, name=name, session="  missing: forward\n") for url, name in ((first.url, "a.yaml"), (second.url, "b.yaml"))]
        process = Process("run", "--config", paths[0], "--config", paths[1], env=self.env)
        self.addCleanup(process.stop)
        lines = [process.process.stdout.readline().decode().split() for _ in range(2)]
        self.assertEqual([line[0] for line in lines], ["proxy", "proxy"])
        for line, expected in zip(lines, (b"first", b"second")):
            process.port = int(line[1].rsplit(":", 1)[1])
            self.assertEqual(self.fetch(process).data, expected)

    def test_usage(self):
        for arguments, said, usage in (
                (("help", "lgoin"), 'did you mean "login"?', ""), (("run", "--lisen", "1"), "Did you mean '--listen'?", "run"), (("login",), "say either", ""),
                (("login", "--token", "secret"), "--token -", "login"), (("demo", "--token-ttl", "60"), "--token-ttl must be", "demo"),
                (("playground", "--listen", ":80"), "did you mean 80?", "playground"), (("exec",), "<command>", "exec"),
                (("run", "--workers", "x"), "--workers must be", "run"), (("run", "--workers", "-1"), "--workers must be a number from 0", "run"),
                (("run", "--upstream", "foo"), "squire: --upstream must be a URL", "run"), (("status", "--upstream", "foo"), "--upstream must be a URL", "status"),
                (("token", "--upstream", "foo"), "--upstream must be a URL", "token"), (("run", "--header", "foo"), "squire: --header must be 'Name: value'", "run"),
                (("explain", "GET", "/x", "-H", "foo"), "-H must be 'Name: value'", "explain"), (("exec", "ls"), "squire exec -- ls", ""),
                (("--verison",), 'did you mean "squire --version"?', ""), (("exec", "--log-level", "x", "--", "true"), "--log-level must be", "exec")):
            result = self.command(*arguments, code=64, cwd=self.directory)
            self.assertTrue(result.stderr.startswith("squire: ") and said in result.stderr, result.stderr)
            self.assertEqual(re.findall(r"^Usage: squire (\S+)", result.stderr, re.M), [usage] if usage else [])
        lines = self.command("--version").stdout.splitlines()
        self.assertEqual([line.split()[0] for line in lines], ["squire", "commit", "libcurl", "OpenSSL", "libevent"])
        self.assertTrue(all(re.fullmatch(r"\w+ [\w.+-]+", line) for line in lines), lines)
        for name in ("run", "demo", "playground", "login", "logout", "token", "status", "exec", "check", "explain"):
            self.assertIn("OVERVIEW", self.command(name, "--help").stdout)
            self.assertIn(name, self.command("--help").stdout)

    def test_completion_of_values_files_and_commands(self):
        (self.directory / "squire").symlink_to(SQUIRE)
        (self.directory / "my.yaml").touch()
        script = """source <(squire --generate-completion-script bash)
            t() { COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; COMPREPLY=()
                  _squire squire "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD-1]}"; echo "${COMPREPLY[*]}"; }
            t squire run --config m; t squire run --log-format ''; t squire exec -- squi; t squire exec -- cat ./m"""
        result = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=LIMIT, cwd=self.directory,
                                env=clean_environment(**self.env, PATH=f"{self.directory}:{os.environ['PATH']}"))
        self.assertEqual(result.stdout.splitlines(), ["my.yaml", "text json", "squire", "./my.yaml"], result.stderr)

    def test_port_in_use(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            result = self.command("run", "--config", self.config("https://api.example.com"), "--listen", f"127.0.0.1:{taken.getsockname()[1]}", code=74)
            self.assertIn("--listen", result.stderr)


class Sessions(Scenario):
    def test_output_that_cannot_be_written_is_no_success(self):
        """What is left of it may look whole."""
        config = self.config(self.upstream().url)
        self.save_token(jwt(), config)
        for command in (["token"], ["status", "--json"], ["check"]):
            with open("/dev/full", "w") as full:
                result = subprocess.run([SQUIRE, *command, "--config", config], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT,
                                        env=clean_environment(**self.env))
            self.assertEqual((result.returncode, result.stderr),
                             (74, "squire: standard output cannot be written: No space left on device\n"), command)
        for command in (f"token --config {config}", f"check --config {config}", f"status --json --config {config}", "profile", "init --full", "--help", "--version"):
            result = subprocess.run(["sh", "-c", f"{SQUIRE} {command} >&-"], capture_output=True, text=True, timeout=LIMIT, env=clean_environment(**self.env))
            self.assertEqual((result.returncode, result.stderr), (74, "squire: standard output cannot be written: Bad file descriptor\n"), command)

    def test_login_token_status_logout(self):
        playground = self.playground()
        config = self.config(playground)
        self.assertEqual(json.loads(self.command("status", "--json", "--config", config).stdout)["state"], "none")
        self.command("token", "--config", config, code=77)
        self.command("login", "--config", config, "--email", "john.doe@example.com", "--code", "9999", code=77)
        self.assertIn("--code is empty", self.command("login", "--config", config, "--email", "john.doe@example.com", "--code", "", code=64).stderr)
        self.command("login", "--config", config, "--email", "john.doe@example.com", "--password", "-", input="wrong\n", code=77)
        self.command("login", "--config", config, "--email", "john.doe@example.com", "--password", "-", input="playground\n")
        status = json.loads(self.command("status", "--json", "--config", config).stdout)
        self.assertEqual((status["state"], status["subject"], status["refreshes"]), ("usable", "5090976", 0))
        self.assertGreater(status["expires_in"], 3500)
        token = self.command("token", "--config", config).stdout.strip()
        self.assertEqual(token.count("."), 2)
        self.assertEqual(self.command("token", "--config", config, "--format", "header").stdout, f"Authorization: Bearer {token}\n")
        self.assertEqual(json.loads(self.command("token", "--config", config, "--format", "json").stdout)["token"], token)
        self.assertIn(f"SQUIRE_TOKEN='{token}'", self.command("token", "--config", config, "--format", "env").stdout)
        # Each value is looked at, also where a later one counts.
        self.assertIn("xml", self.command("token", "--config", config, "--format", "xml", "--format", "raw", code=64).stderr)
        result = self.command("token", "--config", config, "--min-ttl", "2h")
        self.assertRegex(result.stderr, r"^squire: the API's tokens live 3\d\d\d s only, less than --min-ttl 2h\n$")
        longer = result.stdout.strip()
        self.assertNotEqual(longer, token)
        # Another would live no longer than the one that a refresh has just brought.
        result = self.command("token", "--config", config, "--min-ttl", "2h")
        self.assertEqual(result.stdout.strip(), longer)
        self.assertRegex(result.stderr, r"^squire: the API's tokens live 3\d\d\d s only, less than --min-ttl 2h\n$")
        self.assertIn("usable", self.command("status", "--config", config).stdout)
        self.command("logout", "--config", config)
        self.command("token", "--config", config, code=77)
        # The code can be asked for.
        self.command("login", "--config", config, "--email", "john.doe@example.com", input="1234\n")

    def test_token_that_the_running_squire_could_not_save(self):
        """What the file holds is known to be refused: that is not printed."""
        config = pathlib.Path(self.config(self.playground()))
        config.write_text(config.read_text().replace('inspector: "off"', f"inspector: unix:{self.directory}/i.sock"))
        self.login(config)
        squire = self.run_squire(config)
        before = self.command("token", "--config", config).stdout
        lock = self.block_saving()
        body = json.dumps({"email": "john.doe@example.com", "password": "playground"}).encode()
        answer = self.fetch(squire, "POST", "/api/customers/login", body, {"Content-Type": "application/json"})
        self.assertEqual(answer.status, 200, answer.data)
        squire.wait_for_text("NOT SAVED", 1)
        self.assertIn("could not save", self.command("token", "--config", config, code=75).stderr)
        lock.rmdir()
        squire.wait_for_text("the token is saved now", 1)
        self.assertNotIn(self.command("token", "--config", config).stdout, ("", before))

    def test_logout_that_the_running_squire_could_not_save(self):
        """What the file holds has ended: that is not printed, and is said at the end."""
        config = pathlib.Path(self.config(self.playground()))
        config.write_text(config.read_text().replace('inspector: "off"', f"inspector: unix:{self.directory}/i.sock"))
        self.login(config)
        squire = self.run_squire(config)
        lock = self.block_saving()
        self.assertEqual(self.fetch(squire, "POST", "/api/customers/logout").status, 200)
        squire.wait_for_text("the session has ended, and its file still has the former token: NOT SAVED", 1)
        self.assertIn(f"the session has ended, and {self.session_file} still has its token", self.flat("token", config, 77))
        self.assertIn("still has its token", self.flat("status", config, 77))
        self.assertNotIn("in use", self.flat("status", config, 77))
        self.assertEqual(squire.stop(), 73)
        self.assertIn(f"the session has ended, but {self.session_file} still has its token", squire.text())
        lock.rmdir()

    def flat(self, command, config, code):
        """All that it says, in one line."""
        result = self.command(command, "--config", config, code=code)
        return " ".join((result.stdout + result.stderr).split())

    def test_login_beside_a_running_proxy(self):
        playground = self.playground()
        config = self.config(playground)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/api/customer-accounts/me").status, 401)
        self.login(config)
        deadline = time.monotonic() + LIMIT
        while self.fetch(squire, target="/api/customer-accounts/me").status != 200:
            self.assertLess(time.monotonic(), deadline)
        self.command("token", "--config", config, "--min-ttl", "2h")
        self.assertEqual(self.fetch(squire, target="/api/customer-accounts/me").status, 200)
        self.assertEqual(json.loads(self.fetch(squire, target="/playground/log").data)["refreshes"], 1)

    def test_malformed_input_and_unreachable_api(self):
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        config = self.config(f"http://127.0.0.1:{port}")
        self.command("login", "--config", config, "--token", "-", input="not a token\n", code=65)
        self.command("login", "--config", config, "--token", "-", input="", code=65)
        self.command("login", "--config", config, "--email", "a@b.c", "--code", "1", code=69)
        self.save_token(jwt(life=10), config)
        self.command("token", "--config", config, code=69)
        self.assertIn("fail  connection", self.command("check", "--online", "--config", config, code=69).stdout)
        self.session_file.write_text("{broken")
        os.utime(self.session_file, (0, 0))
        self.assertIn("damaged", self.command("token", "--config", config, code=65).stderr)
        # A login repairs it.
        self.session_file.unlink()
        self.command("login", "--config", config, "--session", "/proc/nowhere/x.json", "--token", "-", input=jwt() + "\n", code=73)

    def test_unknown_members_survive(self):
        config = self.config(self.playground())
        self.login(config)
        content = json.loads(self.session_file.read_text())
        content["mine"] = {"big": 12345678901234567890, "list": [1.50, None]}
        self.session_file.write_text(json.dumps(content))
        self.command("token", "--config", config, "--min-ttl", "2h")
        self.assertIn('"big": 12345678901234567890', self.session_file.read_text())
        self.assertEqual(json.loads(self.session_file.read_text())["refreshes"], 1)
        self.assertEqual(self.session_file.stat().st_mode & 0o777, 0o600)
        self.assertEqual(sorted(p.name for p in self.directory.glob("*session*")), ["session.json", "session.json.lock"])

    def injected(self, fault, *arguments):
        """A command whose system calls fail as `fault` says (strace(1))."""
        return subprocess.run(["strace", "-f", "-o", "/dev/null", "-e", fault, SQUIRE, *arguments], capture_output=True, text=True,
                              timeout=LIMIT, env=clean_environment(**self.env))

    def test_full_disk_before_the_refresh(self):
        playground = self.playground()
        config = self.config(playground)
        self.login(config)
        before = self.session_file.read_bytes()
        result = self.injected("inject=fsync:error=ENOSPC", "token", "--config", config, "--min-ttl", "2h")
        self.assertEqual((result.returncode, result.stdout), (73, ""), result.stderr)
        self.assertEqual(self.session_file.read_bytes(), before)
        self.assertEqual(list(self.directory.glob(".session*")), [])
        # Nothing was sent: the login is as good as before.
        self.command("token", "--config", config, "--min-ttl", "2h")

    def test_rename_fails_once_after_the_refresh(self):
        config = self.config(self.playground())
        self.login(config)
        result = self.injected("inject=rename:error=EIO:when=1", "token", "--config", config, "--min-ttl", "2h")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(self.session_file.read_text())["token"], result.stdout.strip())

    def test_token_that_cannot_be_saved_is_given_and_said(self):
        config = self.config(self.playground())
        self.login(config)
        result = self.injected("inject=rename:error=EIO", "token", "--config", config, "--min-ttl", "2h")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("NOT SAVED", result.stderr)
        self.assertNotEqual(json.loads(self.session_file.read_text())["token"], result.stdout.strip())

    def test_exec(self):
        config = self.config(self.playground())
        self.login(config)
        result = self.command("exec", "--config", config, "--env", "API_BASE", "--", "sh", "-c",
                              'test "$API_BASE" = "$SQUIRE_URL" && curl -fsS $SQUIRE_URL/api/customer-accounts/me; exit 7', code=7)
        self.assertEqual(json.loads(result.stdout)["status"], "OK")
        # A URL of a Unix socket is none that a client knows.
        result = self.command("exec", "--config", config, "--listen", f"unix:{self.directory}/x.sock", "--env", "API_BASE", "--", "sh", "-c",
                              'test "$API_BASE" = http://localhost && curl -fsS --unix-socket "$SQUIRE_SOCKET" $SQUIRE_URL/api/customer-accounts/me')
        self.assertEqual(json.loads(result.stdout)["status"], "OK")
        self.command("exec", "--config", config, "--", "/nonexistent/command", code=127)
        self.command("exec", "--config", config, "--", "sh", "-c", "kill -TERM $$", code=143)

    def test_exec_takes_names_of_variables_only(self):
        config = self.config(self.playground())
        self.login(config)
        for name in ("A=B", "", "=", "1A", "A B", "A\n", "A-B", "é", "A\x1b[31m"):
            result = self.command("exec", "--config", config, f"--env={name}", "--", "true", code=64)
            self.assertTrue(all(line.isprintable() for line in result.stderr.splitlines()), repr(result.stderr))
        self.command("exec", "--config", config, "--env", "_a1", "--", "sh", "-c", 'test "$_a1" = "$SQUIRE_URL"')

    def test_a_signal_to_exec_in_its_first_moments_reaches_the_command(self):
        """Whenever it comes: the command is not started, or it ends, and `exec` never before it."""
        config = self.config(self.playground())
        self.login(config)
        marker = self.directory / "command"
        script = f"echo $$ > {marker}.new && mv {marker}.new {marker}; exec sleep 1000"
        deaths = 0
        for index in range(60):
            marker.unlink(missing_ok=True)
            process = subprocess.Popen([SQUIRE, "exec", "--config", config, "--", "sh", "-c", script], stdin=subprocess.DEVNULL,
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(**self.env))
            # Before and after the command is there, in steps that are much smaller than what starting takes.
            select.select([], [], [], index * 0.001)
            process.send_signal(signal.SIGTERM)
            self.assertIn(process.wait(LIMIT), (143, -signal.SIGTERM))
            deaths += process.returncode == 143
            if marker.exists():
                self.assertFalse(self.is_running(int(marker.read_text())), f"outlived after {index} ms")
        self.assertEqual(left_over(f"{marker}.new"), [])

    def test_the_command_of_exec_never_outlives_it(self):
        config = self.config(self.playground())
        self.login(config)
        marker = self.directory / "command"
        for number in (signal.SIGKILL, signal.SIGALRM, signal.SIGSEGV, signal.SIGRTMIN):
            marker.unlink(missing_ok=True)
            process = subprocess.Popen([SQUIRE, "exec", "--config", config, "--", "sh", "-c", f"echo $$ > {marker}.new && mv {marker}.new {marker}; exec sleep 1000"],
                                       stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(**self.env))
            self.until(marker.exists, "the command runs")
            process.send_signal(number)
            process.wait(LIMIT)
            child = int(marker.read_text())
            self.until(lambda: not self.is_running(child), f"ends after {number}")

    def test_exec_saves_what_its_command_led_to(self):
        """The command has ended, and a refresh has not: that may cost the login, unless somebody is in a hurry."""
        release, asked, new = threading.Event(), threading.Event(), jwt(jti="new")
        self.addCleanup(release.set)

        def respond(request):
            if "refresh" not in request.target: return reply(401)
            asked.set()
            release.wait(LIMIT)
            return token_reply(new)

        config = self.config(self.upstream(respond).url)
        self.save_token(jwt(), config)
        marker = self.directory / "command"
        script = f"echo $$ > {marker}.new && mv {marker}.new {marker}; curl -s -m 0.2 $SQUIRE_URL/x; exit 5"
        process = subprocess.Popen([SQUIRE, "exec", "--config", config, "--", "sh", "-c", script], stdin=subprocess.DEVNULL,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=clean_environment(**self.env))
        self.assertTrue(asked.wait(LIMIT))
        self.until(lambda: marker.exists() and not self.is_running(int(marker.read_text())), "the command ends")
        # What was passed on to the command until now is not for Squire.
        for name in ("TERM", "HUP", "QUIT", "USR1", "USR2"): process.send_signal(signal.Signals[f"SIG{name}"])
        release.set()
        self.assertEqual(process.wait(LIMIT), 5)
        self.assertTrue(json.loads(self.session_file.read_text())["token"] == new)

    def is_running(self, pid):
        try:
            return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
        except FileNotFoundError:
            return False

    def test_explain_shows_no_secret(self):
        config = self.config("http://127.0.0.1:1", name="secret.yaml")
        pathlib.Path(config).write_text(pathlib.Path(config).read_text().replace("headers:\n", 'headers:\n  X-Api-Key: hush-configured\n'))
        text = self.command("explain", "--config", config, "GET", "/x", "-H", "X-Auth-Token: hush-client", "-H", "Cookie: a=hush", "-H", "X-Plain: seen").stdout
        self.assertNotIn("hush", text)
        self.assertIn("X-Api-Key: ‹secret›    (set: ", text)
        self.assertIn("X-Plain: seen", text)

    def test_check_and_explain(self):
        playground = self.playground()
        config = self.config(playground)
        self.command("check", "--config", config, "--online", code=77)
        self.login(config)
        result = self.command("check", "--config", config, "--online").stdout
        for word in ("DNS", "connection", "TLS", "clock", "API", "session"):
            self.assertIn(word, result)
        result = self.command("explain", "--config", config, "GET", "/api/venues?x=1", "--request-header", "Authorization: Bearer mine").stdout
        for text in ("GET /api/venues?x=1 HTTP/1.1", "Application: " + HEADERS["Application"], "squire.yaml:6", "removed: Authorization    (authorization: replace)", "the session's token"):
            self.assertIn(text, result)
        self.assertIn("never sent", self.command("explain", "--config", config, "POST", "/api/customers/login").stdout)
        self.assertEqual(json.loads(self.command("status", "--json", "--config", config).stdout)["refreshes"], 0)


class Pages(Scenario):
    """What Squire serves itself."""

    def heads(self, port, target):
        """The head of the answer to GET, and the whole answer to HEAD and to the request after it."""
        get, head = (self.exchange(port, f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()) for method in ("GET", "HEAD"))
        follow = self.exchange(port, f"HEAD {target} HTTP/1.1\r\nHost: localhost\r\n\r\nGET /nowhere HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        return get.partition(b"\r\n\r\n")[0], head, follow

    def same_head(self, port, target, status=200):
        get, head, follow = self.heads(port, target)
        names = lambda data: sorted(line.partition(b":")[0] for line in data.split(b"\r\n")[1:] if line)
        self.assertTrue(head.startswith(b"HTTP/1.1 %d " % status), (target, head))
        self.assertEqual((head.split(b"\r\n")[0], names(head)), (get.split(b"\r\n")[0], names(get)))
        self.assertTrue(head.endswith(b"\r\n\r\n") and head.count(b"\r\n\r\n") == 1, head)
        # The next answer follows at once: no byte of a body is between.
        self.assertTrue(follow.partition(b"\r\n\r\n")[2].startswith(b"HTTP/1.1 404 "), follow)

    def test_head_is_get_without_the_body(self):
        process = Process("demo", "--listen", "127.0.0.1:0", "--inspector", "127.0.0.1:0", env=self.env)
        self.addCleanup(lambda: process.stop())
        process.wait_for("proxy", "inspector")
        port = int(process.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        for target, status in (("/", 200), ("/healthz", 200), ("/readyz", 200), ("/metrics", 200), ("/api/status", 200), ("/nothing", 404), ("/api/exchanges", 200)):
            self.same_head(port, target, status)
        playground = int(self.playground().rsplit(":", 1)[1])
        for target, status in (("/playground/log", 200), ("/playground/bytes/100000", 200), ("/playground/stream/2", 200), ("/playground/echo/x", 200),
                               ("/api/venues/x", 200), ("/api/customer-accounts/me", 401), ("/playground/nothing", 404)):
            self.same_head(playground, target, status)

    def test_no_page_can_change_the_playground(self):
        playground = Process("playground", "--listen", "127.0.0.1:0", env=self.env)
        self.addCleanup(lambda: playground.stop())
        playground.port = int(playground.wait_for("playground").endpoints["playground"].rsplit(":", 1)[1])
        for fields in ({"Origin": "https://evil.test"}, {"Origin": "null"}, {"Origin": f"http://127.0.0.1:{playground.port}"}, {"Sec-Fetch-Site": "cross-site"},
                       {"Sec-Fetch-Site": "same-site"}, {"Sec-Fetch-Site": "same-origin"}, {"Sec-Fetch-Site": "none", "Origin": "http://rebound.test"}):
            for method, target in (("POST", "/playground/revoke"), ("POST", "/playground/expire"), ("POST", "/playground/sink"), ("PUT", "/playground/sink")):
                self.assertEqual(self.fetch(playground, method, target, headers=fields).status, 403, (fields, target))
        for method, target, status in (("POST", "/playground/sink", 200), ("GET", "/playground/log", 200), ("POST", "/playground/revoke", 404)):
            # Nobody is logged in whose token it could revoke.
            self.assertEqual(self.fetch(playground, method, target).status, status)


class Running(Scenario):
    def test_demo(self):
        process = Process("demo", "--listen", "127.0.0.1:0", "--inspector", "127.0.0.1:0", env=self.env)
        process.wait_for("proxy", "inspector")
        process.port = int(process.endpoints["proxy"].rsplit(":", 1)[1])
        for method, target in (("GET", "/api/customer-accounts/me"), ("POST", "/playground/revoke"), ("GET", "/api/customer-accounts/me")):
            self.assertEqual(self.fetch(process, method, target).status, 200)
        process.port, proxy = int(process.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1]), process.port
        self.assertEqual(self.fetch(process, target="/healthz").status, 200)
        self.assertEqual(self.fetch(process, target="/readyz").status, 200)
        status = json.loads(self.fetch(process, target="/api/status").data)
        self.assertEqual((status["session"]["state"], status["session"]["last_refresh"]["cause"]), ("usable", "rejected"))
        # The page offers the lines that the terminal shows.
        text = process.text()
        self.assertEqual(len(status["copy"]["examples"]), 3)
        # The page shows the words behind a line; a terminal's shell may take no comment.
        for line in status["copy"]["examples"]: self.assertIn("\n  " + line.split("  # ")[0] + "\n", text)
        # A terminal of 80 columns breaks none of the words.
        self.assertTrue(all(len(line) < 80 for line in text[text.index("A simulated API"):text.index("ends it.")].splitlines()), text)
        metrics = self.fetch(process, target="/metrics").data.decode()
        self.assertIn('squire_requests_total{status="200"} 3', metrics)
        self.assertIn('squire_refreshes_total{cause="rejected",outcome="refreshed"} 1', metrics)
        self.assertIn('squire_retries_total{outcome="accepted"} 1', metrics)
        self.assertEqual(self.fetch(process, target="/healthz", headers={"Host": "evil.example"}).status, 421)
        self.assertEqual(process.stop(signal.SIGINT), 0)
        self.assertIn("sent twice", process.text())

    def test_demo_takes_the_next_free_port(self):
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(socket.create_server(("127.0.0.1", 8080)))
            process = Process("demo", env=self.env).wait_for("proxy", "inspector")
            port = process.endpoints["proxy"].rsplit(":", 1)[1]
            self.assertNotEqual(port, "8080")
            process.wait_for_text(f"localhost:8080 is taken: the proxy is on port {port}")
            self.assertEqual(process.stop(), 0)

    def test_no_secret_in_any_log(self):
        playground = self.playground()
        key = self.directory / "key"
        key.write_text("super-secret-access-key\n")
        config = self.config(playground, extra=f"access: {{key: {key}}}\n")
        self.login(config)
        for form in ("text", "json"):
            first = json.loads(self.session_file.read_text())["token"]
            squire = self.run_squire(config, "--log-level", "trace", "--log-format", form)
            secrets = {"X-Squire-Key": "super-secret-access-key", "Cookie": "cookie-secret", "Authorization": "Bearer client-secret"}
            self.fetch(squire, "POST", "/playground/revoke", headers=secrets)
            self.assertEqual(self.fetch(squire, target="/api/customer-accounts/me?token=query-secret&x=1&api_key=other-secret", headers=secrets).status, 200)
            self.fetch(squire, "POST", "/api/customers/login", b'{"email":"john.doe@example.com","password":"playground"}', headers=secrets)
            second = json.loads(self.session_file.read_text())["token"]
            squire.stop()
            log = squire.text()
            for secret in (first, second, first.split(".")[1], "super-secret", "cookie-secret", "client-secret", "query-secret", "other-secret", '"playground"', HEADERS["Application"]):
                self.assertNotIn(secret, log)
            self.assertIn("/api/customer-accounts/me?token=…&x=1&api_key=…", log)
            if form == "json":
                lines = [json.loads(line) for line in log.splitlines()]
                exchange = [line for line in lines if line["message"] == "exchange" and line["attempts"] == 2]
                self.assertEqual(len(exchange), 1)
                for name in ("id", "method", "path", "status", "request_bytes", "response_bytes", "upstream_ms", "total_ms", "generation"):
                    self.assertIn(name, exchange[0])

    def test_shutdown_lets_exchanges_end(self):
        release = threading.Event()
        squire, upstream = self.proxied(lambda r: release.wait(LIMIT) and reply(200, b"late"))
        results = []
        thread = threading.Thread(target=lambda: results.append(self.fetch(squire)))
        thread.start()
        upstream.wait_for_requests(1)
        squire.process.send_signal(signal.SIGTERM)
        # No longer accepting: a new connection is refused.
        deadline = time.monotonic() + LIMIT
        while True:
            try:
                socket.create_connection(("127.0.0.1", squire.port), 1).close()
            except OSError:
                break
            self.assertLess(time.monotonic(), deadline)
        release.set()
        thread.join()
        self.assertEqual((results[0].status, results[0].data), (200, b"late"))
        # A second signal would cut the end short.
        self.assertEqual(squire.process.wait(LIMIT), 0)

    def test_signal_right_after_the_ready_line(self):
        config = self.config("https://api.example.com")
        for arguments in (("run", "--config", config), ("playground", "--listen", "127.0.0.1:0"), ("demo", "--listen", "127.0.0.1:0")) * 3:
            process = Process(*arguments, env=self.env)
            process.process.stdout.readline()
            self.assertEqual(process.stop(), 0, arguments)

    def test_a_stop_keeps_the_token_that_could_not_be_saved(self):
        """Another program damages the session file while a refresh runs."""
        new = jwt(jti="new")

        def respond(request):
            if "refresh" not in request.target: return reply(200 if request.token == new else 401)
            self.session_file.write_text("")
            return token_reply(new)

        squire, upstream = self.proxied(respond, token=jwt(jti="old"))
        former = self.session_file.read_text()
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(squire.stop(), 73)
        answer = self.session_file.with_name(self.session_file.name + ".answer")
        self.assertIn(f"and is kept in {answer}.", squire.text())
        self.assertEqual(answer.stat().st_mode & 0o777, 0o600)
        # Whoever has the session's file again never spends what is dead: what took its place is taken up.
        self.session_file.write_text(former)
        self.session_file.chmod(0o600)
        self.assertEqual(self.command("token", "--config", squire.config).stdout.strip(), new)
        self.assertEqual(sum("refresh" in r.target for r in upstream.requests), 1)
        # And nobody is told to put back what was replaced, should the file still lie there.
        answer.write_text(former)
        self.assertNotIn(".answer", self.command("status", "--config", squire.config).stdout)

    def test_a_command_keeps_the_token_that_it_could_not_save(self):
        """Something takes the session file's place while it refreshes, for good."""
        old, new = jwt(jti="old"), jwt(jti="new")

        def respond(request):
            former = self.session_file.read_text()
            self.session_file.unlink()
            self.session_file.mkdir()
            self.addCleanup(lambda: (self.session_file.rmdir(), self.session_file.write_text(former)))
            return token_reply(new)

        config = self.config(self.upstream(respond).url)
        self.save_token(old, config)
        said = self.command("token", "--config", config, "--min-ttl", "23h")
        self.assertEqual(said.stdout.strip(), new)
        answer = self.session_file.with_name(self.session_file.name + ".answer")
        self.assertIn(f"it is kept in {answer}", " ".join(said.stderr.split()))
        self.assertEqual(json.loads(answer.read_text())["token"], new)

    @unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "only root can mount")
    def test_nothing_is_spent_where_no_file_can_take_the_place_of_the_session(self):
        """It is mounted by itself, as into a container: its directory takes new files, and it cannot be replaced."""
        upstream = self.upstream(lambda r: token_reply(jwt(jti="new")))
        config = self.config(upstream.url)
        self.save_token(jwt(jti="old"), config)
        former = self.session_file.read_text()

        def mounted(*words, input=""):
            script = 'mount --bind "$0" "$0" && exec "$@"'
            return subprocess.run(["unshare", "-m", "sh", "-c", script, str(self.session_file), SQUIRE, *words, "--config", config],
                                  input=input, capture_output=True, text=True, timeout=LIMIT, env=clean_environment(**self.env))
        for words in (["token", "--min-ttl", "23h"], ["login", "--email", "john.doe@example.com", "--code", "1234"], ["logout"]):
            result = mounted(*words)
            self.assertEqual(result.returncode, 73, result.stderr)
            self.assertIn("Device or resource busy", " ".join(result.stderr.split()))
        self.assertEqual(upstream.requests, [])
        self.assertEqual(self.session_file.read_text(), former)
        self.assertEqual([path.name for path in self.directory.iterdir() if path.name.startswith(f".{self.session_file.name}")], [])

    @unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "only root can mount")
    def test_a_token_beside_a_file_that_cannot_be_replaced_is_used(self):
        """A process died, or ended, before it could put the new token in the file's place, and that is a mount."""
        new = jwt(jti="new")
        upstream = self.upstream(lambda r: token_reply(new) if "refresh" in r.target else reply(200 if r.token == new else 401))
        config = self.config(upstream.url)
        self.save_token(jwt(jti="old"), config)
        former = self.session_file.read_text()
        self.command("token", "--min-ttl", "23h", "--config", config)
        successor = self.session_file.read_text()
        self.session_file.write_text(former)

        mounts = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && exec "$@"', str(self.session_file))

        def mounted(*words, code=0):
            result = subprocess.run([*mounts, SQUIRE, *words], capture_output=True, text=True, timeout=LIMIT, env=clean_environment(**self.env))
            self.assertEqual(result.returncode, code, result.stderr)
            return result
        for name in (f".{self.session_file.name}.new", f"{self.session_file.name}.answer"):
            beside = self.session_file.with_name(name)
            # One that runs already learns of it when the API rejects what the file has.
            running = Process("run", "--config", config, env=self.env, prefix=mounts).wait_for("proxy")
            running.port = int(running.endpoints["proxy"].rsplit(":", 1)[1])
            beside.write_text(successor)
            beside.chmod(0o600)
            self.assertEqual(self.fetch(running).status, 200)
            self.assertEqual(mounted("token", "--config", config).stdout.strip(), new)
            self.assertEqual(running.stop(), 73)
            self.session_file.with_name(self.session_file.name + ".answer").unlink()
            beside.write_text(successor)
            beside.chmod(0o600)
            told = mounted("token", "--config", config)
            self.assertEqual(told.stdout.strip(), new)
            self.assertIn(f"Device or resource busy; it is kept in {beside}", " ".join(told.stderr.split()))
            self.assertIn(f"kept in {beside}", " ".join(mounted("status", "--config", config).stdout.split()))
            mounted("exec", "--config", config, "--", "sh", "-c", 'exec curl -sf -o /dev/null "$SQUIRE_URL/x"')
            self.assertEqual([r.token for r in upstream.requests if r.target == "/x"][-1], new)
            self.assertEqual(self.session_file.read_text(), former)
            # Once the file can be replaced, it has the token.
            self.assertEqual(self.command("token", "--config", config).stdout.strip(), new)
            self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
            self.assertFalse(beside.exists())
            self.session_file.write_text(former)
        self.assertEqual(sum("refresh" in r.target for r in upstream.requests), 1)

    def test_second_signal_leaves_at_once(self):
        block = threading.Event()
        self.addCleanup(block.set)
        squire, upstream = self.proxied(lambda r: block.wait(LIMIT) and None)
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upstream.wait_for_requests(1)
        squire.process.send_signal(signal.SIGTERM)
        deadline = time.monotonic() + LIMIT
        while squire.process.poll() is None:
            squire.process.send_signal(signal.SIGTERM)
            time.sleep(0.01)
            self.assertLess(time.monotonic(), deadline)
        self.assertEqual(squire.process.returncode, 143)

    def test_shutdown_saves_a_running_refresh(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        release = threading.Event()
        squire, upstream = self.proxied(
            lambda r: (release.wait(LIMIT) and token_reply(new)) if "refresh" in r.target else reply(401), token=old, extra="timeouts: {shutdown: 100ms}\n")
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upstream.wait_for_requests(2)
        squire.process.send_signal(signal.SIGTERM)
        threading.Timer(0.5, release.set).start()
        self.assertEqual(squire.process.wait(LIMIT), 0)
        self.assertEqual(json.loads(self.session_file.read_text())["token"], new)

    def test_rotation_is_durable_before_use(self):
        """write, fsync, rename, fsync of the directory; only then the new token leaves."""
        old, new = jwt(jti="old"), jwt(jti="new")
        trace = self.directory / "trace"
        upstream = self.upstream(lambda r: token_reply(new) if "refresh" in r.target else reply(200 if r.token == new else 401))
        config = self.config(upstream.url)
        self.save_token(old, config)
        process = Process("run", "--config", config, env=self.env, prefix=("strace", "-D", "-f", "-y", "-s", "4000", "-o", str(trace), "-e",
                          "trace=write,pwrite64,fsync,rename,renameat,renameat2,sendto,openat")).wait_for("proxy")
        process.port = int(process.endpoints["proxy"].rsplit(":", 1)[1])
        self.assertEqual(self.fetch(process).status, 200)
        process.stop()
        deadline = time.monotonic() + LIMIT
        while not trace.read_text(errors="replace").endswith("+++ exited with 0 +++\n"):
            self.assertLess(time.monotonic(), deadline)
        marks = []
        for line in trace.read_text(errors="replace").splitlines():
            if "write(" in line and ".session.json." in line and new in line: marks.append("write")
            elif "fsync(" in line and ".session.json." in line: marks.append("fsync")
            elif "rename" in line and "session.json" in line: marks.append("rename")
            elif "fsync(" in line and str(self.directory) + ">" in line: marks.append("fsync directory")
            elif "sendto(" in line and f"Bearer {new}" in line: marks.append("use")
        self.assertEqual(marks[-5:], ["write", "fsync", "rename", "fsync directory", "use"], marks)


if __name__ == "__main__":
    main()
