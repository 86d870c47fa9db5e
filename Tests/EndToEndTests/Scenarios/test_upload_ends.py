"""A request's body on its way: whatever comes of it, none of it is lost, none stays behind, and nobody waits for what cannot come."""
from harness import *

HOST = b" HTTP/1.1\r\nHost: localhost\r\n"
REFUSED = b"HTTP/1.1 401 X\r\nContent-Length: %d\r\n\r\n"


class PlayedUpstream:
    """An upstream whose connections are played by `play(connection, stream)`, each in a thread of its own."""

    def __init__(self, play):
        self.play, self.failures, self.sockets = play, [], []
        self.listener = socket.socket()
        # Small, so that it is soon full; and small segments, so that the sender's own buffer is, too.
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try: connection, _ = self.listener.accept()
            except OSError: return
            connection.settimeout(LIMIT)
            self.sockets.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        try:
            with connection.makefile("rb") as stream: self.play(connection, stream)
        except Exception as error: self.failures.append(error)

    def close(self):
        self.listener.close()
        for connection in self.sockets: connection.close()


def read_head(stream):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line: return None
        head += line
    return head


class Uploads(Scenario):
    def start(self, play, extra="", session=""):
        self.played = PlayedUpstream(play)
        self.addCleanup(self.played.close)
        config = self.config(self.played.url, extra, session)
        self.save_token(jwt(jti="old"), config)
        return self.run_squire(config)

    def open(self, squire, data=b""):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def read_until(self, connection, end):
        received = b""
        while not received.endswith(end):
            part = connection.recv(65536)
            self.assertTrue(part, f"ended after {received}")
            received += part
        return received

    def until_end(self, connection):
        received = b""
        while part := connection.recv(65536): received += part
        return received

    def test_expectation_of_a_body_that_is_too_large_to_keep(self):
        """Its sender waits for "100 Continue" all the same."""
        squire, upstream = self.proxied(extra="limits: {replay: 1KiB, replay-disk: 0KiB}\n")
        with self.open(squire, b"PUT /x" + HOST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n") as connection:
            self.assertEqual(self.read_until(connection, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"x" * 5000)
            self.read_until(connection, b"ok")
        self.assertEqual(upstream.requests[0].body, b"x" * 5000)

    def test_expectation_of_a_large_body_that_the_upstream_does_not_know(self):
        def play(connection, stream):
            read_head(stream)
            connection.sendall(reply(200, stream.read(5000)))
        squire = self.start(play, extra="limits: {replay: 1KiB, replay-disk: 0KiB}\n")
        with self.open(squire, b"PUT /x" + HOST + b"Expect: 100-continue\r\nContent-Length: 5000\r\n\r\n") as connection:
            self.assertEqual(self.read_until(connection, b"\r\n\r\n"), b"HTTP/1.1 100 Continue\r\n\r\n")
            connection.sendall(b"x" * 5000)
            self.assertIn(b" 200 ", self.read_until(connection, b"x" * 5000))

    def test_a_reset_that_a_write_meets_first_is_no_clean_end(self):
        """The client does not read, so Squire reads no further; its next write takes the reset away, and what is read then ends as if whole."""
        is_reset = threading.Event()
        def play(connection, stream):
            read_head(stream)
            # A body that ends with the connection, until everything on its way is full.
            connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            connection.settimeout(0.3)
            with contextlib.suppress(TimeoutError):
                while True: connection.send(b"x" * 65536)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            stream.detach().close()
            connection.close()
            is_reset.set()
        squire = self.start(play)
        client = socket.socket()
        self.addCleanup(client.close)
        client.settimeout(LIMIT)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.connect(("127.0.0.1", squire.port))
        client.sendall(b"POST /x" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        self.assertTrue(is_reset.wait(LIMIT))
        client.sendall(b"5\r\nagain\r\n")
        received = b""
        with contextlib.suppress(ConnectionError):
            while part := client.recv(65536): received += part
        self.assertTrue(received.startswith(b"HTTP/1.1 200"))
        self.assertFalse(received.endswith(b"0\r\n\r\n"), "a response that was cut ends as a whole one does")

    def test_client_that_says_its_last_word_before_the_upstream_takes_it(self):
        """A body is whole when all of it has come, wherever it waits when the client ends."""
        go_on = threading.Event()
        def play(connection, stream):
            head = read_head(stream)
            go_on.wait(LIMIT)
            connection.sendall(reply(200, b"%d" % len(read_body(head, stream)), "Connection: close"))
        self.squire = self.start(play)
        for extra in range(100_000, 300_000, 20_000):
            for head, body in (
                (b"Content-Length: %d" % extra, b"x" * extra),
                (b"Transfer-Encoding: chunked", b"%x\r\n" % extra + b"x" * extra + b"\r\n0\r\n\r\n"),
            ):
                with self.subTest(size=extra, head=head):
                    squire = self.squire
                    go_on.clear()
                    connection = self.open(squire, b"POST /x" + HOST + head + b"\r\n\r\n")
                    threading.Timer(0.3, go_on.set).start()
                    connection.sendall(body)
                    connection.shutdown(socket.SHUT_WR)
                    received = self.until_end(connection)
                    self.assertIn(b" 200 ", received)
                    self.assertTrue(received.endswith(b"%d" % extra), received)

    def test_pipelined_half_of_a_body(self):
        """The client ends while an earlier request runs: the half can never become whole, and nobody waits for the rest."""
        squire, upstream = self.proxied(lambda r: reply(200, b"first"))
        began = time.monotonic()
        received = self.exchange(
            squire.port, b"GET /a" + HOST + b"\r\nPOST /b" + HOST + b"Content-Length: 10\r\n\r\nhalf", half_close=True)
        self.assertTrue(received.endswith(b"first"), received)
        self.assertLess(time.monotonic() - began, 5)
        self.assertEqual([r.target for r in upstream.requests], ["/a"])

    def test_body_that_goes_on_while_its_response_is_held(self):
        """None of it is gone when it is sent again, though it is more by now than is kept."""
        new, size = jwt(jti="new"), 90_000
        come = threading.Event()
        def play(connection, stream):
            while head := read_head(stream):
                if b" /api/customers/refresh " in head:
                    come.wait(LIMIT)
                    connection.sendall(token_reply(new))
                elif new.encode() in head:
                    connection.sendall(reply(200, b"%d" % len(read_body(head, stream))))
                else:
                    connection.sendall(REFUSED % 2 + b"no")
                    while connection.recv(1000): pass
        squire = self.start(play, extra="limits: {replay: 16KiB, replay-disk: 0KiB}\n")
        connection = self.open(squire, b"POST /x" + HOST + b"Connection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        self.until(lambda: len(self.played.sockets) >= 2, "refresh")
        for _ in range(size // 1000):
            connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        threading.Timer(0.5, come.set).start()
        received = self.until_end(connection)
        self.assertIn(b"HTTP/1.1 200 ", received)
        self.assertTrue(received.endswith(b"%d" % (size + 5)), received)

    def test_body_that_outgrows_what_is_kept_while_its_response_is_looked_into(self):
        """It cannot be sent again any more: the client hears that its own retry works."""
        new = jwt(jti="new")
        def play(connection, stream):
            head = read_head(stream)
            if b" /api/customers/refresh " in head: return connection.sendall(token_reply(new))
            body = b'{"code": "dead"}'
            connection.sendall(b"HTTP/1.1 403 X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(body) + body[:3])
            looked_into.set()
            stream.read(60_000)
            connection.sendall(body[3:])
            while connection.recv(1000): pass
        looked_into = threading.Event()
        squire = self.start(
            play, extra="limits: {replay: 16KiB, replay-disk: 0KiB}\n",
            session="  rejected: [{status: 403, pointer: /code, equals: dead}]\n")
        connection = self.open(squire, b"POST /x" + HOST + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        looked_into.wait(LIMIT)
        for _ in range(70):
            connection.sendall(b"3e8\r\n" + b"x" * 1000 + b"\r\n")
        received = self.until_end(connection)
        self.assertIn(b"HTTP/1.1 403 ", received)
        self.assertIn(b"Retry-After: 0", received)

    def test_upload_does_not_hold_up_a_response_that_is_looked_into(self):
        """Two seconds, however long the upload goes on."""
        looked_into = threading.Event()
        def play(connection, stream):
            read_head(stream)
            connection.sendall(b"HTTP/1.1 403 X\r\nContent-Type: application/json\r\nContent-Length: 90\r\n\r\n{")
            looked_into.set()
            while connection.recv(1000): pass
        squire = self.start(play, session="  rejected: [{status: 403, pointer: /code, equals: dead}]\n")
        connection = self.open(squire, b"POST /x" + HOST + b"Content-Length: 100000\r\n\r\nhello")
        looked_into.wait(LIMIT)
        began = time.monotonic()
        # More of the upload twice a second.
        while not select.select([connection], [], [], 0.5)[0]:
            self.assertLess(time.monotonic() - began, 6)
            connection.sendall(b"more")
        self.assertTrue(connection.recv(65536).startswith(b"HTTP/1.1 403 "))

    def test_upload_goes_on_when_its_held_response_is_relayed(self):
        """The upstream ends its response when it has the whole body."""
        size = 300_000
        def play(connection, stream):
            head = read_head(stream)
            if b" /api/customers/refresh " in head:
                held.wait(LIMIT)
                connection.sendall(reply(500, b"not now"))
            else:
                connection.sendall(REFUSED % 6)
                held.wait(LIMIT)
                if len(stream.read(size)) == size: connection.sendall(b"got it")
        held = threading.Event()
        squire = self.start(play)
        connection = self.open(squire, b"POST /x" + HOST + b"Content-Length: %d\r\n\r\nhello" % size)
        self.until(lambda: len(self.played.sockets) >= 2, "refresh")
        threading.Timer(0.5, held.set).start()
        connection.sendall(b"x" * (size - 5))
        self.assertTrue(self.until_end(connection).endswith(b"got it"))


def read_body(head, stream):
    """The body without its framing."""
    lower = head.lower()
    if b"content-length: " in lower:
        return stream.read(int(lower.split(b"content-length: ")[1].split(b"\r\n")[0]))
    body = b""
    while size := int(stream.readline(), 16):
        body += stream.read(size)
        stream.readline()
    stream.readline()
    return body


if __name__ == "__main__":
    main()
