"""HTTP/1.1 on the wire: exact bytes in, exact bytes out."""
import threading, ssl
from harness import *


class Wire(Scenario):
    def open(self, squire):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        return connection

    def stalled(self, upstream):
        """Waits until what was asked upstream stays the same for a while; how many requests that is."""
        seen = -1
        while seen != len(upstream.requests):
            seen = len(upstream.requests)
            with upstream.arrived:
                upstream.arrived.wait_for(lambda: len(upstream.requests) > seen, 0.5)
        return seen

    def test_exact_request(self):
        token = jwt()
        squire, upstream = self.proxied(token=token, profile="")
        self.exchange(squire.port, b"POST /a|b;c?x=%7e&y=|;,'\" HTTP/1.1\r\nHost: localhost\r\nX-Role-ID: \r\nX-Odd:  two  words  \r\n"
                      b"api-version: 9\r\nAuthorization: Bearer stolen\r\nX-Squire-Key: k\r\nConnection: close, X-Hop\r\nX-Hop: 1\r\n"
                      b"Keep-Alive: 5\r\nProxy-Connection: x\r\nTE: trailers\r\nUpgrade: h2c\r\nProxy-Authorization: p\r\n"
                      b"Content-Length: 4\r\nCookie: a=b\r\n\r\nbody")
        request = upstream.requests[0]
        expected = (f"POST /a|b;c?x=%7e&y=|;,'\" HTTP/1.1\r\nHost: 127.0.0.1:{upstream.port}\r\nX-Role-ID: \r\nX-Odd:  two  words  \r\n"
                    f"api-version: 9\r\nCookie: a=b\r\nContent-Length: 4\r\nVia: 1.1 squire\r\n"
                    f"Application: {HEADERS['Application']}\r\nDevice-UUID: 1287796\r\nAuthorization: Bearer {token}\r\n\r\n")
        self.assertEqual(without_pseudonym(request.head).decode(), expected)
        self.assertEqual(request.body, b"body")

    def test_exact_answer(self):
        answer = (b"HTTP/1.1 418 I'm a teapot\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nConnection: X-Gone\r\nX-Gone: 1\r\n"
                  b"Keep-Alive: timeout=5\r\nX-Empty:\r\nDate: x\r\nAuthorization: Bearer leaked\r\nContent-Length: 3\r\n\r\nabc")
        squire, _ = self.proxied(lambda r: answer)
        received = self.exchange(squire.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertEqual(without_pseudonym(received), b"HTTP/1.1 418 I'm a teapot\r\nServer: x\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nX-Empty:\r\nDate: x\r\n"
                         b"Content-Length: 3\r\nVia: 1.1 squire\r\nConnection: close\r\n\r\nabc")

    def test_overwrite_fill_and_uuid(self):
        squire, upstream = self.proxied(profile="", extra="", arguments=("--header", "X-Trace: id-{uuid}", "--header", "Device-UUID: other"))
        self.fetch(squire, headers={"APPLICATION": "mine"})
        self.fetch(squire)
        first, second = upstream.requests
        self.assertEqual(first.all("Application"), ["mine"])
        self.assertEqual(second.all("Application"), [HEADERS["Application"]])
        self.assertEqual(second["Device-UUID"], "other")
        self.assertRegex(first["X-Trace"], "^id-[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$")
        self.assertNotEqual(first["X-Trace"], second["X-Trace"])

    def test_authorization_fill(self):
        squire, upstream = self.proxied(lambda r: reply(401, b"no"), extra="authorization: fill\n")
        self.fetch(squire, headers={"Authorization": "Bearer mine"})
        self.assertEqual([r.all("Authorization") for r in upstream.requests], [["Bearer mine"]])

    def test_methods(self):
        squire, upstream = self.proxied()
        for method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"):
            self.assertEqual(self.fetch(squire, method, "/m").status, 200)
        self.assertEqual([r.method for r in upstream.requests], ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "REPORT"])
        for request in (b"CONNECT example.com:443 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"TRACE / HTTP/1.1\r\nHost: localhost\r\n\r\n"):
            with self.open(squire) as connection:
                connection.sendall(request)
                self.assertIn(b" 405 ", self.read_until(connection, b"}\n"))

    def test_get_and_delete_with_bodies(self):
        squire, upstream = self.proxied()
        for method in ("GET", "DELETE"):
            self.fetch(squire, method, "/api/delivery/delivery-times", b'{"a":1}', {"Content-Type": "application/json"})
            self.assertEqual(upstream.requests[-1].body, b'{"a":1}')

    def test_answers_without_body(self):
        answers = {
            "/204": b"HTTP/1.1 204 No Content\r\nX: 1\r\n\r\n",
            "/304": b"HTTP/1.1 304 Not Modified\r\nETag: x\r\nContent-Length: 99\r\n\r\n",
            "/empty": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        }
        squire, upstream = self.proxied(lambda r: b"HTTP/1.1 200 OK\r\nContent-Length: 1234\r\n\r\n" if r.method == "HEAD" else answers[r.target])
        connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=LIMIT)
        for target, status in (("/204", 204), ("/304", 304), ("/empty", 200), ("/204", 204)):
            connection.request("GET", target)
            response = connection.getresponse()
            self.assertEqual((response.status, response.read()), (status, b""))
        connection.request("HEAD", "/head")
        response = connection.getresponse()
        self.assertEqual((response.headers["Content-Length"], response.read()), ("1234", b""))
        self.assertEqual(upstream.connections, 1)
        connection.close()

    def test_pipelined_requests_in_order(self):
        squire, upstream = self.proxied(lambda r: reply(200, r.target.encode() + b";"))
        requests = b"".join(b"GET /%d HTTP/1.1\r\nHost: localhost\r\n%s\r\n" % (i, b"Connection: close\r\n" if i == 49 else b"") for i in range(50))
        received = self.exchange(squire.port, requests)
        bodies = [part.split(b"\r\n\r\n")[1] for part in received.split(b"HTTP/1.1 200 X")[1:]]
        self.assertEqual(bodies, [b"/%d;" % i for i in range(50)])

    def test_pipelining_client_that_does_not_read_is_held_back(self):
        squire, upstream = self.proxied(lambda r: reply(200, b"x" * 60_000))
        request, count = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", 1000
        with self.open(squire) as connection:
            connection.sendall(request * count)
            self.assertLess(self.stalled(upstream), count)
            while len(upstream.requests) < count:
                self.assertTrue(connection.recv(1 << 20))

    def test_half_closed_client_gets_all_answers(self):
        squire, _ = self.proxied()
        received = self.exchange(squire.port, b"GET /1 HTTP/1.1\r\nHost: localhost\r\n\r\nGET /2 HTTP/1.1\r\nHost: localhost\r\n\r\n", half_close=True)
        self.assertEqual(received.count(b"HTTP/1.1 200"), 2)

    def test_answers_on_their_way_survive_the_end_of_the_requests(self):
        """All requests are done, but a part of their answers still waits for the client when it says that it sends nothing more, or when
        Squire is told to stop."""
        request, answer = b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n", reply(200, b"x" * 30_000)

        def ask(squire, requests):
            connection = socket.socket()
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16 * 1024)
            connection.settimeout(LIMIT)
            connection.connect(("127.0.0.1", squire.port))
            self.addCleanup(connection.close)
            connection.sendall(requests)
            return connection

        squire, upstream = self.proxied(lambda r: answer)
        ask(squire, request * 1000)
        most = self.stalled(upstream)
        # How much the kernel takes differs a little each time: some of these end with a part in Squire.
        for count in range(most - 2, most + 1):
            for end in ("half-close", "half-close after Connection: close", "SIGTERM"):
                with self.subTest(count=count, end=end):
                    squire, upstream = self.proxied(lambda r: answer, extra="timeouts: {shutdown: 20s}\n")
                    last = request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n") if "after" in end else request
                    connection = ask(squire, request * (count - 1) + last)
                    self.stalled(upstream)
                    if end == "SIGTERM":
                        # An idle connection is closed in the same step.
                        with self.open(squire) as idle:
                            idle.sendall(request)
                            self.read_until(idle, b"x" * 30_000)
                            squire.process.send_signal(signal.SIGTERM)
                            self.assertEqual(idle.recv(1), b"")
                    else:
                        connection.shutdown(socket.SHUT_WR)
                        # Another client is served after the end was seen.
                        self.fetch(squire)
                    # From now on it takes all it can: through the small window it would take longer than the grace of the shutdown.
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
                    received = 0
                    while part := connection.recv(1 << 20):
                        received += part.count(b"x")
                    # A request that was held back until then is not begun any more; one of the upstream's is the other client's.
                    begun = len(upstream.requests) - 1 if end == "SIGTERM" else count
                    self.assertEqual(received, begun * 30_000)

    def test_byte_by_byte(self):
        squire, upstream = self.proxied()
        with self.open(squire) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            for byte in b"POST /x HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n3;e=1\r\nabc\r\n2\r\nde\r\n0\r\nX-T: 1\r\n\r\n":
                connection.sendall(bytes([byte]))
            self.read_until(connection, b"ok")
        self.assertEqual(upstream.requests[0].payload, b"abcde")
        self.assertTrue(upstream.requests[0].body.endswith(b"0\r\nX-T: 1\r\n\r\n"))

    def test_chunked_answer_with_trailers(self):
        answer = (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4;x\r\nabcd\r\n1\r\ne\r\n0\r\nX-Sum: 5\r\nContent-Length: 9\r\n\r\n")
        squire, upstream = self.proxied(lambda r: answer)
        received = self.exchange(squire.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertTrue(received.endswith(b"\r\n\r\n4\r\nabcd\r\n1\r\ne\r\n0\r\nX-Sum: 5\r\n\r\n"), received)
        received = self.exchange(squire.port, b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertTrue(received.endswith(b"Connection: close\r\n\r\nabcde"), received)
        self.assertNotIn(b"chunked", received)
        self.assertEqual(upstream.connections, 1)

    def test_close_delimited_answer(self):
        squire, _ = self.proxied(lambda r: (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", "close"))
        self.assertEqual(self.fetch(squire).data, b"until the end")

    def test_http_1_0(self):
        squire, upstream = self.proxied()
        received = self.exchange(squire.port, b"GET /x HTTP/1.0\r\n\r\n")
        self.assertTrue(received.startswith(b"HTTP/1.1 200"))

    def test_interim_answers(self):
        answer = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + reply(200, b"end")
        squire, _ = self.proxied(lambda r: answer)
        received = self.exchange(squire.port, b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        self.assertTrue(received.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n"), received)
        self.assertIn(b"HTTP/1.1 200", received)
        self.assertNotIn(b"100 Continue", received)

    def test_expect_continue(self):
        squire, upstream = self.proxied()
        with self.open(squire) as connection:
            connection.sendall(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            self.assertEqual(self.read_until(connection, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"body")
            self.read_until(connection, b"ok")
        self.assertEqual(upstream.requests[0].body, b"body")

    def test_expectation_refused_without_the_body(self):
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        config = self.config(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        with self.open(squire) as connection:
            connection.sendall(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            upstream, _ = listener.accept()
            self.assertIn(b"Expect: 100-continue", self.read_until(upstream, b"\r\n\r\n"))
            upstream.sendall(reply(417, b"no"))
            received = self.read_until(connection, b"no")
            self.assertTrue(received.startswith(b"HTTP/1.1 417"))
            upstream.close()

    def test_expectation_of_a_request_that_is_sent_again(self):
        """The token is refused before the body is sent: the client is asked for it when another one is accepted."""
        old, new = jwt(jti="old"), jwt(jti="new")
        class Upstream(RawUpstream):
            def serve(self, connection):
                with contextlib.suppress(OSError):
                    stream = connection.makefile("rb")
                    while head := b"".join(iter(stream.readline, b"\r\n")):
                        if b" /api/customers/refresh " in head: connection.sendall(token_reply(new))
                        elif new.encode() not in head: connection.sendall(reply(401, b"no"))
                        else:
                            if b"\r\nExpect: 100-continue\r\n" in head: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                            connection.sendall(reply(200, b"got " + stream.read(4)))
        upstream = Upstream()
        self.addCleanup(upstream.close)
        config = self.config(upstream.url)
        self.save_token(old, config)
        squire = self.run_squire(config)
        with self.open(squire) as connection:
            connection.sendall(b"PUT /x HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 4\r\n\r\n")
            self.assertEqual(self.read_until(connection, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"body")
            self.assertIn(b" 200 ", self.read_until(connection, b"got body"))

    def test_locations_stay_inside(self):
        squire, upstream = self.proxied(lambda r: reply(302, b"", f"Location: {upstream_url[0]}{r.target}"))
        upstream_url = [upstream.url]
        self.assertEqual(self.fetch(squire, target="/next?a=1").headers["Location"], f"http://127.0.0.1:{squire.port}/next?a=1")
        upstream_url[0] = "https://elsewhere.example"
        self.assertEqual(self.fetch(squire, target="/n").headers["Location"], "https://elsewhere.example/n")
        upstream_url[0] = upstream.url + "0"
        self.assertEqual(self.fetch(squire, target="/n").headers["Location"], upstream.url + "0/n")

    def test_accepted_hosts(self):
        squire, upstream = self.proxied(extra="access: {hosts: [api.test]}\n")
        for host in ("localhost", "LOCALHOST:1", "127.0.0.1", "[::1]:9", "api.test", f"127.0.0.1:{upstream.port}"):
            self.assertEqual(self.fetch(squire, headers={"Host": host}).status, 200, host)

    def test_upstream_faults(self):
        answers = {
            "/hangup": None,
            "/half-head": (b"HTTP/1.1 200 OK\r\nContent-", "close"),
            "/no-http": (b"hello\r\n\r\n", "close"),
            "/two-lengths": reply(200, b"ab", "Content-Length: 3"),
            "/both": b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            "/switch": b"HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\n",
        }
        squire, _ = self.proxied(lambda r: answers[r.target])
        for target, code in (("/hangup", "upstream_reset"), ("/half-head", "upstream_reset"), ("/no-http", "upstream_protocol"),
                             ("/two-lengths", "upstream_protocol"), ("/both", "upstream_protocol"), ("/switch", "upstream_protocol")):
            with self.subTest(target=target):
                response = self.fetch(squire, "POST", target, b"x")
                self.assertEqual((response.status, json.loads(response.data)["code"]), (502, code))
                self.assertEqual(b"https://" in response.data, target == "/hangup", response.data)

    def test_truncated_answers_are_seen(self):
        squire, _ = self.proxied(lambda r: ((b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab" if r.target == "/c"
                                             else b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nab"), "close"))
        for target in ("/l", "/c"):
            with self.assertRaises((http.client.IncompleteRead, ConnectionError)):
                self.fetch(squire, target=target)

    def test_unreachable(self):
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        config = self.config(f"http://127.0.0.1:{port}")
        self.save_token(jwt(), config)
        response = self.fetch(self.run_squire(config))
        self.assertEqual((response.status, json.loads(response.data)["code"]), (502, "upstream_unreachable"))

    def test_dead_idle_connection(self):
        squire, upstream = self.proxied(lambda r: (reply(200, b"ok"), "close"))
        for count, method in enumerate(("GET", "POST", "GET", "POST"), 1):
            self.assertEqual(self.fetch(squire, method).status, 200)
            # A POST that leaves before the end has come would rightly fail.
            upstream.wait_for_hang_ups(count)
        self.assertEqual(len(upstream.requests), 4)

    def test_first_byte_timeout(self):
        block = threading.Event()
        self.addCleanup(block.set)
        squire, _ = self.proxied(lambda r: block.wait(LIMIT) and None, extra="timeouts: {first-byte: 200ms}\n")
        self.assertEqual(self.fetch(squire).status, 504)

    def test_head_timeout(self):
        squire, _ = self.proxied(extra="timeouts: {head: 200ms}\n")
        self.assertIn(b" 408 ", self.exchange(squire.port, b"GET / HTTP/1.1\r\nHos"))

    def test_large_answer_to_a_slow_reader_is_held_back(self):
        size = 50_000_000
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        config = self.config(f"http://127.0.0.1:{listener.getsockname()[1]}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        with self.open(squire) as connection:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            upstream, _ = listener.accept()
            self.read_until(upstream, b"\r\n\r\n")
            upstream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
            # Nobody reads: sending must come to a stop well before the end.
            upstream.settimeout(0.5)
            sent, piece = 0, b"x" * 100_000
            try:
                while sent < size:
                    sent += upstream.send(piece[:size - sent])
            except TimeoutError:
                pass
            self.assertLess(sent, size)
            resident = int(pathlib.Path(f"/proc/{squire.process.pid}/status").read_text().split("VmRSS:")[1].split()[0])
            if not SANITIZER: self.assertLess(resident, 60_000)
            upstream.settimeout(LIMIT)
            threading.Thread(target=lambda: upstream.sendall(b"x" * (size - sent)), daemon=True).start()
            total = 0
            while part := connection.recv(1 << 20):
                total += len(part)
            upstream.close()
        self.assertGreater(total, size)

    def test_large_upload_streams(self):
        squire, upstream = self.proxied(lambda r: reply(200, hashlib.sha256(r.payload).hexdigest().encode()))
        body = os.urandom(1 << 20) * 80
        response = self.fetch(squire, "PUT", "/x", body)
        self.assertEqual(response.data.decode(), hashlib.sha256(body).hexdigest())

    def test_tls_upstream(self):
        context, trust = secure_context(self.directory)
        body = os.urandom(3_000_000)
        respond = lambda r: reply(200, r.payload)
        squire, upstream = self.proxied(respond, extra=trust, context=context)
        self.assertEqual(self.fetch(squire, "PUT", "/x", body).data, body)
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(upstream.connections, 1)
        squire.stop()
        other = self.run_squire(self.config(upstream.url, name="other.yaml"))
        response = self.fetch(other)
        self.assertEqual((response.status, json.loads(response.data)["code"]), (502, "upstream_tls"))

    def test_a_body_that_came_while_connecting_goes_on(self):
        """What is more than the window when the connection is there, behind an expectation that nobody answers."""
        context, trust = secure_context(self.directory)
        accepted, shake_hands, has_head = threading.Event(), threading.Event(), threading.Event()
        window, rest = 65_536, 10_000

        class Slow(RawUpstream):
            def serve(self, connection):
                accepted.set()
                shake_hands.wait(LIMIT)
                with context.wrap_socket(connection, server_side=True) as connection, connection.makefile("rb") as stream:
                    while stream.readline() != b"\r\n":
                        pass
                    has_head.set()
                    connection.sendall(reply(200, str(len(stream.read(window + rest))).encode()))

        upstream = Slow()
        self.addCleanup(upstream.close)
        config = self.config(f"https://127.0.0.1:{upstream.port}", trust)
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as client:
            client.sendall(b"PUT /x HTTP/1.1\r\nHost: 127.0.0.1\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % (window + rest))
            self.assertTrue(accepted.wait(LIMIT))
            client.sendall(b"x" * window)
            self.wait_until_read(client)
            shake_hands.set()
            self.assertTrue(has_head.wait(LIMIT))
            client.sendall(b"x" * rest)
            answer = b""
            while not answer.endswith(str(window + rest).encode()):
                part = client.recv(65536)
                self.assertTrue(part, answer)
                answer += part

    def wait_until_read(self, client):
        """Until nothing that the client sent waits in the kernel (proc(5), /proc/net/tcp)."""
        address = lambda pair: f"{int.from_bytes(socket.inet_aton(pair[0]), 'little'):08X}:{pair[1]:04X}"
        wanted = [address(client.getpeername()), address(client.getsockname())]
        deadline = time.monotonic() + LIMIT
        while time.monotonic() < deadline:
            rows = [line.split() for line in open("/proc/net/tcp")]
            if any(row[1:3] == wanted and row[4].endswith(":00000000") for row in rows):
                return
        self.fail("not all was read")

    def test_client_certificate(self):
        server, key = certificate(self.directory, "server", "-addext", "subjectAltName=IP:127.0.0.1")
        own, own_key = certificate(self.directory, "client")
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(server, key)
        context.load_verify_locations(own)
        context.verify_mode = ssl.CERT_REQUIRED
        squire, _ = self.proxied(extra=f"tls: {{ca: {server}, certificate: {own}, key: {own_key}}}\n", context=context)
        self.assertEqual(self.fetch(squire).status, 200)

    def test_corporate_proxy(self):
        """Requests and the refresh go through a tunnel that the proxy makes, with its own authentication."""
        seen = []

        def tunnel(client):
            head = self.read_until(client, b"\r\n\r\n")
            seen.append(head)
            if b"Proxy-Authorization: Basic dXNlcjpwYXNz" not in head:
                client.sendall(b"HTTP/1.1 407 Authenticate\r\nProxy-Authenticate: Basic realm=x\r\nContent-Length: 0\r\n\r\n")
                return tunnel(client)
            host, port = head.split()[1].decode().split(":")
            server = socket.create_connection((host, int(port)))
            client.sendall(b"HTTP/1.1 200 Established\r\n\r\n")
            def copy(source, target):
                while data := source.recv(65536):
                    target.sendall(data)
                hang_up(target)
            threading.Thread(target=copy, args=(server, client), daemon=True).start()
            copy(client, server)

        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=tunnel, args=(listener.accept()[0],), daemon=True).start()

        threading.Thread(target=accept, daemon=True).start()
        squire, upstream = self.proxied(extra=f"proxy: http://user:pass@127.0.0.1:{listener.getsockname()[1]}\n")
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertTrue(seen[0].startswith(f"CONNECT 127.0.0.1:{upstream.port} HTTP/1.1".encode()))
        self.assertNotIn(b"Bearer", b"".join(seen))
        self.assertNotIn("user:pass", squire.text())

    def test_too_many_connections(self):
        squire, _ = self.proxied(extra="limits: {connections: 2}\n")
        kept = [self.open(squire) for _ in range(2)]
        for connection in kept:
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.read_until(connection, b"ok")
        with self.open(squire) as connection:
            received = self.read_until(connection, b"}\n")
        self.assertIn(b" 503 ", received)
        self.assertIn(b"Retry-After: 1", received)
        self.assertIn(b'"overloaded"', received)

    def test_unix_socket(self):
        path = self.directory / "s.sock"
        squire, upstream = self.proxied(arguments=("--listen", f"unix:{path}"))
        self.assertEqual(squire.url, f"unix:{path}")
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            self.read_until(connection, b"ok")
        squire.stop()
        self.assertFalse(path.exists())

if __name__ == "__main__":
    main()
