"""Reload, shutdown, and surroundings that stall: no request is lost, and nothing blocks the loop."""
from harness import *

GET = b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Lifecycle(Scenario):
    def reload(self, squire, word="configuration re-read"):
        before = squire.text().count(word)
        squire.process.send_signal(signal.SIGHUP)
        deadline = time.monotonic() + LIMIT
        while squire.text().count(word) <= before:
            self.assertLess(time.monotonic(), deadline, squire.text())
            select.select([], [], [], 0.01)

    def test_reload_takes_effect_without_losing_a_request(self):
        squire, upstream = self.proxied()
        stop, failures, count = threading.Event(), [], [0]
        def load():
            connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=LIMIT)
            while not stop.is_set():
                try:
                    connection.request("POST", "/t", b"x" * 1000)
                    response = connection.getresponse()
                    response.read()
                    if response.status != 200: failures.append(response.status)
                except Exception as error:
                    failures.append(error)
                count[0] += 1
        threads = [threading.Thread(target=load) for _ in range(4)]
        self.addCleanup(stop.set)
        for thread in threads: thread.start()
        for index in range(20):
            self.config(upstream.url, f"access: {{hosts: [name{index}.test]}}\ntimeouts: {{first-byte: {100 + index}s}}\n")
            self.reload(squire)
        stop.set()
        for thread in threads: thread.join()
        self.assertEqual(failures, [])
        self.assertEqual(len(upstream.requests), count[0])
        self.assertEqual(self.fetch(squire, headers={"Host": "name19.test"}).status, 200)
        self.assertEqual(self.fetch(squire, headers={"Host": "name18.test"}).status, 421)

    def test_many_reloads_leave_nothing_behind(self):
        squire, upstream = self.proxied()
        self.fetch(squire)
        def state():
            pid = squire.process.pid
            return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))
        self.reload(squire)
        self.fetch(squire)
        before = state()
        for index in range(10):
            # Another margin makes another session.
            self.config(upstream.url, session=f"  margin: {20 + index}s\n")
            self.reload(squire)
            self.assertEqual(self.fetch(squire).status, 200)
        self.assertLessEqual(state()[0], before[0] + 1)
        self.assertLessEqual(state()[1], before[1] + 2)

    def test_former_sessions_go_when_their_requests_have(self):
        """Fewer and fewer at once after each reload: what serves none any more lets go of the session that it served the last one with."""
        meeting = threading.Barrier(1)
        def respond(request):
            meeting.wait(LIMIT)
            # No connection to it stays open.
            return reply(200, b"ok", "Connection: close"), "close"
        squire, upstream = self.proxied(respond)
        def use(count):
            nonlocal meeting
            meeting = threading.Barrier(count)
            self.assertEqual([getattr(answer, "status", answer) for answer in parallel(count, lambda _: self.fetch(squire))], [200] * count)
        def state():
            pid = squire.process.pid
            return len(os.listdir(f"/proc/{pid}/task")), len(os.listdir(f"/proc/{pid}/fd"))
        use(1)
        self.reload(squire)
        use(1)
        before = state()
        for index in range(50):
            use(max(1, 25 - index))
            self.config(upstream.url, session=f"  margin: {30 + index}s\n")
            self.reload(squire)
        use(1)
        self.until(lambda: state()[0] <= before[0] + 1 and state()[1] <= before[1] + 2, "threads and descriptors as before")

    def test_an_invalid_configuration_is_reported_and_ignored(self):
        squire, _ = self.proxied()
        for text, word in (("nonsense: 1\n", "unknown key"), ("upstream: [\n", "not valid YAML"), ("upstream: http://evil.example\n", "allow-plain-upstream")):
            pathlib.Path(squire.config).write_text(text)
            self.reload(squire, word)
            self.assertEqual(self.fetch(squire).status, 200)
        pathlib.Path(squire.config).unlink()
        self.reload(squire, "cannot be read")
        self.assertEqual(self.fetch(squire).status, 200)

    def test_a_token_does_not_follow_to_another_upstream(self):
        """Neither one that was used here before, nor one that the other upstream issued."""
        old, new, other = jwt(jti="old"), jwt(jti="new"), jwt(jti="other")
        def first_respond(request):
            if "refresh" in request.target: return token_reply(new)
            return reply(200, b"first") if request.token == new or request.target == "/given" else reply(401)
        first = self.upstream(first_respond)
        second = self.upstream(lambda r: reply(200, b"second"))
        for target in ("/given", "/rotated"):
            with self.subTest(target):
                config = self.config(first.url)
                self.save_token(old, config)
                squire = self.run_squire(config)
                self.assertEqual(self.fetch(squire, target=target).data, b"first")
                self.config(second.url)
                self.reload(squire)
                self.assertIn("is not sent elsewhere", squire.text())
                answer = self.fetch(squire)
                self.assertEqual((answer.status, json.loads(answer.data)["code"]), (401, "login_needed"))
                self.assertEqual(second.requests, [])
                # A login for the new one repairs it within a second.
                self.save_token(other, config)
                deadline = time.monotonic() + LIMIT
                while self.fetch(squire).status != 200:
                    self.assertLess(time.monotonic(), deadline)
                self.assertEqual({r.token for r in second.requests}, {other})
                second.requests.clear()
                squire.stop()
        # What is known of a token stays known after a restart.
        config = self.config(first.url)
        self.save_token(old, config)
        squire = self.run_squire(config)
        self.fetch(squire, target="/rotated")
        squire.stop()
        self.config(second.url)
        self.assertIn(first.url, self.command("token", "--config", config, code=77).stderr)
        self.assertIn(first.url, self.command("status", "--config", config, code=77).stdout)
        self.assertEqual(self.fetch(self.run_squire(config)).status, 401)
        self.assertEqual(second.requests, [])

    def test_endless_answers_are_cut_at_the_end_of_the_grace(self):
        squire, upstream = self.proxied(lambda r: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n", extra="timeouts: {shutdown: 500ms}\n")
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(GET)
        received = b""
        while b"event" not in received: received += connection.recv(1000)
        started = time.monotonic()
        squire.process.send_signal(signal.SIGTERM)
        # Whoever comes now is refused at once, and another may have the port.
        while "stopping" not in squire.text(): select.select([], [], [], 0.005)
        deadline = time.monotonic() + 0.4
        with self.assertRaises(ConnectionRefusedError):
            while time.monotonic() < deadline: socket.create_connection(("127.0.0.1", squire.port), LIMIT).close()
        socket.create_server(("127.0.0.1", squire.port)).close()
        self.assertEqual(squire.process.wait(LIMIT), 0)
        self.assertLess(abs(time.monotonic() - started - 0.5), 0.5)
        # The client sees that it is not the end.
        with contextlib.suppress(ConnectionResetError):
            self.assertEqual(connection.recv(1000), b"")
        self.assertIn("1 connection was cut", squire.text())

    @alone
    def test_idle_shutdown_is_quick(self):
        path = self.directory / "s.sock"
        squire, _ = self.proxied(arguments=("--listen", f"unix:{path}"))
        started = time.monotonic()
        self.assertEqual(squire.stop(), 0)
        self.assertLess(time.monotonic() - started, 1)
        self.assertEqual([name for name in os.listdir(self.directory) if name not in ("squire.yaml", "session.json", "session.json.lock", "state")], [])

    def test_restarts_under_a_client_that_keeps_trying(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        answered, stop = [], threading.Event()
        def client():
            number = 0
            while not stop.is_set():
                number += 1
                with contextlib.suppress(OSError, http.client.HTTPException):
                    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
                    connection.request("POST", f"/{number}", b"x")
                    answered.append((number, connection.getresponse().status))
                    connection.close()
                stop.wait(0.005)
        thread = threading.Thread(target=client)
        self.addCleanup(stop.set)
        thread.start()
        for _ in range(10):
            seen = len(answered)
            process = Process("run", "--config", config, "--listen", f"127.0.0.1:{port}", env=self.env).wait_for("proxy")
            deadline = time.monotonic() + LIMIT
            while len(answered) < seen + 5 and time.monotonic() < deadline: select.select([], [], [], 0.01)
            self.assertEqual(process.stop(), 0, process.text())
        stop.set()
        thread.join()
        self.assertEqual({status for _, status in answered}, {200})
        targets = [request.target for request in upstream.requests]
        self.assertEqual(len(targets), len(set(targets)))

    def test_a_unix_socket_that_another_took_over_stays(self):
        path = self.directory / "s.sock"
        squire, _ = self.proxied(arguments=("--listen", f"unix:{path}"))
        path.unlink()
        other = socket.socket(socket.AF_UNIX)
        self.addCleanup(other.close)
        other.bind(str(path))
        self.assertEqual(squire.stop(), 0)
        self.assertTrue(path.exists())

    def test_unix_sockets_that_cannot_be_had(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        listening = socket.socket(socket.AF_UNIX)
        self.addCleanup(listening.close)
        listening.bind(str(self.directory / "live"))
        listening.listen()
        (self.directory / "file").write_text("precious")
        (self.directory / "link").symlink_to(self.directory / "file")
        # No file system is asked for a path that no socket can have.
        result = self.command("run", "--config", config, "--listen", f"unix:{self.directory}/{'x' * 120}", code=78)
        self.assertRegex(result.stderr, r"names a path of \d+ bytes, and a Unix socket's has 10[37] at most")
        for name in ("live", "file", "link", "file/socket"):
            with self.subTest(name):
                result = self.command("run", "--config", config, "--listen", f"unix:{self.directory}/{name}", code=74)
                self.assertIn("cannot listen on unix:", result.stderr)
        self.assertEqual((self.directory / "file").read_text(), "precious")
        stale = socket.socket(socket.AF_UNIX)
        stale.bind(str(self.directory / "stale"))
        stale.close()
        # A directory that is not there is made, as a session's is; ~ is the home directory, here too.
        for path in ("stale", "made/here/socket"):
            process = Process("run", "--config", config, "--listen", f"unix:~/{path}", env={**self.env}, prefix=("sh", "-c", 'umask 0; exec "$@"', "sh"))
            self.addCleanup(process.stop)
            process.wait_for("proxy")
            self.assertEqual((self.directory / path).stat().st_mode & 0o777, 0o600)
        self.assertEqual((self.directory / "made").stat().st_mode & 0o777, 0o700)

    # Surroundings that stall

    @alone
    def test_a_slow_disk_does_not_hold_up_others(self):
        """While a rotation waits for the disk, what needs no token goes on."""
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if "refresh" in request.target: return token_reply(new)
            return reply(401) if request.token == old else reply(200, b"ok")
        upstream = self.upstream(respond)
        config = self.config(upstream.url)
        self.save_token(old, config)
        squire = Process("run", "--config", config, env=self.env,
                         prefix=("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fsync", "-e", "inject=fsync:delay_exit=700000"))
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        results = []
        waiting = threading.Thread(target=lambda: results.append(self.fetch(squire).status))
        waiting.start()
        upstream.wait_for_requests(1)
        times = []
        while waiting.is_alive():
            started = time.monotonic()
            self.assertEqual(self.fetch(squire, "POST", "/api/customers/check-email", b"{}").status, 200)
            times.append(time.monotonic() - started)
        self.assertEqual(results, [200])
        self.assertGreater(len(times), 20)
        self.assertLess(sorted(times)[int(len(times) * 0.99)], 1 if SANITIZER else 0.2)

    @unittest.skipUnless(os.geteuid() == 0, "only root can give a process another resolver")
    def test_a_resolver_that_is_silent_does_not_hold_up_others(self):
        silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(silent.close)
        silent.bind(("127.53.53.53", 53))
        (self.directory / "resolv.conf").write_text("nameserver 127.53.53.53\noptions timeout:5 attempts:1\n")
        config = self.config("https://some.name.test", "timeouts: {connect: 2s}\n")
        self.save_token(jwt(), config)
        squire = Process("run", "--config", config, env=self.env, prefix=(
            "unshare", "--mount", "sh", "-c", f'mount --bind {self.directory}/resolv.conf /etc/resolv.conf && exec "$@"', "sh"))
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        results = []
        waiting = threading.Thread(target=lambda: results.append(self.fetch(squire)))
        waiting.start()
        silent.settimeout(LIMIT)
        silent.recv(512)
        started = time.monotonic()
        for _ in range(20):
            self.assertEqual(self.fetch(squire, "OPTIONS", headers={"Max-Forwards": "0"}).status, 200)
        self.assertLess(time.monotonic() - started, 1)
        self.assertTrue(waiting.is_alive())
        waiting.join()
        self.assertIn(results[0].status, (502, 504))

    def test_logs_that_cannot_be_written_do_not_matter(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        reading, writing = os.pipe()
        os.close(reading)
        full = os.open("/dev/full", os.O_WRONLY)
        nobody_reads, stuck = os.pipe()
        self.addCleanup(os.close, nobody_reads)
        for descriptor in (writing, full, stuck):
            process = subprocess.Popen([SQUIRE, "run", "--config", config], stdout=subprocess.PIPE, stderr=descriptor, env=clean_environment(**self.env))
            os.close(descriptor)
            try:
                process.port = int(process.stdout.readline().decode().split(":")[-1])
                connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=LIMIT)
                for _ in range(2000):
                    connection.request("GET", "/" + "x" * 60)
                    self.assertEqual(connection.getresponse().read(), b"ok")
                connection.close()
            finally:
                process.terminate()
                self.assertEqual(process.wait(LIMIT), 0)
                process.stdout.close()


if __name__ == "__main__":
    main()
