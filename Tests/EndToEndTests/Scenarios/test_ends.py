"""How exchanges end: who left is let go, who stayed gets all of it, what follows is not touched, and each end is told of once."""
from harness import *
from test_websocket import SWITCH, UPGRADE

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
RESET = struct.pack("ii", 1, 0)


class LeavingUpstream(RawUpstream):
    """Notes when Squire closes a connection that it had made."""

    def __init__(self, respond):
        self.left = []
        super().__init__(respond)

    def serve(self, connection):
        super().serve(connection)
        with self.arrived:
            self.left.append(time.monotonic())
            self.arrived.notify_all()

    def wait_for_leaving(self, count, limit):
        with self.arrived:
            self.arrived.wait_for(lambda: len(self.left) >= count, limit)
            return len(self.left)


class Ends(Scenario):
    def start(self, respond, extra="", arguments=(), token=None):
        upstream = LeavingUpstream(respond)
        self.addCleanup(upstream.close)
        config = self.config(upstream.url, extra)
        self.save_token(token or jwt(), config)
        return self.run_squire(config, *arguments), upstream

    def open(self, squire, data=b""):
        path = squire.url.removeprefix("unix:")
        if path != squire.url:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(LIMIT)
            connection.connect(path)
        else:
            connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def until_end(self, connection):
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536): received += part
        return received

    def listeners(self):
        yield "TCP", ()
        yield "Unix socket", ("--listen", f"unix:{self.directory}/s.sock")

    # Clients that leave

    SILENT = {
        b"nothing": b"",
        b"interim": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
        b"head": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"event": b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nevent\r\n",
        b"length": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf",
        b"unbounded": b"HTTP/1.1 200 OK\r\n\r\npart",
    }

    def leave(self, ahead=b""):
        """Clients close their connections while the upstream is silent; those that wait see their upstream connection go within 2 s."""
        for name, arguments in self.listeners():
            with self.subTest(name):
                squire, upstream = self.start(lambda r: self.SILENT.get(r.target[1:].encode(), reply(200, b"ok")), arguments=arguments)
                clients = []
                for target, begun in self.SILENT.items():
                    client = self.open(squire, ahead + GET % target)
                    if begun: self.read_until(client, begun.split(b"\r\n\r\n")[0].split(b"\r\n")[0])
                    clients.append(client)
                upstream.wait_for_requests(len(self.SILENT) * (1 + ahead.count(b"\r\n\r\n")))
                for client in clients: client.close()
                self.assertEqual(upstream.wait_for_leaving(len(clients), 2.5), len(clients))
                squire.wait_for_text("client-gone", len(clients))
                squire.stop()

    def test_upstreams_of_clients_that_left_are_let_go(self):
        self.leave()

    def test_a_pipelined_request_of_a_client_that_left_is_let_go(self):
        """It says its last word while an earlier response is still on its way."""
        go = threading.Event()
        self.addCleanup(go.set)

        def respond(request):
            if request.target == "/first": go.wait(LIMIT)
            return self.SILENT.get(request.target[1:].encode(), reply(200, b"ok"))

        for name, arguments in self.listeners():
            with self.subTest(name):
                go.clear()
                squire, upstream = self.start(respond, arguments=arguments)
                client = self.open(squire, GET % b"first" + GET % b"event")
                upstream.wait_for_requests(1)
                client.shutdown(socket.SHUT_WR)
                # Another client is served after that was seen.
                self.read_until(self.open(squire, GET % b"other"), b"ok")
                go.set()
                self.read_until(client, b"event")
                client.close()
                # The first response's connection stays in the pool, and the second request went over it.
                self.assertEqual(upstream.wait_for_leaving(1, 2.5), 1)
                squire.stop()

    def test_an_upstream_is_let_go_whatever_the_client_had_sent_behind(self):
        """More requests than Squire reads ahead: their client's end lies behind them."""
        for name, arguments in self.listeners():
            with self.subTest(name):
                squire, upstream = self.start(lambda r: self.SILENT.get(r.target[1:].encode(), reply(200, b"ok")), arguments=arguments)
                client = self.open(squire, GET % b"event")
                self.read_until(client, b"event")
                client.sendall(GET % b"behind" * 2000)
                # Another client is served after some of that was read.
                self.read_until(self.open(squire, GET % b"other"), b"ok")
                client.close()
                self.assertEqual(upstream.wait_for_leaving(1, 3), 1)
                self.assertEqual([r.target for r in upstream.requests], ["/event", "/other"])
                squire.stop()

    def test_an_upstream_that_takes_no_more_of_an_upload_is_let_go(self):
        """It answers with a stream and reads no further, so Squire reads no further either, and the client leaves behind what is not read."""
        let_go = threading.Event()

        class Answering(RawUpstream):
            def serve(self, connection):
                with contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(Ends.SILENT[b"event"])
                    poll = select.poll()
                    poll.register(connection, select.POLLRDHUP)
                    if poll.poll(LIMIT * 1000): let_go.set()
                connection.close()

        upstream = Answering()
        self.addCleanup(upstream.close)
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        client = self.open(squire, b"POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50000000\r\n\r\n")
        self.read_until(client, b"event")
        client.settimeout(0.5)
        with contextlib.suppress(TimeoutError):
            for _ in range(700): client.sendall(b"x" * 65536)
        client.close()
        self.assertTrue(let_go.wait(3))

    def test_clients_that_only_say_that_they_are_done_get_all(self):
        """However late it comes, and from two requests in one go."""
        late = threading.Event()
        self.addCleanup(late.set)

        def respond(request):
            # Beyond two looks for whether the client is still there.
            late.wait(2.3)
            return reply(200, request.target.encode() + b";" + b"x" * 100_000)

        for name, arguments in self.listeners():
            with self.subTest(name):
                squire, upstream = self.start(respond, arguments=arguments)
                client = self.open(squire, GET % b"1" + GET % b"2")
                client.shutdown(socket.SHUT_WR)
                upstream.wait_for_requests(2)
                received = self.until_end(client)
                self.assertEqual(received.count(b"x"), 200_000)
                self.assertLess(received.index(b"/1;"), received.index(b"/2;"))
                squire.wait_for_text(" 200 ", 2)
                self.assertNotIn("client-gone", squire.text())
                squire.stop()

    # Stops

    def test_exchanges_that_a_stop_cuts_are_told_of_once(self):
        """In every state that lasts: each request that began has one line, and those that were not through say so."""
        old = jwt(jti="old")
        hold = threading.Event()
        self.addCleanup(hold.set)

        def respond(request):
            if request.target == "/api/customers/refresh": hold.wait(LIMIT)
            if request.token == old and request.target == "/refused": return reply(401, b"no")
            if request.target == "/ws": return SWITCH
            return self.SILENT.get(request.target[1:].encode(), reply(200, b"ok"))

        squire, upstream = self.start(respond, "timeouts: {shutdown: 300ms}\n", ("--log-format", "json"), token=old)
        clients = [self.open(squire, GET % target) for target in self.SILENT]
        clients += [self.open(squire, b"POST /upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 100_000)]
        clients += [self.open(squire, UPGRADE + b"\r\n")]
        self.read_until(clients[-1], b"\r\n\r\n")
        upstream.wait_for_requests(len(self.SILENT) + 1)
        self.until(lambda: upstream.connections == len(clients), "the upload has begun")
        clients += [self.open(squire, GET % b"refused")]
        upstream.wait_for_requests(len(self.SILENT) + 3)
        # A request behind another has not begun.
        clients[0].sendall(GET % b"behind")
        self.read_until(self.open(squire, b"POST /api/customers/check-email HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n"), b"ok")
        squire.process.send_signal(signal.SIGTERM)
        squire.wait_for_text("were cut")
        squire.wait_for_text("stopping: a refresh is under way")
        # A refresh is never cut: its token is the session's.
        hold.set()
        self.assertEqual(squire.stop(), 0)
        lines = [json.loads(line) for line in squire.text().splitlines() if '"event":"exchange"' in line]
        told = sorted((line["path"], line["outcome"]) for line in lines)
        paths = ["/" + target.decode() for target in self.SILENT] + ["/upload", "/ws", "/refused"]
        self.assertEqual(told, sorted([(path, "shut-down") for path in paths] + [("/api/customers/check-email", "complete")]))
        self.assertEqual(len({line["id"] for line in lines}), len(lines))

    def test_text_logs_name_exchanges_that_a_stop_cut(self):
        squire, upstream = self.start(lambda r: self.SILENT[b"event"], "timeouts: {shutdown: 100ms}\n")
        self.read_until(self.open(squire, GET % b"cut"), b"event")
        self.assertEqual(squire.stop(), 0)
        lines = [line for line in squire.text().splitlines() if "/cut" in line]
        self.assertEqual(len(lines), 1, squire.text())
        self.assertIn("shut-down", lines[0])

    # Two exchanges of one connection

    def test_what_follows_each_kind_of_end(self):
        """The second request of a pipelining client: served with its own response, or not begun because the connection cannot go on."""
        old, new = jwt(jti="old"), jwt(jti="new")
        ok = reply(200, b"first")
        login = token_reply(new)
        served, ends = True, False
        chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nfirst\r\n"
        # What the first request is, its response, the status that the client sees, and whether the second one is served.
        cases = {
            "whole": (GET % b"1", ok, b"200", served),
            "chunked": (GET % b"1", chunked + b"0\r\n\r\n", b"200", served),
            "no body": (GET % b"1", reply(204).replace(b"Content-Length: 0\r\n", b""), b"204", served),
            "not modified": (GET % b"1", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n", b"304", served),
            "HEAD": (b"HEAD /1 HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", b"200", served),
            "the upstream closes": (GET % b"1", (reply(200, b"first", "Connection: close"), "close"), b"200", served),
            "until the end": (GET % b"1", (b"HTTP/1.1 200 OK\r\n\r\nfirst", "close"), b"200", served),
            "more than announced": (GET % b"1", ok + b"HTTP/1.1 200 POISON\r\nContent-Length: 6\r\n\r\nPOISON", b"200", served),
            "interim": (GET % b"1", b"HTTP/1.1 103 Early Hints\r\nX: y\r\n\r\n" + ok, b"103", served),
            "upload": (b"POST /1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello", ok, b"200", served),
            "chunked upload": (b"POST /1 HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n", ok, b"200", served),
            "sign-in": (b"POST /api/customers/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}", login, b"200", served),
            "no switch": (UPGRADE.replace(b"/ws", b"/1") + b"\r\n", reply(426, b"first"), b"426", served),
            "own response": (b"OPTIONS /1 HTTP/1.1\r\nHost: localhost\r\nMax-Forwards: 0\r\n\r\n", ok, b"200", served),
            "no response": (GET % b"1", (b"", "close"), b"502", served),
            "half a head": (GET % b"1", (b"HTTP/1.1 200 O", "close"), b"502", served),
            "no HTTP": (GET % b"1", b"SSH-2.0-x\r\n\r\n", b"502", served),
            "silence": (GET % b"1", b"", b"504", served),
            "Connection: close": (GET[:-2] % b"1" + b"Connection: close\r\n\r\n", ok, b"200", ends),
            "HTTP/1.0": (b"GET /1 HTTP/1.0\r\nHost: localhost\r\n\r\n", ok, b"200", ends),
            "refused": (GET.replace(b"localhost", b"evil.test") % b"1", ok, b"421", ends),
            "half a body": (GET % b"1", (b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nfirst", "close"), b"200", ends),
            "half a chunk": (GET % b"1", (chunked + b"10\r\nhalf", "close"), b"200", ends),
            "bad chunk": (GET % b"1", chunked + b"zz\r\n", b"200", ends),
            "body that stops": (GET % b"1", chunked, b"200", ends),
        }
        current = []

        def respond(request):
            if request.target == "/2": return reply(201, b"second")
            return current[0]

        squire, upstream = self.start(respond, "timeouts: {first-byte: 500ms, body: 500ms}\n")
        for name, (first, answer, status, follows) in cases.items():
            for half_closes in (False, True):
                with self.subTest(name, half_closes=half_closes):
                    current[:] = [answer]
                    before = len([r for r in upstream.requests if r.target == "/2"])
                    client = self.open(squire, first + GET[:-2] % b"2" + b"Connection: close\r\n\r\n")
                    if half_closes: client.shutdown(socket.SHUT_WR)
                    received = self.until_end(client)
                    self.assertEqual(received[9:12], status, received)
                    self.assertNotIn(b"POISON", received)
                    self.assertEqual(received.count(b"HTTP/1.1 201 "), 1 if follows else 0, received)
                    if follows: self.assertTrue(received.endswith(b"\r\n\r\nsecond"), received)
                    self.assertEqual(len([r for r in upstream.requests if r.target == "/2"]) - before, 1 if follows else 0)
        self.assertEqual(self.fetch(squire, target="/2").data, b"second")

    def test_what_follows_a_request_that_was_sent_again(self):
        old, new = jwt(jti="old"), jwt(jti="new")

        def respond(request):
            if request.target == "/api/customers/refresh": return token_reply(new)
            return reply(200, request.target.encode() + request.payload) if request.token == new else reply(401, b"x" * 70_000)

        for half_closes in (False, True):
            with self.subTest(half_closes=half_closes):
                squire, upstream = self.start(respond, token=old)
                client = self.open(squire, b"POST /1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhello" + GET[:-2] % b"2" + b"Connection: close\r\n\r\n")
                if half_closes: client.shutdown(socket.SHUT_WR)
                received = self.until_end(client)
                self.assertEqual([part.split(b"\r\n\r\n")[1] for part in received.split(b"HTTP/1.1 200 X")[1:]], [b"/1hello", b"/2"])
                squire.stop()


if __name__ == "__main__":
    main()
