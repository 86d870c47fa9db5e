"""What must not pass: each request whole and byte by byte, on a fresh connection, a warm one and a Unix socket, always one verdict."""
from harness import *

H = b"Host: localhost\r\n"
CANARY = b"GET /canary HTTP/1.1\r\n" + H + b"\r\n"


def get(*fields, line=b"GET /t HTTP/1.1"):
    return line + b"\r\n" + H + b"".join(field + b"\r\n" for field in fields) + b"\r\n"


def post(field, body=b"", line=b"POST /t HTTP/1.1"):
    return line + b"\r\n" + H + field + b"\r\n\r\n" + body + CANARY


def chunked(body):
    return post(b"Transfer-Encoding: chunked", body)


def line(text):
    return text + b"\r\n" + H + b"\r\n" + CANARY


# Refused before anything is sent: name, request, status.
HEADS = [
    ("bare LF after the request line", b"GET /t HTTP/1.1\n" + H + b"\r\n" + CANARY, 400),
    ("bare LF after a field", b"GET /t HTTP/1.1\r\nHost: localhost\nX: 1\r\n\r\n" + CANARY, 400),
    ("only LF", b"GET /t HTTP/1.1\nHost: localhost\n\n" + CANARY, 400),
    ("LF LF ends nothing", b"GET /t HTTP/1.1\r\n" + H + b"X:\n\n" + CANARY, 400),
    ("CR alone in a value", get(b"X: a\rTransfer-Encoding: chunked") + CANARY, 400),
    ("CR CR LF", b"GET /t HTTP/1.1\r\n" + H + b"X: 1\r\r\n\r\n" + CANARY, 400),
    ("CR at the request line's end", b"GET /t HTTP/1.1\r\r\n" + H + b"\r\n" + CANARY, 400),
    ("nine empty lines", b"\r\n" * 9 + get() + CANARY, 400),
    ("NUL in a value", get(b"X: a\0b") + CANARY, 400),
    ("NUL in a name", get(b"X\0: b") + CANARY, 400),
    ("NUL in the target", line(b"GET /a\0b HTTP/1.1"), 400),
    ("control character in a value", get(b"X: a\x1bb") + CANARY, 400),
    ("DEL in a value", get(b"X: a\x7f") + CANARY, 400),
    ("leading blank", b" " + get() + CANARY, 400),
    ("leading tab", b"\t" + get() + CANARY, 400),
    ("folded with a blank", get(b"X: a\r\n b") + CANARY, 400),
    ("folded with a tab", get(b"X: a\r\n\tb") + CANARY, 400),
    ("first line folded", b"GET /t HTTP/1.1\r\n X: 1\r\n" + H + b"\r\n" + CANARY, 400),
    ("line of one blank", b"GET /t HTTP/1.1\r\n" + H + b" \r\n\r\n" + CANARY, 400),
    ("no name", get(b": x") + CANARY, 400),
    ("only a colon", b"GET /t HTTP/1.1\r\n" + H + b":\r\nI: am cut\r\n\r\n" + CANARY, 400),
    ("no colon", get(b"nothing") + CANARY, 400),
    ("blank before the colon", get(b"X : 1") + CANARY, 400),
    ("tab before the colon", get(b"Authorization\t: x") + CANARY, 400),
    ("no target", line(b"GET  HTTP/1.1"), 400),
    ("no target, one blank", line(b"GET HTTP/1.1"), 400),
    ("no method", line(b" / HTTP/1.1"), 400),
    ("blank in the target", line(b"GET /a b HTTP/1.1"), 400),
    ("tab for a blank", line(b"GET\t/ HTTP/1.1"), 400),
    ("two blanks", line(b"GET /t  HTTP/1.1"), 400),
    ("blank at the end", line(b"GET /t HTTP/1.1 "), 400),
    ("odd method", line(b"G<T /t HTTP/1.1"), 400),
    ("method with CR", line(b"GE\rT /t HTTP/1.1"), 400),
    ("HTTP/0.9", b"GET /t\r\n" + CANARY, 400),
    ("version in lower case", line(b"GET /t http/1.1"), 400),
    ("version with two digits", line(b"GET /t HTTP/1.10"), 400),
    ("version without a dot", line(b"GET /t HTTP/11"), 400),
    ("version 1.2", line(b"GET /t HTTP/1.2"), 505),
    ("version 2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    ("version 2 with a path", line(b"GET /t HTTP/2.0"), 505),
    ("TLS", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(range(64)), 400),
    ("SSH", b"SSH-2.0-OpenSSH_9.2p1\r\n", 400),
    ("noise", bytes((i * 167 + 13) & 255 | 128 for i in range(512)), 400),
    ("fragment", line(b"GET /t#f HTTP/1.1"), 400),
    ("target without a slash", line(b"GET t HTTP/1.1"), 400),
    ("target with user information only", line(b"GET @evil.test/ HTTP/1.1"), 400),
    ("asterisk with GET", line(b"GET * HTTP/1.1"), 400),
    ("file URL", line(b"GET file:///etc/passwd HTTP/1.1"), 400),
    ("ftp URL", line(b"GET ftp://x/ HTTP/1.1"), 400),
    ("URL without a host", line(b"GET http:///t HTTP/1.1"), 400),
    ("URL of another host", line(b"GET http://evil.test/t HTTP/1.1"), 421),
    ("URL of another server of this machine", line(b"GET http://localhost:9/t HTTP/1.1"), 421),
    ("https URL of another host", line(b"GET https://evil.test/t HTTP/1.1"), 421),
    ("URL with user information", line(b"GET http://localhost@evil.test/t HTTP/1.1"), 421),
    ("own URL, foreign Host", b"GET http://localhost/t HTTP/1.1\r\nHost: evil.test\r\n\r\n" + CANARY, 421),
    ("CONNECT", b"CONNECT localhost:443 HTTP/1.1\r\nHost: localhost:443\r\n\r\n", 405),
    ("CONNECT with a path", line(b"CONNECT / HTTP/1.1"), 405),
    ("TRACE", line(b"TRACE /t HTTP/1.1"), 405),
    ("no Host", b"GET /t HTTP/1.1\r\nX: 1\r\n\r\n" + CANARY, 400),
    ("two Hosts", get(b"Host: localhost") + CANARY, 400),
    ("two different Hosts", get(b"Host: evil.test") + CANARY, 400),
    ("list of Hosts", b"GET /t HTTP/1.1\r\nHost: localhost, evil.test\r\n\r\n" + CANARY, 400),
    ("empty Host", b"GET /t HTTP/1.1\r\nHost:\r\n\r\n" + CANARY, 400),
    ("Host with user information", b"GET /t HTTP/1.1\r\nHost: a@localhost\r\n\r\n" + CANARY, 400),
    ("Host with a path", b"GET /t HTTP/1.1\r\nHost: localhost/x\r\n\r\n" + CANARY, 400),
    ("Host with a bad port", b"GET /t HTTP/1.1\r\nHost: localhost:8a\r\n\r\n" + CANARY, 400),
    ("Host with two ports", b"GET /t HTTP/1.1\r\nHost: localhost:1:2\r\n\r\n" + CANARY, 400),
    ("name that folds to Host", get(b"Ho\xc5\xbft: evil.test") + CANARY, 400),
    ("name that folds to Transfer-Encoding", post(b"Tran\xc5\xbffer-Encoding: chunked\r\nContent-Length: 5", b"hello"), 400),
    ("length and chunked", post(b"Content-Length: 6\r\nTransfer-Encoding: chunked", b"0\r\n\r\nX"), 400),
    ("chunked and length", post(b"Transfer-Encoding: chunked\r\nContent-Length: 4", b"5c\r\nGPOST /canary HTTP/1.1\r\n"), 400),
    ("HTTP/1.0 and chunked", post(b"Transfer-Encoding: chunked", b"0\r\n\r\n", b"POST /t HTTP/1.0"), 400),
    ("body of an exbibyte", post(b"Content-Length: 9223372036854775807"), 413),
    ("length beyond 64 bits", post(b"Content-Length: 18446744073709551621", b"hello"), 400),
    ("unknown expectation", post(b"Expect: token=param\r\nContent-Length: 5", b"hello"), 417),
    ("Max-Forwards that is no number", b"OPTIONS /t HTTP/1.1\r\n" + H + b"Max-Forwards: abc\r\n\r\n" + CANARY, 400),
    ("long target", line(b"GET /" + b"a" * 70000 + b" HTTP/1.1"), 414),
    ("long method", line(b"G" * 70000 + b" / HTTP/1.1"), 414),
    ("long field", get(b"X: " + b"a" * 70000), 431),
    ("many fields", get(*[b"A: b"] * 200), 431),
    ("foreign Host", b"GET /t HTTP/1.1\r\nHost: evil.example\r\n\r\n", 421),
]
HEADS += [(f"Content-Length {value!r}", post(b"Content-Length:" + value, b"hello"), 400) for value in (
    b"", b" ", b" +5", b" -5", b" 5 5", b" 0 5", b" 5,5", b" 5, 6", b" 0,", b" ,5", b" 5;", b" 0x5", b" 5.0", b" 5e0", b" \xef\xbc\x95", b" \"5\"", b" 5_0")]
HEADS += [(f"Content-Length twice: {other!r}", post(b"Content-Length: 5\r\nContent-Length:" + other, b"hello"), 400) for other in (b" 5", b" 6", b"")]
HEADS += [(f"Transfer-Encoding {value!r}", post(b"Transfer-Encoding:" + value + b"\r\nContent-Length: 5", b"hello"), 400) for value in (
    b"", b" ", b" chunked", b" xchunked", b" chunkedx", b" chunked,", b" ,chunked", b" chunked, chunked", b" identity", b" gzip, chunked",
    b" chunked, gzip", b" \"chunked\"", b" chunked;q=1", b"\x0bchunked", b" chun\xc4\xb7ed", b" chunked\x0b", b" chunked \0")]
HEADS += [(f"Transfer-Encoding alone {value!r}", post(b"Transfer-Encoding:" + value, b"0\r\n\r\n"), 400) for value in (
    b"", b" xchunked", b" chunked, chunked", b" identity", b" gzip, chunked", b" chunked, identity", b" chunked\r\nTransfer-Encoding: identity",
    b" chunked\r\nTransfer-Encoding: chunked", b" cow\r\nTransfer-Encoding: chunked", b"\r\n chunked")]
HEADS += [(f"name with {bytes([c])!r}", get(b"a" + bytes([c]) + b"b: 1") + CANARY, 400) for c in
          [*b"\"(),/;<=>?@[\\]{} ", *range(0x00, 0x20, 5), 0x7F, 0x80, 0xA0, 0xAD, 0xFF]]
HEADS += [(f"target with {bytes([c])!r}", line(b"GET /a" + bytes([c]) + b"b HTTP/1.1"), 400) for c in [*range(0x00, 0x21, 4), 0x7F, 0x80, 0xC3, 0xFF]]
HEADS += [(f"Host {name!r}", b"GET /t HTTP/1.1\r\nHost: " + name + b"\r\n\r\n" + CANARY, 421) for name in (
    b"localhost.evil.test", b"127a0b0c1", b"127.0.0.1.nip.io", b"evil-localhost", b"0.0.0.0", b"2130706433", b"0x7f.1", b"127.1", b"localhost.",
    b"127.0.0.1.", b"127.0.0.01", b"127.0.0.256", b"[::ffff:127.0.0.1]", b"[0:0:0:0:0:0:0:1]", b"evil.localhost", b"[::]")]

# A valid head and a body that is not: the request must not end well anywhere.
BODIES = [(f"size {size!r}", chunked(size + b"\r\nhello\r\n0\r\n\r\n")) for size in (
    b"0x5", b"+5", b"-5", b"-0", b"5_0", b" 5", b"5 ", b"\t5", b"G", b"", b"\xef\xbc\x95", b"5\0", b"0_2e", b"5.0", b"5h", b"FFFFFFFFFFFFFFFF5", b"10000000000000005")]
BODIES += [(f"extension {text!r}", chunked(b"5" + text + b"\r\nhello\r\n0\r\n\r\n")) for text in (
    b";", b";\0x", b";a b", b";a=", b";=a", b";a=b;", b";a=\"", b";a=\"b\"c", b";a=\"\x01\"", b";a=b\"c\"", b";a\x7f", b";a;;b", b" ;a ", b";a==b")]
BODIES += [
    ("line end inside quotes", chunked(b'1;a="\r\nX\r\n0\r\n\r\n')),
    ("chunk without its end", chunked(b"5\r\nhelloXX0\r\n\r\n")),
    ("chunk longer than its size", chunked(b"5\r\nhello!!\r\n0\r\n\r\n")),
    ("chunk with no end at all", chunked(b"5\r\nhello0\r\n\r\n")),
    ("LF behind the size", chunked(b"5\nhello\r\n0\r\n\r\n")),
    ("CR behind the size", chunked(b"5\rhello\r\n0\r\n\r\n")),
    ("two CR behind the size", chunked(b"2\r\r;a\r\n02\r\n41\r\n0\r\n\r\n")),
    ("LF behind the data", chunked(b"5\r\nhello\n0\r\n\r\n")),
    ("LF at the end", chunked(b"5\r\nhello\r\n0\n\n")),
    ("LF behind the last chunk", chunked(b"5\r\nhello\r\n0\r\n\n")),
    ("rubbish behind the last chunk", chunked(b"0\r\nXX\r\n\r\n")),
    ("no chunk", chunked(b"INVALID!!!\r\n")),
    ("folded trailer", chunked(b"0\r\nX: a\r\n b\r\n\r\n")),
    ("trailer with a bad name", chunked(b"0\r\nX y: a\r\n\r\n")),
    ("trailer with NUL", chunked(b"0\r\nX: a\0\r\n\r\n")),
    ("20,000 trailers", chunked(b"0\r\n" + b"X: a\r\n" * 20000 + b"\r\n")),
    ("long extensions", chunked(b"1;" + b"a" * 20000 + b"\r\nX\r\n0\r\n\r\n")),
]


class Strictness(Scenario):
    def setUp(self):
        super().setUp()
        self.path = self.directory / "s.sock"
        self.squire, self.upstream_server = self.proxied(profile="", extra="")

    def send(self, data, size, warm=False, address=None):
        """All that comes back until the end, the warm-up's answer left out."""
        connection = socket.socket(socket.AF_UNIX if address else socket.AF_INET)
        with connection:
            connection.settimeout(LIMIT)
            connection.connect(address or ("127.0.0.1", self.squire.port))
            if not address:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if warm:
                connection.sendall(b"GET /warm HTTP/1.1\r\n" + H + b"\r\n")
                received = b""
                while not received.endswith(b"\r\n\r\nok"):
                    received += connection.recv(65536)
            received = b""
            with contextlib.suppress(ConnectionResetError, BrokenPipeError):
                for start in range(0, len(data), size):
                    connection.sendall(data[start:start + size])
                while True:
                    part = connection.recv(65536)
                    if not part:
                        break
                    received += part
        return received

    def check_refusal(self, name, received, status):
        with self.subTest(name):
            head, _, body = received.partition(b"\r\n\r\n")
            self.assertEqual(received[:13], b"HTTP/1.1 %d " % status)
            self.assertIn(b"\r\nConnection: close", head)
            self.assertIn(b"\r\nX-Content-Type-Options: nosniff", head)
            self.assertIn(b"\r\nContent-Length: %d\r\n" % len(body), head)
            self.assertEqual(json.loads(body)["status"], status)
            self.assertIn(b"Proxy-Status: squire; error=", head)

    def requests_seen(self):
        return [request.target for request in self.upstream_server.requests if request.target != "/warm"]

    def test_heads(self):
        for name, data, status in HEADS:
            self.check_refusal(name, self.send(data, len(data)), status)
            if len(data) < 2000:
                self.check_refusal(name + ", byte by byte", self.send(data, 1), status)
            self.check_refusal(name + ", on a warm connection", self.send(data, len(data), warm=True), status)
        self.assertEqual(self.requests_seen(), [])

    def test_bodies(self):
        for name, data in BODIES:
            for size in (len(data), 1) if len(data) < 2000 else (len(data),):
                received = self.send(data, size)
                with self.subTest(name, size=size):
                    self.assertIn(received[:13], (b"HTTP/1.1 400 ", b"HTTP/1.1 431 "))
                    self.assertEqual(received.count(b"HTTP/1.1 "), 1, received)
        # Requests whose head went out before their body showed its fault never ended upstream.
        self.assertEqual(self.requests_seen(), [])

    def test_unix_socket_is_as_strict(self):
        squire, upstream = self.proxied(profile="", arguments=("--listen", f"unix:{self.path}"))
        self.upstream_server = upstream
        for name, data, status in HEADS[::3]:
            self.check_refusal(name, self.send(data, len(data), address=str(self.path)), status)
        self.assertEqual(self.requests_seen(), [])

    def test_unfinished_bodies_never_arrive_whole(self):
        for data in (b"POST /t HTTP/1.1\r\n" + H + b"Content-Length: 10\r\n\r\nhello", b"POST /t HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhel"):
            with self.subTest(data), socket.create_connection(("127.0.0.1", self.squire.port), LIMIT) as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                self.assertNotIn(b" 200 ", connection.recv(65536))
        self.assertEqual(self.requests_seen(), [])


class Passing(Scenario):
    """What looks odd and is right, and what is changed on the way."""

    def one(self, data):
        """Sends one request and a marker behind it on the same connection; the request as it arrived."""
        with socket.create_connection(("127.0.0.1", self.squire.port), LIMIT) as connection:
            connection.sendall(data + get(b"Connection: close", line=b"GET /marker HTTP/1.1"))
            received = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    break
                received += part
        with self.upstream_server.lock:
            seen, self.upstream_server.requests[:] = list(self.upstream_server.requests), []
        self.assertEqual(received.count(b"HTTP/1.1 200 "), 2, received)
        self.assertEqual([request.target for request in seen[1:]], ["/marker"])
        return seen[0]

    def setUp(self):
        super().setUp()
        self.squire, self.upstream_server = self.proxied(profile="")

    def test_targets_pass_as_they_are(self):
        for target in (b"/a/../b/./c//d?x=../y", b"//evil.test/x", b"//u@evil.test/", b"/%2e%2e/%00", b"/a|b;c?d=\"<>\\^`{}", b"/?", b"/a?b?c", b"/:80", b"/http://x/"):
            self.assertEqual(self.one(line(b"GET " + target + b" HTTP/1.1").replace(CANARY, b"")).target, target.decode())

    def test_absolute_targets(self):
        own, theirs = f"http://localhost:{self.squire.port}", self.upstream_server.url
        for target, expected in ((own + "/x?y", "/x?y"), (theirs + "/x", "/x"), (own, "/"), (own + "?q", "/?q"), ("HTTP://LOCALHOST/x", "/x")):
            request = self.one(line(b"GET " + target.encode() + b" HTTP/1.1").replace(CANARY, b""))
            self.assertEqual((request.target, request["Host"]), (expected, f"127.0.0.1:{self.upstream_server.port}"))

    def test_options_of_the_server_as_a_whole(self):
        for target, expected in ((b"http://localhost", "*"), (b"http://localhost/", "/"), (b"http://localhost?q", "/?q"), (b"*", "*")):
            self.assertEqual(self.one(line(b"OPTIONS " + target + b" HTTP/1.1").replace(CANARY, b"")).target, expected)

    def test_as_a_plain_http_proxy(self):
        for url in (self.upstream_server.url, f"http://localhost:{self.squire.port}"):
            result = subprocess.run(["curl", "-sS", "--noproxy", "", "--proxy", self.squire.url, url + "/through"], capture_output=True, text=True, timeout=LIMIT)
            self.assertEqual(result.stdout, "ok", result.stderr)

    def test_fields_pass_as_they_are(self):
        fields = [b"X: caf\xe9 \xff\x80", b"X-Empty:", b"X-Sp:   ", b"x_under: 1", b"!#$%&'*+-.^_`|~: odd", b"X-Tab: a\tb"] + [b"X-%d: %d" % (i, i) for i in range(60)]
        request = self.one(get(*fields))
        for field in fields:
            self.assertIn(b"\r\n" + field + b"\r\n", request.head)

    def test_underscores_cannot_stand_for_the_credential(self):
        request = self.one(get(b"Authorization_: x", b"authorization__: x", b"Content_Length: 5", b"X_Squire_Key: k", b"Api_Key: kept"))
        self.assertEqual([name for name, _ in request.fields if "_" in name], ["Api_Key"])

    def test_methods_pass_as_they_are(self):
        for method in (b"FROB", b"PROPFIND", b"QUERY", b"get", b"gET", b"M-SEARCH", b"!"):
            self.assertEqual(self.one(b"%s /t HTTP/1.1\r\n%sContent-Length: 2\r\n\r\nhi" % (method, H)).line, f"{method.decode()} /t HTTP/1.1")

    def test_bodies_of_every_method_are_consumed(self):
        for method in (b"GET", b"HEAD", b"DELETE", b"OPTIONS"):
            for head, body in ((b"Content-Length: %d" % len(CANARY), CANARY), (b"Transfer-Encoding: chunked", b"%x\r\n%s\r\n0\r\n\r\n" % (len(CANARY), CANARY))):
                with self.subTest(method, head=head):
                    self.assertEqual(self.one(b"%s /t HTTP/1.1\r\n%s%s\r\n\r\n%s" % (method, H, head, body)).payload, CANARY)

    def test_framing_is_written_anew(self):
        request = self.one(b"POST /t HTTP/1.1\r\n" + H + b"Content-Length:\t 005 \t\r\n\r\nhello")
        self.assertEqual(request.all("Content-Length"), ["5"])
        for fields in (b"Connection: Content-Length\r\nContent-Length: 5", b"Connection: close-not, Host\r\nContent-Length: 5"):
            self.assertEqual(self.one(b"POST /t HTTP/1.1\r\n" + H + fields + b"\r\n\r\nhello").body, b"hello")
        request = self.one(b"POST /t HTTP/1.1\r\n" + H + b"Connection: Transfer-Encoding\r\nTransfer-Encoding: ChUnKeD\r\n\r\n"
                           b'05 ; a = "b\\"c" ;d\r\nhello\r\n000\r\nAuthorization: x\r\nX-Trailer: kept\r\nHost: evil\r\n\r\n')
        self.assertEqual((request.all("Transfer-Encoding"), request.all("Content-Length"), request.payload), (["chunked"], [], b"hello"))
        self.assertTrue(request.body.endswith(b"0\r\nX-Trailer: kept\r\n\r\n"), request.body)

    def test_a_million_chunks(self):
        request = self.one(b"POST /t HTTP/1.1\r\n" + H + b"Transfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * 200_000 + b"0\r\n\r\n")
        self.assertEqual(request.payload, b"x" * 200_000)
        self.assertLess(request.body.count(b"\r\n"), 2000)

    def test_one_hop_fields_stay(self):
        request = self.one(get(b"Connection: keep-alive, X-Foo, Authorization, Cookie", b"X-Foo: 1", b"Keep-Alive: 300", b"Proxy-Connection: x", b"TE: trailers, gzip",
                               b"Upgrade: foo", b"Proxy-Authorization: Basic eA==", b"Cookie: a=b", b"HTTP2-Settings: x", b"Trailer: x", b"X-Bar: 1"))
        self.assertEqual([name for name, _ in request.fields], ["Host", "X-Bar", "Via", *HEADERS, "Authorization"])

    def test_other_spellings_of_what_squire_sets_stay(self):
        """Servers that hand fields on as environment variables read them as the same."""
        request = self.one(b"POST /t HTTP/1.1\r\n" + H + b"Authorization_: x\r\nDevice_UUID: 9\r\nX.Squire.Key: x\r\nMy_Own: 1\r\nTransfer-Encoding: chunked\r\n\r\n"
                           b"0\r\nAuthorization_: x\r\nDevice-UUID: 9\r\nContent.Length: 9\r\nX-Sum: 1\r\n\r\n")
        self.assertEqual([name for name, _ in request.fields], ["Host", "My_Own", "Transfer-Encoding", "Via", *HEADERS, "Authorization"])
        self.assertTrue(request.body.endswith(b"0\r\nX-Sum: 1\r\n\r\n"), request.body)

    def test_only_its_own_name_in_via_is_a_loop(self):
        request = self.one(get(b"Via: 1.1 other, 1.1 squire, 1.1 squire-00000000x (1.1 squire)"))
        own = re.fullmatch(r"1\.1 (squire-[0-9a-f]{8})", request.all("Via")[1])[1]
        for via in (f"1.1 {own}", f"1.0 other, 1.1 {own}", f"HTTP/1.1 \t {own.upper()} (comment)"):
            received = self.exchange(self.squire.port, get(b"Via: " + via.encode(), b"Connection: close"))
            self.assertTrue(received.startswith(b"HTTP/1.1 508 "), (via, received))
            self.assertIn(b'"code":"loop_detected"', received)

    def test_two_in_a_row(self):
        config = self.config(f"http://127.0.0.1:{self.squire.port}", name="second.yaml", session="  missing: forward\n")
        pathlib.Path(config).write_text(pathlib.Path(config).read_text().replace(str(self.session_file), str(self.directory / "second.json")))
        second = self.run_squire(config)
        response = self.fetch(second)
        self.assertEqual((response.status, len(set(response.getheader("Via").split(", ")))), (200, 2))

    def test_cleartext_http2_is_not_spoken(self):
        request = self.one(get(b"Connection: Upgrade, HTTP2-Settings", b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__"))
        self.assertEqual((request.all("Upgrade"), request.all("HTTP2-Settings"), request.all("Connection")), ([], [], []))

    def test_max_forwards(self):
        self.assertEqual(self.one(b"OPTIONS /t HTTP/1.1\r\n" + H + b"Max-Forwards: 5\r\n\r\n").all("Max-Forwards"), ["4"])
        self.assertEqual(self.one(b"OPTIONS * HTTP/1.1\r\n" + H + b"\r\n").all("Max-Forwards"), [])
        self.assertEqual(self.one(get(b"Max-Forwards: 0")).all("Max-Forwards"), ["0"])
        received = self.exchange(self.squire.port, b"OPTIONS /t HTTP/1.1\r\n" + H + b"Max-Forwards: 0\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi")
        self.assertIn(b" 200 OK\r\n", received)
        self.assertIn(b"\r\nAllow: GET", received)
        self.assertEqual(self.upstream_server.requests, [])

    def test_http_1_0_is_never_kept(self):
        for fields in (b"", b"Connection: keep-alive\r\n"):
            received = self.exchange(self.squire.port, b"GET /t HTTP/1.0\r\n" + fields + b"\r\n")
            self.assertTrue(received.startswith(b"HTTP/1.1 200 ") and b"\r\nConnection: close\r\n" in received, received)

    def test_garbage_behind_a_request_does_not_cost_its_answer(self):
        received = self.exchange(self.squire.port, get() + b"GARBAGE\r\n\r\n")
        self.assertRegex(received, b"(?s)^HTTP/1.1 200 .*okHTTP/1.1 400 ")

    def test_answers_have_a_date(self):
        answer = self.fetch(self.squire)
        self.assertRegex(answer.headers["Date"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$")


if __name__ == "__main__":
    main()
