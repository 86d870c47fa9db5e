"""The inspector: who may ask it, what it answers, and that nobody can keep it from answering about its health."""
from harness import *

HEADER = {"X-Squire-Inspector": "1"}
KEY = "0123456789abcdef"


class Inspected(Scenario):
    """A Squire with an inspector."""

    def inspected(self, respond=None, extra="", session="", profile="profile: menu\n", token=True):
        squire, upstream = self.proxied(respond, extra, session, token, ("--inspector", "127.0.0.1:0"), profile=profile)
        squire.wait_for("inspector")
        squire.proxy, squire.port = squire.port, int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        return squire, upstream

    def ask(self, squire, method, target, headers=None, body=None):
        """The status, the `code` or the text, and the fields."""
        answer = self.fetch(squire, method, target, body, headers)
        answer.json = json.loads(answer.data) if answer.data and "json" in (answer.getheader("Content-Type") or "") else {}
        answer.code = answer.json.get("code")
        return answer

    def keyed(self):
        key = self.directory / "key"
        key.write_text(KEY + "\n")
        key.chmod(0o600)
        return f"access: {{key: {key}}}\n"


class Access(Inspected):
    def raw(self, squire, text):
        data = self.exchange(squire.port, text.replace("\n", "\r\n").encode(), half_close=True)
        head, _, body = data.partition(b"\r\n\r\n")
        status = int(head.split()[1]) if head else 0
        return status, (json.loads(body)["code"] if body and b"application/problem+json" in head else None), head.decode().lower()

    def test_order_of_checks(self):
        """Each row is wrong in all that comes after what it is refused for."""
        squire, _ = self.inspected(extra=self.keyed())
        own = f"127.0.0.1:{squire.port}"
        post = "X-Squire-Inspector: 1\n"
        for text, expected in (
                (f"OPTIONS /api/nope HTTP/1.1\nOrigin: null\n\n", (400, "bad_request")),
                (f"OPTIONS /api/nope HTTP/1.1\nHost: a\nHost: {own}\nOrigin: null\n\n", (400, "bad_request")),
                (f"OPTIONS /api/nope HTTP/1.1\nHost: evil.test\nOrigin: null\n\n", (421, "misdirected_request")),
                (f"OPTIONS http://evil.test/api/nope HTTP/1.1\nHost: {own}\nOrigin: null\n\n", (421, "misdirected_request")),
                (f"GET http://evil.test/healthz HTTP/1.1\nHost: {own}\n\n", (421, "misdirected_request")),
                (f"GET http://127.0.0.1:1/healthz HTTP/1.1\nHost: {own}\n\n", (421, "misdirected_request")),
                (f"OPTIONS /api/nope HTTP/1.1\nHost: {own}\nOrigin: null\n\n", (403, "forbidden_origin")),
                (f"OPTIONS /api/nope HTTP/1.1\nHost: {own}\nSec-Fetch-Site: same-site\n\n", (403, "forbidden_origin")),
                (f"OPTIONS /api/nope HTTP/1.1\nHost: {own}\n\n", (405, "method_not_allowed")),
                (f"OPTIONS /nope HTTP/1.1\nHost: {own}\n\n", (405, "method_not_allowed")),
                (f"PATCH /api/status HTTP/1.1\nHost: {own}\n\n", (405, "method_not_allowed")),
                (f"CONNECT evil.test:443 HTTP/1.1\nHost: {own}\n\n", (405, "method_not_allowed")),
                (f"POST /api/nope HTTP/1.1\nHost: {own}\nContent-Length: 0\n\n", (403, "wrong_key")),
                (f"POST /api/nope HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\nContent-Length: 0\n\n", (404, "not_found")),
                (f"POST /nope HTTP/1.1\nHost: {own}\nContent-Length: 0\n\n", (404, "not_found")),
                (f"POST /healthz HTTP/1.1\nHost: {own}\nContent-Length: 0\n\n", (405, "method_not_allowed")),
                (f"HEAD /api/events HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n\n", (405, "")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\nContent-Length: 1\n\nx", (403, "header_required")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\nX-Squire-Inspector: 2\nContent-Length: 1\n\nx", (403, "header_required")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Length: 1\n\nx", (415, "unsupported_media_type")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: text/plain\nTransfer-Encoding: chunked\n\n1\nx\n0\n\n", (415, "unsupported_media_type")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: application/json\nContent-Length: 8388609\n\n", (413, "body_too_large")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: application/json;charset=utf-8\nContent-Length: 1\n\nx", (400, "bad_request")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: application/json\nContent-Length: 2\n\n[]", (400, "bad_request")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: application/json\nContent-Length: 7\n\n{{\"a\":1}}", (422, "invalid_request")),
                (f"POST /api/reload HTTP/1.1\nHost: {own}\nX-Squire-Key: {KEY}\n{post}Content-Type: application/json\nContent-Length: 12\n\n{{\"config\":1}}", (422, "invalid_request"))):
            with self.subTest(text):
                status, code, head = self.raw(squire, text)
                self.assertEqual((status, code), (expected[0], expected[1]) if expected[1] else (expected[0], code))
                self.assertEqual("\r\nallow: " in head, status == 405, head)
                self.assertIn("x-content-type-options: nosniff", head)
                self.assertNotIn("access-control", head)

    def test_what_needs_the_key(self):
        squire, _ = self.inspected(extra=self.keyed(), token=False)
        for target, status in (("/", 200), ("/healthz", 200), ("/readyz", 503), ("/nope", 404), ("/metrics", 403), ("/api/status", 403), ("/api/x", 403), ("/api/exchanges", 403)):
            for method in ("GET", "HEAD"):
                self.assertEqual(self.ask(squire, method, target).status, status, target)
        self.assertEqual(self.ask(squire, "GET", "/readyz").data, b"not ready\n")
        self.assertNotIn(b"http://", self.ask(squire, "GET", "/").data)
        for headers, status in (({"X-Squire-Key": KEY}, 200), ({"Authorization": f"Bearer {KEY}"}, 200), ({"Authorization": f"bearer {KEY}"}, 200),
                                ({"X-Squire-Key": KEY + "0"}, 403), ({"Authorization": f"Basic {KEY}"}, 403), ({"Authorization": "Bearer "}, 403)):
            for target in ("/metrics", "/api/status"):
                self.assertEqual(self.ask(squire, "GET", target, headers).status, status, headers)
        self.assertIn(b"squire login", self.ask(squire, "GET", "/readyz", {"X-Squire-Key": KEY}).data)

    def test_neither_the_upstreams_name_nor_the_proxys_origins_count(self):
        squire, upstream = self.inspected(extra="access: {origins: [\"http://app.test\"], hosts: [named.test]}\n")
        squire_of_name = f"named.test:{squire.port}"
        for headers, status in (({"Origin": "http://app.test"}, 403), ({"Host": "named.test"}, 200), ({"Host": squire_of_name, "Origin": f"http://{squire_of_name}"}, 200),
                                ({"Origin": f"http://127.0.0.1:{squire.port}"}, 200), ({"Origin": f"http://127.0.0.1:{squire.proxy}"}, 403)):
            self.assertEqual(self.ask(squire, "GET", "/api/status", headers).status, status, headers)
        # Through the proxy's port it is not reachable, whatever the target says.
        self.assertEqual(self.ask(squire, "GET", "/api/status").status, 200)
        answer = self.exchange(squire.proxy, f"GET http://127.0.0.1:{squire.port}/api/status HTTP/1.1\r\nHost: 127.0.0.1:{squire.port}\r\nConnection: close\r\n\r\n".encode())
        self.assertTrue(answer.startswith(b"HTTP/1.1 421 "), answer)

    def test_a_unix_socket_needs_no_host(self):
        squire, _ = self.proxied(arguments=("--inspector", f"unix:{self.directory}/i.sock"))
        squire.wait_for("inspector")
        self.assertEqual((self.directory / "i.sock").stat().st_mode & 0o777, 0o600)
        for head, status in (("GET /healthz HTTP/1.0", b"200"), ("GET /healthz HTTP/1.1\r\nHost: localhost", b"200"), ("GET /healthz HTTP/1.1\r\nHost: evil.test", b"421")):
            with socket.socket(socket.AF_UNIX) as connection:
                connection.connect(f"{self.directory}/i.sock")
                connection.sendall(f"{head}\r\nConnection: close\r\n\r\n".encode())
                self.assertEqual(connection.recv(65536).split()[1], status)

    def test_only_this_machine(self):
        for address in ("0.0.0.0:0", "192.0.2.1:8081", "[::]:0"):
            config = self.config("http://127.0.0.1:9", "access: {allow-remote: true}\n", profile="")
            self.assertIn("this machine", self.command("run", "--config", config, "--inspector", address, code=78).stderr)

    def test_an_access_rule_that_is_reloaded_counts_here_too(self):
        squire, upstream = self.inspected()
        self.config(upstream.url, self.keyed())
        self.assertEqual(self.ask(squire, "POST", "/api/reload", HEADER).json["changed"], ["access.key"])
        self.until(lambda: self.ask(squire, "GET", "/api/status").code == "wrong_key", "the key is asked for")


class Health(Inspected):
    def test_silent_clients_do_not_keep_it_from_answering(self):
        squire, _ = self.inspected()
        started = time.monotonic()
        silent = [socket.create_connection(("127.0.0.1", squire.port), LIMIT) for _ in range(80)]
        for connection in silent[:20]: connection.sendall(b"GET /he")
        self.addCleanup(lambda: [connection.close() for connection in silent])
        for target in ("/healthz", "/readyz", "/api/status"):
            self.assertEqual(self.ask(squire, "GET", target).status, 200)
        self.assertLess(time.monotonic() - started, 4)

    def test_requests_that_wait_leave_room_for_health(self):
        """56 wait for a refresh; the 57th is told to come again, and health is answered."""
        gate = threading.Event()
        def respond(request):
            if "refresh" in request.target:
                gate.wait(LIMIT)
                return token_reply(jwt(jti="new"))
            return reply(200)
        squire, upstream = self.inspected(respond)
        self.addCleanup(gate.set)
        head = f"POST /api/session/refresh HTTP/1.1\r\nHost: localhost\r\nX-Squire-Inspector: 1\r\nContent-Length: 0\r\n\r\n".encode()
        waiting = [socket.create_connection(("127.0.0.1", squire.port), LIMIT) for _ in range(56)]
        for connection in waiting: connection.sendall(head)
        self.until(lambda: self.ask(squire, "GET", "/api/status").status == 503, "56 wait")
        answer = self.ask(squire, "GET", "/metrics")
        self.assertEqual((answer.status, answer.code, answer.getheader("Retry-After")), (503, "overloaded", "2"))
        for target in ("/healthz", "/readyz"):
            self.assertEqual(self.ask(squire, "GET", target).status, 200)
        gate.set()
        for connection in waiting:
            self.assertIn(b"200 OK", self.read_until(connection, b"\r\n\r\n"))
            connection.close()
        self.assertEqual(len(upstream.requests), 1)

    def test_what_it_is_and_since_when(self):
        squire, _ = self.inspected()
        text = self.ask(squire, "GET", "/metrics").data.decode()
        self.assertRegex(text, r'(?m)^squire_build_info\{commit="[\w.+-]+",libcurl="[0-9.]+",libevent="[\w.-]+",'
            r'openssl="[\w.+-]+",version="[0-9.]+"\} 1$')
        self.assertAlmostEqual(int(re.search(r"(?m)^process_start_time_seconds (\d+)$", text)[1]), time.time(), delta=30)
        status = self.ask(squire, "GET", "/api/status").json
        self.assertEqual((status["pid"], status["config"]), (squire.process.pid, os.path.realpath(squire.config)))


class Refresh(Inspected):
    def test_it_answers_when_the_refresh_is_done(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        squire, upstream = self.inspected(lambda r: token_reply(new) if "refresh" in r.target else reply(200), token=old)
        answer = self.ask(squire, "POST", "/api/session/refresh?wait=0", HEADER)
        self.assertEqual(answer.status, 200, answer.data)
        self.assertEqual((answer.json["session"]["state"], answer.json["session"]["last_refresh"]["cause"]), ("usable", "manual"))
        self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
        self.assertEqual(len(upstream.requests), 1)

    def test_many_share_one_refresh(self):
        meeting = threading.Event()
        def respond(request):
            meeting.wait(LIMIT)
            return token_reply(jwt(jti="new"))
        squire, upstream = self.inspected(respond)
        self.addCleanup(meeting.set)
        threading.Timer(0.2, meeting.set).start()
        answers = parallel(8, lambda _: self.ask(squire, "POST", "/api/session/refresh", {**HEADER, "Content-Type": "application/json"}, b"{}").status)
        self.assertEqual((answers, len(upstream.requests)), ([200] * 8, 1))

    def test_why_it_did_not_work(self):
        for name, session, profile, respond, token, code in (
                ("refused", "", "profile: menu\n", lambda r: reply(401, b"{}"), True, "login_needed"),
                ("unavailable", "", "profile: menu\n", lambda r: reply(503, b"", "Retry-After: 7"), True, "session_unavailable"),
                ("no session", "", "profile: menu\n", lambda r: reply(200), False, "login_needed"),
                ("no way", "", "", lambda r: reply(200), True, "nothing_to_refresh")):
            with self.subTest(name):
                with contextlib.suppress(FileNotFoundError): self.session_file.unlink()
                squire, _ = self.inspected(respond, session=session, profile=profile, token=token)
                answer = self.ask(squire, "POST", "/api/session/refresh", HEADER)
                self.assertEqual((answer.status, answer.code), (409, code), answer.data)
                self.assertEqual(answer.getheader("Content-Type"), "application/problem+json")
                if code == "session_unavailable":
                    self.assertGreaterEqual(int(answer.getheader("Retry-After")), 1)
                    self.assertRegex(answer.json["retry_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
                squire.stop()

    def test_a_client_that_leaves_harms_nobody(self):
        """Not while it waits, not when the answer comes, not at the end."""
        gate, count = threading.Event(), [0]
        def respond(request):
            gate.wait(LIMIT)
            count[0] += 1
            return token_reply(jwt(jti=f"new{count[0]}"))
        squire, upstream = self.inspected(respond)
        self.addCleanup(gate.set)
        head = b"POST /api/session/refresh HTTP/1.1\r\nHost: localhost\r\nX-Squire-Inspector: 1\r\nContent-Length: 0\r\n\r\n"
        for index in range(40):
            connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
            connection.sendall(head)
            # One that is gone before its user is known is not served at all.
            if index == 0: upstream.wait_for_requests(1)
            if index % 2: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        gate.set()
        self.until(lambda: self.ask(squire, "GET", "/api/status").json["session"]["refreshes"] == 1, "refreshed")
        self.assertEqual(self.ask(squire, "POST", "/api/session/refresh", HEADER).status, 200)
        gate.clear()
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(head)
        upstream.wait_for_requests(3)
        threading.Timer(0.1, gate.set).start()
        self.assertEqual(squire.stop(), 0)


if __name__ == "__main__":
    main()
