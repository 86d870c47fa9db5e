"""No token leaves by the inspector, however it is spelt: not by the API, the feed, an archive, a download, the page, a copy or the log."""
import base64, urllib.parse
from long import *
from test_inspector_api import Listed
from chromium import Chromium, WHY_NOT

TABS = ("story", "request", "response", "headers", "explain", "raw")


def spellings(secret):
    """How others write it, by name."""
    octets = secret.encode()
    every = "".join(f"%{octet:02X}" for octet in octets)
    found = {"raw": secret, "percent": urllib.parse.quote(secret, safe=""), "percent, each octet": every, "percent, lower case": every.lower(), "twice percent": every.replace("%", "%25"),
             "JSON escapes": "".join(f"\\u{octet:04x}" for octet in octets), "slash escaped": secret.replace("/", "\\/")}
    for offset in range(3):
        for name, encode in (("base64", base64.b64encode), ("base64url", base64.urlsafe_b64encode)):
            found[f"{name}, offset {offset}"] = encode(b":" * offset + octets + b":" * ((3 - offset - len(octets)) % 3)).decode()
    found["Basic"] = base64.b64encode(b"user:" + octets).decode()
    return found


def traces(secret):
    """Texts of which none may be in anything that leaves: what of each spelling does not depend on what is around it."""
    texts = {secret, urllib.parse.quote(secret, safe="")}
    for offset in range(3):
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            whole = encode(b"\0" * offset + secret.encode()).decode().rstrip("=")
            texts.add(whole[4 if offset else 0:len(whole) - 2])
    if secret.count(".") == 2:
        texts.add(secret.split(".")[1])
    return texts


class Secrets(Listed):
    def busy(self):
        """Every secret in every spelling, wherever a request and an answer can hold one."""
        old, new = jwt(jti="rejected-one"), jwt(jti="present-one")
        words = {"password": "pass+word/of=hers", "cookie": "cookie-value-5xY", "refresh": "refresh-token-Zz93", "query": "query-secret-8bK"}
        self.served = {}
        def respond(request):
            if "/refresh" in request.target:
                return token_reply(new)
            if request.token == old:
                return reply(401, b'{"message":"invalid_token"}', "Content-Type: application/json", reason="Unauthorized")
            kind, _, index = request.target.partition("?")[0].removeprefix("/echo/").partition("/")
            text = self.served.get(int(index or 0), "")
            if kind == "json": return reply(200, json.dumps({"items": [{"note": text, "n": 1}]}).encode(), "Content-Type: application/json")
            if kind == "field": return reply(200, b"{}", "Content-Type: application/json", f"X-Note: {text}", f"Set-Cookie: sid={words['cookie']}; Path=/")
            if kind == "events": return reply(200, f"data: {text}\n\nevent: b\ndata: end\n\n".encode(), "Content-Type: text/event-stream")
            return reply(200, f"before {text} after".encode(), "Content-Type: text/plain")
        squire, _ = self.inspected(respond, token=old)
        texts = [text for token in (old, new) for text in spellings(token).values()]
        self.served = dict(enumerate(texts))
        for index, text in self.served.items():
            for kind in ("json", "field", "text", "events"):
                self.proxy(squire, target=f"/echo/{kind}/{index}")
            fields = {"Content-Type": "text/plain", "X-Note": text, "Cookie": f"a={words['cookie']}", "Referer": f"http://x/?t={text}"}
            self.proxy(squire, "POST", f"/echo/in/{index}?note={urllib.parse.quote(text)}&access_token={words['query']}", text, fields)
            self.proxy(squire, "POST", f"/echo/in/{index}", json.dumps({"a": {"b": text}, "refresh_token": words["refresh"], "password": words["password"]}), {"Content-Type": "application/json"})
            self.proxy(squire, "POST", f"/echo/in/{index}", urllib.parse.urlencode({"note": text, "password": words["password"]}), {"Content-Type": "application/x-www-form-urlencoded"})
        for value in (f"Bearer {new}", f"Basic {base64.b64encode(b'user:' + new.encode()).decode()}"):
            self.proxy(squire, target="/echo/text/0", headers={"Authorization": value, "X-Api-Key": words["query"], "Proxy-Authorization": value})
        return squire, {text: secret for secret in (old, new, *words.values()) for text in traces(secret)}

    def rows(self, squire):
        """All of them, once they are taken in: each look takes some."""
        rows = []
        def are_there():
            rows[:] = self.list(squire, "?limit=1000")["exchanges"]
            return len(rows) >= 7 * len(self.served)
        self.until(are_there, "not all are recorded")
        return rows

    def assert_safe(self, what, text, secrets):
        for trace, secret in secrets.items():
            # Not the secret itself: this text may be shown.
            self.assertFalse(trace in text, f"{what} holds {secret[:3]}… as {trace[:3]}…, {len(trace)} characters, behind {text[max(0, text.find(trace) - 60):text.find(trace)]!r}")

    def test_nothing_leaves(self):
        squire, secrets = self.busy()
        rows = self.rows(squire)
        for target in ("/api/exchanges?limit=1000", "/api/exchanges.har", "/api/exchanges.har?view=upstream", "/api/exchanges.har?attempts=all", "/api/generations", "/api/status", "/metrics"):
            self.assert_safe(target, self.ask(squire, "GET", target).data.decode(), secrets)
        for row in rows:
            for part in ("", ".har", "/body", *(f"/attempts/{n + 1}/body" for n in range(row["attempts"]))):
                self.assert_safe(f"{part} of {row['method']} {row['target'].partition('?')[0]}", self.ask(squire, "GET", f"/api/exchanges/{row['id']}{part}").data.decode("latin-1"), secrets)
        run = self.list(squire, "?limit=1")["run"]
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as client:
            client.sendall(f"GET /api/events?after={run}-0 HTTP/1.1\r\nHost: 127.0.0.1:{squire.port}\r\n\r\n".encode())
            self.assert_safe("the feed", self.read_until(client, rows[-1]["id"].encode()).decode("latin-1"), secrets)
        for row in rows[-30:]:
            asked = {"method": row["method"], "target": row["target"], "fields": [["Authorization", "Bearer x"], ["Host", "127.0.0.1"]]}
            explained = self.ask(squire, "POST", "/api/explain", {"X-Squire-Inspector": "1", "Content-Type": "application/json"}, json.dumps(asked))
            self.assert_safe("an explanation", explained.data.decode(), secrets)
        # What is searched for is not found either.
        for secret in set(secrets.values()):
            self.assertEqual(self.ask(squire, "GET", f"/api/exchanges?body={urllib.parse.quote(secret, safe='')}").json["exchanges"], [])
        self.assert_safe("the log", squire.text(), secrets)

    @unittest.skipIf(WHY_NOT, WHY_NOT)
    def test_nothing_is_on_the_page(self):
        squire, secrets = self.busy()
        rows = self.rows(squire)
        chosen = [row for row in rows if row["attempts"] > 1][:1] + rows[-9:]
        copied = []
        with Chromium() as browser:
            page = browser.open(f"http://127.0.0.1:{squire.port}/")
            for row in chosen:
                for tab in TABS:
                    page.evaluate(f"location.hash = '#/x/{row['id']}/{tab}'")
                    page.wait(f"document.querySelector('.exchange .facts-line')?.textContent.includes({json.dumps(row['id'])}) && document.querySelector('.exchange [role=tab][aria-selected=true]').dataset.tab === '{tab}'")
                    self.assert_safe(f"{tab} of {row['target']}", page.evaluate("document.documentElement.outerHTML"), secrets)
                copies = page.evaluate(f"""(async () => {{
                    const {{ copyText, forms }} = await import('/page/copy.js'), get = async path => (await fetch(path)).json();
                    const x = await get('/api/exchanges/{row['id']}'), {{ copy }} = await get('/api/status');
                    return forms.map(({{ form }}) => copyText(form, x, copy)) }})()""")
                self.assert_safe("a copy", json.dumps(copies), secrets)
                copied += [copy for copy in copies if "text" in copy]
            self.assertGreater(len(copied), len(chosen), "few are copied")
            page.evaluate("location.hash = '#/tokens'")
            page.wait("document.querySelector('.table tbody tr')")
            self.assert_safe("the tokens", page.evaluate("document.documentElement.outerHTML"), secrets)
            memory = page.memory()
            self.assertIn("‹token, generation 2›", json.dumps(json.loads(memory)["strings"], ensure_ascii=False))
            self.assert_safe("the page's memory", memory, secrets)
            page.assert_clean()


if __name__ == "__main__":
    unittest.main()
