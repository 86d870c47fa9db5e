"""The process of the upstreams: two plain ones and two through TLS, each with tokens of its own, a corporate proxy, and a door for the conductor.

Answers come from `plan`; so do the faults. What arrives is judged: whose it is, whether it is whole, with which token it came, how often.
"""
import base64, collections, json, math, re, socket, ssl, time

import plan
from judges import ChunkParser, Ledger, MARKER, RequestParser, Reports, Steps, is_bad_chunk, redacted
from plan import Answer, Call, generator
from tasks import IN, Loop, OUT, Stream, now, sleep

LABELS = "ABST"


class Token:
    __slots__ = ("value", "subject", "expires", "dies", "is_refreshed", "is_dead")

    def __init__(self, value, subject, expires):
        self.value, self.subject, self.expires = value, subject, expires
        self.dies, self.is_refreshed, self.is_dead = math.inf, False, False


class Issuer:
    """One upstream's tokens. A refresh makes a new one and ends the old one, after a grace where there is one."""

    def __init__(self, label, seed):
        self.label, self.tokens, self.living = label, {}, []
        self.r = generator(seed, 11, ord(label))
        self.count = 0

    def mint(self, subject, life):
        self.count += 1
        clock = int(time.time())
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        claims = {"iat": clock, "exp": clock + life, "nbf": clock, "jti": "%s%d" % (self.label, self.count), "sub": subject}
        value = ".".join((encode(b'{"typ":"JWT","alg":"HS256"}'), encode(json.dumps(claims).encode()), "%s%s%d" % (MARKER.decode(), self.label, self.count)))
        token = self.tokens[value] = Token(value, subject, now() + life)
        self.living.append(token)
        return token

    def accepts(self, value):
        token = self.tokens.get(value)
        return token is not None and not token.is_dead and now() < min(token.expires, token.dies)

    def revoke(self):
        """All tokens are expired from now on; they can be refreshed."""
        for token in self.living:
            token.expires = min(token.expires, now())
        self.living = [t for t in self.living if not t.is_dead and t.dies > now()][-4:]


class Upstreams:
    def __init__(self, seed, shared, send, contexts, listeners):
        self.seed, self.shared, self.contexts, self.listeners = seed, shared, contexts, listeners
        self.reports = Reports(send, "upstream")
        self.ledger = Ledger(self.reports)
        self.up, self.down = plan.Bytes(seed, 1), plan.Bytes(seed, 2)
        self.issuers = {label: Issuer(label, seed) for label in LABELS}
        self.loop = Loop()
        self.loop.lag = lambda: shared.set("lag", now())
        self.connections = 0
        self.refreshes = 0
        self.open = {}                  # stream: the task that serves it
        self.counts = collections.Counter()
        self.recent = collections.deque(maxlen=60)

    def theme(self):
        return plan.theme_of(self.seed, plan.number(int(self.shared.get("storm")), 0, 0))

    def note(self, text):
        self.recent.append((now(), text))

    def run(self):
        for label, listener in self.listeners.items():
            listener.setblocking(False)
            self.loop.spawn(self.accept(label, listener))
        self.loop.spawn(self.disturb())
        self.loop.run(lambda: self.shared.get("over"))

    def accept(self, label, listener):
        while True:
            yield listener.fileno(), IN, None
            for _ in range(64):
                try:
                    sock, _ = listener.accept()
                except OSError:
                    break
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                stream = Stream(self.loop, sock)
                self.connections += 1
                if label == "C":
                    self.loop.spawn(self.control(stream))
                else:
                    self.open[stream] = self.loop.spawn(self.serve(stream, label, generator(self.seed, 7, self.connections)))

    def disturb(self):
        """Ends tokens, as often as the storm has it."""
        r = generator(self.seed, 8)
        while True:
            yield from sleep(0.05)
            if self.shared.get("phase") == 0 and r.random() < 0.05 * self.theme()("revoke"):
                self.counts["revoked"] += 1
                for issuer in self.issuers.values():
                    issuer.revoke()

    # The conductor's door

    def control(self, stream):
        parser = RequestParser()
        try:
            while (head := parser.head()) is None:
                data = yield from stream.receive(now() + 5)
                if not data:
                    return
                parser.data += data
            word = head[1].split("/")
            if word[1] == "token":
                answer = {"token": self.issuers[word[2]].mint("5090976", 3600).value}
            elif word[1] == "quiet":
                answer = {"closed": self.quiet()}
            elif word[1] == "steps":
                answer = {"steps": ["%7.3f s ago: %s" % (now() - when, redacted(text, 120)) for when, text in self.recent]}
            else:
                answer = {"counts": dict(self.counts), "open": len(self.open)}
            body = json.dumps(answer).encode()
            yield from stream.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body))
        except (OSError, ValueError):
            pass
        finally:
            stream.close()

    def quiet(self):
        """Ends every connection of the proxy's."""
        streams = list(self.open.items())
        for stream, task in streams:
            stream.reset()
            self.loop.cancel(task)
        return len(streams)

    # Connections

    def serve(self, stream, label, r):
        steps = Steps(16)
        number = self.connections
        try:
            theme = self.theme()
            if self.shared.get("phase") == 0 and r.random() < theme("bad_accepts"):
                fault = r.choice(("rst", "fin", "silence", "garbage"))
                self.counts["bad accept"] += 1
                if r.random() < 0.5:
                    yield from stream.receive(now() + 0.2)
                if fault == "rst":
                    stream.reset()
                elif fault == "silence":
                    yield from self.stall(stream, 4)
                elif fault == "garbage":
                    yield from stream.send(r.randbytes(r.choice((1, 5, 100))))
                return
            held = b""
            if label == "P":
                label, held = yield from self.tunnel_request(stream, r)
                if label is None:
                    return
            if label in self.contexts:
                yield from stream.handshake(self.contexts[label], now() + 5)
            yield from self.talk(stream, label, r, steps, number, held)
        except (OSError, TimeoutError):
            pass
        except ValueError as error:
            self.reports.violation("bytes that are no request", "on an upstream connection: %s" % error, steps)
        finally:
            self.open.pop(stream, None)
            # Never an end that looks like the end of an answer.
            stream.close() if stream.has_finished else stream.reset()

    def stall(self, stream, limit):
        """Nothing, until the storm is over or the proxy hangs up."""
        end = now() + limit
        while now() < end and self.shared.get("phase") == 0:
            if (yield stream.descriptor, IN, now() + 0.1):
                try:
                    data = stream.read()
                except OSError:
                    return
                if data == b"":
                    return

    def tunnel_request(self, stream, r):
        """CONNECT, as a corporate proxy: the label of the upstream it is for."""
        data = bytearray()
        while b"\r\n\r\n" not in data:
            part = yield from stream.receive(now() + 5)
            if not part:
                return None, b""
            data += part
        head, _, rest = bytes(data).partition(b"\r\n\r\n")
        match = re.match(rb"([A-Z]+) http://127\.0\.0\.1:(\d+)(/\S*) ", head)
        if match:
            # The refresh of a plain upstream: an ordinary proxy request, not a tunnel.
            label = next((l for l, s in self.listeners.items() if l in "AB" and s.getsockname()[1] == int(match[2])), None)
            self.counts["proxied plainly"] += 1
            return label, b"%b %b %b" % (match[1], match[3], data[match.end():])
        if MARKER in head:
            self.reports.violation("bearer at the proxy", "a CONNECT carries the bearer: " + redacted(head))
        words = head.split(b" ")
        port = int(words[1].rsplit(b":", 1)[1]) if words[0] == b"CONNECT" else 0
        label = next((l for l, s in self.listeners.items() if l in LABELS and s.getsockname()[1] == port), None)
        if label is None:
            self.reports.violation("bytes that are no request", "to the corporate proxy: " + redacted(head))
            return None, b""
        self.counts["CONNECT"] += 1
        if self.shared.get("phase") == 0 and r.random() < self.theme()("bad_accepts") * 2:
            fault = r.choice(("403", "407", "502", "fin", "rst", "silence", "garbage", "slow"))
            if fault in ("403", "502"):
                yield from stream.send(b"HTTP/1.1 %s No\r\nContent-Length: 2\r\n\r\nno" % fault.encode())
            elif fault == "407":
                yield from stream.send(b"HTTP/1.0 407 No\r\nProxy-Authenticate: Basic realm=\"x\"\r\n\r\n")
            elif fault == "garbage":
                yield from stream.send(b"\x00\x01garbage\r\n\r\n")
            elif fault == "rst":
                stream.reset()
            elif fault == "silence":
                yield from self.stall(stream, 4)
            if fault != "slow":
                return None, b""
            yield from sleep(0.1)
        yield from stream.send(b"HTTP/1.1 200 Connection established\r\n\r\n")
        return label, rest

    def talk(self, stream, label, r, steps, number, held):
        parser = RequestParser()
        parser.data += held
        after, served, tainted, taint = "keep", 0, None, None
        while True:
            # Idle: what the last answer's plan wants to happen then.
            due = now() + r.choice((0.001, 0.02, 0.2, 0.5)) if after in ("close_idle", "reset_idle", "unsolicited", "half_idle") else None
            while (head := parser.head()) is None:
                data = yield from stream.receive(due if due is not None else now() + 30)
                if data:
                    parser.data += data
                    continue
                if data == b"" or due is None:
                    return
                due = None
                steps("idle: " + after)
                self.counts[after] += 1
                if after == "close_idle":
                    return stream.finish()
                if after == "reset_idle":
                    return stream.reset()
                if parser.data:
                    continue
                taint, tainted = after, now()
                if after == "half_idle":
                    stream.finish()
                    continue
                yield from stream.send(r.choice((
                    b"HTTP/1.1 408 Request Timeout\r\nX-N: poison.%d\r\nContent-Length: 0\r\nConnection: close\r\n\r\n" % number,
                    b"HTTP/1.1 200 OK\r\nX-N: poison.%d\r\nContent-Length: 6\r\n\r\npoison" % number,
                    b"HTTP/1.1 103 Early Hints\r\nX-N: poison.%d\r\n\r\n" % number,
                    b"\r\n", b"x", b"HTTP/1.1 200 OK\r\nX-N: poison.%d\r\n" % number)))
                tainted = now()
            if tainted is not None:
                waited = now() - tainted
                if waited > 1 or taint == "extra":
                    self.reports.violation("request on a dead connection", "%s %s was sent on a connection on which %s, %.3f s before" % (
                        head[0], head[1], {"half_idle": "the upstream had ended", "extra": "the last answer had bytes too many"}.get(
                            taint, "bytes that nobody asked for had come"), waited), steps)
                # Who was first cannot be told: the bytes would be taken for an answer by anybody.
                return stream.reset()
            served += 1
            after, taint = yield from self.request(stream, label, parser, head, r, steps)
            if after in ("close", "over"):
                return
            if taint:
                tainted = now()

    # Requests

    def request(self, stream, label, parser, head, r, steps):
        """Judges and answers one: what happens on the connection then, and what spoils it."""
        method, target, fields = head
        get = lambda name: [v for n, v in fields if n == name]
        issuer = self.issuers[label]
        credentials = get(b"authorization")
        bearer = credentials[0][7:].decode("latin-1") if credentials and credentials[0][:7] == b"Bearer " else None
        steps("%s %s" % (method, target))
        self.note("%s: %s %s" % (label, method, target))
        judged = lambda kind, text: self.reports.violation(kind, "%s %s at %s: %s" % (method, target, label, text), steps)
        if len(credentials) > 1:
            judged("altered request", "%d Authorization fields" % len(credentials))
        marks = get(b"x-n")
        path = target.split("?")[0]
        if path == "/api/customers/refresh" and not marks:
            yield from self.refresh(stream, issuer, bearer, judged, r)
            return "keep", None
        if len(marks) != 1:
            judged("altered request", "%d numbers: %s" % (len(marks), marks))
            return "over", None
        try:
            call = Call(self.seed, int(marks[0], 16))
        except (ValueError, OverflowError):
            judged("altered request", "the number %s" % marks[0])
            return "over", None
        n = call.n
        if method != call.method or target != call.path:
            judged("altered request", "request %x was %s %s" % (n, call.method, call.path))
        if get(b"host") != [b"127.0.0.1:%d" % self.listeners[label].getsockname()[1]]:
            judged("altered request", "Host is %s" % get(b"host"))
        for field in call.fields:
            name, value = field.split(": ")
            if name != "Authorization" and value.encode() not in get(name.lower().encode()):
                judged("altered request", "%s is missing" % name)
        opened = call.kind in ("sign_in", "anonymous")
        if opened and any(MARKER in value for value in credentials):
            judged("bearer where none belongs", "a bearer on an open path")
        subject = None
        if not opened:
            token = issuer.tokens.get(bearer)
            if token is None:
                judged("wrong bearer", "Authorization is %s, which %s never issued" % (redacted(repr(credentials)) if MARKER not in repr(credentials).encode() else
                                                                                    "another upstream's" if any(bearer in i.tokens for i in self.issuers.values()) else "altered", label))
                return "over", None
            subject = token.subject
        attempt = self.ledger.begins(call, subject, steps)
        self.counts["requests"] += 1
        theme = plan.rates_of(self.seed, n)
        refused = not opened and (not issuer.accepts(bearer) or attempt == 0 and generator(self.seed, 9, n).random() < theme("refuse"))
        answer = Answer(self.seed, call, attempt, int(refused))
        if refused:
            if answer.reaches:
                self.ledger.refused(call)
            self.counts["refused"] += 1
        if answer.fault:
            self.counts[answer.fault] += 1
        steps("attempt %d: %d %s %s read %s after %s" % (attempt, answer.status, answer.framing, answer.fault, answer.read, answer.after))
        encoding, lengths = get(b"transfer-encoding"), get(b"content-length")
        framing = "chunked" if encoding else "length" if lengths and lengths != [b"0"] else "none"
        if framing == "length" and int(lengths[0]) != call.length or framing == "none" and call.framing != "none" and call.length and call.framing == "length" \
                or framing != "none" and call.framing == "none" or (framing == "length") != (call.framing == "length" and call.length > 0):
            judged("altered request", "request %x of %s, %d bytes, arrived as %s %s" % (n, call.framing, call.length, encoding, lengths))
        if answer.read in ("all", "slow") or framing == "none" or refused and answer.read != "none":
            if get(b"expect") and r.random() < 0.7:
                yield from stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            if not (yield from self.read_body(stream, parser, call, framing, lengths, answer.read == "slow", judged)):
                return "over", None
            if not refused:
                self.ledger.acted(call, steps)
                if call.kind == "sign_out":
                    issuer.tokens[bearer].is_dead = True
            return (yield from self.answer(stream, parser, call, answer, issuer, label, r, steps))
        result = yield from self.answer(stream, parser, call, answer, issuer, label, r, steps)
        if result[0] in ("close", "over") or answer.read == "none":
            return "over", None
        if not (yield from self.read_body(stream, parser, call, framing, lengths, False, judged)):
            return "over", None
        return result

    def read_body(self, stream, parser, call, framing, lengths, slowly, judged):
        """False when it was cut."""
        if framing == "none":
            return True
        offset = 0
        block = self.up

        def sink(part):
            nonlocal offset
            if offset + len(part) > call.length or part != block.get(call.n, offset, len(part)):
                if call.fault == "bad_chunk" and is_bad_chunk(part, block.get(call.n, offset, len(part))):
                    return
                judged("altered request body", "request %x of %d bytes, between %d and %d: %s" % (call.n, call.length, offset, offset + len(part), redacted(part, 80)))
                offset = -1 << 40
            offset += len(part)
        chunks = ChunkParser() if framing == "chunked" else None
        left = int(lengths[0]) if framing == "length" else 0
        while True:
            if chunks:
                chunks.take(parser.data, sink)
                if chunks.is_over:
                    break
            else:
                part = parser.data[:left]
                del parser.data[:len(part)]
                left -= len(part)
                sink(part)
                if not left:
                    break
            if slowly:
                yield from sleep(0.01)
            data = yield from stream.receive(now() + 20)
            if not data:
                if data is None:
                    judged("hang", "half a body, and then neither bytes nor an end for 20 s")
                return False
            parser.data += data
        if offset >= 0 and (offset != call.length or not call.is_whole):
            judged("cut request that ends cleanly", "request %x: %d of %d bytes (fault %s), and a clean end" % (call.n, offset, call.length, call.fault))
        return offset >= 0

    def answer(self, stream, parser, call, answer, issuer, label, r, steps):
        theme = plan.rates_of(self.seed, call.n)
        if answer.delay:
            yield from sleep(answer.delay)
        beat = self.theme().beat
        if beat and self.shared.get("phase") == 0:
            # Together with all others of this beat.
            yield -1, 0, math.ceil(now() / beat) * beat
        if self.shared.get("phase") == 0 and r.random() < theme("gather"):
            end = now() + 0.4
            while not self.shared.get("held") and now() < end:
                yield from sleep(0.01)
        mark = b"X-N: %x.%d.%d\r\n" % (answer.n, answer.attempt, answer.kind)
        for status, padding in answer.interims:
            if status == 100:
                yield from stream.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            else:
                yield from stream.send(b"HTTP/1.1 %d Wait\r\n%bLink: %b\r\n\r\n" % (status, mark, b"l" * padding))
        if answer.fault == "silence":
            yield from self.stall(stream, 10)
            return "over", None
        if answer.fault == "bad_head":
            bad = r.choice(plan.BAD_HEADS)
            yield from stream.send(bad.replace(b"%s", b"%x.bad.%d" % (call.n, plan.BAD_HEADS.index(bad))))
            if r.random() < 0.5:
                yield from self.stall(stream, 2)
            stream.finish()
            return "over", None
        head = answer.head(stream.is_secure)
        if answer.fault == "cut_head":
            yield from stream.send(head[:answer.r.choice((1, 8, 12, len(head) // 2, len(head) - 2, len(head) - 1))])
            yield from self.end(stream, answer)
            return "over", None
        if call.kind == "sign_in" and not answer.kind and 200 <= answer.status < 300 and answer.has_body and answer.fault is None:
            r2 = generator(self.seed, 12, call.n)
            subject = "777" if r2.random() < theme("other_customer") else "5090976"
            token = issuer.mint(subject, r2.choice((2, 5)) if r2.random() < theme("short_tokens") else 3600)
            body = json.dumps({"status": "OK", "data": {"token": {"value": token.value}}}).encode()
            head = b"HTTP/1.1 %d OK\r\nX-N: %x.%d.%d.%d\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % (
                answer.status, answer.n, answer.attempt, answer.kind, stream.is_secure, len(body))
            yield from stream.send(head + body)
            return "keep", None
        if answer.tunnel:
            yield from stream.send(head)
            yield from self.tunnel(stream, parser, call, answer, steps)
            return "over", None
        pieces = answer.body(self.down)
        whole = b"".join((head, *pieces))
        taint = None
        if answer.fault == "extra" and answer.framing != "close":
            whole += r.choice((b"HTTP/1.1 200 OK\r\nX-N: extra.%x\r\nContent-Length: 5\r\n\r\nextra" % call.n, b"\r\n", b"x", b"\x00" * 40))
            taint = "unsolicited"
            if len(whole) < 8000 and not answer.gap:
                taint = "extra"
        if answer.gap:
            size, pause, most = answer.gap
            offset = 0
            for _ in range(most):
                yield from stream.send(whole[offset:offset + size])
                offset += size
                if offset >= len(whole):
                    break
                yield from sleep(pause)
            whole = whole[offset:]
        yield from stream.send(whole, patience=15)
        if answer.fault in ("cut_body", "stall", "bad_chunk"):
            if answer.fault == "stall":
                yield from self.stall(stream, 10)
            yield from self.end(stream, answer)
            return "over", None
        if answer.after == "close":
            if answer.r.random() < 0.2:
                yield from sleep(0.05)
            stream.finish(notify=answer.fault != "no_notify")
            if answer.read != "none":
                # What is unread at the close resets the connection, and takes the answer's end with it.
                end = now() + 3
                while now() < end:
                    data = yield from stream.receive(end)
                    if not data:
                        break
            return "close", None
        return answer.after, taint

    def end(self, stream, answer):
        """As a cut answer ends."""
        if answer.r.random() < 0.5:
            yield from sleep(0.02)
        if answer.end == "rst":
            stream.reset()
        else:
            stream.finish(notify=answer.r.random() < 0.5)
            if answer.end == "half":
                yield from self.stall(stream, 2)

    # WebSockets

    def tunnel(self, stream, parser, call, answer, steps):
        tunnel = answer.tunnel
        sent, got, ended = 0, 0, False
        pending = bytes(parser.data)
        parser.data.clear()
        limit = now() + 8
        self.counts["tunnels"] += 1
        while now() < limit:
            if pending:
                if got + len(pending) > tunnel.up or pending != bytes(self.up.get(call.n, got, len(pending))):
                    self.reports.violation("foreign bytes", "in the tunnel of request %x, upwards, at %d: %s" % (call.n, got, redacted(pending, 100)), steps)
                    return
                got += len(pending)
                pending = b""
            if sent < tunnel.down:
                count = stream.write(self.down.get(answer.mark, sent, min(30_000, tunnel.down - sent)))
                sent += count or 0
                if tunnel.pause and count:
                    yield from sleep(tunnel.pause / 4)
            is_done = sent == tunnel.down and (got == tunnel.up or not tunnel.waits)
            if is_done and tunnel.ends_first in ("upstream", "both") and not ended:
                ended = True
                if tunnel.upstream_end == "rst":
                    return stream.reset()
                stream.finish()
                if tunnel.upstream_end == "close":
                    return
            data = stream.read()
            if data == b"":
                if not ended:
                    stream.finish()
                return
            if data:
                pending = data
                continue
            yield stream.descriptor, IN | (OUT if sent < tunnel.down else 0), now() + 0.5
            if self.shared.get("phase") != 0 and is_done:
                return

    # Refreshing

    def refresh(self, stream, issuer, bearer, judged, r):
        token = issuer.tokens.get(bearer)
        if token is None:
            judged("wrong bearer", "a refresh with a token that this upstream never issued")
            return
        theme = self.theme()
        self.refreshes += 1
        self.counts["refreshes"] += 1
        r = generator(self.seed, 10, self.refreshes)
        in_storm = self.shared.get("phase") == 0
        fault = r.choice(("slow", "slow", "401", "403", "lost", "reset", "cut", "garbage", "502", "500", "503", "429", "silence")) \
            if in_storm and r.random() < theme("refresh_faults") else None
        if fault:
            self.counts["refresh " + fault] += 1
        send = lambda status, body: stream.send(b"HTTP/1.1 %d X\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (status, len(body), body))
        if fault == "slow":
            yield from sleep(r.choice((0.05, 0.3, 0.9, 1.4)))
        if fault in ("401", "403"):
            token.is_dead = True
            return (yield from send(int(fault), b"{}"))
        if fault in ("503", "429"):
            return (yield from send(int(fault), b"{}"))
        if fault == "silence":
            return (yield from self.stall(stream, 3))
        grace = 10 if r.random() < theme("grace") else 0
        if token.is_dead or now() > token.dies:
            return (yield from send(401, b"{}"))
        token.dies = min(token.dies, now() + grace)
        life = r.choice((2, 3, 6)) if in_storm and r.random() < theme("short_tokens") else 3600
        fresh = issuer.mint(token.subject, life)
        body = json.dumps({"status": "OK", "data": {"token": {"value": fresh.value}}}).encode()
        if fault == "lost":
            stream.close()
            raise ConnectionResetError
        if fault == "reset":
            stream.reset()
            raise ConnectionResetError
        if fault == "cut":
            yield from stream.send(b"HTTP/1.1 200 X\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body[:r.randrange(len(body))]))
            stream.close()
            raise ConnectionResetError
        if fault == "garbage":
            return (yield from send(200, b"<html>"))
        if fault in ("500", "502"):
            return (yield from send(int(fault), b"{}"))
        yield from send(200, body)
