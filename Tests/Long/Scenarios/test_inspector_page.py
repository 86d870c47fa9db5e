"""The inspector's page in a real Chromium, against a stand-in whose exchanges, session and troubles the test chooses: list, filter, keys, states, looks."""
import json, os, pathlib, sys, time, unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chromium import Chromium, WHY_NOT, axe, axe_source
from stand_in import KINDS, StandIn

# Times are judged on a machine that does nothing else.
QUIET = lambda: os.getloadavg()[0] < 2
LIVE = "document.querySelector('.pulse').dataset.kind === 'live'"
SELECTED = "document.querySelector('.rows .row.selected:not([hidden])')?.dataset.key"
TOP = "document.querySelector('.grid').scrollTop"
SETTLED = "new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(() => done(true)))))"


@unittest.skipIf(WHY_NOT, WHY_NOT)
class PageCase(unittest.TestCase):
    """One browser for a class, one tab and one stand-in for a test. Nothing may be thrown, and no policy be violated, in any of them."""

    @classmethod
    def setUpClass(cls):
        cls.browser = Chromium()
        cls.addClassCleanup(cls.browser.close)

    def start(self, fragment="", wait=LIVE, size=(1280, 800), rows=True, **options):
        self.server = StandIn(**options)
        self.addCleanup(self.server.close)
        self.page = self.tab(fragment, wait, size)
        if rows and self.server.order and fragment in ("", "#/") and wait == LIVE:
            self.page.wait("document.querySelector('.rows .row:not([hidden])')")
        return self.page

    def tab(self, fragment="", wait=LIVE, size=(1280, 800)):
        page = self.browser.open()
        page.size(*size)
        page.go(self.server.url + fragment)
        if wait:
            page.wait(wait)
        def end():
            try:
                page.assert_clean()
            finally:
                page.evaluate("localStorage.clear()")
                page.close()
        self.addCleanup(end)
        return page

    def settle(self):
        self.page.evaluate(SETTLED)

    def rows(self):
        """Keys of the rows that are drawn, from top to bottom."""
        return self.page.evaluate("""[...document.querySelectorAll('.rows .row:not([hidden])')].sort((a, b) => a.getAttribute('aria-rowindex') - b.getAttribute('aria-rowindex')).map(r => r.dataset.key)""")

    def place(self, key):
        return self.page.evaluate(f"document.getElementById('row-{key}').getBoundingClientRect().top")

    def route(self):
        return self.page.evaluate("location.hash")

    def focus(self):
        return self.page.evaluate("document.activeElement.getAttribute('aria-label') || document.activeElement.getAttribute('role') || document.activeElement.tagName")


class List(PageCase):
    def test_roles_names_and_the_first_rows(self):
        page = self.start()
        self.assertEqual(page.wait("document.title.includes('api') && document.title"), "Squire · api.example.com")
        tree = page.tree()
        names = {(role, name.lower()) for role, name, _ in tree}
        for wanted in (("grid", "exchanges"), ("banner", ""), ("main", ""), ("region", "session"), ("status", "session state"), ("combobox", "filter"), ("button", "refresh now"), ("button", "pause"),
                       ("button", "export har"), ("button", "theme: auto"), ("button", "help"), ("button", "tokens")):
            self.assertIn(wanted, names)
        self.assertEqual(page.evaluate("document.querySelector('[role=grid]').getAttribute('aria-rowcount')"), "61")
        self.assertEqual(page.evaluate("document.querySelector('.row.head').getAttribute('aria-rowindex')"), "1")
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.row.head [role=columnheader]')].map(c => c.textContent)"), ["time", "method", "target", "status", "ms", "gen"])
        for kind, sentence in (("retried", "POST /api/orders, 201 after a refresh, 231 milliseconds, generation 7"), ("waited", "GET /api/customer-accounts/me, 200 after waiting, 190 milliseconds, generation 7")):
            id = self.server.add(kind)
            self.assertEqual(page.wait(f"document.getElementById('row-{id}')?.getAttribute('aria-label')"), sentence)
        failed, running = self.server.add("failed"), self.server.add("running")
        self.assertRegex(page.wait(f"document.getElementById('row-{failed}')?.getAttribute('aria-label')"), r", 502, failed upstream_reset, \d+ milliseconds, generation 7$")
        self.assertRegex(page.wait(f"document.getElementById('row-{running}')?.getAttribute('aria-label')"), r"^GET /stream/orders, 200, running, 8210 milliseconds, generation 7$")
        self.assertIn(f"401 ↻ 201", page.text(f"#row-{self.server.order[-4]}"))

    def test_ten_thousand_rows_cost_what_ten_do(self):
        page = self.start(count=10000, kind="ok")
        page.wait("document.querySelector('[role=grid]').getAttribute('aria-rowcount') === '10001'")
        self.assertLess(page.evaluate("document.querySelectorAll('.rows .row').length"), 80)
        self.assertLess(page.evaluate("document.querySelectorAll('*').length"), 1500)
        page.key("End")
        self.assertEqual(page.wait(SELECTED), "00a7-10000")
        page.key("Home")
        page.wait(f"{TOP} === 0 && {SELECTED} === '00a7-1'")
        page.key("PageDown")
        self.settle()
        self.assertRegex(page.evaluate(SELECTED), "00a7-2[0-9]$")
        # The active row is in the document even when it is scrolled out of sight.
        page.wheel(".grid", 100000)
        page.wait(f"{TOP} > 50000")
        self.settle()
        self.assertTrue(page.evaluate("!!document.getElementById(document.querySelector('.grid').getAttribute('aria-activedescendant'))"))
        jumps = page.evaluate("""(async () => { const grid = document.querySelector('.grid'), times = [];
            for (let i = 0; i < 60; i++) { const began = performance.now(); grid.scrollTop = (i * 7919 % 10000) * 28; await new Promise(requestAnimationFrame); await new Promise(done => setTimeout(done)); times.push(performance.now() - began) }
            return times.sort((a, b) => a - b) })()""")
        self.assertLess(jumps[30], 100 if QUIET() else 1000)

    def test_what_one_reads_stays_where_it_is(self):
        page = self.start(count=300, kind="ok")
        page.key("Home")
        page.key("PageDown")
        self.settle()
        key, top = page.evaluate(SELECTED), page.evaluate(TOP)
        place = self.place(key)
        for _ in range(1000):
            self.server.add()
        page.wait("document.querySelector('.more')?.textContent.trim() === '1,000 new'")
        self.assertEqual((page.evaluate(SELECTED), page.evaluate(TOP), self.place(key)), (key, top, place))
        page.key("f")
        page.wait(f"document.querySelector('.more').hidden && {TOP} > 30000")
        last = self.server.add()
        page.wait(f"document.getElementById('row-{last}')")
        # Scrolling up ends the following, scrolling to the end begins it.
        self.settle()
        end = page.evaluate(TOP)
        page.wheel(".grid", -400)
        page.wait(f"{TOP} < {end} - 300")
        self.server.add()
        page.wait("document.querySelector('.more').textContent.trim() === '1 new'")
        page.press("1 new")
        page.wait("document.querySelector('.more').hidden")

    def test_pause_stops_the_view_and_nothing_is_missing(self):
        page = self.start(count=5, kind="ok")
        page.key("p")
        page.wait("[...document.querySelectorAll('button')].some(b => b.getAttribute('aria-label') === 'Resume')")
        for _ in range(7):
            self.server.add()
        page.wait("document.querySelector('.more').textContent.trim() === '7 new'")
        self.assertEqual(len(self.rows()), 5)
        page.press("Resume")
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 12")
        self.assertEqual(self.rows(), [f"00a7-{i}" for i in range(1, 13)])

    def test_a_filter_without_the_selected_row_shows_what_is_around_it(self):
        page = self.start(count=400, kind="ok")
        for i in range(400):
            if i % 4 == 3: self.server.change(f"00a7-{i + 1}", status=404, statuses=[404])
        page.wait("document.querySelectorAll('.rows .problem').length > 3")
        page.key("Home")
        for _ in range(9): page.key("PageDown")
        self.settle()
        key, place = page.evaluate(SELECTED), self.place(page.evaluate(SELECTED))
        number = int(key.partition("-")[2])
        self.assertTrue(100 < number < 350, key)
        for text in ("status:404", "nothing-has-that", "is:failed"):
            page.key("/")
            # Letter by letter: on the way there is a filter that nothing matches.
            page.type(text)
            page.key("Enter")
            self.settle()
            numbers = [int(row.partition("-")[2]) for row in self.rows() if self.place(row) > 0]
            if text == "status:404":
                self.assertTrue(min(numbers) < number < max(numbers), (numbers, number))
            page.key("/")
            page.key("Backspace")
            page.key("Enter")
            self.settle()
            self.assertEqual((page.evaluate(SELECTED), self.place(key)), (key, place), text)
        # Neither has it begun to follow.
        self.server.add()
        page.wait("document.querySelector('.more').textContent.trim() === '1 new'")

    def test_other_views_leave_the_list_where_it_is(self):
        page = self.start(count=400, kind="ok")
        page.key("Home")
        for _ in range(7): page.key("PageDown")
        self.settle()
        key, place = page.evaluate(SELECTED), self.place(page.evaluate(SELECTED))
        for view in "t?":
            page.key(view)
            page.wait("document.querySelector('section[aria-label=Traffic]').hidden")
            self.server.add()
            self.settle()
            page.key(view)
            page.wait("!document.querySelector('section[aria-label=Traffic]').hidden")
            self.settle()
            self.assertEqual((page.evaluate(SELECTED), self.place(key)), (key, place), view)
        # Below, where it stands what is new, that gives way.
        page.key("End")
        self.server.add()
        page.wait("document.querySelector('.more').textContent.trim() !== ''")
        self.settle()
        apart = "(() => { const [a, b] = ['.rows .selected:not([hidden])', '.more'].map(s => document.querySelector(s).getBoundingClientRect()); return !document.querySelector('.more').hidden && (a.bottom <= b.top || a.top >= b.bottom) })()"
        self.assertTrue(page.evaluate(apart))

    def test_a_running_exchange_changes_in_its_place(self):
        page = self.start(count=3, kind="ok")
        id = self.server.add("running")
        self.server.add()
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 5")
        self.assertIn("▶", page.text(f"#row-{id}"))
        self.server.change(id, state="done", outcome="complete", total_ms=9000.0)
        page.wait(f"!document.querySelector('#row-{id}').textContent.includes('▶')")
        self.assertEqual(self.rows()[3], id)

    def test_a_refresh_that_failed_is_not_one_after_which_it_was_sent(self):
        page = self.start(count=0, rows=False)
        busy = self.server.add("ok", method="GET", target="/busy", status=401, statuses=[401], refresh="led", token_outcome="unavailable", total_ms=30.0)
        stopped = self.server.add("login")
        first = self.server.add("ok", method="GET", target="/first", status=200, statuses=[200], refresh="led", token_outcome="refreshed", total_ms=30.0)
        again = self.server.add("ok", method="GET", target="/again", status=200, statuses=[200], attempts=2, total_ms=30.0)
        busy_after = self.server.add("ok", method="GET", target="/own", status=503, statuses=[401], outcome="answered", code="session_unavailable", refresh="waited", token_outcome="overloaded", total_ms=30.0)
        name = lambda id: page.wait(f"document.getElementById('row-{id}')?.getAttribute('aria-label')")
        self.assertEqual(name(first), "GET /first, 200 after a refresh, 30 milliseconds, generation 7")
        self.assertEqual(name(busy), "GET /busy, 401, a refresh failed, 30 milliseconds, generation 7")
        self.assertIn("401, a login is needed, failed login_needed", name(stopped))
        self.assertEqual(name(again), "GET /again, 200, sent again, 30 milliseconds, generation 7")
        self.assertEqual(page.text(f"#row-{busy_after} .c-status"), "401 ✕ 503 session_unavailable")
        signs = lambda id: page.evaluate(f"[...document.querySelectorAll('#row-{id} .sign')].map(s => [s.textContent, s.title])")
        self.assertEqual((signs(busy), signs(first)), ([["✕", "a refresh failed"]], [["⧗", "refreshed first"]]))

    def test_what_is_in_sight_is_not_called_new(self):
        page = self.start(count=3, kind="ok")
        page.key("k")
        page.wait(SELECTED)
        ids = [self.server.add() for _ in range(4)]
        page.wait(f"document.getElementById('row-{ids[-1]}')")
        self.settle()
        self.assertTrue(page.evaluate("document.querySelector('.more').hidden"))
        for _ in range(60):
            self.server.add()
        page.wait("!document.querySelector('.more').hidden")

    def test_a_link_to_one_brings_its_row_into_sight(self):
        page = self.start("#/x/00a7-120/story", count=300, kind="ok")
        page.wait(f"{SELECTED} === '00a7-120'")
        page.wait("(() => { const grid = document.querySelector('.grid').getBoundingClientRect(), row = document.getElementById('row-00a7-120').getBoundingClientRect(); return row.top >= grid.top && row.bottom <= grid.bottom })()")

    def test_gaps_restarts_and_clearing_are_rows_or_none(self):
        page = self.start(count=3, kind="ok")
        self.server.gap(31000)
        self.server.gap(204)
        page.wait("document.querySelector('.rows .gap')?.textContent === '31,204 more exchanges were counted, not kept'")
        self.server.restart()
        page.wait("document.querySelector('.rows .divider')?.textContent === 'Squire was restarted'")
        page.wait("!document.querySelector('.alert')")
        self.server.add("ok")
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 6")
        self.assertEqual(page.evaluate("document.querySelectorAll('.rows .gone').length"), 3)
        self.server.clear()
        page.wait("document.querySelector('.notice h2')?.textContent === 'Nothing went through yet'")

    def test_the_store_drops_the_oldest_and_keeps_its_order(self):
        page = self.start(count=1)
        self.assertEqual(page.evaluate("""(async () => {
            const {makeStore} = await import('/page/store.js'), {makeView} = await import('/page/view.js');
            const store = makeStore(100), view = makeView(store, {now: () => 0, found: new Map()});
            const x = (n, more) => ({id: 'a-' + n, seq: n, at: '2026-01-01T00:00:' + String(Math.floor(n / 10) % 60).padStart(2, '0') + 'Z', method: 'GET', target: '/' + n, status: n % 10 ? 200 : 404, state: 'done', outcome: 'complete', flags: [], attempts: 1, generations: [1], ...more});
            for (let n = 1; n <= 90; n++) store.put([x(n)]);
            const row = store.row('a-80');
            const found = [view.items.length, view.indexOf(row)];
            store.prepend([x(-2), x(-1)]); found.push(view.items.length, view.indexOf(row), view.items[0].key);
            for (let n = 91; n <= 120; n++) store.put([x(n)]);
            found.push(store.rows.length <= 100, view.items.length === store.rows.length, view.items[view.indexOf(row)] === row, store.get('a-1') === undefined);
            view.setFilter('status:404'); found.push(view.items.every(r => r.x.status === 404), view.exchanges);
            const n = store.seq; store.put([x(n + 1, {id: 'a-115', status: 404})]); found.push(view.items.map(r => r.key).includes('a-115'), view.items.every((r, i, all) => !i || all[i - 1].order < r.order));
            store.put([x(n + 2, {id: 'a-115', status: 200})]); found.push(view.items.map(r => r.key).includes('a-115'));
            store.put([x(n + 1, {id: 'a-115', status: 404})]); found.push(store.get('a-115').status);
            view.setFilter(''); view.pause(); store.put([x(n + 9, {id: 'b-1'})]); found.push(view.waiting, view.items.at(-1).key); view.resume(); found.push(view.waiting, view.items.at(-1).key);
            return found })()"""),
            [90, 79, 92, 81, "a--2", True, True, True, True, True, 10, True, True, False, 200, 1, "a-120", 0, "b-1"])


    def test_full_speed_leaves_the_page_smooth(self):
        page = self.start(count=1000, kind="ok")
        page.evaluate("globalThis.tasks = []; globalThis.frames = []; new PerformanceObserver(l => tasks.push(...l.getEntries().map(e => e.duration))).observe({type: 'longtask'}); { let last = 0; (function tick(t) { if (last) frames.push(t - last); last = t; requestAnimationFrame(tick) })(0) }")
        for _ in range(60):
            with self.server.lock:
                for _ in range(50):
                    self.server.add("ok")
            self.settle()
        page.wait("document.querySelector('.count').textContent === '4,000'")
        worst, frames = page.evaluate("[Math.max(0, ...tasks), frames.sort((a, b) => a - b)[Math.floor(frames.length * .95)]]")
        print(f"\n3,000 arrivals: longest task {worst:.0f} ms, p95 of frames {frames:.1f} ms", file=sys.stderr)
        self.assertLess(worst, 100 if QUIET() else 2000)

    def test_the_first_row_comes_soon(self):
        page = self.start(count=1000, kind="ok")
        page.reload()
        page.wait("document.querySelector('.rows .row:not([hidden])')")
        print(f"\nfirst row after {page.evaluate('performance.now()'):.0f} ms, seen from outside", file=sys.stderr)


class Keys(PageCase):
    def test_moving_opening_and_leaving(self):
        page = self.start(count=60)
        # From the page itself, without a click; the newest first.
        page.key("j")
        self.assertEqual(page.wait(SELECTED), "00a7-60")
        page.key("ArrowUp"), page.key("k"), page.key("k"), page.key("j")
        self.settle()
        self.assertEqual(page.evaluate(SELECTED), "00a7-58")
        self.assertEqual(self.route(), "", "moving opens nothing")
        page.key("Enter")
        page.wait("location.hash === '#/x/00a7-58/story' && !document.querySelector('aside').hidden")
        self.assertTrue(page.evaluate("document.querySelector('aside').contains(document.activeElement)"))
        page.key("Escape")
        page.wait("document.querySelector('aside').hidden")
        self.assertEqual((self.focus(), page.evaluate(SELECTED)), ("Exchanges", "00a7-58"))
        page.key("Escape")
        page.wait(f"!({SELECTED})")
        # Without one, the newest failure, whichever way.
        page.key("n")
        first = page.wait(SELECTED)
        self.assertIn("problem", page.evaluate(f"document.getElementById('row-{first}').className"))
        page.key("Escape")
        page.wait(f"!({SELECTED})")
        page.key("N")
        self.assertEqual(page.wait(SELECTED), first)
        page.key("N")
        self.settle()
        self.assertNotEqual(page.evaluate(SELECTED), first)
        page.key("n")
        self.settle()
        self.assertEqual(page.evaluate(SELECTED), first)
        page.click(f"#row-{first}")
        page.wait(f"location.hash === '#/x/{first}/story'")
        page.key("ArrowUp")
        page.wait(f"location.hash !== '#/x/{first}/story' && location.hash.startsWith('#/x/')")
        # What is opened over an exchange leads back to it.
        page.key("3")
        beneath = page.wait("location.hash.endsWith('/response') && location.hash")
        for view, back in (("t", "t"), ("?", "?"), ("t", "Escape"), ("e", None)):
            page.key(view)
            page.wait("document.querySelector('aside').hidden && document.querySelector('.sheet').contains(document.activeElement)")
            page.key(back) if back else page.press("Close")
            page.wait(f"location.hash === '{beneath}'")
            page.wait("document.querySelector('aside').contains(document.activeElement)")
        page.key("Escape")
        page.key("t"), page.key("t")
        page.wait("location.hash === '#/'")
        self.assertEqual(self.focus(), "Exchanges")

    def test_fields_modifiers_and_the_switch(self):
        page = self.start(count=5, kind="ok")
        page.key("/")
        self.assertEqual(self.focus(), "Filter")
        page.type("jf?p")
        self.assertEqual(page.evaluate("document.querySelector('.filter-input').value"), "jf?p")
        self.assertFalse(page.evaluate("document.querySelector('.pane').hidden"))
        page.key("Escape"), page.key("Escape")
        self.assertEqual(self.focus(), "Exchanges")
        page.evaluate("document.querySelector('.filter-input').value")
        page.press("Clear the filter")
        page.key("Escape"), page.key("Escape")
        for key in "jpt?":
            page.key(key, "Control"), page.key(key, "Alt"), page.key(key, "Meta")
        self.settle()
        self.assertIsNone(page.evaluate(SELECTED))
        self.assertNotIn("tokens", self.route())
        page.key("?")
        page.wait("location.hash.startsWith('#/help')")
        page.click("#keys-on")
        page.evaluate("document.querySelector('.help').focus()")
        page.key("t")
        self.settle()
        self.assertTrue(self.route().startswith("#/help"))
        page.key("Escape")
        page.wait("!document.querySelector('.pane').hidden")
        page.key("j")
        self.settle()
        self.assertIsNone(page.evaluate(SELECTED))
        page.key("ArrowDown")
        self.assertEqual(page.wait(SELECTED), "00a7-5", "keys that are no letters go on")
        # Nobody is kept in: Tab goes through the page and out of the list.
        for _ in range(3):
            page.key("Tab")
        self.assertNotEqual(self.focus(), "Exchanges")

    def test_sending_again_asks_where_it_may_do_harm(self):
        page = self.start(count=0, rows=False)
        get, post = self.server.add("ok", method="GET", target="/a"), self.server.add("ok", method="POST", target="/b")
        page.wait("document.querySelectorAll('.rows .row:not([hidden])').length === 2")
        page.key("k")
        self.assertEqual(page.wait(SELECTED), post)
        page.key("r")
        page.wait(f"location.hash === '#/send/{post}'")
        self.assertEqual(self.server.sent("POST"), [])
        page.key("Escape")
        page.evaluate("document.activeElement.blur()")
        page.evaluate("location.hash = '#/'")
        page.wait("!document.querySelector('.pane').hidden")
        page.evaluate("document.querySelector('.grid').focus()")
        page.key("k")
        page.wait(f"{SELECTED} === '{get}'")
        page.key("r")
        page.wait("location.hash === '#/x/00a7-3/story'")
        self.assertEqual(self.server.sent("POST"), [f"/api/exchanges/{get}/replay"])

    def test_marking_two_shows_what_differs_and_pinning_asks(self):
        page = self.start(count=3, kind="ok")
        page.key("k"), page.key("x"), page.key("k"), page.key("x")
        page.wait("location.hash === '#/d/00a7-3.1/00a7-2.1'")
        page.evaluate("location.hash = '#/'; document.querySelector('.grid').focus()")
        self.settle()
        page.key("b")
        page.wait("document.querySelector('#row-00a7-2').textContent.includes('★')")
        self.assertEqual(self.server.asked[-1][1:] if self.server.asked[-1][0] == "PUT" else self.server.sent("PUT"), ["/api/exchanges/00a7-2/pin", {"pinned": True}] if self.server.asked[-1][0] == "PUT" else ["/api/exchanges/00a7-2/pin"])


    def test_the_line_between_list_and_detail_moves(self):
        page = self.start(count=3, kind="ok")
        page.key("k"), page.key("Enter")
        page.wait("!document.querySelector('aside').hidden")
        width = "document.querySelector('main').clientWidth"
        before = page.evaluate(width)
        page.evaluate("document.querySelector('.splitter').focus()")
        page.key("ArrowLeft"), page.key("ArrowLeft")
        self.assertLess(page.evaluate(width), before - 40)
        x, y = page.place(".splitter")
        page.move(x, y)
        page.call("Input.dispatchMouseEvent", type="mousePressed", x=x, y=y, button="left", clickCount=1)
        page.call("Input.dispatchMouseEvent", type="mouseMoved", x=900, y=y, button="left", buttons=1)
        page.call("Input.dispatchMouseEvent", type="mouseReleased", x=900, y=y, button="left", clickCount=1)
        self.assertAlmostEqual(page.evaluate(width), 900, delta=5)


class Filter(PageCase):
    def test_words_match_and_are_described(self):
        page = self.start(count=1)
        table = (("status:201", True, "201"), ("status:4xx,2xx", True, "4xx or 2xx"), ("status:>=500", False, "status at least 500"), ("-status:4xx", True, "not 4xx"), ("method:post", True, "post"),
                 ("path:/api/orders", True, "path /api/orders"), ("path:/api/*", True, "path /api/*"), ("path:/api", False, "path /api"), ("status:4xx -path:/health", False, "4xx, path not /health"),
                 ("is:retried", True, "sent again"), ("is:failed", False, "failed"), ("gen:6", True, "generation 6"), ("gen:>7", False, "generation more than 7"), ("attempts:2", True, "2 attempts"),
                 ("code:login_needed", False, "code login_needed"), ("took:>200ms", True, "took more than 200 ms"), ("upstream:>1s", False, "API took more than 1 s"), ("size:>10KiB", True, "answer more than 10 KiB"),
                 ("since:5m", True, "the last 5 m"), ("since:1m", False, "the last 1 m"), ("id:a-1", True, "id a-1"), ("id:a", False, "id a"), ("type:json", True, "type json"), ("origin:client", True, "origin client"),
                 ('body:"a b"', True, "body has a b"), ("header:x-a=1", False, "header x-a=1"), ("orders", True, "“orders”"), ('"x=1 y"', True, "“x=1 y”"), ("http://x", False, "“http://x”"), ("POST orders", True, "“POST”, “orders”"),
                 ("-is:retried orders", False, "not sent again, “orders”"), ("path:*", True, "path *"), ("path:/api/[a-z]+", False, "path /api/[a-z]+"))
        found = page.evaluate(f"""(async () => {{ const {{parse}} = await import('/page/filter.js');
            const x = {{id: 'a-1', at: '2026-11-26T10:12:40.004Z', method: 'POST', target: '/api/orders?x=1 y', status: 201, outcome: 'complete', code: null, attempts: 2, statuses: [401, 201], generation: 7, generations: [6, 7], refresh: 'led', response_bytes: 20480,
                total_ms: 231, upstream_ms: 48, type: 'application/json', state: 'done', origin: 'client', flags: ['redacted']}};
            const context = {{now: () => Date.parse('2026-11-26T10:15:00Z'), found: new Map([['body:a b', new Set(['a-1'])]])}};
            return {json.dumps([row[0] for row in table])}.map(q => {{ const f = parse(q); return [q, f.errors.length ? 'error' : f.test(x, context), f.describe] }}) }})()""")
        self.assertEqual([tuple(row) for row in found], list(table))
        wrong = ["bogus:1", "status:", "status:9", "status:>4xx", "took:x", "size:1parsec", "is:nothing", "gen:x", "body:"]
        self.assertEqual(page.evaluate(f"import('/page/filter.js').then(f => {json.dumps(wrong)}.map(q => f.parse('status:201 ' + q).errors.length))"), [1] * len(wrong))
        # Nothing that is typed can make it throw.
        self.assertTrue(page.evaluate("""import('/page/filter.js').then(f => { const parts = ['a', ':', '"', '-', '>', '*', ' ', 'is', 'status', '4xx', '[', '\\\\', '(', '\\u202e', 'header', '=', ','];
            let n = 1; for (let i = 0; i < 4000; i++) { let q = ''; for (let k = 0; k < 7; k++) { n = n * 48271 % 2147483647; q += parts[n % parts.length] } const r = f.parse(q); r.test({target: '', method: '', flags: [], generations: [], status: null, at: ''}, {now: () => 0, found: new Map()}); f.complete(q, q.length, []) } return true })"""))

    def test_typing_filters_completes_and_goes_into_the_address(self):
        page = self.start(count=60)
        page.key("/")
        page.paste("status:4xx bogus:1 ")
        page.wait("document.querySelector('.count').textContent.includes(' of 60')")
        self.assertEqual(page.text(".mirror .wrong"), "bogus:1")
        self.assertIn("there is no bogus:", page.text(".filter-words"))
        self.assertEqual(page.evaluate("document.querySelector('.filter-input').getAttribute('aria-invalid')"), "true")
        self.assertIn("q=status%3A4xx", self.route())
        self.assertTrue(page.evaluate("[...document.querySelectorAll('.rows .row:not([hidden])')].every(r => r.querySelector('.c-status').textContent.startsWith('4'))"))
        page.press("Clear the filter")
        page.paste("is:re")
        page.wait("document.querySelector('[role=listbox] [role=option]')")
        self.assertIn("retried", page.text("[role=listbox]"))
        while page.evaluate("document.querySelector('[role=option][aria-selected=true]')?.textContent.startsWith('is:retried')") is not True:
            page.key("ArrowDown")
        self.assertTrue(page.evaluate("!!document.getElementById(document.querySelector('.filter-input').getAttribute('aria-activedescendant'))"))
        page.key("Enter")
        page.wait("document.querySelector('.filter-input').value === 'is:retried '")
        self.assertEqual(page.text(".filter-words"), "sent again")
        page.key("Enter")
        self.assertEqual(self.focus(), "Exchanges")
        # The address alone brings it back.
        other = self.tab(self.route())
        self.assertEqual(other.wait("document.querySelector('.filter-input').value"), "is:retried")
        other.wait("document.querySelector('.count').textContent.includes(' of 60')")

    def test_bodies_are_searched_by_the_server(self):
        page = self.start(count=60)
        page.key("/")
        page.paste('body:"The server said no" ')
        page.wait("document.querySelector('.filter-words').textContent.includes('41 are cut')")
        self.assertIn("searched 60 bodies", page.text(".filter-words"))
        self.settle()
        self.assertTrue(all(self.server.entries[key]["type"] == "text/html" for key in self.rows()) and self.rows())
        id = self.server.add("html")
        page.wait(f"document.getElementById('row-{id}')")

    def test_bodies_are_searched_beyond_the_first_page(self):
        page = self.start(count=2300, kind="ok")
        page.key("/")
        page.paste('body:"Quattro Formaggi" ')
        page.wait("document.querySelector('.filter-words').textContent.includes('searched 2,300 bodies')")
        self.assertEqual(page.text(".count"), "2,300 of 2,300")
        self.assertNotIn("only", page.text(".filter-words"))
        id = self.server.add("ok")
        page.wait(f"document.getElementById('row-{id}')")
        asked = [path for path in self.server.sent("GET") if "body=" in path]
        self.assertTrue("before=" in asked[1] and "after=" in asked[-1], asked)

    def test_what_is_exported_is_what_the_filter_shows(self):
        page = self.start(count=700, kind="notfound")
        for _ in range(5): self.server.add("ok")
        page.key("/")
        page.paste("status:404 ")
        page.key("Enter")
        page.wait("document.querySelector('.count').textContent === '700 of 705'")
        page.evaluate("(() => { const make = URL.createObjectURL; URL.createObjectURL = blob => { window.saved = blob; return make.call(URL, blob) } })()")
        self.server.evict(3)
        page.press("Export HAR")
        page.wait("document.querySelector('.toasts').textContent.includes('697 exchanges are saved; 3 more are running or no longer kept')")
        entries = page.evaluate("window.saved.text().then(text => JSON.parse(text).log.entries.map(e => e.comment))")
        self.assertEqual(entries, [f"00a7-{n}" for n in range(4, 701)])

    def test_filters_keep_their_names(self):
        page = self.start(count=60)
        page.key("/")
        page.paste("is:retried")
        page.key("Escape")
        page.press("Saved filters")
        page.click("#filter-name")
        page.type("again")
        page.key("Enter")
        page.press("Clear the filter")
        page.reload()
        page.wait(LIVE)
        page.press("Saved filters")
        page.press("again")
        page.wait("document.querySelector('.filter-input').value === 'is:retried'")
        self.assertEqual(set(json.loads(page.evaluate("localStorage.getItem('squire')"))), {"theme", "columns", "compact", "keys", "announce", "filters", "detail"})


class Session(PageCase):
    def test_each_state_says_what_it_is_and_what_to_do(self):
        page = self.start(count=3, kind="ok")
        buttons = "[...document.querySelectorAll('.session button')].filter(b => !b.hidden).map(b => b.getAttribute('aria-label') || b.textContent)"
        for state, words, actions, tone in (
                ("usable", r"signed in as 5090976 · generation 7 · \d+:\d\d left · refreshes 30 s before · signed in \d+ \w+ \d\d:\d\d", ["Refresh now"], "good"),
                ("refreshing", r"a new token is being asked for · \d+\.\d s", ["Refresh now"], "busy"),
                ("wrong", r"generation 7 · \d+:\d\d left · .*The last refresh failed", ["Refresh now"], "warn"),
                ("login_needed", r"The API refused the refresh .*squire login --config menu.yaml", ["Copy command", "Log in through Squire"], "bad"),
                ("none", r"No session yet", ["Copy command", "Log in through Squire"], "warn"),
                ("given", r"attached as it is · generation 7; nothing is known about refreshing it|attached as it is", [], "good"),
                ("starting", r"A first token is being asked for", [], "busy"), ("unused", r"No session: headers are set", [], "quiet")):
            with self.subTest(state):
                self.server.state = state
                self.server.news()
                page.wait(f"document.querySelector('.session').dataset.tone === '{tone}' && new RegExp({json.dumps(words)}).test(document.querySelector('[aria-label=\"Session state\"]').textContent)")
                self.assertEqual(page.evaluate(buttons), actions)
                self.assertEqual(page.evaluate("document.title").startswith("! 1 · "), state in ("login_needed", "none"))

    def test_it_says_when_the_token_is_refreshed(self):
        page = self.start(count=1)
        words = "document.querySelector('[aria-label=\"Session state\"]').textContent"
        page.wait(f"{words}.includes('refreshes 30 s before')")
        for margin in (0, None):
            self.server.margin = margin
            page.reload()
            page.wait(LIVE)
            page.wait(f"{words}.includes('refreshes when the API refuses it')")

    def test_a_token_that_ended_unused_is_no_trouble(self):
        self.server = StandIn(count=1)
        self.server.born = time.time() - 4000
        self.addCleanup(self.server.close)
        page = self.page = self.tab("#/tokens")
        page.wait("document.querySelector('.lives .present')?.textContent.includes('expired; the next request refreshes it')")
        page.wait("document.querySelector('.left').textContent === 'expired: the next request refreshes it'")
        self.assertEqual(page.evaluate("[document.querySelector('.session').dataset.tone, document.querySelector('.session').dataset.soon, document.querySelectorAll('[fill^=url]').length]"), ["good", "false", 0])
        self.assertTrue(page.evaluate("document.querySelector('.tall-picture').getAttribute('aria-label')").endswith("now generation 7, which has expired; 1 refresh failed"))
        at = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(time.time() - 100))
        self.server.failures = [{"at": at, "cause": "expiry", "class": "unavailable", "status": 503, "detail": "the API answered 503", "retry_at": None}]
        self.server.state = "wrong"
        self.server.news()
        page.wait("document.querySelector('.lives .present')?.textContent.includes('a new one cannot be had yet')")
        self.assertGreater(page.evaluate("document.querySelectorAll('[fill^=url]').length"), 0)
        self.assertIn("ago", page.text(".left"))

    def test_logging_in_writes_the_request_that_logs_in(self):
        page = self.start(count=1, state="login_needed")
        draft = "[document.querySelector('[aria-label=Method]')?.value, document.querySelector('[aria-label=Target]')?.value]"
        page.press("Log in through Squire")
        page.wait(f"JSON.stringify({draft}) === '[\"POST\",\"/api/customers/login\"]'")
        # Also when the composer is shown already.
        page.evaluate("document.querySelector('[aria-label=Target]').value = '/'")
        page.press("Log in through Squire")
        page.wait(f"JSON.stringify({draft}) === '[\"POST\",\"/api/customers/login\"]'")
        self.server.sign_in = None
        page.reload()
        page.wait(LIVE)
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.session button')].filter(b => !b.hidden).map(b => b.textContent)"), ["Copy command"])

    def test_the_present_generation_is_always_named(self):
        page = self.start(count=1)
        drawn = lambda: page.evaluate("""(() => { const one = s => { const r = s.getBoundingClientRect(); return [s.textContent, r.left, r.right] };
            return [[...document.querySelectorAll('.line-picture .number')].map(one), [...document.querySelectorAll('.line-picture .failure')].map(one)] })()""")
        page.wait("document.querySelectorAll('.line-picture .number').length >= 2")
        for name, age in (("usual", 1100), ("just born", 1)):
            self.server.born = time.time() - age
            page.reload()
            page.wait(LIVE)
            page.wait("document.querySelector('.line-picture .number')")
            with self.subTest(name):
                labels, failures = drawn()
                self.assertIn("gen 7", [label for label, *_ in labels])
                for _, left, right in labels:
                    self.assertFalse([f for f in failures if f[1] < right and f[2] > left])
                labels.sort(key=lambda one: one[1])
                self.assertTrue(all(a[2] <= b[1] for a, b in zip(labels, labels[1:])))

    def test_without_a_session_there_is_no_strip(self):
        self.server = StandIn(count=1, state="none")
        self.server.generations = lambda: {"now": None, "generations": [], "failures": [], "events": []}
        self.addCleanup(self.server.close)
        page = self.page = self.tab()
        page.wait("document.querySelector('.session').dataset.tone === 'warn' && !document.querySelector('.strip-line').getClientRects().length")

    def test_the_countdown_is_of_the_servers_clock(self):
        self.server = StandIn(count=3, kind="ok")
        self.addCleanup(self.server.close)
        page = self.page = self.browser.open()
        # This browser's clock is an hour ahead, and jumps another one while the page is open.
        page.call("Page.addScriptToEvaluateOnNewDocument", source="{ const now = Date.now; globalThis.ahead = 3600e3; Date.now = () => now() + ahead }")
        page.go(self.server.url)
        page.wait(LIVE)
        def shown():
            minutes, seconds = page.wait("document.querySelector('.left').textContent.match(/(\\d+):(\\d\\d) left/)?.slice(1).join(' ')").split()
            return int(minutes) * 60 + int(seconds)
        self.assertAlmostEqual(shown(), self.server.born + 3600 - time.time(), delta=1.6)
        page.evaluate("ahead = 7200e3")
        before = shown()
        page.wait(f"!document.querySelector('.left').textContent.includes(':{before % 60:02d} left')")
        self.assertAlmostEqual(shown(), self.server.born + 3600 - time.time(), delta=1.6)
        page.assert_clean()
        page.close()

    def test_refreshing_asks_once(self):
        page = self.start(count=3, kind="ok")
        page.press("Refresh now")
        page.wait("document.querySelector('dialog[open]')")
        self.assertTrue(page.has("dialog", "Refresh now?"))
        self.assertIn("generation 7", page.text("dialog[open]"))
        page.press("Leave it")
        page.wait("!document.querySelector('dialog[open]')")
        self.assertEqual((self.server.sent("POST"), self.focus()), ([], "Refresh now"))
        page.press("Refresh now")
        page.press("Refresh")
        page.wait("document.querySelector('.who').textContent.includes('generation 8')")
        page.press("Refresh now")
        page.wait("document.querySelector('.who').textContent.includes('generation 9')")
        self.assertEqual(self.server.sent("POST"), ["/api/session/refresh"] * 2)
        self.server.state = "wrong"
        page.press("Refresh now")
        page.wait("document.querySelector('.toast.bad')?.textContent.includes('backing off')")

    def test_the_strip_and_its_table(self):
        page = self.start("#/tokens")
        page.wait("document.querySelectorAll('.table tbody tr').length === 3")
        self.assertTrue(page.has("table", "Generations"))
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.table thead th')].map(t => t.textContent)"), ["gen", "born", "why", "took", "waited", "led by", "served", "refused", "lived", "ended by"])
        self.assertRegex(page.evaluate("[...document.querySelectorAll('.table tbody tr')].map(r => [...r.children].map(c => c.textContent).join('|'))")[1], r"^6\|\d\d:\d\d:\d\d\|expiry\|96.0 ms\|0\|00a7-301\|1,042\|33\|14 min\|rejected\|show these$")
        self.assertIn("refresh failed", page.text(".lives"))
        self.assertRegex(page.evaluate("document.querySelector('.tall-picture').getAttribute('aria-label')"), r"^3 generations since \d\d:\d\d; now generation 7, good until \d\d:\d\d; 1 refresh failed$")
        page.press("Show these: generation 6")
        page.wait("document.querySelector('.filter-input').value === 'gen:6' && !document.querySelector('.pane').hidden")
        self.assertTrue(all("6→7" in page.text(f"#row-{key} .c-gen") for key in self.rows()) and self.rows())
        page.key("t")
        page.wait("location.hash.startsWith('#/tokens')")
        page.press("Refresh now"), page.press("Refresh")
        page.wait("document.querySelectorAll('.table tbody tr').length === 4")


class States(PageCase):
    def test_squire_goes_and_comes_back(self):
        page = self.start(count=5, kind="ok")
        began = time.monotonic()
        self.server.restart(1.0)
        page.wait("document.querySelector('[role=alert][aria-label=Connection]')?.textContent.includes('Squire does not answer')")
        self.assertLess(time.monotonic() - began, 3)
        self.assertRegex(page.text(".alert"), r"trying again( in \d s)?\. What you see was recorded until \d\d:\d\d:\d\d\.")
        self.assertEqual(len(self.rows()), 5, "the list stays")
        self.assertEqual(page.evaluate("document.querySelector('[aria-label=\"Export HAR\"]').getAttribute('aria-disabled')"), "true")
        page.press("Refresh now")
        self.assertIsNone(page.evaluate("document.querySelector('dialog[open]')"))
        page.wait(f"{LIVE} && !document.querySelector('.alert')")
        self.assertLess(time.monotonic() - began, 4)
        page.wait("document.querySelector('.divider')")
        page.click("#row-00a7-5")
        page.wait("document.querySelector('aside').textContent.includes('gone with the old process')")

    def test_a_break_loses_and_doubles_nothing(self):
        page = self.start(count=5, kind="ok")
        self.server.silence(0.5)
        page.wait("document.querySelector('.alert')")
        ids = [self.server.add() for _ in range(30)]
        page.wait(f"{LIVE} && document.getElementById('row-{ids[-1]}')")
        page.wait("document.querySelector('.count').textContent === '35'")
        self.assertEqual(page.evaluate("document.querySelectorAll('.divider').length"), 0)

    def test_the_key_is_asked_for_and_kept_in_memory_only(self):
        page = self.start(key="open sesame", wait="document.querySelector('#key') === document.activeElement && document.activeElement")
        self.assertTrue(page.has("textbox", "Key") and page.has("button", "Open"))
        page.paste("wrong")
        page.key("Enter")
        page.wait("document.querySelector('[role=alert]')?.textContent === 'That is not the key'")
        self.assertEqual(self.focus(), "Key")
        page.paste("open sesame")
        page.key("Enter")
        page.wait(f"{LIVE} && document.querySelector('.rows .row:not([hidden])')")
        stored = page.evaluate("JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie, location.href])".replace("document.cookie", "''"))
        self.assertNotIn("sesame", stored)
        self.assertFalse(any("sesame" in url for url in page.requests))
        page.reload()
        page.wait("document.querySelector('#key')")

    def test_refusals_say_why(self):
        self.server = StandIn(count=3)
        self.addCleanup(self.server.close)
        for refusal, words in (((421, "misdirected_request", "The Host is not the inspector's."), "access.hosts"), ((403, "forbidden_origin", "A web page of another origin may not ask."), "forbidden|another site")):
            self.server.refusal = refusal
            page = self.tab("", "document.querySelector('.gate [role=alert]')")
            self.assertIn(refusal[2], page.text(".gate"))
            self.assertRegex(page.text(".gate"), words)

    def test_without_a_stream_it_asks_each_second(self):
        self.server = StandIn(count=3, kind="ok")
        self.server.max_streams = 0
        self.addCleanup(self.server.close)
        page = self.page = self.tab("", "document.querySelector('.pulse').dataset.kind === 'polling'")
        id = self.server.add()
        page.wait(f"document.getElementById('row-{id}')", 5)

    def test_the_fourth_tab_asks_and_takes_a_place_that_becomes_free(self):
        page = self.start(count=3, kind="ok")
        # Only a tab that is seen streams.
        tabs = [self.tab("", None) for _ in range(3)]
        for tab in tabs:
            tab.wait("['live', 'polling', 'hidden', 'loading'].includes(document.querySelector('.pulse').dataset.kind)")
        id = self.server.add()
        tabs[-1].wait(f"document.getElementById('row-{id}')", 10)
        self.assertLessEqual(self.server.streams, 3)

    def test_nothing_yet_shows_how_to_begin(self):
        page = self.start(count=0, rows=False)
        page.wait("document.querySelector('.notice.empty')")
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.empty code')].map(c => c.textContent)"), ["curl -i http://127.0.0.1:8080/", "curl -I http://127.0.0.1:8080/", "curl -i http://127.0.0.1:8080/no-such-path"])
        self.assertTrue(page.evaluate("!!document.querySelector('.empty a[href=\"#/send\"]')"))
        id = self.server.add()
        page.wait(f"document.getElementById('row-{id}') && document.querySelector('.notice-pane').hidden")

    def test_nothing_yet_shows_the_lines_that_are_given(self):
        self.server = StandIn(count=0)
        self.server.examples = ["curl http://127.0.0.1:8080/me", "curl -X POST http://127.0.0.1:8080/revoke      # the API refuses the token from now on"]
        self.addCleanup(self.server.close)
        page = self.page = self.tab()
        page.wait("document.querySelector('.empty code')?.textContent.endsWith('/me')")
        self.assertEqual(page.evaluate("[...document.querySelectorAll('.empty .commands li')].map(l => [l.querySelector('code').textContent, l.querySelector('.quiet').textContent])"),
                         [["curl http://127.0.0.1:8080/me", "a request; Squire adds the token"], ["curl -X POST http://127.0.0.1:8080/revoke", "the API refuses the token from now on"]])

    def test_messages_cover_no_status_and_end_with_what_they_tell_of(self):
        page = self.start(count=60, kind="ok")
        self.server.silence(60)
        page.wait("document.querySelector('.alert')")
        page.press("Export HAR")
        page.wait("document.querySelector('.toast')?.textContent.includes('does not answer')")
        self.assertLess(page.evaluate("document.querySelector('.toast').getBoundingClientRect().right"), page.evaluate("Math.min(...[...document.querySelectorAll('.rows .row:not([hidden]) .c-status')].map(c => c.getBoundingClientRect().left))"))
        self.server.silence(0)
        page.press("Try now")
        page.wait(LIVE)
        self.settle()
        self.assertFalse(page.evaluate("!!document.querySelector('.toast')"))

    def test_a_newer_page_is_told_of(self):
        page = self.start(count=3, kind="ok")
        self.server.page = "2"
        self.server.silence(0.1)
        page.wait("document.querySelector('.alert.info')?.textContent.includes('Squire was updated')")

    def test_title_counts_what_failed_until_it_is_looked_at(self):
        page = self.start(count=3, kind="ok")
        ids = [self.server.add("failed") for _ in range(3)]
        page.wait("document.title === '✕ 3 · Squire · api.example.com'")
        page.key("k")
        page.wait("document.title === '✕ 2 · Squire · api.example.com'")

    def test_what_comes_from_outside_is_text(self):
        page = self.start(count=0, rows=False)
        hostile, bidi = self.server.add("hostile"), self.server.add("bidi")
        page.wait(f"document.getElementById('row-{bidi}')")
        self.assertIn("<img src=x onerror=alert(1)>", page.text(f"#row-{hostile} .c-target"))
        self.assertEqual(page.evaluate("document.querySelectorAll('.rows img, .rows b, .rows script').length"), 0)
        self.assertEqual(page.text(f"#row-{bidi} .mark"), "[U+202E]")
        self.assertIn("[U+202E]", page.evaluate(f"document.getElementById('row-{bidi}').getAttribute('aria-label')"))
        self.assertEqual(page.evaluate("import('/page/text.js').then(t => [...'\\u001b\\u0000\\u007f\\u0085\\u200b\\u2066\\ufeff'].map(c => t.visible(c).map(n => n.textContent).join()))"), ["[ESC]", "[NUL]", "[U+007F]", "[U+0085]", "[U+200B]", "[U+2066]", "[U+FEFF]"])

    def test_html_cannot_be_made_of_strings(self):
        page = self.start(count=1)
        found = page.evaluate("""['innerHTML', 'outerHTML'].map(name => { try { document.createElement('p')[name] = '<b>'; return 'made' } catch (e) { return e.name } })""")
        self.assertEqual(found, ["TypeError", "TypeError"])
        page.drain()
        page.reports.clear()


SIZES = ((1280, 800), (390, 844), (320, 640), (320, 200))
VIEWS = ("", "#/x/{retried}/story", "#/tokens", "#/help", "#/send", "#/d/{retried}.1/{retried}.2")


class Looks(PageCase):
    def test_nothing_is_wider_than_the_screen(self):
        page = self.start(count=60)
        retried = next(id for id in self.server.order if self.server.entries[id]["attempts"] == 2)
        for width, height in SIZES:
            for view in VIEWS:
                with self.subTest((width, height, view)):
                    page.size(width, height)
                    page.evaluate(f"location.hash = {json.dumps(view.format(retried=retried) or '#/')}")
                    page.evaluate(SETTLED)
                    self.assertLessEqual(page.evaluate("document.documentElement.scrollWidth"), width)
                    wide = page.evaluate("""[...document.querySelectorAll('.bar, .work, .sheet, .sheet-inner, aside, .grid')].filter(e => e.getClientRects().length && e.scrollWidth > e.clientWidth + 1).map(e => e.className || e.tagName)""")
                    self.assertEqual(wide, [])

    def test_targets_are_large_enough(self):
        page = self.start(count=60)
        for view in ("#/", "#/tokens"):
            page.evaluate(f"location.hash = '{view}'")
            page.evaluate(SETTLED)
            self.assertEqual(page.evaluate("[...document.querySelectorAll('button')].filter(b => b.getClientRects().length).map(b => [b.textContent, b.getBoundingClientRect().width, b.getBoundingClientRect().height]).filter(([, w, h]) => w < 24 || h < 24)"), [])

    def test_themes_and_motion(self):
        page = self.start(count=3, kind="ok")
        shade = "getComputedStyle(document.documentElement).backgroundColor"
        page.media(scheme="dark")
        dark = page.evaluate(shade)
        page.media(scheme="light")
        light = page.evaluate(shade)
        self.assertNotEqual(dark, light)
        page.press("Theme: auto"), page.press("Theme: light")
        self.assertEqual(page.evaluate(shade), dark)
        page.reload()
        page.wait(LIVE)
        self.assertEqual(page.evaluate(shade), dark)
        page.press("Theme: dark")
        page.media(motion="reduce")
        self.assertEqual(page.evaluate("document.getAnimations().length"), 0)

    def test_axe_finds_nothing(self):
        source, why = axe_source()
        if not source:
            self.skipTest(why)
        page = self.start(count=60)
        retried = next(id for id in self.server.order if self.server.entries[id]["attempts"] == 2)
        # The rows that are drawn at random places of the document carry their index.
        # Each view in each theme is test_inspector_access's.
        page.media(scheme="light", colors="active")
        for width in (1280, 320):
            page.size(width, 800)
            for view in ("#/", "#/tokens", "#/help", f"#/x/{retried}/story", "#/send"):
                with self.subTest((width, view)):
                    page.evaluate(f"location.hash = '{view}'")
                    page.evaluate(SETTLED)
                    self.assertEqual(axe(page, source), [])
        page.size(1280, 800)
        page.evaluate("location.hash = '#/'")
        for state in ("login_needed", "wrong", "none"):
            self.server.state = state
            self.server.news()
            page.wait("document.querySelector('.session').dataset.tone !== 'good'")
            for scheme in ("light", "dark"):
                page.media(scheme=scheme)
                with self.subTest((state, scheme)):
                    self.assertEqual(axe(page, source), [])
        self.server.silence(60)
        page.wait("document.querySelector('.alert')")
        self.assertEqual(axe(page, source), [])


if __name__ == "__main__":
    unittest.main()
