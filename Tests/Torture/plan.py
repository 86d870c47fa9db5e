"""What every actor does, as a function of the seed: the same numbers give the same plans in the process of the clients and in that of the upstreams.

A request has a number: storm, actor, and a count. From it both sides know what the client sends, how, what the upstream answers to each
attempt, how that ends, and what may reach the client. Bodies are slices of a block of random bytes at a place of the number's own: a byte of
another request's is seen at once, and whose it was can be said.
"""
import random

BLOCK = 1 << 22
SLACK = 1 << 22
MARKER = b"TORTUREbearer"
_M = (1 << 64) - 1


def mix(*parts):
    """One number from several; good enough to seed with."""
    value = 0x9E3779B97F4A7C15
    for part in parts:
        value = ((value ^ (part & _M)) * 0xBF58476D1CE4E5B9 + (part >> 64) + 0x94D049BB133111EB) & _M
        value ^= value >> 29
    return value


def generator(*parts):
    return random.Random(mix(*parts))


class Bytes:
    """The block that bodies are cut from."""

    def __init__(self, seed, kind):
        block = random.Random(mix(seed, 0, kind)).randbytes(BLOCK)
        self.view = memoryview(block + block[:SLACK])
        self.block = block

    def place(self, mark):
        return mix(mark) % (BLOCK // 64) * 64

    def get(self, mark, offset, count):
        start = self.place(mark) + offset
        return self.view[start:start + count]

    def owner(self, data, candidates):
        """Which of `candidates` (marks) the bytes `data` belong to, and at what offset; None when to none."""
        at = self.block.find(bytes(data[:48]))
        if at < 0 or len(data) < 8:
            return None
        best = None
        for mark in candidates:
            offset = (at - self.place(mark)) % BLOCK
            if best is None or offset < best[1]:
                best = mark, offset
        return best


def number(storm, actor, count):
    return storm << 36 | actor << 20 | count


def storm_of(n):
    return n >> 36


# What can be told to happen, and how often where a storm has it: of connections, exchanges, attempts, or seconds.
CLIENT = {
    "client_rst": 0.05, "client_fin": 0.03, "half_close": 0.06, "slow_reader": 0.04, "paused_reader": 0.06, "pipeline": 0.15, "http10": 0.04,
    "client_close": 0.06, "expect": 0.06, "chunked": 0.3, "bad_request_chunk": 0.02, "short_request": 0.02, "malformed": 0.02, "dribble": 0.03,
    "upload": 0.03, "never_reads": 0.02, "heads": 0.06, "websocket": 0.06, "sign_in": 0.004, "sign_out": 0.002, "client_refresh": 0.004,
    "anonymous": 0.04, "silent": 0.1, "half_head": 0.03, "give_up": 0.06, "own_bearer": 0.04, "posts": 0.35, "large_head": 0.01, "proxy_leaver": 0.02,
}
UPSTREAM = {
    "delay": 0.2, "silence": 0.008, "interims": 0.1, "interim_flood": 0.01, "early": 0.06, "cut_head": 0.015, "cut_body": 0.03,
    "bad_chunk": 0.01, "bad_head": 0.015, "extra": 0.02, "until_close": 0.08, "chunks": 0.35, "big": 0.02, "stall": 0.01,
    "close": 0.08, "close_idle": 0.08, "reset_idle": 0.03, "unsolicited": 0.05, "refuse": 0.02, "odd_refusal": 0.3, "unread": 0.02, "slow_upload": 0.03,
    "no_notify": 0.01, "gap": 0.08, "odd_status": 0.15, "half_idle": 0.03, "gather": 0.1,
}
SURROUNDINGS = {
    "holds": 1.5, "reload": 0.6, "restart": 0.35, "connect_proxy": 0.25, "revoke": 1.0, "refresh_faults": 0.4, "short_tokens": 0.4,
    "bad_accepts": 0.03, "few_connections": 0.2, "grace": 0.5, "bad_configuration": 0.15, "other_customer": 0.25,
}


FEATURES = {**CLIENT, **UPSTREAM, **SURROUNDINGS}


class Theme:
    """A storm's own mixture: some features are off, some are loud, so that rare ones meet each other."""

    def __init__(self, seed, storm):
        r = generator(seed, 1, storm)
        self.storm, self.rates = storm, {}
        for features in (CLIENT, UPSTREAM, SURROUNDINGS):
            loud = set(r.sample(sorted(features), r.choice((0, 1, 1, 2, 3))))
            for name, rate in features.items():
                is_on = r.random() < 0.65
                if name in loud:
                    rate = rate * 3 if rate > 0.3 or features is SURROUNDINGS else max(0.25, rate)
                    if name in ("sign_out", "malformed", "silence", "stall", "dribble"):
                        rate = min(rate, 0.08)
                elif not is_on:
                    rate = 0
                self.rates[name] = rate
            self.loud = getattr(self, "loud", []) + sorted(loud)
        only = _restriction["only"]
        if only is not None:
            self.rates = {name: (rate or FEATURES[name]) if name in only else 0 for name, rate in self.rates.items()}
        self.workers = r.choice((1, 1, 2, 3, 4))
        self.listener = r.choice("AABBSST")
        self.clients = r.choice((48, 120, 250, 400))
        self.clients = _restriction["clients"] or self.clients
        self.per_connection = r.choice((1, 3, 8, 20))
        # All answers at once, every so often: what a loop does in one turn.
        self.beat = r.choice((0, 0, 0, 0.05, 0.1, 0.3))

    def __call__(self, name):
        return self.rates[name]


_themes = {}


def theme_of(seed, n):
    storm = storm_of(n)
    theme = _themes.get((seed, storm))
    if theme is None:
        _themes.clear()
        theme = _themes[seed, storm] = Theme(seed, storm)
    return theme


_restriction = {"only": None, "clients": None}


def restrict(only, clients):
    """From now on storms have none but the features `only`, and so many clients; None is no restriction."""
    _themes.clear()
    _restriction.update(only=only, clients=clients)

# Actors from here on ask for nothing odd and are answered as they should be: those who sign in, and those who look between two storms.
CALM, PROBE, SIGN_IN = 0xFFF0, 0xFFFE, 0xFFFF


def actor_of(n):
    return n >> 20 & 0xFFFF


def rates_of(seed, n):
    """How often what happens to the request of that number."""
    return (lambda name: 0) if actor_of(n) >= CALM else theme_of(seed, n)


def a_size(r, big):
    x = r.random()
    if x < big:
        return r.randrange(1 << 19, 3 << 20)
    if x < 0.12:
        return 0
    if x < 0.5:
        return r.randrange(1, 200)
    if x < 0.9:
        return r.randrange(200, 20_000)
    return r.randrange(20_000, 300_000)


class Call:
    """What a client sends under one number."""
    __slots__ = ("n", "kind", "method", "path", "minor", "framing", "length", "fault", "cut_at", "expects", "pace", "fields", "closes", "head", "wire",
                 "is_whole", "accepts_fault")

    def __init__(self, seed, n):
        theme = rates_of(seed, n)
        r = generator(seed, 2, n)
        chance = lambda name: r.random() < theme(name)
        self.n, self.kind, self.minor, self.fault, self.expects, self.closes = n, "plain", 1, None, False, False
        self.framing, self.length, self.cut_at, self.pace, self.fields = "none", 0, None, None, []
        for kind in ("sign_in", "sign_out", "client_refresh", "anonymous", "websocket"):
            if chance(kind):
                self.kind = kind
                break
        if actor_of(n) == SIGN_IN:
            self.kind = "sign_in"
        self.path = {"sign_in": "/api/customers/login", "sign_out": "/api/customers/logout", "client_refresh": "/api/customers/refresh",
                     "anonymous": "/api/customers/check-email"}.get(self.kind, "/t/%x" % n)
        if self.kind in ("plain", "websocket") and r.random() < 0.1:
            self.path += "?q=%d" % r.randrange(1000)
        self.method = "POST" if self.kind in ("sign_in", "sign_out", "anonymous") else "GET"
        if self.kind == "plain":
            if chance("heads"):
                self.method = "HEAD"
            elif actor_of(n) == PROBE:
                self.method = r.choice(("GET", "POST"))
            elif chance("posts"):
                self.method = r.choice(("POST", "POST", "PUT", "PATCH", "DELETE"))
            elif r.random() < 0.04:
                self.method = r.choice(("OPTIONS", "DELETE", "QUERYX"))
        if self.method in ("POST", "PUT", "PATCH") or self.method == "DELETE" and r.random() < 0.5:
            self.length = a_size(r, theme("upload"))
            self.framing = "chunked" if chance("chunked") else "length"
            self.expects = chance("expect")
            if self.kind == "plain":
                if self.framing == "chunked" and chance("bad_request_chunk"):
                    self.fault = "bad_chunk"
                elif self.length > 1 and chance("short_request"):
                    self.fault = "short"
        if self.kind == "plain" and chance("http10"):
            self.minor, self.expects = 0, False
            if self.framing == "chunked":
                self.framing = "length"
            if self.fault == "bad_chunk":
                self.fault = None
        self.closes = chance("client_close") or self.minor == 0
        if chance("dribble"):
            self.pace = (r.choice((1, 7, 100)), r.choice((0, 0.0005, 0.002)), r.choice((40, 200)))
        if chance("own_bearer"):
            self.fields.append("Authorization: Bearer client-%x" % n)
        if chance("large_head"):
            self.fields.append("X-Large: " + "l" * r.choice((4000, 15_000, 30_000)))
        if r.random() < 0.1:
            self.fields.append("X-Some: " + "s" * r.randrange(200))
        self.is_whole = self.fault is None
        self.wire = None

    def bytes(self, host, block):
        """Head, and the pieces of the body; a fault's cut is the end of the last piece."""
        lines = ["%s %s HTTP/1.%d" % (self.method, self.path, self.minor), "Host: " + host, "X-N: %x" % self.n, *self.fields]
        if self.expects:
            lines.append("Expect: 100-continue")
        if self.closes and self.minor == 1:
            lines.append("Connection: close")
        if self.kind == "websocket":
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="]
        if self.framing == "length":
            lines.append("Content-Length: %d" % self.length)
        elif self.framing == "chunked":
            lines.append("Transfer-Encoding: chunked")
        head = ("\r\n".join(lines) + "\r\n\r\n").encode()
        if self.framing == "none":
            return head, []
        r = generator(self.n, 5)
        body = block.get(self.n, 0, self.length)
        if self.framing == "length":
            if self.fault == "short":
                body = body[:r.randrange(self.length)]
            return head, [body] if len(body) else []
        pieces = chunked(r, body, trailers=r.random() < 0.1)
        if self.fault == "bad_chunk":
            pieces = pieces[:r.randrange(len(pieces))] + [r.choice(BAD_CHUNKS)]
        elif self.fault == "short":
            whole = b"".join(pieces)
            pieces = [whole[:r.randrange(len(whole))]]
        return head, pieces


BAD_CHUNKS = (b"zz\r\nabc\r\n", b"-5\r\nabcde\r\n", b"3\r\nabcdef\r\n", b"FFFFFFFFFFFFFFFFF\r\nabc\r\n", b"3\nabc\n", b"0x3\r\nabc\r\n", b"3 \r\nabc\r\n",
              b"3\r\nabc\rX", b"\r\n", b"3;a\x00\r\nabc\r\n", b"0\r\nX: y\nZ\r\n\r\n", b"7fffffffffffffff\r\nabc\r\n" + b"z" * 5)


def chunked(r, body, trailers=False):
    """`body` in chunks of random sizes, each piece whole; the last is the end."""
    pieces, offset = [], 0
    most = r.choice((10, 500, 5000, 100_000))
    while offset < len(body):
        # Many small chunks cost more here than there.
        count = r.randrange(1, max(most, len(body) // 40) + 1)
        part = body[offset:offset + count]
        extension = b";x=%d" % offset if r.random() < 0.03 else b""
        pieces.append(b"%x%b\r\n%b\r\n" % (len(part), extension, part))
        offset += len(part)
    pieces.append(b"0\r\nX-Trailer: t\r\n\r\n" if trailers else b"0\r\n\r\n")
    return pieces


class Answer:
    """What the upstream answers to one attempt. `kind`: 0 its own answer, 1 "token rejected"."""
    __slots__ = ("n", "attempt", "kind", "mark", "status", "has_body", "framing", "length", "fault", "end", "interims", "delay", "read", "after", "gap",
                 "minor", "may_complete", "must_complete", "r", "reaches", "tunnel")

    def __init__(self, seed, call, attempt, kind):
        theme = rates_of(seed, call.n)
        r = self.r = generator(seed, 3, call.n, attempt << 1 | kind)
        chance = lambda name: r.random() < theme(name)
        self.n, self.attempt, self.kind = call.n, attempt, kind
        self.mark = call.n << 3 | min(attempt, 3) << 1 | kind
        self.minor, self.gap, self.delay, self.interims, self.after, self.tunnel = 1, None, 0, [], "keep", None
        odd = not kind or chance("odd_refusal")
        self.status = 401 if kind else 200
        if not kind and chance("odd_status"):
            self.status = r.choice((201, 204, 304, 404, 500, 503, 403, 301, 206, 429, 502, 418))
        if call.kind == "websocket" and not kind and r.random() < 0.85:
            self.status, self.tunnel = 101, Tunnel(r)
        self.has_body = call.method != "HEAD" and self.status not in (101, 204, 304)
        self.length = a_size(r, theme("big")) if odd else r.randrange(200)
        if call.kind in ("sign_in", "sign_out"):
            # It is taken whole before it is passed on.
            self.length = min(self.length, 2000)
        self.framing = "length"
        if chance("until_close") and odd and self.has_body:
            self.framing, self.after = "close", "close"
            self.minor = r.choice((1, 1, 1, 0))
        elif chance("chunks"):
            self.framing = "chunked"
        self.fault, self.end, self.reaches = None, "fin", True
        if odd:
            for fault in ("silence", "cut_head", "bad_head", "cut_body", "bad_chunk", "stall", "extra", "interim_flood"):
                if chance(fault):
                    self.fault = fault
                    break
        if self.fault == "bad_chunk" and self.framing != "chunked" or self.fault in ("cut_body", "stall") and (not self.has_body or not self.length):
            self.fault = None
        if self.tunnel and self.fault not in ("silence", "cut_head", "bad_head", "interim_flood"):
            self.fault = None
        if self.fault in ("cut_head", "cut_body", "stall", "bad_chunk"):
            # An answer that ends with its connection is cut by nothing but a reset.
            self.end = "rst" if self.framing == "close" else r.choice(("fin", "rst", "fin", "half"))
        if self.framing == "close" and self.fault is None and chance("no_notify"):
            self.fault = "no_notify"
        if chance("interims"):
            self.interims = [(r.choice((100, 102, 103, 103)), r.choice((0, 0, 50, 3000))) for _ in range(r.choice((1, 1, 2, 5, 20)))]
        if self.fault == "interim_flood":
            self.interims = [(103, r.choice((30_000, 100_000))) for _ in range(r.choice((10, 32, 60, 300)))]
        if chance("delay"):
            self.delay = r.choice((0.001, 0.01, 0.05, 0.2))
        self.read = "all"
        if call.framing != "none":
            if chance("early"):
                self.read = "early"
            elif chance("unread"):
                self.read = "none"
            elif chance("slow_upload"):
                self.read = "slow"
        if self.after == "keep":
            for after in ("close", "close_idle", "reset_idle", "unsolicited", "half_idle"):
                if chance(after):
                    self.after = after
                    break
        if self.read == "none":
            self.after = "close"
        if chance("gap"):
            self.gap = (r.choice((1, 100, 5000, 60_000)), r.choice((0.001, 0.02, 0.1)), r.choice((3, 10)))
        # What the client may, and must, see. An answer whose head is no head never reaches it.
        if self.fault in ("silence", "cut_head", "bad_head"):
            self.reaches = False
        if self.fault == "interim_flood" and len(self.interims) > 100:
            self.reaches = False
        self.may_complete = self.reaches and self.fault not in ("cut_body", "bad_chunk", "stall")
        self.must_complete = self.may_complete and self.fault in (None, "extra") and self.read in ("all", "slow") and call.is_whole \
            and not self.tunnel and self.after not in ("reset_idle",)

    def head(self, is_secure, poison=b""):
        r = self.r
        reason = r.choice(("OK", "Fine", "", "As It Is"))
        lines = ["HTTP/1.%d %d %s" % (self.minor, self.status, reason), "X-N: %x.%d.%d.%d" % (self.n, self.attempt, self.kind, is_secure)]
        if r.random() < 0.3:
            lines.append("X-Pad: " + "p" * r.choice((1, 20, 300, 3000)))
        if self.status == 101:
            lines += ["Connection: Upgrade", "Upgrade: websocket", "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo="]
        elif self.framing == "length" and self.status != 204:
            lines.append("Content-Length: %d" % self.length)
        elif self.framing == "chunked" and self.status not in (204, 304):
            lines.append("Transfer-Encoding: chunked")
        if self.status == 401 and r.random() < 0.5:
            lines.append("WWW-Authenticate: Bearer")
        if self.after == "close" and self.framing != "close" and r.random() < 0.7:
            lines.append("Connection: close")
        elif self.minor == 0 and r.random() < 0.3:
            lines.append("Connection: close")
        if r.random() < 0.5:
            lines.append("Content-Type: " + r.choice(("application/octet-stream", "text/plain", "application/json")))
        if r.random() < 0.05:
            lines.append("Date: " + r.choice(("Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:59 GMT", "Sun, 06 Nov 1994 08:49:37 GMT", "yesterday",
                                              "Mon, 99 Foo 99999999999 00:00:00 GMT")))
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    def body(self, block):
        """The pieces of the body, as they go out; what a fault does to them."""
        if not self.has_body:
            return []
        r, data = self.r, block.get(self.mark, 0, self.length)
        if self.framing == "chunked":
            pieces = chunked(r, data, trailers=r.random() < 0.1)
            if self.fault == "bad_chunk":
                pieces = pieces[:r.randrange(len(pieces))] + [r.choice(BAD_CHUNKS)]
        else:
            pieces = [data] if self.length else []
        if self.fault in ("cut_body", "stall"):
            whole = b"".join(pieces)
            # Often just before the end: that is where a cut answer looks whole.
            at = r.choice((len(whole) - 1, len(whole) - 2, max(0, len(whole) - 5), r.randrange(len(whole)), r.randrange(len(whole))))
            pieces = [whole[:max(0, at)]]
        return pieces


class Tunnel:
    """What both sides of a WebSocket say, and how it ends."""

    def __init__(self, r):
        self.down, self.up = r.choice((0, 10, 5000, 200_000)), r.choice((0, 10, 5000, 200_000))
        self.ends_first = r.choice(("client", "upstream", "both", "nobody"))
        self.client_end = r.choice(("fin", "fin", "rst", "close"))
        self.upstream_end = r.choice(("fin", "fin", "rst", "close"))
        self.waits = r.random() < 0.5       # for all of the other's bytes, before it ends
        self.pause = r.choice((0, 0, 0.01, 0.1))


BAD_HEADS = (
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\nX-N: %s\r\n\r\nhello!",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\nX-N: %s\r\n\r\n0\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\nX-N: %s\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999\r\nX-N: %s\r\n\r\nhello",
    b"HTTP/1.1 20 OK\r\nContent-Length: 5\r\nX-N: %s\r\n\r\nhello",
    b"HTTP/1.1 1000 OK\r\nContent-Length: 5\r\nX-N: %s\r\n\r\nhello",
    b"HTTP/2 200 OK\r\nContent-Length: 5\r\nX-N: %s\r\n\r\nhello",
    b"ICY 200 OK\r\nX-N: %s\r\n\r\nhello",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03%s",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\nContent-Length : 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\n folded\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\nTransfer-Encoding: gzip\r\n\r\nhello",
    b"HTTP/1.1 101 Switching Protocols\r\nX-N: %s\r\nUpgrade: foo\r\nConnection: Upgrade\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\nX-Bad: a\x00b\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\n" + b"X-Large: " + b"a" * 140_000 + b"\r\nContent-Length: 5\r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nX-N: %s\r\n" + b"A: b\r\n" * 600 + b"Content-Length: 5\r\n\r\nhello",
)
