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
