"""Dead is dead, and heals; a request waits for one refresh at most; every command says the same of the session."""
from harness import *
from test_session import REFRESH, inspected

DEAD = "the API's own refusal"


class Mortal:
    """An API with one token: `rejecting` are the paths that reject it, or True for all; its refresh answers with `refresh`."""

    def __init__(self, rejecting=(), refresh=401):
        self.rejecting, self.refresh = rejecting, refresh

    def __call__(self, request):
        if request.target == REFRESH:
            return self.refresh(request) if callable(self.refresh) else reply(self.refresh, b"{}")
        rejects = self.rejecting is True or request.target in self.rejecting
        return reply(401, DEAD.encode()) if rejects else reply(200, b"fine")


class Dead(Scenario):
    def setUp(self):
        super().setUp()
        # Long, unless a case wants it short: what is dead stays so for the case's length.
        self.env["SQUIRE_TEST_TRIAL_INTERVAL"] = "600000"

    def problem(self, squire, target="/api/x"):
        """The code of the problem that Squire itself answers with; None for an answer of the API's."""
        response = self.fetch(squire, target=target)
        return (response.status, json.loads(response.data)["code"]) if "json" in response.headers.get("Content-Type", "") else (response.status, None)

    def record(self):
        return json.loads(self.session_file.read_text())

    def kill_session(self, api, squire):
        """A path that had accepted the token rejects it, and so does the refresh."""
        self.assertEqual(self.problem(squire, "/api/me"), (200, None))
        api.rejecting = True
        self.assertEqual(self.problem(squire, "/api/me"), (401, None))
        self.assertEqual(self.problem(squire, "/api/other"), (401, "login_needed"))

    def test_every_process_and_command_knows(self):
        api = Mortal()
        squire, upstream = self.proxied(api, arguments=("--inspector", "127.0.0.1:0"))
        squire.wait_for("inspector")
        self.kill_session(api, squire)
        seen = len(upstream.requests)
        for index in range(20):
            self.assertEqual(self.problem(squire, f"/api/{index}"), (401, "login_needed"))
        self.assertEqual(len(upstream.requests), seen)
        self.until(lambda: "rejected" in self.record(), "the mark is written")
        self.assertTrue(self.record()["refused"])
        other = self.run_squire(squire.config)
        self.assertEqual(self.problem(other, "/api/y"), (401, "login_needed"))
        get = inspected(squire)
        self.assertEqual(get("/readyz")[0], 503)
        self.assertEqual(json.loads(get("/api/status")[1])["session"]["state"], "login_needed")
        for command in ("status", "token", "check --online"):
            result = self.command(*command.split(), "--config", squire.config, code=77)
            self.assertIn("squire login", result.stdout + result.stderr)
            self.assertNotIn("works until", result.stdout + result.stderr)
        self.assertEqual(json.loads(self.command("status", "--json", "--config", squire.config).stdout)["state"], "login_needed")
        self.assertEqual([r for r in upstream.requests[seen:] if r.token], [])

    def test_a_success_revives_it_for_everyone(self):
        self.env["SQUIRE_TEST_TRIAL_INTERVAL"] = "0"
        api = Mortal()
        squire, upstream = self.proxied(api)
        self.assertEqual(self.problem(squire, "/api/me"), (200, None))
        api.rejecting = True
        for _ in range(3):
            # Each is a try here, and its answer is the API's own.
            response = self.fetch(squire, target="/api/me")
            self.assertEqual((response.status, response.data), (401, DEAD.encode()))
        self.until(lambda: "rejected" in self.record(), "the mark is written")
        self.command("token", "--config", squire.config, code=77)
        api.rejecting = ()
        self.assertEqual(self.problem(squire, "/api/me"), (200, None))
        self.until(lambda: "rejected" not in self.record(), "the mark is gone")
        self.assertIn("usable", self.command("status", "--config", squire.config).stdout)
        self.assertEqual(self.command("token", "--config", squire.config).stdout.strip(), self.record()["token"])
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)

    def test_one_path_that_always_rejects_kills_no_other(self):
        api = Mortal(rejecting=("/api/odd",))
        squire, upstream = self.proxied(api)
        self.assertEqual(self.problem(squire, "/api/odd"), (401, None))
        for _ in range(5):
            self.assertEqual(self.problem(squire, "/api/odd"), (401, "login_needed"))
            self.assertEqual(self.problem(squire, "/api/fine"), (200, None))
        targets = [r.target for r in upstream.requests]
        self.assertEqual((targets.count("/api/odd"), targets.count(REFRESH), targets.count("/api/fine")), (1, 1, 5))
        self.until(lambda: "rejected" not in self.record(), "an accepted token is not marked")
        self.assertIn("usable", self.command("status", "--config", squire.config).stdout)

    def test_two_paths_without_an_acceptance_between_are_the_token(self):
        squire, upstream = self.proxied(Mortal(rejecting=True))
        self.assertEqual([self.problem(squire, f"/api/{index}") for index in range(4)],
                         [(401, None), (401, None), (401, "login_needed"), (401, "login_needed")])
        self.assertEqual(len([r for r in upstream.requests if r.target != REFRESH]), 2)

    def test_forward_sends_bare_and_fill_needs_none(self):
        for session, extra, headers, token in (("  missing: forward\n", "", {}, ""), ("", "authorization: fill\n", {"Authorization": "Bearer mine"}, "mine")):
            with self.subTest(session + extra):
                api = Mortal()
                squire, upstream = self.proxied(api, extra=extra, session=session)
                self.assertEqual(self.problem(squire, "/api/me"), (200, None))
                api.rejecting = True
                self.fetch(squire, target="/api/me")
                api.rejecting = ()
                self.assertEqual(self.fetch(squire, target="/api/other", headers=headers).status, 200)
                self.assertEqual(upstream.requests[-1].token, token)
                squire.stop()

    def test_a_login_ends_it(self):
        api = Mortal()
        squire, upstream = self.proxied(api)
        self.kill_session(api, squire)
        api.rejecting = ()
        fresh = jwt(jti="fresh")
        self.save_token(fresh, squire.config)
        self.until(lambda: self.problem(squire, "/api/me") == (200, None), "the login is taken up")
        self.assertEqual(upstream.requests[-1].token, fresh)
        self.assertEqual([name for name in ("refused", "rejected", "last_refresh") if name in self.record()], [])

    def test_expired_and_refused(self):
        squire, upstream = self.proxied(Mortal(), token=jwt(life=60, age=3600))
        self.assertEqual(self.problem(squire), (401, "login_needed"))
        self.assertEqual(self.problem(squire), (401, "login_needed"))
        self.assertEqual([r.target for r in upstream.requests], [REFRESH])

    def test_expired_without_a_way_to_refresh(self):
        squire, upstream = self.proxied(Mortal(), token=jwt(life=60, age=3600), profile="")
        self.assertEqual(self.problem(squire), (401, "login_needed"))
        self.assertEqual(upstream.requests, [])
        self.command("token", "--config", squire.config, code=77)
        self.command("status", "--config", squire.config, code=77)


class OneRefresh(Scenario):
    def test_a_request_waits_for_one_refresh_at_most(self):
        """Due and revoked at once, and the refresh is never answered."""
        squire, upstream = self.proxied(lambda r: None if r.target == REFRESH else reply(401, DEAD.encode()), token=jwt(life=40, age=30),
                                        session="  margin: 30s\n  refresh: {timeout: 1s}\n")
        started = time.monotonic()
        response = self.fetch(squire)
        self.assertEqual((response.status, response.data), (401, DEAD.encode()))
        self.assertLess(time.monotonic() - started, 3.5)

    def test_forty_requests_to_a_path_that_always_rejects(self):
        count = [0]
        def api(request):
            if request.target == REFRESH:
                count[0] += 1
                return token_reply(jwt(jti=f"new{count[0]}"))
            return reply(401, DEAD.encode())
        squire, upstream = self.proxied(api)
        responses = parallel(40, lambda index: self.fetch(squire, target="/api/deleted"))
        self.assertEqual([(r.status, r.data) for r in responses], [(401, DEAD.encode())] * 40)
        self.assertEqual(self.fetch(squire, target="/api/deleted").status, 401)
        self.assertEqual(count[0], 1)

    def test_the_same_token_again_is_not_lost(self):
        answer = {"token": None, "in": None}
        def refresh(request):
            body = {"t": request.token, **({"expires": answer["in"]} if answer["in"] else {})}
            return reply(200, json.dumps(body).encode(), "Content-Type: application/json")
        recipe = "  refresh: {method: POST, path: %s, token: /t, expires-in: /expires}\n" % REFRESH
        api = Mortal(rejecting=True, refresh=refresh)
        squire, upstream = self.proxied(api, session=recipe, profile="", token=jwt(life=600))
        for _ in range(6):
            self.assertEqual(self.fetch(squire).data, DEAD.encode())
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)
        record = json.loads(self.session_file.read_text())
        self.assertEqual((record["last_refresh"]["outcome"], "unanswered" in record), ("unchanged", False))
        self.command("token", "--config", squire.config, code=75)
        squire.stop()
        self.assertIn("same token", squire.text())

    def test_a_new_expiry_of_the_same_token_is_taken_over(self):
        def refresh(request):
            return reply(200, json.dumps({"t": request.token, "expires": 5000}).encode(), "Content-Type: application/json")
        recipe = "  refresh: {method: POST, path: %s, token: /t, expires-in: /expires}\n" % REFRESH
        squire, upstream = self.proxied(Mortal(refresh=refresh), session=recipe, profile="", token=jwt(life=60, age=3600))
        for _ in range(3): self.assertEqual(self.fetch(squire).data, b"fine")
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)
        status = json.loads(self.command("status", "--json", "--config", squire.config).stdout)
        self.assertGreater(status["expires_in"], 4000)
        self.assertEqual(status["last_refresh"]["outcome"], "unchanged")


class Commands(Scenario):
    def test_a_rejected_token_whose_refresh_may_come_is_not_printed(self):
        api = Mortal(rejecting=True, refresh=lambda r: reply(503, b"", "Retry-After: 60"))
        squire, upstream = self.proxied(api)
        self.assertEqual(self.fetch(squire).data, DEAD.encode())
        self.until(lambda: "rejected" in json.loads(self.session_file.read_text()), "the mark is written")
        result = self.command("token", "--config", squire.config, code=75)
        self.assertEqual(result.stdout, "")
        self.assertIn("503", result.stderr)
        # No list and no status calls it usable.
        self.assertRegex(self.command("status", "--config", squire.config).stdout, r"^session     the API refuses the token\n")
        self.assertTrue(json.loads(self.command("status", "--json", "--config", squire.config).stdout)["rejected"])
        api.refresh = lambda r: token_reply(jwt(jti="new"))
        # The API has said when: nobody asks before, unless a person takes the pause out of the file.
        self.command("token", "--config", squire.config, code=75)
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)
        record = json.loads(self.session_file.read_text())
        del record["pause"]
        self.session_file.write_text(json.dumps(record))
        self.assertEqual(self.command("token", "--config", squire.config).stdout.strip(), json.loads(self.session_file.read_text())["token"])

    def test_exec_says_it_before_it_starts(self):
        config = self.config(self.upstream().url)
        result = self.command("exec", "--config", config, "--", "echo", "started", code=77)
        self.assertEqual(result.stdout, "")
        self.assertIn("squire login", result.stderr)
        result = self.command("exec", "--config", config, "--allow-missing", "--", "echo", "started")
        self.assertEqual(result.stdout, "started\n")
        self.assertIn("squire login", result.stderr)
        config = self.config(self.upstream().url, session="  missing: forward\n")
        self.assertEqual(self.command("exec", "--config", config, "--", "echo", "started").stdout, "started\n")
        self.save_token(jwt(), config)
        self.assertEqual(self.command("exec", "--config", config, "--", "echo", "started").stderr, "")

    def test_exec_says_no_false_word_of_connections(self):
        config = self.config(self.upstream().url)
        self.save_token(jwt(), config)
        curl = "curl -sS -o /dev/null $SQUIRE_URL/api/x"
        results = parallel(8, lambda index: self.command("exec", "--config", config, "--", "sh", "-c", curl))
        self.assertEqual([result.stderr for result in results], [""] * 8)

    def test_status_is_a_test(self):
        config = self.config(self.upstream().url)
        self.command("status", "--config", config, code=77)
        self.command("status", "--json", "--config", config)
        self.save_token(jwt(), config)
        self.assertIn("logged in", self.command("status", "--config", config).stdout)

    def test_the_history_begins_at_the_login(self):
        squire, upstream = self.proxied(Mortal(rejecting=True))
        self.fetch(squire)
        self.assertIn("refused (rejected, status 401)", self.command("status", "--config", squire.config, code=77).stdout)
        self.save_token(jwt(jti="next"), squire.config)
        text = self.command("status", "--config", squire.config).stdout
        self.assertIn("refreshes   0\n", text)
        self.assertNotIn("refused", text)
        status = json.loads(self.command("status", "--json", "--config", squire.config).stdout)
        self.assertEqual((status["last_refresh"], status["history"]), (None, []))
        self.assertRegex(status["signed_in_at"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_a_token_is_quoted_for_the_shell(self):
        config = self.config(self.upstream().url, profile="")
        self.save_token("a~b+c/d.e_f-g==", config)
        line = self.command("token", "--config", config, "--format", "env").stdout
        shown = subprocess.run(["sh", "-c", f'{line}printf %s "$SQUIRE_TOKEN"'], capture_output=True, text=True)
        self.assertEqual(shown.stdout, "a~b+c/d.e_f-g==")


if __name__ == "__main__":
    main()
