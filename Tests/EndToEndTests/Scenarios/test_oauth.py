"""Tokens from an authorization server: the grants that need nobody, and the quirks of real servers. The server is raw sockets."""
import urllib.parse
from harness import *
from test_proxy import ConnectProxy, TUNNEL
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils

JSON = "Content-Type: application/json"


def answer(status, data, *fields):
    return reply(status, json.dumps(data).encode(), JSON, *fields)


def form(request):
    return dict(urllib.parse.parse_qsl(request.payload.decode(), keep_blank_values=True, strict_parsing=True))


class OAuth(Scenario):
    def token_server(self, respond):
        """`respond(request, number)` answers the requests for tokens."""
        count = iter(range(1, 1000))
        return self.upstream(lambda request: respond(request, next(count)))

    def api(self, accepted):
        """Accepts the tokens in `accepted`."""
        return self.upstream(lambda request: reply(200, (request.token or "").encode()) if request.token in accepted
                             else reply(401, b"original refusal", 'WWW-Authenticate: Bearer error="invalid_token"'))

    def proxy(self, api, tokens, lines, session="", extra="", arguments=(), hushed="", **env):
        """Squire between an API and a server of tokens. `hushed` is one more header."""
        endpoint = "" if "token-endpoint" in lines or "issuer" in lines else f"    token-endpoint: {tokens.url}/token\n"
        text = "".join(f"    {line}\n" for line in lines.split("\n"))
        config = self.config(api.url, extra, f"{session}  oauth:\n{endpoint}{text}", profile="")
        path = pathlib.Path(config)
        path.write_text(path.read_text().replace("headers:\n", f"headers:\n  {hushed}\n" if hushed else "headers:\n"))
        self.env.update(env)
        squire = self.run_squire(config, *arguments)
        squire.config = config
        return squire

    def save_tokens(self, access="old", refresh="old-refresh", life=3600, age=0):
        """As a login left them."""
        now = int(time.time())
        record = {"version": 1, "token": access, "refresh_token": refresh, "received_at": now - age}
        if life is not None:
            record["expires_at"] = now - age + life
        self.session_file.write_text(json.dumps(record))
        self.session_file.chmod(0o600)

    def saved(self):
        return json.loads(self.session_file.read_text())

    # Grants that need nobody

    def test_client_credentials_need_no_login(self):
        tokens = self.token_server(lambda request, number: answer(200, {"access_token": f"new{number}", "expires_in": 3600}))
        api = self.api({"new1"})
        squire = self.proxy(api, tokens, "grant: client-credentials\nclient-id: svc\nclient-secret: {env: SVC}\nscope: a b",
                            SVC="s3cret:/+ä")
        responses = parallel(10, lambda index: self.fetch(squire))
        self.assertEqual([(r.status, r.data) for r in responses], [(200, b"new1")] * 10)
        self.assertEqual(len(tokens.requests), 1)
        request = tokens.requests[0]
        self.assertEqual(request.line, "POST /token HTTP/1.1")
        self.assertEqual(base64.b64decode(request["Authorization"].removeprefix("Basic ")), b"svc:s3cret%3A%2F%2B%C3%A4")
        self.assertEqual(form(request), {"grant_type": "client_credentials", "scope": "a b"})
        self.assertEqual({name.lower() for name, _ in request.fields},
                         {"host", "content-type", "accept", "accept-encoding", "user-agent", "authorization", "content-length"})
        self.assertNotIn("s3cret", squire.text() + self.session_file.read_text())
        # It needs no login: nothing is said of one, however fresh it is.
        self.session_file.unlink()
        said = self.command("exec", "--config", squire.config, "--", "true", env={"SVC": "s3cret:/+ä"})
        self.assertEqual(said.stderr, "")

    def test_assertions_are_what_openssl_makes_of_them(self):
        """RSA and P-256 in the forms that openssl writes, verified by another library."""
        seen = []

        def respond(request, number):
            seen.append(form(request))
            return answer(200, {"access_token": f"new{number}", "expires_in": 3600})

        tokens, api = self.token_server(respond), self.api({"new1", "new2"})
        for name, command in [("ec", ["ecparam", "-name", "prime256v1", "-genkey"]), ("rsa", ["genrsa", "-traditional", "2048"])]:
            key = self.directory / f"{name}.pem"
            key.write_bytes(subprocess.run(["openssl", *command], check=True, capture_output=True).stdout)
            key.chmod(0o600)
            self.session_file.unlink(missing_ok=True)
            squire = self.proxy(api, tokens, f"grant: jwt-bearer\nclient-id: svc\nprivate-key: {key}\nkey-id: k1\nsubject: alice")
            self.assertEqual(self.fetch(squire).status, 200)
            squire.stop()
            public = serialization.load_pem_private_key(key.read_bytes(), None).public_key()
            self.check_assertion(seen[-1], public, "ES256" if name == "ec" else "RS256", tokens)
        self.assertNotEqual(*[self.parts(one["assertion"])[1]["jti"] for one in seen])

    def parts(self, assertion):
        decode = lambda part: base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        header, claims, signature = assertion.split(".")
        return json.loads(decode(header)), json.loads(decode(claims)), decode(signature), f"{header}.{claims}".encode()

    def check_assertion(self, parameters, public, algorithm, tokens):
        self.assertEqual(parameters["grant_type"], "urn:ietf:params:oauth:grant-type:jwt-bearer")
        header, claims, signature, signed = self.parts(parameters["assertion"])
        self.assertEqual(header, {"alg": algorithm, "typ": "JWT", "kid": "k1"})
        self.assertEqual((claims["iss"], claims["sub"], claims["aud"]), ("svc", "alice", f"{tokens.url}/token"))
        self.assertLess(abs(claims["iat"] - time.time()), 30)
        self.assertEqual(claims["exp"] - claims["iat"], 180)
        if algorithm == "ES256":
            halves = int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big")
            public.verify(utils.encode_dss_signature(*halves), signed, ec.ECDSA(hashes.SHA256()))
        else:
            public.verify(signature, signed, padding.PKCS1v15(), hashes.SHA256())

    def test_a_clock_that_is_wrong_is_corrected_once(self):
        """By the server's date, with another assertion."""
        ahead = int(time.time()) + 7200
        date = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime(ahead))

        def respond(request, number):
            claims = self.parts(form(request)["client_assertion"])[1]
            if abs(claims["iat"] - ahead) > 60:
                return answer(400, {"error": "invalid_client", "error_description": "issued in the past"}, date)
            return answer(200, {"access_token": "new", "expires_in": 60}, date)

        tokens, api = self.token_server(respond), self.api({"new"})
        key = self.directory / "key.pem"
        key.write_bytes(subprocess.run(["openssl", "ecparam", "-name", "prime256v1", "-genkey", "-noout"], check=True,
                                       capture_output=True).stdout)
        squire = self.proxy(api, tokens, "grant: client-credentials\nclient-id: svc\n"
                            f"client-authentication: private-key-jwt\nprivate-key: {{file: {key}}}")
        self.assertEqual(self.fetch(squire).data, b"new")
        self.assertEqual(len(tokens.requests), 2)

    def test_token_exchange_reads_the_subject_token_anew(self):
        subject = self.directory / "subject"
        subject.write_text("first\n")
        tokens = self.token_server(lambda request, number: answer(200, {"access_token": f"new{number}"}))
        api = self.api({"new2"})
        squire = self.proxy(api, tokens, f"grant: token-exchange\nsubject-token: {{file: {subject}}}\n"
                            "parameters: {audience: them}")
        tokens.wait_for_requests(1)
        subject.write_text("second\n")
        self.assertEqual(self.fetch(squire).data, b"new2")
        self.assertEqual([form(r)["subject_token"] for r in tokens.requests], ["first", "second"])
        self.assertEqual(form(tokens.requests[0]), {
            "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "first",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "audience": "them"})

    # Refreshing

    def test_an_answer_without_a_refresh_token_keeps_the_old_one(self):
        tokens = self.token_server(lambda request, number: answer(200, {"access_token": f"new{number}", "refresh_token": ""}))
        self.save_tokens()
        api = self.api({"new2"})
        squire = self.proxy(api, tokens, "client-id: c")
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(self.saved()["refresh_token"], "old-refresh")
        squire.stop()
        squire = self.run_squire(squire.config)
        self.assertEqual(self.fetch(squire).data, b"new2")
        self.assertEqual([form(r)["refresh_token"] for r in tokens.requests], ["old-refresh"] * 2)

    def test_a_rotated_token_is_saved_before_it_is_used(self):
        tokens = self.token_server(lambda request, number: answer(
            200, {"access_token": f"new{number}", "refresh_token": f"next{number}", "expires_in": 3600}))
        self.save_tokens()
        saved = []

        def respond(request):
            saved.append(self.saved())
            return reply(200) if request.token == "new1" else reply(401)

        squire = self.proxy(self.upstream(respond), tokens, "client-id: c")
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual([(s["token"], s["refresh_token"]) for s in saved], [("old", "old-refresh"), ("new1", "next1")])

    def test_tokens_of_any_visible_characters(self):
        odd = "00Dx!AQ|a^1#2~{}[]<>()*,;:@&%?/=+-._"
        tokens = self.token_server(lambda request, number: answer(200, {"access_token": odd, "expires_in": 3600}))
        api = self.api({odd})
        squire = self.proxy(api, tokens, "grant: client-credentials\nclient-id: c\nclient-secret: s")
        self.assertEqual(self.fetch(squire).data, odd.encode())
        self.assertEqual(api.requests[0]["Authorization"], f"Bearer {odd}")

    def test_tokens_that_would_break_out_are_refused(self):
        """Nothing of them is sent or saved; what was spent is tried once more."""
        for bad in ["a b", "a\r\nX-Evil: 1", "a\0", "\x80", "x';id;'", "$(id)"]:
            with self.subTest(bad):
                tokens = self.token_server(lambda request, number: answer(200, {"access_token": bad}))
                self.save_tokens()
                api = self.api(set())
                squire = self.proxy(api, tokens, "client-id: c")
                self.assertEqual(self.fetch(squire).status, 401)
                self.assertEqual({r.token for r in api.requests}, {"old"})
                self.assertEqual(self.saved()["token"], "old")
                squire.stop()

    def test_no_expiry_no_refresh_ahead(self):
        """Salesforce: an array says that the token is over, and nothing when."""
        refusal = answer(401, [{"errorCode": "INVALID_SESSION_ID", "message": "Session expired or invalid"}])
        tokens = self.token_server(lambda request, number: answer(200, {"access_token": f"new{number}", "expires_in": 0}))
        self.save_tokens(life=None)
        good = {"old"}
        api = self.upstream(lambda request: reply(200) if request.token in good else refusal)
        squire = self.proxy(api, tokens, "client-id: c", "  margin: 30d\n"
                            "  rejected: [{status: 401, pointer: /0/errorCode, equals: INVALID_SESSION_ID}]\n")
        for _ in range(5):
            self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(tokens.requests, [])
        good.clear(), good.add("new1")
        for _ in range(5):
            self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(len(tokens.requests), 1)

    # Errors

    def test_errors_that_only_a_person_can_mend(self):
        """Whatever the status: a login is needed once the access token is over, and nothing is wiped."""
        for refusal in [answer(200, {"ok": False, "error": "invalid_refresh_token"}),
                        reply(200, b"error=bad_refresh_token&error_description=no", "Content-Type: application/x-www-form-urlencoded"),
                        answer(403, {"error": "invalid_grant"})]:
            with self.subTest(refusal):
                tokens = self.token_server(lambda request, number: refusal)
                self.save_tokens(life=60, age=120)
                api = self.api(set())
                squire = self.proxy(api, tokens, "client-id: c")
                for _ in range(2):
                    response = self.fetch(squire)
                    self.assertEqual((response.status, json.loads(response.data)["code"]), (401, "login_needed"))
                self.assertEqual((len(tokens.requests), api.requests), (1, []))
                self.assertEqual((self.saved()["token"], self.saved()["refresh_token"]), ("old", "old-refresh"))
                squire.stop()

    def test_a_client_that_is_refused_costs_no_login(self):
        """The live token goes on; what to look at is said, without what was sent."""
        repaired = threading.Event()

        def respond(request, number):
            if repaired.is_set():
                return answer(200, {"access_token": "new", "refresh_token": "next", "expires_in": 3600})
            told = f"unknown client, sent {request['Authorization']} {form(request)['refresh_token']} s%33cret-value hush-header \x1b[2J"
            return answer(401, {"error": "invalid_client", "error_description": told})

        tokens = self.token_server(respond)
        self.save_tokens()
        api = self.upstream(lambda request: reply(200) if request.token == "new" or request.target == "/good" else reply(401))
        squire = self.proxy(api, tokens, "client-id: c\nclient-secret: {env: SVC}", arguments=("--inspector", "127.0.0.1:0"),
                            hushed='X-A: {value: "hush-header", secret: true}', SVC="s3cret-value")
        refused = self.fetch(squire, target="/bad")
        self.assertEqual(refused.status, 401)
        self.assertIn("session.oauth.client-authentication", refused.headers["Proxy-Status"])
        self.assertEqual(self.fetch(squire, target="/good").status, 200)
        self.assertEqual(len(tokens.requests), 1)
        self.until(lambda: "invalid_client" in squire.text(), "said")
        log = squire.text()
        for part in ["invalid_client", "session.oauth.client-authentication", "session.oauth.client-secret"]:
            self.assertIn(part, log)
        for secret in ["old-refresh", "s3cret-value", "hush-header", base64.b64encode(b"c:s3cret-value").decode(), "\x1b"]:
            self.assertNotIn(secret, log)
        repaired.set()
        # Not while it backs off, unless a person asks.
        self.assertEqual(self.fetch(squire, target="/bad").status, 401)
        self.assertEqual(len(tokens.requests), 1)
        connection = http.client.HTTPConnection(squire.wait_for("inspector").endpoints["inspector"].split("/")[2], timeout=LIMIT)
        connection.request("POST", "/api/session/refresh", headers={"X-Squire-Inspector": "1"})
        self.assertEqual(connection.getresponse().status, 200)
        self.assertEqual(self.fetch(squire, target="/bad").status, 200)

    def test_what_is_no_answer_of_the_server_is_tried_again(self):
        """A firewall's page ends no login."""
        page = reply(403, b"<html>blocked: error=invalid_grant</html>", "Content-Type: text/html")
        tokens = self.token_server(lambda request, number: page if number == 1 else answer(200, {"access_token": "new"}))
        self.save_tokens(life=60, age=120)
        api = self.api({"new"})
        squire = self.proxy(api, tokens, "client-id: c")
        response = self.fetch(squire)
        self.assertEqual((response.status, json.loads(response.data)["code"]), (503, "session_unavailable"))
        self.until(lambda: self.fetch(squire).status == 200, "recovers")

    def test_redirects_are_not_followed(self):
        elsewhere = self.upstream()
        tokens = self.token_server(lambda request, number: reply(307, b"", f"Location: {elsewhere.url}/token?x=old-refresh"))
        self.save_tokens(life=60, age=120)
        squire = self.proxy(self.api(set()), tokens, "client-id: c")
        self.assertEqual(self.fetch(squire).status, 503)
        self.assertEqual((len(tokens.requests), elsewhere.requests), (1, []))
        self.until(lambda: "session.oauth.token-endpoint" in squire.text(), "said")
        self.assertNotIn("old-refresh", squire.text())

    def test_tokens_that_want_dpop_are_saved_and_not_sent(self):
        tokens = self.token_server(lambda request, number: answer(
            200, {"access_token": "bound", "refresh_token": "next", "token_type": "DPoP"}))
        self.save_tokens(life=60, age=120)
        api = self.api({"bound"})
        squire = self.proxy(api, tokens, "client-id: c")
        self.assertEqual(self.fetch(squire).status, 503)
        self.assertEqual(api.requests, [])
        self.until(lambda: "DPoP" in squire.text(), "said")
        self.assertEqual(self.saved()["refresh_token"], "next")

    # Discovery

    def test_endpoints_are_found_by_the_issuer(self):
        """Where the server has its metadata, and only if they are its own."""
        def respond(request, number):
            if request.target == "/o/.well-known/oauth-authorization-server":
                return answer(200, {"issuer": f"{tokens.url}{issuer[0]}", "token_endpoint": f"{tokens.url}/found"})
            return answer(200, {"access_token": "new", "expires_in": 60}) if request.target == "/found" else reply(404)

        issuer = ["/o"]
        tokens = self.token_server(respond)
        api = self.api({"new"})
        lines = f"issuer: {tokens.url}/o\ngrant: client-credentials\nclient-id: c\nclient-secret: s"
        squire = self.proxy(api, tokens, lines)
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual([r.target for r in tokens.requests], [
            "/.well-known/oauth-authorization-server/o", "/o/.well-known/oauth-authorization-server", "/found"])
        squire.stop()
        self.session_file.unlink()
        issuer[0] = "/another"
        squire = self.proxy(api, tokens, lines)
        response = self.fetch(squire)
        self.assertEqual(response.status, 503)
        for part in [f"{tokens.url}/o", f"{tokens.url}/another"]:
            self.assertIn(part, json.loads(response.data)["detail"])

    def test_metadata_are_fetched_at_the_start_and_not_waited_for(self):
        """A live token needs none of them."""
        held = threading.Event()
        self.addCleanup(held.set)
        tokens = self.token_server(lambda request, number: held.wait(LIMIT) and reply(404))
        self.save_tokens()
        squire = self.proxy(self.api({"old"}), tokens, f"issuer: {tokens.url}\nclient-id: c")
        tokens.wait_for_requests(1)
        self.assertEqual(self.fetch(squire).status, 200)

    # The client

    def test_a_certificate_says_who_asks(self):
        """The server's own, while the upstream's connection has none (RFC 8705)."""
        context, tls = secure_context(self.directory)
        proof, key = certificate(self.directory, "client")
        context.load_verify_locations(proof)
        context.verify_mode = ssl.CERT_REQUIRED
        tokens = self.upstream(lambda request: answer(200, {"access_token": "new", "expires_in": 60}), context)
        squire = self.proxy(self.api({"new"}), tokens, "grant: client-credentials\nclient-id: c\nclient-authentication: "
                            f"tls-client-auth\ntls: {{certificate: {proof}, key: {key}}}", extra=tls)
        self.assertEqual(self.fetch(squire).data, b"new")
        self.assertEqual(form(tokens.requests[0]), {"grant_type": "client_credentials", "client_id": "c"})

    def test_a_secret_that_a_command_gives_is_had_again_when_it_is_refused(self):
        runs = self.directory / "runs"
        good = ["1"]

        def respond(request, number):
            if form(request)["client_secret"] != good[0]:
                return answer(401, {"error": "invalid_client"})
            return answer(200, {"access_token": f"new{number}", "expires_in": 3600})

        tokens = self.token_server(respond)
        accepted = {"new1"}
        command = f"echo x >> {runs}; grep -c x {runs}"
        squire = self.proxy(self.api(accepted), tokens, "grant: client-credentials\nclient-id: c\nclient-authentication: "
                            f"client-secret-post\nclient-secret: {{exec: [sh, -c, '{command}']}}", arguments=("--inspector", "127.0.0.1:0"))
        self.assertEqual(self.fetch(squire).status, 200)
        accepted.clear(), accepted.add("new2")
        self.assertEqual(self.fetch(squire).status, 200)
        good[0] = "2"
        accepted.clear(), accepted.add("new4")
        self.assertEqual(self.fetch(squire).status, 401)
        squire.process.send_signal(signal.SIGHUP)
        self.until(lambda: self.fetch(squire).status == 200, "recovers")
        self.assertEqual([form(r)["client_secret"] for r in tokens.requests], ["1", "1", "1", "2"])

    # Servers that want it otherwise

    def test_requests_are_json_and_the_identity_is_the_token(self):
        """`request: json`, `token: id-token`, and an answer whose members have other names."""
        identity = jwt(sub="alice")
        tokens = self.token_server(lambda request, number: answer(200, {"data": {
            "access": f"not-for-this-api{number}", "id": identity, "refresh": "next", "ttl": 60}}))
        self.save_tokens(refresh='quo"te\\')
        squire = self.proxy(self.api({identity}), tokens, "client-id: c\nclient-secret: s\nclient-authentication: client-secret-post\n"
                            "request: json\ntoken: id-token\nparameters: {audience: them}\nanswer: {access-token: /data/access, "
                            "id-token: /data/id, refresh-token: /data/refresh, expires-in: {pointer: /data/ttl, unit: minutes}}")
        self.assertEqual(self.fetch(squire).data.decode(), identity)
        request, = tokens.requests
        self.assertEqual(request["Content-Type"], "application/json")
        self.assertEqual(json.loads(request.payload), {"grant_type": "refresh_token", "refresh_token": 'quo"te\\', "client_id": "c",
                                                       "client_secret": "s", "audience": "them"})
        saved = self.saved()
        self.assertEqual((saved["token"], saved["refresh_token"]), (identity, "next"))
        self.assertAlmostEqual(saved["expires_at"] - saved["received_at"], 3600, delta=1)

    def test_a_proxy_of_its_own(self):
        """The authorization server stands behind a proxy, and the API does not."""
        context, tls = secure_context(self.directory)
        tokens = self.upstream(lambda request: answer(200, {"access_token": "new", "expires_in": 60}), context)
        between = ConnectProxy(lambda head, fields: TUNNEL)
        self.addCleanup(between.close)
        squire = self.proxy(self.api({"new"}), tokens, "grant: client-credentials\nclient-id: c\nclient-secret: s\n"
                            f"proxy: http://user:hush@127.0.0.1:{between.port}", extra=tls)
        self.assertEqual(self.fetch(squire).data, b"new")
        head, = between.heads
        self.assertEqual(head.split("\r\n")[0], f"CONNECT {tokens.url.removeprefix('https://')} HTTP/1.1")
        self.assertNotIn("hush", squire.text())

    # The configuration

    def test_check_says_where_tokens_come_from(self):
        config = self.config("https://api.example.com", "", "  oauth:\n    token-endpoint: https://login.example.com/token\n"
                             "    grant: client-credentials\n    client-id: svc\n    client-secret: {env: SVC}\n", profile="")
        text = self.command("check", "--config", config, env={"SVC": "hush-hush"}).stdout
        self.assertRegex(text, r"source +oauth client-credentials, https://login.example.com/token, client svc \(client-secret-basic\)")
        self.assertNotIn("hush", text)
        self.assertNotIn("offline", text)
        scoped = self.config("https://api.example.com", "", "  oauth: {token-endpoint: 'https://login.example.com/token', client-id: c, "
                             "scope: read, offline-scope: offline}\n", profile="", name="scoped.yaml")
        self.assertRegex(self.command("check", "--config", scoped).stdout, "warn +scope +has no offline")
        error = self.command("check", "--config", config, code=78).stderr
        self.assertIn("session.oauth.client-secret names a variable that is not set: SVC", error)

    def test_check_online_asks_the_authorization_server(self):
        """Whose metadata they are, whether the client is known, and how its clock goes; 78 where the configuration is wrong."""
        date = time.strftime("Date: %a, %d %b %Y %H:%M:%S GMT", time.gmtime(time.time() + 7200))

        def respond(request, number):
            if "well-known" in request.target:
                return answer(200, {"issuer": issuer[0], "token_endpoint": f"{tokens.url}/token"}, date)
            if request.method == "GET":
                return reply(405, b"", date)
            known = base64.b64decode(request["Authorization"].removeprefix("Basic ")) == b"c:good"
            return answer(200, {"access_token": "unused"}) if known else answer(401, {"error": "invalid_client"})

        tokens = self.token_server(respond)
        issuer = [tokens.url]
        config = self.config(self.upstream().url, "", f"  oauth: {{issuer: '{tokens.url}', grant: client-credentials, client-id: c, "
                             "client-secret: {env: SVC}}\n", profile="")
        text = self.command("check", "--config", config, "--online", env={"SVC": "good"}).stdout
        for line in [rf"ok +token endpoint +{tokens.url}/token answers", "warn +clock .*(2 h|119 min) behind", "ok +client "]:
            self.assertRegex(text, line)
        self.assertFalse(self.session_file.exists())
        text = self.command("check", "--config", config, "--online", env={"SVC": "bad"}, code=78).stdout
        self.assertRegex(text, "fail +client .*invalid_client.*session.oauth.client-secret")
        issuer[0] = "https://another.example"
        text = self.command("check", "--config", config, "--online", env={"SVC": "good"}, code=78).stdout
        self.assertRegex(text, rf"fail +token endpoint .*{tokens.url}.*https://another.example")


if __name__ == "__main__":
    main()
