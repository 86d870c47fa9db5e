"""What leaves the inspector: exchanges as HTTP Archive, and what Squire would do with a request."""
from harness import *
from test_inspector import HEADER
from test_inspector_api import JSON, Listed


class Archive(Listed):
    def test_archive_of_a_retry(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if "refresh" in request.target: return token_reply(new)
            if request.token == old: return reply(401, b"no", reason="Unauthorized")
            return reply(201, b'{"echo":"' + request.token.encode() + b'"}', "Content-Type: application/json", "Set-Cookie: sid=hidden; Path=/; HttpOnly", reason="Made")
        squire, upstream = self.inspected(respond, token=old)
        self.proxy(squire, "POST", "/api/orders?token=hidden&page=2", '{"password":"hidden"}', {"Content-Type": "application/json"})
        self.proxy(squire, "GET", "/api/other", headers={"Origin": "https://evil.test"})
        answer = self.ask(squire, "GET", "/api/exchanges.har")
        self.assertEqual((answer.status, answer.getheader("Content-Type"), answer.getheader("Content-Disposition")), (200, "application/json", 'attachment; filename="squire.har"'))
        log = answer.json["log"]
        first, refused = log["entries"]
        self.assertEqual((first["request"]["method"], first["request"]["url"]), ("POST", f"http://127.0.0.1:{squire.proxy}/api/orders?token=‹redacted›&page=2"))
        self.assertEqual((first["response"]["status"], first["response"]["statusText"], first["response"]["content"]["text"]), (201, "Made", '{"echo":"‹token, generation 2›"}'))
        self.assertEqual(first["response"]["cookies"], [{"name": "sid", "value": "‹redacted›", "path": "/", "httpOnly": True, "secure": False}])
        self.assertEqual(first["request"]["postData"], {"mimeType": "application/json", "text": '{"password":"‹redacted›"}'})
        self.assertEqual((first["_squire"]["refresh"], first["_squire"]["attempts"], first["_squire"]["code"]), ("led", 2, None))
        self.assertEqual((refused["response"]["status"], refused["time"], refused["_squire"]["code"]), (403, 0, "forbidden_origin"))
        self.assertAlmostEqual(first["time"], sum(v for k, v in first["timings"].items() if v != -1 and k != "ssl"), places=6)
        attempts = self.ask(squire, "GET", "/api/exchanges.har?attempts=all&status=201").json["log"]
        self.assertEqual([entry["response"]["status"] for entry in attempts["entries"]], [401, 201])
        self.assertEqual([page["title"] for page in attempts["pages"]], ["POST /api/orders?token=‹redacted›&page=2 (401, refreshed, 201)"])
        self.assertTrue(attempts["entries"][0]["request"]["url"].startswith(upstream.url + "/api/orders"))
        id = first["_squire"]["id"]
        single = self.ask(squire, "GET", f"/api/exchanges/{id}.har")
        self.assertEqual((single.getheader("Content-Disposition"), single.json["log"]["entries"]), (f'attachment; filename="squire-{id}.har"', [first]))
        text = json.dumps([answer.json, attempts, single.json])
        for secret in (old, new, "hidden"): self.assertNotIn(secret, text)
        head = self.ask(squire, "HEAD", "/api/exchanges.har")
        self.assertEqual((head.status, head.data, head.getheader("Content-Type")), (200, b"", "application/json"))
        for target, expected in (("/api/exchanges/0000-1.har", (404, "not_found")), ("/api/exchanges.har?view=both", (400, "bad_request")), ("/api/exchanges.har?status=x", (400, "bad_request")),
                                 (f"/api/exchanges/{id.split('-')[0]}-99999.har", (404, "not_found"))):
            refusal = self.ask(squire, "GET", target)
            self.assertEqual((refusal.status, refusal.code), expected, target)
        self.assertEqual(self.ask(squire, "GET", "/api/exchanges.har?ids=0000-1").json["log"]["entries"], [])


class Explained(Listed):
    def explain(self, squire, **members):
        return self.ask(squire, "POST", "/api/explain", JSON, json.dumps(members))

    def test_explanation(self):
        squire, upstream = self.inspected(extra="authorization: fill\n")
        answer = self.explain(squire, method="GET", target="/api/x?token=‹redacted›", fields=[["Accept", "a/b"], ["Connection", "close"], ["X-Api-Key", "hidden"], ["Cookie", "a=hidden"]])
        self.assertEqual(answer.status, 200, answer.data)
        told = answer.json
        self.assertEqual((told["access"], told["route"]["kind"], told["upstream"]), ("allowed", "ordinary", upstream.url))
        self.assertEqual((told["token"]["action"], told["token"]["generation"]), ("attach", 1))
        fields = {field["name"]: field for field in told["fields"]}
        self.assertEqual((fields["Accept"]["what"], fields["Accept"]["value"]), ("kept", "a/b"))
        self.assertEqual((fields["X-Api-Key"]["value"], fields["Cookie"]["value"]), ("‹redacted›", "a=‹redacted›"))
        self.assertEqual((fields["Application"]["what"], fields["Connection"]["what"], fields["Host"]["what"]), ("set", "removed", "made"))
        self.assertRegex(fields["Application"]["source"], r"squire.yaml:\d+$")
        self.assertEqual((fields["Authorization"]["value"], fields["Authorization"]["what"]), ("Bearer ‹token, generation 1›", "set"))
        self.assertNotIn("hidden", json.dumps(told))
        self.assertEqual(len(upstream.requests), 0)
        # Of a request that was sent the record says the same, whatever its values are.
        sent = {"Content-Type": "text/plain", "Via": "1.0 a", "Api-Version": "4.38.0", "Connection": "close"}
        self.proxy(squire, "POST", "/api/x", b"{}", sent)
        recorded = self.ask(squire, "GET", f"/api/exchanges/{self.list(squire)['exchanges'][-1]['id']}").json
        told = self.explain(squire, method="POST", target="/api/x", fields=recorded["request"]["head"]["fields"]).json
        expected = [(field["name"], field["what"]) for field in told["fields"] if field["what"] != "removed"]
        self.assertEqual([(name, what) for (name, _), what in zip(recorded["sent"]["fields"], recorded["sent"]["what"])], expected)
        self.assertTrue({("Content-Length", "made"), ("Via", "kept"), ("Via", "made"), ("Api-Version", "kept"), ("Application", "set")} <= set(expected), expected)
        own = self.explain(squire, method="GET", target="/x", fields=[["Authorization", "Basic hidden"]]).json
        self.assertEqual((own["token"]["action"], {f["name"]: f["value"] for f in own["fields"]}["Authorization"]), ("client", "Basic ‹redacted›"))
        login = self.explain(squire, method="POST", target="/api/customers/login").json
        self.assertEqual((login["route"]["kind"], login["token"]["action"]), ("sign_in", "none"))
        refused = self.explain(squire, method="GET", target="/x", fields=[["Origin", "https://evil.test"]]).json
        self.assertEqual((refused["access"]["allowed"], refused["access"]["code"]), (False, "forbidden_origin"))

    def test_what_is_no_request(self):
        squire, _ = self.inspected(token=False)
        self.assertEqual(self.explain(squire, method="GET", target="/x").json["token"]["action"], "refuse")
        for members, field in (({"method": "GET"}, "target"), ({"target": "/"}, "method"), ({"method": "GET", "target": "/", "boddy": 1}, "boddy"), ({"method": "G T", "target": "/"}, "method"),
                               ({"method": "GET", "target": "/ x"}, "target"), ({"method": "GET", "target": "/", "fields": {}}, "fields"), ({"method": "GET", "target": "/", "fields": [["A"]]}, "fields"),
                               ({"method": "GET", "target": "/", "fields": [["X-A", "1\r\nHost: evil.test"]]}, "X-A"), ({"method": "GET", "target": "/", "fields": [["X A", "1"]]}, "X A")):
            answer = self.explain(squire, **members)
            self.assertEqual((answer.status, answer.code, answer.json.get("field")), (422, "invalid_request", field), members)
        for headers, body, expected in ((JSON, "[]", (400, "bad_request")), (JSON, "", (400, "bad_request")), (HEADER, "{}", (415, "unsupported_media_type")), ({}, "{}", (403, "header_required"))):
            answer = self.ask(squire, "POST", "/api/explain", headers, body)
            self.assertEqual((answer.status, answer.code), expected, body)
