"""What is bounded: sizes, times, connections, memory. And that a good client does not feel the bad ones."""
import resource
from harness import *

GET = b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n"


def memory(process, what="RssAnon"):
    """KiB. Pages of the program and its libraries do not count: those that the start took go half a second later, and some come back."""
    if SANITIZER: return 0
    with open(f"/proc/{process.process.pid}/status") as status:
        return int(next(line for line in status if line.startswith(what)).split()[1])


def processor_seconds(process):
    with open(f"/proc/{process.process.pid}/stat") as stat:
        fields = stat.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class Limits(Scenario):
    def open(self, squire, data=b"", receive_buffer=None):
        connection = socket.socket()
        self.addCleanup(connection.close)
        connection.settimeout(LIMIT)
        if receive_buffer:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        connection.connect(("127.0.0.1", squire.port))
        if data:
            connection.sendall(data)
        return connection

    def until_end(self, connection):
        received = b""
        with contextlib.suppress(ConnectionResetError):
            while part := connection.recv(65536):
                received += part
        return received

    # Sizes

    def test_head_and_fields_at_the_limit(self):
        squire, upstream = self.proxied(profile="", extra="limits: {head: 8KiB, fields: 20}\n")
        base = b"GET /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nX: "
        for size, status in ((8192, b"200"), (8193, b"431")):
            data = base + b"a" * (size - len(base) - 4) + b"\r\n\r\n"
            self.assertEqual(self.exchange(squire.port, data)[9:12], status, size)
        for count, status in ((20, b"200"), (21, b"431")):
            data = b"GET /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + b"A: b\r\n" * (count - 2) + b"\r\n"
            self.assertEqual(self.exchange(squire.port, data)[9:12], status, count)
        # The target may be half of the head.
        for size, status in ((4096, b"200"), (4097, b"414")):
            data = b"GET /" + b"a" * (size - 1) + b" HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            self.assertEqual(self.exchange(squire.port, data)[9:12], status, size)

    def test_endless_heads_are_cut(self):
        squire, _ = self.proxied()
        starts = (b"GET /", b"GET /t HTTP/1.1\r\nHost: localhost\r\nX: ", b"GET /t HTTP/1.1\r\nHost: localhost\r\n" + b"X: y\r\n" * 50)

        def send(start):
            connection = self.open(squire, start)
            sent = 0
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                while sent < 64 << 20:
                    sent += connection.send(b"a" * 65536)
            return sent

        for turn in range(2):
            # The first turn touches what all use.
            if turn == 1: before = memory(squire)
            # Beyond the limit only what two seconds and the kernel's buffers take.
            for sent in parallel(len(starts), lambda index: send(starts[index])): self.assertLess(sent, 64 << 20)
        self.assertLess(memory(squire), before + 3000)

    def test_large_response_heads_are_refused(self):
        squire, _ = self.proxied(lambda r: b"HTTP/1.1 200 OK\r\n" + (b"X: " + b"a" * 200_000 + b"\r\n\r\n" if r.target == "/size" else b"X: y\r\n" * 1000 + b"\r\n"))
        for target in ("/size", "/fields"):
            self.assertEqual(json.loads(self.fetch(squire, target=target).data)["code"], "upstream_protocol")

    # Times

    def test_slow_head(self):
        squire, upstream = self.proxied(extra="timeouts: {head: 400ms}\n")
        started = time.monotonic()
        connection = self.open(squire)
        # A byte now and then does not buy time.
        for byte in b"GET /t HTTP/1.1\r\nX: aaaaaaaa":
            if select.select([connection], [], [], 0.05)[0]:
                break
            connection.sendall(bytes([byte]))
        self.assertIn(b'"request_timeout"', self.until_end(connection))
        self.assertLess(time.monotonic() - started, 3)
        self.assertEqual(upstream.requests, [])

    def test_silent_connections_are_closed_silently(self):
        squire, _ = self.proxied(extra="timeouts: {head: 300ms, idle: 300ms}\n")
        self.assertEqual(self.until_end(self.open(squire)), b"")
        # An empty line behind a request begins no other one.
        for data in (GET, GET + b"\r\n"):
            received = self.until_end(self.open(squire, data))
            self.assertTrue(received.endswith(b"\r\n\r\nok"), received)

    def test_body_that_stops(self):
        squire, upstream = self.proxied(extra="timeouts: {body: 400ms}\n")
        for data in (b"Content-Length: 10\r\n\r\nhello", b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"):
            received = self.until_end(self.open(squire, b"POST /t HTTP/1.1\r\nHost: localhost\r\n" + data))
            self.assertIn(b" 408 ", received)
            self.assertIn(b'"request_timeout"', received)
        self.assertEqual(upstream.requests, [])

    def test_body_that_goes_on_slowly_is_not_cut(self):
        squire, upstream = self.proxied(extra="timeouts: {body: 500ms}\n")
        connection = self.open(squire, b"POST /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\nConnection: close\r\n\r\n")
        for byte in b"helloworld":
            self.assertFalse(select.select([connection], [], [], 0.1)[0])
            connection.sendall(bytes([byte]))
        self.assertIn(b" 200 ", self.until_end(connection))
        self.assertEqual(upstream.requests[0].body, b"helloworld")

    def test_client_that_does_not_read_is_let_go(self):
        squire, _ = self.proxied(lambda r: reply(200, b"x" * (32 << 20)), extra="timeouts: {body: 500ms}\n")
        connection = self.open(squire, GET, receive_buffer=4096)
        poll = select.poll()
        poll.register(connection, 0)  # a reset
        self.assertTrue(poll.poll(LIMIT * 1000))
        self.assertLess(len(self.until_end(connection)), 32 << 20)

    def test_client_that_reads_slowly_gets_all(self):
        size = 400_000
        squire, _ = self.proxied(lambda r: reply(200, b"x" * size), extra="timeouts: {body: 600ms, idle: 600ms}\n")
        for close in (b"", b"Connection: close\r\n"):
            connection = self.open(squire, GET[:-2] + close + b"\r\n", receive_buffer=4096)
            received = 0
            while received < size:
                select.select([], [], [], 0.02)
                part = connection.recv(8192)
                self.assertTrue(part, f"cut after {received}")
                received += len(part)

    def test_upstream_that_stalls(self):
        stall = threading.Event()
        self.addCleanup(stall.set)
        def respond(request):
            if request.target == "/head": stall.wait(LIMIT)
            return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf" if request.target == "/length" else b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
        squire, _ = self.proxied(respond, extra="timeouts: {first-byte: 400ms, body: 400ms}\n")
        answer = self.fetch(squire, target="/head")
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (504, "upstream_timeout"))
        for target, end in (("/length", b"\r\n\r\nhalf"), ("/chunked", b"\r\n\r\n4\r\nhalf\r\n")):
            received = self.until_end(self.open(squire, GET.replace(b"/t", target.encode())))
            self.assertTrue(received.endswith(end), received)

    def test_upstream_that_drips_its_head(self):
        upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(upstream.close)
        def serve():
            connection, _ = upstream.accept()
            connection.recv(65536)
            with contextlib.suppress(OSError):
                for byte in b"HTTP/1.1 200 OK\r\n" + b"X: " + b"y" * 1000:
                    connection.sendall(bytes([byte]))
                    select.select([], [], [], 0.02)
        threading.Thread(target=serve, daemon=True).start()
        config = self.config(f"http://127.0.0.1:{upstream.getsockname()[1]}", "timeouts: {first-byte: 500ms}\n")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        started = time.monotonic()
        self.assertEqual(self.fetch(squire).status, 504)
        self.assertLess(time.monotonic() - started, 3)

    def test_connecting_takes_too_long(self):
        # A listener whose queue is full answers no more SYN; an accepted connection that never speaks TLS is as bad.
        upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(upstream.close)
        config = self.config(f"https://127.0.0.1:{upstream.getsockname()[1]}", "timeouts: {connect: 500ms}\n")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        answer = self.fetch(squire)
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (504, "upstream_timeout"))

    # Connections and memory

    def test_too_many_connections_with_two_workers(self):
        squire, _ = self.proxied(extra="limits: {connections: 5}\n", arguments=("--workers", "2"))
        kept = [self.open(squire, GET) for _ in range(5)]
        for connection in kept:
            self.assertIn(b" 200 ", connection.recv(65536))
        received = self.until_end(self.open(squire, GET))
        self.assertIn(b'"overloaded"', received)
        self.assertIn(b"\r\nRetry-After: 1\r\n", received)
        kept.pop().close()
        self.until(lambda: b" 200 " in self.open(squire, GET).recv(65536), "a place is free again")

    @alone
    def test_too_few_descriptors(self):
        """More clients than descriptors: refused politely, no spinning, and enough left for the upstream and a refresh."""
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if request.target == "/api/customers/refresh": return token_reply(new)
            return reply(200, b"ok") if request.token == new else reply(401, b"expired")
        upstream = self.upstream(respond)
        config = self.config(upstream.url)
        self.save_token(old, config)
        squire = Process("run", "--config", config, env=self.env, prefix=("prlimit", "--nofile=128:128"))
        self.addCleanup(lambda: squire.stop())
        squire.url = squire.wait_for("proxy").endpoints["proxy"]
        squire.port = int(squire.url.rsplit(":", 1)[1])
        connections = [self.open(squire) for _ in range(400)]
        # Those that are served keep their place; each needs the upstream, and the first a refresh.
        answered = refused = 0
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.sendall(GET)
        for connection in connections:
            with contextlib.suppress(ConnectionResetError):
                received = connection.recv(65536)
                answered += b" 200 " in received
                refused += b'"overloaded"' in received
        self.assertGreaterEqual(answered, 25)
        self.assertGreater(refused, 200)
        self.assertEqual(len([r for r in upstream.requests if r.target == "/api/customers/refresh"]), 1)
        before = processor_seconds(squire)
        select.select([], [], [], 1)
        self.assertLess(processor_seconds(squire) - before, 2 if SANITIZER else 0.2)
        for connection in connections:
            connection.close()
        self.until(lambda: b" 200 " in self.open(squire, GET).recv(65536), "recovered")
        self.assertIn("ulimit -n", squire.text())

    def test_uploads_leave_descriptors_for_a_refresh(self):
        """Each may take three: the client's, the upstream's, and that of the file its body is kept in."""
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if request.target == "/api/customers/refresh": return token_reply(new)
            return reply(200, b"ok", "Connection: close") if request.token == new else reply(401, b"expired")
        upstream = self.upstream(respond)
        config = self.config(upstream.url)
        self.save_token(old, config)
        squire = Process("run", "--config", config, env=self.env, prefix=("prlimit", "--nofile=128:128"))
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        size, first = 2_000_000, 1_500_000
        head = b"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size
        connections = [self.open(squire) for _ in range(60)]
        # Those that are refused may hear of it while they send.
        for part in (head + b"x" * first, b"x" * (size - first)):
            for connection in connections:
                with contextlib.suppress(ConnectionError): connection.sendall(part)
        answered = 0
        for connection in connections:
            received = b""
            with contextlib.suppress(ConnectionError): received = self.until_end(connection)
            answered += b"HTTP/1.1 200 " in received
            self.assertNotIn(b"HTTP/1.1 401 ", received)
        self.assertGreater(answered, 20)

    def limited(self, count, upstream, extra=""):
        config = self.config(upstream.url, extra)
        self.save_token(jwt(), config)
        squire = Process("run", "--config", config, env=self.env, prefix=("prlimit", f"--nofile={count}:{count}"))
        self.addCleanup(lambda: squire.stop())
        squire.url = squire.wait_for("proxy").endpoints["proxy"]
        squire.port = int(squire.url.rsplit(":", 1)[1])
        return squire

    def test_bodies_that_are_kept_leave_descriptors(self):
        """As many large uploads as there may be clients: a request is answered, a token refreshed, the first uploads sent again."""
        fresh = jwt(jti="fresh")
        refuses = []
        def respond(request):
            if request.target.endswith("/refresh"): return token_reply(fresh)
            return reply(401, b"{}") if refuses and request.token != fresh else reply(200, b"ok")
        upstream = self.upstream(respond)
        squire = self.limited(256, upstream)
        squire.wait_for_text("at most")
        allowed = int(re.search(r"at most (\d+) connections", squire.text())[1])
        self.assertGreater(allowed, 60)
        head = b"POST /up HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 3000000\r\n\r\n"
        uploads = [self.open(squire, head + b"x" * 1_100_000) for _ in range(allowed - 3)]
        self.until(lambda: descriptors(squire) > 2 * len(uploads), "they are under way")
        self.assertEqual(self.fetch(squire).status, 200)
        refuses.append(1)
        for upload in uploads[:3]:
            upload.sendall(b"x" * 1_900_000)
            self.assertIn(b" 200 ", self.until_end(upload))
        self.assertLessEqual(descriptors(squire), 256)

    def test_a_start_without_descriptors_or_threads(self):
        config = self.config(self.upstream().url)
        self.save_token(jwt(), config)
        for limits in (*(f"--nofile={count}:{count}" for count in (8, 10, 12, 16, 20, 30)),):
            result = subprocess.run(["prlimit", limits, SQUIRE, "run", "--config", config], capture_output=True, text=True, timeout=LIMIT,
                                    env=clean_environment(**self.env))
            self.assertEqual(result.returncode, 74, (limits, result.stderr))
            self.assertIn("ulimit -n", result.stderr)

    @alone
    def test_a_thousand_stalled_clients(self):
        """Slow heads, bodies that stop and clients that do not read: bounded memory, and a good client notices nothing."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192), hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        # The upstream is a process of its own, so that its threads do not slow the client that measures.
        config = self.config(self.playground(), "limits: {connections: 2000}\n")
        self.login(config)
        squire = self.run_squire(config)
        def slowest():
            """Of a good client's requests all but the slowest hundredth, seconds."""
            times = []
            connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=LIMIT)
            for _ in range(500):
                started = time.monotonic()
                connection.request("GET", "/playground/bytes/10")
                self.assertEqual(len(connection.getresponse().read()), 10)
                times.append(time.monotonic() - started)
            connection.close()
            return sorted(times)[int(len(times) * 0.99)]
        # A machine that is busy with other things is slow without them, too.
        alone = slowest()
        before = memory(squire, "VmRSS")
        stalled = [self.open(squire, GET[:20]) for _ in range(600)]
        stalled += [self.open(squire, b"POST /playground/sink HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + b"x" * 1000) for _ in range(200)]
        stalled += [self.open(squire, GET.replace(b"/t", b"/playground/bytes/8388608"), receive_buffer=4096) for _ in range(200)]
        # The kernel's buffers take a lot before a reader is felt to be slow.
        def stands_still():
            used = processor_seconds(squire)
            select.select([], [], [], 0.2)
            return processor_seconds(squire) - used < 0.02
        self.until(stands_still, "stalled")
        self.assertLess(slowest(), 1 if SANITIZER else max(0.1, 3 * alone))
        self.assertLess(memory(squire, "VmHWM") - before, 64_000)

    def test_bodies_kept_for_a_replay_have_a_budget(self):
        """Each may be kept on its own; together they may not."""
        size, count = 1 << 20, 100
        # Answers only when all bodies are there: they are held at the same time.
        all_here = threading.Barrier(count + 1)
        def respond(request):
            all_here.wait(LIMIT)
            return reply(200, b"ok")
        squire, upstream = self.proxied(respond, extra="limits: {replay-disk: 0KiB}\n")
        before = memory(squire)
        body = b"x" * size
        connections = [self.open(squire, b"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % size) for _ in range(count)]
        threads = [threading.Thread(target=connection.sendall, args=(body,)) for connection in connections]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        upstream.wait_for_requests(count)
        self.assertLess(memory(squire) - before, 100_000)
        all_here.wait(LIMIT)
        for connection in connections:
            self.assertIn(b" 200 ", self.until_end(connection))
        self.assertTrue(all(len(request.body) == size for request in upstream.requests))

    def test_interim_answers_for_clients_that_do_not_read_are_dropped(self):
        """They are hints: what a client does not take of them does not pile up; its response comes whole."""
        # Beyond what the kernel takes of each: some 3 MB.
        count = 25
        hints = b"HTTP/1.1 103 Early Hints\r\n" + b"".join(b"X-%03d: %s\r\n" % (index, b"a" * 240) for index in range(480)) + b"\r\n"
        squire, upstream = self.proxied(lambda r: reply(200, b"warm") if r.target == "/warm" else hints * 32 + reply(200, b"end"))
        # What a request needs of the program's file is resident then.
        self.assertEqual(self.fetch(squire, target="/warm").data, b"warm")
        before = memory(squire, "VmRSS")
        # The peak is counted anew (proc_pid_clear_refs(5)): the start's was higher.
        pathlib.Path(f"/proc/{squire.process.pid}/clear_refs").write_text("5")
        connections = [self.open(squire, GET, receive_buffer=4096) for _ in range(count)]
        # Every exchange is through, although nobody reads.
        squire.wait_for_text(" 200 ", 1 + count)
        self.assertLess(memory(squire, "VmHWM") - before, 500 * count)
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
            *interim, last = self.until_end(connection).split(b"HTTP/1.1 ")[1:]
            self.assertLess(len(interim), 32)
            self.assertTrue(last.startswith(b"200 ") and last.endswith(b"\r\n\r\nend"), last)
            for each in interim: self.assertEqual(each, hints[9:])

    def test_churn_leaves_nothing_behind(self):
        squire, _ = self.proxied()
        self.fetch(squire)
        def churn(count):
            for index in range(count):
                connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
                if index % 3 == 0:
                    connection.sendall(GET[:20])
                else:
                    connection.sendall(GET)
                    if index % 3 == 1: connection.recv(100)
                if index % 2: connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                connection.close()
        churn(500)
        before, opened = memory(squire), descriptors(squire)
        churn(3000)
        self.until(lambda: descriptors(squire) <= opened + 2, "descriptors")
        self.assertLess(memory(squire), before + 2000)

    def test_a_noisy_page_is_refused_cheaply(self):
        squire, upstream = self.proxied()
        noise = b"GET /t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.test\r\n\r\n"
        for _ in range(2000):
            self.exchange(squire.port, noise)
        self.assertEqual(upstream.requests, [])
        self.assertLess(squire.text().count("forbidden_origin"), 1000)
        self.fetch(squire)


class GoneClients(Scenario):
    """Clients that are gone when their answers are written, many within one turn of the loop."""

    def together(self, count, request, answer):
        """So many requests of clients that say that they send no more, and reset before the answers come, all at once."""
        go = threading.Event()

        def respond(_):
            go.wait(LIMIT)
            return answer

        squire, upstream = self.proxied(respond)
        clients = []
        for _ in range(count):
            # After a half-close Squire does not watch for the client's end.
            client = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
            client.sendall(request)
            client.shutdown(socket.SHUT_WR)
            clients.append(client)
        upstream.wait_for_requests(count)
        for client in clients:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            client.close()
        squire.hold()
        go.set()
        # Each answer has arrived when the socket it came from holds no byte that its peer has not.
        self.until(lambda: waiting_answers(upstream.port) >= count, "the answers arrive")
        squire.process.send_signal(signal.SIGCONT)
        upstream.respond = lambda _: reply(200, b"ok")
        self.assertEqual(self.fetch(squire).data, b"ok")
        squire.wait_for_text(" 200 ", count + 1)
        self.assertEqual(squire.stop(), 0)

    def test_sixteen_answers_for_clients_that_are_gone(self):
        self.together(16, b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n", reply(200, b"ok"))

    def test_forty_answers_for_clients_that_are_gone(self):
        self.together(40, b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n", reply(200, b"ok"))

    def test_long_answers_for_clients_that_are_gone(self):
        self.together(20, b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n", reply(200, b"x" * 40_000))

    def test_clients_that_reset_as_they_are_told_to_continue(self):
        """Nothing is said for a second; then all of them are told to send their bodies, while they go."""
        count = 200
        squire, upstream = self.proxied(extra="limits: {connections: 2000}\n")
        def silent(connection):
            with contextlib.suppress(OSError):
                while connection.recv(65536):
                    with upstream.arrived:
                        upstream.requests.append(None)
                        upstream.arrived.notify_all()
            connection.close()
        upstream.serve = silent
        request = b"PUT /t HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 5\r\n\r\n"
        for turn in range(4):
            clients = []
            for _ in range(count):
                client = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
                client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                clients.append(client)
            for client in clients: client.sendall(request)
            upstream.wait_for_requests(count * (turn + 1))
            # The second passes while Squire is held, so that all of them are due in one turn of its loop.
            squire.hold()
            select.select([], [], [], 1.1)
            squire.process.send_signal(signal.SIGCONT)
            self.assertTrue(select.select(clients, [], [], LIMIT)[0])
            for client in reversed(clients): client.close()
            self.until(lambda: squire.process.poll() is not None or descriptors(squire) < count, "all are let go")
        self.assertEqual(squire.stop(), 0)

    def test_interim_answers_for_clients_that_are_gone(self):
        self.together(20, b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" * 3 + reply(200, b"ok"))


def waiting_answers(port):
    """How many connections to that port have received something that their process has not read."""
    count = 0
    for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[2].endswith(f":{port:04X}") and int(words[4].split(":")[1], 16) > 0:
            count += 1
    return count


if __name__ == "__main__":
    main()
