"""Connections to the upstream: who gets which, and what a TLS connection holds that no event tells of."""
from harness import *

GET = b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n"


class GatedUpstream(RawUpstream):
    """Holds the TLS handshake of all connections but the first `free`, until `gate` is set."""

    def __init__(self, context, free):
        self.free, self.gate = free, threading.Event()
        self.at_gate, self.through = threading.Semaphore(0), threading.Semaphore(0)
        super().__init__(None, context)

    def secured(self, connection):
        with self.lock:
            self.free -= 1
            waits = self.free < 0
        if waits:
            self.at_gate.release()
            self.gate.wait(LIMIT)
        connection = super().secured(connection)
        self.through.release()
        return connection


class RecordUpstream(RawUpstream):
    """TLS by hand: `respond` gives a list of byte strings, a record each, and all of them leave in one write.

    One in a tuple is cut: its end comes with the next request."""

    def serve(self, connection):
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        tls = self.context.wrap_bio(incoming, outgoing, server_side=True)

        def step(action, *arguments):
            while True:
                try:
                    return action(*arguments)
                except ssl.SSLWantReadError:
                    connection.sendall(outgoing.read())
                    data = connection.recv(65536)
                    if not data: raise OSError("the client ended")
                    incoming.write(data)

        with contextlib.suppress(OSError, ssl.SSLError):
            step(tls.do_handshake)
            rest = b""
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    head += step(tls.read, 65536)
                request = Request(head, b"", b"")
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                data = rest
                for record in self.respond(request):
                    tls.write(record if isinstance(record, bytes) else record[0])
                    written = outgoing.read()
                    whole = len(written) if isinstance(record, bytes) else 10
                    data, rest = data + written[:whole], written[whole:]
                connection.sendall(data)
        connection.close()


class Proxy(RecordUpstream):
    """A proxy, and the upstream behind it. `isSecure`: it is spoken to through TLS, and all records of an answer are in one of its own."""

    isSecure = False

    def serve(self, connection):
        with contextlib.suppress(OSError):
            outer = self.context.wrap_socket(connection, server_side=True) if self.isSecure else connection
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += outer.recv(65536)
            outer.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            super().serve(outer)


class Upstream(Scenario):
    def open(self, squire, data=b""):
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(connection.close)
        connection.sendall(data)
        return connection

    def answer(self, connection):
        """One answer with a length."""
        data = b""
        while True:
            head, separator, body = data.partition(b"\r\n\r\n")
            if separator:
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                if len(body) >= length:
                    return head, body
            part = connection.recv(65536)
            self.assertTrue(part, data)
            data += part

    def behind(self, upstream, extra=""):
        self.addCleanup(upstream.close)
        config = self.config(upstream.url, extra)
        self.save_token(jwt(), config)
        return self.run_squire(config)

    # Who gets which

    def test_a_request_takes_whichever_connection_comes_first(self):
        context, trust = secure_context(self.directory)
        upstream = GatedUpstream(context, free=1)
        held, go = threading.Event(), threading.Event()

        def respond(request):
            if request.target == "/slow":
                held.set()
                go.wait(LIMIT)
            return reply(200, request.target.encode())

        upstream.respond = respond
        squire = self.behind(upstream, trust)
        slow = self.open(squire, GET.replace(b"/t", b"/slow"))
        self.assertTrue(held.wait(LIMIT))
        # Its own connection does not get through; the other one comes back.
        fast = self.open(squire, GET.replace(b"/t", b"/fast"))
        self.assertTrue(upstream.at_gate.acquire(timeout=LIMIT))
        go.set()
        self.assertEqual([self.answer(slow)[1], self.answer(fast)[1]], [b"/slow", b"/fast"])
        # What was begun for it is not wasted.
        held.clear()
        go.clear()
        upstream.gate.set()
        for _ in range(2):
            self.assertTrue(upstream.through.acquire(timeout=LIMIT))
        slow.sendall(GET.replace(b"/t", b"/slow"))
        self.assertTrue(held.wait(LIMIT))
        fast.sendall(GET.replace(b"/t", b"/fast"))
        self.assertEqual(self.answer(fast)[1], b"/fast")
        go.set()
        self.assertEqual((self.answer(slow)[1], upstream.connections), (b"/slow", 2))

    def test_requests_that_all_need_a_connection_get_one_each(self):
        together = threading.Barrier(100)

        def respond(request):
            together.wait(LIMIT)
            return reply(200, b"ok")

        squire, upstream = self.proxied(respond)
        answers = parallel(100, lambda _: self.fetch(squire).status)
        self.assertEqual((answers, upstream.connections), ([200] * 100, 100))

    def test_few_connections_are_made_for_requests_that_waited_for_a_token(self):
        """What a connection costs is more than what a request costs."""
        fresh, refresh, live = jwt(jti="fresh"), threading.Event(), []

        def respond(request):
            if request.target.endswith("/refresh"):
                refresh.wait(LIMIT)
                live.append(fresh)
                return token_reply(fresh)
            return reply(200, b"ok") if request.token in live else reply(401, b'{"code":401}', "Content-Type: application/json")

        squire, upstream = self.proxied(respond)
        first = self.open(squire, GET)
        upstream.wait_for_requests(1)
        clients = [self.open(squire, GET) for _ in range(200)]
        refresh.set()
        self.assertEqual([self.answer(client)[1] for client in [first, *clients]], [b"ok"] * 201)
        self.assertLess(upstream.connections, 150)

    def test_clients_that_leave_while_they_wait(self):
        context, trust = secure_context(self.directory)
        upstream = GatedUpstream(context, free=0)
        squire = self.behind(upstream, trust)
        leaving = [self.open(squire, GET) for _ in range(30)]
        for _ in range(30):
            self.assertTrue(upstream.at_gate.acquire(timeout=LIMIT))
        staying = self.open(squire, GET)
        self.assertTrue(upstream.at_gate.acquire(timeout=LIMIT))
        before = descriptors(squire)
        for client in leaving:
            # A reset: after a mere end the client may still read.
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        self.until(lambda: descriptors(squire) <= before - 60, "their connections are given up")
        upstream.gate.set()
        self.assertEqual(self.answer(staying)[1], b"ok")
        self.assertEqual(len(upstream.requests), 1)

    def test_many_requests_and_nobody_listens(self):
        listener = socket.create_server(("127.0.0.1", 0))
        config = self.config(f"http://127.0.0.1:{listener.getsockname()[1]}")
        listener.close()
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        self.assertEqual(parallel(60, lambda _: self.fetch(squire).status), [502] * 60)

    # What TLS holds

    def through_tls(self, respond, extra=""):
        context, trust = secure_context(self.directory)
        upstream = RecordUpstream(respond, context)
        return self.behind(upstream, trust + extra), upstream

    def test_records_that_arrive_together(self):
        chunks = [b"%x\r\n%s\r\n" % (size, b"c" * size) for size in (1, 100, 5000, 16000, 7)]
        answers = {
            "/pieces": [b"HTTP/1.1 200 OK\r\nContent-", b"Length: 20010\r\n\r\n", b"0123456789", b"x" * 16000, b"y" * 4000],
            "/chunks": [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", *chunks, b"0\r\n", b"\r\n"],
            "/interim": [b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", reply(200, b"hinted")],
            "/bytes": [bytes([byte]) for byte in reply(200, b"one by one")],
        }
        squire, upstream = self.through_tls(lambda request: answers[request.target])
        for _ in range(2):
            self.assertEqual(self.fetch(squire, target="/pieces").data, b"0123456789" + b"x" * 16000 + b"y" * 4000)
            self.assertEqual(len(self.fetch(squire, target="/chunks").data), 21108)
            self.assertIn(b"hinted", self.exchange(squire.port, b"GET /interim HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"))
            self.assertEqual(self.fetch(squire, target="/bytes").data, b"one by one")
        self.assertEqual(upstream.connections, 1)

    def test_records_for_a_client_that_is_slow(self):
        body = os.urandom(1 << 20) * 6
        records = [body[at:at + 9000] for at in range(0, len(body), 9000)]
        squire, _ = self.through_tls(lambda request: [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), *records])
        client = socket.socket()
        self.addCleanup(client.close)
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.settimeout(LIMIT)
        client.connect(("127.0.0.1", squire.port))
        client.sendall(GET)
        head, received = self.answer(client)
        self.assertTrue(received == body)

    def test_records_of_an_answer_that_is_held(self):
        """The 401 waits for a refresh, which fails; what was read of it with the head is not lost."""
        def respond(request):
            if request.target.endswith("/refresh"):
                return [reply(401, b"{}")]
            return [b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 12\r\n\r\n", b"refused", b" ever"]

        squire, _ = self.through_tls(respond)
        answer = self.fetch(squire)
        self.assertEqual((answer.status, answer.data), (401, b"refused ever"))

    def test_records_through_a_proxy(self):
        context, trust = secure_context(self.directory)
        proxy = Proxy(lambda request: [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"one ", b"two ", b"3"], context)
        self.addCleanup(proxy.close)
        config = self.config("https://127.0.0.1:9", f"proxy: http://127.0.0.1:{proxy.port}\n{trust}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        for _ in range(2):
            self.assertEqual(self.fetch(squire).data, b"one two 3")
        self.assertEqual(proxy.connections, 1)

    @unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0,
                         "only root can give a process other system certificates")
    def test_records_within_a_record_of_the_proxy(self):
        context, trust = secure_context(self.directory)
        records = [b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", b"one ", b"two ", b"3"]
        proxy = Proxy(lambda request: records, context)
        proxy.isSecure = True
        self.addCleanup(proxy.close)
        config = self.config("https://127.0.0.1:9", f"proxy: https://127.0.0.1:{proxy.port}\n{trust}")
        self.save_token(jwt(), config)
        mount = f"mount --bind {self.directory}/good.pem /etc/ssl/certs/ca-certificates.crt && exec \"$0\" \"$@\""
        squire = Process("run", "--config", config, env=self.env, prefix=("unshare", "-m", "sh", "-c", mount))
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        for _ in range(2):
            self.assertEqual(self.fetch(squire).data, b"one two 3")

    def test_a_record_too_many_ends_the_connection(self):
        for surplus in (reply(200, b"smuggled"), (reply(200, b"smuggled"),)):
            squire, upstream = self.through_tls(lambda request: [reply(200, b"first"), surplus])
            client = self.open(squire)
            for count in (1, 2, 3):
                client.sendall(GET)
                self.assertEqual(self.answer(client)[1], b"first")
                self.assertEqual(upstream.connections, count)


if __name__ == "__main__":
    main()
