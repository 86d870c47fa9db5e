"""Squire under a service manager: what it is told (sd_notify), the sockets it passes (LISTEN_FDS), the journal, the units.

The manager's side is written here, by the documented protocols, and shares nothing with Squire's.
"""
from harness import *
import plistlib

ROOT = pathlib.Path(__file__).resolve().parents[3]
UNITS = ROOT / "config/units"


class Manager:
    """A service manager's socket, and what it was told."""

    def __init__(self, case, name=None):
        self.name = name or str(case.directory / "notify")
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + self.name[1:] if self.name.startswith("@") else self.name)
        self.socket.settimeout(LIMIT)
        case.addCleanup(self.socket.close)

    def next(self):
        """The assignments of one message."""
        text = self.socket.recv(4096).decode()
        assert text.endswith("\n"), text
        return dict(line.split("=", 1) for line in text.splitlines())

    def until(self, key):
        while True:
            message = self.next()
            if key in message: return message

    def has_more(self):
        return bool(select.select([self.socket], [], [], 0)[0])


# Binds, listens and becomes squire, as a service manager does: the descriptors from 3 on, close-on-exec off.
PASSES = """
import json, os, socket, sys
sockets, variables, *command = sys.argv[1:]
made = []
for one in json.loads(sockets):
    kind = {"stream": socket.SOCK_STREAM, "datagram": socket.SOCK_DGRAM}[one.get("type", "stream")]
    if "file" in one:
        made.append(os.open(one["file"], os.O_RDONLY)); continue
    s = socket.socket(getattr(socket, one.get("family", "AF_INET")), kind)
    address = one["address"]
    s.bind(address if isinstance(address, str) else tuple(address))
    if "mode" in one: os.chmod(address, one["mode"])
    if one.get("listens", True): s.listen()
    made.append(s.detach())
above = [os.dup2(d, 60 + i, False) for i, d in enumerate(made)]
for d in made: os.close(d)
for i, d in enumerate(above): os.dup2(d, 3 + i)
os.closerange(3 + len(above), 100)
os.environ["LISTEN_PID"] = str(os.getpid())
for name, value in json.loads(variables).items():
    if value is None: os.environ.pop(name, None)
    else: os.environ[name] = value
os.execv(command[0], command)
"""


def passing(sockets, **variables):
    """The words before a command that has these sockets passed to it."""
    variables = {"LISTEN_FDS": str(len(sockets)), **variables}
    return (sys.executable, "-c", PASSES, json.dumps(sockets), json.dumps(variables))


def on(port=0, host="127.0.0.1", **more):
    return {"address": [host, port], **more}


class Notify(Scenario):
    def served(self, name=None, extra="", session="", **env):
        """Squire in front of an upstream, and its manager."""
        manager = Manager(self, name)
        self.env.update(NOTIFY_SOCKET=manager.name, **env)
        squire, upstream = self.proxied(extra=extra, session=session)
        return squire, manager, upstream

    def test_readiness_reload_and_stop_are_told(self):
        squire, manager, upstream = self.served()
        told = manager.next()
        self.assertEqual(told, {"READY": "1", "STATUS": f"{squire.url} -> {upstream.url}: the session is usable"})
        before = time.monotonic_ns() // 1000
        squire.process.send_signal(signal.SIGHUP)
        told = manager.next()
        self.assertEqual(told.pop("RELOADING"), "1")
        self.assertLessEqual(before, int(told["MONOTONIC_USEC"]))
        self.assertLessEqual(int(told["MONOTONIC_USEC"]), time.monotonic_ns() // 1000)
        self.assertEqual(manager.next()["READY"], "1")
        # One that is refused ends, too, and says so.
        pathlib.Path(squire.config).write_text("nonsense: 1\n")
        squire.process.send_signal(signal.SIGHUP)
        self.assertIn("RELOADING", manager.next())
        told = manager.next()
        self.assertEqual(told["READY"], "1")
        self.assertIn("the last reload was refused", told["STATUS"])
        self.assertFalse(manager.has_more())
        self.assertEqual(squire.stop(), 0)
        told = manager.next()
        self.assertEqual(told["STOPPING"], "1")
        # Ten seconds for exchanges, twice thirty for a refresh, and some more.
        self.assertEqual(told["EXTEND_TIMEOUT_USEC"], "80000000")
        self.assertFalse(manager.has_more())

    def test_several_proxies_are_one_service(self):
        manager = Manager(self)
        upstream = self.upstream()
        one, other = self.config(upstream.url, name="one.yaml"), self.config(upstream.url, name="other.yaml")
        squire = Process("run", "--config", one, "--config", other, env={**self.env, "NOTIFY_SOCKET": manager.name})
        self.addCleanup(lambda: squire.stop())
        first, second = [line.removeprefix("proxy ") for line in squire.wait_for_lines(2)]
        status = f"{first} -> {upstream.url}: nobody is logged in; {second} -> {upstream.url}: nobody is logged in"
        self.assertEqual(manager.next(), {"READY": "1", "STATUS": status})
        squire.process.send_signal(signal.SIGHUP)
        self.assertIn("RELOADING", manager.next())
        self.assertEqual(manager.next(), {"READY": "1", "STATUS": status})
        squire.wait_for_text("configuration re-read: nothing changed", 2)
        self.assertFalse(manager.has_more())

    def test_the_status_follows_the_session_and_holds_no_secret(self):
        squire, manager, _ = self.served(f"@squire-test-{os.getpid()}-{id(self)}")
        self.assertIn("the session is usable", manager.next()["STATUS"])
        self.command("logout", "--config", squire.config, "--local")
        told = manager.until("STATUS")
        self.assertIn("nobody is logged in", told["STATUS"])
        token = jwt(jti="another")
        self.save_token(token, squire.config)
        told = manager.until("STATUS")
        self.assertEqual(told, {"STATUS": told["STATUS"]})
        self.assertIn("the session is usable", told["STATUS"])
        self.assertNotIn(token[:20], told["STATUS"])

    def test_an_address_that_is_none_is_said_and_harms_nothing(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        stream = socket.socket(socket.AF_UNIX)
        self.addCleanup(stream.close)
        stream.bind(str(self.directory / "stream"))
        stream.listen()
        for value, said in (("notify", "is told nothing: its value is neither a path"), ("/nonexistent\x1b[2J/notify", "does not listen"),
                            (str(self.directory / "stream"), "does not listen")):
            self.env["NOTIFY_SOCKET"] = value
            squire = self.run_squire(config)
            squire.wait_for_text(said)
            self.assertNotIn("\x1b", squire.text())
            self.assertEqual(squire.stop(), 0)
            self.assertEqual(squire.text().count("NOTIFY_SOCKET"), 1)

    def test_a_manager_that_does_not_read_delays_nobody_and_misses_nothing(self):
        squire, manager, _ = self.served()
        self.assertIn("READY", manager.next())
        # Another has filled its queue.
        other = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(other.close)
        other.setblocking(False)
        filled = 0
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"X_FILL=1\n", manager.name)
                filled += 1
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read")
        self.assertEqual(self.fetch(squire).status, 200)
        for _ in range(filled): self.assertEqual(manager.next(), {"X_FILL": "1"})
        self.assertIn("RELOADING", manager.next())
        self.assertIn("READY", manager.next())

    def test_no_command_gets_the_managers_variables(self):
        manager = Manager(self)
        seen = self.directory / "seen"
        command = self.directory / "command"
        command.write_text(f"#!/bin/sh\n(env; ls -l /proc/self/fd) > {seen}\nprintf %s {jwt()}\n")
        command.chmod(0o700)
        upstream = self.upstream()
        config = self.directory / "squire.yaml"
        config.write_text(f"upstream: {upstream.url}\ninspector: off\nsession: {{exec: [{command}]}}\n")
        squire = Process("run", "--config", str(config), env={**self.env, "NOTIFY_SOCKET": manager.name, "WATCHDOG_PID": "1"},
                         prefix=passing([on()], LISTEN_FDNAMES="proxy", LISTEN_PIDFDID="1"))
        self.addCleanup(lambda: squire.stop())
        squire.wait_for("proxy")
        squire.port = int(squire.endpoints["proxy"].rsplit(":", 1)[1])
        self.assertEqual(self.fetch(squire).status, 200)
        text = seen.read_text()
        self.assertIn("HOME=", text)
        for name in ("NOTIFY_SOCKET", "LISTEN_"): self.assertNotIn(name, text)
        self.assertNotIn("socket:", text)


class Activation(Scenario):
    def passed(self, sockets, extra="", arguments=(), **variables):
        """Squire with these sockets, in front of an upstream."""
        upstream = self.upstream()
        config = self.config(upstream.url, extra)
        self.save_token(jwt(), config)
        squire = Process("run", "--config", config, *arguments, env=self.env, prefix=passing(sockets, **variables))
        self.addCleanup(lambda: squire.stop())
        squire.config = config
        return squire

    def refused(self, sockets, extra="", code=78, arguments=(), **variables):
        """How it ends with them, at once."""
        config = self.config("http://127.0.0.1:1", extra)
        result = subprocess.run([*passing(sockets, **variables), SQUIRE, "run", "--config", config, *arguments], capture_output=True, text=True,
                                timeout=LIMIT, env=clean_environment(**self.env))
        self.assertEqual(result.returncode, code, result.stderr)
        self.assertEqual(result.stdout, "")
        return result.stderr

    def ask(self, family, address, target="/api/x", host="localhost"):
        with socket.socket(family) as client:
            client.settimeout(LIMIT)
            client.connect(address)
            client.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            answer = b""
            while part := client.recv(65536): answer += part
        return answer

    def test_sockets_take_the_place_of_listen_and_inspector(self):
        path = str(self.directory / "proxy.sock")
        squire = self.passed([on(), {"family": "AF_UNIX", "address": path, "mode": 0o600}, on()], LISTEN_FDNAMES="proxy:proxy:inspector")
        lines = squire.wait_for_lines(3)
        port = int(lines[0].rsplit(":", 1)[1])
        inspector = int(lines[2].rstrip("/").rsplit(":", 1)[1])
        self.assertEqual(lines, [f"proxy http://127.0.0.1:{port}", f"proxy unix:{path}", f"inspector http://127.0.0.1:{inspector}/"])
        self.assertIn(b" 200 ", self.ask(socket.AF_INET, ("127.0.0.1", port)))
        self.assertIn(b" 200 ", self.ask(socket.AF_UNIX, path))
        status = self.ask(socket.AF_INET, ("127.0.0.1", inspector), "/api/status", f"127.0.0.1:{inspector}")
        self.assertIn(b'"listen"', status)
        squire.wait_for_text("a socket that the service manager passed, in place of", 3)
        # What runs is the first line, and no later than what was found on the way there.
        times = [line.split()[0] for line in squire.text().splitlines()]
        self.assertEqual(times, sorted(times))
        for place in ("squire.yaml:3 (listen)", "in place of inspector: off"): self.assertIn(place, squire.text())
        # A reload keeps them, and does not think that they changed.
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read: nothing changed")
        # The file is the manager's: the next process gets it again.
        self.assertEqual(squire.stop(), 0)
        self.assertTrue(os.path.exists(path))

    def test_what_nobody_named_is_the_proxys_and_the_inspector_stays(self):
        squire = self.passed([on(), on(0, "::1", family="AF_INET6")], LISTEN_FDNAMES="squire@a.socket:unknown").wait_for("proxy")
        self.assertEqual([re.sub(":[0-9]+$", "", line) for line in squire.wait_for_lines(2)], ["proxy http://127.0.0.1", "proxy http://[::1]"])

    @unittest.skipUnless(sys.platform == "linux", "names without a file are Linux's")
    def test_an_abstract_name_admits_everybody(self):
        name = f"\0squire-{os.getpid()}-{id(self)}"
        squire = self.passed([{"family": "AF_UNIX", "address": name}]).wait_for("proxy")
        self.assertEqual(squire.endpoints["proxy"], f"unix:@{name[1:]}")
        self.assertIn(b" 200 ", self.ask(socket.AF_UNIX, name))
        self.assertIn("can be opened by other users", self.refused([{"family": "AF_UNIX", "address": name + "2"}], "access: {same-user: false}\n"))

    def test_rules_of_access_hold(self):
        key = self.directory / "key"
        key.write_text("k" * 32)
        self.assertIn("can be reached from other machines", self.refused([on(0, "0.0.0.0")]))
        self.assertIn("can be reached from other machines", self.refused([on(0, "0.0.0.0")], "access: {allow-remote: true}\n"))
        self.assertIn("can be reached from other machines", self.refused([on(0, "::", family="AF_INET6")], f"access: {{key: {key}}}\n"))
        self.assertIn("of this machine only", self.refused([on(0, "0.0.0.0")], f"access: {{allow-remote: true, key: {key}}}\n", LISTEN_FDNAMES="inspector"))
        path = str(self.directory / "open.sock")
        for mode in (0o666, 0o660):
            self.assertIn("can be opened by other users", self.refused([{"family": "AF_UNIX", "address": path, "mode": mode}], "access: {same-user: false}\n"))
            os.unlink(path)
        squire = self.passed([on(0, "0.0.0.0"), {"family": "AF_UNIX", "address": path, "mode": 0o666}],
                             f"access: {{allow-remote: true, key: {key}, same-user: false}}\n").wait_for("proxy")
        self.assertIn(b" 403 ", self.ask(socket.AF_UNIX, path))
        # A reload cannot take the key away from them.
        self.config(self.upstream().url)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed: LISTEN_FDS: ")
        self.assertIn(b" 403 ", self.ask(socket.AF_UNIX, path))

    def test_a_sockets_mode_is_looked_at_again_with_each_reload(self):
        path = str(self.directory / "passed.sock")
        squire = self.passed([{"family": "AF_UNIX", "address": path, "mode": 0o600}], "access: {same-user: false}\n").wait_for("proxy")
        os.chmod(path, 0o666)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed: LISTEN_FDS: ")
        self.assertIn("can be opened by other users", squire.text())
        # One of Squire's own was for its user alone when it was bound.
        path = str(self.directory / "own.sock")
        own = self.run_squire(self.config(self.upstream().url, "access: {same-user: false}\n"), "--listen", f"unix:{path}")
        os.chmod(path, 0o660)
        own.process.send_signal(signal.SIGHUP)
        own.wait_for_text(f"unix:{path} can be opened by other users, who use your session")

    def test_what_no_client_can_come_from_is_refused(self):
        self.assertIn("LISTEN_FDS: descriptor 3 is a socket that does not listen", self.refused([on(listens=False)]))
        self.assertIn("descriptor 4 is no stream socket", self.refused([on(), on(type="datagram", listens=False)]))
        self.assertIn("descriptor 3 is no socket", self.refused([{"file": "/dev/null"}]))
        # Whatever else is opened: descriptor 4 was not passed.
        self.assertIn("descriptor 4 is not open", self.refused([on()], LISTEN_FDS="2"))

    def test_an_environment_that_contradicts_itself_is_refused(self):
        for said, variables in (("LISTEN_FDS: ", {"LISTEN_FDS": "-1"}), ("LISTEN_FDS: ", {"LISTEN_FDS": "1000000"}), ("LISTEN_FDS: ", {"LISTEN_FDS": None}),
                                ("LISTEN_FDNAMES: ", {"LISTEN_FDNAMES": "proxy:inspector"}), ("LISTEN_PID: ", {"LISTEN_PID": "x\x1b[2J"}),
                                ('calls a socket "in\\x1B[2J', {"LISTEN_FDNAMES": "in\x1b[2J" + "x" * 5000})):
            text = self.refused([on()], **variables)
            self.assertIn(said, text)
            self.assertTrue(text.strip().isprintable(), text)
            self.assertLess(len(text), 300)
        other = self.config("http://127.0.0.1:1", name="other.yaml")
        self.assertIn("several --config", self.refused([on()], code=64, arguments=("--config", other)))

    def test_sockets_of_another_process_are_not_used(self):
        squire = self.passed([on()], LISTEN_PID="1").wait_for("proxy")
        squire.wait_for_text("the sockets of LISTEN_FDS are not used: they are for the process 1")

    @unittest.skipUnless(shutil.which("systemd-socket-activate"), "systemd-socket-activate is not here")
    def test_systemd_starts_it_with_the_first_connection(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        path = str(self.directory / "activate.sock")
        squire = Process("run", "--config", config, env=self.env, prefix=("systemd-socket-activate", "-l", path, "--fdname=proxy"))
        self.addCleanup(lambda: squire.stop())
        squire.wait_for_text("Listening on")
        self.assertIn(b" 200 ", self.ask(socket.AF_UNIX, path))
        self.assertEqual(squire.wait_for("proxy").endpoints["proxy"], f"unix:{path}")
        self.assertEqual(squire.stop(), 0)


class Journal(Scenario):
    # The journal's stream is the log of the test.
    STREAM = ("sh", "-c", 'export JOURNAL_STREAM=$(stat -L -c %d:%i /proc/self/fd/2); exec "$@"', "sh")

    def logged(self, *arguments, prefix=STREAM, env={}):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        squire = Process("run", "--config", config, *arguments, env={**self.env, **env}, prefix=prefix)
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        self.fetch(squire)
        pathlib.Path(config).write_text("nonsense: 1\n")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed")
        self.assertEqual(squire.stop(), 0)
        return squire.text().splitlines()

    @unittest.skipUnless(sys.platform == "linux", "the journal is Linux's")
    def test_lines_begin_with_how_grave_they_are(self):
        lines = self.logged()
        self.assertRegex(lines[0], "^<5>notice  squire [0-9]")
        for line in lines: self.assertRegex(line, "^<([5]>notice |6>info   |3>error  ) ")
        self.assertEqual(len([line for line in lines if re.match("<6>info    GET    200 ", line)]), 1)
        self.assertEqual(len([line for line in lines if line.startswith("<3>error   the configuration")]), 1)
        # Why a command ends is an error, too.
        config = str(self.directory / "squire.yaml")
        result = subprocess.run([*self.STREAM, SQUIRE, "run", "--config", config], capture_output=True, text=True, env=clean_environment(**self.env))
        self.assertEqual(result.returncode, 78)
        for line in result.stderr.splitlines(): self.assertTrue(line.startswith("<3>"), line)

    def test_elsewhere_they_do_not(self):
        for line in self.logged("--log-format", "json"): self.assertIsInstance(json.loads(line), dict)
        for line in self.logged(prefix=(), env={"JOURNAL_STREAM": "1:2"}): self.assertRegex(line, r"^\d\d:\d\d:\d\d\.\d{3} ")


class Units(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not here")
    def test_systemd_understands_them(self):
        with tempfile.TemporaryDirectory() as place:
            for kind in ("system", "user"):
                copies = pathlib.Path(place) / kind
                copies.mkdir()
                for unit in (UNITS / kind).iterdir():
                    # An instance, and a program that is there.
                    text = unit.read_text().replace("/usr/bin/squire", SQUIRE)
                    (copies / unit.name.replace("@", "@api")).write_text(text)
                units = sorted(copies.iterdir())
                self.assertEqual([unit.name for unit in units], ["squire@api.service", "squire@api.socket"])
                result = subprocess.run(["systemd-analyze", "verify", f"--{kind}", "--man=no", "--recursive-errors=no", *units], capture_output=True, text=True,
                                        env={**os.environ, "XDG_RUNTIME_DIR": place})
                self.assertEqual((result.returncode, result.stderr), (0, ""))

    def test_what_must_not_be_tried_again_is_not(self):
        for kind in ("system", "user"):
            text = (UNITS / kind / "squire@.service").read_text()
            for line in ("Type=notify", "Restart=on-failure", "RestartPreventExitStatus=64 77 78", "ExecReload=/bin/kill -HUP $MAINPID"):
                self.assertIn(f"\n{line}\n", text, kind)

    def test_launchd_can_read_its_own(self):
        with open(UNITS / "launchd/local.squire.plist", "rb") as file: agent = plistlib.load(file)
        self.assertEqual(agent["ProgramArguments"][1:3], ["run", "--config"])
        self.assertEqual(agent["KeepAlive"], {"SuccessfulExit": False})


if __name__ == "__main__":
    main()
