"""The inspector's page in a real Chromium, against a real Squire: what goes through is there at once, with its story, its token and its end."""
from long import *
from chromium import Chromium, WHY_NOT
import test_inspector

LIVE = "document.querySelector('.pulse')?.dataset.kind === 'live'"
JSON = "Content-Type: application/json"


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Live(test_inspector.Inspected):
    def setUp(self):
        super().setUp()
        self.browser = Chromium()
        self.addCleanup(self.browser.close)

    def open(self, squire, fragment="", wait=LIVE):
        page = self.browser.open()
        page.go(f"http://127.0.0.1:{squire.port}/{fragment}")
        page.wait(wait)
        self.addCleanup(page.assert_clean)
        return page

    def send(self, squire, method="GET", target="/api/x", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", squire.proxy, timeout=LIMIT)
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        response.data = response.read()
        connection.close()
        return response

    def labels(self, page):
        return page.evaluate("[...document.querySelectorAll('.rows .row:not([hidden])')].sort((a, b) => a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex')).map(r => r.getAttribute('aria-label'))")

    def test_what_goes_through_is_there(self):
        squire, upstream = self.inspected(lambda request: reply(404 if "/missing" in request.line else 200, b'{"a":1}', JSON))
        page = self.open(squire)
        # The address is the real one.
        page.wait("document.querySelector('.notice.empty code')")
        self.assertEqual(page.text(".notice.empty code"), f"curl -i http://127.0.0.1:{squire.proxy}/")
        for target in ("/api/a", "/api/missing", "/api/b?token=secret"):
            self.send(squire, target=target)
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 3")
        labels = self.labels(page)
        self.assertRegex(labels[0], r"^GET /api/a, 200, \d+ milliseconds, generation 1$")
        self.assertRegex(labels[1], r"^GET /api/missing, 404, ")
        self.assertNotIn("secret", page.evaluate("document.documentElement.outerHTML".replace("outerHTML", "textContent")))
        # As the API and the log have them.
        listed = self.ask(squire, "GET", "/api/exchanges").json["exchanges"]
        self.assertEqual([x["id"] for x in listed], page.evaluate("[...document.querySelectorAll('.rows .row:not([hidden])')].map(r => r.dataset.key).sort()"))
        began = time.monotonic()
        self.send(squire, target="/api/soon")
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 4")
        print(f"\na row after {1000 * (time.monotonic() - began):.0f} ms", file=sys.stderr)
        page.key("k"), page.key("Enter")
        page.wait("document.querySelector('aside [role=tab][aria-selected=true]')?.textContent === 'Story' && document.querySelector('aside').textContent.includes('/api/soon')")

    def test_a_refused_token_is_one_row(self):
        first, second = jwt(jti="one"), jwt(jti="two")
        def respond(request):
            if "refresh" in request.line:
                return token_reply(second)
            return reply(200, b'{"a":1}', JSON) if second in request.head.decode() else reply(401, b'{"error":"invalid_token"}', JSON)
        squire, upstream = self.inspected(respond, token=first)
        page = self.open(squire)
        self.assertEqual(self.send(squire, "POST", "/api/orders", b"{}", {"Content-Type": "application/json"}).status, 200)
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 1")
        page.wait("document.querySelector('.rows .row .c-status').textContent.includes('401 ↻ 200')")
        self.assertRegex(self.labels(page)[0], r"^POST /api/orders, 200 after a refresh, \d+ milliseconds, generation 2$")
        page.wait("document.querySelector('.who').textContent.includes('generation 2')")
        page.key("t")
        page.wait("document.querySelectorAll('.table tbody tr').length === 2")
        self.assertIn("rejected", page.text(".table tbody tr"))
        for secret in (first, second):
            self.assertNotIn(secret, page.evaluate("document.documentElement.textContent"))

    def test_it_goes_and_comes_back(self):
        squire, upstream = self.inspected(lambda request: reply(200, b"{}", JSON))
        self.send(squire)
        page = self.open(squire)
        page.wait("document.querySelector('.rows .row:not([hidden])')")
        port = squire.port
        squire.stop()
        page.wait("document.querySelector('[role=alert][aria-label=Connection]')?.textContent.includes('Squire does not answer')", 3)
        again = self.run_squire(squire.config, "--inspector", f"127.0.0.1:{port}")
        again.wait_for("inspector")
        page.wait(f"{LIVE} && !document.querySelector('.alert')", 12)
        page.wait("document.querySelector('.divider')?.textContent === 'Squire was restarted'")

    def test_the_key_opens_it(self):
        squire, upstream = self.inspected(lambda request: reply(200, b"{}", JSON), extra=self.keyed())
        page = self.open(squire, wait="document.activeElement.id === 'key'")
        page.paste("nope nope nope nope")
        page.key("Enter")
        page.wait("document.querySelector('.key [role=alert]').textContent === 'That is not the key'")
        page.paste(test_inspector.KEY)
        page.key("Enter")
        page.wait(LIVE)

    def test_pages_of_others_read_and_change_nothing(self):
        """By every way that a page has: from another port of this machine, from another name, and from an origin that may use the proxy."""
        squire, upstream = self.inspected(lambda request: reply(200, b'{"a":1}', JSON), extra="access: {origins: [\"http://app.test\"]}\n")
        self.send(squire, target="/api/mine")
        before = self.ask(squire, "GET", "/api/exchanges").json
        status = self.ask(squire, "GET", "/api/status").json["session"]
        canary = self.upstream(lambda request: reply(200, b"<!doctype html><title>elsewhere</title>", "Content-Type: text/html"))
        port = canary.url.rsplit(":", 1)[1]
        base = f"http://127.0.0.1:{squire.port}"
        for origin in (f"http://127.0.0.1:{port}", f"http://localhost:{port}", f"http://evil.test:{port}"):
            page = self.browser.open(origin + "/")
            read = page.evaluate(f"""(async () => {{
                const base = {json.dumps(base)}, found = [], change = {{ 'X-Squire-Inspector': '1', 'Content-Type': 'application/json' }};
                const note = async (name, work) => {{ try {{ const got = await work(); if (got) found.push(`${{name}}: ${{String(got).slice(0, 40)}}`); }} catch {{ }} }};
                const loads = (tag, more) => new Promise(done => {{ const e = Object.assign(document.createElement(tag), more); e.onload = () => done('loaded'); e.onerror = () => done(''); document.body.append(e); setTimeout(() => done(''), 2000); }});
                for (const path of ['/', '/api/exchanges', '/api/status', '/page/app.js', '/metrics']) {{
                    await note(`fetch ${{path}}`, async () => (await fetch(base + path)).text());
                    await note(`no-cors ${{path}}`, async () => (await fetch(base + path, {{ mode: 'no-cors' }})).text());
                }}
                await note('script', () => loads('script', {{ src: `${{base}}/page/app.js` }}));
                await note('module', () => loads('script', {{ src: `${{base}}/page/app.js`, type: 'module' }}));
                await note('img', () => loads('img', {{ src: `${{base}}/page/icon.svg` }}));
                await note('style', () => loads('link', {{ rel: 'stylesheet', href: `${{base}}/page/style.css` }}));
                await note('frame', async () => {{ const frame = document.createElement('iframe'); frame.src = base + '/'; document.body.append(frame); await new Promise(done => setTimeout(done, 500)); return frame.contentWindow.document.body.textContent; }});
                await note('stream', () => new Promise(done => {{ const stream = new EventSource(base + '/api/events'); stream.onmessage = stream.onopen = () => done('open'); stream.onerror = () => done(''); }}));
                for (const [path, method] of [['/api/exchanges', 'DELETE'], ['/api/record', 'PUT'], ['/api/session/refresh', 'POST'], ['/api/exchanges', 'POST'], ['/api/reload', 'POST']]) {{
                    await note(`${{method}} ${{path}}`, async () => (await fetch(base + path, {{ method, headers: change, body: method === 'DELETE' ? undefined : '{{"paused":true,"target":"/api/theirs"}}' }})).status);
                    await note(`plain ${{path}}`, async () => (await fetch(base + path, {{ method: 'POST', mode: 'no-cors', body: '{{"target":"/api/theirs"}}' }})).status || '');
                }}
                const form = Object.assign(document.createElement('form'), {{ method: 'post', enctype: 'text/plain', action: `${{base}}/api/exchanges`, target: 'away' }});
                form.append(Object.assign(document.createElement('input'), {{ name: '{{"target":"/api/theirs","x":"', value: '"}}' }}));
                document.body.append(Object.assign(document.createElement('iframe'), {{ name: 'away' }}), form);
                form.submit();
                await new Promise(done => setTimeout(done, 300));
                return found;
            }})()""")
            self.assertEqual(read, [], origin)
        # An origin that may use the proxy says so itself: the inspector's answer is no.
        self.assertEqual(self.ask(squire, "GET", "/api/exchanges", {"Origin": "http://app.test"}).code, "forbidden_origin")
        after = self.ask(squire, "GET", "/api/exchanges").json
        self.assertEqual(after["exchanges"], before["exchanges"])
        self.assertEqual(after["record"], before["record"])
        self.assertEqual(self.ask(squire, "GET", "/api/status").json["session"]["generation"], status["generation"])
        self.assertNotIn("/api/theirs", [request.target for request in upstream.requests])
