"""A real browser with a hostile page: nothing it does reaches the upstream, and nothing comes back to it."""
import http.server
from harness import *

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

# Everything a page can do to another origin. `probe` reports what each way brought back.
PAGE = """<!doctype html><meta charset=utf-8><body><script>
const target = "@TARGET@", seen = {};
const settle = (name, promise) => Promise.race([promise, new Promise(done => setTimeout(() => done("nothing"), 4000))])
  .then(value => seen[name] = String(value), error => seen[name] = "error: " + error.name);
const read = (path, options) => fetch(target + path, options).then(r => r.type === "opaque" ? "opaque" : r.status + " " + r.type + " " + r.headers.get("x-secret") + " ").then(async t => t);
const body = (path, options) => fetch(target + path, options).then(r => r.text());
const element = (name, attributes) => new Promise(done => {
  const e = Object.assign(document.createElement(name), attributes);
  e.onload = () => done("loaded"); e.onerror = () => done("failed"); document.body.append(e);
});
const form = (name, method, type) => new Promise(done => {
  const frame = Object.assign(document.createElement("iframe"), {name});
  frame.onload = () => { let text = "hidden"; try { text = frame.contentDocument.body.innerText } catch (e) {} ; if (frame.dataset.sent) done(text) };
  document.body.append(frame);
  const f = Object.assign(document.createElement("form"), {action: target + "/form-" + name, method, enctype: type, target: name});
  f.append(Object.assign(document.createElement("input"), {name: "a", value: "b"}));
  document.body.append(f); frame.dataset.sent = 1; f.submit();
});
const socket = path => new Promise(done => {
  const s = new WebSocket(target.replace("http", "ws") + path);
  s.onopen = () => done("open"); s.onerror = () => done("failed"); s.onmessage = m => done(m.data);
});
const events = path => new Promise(done => {
  const s = new EventSource(target + path); s.onmessage = m => done(m.data); s.onerror = () => { s.close(); done("failed") };
});
(async () => {
  await Promise.all([
    settle("fetch", read("/fetch")), settle("body", body("/body")), settle("no-cors", read("/no-cors", {mode: "no-cors"})),
    settle("credentials", body("/credentials", {credentials: "include"})),
    settle("post", read("/post", {method: "POST", mode: "no-cors", body: "x", headers: {"Content-Type": "text/plain"}})),
    settle("json", body("/json", {method: "PUT", body: "{}", headers: {"Content-Type": "application/json", "X-Squire-Key": "k"}})),
    settle("beacon", Promise.resolve(navigator.sendBeacon(target + "/beacon", "x"))),
    settle("image", element("img", {src: target + "/image"})), settle("script", element("script", {src: target + "/script"})),
    settle("style", element("link", {rel: "stylesheet", href: target + "/style"})), settle("video", element("video", {src: target + "/video"})),
    settle("frame", element("iframe", {src: target + "/frame"})), settle("object", element("object", {data: target + "/object"})),
    settle("prefetch", element("link", {rel: "prefetch", href: target + "/prefetch"})),
    settle("get form", form("getform", "get", "")), settle("post form", form("postform", "post", "application/x-www-form-urlencoded")),
    settle("text form", form("textform", "post", "text/plain")), settle("file form", form("fileform", "post", "multipart/form-data")),
    settle("socket", socket("/socket")), settle("events", events("/events")),
  ]);
  await fetch("/report", {method: "POST", body: JSON.stringify(seen)});
  location = target + "/navigation";
})();
</script>"""


@unittest.skipUnless(CHROMIUM, "no Chromium is installed: the access rules are not proven in a browser (config/setup installs it)")
class Browser(Scenario):
    def site(self):
        """Serves the page, aimed at `self.target`; what it reports is in `self.report`. The port."""
        test = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                data = PAGE.replace("@TARGET@", test.target).encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def do_POST(self):
                test.report = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                self.send_response(204)
                self.end_headers()
                test.reported.set()

            def log_message(self, *arguments): pass

        self.reported = threading.Event()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        return server.server_port

    def browse(self, url, *arguments):
        process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking",
             "--disable-component-update", "--disable-sync", f"--user-data-dir={self.directory}/profile", "--host-resolver-rules=MAP * 127.0.0.1",
             # Newer browsers guard the local network by themselves; Squire must not need that.
             "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessRespectPreflightResults,BlockInsecurePrivateNetworkRequests", *arguments, url],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=clean_environment(**self.env), start_new_session=True)
        def end():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(LIMIT)
            process.stdout.close()
        self.addCleanup(end)
        return process

    def attack(self, host, is_configured=False):
        origin = f"http://{host}:{self.site()}"
        extra = f"access: {{origins: [\"{origin}\"]}}\n" if is_configured else ""
        answer = reply(200, b"the customer's data", "Content-Type: text/html", "X-Secret: s", "Access-Control-Allow-Origin: *")
        squire, upstream = self.proxied(lambda r: answer, extra=extra, profile="")
        self.target = f"http://127.0.0.1:{squire.port}"
        self.browse(origin + "/")
        self.assertTrue(self.reported.wait(60), "the page did not report")
        return squire, upstream

    def test_a_page_of_another_site_can_do_nothing(self):
        squire, upstream = self.attack("evil.test")
        # The page's last act is to send the whole window to Squire: wait until that was refused.
        deadline = time.monotonic() + LIMIT
        while squire.text().count("/navigation") < 1:
            self.assertLess(time.monotonic(), deadline, squire.text())
            select.select([], [], [], 0.02)
        self.assertEqual([request.line for request in upstream.requests], [])
        self.assertNotIn("the customer's data", str(self.report))
        for way in ("fetch", "body", "credentials", "json", "image", "script", "style", "socket", "events"):
            self.assertIn(self.report[way].split()[0], ("error:", "failed", "nothing"), (way, self.report))
        self.assertGreater(squire.text().count("forbidden_origin"), 15)

    def speculate(self, name, extra=""):
        """A page of another site has the browser prefetch and prerender at Squire, then asks for an image; returns once that was answered."""
        squire, upstream = self.proxied(lambda r: reply(200, b"<html>data", "Content-Type: text/html"), extra=extra, profile="")
        target = f"http://{name}:{squire.port}"
        rules = {kind: [{"source": "list", "eagerness": "immediate", "urls": [f"{target}/{kind}"]}] for kind in ("prefetch", "prerender")}
        page = f"""<!doctype html><script type=speculationrules>{json.dumps(rules)}</script><link rel=prefetch href="{target}/link">
            <script>setTimeout(() => new Image().src = "{target}/last", 3000)</script>"""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *arguments): pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.browse(f"http://evil.test:{server.server_port}/")
        deadline = time.monotonic() + 60
        while "/last" not in squire.text() and not any(request.target == "/last" for request in upstream.requests):
            self.assertLess(time.monotonic(), deadline, squire.text())
            select.select([], [], [], 0.05)
        return squire, upstream

    def test_a_page_can_have_nothing_fetched_ahead(self):
        squire, upstream = self.speculate("127.0.0.1")
        self.assertEqual([request.line for request in upstream.requests], [])
        self.assertIn("/prefetch", squire.text())

    def test_a_name_that_browsers_say_nothing_to_is_no_way_in(self):
        squire, upstream = self.speculate("box.lan", "access: {hosts: [box.lan]}\n")
        self.assertEqual([request.line for request in upstream.requests], [])

    def test_a_refused_page_asks_for_nothing_more(self):
        """A browser shows the refusal as a page of Squire's own, and would ask for that page's icon."""
        squire, upstream = self.proxied(lambda r: reply(200, b"data"), profile="")
        target = f"http://127.0.0.1:{squire.port}"
        page = f"""<!doctype html><link rel=icon href="data:,"><script>open("{target}/first");
            setTimeout(() => new Image().src = "{target}/last", 4000)</script>"""

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(200)
                self.send_header("Content-Type", "text/html")
                self.end_headers()
                self.wfile.write(page.encode())

            def log_message(self, *arguments): pass

        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.shutdown)
        self.browse(f"http://evil.test:{server.server_port}/", "--disable-popup-blocking")
        deadline = time.monotonic() + 60
        while "/last" not in squire.text() or "/first" not in squire.text():
            self.assertLess(time.monotonic(), deadline, squire.text())
            select.select([], [], [], 0.05)
        self.assertEqual([request.line for request in upstream.requests], [])
        self.assertNotIn("favicon", squire.text())

    def test_a_page_of_another_port_can_do_nothing(self):
        """The same site to a browser, and yet another's."""
        squire, upstream = self.attack("127.0.0.1")
        self.assertEqual([request.line for request in upstream.requests], [])
        self.assertNotIn("the customer's data", str(self.report))

    def test_a_page_of_a_configured_origin_can(self):
        squire, upstream = self.attack("app.test", is_configured=True)
        self.assertEqual(self.report["body"], "the customer's data")
        self.assertEqual(self.report["credentials"], "the customer's data")
        self.assertEqual(self.report["json"], "the customer's data")
        self.assertEqual(self.report["fetch"].strip(), "200 cors s")

    def test_a_name_that_was_bound_to_this_machine_is_refused(self):
        squire, upstream = self.proxied(lambda r: reply(200, b"the customer's data"))
        output = self.browse(f"http://rebound.test:{squire.port}/", "--dump-dom").stdout.read()
        self.assertIn(b"misdirected_request", output)
        self.assertEqual(upstream.requests, [])

    def test_the_address_bar_works(self):
        squire, upstream = self.proxied(lambda r: reply(200, b"the customer's data", "Content-Type: text/html"))
        self.assertIn(b"the customer's data", self.browse(f"http://localhost:{squire.port}/x", "--dump-dom").stdout.read())


if __name__ == "__main__":
    main()
