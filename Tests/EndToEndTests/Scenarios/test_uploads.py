"""Bodies on their way to the upstream: held back, sent again, and never more of them in memory than is moving."""
from harness import *
from test_limits import memory

MIB = 1 << 20


class ManualUpstream(RawUpstream):
    """Serves each request by `talk(head, connection, stream)`, which reads the body itself; nothing says "100 Continue" for it."""

    def __init__(self, talk, receive_buffer=None):
        self.talk, self.receive_buffer = talk, receive_buffer
        super().__init__()
        if receive_buffer:
            # Inherited by what it accepts, before the window is offered.
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)

    def serve(self, connection):
        with contextlib.suppress(OSError):
            stream = connection.makefile("rb", buffering=16384)
            while head := b"".join(iter(stream.readline, b"\r\n")):
                request = Request(head, b"", b"")
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                if self.talk(request, connection, stream) == "end": break
        connection.close()


class Uploads(Scenario):
    def start(self, talk, extra="", session="", token=None, receive_buffer=None):
        upstream = ManualUpstream(talk, receive_buffer)
        self.addCleanup(upstream.close)
        config = self.config(upstream.url, extra, session)
        self.save_token(token or jwt(), config)
        return self.run_squire(config), upstream

    def open(self, squire, data=b""):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    # Sent again

    def test_a_body_that_moves_slowly_is_not_cut_when_it_is_sent_again(self):
        """Whether it is kept in memory or in a file, and however it is framed."""
        old, new = jwt(jti="old"), jwt(jti="new")
        size, rate = 10 * MIB, 5 * MIB

        def talk(request, connection, stream):
            if request.target == "/api/customers/refresh": return connection.sendall(token_reply(new))
            length, received, started = int(request["Content-Length"]), 0, time.monotonic()
            while received < length:
                part = stream.read(min(16384, length - received))
                if not part: return "end"
                received += len(part)
                if request.token == new: select.select([], [], [], max(0, received / rate - (time.monotonic() - started)))
            connection.sendall(reply(200, b"%d" % received) if request.token == new else reply(401, b"no"))

        for limits in ("", "limits: {replay: 16MiB}\n"):
            with self.subTest(limits):
                squire, upstream = self.start(talk, "timeouts: {body: 400ms}\n" + limits, token=old, receive_buffer=16384)
                response = self.fetch(squire, "POST", "/up", b"x" * size)
                self.assertEqual((response.status, response.data), (200, b"%d" % size))
                squire.stop()

    def test_a_body_that_does_not_move_is_cut_when_it_is_sent_again(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        stuck = threading.Event()
        self.addCleanup(stuck.set)

        def talk(request, connection, stream):
            if request.target == "/api/customers/refresh": return connection.sendall(token_reply(new))
            if request.token == new: return stuck.wait(LIMIT) and "end"
            stream.read(int(request["Content-Length"]))
            connection.sendall(reply(401, b"no"))

        squire, upstream = self.start(talk, "timeouts: {body: 400ms}\n", token=old, receive_buffer=16384)
        started = time.monotonic()
        self.assertEqual(self.fetch(squire, "POST", "/up", b"x" * 10 * MIB).status, 504)
        self.assertLess(time.monotonic() - started, 5)

    # Held back

    LARGE = "limits: {replay: 16KiB, replay-disk: 32KiB}\n"

    def test_a_body_that_cannot_be_sent_again_waits_for_the_tokens_refusal(self):
        """Squire asks by itself: the body stays with the client while the token may be refused, and goes up once."""
        old, new = jwt(jti="old"), jwt(jti="new")
        bodies = []

        def talk(request, connection, stream):
            if request.target == "/api/customers/refresh": return connection.sendall(token_reply(new))
            if request.token == old:
                connection.sendall(reply(401, b"no", "Connection: close"))
                connection.shutdown(socket.SHUT_WR)
                bodies.append(len(stream.read()))
                return "end"
            if request["Expect"]: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            bodies.append(len(stream.read(int(request["Content-Length"]))))
            connection.sendall(reply(200, b"ok"))

        body = b"x" * MIB
        for expects in (b"", b"Expect: 100-continue\r\n"):
            for delay in (False, True):
                with self.subTest(expects=expects, delay=delay):
                    bodies.clear()
                    squire, upstream = self.start(talk, self.LARGE, token=old)
                    head = b"POST /up HTTP/1.1\r\nHost: localhost\r\n" + expects + b"Content-Length: %d\r\n\r\n" % len(body)
                    client = self.open(squire, head)
                    # A client that expects may send all the same, at once or when nothing was said for a while.
                    if delay: upstream.wait_for_requests(1)
                    client.sendall(body)
                    self.assertIn(b" 200 ", self.read_until(client, b"ok"))
                    self.until(lambda: len(bodies) == 2, "both connections are through")
                    self.assertEqual(sorted(bodies), [0, len(body)])
                    self.assertEqual([r.target for r in upstream.requests], ["/up", "/api/customers/refresh", "/up"])
                    squire.stop()

    def test_an_upstream_that_begins_its_answer_instead_of_asking_on_gets_the_body(self):
        """RFC 9110 10.1.1: a final response may come in place of 100 Continue, and its end only after the body."""
        for status in (200, 400):
            def talk(request, connection, stream):
                connection.sendall(b"HTTP/1.1 %d X\r\nContent-Length: 8\r\n\r\n" % status)
                connection.sendall(b"%08d" % len(stream.read(int(request["Content-Length"]))))

            for expects in (b"", b"Expect: 100-continue\r\n"):
                with self.subTest(status=status, expects=expects):
                    squire, upstream = self.start(talk, self.LARGE)
                    client = self.open(squire, b"POST /up HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n" % (expects, MIB))
                    client.sendall(b"x" * MIB)
                    said = self.read_until(client, b"%08d" % MIB)
                    self.assertIn(b"HTTP/1.1 %d " % status, said)
                    self.assertNotIn(b"100 Continue", said)
                    squire.stop()

    def test_an_upstream_that_refuses_squires_own_expectation_gets_the_request_without(self):
        """RFC 9110 10.1.1. A client that expects by itself hears of the refusal."""
        def talk(request, connection, stream):
            if request["Expect"]: return connection.sendall(reply(417, b"no")) or "end"
            connection.sendall(reply(200, b"got %d" % len(stream.read(int(request["Content-Length"])))))

        squire, upstream = self.start(talk, self.LARGE)
        head = b"POST /up HTTP/1.1\r\nHost: localhost\r\n%sContent-Length: %d\r\n\r\n"
        client = self.open(squire, head % (b"", MIB) + b"x" * MIB)
        self.assertIn(b" 200 ", self.read_until(client, b"got %d" % MIB))
        self.assertEqual([r["Expect"] for r in upstream.requests], ["100-continue", None])
        self.assertTrue(all(r.token and r["Content-Length"] == str(MIB) for r in upstream.requests))
        client = self.open(squire, head % (b"Expect: 100-continue\r\n", MIB))
        self.assertIn(b" 417 ", self.read_until(client, b"no"))

    def test_a_client_that_waits_to_send_a_large_body_is_told_to(self):
        """When the upstream says so, and after a second without a word."""
        old, new = jwt(jti="old"), jwt(jti="new")

        def talk(request, connection, stream):
            if request.target == "/api/customers/refresh": return connection.sendall(token_reply(new))
            if request.token == old: return connection.sendall(reply(401, b"no"))
            if request.target == "/told": connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(reply(200, b"got %d" % len(stream.read(int(request["Content-Length"])))))

        for token in (new, old):
            for target in (b"/told", b"/silent"):
                with self.subTest(target=target, refreshes=token == old):
                    squire, upstream = self.start(talk, self.LARGE, token=token)
                    client = self.open(squire, b"POST " + target + b" HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n\r\n" % MIB)
                    client.settimeout(5)
                    self.assertEqual(self.read_until(client, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
                    client.sendall(b"x" * MIB)
                    self.assertIn(b" 200 ", self.read_until(client, b"got %d" % MIB))
                    squire.stop()

    def test_an_upstream_that_does_not_know_expectations_gets_the_body_after_a_second(self):
        came = []

        def talk(request, connection, stream):
            started = time.monotonic()
            first = stream.read(1)
            came.append(time.monotonic() - started)
            rest = stream.read(int(request["Content-Length"]) - 1)
            connection.sendall(reply(200, b"got %d" % len(first + rest)))

        squire, upstream = self.start(talk, self.LARGE)
        self.assertEqual(self.fetch(squire, "POST", "/up", b"x" * MIB).data, b"got %d" % MIB)
        self.assertGreater(came[0], 0.8)
        self.assertLess(came[0], 3)
        # What can be kept goes up at once.
        self.assertEqual(self.fetch(squire, "POST", "/up", b"x" * 1000).data, b"got 1000")
        self.assertLess(came[1], 0.8)

    # Memory

    def test_an_upload_that_waits_for_a_refresh_stays_with_the_client(self):
        """Also when its connection has carried one before."""
        refresh, expires = threading.Event(), [0]
        refresh.set()
        self.addCleanup(refresh.set)

        def token(life):
            expires[0] = time.time() + life
            return jwt(life=life, jti=str(expires[0]))

        def talk(request, connection, stream):
            if request.target == "/api/customers/refresh":
                refresh.wait(LIMIT)
                return connection.sendall(token_reply(token(2)))
            if request["Expect"]: connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
            length = int(request["Content-Length"])
            while length > 0: length -= len(stream.read1(min(length, 65536)))
            connection.sendall(reply(200, b"ok"))

        squire, upstream = self.start(talk, self.LARGE, "  margin: 0s\n", token=token(2))
        client, size = self.open(squire), 60 * MIB
        head = b"POST /up HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n" % size
        client.sendall(head + b"x" * size)
        self.read_until(client, b"ok")
        refresh.clear()
        self.until(lambda: time.time() > expires[0] + 1, "the token expires")
        before = memory(squire)
        client.sendall(head)
        client.settimeout(0.5)
        sent, piece = 0, b"x" * 65536
        with contextlib.suppress(TimeoutError):
            while sent < size: sent += client.send(piece[:size - sent])
        # What the kernel's buffers take, and no more.
        self.assertLess(sent, 20 * MIB)
        self.assertLess(memory(squire) - before, 8000)
        refresh.set()
        client.settimeout(LIMIT)
        client.sendall(b"x" * (size - sent))
        self.read_until(client, b"ok")


if __name__ == "__main__":
    main()
