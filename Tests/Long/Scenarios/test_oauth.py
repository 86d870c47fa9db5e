"""OAuth against servers that others have written: django-oauth-toolkit and Authlib (reach.md's acceptance tests 1, 3, 5, 7, 9, 25 to 31)."""
import collections

from long import *


class Django(OAuthScenario):
    SCRIPT = "django_server.py"

    def web(self, server, *lines, name="squire.yaml"):
        """A public client with a browser, by discovery."""
        return self.oauth(server.url, [f"issuer: {server.url}/o", "client-id: web", *lines], name=name)

    def machine(self, server, *lines, secret="s3cret:/+ä", name="squire.yaml"):
        return self.oauth(server.url, [f"token-endpoint: {server.url}/o/token/", "grant: client-credentials", "client-id: machine",
                                       f'client-secret: "{secret}"', "scope: read", *lines], name=name)

    def owner(self, server, *lines, name="squire.yaml", token=None):
        """A confidential client that a refresh token is given to."""
        return self.oauth(server.url, [f"token-endpoint: {token or server.url}/o/token/", f"authorization-endpoint: {server.url}/o/authorize/",
                                       f"revocation-endpoint: {server.url}/o/revoke_token/", "client-id: owner", "client-secret: s3cret", *lines], name=name)

    def password_session(self, server):
        """A refresh token, as the person's password brings it."""
        basic = base64.b64encode(b"owner:s3cret").decode()
        status, body = server.post("/o/token/", {"grant_type": "password", "username": "alice", "password": "alice's"}, {"Authorization": "Basic " + basic})
        self.assertEqual(status, 200, body)
        return json.loads(body)["refresh_token"]

    def asked(self, server, grant):
        return [entry for entry in server.log("/o/token/") if entry.get("form", {}).get("grant_type") == grant]

    def browse(self, url, **extra):
        """As a browser that is logged in there already: follows to the end."""
        jar = urllib.request.HTTPCookieProcessor()
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), jar)
        with opener.open(url, timeout=LIMIT) as answer:
            return answer.status, answer.read().decode(), answer.geturl()

    # Tokens that need nobody

    def test_01_client_credentials(self):
        server = self.server(self.SCRIPT)
        squire = self.run_squire(self.machine(server))
        self.until(lambda: self.fetch(squire, target="/api/me").status == 200, "the first token")
        self.assertEqual(self.fetch(squire, target="/api/me").status, 200)
        self.assertEqual(len(self.asked(server, "client_credentials")), 1)
        # The raw form is refused, and said so.
        raw = self.machine(server, "client-authentication: client-secret-basic-raw", name="raw.yaml")
        pathlib.Path(raw).write_text(pathlib.Path(raw).read_text().replace(str(self.session_file), str(self.directory / "raw.json")))
        result = self.command("login", "--config", raw, code=78)
        self.assertIn("session.oauth.client-authentication", result.stderr)

    def test_03_short_lives_under_load(self):
        server = self.server(self.SCRIPT, "--ttl", "5")
        squire = self.run_squire(self.machine(server))
        self.until(lambda: self.fetch(squire, target="/api/me").status == 200, "the first token")
        statuses = collections.Counter()
        begun = time.monotonic()
        for second in range(60):
            select.select([], [], [], max(0, begun + second - time.monotonic()))
            statuses.update(answer.status if not isinstance(answer, Exception) else repr(answer)
                            for answer in parallel(20, lambda _: self.fetch(squire, target="/api/me")))
        self.assertEqual(set(statuses), {200}, statuses)
        # decisions.md S2: 60 / 4.5, and the first.
        self.assertLessEqual(len(self.asked(server, "client_credentials")), 15)

    # Refresh tokens

    def test_07_fifty_rotations(self):
        server = self.server(self.SCRIPT)
        config = self.owner(server)
        self.command("login", "--config", config, "--refresh-token", "-", input=self.password_session(server) + "\n")
        for _ in range(50):
            server.post("/test/expire", {})
            self.command("token", "--config", config, "--min-ttl", "1h")
        spent = [entry["form"]["refresh_token"] for entry in self.asked(server, "refresh_token")]
        self.assertEqual(len(spent), len(set(spent)), "a refresh token was sent twice")
        self.assertGreaterEqual(len(spent), 51)
        self.assertNotIn(fingerprint(self.record()["refresh_token"]), spent)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/api/me").status, 200)

    def test_08_refused_again_and_again(self):
        """A proxy whose token is revoked between requests: each is answered, with one refresh each."""
        server = self.server(self.SCRIPT)
        config = self.owner(server)
        self.command("login", "--config", config, "--refresh-token", "-", input=self.password_session(server) + "\n")
        squire = self.run_squire(config)
        for _ in range(20):
            server.post("/test/expire", {})
            self.assertEqual({answer.status for answer in parallel(8, lambda _: self.fetch(squire, target="/api/me"))}, {200})
        spent = [entry["form"]["refresh_token"] for entry in self.asked(server, "refresh_token")]
        self.assertEqual((len(spent), len(set(spent))), (21, 21))

    def test_09_answer_lost_within_the_grace(self):
        server = self.server(self.SCRIPT, "--grace", "60", "--reuse-protection", "0")
        seen = []

        def judge(request):
            seen.append(request.target)
            return len(seen) != 2

        gate = self.gate(server.url, judge)
        config = self.owner(server, token=gate.url)
        self.command("login", "--config", config, "--refresh-token", "-", input=self.password_session(server) + "\n")
        squire = self.run_squire(config)
        server.post("/test/expire", {})
        self.until(lambda: self.fetch(squire, target="/api/me").status == 200, "the session")
        outcomes = [entry["outcome"] for entry in self.record()["history"]]
        self.assertEqual(outcomes[-2:], ["lost", "refreshed"])
        self.assertEqual(len(seen), 3)

    # Logins

    def test_27_browser_and_proof_key(self):
        server = self.server(self.SCRIPT)
        config = self.web(server, "scope: read")
        process = self.login_process("--config", config)
        url = self.url_of(process)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        # Without the challenge the server gives no code, and says so to whoever waits.
        bare = {name: value for name, value in query.items() if not name.startswith("code_challenge")}
        _, page, _ = self.browse(url.split("?")[0] + "?" + urllib.parse.urlencode(bare))
        self.assertIn("Not logged in", page)
        _, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 78, err)
        self.assertIn("invalid_request", err)
        process = self.login_process("--config", config)
        url = self.url_of(process)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        status, page, end = self.browse(url)
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual((process.returncode, status), (0, 200), err)
        self.assertIn("logged in", page)
        code = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(end).query))["code"]
        self.assertNotIn(code, page + out + err)
        # The code works once.
        again, body = server.post("/o/token/", {"grant_type": "authorization_code", "code": code, "redirect_uri": query["redirect_uri"],
                                                "client_id": "web", "code_verifier": "x" * 43})
        self.assertEqual((again, json.loads(body)["error"]), (400, "invalid_grant"))
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/api/me").status, 200)

    def test_27_code_of_another(self):
        """A code that was spent, or that another verifier belongs to, makes no session."""
        server = self.server(self.SCRIPT)
        config = self.web(server)
        process = self.login_process("--config", config)
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(self.url_of(process)).query))
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(
                query["redirect_uri"] + "?" + urllib.parse.urlencode({"code": "stolen", "state": query["state"]}), timeout=LIMIT) as answer:
            self.assertIn("Nobody is logged in", answer.read().decode())
        _, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 77, err)
        self.assertFalse(self.session_file.exists())

    @unittest.skipUnless(shutil.which("chromium"), "chromium is not installed")
    def test_27_chromium(self):
        server = self.server(self.SCRIPT)
        config = self.web(server, "scope: read")
        script = self.directory / "browser"
        script.write_text(f"#!/bin/sh\nexec chromium --headless=new --no-sandbox --disable-gpu --user-data-dir='{self.directory}/profile' "
                          f"--virtual-time-budget=20000 --dump-dom \"$1\" >'{self.directory}/page' 2>/dev/null\n")
        script.chmod(0o755)
        process = self.login_process("--config", config, env={"BROWSER": str(script)})
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, 0, err)
        self.assertIn("logged in", out)
        page = self.directory / "page"
        self.until(lambda: "logged in" in page.read_text(), "the page in the browser")

    def test_28_device(self):
        server = self.server(self.SCRIPT)
        config = self.oauth(server.url, [f"device-authorization-endpoint: {server.url}/o/device-authorization/", f"token-endpoint: {server.url}/o/token/",
                                         "client-id: device", "scope: read"])
        for decision, code in (("deny", 77), ("allow", 0)):
            process = self.login_process("--device", "--config", config)
            user_code = self.line_of(process, lambda line: re.fullmatch(r"[A-Z0-9]{8}", line))
            # Once before the person has decided.
            count = len(server.log("/o/token/"))
            self.until(lambda: len(server.log("/o/token/")) > count, "the first question")
            server.post("/test/decide", {"user_code": user_code, "decision": decision})
            _, err = process.communicate(timeout=LIMIT)
            self.assertEqual(process.returncode, code, err)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/api/me").status, 200)

    # Killed

    def kill_at(self, server, config, inject):
        """A login that strace kills; what is there afterwards."""
        process = self.login_process("--config", config, "--replace", prefix=["strace", "-f", "-qq", "-o", str(self.directory / "trace"), *inject])
        with contextlib.suppress(OSError, http.client.HTTPException, AssertionError):
            # It may be killed before it says where to go.
            self.browse(self.url_of(process))
        process.communicate(timeout=LIMIT)
        return process.returncode

    @unittest.skipUnless(shutil.which("strace"), "strace is not installed")
    def test_29_killed_at_each_step(self):
        server = self.server(self.SCRIPT)
        config = self.web(server, "scope: read")
        places = [("fsync", 1), ("fsync", 2), ("fsync", 3), ("ftruncate", 1), ("rename", 1), ("rename", 2), ("unlink", 1), ("unlink", 2), ("connect", 2),
                  ("connect", 3), ("flock", 1), ("flock", 2), ("flock", 3)]
        states = collections.Counter()
        for call, when in places:
            for file in self.directory.glob("session.json*"):
                file.unlink()
            code = self.kill_at(server, config, ["-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={when}"])
            # Whole, perhaps only after what the dead process left was taken over, or none.
            result = subprocess.run([SQUIRE, "token", "--config", config], capture_output=True, text=True, timeout=LIMIT, env=clean_environment(**self.env))
            self.assertIn(result.returncode, (0, 77), (call, when, result.stderr))
            state = json.loads(self.command("status", "--json", "--config", config).stdout)["state"]
            self.assertEqual(state, "usable" if result.returncode == 0 else "none", (call, when))
            states[state, code == 0] += 1
            if state == "usable":
                self.assertTrue(self.record()["refresh_token"])
                self.command("token", "--config", config, "--min-ttl", "1h")
            self.assertEqual([file.name for file in self.directory.glob("session.json?*") if file.name not in ("session.json.lock",)], [])
        self.assertGreater(states["none", False], 0)

    # Logging out

    def test_31_logout(self):
        server = self.server(self.SCRIPT)
        revoke = []
        answers = {"status": 200}
        front = self.upstream(lambda request: revoke.append(request) or (relayed(request) if answers["status"] == 200 else reply(503)))

        def relayed(request):
            status, body = server.post("/o/revoke_token/", dict(urllib.parse.parse_qsl(request.payload.decode())), {"Authorization": request["Authorization"]})
            return reply(status, body)

        config = self.owner(server)
        text = pathlib.Path(config).read_text()
        pathlib.Path(config).write_text(text.replace(f"revocation-endpoint: {server.url}/o/revoke_token/", f"revocation-endpoint: {front.url}/revoke"))
        self.command("login", "--config", config, "--refresh-token", "-", input=self.password_session(server) + "\n")
        access = self.command("token", "--config", config).stdout.strip()
        before = self.record()
        answers["status"] = 503
        self.command("logout", "--config", config, code=75)
        self.assertEqual(self.record()["refresh_token"], before["refresh_token"])
        answers["status"] = 200
        revoke.clear()
        self.command("logout", "--config", config)
        sent = [dict(urllib.parse.parse_qsl(request.payload.decode())) for request in revoke]
        self.assertEqual([entry["token_type_hint"] for entry in sent], ["refresh_token", "access_token"])
        self.assertEqual(sent[0]["token"], before["refresh_token"])
        request = urllib.request.Request(server.url + "/api/me", headers={"Authorization": "Bearer " + access})
        with self.assertRaises(urllib.error.HTTPError) as refusal:
            urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT)
        self.assertEqual(refusal.exception.code, 401)
        self.command("login", "--config", config, "--refresh-token", "-", input=self.password_session(server) + "\n")
        revoke.clear()
        self.command("logout", "--local", "--config", config)
        self.assertEqual(revoke, [])


class Authlib(OAuthScenario):
    SCRIPT = "authlib_server.py"

    def service(self, server, *lines):
        return self.oauth(server.url, [f"token-endpoint: {server.url}/token", "grant: jwt-bearer", f"private-key: {self.key}", "client-id: service",
                                       "subject: alice", *lines])

    def test_signed_assertions(self):
        server = self.server(self.SCRIPT)
        config = self.service(server)
        self.command("login", "--config", config)
        # Each try has a `jti` of its own.
        self.command("login", "--config", config)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/api/me").status, 200)
        signer = self.oauth(server.url, [f"token-endpoint: {server.url}/token", "grant: client-credentials", f"private-key: {self.key}",
                                         "client-id: signer", "client-authentication: private-key-jwt"], name="signer.yaml")
        self.command("login", "--config", signer, "--session", str(self.directory / "signer.json"))

    @unittest.skipUnless(shutil.which("faketime"), "faketime is not installed")
    def test_05_clock(self):
        server = self.server(self.SCRIPT)
        config = self.service(server)
        for offset in ("+2m", "-2m"):
            result = subprocess.run(["faketime", "-f", offset, SQUIRE, "login", "--config", config], capture_output=True, text=True, timeout=LIMIT,
                                    env=clean_environment(**self.env))
            self.assertEqual(result.returncode, 0, result.stderr)
            statuses = [entry["status"] for entry in server.log("/token")]
            self.assertEqual(statuses[-2:], [400, 200])

    def test_client_secrets(self):
        server = self.server(self.SCRIPT)
        for client, form in (("basic", "client-secret-basic"), ("post", "client-secret-post")):
            config = self.oauth(server.url, [f"token-endpoint: {server.url}/token", f"revocation-endpoint: {server.url}/revoke", "grant: client-credentials",
                                             f"client-id: {client}", 'client-secret: "s3cret:/+ä"', f"client-authentication: {form}"], name=f"{client}.yaml")
            session = ["--session", str(self.directory / f"{client}.json")]
            self.command("login", "--config", config, *session)
            self.command("logout", "--config", config, *session)
        self.assertEqual([entry["form"]["token_type_hint"] for entry in server.log("/revoke")], ["access_token"] * 2)


class Presets(Scenario):
    """What a preset prints, fed back as a configuration, is checked as the preset's name is."""

    def test_25_output_fed_back(self):
        listed = self.command("profile").stdout.splitlines()
        names = [line.split("\t")[0] for line in listed]
        self.assertIn("google", names)
        for name in names:
            printed = self.command("profile", name).stdout
            results = []
            for text in (printed, f"profile: {name}\n"):
                config = self.directory / "squire.yaml"
                config.write_text(text)
                result = subprocess.run([SQUIRE, "check", "--config", str(config)], capture_output=True, text=True, timeout=LIMIT, env=clean_environment(**self.env))
                # Lines differ where a line of the file is named.
                results.append((result.returncode, sorted(re.sub(r"squire\.yaml:\d+", "squire.yaml", line) for line in (result.stdout + result.stderr).splitlines())))
            self.assertEqual(results[0][0], results[1][0], (name, results))


if __name__ == "__main__":
    main()
