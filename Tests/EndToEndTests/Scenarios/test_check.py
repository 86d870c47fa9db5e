"""`squire check --online`: each fault by a server that has it, and advice that fits it. Nothing but a sound connection gets a request, and nothing but
`session.probe` the token."""
from harness import *

import datetime

ELLIPTIC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256")


class Authority:
    """A certificate authority, and what it issues, with any dates."""

    def __init__(self, directory, name="authority", end="20991231235959Z"):
        self.directory = directory / name
        self.directory.mkdir()
        self.certificate = self.key = None
        self.certificate, self.key = self.issue(name, end=end, names=None)

    def issue(self, name, start="20200101000000Z", end="20991231235959Z", names="IP:127.0.0.1"):
        """The files of a certificate and its key; `names` None is an authority's."""
        number = len(list(self.directory.iterdir()))
        path = lambda suffix: self.directory / f"{number}.{suffix}"
        run = lambda *arguments: subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
        run("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path("key"), "-out", path("csr"), "-subj", f"/CN={name}")
        path("index").write_text("")
        path("serial").write_text(f"{number + 1:04x}")
        extension = "basicConstraints=critical,CA:TRUE" if names is None else f"subjectAltName={names}" if names else "basicConstraints=CA:FALSE"
        path("cnf").write_text(f"[ca]\ndefault_ca=c\n[c]\ndatabase={path('index')}\nserial={path('serial')}\nnew_certs_dir={self.directory}\n"
                               f"default_md=sha256\npolicy=p\n[p]\ncommonName=supplied\n[e]\n{extension}\n")
        signer = ("-cert", self.certificate, "-keyfile", self.key) if self.certificate else ("-selfsign", "-keyfile", path("key"))
        # The only command of OpenSSL 3.0 that takes both dates.
        run("ca", "-batch", "-config", path("cnf"), "-extensions", "e", "-in", path("csr"), "-out", path("pem"), *signer, "-startdate", start, "-enddate", end,
            "-notext")
        return path("pem"), path("key")


def context_of(files):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*files)
    return context


class Server:
    """Does with each connection what `serve(connection)` does, in a thread."""

    def __init__(self, serve, backlog=64):
        self.serve, self.connections, self.seen = serve, [], []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=backlog)
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                self.connections.append(connection)
                threading.Thread(target=self.run, args=(connection,), daemon=True).start()

    def run(self, connection):
        with contextlib.suppress(OSError):
            self.serve(self, connection)

    def close(self):
        for connection in (self.listener, *self.connections):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()


def hang(server, connection):
    while data := connection.recv(65536):
        server.seen.append(data)


class CheckScenario(Scenario):
    # Whether the limits are short, for servers that hang.
    is_hasty = False

    def server(self, serve, **options):
        server = Server(serve, **options)
        self.addCleanup(server.close)
        return server

    def written(self, upstream, extra="", session=""):
        limits = "connect: 500ms, first-byte: 400ms" if self.is_hasty else "connect: 5s, first-byte: 5s"
        return self.config(upstream, f"timeouts: {{{limits}}}\n" + extra, session, profile="")

    def check(self, upstream, extra="", session="", code=0, online=True, env=None):
        """The lines by what they are about, as (verdict, text)."""
        config = self.written(upstream, extra, session)
        started = time.monotonic()
        result = self.command("check", *(["--online"] if online else []), "--config", config, code=code, env=env)
        # Far below ten seconds, which a step may take where nothing is configured.
        self.assertLess(time.monotonic() - started, 8)
        self.assertEqual(result.stderr, "")
        self.assertTrue(all(line.isprintable() and len(line) < 1000 for line in result.stdout.splitlines()), result.stdout)
        self.order = [line[6:21].strip() for line in result.stdout.splitlines()]
        self.text = result.stdout
        return {line[6:21].strip(): (line[:6].strip(), line[21:]) for line in result.stdout.splitlines()}

    def failed(self, subject, *words, without=(), **options):
        """`subject` fails with these words, last, and all before it passed."""
        lines = self.check(code=69, **options)
        verdict, text = lines[subject]
        self.assertEqual((verdict, self.order[-1]), ("fail", subject), self.text)
        for word in words:
            self.assertIn(word, text)
        for word in without:
            self.assertNotIn(word, text)
        stages = ["DNS", "connection", "proxy", "TLS", "clock", "API"]
        wanted = [stage for stage in stages[:stages.index(subject)] if stage not in ("clock", "proxy")]
        self.assertEqual([stage for stage in wanted if stage in lines and lines[stage][0] in ("ok", "--")], wanted, self.text)
        self.assertTrue(all(line.startswith(("ok ", "-- ", "fail ")) for line in self.text.splitlines()))
        return lines


class Certificates(CheckScenario):
    def setUp(self):
        super().setUp()
        authority = Authority(self.directory)
        self.ca, self.issue = authority.certificate, authority.issue
        self.trust = f"tls: {{ca: {self.ca}}}\n"

    def secure(self, files):
        return self.upstream(context=context_of(files))

    def refused(self, upstream, *words, extra=None, **options):
        lines = self.failed("TLS", *words, upstream=upstream.url, extra=self.trust if extra is None else extra, **options)
        self.assertEqual(upstream.requests, [])
        return lines["TLS"][1]

    def test_working(self):
        upstream = self.secure(self.issue("good.test"))
        lines = self.check(upstream.url, self.trust, code=77)
        self.assertEqual([lines[name][0] for name in ("DNS", "connection", "TLS", "API", "session")], ["ok", "ok", "ok", "ok", "fail"])
        for word in ("CN=good.test", "CN=authority", "2099-12-31"):
            self.assertIn(word, lines["TLS"][1])

    def test_expired(self):
        upstream = self.secure(self.issue("old.test", end="20210203040506Z"))
        text = self.refused(upstream, "CN=old.test", "CN=authority", "expired on 2021-02-03 04:05:06 UTC", "renew", without=("tls.ca",))
        self.assertIn(f"this machine's clock says {datetime.datetime.now(datetime.timezone.utc):%Y-%m-%d}", text)

    def test_expired_authority(self):
        # The server's own is good, and its authority's is over.
        elder = Authority(self.directory, "elder", end="20210203040506Z")
        self.refused(self.secure(elder.issue("young.test")), "the authority's certificate of CN=elder, issued by itself", "expired on 2021-02-03",
                     "put a new one into tls.ca", str(elder.certificate), extra=f"tls: {{ca: {elder.certificate}}}\n")

    def test_not_yet_valid(self):
        upstream = self.secure(self.issue("new.test", start="20900101000000Z"))
        self.refused(upstream, "CN=new.test", "not valid before 2090-01-01 00:00:00 UTC", "this machine's clock says", "set this machine's clock")

    def test_clock_that_is_behind(self):
        # A file was changed later than this machine's clock says it is.
        upstream = self.secure(self.issue("new.test", start="20900101000000Z"))
        config = self.written(upstream.url, self.trust)
        later = int(datetime.datetime(2091, 1, 1, tzinfo=datetime.timezone.utc).timestamp())
        os.utime(config, (later, later))
        text = self.command("check", "--online", "--config", config, code=69).stdout
        self.assertIn(f"though {config} was changed on 2091-01-01 00:00:00 UTC: set this machine's clock", text)
        self.assertNotIn("issue another", text)

    def test_wrong_name(self):
        names = "DNS:good.test,DNS:*.good.test,DNS:a.test,DNS:b.test,DNS:c.test,DNS:d.test"
        upstream = self.secure(self.issue("good.test", names=names))
        self.refused(upstream, "good.test, *.good.test, a.test, b.test and 2 more", "not for 127.0.0.1", "upstream", without=("tls.ca",))
        upstream = self.secure(self.issue("bare.test", names=""))
        self.refused(upstream, "CN=bare.test", "names no host", "subjectAltName")
        upstream = self.secure(self.issue("six.test", names="IP:::1,IP:2001:db8::5"))
        self.refused(upstream, "is for ::1, 2001:db8::5, and not for 127.0.0.1")

    def test_wrong_authority(self):
        upstream = self.secure(Authority(self.directory, "stranger").issue("good.test"))
        self.refused(upstream, "CN=good.test", f"CN=stranger is not in tls.ca ({self.ca}, which has CN=authority)", "the certificate of CN=stranger into that file")
        self.refused(upstream, "this machine does not trust CN=stranger", "tls: {ca: FILE}", extra="")
        lone = Authority(self.directory, "lone")
        self.refused(self.secure((lone.certificate, lone.key)), "CN=lone, issued by itself: this machine does not trust it", "tls: {ca: FILE}", extra="")

    def test_what_a_certificate_says_is_escaped_and_cut(self):
        hostile = "x\x1b[31m\u202ey" + "z" * 50
        mine = certificate(self.directory, "h", *ELLIPTIC, "-subj", f"/CN={hostile}/O={'o' * 60}/OU={'u' * 60}", "-utf8",
                           "-addext", "subjectAltName=DNS:" + ",DNS:".join(f"{'n' * 50}{i}.test" for i in range(200)))
        text = self.refused(self.secure(mine), "…", "\\x1B[31m", "196 more", extra=f"tls: {{ca: {mine[0]}}}\n")
        self.assertNotIn("\x1b", text)

    # What is no certificate's fault

    def test_plain_port(self):
        upstream = self.upstream()
        # Like most HTTP servers, but not like the harness's: what is no request is answered.
        server = self.server(lambda server, connection: (connection.recv(65536), connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")))
        self.failed("TLS", "does not speak TLS", f"upstream: http://127.0.0.1:{server.port}", without=("tls.ca",), upstream=f"https://127.0.0.1:{server.port}")
        server = self.server(lambda server, connection: (connection.sendall(b"SSH-2.0-OpenSSH_9.2\r\n"), hang(server, connection)))
        self.failed("TLS", "does not speak TLS", upstream=f"https://127.0.0.1:{server.port}")

    def test_hang_in_the_handshake(self):
        self.is_hasty = True
        server = self.server(hang)
        self.failed("TLS", "does not answer the TLS handshake within 500ms", without=("renew",), upstream=f"https://127.0.0.1:{server.port}")

    def test_end_in_the_handshake(self):
        server = self.server(lambda server, connection: (connection.recv(65536), connection.close()))
        self.failed("TLS", "closes the connection during the TLS handshake", upstream=f"https://127.0.0.1:{server.port}")

    def test_old_tls(self):
        context = context_of(self.issue("good.test"))
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        context.set_ciphers("AES128-SHA256")
        server = self.upstream(context=context)
        # Alert: no cipher in common.
        context.set_ciphers("ECDHE-RSA-AES128-GCM-SHA256")
        self.failed("TLS", "handshake_failure (40)", upstream=server.url, extra=self.trust)

    def test_client_certificates(self):
        context = context_of(self.issue("good.test"))
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_REQUIRED
        # With TLS 1.3 the client may see the connection end before it reads why.
        context.maximum_version = ssl.TLSVersion.TLSv1_2
        upstream = self.upstream(context=context)
        self.failed("TLS", "wants a client certificate", "tls: {certificate: FILE, key: FILE}", upstream=upstream.url, extra=self.trust)
        stranger, key = certificate(self.directory, "stranger-client", *ELLIPTIC)
        extra = f"tls: {{ca: {self.ca}, certificate: {stranger}, key: {key}}}\n"
        self.failed("TLS", "does not accept the client certificate", str(stranger), "CN=stranger-client", "valid until", upstream=upstream.url, extra=extra)
        mine, key = self.issue("client.test", names="")
        self.check(upstream.url, f"tls: {{ca: {self.ca}, certificate: {mine}, key: {key}}}\n", code=77)
        old, key = self.issue("old-client.test", names="", end="20210203040506Z")
        extra = f"tls: {{ca: {self.ca}, certificate: {old}, key: {key}}}\n"
        self.failed("TLS", str(old), "expired on 2021-02-03", "get a new one", upstream=upstream.url, extra=extra)

    def test_a_client_key_that_does_not_fit(self):
        mine, key = self.issue("client.test", names="")[0], self.issue("other.test", names="")[1]
        config = self.written("https://127.0.0.1:9", f"tls: {{certificate: {mine}, key: {key}}}\n")
        for arguments in ((), ("--online",)):
            result = self.command("check", *arguments, "--config", config, code=78).stderr
            for word in ("tls.key", "another key", str(mine), str(key)):
                self.assertIn(word, result)

    def test_the_client_certificate_and_the_key_stay_here(self):
        # Plain HTTP is asked whether it speaks TLS: without a certificate.
        asked = []
        context = context_of(self.issue("good.test"))
        context.load_verify_locations(self.ca)
        context.verify_mode = ssl.CERT_OPTIONAL

        def serve(server, connection):
            with context.wrap_socket(connection, server_side=True) as secured:
                asked.append((secured.getpeercert(), secured.recv(10)))
        server = self.server(serve)
        mine, key = self.issue("client.test", names="")
        self.failed("API", "speaks TLS", f"upstream: https://127.0.0.1:{server.port}", upstream=f"http://127.0.0.1:{server.port}",
                    extra=f"tls: {{ca: {self.ca}, certificate: {mine}, key: {key}}}\n")
        self.until(lambda: asked, "the handshake")
        self.assertEqual(asked, [(None, b"")])


class Ways(CheckScenario):
    def test_unknown_name(self):
        self.failed("DNS", "no-such-host.invalid", "spelling of upstream", upstream="https://no-such-host.invalid")

    def test_refused_port(self):
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        self.failed("connection", f"127.0.0.1 port {port}", "connection refused", "upstream", upstream=f"http://127.0.0.1:{port}")

    def test_hang_at_the_connection(self):
        self.is_hasty = True
        # A queue that is full: the kernel answers no more.
        with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
            port = full.getsockname()[1]
            clients = []
            for _ in range(4):
                client = socket.socket()
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", port))
                clients.append(client)
            self.failed("connection", "does not answer within 500ms", "firewalls", upstream=f"http://127.0.0.1:{port}")
            for client in clients: client.close()

    def test_hang_after_the_request(self):
        self.is_hasty = True
        server = self.server(hang)
        self.failed("API", "no answer to GET / within 400ms", "connection is good", without=("firewall",), upstream=f"http://127.0.0.1:{server.port}")
        server = self.server(lambda server, connection: (connection.sendall(b"HTTP/1.1 200 OK\r\nDate: "), hang(server, connection)))
        self.failed("API", "no answer to GET / within 400ms", upstream=f"http://127.0.0.1:{server.port}")

    def test_a_body_that_hangs_is_an_answer(self):
        self.is_hasty = True
        for body in (b"Content-Length: 100\r\n\r\nabc", b"Content-Type: text/event-stream\r\n\r\n", b"Content-Length: 9\r\n\r\n"):
            server = self.server(lambda server, connection: (connection.recv(9999), connection.sendall(b"HTTP/1.1 200 OK\r\n" + body), hang(server, connection)))
            self.assertEqual(self.check(f"http://127.0.0.1:{server.port}", code=77)["API"][0], "ok")

    def test_what_is_no_http(self):
        for data, word in ((b"hello\r\n", "not HTTP"), (b"", "closes the connection")):
            server = self.server(lambda server, connection: (connection.recv(9999), connection.sendall(data), hang_up(connection)))
            self.failed("API", word, upstream=f"http://127.0.0.1:{server.port}")

    def test_tls_port(self):
        context = context_of(Authority(self.directory).issue("good.test"))
        upstream = self.upstream(context=context)
        self.failed("API", "speaks TLS", f"upstream: https://127.0.0.1:{upstream.port}", upstream=f"http://127.0.0.1:{upstream.port}")
        self.assertEqual(upstream.requests, [])

        # As nginx does it.
        def serve(server, connection):
            if connection.recv(1, socket.MSG_PEEK) == b"G":
                connection.recv(9999)
                return connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
            context.wrap_socket(connection, server_side=True).recv(10)
        server = self.server(serve)
        self.failed("API", "speaks TLS", upstream=f"http://127.0.0.1:{server.port}")

    # Proxies

    def test_dead_proxy(self):
        with socket.create_server(("127.0.0.1", 0)) as placeholder:
            port = placeholder.getsockname()[1]
        for scheme in ("http", "socks5h"):
            self.failed("connection", f"the proxy 127.0.0.1:{port}", "connection refused", "the proxy setting", "proxy: none", without=("upstream", "user", "secret"),
                        upstream="https://api.test", extra=f"proxy: {scheme}://user:secret@127.0.0.1:{port}\n")
        config = self.written("https://api.test", "proxy: environment\n")
        for name, value in (("https_proxy", f"http://user:secret@127.0.0.1:{port}"), ("ALL_PROXY", f"127.0.0.1:{port}")):
            text = self.command("check", "--online", "--config", config, code=69, env={name: value}).stdout
            self.assertIn(f"the proxy 127.0.0.1:{port} cannot be reached: connection refused: check the environment's https_proxy", text)
            self.assertNotIn("secret", text)

    def test_proxy_that_cannot_be_resolved(self):
        self.failed("DNS", "no-such-proxy.invalid", "the proxy setting", upstream="https://127.0.0.1:9", extra="proxy: http://no-such-proxy.invalid:3128\n")

    def test_proxy_that_hangs(self):
        self.is_hasty = True
        server = self.server(hang)
        self.failed("proxy", f"the proxy 127.0.0.1:{server.port}", "within 500ms", upstream="https://127.0.0.1:9", extra=f"proxy: http://127.0.0.1:{server.port}\n")

    def test_proxy_by_tls_or_socks(self):
        self.is_hasty = True
        lone = Authority(self.directory, "lone")
        context = context_of((lone.certificate, lone.key))
        server = self.server(lambda server, connection: context.wrap_socket(connection, server_side=True).recv(10))
        plain = self.server(lambda server, connection: (connection.recv(9999), connection.sendall(b"HTTP/1.1 400 X\r\n\r\n")))
        dumb = self.server(hang)
        refusing = self.server(lambda server, connection: (connection.recv(3), connection.sendall(b"\x05\x00"), connection.recv(99),
                                                           connection.sendall(b"\x05\x05\x00\x01\x00\x00\x00\x00\x00\x00")))
        for scheme, port, words in (("https", server.port, (f"the TLS of the proxy 127.0.0.1:{server.port}", "check the proxy setting")),
                                    ("https", plain.port, ("does not speak TLS", "http:// instead of https://")),
                                    ("https", dumb.port, (f"127.0.0.1:{dumb.port}", "within 500ms")), ("socks5h", dumb.port, (f"127.0.0.1:{dumb.port}", "within 500ms")),
                                    ("socks5h", refusing.port, ("check the proxy setting",))):
            self.failed("proxy", *words, without=("tls.ca",), upstream="https://127.0.0.1:9", extra=f"proxy: {scheme}://127.0.0.1:{port}\n")

    def test_proxy_that_works(self):
        from test_proxy import ConnectProxy
        authority = Authority(self.directory)
        context, trust = context_of(authority.issue("good.test")), f"tls: {{ca: {authority.certificate}}}\n"
        date = b"HTTP/1.1 200 OK\r\nDate: Thu, 01 Jan 2099 00:00:00 GMT\r\n\r\n"
        proxy = ConnectProxy(lambda head, fields: date)
        self.addCleanup(proxy.close)
        upstream = self.upstream(context=context)
        settings = f"proxy: http://127.0.0.1:{proxy.port}\n"
        lines = self.check(upstream.url, settings + trust, code=77)
        self.assertEqual([lines[name][0] for name in ("DNS", "connection", "proxy", "TLS", "API")], ["ok"] * 5)
        # Its clock tells whose clock is wrong.
        upstream = self.upstream(context=context_of(authority.issue("new.test", start="20900101000000Z")))
        self.failed("TLS", "the proxy's 2099-01-01 00:00:00 UTC: set this machine's clock", without=("issue another",),
                    upstream=upstream.url, extra=trust + settings)


class Answers(CheckScenario):
    def api(self, status, *fields, body=b""):
        upstream = self.upstream(lambda request: reply(status, body, *fields))
        verdict, text = self.check(upstream.url, code=77)["API"]
        self.assertEqual(len(upstream.requests), 1)
        return verdict, text

    def test_statuses(self):
        for status, verdict, *words in ((401, "ok"), (404, "ok"), (304, "ok"), (403, "warn", "headers"), (429, "warn", "too many"), (502, "warn", "gateway"), (503, "warn", "not well"), (407, "warn", "proxy:")):
            answer = self.api(status)
            self.assertEqual(answer[0], verdict, answer)
            for word in (*words, str(status)):
                self.assertIn(word, answer[1])

    def test_how_long_to_wait(self):
        self.assertIn("Wait 17 s", self.api(429, "Retry-After: 17")[1])
        self.assertIn("Wait 17 s", self.api(503, "Retry-After: 17")[1])
        self.assertIn("Wait 3600 s", self.api(503, "Retry-After: 99999999999999999999")[1])
        self.assertIn("Wait a little", self.api(503, "Retry-After: soon")[1])

    def test_redirects(self):
        for location, origin in (("https://www.example.com/x?token=secret", "https://www.example.com"), ("//other.test:81/", "http://other.test:81"),
                                 ("https://127.0.0.1", "https://127.0.0.1")):
            verdict, text = self.api(301, f"Location: {location}")
            self.assertEqual(verdict, "warn")
            self.assertIn(f"redirects to {origin} (status 301 to GET /): if the API is there, write upstream: {origin}", text)
            self.assertNotIn("secret", text)
        for location in ("/login", "login?next=https://x.test"):
            self.assertEqual(self.api(302, f"Location: {location}")[0], "ok", location)
        for location in ("https://evil\x1b[31m.test/", "https://user:secret@x.test/", "https://" + "a" * 5000):
            verdict, text = self.api(302, f"Location: {location}")
            self.assertEqual((verdict, "is no http address" in text), ("warn", True), text)
            self.assertNotIn("secret", text)

    def test_clock(self):
        for shift, verdict, word in ((0, "ok", "within"), (3600, "warn", "ahead of"), (-120, "warn", "behind")):
            date = time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + shift))
            upstream = self.upstream(lambda request: reply(200, b"", f"Date: {date}"))
            line = self.check(upstream.url, code=77)["clock"]
            self.assertEqual((line[0], word in line[1]), (verdict, True), line)

    def test_headers_go_along_and_no_token(self):
        upstream = self.upstream()
        config = self.written(upstream.url)
        self.save_token(jwt(), config)
        self.command("check", "--online", "--config", config)
        request = upstream.requests[0]
        self.assertEqual((request["Application"], request["Authorization"], request.line), (HEADERS["Application"], None, "GET / HTTP/1.1"))


class Probes(CheckScenario):
    def probed(self, respond, session="", token=None, code=0, probe="GET /api/me?x=1", bound=True):
        self.upstreams = getattr(self, "upstreams", 0) + 1
        upstream = self.upstream(lambda request: reply(200) if request.target == "/" else respond(request))
        session += f"  probe: {probe}\n" if probe else ""
        config = self.written(upstream.url, session=session)
        self.save_token(token or jwt(), config)
        record = json.loads(self.session_file.read_text())
        if not bound:
            for member in ("upstream", "origin", "refresh_origin"): record.pop(member, None)
        self.session_file.write_text(json.dumps(record))
        before = self.session_file.read_bytes(), self.session_file.stat().st_ino
        line = self.check(upstream.url, session=session, code=code)["session"]
        self.assertEqual((self.session_file.read_bytes(), self.session_file.stat().st_ino), before)
        return line, [request for request in upstream.requests if request.target != "/"]

    def test_accepted(self):
        token = jwt()
        for status in (200, 204):
            line, requests = self.probed(lambda request: reply(status), token=token)
            self.assertEqual(line[0], "ok")
            for word in (f"status {status} to GET /api/me)", "accepts the token", "good for"):
                self.assertIn(word, line[1])
            self.assertEqual([(r.line, r.token, r["Application"]) for r in requests], [("GET /api/me?x=1 HTTP/1.1", token, HEADERS["Application"])])
        line, requests = self.probed(lambda request: b"HTTP/1.1 200 OK\r\nContent-Length: 500\r\n\r\n", probe="HEAD /api/me")
        self.assertEqual((line[0], requests[0].method), ("ok", "HEAD"))

    def test_rejected(self):
        refresh = "  refresh: {method: GET, path: /refresh, token: /t}\n"
        for session, word in (("", "Run: squire login --config "), (refresh, "refreshes it")):
            line, requests = self.probed(lambda request: reply(401), session, code=77)
            self.assertEqual((line[0], len(requests)), ("fail", 1))
            for text in ("status 401", "refuses the token", "--token -", word):
                self.assertIn(text, line[1])
        rule = "  rejected: [{status: 403, pointer: /error/code, equals: token_expired}]\n"
        body = b'{"error": {"code": "token_expired"}}'
        line, _ = self.probed(lambda request: reply(403, body, "Content-Type: application/json"), rule, code=77)
        self.assertEqual(line[0], "fail")
        line, _ = self.probed(lambda request: reply(403, b'{"error": {"code": "x"}}', "Content-Type: application/json"), rule)
        self.assertEqual(line[0], "warn")

    def test_a_token_that_was_refreshed_meanwhile(self):
        fresh = jwt(jti="fresh")

        def respond(request):
            if request.token == fresh: return reply(200)
            record = json.loads(self.session_file.read_text())
            if request.target != "/":
                self.session_file.write_text(json.dumps({**record, "token": fresh, "fingerprint": None}))
            return reply(401)
        upstream = self.upstream(lambda request: reply(200) if request.target == "/" else respond(request))
        config = self.written(upstream.url, session="  probe: GET /me\n")
        self.save_token(jwt(), config)
        self.assertEqual(self.check(upstream.url, session="  probe: GET /me\n")["session"][0], "ok")
        self.assertEqual([request.target for request in upstream.requests], ["/", "/me", "/me"])

    def test_what_does_not_tell(self):
        self.is_hasty = True
        for status in (302, 404, 503):
            line, requests = self.probed(lambda request: reply(status, b"", "Location: https://other.test/"))
            self.assertEqual((line[0], len(requests)), ("warn", 1))
            self.assertIn(f"answers {status}: does not tell", line[1])
        # A challenge for a password is not about the bearer.
        line, _ = self.probed(lambda request: reply(401, b"", 'WWW-Authenticate: Basic realm="x"'))
        self.assertEqual(line[0], "warn")
        line, _ = self.probed(lambda request: None)
        self.assertEqual((line[0], "did not answer" in line[1]), ("warn", True))
        server = []
        line, _ = self.probed(lambda request: server.append(threading.Event().wait(1)) or reply(200))
        self.assertEqual((line[0], "nothing came within 400ms" in line[1]), ("warn", True), line)

    def test_not_asked(self):
        line, requests = self.probed(lambda request: reply(200), probe=None)
        self.assertEqual((line[0], requests), ("--", []))
        for word in ("by its own word", "not tried", "session.probe"):
            self.assertIn(word, line[1])
        refresh = "  refresh: {method: GET, path: /refresh, token: /t}\n"
        line, requests = self.probed(lambda request: reply(200), refresh, token=jwt(life=-50))
        self.assertEqual((line[0], requests), ("warn", []))
        for word in ("expired", "not sent"):
            self.assertIn(word, line[1])
        line, requests = self.probed(lambda request: reply(200), token=jwt(life=-50), code=77)
        self.assertEqual((line[0], requests), ("fail", []))
        line, requests = self.probed(lambda request: reply(200), bound=False)
        self.assertEqual((line[0], requests), ("warn", []))
        self.assertIn("not bound", line[1])

    def test_another_apis_token_is_not_sent(self):
        upstream = self.upstream()
        config = self.written(upstream.url, session="  probe: GET /me\n")
        self.save_token(jwt(), config)
        record = json.loads(self.session_file.read_text())
        record["upstream"] = record["origin"] = "https://other.test"
        self.session_file.write_text(json.dumps(record))
        line = self.check(upstream.url, session="  probe: GET /me\n", code=77)["session"]
        self.assertIn("https://other.test", line[1])
        self.assertEqual([request.target for request in upstream.requests], ["/"])

    def test_settings(self):
        refresh = "  refresh: {method: GET, path: /api/refresh, token: /t}\n  sign-in: [/api/login]\n  sign-out: [GET /api/logout]\n  anonymous: [/open/**]\n"
        for probe, word in (("POST /me", "POST may change something"), ("get /me", "did you mean GET?"), ("GET https://x.test/me", "GET or HEAD and a path"),
                            ("GET /me/{token}", "placeholder"), ("GET /mé", "%XX"), ("HEAD /api/%72efresh?x=1", "spend the token"), ("GET /open/x", "never carries"),
                            ("GET /api/logout", "end the token"), ("[GET /me]", "single value")):
            config = self.written("https://api.test", session=refresh + f"  probe: {probe}\n")
            result = self.command("check", "--config", config, code=78).stderr
            self.assertTrue(result.startswith(f"{config}:"), result)
            for text in ("session.probe", word):
                self.assertIn(text, result)
        for probe in ("HEAD /", "GET /a?b=c&d"):
            self.check("https://api.test", session=refresh + f"  probe: {probe}\n", online=False)


class Meanings(CheckScenario):
    def test_what_it_understood(self):
        session = "  refresh: {method: POST, path: /oauth/token?secret=hidden, token: /access_token, headers: {X-Client: hidden}, body: hidden}\n  probe: GET /me?k=hidden\n  missing: forward\n"
        extra = "proxy: http://user:hidden@proxy.test:3128\nauthorization: fill\naccess: {hosts: [app.test]}\n"
        lines = self.check("https://api.test:8443", extra, session, online=False)
        for subject, word in (("upstream", "https://api.test:8443"), ("listen", "127.0.0.1:0"), ("inspector", "off"), ("headers", "Application ("), ("source", "POST /oauth/token,"),
                              ("session file", str(self.session_file)), ("apply", "where the client sends none"), ("probe", "GET /me"), ("proxy", "proxy.test:3128"),
                              ("access", "app.test")):
            self.assertEqual(lines[subject][0], "--")
            self.assertIn(word, lines[subject][1])
        self.assertEqual(self.order[0], "configuration")
        for secret in ("hidden", *HEADERS.values()):
            self.assertNotIn(secret, self.text)

    def test_secrets_that_run_would_refuse(self):
        """Read as far as that has no effect: no command runs."""
        path = self.directory / "secrets.yaml"
        path.write_text("upstream: https://api.test\nsession: none\nheaders:\n  X-A: {env: SECRET_A}\n  X-B: {exec: [no-such-command, b]}\n")
        result = self.command("check", "--config", str(path), env={"SECRET_A": "hush\nhush"}, code=78)
        self.assertRegex(result.stdout, r"fail +secrets +line 4: headers.X-A .*line break")
        self.assertRegex(result.stdout, r"warn +secrets +line 5: headers.X-B .*no-such-command is in no directory of PATH")
        self.assertNotIn("hush", result.stdout + result.stderr)
        self.command("check", "--config", str(path), env={"SECRET_A": "hush"})

    def test_a_session_file_that_cannot_be_used(self):
        os.mkfifo(self.session_file)
        for online in (False, True):
            line = self.check(self.upstream().url, code=65, online=online)["session file"]
            self.assertEqual((line[0], "not a regular file" in line[1]), ("fail", True))
        self.session_file.unlink()
        self.session_file.write_text("{broken")
        os.utime(self.session_file, (0, 0))
        self.assertIn("damaged", self.check("https://api.test", code=65, online=False)["session file"][1])
        self.session_file.unlink()
        self.assertIn("squire login --config", self.check("https://api.test", online=False)["session file"][1])

    def test_files_that_others_can_read(self):
        key = self.directory / "access.key"
        key.write_text("secret-of-mine-alone\n")
        for mode, word in ((0o644, "read"), (0o620, "change"), (0o600, None)):
            key.chmod(mode)
            text = self.command("check", "--config", self.written("https://api.test", f"access: {{key: {key}}}\n")).stdout
            self.assertEqual("warn  secrets" in text, word is not None, text)
            if word: self.assertIn(f"may {word} {key}. Run: chmod 600 {key}", text)
            self.assertNotIn("of-mine", text)
        self.save_token(jwt(), self.written("https://api.test"))
        self.session_file.chmod(0o644)
        self.assertIn(f"Run: chmod 600 {self.session_file}", self.check("https://api.test", online=False)["secrets"][1])

    def test_a_session_that_could_not_be_saved(self):
        upstream = self.upstream()
        config = self.written(upstream.url)
        self.save_token(jwt(), config)
        blocker = self.directory / ".session.json.new"
        blocker.mkdir()
        result = self.command("check", "--online", "--config", config, code=73).stdout
        self.assertIn("fail  session file   cannot write", result)
        # The rest is tested all the same.
        self.assertIn("ok    API", result)
        self.assertNotIn("fail", self.command("check", "--config", config).stdout)


class Explanations(Scenario):
    def explain(self, *arguments, code=0):
        return self.command("explain", "--config", self.config("https://api.test"), *arguments, code=code).stdout

    def test_headers_of_the_client(self):
        for option in ("-H", "--request-header"):
            text = self.explain("GET", "/x", option, "X-Mine: 1", option, "Authorization: Bearer mine")
            self.assertIn("  X-Mine: 1\n", text)
            self.assertIn("removed: Authorization", text)
        self.assertIn("  X-Mine: 1\n", self.explain("GET", "/x", "-HX-Mine: 1"))

    def test_options_of_run(self):
        text = self.explain("GET", "/x", "--header", "Application: other", "--listen", "127.0.0.1:0", "--upstream", "https://other.test")
        self.assertIn("Application: other    (set: --header)", text)
        self.assertIn("upstream    https://other.test", text)
        self.explain("GET", "/x", "--header", "Authorization: x", code=78)

    def test_what_squire_itself_would_refuse(self):
        for arguments, words, code in ((("GET", "api/venues"), ("refused: 400", "a leading / is missing: squire explain GET /api/venues\n"), 64),
                                       (("GET", "a b"), ("refused: 400",), 64), (("G(T", "/"), ("refused: 400",), 64),
                                       (("GET", "/x", "-H", "a b: c"), ("refused: 400",), 1),
                                       (("CONNECT", "api.test:443"), ("refused: 405",), 1), (("GET", "/x", "-H", "Host: evil.test"), ("refused: 421",), 1),
                                       (("GET", "/x", "-H", "Origin: https://evil.test"), ("refused: 403",), 1)):
            text = self.explain(*arguments, code=code)
            for word in words:
                self.assertIn(word, text)
            self.assertEqual("leading" in text, len(words) > 1, text)
        # That a login is needed is not Squire's refusal of the request.
        self.assertIn("login", self.explain("GET", "/x"))


if __name__ == "__main__":
    main()
