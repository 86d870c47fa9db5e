"""The pictures of the inspector in the README: of `squire demo`, with a refresh in the middle. `SQUIRE_PICTURES=DIR` keeps them there."""
from long import *
from chromium import Chromium, WHY_NOT

KEPT = os.environ.get("SQUIRE_PICTURES")
LIMIT_OF_ONE = 160_000


@unittest.skipIf(WHY_NOT, WHY_NOT)
class Pictures(Scenario):
    def test_what_the_readme_shows(self):
        squire = Process("demo", "--token-ttl", "20m", "--inspector", "127.0.0.1:0", "--listen", "127.0.0.1:0", env=self.env)
        self.addCleanup(squire.stop)
        squire.wait_for("proxy", "inspector")
        proxy, inspector = (squire.endpoints[name].rstrip("/") for name in ("proxy", "inspector"))
        def ask(method, target, body=None):
            request = urllib.request.Request(proxy + target, body, {"Content-Type": "application/json"}, method=method)
            with contextlib.suppress(urllib.error.HTTPError):
                urllib.request.urlopen(request, timeout=LIMIT).read()
        for target in ("/api/customer-accounts/me", "/api/venues?page=1", "/api/venues?page=2", "/playground/bytes/40000"):
            ask("GET", target)
        ask("POST", "/playground/revoke")
        ask("POST", "/playground/echo", b'{"order": {"items": [{"id": 9007199254740993, "quantity": 2}]}}')
        ask("POST", "/playground/revoke")
        ask("GET", "/api/customer-accounts/me")
        ask("GET", "/nowhere")
        ask("GET", "/api/customer-accounts/me")
        folder = pathlib.Path(KEPT) if KEPT else self.directory
        rows = json.load(urllib.request.urlopen(f"{inspector}/api/exchanges"))["exchanges"]
        retried = next(row["id"] for row in rows if row["attempts"] == 2)
        with Chromium(1200, 560) as browser:
            page = browser.open()
            def picture(name, fragment, wait):
                page.go(f"{inspector}/{fragment}")
                page.wait(wait)
                page.screenshot(str(folder / name))
                size = (folder / name).stat().st_size
                self.assertTrue(10_000 < size < LIMIT_OF_ONE, f"{name}: {size} octets")
            picture("inspector-story.png", f"#/x/{retried}/story", "document.querySelector('.pulse')?.dataset.kind === 'live' && document.querySelector('.who')?.textContent.includes('signed in') && document.querySelector('aside')?.textContent.includes('what your tool got')")
            page.media(scheme="dark")
            picture("inspector-tokens.png", "#/tokens", "document.body.textContent.includes('Generation 2')")
            page.size(390, 700)
            picture("inspector-narrow.png", "#/", "document.querySelectorAll('.rows .row:not([hidden])').length > 5")
            page.assert_clean()


if __name__ == "__main__":
    unittest.main()
