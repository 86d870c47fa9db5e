"""Refusals that only the body shows: how much of a response is held to find out, and what is never one."""
import gzip, zlib

from harness import *

RULES = "  rejected: [401, {status: 200, pointer: /error, equals: [token_expired, 124]}]\n"


class Refusals(Scenario):
    def before_endless_answers(self, session):
        """Squire before an API that sends `answer` and not the rest of it."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        class Endless(RawUpstream):
            answer = b""

            def serve(self, connection):
                read_request(connection.makefile("rb"), connection)
                connection.sendall(self.answer)
                gate.wait(LIMIT)

        upstream = Endless()
        self.addCleanup(upstream.close)
        config = self.config(upstream.url, "timeouts: {shutdown: 0s}\n", session, "")
        self.save_token(jwt(), config)
        return self.run_squire(config), upstream

    def assert_comes(self, process, upstream, head, first):
        upstream.answer = head + first
        with socket.create_connection(("127.0.0.1", process.port), LIMIT) as connection:
            connection.sendall(b"GET /x HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.read_until(connection, first)

    def head(self, *fields, status=200, length=1 << 20):
        return ("\r\n".join([f"HTTP/1.1 {status} X", *fields, f"Content-Length: {length}", "", ""])).encode()

    def test_what_is_no_refusal_streams_on(self):
        """The first bytes say so, though a megabyte is to come."""
        json_type = "Content-Type: application/json"
        compressor = zlib.compressobj(wbits=31)
        packed = compressor.compress(b'{"error":"other","items":[') + compressor.flush(zlib.Z_SYNC_FLUSH)
        process, upstream = self.before_endless_answers(RULES)
        for name, fields, first in (
            ("decided", [json_type], b'{"error":"other","items":['), ("identity", [json_type, "Content-Encoding: identity"], b'{"error":1,'),
            ("gzip", [json_type, "Content-Encoding: gzip"], packed), ("no JSON", [json_type], b"<html>"),
            ("another coding", [json_type, "Content-Encoding: br"], b"\x8b\x01"), ("two codings", [json_type, "Content-Encoding: gzip, br"], b"\x1b\x10"),
            ("broken gzip", [json_type, "Content-Encoding: gzip"], b"{}"), ("text", ["Content-Type: text/plain"], b"{"), ("events", ["Content-Type: text/event-stream"], b"{"),
            ("no type", [], b"{"), ("not an array", [json_type], b'[{"error":"token_expired"},'), ("64 KiB", [json_type], b"{" + b" " * 66000),
        ):
            with self.subTest(name):
                self.assert_comes(process, upstream, self.head(*fields), first)

    def test_a_part_is_never_looked_into(self):
        rules = "  rejected: [401, {status: 206, pointer: /error, equals: token_expired}]\n"
        head = self.head("Content-Type: application/json", "Content-Range: bytes 0-1/9", status=206)
        self.assert_comes(*self.before_endless_answers(rules), head, b'{"error":"token_expired"')

    def test_a_refusal_in_a_200_refreshes(self):
        answers = {"/text": b'{"ok":false,"error":"token_expired"}', "/number": b'{"error":1.24e2}', "/number-as-text": b'{"error":"124"}'}
        tokens = iter(f"token-{number}" for number in range(100))
        refused = set()

        def respond(request):
            if request.target == "/refresh": return reply(200, json.dumps({"token": next(tokens)}).encode(), "Content-Type: application/json")
            if request.target in refused: return reply(200, b'{"ok":true}', "Content-Type: application/json")
            refused.add(request.target)
            path, _, encoding = request.target.partition(".")
            body = gzip.compress(answers[path]) if encoding else answers[path]
            return reply(200, body, "Content-Type: application/json; charset=utf-8", *(["Content-Encoding: gzip"] if encoding else []))

        session = RULES + "  refresh: {method: POST, path: /refresh, token: /token}\n"
        process, upstream = self.proxied(respond, session=session, token="first-token", profile="")
        for target in [path + query for path in answers for query in ("", ".gzip")]:
            self.assertEqual(self.fetch(process, target=target).data, b'{"ok":true}', target)
            self.assertEqual([request.target for request in upstream.requests[-3:]], [target, "/refresh", target])

    def test_an_answer_whose_body_rejects_nothing_is_an_acceptance(self):
        """Two paths that reject the token are not the token's end when a third accepted it between."""
        bodies = {"/a": b'{"error":"token_expired"}', "/b": b'{"ok":true}', "/c": b'{"error":"token_expired"}', "/d": b'{"ok":true}'}

        def respond(request):
            if request.target == "/refresh": return reply(401, b"{}", "Content-Type: application/json")
            return reply(200, bodies[request.target], "Content-Type: application/json")

        session = RULES + "  refresh: {method: POST, path: /refresh, token: /token}\n"
        process, upstream = self.proxied(respond, session=session, token="first-token", profile="")
        for target, body in bodies.items():
            answer = self.fetch(process, target=target)
            self.assertEqual((answer.status, answer.data), (200, body), target)
        self.assertEqual([request.target for request in upstream.requests], ["/a", "/refresh", "/b", "/c", "/d"])

    def test_an_answer_that_cannot_be_looked_into_is_no_acceptance(self):
        """Two paths that reject the token are its end, whatever else was answered between."""
        json_type = "Content-Type: application/json"
        rejection = reply(200, b'{"error":"token_expired"}', json_type)
        rules = "  rejected: [401, {status: 200, pointer: /error, equals: token_expired}, {status: 206, pointer: /error, equals: token_expired}]\n"
        for name, method, status, body, *fields in (
            ("HEAD", "HEAD", 200, b"", json_type), ("a part", "GET", 206, b"{}", json_type, "Content-Range: bytes 0-1/9"),
            ("no JSON", "GET", 200, b"<html>", "Content-Type: text/html"), ("no type", "GET", 200, b"{}"),
            ("broken JSON", "GET", 200, b'{"ok":', json_type), ("nothing", "GET", 200, b"", json_type),
            ("another coding", "GET", 200, b"\x8b\x01", json_type, "Content-Encoding: br"),
        ):
            with self.subTest(name):
                def respond(request):
                    if request.target == "/refresh": return reply(401, b"{}", json_type)
                    return reply(status, body, *fields) if request.target == "/b" else rejection

                session = rules + "  refresh: {method: POST, path: /refresh, token: /token}\n"
                process, upstream = self.proxied(respond, session=session, token="first-token", profile="")
                statuses = [self.fetch(process, method=m, target=t).status for m, t in (("GET", "/a"), (method, "/b"), ("GET", "/c"), ("GET", "/d"))]
                self.assertEqual(statuses, [200, status, 200, 401])
                self.assertEqual([request.target for request in upstream.requests], ["/a", "/refresh", "/b", "/c"])

    def test_a_stream_or_a_download_is_an_acceptance(self):
        """An API that answers with little JSON, or none: two paths that reject the token are not its end when it served between."""
        for body, type in ((b"data: x\n\n", "text/event-stream"), (b"{}\n", "application/x-ndjson"), (b"\x89PNG", "image/png"), (b"x", "application/octet-stream")):
            with self.subTest(type):
                def respond(request):
                    if request.target in ("/refresh", "/a", "/c"): return reply(401, b"{}", "Content-Type: application/json")
                    return reply(200, body, f"Content-Type: {type}")

                session = RULES + "  refresh: {method: POST, path: /refresh, token: /token}\n"
                process, upstream = self.proxied(respond, session=session, token="first-token", profile="")
                self.assertEqual([self.fetch(process, target=target).status for target in ("/a", "/b", "/c", "/d")], [401, 200, 401, 200])
                self.assertEqual([request.target for request in upstream.requests], ["/a", "/refresh", "/b", "/c", "/d"])

    def test_what_no_other_token_cures_is_relayed(self):
        challenge = None
        session = "  rejected: [401, 403, {status: 400, pointer: /e, equals: x}]\n"
        process, upstream = self.proxied(lambda _: reply(status, b'{"e":"x"}', f"WWW-Authenticate: {challenge}", "Content-Type: application/json"), session=session)
        for error in ("insufficient_scope", "insufficient_claims", "insufficient_user_authentication", "use_dpop_nonce"):
            for scheme in ("Bearer", "DPoP"):
                for status in (400, 401, 403):
                    challenge = f'{scheme} realm="x", error="{error}", claims="eyJhIjoxfQ=="'
                    self.assertEqual(self.fetch(process).status, status)
        self.assertEqual({request.target for request in upstream.requests}, {"/api/x"})
        self.assertEqual(len(upstream.requests), 24)

    def test_what_equals_takes(self):
        def check(equals, code):
            config = self.config("https://api.test", session=f"  rejected: [{{status: 200, pointer: /e, equals: {equals}}}]\n", profile="")
            return self.command("check", "--config", config, code=code).stderr

        for equals in ("x", "124", "true", "[a, 124, false, '']"): check(equals, 0)
        for equals, words in (("[]", "at least one value"), ("{a: b}", "must be a list"), ("[[a]]", "list of single values"), ("[~]", "holds nothing"), ("~", "needs equals")):
            self.assertIn(words, check(equals, 78))


if __name__ == "__main__":
    main()


class SignOuts(Scenario):
    def sign_out(self, rule, pattern="POST /logout", code=0, respond=lambda _: None):
        """What `squire logout` says, and what it asked of an API that rejects old-token by `rule`."""
        def answer(request):
            if request.target == "/refresh": return reply(200, b'{"token":"new-token"}', "Content-Type: application/json")
            return respond(request) or reply(204)
        upstream = self.upstream(answer)
        session = f'  rejected: [{rule}]\n  refresh: {{path: /refresh, token: /token}}\n  sign-out: ["{pattern}"]\n'
        config = self.config(upstream.url, session=session, profile="")
        self.save_token("old-token", config)
        said = self.command("logout", "--config", config, code=code)
        return said, [f"{request.method} {request.target} {request.token}" for request in upstream.requests]

    def test_a_logout_knows_what_rejects_a_token(self):
        for rule, status in (("{status: 200, pointer: /error, equals: expired}", 200), ("{status: 403, pointer: /error, equals: expired}", 403)):
            rejection = reply(status, b'{"error":"expired"}', "Content-Type: application/json")
            said, asked = self.sign_out(rule, respond=lambda request: rejection if request.token == "old-token" else None)
            self.assertEqual(asked, ["POST /logout old-token", "GET /refresh old-token", "POST /logout new-token"])
            self.assertEqual(said.stdout.splitlines()[0], "logged out")
            # What no request ends is kept.
            said, asked = self.sign_out(rule, code=75, respond=lambda _: rejection)
            self.assertEqual((len(asked), json.loads(self.session_file.read_text())["token"]), (3, "new-token"))
            self.assertIn("rejects the refreshed token, too", said.stderr)

    def test_a_logout_is_over_when_its_status_says_so(self):
        for answer in (lambda body: (reply(200, body)[:-1], "close"), lambda body: reply(200, body * 100_000)):
            said, asked = self.sign_out("401", respond=lambda request: answer(b"goodbye, goodbye, goodbye"))
            self.assertEqual((said.stdout.splitlines()[0], asked), ("logged out", ["POST /logout old-token"]))
            self.assertNotIn("token", json.loads(self.session_file.read_text()))

    def test_a_logout_sends_what_the_route_names(self):
        for pattern, request in (("DELETE /logout", "DELETE /logout"), ("/v1/Out", "POST /v1/Out"), ("GET /out", "GET /out"),
                                 ('/old/*", "PUT /out', "PUT /out")):
            said, asked = self.sign_out("401", pattern)
            self.assertEqual((said.stderr, asked), ("", [f"{request} old-token"]))
        said, asked = self.sign_out("401", "POST /logout/*")
        self.assertEqual(asked, [])
        self.assertIn("session.sign-out names no single request", said.stderr)
