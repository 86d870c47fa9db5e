"""The inspector's HTTP Archive: every member has the type of HAR 1.2, whatever went through, and a library of others reads it."""
import gzip

from long import *
from test_inspector_api import Listed

TEXT, WHOLE, MOMENT = str, int, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$"
NUMBER = (int, float)
PAIR = {"name": TEXT, "value": TEXT}
COOKIE = {**PAIR, "?path": TEXT, "?domain": TEXT, "?expires": MOMENT, "httpOnly": bool, "secure": bool}
SCHEMA = {"log": {
    "version": r"^1\.2$", "creator": {"name": "^Squire$", "version": TEXT}, "comment": TEXT,
    "pages": [{"startedDateTime": MOMENT, "id": TEXT, "title": TEXT, "pageTimings": {}}],
    "entries": [{
        "pageref": TEXT, "startedDateTime": MOMENT, "time": NUMBER, "connection": TEXT, "cache": {},
        "request": {"method": TEXT, "url": r"^https?://[^#]*$", "httpVersion": r"^HTTP/1\.[01]$", "cookies": [], "headers": [PAIR], "queryString": [PAIR], "headersSize": WHOLE, "bodySize": WHOLE,
                    "?postData": {"mimeType": TEXT, "?text": TEXT, "?params": [PAIR], "?comment": TEXT, "?_content": {"encoding": "^base64$", "text": TEXT, "size": WHOLE}}},
        "response": {"status": WHOLE, "statusText": TEXT, "httpVersion": r"^HTTP/1\.[01]$", "cookies": [COOKIE], "headers": [PAIR], "redirectURL": TEXT, "headersSize": WHOLE, "bodySize": WHOLE, "?_error": TEXT,
                     "content": {"size": WHOLE, "?compression": WHOLE, "mimeType": TEXT, "?text": TEXT, "?encoding": "^base64$", "?comment": TEXT}},
        "timings": {name: NUMBER for name in ("blocked", "dns", "connect", "ssl", "send", "wait", "receive")},
        "_squire": {"id": TEXT, "attempts": WHOLE, "generations": [WHOLE], "refresh": (str, type(None)), "outcome": TEXT, "code": (str, type(None)), "redactions": [TEXT], "?attempt": WHOLE}}]}}


def faults(value, schema, path=""):
    """Where `value` is not as `schema` has it."""
    if isinstance(schema, dict):
        if not isinstance(value, dict): return [f"{path} is no object"]
        known = {name.lstrip("?"): part for name, part in schema.items()}
        found = [f"{path}/{name} is missing" for name in schema if not name.startswith("?") and name not in value]
        found += [f"{path}/{name} is unknown" for name in value if name not in known]
        return found + [fault for name in value if name in known for fault in faults(value[name], known[name], f"{path}/{name}")]
    if isinstance(schema, list):
        if not isinstance(value, list): return [f"{path} is no array"]
        if not schema: return [f"{path} is not empty"] if value else []
        return [fault for index, element in enumerate(value) for fault in faults(element, schema[0], f"{path}/{index}")]
    if isinstance(schema, str):
        return [] if isinstance(value, str) and re.search(schema, value) else [f"{path} is {value!r}"]
    return [] if isinstance(value, schema) and not (isinstance(value, bool) and schema is not bool) else [f"{path} is {value!r}"]


class HTTPArchive(Listed):
    def busy(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if "refresh" in request.target: return token_reply(new)
            if request.token == old: return reply(401, b"no", reason="Unauthorized")
            if "zip" in request.target: return reply(200, gzip.compress(b"text " * 100), "Content-Encoding: gzip", "Content-Type: text/plain")
            if "brotli" in request.target: return reply(200, b"\x0b\x02\x80abc\x03", "Content-Encoding: br")
            if "binary" in request.target: return reply(200, bytes(range(256)), "Content-Type: image/png")
            if "large" in request.target: return reply(200, b"x" * 200_000, "Content-Type: text/plain")
            if "moved" in request.target: return reply(302, b"", "Location: /api/there?token=hidden", "Set-Cookie: a=hidden; Expires=Thu, 01 Jan 2026 00:00:00 GMT; Domain=api.test", reason="")
            if "broken" in request.target: return b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nabc", "close"
            if "none" in request.target: return None
            if "304" in request.target: return b"HTTP/1.1 304 Not Modified\r\nETag: \"a\"\r\n\r\n"
            return reply(200, b'{"echo":"' + request.token.encode() + b'"}', "Content-Type: application/json", "X-Odd: \xe9")
        squire, _ = self.inspected(respond, token=old)
        for method, target, body, fields in (
                ("POST", "/api/orders?a=1&token=hidden", '{"password":"hidden","n":9007199254740993}', {"Content-Type": "application/json", "Cookie": "a=hidden"}), ("GET", "/api/zip", None, {}),
                ("GET", "/api/brotli", None, {}), ("GET", "/api/binary", None, {}), ("GET", "/api/large", None, {}), ("GET", "/api/moved", None, {}), ("HEAD", "/api/x", None, {}), ("GET", "/api/304", None, {}),
                ("GET", "/api/x", '{"a":1}', {"Content-Type": "application/json"}), ("POST", "/api/x", "a=1&b=%20+&password=hidden", {"Content-Type": "application/x-www-form-urlencoded"}),
                ("PUT", "/api/x", b"\xff\x00\xfe", {}), ("GET", "/api/x", None, {"Origin": "https://evil.test"}), ("POST", "/api/none", None, {})):
            self.proxy(squire, method, target, body, fields)
        with self.assertRaises(http.client.IncompleteRead): self.proxy(squire, "GET", "/api/broken")
        # What is no request is no entry.
        self.exchange(squire.proxy, b"nonsense\r\n\r\n", half_close=True)
        return squire, (old, new, "hidden")

    def check(self, archive, secrets):
        self.assertEqual(faults(archive, SCHEMA), [])
        pages = {page["id"] for page in archive["log"]["pages"]}
        for entry in archive["log"]["entries"]:
            timings = [value for name, value in entry["timings"].items() if value != -1 and name != "ssl"]
            self.assertTrue(all(value >= 0 for value in timings), entry)
            self.assertAlmostEqual(entry["time"], sum(timings), places=6)
            self.assertIn(entry["pageref"], pages)
            data = entry["request"].get("postData", {})
            self.assertFalse("text" in data and "params" in data, data)
        starts = [entry["startedDateTime"] for entry in archive["log"]["entries"]]
        self.assertEqual(starts, sorted(starts))
        for secret in secrets: self.assertNotIn(secret, json.dumps(archive))
        return archive["log"]["entries"]

    def test_everything_has_its_type(self):
        squire, secrets = self.busy()
        for query in ("", "?view=upstream", "?attempts=all", "?attempts=all&view=client"):
            entries = self.check(self.ask(squire, "GET", "/api/exchanges.har" + query).json, secrets)
            self.assertEqual(len(entries), 14 + ("attempts" in query))
        entries = self.ask(squire, "GET", "/api/exchanges.har").json["log"]["entries"]
        by = {(entry["request"]["method"], entry["request"]["url"].rsplit("/", 1)[1]): entry for entry in entries}
        zipped = by["GET", "zip"]["response"]
        self.assertEqual((zipped["content"]["size"], zipped["content"]["text"], zipped["content"]["compression"]), (500, "text " * 100, 500 - zipped["bodySize"]))
        self.assertNotIn("text", by["GET", "brotli"]["response"]["content"])
        self.assertEqual(base64.b64decode(by["GET", "binary"]["response"]["content"]["text"]), bytes(range(256)))
        large = by["GET", "large"]["response"]
        self.assertEqual((large["bodySize"], large["content"]["size"]), (200_000, 200_000))
        self.assertIn("comment", large["content"])
        self.assertEqual(by["GET", "304"]["response"]["bodySize"], 0)
        self.assertEqual(by["GET", "broken"]["response"]["bodySize"], -1)
        self.assertEqual(by["GET", "moved"]["response"]["redirectURL"], "/api/there?token=‹redacted›")
        self.assertEqual([e["request"]["postData"]["params"] for e in entries if "params" in e["request"].get("postData", {})],
                         [[{"name": "a", "value": "1"}, {"name": "b", "value": "  "}, {"name": "password", "value": "‹redacted›"}]])

    def test_a_library_reads_it(self):
        if not SERVERS: self.skipTest("haralyzer of Tests/Long/requirements.txt is not here: run config/check-long")
        squire, _ = self.busy()
        path = self.directory / "squire.har"
        path.write_bytes(self.ask(squire, "GET", "/api/exchanges.har?attempts=all").data)
        script = ("import json,sys,haralyzer\np=haralyzer.HarParser(json.load(open(sys.argv[1])))\n"
                  "print(len(p.pages),sum(len(page.entries) for page in p.pages),[e.response.status for e in p.pages[0].entries],sum(page.page_size or 0 for page in p.pages)>0)")
        result = subprocess.run([SERVERS, "-c", script, path], capture_output=True, text=True, timeout=LIMIT)
        self.assertEqual(result.stdout, "14 15 [401, 200] True\n", result.stderr)
