"""An upstream that fails in every way: one clear answer, nothing sent twice that must not be, and the next request works."""
import itertools
from harness import *

GET = b"GET /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
POST = b"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 5\r\n\r\nhello"
EMPTY_POST = b"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
CHUNKED_POST = b"POST /t HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
METHODS = {"GET": GET, "POST": POST, "POST without content": EMPTY_POST, "chunked POST": CHUNKED_POST}
RESET, CLOSE = "reset", "close"


class ScriptedUpstream(RawUpstream):
    """Plays the script of a request's position on its connection: bytes, then how the connection ends (None keeps it)."""

    def __init__(self, context=None):
        self.script = lambda request, position: (reply(200, b"ok"), None)
        super().__init__(None, context)

    def serve(self, connection):
        with contextlib.suppress(OSError):
            connection = self.secured(connection)
            stream = connection.makefile("rb")
            position = 0
            while request := read_request(stream, connection):
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                data, end = self.script(request, position)
                position += 1
                connection.sendall(data)
                if end == RESET:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    stream.close()
                    return connection.close()
                if end == CLOSE:
                    return hang_up(connection)


class Faults(Scenario):
    def start(self, context=None, extra=""):
        self.upstream_server = ScriptedUpstream(context)
        self.addCleanup(self.upstream_server.close)
        config = self.config(self.upstream_server.url, extra)
        self.save_token(jwt(), config)
        self.squire = self.run_squire(config)
        return self.upstream_server

    def tries(self, data):
        """What the client gets, and how often the upstream saw the request."""
        seen = len(self.upstream_server.requests)
        received = self.exchange(self.squire.port, data)
        return received, len(self.upstream_server.requests) - seen

    def recovers(self):
        self.upstream_server.script = lambda request, position: (reply(200, b"ok"), None)
        self.assertIn(b" 200 ", self.exchange(self.squire.port, GET))

    def check_fault(self, script, code, status=502):
        for name, data in METHODS.items():
            with self.subTest(name):
                self.upstream_server.script = script
                received, count = self.tries(data)
                self.assertEqual(received[9:12], b"%d" % status, received)
                self.assertIn(b'"%s"' % code.encode(), received)
                self.assertEqual(count, 1)
                self.recovers()

    def test_no_answer_on_a_fresh_connection(self):
        upstream = self.start()
        for data in (b"", b"HTTP/1.1 200 OK\r\nX: ", b"HTTP/1.1 103 Early Hints\r\n\r\n"):
            for end in (CLOSE, RESET):
                # Recovery keeps a connection: take a fresh one each time.
                def script(request, position):
                    return (data, end) if request.target == "/t" else (reply(200), CLOSE)
                for name, request in METHODS.items():
                    with self.subTest(data=data, end=end, method=name):
                        upstream.script = lambda request, position: (reply(200, b"ok"), CLOSE)
                        self.exchange(self.squire.port, GET)
                        upstream.script = script
                        received, count = self.tries(request)
                        self.assertIn(b'"upstream_reset"', received)
                        self.assertLessEqual(count, 2 if name == "GET" and not data else 1)
        self.recovers()

    def test_kept_connection_that_dies_with_the_next_request(self):
        """The upstream reads the second request whole, and goes. Only what may be repeated is, and only once."""
        upstream = self.start()
        for name, data in METHODS.items():
            for end in (CLOSE, RESET):
                with self.subTest(name, end=end):
                    upstream.script = lambda request, position: (reply(200, b"ok"), None) if position == 0 else (b"", end)
                    self.recovers()
                    upstream.script = lambda request, position: (reply(200, b"ok"), None) if position == 0 else (b"", end)
                    received, count = self.tries(data)
                    if name == "GET":
                        self.assertEqual((received[9:12], count), (b"200", 2))
                    else:
                        self.assertEqual((received[9:12], count), (b"502", 1))
                        self.assertIn(b'"upstream_reset"', received)
        # And not a third time.
        upstream.script = lambda request, position: (reply(200, b"ok"), None)
        self.recovers()
        upstream.script = lambda request, position: (b"", CLOSE)
        received, count = self.tries(GET)
        self.assertEqual((received[9:12], count), (b"502", 2))

    def test_heads_that_cannot_be_passed_on(self):
        self.start()
        line = b"HTTP/1.1 200 OK\r\n"
        for head in (b"SSH-2.0-x\r\n\r\n", b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 2000 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1  200 OK\r\n\r\n", b"http/1.1 200 OK\r\n\r\n",
                     b"HTTP/1.1 200 O\x00K\r\n\r\n", b"HTTP/1.1 200 OK\n\n", line + b"X: a\rSet-Cookie: e=1\r\n\r\n", line + b"X: a\x00b\r\n\r\n", line + b"X: a\n\n",
                     line + b"X: a\r\n folded\r\n\r\n", line + b"Foo : 1\r\n\r\n", line + b"nocolon\r\n\r\n", line + b": 1\r\n\r\n", line + b"X\x80: 1\r\n\r\n",
                     line + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!", line + b"Content-Length: 5, 6\r\n\r\nhello!", line + b"Content-Length: -5\r\n\r\nhello",
                     line + b"Content-Length: +5\r\n\r\nhello", line + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nHTTP/1.1 200 POISON\r\n\r\n",
                     line + b"Transfer-Encoding: gzip\r\n\r\nx", line + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", line + b"Transfer-Encoding: chunked, gzip\r\n\r\n0\r\n\r\n",
                     line + b"Transfer-Encoding:\r\n\r\nx", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n" * 100):
            with self.subTest(head):
                self.upstream_server.script = lambda request, position: (head, None)
                received, count = self.tries(POST)
                self.assertIn(b'"upstream_protocol"', received)
                self.assertNotIn(b"POISON", received)
                self.assertEqual(count, 1)
                self.recovers()

    def test_bodies_that_break_off_are_seen_to(self):
        self.start()
        for head, part in ((b"Content-Length: 100", b"half"), (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n"), (b"Transfer-Encoding: chunked", b"64\r\nhalf"),
                           (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\nzz\r\n"), (b"Transfer-Encoding: chunked", b"4\r\nhalf\r\n0\r\n")):
            for end in (CLOSE, RESET):
                with self.subTest(part, end=end):
                    self.upstream_server.script = lambda request, position: (b"HTTP/1.1 200 OK\r\n" + head + b"\r\n\r\n" + part, end)
                    received, _ = self.tries(GET)
                    got, _, body = received.partition(b"\r\n\r\n")
                    self.assertIn(head, got)
                    self.assertNotIn(b"0\r\n", body)
                    self.assertTrue(len(body) < 100 and (end == RESET or b"half" in body), received)
                    self.recovers()

    def test_bodies_that_end_with_the_connection(self):
        upstream = self.start()
        upstream.script = lambda request, position: (b"HTTP/1.0 200 OK\r\n\r\nall of it", CLOSE)
        received, _ = self.tries(GET)
        self.assertTrue(received.startswith(b"HTTP/1.1 200 OK\r\n") and received.endswith(b"9\r\nall of it\r\n0\r\n\r\n"), received)
        received, _ = self.tries(GET.replace(b"1.1", b"1.0", 1))
        self.assertTrue(received.endswith(b"\r\n\r\nall of it"), received)
        # Broken off, an HTTP/1.0 client can only see it by a reset.
        upstream.script = lambda request, position: (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n", CLOSE)
        with self.assertRaises(ConnectionResetError):
            self.tries(GET.replace(b"1.1", b"1.0", 1))

    def test_more_than_was_announced(self):
        """Never part of the next answer."""
        upstream = self.start()
        poison = b"HTTP/1.1 200 POISON\r\nContent-Length: 6\r\n\r\nPOISON"
        for data in (reply(200, b"hello") + poison, b"HTTP/1.1 204 No Content\r\n\r\n" + poison, b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello",
                     b"HTTP/1.1 304 Not Modified\r\nContent-Length: 500\r\n\r\n" + poison, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + poison,
                     b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"):
            with self.subTest(data):
                connections = upstream.connections
                upstream.script = lambda request, position: (data, None)
                received, _ = self.tries(GET)
                self.assertNotIn(b"POISON", received)
                if b" 204 " in received:
                    self.assertNotIn(b"\r\nContent-Length:", received)
                    self.assertNotIn(b"\r\nTransfer-Encoding:", received)
                self.recovers()
                self.assertGreater(upstream.connections, connections)

    def test_unasked_bytes_on_an_idle_connection(self):
        upstream = self.start()
        self.recovers()
        with upstream.lock:
            idle = upstream.sockets[-1]
        idle.sendall(b"HTTP/1.1 200 POISON\r\nContent-Length: 6\r\n\r\nPOISON")
        received, _ = self.tries(GET)
        self.assertNotIn(b"POISON", received)

    def test_idle_connection_that_ends_or_speaks_unasked_as_a_request_comes(self):
        """Both are there when Squire looks, whichever came first: the request goes elsewhere, POST too."""
        upstream = self.start()
        def speak(idle):
            idle.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            idle.sendall(b"HTTP/1.1 200 POISON\r\nContent-Length: 0\r\n\r\n")
        def reset(idle):
            idle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            idle.close()
        cases = itertools.product((hang_up, reset, speak), (b"GET", b"POST"), (True, False))
        for what, method, requestFirst in cases:
            with self.subTest(what=what.__name__, method=method, requestFirst=requestFirst), \
                    socket.create_connection(("127.0.0.1", self.squire.port), LIMIT) as client:
                client.sendall(b"GET /t HTTP/1.1\r\nHost: localhost\r\n\r\n")
                self.assertIn(b" 200 ", client.recv(65536))
                with upstream.lock:
                    idle = upstream.sockets[-1]
                ask = lambda: client.sendall(method + b" /t HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
                self.squire.hold()
                if requestFirst: ask()
                what(idle)
                if not requestFirst: ask()
                self.squire.process.send_signal(signal.SIGCONT)
                self.assertIn(b" 200 X\r\n", client.recv(65536))

    def test_answer_before_the_upload_ends(self):
        """The client can read it, whole, however much it still sends; and the request was not taken for complete."""
        upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(upstream.close)
        def serve():
            while True:
                try: connection, _ = upstream.accept()
                except OSError: return
                with contextlib.suppress(OSError):
                    connection.recv(1000)
                    connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 5\r\nConnection: close\r\n\r\nlarge")
                    connection.shutdown(socket.SHUT_WR)
                    while connection.recv(65536): pass
                connection.close()
        threading.Thread(target=serve, daemon=True).start()
        config = self.config(f"http://127.0.0.1:{upstream.getsockname()[1]}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        for head, body in ((b"Content-Length: 10000000", b"x" * 10_000_000), (b"Transfer-Encoding: chunked", b"10000\r\n" + b"x" * 65536 + b"\r\n")):
            for _ in range(10):
                with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
                    connection.sendall(b"POST /t HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n\r\n")
                    with contextlib.suppress(ConnectionError):
                        connection.sendall(body)
                    received = b""
                    while part := connection.recv(65536): received += part
                self.assertIn(b"HTTP/1.1 413 ", received)
                self.assertTrue(received.endswith(b"\r\n\r\nlarge"))
                self.assertIn(b"\r\nConnection: close\r\n", received)

    def test_nothing_is_followed_repeated_or_kept(self):
        upstream, trap = self.start(), self.upstream()
        for status in (301, 302, 303, 307, 308):
            upstream.script = lambda request, position: (reply(status, b"", f"Location: {trap.url}/x"), None)
            received, count = self.tries(POST)
            self.assertIn(b"\r\nLocation: %s/x\r\n" % trap.url.encode(), received)
            self.assertEqual(count, 1)
        for status in (429, 500, 502, 503, 504, 403, 407):
            upstream.script = lambda request, position: (reply(status, b"busy", "Retry-After: 5"), None)
            received, count = self.tries(GET)
            self.assertEqual((received[9:12], count), (b"%d" % status, 1))
            self.assertIn(b"\r\nRetry-After: 5\r\n", received)
        upstream.script = lambda request, position: (reply(200, b"ok", "Cache-Control: public, max-age=60", "Age: 3"), None)
        for _ in range(2):
            received, count = self.tries(GET)
            self.assertEqual((received.count(b"Age: 3"), count), (1, 1))
        self.assertEqual(trap.connections, 0)

    def test_head_answers_have_no_body(self):
        upstream = self.start()
        for fields in (b"Content-Length: 100000\r\n", b"Transfer-Encoding: chunked\r\n", b""):
            upstream.script = lambda request, position: (b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n", None)
            received, _ = self.tries(GET.replace(b"GET", b"HEAD"))
            self.assertTrue(received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1, received)
            self.assertEqual(b"\r\nContent-Length: 100000\r\n" in received, b"Content-Length" in fields)
            self.recovers()

    def test_compressed_bodies_pass_untouched(self):
        upstream = self.start()
        bomb = __import__("gzip").compress(b"\0" * 50_000_000)
        upstream.script = lambda request, position: (reply(200, bomb, "Content-Encoding: gzip", "ETag: x"), None)
        received, _ = self.tries(GET.replace(b"\r\n\r\n", b"\r\nAccept-Encoding: gzip, br\r\n\r\n"))
        self.assertEqual(upstream.requests[-1]["Accept-Encoding"], "gzip, br")
        self.assertTrue(received.endswith(b"\r\n\r\n" + bomb))

    # Connecting

    def test_no_upstream(self):
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        for url, word in ((f"http://127.0.0.1:{port}", "refused"), ("https://no-such-name.invalid", "no-such-name.invalid")):
            with self.subTest(url):
                config = self.config(url)
                self.save_token(jwt(), config)
                squire = self.run_squire(config)
                answer = self.fetch(squire)
                problem = json.loads(answer.data)
                self.assertEqual((answer.status, problem["code"]), (502, "upstream_unreachable"))
                self.assertIn(word, problem["detail"])

    def test_tls_failures_say_what_to_do(self):
        good, good_key = certificate(self.directory, "good", "-addext", "subjectAltName=IP:127.0.0.1")
        other, other_key = certificate(self.directory, "other", "-addext", "subjectAltName=DNS:other.test")
        expired, expired_key = self.directory / "expired.pem", good_key
        (self.directory / "ca.cnf").write_text(f"[ca]\ndefault_ca = d\n[d]\ndatabase = {self.directory}/index\nserial = {self.directory}/serial\nnew_certs_dir = {self.directory}\n"
                                               "policy = p\ndefault_md = sha256\nx509_extensions = e\n[p]\ncommonName = supplied\n[e]\nsubjectAltName = IP:127.0.0.1\n")
        (self.directory / "index").touch()
        (self.directory / "serial").write_text("01\n")
        subprocess.run(["openssl", "req", "-new", "-key", good_key, "-out", self.directory / "csr", "-subj", "/CN=expired"], check=True, capture_output=True)
        subprocess.run(["openssl", "ca", "-batch", "-config", self.directory / "ca.cnf", "-selfsign", "-keyfile", good_key, "-in", self.directory / "csr", "-out", expired,
                        "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"], check=True, capture_output=True)
        def context(pair, change=lambda c: None):
            result = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            result.load_cert_chain(*pair)
            change(result)
            return result
        def require_certificate(c):
            c.load_verify_locations(good)
            c.verify_mode = ssl.CERT_REQUIRED
            c.maximum_version = ssl.TLSVersion.TLSv1_2
        def old(c):
            c.set_ciphers("ALL:@SECLEVEL=0")
            c.minimum_version = c.maximum_version = ssl.TLSVersion.TLSv1
        cases = [("self-signed", context((good, good_key)), None, "tls.ca"), ("other name", context((other, other_key)), other, "name"),
                 ("expired", context((expired, expired_key)), expired, "expired"), ("client certificate", context((good, good_key), require_certificate), good, "tls.certificate"),
                 ("old version", context((good, good_key), old), good, "")]
        for name, server, authority, word in cases:
            with self.subTest(name):
                upstream = self.start(server, f"tls: {{ca: {authority}}}\n" if authority else "")
                answer = self.fetch(self.squire)
                problem = json.loads(answer.data)
                self.assertEqual((answer.status, problem["code"]), (502, "upstream_tls"), problem)
                self.assertIn(word, problem["detail"])
                self.assertEqual(upstream.requests, [])
                self.squire.stop()
        # Plain HTTP where TLS was expected.
        plain = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(plain.close)
        def serve():
            connection, _ = plain.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        threading.Thread(target=serve, daemon=True).start()
        config = self.config(f"https://127.0.0.1:{plain.getsockname()[1]}")
        self.save_token(jwt(), config)
        answer = self.fetch(self.run_squire(config))
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (502, "upstream_tls"))
        self.assertIn("http://", json.loads(answer.data)["detail"])

    def test_faults_through_tls(self):
        upstream = self.start(*secure_context(self.directory))
        upstream.script = lambda request, position: (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf", CLOSE)
        received, _ = self.tries(GET)
        self.assertTrue(received.endswith(b"half"), received)
        self.recovers()
        upstream.script = lambda request, position: (b"", CLOSE)
        received, count = self.tries(POST)
        self.assertEqual((received[9:12], count), (b"502", 1))
        self.recovers()

    def test_tls_that_breaks_off_is_no_end(self):
        """Without close_notify anybody on the way may have cut it (RFC 9112 section 9.8)."""
        good, key = certificate(self.directory, "good", "-addext", "subjectAltName=IP:127.0.0.1")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(good, key)
            context.maximum_version = version
            listener = socket.create_server(("127.0.0.1", 0))
            self.addCleanup(listener.close)
            def serve():
                for says_so in (False, True):
                    with context.wrap_socket(listener.accept()[0], server_side=True) as connection:
                        connection.recv(65536)
                        connection.sendall(b"HTTP/1.1 200 OK\r\n\r\npart")
                        with contextlib.suppress(OSError):
                            if says_so: connection.unwrap()
            threading.Thread(target=serve, daemon=True).start()
            config = self.config(f"https://127.0.0.1:{listener.getsockname()[1]}", f"tls: {{ca: {good}}}\n")
            self.save_token(jwt(), config)
            squire = self.run_squire(config)
            for end in (b"\r\n4\r\npart\r\n", b"\r\n4\r\npart\r\n0\r\n\r\n"):
                with self.subTest(version=version, end=end):
                    self.assertTrue(self.exchange(squire.port, GET).endswith(end))

    # The surroundings

    def test_environment_and_files_are_not_listened_to(self):
        """Proxies, key logs and passwords of the user's environment stay out of it."""
        trap, upstream = self.upstream(), self.upstream()
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        (self.directory / ".netrc").write_text("machine 127.0.0.1 login user password netrc-secret\n")
        keys = self.directory / "keys.log"
        environment = {name: trap.url for name in ("http_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "all_proxy")}
        process = Process("run", "--config", config, env={**self.env, **environment, "SSLKEYLOGFILE": str(keys), "SSL_CERT_FILE": "/nonexistent"})
        self.addCleanup(lambda: process.stop())
        process.port = int(process.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        self.assertEqual(self.fetch(process).status, 200)
        self.assertNotIn("netrc-secret", str(upstream.requests[0].fields))
        self.assertEqual((trap.connections, keys.exists()), (0, False))

    def test_no_dumps_of_memory(self):
        squire, _ = self.proxied()
        # Not dumpable: the files of its /proc directory belong to root, and no debugger of this user attaches.
        self.assertEqual(os.stat(f"/proc/{squire.process.pid}/environ").st_uid, 0)
        squire.process.send_signal(signal.SIGSEGV)
        self.assertEqual(squire.process.wait(LIMIT), -signal.SIGSEGV)
        self.assertNotIn("crashed", squire.text())
        self.assertEqual([name for name in os.listdir(".") if name.startswith("core")], [])

    def test_nothing_of_the_machine_is_told(self):
        squire, upstream = self.proxied(profile="")
        self.fetch(squire)
        allowed = {"host", "accept-encoding", "via", "authorization", *(name.lower() for name in HEADERS)}
        self.assertEqual({name.lower() for name, _ in upstream.requests[0].fields} - allowed, set())


class Surroundings(Scenario):
    """What Squire needs of its machine, and does not find."""

    def refused_upload(self, env, mounts=""):
        """A large body whose token is refused: what the client gets, and the log."""
        fresh = jwt(jti="fresh")
        def respond(request):
            if request.target.endswith("/refresh"): return token_reply(fresh)
            return reply(200, b"%d" % len(request.body)) if request.token == fresh else reply(401, b"{}")
        upstream = self.upstream(respond)
        config = self.config(upstream.url)
        self.save_token(jwt(), config)
        prefix = ("unshare", "-m", "sh", "-c", mounts + ' exec "$0" "$@"') if mounts else ()
        squire = Process("run", "--config", config, env={**self.env, "TMPDIR": "", **env}, prefix=prefix)
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        return self.fetch(squire, "POST", body=b"x" * 3_000_000), squire.text()

    def test_a_directory_for_bodies_that_is_not_there(self):
        read_only = self.directory / "read-only"
        read_only.write_text("a file")
        for name in ("TMPDIR", "XDG_RUNTIME_DIR"):
            for path in ("/no/such", str(read_only), "/proc"):
                answer, log = self.refused_upload({name: path})
                self.assertEqual((answer.status, answer.data), (200, b"3000000"), log)
                self.assertEqual(log.count(path + ": "), 1, log)
        answer, log = self.refused_upload({"TMPDIR": str(self.directory)})
        self.assertEqual((answer.status, log.count("large bodies")), (200, 0))

    @unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "only root can take the directories away")
    def test_no_directory_for_bodies_at_all(self):
        mounts = "for d in /dev/shm /tmp /var/tmp; do mount -t tmpfs -o ro none $d; done;"
        self.assertTrue(str(self.directory).startswith("/tmp"))
        mounts = f"mkdir -p /run/kept && mount --bind {self.directory} /run/kept; {mounts} mount -o remount,rw /tmp; mkdir -p {self.directory}; mount --bind /run/kept {self.directory}; mount -o remount,ro /tmp;"
        if SQUIRE.startswith("/tmp"):
            self.skipTest("the program itself is there")
        answer, log = self.refused_upload({"TMPDIR": "/no/such", "XDG_RUNTIME_DIR": ""}, mounts)
        # The upstream's own answer: there is nothing to send again.
        self.assertEqual(answer.status, 401, log)
        self.assertEqual(log.count("cannot be kept"), 1, log)
        self.assertIn("/no/such", log)


@unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "only root can give a process names of its own")
class MovedName(Scenario):
    """The upstream's name gets another address while Squire runs."""

    def setUp(self):
        super().setUp()
        self.hosts = self.directory / "hosts"
        self.fresh = jwt(jti="fresh")
        self.old = self.upstream(self.respond("old"))
        self.move("127.0.0.1")

    def respond(self, name):
        def respond(request):
            if request.target.endswith("/refresh"): return token_reply(self.fresh)
            return reply(200, name.encode())
        return respond

    def move(self, address):
        # In place: what was mounted is this very file.
        with open(self.hosts, "w") as file:
            file.write(f"127.0.0.1 localhost\n{address} api.test\n")

    def start(self):
        config = self.config(f"http://api.test:{self.old.port}", "allow-plain-upstream: true\ntimeouts: {connect: 1s}\n")
        self.save_token(jwt(), config)
        mount = f'mount --bind {self.hosts} /etc/hosts && exec "$0" "$@"'
        squire = Process("run", "--config", config, "--inspector", "127.0.0.1:0", env=self.env, prefix=("unshare", "-m", "sh", "-c", mount))
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy", "inspector").endpoints["proxy"].rsplit(":", 1)[1])
        squire.inspector = int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        return squire

    def listen_at(self, address):
        upstream = RawUpstream(self.respond("new"))
        upstream.listener.close()
        upstream.listener = socket.create_server((address, self.old.port))
        threading.Thread(target=upstream.accept, daemon=True).start()
        self.addCleanup(upstream.close)
        return upstream

    def test_the_old_server_refuses(self):
        squire = self.start()
        self.assertEqual(self.fetch(squire).data, b"old")
        self.listen_at("127.0.0.2")
        self.move("127.0.0.2")
        self.old.listener.shutdown(socket.SHUT_RDWR)
        self.old.close()
        for connection in self.old.sockets:
            hang_up(connection)
        # What is remembered may be tried once.
        answers = [self.fetch(squire).status for _ in range(3)]
        self.assertIn(answers, ([200, 200, 200], [502, 200, 200]))
        self.assertEqual(self.fetch(squire).data, b"new")
        self.refreshes(squire)

    def test_the_old_server_does_not_answer(self):
        squire = self.start()
        self.assertEqual(self.fetch(squire).data, b"old")
        # Nothing answers there, and no refusal comes either: the queue of this listener is full.
        silent = socket.socket()
        silent.bind(("127.0.0.3", self.old.port))
        silent.listen(0)
        fillers = []
        for _ in range(4):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.3", self.old.port))
            fillers.append(filler)
        self.addCleanup(lambda: [end.close() for end in (silent, *fillers)])
        self.move("127.0.0.3")
        # Without connections to take again, and with a name that was looked up more than 5 s ago, or never.
        squire.stop()
        squire = self.start()
        self.assertEqual(self.fetch(squire).status, 504)
        self.move("127.0.0.1")
        self.assertEqual(self.fetch(squire).data, b"old")

    def refreshes(self, squire):
        connection = http.client.HTTPConnection("127.0.0.1", squire.inspector, timeout=LIMIT)
        self.addCleanup(connection.close)
        connection.request("POST", "/api/session/refresh", headers={"X-Squire-Inspector": "1"})
        connection.getresponse().read()
        self.until(lambda: json.loads(self.session_file.read_text())["token"] == self.fresh, "refreshed")


if __name__ == "__main__":
    main()
