"""A real Chromium, driven over its DevTools protocol: real keys and clicks, the tree that screen readers get, screenshots, and everything that went wrong.

    with Chromium() as browser:
        page = browser.open(url)
        page.wait("document.querySelector('[role=grid]')")
        page.key("ArrowDown")
        page.assert_clean()

Nothing sleeps to wait: waits are for an expression, an event or a line, with a limit. `Runtime.evaluate` is above a page's Content-Security-Policy unless it is
told not to be, which `evaluate` does."""
import base64, json, os, pathlib, re, select, shutil, signal, socket, subprocess, sys, tempfile, threading, time, urllib.request

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
WHY_NOT = None if CHROMIUM else "no Chromium is installed (config/setup installs it)"

LIMIT = 30
# Name, key code and text of keys that are no letters.
KEYS = {"Enter": (13, "\r"), "Escape": (27, ""), "Tab": (9, ""), "ArrowDown": (40, ""), "ArrowUp": (38, ""), "ArrowLeft": (37, ""), "ArrowRight": (39, ""), "Home": (36, ""),
        "End": (35, ""), "PageUp": (33, ""), "PageDown": (34, ""), "Backspace": (8, ""), "Delete": (46, ""), " ": (32, " ")}
MODIFIERS = {"Alt": 1, "Control": 2, "Meta": 4, "Shift": 8}


class Socket:
    """A WebSocket (RFC 6455) to the browser: text messages, no extensions."""

    def __init__(self, url):
        host, path = re.fullmatch(r"ws://([^/]+)(/.*)", url).groups()
        name, port = host.rsplit(":", 1)
        self.socket = socket.create_connection((name, int(port)), timeout=LIMIT)
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
        self.file = self.socket.makefile("rb")
        if b" 101 " not in self.file.readline():
            raise AssertionError("the browser does not speak")
        while self.file.readline().strip():
            pass

    def send(self, text):
        data, mask = text.encode(), os.urandom(4)
        size = bytes([0x80 | len(data)]) if len(data) < 126 else b"\xfe" + len(data).to_bytes(2, "big") if len(data) < 65536 else b"\xff" + len(data).to_bytes(8, "big")
        repeated = (mask * (len(data) // 4 + 1))[:len(data)]
        masked = (int.from_bytes(data, "big") ^ int.from_bytes(repeated, "big")).to_bytes(len(data), "big")
        self.socket.sendall(b"\x81" + size + mask + masked)

    def receive(self, limit):
        self.socket.settimeout(limit)
        message = b""
        while True:
            first, size = self.file.read(2)
            size = int.from_bytes(self.file.read(2 if size == 126 else 8), "big") if size > 125 else size
            data = self.file.read(size)
            if first & 15 in (0, 1):
                message += data
                if first & 0x80:
                    return message.decode()
            elif first & 15 == 8:
                raise AssertionError("the browser has closed the tab")

    def close(self):
        self.file.close()
        self.socket.close()


class Chromium:
    """The browser's process. Its network is loopback only."""

    def __init__(self, width=1280, height=800, *arguments):
        self.pages = []
        self.directory, self.drain = tempfile.mkdtemp(prefix="chromium"), None
        environment = {k: v for k, v in os.environ.items() if "proxy" not in k.lower()}
        self.process = subprocess.Popen(
            [CHROMIUM, "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-background-networking", "--disable-component-update",
             "--disable-sync", "--no-proxy-server", "--hide-scrollbars", "--remote-debugging-port=0", f"--user-data-dir={self.directory}", f"--window-size={width},{height}",
             "--host-resolver-rules=MAP * 127.0.0.1", "--disable-features=LocalNetworkAccessChecks,PrivateNetworkAccessRespectPreflightResults,BlockInsecurePrivateNetworkRequests",
             *arguments, "about:blank"], stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=environment, start_new_session=True)
        try:
            self.endpoint = self._endpoint()
        except BaseException:
            self.close()
            raise

    def _endpoint(self):
        deadline, text = time.monotonic() + LIMIT, b""
        while time.monotonic() < deadline:
            if select.select([self.process.stderr], [], [], max(0, deadline - time.monotonic()))[0]:
                data = os.read(self.process.stderr.fileno(), 65536)
                text += data
                found = re.search(rb"ws://([^/\s]+)/\S+\s", text)
                if found:
                    # What it says from now on must not fill the pipe.
                    self.drain = threading.Thread(target=lambda: [None for _ in iter(lambda: os.read(self.process.stderr.fileno(), 65536), b"")], daemon=True)
                    self.drain.start()
                    return found[1].decode()
                if not data:
                    break
        raise AssertionError("Chromium did not start: " + text.decode(errors="replace")[-2000:])

    def open(self, url="about:blank", wait=True):
        """A new tab there."""
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        target = json.load(opener.open(urllib.request.Request(f"http://{self.endpoint}/json/new?about:blank", method="PUT"), timeout=LIMIT))
        page = Page(self, target)
        self.pages.append(page)
        if url != "about:blank":
            page.go(url, wait)
        return page

    def close(self):
        for page in self.pages:
            page.disconnect()
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait(LIMIT)
        if self.drain:
            self.drain.join()
        self.process.stderr.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self): return self

    def __exit__(self, *_): self.close()


class Page:
    """One tab. `exceptions`, `reports` (violations of the policy) and `errors` (of the console) hold what went wrong so far."""

    def __init__(self, browser, target):
        self.browser, self.id = browser, target["id"]
        self.socket = Socket(target["webSocketDebuggerUrl"])
        self.number, self.events, self.exceptions, self.reports, self.errors, self.requests = 0, [], [], [], [], []
        for domain in ("Page", "Runtime", "Log", "Network", "Accessibility", "DOM", "Audits"):
            self.call(domain + ".enable")

    def disconnect(self):
        self.socket.close()

    def close(self):
        self.call("Page.close")
        self.disconnect()
        self.browser.pages.remove(self)

    # What the protocol is made of

    def call(self, method, **parameters):
        self.number += 1
        number = self.number
        self.socket.send(json.dumps({"id": number, "method": method, "params": parameters}))
        deadline = time.monotonic() + LIMIT * 2
        while True:
            message = json.loads(self.socket.receive(max(0.01, deadline - time.monotonic())))
            if message.get("id") == number:
                if "error" in message:
                    raise AssertionError(f"{method}: {message['error']}")
                return message["result"]
            self._take(message)

    def _take(self, message):
        kind, data = message.get("method"), message.get("params", {})
        if kind == "HeapProfiler.addHeapSnapshotChunk":
            return self.snapshot.append(data["chunk"])
        self.events.append(message)
        if kind == "Runtime.exceptionThrown":
            details = data["exceptionDetails"]
            self.exceptions.append(details.get("exception", {}).get("description") or details["text"])
        elif kind == "Log.entryAdded" and data["entry"]["level"] == "error":
            text = data["entry"]["text"] + " " + data["entry"].get("url", "")
            (self.reports if "Content Security Policy" in text or "Trusted" in text else self.errors).append(text)
        elif kind == "Audits.issueAdded" and data["issue"]["code"] == "ContentSecurityPolicyIssue":
            self.reports.append(json.dumps(data["issue"]["details"]))
        elif kind == "Network.requestWillBeSent":
            self.requests.append(data["request"]["url"])
        del self.events[:-2000]

    def drain(self):
        """Takes what the browser has said in the meantime."""
        self.call("Runtime.evaluate", expression="0")

    # Asking

    def evaluate(self, expression, everything=True):
        """Its value, awaited, as JSON."""
        result = self.call("Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=everything, allowUnsafeEvalBlockedByCSP=False, userGesture=True)
        if "exceptionDetails" in result:
            raise AssertionError(expression[:200] + ": " + json.dumps(result["exceptionDetails"])[:1200])
        return result["result"].get("value")

    def inject(self, source):
        """Runs a script above the policy, as DevTools may: for what is no part of the page."""
        self.call("Runtime.evaluate", expression=source + "\n;0")

    def wait(self, expression, limit=LIMIT / 2):
        """The first value of the expression that is true, asked once a frame in the page itself."""
        source = f"""new Promise((done, fail) => {{ const end = performance.now() + {limit * 1000}; (function look() {{
            let value; try {{ value = ({expression}) }} catch (error) {{ if (performance.now() > end) return fail(error) }}
            if (value) return done(value === true || typeof value !== 'object' ? value : true);
            if (performance.now() > end) return fail(new Error('it did not happen'));
            setTimeout(look, 8) }})() }})"""
        return self.evaluate(source)

    def text(self, selector):
        return self.evaluate(f"document.querySelector({json.dumps(selector)})?.textContent")

    def tree(self):
        """What a screen reader gets: (role, name, {property: value}) of every node that is not ignored."""
        nodes = self.call("Accessibility.getFullAXTree")["nodes"]
        value = lambda node, key: node.get(key, {}).get("value", "")
        return [(value(n, "role"), value(n, "name"), {p["name"]: p["value"].get("value") for p in n.get("properties", [])}) for n in nodes if not n.get("ignored")]

    def memory(self):
        """Everything that the page's heap holds, as the text of a snapshot."""
        self.snapshot = []
        self.call("HeapProfiler.takeHeapSnapshot", reportProgress=False)
        text, self.snapshot = "".join(self.snapshot), None
        return text

    def has(self, role, name):
        return any(r == role and n.lower() == name.lower() for r, n, _ in self.tree())

    # Doing

    def go(self, url, wait=True):
        self.call("Page.navigate", url=url)
        if wait:
            self.wait("document.readyState === 'complete'")

    def reload(self):
        self.call("Page.reload")
        self.wait("document.readyState === 'complete'")

    def key(self, key, *modifiers):
        """Presses and releases a key: a letter, or a name such as ArrowDown."""
        code, text = KEYS.get(key, (ord(key.upper()) if len(key) == 1 else 0, key if len(key) == 1 else ""))
        bits = sum(MODIFIERS[m] for m in modifiers)
        if bits & ~8:
            text = ""
        common = dict(key=key, code=f"Key{key.upper()}" if key.isalpha() and len(key) == 1 else key, windowsVirtualKeyCode=code, modifiers=bits)
        self.call("Input.dispatchKeyEvent", type="keyDown" if text else "rawKeyDown", text=text, **common)
        self.call("Input.dispatchKeyEvent", type="keyUp", **common)

    def type(self, text):
        for character in text:
            self.key(character)

    def paste(self, text):
        self.call("Input.insertText", text=text)

    def place(self, selector):
        """The middle of the element, which is scrolled into view."""
        return self.evaluate(f"""(() => {{ const e = document.querySelector({json.dumps(selector)}); if (!e) throw new Error('there is no such element'); e.scrollIntoView({{block: 'nearest'}});
            const r = e.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()""")

    def move(self, x, y):
        self.call("Input.dispatchMouseEvent", type="mouseMoved", x=x, y=y)

    def click(self, where, count=1):
        x, y = self.place(where) if isinstance(where, str) else where
        self.move(x, y)
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, button="left", clickCount=count)

    def wheel(self, selector, dy):
        x, y = self.place(selector)
        self.call("Input.dispatchMouseEvent", type="mouseWheel", x=x, y=y, deltaX=0, deltaY=dy)

    def press(self, name):
        """Clicks the button of that accessible name."""
        self.click(self.evaluate(f"""(() => {{ const wanted = {json.dumps(name.lower())};
            const b = [...document.querySelectorAll('button, [role=button], [role=tab], [role=menuitem], summary')].find(b => b.getClientRects().length && (b.getAttribute('aria-label') || b.textContent).trim().toLowerCase() === wanted);
            if (!b) throw new Error('there is no button ' + wanted); b.scrollIntoView({{block: 'nearest'}});
            const r = b.getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2] }})()"""))

    # Looking like

    def size(self, width, height, scale=1):
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=scale, mobile=False)

    def media(self, **features):
        """`scheme="dark"`, `motion="reduce"`, `colors="active"`, `contrast="more"`."""
        names = {"scheme": "prefers-color-scheme", "motion": "prefers-reduced-motion", "colors": "forced-colors", "contrast": "prefers-contrast"}
        self.call("Emulation.setEmulatedMedia", features=[{"name": names[k], "value": v} for k, v in features.items()])

    def network(self, offline=False, down=-1, latency=0):
        self.call("Network.emulateNetworkConditions", offline=offline, latency=latency, downloadThroughput=down, uploadThroughput=-1)

    def screenshot(self, path):
        pathlib.Path(path).write_bytes(base64.b64decode(self.call("Page.captureScreenshot", format="png")["data"]))

    def assert_clean(self):
        """No exception, no violation of the policy, nothing asked of another origin."""
        self.drain()
        own = self.evaluate("location.origin")
        foreign = [url for url in self.requests if not url.startswith((own, "blob:" + own, "data:", "about:"))]
        wrong = self.exceptions + self.reports + foreign
        if wrong:
            raise AssertionError("\n".join(wrong[:10]))


AXE_VERSION = "0.1.8"


def axe_source():
    """axe-core as the Python package that carries it has it, or why not. Kept in this user's cache; it is no part of Squire."""
    cache = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "squire/axe"
    script = cache / f"axe-{AXE_VERSION}.js"
    if not script.exists():
        import zipfile
        cache.mkdir(parents=True, exist_ok=True)
        got = subprocess.run([sys.executable, "-m", "pip", "download", "-q", "--disable-pip-version-check", "--no-deps", "--only-binary", ":all:", "-d", cache, f"axe-playwright-python=={AXE_VERSION}"],
                             capture_output=True, text=True)
        wheels = list(cache.glob("axe_playwright_python-*.whl"))
        if not wheels:
            return None, "axe-core cannot be had: " + (got.stderr.strip().splitlines() or ["no wheel"])[-1]
        with zipfile.ZipFile(wheels[0]) as archive:
            name = next(n for n in archive.namelist() if n.endswith("axe.min.js"))
            part = script.with_suffix(".new")
            part.write_bytes(archive.read(name))
            part.replace(script)
    return script.read_text(), None


def axe(page, source, context="document"):
    """What axe finds wrong: (rule, elements)."""
    if not page.evaluate("typeof axe === 'object'"):
        page.inject(source)
    found = page.evaluate(f"axe.run({context}, {{resultTypes: ['violations']}}).then(r => r.violations.map(v => [v.id, v.nodes.map(n => n.target.join(' ') + ': ' + (n.failureSummary || '').slice(0, 300))]))")
    return found
