"""The three standard streams: closed ones, full ones, and narrow terminals."""
import base64, fcntl, pty, struct, termios
from harness import *

CANNOT = "squire: standard output cannot be written: "
CLOSED = CANNOT + "Bad file descriptor"


def token_of(**claims):
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()
    return f'{part({"alg": "HS256"})}.{part(claims)}.c2ln'


class Streams(Scenario):
    def through(self, redirection, *arguments, input=""):
        """Squire with its streams as a shell gives them to it."""
        return subprocess.run(["sh", "-c", f'exec "$0" "$@" {redirection}', SQUIRE, *arguments], input=input, capture_output=True, text=True,
                              timeout=LIMIT, env=clean_environment(**self.env), cwd=self.directory)

    def test_the_command_of_exec_has_the_streams_that_exec_has(self):
        """And nothing else; a closed one is closed, as it is behind env(1)."""
        config = self.config(self.upstream().url, session="  missing: forward\n")
        found = self.directory / "found"
        look = f"import os, pathlib\ndef there(n):\n try: return os.fstat(n) is not None\n except OSError: return False\n" \
               f"pathlib.Path({str(found)!r}).write_text(repr([n for n in range(300) if there(n)]))"
        for redirection, expected in (("", [0, 1, 2]), ("<&-", [1, 2]), (">&-", [0, 2]), ("<&- >&- 2>&-", [])):
            for prefix in ((SQUIRE, "exec", "--config", config, "--"), ("env",)):
                found.unlink(missing_ok=True)
                shell = f'exec 7</dev/null; exec "$0" "$@" {redirection}' if prefix[0] == SQUIRE else f'exec "$0" "$@" {redirection}'
                result = subprocess.run(["sh", "-c", shell, *prefix, "python3", "-c", look], stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT,
                                        env=clean_environment(**self.env))
                self.assertEqual((result.returncode, found.read_text()), (0, repr(expected)), (prefix[0], redirection, result.stderr))

    def test_what_was_done_is_said_where_it_can_be(self):
        """Standard output takes it not: the exit code says that, and the message that the work is done all the same."""
        config = self.config("https://api.example.com")
        result = self.through(">&-", "login", "--config", config, "--token", "-", input=jwt() + "\n")
        self.assertEqual(result.returncode, 74)
        self.assertTrue(result.stderr.startswith(f"{CLOSED}. This was done, and is said here:\nlogged in as customer 5090976, "), result.stderr)
        self.assertEqual(self.command("status", "--json", "--config", config).stdout.count('"usable"'), 1)
        result = self.through(">/dev/full", "logout", "--local", "--config", config)
        self.assertEqual((result.returncode, result.stderr),
                         (74, f"{CANNOT}No space left on device. This was done, and is said here:\nlogged out\n"))
        result = self.through(">&-", "init", "--upstream", "https://api.example.com", "--config", "new.yaml")
        self.assertEqual((result.returncode, result.stderr.splitlines()[1]), (74, "new.yaml: written"))
        self.assertTrue((self.directory / "new.yaml").exists())
        # What was asked for is not said elsewhere: it may be a secret.
        self.command("login", "--config", config, "--token", "-", input=jwt() + "\n")
        self.assertEqual(self.through(">&-", "token", "--config", config).stderr, CLOSED + "\n")

    def test_who_cannot_say_where_it_listens_does_not_go_on(self):
        for command in ("demo", "playground"):
            options = ["--listen", "127.0.0.1:0"] + (["--inspector", "off"] if command == "demo" else [])
            for redirection, reason in ((">&-", "Bad file descriptor"), (">/dev/full", "No space left on device")):
                result = self.through(redirection, command, *options)
                self.assertEqual((result.returncode, result.stderr.splitlines()[-1]), (74, CANNOT + reason), command)

    def test_a_service_goes_on_without_standard_output(self):
        config = self.config(self.upstream().url, session="  missing: forward\n")
        path = str(self.directory / "p.sock")
        for redirection, warns in ((">&-", False), (">/dev/full", True)):
            process = subprocess.Popen(["sh", "-c", f'exec "$0" "$@" {redirection}', SQUIRE, "run", "--config", config, "--listen", f"unix:{path}"],
                                       stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, env=clean_environment(**self.env))
            # What runs: from then on it heeds signals.
            self.assertIn(f"unix:{path}", process.stderr.readline())
            process.send_signal(signal.SIGTERM)
            said = process.stderr.read()
            process.stderr.close()
            self.assertEqual((process.wait(LIMIT), "standard output cannot be written" in said), (0, warns), said)

    def test_help_on_a_narrow_terminal(self):
        leader, follower = pty.openpty()
        self.addCleanup(os.close, leader)
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 40, 0, 0))
        process = subprocess.Popen([SQUIRE, "--help"], stdout=follower, stderr=follower, stdin=subprocess.DEVNULL, env=clean_environment(**self.env))
        os.close(follower)
        shown = b""
        with contextlib.suppress(OSError):
            while data := os.read(leader, 4096): shown += data
        self.assertEqual(process.wait(LIMIT), 0)
        narrow = lambda *command: self.command(*command, "--help", env={"COLUMNS": "40"}).stdout
        self.assertEqual(shown.decode().replace("\r\n", "\n"), narrow())
        for command in ((), ("run",), ("login",), ("exec",), ("shared", "key")):
            text = narrow(*command)
            self.assertEqual(text.split(), self.command(*command, "--help").stdout.split())
            for line in text.splitlines():
                # But for what cannot be broken.
                self.assertTrue(len(line) <= 40 or max(map(len, line.split())) > 30, repr(line))


class AbsurdTokens(Scenario):
    def test_a_token_says_absurd_things_of_its_end(self):
        config = self.config("https://api.example.com", profile="")
        far, now = "9999-12-31 23:59:59 UTC, more than 10 years away", int(time.time())
        for end, said, life, code in (
                (0, "token expired 2", " days ago, ", 77), (-1e30, "token expired 2", " days ago, ", 77),
                (now - 30.5, "token expired 3", " s ago, ", 77),
                (1e30, f"token good until the API refuses it: it claims to end at {far}, and is not believed", f"the token says {far}", 0),
                (now + 400 * 86400 + 0.5, "token good for 399 days", "in 399 days", 0)):
            text = self.command("login", "--config", config, "--token", "-", "--replace", input=token_of(sub="1", exp=end) + "\n").stdout
            self.assertIn(f"logged in as customer 1, {said}", text)
            status = self.command("status", "--config", config, code=code).stdout
            self.assertIn(life, next(line for line in status.splitlines() if line.startswith("expires")))
            self.command("token", "--config", config, code=code)
