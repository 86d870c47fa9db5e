"""The inspector's page for whoever has no mouse, does not see the screen, or has a narrow one: each view in each size and theme, by axe and by Tab."""
import json, pathlib, sys, unittest

sys.path.insert(0, str(pathlib.Path(__file__).parent))
from chromium import axe_source
from test_inspector_page import SETTLED, PageCase

SCREENS = (1280, 800), (390, 844), (320, 640)
# Of these rules what they find depends on the size, and of the first on the colours; all others are asked once.
DRAWN = "color-contrast", "target-size", "scrollable-region-focusable"
# What is looked at in a view; all else is another's.
PARTS = {"list": "document", "saved filters": "'.filter'", "a wrong filter": "'.filter'", "nothing matches": "'.notice-pane'", "settings": "'dialog[open]'", "refresh": "'dialog[open]'"}
EXCHANGES = (("retried", "story"), ("signin", "request"), ("waited", "response"), ("image", "response"), ("html", "response"), ("br", "response"), ("retried", "headers"), ("retried", "explain"), ("hostile", "raw"),
             ("websocket", "messages"), ("login", "story"), ("failed", "story"))


class Views(PageCase):
    """`views` are (name, fragment, what is pressed there, what must be there then)."""

    def views(self):
        last = lambda kind: next(id for id in reversed(self.server.order) if self.server.kinds[id] == kind)
        retried = last("retried")
        return [("list", "#/", None, ".rows .row:not([hidden])"),
                *[(f"{tab} of {kind}", f"#/x/{last(kind)}/{tab}", None, ".tab-panel > *") for kind, tab in EXCHANGES],
                ("evicted", "#/x/00a7-0/story", None, ".empty-detail"), ("tokens", "#/tokens", None, ".table"), ("help", "#/help", None, ".help"),
                ("composer", "#/send", None, ".compose-form"), ("composer, filled", f"#/send/{last('signin')}", None, ".field-row .is-missing, .is-missing"),
                ("diff", f"#/d/{retried}.1/{retried}.2", None, ".diff h3"), ("copies", f"#/x/{retried}/story", "Copy", "[role=menu]:not([hidden])"),
                ("settings", "#/", "Settings", "dialog[open]"), ("refresh", "#/", "Refresh now", "dialog[open]"), ("saved filters", "#/", "Saved filters", ".panel:not([hidden])"),
                ("nothing matches", "#/?q=nothing-has-that", None, ".notice h2"), ("a wrong filter", "#/?q=status%3A9", None, ".filter-words[data-wrong=true]")]

    def show(self, fragment, pressed, wanted):
        self.page.key("Escape")
        self.page.evaluate(f"location.hash = {json.dumps(fragment)}")
        self.page.wait(f"document.querySelector({json.dumps(wanted if not pressed else 'main')})?.getClientRects().length")
        self.settle()
        if pressed:
            self.page.press(pressed)
            self.page.wait(f"document.querySelector({json.dumps(wanted)})?.getClientRects().length")
            self.settle()


class Tree(Views):
    def test_axe_finds_nothing_in_any_size_or_theme(self):
        source, why = axe_source()
        if not source:
            self.skipTest(why)
        page = self.start(count=60)
        page.media(motion="reduce")
        page.inject(source)
        wrong = []
        for name, fragment, pressed, wanted in self.views():
            self.show(fragment, pressed, wanted)
            part = PARTS.get(name) or ("'aside'" if fragment.startswith("#/x/") else "'.sheet'")
            for width, height in SCREENS:
                page.size(width, height)
                found = page.evaluate(f"""(async () => {{ const found = [], root = document.documentElement;
                    await new Promise(requestAnimationFrame);
                    for (const theme of {json.dumps(['light', 'dark'] if width != 390 else ['light'])}) {{
                        root.dataset.theme = theme;
                        const rules = {json.dumps(width == 1280)} && theme === 'light' ? undefined : {{ type: 'rule', values: {json.dumps(DRAWN if width != 390 else DRAWN[1:])} }};
                        const {{ violations }} = await axe.run({part}, {{ resultTypes: ['violations'], runOnly: rules }});
                        for (const v of violations) found.push([theme, v.id, v.nodes.map(n => n.target.join(' ') + ': ' + (n.failureSummary || '').slice(0, 300))]);
                    }}
                    root.dataset.theme = 'auto';
                    if (root.scrollWidth > innerWidth) found.push(['wider than the screen']);
                    return found }})()""")
                wrong += [(name, width, *one) for one in found]
            page.size(1280, 800)
        self.assertEqual(wrong, [])


# What Tab should reach, each once: marked with a number.
CONTROLS = """(() => { const place = document.querySelector('dialog[open]') ?? document; let n = 0;
    for (const e of document.querySelectorAll('[data-walk]')) delete e.dataset.walk;
    for (const e of place.querySelectorAll('a[href], button, input, textarea, select, summary, iframe, [tabindex]')) {
        if (e.getClientRects().length && e.tabIndex >= 0 && !e.disabled && getComputedStyle(e).visibility === 'visible') e.dataset.walk = n++; }
    return [...place.querySelectorAll('[data-walk]')].map(e => `${e.dataset.walk} ${e.getAttribute('aria-label') || e.textContent.slice(0, 30) || e.tagName}`) })()"""
# Where the focus is, and whether it is to be seen: by an outline, or by the edge of the field that it is in.
FOCUS = """(() => { const e = document.activeElement; if (!e || e === document.body) return [null, true, true];
    const drawn = n => { const s = getComputedStyle(n); return s.outlineStyle !== 'none' && parseFloat(s.outlineWidth) >= 2 };
    const field = e.closest('.filter-field'), r = e.getBoundingClientRect();
    const isSeen = r.bottom > 0 && r.right > 0 && r.top < innerHeight && r.left < innerWidth;
    return [e.dataset.walk ?? e.tagName, drawn(e) || !!field && getComputedStyle(field).borderColor !== getComputedStyle(document.querySelector('.filter')).borderColor, isSeen] })()"""


class Walk(Views):
    def test_what_an_exchange_covers_is_not_reached(self):
        """On a narrow screen the detail lies on the list."""
        page = self.start(count=60, size=(390, 844))
        page.key("k"), page.key("Enter")
        page.wait("!document.querySelector('aside').hidden")
        self.assertEqual(page.evaluate("getComputedStyle(document.querySelector('.grid')).visibility"), "hidden")
        page.key("/")
        page.wait("document.activeElement.matches('.filter-input') && document.querySelector('aside').hidden")
        page.key("Escape"), page.key("Enter")
        page.wait("!document.querySelector('aside').hidden")
        page.key("f")
        page.wait("document.querySelector('aside').hidden && document.activeElement.matches('.grid')")

    def test_tab_reaches_everything_and_is_kept_nowhere(self):
        page = self.start(count=60)
        for width, height in SCREENS[:2]:
            page.size(width, height)
            for name, *view in self.views():
                if width != 1280 and name not in ("list", "story of retried", "tokens", "composer, filled", "diff"):
                    continue
                with self.subTest((width, name)):
                    self.show(*view)
                    wanted = page.evaluate(CONTROLS)
                    reached, hidden, unseen = [], [], []
                    for _ in range(len(wanted) * 2 + 5):
                        page.key("Tab")
                        focus, isDrawn, isSeen = page.evaluate(FOCUS)
                        if focus in reached:
                            break
                        if focus is not None:
                            reached.append(focus)
                            hidden += [] if isDrawn else [focus]
                            unseen += [] if isSeen else [focus]
                    names = {label.partition(" ")[0]: label for label in wanted}
                    self.assertEqual([label for number, label in names.items() if number not in reached], [], "Tab does not get there")
                    self.assertEqual([names.get(number, number) for number in hidden], [], "the focus is not drawn")
                    self.assertEqual([names.get(number, number) for number in unseen], [], "the focus is out of sight")

    def test_escape_closes_and_the_focus_returns(self):
        page = self.start(count=60)
        retried = next(id for id in reversed(self.server.order) if self.server.kinds[id] == "retried")
        for fragment, name, opened in (("#/", "Settings", "dialog[open]"), ("#/", "Refresh now", "dialog[open]"), ("#/", "Saved filters", ".panel:not([hidden])"), ("#/", "Help", ".help"), ("#/", "Tokens", ".tokens"),
                                       ("#/", "Compose a request", ".compose-form"), (f"#/x/{retried}/story", "Copy", "[role=menu]:not([hidden])"), (f"#/x/{retried}/story", "Settings", "dialog[open]")):
            with self.subTest((fragment, name)):
                page.evaluate(f"location.hash = {json.dumps(fragment)}")
                self.settle()
                page.wait("document.querySelector('main').getClientRects().length")
                page.evaluate(f"""[...document.querySelectorAll('button')].find(b => b.getClientRects().length && (b.getAttribute('aria-label') || b.textContent).trim() === {json.dumps(name)}).focus()""")
                page.key("Enter")
                page.wait(f"document.querySelector({json.dumps(opened)})?.getClientRects().length")
                self.settle()
                self.assertTrue(page.evaluate(f"document.querySelector({json.dumps(opened)}).contains(document.activeElement) || document.querySelector('.sheet').contains(document.activeElement)"), "the focus is not in what was opened")
                page.key("Escape")
                if page.evaluate("document.activeElement.matches('input, textarea')"):
                    page.key("Escape")
                page.wait(f"!document.querySelector({json.dumps(opened)})?.getClientRects().length")
                self.settle()
                self.assertEqual(page.evaluate("(document.activeElement.getAttribute('aria-label') || document.activeElement.textContent).trim()"), name)


if __name__ == "__main__":
    unittest.main()
