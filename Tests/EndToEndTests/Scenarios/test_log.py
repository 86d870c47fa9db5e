"""The log tells cause and effect: what runs, what an exchange waited for, why Squire refused, how it ended. Never a secret."""
import fcntl, json, os, pty, re, select, signal, socket, ssl, struct, subprocess, termios, threading, time

from harness import *

GET = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


class Log(Scenario):
    def lines(self, squire, count=1, **wanted):
        """The JSON lines with those members, when there are so many."""
        def found():
            complete = squire.text().split("\n")[:-1]
            return [line for line in map(json.loads, complete) if all(line.get(name) == value for name, value in wanted.items())]
        self.until(lambda: len(found()) >= count, f"{count} lines with {wanted}: {squire.text()}")
        self.assertEqual(len(found()), count, squire.text())
        return found()

    def json(self, respond=None, *arguments, **options):
        return self.proxied(respond, arguments=("--log-format", "json", *arguments), **options)

    # What runs, and how it ended

    def test_begins_with_what_runs_and_ends_with_how(self):
        squire, upstream = self.proxied()
        self.fetch(squire)
        squire.stop()
        lines = squire.text().splitlines()
        self.assertRegex(lines[0], rf"^\S+ notice  squire \d+\.\d+\.\d+: {squire.url} -> {upstream.url}, customer \d+, token good for \d+ (s|min|h)$")
        self.assertRegex(lines[-1], r"^\S+ notice  stopped by SIGTERM$")
        self.assertEqual(len(lines), 3, squire.text())

    def test_begins_with_what_runs_even_when_there_is_something_to_say_first(self):
        upstream = self.upstream()
        config = self.config(upstream.url, extra="limits: {connections: 100000}\n")
        squire = Process("run", "--config", config, "--log-format", "json", env=self.env, prefix=("prlimit", "--nofile=2000:2000"))
        self.addCleanup(squire.stop)
        squire.url = squire.wait_for("proxy").endpoints["proxy"]
        squire.wait_for_text("There is no session")
        first, *others = [json.loads(line) for line in squire.text().splitlines()]
        self.assertEqual({name: first[name] for name in ("event", "level", "listen", "upstream", "session", "proxy")},
                         {"event": "start", "level": "notice", "listen": [squire.url], "upstream": upstream.url, "session": "none", "proxy": "squire"})
        self.assertRegex(first["version"], r"^\d+\.\d+\.\d+$")
        self.assertIn("nobody is logged in", first["message"])
        self.assertTrue(any("at most" in line["message"] for line in others))
        squire.stop(signal.SIGINT)
        last = json.loads(squire.text().splitlines()[-1])
        self.assertEqual((last["event"], last["signal"], last["message"]), ("stop", "SIGINT", "stopped by Ctrl-C"))

    def test_what_is_said_before_it_fails_is_not_lost(self):
        upstream = self.upstream()
        taken = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(taken.close)
        config = self.config(upstream.url, extra="limits: {connections: 100000}\n")
        squire = Process("run", "--config", config, "--inspector", f"127.0.0.1:{taken.getsockname()[1]}", env=self.env,
                         prefix=("prlimit", "--nofile=2000:2000"))
        self.assertEqual(squire.process.wait(LIMIT), 74)
        squire.stop()
        self.assertIn("at most", squire.text())
        self.assertNotIn("->", squire.text())

    def test_a_quiet_log_stays_quiet(self):
        squire, _ = self.proxied(arguments=("--log-level", "warning"))
        self.fetch(squire)
        squire.stop()
        self.assertEqual(squire.text(), "")

    def test_a_stop_that_waits_says_for_what(self):
        for how, name in ((signal.SIGTERM, "SIGTERM"), (signal.SIGINT, "Ctrl-C")):
            release = threading.Event()
            self.addCleanup(release.set)
            squire, upstream = self.proxied(lambda r: release.wait(LIMIT) and reply(200, b"late"))
            threads = [threading.Thread(target=self.fetch, args=(squire,)) for _ in range(2)]
            for thread in threads: thread.start()
            upstream.wait_for_requests(2)
            squire.process.send_signal(how)
            squire.wait_for_text(f"stopping: 2 exchanges still run ({name} again leaves at once)")
            release.set()
            for thread in threads: thread.join(LIMIT)
            self.assertEqual(squire.process.wait(LIMIT), 0)
            self.assertTrue(squire.text().endswith(f"stopped by {name}\n"), squire.text())
            self.assertEqual(squire.stop(), 0)

    def test_a_second_signal_leaves_at_once_and_says_so(self):
        release = threading.Event()
        self.addCleanup(release.set)
        squire, upstream = self.proxied(lambda r: release.wait(LIMIT) and reply(200))
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(GET % b"/")
        upstream.wait_for_requests(1)
        squire.process.send_signal(signal.SIGINT)
        squire.wait_for_text("stopping: 1 exchange still runs (Ctrl-C again leaves at once)")
        # One that comes with the first is its echo.
        self.until(lambda: squire.process.send_signal(signal.SIGINT) or squire.process.poll() is not None, "it runs on")
        self.assertEqual(squire.process.wait(LIMIT), 130)
        self.assertIn("stopped at once, by a second Ctrl-C", squire.text().splitlines()[-1])

    def test_a_second_signal_waits_for_no_refresh(self):
        release, asked = threading.Event(), threading.Event()
        self.addCleanup(release.set)

        def respond(request):
            if "refresh" not in request.target: return reply(401)
            asked.set()
            release.wait(LIMIT)

        squire, upstream = self.proxied(respond, "timeouts: {shutdown: 10ms}\n")
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(GET % b"/")
        self.assertTrue(asked.wait(LIMIT))
        squire.process.send_signal(signal.SIGTERM)
        squire.wait_for_text("stopping: a refresh is under way, and its token is saved first")
        self.until(lambda: squire.process.send_signal(signal.SIGTERM) or squire.process.poll() is not None, "it waits on")
        self.assertEqual(squire.process.wait(LIMIT), 143)
        self.assertIn("stopped at once, by a second SIGTERM", squire.text().splitlines()[-1])

    def test_an_echo_of_the_end_spoils_no_end(self):
        """The shell and the kernel may both say that the terminal is gone; timeout(1) signals a process and its group."""
        for echo in (signal.SIGHUP, signal.SIGTERM):
            squire, _ = self.proxied()
            squire.process.send_signal(signal.SIGTERM)
            self.until(lambda: squire.process.send_signal(echo) or squire.process.poll() is not None, "it goes on")
            self.assertEqual(squire.process.returncode, 0)
            self.assertTrue(squire.text().endswith("stopped by SIGTERM\n"), squire.text())

    def test_a_kill_is_no_end_of_an_answer(self):
        """An answer for an HTTP/1.0 client ends with its connection."""
        part = b"HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\n\r\n4\r\npart\r\n"
        squire, _ = self.proxied(lambda r: part)
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.read_until(connection, b"part")
        squire.process.kill()
        with self.assertRaises(ConnectionResetError):
            connection.recv(1)

    def test_an_idle_stop_waits_for_nothing(self):
        squire, _ = self.proxied()
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.read_until(connection, b"ok")
            squire.stop()
        self.assertNotIn("stopping", squire.text())

    # A refresh, and who waited for it

    def test_a_storm_says_who_led_and_who_waited(self):
        """The upstream's time is the upstream's, not what was waited for the token."""
        old, new, held = jwt(jti="old"), jwt(jti="new"), threading.Event()
        self.addCleanup(held.set)
        def respond(request):
            if "refresh" in request.target:
                held.wait(LIMIT)
                return token_reply(new)
            return reply(200, b"ok") if request.token == new else reply(401)
        squire, upstream = self.json(respond, token=old)
        threads = [threading.Thread(target=self.fetch, args=(squire, "GET", f"/{index}")) for index in range(5)]
        threads[0].start()
        upstream.wait_for_requests(2)
        for thread in threads[1:]: thread.start()
        # They wait: while they do, time passes that is not the upstream's.
        begun = time.monotonic()
        self.until(lambda: time.monotonic() > begun + 0.3, "the token is waited for")
        held.set()
        for thread in threads: thread.join(LIMIT)
        lines = self.lines(squire, 5, event="exchange")
        for line in lines:
            self.assertEqual((line["status"], line["generation"]), (200, 2), line)
            self.assertGreater(line["refresh_wait_ms"], 250, line)
            self.assertLess(line["upstream_ms"], 250, line)
            self.assertLessEqual(line["refresh_wait_ms"] + line["upstream_ms"], line["total_ms"] + 0.3, line)
        leader = [line for line in lines if line.get("led_refresh")]
        self.assertEqual([(line["path"], line["first_status"], line["attempts"]) for line in leader], [("/0", 401, 2)])
        refresh, = self.lines(squire, event="refresh")
        self.assertEqual({name: refresh[name] for name in ("cause", "outcome", "trigger", "waiters", "generation")},
                         {"cause": "rejected", "outcome": "refreshed", "trigger": leader[0]["id"], "waiters": 5, "generation": 2})
        self.assertGreater(refresh["ms"], 250)
        self.assertRegex(refresh["message"], rf"^token refreshed because of \[{refresh['trigger']}\] \(rejected\) in {refresh['ms']} ms, 4 more waited: token 2, good for \d+ (s|min)$")
        for line in lines:
            # Who came later needed one attempt.
            self.assertEqual(line.get("first_status"), 401 if line["attempts"] == 2 else None, line)

    def test_a_refresh_that_fails_says_the_same(self):
        squire, _ = self.json(lambda r: reply(400 if "refresh" in r.target else 401), token=jwt(jti="old"))
        self.assertEqual(self.fetch(squire, target="/a").status, 401)
        refresh, = self.lines(squire, event="refresh")
        exchange, = self.lines(squire, event="exchange")
        self.assertEqual({name: refresh[name] for name in ("level", "cause", "outcome", "trigger", "waiters")},
                         {"level": "error", "cause": "rejected", "outcome": "refused", "trigger": exchange["id"], "waiters": 1})
        self.assertRegex(refresh["message"], rf"^token not refreshed for \[{exchange['id']}\] \(rejected\) in \d+ ms: .*status 400")
        self.assertIn("squire login", refresh["message"])

    def test_what_others_do_to_the_session_is_called_by_name(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        respond = lambda r: token_reply(new) if "refresh" in r.target else reply(200)
        squire, upstream = self.json(respond, token=old)
        self.fetch(squire)
        self.command("token", "--config", squire.config, "--min-ttl", "2h")
        self.lines(squire, event="adopted", change="refresh", message="another process refreshed the token: token 2")
        self.save_token(jwt(jti="other", sub="5090976"), squire.config)
        self.lines(squire, event="adopted", change="login", message="a new login: token 3")
        self.command("logout", "--config", squire.config, "--local")
        self.lines(squire, event="adopted", change="logout", message="another process logged out")

    def test_in_plain_words(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        squire, _ = self.proxied(lambda r: token_reply(new) if "refresh" in r.target else reply(200 if r.token == new else 401), token=old)
        self.fetch(squire, target="/a")
        squire.wait_for_text("  /a  [")
        line = [line for line in squire.text().splitlines() if "/a" in line][-1]
        self.assertRegex(line, r" GET    200 +[\d.]+ ms +0 B  refreshed, sent twice \(first 401\), waited [\d.]+ ms, upstream [\d.]+ ms  /a  \[")
        for word in ("generation", "attempts"): self.assertNotIn(word, squire.text())

    # Refusals

    def test_refusals_say_what_led_to_them(self):
        squire, upstream = self.json(extra="access: {key: %s}\n" % self.key())
        key = b"X-Squire-Key: the-right-key-123\r\n"
        cases = {
            b"GET /1 HTTP/1.1\r\nHost: evil.example\r\n": ("GET", "/1", 421, "misdirected_request", "Host evil.example"),
            b"GET http://u:pa55word@evil.example/2 HTTP/1.1\r\nHost: localhost\r\n": ("GET", "/2", 421, "misdirected_request", "@evil.example"),
            b"GET /3 HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n" + key: ("GET", "/3", 403, "forbidden_origin", "Origin http://evil.example"),
            b"GET /4 HTTP/1.1\r\nHost: localhost\r\nSec-Fetch-Site: cross-site\r\n" + key: ("GET", "/4", 403, "forbidden_origin", "Sec-Fetch-Site cross-site"),
            b"CONNECT u:pa55word@a.example:443 HTTP/1.1\r\nHost: a.example\r\n": ("CONNECT", "…@a.example:443", 405, "method_not_allowed", "CONNECT …@a.example:443"),
            b"GET /6 HTTP/1.1\r\nHost: localhost\r\n": ("GET", "/6", 403, "wrong_key", "no X-Squire-Key"),
            b"GET /7 HTTP/1.1\r\nHost: localhost\r\nX-Squire-Key: pa55word\r\n": ("GET", "/7", 403, "wrong_key", "another X-Squire-Key"),
            b"GET /8 HTTP/1.1\r\nHost: bad host\r\n": ("GET", "/8", 400, "bad_request", "Host bad host"),
            b"GET /9\x1b[31m HTTP/1.1\r\nHost: a\r\n": ("GET", "/9\\x1b[31m", 400, "bad_request", "not allowed"),
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03": ("-", "-", 400, "bad_request", "a client speaks TLS here: use http://"),
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n": ("PRI", "*", 400, "bad_request", "a client speaks HTTP/2 here: use HTTP/1.1"),
            b"AUTH pa55word\r\n": ("-", "-", 400, "bad_request", "it begins with AUTH"),
        }
        bodies = {}
        for data in cases:
            answer = self.exchange(squire.port, data + b"\r\n")
            head, _, bodies[data] = answer.partition(b"\r\n\r\n")
            self.assertTrue(head.startswith(b"HTTP/1.1 "), answer)
        lines = self.lines(squire, len(cases), outcome="refused")
        for line, (data, (method, path, status, code, detail)) in zip(lines, cases.items()):
            self.assertEqual((line["method"], line["path"], line["status"], line["code"]), (method, path, status, code))
            self.assertIn(detail, line["detail"])
            # All that the client was told, and not one byte of it uncounted.
            self.assertIn(json.loads(bodies[data])["detail"], line["detail"])
            self.assertEqual(line["response_bytes"], len(bodies[data]), line)
            self.assertNotIn("request_id", line)
            self.assertNotIn(b"evil", bodies[data])
        self.assertNotIn("pa55word", squire.text())
        self.assertNotIn("\x1b", squire.text())
        self.assertEqual(upstream.requests, [])

    def key(self):
        path = self.directory / "key"
        path.write_text("the-right-key-123\n")
        path.chmod(0o600)
        return path

    def test_tls_and_http2_clients_get_an_answer(self):
        squire, _ = self.proxied()
        with self.assertRaisesRegex(ssl.SSLError, "WRONG_VERSION_NUMBER"):
            with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
                ssl.create_default_context().wrap_socket(connection, server_hostname="localhost")
        answer = self.exchange(squire.port, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
        self.assertIn(b"HTTP/1.1 400 Bad Request\r\n", answer)
        self.assertIn(b"use HTTP/1.1", answer)
        squire.wait_for_text("a client speaks TLS here: use http://")
        squire.wait_for_text("a client speaks HTTP/2 here: use HTTP/1.1")

    def test_problems_of_the_upstream_are_explained(self):
        squire, upstream = self.json(lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n")
        answer = self.fetch(squire, "HEAD")
        line, = self.lines(squire, event="exchange")
        self.assertEqual((line["code"], line["response_bytes"], line["first_status"] if "first_status" in line else None), ("upstream_protocol", 0, None))
        self.assertIn("The upstream's response cannot be forwarded", line["detail"])
        upstream.close()

    # X-Request-ID

    def test_exchanges_have_their_request_id(self):
        for form in ("json", "text"):
            squire, upstream = self.proxied(arguments=("--log-format", form))
            self.fetch(squire, target="/own", headers={"X-Request-ID": "the-clients-own-1"})
            self.fetch(squire, target="/ours")
            self.fetch(squire, target="/forged", headers={"x-request-id": "a\tb" + "c" * 300})
            squire.stop()
            own, ours, _ = [request["X-Request-ID"] for request in upstream.requests]
            self.assertEqual(own, "the-clients-own-1")
            self.assertRegex(ours, f"^{UUID}$")
            if form == "json":
                lines = [json.loads(line) for line in squire.text().splitlines()]
                told = [line["request_id"] for line in lines if line["event"] == "exchange"]
            else:
                told = re.findall(r"  /\w+  \[\S+\] (.*)", squire.text())
            self.assertEqual(told[:2], [own, ours])
            self.assertLess(len(told[2]), 140)
            self.assertTrue(told[2].startswith("a\\x9bc"), told[2])

    # Several proxies

    def test_several_proxies_are_told_apart(self):
        upstreams = [self.upstream(lambda r, name=name: reply(200, name)) for name in (b"one", b"two")]
        configs = []
        for index, upstream in enumerate(upstreams):
            (self.directory / f"d{index}").mkdir()
            configs.append(self.config(upstream.url, name=f"d{index}/squire.yaml", session=f"  missing: forward\n"))
        for form in ("text", "json"):
            process = Process("run", "--config", configs[0], "--config", configs[1], "--log-format", form, env=self.env)
            self.addCleanup(process.stop)
            urls = [line.split()[1] for line in process.wait_for_lines(2)]
            for url, target in zip(urls, ("/first", "/second")):
                process.port = int(url.rsplit(":", 1)[1])
                self.fetch(process, target=target)
            process.stop()
            lines = process.text().splitlines()
            if form == "json":
                lines = [json.loads(line) for line in lines]
                self.assertEqual([(line["event"], line["proxy"]) for line in lines[:2]], [("start", "d0/squire"), ("start", "d1/squire")])
                # Each proxy's thread hands over its own lines.
                self.assertEqual(sorted((line["path"], line["proxy"]) for line in lines if line.get("event") == "exchange"),
                                 [("/first", "d0/squire"), ("/second", "d1/squire")])
                self.assertEqual([line["proxy"] for line in lines if "no session" in line["message"]], ["d0/squire", "d1/squire"])
            else:
                for target, name in (("/first", "d0/squire"), ("/second", "d1/squire"), ("no session", "d0/squire")):
                    self.assertTrue(any(re.search(rf" (info|warning) +{name} .*{target}", line) for line in lines), process.text())

    # WebSockets

    def test_a_websocket_has_a_line_when_it_opens(self):
        upgrade = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        squire, upstream = self.json(lambda r: b"HTTP/1.1 101 Switching Protocols\r\n" + upgrade + b"\r\nhello")
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
            connection.sendall(b"GET /ws?token=x HTTP/1.1\r\nHost: localhost\r\n" + upgrade + b"\r\n")
            self.read_until(connection, b"hello")
            line, = self.lines(squire, event="websocket")
            self.assertEqual((line["path"], line["status"]), ("/ws?token=…", 101))
            self.assertNotIn("outcome", line)
            self.assertEqual(line["request_id"], upstream.requests[0]["X-Request-ID"])
        squire.stop()
        end, = self.lines(squire, event="exchange")
        self.assertEqual((end["id"], end["status"], end["response_bytes"]), (line["id"], 101, 5))

    # A closer look

    def test_debug_and_trace_show_the_way(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        context, tls = secure_context(self.directory)
        def respond(request):
            if "refresh" in request.target: return token_reply(new)
            return reply(200, b"ok", "Keep-Alive: timeout=5", "Connection: keep-alive") if request.token == new else reply(401)
        squire, _ = self.json(respond, "--log-level", "trace", token=old, context=context, extra=tls)
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
            for _ in range(2):
                connection.sendall(b"GET /api/x HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer mine\r\nTE: trailers\r\nX-Mine: 1\r\n\r\n")
                self.read_until(connection, b"ok")
        self.lines(squire, 2, event="exchange")
        lines = [json.loads(line) for line in squire.text().splitlines()]
        by = lambda event: [line for line in lines if line["event"] == event]
        self.assertEqual([(line["route"], line["bearer"]) for line in by("route")], [("ordinary", "session")] * 2)
        self.assertEqual([(line["connection"], line["tls"], line["generation"]) for line in by("attempt")],
                         [("new", "yes", 1), ("reused", "yes", 2), ("reused", "yes", 2)])
        self.assertEqual([(line["status"], line["verdict"], line["tls_version"]) for line in by("answer")],
                         [(401, "rejected", "TLSv1.3"), (200, "accepted", "TLSv1.3"), (200, "accepted", "TLSv1.3")])
        request = by("request_fields")[0]
        self.assertLessEqual({"Via", "Application", "X-Request-ID"}, set(request["added"]))
        self.assertEqual((set(request["replaced"]), set(request["removed"])), ({"Host", "Authorization"}, {"TE"}))
        response = by("response_fields")[-1]
        self.assertEqual((set(response["added"]), set(response["removed"])), ({"Via", "Date"}, {"Keep-Alive", "Connection"}))
        refresh, = by("refresh_request")
        self.assertEqual((refresh["method"], refresh["path"], refresh["status"]), ("GET", "/api/customers/refresh", 200))
        self.assertIsInstance(refresh["ms"], int)
        # All of one exchange have its name.
        self.assertEqual({line["id"] for line in by("route")}, {line["id"] for line in by("exchange")})
        for event in ("token_wait", "token"): self.assertEqual(len(by(event)), 1)

    def test_info_shows_none_of_it(self):
        squire, _ = self.json()
        self.fetch(squire)
        self.lines(squire, event="exchange")
        self.assertEqual({json.loads(line)["event"] for line in squire.text().splitlines()}, {"start", "exchange"})

    def test_no_level_shows_a_secret(self):
        """Wherever a client or the upstream puts one: in names, values, targets, identifiers, hosts."""
        token, opaque = jwt(jti="session"), "opaque-token-of-this-session-1234567890"
        other = jwt(jti="other")
        for current in (token, opaque):
            profile = "" if current == opaque else "profile: menu\n"
            squire, upstream = self.json(lambda r: reply(200, b"ok", f"X-{current}: 1", f"Set-Cookie: a={current}"), "--log-level", "trace",
                                         token=current, profile=profile)
            for data in (
                b"GET /a?x=%b HTTP/1.1\r\nHost: localhost\r\nX-Request-ID: %b\r\n",
                b"GET /%b HTTP/1.1\r\nHost: localhost\r\n%b: 1\r\n",
                b"GET /b HTTP/1.1\r\nHost: %b\r\nOrigin: http://%b\r\n",
                b"GET http://%b@localhost/c HTTP/1.1\r\nHost: localhost\r\nOrigin: https://u:%b@evil.example\r\n",
                b"CONNECT %b:443 HTTP/1.1\r\nHost: %b\r\n",
                b"%b %b\r\n", b"GET /x %b HTTP/1.1\r\nHost: %b\r\n",
                b"GET / HTTP/1.1\r\nHost: a %b\r\nExpect: %b\r\n",
                b"GET / HTTP/1.1\r\nHost: localhost\r\nExpect: Bearer %b\r\nX: %b\r\n",
            ):
                for secret in (current.encode(), other.encode()):
                    self.exchange(squire.port, data % (secret, secret) + b"Connection: close\r\n\r\n")
            squire.stop()
            log = squire.text()
            for secret in (current, other, current[-20:]):
                self.assertNotIn(secret, log)
            self.assertGreater(log.count('"event":"exchange"'), 10)

    # On a terminal

    def terminal(self, *arguments, **env):
        """Squire with its standard error on a terminal of 80 columns; gives the process and a way to read that."""
        leader, follower = pty.openpty()
        fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        process = subprocess.Popen([SQUIRE, *arguments], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=follower,
                                   env=clean_environment(**{**self.env, "NO_COLOR": "", "CLICOLOR_FORCE": "", **env}))
        os.close(follower)
        self.addCleanup(os.close, leader)
        self.addCleanup(process.stdout.close)
        self.addCleanup(lambda: process.poll() is None and process.kill())
        text = bytearray()
        def read(mark):
            deadline = time.monotonic() + LIMIT
            while mark not in text:
                assert select.select([leader], [], [], max(0, deadline - time.monotonic()))[0], bytes(text)
                text.extend(os.read(leader, 4096))
            return bytes(text)
        return process, read

    def test_a_terminal_gets_short_lines_and_a_line_for_the_end(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        process, read = self.terminal("run", "--config", config, TERM="xterm")
        process.port = int(process.stdout.readline().decode().rsplit(":", 1)[1])
        self.fetch(process, target="/api/customer-accounts/me")
        text = read(b"/api/customer-accounts/me")
        self.assertIn(b"\x1b[32m200\x1b[0m", text)
        process.send_signal(signal.SIGINT)
        text = read(b"stopped by Ctrl-C")
        self.assertEqual(process.wait(LIMIT), 0)
        # Ctrl-C shows as ^C, and nothing may stand behind it.
        plain = re.sub(r"\x1b\[\d+m", "", text.decode())
        lines = plain.splitlines()
        exchange = next(index for index, line in enumerate(lines) if "/me" in line)
        self.assertRegex(lines[exchange], r" 200 +[\d.]+ ms +2 B  /api/customer-accounts/me$")
        self.assertRegex(lines[exchange + 1], r"^ {21}\[[0-9a-f]{4}-1\]$")
        self.assertTrue(all(len(line) <= 80 for line in lines), plain)
        self.assertIn("\r\n\r\n", plain)

    def test_a_dumb_terminal_gets_no_colours(self):
        config = self.config(self.upstream().url)
        for env in ({"TERM": "dumb"}, {"TERM": ""}, {"TERM": "xterm", "NO_COLOR": "1"}):
            process, read = self.terminal("run", "--config", config, **env)
            self.assertNotIn(b"\x1b", read(b"There is no session"))
            process.terminate()
            process.wait(LIMIT)

    def test_demo_begins_and_ends_like_run(self):
        process = Process("demo", "--listen", "127.0.0.1:0", "--inspector", "off", env=self.env).wait_for("proxy")
        process.wait_for_text("ends it.")
        self.assertEqual(process.stop(signal.SIGINT), 0)
        lines = process.text().splitlines()
        self.assertRegex(lines[0], rf" notice  squire \S+: {process.endpoints['proxy']} -> http://127\.0\.0\.1:\d+, customer \S+, token good for \d+ s$")
        self.assertRegex(lines[-1], " notice  stopped by Ctrl-C$")


if __name__ == "__main__":
    main()
