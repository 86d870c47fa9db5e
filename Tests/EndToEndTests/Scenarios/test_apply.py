"""How a token goes onto a request: in any field, in any form, or not at all."""
import urllib.parse, urllib.request

from harness import *

APPLY = '  apply: "X-Api-Token: {token}"\n'


class Apply(Scenario):
    secret = "first!token|with^all#of:it"

    def test_the_field_is_the_sessions(self):
        process, upstream = self.proxied(session='  apply: "X-Ticket: id={token};"\n', token=self.secret, profile="")
        for own in ({}, {"X-Ticket": "mine"}, {"x_ticket": "mine"}, {"X-TICKET_": "mine"}, {"Connection": "X-Ticket", "X-Ticket": "mine"}):
            self.assertEqual(self.fetch(process, headers=own).status, 200)
            sent = upstream.requests[-1]
            self.assertEqual([(name, value) for name, value in sent.fields if "ticket" in name.lower()], [("X-Ticket", f"id={self.secret};")], own)
            self.assertEqual(sent.all("Authorization"), [])
        # A field as any other, then; it stays a secret.
        self.fetch(process, headers={"Authorization": "Basic b3Blbg=="}, target="/x?t=" + urllib.parse.quote(self.secret))
        self.assertEqual(upstream.requests[-1].all("Authorization"), ["Basic b3Blbg=="])
        process.wait_for_text("/x?t=")
        for form in (self.secret, urllib.parse.quote(self.secret), "b3Blbg"): self.assertNotIn(form, process.text())

    def test_not_in_a_trailer_either(self):
        process, upstream = self.proxied(session=APPLY, token=self.secret, profile="")
        self.exchange(process.port, b"POST /x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX-Api_Token: mine\r\nX-Sum: 1\r\n\r\n")
        self.assertNotIn(b"mine", upstream.requests[-1].body)
        self.assertIn(b"X-Sum: 1", upstream.requests[-1].body)

    def test_fill_is_about_that_field(self):
        process, upstream = self.proxied(session=APPLY, extra="authorization: fill\n", token=self.secret, profile="")
        for own, expected in (({"X-Api-Token": "mine"}, ["mine"]), ({"Authorization": "Bearer mine"}, [self.secret]), ({}, [self.secret])):
            self.fetch(process, headers=own)
            self.assertEqual(upstream.requests[-1].all("X-Api-Token"), expected)
            self.assertEqual(upstream.requests[-1].all("Authorization"), [own["Authorization"]] if "Authorization" in own else [])

    def test_the_sessions_own_requests_have_it_too(self):
        """The refresh and the probe; a recipe may say otherwise."""
        for headers, expected in (("", ["Token old"]), (', headers: {Authorization: ""}', []), (', headers: {Authorization: "{token}"}', ["old"])):
            def respond(request):
                if request.target == "/refresh": return reply(200, b'{"token":"new"}', "Content-Type: application/json")
                return reply(200 if request["Authorization"] == "Token new" else 401)

            session = f'  apply: "Authorization: Token {{token}}"\n  probe: GET /me\n  refresh: {{method: POST, path: /refresh, token: /token{headers}}}\n'
            process, upstream = self.proxied(respond, session=session, token="old", profile="")
            self.assertEqual(self.fetch(process).status, 200)
            self.assertEqual(upstream.requests[1].all("Authorization"), expected)
            self.command("check", "--online", "--config", process.config)
            self.assertEqual(upstream.requests[-1].all("Authorization"), ["Token new"])
            process.stop()
            self.session_file.unlink()

    def test_what_is_shown(self):
        config = self.config("https://api.test", session=APPLY, profile="")
        self.save_token(self.secret, config)
        self.assertEqual(self.command("token", "--config", config, "--format", "header").stdout, f"X-Api-Token: {self.secret}\n")
        shown = json.loads(self.command("token", "--config", config, "--format", "json").stdout)
        self.assertEqual(shown, {"token": self.secret, "expires_at": None, "header": f"X-Api-Token: {self.secret}"})
        line = pathlib.Path(config).read_text().splitlines().index(APPLY.rstrip("\n")) + 1
        text = self.command("explain", "--config", config, "GET", "/x", "-H", "X-Api_Token: hush", "-H", "X-Api-Token: hush", "-H", "Authorization: hush").stdout
        self.assertIn(f"  X-Api-Token: …    (the session's token, session.apply: {config}:{line})\n", text)
        self.assertEqual(text.count("removed: X-Api"), 2)
        for words in ("hush", self.secret): self.assertNotIn(words, text)
        self.assertIn("X-Api-Token: …, instead of the client's", self.command("check", "--config", config).stdout)
        standard = self.config("https://api.test", profile="")
        self.assertIn("  Authorization: Bearer …    (the session's token, session.apply)\n", self.command("explain", "--config", standard, "GET", "/x").stdout)

    def test_lines_that_are_none(self):
        for line, words in (("Bearer {token}", "must be a field line"), ("Authorization: Bearer", "no {token}"), ("X: {token}{token}", "more than once"), ("Host: {token}", "belongs to the connection"),
                            ("Cookie: {token}", "cookies"), ("Content-Type: {token}", "body"), ("X-Squire-Key: {token}", "Squire's own"), ("X: {token} {uuid}", "placeholder"), ("X: {token}\\r\\nY: z", "line break")):
            config = self.config("https://api.test", session=f'  apply: "{line}"\n', profile="")
            result = self.command("check", "--config", config, code=78)
            self.assertIn("session.apply ", result.stderr)
            self.assertIn(words, result.stderr)

    def test_headers_and_the_session_do_not_share_a_field(self):
        def check(session, headers, code):
            path = self.directory / "headers.yaml"
            path.write_text(f"upstream: https://api.test\n{session}headers: {{{headers}}}\n")
            return self.command("check", "--config", str(path), code=code).stderr

        for name in ("X-Api-Token", "x_api_token"): self.assertIn("is the session's", check(f"session:\n{APPLY}", f"{name}: x", 78))
        check(f"session:\n{APPLY}", "Authorization: Basic x", 0)
        self.assertIn("session: none", check("", "Authorization: Basic x", 78))


class HeaderInjector(Scenario):
    """`session: none`."""

    def injecting(self, headers="X-Api-Key: k3y", respond=None, arguments=()):
        upstream = self.upstream(respond)
        path = self.directory / "none.yaml"
        path.write_text(f"upstream: {upstream.url}\nlisten: 127.0.0.1:0\nsession: none\nheaders: {{{headers}}}\n")
        path.chmod(0o600)
        process = self.run_squire(str(path), "--inspector", "127.0.0.1:0", *arguments)
        process.config = str(path)
        return process, upstream

    def test_it_needs_no_login(self):
        process, upstream = self.injecting()
        response = self.fetch(process)
        self.assertEqual((response.status, response.headers["Proxy-Status"]), (200, None))
        self.assertEqual((upstream.requests[-1]["X-Api-Key"], upstream.requests[-1]["Authorization"]), ("k3y", None))
        # The client's own passes; a refusal is the client's.
        self.fetch(process, headers={"Authorization": "Basic x"})
        self.assertEqual(upstream.requests[-1].all("Authorization"), ["Basic x"])
        inspector = process.wait_for("inspector").endpoints["inspector"]
        self.assertEqual(urllib.request.urlopen(inspector + "readyz").status, 200)
        session = json.load(urllib.request.urlopen(inspector + "api/status"))["session"]
        self.assertEqual((session["state"], session["source"], session["advice"]), ("unused", "none", None))
        process.stop()
        self.assertNotIn("warn", process.text())
        self.assertNotIn("login", process.text())
        self.assertFalse((self.directory / "state").exists())

    def test_an_authorization_of_ones_own(self):
        for overwrite in ("false", "true"):
            process, upstream = self.injecting(f"Authorization: {{value: Token k3y, overwrite: {overwrite}}}")
            self.fetch(process)
            self.assertEqual(upstream.requests[-1].all("Authorization"), ["Token k3y"])
            self.fetch(process, headers={"authorization": "Basic x"})
            self.assertEqual(upstream.requests[-1].all("Authorization"), ["Token k3y" if overwrite == "true" else "Basic x"])
            text = self.command("explain", "--config", process.config, "GET", "/x").stdout
            self.assertNotIn("k3y", text)
            self.assertIn("none is needed (session: none)", text)

    def test_a_refusal_is_relayed(self):
        process, upstream = self.injecting(respond=lambda _: reply(401, b"no"))
        response = self.fetch(process)
        self.assertEqual((response.status, response.data, response.headers["Proxy-Status"], len(upstream.requests)), (401, b"no", None, 1))

    def test_commands(self):
        upstream = self.upstream()
        path = self.directory / "none.yaml"
        path.write_text(f"upstream: {upstream.url}\nsession: none\nheaders: {{X-Api-Key: k3y}}\n")
        self.assertEqual(self.command("exec", "--config", str(path), "--", "sh", "-c", "echo ran").stdout, "ran\n")
        for arguments in (("check",), ("check", "--online"), ("status",)):
            result = self.command(*arguments, "--config", str(path))
            self.assertNotIn("login", result.stdout + result.stderr)
        for command in (("token",), ("login", "--token", "-")):
            self.assertIn("session: none", self.command(*command, "--config", str(path), code=64).stderr)
        self.assertIn("no login is needed", self.command("login", "--config", str(path)).stdout)
        self.command("logout", "--config", str(path))
        status = json.loads(self.command("status", "--json", "--config", str(path)).stdout)
        self.assertEqual((status["state"], status["source"]), ("unused", "none"))

    def test_what_needs_a_session(self):
        path = self.directory / "none.yaml"
        path.write_text("upstream: https://api.test\nsession: none\nauthorization: fill\n")
        self.assertIn(f"{path}:3: authorization needs a session", self.command("check", "--config", str(path), code=78).stderr)
        path.write_text("upstream: https://api.test\nsession: none\n")
        self.assertIn("--session: needs a session", self.command("check", "--config", str(path), "--session", "x.json", code=78).stderr)
        self.assertIn("SQUIRE_SESSION: needs a session", self.command("check", "--config", str(path), code=78, env={"SQUIRE_SESSION": "x.json"}).stderr)
        path.write_text("upstream: https://api.test\nsession: nothing\n")
        self.assertIn("session must be", self.command("check", "--config", str(path), code=78).stderr)


class Pairs(Scenario):
    SESSION = """  refresh: {method: POST, path: /r, body: '{"access":"{token}","refresh":"{refresh-token}"}', token: /token, refresh-token: /refresh}\n"""

    def test_a_request_with_both_spends_both(self):
        def respond(request):
            if request.target != "/r": return reply(200 if request.token == "a|2" else 401)
            return reply(200, b'{"token":"a|2","refresh":"r2"}', "Content-Type: application/json")

        upstream = self.upstream(respond)
        config = self.config(upstream.url, session=self.SESSION, profile="")
        # One of them is not enough, and is not spent.
        error = self.command("login", "--config", config, "--refresh-token", "-", input="r1\n", code=64).stderr
        self.assertIn("--token - --refresh-token -", error)
        self.assertEqual(upstream.requests, [])
        result = self.command("login", "--config", config, "--token", "-", "--refresh-token", "-", input='a"1\nr\\1\n')
        self.assertNotIn("warning", result.stderr)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire).status, 200)
        spent = [json.loads(request.payload) for request in upstream.requests if request.target == "/r"]
        self.assertEqual(spent, [{"access": 'a"1', "refresh": "r\\1"}])
        saved = json.loads(self.session_file.read_text())
        self.assertEqual((saved["token"], saved["refresh_token"]), ("a|2", "r2"))


class SignIns(Scenario):
    def test_a_pair_is_not_replaced_by_a_bare_token(self):
        """Only a recipe whose token refreshes itself learns from the answers of sign-ins."""
        session = '  refresh: {method: POST, path: /r, body: "t={refresh-token}", token: /token, refresh-token: /refresh}\n  sign-in: [POST /login]\n'
        process, upstream = self.proxied(lambda _: reply(200, b'{"token":"other"}', "Content-Type: application/json"), session=session, token="first", profile="")
        response = self.fetch(process, "POST", "/login", b"{}", {"Accept-Encoding": "br"})
        self.assertIn("this sign-in does not change Squire's session", response.headers["Proxy-Status"])
        self.assertEqual((upstream.requests[-1]["Authorization"], upstream.requests[-1]["Accept-Encoding"]), (None, "br"))
        self.assertIsNone(self.fetch(process).headers["Proxy-Status"])
        self.assertEqual(upstream.requests[-1].token, "first")
        # Who has a password has no refresh token, perhaps.
        self.command("logout", "--local", "--config", process.config)
        self.assertIn("--refresh-token - (or --email)", self.command("status", "--config", process.config, code=77).stdout)
        self.assertIn("say --email ADDRESS, --refresh-token -, --token - --refresh-token -, or --token -",
                      self.command("login", "--config", process.config, code=64).stderr)
        self.assertRegex(self.command("check", "--config", process.config).stdout, r"warn\s+sign-in")

    def test_a_refresh_token_beside_an_unusable_token_is_kept(self):
        """The code is spent, and the refresh token is all that came of it."""
        recipe = '  refresh: {method: POST, path: /r, body: "t={refresh-token}", token: /token, refresh-token: /refresh}\n'
        answers = {"/login": {}, "/r": {"token": "good", "refresh": "r2"}}
        upstream = self.upstream(lambda r: reply(200, json.dumps(answers.get(r.target, {})).encode(), "Content-Type: application/json"))
        config = self.config(upstream.url, session=recipe + "  sign-in: [POST /login]\n", profile="")
        log_in = ("login", "--config", config, "--email", "a@b.example", "--code", "1234")
        for number, (token, reason) in enumerate((({"token": "two words"}, "the token at /token cannot be used: character 4"),
                                                  ({}, "the answer holds no new token at /token"))):
            answers["/login"] = {**token, "refresh": f"kept-{number}"}
            error = self.command(*log_in, code=78).stderr
            self.assertIn(reason, error)
            self.assertIn(f"The refresh token is kept in {self.session_file}", error)
            self.assertEqual("Replaced" in error, number > 0, error)
            saved = json.loads(self.session_file.read_text())
            self.assertEqual((saved["refresh_token"], saved.get("token")), (f"kept-{number}", None))
            self.assertEqual(self.command("token", "--config", config).stdout.strip(), "good")
            self.assertEqual(upstream.requests[-1].payload.decode(), f"t=kept-{number}")
        # Without one, or with one that brings nothing by itself, the session is as it was.
        before = self.session_file.read_text()
        answers["/login"] = {"token": "two words"}
        self.assertIn("the token at /token cannot be used", self.command(*log_in, code=65).stderr)
        answers["/login"] = {"token": "two words", "refresh": "r9"}
        pair = recipe.replace("t={refresh-token}", "a={token}&t={refresh-token}")
        self.config(upstream.url, session=pair + "  sign-in: [POST /login]\n", profile="")
        self.assertIn("the token at /token cannot be used", self.command(*log_in, code=65).stderr)
        self.assertEqual(self.session_file.read_text(), before)


if __name__ == "__main__":
    main()
