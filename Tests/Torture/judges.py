"""The judges of what clients receive and of what upstreams receive. They share no code with Squire's codec, and believe nothing."""
import collections, json, re, time

from plan import MARKER, Answer, Call

TOKEN = re.compile(rb"[\w-]+\.[\w-]+\.TORTUREbearer\w*|TORTUREbearer\w*")


def redacted(data, most=300):
    """For people to read: bytes without bearers, and not too many."""
    if isinstance(data, str):
        data = data.encode("utf-8", "replace")
    data = TOKEN.sub(b"<bearer>", bytes(data[:20_000]))
    text = data[:most].decode("latin-1").encode("unicode_escape").decode()
    return text + (" ..." if len(data) > most else "")


def is_bad_chunk(data, expected):
    """Whether `data` goes on as expected, and then with what a faulty chunk holds: those bytes were sent."""
    same = next((i for i, (a, b) in enumerate(zip(data, expected)) if a != b), len(data))
    return b"abcdef".startswith(bytes(data[same:])) or any(b"abcdef".startswith(bytes(data[i:])) for i in range(max(0, len(data) - 6), same))


class Reports:
    """Violations on their way to the process that prints: one JSON line each into a pipe, short enough to be whole."""

    def __init__(self, send, role):
        self.send, self.role, self.sent = send, role, collections.Counter()

    def violation(self, kind, text, steps=()):
        self.sent[kind] += 1
        if self.sent[kind] > 5:
            if self.sent[kind] % 100 == 0:
                self.send({"kind": kind, "more": 100})
            return
        steps = [redacted(step, 160) for step in steps]
        steps = steps[:24] if kind == "report" else steps[-12:]
        self.send({"kind": kind, "role": self.role, "text": redacted(text, 900), "steps": steps, "time": time.time()})


class Steps:
    """The last steps of an actor."""

    def __init__(self, most=30):
        self.list = collections.deque(maxlen=most)

    def __call__(self, text):
        self.list.append((time.monotonic(), text))

    def __iter__(self):
        return iter(Steps.of(self))

    def of(self):
        """As they are to be read now."""
        end = time.monotonic()
        return ["%7.3f s ago: %s" % (end - when, text) for when, text in self.list]


class Exchange:
    """A request, and what came of it, as its client knows."""
    __slots__ = ("call", "begun", "is_sent", "continued", "answer", "status", "received", "own", "code", "is_over", "is_whole", "own_body", "progress", "disturbed")

    def __init__(self, call, begun):
        self.call, self.begun, self.progress = call, begun, begun
        self.is_sent = self.continued = self.is_over = self.is_whole = self.own = self.disturbed = False
        self.answer = self.status = self.code = None
        self.received, self.own_body = 0, b""


class ClientJudge:
    """Takes a client connection's bytes apart, and says what is wrong with them.

    `sent` is the line of exchanges whose first byte was sent and whose answer is not over. `is_over` of the first turns true when its answer
    ended, `is_whole` when it ended as an answer that lacks nothing does.
    """

    def __init__(self, seed, block, reports, steps, recent):
        self.seed, self.block, self.reports, self.steps, self.recent = seed, block, reports, steps, recent
        self.sent = collections.deque()
        self.data = bytearray()
        self.state = "head"
        self.remaining = 0
        self.tail = b""
        self.closes = False             # the last answer said so
        self.has_sent_anything = False
        self.counts = collections.Counter()
        self.was_refused = False        # an answer of Squire's own that belongs to no request
        self.refused = []               # exchanges that Squire itself answered
        self.is_deaf = False
        self.is_broken = False          # a violation: what follows proves nothing

    def violation(self, kind, text):
        if not self.is_broken:
            self.is_broken = True
            self.reports.violation(kind, text, self.steps)

    def feed(self, data):
        """More bytes from the proxy."""
        self.look_for_bearers(data)
        if self.is_deaf:
            return
        if not self.has_sent_anything and not self.sent:
            return self.unasked(data)
        self.data += data
        while self.data and not self.is_broken:
            if not getattr(self, "_" + self.state)():
                break

    def look_for_bearers(self, data):
        if any(exchange.call.kind in ("sign_in", "client_refresh") for exchange in self.sent):
            # A token is what it asked for.
            self.tail = b""
            return
        seen = self.tail + data
        if MARKER in seen:
            at = seen.index(MARKER)
            self.violation("bearer at a client", "a client received the session's bearer: " + redacted(seen[max(0, at - 400):at + 60], 600))
        self.tail = bytes(seen[-len(MARKER) + 1:])

    def unasked(self, data):
        """To a client that sent nothing: Squire may say that it waited too long, or that it is full."""
        self.data += data
        if b"\r\n\r\n" not in self.data and len(self.data) < 4096 and b"HTTP/1.1 "[:9].startswith(bytes(self.data[:9])):
            return
        head = bytes(self.data.split(b"\r\n\r\n")[0])
        if not re.match(rb"HTTP/1\.1 (408|503) ", head) or b"\r\nProxy-Status: squire" not in head or b"\r\nX-N:" in head:
            self.violation("bytes to a silent client", "a client that had sent nothing received: " + redacted(self.data, 500))
        self.was_refused = True

    # States: true when there may be more to do

    def _head(self):
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            if not b"HTTP/1.1 ".startswith(bytes(self.data[:9])):
                self.foreign(self.data, "where an answer should begin")
            elif len(self.data) > 300_000:
                self.violation("endless head", "an answer's head has no end")
            return False
        head = bytes(self.data[:end])
        match = re.match(rb"HTTP/1\.1 (\d\d\d) [^\r\n]*", head)
        if not match:
            self.foreign(self.data, "where an answer should begin")
            return False
        del self.data[:end + 4]
        status, fields = int(match[1]), []
        for line in head.split(b"\r\n")[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(rb"[\x00\r\n]", value):
                self.violation("malformed head", "a field that is none: " + redacted(line))
                return False
            fields.append((name.lower(), value.strip()))
        get = lambda name: next((v for n, v in fields if n == name), None)
        exchange = self.sent[0] if self.sent else None
        mark = get(b"x-n")
        if status < 200 and status != 101:
            return self.interim(exchange, status, mark)
        is_own = mark is None and b"squire" in (get(b"proxy-status") or b"")
        if exchange is None:
            # Between requests, or after all: only Squire's own last word.
            if not (is_own and status in (408, 503, 400)):
                self.violation("unasked answer", "an answer that no request waits for: " + redacted(head))
            self.was_refused = True
            self.data.clear()
            return False
        exchange.status, exchange.progress = status, time.monotonic()
        if mark is None:
            if not (is_own or exchange.call.kind in ("client_refresh",) or status in (200, 204) and exchange.call.method == "OPTIONS"):
                self.violation("unknown answer", "request %x got an answer without a number: %s" % (exchange.call.n, redacted(head)))
                return False
            exchange.own = True
            # The answer to a HEAD has no body to say it in.
            error = re.search(rb"error=([a-z_]+)", get(b"proxy-status") or b"")
            exchange.code = error[1].decode() if error else None
        elif not self.matches(exchange, mark, status, head):
            return False
        connection = (get(b"connection") or b"").lower()
        self.closes = b"close" in connection or exchange.call.minor == 0
        encoding, length = get(b"transfer-encoding"), get(b"content-length")
        if sum(n == b"content-length" for n, _ in fields) > 1 or encoding and length or any(n == b"authorization" for n, _ in fields):
            self.violation("malformed head", "fields that must not be there: " + redacted(head))
            return False
        if status == 101:
            if exchange.call.kind != "websocket":
                self.violation("unknown answer", "101 to a request that did not ask")
            self.state = "tunnel"
        elif exchange.call.method == "HEAD" or status in (204, 304):
            self.over(whole=True)
            if exchange.own and self.closes and self.data:
                # Refused as a connection, before its request was read: with a body, whatever the method.
                self.is_deaf = True
                self.data.clear()
        elif encoding is not None:
            if encoding.lower() != b"chunked" or exchange.call.minor == 0:
                self.violation("malformed head", "a transfer coding for this client: " + redacted(head))
                return False
            self.state = "size"
        elif length is not None:
            self.remaining = int(length)
            self.state = "length"
            if not self.remaining:
                self.over(whole=True)
        else:
            if not self.closes:
                self.violation("malformed head", "no length, and the connection goes on: " + redacted(head))
            self.state = "until_close"
        return True

    def matches(self, exchange, mark, status, head):
        """Whether the answer is this request's, by its number."""
        call = exchange.call
        parts = mark.split(b".")
        try:
            n, attempt, kind, is_secure = int(parts[0], 16), int(parts[1]), int(parts[2]), parts[3] == b"1"
        except (ValueError, IndexError):
            if b"extra" in mark or b"poison" in mark:
                # Bytes that nobody asked for, on an idle connection: the upstream's judge says whether they could be told.
                self.counts["void"] += 1
                self.is_broken = True
                exchange.disturbed = True
                return False
            self.violation("bad head relayed", "request %x got: %s" % (call.n, redacted(head)))
            return False
        if n != call.n:
            self.violation("answer of another request", "request %x got the answer of %x: %s" % (call.n, n, redacted(head)))
            return False
        answer = exchange.answer = Answer(self.seed, call, attempt, kind)
        if is_secure and answer.fault == "no_notify":
            answer.may_complete = answer.must_complete = False
        if status != answer.status or not answer.reaches:
            self.violation("altered answer", "request %x, attempt %d: the upstream gave %d (fault %s), the client got %s" % (
                call.n, attempt, answer.status, answer.fault, redacted(head)))
            return False
        return True

    def interim(self, exchange, status, mark):
        if exchange is None:
            self.violation("unasked answer", "an interim answer that no request waits for")
            return False
        exchange.progress = time.monotonic()
        call = exchange.call
        if call.minor == 0:
            self.violation("interim answer to HTTP/1.0", "request %x" % call.n)
        if status == 100:
            if not call.expects:
                self.violation("100 that nobody waits for", "request %x" % call.n)
            exchange.continued = True
        elif mark is None or not mark.startswith(b"%x." % call.n):
            if mark and b"poison" in mark:
                self.is_broken = exchange.disturbed = True
            else:
                self.violation("answer of another request", "request %x got an interim answer of %s" % (call.n, redacted(mark or b"nobody")))
            return False
        return True

    def _size(self):
        end = self.data.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.data[:end])
        if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}(;[^\r\n]*)?", line):
            self.foreign(self.data, "where a chunk should begin")
            return False
        del self.data[:end + 2]
        self.remaining = int(line.split(b";")[0], 16)
        self.state = "chunk" if self.remaining else "trailers"
        return True

    def _chunk(self):
        if self.remaining:
            part = self.data[:self.remaining]
            del self.data[:len(part)]
            self.remaining -= len(part)
            self.body(part)
        if self.remaining or len(self.data) < 2:
            return False
        if self.data[:2] != b"\r\n":
            self.foreign(self.data, "where a chunk should end")
            return False
        del self.data[:2]
        self.state = "size"
        return True

    def _trailers(self):
        end = self.data.find(b"\r\n")
        if end < 0:
            return False
        line = bytes(self.data[:end])
        del self.data[:end + 2]
        if not line:
            self.over(whole=True)
        elif not re.fullmatch(rb"[\w-]+:[^\r\n\x00]*", line):
            self.foreign(line, "where a trailer should be")
            return False
        return True

    def _length(self):
        part = self.data[:self.remaining]
        del self.data[:len(part)]
        self.remaining -= len(part)
        self.body(part)
        if self.remaining == 0:
            self.over(whole=True)
            return True
        return False

    def _until_close(self):
        self.body(self.data)
        self.data.clear()
        return False

    def _tunnel(self):
        # The tunnel's bytes are the answer's, from its own place on.
        self.body(self.data)
        self.data.clear()
        return False

    # Bodies

    def body(self, data):
        exchange = self.sent[0]
        exchange.progress = time.monotonic()
        if exchange.own:
            exchange.own_body += data
            return
        answer = exchange.answer
        length = answer.tunnel.down if answer.tunnel else answer.length
        if exchange.call.kind == "sign_in" and answer.kind == 0 and 200 <= answer.status < 300:
            exchange.received += len(data)
            return
        expected = self.block.get(answer.mark, exchange.received, len(data))
        if data != expected or exchange.received + len(data) > length:
            if answer.fault == "bad_chunk" and is_bad_chunk(data, expected):
                return
            at = next((i for i, (a, b) in enumerate(zip(data, expected)) if a != b), len(expected))
            kind = "foreign bytes" if exchange.received + len(data) <= length or at < len(data) and at < length - exchange.received else "bytes too many"
            self.foreign(data[at:], "in the body of request %x (attempt %d, answer of %d bytes) at offset %d" % (
                exchange.call.n, answer.attempt, length, exchange.received + at), kind)
            return
        exchange.received += len(data)

    def foreign(self, data, where, kind="foreign bytes"):
        n = self.sent[0].call.n if self.sent else 0
        if MARKER in data:
            kind = "bearer at a client"
        owner = self.block.owner(bytes(data[:64]), [m for other in self.recent for m in range(other << 3, (other << 3) + 8)])
        text = "%s: %s" % (where, redacted(data, 200))
        if owner and owner[1] < 1 << 22:
            text += "; they may be those of request %x at offset %d" % (owner[0] >> 3, owner[1])
        self.violation(kind, "request %x: %s" % (n, text))

    def over(self, whole):
        """The answer ended; `whole`: as one that lacks nothing."""
        exchange = self.sent.popleft()
        exchange.is_over, exchange.is_whole = True, whole
        self.state = "head"
        call, answer = exchange.call, exchange.answer
        if exchange.own:
            self.counts["own"] += 1
            if whole and call.method != "HEAD":
                try:
                    exchange.code = json.loads(exchange.own_body).get("code") if exchange.own_body else exchange.code
                except (ValueError, AttributeError):
                    if call.kind != "client_refresh":
                        self.violation("malformed answer of its own", "request %x: %s" % (call.n, redacted(exchange.own_body)))
            self.counts["own %s %s" % (exchange.status, exchange.code)] += 1
            self.refused.append(exchange)
            return
        self.counts["answers"] += 1
        if not whole or answer is None or answer.tunnel:
            return
        length = answer.length if answer.has_body else 0
        if call.kind == "sign_in" and answer.kind == 0:
            return
        if exchange.received != length and answer.has_body and call.method != "HEAD":
            kind = "cut answer that ends cleanly"
            self.violation(kind, "request %x, attempt %d: %d of %d bytes (%s, fault %s), and a clean end" % (
                call.n, answer.attempt, exchange.received, length, answer.framing, answer.fault))
        elif not answer.may_complete and answer.has_body:
            self.violation("cut answer that ends cleanly", "request %x, attempt %d: the upstream's answer (%s, fault %s) was never whole" % (
                call.n, answer.attempt, answer.framing, answer.fault))
        else:
            self.counts["whole"] += 1

    def end(self, by_reset):
        """The connection ended. The exchanges whose answers did not come whole are given back."""
        if self.is_broken:
            return []
        if self.data and self.state == "head" and not b"HTTP/1.1 ".startswith(bytes(self.data[:9])):
            self.foreign(self.data, "before the connection's end")
        if self.sent and self.state == "until_close" and not by_reset:
            self.over(whole=True)
        elif self.sent and self.state == "tunnel":
            self.sent[0].is_whole = not by_reset
            self.over(whole=not by_reset)
        elif self.sent and self.state != "head":
            self.counts["cut"] += 1
        left = list(self.sent)
        self.sent.clear()
        return left


class RequestParser:
    """Takes one upstream connection's bytes apart: strictly, for Squire wrote them."""

    def __init__(self):
        self.data = bytearray()

    def head(self):
        """(method, target, fields) when a head is whole, None while not; ValueError when it can be none."""
        end = self.data.find(b"\r\n\r\n")
        if end < 0:
            if self.data and not re.match(rb"[A-Z]{1,20}( [!-~]*|$)", self.data[:64]) or len(self.data) > 200_000:
                raise ValueError("no request: " + redacted(self.data))
            return None
        lines = bytes(self.data[:end]).split(b"\r\n")
        match = re.fullmatch(rb"([A-Z]{1,20}) ([!-~]+) HTTP/1\.1", lines[0])
        if not match:
            raise ValueError("no request line: " + redacted(lines[0]))
        fields = []
        for line in lines[1:]:
            name, colon, value = line.partition(b":")
            if not colon or not re.fullmatch(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name) or re.search(rb"[\x00\r\n]", value):
                raise ValueError("no field: " + redacted(line))
            fields.append((name.lower(), value.strip()))
        del self.data[:end + 4]
        return match[1].decode(), match[2].decode(), fields


class ChunkParser:
    """A request's chunked body, as Squire frames it."""

    def __init__(self):
        self.state, self.remaining, self.is_over = "size", 0, False

    def take(self, data, sink):
        """Consumes what it can of `data`; `sink` gets the body's bytes. ValueError for bytes that are no chunks."""
        while data and not self.is_over:
            if self.state == "data":
                part = data[:self.remaining]
                del data[:len(part)]
                self.remaining -= len(part)
                sink(part)
                if self.remaining == 0:
                    self.state = "crlf"
                continue
            if self.state == "crlf":
                if len(data) < 2:
                    return
                if data[:2] != b"\r\n":
                    raise ValueError("a chunk that does not end: " + redacted(data))
                del data[:2]
                self.state = "size"
                continue
            end = data.find(b"\r\n")
            if end < 0:
                if len(data) > 20_000:
                    raise ValueError("a line without end: " + redacted(data))
                return
            line = bytes(data[:end])
            del data[:end + 2]
            if self.state == "size":
                if not re.fullmatch(rb"[0-9A-Fa-f]{1,8}", line):
                    raise ValueError("no chunk: " + redacted(line))
                self.remaining = int(line, 16)
                self.state = "data" if self.remaining else "trailers"
            elif not line:
                self.is_over = True
            elif not re.fullmatch(rb"[\w-]+:[^\r\n\x00]*", line):
                raise ValueError("no trailer: " + redacted(line))


class Ledger:
    """What upstreams received under each number: what was acted on twice, or sent again without cause. Forgets after two minutes."""

    class Entry:
        __slots__ = ("attempts", "refusals", "acted", "subject")

        def __init__(self):
            self.attempts = self.refusals = self.acted = 0
            self.subject = None

    def __init__(self, reports):
        self.reports, self.young, self.old, self.turned = reports, {}, {}, time.monotonic()

    def entry(self, n):
        if time.monotonic() - self.turned > 60:
            self.young, self.old, self.turned = {}, self.young, time.monotonic()
        entry = self.young.get(n) or self.old.pop(n, None) or Ledger.Entry()
        self.young[n] = entry
        return entry

    def begins(self, call, subject, steps):
        """A head arrived: the number of this attempt, from 0."""
        entry = self.entry(call.n)
        entry.attempts += 1
        resent = entry.attempts - 1 - entry.refusals
        is_idempotent = call.method in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE")
        if resent > (1 if is_idempotent else 0):
            self.reports.violation("sent again without cause", "%s request %x arrived %d times, refused %d times" % (
                call.method, call.n, entry.attempts, entry.refusals), steps)
        if entry.attempts > 4:
            self.reports.violation("sent too often", "%s request %x arrived %d times" % (call.method, call.n, entry.attempts), steps)
        if subject is not None:
            if entry.subject not in (None, subject):
                self.reports.violation("another customer's request", "request %x was first sent for %s, then for %s" % (call.n, entry.subject, subject), steps)
            entry.subject = subject
        return entry.attempts - 1

    def refused(self, call):
        self.entry(call.n).refusals += 1

    def acted(self, call, steps):
        """A whole request was taken, and not refused."""
        entry = self.entry(call.n)
        entry.acted += 1
        if entry.acted > 1 and call.method in ("POST", "PATCH", "QUERYX"):
            self.reports.violation("acted on twice", "%s request %x was acted on %d times" % (call.method, call.n, entry.acted), steps)
