"""The process of the clients: connections that ask, answer late, leave, pipeline, trickle, say nothing; and judge what they receive."""
import collections, errno, socket

import plan
from judges import ClientJudge, Exchange, Reports, Steps, redacted
from plan import Answer, Call, generator
from tasks import IN, Loop, OUT, Stream, now, sleep

# What one request may take when nothing moves: waiting for the session (20 s and two refreshes), connecting, first byte, all twice.
PATIENCE = 40.0
# After a storm, when the upstreams let everything go and clients read: no timeout is longer than 2 s, but for the session's 22 s.
REST_PATIENCE = 30.0


class Clients:
    def __init__(self, seed, shared, send, slowness=1.0, patience=None):
        self.seed, self.shared = seed, shared
        self.patience, self.rest_patience = patience or PATIENCE * slowness, patience or REST_PATIENCE * slowness
        self.reports = Reports(send, "client")
        self.up, self.down = plan.Bytes(seed, 1), plan.Bytes(seed, 2)
        self.loop = Loop()
        self.loop.lag = lambda: shared.set("lag", now())
        self.recent = collections.deque(maxlen=400)
        self.counts = collections.Counter()
        self.send = send
        self.begun = 0
        self.is_full = False
        self.last = collections.deque(maxlen=60)

    def run(self):
        storm = -1
        while not self.shared.get("over"):
            if self.shared.get("phase") == 0 and int(self.shared.get("storm")) != storm:
                storm = int(self.shared.get("storm"))
                theme = plan.theme_of(self.seed, plan.number(storm, 0, 0))
                for actor in range(1, theme.clients + 1):
                    self.loop.spawn(self.actor(storm, actor, theme))
                self.loop.spawn(self.keeper(storm))
                self.shared.set("open", theme.clients + 1)
                self.loop.run(lambda: self.loop.running == 0 or self.shared.get("over"))
                self.shared.set("open", 0)
                self.send({"counts": dict(self.counts)})
                self.counts.clear()
            else:
                self.loop.run(lambda: self.shared.get("over") or self.shared.get("phase") == 0 and int(self.shared.get("storm")) != storm)

    def is_stormy(self):
        return self.shared.get("phase") == 0

    # Actors

    def actor(self, storm, actor, theme):
        """Connection after connection until the storm is over."""
        count, connections = 0, 0
        while self.is_stormy():
            connections += 1
            r = generator(self.seed, 4, plan.number(storm, actor, connections))
            if not self.shared.get("is_up"):
                yield from sleep(0.02)
                continue
            port, generation = int(self.shared.get("port")), self.shared.get("generation")
            window = 4096 if r.random() < theme("slow_reader") else None
            stream = yield from self.connect(port, window)
            if stream is None:
                yield from sleep(0.02)
                continue
            try:
                if r.random() < theme("silent") * 0.3:
                    yield from self.silent(stream, r)
                elif r.random() < theme("half_head") * 0.3:
                    yield from self.half_head(stream, r)
                elif r.random() < theme("malformed"):
                    yield from self.malformed(stream, r)
                else:
                    calls = []
                    for _ in range(r.randrange(1, theme.per_connection + 1)):
                        count += 1
                        calls.append(Call(self.seed, plan.number(storm, actor, count)))
                        if calls[-1].kind == "websocket" or calls[-1].closes or calls[-1].fault:
                            break
                    yield from self.talk(stream, calls, r, theme, generation, window)
            except OSError as error:
                self.counts["%s" % errno.errorcode.get(error.errno, error)] += 1
            finally:
                stream.close()
            if r.random() < 0.1:
                yield from sleep(r.random() * 0.02)
            if self.is_full:
                self.is_full = False
                yield from sleep(r.random() * 0.2)

    def connect(self, port, window):
        sock = socket.socket()
        if window:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        stream = Stream(self.loop, sock)
        try:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            code = sock.connect_ex(("127.0.0.1", port))
            if code == errno.EINPROGRESS:
                yield stream.descriptor, OUT, now() + 5
                code = sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            if code == 0 and sock.getpeername() != sock.getsockname():
                return stream
        except OSError:
            pass
        stream.close()
        return None

    def judge(self, steps):
        return ClientJudge(self.seed, self.down, self.reports, steps, self.recent)

    def keeper(self, storm):
        """Signs in when somebody was told that a login is needed."""
        count = 0
        r = generator(self.seed, 6, storm)
        while self.is_stormy():
            yield from sleep(r.choice((0.01, 0.05, 0.2)))
            if not self.shared.get("login_needed") or not self.shared.get("is_up"):
                continue
            self.shared.set("login_needed", 0)
            count += 1
            call = Call(self.seed, plan.number(storm, plan.SIGN_IN, count))
            stream = yield from self.connect(int(self.shared.get("port")), None)
            if stream is None:
                continue
            try:
                yield from self.talk(stream, [call], r, plan.theme_of(self.seed, call.n), self.shared.get("generation"), None, calm=True)
                self.counts["signed in again"] += 1
            except OSError:
                pass
            finally:
                stream.close()

    def silent(self, stream, r):
        """Connects and says nothing: whatever comes is judged."""
        judge = self.judge(Steps())
        judge.steps("connected, silent")
        self.counts["silent"] += 1
        end = now() + r.choice((0.05, 0.5, 2, 4))
        while now() < end and self.is_stormy():
            data = yield from stream.receive(min(end, now() + 0.3))
            if data == b"":
                break
            if data:
                judge.feed(data)
                if b"Bearer" in data:
                    # As an attacker would: is this taken for the upstream's answer?
                    yield from stream.send(b"HTTP/1.1 200 OK\r\nX-N: forged\r\nContent-Length: 6\r\n\r\nforged")
        stream.reset() if r.random() < 0.3 else stream.close()

    def half_head(self, stream, r):
        """Half a head, then an end or nothing: 408 at most."""
        judge = self.judge(Steps())
        judge.has_sent_anything = True
        text = b"POST /t/0 HTTP/1.1\r\nHost: 127.0.0.1\r\nX-N: 0\r\nContent-Length: 5\r\n"
        text = text[:r.randrange(1, len(text))]
        judge.steps("half a head: %r" % text)
        yield from stream.send(text)
        how = r.choice(("fin", "rst", "wait", "wait"))
        if how == "rst":
            return stream.reset()
        if how == "fin":
            stream.finish()
        end = now() + r.choice((0.1, 1, 4))
        while now() < end and self.is_stormy():
            data = yield from stream.receive(min(end, now() + 0.3))
            if data == b"":
                break
            if data:
                judge.feed(data)

    def malformed(self, stream, r):
        """What is no request, or two readings of one: refused, and nothing of it goes on."""
        host = b"Host: 127.0.0.1:%d\r\n" % stream.sock.getpeername()[1]
        text = r.choice((
            b"GET /t/0 HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!",
            b"POST /t/0 HTTP/1.1\r\n" + host + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /t/0 HTTP/1.1\r\n\r\n",
            b"GET /t/0 HTTP/1.1\r\n" + host + b" folded: x\r\n\r\n", b"GET /t/0 HTTP/1.1\r\n" + host + b"Bad Name: x\r\n\r\n",
            b"GET /t/0 HTTP/1.1\n" + host.replace(b"\r", b"") + b"\n", b"GET  /t/0 HTTP/1.1\r\n" + host + b"\r\n", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
            b"GET /t/0 HTTP/9.9\r\n" + host + b"\r\n", b"CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n", b"GET /t/0 HTTP/1.1\r\nHost: evil.test\r\n\r\n",
            b"POST /t/0 HTTP/1.1\r\n" + host + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", b"POST /t/0 HTTP/1.1\r\n" + host + b"Content-Length: +5\r\n\r\nhello",
            b"POST /t/0 HTTP/1.1\r\n" + host + b"Content-Length: 99999999999999999999\r\n\r\nhello", b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\n" + host + b"\r\n",
            b"GET /t/0 HTTP/1.1\r\n" + host + b"A: b\r\n" * 2000 + b"\r\n", r.randbytes(300)))
        self.counts["malformed"] += 1
        answer = b""
        try:
            yield from stream.send(text + (b"GET /t/0 HTTP/1.1\r\n" + host + b"\r\n" if r.random() < 0.3 else b""))
            end = now() + 2
            while now() < end:
                data = yield from stream.receive(end)
                if not data:
                    break
                answer += data
        except OSError:
            return
        if answer and (not b"HTTP/1.1 4".startswith(answer[:10]) and not b"HTTP/1.1 5".startswith(answer[:10]) or b"\r\nX-N:" in answer or answer.count(b"\r\nDate: ") > 1):
            self.reports.violation("malformed request answered", "%s: %s" % (redacted(text, 150), redacted(answer, 200)))

    # Ordinary conversations

    def script(self, call, exchange, host, r, theme, judge, calm):
        """What the client does for one request, step by step: ("send", bytes), ("sleep", s), ("until", predicate, s), or an end."""
        head, pieces = call.bytes(host, self.up)
        chance = (lambda name: False) if calm else lambda name: r.random() < theme(name)
        leaves = "rst" if chance("client_rst") else "fin" if chance("client_fin") else "close" if chance("give_up") else None
        # Half-closed first: then nobody watches it go.
        halves = leaves == "rst" and r.random() < 0.5
        gathers = leaves and theme("holds") and r.random() < 0.5
        where = r.choice(("head", "body", "sent", "answer")) if leaves else None
        if where:
            exchange.disturbed = True
        if where == "head":
            yield "send", head[:r.randrange(1, len(head))]
            yield (leaves,)
            return
        small = sum(map(len, pieces)) < 4000 and not call.expects and not call.pace and where != "body"
        if small:
            yield "send", b"".join((head, *pieces))
        else:
            if call.pace:
                size, pause, most = call.pace
                for i in range(0, min(len(head), size * most), size):
                    yield "send", head[i:i + size]
                    yield "sleep", pause
                yield "send", head[size * most:]
            else:
                yield "send", head
            if call.expects:
                yield "until", lambda: exchange.continued or exchange.status, 1.5 if r.random() < 0.7 else 0
                if exchange.status and not exchange.continued:
                    # The answer came instead: the body is not sent, and so the connection is done.
                    exchange.disturbed = True
                    yield "until", lambda: exchange.is_over, 5
                    yield ("close",)
                    return
            stop = r.randrange(sum(map(len, pieces)) + 1) if where == "body" else None
            sent, budget = 0, 30
            for piece in pieces:
                if stop is not None and sent + len(piece) >= stop:
                    yield "send", piece[:stop - sent]
                    yield (leaves,)
                    return
                yield "send", piece
                sent += len(piece)
                if budget and r.random() < 0.05:
                    budget -= 1
                    yield "sleep", r.choice((0, 0.001, 0.02))
        exchange.is_sent = True
        if call.fault:
            exchange.disturbed = True
            yield "sleep", r.choice((0, 0.05, 0.3))
            yield r.choice((("fin",), ("rst",), ("wait",)))
            return
        if where == "sent":
            if halves:
                yield ("fin",)
            if gathers:
                # While Squire stands still, with many others.
                yield "until", lambda: self.shared.get("held"), 0.7
            yield "sleep", r.choice((0, 0, 0.01, 0.1))
            yield (leaves,)
        elif where == "answer":
            yield "until", lambda: exchange.status, 10
            yield "sleep", r.choice((0, 0, 0.01, 0.1))
            yield (leaves,)

    def talk(self, stream, calls, r, theme, generation, window, calm=False):
        steps = Steps()
        judge = self.judge(steps)
        host = "127.0.0.1:%d" % stream.sock.getpeername()[1]
        chance = (lambda name: False) if calm else lambda name: r.random() < theme(name)
        pipelines = chance("pipeline")
        halves = chance("half_close")
        pauses = window is not None or chance("paused_reader")
        never_reads = chance("never_reads")
        leaves_late = chance("proxy_leaver")
        most = r.choice((1, 100, 4096)) if window else 65536
        waiting = collections.deque(calls)
        sender, outgoing, blocked, blocked_until = None, None, None, 0
        send_at = read_at = moved = 0
        has_finished = False
        active = None
        moved = now()
        give_up_at = now() + r.choice((0.05, 0.5, 3)) if never_reads else None

        def leave(how):
            steps("leaves: " + how)
            if how == "rst":
                stream.reset()
            elif how == "close":
                stream.close()

        while True:
            clock = now()
            stormy = self.is_stormy()
            if not stormy:
                # What was begun ends, and quickly.
                pauses, read_at, send_at = False, 0, min(send_at, clock + 0.05)
                if never_reads:
                    return leave("rst")
                if active is None and not judge.sent:
                    return leave("close")
                waiting.clear()
            # Sending
            while outgoing is None and clock >= send_at:
                if blocked is not None:
                    if not blocked() and clock < blocked_until:
                        break
                    blocked = None
                if sender is None:
                    if not waiting or judge.closes or judge.is_broken or has_finished or judge.sent and not pipelines or len(judge.sent) > 8:
                        break
                    call = waiting.popleft()
                    active = Exchange(call, clock)
                    self.begun += 1
                    self.shared.set("exchanges", self.begun)
                    if call.fault or call.kind == "websocket":
                        waiting.clear()
                    judge.sent.append(active)
                    judge.has_sent_anything = True
                    self.recent.append(call.n)
                    if pauses or never_reads:
                        active.disturbed = True
                    steps("%s %s, body %s %d%s%s" % (call.method, call.path, call.framing, call.length, ", expects" if call.expects else "",
                                                     ", fault " + call.fault if call.fault else ""))
                    sender = self.script(call, active, host, r, theme, judge, calm)
                step = next(sender, None)
                if step is None:
                    sender = active = None
                    if halves and not waiting and not has_finished and calls[-1].kind != "websocket":
                        has_finished = True
                        steps("half-closes")
                        stream.finish()
                    continue
                if step[0] == "send":
                    outgoing = memoryview(step[1]) if len(step[1]) else None
                elif step[0] == "sleep":
                    send_at = clock + step[1]
                elif step[0] == "until":
                    blocked, blocked_until = step[1], clock + step[2]
                elif step[0] == "fin":
                    steps("ends its side")
                    has_finished = True
                    waiting.clear()
                    stream.finish()
                elif step[0] == "wait":
                    waiting.clear()
                else:
                    return leave(step[0])
            wanted = 0
            try:
                if outgoing is not None:
                    count = stream.write(outgoing)
                    if count is None:
                        wanted |= OUT
                    else:
                        moved = clock
                        outgoing = outgoing[count:] if count < len(outgoing) else None
                        if outgoing is not None:
                            wanted |= OUT
            except OSError as error:
                # What it said before it hung up may still be read.
                steps("cannot send: %s" % errno.errorcode.get(error.errno))
                outgoing, sender, blocked = None, None, None
                waiting.clear()
                for exchange in judge.sent:
                    exchange.disturbed = True
            # Receiving
            if clock >= read_at and not never_reads:
                try:
                    data = stream.read(most if pauses else 65536)
                    reset = False
                except OSError as error:
                    steps("read: %s" % errno.errorcode.get(error.errno))
                    data, reset = b"", True
                if data:
                    moved = clock
                    judge.feed(data)
                    if judge.sent and judge.sent[0].status == 101 and judge.state == "tunnel":
                        yield from self.tunnel(stream, judge, steps, stormy)
                        return
                    if judge.is_broken:
                        return leave("close")
                    if pauses and r.random() < 0.3:
                        read_at = clock + r.choice((0.005, 0.05, 0.2, 1.3) if window or r.random() < 0.2 else (0.002, 0.02))
                    self.hear(judge, generation)
                    if outgoing is None and sender is None and (waiting or judge.sent or not judge.closes):
                        if not judge.sent and not waiting and not judge.closes and not has_finished:
                            # All is answered: a client that keeps its connection for a while, or goes.
                            if leaves_late:
                                read_at = clock + r.choice((0.01, 0.1, 1, 3))
                                leaves_late = False
                            else:
                                return leave(r.choice(("close", "close", "rst")))
                    continue
                if data == b"":
                    steps("the proxy %s" % ("reset" if reset else "ended"))
                    self.hear(judge, generation)
                    left = judge.end(reset)
                    self.ended(judge, left, generation, steps, reset)
                    return
                wanted |= IN
            if outgoing is None and blocked is None and send_at <= clock and sender is not None:
                continue
            # Waiting
            if give_up_at is not None and clock >= give_up_at:
                return leave("rst")
            patience = self.patience if stormy else self.rest_patience
            deadlines = [clock + 0.3]
            if send_at > clock and outgoing is None:
                deadlines.append(send_at)
            if blocked is not None:
                deadlines += (blocked_until, clock + 0.02)
            if read_at > clock:
                deadlines.append(read_at)
            if clock - moved > patience and (judge.sent or outgoing is not None):
                call = judge.sent[0].call if judge.sent else calls[0]
                self.reports.violation("hang", "%s request %x: nothing moves for %.0f s (state %s, sent %s, status %s, generation %s of %s)" % (
                    call.method, call.n, clock - moved, judge.state, judge.sent and judge.sent[0].is_sent, judge.sent and judge.sent[0].status,
                    generation, self.shared.get("generation")), steps)
                return leave("close")
            if not judge.sent and not waiting and sender is None and outgoing is None and clock - moved > 3:
                return leave("close")
            if wanted:
                yield stream.descriptor, wanted, min(deadlines)
            else:
                yield -1, 0, min(deadlines)

    def doubt(self, exchange, generation, steps):
        """Squire answered that the upstream failed: did it?"""
        call, theme = exchange.call, plan.theme_of(self.seed, exchange.call.n)
        if exchange.status not in (502, 504, 408) or exchange.disturbed or not exchange.is_sent or not call.is_whole or theme("bad_accepts") or call.pace:
            return
        # What comes on an idle connection may be taken for the answer to the next request, or for its beginning: who was first cannot be told.
        if exchange.code in ("upstream_protocol", "http_protocol_error", "upstream_reset") and (theme("unsolicited") or theme("extra")):
            return
        # An order is not sent again when an idle connection turns out to be gone.
        if exchange.status == 502 and call.method not in ("GET", "HEAD", "OPTIONS", "PUT", "DELETE") or call.kind == "websocket":
            return
        for attempt in range(4):
            for kind in (0, 1):
                answer = Answer(self.seed, call, attempt, kind)
                if answer.fault not in (None, "extra") or answer.read not in ("all", "slow") or len(answer.interims) > 5 or answer.after == "reset_idle":
                    return
        self.loop.spawn(self.suspect(exchange, generation, "failed without need", "%s %s, of which nothing went wrong" % (exchange.status, exchange.code), Steps.of(steps)))

    def hear(self, judge, generation):
        """Counts what came; a session that ended is somebody's work."""
        for key, value in judge.counts.items():
            self.counts[key] += value
        for exchange in judge.refused:
            self.doubt(exchange, generation, judge.steps)
        judge.refused.clear()
        if judge.counts["own 503 overloaded"]:
            self.is_full = True
        if judge.counts["own 401 login_needed"]:
            self.shared.set("login_needed", 1)
        if judge.counts["answers"]:
            self.shared.set("answers", self.shared.get("answers") + judge.counts["answers"])
            self.shared.set("whole", self.shared.get("whole") + judge.counts["whole"])
        judge.counts.clear()

    def ended(self, judge, left, generation, steps, reset):
        """The connection ended with answers missing: was there a cause?"""
        if not left:
            return
        exchange = left[0]
        answer = exchange.answer
        self.counts["left"] += len(left)
        if answer is None or not answer.must_complete or exchange.disturbed or not exchange.is_sent or judge.is_broken:
            return
        text = "%d of %d bytes (%s), then a %s, though the upstream sent all and the client took it" % (
            exchange.received, answer.length, answer.framing, "reset" if reset else "FIN")
        self.loop.spawn(self.suspect(exchange, generation, "answer cut without need", text, Steps.of(steps)))

    def suspect(self, exchange, generation, kind, text, steps):
        """Says so when Squire turns out to have gone on as if nothing were: that it crashed is known a moment later."""
        yield from sleep(0.5)
        shared = self.shared
        if shared.get("generation") != generation or shared.get("disturbed") >= exchange.begun - 0.1 or shared.get("lag") >= exchange.begun - 0.1 or not shared.get("is_up"):
            return
        self.reports.violation(kind, "%s request %x: %s" % (exchange.call.method, exchange.call.n, text), steps)

    def tunnel(self, stream, judge, steps, stormy):
        """A WebSocket: its bytes both ways, and an end of some kind."""
        exchange = judge.sent[0]
        call, tunnel = exchange.call, exchange.answer.tunnel
        sent, ended = 0, False
        begun = now()
        self.counts["tunnels"] += 1
        steps("a tunnel: %d up, %d down, first ends %s" % (tunnel.up, tunnel.down, tunnel.ends_first))
        while now() < begun + 9 and not judge.is_broken:
            if sent < tunnel.up:
                count = stream.write(self.up.get(call.n, sent, min(30_000, tunnel.up - sent)))
                sent += count or 0
            is_done = sent == tunnel.up and (exchange.received == tunnel.down or not tunnel.waits)
            if is_done and not ended and (tunnel.ends_first in ("client", "both") or not self.is_stormy()):
                ended = True
                if tunnel.client_end == "rst":
                    return stream.reset()
                if tunnel.client_end == "close":
                    return stream.close()
                stream.finish()
            try:
                data = stream.read()
            except OSError:
                judge.end(True)
                return
            if data == b"":
                judge.end(False)
                return
            if data:
                judge.feed(data)
                continue
            if tunnel.pause:
                yield from sleep(tunnel.pause / 4)
            yield stream.descriptor, IN | (OUT if sent < tunnel.up else 0), now() + 0.2
        stream.reset()

