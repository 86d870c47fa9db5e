"""Deadlines that pass, and closes that nobody asked for: what came in time counts, and what was answered arrives."""
from harness import *

GET = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
POST = b"POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n"
TIMES = "timeouts: {head: 400ms, idle: 400ms, body: 400ms, first-byte: 400ms}\n"


class Deadlines(Scenario):
    def open(self, squire, data=b""):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def answer(self, connection, body=b""):
        """Everything up to that body, or to the end of the connection."""
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while not (body and received.endswith(body)) and (part := connection.recv(65536)):
                received += part
        return received

    def test_what_comes_while_the_process_stands_still_came_in_time(self):
        """The deadline passes before Squire runs again, and the bytes were there before it."""
        arrived, goes_on = threading.Event(), threading.Event()

        def respond(request):
            if request.target == "/first":
                arrived.set()
                goes_on.wait(LIMIT)
                return reply(200, b"first")
            if request.target == "/rest":
                with upstream.lock: connection = upstream.sockets[-1]
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf-")
                arrived.set()
                goes_on.wait(LIMIT)
                return b"half"
            return reply(200, b"whole" + request.payload)

        squire, upstream = self.proxied(respond, TIMES)
        got = b"\r\n\r\nwhole"
        head = GET % b"t"
        cases = {"a head": (head[:9], head[9:], got), "the next request": (head, head, got), "half of the next head": (head, head[:9], b""),
                 "a body": (POST + b"hello", b"world", got + b"helloworld"),
                 "the first byte": (GET % b"first", None, b"\r\n\r\nfirst"), "the rest of a response": (GET % b"rest", None, b"\r\n\r\nhalf-half")}
        for name, (before, rest, end) in cases.items():
            with self.subTest(name):
                arrived.clear(), goes_on.clear()
                client = self.open(squire, before)
                if before == head: self.assertTrue(self.answer(client, got).endswith(got))
                if rest is None: self.assertTrue(arrived.wait(LIMIT))
                if before == GET % b"rest": self.assertIn(b"half-", self.answer(client, b"half-"))
                squire.hold()
                since = time.monotonic()
                if rest is None: goes_on.set()
                else: client.sendall(rest)
                # Until the deadline has passed.
                select.select([], [], [], since + 0.6 - time.monotonic())
                squire.process.send_signal(signal.SIGCONT)
                if name == "half of the next head": client.sendall(head[9:])
                wanted = {"the rest of a response": b"half", "half of the next head": got}.get(name, end)
                received = self.answer(client, wanted)
                self.assertTrue(received.endswith(wanted), received)
                self.assertNotIn(b" 408 ", received)
                self.assertNotIn(b" 504 ", received)

    def test_a_deadline_without_anything_passes(self):
        squire, _ = self.proxied(lambda request: b"", TIMES)
        client = self.open(squire, b"GET /t HT")
        self.assertIn(b" 408 ", self.answer(client))
        client = self.open(squire, GET % b"t")
        self.assertIn(b" 504 ", self.answer(client, b"}"))

    def state(self, squire, client):
        """Squire's side of the connection, as tcp(7) counts the states: 4 is FIN_WAIT1, its end is sent or waits for room."""
        ends = f":{squire.port:04X}", f":{client.getsockname()[1]:04X}"
        for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
            local, remote, state = line.split()[1:4]
            if local.endswith(ends[0]) and remote.endswith(ends[1]): return int(state, 16)

    def test_an_answer_arrives_whole_though_its_connection_is_closed_as_idle(self):
        """The client has not read it yet, and sends more: a closed socket would be reset, and what it still held lost."""
        body = b"x" * 400_000 + b"end"
        for stops in (False, True):
            with self.subTest(stops=stops):
                squire, _ = self.proxied(lambda request: reply(200, body), "" if stops else "timeouts: {idle: 200ms}\n")
                client = socket.socket()
                self.addCleanup(client.close)
                client.settimeout(LIMIT)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.connect(("127.0.0.1", squire.port))
                client.sendall(GET % b"t")
                squire.wait_for_text(" 200 ")
                if stops: squire.process.send_signal(signal.SIGTERM)
                deadline = time.monotonic() + LIMIT
                while self.state(squire, client) != 4: self.assertLess(time.monotonic(), deadline)
                client.sendall(GET % b"t")
                received = self.answer(client)
                self.assertTrue(received.endswith(b"end"), len(received))
                if stops: self.assertEqual(squire.process.wait(LIMIT), 0)
                else: squire.stop()


if __name__ == "__main__":
    main()
