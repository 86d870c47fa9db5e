"""A stand-in for the inspector: the page's files as Squire serves them, and an API whose exchanges, session and troubles a test chooses.

    with StandIn(count=400) as server:
        page.go(server.url)
        server.add("retried")
        server.state = "login_needed"; server.news()
"""
import base64, datetime, http.server, json, os, pathlib, random, re, struct, sys, threading, time, urllib.parse, zlib

WEB = pathlib.Path(__file__).parents[3] / "Sources/InspectorPage/Web"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
PREVIEW = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
UPSTREAM = "https://api.example.com"


def rfc(t): return datetime.datetime.fromtimestamp(t, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.") + "%03dZ" % int(t * 1000 % 1000)

RANDOM = random.Random(7)


def png():
    rows = b"".join(b"\0" + bytes(v for x in range(64) for v in (x * 4, y * 4, 128)) for y in range(64))
    chunk = lambda k, d: struct.pack(">I", len(d)) + k + d + struct.pack(">I", zlib.crc32(k + d))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", 64, 64, 8, 2, 0, 0, 0)) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")

def body(data=b"", type="application/json", size=None, decoded=None, redactions=(), unreadable=None):
    b = {"size": len(data) if size is None else size, "kept": len(data), "type": type, "decoded": len(data) if decoded is None else decoded, "redactions": list(redactions)}
    if unreadable: b.update(kept=0, unreadable=unreadable, decoded=None)
    elif data:
        try: b["text"] = data.decode()
        except UnicodeDecodeError: b["base64"] = base64.b64encode(data).decode()
    return b

CLIENT = [["Host", "127.0.0.1:8080"], ["User-Agent", "okhttp/4.12.0"], ["Accept", "application/json"], ["Accept-Encoding", "gzip"], ["X-Role-ID", ""], ["Cookie", "session=‹redacted›; theme=‹redacted›"]]
def sent(g): return [["Host", "api.example.com"], ["User-Agent", "okhttp/4.12.0"], ["Accept", "application/json"], ["Accept-Encoding", "gzip"], ["X-Request-ID", "9f1c8a52-4f5b-4d0e-8a52-4f5b4d0e8a52"],
                     ["Application", "f3a90488ffee32c3acb6fcd0ca417cf6"], ["Api-Version", "4.38.0"], ["Device-UUID", "1287796"], *([["Authorization", "Bearer ‹token, generation %d›" % g]] if g else [])]
def answer_fields(type, n): return [["Date", "Thu, 26 Nov 2026 10:12:40 GMT"], ["Content-Type", type], ["Content-Length", str(n)], ["Set-Cookie", "sid=‹redacted›; Path=/; HttpOnly"], ["X-Request-Cost", "3"]]

ERROR401 = b'{"status":"error","code":401,"message":"Unauthenticated.","data":{"error":"invalid_token"}}'
BIG = json.dumps({"code": 200, "data": {"venues": [{"id": 9007199254740993 + i, "name": "Venue %d \u00e9\u4e16 \U0001f355" % i, "open": i % 3 == 0, "distance": i * 1.25, "tags": ["pizza", "delivery"], "address": {"street": "Main Street %d" % i, "city": "Novi Sad", "zip": None}} for i in range(240)]}}, ensure_ascii=False).encode()
HTML = b'<!doctype html><title>Sign in</title><style>body{font:16px sans-serif;background:#eef}h1{color:#039}</style><h1>Bad gateway</h1><p onclick="alert(1)">The server said no.<script>parent.hacked=1</script><img src=http://evil.test/x.png><form action=http://evil.test><button>Send</button></form>'
HOSTILE = b"line one\x1b[31mred\x1b[0m \x07bell\r\n\xe2\x80\xaetxt.exe\xe2\x80\xac zero\xe2\x80\x8bwidth <script>alert(1)</script> <img src=x onerror=alert(1)>\n"

def attempt(n, g, began, first, ended, status, reason, data, type="application/json", **more):
    a = {"n": n, "generation": g, "began": began, "connected": round(began + (0.1 if n > 1 or RANDOM.random() < .8 else 31.2), 1), "reused": True, "first_byte": first, "ended": ended, "status": status, "reason": reason,
         "version": "1.1", "fields": answer_fields(type, len(data)) if status else [], "body": body(data, type, **more.pop("body", {})) if status else body(b"", None), "held": False, "relayed": status is not None, "redactions": ["field Set-Cookie"] if status else [],
         "marks": [[0, first]] + ([[4096, round((first + ended) / 2, 1)], [len(data), ended]] if len(data) > 4096 else []) if status and ended else []}
    a.update(more); return a


SUMMARY = ("seq id at method target status outcome code route attempts statuses generation generations refresh token_outcome request_bytes response_bytes total_ms upstream_ms type state origin replay_of flags connection").split()
def summary(e): return {k: e[k] for k in SUMMARY if k in e}


KINDS = ["retried", "waited", "stream", "failed", "refused", "big", "hostile", "bidi", "cut", "binary", "image", "html", "signin", "websocket", "slow", "br", "login", "replay", "form", "head", "anonymous", "notfound", "running"]


class StandIn:
    """`state` is usable, refreshing, wrong, login_needed, none, given, starting or unused; `news()` tells viewers of what was changed."""

    def __init__(self, count=60, key=None, state="usable", kind=None, files=WEB, port=0):
        self.lock = threading.Condition(threading.RLock())
        self.files, self.key, self.state, self.record = files, key, state, "auto"
        self.run, self.seq, self.number, self.counted, self.generation = f"{random.getrandbits(32):08x}", 0, 0, 0, 7
        self.entries, self.order, self.asked, self.gaps, self.kinds = {}, [], [], [], {}
        self.streams, self.max_streams, self.epoch, self.silent_until, self.refusal, self.page = 0, 16, 0, 0, None, "1"
        self.born = time.time() - 1100
        self.margin, self.sign_in, self.examples, self.failures = 30, "POST /api/customers/login", None, []
        now = time.time()
        for i in range(count):
            special = i - count + len(KINDS) + 4
            self.add(kind or (KINDS[special] if count > 40 and 0 <= special < len(KINDS) else "ok" if i < 20 else None), now - (count - i) * 0.7)
        self.server = Server(("127.0.0.1", port), Handler)
        self.server.stand_in = self
        self.url = f"http://127.0.0.1:{self.server.server_port}/"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()

    def __enter__(self): return self

    def __exit__(self, *_): self.close()

    def close(self):
        self.silence(3600)
        self.server.shutdown()
        self.server.server_close()

    # What a test does

    def news(self):
        with self.lock:
            self.lock.notify_all()

    def add(self, kind="ok", at=None, **changed):
        """A new exchange of that kind; its id."""
        with self.lock:
            exchange = self.make(kind, at)
            exchange.update(changed)
            self.kinds[exchange["id"]] = kind
            self.put(exchange)
            return exchange["id"]

    def change(self, id, **changed):
        with self.lock:
            self.seq += 1
            self.entries[id].update(changed, seq=self.seq)
            self.put(self.entries[id])

    def gap(self, lost, why="rate"):
        with self.lock:
            self.gaps.append({"from": self.seq, "to": self.seq, "lost": lost, "why": why})
            self.lock.notify_all()

    def silence(self, seconds):
        """Streams end, and nobody is answered for so long."""
        self.silent_until = time.time() + seconds
        self.news()

    def restart(self, seconds=0.2):
        with self.lock:
            self.run = f"{random.getrandbits(32):08x}"
            self.entries, self.order, self.seq, self.number, self.counted = {}, [], 0, 0, 0
            self.silence(seconds)

    def evict(self, count):
        with self.lock:
            for id in self.order[:count]:
                del self.entries[id]
            del self.order[:count]

    def clear(self):
        with self.lock:
            self.entries, self.order = {}, []
            self.epoch += 1
            self.lock.notify_all()

    def sent(self, method):
        """The paths that were asked with that method."""
        return [path for m, path, *_ in self.asked if m == method]

    # What it shows

    def put(self, exchange):
        if exchange["id"] in self.entries:
            self.order.remove(exchange["id"])
        self.entries[exchange["id"]] = exchange
        self.order.append(exchange["id"])
        self.lock.notify_all()

    @property
    def oldest(self): return self.entries[self.order[0]]["seq"] if self.order else self.seq + 1

    def make(self, kind=None, at=None):
        """One that is not kept yet."""
        self.number += 1; self.seq += 1; at = at or time.time(); g = self.generation
        kind = kind or RANDOM.choices(["ok", "retried", "waited", "notfound", "failed", "refused", "stream", "websocket", "hostile", "big", "cut", "binary", "image", "html", "signin", "slow", "br", "login", "replay", "form", "head", "running", "bidi", "anonymous"],
                                 [60, 3, 3, 4, 2, 1, 1, 1, 1, 3, 1, 1, 1, 1, 1, 2, 1, 1, 1, 2, 1, 0, 1, 2])[0]
        method, target = RANDOM.choice(["GET"] * 6 + ["POST", "PUT", "DELETE", "PATCH"]), RANDOM.choice(["/api/venues?page=%d" % RANDOM.randint(1, 9), "/api/orders/%d" % RANDOM.randint(1, 99999), "/api/customer-accounts/me", "/api/menus/%d/items?expand=prices,allergens&lang=en" % RANDOM.randint(1, 300), "/api/vouchers", "/health", "/api/directory/locations/%d/opening-hours" % RANDOM.randint(1, 400)])
        request, type, ms = b"", "application/json", round(RANDOM.lognormvariate(3.2, .7), 1)
        if method in ("POST", "PUT", "PATCH"): request = json.dumps({"venue": RANDOM.randint(1, 99), "items": [{"id": 9007199254740993, "quantity": 2, "note": "no onions"}], "total": 12.50}).encode()
        data = json.dumps({"code": 200, "status": "success", "data": {"id": RANDOM.randint(1, 99999), "name": "Quattro Formaggi", "price": 12.5, "available": True, "allergens": ["milk", "gluten"]}}).encode()
        x = {"seq": self.seq, "id": "00a7-%d" % self.number, "at": rfc(at), "method": method, "target": target, "status": 200, "outcome": "complete", "code": None, "route": "ordinary", "attempts": 1, "statuses": [200], "generation": g, "generations": [g], "refresh": None,
             "request_bytes": len(request), "response_bytes": len(data), "total_ms": ms, "upstream_ms": round(ms - .3, 1), "type": type, "state": "done", "origin": "client", "replay_of": None, "flags": [], "connection": RANDOM.randint(1, 12)}
        d = {"request": {"head": {"version": "1.1", "fields": CLIENT + ([["Content-Type", "application/json"], ["Content-Length", str(len(request))]] if request else [])}, "body": body(request, "application/json" if request else None), "kept_for_replay": "memory", "redactions": ["field Cookie"], "replaced": "Authorization"},
             "sent": {"fields": sent(g), "what": ["made", *["kept"] * 3, *["set"] * (len(sent(g)) - 4)]}, "attempt_list": None, "token_wait": None, "own_answer": None, "interim": [], "messages": [], "timings": {"queued": .1, "token": 0, "upstream": round(ms - .3, 1), "client": .2}}
        x["flags"].append("redacted")
        one = lambda status=200, reason="OK", data=data, type=type, **m: [attempt(1, g, .1, round(ms * .8, 1), round(ms - .2, 1), status, reason, data, type, **m)]
        if kind == "retried":
            method, target, request = "POST", "/api/orders", b'{"venue":17,"items":[{"id":9007199254740993,"quantity":2}],"password":"\xe2\x80\xb9redacted\xe2\x80\xba"}'
            data = b'{"code":201,"status":"success","data":{"id":88123,"state":"accepted","eta":"PT25M"}}'
            x.update(method=method, target=target, status=201, attempts=2, statuses=[401, 201], generation=g, generations=[g - 1, g], refresh="led", total_ms=231.4, upstream_ms=48.9, request_bytes=len(request), response_bytes=len(data))
            d["request"]["body"] = body(request, redactions=["/password"]); d["request"]["redactions"] = ["field Cookie", "/password"]
            d["attempt_list"] = [attempt(1, g - 1, .1, 46.9, 46.9, 401, "Unauthorized", ERROR401, held=True, relayed=False), attempt(2, g, 229.3, 231.2, 231.4, 201, "Created", data)]
            d["token_wait"] = {"began": 47.0, "ended": 229.1, "led": True, "need": "another", "awaited": "own_refresh", "waiters": 31, "generation": g, "outcome": "refreshed"}
            d["timings"] = {"queued": .1, "token": 182.1, "upstream": 48.9, "client": .3}
        elif kind == "waited":
            x.update(method="GET", target="/api/customer-accounts/me", refresh="waited", total_ms=190.2, upstream_ms=8.1, flags=["redacted"])
            d["token_wait"] = {"began": .1, "ended": 181.8, "led": False, "need": "first", "awaited": "refresh", "waiters": 31, "generation": g, "outcome": "refreshed"}
            d["attempt_list"] = [attempt(1, g, 181.9, 189.8, 190.0, 200, "OK", data)]; d["timings"] = {"queued": .1, "token": 181.7, "upstream": 8.1, "client": .3}
        elif kind == "notfound":
            data = b'{"status":"error","code":404,"message":"No such venue"}'; x.update(status=404, statuses=[404], response_bytes=len(data)); d["attempt_list"] = one(404, "Not Found", data)
        elif kind == "failed":
            p = {"type": "about:blank", "title": "Bad Gateway", "status": 502, "code": "upstream_reset", "detail": "The API closed the connection before it answered. Nothing was sent twice: send it again if that is safe."}
            x.update(status=502, outcome="upstream_failed", code="upstream_reset", statuses=[], response_bytes=180, type="application/problem+json"); a = one(None, "", b""); a[0].update(ended=ms, first_byte=None, relayed=False, fields=[]); d.update(attempt_list=a, own_answer=p)
        elif kind == "refused":
            p = {"type": "about:blank", "title": "Forbidden", "status": 403, "code": "forbidden_origin", "detail": "The page http://evil.test may not call this proxy. List it in access.origins if it should."}
            x.update(status=403, outcome="refused", code="forbidden_origin", route="none", attempts=0, statuses=[], generation=None, generations=[], total_ms=.1, upstream_ms=0, response_bytes=220, type="application/problem+json"); d.update(attempt_list=[], own_answer=p, sent={"fields": []})
        elif kind == "login":
            p = {"type": "about:blank", "title": "Unauthorized", "status": 401, "code": "login_needed", "detail": "The session has ended: run squire login --config menu.yaml"}
            x.update(status=401, outcome="answered", code="login_needed", attempts=0, statuses=[], generation=None, generations=[], total_ms=.3, upstream_ms=0, refresh="led"); d.update(attempt_list=[], own_answer=p, token_wait={"began": .1, "ended": 90.3, "led": True, "need": "first", "awaited": "own_refresh", "waiters": 1, "generation": None, "outcome": "login_needed"})
        elif kind in ("stream", "running"):
            text = b"".join(b"id: %d\nevent: tick\ndata: {\"n\":%d,\"at\":\"10:12:%02d\"}\n\n" % (i, i, i % 60) for i in range(24))
            run = kind == "running"
            x.update(method="GET", target="/stream/orders", type="text/event-stream", response_bytes=len(text), flags=["stream", "redacted"], state="running" if run else "done", outcome=None if run else "client_gone", total_ms=8210.4)
            a = one(200, "OK", text, "text/event-stream"); a[0]["ended"] = None if run else 8210.2; a[0]["first_byte"] = 12.1; a[0]["marks"] = [[i * 40, 12.1 + i * 340] for i in range(24)]
            d["attempt_list"] = a; d["messages"] = [{"at": 12.1 + i * 340, "from": "upstream", "opcode": None, "size": 40, "text": "id: %d\nevent: tick\ndata: {\"n\":%d}" % (i, i)} for i in range(24)]
        elif kind == "websocket":
            x.update(method="GET", target="/socket", status=101, statuses=[101], type=None, flags=["websocket", "redacted"], request_bytes=120, response_bytes=480, total_ms=15100.0)
            a = one(101, "Switching Protocols", b"", None); a[0]["fields"] = [["Upgrade", "websocket"], ["Connection", "Upgrade"]]; d["attempt_list"] = a
            d["messages"] = [m for i in range(9) for m in ({"at": 20.0 + i * 900, "from": "client", "opcode": 1, "size": 28, "text": '{"type":"subscribe","n":%d}' % i}, {"at": 32.5 + i * 900, "from": "upstream", "opcode": 1, "size": 52, "text": '{"type":"order","id":%d,"state":"\u001b[31mready"}' % i})]
            d["messages"] += [{"at": 9000.0, "from": "upstream", "opcode": 2, "size": 16, "base64": base64.b64encode(bytes(range(16))).decode()}, {"at": 9100.0, "from": "client", "opcode": 9, "size": 0, "text": ""}, {"at": 9101.0, "from": "upstream", "opcode": 10, "size": 0, "text": ""}, {"at": 15000.0, "from": "client", "opcode": 8, "size": 2, "base64": "A+g="}]
        elif kind == "hostile": x.update(type="text/plain", target="/api/<b>bold</b>/%1b[31m?x=\"'><img src=x onerror=alert(1)>"); d["attempt_list"] = one(200, "OK\x1b[31m", HOSTILE, "text/plain")
        elif kind == "bidi": x.update(type="text/plain", target="/api/‮exe.txt/" + "long-segment/" * 30); d["attempt_list"] = one(200, "OK", HOSTILE, "text/plain")
        elif kind == "big": x.update(method="GET", target="/api/venues?near=45.25,19.84&radius=25km", response_bytes=len(BIG)); d["attempt_list"] = one(200, "OK", BIG)
        elif kind == "cut":
            x.update(method="GET", target="/api/export/orders.csv", response_bytes=3251123, type="text/csv", flags=["cut", "encoded", "redacted"]); t = ("id;name;total\n" + "".join("%d;Order %d;%d.50\n" % (i, i, i) for i in range(9000))).encode()[:65536]
            d["attempt_list"] = one(200, "OK", t, "text/csv", body={"size": 3251123, "decoded": None})
        elif kind == "binary": b = bytes(RANDOM.getrandbits(8) for _ in range(700)); x.update(method="GET", target="/api/receipts/12.pdf", type="application/pdf", response_bytes=len(b)); d["attempt_list"] = one(200, "OK", b"%PDF-1.4\n" + b, "application/pdf")
        elif kind == "image": x.update(method="GET", target="/images/logo.png", type="image/png"); d["attempt_list"] = one(200, "OK", png(), "image/png")
        elif kind == "html": x.update(status=502, statuses=[502], type="text/html"); d["attempt_list"] = one(502, "Bad Gateway", HTML, "text/html")
        elif kind == "signin":
            request = '{"email":"john.doe@example.com","password":"‹redacted›"}'.encode(); data = ('{"code":200,"data":{"token":{"value":"‹token, generation %d›","ttl":"‹redacted›"},"customer":{"id":5090976}}}' % g).encode()
            x.update(method="POST", target="/api/customers/login", route="sign_in", generation=None, generations=[], request_bytes=len(request)); d["request"]["body"] = body(request, redactions=["/password"]); d["request"]["redactions"] = ["field Cookie", "/password"]; d["attempt_list"] = one(200, "OK", data, body={"redactions": ["/data/token"]}); d["attempt_list"][0]["generation"] = None; d["sent"] = {"fields": sent(None)}
        elif kind == "slow": ms = 2310.7; x.update(total_ms=ms, upstream_ms=ms - .3, flags=["slow", "redacted"]); d["attempt_list"] = one(); d["timings"]["upstream"] = ms - .3
        elif kind == "br": x["flags"] = ["encoded", "redacted"]; d["attempt_list"] = one(200, "OK", b"", "text/html", body={"size": 8123, "unreadable": "br"}); x["response_bytes"] = 8123; d["attempt_list"][0]["fields"].append(["Content-Encoding", "br"])
        elif kind == "replay": x.update(origin="replay", replay_of="00a7-1"); d["attempt_list"] = one()
        elif kind == "form": request = b"name=John+Doe&city=Novi+Sad&password=%E2%80%B9redacted%E2%80%BA"; x.update(method="POST", target="/api/form", request_bytes=len(request)); d["request"]["body"] = body(request, "application/x-www-form-urlencoded", redactions=["password"]); d["attempt_list"] = one(204, "No Content", b"", None); x.update(status=204, statuses=[204], response_bytes=0)
        elif kind == "head": x.update(method="HEAD", response_bytes=0); d["attempt_list"] = one(200, "OK", b"")
        elif kind == "anonymous": x.update(method="POST", target="/api/customers/check-email", route="anonymous", generation=None, generations=[]); d["attempt_list"] = one(); d["attempt_list"][0]["generation"] = None; d["sent"] = {"fields": sent(None)}
        else: d["attempt_list"] = one(200 if x["method"] != "POST" else 201, "OK" if x["method"] != "POST" else "Created"); x["status"] = d["attempt_list"][0]["status"]; x["statuses"] = [x["status"]]; x["flags"] = []
        self.counted += x["state"] == "done"
        return {**x, "token_outcome": (d["token_wait"] or {}).get("outcome"), **d}

    def session(self):
        now = int(time.time()); exp = int(self.born) + 3600
        s = {"state": "usable", "generation": self.generation, "subject": "5090976", "issued_at": int(self.born), "received_at": int(self.born), "signed_in_at": rfc(self.born - 4600), "age": now - int(self.born), "expires_at": exp, "expires_in": exp - now, "refreshes": 2,
             "last_refresh": {"at": rfc(self.born), "cause": "rejected", "outcome": "refreshed", "waiters": 31, "milliseconds": 182}, "history": [], "failures": {}, "coalesced": 31, "saved": True, "source": "recipe", "grant": None, "clock_skew": 0, "scope": None, "refresh_token": None, "advice": None}
        if self.state == "refreshing": s["state"] = "refreshing"
        if self.state == "wrong": s["advice"] = "The last refresh failed (the API answered 503); the token is kept, and the next try is due in 8 s."
        if self.state == "login_needed": s.update(state="login_needed", advice="The API refused the refresh (401 invalid_token). To log in again, run: squire login --config menu.yaml", expires_in=0, expires_at=now)
        if self.state == "none": s.update(state="none", generation=0, subject=None, issued_at=None, received_at=None, signed_in_at=None, expires_at=None, expires_in=None, last_refresh=None, advice="There is no session. Run: squire login --config menu.yaml")
        if self.state == "given": s.update(last_refresh=None, source="given")
        if self.state in ("starting", "unused"): s.update(state=self.state)
        return s

    def status(self):
        return {"session": self.session(), "upstream": UPSTREAM, "listen": ["http://127.0.0.1:8080"], "version": "0.9.0-mock", "config": "/home/jo/menu.yaml", "pid": os.getpid(), "margin": self.margin,
                "inspector": {"keep": 16 << 20, "body": 65536, "record": self.record, "key": self.key is not None},
                "copy": {"proxy": "http://127.0.0.1:8080", "socket": None, "upstream": UPSTREAM, "config": "/home/jo/menu.yaml", "key_file": None, "token_command": "squire token --config /home/jo/menu.yaml", "apply": {"field": "Authorization", "prefix": "Bearer ", "suffix": ""}, "sign_in": self.sign_in, "examples": self.examples}}

    def generations(self):
        t = self.born
        g = lambda n, frm, cause, at, took, waiters, led, served, refused, running, ended_at, ended_by: {"generation": n, "from": frm, "cause": cause, "at": rfc(at), "took_ms": took, "waiters": waiters, "led_by": led, "issued_at": int(at), "expires_at": int(at) + 3600, "served": served, "refused": refused, "running": running, "ended_at": ended_at and rfc(ended_at), "ended_by": ended_by, "subject": "5090976"}
        L = [g(5, "login", None, t - 1900, None, None, None, 418, 0, 0, t - 840, "expiry"), g(6, "refresh", "expiry", t - 840, 96.0, 0, "00a7-301", 1042, 33, 0, t, "rejected"), g(7, "refresh", "rejected", t, 182.1, 31, "00a7-812", 286, 0, 3, None if self.generation == 7 else time.time(), None if self.generation == 7 else "manual")]
        for n in range(8, self.generation + 1): L.append(g(n, "refresh", "manual", self.born, 120.5, 0, None, 1, 0, 0, None if n == self.generation else self.born, None if n == self.generation else "manual"))
        return {"now": rfc(time.time()), "generations": L, "failures": [{"at": rfc(t - 430), "cause": "expiry", "class": "unavailable", "status": 503, "detail": "the API answered 503; tried again in 4 s", "retry_at": rfc(t - 426)}, *self.failures],
                "events": [{"at": rfc(t - 1900), "what": "login", "detail": None}, {"at": rfc(t - 1899), "what": "saved", "detail": None}, {"at": rfc(t - 839), "what": "saved", "detail": None}]}


class Server(http.server.ThreadingHTTPServer):
    daemon_threads, request_queue_size = True, 128

    def handle_error(self, *arguments):
        # Browsers leave as they like.
        if not isinstance(sys.exc_info()[1], OSError):
            super().handle_error(*arguments)


class Handler(http.server.BaseHTTPRequestHandler):
    """Answers as the inspector does."""
    protocol_version = "HTTP/1.1"

    @property
    def stand(self): return self.server.stand_in

    def log_message(self, *a): pass
    def head(self, status, type, extra=(), length=None, csp="default-src 'none'; frame-ancestors 'none'; sandbox", frame="DENY"):
        self.send_response(status)
        for k, v in [("Content-Type", type), ("Content-Security-Policy", csp), ("X-Content-Type-Options", "nosniff"), ("X-Frame-Options", frame), ("Referrer-Policy", "no-referrer"), ("Cross-Origin-Opener-Policy", "same-origin"), ("Cross-Origin-Resource-Policy", "same-origin"), *extra]: self.send_header(k, v)
        if length is not None: self.send_header("Content-Length", str(length))
        self.end_headers()
    def reply(self, status, data, type="application/json", extra=(), **k):
        data = data if isinstance(data, bytes) else json.dumps(data).encode()
        self.head(status, type, [("Cache-Control", "no-store"), *extra], len(data), **k)
        if self.command != "HEAD": self.wfile.write(data)
    def problem(self, status, code, detail, extra=(), **m): self.reply(status, {"type": "about:blank", "title": http.HTTPStatus(status).phrase, "status": status, "detail": detail, "code": code, **m}, "application/problem+json", extra)
    def do_GET(self):
        u = urllib.parse.urlsplit(self.path); q = dict(urllib.parse.parse_qsl(u.query)); p = u.path
        if self.stand.silent_until > time.time(): self.close_connection = True; return
        if p == "/" or p.startswith("/page/"):
            f = self.stand.files / ("index.html" if p == "/" else p[6:])
            if "/" in p[6:] or not f.is_file(): return self.problem(404, "not_found", "There is no such path.")
            data = f.read_bytes(); type = {"html": "text/html; charset=utf-8", "css": "text/css; charset=utf-8", "svg": "image/svg+xml", "js": "text/javascript; charset=utf-8"}[f.suffix[1:]]
            self.head(200, type, [("Cache-Control", "no-cache"), ("Permissions-Policy", "clipboard-write=(self), camera=(), microphone=(), geolocation=()")], len(data), csp=POLICY)
            if self.command != "HEAD": self.wfile.write(data)
            return
        if p in ("/healthz", "/readyz"): return self.reply(200, b"ok\n", "text/plain")
        if self.stand.refusal: return self.problem(*self.stand.refusal)
        if self.stand.key and self.headers.get("X-Squire-Key") != self.stand.key: return self.problem(403, "wrong_key", "The key of access.key is missing or wrong: send it as X-Squire-Key.")
        if p == "/api/events": return self.events(q)
        with self.stand.lock: self.stand.asked.append([self.command, self.path]); return self.api(p, q)
    do_HEAD = do_GET
    def change(self):
        n = int(self.headers.get("Content-Length") or 0); data = self.rfile.read(n)
        if self.stand.silent_until > time.time(): self.close_connection = True; return
        if self.stand.key and self.headers.get("X-Squire-Key") != self.stand.key: return self.problem(403, "wrong_key", "The key is missing or wrong.")
        if self.headers.get("X-Squire-Inspector") != "1": return self.problem(403, "header_required", "What changes something needs the header X-Squire-Inspector: 1.")
        if n and self.headers.get("Content-Type", "").split(";")[0] != "application/json": return self.problem(415, "unsupported_media_type", "The body must be JSON.")
        try: b = json.loads(data or b"{}")
        except ValueError: return self.problem(400, "bad_request", "The body is not JSON.")
        p = urllib.parse.urlsplit(self.path).path
        with self.stand.lock: self.stand.asked.append([self.command, self.path, b])
        self.changes(p, b)
    do_POST = do_PUT = do_DELETE = change
    def changes(self, p, b):
        if p == "/api/session/refresh":
            was, self.stand.state = self.stand.state, "refreshing"; self.stand.news(); time.sleep(.4)
            if was == "wrong": self.stand.state = "wrong"; self.stand.news(); return self.problem(409, "session_unavailable", "The last refresh failed (the API answered 503); backing off.", [("Retry-After", "8")], retry_at=rfc(time.time() + 8))
            with self.stand.lock: self.stand.generation += 1; self.stand.born = time.time(); self.stand.state = "usable"
            self.stand.news(); return self.reply(200, self.stand.status())
        if p == "/api/record": self.stand.record = "paused" if b.get("paused") else "auto"; return self.reply(200, {"record": self.stand.record})
        if p == "/api/exchanges" and self.command == "DELETE":
            with self.stand.lock: self.stand.entries.clear(); self.stand.order.clear(); self.stand.epoch += 1; self.stand.lock.notify_all()
            return self.reply(204, b"")
        m = re.fullmatch(r"/api/exchanges/([^/]+)/(pin|replay)", p)
        if m:
            e = self.stand.entries.get(m[1])
            if not e: return self.problem(404, "evicted", "No longer kept.")
            if m[2] == "pin":
                with self.stand.lock:
                    self.stand.seq += 1; e["seq"] = self.stand.seq; e["flags"] = [f for f in e["flags"] if f != "pinned"] + (["pinned"] if b.get("pinned") else []); self.stand.put(e)
                return self.reply(200, {"pinned": bool(b.get("pinned"))})
        if m or p == "/api/exchanges":
            e = self.stand.entries[m[1]] if m else None
            if e and e["state"] == "running": return self.problem(409, "not_replayable", "It is still running.", why="running")
            missing = [r for r in (e["request"]["redactions"] if e else []) if r != "field Cookie"]
            if e and "websocket" in e["flags"]: return self.problem(409, "not_replayable", "A WebSocket cannot be sent again.", why="websocket")
            if missing and "body" not in b and "body_base64" not in b: return self.problem(409, "not_replayable", "Parts of it were redacted: " + ", ".join(missing), why="redacted", missing=missing)
            t = b.get("target") or (e or {}).get("target") or ""
            if not t.startswith("/") or t.startswith("//"): return self.problem(422, "invalid_request", "target must begin with one /.", field="target")
            for n, v in b.get("fields") or []:
                if n.lower() in "host content-length transfer-encoding te trailer connection keep-alive proxy-connection upgrade expect proxy-authorization".split() or n.lower().startswith("x-squire-"): return self.problem(422, "invalid_request", n + " may not be given.", field=n)
            time.sleep(.15)
            with self.stand.lock:
                x = self.stand.make("retried" if RANDOM.random() < .3 else "ok"); x.update(origin="replay" if e else "composer", replay_of=e and e["id"], target=t, method=b.get("method") or (e or {}).get("method") or "GET")
                if "fields" in b: x["request"]["head"]["fields"] = b["fields"]
                if "body" in b: x["request"]["body"] = body(b["body"].encode())
                self.stand.put(x)
            return self.reply(201, x, extra=[("Location", "/api/exchanges/" + x["id"])])
        if p == "/api/explain":
            return self.reply(200, {"access": "allowed", "route": {"kind": "ordinary", "because": "no entry of sign-in, sign-out or anonymous matches", "source": "menu.yaml:12"}, "upstream": UPSTREAM, "token": {"action": "attach", "generation": self.stand.generation, "expires_in": 2471, "advice": None},
                "fields": [{"name": n, "value": v, "what": "kept", "why": "the client's own", "source": None} for n, v in (b.get("fields") or [])] + [{"name": "Host", "value": "api.example.com", "what": "replaced", "why": "the upstream's name", "source": "RFC 9110 section 7.2"}, {"name": "Application", "value": "f3a90488ffee32c3acb6fcd0ca417cf6", "what": "set", "why": "configured", "source": "menu.yaml:5"}, {"name": "X-Request-ID", "value": "{uuid}", "what": "made", "why": "the client sent none", "source": "profile menu"}, {"name": "Connection", "value": "keep-alive", "what": "removed", "why": "hop by hop", "source": "RFC 9110 section 7.6.1"}, {"name": "Authorization", "value": "Bearer ‹token, generation %d›" % self.stand.generation, "what": "set", "why": "the session's", "source": "menu.yaml:9"}]})
        self.problem(404, "not_found", "There is no such path.")
    def api(self, p, q):
        if p == "/api/status": return self.reply(200, self.stand.status())
        if p == "/api/generations": return self.reply(200, self.stand.generations())
        if p in ("/api/exchanges", "/api/exchanges.har"):
            L = [self.stand.entries[i] for i in self.stand.order]
            after = q.get("after"); limit = int(q.get("limit", 200))
            if q.get("body"): L = [e for e in L if q["body"].lower() in json.dumps(e, ensure_ascii=False).lower()]
            if q.get("header"):
                n, _, v = q["header"].partition("="); L = [e for e in L if any(n.lower() == f[0].lower() and v.lower() in f[1].lower() for f in e["request"]["head"]["fields"] + sum([a["fields"] for a in e["attempt_list"]], []))]
            if q.get("ids"): L = [e for e in L if e["id"] in q["ids"].split(",")]
            if p.endswith(".har"): return self.reply(200, {"log": {"version": "1.2", "creator": {"name": "Squire", "version": "0"}, "entries": [{"comment": e["id"]} for e in L]}}, extra=[("Content-Disposition", 'attachment; filename="squire.har"')])
            if after:
                n = int(after.split("-")[-1]); L = [e for e in L if e["seq"] > n]; part = L[:limit]
            else:
                if q.get("before"): L = [e for e in L if e["seq"] < int(q["before"].split("-")[-1])]
                part = L[-limit:]
            o = {"run": self.stand.run, "seq": self.stand.seq, "oldest": self.stand.oldest, "exchanges": [summary(e) for e in part], "kept": len(self.stand.order), "counted": self.stand.counted, "record": self.stand.record}
            if len(part) < len(L): o["more"] = True
            if q.get("body") or q.get("header"): o.update(searched=len(self.stand.order), cut=41, unreadable=2)
            return self.reply(200, o)
        m = re.fullmatch(r"/api/exchanges/([^/]+?)(\.har)?(?:/(?:attempts/(\d+)/)?(body|preview))?", p)
        if m:
            e = self.stand.entries.get(m[1])
            if not e:
                given = re.fullmatch(r"00a7-(\d+)", m[1]); return self.problem(404, "evicted" if given and int(given[1]) <= self.stand.number else "not_found", "No longer kept." if given else "No such exchange.")
            if m[2]: return self.reply(200, {"log": {"version": "1.2", "entries": []}}, extra=[("Content-Disposition", 'attachment; filename="squire-%s.har"' % m[1])])
            if not m[4]: return self.reply(200, e)
            b = e["request"]["body"] if not m[3] else next((a["body"] for a in e["attempt_list"] if a["n"] == int(m[3])), None)
            if b is None: return self.problem(404, "not_found", "No such attempt.")
            data = base64.b64decode(b["base64"]) if "base64" in b else b.get("text", "").encode()
            if m[4] == "preview":
                if "html" not in (b["type"] or ""): return self.problem(415, "unsupported_media_type", "Only HTML is rendered.")
                return self.reply(200, data, "text/html; charset=utf-8", csp=PREVIEW, frame="SAMEORIGIN")
            return self.reply(200, data, "application/octet-stream", [("Content-Disposition", 'attachment; filename="%s-%s.bin"' % (m[1], m[3] or "request")), ("X-Squire-Kept", "%d/%d" % (b["kept"], b["size"]))])
        self.problem(404, "not_found", "There is no such path.")
    def events(self, q):
        if self.stand.streams >= self.stand.max_streams: return self.problem(503, "overloaded", "Too many streams.", [("Retry-After", "2")])
        self.stand.streams += 1
        try:
            self.head(200, "text/event-stream", [("Cache-Control", "no-store"), ("Connection", "close")]); self.close_connection = True
            send = lambda k, v, i=None: (self.wfile.write(((f"id: {i}\n" if i else "") + f"event: {k}\ndata: {json.dumps(v)}\n\n").encode()), self.wfile.flush())
            run, epoch, sess, gaps = self.stand.run, self.stand.epoch, None, len(self.stand.gaps)
            pos = self.headers.get("Last-Event-ID") or q.get("after"); seq = self.stand.seq
            send("hello", {"run": self.stand.run, "version": "0.9.0", "page": self.stand.page, "now": rfc(time.time()), "seq": self.stand.seq, "oldest": self.stand.oldest, "upstream": self.stand.status()["upstream"], "listen": self.stand.status()["listen"], "record": self.stand.record})
            sess = self.stand.session(); send("session", sess); gen = None
            if pos:
                r, _, n = pos.rpartition("-")
                if r and r != self.stand.run: send("reset", {"why": "restart"}); seq = 0
                else: seq = int(n or 0)
            last = 0; began = time.time(); comment = time.time(); prev = None
            while self.stand.silent_until < time.time() and self.stand.run == run:
                with self.stand.lock:
                    if self.stand.epoch != epoch: epoch = self.stand.epoch; send("reset", {"why": "cleared"})
                    while gaps < len(self.stand.gaps): send("gap", self.stand.gaps[gaps]); gaps += 1
                    L = []
                    for i in reversed(self.stand.order):
                        if self.stand.entries[i]["seq"] <= seq: break
                        L.append(summary(self.stand.entries[i]))
                    L = L[:500][::-1]
                    if L: seq = L[-1]["seq"]; send("exchanges", L, f"{self.stand.run}-{seq}")
                    s = self.stand.session(); cut = lambda v: {k: w for k, w in v.items() if k not in ("age", "expires_in")}
                    if cut(s) != cut(sess): sess = s; send("session", s); send("generation", self.stand.generations()["generations"][-1])
                    t = time.time()
                    if t - last >= 1:
                        st = {"rate": 0, "kept": len(self.stand.order), "counted": self.stand.counted, "refused": 3, "running": sum(1 for i in self.stand.order[-200:] if self.stand.entries[i]["state"] == "running"), "clients": 4, "upstreams": 2, "bytes": len(self.stand.order) * 2100}
                        if st != prev: send("stats", {"at": rfc(t), **st}); prev = st
                        last = t
                    if t - comment > 15: self.wfile.write(b": here\n\n"); self.wfile.flush(); comment = t
                    self.stand.lock.wait(.05)
        except OSError: pass
        finally: self.stand.streams -= 1


if __name__ == "__main__":
    stand_in = StandIn(count=int(sys.argv[1]) if len(sys.argv) > 1 else 400)
    print(stand_in.url, flush=True)
    threading.Event().wait()
