"""Reading the configuration again: by SIGHUP, by the inspector, by `squire reload`; and what SIGHUP means besides."""
from harness import *
import fcntl, pty, termios
from test_inspector import HEADER, KEY, Inspected


class Reload(Inspected):
    def post(self, squire, body=None, **headers):
        fields = {**HEADER, **({"Content-Type": "application/json"} if body is not None else {}), **headers}
        return self.ask(squire, "POST", "/api/reload", fields, None if body is None else json.dumps(body).encode())

    def test_it_compares_with_what_runs(self):
        squire, upstream = self.inspected()
        same = self.post(squire).json
        self.assertEqual(same, {"changed": [], "restart": [], "same": True})
        path = pathlib.Path(squire.config)
        first = path.read_text()
        moved = first.replace("listen: 127.0.0.1:0", "listen: 127.0.0.1:1\nworkers: 2\ntimeouts: {idle: 59s}").replace("headers:\n", "headers:\n  X-New: \"secret-value\"\n")
        path.write_text(moved)
        answer = self.post(squire)
        self.assertEqual((answer.status, answer.json), (200, {"changed": ["headers.X-New", "timeouts.idle"], "restart": ["listen", "workers"], "same": False}))
        # Applied now, but for what needs a restart, however often it is read.
        self.assertEqual(self.post(squire).json, {"changed": [], "restart": ["listen", "workers"], "same": False})
        squire.port = squire.proxy
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(upstream.requests[-1]["X-New"], "secret-value")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("listen and workers change with a restart only", 3)
        path.write_text(first)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read: headers.X-New and timeouts.idle changed\n")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read: nothing changed", 2)
        self.assertNotIn("secret-value", squire.text())

    def test_idle_connections_follow_a_new_limit(self):
        """Those to the upstream: the next request finds none that has been idle for longer."""
        squire, upstream = self.proxied()
        for _ in range(2): self.fetch(squire)
        self.assertEqual(upstream.connections, 1)
        path = pathlib.Path(squire.config)
        path.write_text(path.read_text() + "timeouts: {idle: 1ms}\n")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("timeouts.idle changed")
        self.until(lambda: self.fetch(squire).status == 200 and upstream.connections > 2, "a connection stays idle for longer")

    def test_idle_clients_follow_a_new_limit(self):
        """Those that are idle already, too; they have been idle since their last answer."""
        squire, _ = self.proxied()
        path = pathlib.Path(squire.config)
        first = path.read_text()
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as kept:
            def fetch():
                kept.sendall(b"GET /api/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.read_until(kept, b"\r\n\r\n")

            fetch()
            path.write_text(first + "timeouts: {idle: 30d}\n")
            squire.process.send_signal(signal.SIGHUP)
            squire.wait_for_text("timeouts.idle changed")
            fetch()
            path.write_text(first + "timeouts: {idle: 1ms}\n")
            squire.process.send_signal(signal.SIGHUP)
            self.assertEqual(kept.recv(1), b"")

    def test_a_session_file_that_is_a_link_is_named(self):
        squire, _ = self.inspected()
        path, link = pathlib.Path(squire.config), self.directory / "link.json"
        link.symlink_to(self.session_file)
        path.write_text(path.read_text().replace(str(self.session_file), str(link)))
        answer = self.post(squire)
        self.assertEqual([one["file"] for one in answer.json["errors"]], [str(link)])
        self.assertNotIn(str(self.session_file), answer.json["errors"][0]["detail"])

    def test_a_connection_of_before_a_reload_is_counted_to_its_end(self):
        """Its exchange goes on, on a connection that nothing else uses."""
        gate = threading.Event()
        self.addCleanup(gate.set)
        squire, upstream = self.inspected(lambda request: gate.wait(LIMIT) and reply(200) if request.target == "/api/slow" else reply(200))

        def open_connections():
            text = self.ask(squire, "GET", "/metrics").data.decode()
            return int(re.search(r"^squire_upstream_connections (\d+)", text, re.M)[1])

        with socket.create_connection(("127.0.0.1", squire.proxy), LIMIT) as client:
            client.sendall(b"GET /api/slow HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.until(lambda: any(request.target == "/api/slow" for request in upstream.requests), "the request")
            path = pathlib.Path(squire.config)
            path.write_text(path.read_text() + "timeouts: {connect: 9s}\n")
            self.assertEqual(self.post(squire).json["changed"], ["timeouts.connect"])
            self.assertEqual(open_connections(), 1)
            gate.set()
            self.read_until(client, b"\r\n\r\n")
        self.until(lambda: open_connections() == 0, "the end of the connection")

    def test_a_reload_makes_connections_with_the_certificate_of_now(self):
        """The same file has another one; connections with the former one carry nothing more."""
        server, key = certificate(self.directory, "server", "-addext", "subjectAltName=IP:127.0.0.1")
        clients = [certificate(self.directory, name) for name in ("first", "second")]
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server, key)
        context.verify_mode = ssl.CERT_REQUIRED
        for name, _ in clients: context.load_verify_locations(name)
        seen = []

        class Upstream(RawUpstream):
            def secured(self, connection):
                connection = super().secured(connection)
                seen.append(connection.getpeercert()["subject"][0][0][1])
                return connection

        upstream = Upstream(context=context)
        self.addCleanup(upstream.close)

        def put(certificate, key):
            shutil.copy(certificate, self.directory / "client.pem")
            shutil.copy(key, self.directory / "client.key")

        put(*clients[0])
        config = self.config(upstream.url, f"tls: {{ca: {server}, certificate: client.pem, key: client.key}}\n")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        for _ in range(2): self.assertEqual(self.fetch(squire).status, 200)
        put(*clients[1])
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read")
        self.until(lambda: self.fetch(squire).status == 200 and len(seen) > 1, "the former certificate is used")
        self.assertEqual(seen, ["first", "second"])

    def test_what_is_wrong_is_named_and_changes_nothing(self):
        squire, upstream = self.inspected()
        path = pathlib.Path(squire.config)
        first = path.read_text()
        lines = first.count("\n")
        path.write_text(first + "bogus: 1\ntimeouts: {idle: soon}\n")
        answer = self.post(squire)
        self.assertEqual((answer.status, answer.code), (422, "configuration_error"))
        self.assertEqual([(one["file"], one["line"]) for one in answer.json["errors"]], [(squire.config, lines + 1), (squire.config, lines + 2)])
        self.assertIn("bogus", answer.json["errors"][0]["detail"])
        squire.wait_for_text("the configuration was not changed: ")
        path.unlink()
        self.assertEqual(self.post(squire).code, "configuration_error")
        path.write_text(first)
        self.assertTrue(self.post(squire).json["same"])

    def test_a_key_stays_where_other_machines_reach(self):
        """The listener stays until a restart, and so does what it needs."""
        key = self.directory / "key"
        key.write_text(KEY)
        path = pathlib.Path(self.config(self.upstream().url, f"access: {{allow-remote: true, key: {key}}}\n"))
        text = path.read_text().replace("listen: 127.0.0.1:0", "listen: 0.0.0.0:0")
        path.write_text(text)
        self.save_token(jwt(), str(path))
        squire = self.run_squire(str(path))
        self.assertEqual(self.fetch(squire).status, 403)
        for count, change in enumerate(("allow-remote: true, ", f", key: {key}"), 1):
            path.write_text(text.replace("listen: 0.0.0.0:0", "listen: 127.0.0.1:0").replace(change, ""))
            squire.process.send_signal(signal.SIGHUP)
            squire.wait_for_text("can be reached from other machines until a restart", count)
        self.assertEqual(self.fetch(squire).status, 403)
        self.assertEqual(self.fetch(squire, headers={"X-Squire-Key": KEY}).status, 200)

    def test_it_reads_its_own_file_only(self):
        squire, _ = self.inspected()
        other = self.directory / "other.yaml"
        other.write_text("upstream: https://evil.test\n")
        for path, status in ((str(other), 409), ("/etc/passwd", 409), ("", 409), (os.path.realpath(squire.config), 200), (None, 200)):
            answer = self.post(squire, {"config": path})
            self.assertEqual((answer.status, answer.code), (status, "other_configuration" if status == 409 else None), path)

    def test_without_a_file_there_is_no_new_search(self):
        upstream = self.upstream()
        squire = Process("run", "--upstream", upstream.url, "--listen", "127.0.0.1:0", "--inspector", "127.0.0.1:0", env=self.env, cwd=self.directory)
        self.addCleanup(lambda: squire.stop())
        squire.wait_for("proxy", "inspector")
        squire.port = int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        (self.directory / "squire.yaml").write_text("upstream: http://127.0.0.1:9\ntimeouts: {idle: 1s}\n")
        self.assertTrue(self.post(squire).json["same"])
        status = self.ask(squire, "GET", "/api/status").json
        self.assertEqual((status["config"], status["upstream"]), (None, upstream.url))

    def test_a_session_is_not_given_up_without_need(self):
        """It knows more than its file does: how many tokens it has had, what is pending."""
        squire, upstream = self.inspected(lambda r: token_reply(jwt(jti="new")) if "refresh" in r.target else reply(200))
        self.assertEqual(self.ask(squire, "POST", "/api/session/refresh", HEADER).json["session"]["generation"], 2)
        path = pathlib.Path(squire.config)
        path.write_text("# a comment, so that every line moves\n" + path.read_text() + "timeouts: {idle: 59s}\n")
        self.assertEqual(self.post(squire).json["changed"], ["timeouts.idle"])
        self.assertEqual(self.ask(squire, "GET", "/api/status").json["session"]["generation"], 2)

    def test_each_of_several_keeps_or_changes_its_own(self):
        upstream = self.upstream()
        first, second = (self.config(upstream.url, profile="", name=name) for name in ("a.yaml", "b.yaml"))
        squire = Process("run", "--config", first, "--config", second, env=self.env)
        self.addCleanup(lambda: squire.stop())
        squire.wait_for_lines(2)
        pathlib.Path(first).write_text("bogus: 1\n")
        self.config(upstream.url, "timeouts: {idle: 59s}\n", profile="", name="b.yaml")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed: " + first)
        squire.wait_for_text("configuration re-read: timeouts.idle changed")

    def test_many_at_once(self):
        """By every way together: one after the other, and each is answered."""
        squire, upstream = self.inspected()
        def work(index):
            if index % 4 == 0: squire.process.send_signal(signal.SIGHUP)
            self.config(upstream.url, f"timeouts: {{idle: {50 + index}s}}\n", name=f"{index}.yaml")
            (self.directory / f"{index}.yaml").rename(squire.config)
            return self.post(squire).status
        self.assertEqual(parallel(16, work), [200] * 16)


class SlowReload(Inspected):
    """A command that gives a secret may take its time: nobody waits for it but whoever asked for the reload."""

    def slow(self):
        """Squire, whose secret is from now on what comes through the gate."""
        helper, self.gate, self.runs = (self.directory / name for name in ("helper", "gate", "runs"))
        helper.write_text("#!/bin/sh\necho first\n")
        helper.chmod(0o700)
        os.mkfifo(self.gate)
        upstream = self.upstream()
        path = pathlib.Path(self.config(upstream.url, session="  missing: forward\n", profile=""))
        path.write_text(path.read_text().replace("headers:\n", f"headers:\n  X-Slow: {{exec: [{helper}]}}\n"))
        squire = self.run_squire(str(path), "--inspector", "127.0.0.1:0")
        squire.wait_for("inspector")
        squire.proxy, squire.port = squire.port, int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        # Its own number, so that its runs can be counted and its end be seen.
        helper.write_text(f"#!/bin/sh\necho $$ >> {self.runs}\nread line < {self.gate}\nprintf %s \"$line\"\n")
        return squire, upstream

    def wait_for_runs(self, count):
        self.until(lambda: self.runs.exists() and len(self.runs.read_text().split()) >= count, f"run {count}")
        return [int(number) for number in self.runs.read_text().split()]

    def pass_gate(self, secret):
        with open(self.gate, "w") as gate: gate.write(secret + "\n")

    def test_a_stop_ends_it(self):
        squire, _ = self.slow()
        squire.process.send_signal(signal.SIGHUP)
        command, = self.wait_for_runs(1)
        self.assertEqual(self.ask(squire, "GET", "/api/status").status, 200)
        self.assertEqual(squire.stop(), 0)
        with self.assertRaises(ProcessLookupError): os.kill(command, 0)
        self.assertNotIn("the configuration was not changed", squire.text())

    def test_who_asks_meanwhile_gets_a_reading_of_their_own(self):
        squire, upstream = self.slow()
        squire.process.send_signal(signal.SIGHUP)
        self.wait_for_runs(1)
        path = self.directory / "squire.yaml"
        path.write_text(path.read_text() + "timeouts: {idle: 59s}\n")
        answer = []
        asking = threading.Thread(target=lambda: answer.append(self.ask(squire, "POST", "/api/reload", HEADER).json))
        asking.start()
        sent = lambda: (self.exchange(squire.proxy, b"GET /t HTTP/1.0\r\n\r\n"), upstream.requests[-1]["X-Slow"])[1]
        self.assertEqual(sent(), "first")
        self.pass_gate("second")
        self.wait_for_runs(2)
        self.assertEqual(sent(), "second")
        self.pass_gate("third")
        asking.join()
        self.assertEqual(answer[0]["changed"], ["headers.X-Slow", "timeouts.idle"])
        self.assertEqual(sent(), "third")
        self.assertEqual(len(self.wait_for_runs(2)), 2)


class SlowStart(Scenario):
    """A command that gives a secret holds up the start."""

    def starting(self):
        """Squire, whose secret is what comes through the gate, and the number of what its command started."""
        helper, self.gate, started = (self.directory / name for name in ("helper", "gate", "started"))
        os.mkfifo(self.gate)
        helper.write_text(f"#!/bin/sh\nsleep 600 > /dev/null 2>&1 &\necho $! > {started}.new; mv {started}.new {started}\n"
                          f"read line < {self.gate}; kill $!; printf %s \"$line\"\n")
        helper.chmod(0o700)
        path = pathlib.Path(self.config(self.upstream().url, session="  missing: forward\n", profile=""))
        path.write_text(path.read_text().replace("headers:\n", f"headers:\n  X-Slow: {{exec: [{helper}]}}\n"))
        squire = Process("run", "--config", str(path), env=self.env)
        self.addCleanup(squire.stop)
        self.until(started.exists, "the command")
        return squire, int(started.read_text())

    def test_a_hang_up_waits_for_it(self):
        squire, _ = self.starting()
        squire.process.send_signal(signal.SIGHUP)
        with open(self.gate, "w") as gate: gate.write("first\n")
        squire.wait_for("proxy")
        # It reads the configuration again, and so asks the command again.
        with open(self.gate, "w") as gate: gate.write("second\n")
        squire.wait_for_text("configuration re-read")

    def test_an_end_leaves_no_command_behind(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            squire, child = self.starting()
            self.assertEqual(squire.stop(number), -number)
            def is_gone():
                with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                    return pathlib.Path(f"/proc/{child}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
                return True
            self.until(is_gone, "what the command started goes on")
            for name in ("gate", "started"): (self.directory / name).unlink()


class ReloadCommand(Inspected):
    def run_with_inspector(self, extra="", address="127.0.0.1:0", env=None):
        """The inspector's port is in the file, as a person would have it."""
        upstream = self.upstream()
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.inspector = free.getsockname()[1]
        config = self.config(upstream.url, extra, profile="")
        path = pathlib.Path(config)
        path.write_text(path.read_text().replace('inspector: "off"', f"inspector: 127.0.0.1:{self.inspector}"))
        squire = self.run_squire(config)
        squire.wait_for("inspector")
        return squire, path

    def test_zero_and_what_changed(self):
        squire, path = self.run_with_inspector(self.keyed())
        self.assertIn("nothing changed", self.command("reload", "--config", str(path)).stdout)
        path.write_text(path.read_text() + "timeouts: {idle: 59s}\nworkers: 3\n")
        # By another name, and from another place.
        link = self.directory / "link"
        link.symlink_to(self.directory)
        result = self.command("reload", "--config", "link/squire.yaml", cwd=self.directory)
        self.assertIn("timeouts.idle changed; workers changes with a restart only", result.stdout)
        self.assertIn(f"pid {squire.process.pid}", result.stdout)
        self.assertNotIn(KEY, result.stdout + result.stderr + squire.text())

    def test_78_and_the_mistakes(self):
        squire, path = self.run_with_inspector()
        first = path.read_text()
        path.write_text(first + "bogus: 1\n")
        error = self.command("reload", "--config", str(path), code=78).stderr
        self.assertIn(f"{path}:{first.count(chr(10)) + 1}: unknown key \"bogus\"", error)
        self.assertIn("a proxy that runs goes on as it was", error)

    # Another Squire at the default ports would answer.
    @alone
    def test_69_and_what_to_do(self):
        config = self.config("http://127.0.0.1:9", profile="")
        self.assertIn("kill -HUP ", self.command("reload", "--config", config, code=69).stderr)
        path = pathlib.Path(config)
        squire = self.run_squire(config)
        self.assertRegex(self.command("reload", "--config", config, code=69).stderr, rf"inspector is off.* read it again: kill -HUP {squire.process.pid}\b")
        # What runs with another file is nobody's business.
        other = self.directory / "other.yaml"
        other.write_text(path.read_text())
        error = self.command("reload", "--config", str(other), code=69).stderr
        self.assertIn("started with", error)
        self.assertNotIn(str(squire.process.pid), error)
        path.write_text(path.read_text().replace('inspector: "off"', "inspector: 127.0.0.1:1"))
        error = self.command("reload", "--config", config, code=69).stderr
        self.assertIn("kill -HUP", error)
        self.assertIn("127.0.0.1:1", error)

    def test_by_a_unix_socket(self):
        config = self.config(self.upstream().url, self.keyed(), profile="")
        path = pathlib.Path(config)
        path.write_text(path.read_text().replace('inspector: "off"', f"inspector: unix:{self.directory}/i.sock"))
        squire = self.run_squire(config)
        squire.wait_for("inspector")
        self.assertIn("nothing changed", self.command("reload", "--config", config).stdout)

    @alone
    def test_status_without_a_configuration_finds_the_demo(self):
        """At the default port, or one of the next nine, whatever else runs there."""
        demo = Process("demo", "--listen", "127.0.0.1:0", env=self.env)
        self.addCleanup(lambda: demo.stop())
        port = int(demo.wait_for("proxy", "inspector").endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        if port > 8090: self.skipTest("the default ports are taken")
        result = self.command("status", cwd=self.directory)
        self.assertIn("session     usable", result.stdout)
        self.assertIn("started without a file", result.stdout)
        self.assertEqual(json.loads(self.command("status", "--json", cwd=self.directory).stdout)["state"], "usable")

    def test_two_of_one_configuration(self):
        """Each that is found reads it again, and is named; the other is named with the command for it."""
        squire, path = self.run_with_inspector()
        with socket.create_server(("127.0.0.1", 0)) as free: port = free.getsockname()[1]
        other = self.run_squire(str(path), "--listen", "127.0.0.1:0", "--inspector", f"127.0.0.1:{port}")
        other.wait_for("inspector")
        result = self.command("reload", "--config", str(path))
        self.assertIn(f"(pid {squire.process.pid}) has read", result.stdout)
        self.assertIn(f"kill -HUP {other.process.pid}", result.stderr)
        result = self.command("reload", "--config", str(path), "--inspector", f"127.0.0.1:{port}")
        self.assertIn(f"(pid {other.process.pid}) has read", result.stdout)
        self.assertEqual(result.stderr, "")
        status = self.command("status", "--config", str(path), code=77).stdout
        self.assertRegex(status, rf"(?m)^running     pid {squire.process.pid}, since [\d: -]+, proxy {squire.url}, inspector http://127.0.0.1:{self.inspector}$")

    def test_another_squire_is_left_alone(self):
        squire, path = self.run_with_inspector()
        other = self.directory / "other.yaml"
        other.write_text(path.read_text())
        error = self.command("reload", "--config", str(other), code=69).stderr
        self.assertIn(os.path.realpath(path), error)
        self.assertNotIn("re-read", squire.text())

    def test_a_stranger_gets_no_key_and_no_request_that_changes(self):
        """What listens there is no Squire, answers rubbish, or nothing at all."""
        for answer in (reply(404), b"\x00\x01rubbish\r\n\r\n", reply(200, b"[" * 100000, "Content-Type: application/json"), None):
            stranger = self.upstream(lambda request: answer)
            config = self.config("http://127.0.0.1:9", self.keyed(), profile="")
            path = pathlib.Path(config)
            path.write_text(path.read_text().replace('inspector: "off"', f"inspector: 127.0.0.1:{stranger.port}"))
            self.command("reload", "--config", config, code=69)
            self.assertEqual({request.method for request in stranger.requests}, {"GET"})
            if not (isinstance(answer, bytes) and answer.startswith(b"HTTP/1.1 200")):
                self.assertEqual([request["X-Squire-Key"] for request in stranger.requests], [None] * len(stranger.requests))

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_another_users_listener_gets_no_key(self):
        script = ("import http.server, json\nclass H(http.server.BaseHTTPRequestHandler):\n"
                  "  protocol_version = 'HTTP/1.1'\n"
                  "  def do_GET(self):\n    print(self.path, self.headers.get('X-Squire-Key'), flush=True)\n"
                  "    body = b'ok\\n'\n    self.send_response(200); self.send_header('Content-Length', '3'); self.end_headers(); self.wfile.write(body)\n"
                  "  do_POST = do_GET\n  def log_message(self, *a): pass\n"
                  "server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), H)\nprint(server.server_port, flush=True)\nserver.serve_forever()")
        other = subprocess.Popen(["/usr/bin/python3", "-c", script], user=65534, stdout=subprocess.PIPE, cwd="/")
        self.addCleanup(other.wait)
        self.addCleanup(other.kill)
        port = int(other.stdout.readline())
        config = self.config("http://127.0.0.1:9", self.keyed(), profile="")
        path = pathlib.Path(config)
        path.write_text(path.read_text().replace('inspector: "off"', f"inspector: 127.0.0.1:{port}"))
        self.assertIn("another user", self.command("reload", "--config", config, code=69).stderr)
        other.kill()
        self.assertNotIn(KEY.encode(), other.stdout.read())
        other.stdout.close()


class Terminal:
    """A session of its own on a pseudoterminal, with squire as its leader or in the foreground."""

    def __init__(self, *arguments, env, shell=None, log):
        self.log = log
        self.master, slave = pty.openpty()
        out, self.out = os.pipe()
        self.reader = out
        command = ["/bin/sh", "-c", shell, "sh", SQUIRE, *arguments] if shell else [SQUIRE, *arguments]
        def lead():
            os.setsid()
            fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
        with open(log, "ab") as log:
            self.process = subprocess.Popen(command, stdin=slave, stdout=self.out, stderr=log, env=clean_environment(**env), preexec_fn=lead)
        os.close(slave)
        os.close(self.out)

    def line(self):
        data = b""
        while not data.endswith(b"\n"):
            ready, _, _ = select.select([self.reader], [], [], LIMIT)
            part = os.read(self.reader, 1) if ready else b""
            assert part, pathlib.Path(self.log).read_text()
            data += part
        return data.decode().strip()

    def close(self):
        """The window goes."""
        os.close(self.master)
        self.master = None

    def end(self):
        if self.master is not None: os.close(self.master)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self.reader)

    def is_open(self):
        """Somebody holds the other end of standard output."""
        return not select.select([self.reader], [], [], 0)[0]


class Hangup(Scenario):
    def terminal(self, *arguments, shell=None):
        self.log = self.directory / "log"
        terminal = Terminal(*arguments, env=self.env, shell=shell, log=self.log)
        self.addCleanup(terminal.end)
        terminal.line()
        return terminal

    def configured(self):
        self.last_upstream = self.upstream()
        return self.config(self.last_upstream.url, profile="")

    def wait_for_log(self, word):
        self.until(lambda: word in self.log.read_text(), word)

    def test_demo_ends_with_its_window(self):
        terminal = self.terminal("demo", "--listen", "127.0.0.1:0", "--inspector", "off")
        terminal.close()
        self.assertEqual(terminal.process.wait(LIMIT), 0)

    def test_demo_ends_by_the_signal(self):
        process = Process("demo", "--listen", "127.0.0.1:0", "--inspector", "off", env=self.env).wait_for("proxy")
        self.assertEqual(process.stop(signal.SIGHUP), 0)

    def test_run_ends_with_its_window(self):
        terminal = self.terminal("run", "--config", self.configured())
        terminal.close()
        self.assertEqual(terminal.process.wait(LIMIT), 0)

    def test_run_drains_when_its_window_goes(self):
        """What it is asked for is answered, and the shell's own SIGHUP beside the kernel's is no hurry."""
        gate = threading.Event()
        upstream = self.upstream(lambda r: (gate.wait(LIMIT), reply(200, b"whole"))[1])
        self.addCleanup(gate.set)
        self.log = self.directory / "log"
        terminal = Terminal("run", "--config", self.config(upstream.url, session="  missing: forward\n", profile=""), env=self.env, log=self.log)
        self.addCleanup(terminal.end)
        port = int(terminal.line().rsplit(":", 1)[1])
        with socket.create_connection(("127.0.0.1", port), LIMIT) as connection, socket.create_connection(("127.0.0.1", port), LIMIT) as idle:
            connection.sendall(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
            upstream.wait_for_requests(1)
            terminal.close()
            # Who says nothing is let go when the end begins.
            self.assertEqual(idle.recv(1), b"")
            terminal.process.send_signal(signal.SIGHUP)
            gate.set()
            self.assertIn(b"whole", self.read_until(connection, b"whole"))
        self.assertEqual(terminal.process.wait(LIMIT), 0)

    def test_run_reloads_while_its_window_is_there(self):
        terminal = self.terminal("run", "--config", self.configured())
        terminal.process.send_signal(signal.SIGHUP)
        self.wait_for_log("configuration re-read")
        self.assertIsNone(terminal.process.poll())
        terminal.close()
        self.assertEqual(terminal.process.wait(LIMIT), 0)

    def test_run_in_the_background_of_a_shell_that_ends(self):
        """The shell passes the end on to its jobs, as interactive ones do, while the terminal goes."""
        terminal = self.terminal("run", "--config", self.configured(), shell='"$@" & child=$!; trap "kill -HUP $child; exit" HUP; wait; wait')
        terminal.close()
        self.until(lambda: not terminal.is_open(), "squire ends")

    def test_nohup_goes_on(self):
        terminal = self.terminal("run", "--config", self.configured(), shell='trap "" HUP; exec "$@"')
        terminal.close()
        terminal.process.send_signal(signal.SIGHUP)
        self.wait_for_log("configuration re-read")
        self.assertIsNone(terminal.process.poll())

    def test_without_a_terminal_it_always_reloads(self):
        config = self.configured()
        log = self.directory / "log"
        with open(log, "ab") as file:
            process = subprocess.Popen([SQUIRE, "run", "--config", config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=file,
                                       env=clean_environment(**self.env), start_new_session=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        process.stdout.readline()
        self.log = log
        process.send_signal(signal.SIGHUP)
        self.wait_for_log("configuration re-read")
        self.assertIsNone(process.poll())


class Private(Inspected):
    def test_exec_needs_no_key_on_its_own_port(self):
        upstream = self.upstream()
        config = self.config(upstream.url, self.keyed(), session="  missing: forward\n", profile="")
        script = "import os, urllib.request; print(urllib.request.urlopen(os.environ['SQUIRE_URL'] + '/x').status)"
        self.save_token(jwt(), config)
        self.assertEqual(self.command("exec", "--config", config, "--", sys.executable, "-c", script).stdout.strip(), "200")
        # An address that somebody chose is for others, too.
        refused = self.command("exec", "--config", config, "--listen", "127.0.0.1:0", "--", sys.executable, "-c", script, code=1).stderr
        self.assertIn("403", refused)
        self.assertEqual(len(upstream.requests), 1)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_other_users_are_kept_out_of_it_whatever_the_configuration_says(self):
        upstream = self.upstream()
        key = self.keyed().replace("}", ", same-user: false}")
        config = self.config(upstream.url, key, profile="")
        self.save_token(jwt(), config)
        other = ("import os, socket; s = socket.create_connection(('127.0.0.1', int(os.environ['SQUIRE_URL'].rsplit(':', 1)[1])))\n"
                 "try: s.sendall(b'GET /x HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\nexcept OSError: pass\nprint(s.recv(65536).split()[1].decode())")
        run = f"import os, subprocess; subprocess.run(['/usr/bin/python3', '-c', {other!r}], user=65534, cwd='/')"
        self.assertEqual(self.command("exec", "--config", config, "--", sys.executable, "-c", run).stdout.strip(), "403")
        self.assertEqual(upstream.requests, [])

    def test_files_that_others_can_read_are_warned_of(self):
        upstream = self.upstream()
        config = self.config(upstream.url, self.keyed(), profile="")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        self.assertNotIn("chmod", squire.text())
        squire.stop()
        (self.directory / "key").chmod(0o644)
        self.session_file.chmod(0o640)
        checked = self.command("check", "--config", config).stdout
        for path in (self.directory / "key", self.session_file): self.assertRegex(checked, rf"(?m)^warn .*chmod 600 {path}$")
        self.session_file.chmod(0o640)
        squire = self.run_squire(config)
        for name, path in (("access.key", self.directory / "key"), ("session.file", self.session_file)):
            squire.wait_for_text(f"{name}: other users of this machine may read {path}. Run: chmod 600 {path}")


class Addresses(Scenario):
    def test_a_taken_port_names_who_asked(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
            config = self.directory / "squire.yaml"
            for text, arguments, words in (
                    (f"inspector: 127.0.0.1:{port}\nlisten: 127.0.0.1:0\n", (), (f"{config}:2 (inspector)", "--inspector")),
                    (f"listen: 127.0.0.1:{port}\n", (), (f"{config}:2 (listen)", "--listen")),
                    ("", ("--listen", f"127.0.0.1:{port}"), ("asked for by --listen",)),
                    ("listen: 127.0.0.1:0\n", ("--inspector", f"127.0.0.1:{port}"), ("asked for by --inspector",))):
                config.write_text("upstream: http://127.0.0.1:9\n" + text)
                error = self.command("run", "--config", str(config), *arguments, code=74).stderr
                for word in words: self.assertIn(word, error)

    def test_own_conflicts_are_found_before_anything_is_bound(self):
        first, second = self.directory / "a.yaml", self.directory / "b.yaml"
        base = "upstream: http://127.0.0.1:9\n"
        for text, arguments, word in (
                (base + "listen: 127.0.0.1:7011\ninspector: 127.0.0.1:7011\n", (), f"{first}:3"),
                (base + "listen: [127.0.0.1:7011, 'localhost:7011']\n", (), f"{first}:2"),
                (base + "listen: 127.0.0.1:7011\n", ("--inspector", "127.0.0.1:7011"), "--inspector"),
                ("upstream: http://127.0.0.1:7012\ninspector: 127.0.0.1:7012\n", (), f"{first}:2")):
            first.write_text(text)
            self.assertIn(word, self.command("run", "--config", str(first), *arguments, code=78).stderr)
        first.write_text(base + "listen: 127.0.0.1:7011\n")
        second.write_text(base + "# and\nlisten: localhost:7011\n")
        self.assertIn(f"{second}:3", self.command("run", "--config", str(first), "--config", str(second), code=78).stderr)


if __name__ == "__main__":
    main()
