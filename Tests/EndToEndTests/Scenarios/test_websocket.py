"""WebSockets through Squire: raw bytes, then a real client and server."""
import asyncio, struct
from harness import *

try:
    import websockets
except ImportError:
    websockets = None

UPGRADE = (b"GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\nSec-WebSocket-Version: 13\r\n"
           b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n")
SWITCH = (b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


class SwitchingUpstream(RawUpstream):
    """Answers as told; after a 101 hands the connection over to `talk(connection, stream)`."""

    def __init__(self, respond, talk):
        self.talk = talk
        super().__init__(respond)

    def serve(self, connection):
        with contextlib.suppress(OSError):
            stream = connection.makefile("rb")
            while request := read_request(stream, connection):
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                answer = self.respond(request)
                connection.sendall(answer)
                if answer.startswith(b"HTTP/1.1 101"):
                    return self.talk(connection, stream)


def echo(connection, stream):
    while data := stream.read1(65536):
        connection.sendall(data)
    hang_up(connection)


class WebSockets(Scenario):
    def switching(self, respond=lambda r: SWITCH, talk=echo, extra="", token=None):
        upstream = SwitchingUpstream(respond, talk)
        self.addCleanup(upstream.close)
        config = self.config(upstream.url, extra)
        self.save_token(token or jwt(), config)
        return self.run_squire(config), upstream

    def open(self, squire, data):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def head(self, connection):
        received = b""
        while not received.endswith(b"\r\n\r\n"):
            part = connection.recv(1)
            self.assertTrue(part, received)
            received += part
        return received

    def until_end(self, connection):
        received = b""
        while part := connection.recv(65536):
            received += part
        return received

    def test_handshake_and_bytes(self):
        token = jwt()
        squire, upstream = self.switching(token=token)
        connection = self.open(squire, UPGRADE + b"Sec-WebSocket-Protocol: chat\r\n\r\n")
        head = self.head(connection)
        self.assertEqual(without_pseudonym(head), SWITCH.replace(b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"")[:-2] + b"Via: 1.1 squire\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n")
        request = upstream.requests[0]
        self.assertEqual((request.token, request["Connection"], request["Upgrade"], request["Sec-WebSocket-Protocol"]), (token, "Upgrade", "websocket", "chat"))
        data = bytes(range(256)) * 4096
        threading.Thread(target=connection.sendall, args=(data,)).start()
        received = b""
        while len(received) < len(data):
            received += connection.recv(65536)
        self.assertEqual(received, data)
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(connection.recv(1), b"")

    def test_bytes_behind_the_handshakes(self):
        squire, _ = self.switching(lambda r: SWITCH + b"first")
        connection = self.open(squire, UPGRADE + b"\r\nGET /canary HTTP/1.1\r\n\r\n")
        self.head(connection)
        expected = b"firstGET /canary HTTP/1.1\r\n\r\n"
        received = b""
        while len(received) < len(expected):
            received += connection.recv(100)
        self.assertEqual(received, expected)

    def test_refused_token_is_refreshed_before_the_switch(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if request.target == "/api/customers/refresh": return token_reply(new)
            return SWITCH if request.token == new else reply(401, b"expired")
        squire, upstream = self.switching(respond, token=old)
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.assertIn(b" 101 ", self.head(connection))
        self.assertEqual([r.token for r in upstream.requests], [old, old, new])
        connection.sendall(b"hello")
        self.assertEqual(connection.recv(5), b"hello")

    def test_refusals_of_the_upstream_pass(self):
        squire, upstream = self.switching(lambda r: reply(426, b"no", "Upgrade: other"))
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.assertIn(b" 426 ", self.head(connection))
        # It is plain HTTP again.
        self.assertEqual(connection.recv(2), b"no")
        connection.sendall(b"GET /next HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upstream.wait_for_requests(2)

    def test_access_rules_come_first(self):
        squire, upstream = self.switching()
        connection = self.open(squire, UPGRADE + b"Origin: https://evil.test\r\n\r\n")
        self.assertIn(b" 403 ", self.until_end(connection))
        self.assertEqual(upstream.requests, [])

    def test_what_is_not_a_websocket_is_not_upgraded(self):
        squire, upstream = self.switching(lambda r: reply(200, b"plain"))
        for request in (UPGRADE.replace(b": WebSocket", b": h2c"), UPGRADE.replace(b": WebSocket", b": websocket, h2c"), UPGRADE.replace(b"keep-alive, Upgrade", b"keep-alive"),
                        UPGRADE.replace(b"HTTP/1.1", b"HTTP/1.0"), UPGRADE.replace(b"GET", b"PUT"), UPGRADE + b"Upgrade: h2c\r\n", UPGRADE + b"Transfer-Encoding: chunked\r\n"):
            with self.subTest(request):
                connection = self.open(squire, request + b"\r\n" + (b"0\r\n\r\n" if b"chunked" in request else b""))
                self.assertIn(b" 200 ", self.head(connection))
                self.assertEqual((upstream.requests[-1]["Upgrade"], upstream.requests[-1]["Connection"]), (None, None))

    def test_unasked_or_wrong_switches_are_faults(self):
        answers = {"/plain": SWITCH, "/other": SWITCH.replace(b"websocket", b"h2c"), "/none": SWITCH.replace(b"Upgrade: websocket\r\n", b"")}
        squire, upstream = self.switching(lambda r: answers[r.target])
        for target, request in (("/plain", b"GET /plain HTTP/1.1\r\nHost: localhost\r\n\r\n"), ("/other", UPGRADE.replace(b"/ws", b"/other") + b"\r\n"),
                                ("/none", UPGRADE.replace(b"/ws", b"/none") + b"\r\n")):
            with self.subTest(target):
                connection = self.open(squire, request)
                self.assertIn(b" 502 ", self.head(connection))

    def test_pressure_both_ways(self):
        """A side that does not read stops the other; nothing piles up inside."""
        held = threading.Event()
        def talk(connection, stream):
            held.wait(LIMIT)
            echo(connection, stream)
        squire, _ = self.switching(talk=talk)
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.head(connection)
        connection.setblocking(False)
        sent, block = 0, b"x" * (1 << 20)
        # Until the kernel takes no more for half a second.
        while select.select([], [connection], [], 0.5)[1]:
            sent += connection.send(block)
        self.assertLess(sent, 64 << 20)
        held.set()
        received = 0
        while received < sent:
            select.select([connection], [], [], LIMIT)
            received += len(connection.recv(1 << 20))
        self.assertEqual(received, sent)
        with open(f"/proc/{squire.process.pid}/status") as status:
            resident = int(next(line for line in status if line.startswith("VmHWM")).split()[1])
        if not SANITIZER: self.assertLess(resident, 60_000)

    def test_idle_tunnels_end(self):
        squire, _ = self.switching(extra="timeouts: {idle: 300ms}\n")
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.head(connection)
        self.assertEqual(connection.recv(1), b"")

    def test_the_upstreams_end_is_the_clients(self):
        def talk(connection, stream):
            connection.sendall(b"last words")
            hang_up(connection)
        squire, _ = self.switching(talk=talk)
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.head(connection)
        self.assertEqual(self.until_end(connection), b"last words")

    def test_the_clients_end_leaves_the_upstream_its_last_words(self):
        def talk(connection, stream):
            said = stream.read()
            connection.sendall(b"heard " + said)
            hang_up(connection)
        squire, _ = self.switching(talk=talk)
        connection = self.open(squire, UPGRADE + b"\r\n")
        self.head(connection)
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        self.assertEqual(self.until_end(connection), b"heard bye")

    @unittest.skipUnless(websockets, "the Python module websockets is not installed")
    def test_real_client_and_server(self):
        async def run():
            seen = []
            async def serve(socket, path=None):
                seen.append(socket.request_headers["Authorization"])
                async for message in socket:
                    await socket.send(message)
            async with websockets.serve(serve, "127.0.0.1", 0, max_size=None) as server:
                port = server.sockets[0].getsockname()[1]
                config = self.config(f"http://127.0.0.1:{port}")
                self.save_token(jwt(), config)
                squire = self.run_squire(config)
                async with websockets.connect(f"ws://127.0.0.1:{squire.port}/chat", max_size=None) as client:
                    for message in ("hello", b"\x00\xff" * 500_000, "x" * 70_000):
                        await client.send(message)
                        self.assertEqual(await asyncio.wait_for(client.recv(), LIMIT), message)
                    await (await client.ping())
                self.assertTrue(seen[0].startswith("Bearer ey"))
        asyncio.run(run())


if __name__ == "__main__":
    main()
