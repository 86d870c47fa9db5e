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
