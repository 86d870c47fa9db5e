"""The right-hand side of the inspector's page in a real browser: exchanges of every kind, copies pasted into shells, differences, the composer."""
import http.server, random, urllib.parse

from long import *
from chromium import *

WEB = pathlib.Path(__file__).parents[3] / "Sources/InspectorPage/Web"
POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
SANDBOX = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'"
AT = "2026-11-26T10:12:40.004Z"


def body(data=b"", type=None, **more):
    data = data.encode() if isinstance(data, str) else data
    given = {"size": len(data), "kept": len(data), "decoded": len(data), "type": type, "encoding": None, "cut": False, "redactions": []}
    if data:
        try:
            given["text"] = data.decode()
        except UnicodeDecodeError:
            given["base64"] = base64.b64encode(data).decode()
    return {**given, **more}


def attempt(n, status, data=b"", type="application/json", generation=7, began=0.1, first=4.0, ended=5.0, fields=(), **more):
    return {"n": n, "generation": generation, "began": began, "connected": began, "reused": True, "first_byte": first, "ended": ended, "status": status, "reason": "Reason",
            "version": "1.1", "fields": [["Content-Type", type], *fields] if type else [*fields], "size": 100, "body": body(data, type, **more.pop("body", {})), "redactions": [],
            "held": False, "relayed": True, "marks": [], **more}


def exchange(id="00a7-1", method="GET", target="/api/x", request=b"", request_type=None, attempts=None, fields=(), sent=(), redactions=(), **more):
    attempts = [attempt(1, 200, b'{"a":1}')] if attempts is None else attempts
    return {"seq": 1, "id": id, "at": AT, "method": method, "target": target, "status": attempts[-1]["status"] if attempts else None, "outcome": "complete", "code": None, "route": "ordinary",
            "attempts": len(attempts), "statuses": [a["status"] for a in attempts if a["status"]], "generation": 7, "generations": [a["generation"] for a in attempts], "refresh": None,
            "request_bytes": len(request), "response_bytes": 7, "total_ms": 5.2, "upstream_ms": 4.9, "type": "application/json", "state": "done", "origin": "client", "replay_of": None,
            "flags": [], "connection": 1,
            "request": {"head": {"version": "1.1", "fields": [["Host", "127.0.0.1:8080"], ["Accept", "*/*"], ["User-Agent", "curl/8"], *fields], "size": 90},
                        "body": body(request, request_type), "kept_for_replay": "memory", "redactions": list(redactions), "replaced": "Authorization"},
            "sent": {"fields": [["Host", "api.test"], ["Accept", "*/*"], ["User-Agent", "curl/8"], *fields, *sent, ["X-Request-ID", "1"], ["Authorization", "Bearer ‹token, generation 7›"]],
                     "what": ["made", *["kept"] * (2 + len(fields)), *["set"] * (2 + len(sent))]},
            "attempt_list": attempts, "interim": [], "token_wait": None, "token_waits": [], "own_answer": None, "messages": [],
            "timings": {"queued": 0.1, "token": 0, "upstream": 4.9, "client": 0.2}, "token_outcome": (more.get("token_wait") or {}).get("outcome"), **more}


def wait(began, ended, outcome="refreshed", generation=None, need="another", awaited="own_refresh", **more):
    """An exchange's wait for a token."""
    return {"began": began, "ended": ended, "led": awaited == "own_refresh", "for_rejection": need == "another", "need": need, "awaited": awaited, "waiters": None, "generation": generation, "outcome": outcome, "detail": None, **more}


PAGE = (b"<!doctype html><title>x</title><meta http-equiv=refresh content='0;url=@/refresh'><style>@import url(@/import);body{background:url(@/background)}</style>"
        b"<script src=@/script></script><script>parent.document.title='hacked';top.location='@/top';fetch('@/fetch')</script><img src=@/image onerror='top.x=1'>"
        b"<iframe src=@/frame></iframe><form action=@/form target=_top><button autofocus>go</button></form><a target=_top href=@/link id=a>x</a><object data=@/object></object><h1>Rendered</h1>")
HOSTILE = "line\x1b[31m red\x00 \u202etxt.exe\u202c <img src=x onerror=\"document.title='hacked'\"> <script>document.title='hacked'</script>\r\nnext"
NUMBERS = '{"id":9223372036854775808,"id":9007199254740993,"__proto__":{"polluted":1.0},"list":[1e400,-0,{}],"deep":{"a":{"b":[]}}}'


def retried():
    return exchange("00a7-2", "POST", "/api/orders", b'{"venue":17}', "application/json", refresh="led", generations=[6, 7], total_ms=231.4,
                    attempts=[attempt(1, 401, '{"code":401,"list":[1,2,3],"same":true}', generation=6, first=46.9, ended=46.9, held=True, relayed=False,
                                      fields=[["WWW-Authenticate", 'Bearer error="invalid_token"']]),
                              attempt(2, 201, '{"code":201,"list":[1,2,3],"same":true}', began=229.3, first=231.2, ended=231.4)],
                    token_wait=wait(47.0, 229.1, generation=7, waiters=31),
                    timings={"queued": 0.1, "token": 182.1, "upstream": 48.9, "client": 0.3})


LOST = "The answer to the refresh of 2026-11-26 10:12:40 was lost (closed), and session.retry-lost: never forbids to send the token once more."


def kinds():
    """An exchange of every kind, by name."""
    own = lambda status, code, detail: {"type": "about:blank", "title": "T", "status": status, "code": code, "detail": detail, "at": 5.0}
    png = base64.b64decode("iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==")
    svg = b"<svg xmlns='http://www.w3.org/2000/svg' onload='top.x=1'><script>top.x=1</script><image href='@/svg'/></svg>"
    all = {
        "plain": exchange(attempts=[attempt(1, 200, NUMBERS)]), "retried": retried(),
        "waited": exchange(refresh="waited", token_wait=wait(0.1, 90, generation=7, need="first", awaited="refresh", waiters=3),
                           attempts=[attempt(1, 200, "{}", began=90.1, first=95.0, ended=95.0)], total_ms=95.3),
        "login": exchange(attempts=[], status=401, outcome="answered", code="login_needed", own_answer=own(401, "login_needed", "The session has ended."),
                          token_wait=wait(0.1, 4.9, "login_needed", need="first", waiters=0)),
        "failed": exchange(attempts=[attempt(1, None, b"", None, first=None)], status=502, outcome="upstream_failed", code="upstream_reset", own_answer=own(502, "upstream_reset", "It hung up.")),
        "refused": exchange(attempts=[], status=403, outcome="refused", code="forbidden_origin", route="none", own_answer=own(403, "forbidden_origin", "The page may not."), sent={"fields": []}),
        "running": exchange(state="running", outcome=None, attempts=[attempt(1, 200, "data: 1\n\n", "text/event-stream", ended=None)], flags=["stream"],
                            messages=[{"at": 4.0, "from": "upstream", "opcode": None, "size": 9, "text": "event: tick\ndata: one"}]),
        "gone": exchange(outcome="client_gone", attempts=[attempt(1, 200, "x" * 600, "text/plain", ended=900.0)], total_ms=900.0),
        "socket": exchange(target="/socket", attempts=[attempt(1, 101, b"", None)], flags=["websocket"], messages=[
            {"at": 5.0, "from": "client", "opcode": 1, "size": 5, "text": "hello"}, {"at": 6.0, "from": "upstream", "opcode": 2, "size": 3, "base64": "AAH/"},
            {"at": 7.0, "from": "upstream", "opcode": 9, "size": 0}, {"at": 8.0, "from": "client", "opcode": 8, "size": 5, "base64": base64.b64encode(b"\x03\xe8bye").decode()}]),
        "hostile": exchange(target="/a/\u202ecod.exe?x=\"'><img src=x onerror=document.title=1>", attempts=[attempt(1, 200, HOSTILE, "text/plain\u202e", reason="OK\x1b]0;x\x07", fields=[["X\u202e", "\x1b[31mv"]])]),
        "broken": exchange(attempts=[attempt(1, 200, '{\n "a": 1,\n "b": nope}')]),
        "cut": exchange(flags=["cut"], attempts=[attempt(1, 200, "a;b\n" * 16384, "text/csv", body={"size": 3251123, "decoded": 3251123, "cut": True})]),
        "br": exchange(flags=["encoded"], attempts=[attempt(1, 200, b"", "text/html", body={"size": 8123, "decoded": None, "encoding": "br", "unreadable": "br"})]),
        "binary": exchange(attempts=[attempt(1, 200, bytes(range(256)), "application/pdf")]),
        "image": exchange(attempts=[attempt(1, 200, png, "text/html")]), "svg": exchange(attempts=[attempt(1, 200, svg, "image/svg+xml")]),
        "html": exchange(attempts=[attempt(1, 502, PAGE, "text/html")]),
        "redacted": exchange(method="POST", request='{"user":"a","password":"‹redacted›"}'.encode(), request_type="application/json", fields=[["Cookie", "sid=‹redacted›"]], redactions=["field Cookie", "/password"],
                             flags=["redacted"]),
        "octets": exchange(method="PUT", request=b"\x00\xff\x80binary", request_type="application/octet-stream"),
        "deep": exchange(attempts=[attempt(1, 200, "[" * 30000 + "]" * 30000)]),
        # A refresh was refused: the answer that was held goes on, marked.
        "marked": exchange(attempts=[attempt(1, 401, b"", held=True, relayed=True, first=4.0, ended=4.0, body={"cut": True})], status=401, code="login_needed", refresh="led", total_ms=90.4,
                           token_wait=wait(4.1, 90.2, "login_needed", waiters=0, detail=LOST)),
        "first": exchange(refresh="led", attempts=[attempt(1, 200, "{}", began=41200, first=41299.4, ended=41299.4)], total_ms=41300.0,
                          token_wait=wait(0.1, 39399.1, generation=7, need="first", waiters=0)),
        "wide": exchange(target="/api/" + "long-segment/" * 300, attempts=[attempt(1, 200, json.dumps({"text": "w" * 60000}))]),
    }
    for i, x in enumerate(all.values()):
        x["id"], x["seq"] = f"00a7-{i + 1}", i + 1
    return all


class Stand:
    """Serves the page as Squire does, and a recorded past; `asked` is what changed something, `answer` what it gets."""

    def __init__(self, key=False):
        self.exchanges, self.asked, self.key = kinds(), [], key
        self.answer = lambda path, sent: (404, {"code": "not_found", "detail": "none"})
        stand = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def give(self, status, data, type="application/json", policy="default-src 'none'", **fields):
                data = data if isinstance(data, bytes) else json.dumps(data).encode()
                self.send_response(status)
                for name, value in {"Content-Type": type, "Content-Length": len(data), "Content-Security-Policy": policy, "X-Content-Type-Options": "nosniff", **fields}.items():
                    self.send_header(name, str(value))
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self):
                path = urllib.parse.unquote(self.path.partition("?")[0])
                if path == "/" or path.startswith("/page/"):
                    file = WEB / (path.removeprefix("/page/") if path != "/" else "index.html")
                    type = {".html": "text/html; charset=utf-8", ".css": "text/css", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}.get(file.suffix, "text/plain")
                    return self.give(200, file.read_bytes(), type, POLICY) if file.is_file() else self.give(404, b"")
                if path == "/api/status":
                    session = {"state": "usable", "generation": 7, "subject": "1", "issued_at": 1, "expires_at": 2 ** 32, "expires_in": 3600, "refreshes": 1, "last_refresh": None, "advice": None}
                    return self.give(200, {"session": session, "upstream": "https://api.test", "listen": ["http://127.0.0.1:8080"], "version": "0", "inspector": {"keep": 16 << 20, "body": 65536, "record": "auto", "key": stand.key},
                                           "copy": {"proxy": "http://127.0.0.1:8080", "socket": None, "upstream": "https://api.test", "config": "/home/a b/menu.yaml", "key_file": None, "token_command": "squire token", "apply": {"field": "Authorization", "prefix": "Bearer ", "suffix": ""}}})
                if path == "/api/generations":
                    return self.give(200, {"now": AT, "generations": [{"generation": 7, "issued_at": 0, "expires_at": 3600, "from": "refresh", "cause": "rejected", "at": AT, "took_ms": 182.1, "waiters": 31, "led_by": None,
                                                                       "served": 1, "refused": 0, "running": 0, "ended_at": None, "ended_by": None, "subject": "1"}], "failures": [], "events": []})
                if path == "/api/events":
                    return self.give(503, {"code": "overloaded", "detail": "none here"}, **{"Retry-After": 60})
                if path == "/api/exchanges":
                    bare = lambda x: {k: v for k, v in x.items() if k not in ("request", "sent", "attempt_list", "messages")}
                    after = int(re.search(r"after=(?:\w+-)?(\d+)|$", self.path)[1] or 0)
                    found = sorted((bare(x) for x in stand.exchanges.values() if x["seq"] > after), key=lambda x: x["seq"])
                    return self.give(200, {"run": "aa", "seq": max(x["seq"] for x in stand.exchanges.values()), "oldest": 1, "exchanges": found, "kept": 1, "counted": 1, "record": "auto"})
                found = re.fullmatch(r"/api/exchanges/([^/]+)(?:/attempts/(\d+)/(body|preview)|/(body))?", path)
                x = found and next((x for x in stand.exchanges.values() if x["id"] == found[1]), None)
                if not x:
                    return self.give(404, {"code": "evicted" if found and found[1] == "00a7-0" else "not_found", "detail": "none"}, "application/problem+json")
                if not (found[3] or found[4]):
                    return self.give(200, x)
                part = x["request"]["body"] if found[4] else x["attempt_list"][int(found[2]) - 1]["body"]
                data = base64.b64decode(part["base64"]) if "base64" in part else part.get("text", "").encode()
                if found[3] == "preview":
                    return self.give(200, data, "text/html; charset=utf-8", SANDBOX, **{"X-Frame-Options": "SAMEORIGIN"})
                return self.give(200, data, "application/octet-stream")

            def do_POST(self):
                sent = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or "null")
                if self.path == "/api/explain":
                    return self.give(200, {"access": "allowed", "route": {"kind": "ordinary", "because": "no entry matches", "source": "menu.yaml:3"}, "upstream": "https://api.test",
                                           "token": {"action": "attach", "generation": 7, "expires_in": 60, "advice": None},
                                           "fields": [{"name": "X-A", "value": "1", "what": "set", "why": "configured", "source": "menu.yaml:9"}]
                                           + [{"name": name, "value": "1", "what": "made", "why": "Squire's own", "source": None} for name in ("Host", "Via")]})
                stand.asked.append((self.command, self.path, sent))
                status, answer = stand.answer(self.path, sent)
                self.give(status, answer, "application/json" if status < 400 else "application/problem+json")
            do_PUT = do_POST

            def log_message(self, *arguments): pass

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            # A tab that goes hangs up.
            def handle_error(self, *arguments): pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def id(self, kind): return self.exchanges[kind]["id"]


@unittest.skipIf(WHY_NOT, WHY_NOT)
class DetailCase(Scenario):
    """One browser and one stand for all cases; a new tab for each."""
    KEY = False

    @classmethod
    def setUpClass(cls):
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def setUp(self):
        super().setUp()
        self.stand = Stand(self.KEY)
        self.addCleanup(self.stand.server.shutdown)
        self.page = self.browser.open()
        self.addCleanup(lambda: self.page.close())

    def show(self, kind, tab="story"):
        return self.go(f"#/x/{self.stand.id(kind)}/{tab}", "document.querySelector('.exchange [role=tabpanel]')?.childElementCount")

    def go(self, fragment, ready):
        self.page.go("about:blank")
        self.page.go(self.stand.url + "/" + fragment)
        self.page.wait(ready)
        return self.page

    def panel(self): return self.page.evaluate("document.querySelector('.exchange [role=tabpanel]').innerText")

    def module(self, name, expression):
        """Of a module of the page, without the page itself."""
        if not self.page.evaluate("location.pathname.startsWith('/page/')"):
            self.page.go(self.stand.url + "/page/icon.svg")
        return self.page.evaluate(f"import('/page/{name}.js').then(m => {expression})")


class PureModules(DetailCase):
    def test_json_loses_nothing(self):
        lines = self.module("json", f"m.prettyLines(m.parseJSON({json.dumps(NUMBERS)}).root)")
        self.assertEqual(lines, ["{", '  "id": 9223372036854775808,', '  "id": 9007199254740993,', '  "__proto__": {', '    "polluted": 1.0', "  },", '  "list": [', "    1e400,", "    -0,", "    {}", "  ],",
                                 '  "deep": {', '    "a": {', '      "b": []', "    }", "  }", "}"])
        self.assertEqual(self.module("json", f"m.parseJSON({json.dumps(NUMBERS)}).root.members.map(x => x.isDuplicate)"), [True, True, False, False, False])
        self.assertIsNone(self.page.evaluate("({}).polluted ?? null"))
        self.assertEqual(self.module("json", "m.jsonLines(m.parseJSON('['.repeat(100000) + ']'.repeat(100000)).root).length"), 199999)

    def test_json_is_what_the_standard_says(self):
        """As the browser's own reader has it, for many short texts."""
        self.assertEqual(self.module("json", r"""(() => { let s = 7; const next = n => (s = (s * 1103515245 + 12345) & 0x7fffffff) % n, parts = ['{','}','[',']',',',':','"a"','"\\u0041"','1','-0.5e+3','01','true','nul',' ','\n','"','\\'];
            const wrong = []; let right = 0;
            for (let i = 0; i < 60000; i++) { let text = ''; for (let n = next(9) + 1; n--;) text += parts[next(parts.length)];
              let expected = true; try { JSON.parse(text) } catch { expected = false } right += expected;
              if ((m.parseJSON(text).problem === null) !== expected) wrong.push(text) }
            return [wrong.slice(0, 5), right > 500] })()"""), [[], True])

    def test_json_says_where_it_breaks(self):
        for text, words in [('{\n "a": nope}', "line 2, column 7: expected a value"), ("[1 2]", 'column 4: expected "," or "]"'), ('{"a" 1}', 'expected ":"'), ("[1,]", "expected a value"), ('"abc', "expected the rest of a string, found the end"),
                            ("1 x", "expected nothing more"), ('{"a":1,}', "expected a name in quotes"), ("", "found the end")]:
            self.assertIn(words, self.module("json", f"m.describe(m.parseJSON({json.dumps(text)}).problem)"), text)

    def test_the_difference_is_the_shortest(self):
        wrong = self.module("compare", r"""(() => { let s = 3; const next = n => (s = (s * 1103515245 + 12345) & 0x7fffffff) % n, list = () => Array.from({length: next(12)}, () => 'abc'[next(3)]);
            const common = (a, b) => { const t = [...Array(a.length + 1)].map(() => Array(b.length + 1).fill(0)); for (let i = 1; i <= a.length; i++) for (let j = 1; j <= b.length; j++) t[i][j] = a[i-1] === b[j-1] ? t[i-1][j-1] + 1 : Math.max(t[i-1][j], t[i][j-1]); return t[a.length][b.length] };
            const wrong = [];
            for (let i = 0; i < 5000; i++) { const a = list(), b = list(), d = m.difference(a, b), equal = d.filter(x => x.what === 'equal');
              if (d.filter(x => x.left !== null).map(x => a[x.left]).join() !== a.join() || d.filter(x => x.right !== null).map(x => b[x.right]).join() !== b.join() || equal.some(x => a[x.left] !== b[x.right]) || equal.length !== common(a, b)) wrong.push([a, b]) }
            return wrong.slice(0, 3) })()""")
        self.assertEqual(wrong, [])

    def test_the_difference_has_bounds(self):
        self.assertEqual(self.module("compare", """(() => { const a = Array.from({length: 4000}, (_, i) => 'a' + i), b = a.map(x => x + 'b'), c = Array.from({length: 100000}, (_, i) => 'c' + i);
            return [m.difference(a, b), m.difference(c, []), m.difference(c, [...c, 'x']).length, m.difference(a, a.slice(900)).filter(x => x.what === 'removed').length] })()"""), [None, None, 100001, 900])

    def test_messages_are_read_from_a_stream(self):
        self.assertEqual(self.module("messages", "m.eventsOf('id: 1\\nevent: a\\ndata: x\\ndata: y\\r\\n\\r\\n: hi\\n\\ndata:z').map(e => [e.type, e.id, e.data, e.comment, !!e.isOpen])"),
                         [["a", "1", "x\ny", None, False], [None, None, None, "hi", False], [None, None, "z", None, True]])


class Copies(DetailCase):
    """What is pasted into a shell sends exactly what was recorded, and does nothing else."""
    BODIES = [b"", b"@/etc/passwd", b"'; touch x #", b"\x1b[201~; touch x\r", b"a\x00b", b"\xff\xfe\x80", b"x" * 61440, b'{"a":"$(touch x)`touch x`"}', "é𝒳 \u202e!!".encode(), b"\n\n'\\''\n", b"-K/etc/passwd", b"a=b&c=%00",
              b"\r\n--x\r\nContent: y\r\n", b"line\tone\nline two\n", b"\\\\x41 %s %d"]
    TARGETS = ["/api/x", "/api/x?include=a|b;c", "/api/x?q='x'&y=$z", "/api/x?a[0]=1&b={2}&c={a,b}", "/../y/./z", "/%2e%2e/z?f=`id`", "/a\\b^c<d>", "/x?y#z".replace("#", "%23"), "/é/ü", "/a//b", "/x?@/etc/passwd", "/*", "/-X", "/x?$(touch%20x)"]
    METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "QUERY", "get", "M-SEARCH", "!#$%&'*+-.^_`|~", "-X"]
    VALUES = ["v", "", "'\"$(touch x)`touch x`\\", "@/etc/passwd", "a;b,c", "{a,b}[1-3]", "é ü", "!!", "~", "*", "a\tb", "%00 \\x41", ";", "=x"]

    def place(self, upstream):
        return {"proxy": upstream.url, "socket": None, "upstream": upstream.url, "config": "/tmp/a b/c'd.yaml", "key_file": None, "token_command": "squire token",
                "apply": {"field": "Authorization", "prefix": "Bearer ", "suffix": ""}}

    def cases(self):
        generator = random.Random(16)
        longest = max(map(len, (self.BODIES, self.TARGETS, self.METHODS, self.VALUES)))
        for i in range(longest * 4):
            pick = lambda all: all[i] if i < len(all) else generator.choice(all)
            method, target, value, data = pick(self.METHODS), pick(self.TARGETS), pick(self.VALUES), pick(self.BODIES)
            # A body with HEAD is nothing that curl can be told.
            yield method, target, value, b"" if method == "HEAD" else data, generator.random() < 0.5

    def paste(self, shell, command):
        """Run in an empty directory, of which what is left is given."""
        box = self.directory / "box"
        box.mkdir(exist_ok=True)
        binaries = self.directory / "bin"
        if not binaries.exists():
            binaries.mkdir()
            (binaries / "squire").write_text('#!/bin/sh\n[ "$#" = 5 ] && [ "$3" = "/tmp/a b/c\'d.yaml" ] && echo "Authorization: Bearer of-now"\n')
            (binaries / "squire").chmod(0o755)
        environment = {"PATH": f"{binaries}:{os.environ['PATH']}", "HOME": str(box), "TOKEN": "given"}
        return subprocess.run([shell, "-c", command + " -sS -o /dev/null"], cwd=box, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT), sorted(p.name for p in box.iterdir())

    def assert_pasted(self, form, upstream, method, target, value, data, has_type, multiline=False, shells=("dash", "bash")):
        fields = [["X-A", value], ["Accept-Encoding", "gzip"]] + ([["Content-Type", "text/plain"]] if has_type else [])
        x = exchange(method=method, target=target, request=data, fields=fields)
        place = self.place(upstream)
        made = self.module("copy", f"m.copyText({json.dumps(form)}, {json.dumps(x)}, {json.dumps(place)}, {{isMultiline: {str(multiline).lower()}}})")
        self.assertIn("text", made, (method, target, value, data[:40], made))
        command = made["text"]
        self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", command), command[:300])
        self.assertNotIn("‹", command)
        for shell in filter(shutil.which, shells):
            before = len(upstream.requests)
            result, left = self.paste(shell, command)
            context = (shell, result.stderr, command[:400])
            self.assertEqual(left, [], context)
            self.assertEqual(len(upstream.requests), before + 1, context)
            got = upstream.requests[-1]
            self.assertEqual((got.method, got.target.encode("latin-1"), got.payload == data), (method, target.encode(), True), context)
            self.assertEqual([v.encode("latin-1").strip() for v in got.all("X-A")], [value.encode()], context)
            self.assertEqual(got.all("Accept") + got.all("User-Agent"), ["*/*", "curl/8"], context)
            self.assertEqual(got.all("Content-Type"), ["text/plain"] if has_type else [], context)
            self.assertEqual(got.all("Authorization"), {"s": [], "d": ["Bearer of-now"], "t": ["Bearer given"]}[form], context)

    def test_curl_goes_directly_as_squire_does(self):
        way = {"ca": "/tmp/a b/ca.pem", "certificate": "/c.pem", "key": "/k.pem", "proxy": "http://proxy.test:3128", "proxy_login": True}
        place = {**self.place(self.upstream()), "way": way}
        x = exchange(method="GET", target="/api/x", request=b"", fields=[])
        made = {form: self.module("copy", f"m.copyText({json.dumps(form)}, {json.dumps(x)}, {json.dumps(place)})")["text"] for form in "sdt"}
        self.assertIn("curl --cacert '/tmp/a b/ca.pem' --cert /c.pem --key /k.pem --proxy http://proxy.test:3128 http", made["d"])
        self.assertIn("# redacted: login of the proxy\n", made["d"])
        # Another machine has other files.
        for form in "st": self.assertNotRegex(made[form], "pem|proxy")

    def test_curl_sends_what_was_recorded(self):
        upstream = self.upstream()
        for i, (method, target, value, data, has_type) in enumerate(self.cases()):
            self.assert_pasted("sdt"[i % 3], upstream, method, target, value, data, has_type, multiline=i % 2 == 1)

    def test_each_body_pasted_by_each_form(self):
        upstream = self.upstream()
        for form in "sdt":
            for data in self.BODIES:
                self.assert_pasted(form, upstream, "POST", "/api/x", "v", data, True, shells=("dash",))

    def test_fetch_sends_what_was_recorded(self):
        if not shutil.which("node"):
            self.skipTest("no Node is installed")
        upstream = self.upstream()
        for data in self.BODIES:
            x = exchange(method="POST", target="/api/x?a=b", request=data, fields=[["X-A", "'\"\\"], ["Content-Type", "text/plain"]])
            text = self.module("copy", f"m.copyText('f', {json.dumps(x)}, {json.dumps(self.place(upstream))})")["text"]
            self.assertIsNone(re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069]", text))
            subprocess.run(["node", "--input-type=module"], input=text.encode(), check=True, timeout=LIMIT, capture_output=True, cwd=self.directory)
            got = upstream.requests[-1]
            self.assertEqual((got.method, got.target, got.payload, got["X-A"]), ("POST", "/api/x?a=b", data, "'\"\\"))

    def test_raw_is_the_request(self):
        x = exchange(method="POST", target="/api/x", request=b'{"a":1}', fields=[["X-A", "1"]])
        self.assertEqual(self.module("copy", f"m.copyText('w', {json.dumps(x)}, {{proxy: 'http://127.0.0.1:8080'}}).text"),
                         'POST /api/x HTTP/1.1\nHost: 127.0.0.1:8080\nAccept: */*\nUser-Agent: curl/8\nX-A: 1\nContent-Length: 7\n\n{"a":1}')

    def test_httpie_is_not_told_what_it_would_misread(self):
        text = lambda x: self.module("copy", f"m.copyText('h', {json.dumps(x)}, {{proxy: 'http://127.0.0.1:8080'}})")
        self.assertEqual(text(exchange(method="POST", request=b"@/etc/passwd", fields=[["X-A", "=x"]]))["text"],
                         "http --ignore-stdin --raw=@/etc/passwd POST http://127.0.0.1:8080/api/x Accept-Encoding: Content-Type: 'Accept: */*' 'User-Agent: curl/8' 'X-A: =x'")
        for x in (exchange(target="/../x"), exchange(target="/é"), exchange(fields=[["X-A", "a\\:b"]]), exchange(method="M-SEARCH"), exchange(method="POST", request=b"\x00")):
            self.assertIn("error", text(x))

    def test_what_cannot_be_pasted_is_refused(self):
        place = {"proxy": "http://127.0.0.1:1", "upstream": "http://127.0.0.1:1"}
        client = lambda **more: {**exchange(), "request": {"head": {"fields": [["X", "\xff"]], **more}, "body": {}}}
        for x, forms in [(exchange(fields=[["X-A", "a\x1bb"]]), "sdthfw"), (exchange(fields=[["X-A", "\u202e"]]), "sdthfw"), (exchange(fields=[["X-A", "\u3164"]]), "sdthfw"), (exchange(fields=[["X-A", "\U000e0041\ufe0f"]]), "sdthfw"), (exchange(target="/\x9b"), "sdthfw"), (exchange(target="/\xff", octets=True), "sdthfw"),
                         (exchange(method="PO\x07ST"), "sdthfw"), (exchange(fields=[["X-A", "a\nb"]]), "sdthfw"), (client(octets=True), "shfw"),
                         ({**exchange(), "request": {"head": {"fields": []}, "body": body(b"abc", cut=True, size=9)}}, "sdthfw"),
                         ({**exchange(), "request": {"head": {"fields": []}, "body": body(b"abc", encoding="gzip")}}, "sdthfw")]:
            for form in forms:
                made = self.module("copy", f"m.copyText({json.dumps(form)}, {json.dumps(x)}, {json.dumps(place)})")
                self.assertEqual(list(made), ["error"], (form, x["method"], x["target"], made))
        self.assertIn("text", self.module("copy", f"m.copyText('s', {json.dumps(client())}, {json.dumps(place)})"))

    def test_the_token_goes_in_the_sessions_field(self):
        apply = {"field": "X-Token", "prefix": "Key '$(x)", "suffix": "~"}
        x = exchange(fields=[["Authorization", "Basic ‹redacted›"]])
        x["request"]["replaced"] = "X-Token"
        x["sent"]["fields"][-1] = ["X-Token", "Key '$(x)‹token, generation 7›~"]
        place = {"proxy": "http://127.0.0.1:1", "upstream": "http://127.0.0.1:1", "apply": apply}
        text = lambda form, x=x, **more: self.module("copy", f"m.copyText('{form}', {json.dumps(x)}, {json.dumps({**place, **more})}).text")
        self.assertIn(' -H "$(squire token --format header)"', text("d"))
        self.assertIn(""" -H 'X-Token: Key '\\''$(x)'"$TOKEN"'~'""", text("t"))
        for form in "dt":
            self.assertNotIn("generation", text(form))
            self.assertTrue(text(form).startswith("# redacted: field Authorization\n"))
        # Recorded before a reload put the token elsewhere; nothing of what was is left.
        for form, word in (("d", ' -H "$(squire token --format header)"'), ("t", ''' -H "X-Other: $TOKEN"''')):
            said = text(form, apply={"field": "X-Other", "prefix": "", "suffix": ""})
            self.assertIn(word, said)
            self.assertEqual(("generation" in said, "X-Token" in said), (False, False))
        # Without a session the client's credential is its own.
        mine = {**exchange(), "sent": {"fields": [["Authorization", "Bearer ‹redacted›"]], "what": ["kept"]}}
        self.assertNotIn("squire token", text("d", mine, apply=None))
        self.assertTrue(text("d", mine, apply=None).startswith("# redacted: field Authorization\n"))
        side = self.module("diff", f"m.sideOf({json.dumps({**x, 'attempt_list': [attempt(1, 401, generation=6), attempt(2, 200)]})}, 1).fields")
        self.assertEqual(side[-1], ["X-Token", "Key '$(x)‹token, generation 6›~"])
        told = {"upstream": "u", "token": {"action": "client"}, "fields": [{"name": "x-token", "what": "set"}, {"name": "Authorization", "what": "set"}]}
        self.assertEqual(self.module("explain", f"m.inOneLine({json.dumps(told)}, {json.dumps(apply)})"), "goes to u with the client's own X-Token, 1 configured header")
        draft = lambda replaced: self.module("composer", f"m.draftOf({json.dumps({**x, 'request': {**x['request'], 'replaced': replaced}})}).fields.map(([name]) => name)")
        self.assertEqual((draft("authorization"), draft("X-Token")), (["Accept", "User-Agent"], ["Accept", "User-Agent", "Authorization"]))
        # Squire takes away every spelling of the session's field.
        self.assertEqual(draft("Authorization_"), ["Accept", "User-Agent"])

    def test_redacted_parts_are_named(self):
        x = exchange(method="POST", request='{"password":"‹redacted›"}'.encode(), fields=[["Cookie", "a=‹redacted›"], ["Authorization", "Bearer ‹redacted›"]], redactions=["field Cookie", "/pass'$(touch x)\nword"])
        text = self.module("copy", f"m.copyText('s', {json.dumps(x)}, {{proxy: 'http://127.0.0.1:1'}}).text")
        first, rest = text.split("\n", 1)
        self.assertEqual(first, "# redacted: field Cookie, /pass???touch x??word, field Authorization")
        self.assertNotIn("Authorization", rest)

    def test_the_menu_puts_it_on_the_clipboard(self):
        self.browser_permissions()
        page = self.show("retried")
        page.key("c")
        page.wait("document.querySelector('[role=menu]:not([hidden])')")
        page.key("s")
        page.wait("document.querySelector('[role=menu][hidden]')")
        self.assertIn("--data-raw '{\"venue\":17}'", page.evaluate("navigator.clipboard.readText()"))
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Copy")
        page.key("Enter")
        page.wait("document.querySelector('[role=menu]:not([hidden])')")
        page.key("ArrowDown")
        page.key("Enter")
        page.wait("document.querySelector('[role=menu][hidden]')")
        self.assertIn('$(squire token --config \'/home/a b/menu.yaml\' --format header)', page.evaluate("navigator.clipboard.readText()"))
        page.assert_clean()

    def browser_permissions(self):
        self.page.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])

    def test_without_a_clipboard_the_text_is_selected(self):
        page = self.show("retried")
        page.evaluate("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
        page.key("c")
        page.key("w")
        page.wait("document.querySelector('dialog[open] textarea')")
        self.assertTrue(page.evaluate("(() => { const f = document.querySelector('dialog textarea'); return f.selectionEnd - f.selectionStart === f.value.length && f.value.startsWith('POST /api/orders HTTP/1.1') })()"))
        page.assert_clean()


class Views(DetailCase):
    STORIES = {
        "retried": ["POST /api/orders received · 12 B, kept to be sent again", "attempt 1 with generation 6 · on a kept connection", "401 invalid_token", "held: your tool has not seen it",
                    "refresh started by this request · 31 others waited for it", "generation 7 arrived · good for 1 h", "attempt 2 with generation 7", "201 Reason", "what your tool got"],
        "waited": ["waits for the refresh that is on its way", "3 requests waited", "generation 7", "attempt 1 with generation 7"],
        "marked": ["401", "held: your tool has not seen it yet", "refresh started by this request", "no other token: a login is needed", LOST, "401 given to your tool, marked login needed",
                   "squire login --config '/home/a b/menu.yaml'"],
        "first": ["39.40 s", "generation 7 arrived", "41.20 s", "attempt 1 with generation 7"],
        "login": ["refresh started by this request: the token had expired · none waited for it", "no token: a login is needed", "401 login_needed", "The session has ended.", "squire login --config '/home/a b/menu.yaml'"],
        "failed": ["attempt 1 with generation 7", "attempt 1 ended without an answer", "502 upstream_reset", "It hung up."],
        "refused": ["GET /api/x received", "403 forbidden_origin · Squire's own answer, given to your tool", "The page may not."],
        "running": ["200 Reason", "still coming · 9 B so far"],
        "gone": ["200 Reason", "your tool hung up after 600 B"],
        "socket": ["101 Reason", "2 messages from your tool, 2 from the API"],
    }

    def test_each_kind_has_its_story(self):
        for kind, words in self.STORIES.items():
            page = self.show(kind)
            # Some come a little later than the others, with what is known of the tokens.
            for part in words: page.wait(f"document.querySelector('[role=tabpanel]').innerText.includes({json.dumps(part)})")
            text, at = self.panel(), 0
            for part in words:
                place = text.find(part, at)
                self.assertGreaterEqual(place, 0, (kind, part, text))
                at = place
            stamps = page.evaluate("[...document.querySelectorAll('.lines .at')].map(e => parseFloat(e.textContent) * (e.textContent.endsWith(' s') ? 1000 : 1))")
            self.assertEqual(stamps, sorted(stamps))
        page.assert_clean()

    def test_roles_and_names(self):
        page = self.show("running")
        for role, name in [("complementary", "Exchange detail"), ("tablist", "Exchange"), *[("tab", n) for n in ("Story", "Request", "Response", "Headers", "Explain", "Raw", "Messages")],
                           ("button", "Send again"), ("button", "Edit"), ("button", "Copy")]:
            self.assertTrue(page.has(role, name), (role, name))
        page = self.go("#/send", "document.querySelector('form')")
        for role, name in [("form", "Compose"), ("textbox", "Method"), ("textbox", "Target"), ("textbox", "Body"), ("button", "Send"), ("button", "Add field")]:
            self.assertTrue(page.has(role, name), (role, name))

    def test_the_story_is_of_what_is_there(self):
        page = self.show("retried")
        self.assertIn("the same octets, the same X-Request-ID", self.panel())
        sent = self.stand.exchanges["retried"]["sent"]
        sent["fields"] = [field for field in sent["fields"] if field[0] != "X-Request-ID"]
        page = self.show("retried")
        self.assertIn("the same octets", self.panel())
        self.assertNotIn("X-Request-ID", self.panel())
        texts = self.module("story", f"(x => [10, 100, null].map(e => m.storyLines(x, {{generations: [{{generation: 1, issued_at: 0, expires_at: e}}, {{generation: 2, issued_at: 90, expires_at: 9e9}}]}}).find(l => l.kind === 'token').text))"
                            f"({json.dumps({**exchange(token_wait=wait(1000, 2000, generation=2, need='first')), 'at': '1970-01-01T00:01:00.000Z'})})")
        self.assertEqual(texts, [f"refresh started by this request{words}" for words in (": the token had expired", ": the token was about to expire", "")])

    def test_each_line_says_what_was_stamped(self):
        """No line says of a wait, or of an attempt, what did not happen."""
        silent = attempt(1, None, b"", None, first=None, relayed=False)
        held, final = attempt(1, 401, held=True, relayed=False), attempt(2, 200, "{}", began=20, first=24, ended=24)
        own = lambda status, code, detail: {"status": status, "code": code, "detail": detail, "at": 20.0}
        book = [{"generation": 7, "from": "refresh", "cause": "rejected", "led_by": "00a7-5"}, {"generation": 8, "from": "adopted", "cause": None, "led_by": None}, {"generation": 9, "from": "refresh", "cause": "manual", "led_by": None}]
        first = lambda *given, **more: wait(*given, need="first", **more)
        table = (
            # A kept connection that was closed: no refresh, and no failure of anybody's.
            (dict(attempts=[silent, final]), ["the kept connection was closed before an answer: GET may be sent again", "attempt 2 with generation 7"]),
            (dict(attempts=[silent], own_answer=own(502, "upstream_reset", "It hung up.")), ["attempt 1 ended without an answer", "502 upstream_reset"]),
            (dict(attempts=[held], token_wait=wait(6, 6, "login_needed", awaited="nothing", detail=LOST), own_answer=own(401, "login_needed", LOST + " Run: squire login")),
             ["asks for another token", "no other token: a login is needed|" + LOST, "401 login_needed · Squire's own answer, given to your tool|-"]),
            (dict(attempts=[held, final], token_wait=wait(6, 6, generation=7, awaited="nothing")), ["asks for another token", "generation 7 is there"]),
            (dict(attempts=[held, final], token_wait=wait(6, 19, generation=7, awaited="refresh")), ["waits for the refresh that 00a7-5 started", "generation 7 arrived"]),
            (dict(attempts=[held, final], token_wait=wait(6, 19, generation=8)), ["refresh started by this request", "generation 8 arrived, which another Squire had brought"]),
            (dict(attempts=[final], token_wait=first(6, 19, generation=9, awaited="refresh")), ["waits for the refresh that was asked for by hand", "generation 9 arrived"]),
            (dict(attempts=[final], token_wait=first(6, 19, "former", 7)), ["no other token came: generation 7 is used while it works"]),
            (dict(attempts=[held, final], token_wait=wait(6, 19, "valid", 7, awaited="nothing")), ["generation 7 again: by the clock of the API it was not valid yet"]),
            (dict(attempts=[], own_answer=own(200, None, None), token_wait=wait(1, 9, "served", need="refresh")), ["refresh started by this request", "refreshed, for your tool"]),
            (dict(attempts=[], token_wait=first(1, 9, "timed_out", awaited="refresh"), own_answer=own(503, "session_unavailable", "Too long.")), ["waits for the refresh that is on its way", "no token came in time", "503 session_unavailable"]),
            (dict(attempts=[{**held, "relayed": True}], token_wait=wait(6, 6, "did_not_help", awaited="nothing")), ["not refreshed: the token that was refused was just refreshed", "401 given to your tool"]),
            (dict(attempts=[{**held, "relayed": True}], token_wait=wait(6, 6, "unavailable", awaited="nothing", detail="Trying again in 4 s.")), ["not refreshed now: the last refresh failed|Trying again in 4 s."]),
            (dict(attempts=[{**held, "relayed": True}], token_wait=wait(6, 19, generation=7)), ["generation 7 arrived", "401 given to your tool|not sent again: sent once more by your tool, it goes with the new token"]),
            (dict(attempts=[final], outcome="upstream_failed"), ["the API broke off after 2 B: your tool saw that the rest is missing"]),
            (dict(attempts=[final], flags=["websocket"], outcome="client_gone"), ["your tool ended it"]),
            (dict(attempts=[final], interim=[{"at": 22, "status": 103}]), ["interim answer 103", "200 Reason"]),
        )
        found = self.module("story", f"{json.dumps([exchange(total_ms=30.0, **more) for more, _ in table])}.map(x => m.storyLines(x, {{generations: {json.dumps(book)}}}).map(l => `${{l.text}}|${{l.note ?? '-'}}`))")
        for (more, words), lines in zip(table, found):
            at = 0
            for part in words:
                place = next((i for i in range(at, len(lines)) if lines[i].startswith(part)), None)
                self.assertIsNotNone(place, (part, lines))
                at = place + 1
        self.assertFalse(any("another request" in line or "the refresh was refused" in line for lines in found for line in lines))

    def test_the_heading_says_what_the_row_says(self):
        for kind, words in {"first": "200 after a refresh", "retried": "201 after a refresh", "waited": "200 after waiting", "marked": "401 · login_needed", "login": "401 · login_needed", "plain": "200"}.items():
            page = self.show(kind)
            self.assertEqual(page.text(".facts-line .status"), words)
        self.assertEqual(self.module("exchange", f"m.statusText({json.dumps(exchange(refresh='led', token_wait=wait(4, 9, 'unavailable')))})"), "200 a refresh failed")

    def test_durations_follow_one_rule(self):
        self.assertEqual(self.module("text", "[0.26, 99.96, 231.4, 999.94, 1000, 2310, 39399.1, 59994, 61000].map(m.duration)"),
                         ["0.3 ms", "100.0 ms", "231.4 ms", "999.9 ms", "1.00 s", "2.31 s", "39.40 s", "59.99 s", "1 min 1 s"])

    def test_what_is_redacted_and_replaced_is_in_words(self):
        self.assertEqual(self.module("body", "m.bodyRemarks({size: 9, kept: 9, redactions: ['value', '/a']}).map(r => r.text)"), ["2 values redacted: found by value, /a"])
        self.assertEqual(self.module("body", "m.bodyRemarks({size: 0, kept: 0, cut: true}).map(r => r.text)"), ["Not kept."])
        page = self.show("plain", "headers")
        self.assertIn("replaced", page.evaluate("[...document.querySelectorAll('.compared tbody tr')].find(r => r.cells[0].textContent === 'Host').innerText"))
        page = self.show("plain", "explain")
        page.wait("document.querySelector('.explain table')")
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.explain tbody tr')].map(r => [r.cells[0].textContent, r.cells[2].textContent])"), [["X-A", "set"], ["Host", "replaced"], ["Via", "made"]])

    def test_a_narrow_screen_is_for_what_is_read(self):
        page = self.show("running")
        page.size(320, 640)
        page.wait("document.querySelector('header').offsetHeight <= 100")
        # The tab that is cut off has a shadow at its edge.
        self.assertTrue(page.evaluate("(() => { const t = document.querySelector('.tabs'); return t.scrollWidth > t.clientWidth && getComputedStyle(t).backgroundAttachment.includes('local') })()"))
        page = self.go("#/", "document.querySelector('.strip-line').offsetHeight > 0")
        self.assertLessEqual(page.evaluate("document.querySelector('header').offsetHeight"), 125)

    def test_the_panel_scrolls_by_key(self):
        page = self.show("retried", "headers")
        page.size(320, 300)
        page.evaluate("document.querySelector('[role=tab][aria-selected=true]').focus()")
        page.key("Tab")
        page.wait("document.activeElement.id === 'exchange-panel' && document.activeElement.scrollHeight > document.activeElement.clientHeight")
        page.key("End")
        page.wait("document.activeElement.scrollTop > 0")

    def test_tabs_by_key(self):
        page = self.show("running")
        for n, tab in enumerate(["story", "request", "response", "headers", "explain", "raw", "messages"], 1):
            page.key(str(n))
            page.wait(f"location.hash.endsWith('/{tab}')")
        page.evaluate("document.querySelector('[role=tab][aria-selected=true]').focus()")
        page.key("ArrowRight")
        page.wait("location.hash.endsWith('/story') && document.activeElement.textContent === 'Story'")
        page.key("ArrowLeft")
        page.wait("location.hash.endsWith('/messages') && document.activeElement.textContent === 'Messages'")
        page.assert_clean()

    def test_numbers_and_duplicates_are_as_they_were_sent(self):
        page = self.show("plain", "response")
        text = self.panel()
        for part in ("9223372036854775808", "9007199254740993", "1e400", "-0", "__proto__", "1.0"):
            self.assertIn(part, text)
        self.assertEqual(text.count("twice"), 2)
        page.evaluate("document.querySelector('.fold').click()")
        self.assertIn("{ 5 }", self.panel())
        self.assertNotIn("__proto__", self.panel())
        page.assert_clean()

    def test_what_is_not_here_is_said(self):
        for kind, words in {"cut": "64 KiB of 3.1 MiB kept", "br": "Encoded with br: it cannot be searched for secrets, so it was not kept", "broken": "Not JSON at line 3, column 7"}.items():
            self.show(kind, "response")
            self.assertIn(words, self.panel(), kind)
        self.show("redacted", "request")
        self.assertIn("‹redacted›", self.panel())

    def test_hostile_texts_are_marks(self):
        for tab in ("story", "request", "response", "headers", "raw", "explain"):
            page = self.show("hostile", tab)
            text = page.evaluate("document.querySelector('aside').innerText")
            self.assertIsNone(re.search("[\x00\x07\x1b\u202e\u202c]", text), tab)
            self.assertIn("[U+202E]", text)
            self.assertEqual(page.evaluate("document.querySelectorAll('aside img, aside script').length"), 0)
        self.assertNotIn("hacked", page.evaluate("document.title"))
        page.assert_clean()

    def test_pictures_are_blobs_by_their_signature(self):
        page = self.show("image", "response")
        page.wait("document.querySelector('.picture img')?.naturalWidth === 1")
        self.assertTrue(page.evaluate("document.querySelector('.picture img').src.startsWith('blob:')"))
        canary = self.upstream()
        part = self.stand.exchanges["svg"]["attempt_list"][0]["body"]
        part["text"] = part["text"].replace("@", canary.url)
        page = self.show("svg", "response")
        page.wait("document.querySelector('.picture figcaption').textContent.includes('×')")
        self.assertIsNone(page.evaluate("window.x ?? null"))
        self.assertEqual(canary.requests, [])
        page.assert_clean()

    def test_a_rendered_page_does_nothing(self):
        canary = self.upstream()
        part = self.stand.exchanges["html"]["attempt_list"][0]["body"]
        part["text"] = part["text"].replace("@", canary.url)
        page = self.show("html", "response")
        place = page.evaluate("location.href")
        self.assertEqual(page.evaluate("document.querySelectorAll('iframe').length"), 0)
        page.press("Render")
        page.wait("document.querySelector('iframe')")
        self.assertEqual(page.evaluate("[...document.querySelector('iframe').attributes].filter(a => a.name === 'sandbox').map(a => a.value)"), [""])
        # It is there once its frame has drawn something; a refresh of 0 s had its chance a second later.
        page.evaluate("new Promise(done => setTimeout(done, 1500))")
        self.assertEqual(page.evaluate("location.href"), place)
        self.assertNotIn("hacked", page.evaluate("document.title"))
        self.assertEqual([r.line for r in canary.requests], [])
        self.assertEqual(page.exceptions, [])

    def test_states(self):
        for fragment, words in [("#/x/00a7-0/story", "No longer kept"), ("#/x/zz-9/story", "No such exchange")]:
            page = self.go(fragment, f"document.body.innerText.includes({json.dumps(words)})")
        page.assert_clean()

    def test_deep_and_wide_bodies_do_not_stop_the_page(self):
        for kind in ("deep", "wide"):
            page = self.show(kind, "response")
            page.wait("document.querySelector('.json-line')")
            self.assertLess(page.evaluate("document.querySelectorAll('*').length"), 9000)
            page.size(390, 800)
            self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), 390)
            page.size(1280, 800)
        page.assert_clean()

    def test_nothing_is_wider_than_a_narrow_screen(self):
        """But for what scrolls inside of itself."""
        self.page.size(320, 640)
        id = self.stand.id("retried")
        places = [f"#/x/{self.stand.id(kind)}/{tab}" for kind, tab in [("retried", "story"), ("redacted", "headers"), ("retried", "explain"), ("hostile", "response"), ("wide", "request"), ("socket", "messages"), ("login", "story"), ("retried", "raw")]]
        for fragment in [*places, f"#/send/{self.stand.id('redacted')}", f"#/d/{id}.1/{id}.2"]:
            page = self.go(fragment, "document.querySelector('.tab-panel > *, .field-row, .diff h3')")
            self.assertEqual(page.evaluate("""[document.documentElement.scrollWidth, [...document.querySelectorAll('.dv *')].filter(e => e.getBoundingClientRect().right > 321
                && !e.closest('.scroller, .tabs, .diff-lines, .unseen, thead')).map(e => e.className)]"""), [320, []], fragment)
        page.assert_clean()

    def test_headers_side_by_side(self):
        self.show("redacted", "headers")
        text = self.panel()
        for part in ("replaced", "kept", "set", "‹token, generation 7›", "sid=‹redacted›"):
            self.assertIn(part, text)
        # What Squire says of each counts, not whether two values are the same.
        client = [["Host", "a"], ["Content-Length", "2"], ["Via", "1.1 a"], ["X-A", "1"], ["X-A", "2"], ["Api-Version", "4"], ["TE", "trailers"]]
        sent = [["Host", "b"], ["Via", "1.1 a"], ["X-A", "1"], ["X-A", "2"], ["Content-Length", "2"], ["Via", "1.1 b"], ["Api-Version", "4"], ["X-B", "1"]]
        what = ["made", "kept", "kept", "kept", "made", "made", "set", "set"]
        rows = self.module("headers", f"m.compareFields({json.dumps(client)}, {json.dumps(sent)}, {json.dumps(what)}).map(r => [r.name, r.client, r.sent, r.what])")
        self.assertEqual(rows, [["Host", "a", "b", "replaced"], ["Content-Length", "2", "2", "replaced"], ["Via", "1.1 a", "1.1 a", "kept"], ["X-A", "1", "1", "kept"], ["X-A", "2", "2", "kept"],
                                ["Api-Version", "4", "4", "replaced"], ["TE", "trailers", None, "removed"], ["Via", None, "1.1 b", "made"], ["X-B", None, "1", "set"]])

    def test_messages(self):
        page = self.show("socket", "messages")
        rows = page.evaluate("[...document.querySelectorAll('table.messages tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))")
        self.assertEqual([row[2] for row in rows], ["text", "binary", "ping", "close"])
        self.assertEqual([row[1][2:] for row in rows], ["client", "upstream", "upstream", "client"])
        self.assertEqual(rows[0][4], "hello")
        self.assertIn("00 01 ff", rows[1][4])
        self.assertEqual(rows[3][4], "1000 bye")

    def test_a_running_stream_grows(self):
        page = self.show("running", "messages")
        self.assertIn("tick", self.panel())
        self.assertIn("1 message so far", self.panel())
        x = self.stand.exchanges["running"]
        x["messages"] = x["messages"] + [{"at": 700.0, "from": "upstream", "opcode": None, "size": 5, "text": "data: two"}]
        x["seq"] = 1000
        page.wait("document.querySelector('[role=tabpanel]').innerText.includes('2 messages so far')")
        self.assertIn("two", self.panel())
        x.update(state="done", outcome="complete", seq=1001)
        page.wait("document.querySelector('[role=tabpanel]').innerText.includes('2 messages') && !document.querySelector('[role=tabpanel]').innerText.includes('so far')")
        page.assert_clean()


class WithKey(DetailCase):
    KEY = True

    def test_nothing_is_rendered_with_a_key(self):
        page = self.show("html", "response")
        # Whether there is a key comes with the status, which may come later.
        page.wait("document.querySelector('[data-view=Render]')?.disabled")
        self.assertIn("cannot send the key", self.panel())


class Differences(DetailCase):
    def test_attempts_differ_by_their_token(self):
        page = self.show("retried")
        page.key("d")
        page.wait("document.querySelector('.diff h3')")
        id = self.stand.id("retried")
        self.assertEqual(page.evaluate("location.hash"), f"#/d/{id}.1/{id}.2")
        part = lambda name: page.evaluate(f"document.querySelector('section[aria-label=\"{name}\"]').innerText")
        self.assertIn("1 difference", part("Fields of the request"))
        self.assertIn("generation 6", part("Fields of the request"))
        self.assertIn("generation 7", part("Fields of the request"))
        for name in ("Request line", "Body of the request"):
            self.assertIn("the same", part(name))
        changed = page.evaluate("""[...document.querySelectorAll('section[aria-label="Body of the answer"] :is(.is-removed, .is-added)')].map(e => e.innerText.replace(/\\s+/g, ' ').trim())""")
        self.assertEqual(len(changed), 2, changed)
        self.assertIn('"code": 401,', changed[0])
        self.assertIn('"code": 201,', changed[1])
        page.press("Unified")
        page.wait("document.querySelector('.diff [aria-pressed=true]').textContent === 'Unified'")
        page.assert_clean()

    def test_what_is_not_kept_is_no_difference_and_not_the_same(self):
        for one in self.stand.exchanges["retried"]["attempt_list"]:
            one["body"] = body(b"", "application/json", cut=one["n"] == 1)
        id = self.stand.id("retried")
        page = self.go(f"#/d/{id}.1/{id}.2", "document.querySelector('.diff h3')")
        part = page.evaluate("document.querySelector('section[aria-label=\"Body of the answer\"]').innerText")
        self.assertIn("Left: Not kept.", part)
        self.assertNotIn("the same", part)

    def test_a_change_is_one_difference_and_columns_stand_in_line(self):
        id = self.stand.id("retried")
        page = self.go(f"#/d/{id}.1/{id}.2", "document.querySelector('.diff h3')")
        self.assertIn("1 difference", page.text("section[aria-label=Status] h3"))
        self.assertNotIn("1 differences", page.text("section[aria-label=Status] h3"))
        edges = page.evaluate("[...document.querySelectorAll('.diff table')].map(t => [...t.rows[1].cells].map(c => Math.round(c.getBoundingClientRect().left)).join())")
        self.assertEqual((len(edges), len(set(edges))), (2, 1), edges)
        self.assertEqual(page.evaluate("[...new Set([...document.querySelectorAll('.diff tbody td')].map(c => getComputedStyle(c).paddingLeft))]"), ["6px"])
        self.assertTrue(page.evaluate("!!document.querySelector('.diff-row')"))
        page.size(390, 800)
        page.wait("!document.querySelector('.diff-row') && document.querySelector('.diff [aria-pressed=true]').textContent === 'Unified'")
        page.size(1280, 800)
        page.wait("document.querySelector('.diff-row')")
        page.assert_clean()

    def test_octets_and_large_bodies(self):
        self.stand.exchanges["plain"]["attempt_list"][0]["body"] = body("\n".join(f"a{i}" for i in range(9000)), "text/plain")
        self.stand.exchanges["gone"]["attempt_list"][0]["body"] = body("\n".join(f"b{i}" for i in range(9000)), "text/plain")
        page = self.go(f"#/d/{self.stand.id('plain')}/{self.stand.id('gone')}", "document.querySelector('.diff h3')")
        self.assertIn("are not compared", page.evaluate("document.querySelector('.diff').innerText"))
        page = self.go(f"#/d/{self.stand.id('binary')}/{self.stand.id('image')}", "document.querySelector('.diff h3')")
        self.assertIn("Compared as octets", page.evaluate("document.querySelector('.diff').innerText"))
        page.assert_clean()


class Composing(DetailCase):
    def compose(self, kind=None):
        ready = "document.querySelector('.compose-form [aria-label=Target]')" + (f"?.value === {json.dumps(self.stand.exchanges[kind]['target'])}" if kind else "")
        return self.go("#/send" + (f"/{self.stand.id(kind)}" if kind else ""), ready)

    def answered(self, **more):
        self.stand.answer = lambda path, sent: (201, exchange("00a7-99", (sent or {}).get("method") or "GET", (sent or {}).get("target") or "/", origin="replay", **more))

    def test_safe_methods_go_at_once(self):
        self.answered()
        page = self.show("plain")
        page.key("r")
        page.wait("location.hash.includes('00a7-99')")
        self.assertEqual([(method, path) for method, path, _ in self.stand.asked], [("POST", f"/api/exchanges/{self.stand.id('plain')}/replay")])

    def test_others_ask_first(self):
        self.answered()
        page = self.show("retried")
        page.key("r")
        page.wait("document.activeElement.textContent === 'Send'")
        self.assertIn("this may do it a second time", page.evaluate("document.querySelector('.compose-form').innerText"))
        self.assertEqual(self.stand.asked, [])
        page.wait("document.querySelector('.explain-line').textContent === 'goes to https://api.test with generation 7, 1 configured header'")
        page.key("Enter")
        page.wait("document.querySelector('.compose-answer').innerText.includes('00a7-99')")
        (_, path, sent), = self.stand.asked
        self.assertEqual(path, f"/api/exchanges/{self.stand.id('retried')}/replay")
        # What was not touched is sent as it was recorded.
        self.assertNotIn("body", sent)
        self.assertEqual(sent["fields"], [["Accept", "*/*"], ["User-Agent", "curl/8"]])
        page.assert_clean()

    def test_the_focus_stays(self):
        self.answered()
        page = self.show("plain")
        page.key("e")
        page.wait("document.activeElement.getAttribute('aria-label') === 'Target'")
        page.evaluate("document.querySelector('.main-button').focus()")
        page.key("Enter")
        page.wait("document.querySelector('.compose-answer').innerText.includes('00a7-99')")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Send")
        page.key("Enter")
        self.stand_asked(2)
        page.wait("document.querySelector('.main-button').getAttribute('aria-disabled') === 'false'")
        self.assertEqual(page.evaluate("document.activeElement.textContent"), "Send")
        # The same one again, by key.
        page.evaluate(f"location.hash = '#/x/{self.stand.id('plain')}/story'")
        page.wait("document.querySelector('aside:not([hidden]) [role=tab]')")
        page.evaluate("document.activeElement.blur()")
        page.key("e")
        page.wait("document.activeElement.getAttribute('aria-label') === 'Target'")
        page.assert_clean()

    def stand_asked(self, count): self.until(lambda: len(self.stand.asked) == count, "it is not sent")

    def test_targets_are_completed(self):
        page = self.compose()
        page.wait("document.activeElement.getAttribute('aria-label') === 'Target'")
        page.evaluate("document.activeElement.select()")
        page.paste("/api/or")
        # The rows may come later than the person.
        page.wait("(document.activeElement.dispatchEvent(new Event('input', {bubbles: true})), document.querySelector('#list-Targets:not([hidden]) [role=option]'))")
        self.assertIn(("option", "/api/orders"), [(role, name) for role, name, _ in page.tree()])
        page.key("ArrowDown")
        page.key("Enter")
        self.assertEqual(page.evaluate("document.activeElement.value"), "/api/orders")
        self.assertEqual(self.stand.asked, [])
        page.evaluate("document.querySelector('[aria-label=Method]').focus()")
        page.key("ArrowDown")
        page.wait("document.querySelector('#list-Methods:not([hidden])')")
        page.key("Escape")
        page.wait("document.querySelector('#list-Methods[hidden]')")
        self.assertEqual(page.evaluate("location.hash"), "#/send")
        page.assert_clean()

    def test_it_asks_again_once_squire_answers(self):
        page = self.compose()
        line = "document.querySelector('.explain-line').textContent"
        page.wait(f"{line}.startsWith('goes to')")
        page.network(offline=True)
        page.wait(f"{line} === 'Squire does not answer.'", LIMIT)
        page.network()
        page.wait(f"{line}.startsWith('goes to')", LIMIT)

    def test_one_explanation_at_a_time(self):
        page = self.compose()
        page.wait("document.querySelector('.explain-line').textContent.startsWith('goes to')")
        self.stand.answer = lambda path, sent: (422, {"code": "invalid_request", "field": "target", "detail": "target must begin with one /"})
        page.press("Send")
        page.wait("document.querySelector('.compose-form [role=alert]').textContent.includes('one /')")
        self.assertEqual(page.text(".explain-line"), "")

    def test_an_edited_body_is_sent(self):
        self.answered()
        page = self.compose("retried")
        page.evaluate("(() => { const b = document.querySelector('[aria-label=Body]'); b.focus(); b.select() })()")
        page.paste('{"venue":18}')
        page.key("Enter", "Control")
        page.wait("document.querySelector('.compose-answer').innerText.includes('00a7-99')")
        self.assertEqual(self.stand.asked[0][2]["body"], '{"venue":18}')

    def test_octets_are_kept(self):
        self.answered()
        page = self.compose("octets")
        self.assertTrue(page.evaluate("document.querySelector('[aria-label=Body]').disabled"))
        page.press("Send")
        page.wait("document.querySelector('.compose-answer').innerText.includes('00a7-99')")
        self.assertNotIn("body", self.stand.asked[0][2])

    def test_redacted_rows_must_be_filled_in(self):
        self.answered()
        page = self.compose("redacted")
        page.wait("document.querySelector('.is-missing')")
        self.assertTrue(page.evaluate("[...document.querySelectorAll('button')].find(b => b.textContent === 'Send').disabled"))
        page.key("Enter", "Control")
        fill = lambda selector, text: (page.evaluate(f"(() => {{ const e = {selector}; e.focus(); e.select() }})()"), page.paste(text))
        fill("document.querySelector('.field-value.is-missing')", "sid=1")
        self.assertTrue(page.evaluate("[...document.querySelectorAll('button')].find(b => b.textContent === 'Send').disabled"))
        fill("document.querySelector('[aria-label=Body]')", '{"user":"a","password":"p"}')
        page.wait("![...document.querySelectorAll('button')].find(b => b.textContent === 'Send').disabled")
        self.assertEqual(self.stand.asked, [])
        page.press("Send")
        page.wait("document.querySelector('.compose-answer').innerText.includes('00a7-99')")
        self.assertIn(["Cookie", "sid=1"], self.stand.asked[0][2]["fields"])

    def test_what_is_refused_is_named_and_focused(self):
        page = self.compose()
        for field, selector in [("target", "[aria-label=Target]"), ("X-Squire-Key", ".field-name")]:
            self.stand.answer = lambda path, sent: (422, {"code": "invalid_request", "field": field, "detail": f"{field} may not be given"})
            if field != "target":
                page.press("Add field")
                page.wait("document.activeElement.matches('.field-name')")
                page.paste(field)
            page.press("Send")
            page.wait(f"document.activeElement.matches({json.dumps(selector)}) && document.activeElement.getAttribute('aria-invalid') === 'true'")
            self.assertIn(f"{field} may not be given", page.evaluate("document.querySelector('.compose-form [role=alert]').textContent"))
        page.assert_clean()


@unittest.skipIf(WHY_NOT, WHY_NOT)
class WithSquire(Scenario):
    """The page of a squire, with what it has recorded."""

    def setUp(self):
        super().setUp()
        self.browser = Chromium()
        self.addCleanup(self.browser.close)
        self.old, self.new = jwt(jti="old"), jwt(jti="new")
        self.release, self.rejected, self.bodies = threading.Event(), set(), []
        self.api = self.upstream(self.respond)
        config = pathlib.Path(self.config(self.api.url))
        config.write_text(config.read_text().replace('inspector: "off"', "inspector: 127.0.0.1:0"))
        self.save_token(self.old, str(config))
        self.squire = self.run_squire(str(config)).wait_for("inspector")
        self.base = self.squire.endpoints["inspector"].rstrip("/")
        self.page = self.browser.open(self.base + "/")
        self.page.wait("document.querySelector('[role=grid]')")

    def respond(self, request):
        if request.target == "/api/customers/refresh":
            return token_reply(self.new)
        if request.token in self.rejected:
            return reply(401, b'{"code":401}', "Content-Type: application/json")
        if request.target == "/large":
            return reply(200, b"a;b\n" * 800000, "Content-Type: text/csv")
        if request.target == "/html":
            return reply(200, PAGE.replace(b"@", self.canary.url.encode()), "Content-Type: text/html")
        return reply(201, request.payload or b"{}", "Content-Type: application/json")

    def api_get(self, path):
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(self.base + path, timeout=LIMIT) as answer:
            return json.loads(answer.read())

    def last(self, count=1):
        """The exchange that was recorded last, once there are so many."""
        self.until(lambda: len(self.api_get("/api/exchanges")["exchanges"]) >= count, "nothing is recorded")
        return self.api_get("/api/exchanges")["exchanges"][-1]["id"]

    def show(self, id, tab="story"):
        self.page.evaluate(f"location.hash = '#/x/{id}/{tab}'")
        self.page.wait(f"document.querySelector('.exchange .facts-line')?.textContent.includes({json.dumps(id)}) && document.querySelector('.exchange [role=tab][aria-selected=true]').dataset.tab === '{tab}'")

    def panel(self): return self.page.evaluate("document.querySelector('.exchange [role=tabpanel]').innerText")

    def assert_no_token(self):
        html = self.page.evaluate("document.documentElement.outerHTML")
        for token in (self.old, self.new):
            self.assertFalse(token in html or token.split(".")[1] in html, "a token is on the page")

    def test_a_retry_and_its_difference(self):
        self.rejected.add(self.old)
        self.fetch(self.squire, "POST", "/api/orders", b'{"venue":17}', {"Content-Type": "application/json"})
        id = self.last()
        self.show(id)
        self.page.wait("document.querySelector('.lines').innerText.includes('none waited for it')")
        text, at = self.panel(), 0
        for part in ("POST /api/orders received · 12 B, kept to be sent again", "attempt 1 with generation 1", "401", "held: your tool has not seen it", "refresh started by this request · none waited for it",
                     "generation 2 arrived", "attempt 2 with generation 2", "201", "what your tool got"):
            at = text.find(part, at)
            self.assertGreaterEqual(at, 0, (part, text))
        self.page.key("d")
        self.page.wait("document.querySelector('.diff h3')")
        changed = self.page.evaluate("""[...document.querySelectorAll('section[aria-label="Fields of the request"] tbody tr')].map(r => r.innerText.replace(/\\s+/g, ' '))""")
        self.assertEqual(len(changed), 1, changed)
        self.assertIn("generation 1", changed[0])
        self.assertIn("generation 2", changed[0])
        self.assert_no_token()
        self.page.assert_clean()

    def test_a_body_that_was_cut(self):
        self.fetch(self.squire, "GET", "/large")
        self.show(self.last(), "response")
        self.page.wait("document.querySelector('.remarks').innerText.includes('64 KiB of 3.1 MiB kept')")
        self.page.assert_clean()

    def test_again_from_the_composer(self):
        body = b'{"id":9223372036854775808, "text":"\r\n \\u0000"}'
        self.fetch(self.squire, "POST", "/api/orders?a=%20b", body, {"Content-Type": "application/json", "X-A": "1"})
        id = self.last()
        self.show(id)
        self.page.key("r")
        self.page.wait("document.activeElement.textContent === 'Send' && document.querySelector('.explain-line').textContent.startsWith('goes to ')")
        self.assertEqual(len(self.api.requests), 1)
        self.page.key("Enter")
        self.page.wait("document.querySelector('.compose-answer')?.innerText.includes('201')")
        self.assertEqual(len(self.api.requests), 2)
        first, second = self.api.requests
        self.assertEqual((second.method, second.target, second.payload, second["X-A"], second.token == self.old), ("POST", "/api/orders?a=%20b", body, "1", True))
        self.assertEqual(self.api_get("/api/exchanges/" + self.last(2))["replay_of"], id)
        self.assert_no_token()
        self.page.assert_clean()

    def test_what_the_composer_may_not_send(self):
        self.page.evaluate("location.hash = '#/send'")
        self.page.wait("document.querySelector('.compose-form')")
        for field, value in [("Host", "a"), ("Transfer-Encoding", "chunked"), ("X-Squire-Key", "k")]:
            self.page.press("Add field")
            self.page.wait("document.activeElement.matches('.field-name')")
            self.page.paste(field)
            self.page.key("Tab")
            self.page.paste(value)
            self.page.press("Send")
            self.page.wait("document.activeElement.matches('.field-name[aria-invalid=true]')")
            self.assertIn(field, self.page.evaluate("document.querySelector('.compose-form [role=alert]').textContent"))
            self.page.press("Remove field")
        for target in ("http://evil/", "//evil", "x"):
            self.page.evaluate("(() => { const e = document.querySelector('[aria-label=Target]'); e.focus(); e.select() })()")
            self.page.paste(target)
            self.page.press("Send")
            self.page.wait("document.activeElement.matches('[aria-label=Target][aria-invalid=true]')")
        self.assertEqual(self.api.requests, [])
        self.page.assert_clean()

    def test_a_copy_goes_through_squire(self):
        for count, body in enumerate([b"@/etc/passwd", b"'; touch x #", b"\x1b[201~", b"a\x00\xff", b"x" * 61440], 1):
            self.fetch(self.squire, "PUT", f"/api/x?n={count}", body, {"Content-Type": "text/plain", "Accept": "*/*", "User-Agent": "t"})
            self.show(self.last(2 * count - 1))
            self.page.call("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
            self.page.key("c")
            self.page.wait("document.querySelector('[role=menu]:not([hidden])')")
            self.page.key("s")
            self.page.wait("document.querySelector('[role=menu][hidden]')")
            box = self.directory / "box"
            box.mkdir(exist_ok=True)
            subprocess.run(["sh", "-c", self.page.evaluate("navigator.clipboard.readText()") + " -sS -o /dev/null"], cwd=box, check=True, timeout=LIMIT, env=clean_environment(HOME=str(box)))
            first, second = self.api.requests[-2:]
            ours = lambda r: [f for f in r.fields if f[0] not in ("X-Request-ID",)]
            self.assertEqual((second.line, ours(second), second.payload), (first.line, ours(first), body))
            self.assertEqual(list(box.iterdir()), [])
            self.last(2 * count)

    def streaming(self, head, proceed):
        """An upstream that answers with the head, and then does `proceed(connection)`."""
        def serve():
            with contextlib.suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    stream = connection.makefile("rb")
                    while stream.readline().strip(): pass
                    connection.sendall(head)
                    proceed(connection)
                    connection.close()
        listener = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(listener.close)
        threading.Thread(target=serve, daemon=True).start()
        config = pathlib.Path(self.config(f"http://127.0.0.1:{listener.getsockname()[1]}", name="second.yaml"))
        config.write_text(config.read_text().replace('inspector: "off"', "inspector: 127.0.0.1:0"))
        self.save_token(self.old, str(config))
        self.squire = self.run_squire(str(config)).wait_for("inspector")
        self.base = self.squire.endpoints["inspector"].rstrip("/")
        self.page.close()
        self.page = self.browser.open(self.base + "/")
        self.page.wait("document.querySelector('[role=grid]')")

    def rows(self): return self.page.evaluate("[...document.querySelectorAll('table.messages tbody tr')].map(r => [...r.cells].map(c => c.innerText.trim()))")

    def test_a_stream_grows_while_it_runs(self):
        more = threading.Event()
        self.addCleanup(more.set)

        def proceed(connection):
            connection.sendall(b"event: tick\ndata: one\n\n")
            more.wait(LIMIT)
            connection.sendall(b"data: two\n\n")
        self.streaming(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n", proceed)
        with socket.create_connection(("127.0.0.1", self.squire.port), LIMIT) as client:
            client.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.read_until(client, b"one")
            self.show(self.last(), "messages")
            self.page.wait("document.querySelector('[role=tabpanel]').innerText.includes('1 message so far')")
            self.assertEqual([(row[1][2:], row[2], row[4]) for row in self.rows()], [("upstream", "tick", "one")])
            more.set()
            self.page.wait("document.querySelector('[role=tabpanel]').innerText.includes('two')")
            self.read_until(client, b"two")
        self.page.wait("!document.querySelector('[role=tabpanel]').innerText.includes('so far')")
        self.page.assert_clean()

    def test_frames_appear_with_direction_and_opcode(self):
        frame = lambda opcode, data: bytes([0x80 | opcode, len(data)]) + data
        self.streaming(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
                       lambda connection: (connection.sendall(frame(1, b"from above \x1b[31m") + frame(2, b"\0\xff")), connection.recv(100)))
        with socket.create_connection(("127.0.0.1", self.squire.port), LIMIT) as client:
            client.sendall(b"GET /socket HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
            self.read_until(client, b"\0\xff")
            self.show(self.last(), "messages")
            self.page.wait("document.querySelectorAll('table.messages tbody tr').length === 2")
            # Masked, as a client's are.
            client.sendall(bytes([0x81, 0x85, 1, 2, 3, 4]) + bytes(b ^ k for b, k in zip(b"below", [1, 2, 3, 4, 1])))
            self.page.wait("document.querySelectorAll('table.messages tbody tr').length === 3")
        rows = sorted((row[1][2:], row[2], row[4]) for row in self.rows())
        self.assertEqual(rows[0], ("client", "text", "below"))
        self.assertEqual(rows[1][:2], ("upstream", "binary"))
        self.assertTrue(rows[2][2].startswith("from above ") and "\x1b" not in rows[2][2], rows)
        self.page.assert_clean()

    def test_a_page_that_was_recorded_is_harmless(self):
        self.canary = self.upstream()
        self.fetch(self.squire, "GET", "/html")
        self.show(self.last(), "response")
        place = self.page.evaluate("location.href")
        self.page.press("Render")
        self.page.wait("document.querySelector('iframe')")
        self.page.evaluate("new Promise(done => setTimeout(done, 1500))")
        self.assertEqual(self.page.evaluate("location.href"), place)
        self.assertEqual([r.line for r in self.canary.requests], [])
        self.assertEqual(self.page.exceptions, [])


del DetailCase

if __name__ == "__main__":
    main()
