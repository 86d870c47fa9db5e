"""Logins at an authorization server made of raw sockets: with a browser, on another device, by a refresh token; and logging out."""
import fcntl, urllib.parse

from harness import *


def form(request):
    return dict(urllib.parse.parse_qsl(request.payload.decode(), keep_blank_values=True))


def json_reply(status, *fields, **members):
    return reply(status, json.dumps(members).encode(), "Content-Type: application/json", *fields)


# Made once: a token made later is another.
ALICE = jwt(sub="alice")


class AuthorizationServer:
    """Answers /token, /device and /revoke with what the lists say, one after the other; the last one goes on."""

    def __init__(self, scenario):
        self.token, self.device, self.revoke, self.metadata = [], [], [], None
        self.upstream = scenario.upstream(self.respond)
        self.url = self.upstream.url

    def respond(self, request):
        path = request.target.split("?")[0]
        answers = {"/token": self.token, "/device": self.device, "/revoke": self.revoke}.get(path)
        if path == "/.well-known/oauth-authorization-server" and self.metadata:
            return json_reply(200, **self.metadata)
        if not answers:
            return reply(404)
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return answer(request) if callable(answer) else answer

    def requests(self, path):
        return [request for request in self.upstream.requests if request.target.split("?")[0] == path]


class OAuthLogin(Scenario):
    def setUp(self):
        super().setUp()
        self.env["SQUIRE_TEST_LOGIN_SECOND"] = "10"
        self.server = AuthorizationServer(self)
        self.server.token = [json_reply(200, access_token=ALICE, refresh_token="r1", token_type="Bearer", expires_in=3600)]
        self.server.revoke = [reply(200)]

    def oauth(self, *lines, name="squire.yaml", session="", upstream="http://127.0.0.1:9", endpoints=("authorization", "token")):
        known = {"authorization": "authorization-endpoint: {}/authorize", "token": "token-endpoint: {}/token",
                 "device": "device-authorization-endpoint: {}/device", "revocation": "revocation-endpoint: {}/revoke"}
        all_lines = ["client-id: tool", *(known[kind].format(self.server.url) for kind in endpoints), *lines]
        path = self.directory / name
        inner = "".join(f"    {line}\n" for line in all_lines)
        path.write_text(f"upstream: {upstream}\nlisten: 127.0.0.1:0\ninspector: \"off\"\nsession:\n  file: {self.session_file}\n{session}  oauth:\n{inner}")
        return str(path)

    def waiting(self, *arguments, command="login", **env):
        process = subprocess.Popen([SQUIRE, command, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=clean_environment(**{**self.env, **env}), text=True)

        def end():
            process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()

        self.addCleanup(end)
        return process

    def url_of(self, process):
        """The address stands alone on a line."""
        for line in process.stderr:
            if re.fullmatch(r"https?://\S+\n", line):
                return line.strip()
        self.fail("no address")

    def asked(self, url):
        """What the browser is sent to ask, and where it is sent back to."""
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        return query, urllib.parse.urlsplit(query["redirect_uri"])

    def browse(self, redirect, query, method="GET", path=None, fields=None):
        connection = http.client.HTTPConnection("127.0.0.1", redirect.port, timeout=LIMIT)
        target = (path or redirect.path) + ("?" + urllib.parse.urlencode(query) if query else "")
        connection.request(method, target, headers=fields or {})
        answer = connection.getresponse()
        answer.text = answer.read().decode()
        connection.close()
        return answer

    def end(self, process, code):
        out, err = process.communicate(timeout=LIMIT)
        self.assertEqual(process.returncode, code, err)
        return out, err

    def record(self):
        return json.loads(self.session_file.read_text())

    # With a browser

    def test_code_with_proof_key(self):
        config = self.oauth("scope: \"read,write offline\"", "authorization-parameters: {audience: https://api.example.com}")
        process = self.waiting("--config", config)
        url = self.url_of(process)
        query, redirect = self.asked(url)
        self.assertEqual(url.split("?")[0], self.server.url + "/authorize")
        self.assertEqual((query["response_type"], query["client_id"], query["scope"], query["code_challenge_method"], query["audience"]),
                         ("code", "tool", "read,write offline", "S256", "https://api.example.com"))
        self.assertEqual((redirect.hostname, redirect.path), ("127.0.0.1", "/callback"))
        self.assertGreaterEqual(len(query["state"]), 22)
        answer = self.browse(redirect, {"code": "c/1+2", "state": query["state"]})
        self.assertEqual((answer.status, answer.getheader("Referrer-Policy"), answer.getheader("Access-Control-Allow-Origin")), (200, "no-referrer", None))
        self.assertIn("alice", answer.text)
        for secret in ("c/1+2", "r1", ALICE):
            self.assertNotIn(secret, answer.text)
        out, err = self.end(process, 0)
        self.assertRegex(out, r"^logged in as customer alice, token good for (59|60) min\n$")
        self.assertNotIn("r1", out + err)
        sent = form(self.server.requests("/token")[0])
        challenge = base64.urlsafe_b64encode(hashlib.sha256(sent["code_verifier"].encode()).digest()).rstrip(b"=").decode()
        self.assertEqual(challenge, query["code_challenge"])
        self.assertEqual((sent["grant_type"], sent["code"], sent["redirect_uri"], sent["client_id"]),
                         ("authorization_code", "c/1+2", query["redirect_uri"], "tool"))
        self.assertEqual(self.record()["refresh_token"], "r1")
        self.assertEqual(self.session_file.stat().st_mode & 0o777, 0o600)

    def test_noise_ends_no_login(self):
        process = self.waiting("--config", self.oauth(f"issuer: {self.server.url}"))
        query, redirect = self.asked(self.url_of(process))
        right = {"code": "c", "state": query["state"]}
        navigation = {"Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}
        for expected, arguments in ((400, ({"code": "c"},)), (400, ({"code": "c", "state": "wrong"},)), (400, ({"error": "access_denied"},)),
                                    (404, (right, "GET", "/other")), (404, ({}, "GET", "/favicon.ico")), (405, (right, "POST")),
                                    (405, (right, "HEAD")), (405, (right, "OPTIONS")), (400, ({**right, "iss": "https://evil.example"},)),
                                    (403, (right, "GET", None, navigation)), (403, (right, "GET", None, {"Sec-Purpose": "prefetch"}))):
            self.assertEqual(self.browse(redirect, *arguments).status, expected, arguments)
        self.assertEqual(self.server.requests("/token"), [])
        self.assertEqual(self.browse(redirect, {**right, "iss": self.server.url}).status, 200)
        self.end(process, 0)
        # Nobody listens any more.
        with self.assertRaises(OSError):
            self.browse(redirect, right)

    def test_refusals_of_the_authorization_server(self):
        config = self.oauth()
        for word, code in (("access_denied", 77), ("login_required", 77), ("invalid_scope", 78), ("unauthorized_client", 78),
                           ("invalid_request", 78), ("server_error", 75), ("temporarily_unavailable", 75)):
            process = self.waiting("--browser", "--config", config)
            query, redirect = self.asked(self.url_of(process))
            answer = self.browse(redirect, {"error": word, "error_description": "<b>because\x1b[31m", "state": query["state"]})
            self.assertNotIn("<b>because", answer.text)
            _, err = self.end(process, code)
            self.assertIn(word, err)
            self.assertNotIn("\x1b", err)
        self.assertFalse(self.session_file.exists())

    def test_what_the_token_endpoint_says_of_the_code(self):
        config = self.oauth()
        for answer, code, said in ((json_reply(400, error="invalid_grant", error_description="used c0de before"), 77, "invalid_grant"),
                                   (json_reply(401, error="invalid_client"), 78, "client-authentication"),
                                   (json_reply(503, "Retry-After: 7", error="temporarily_unavailable"), 75, "7 s"),
                                   (reply(200, b"<html>"), 75, "spent"), (None, 75, "spent"),
                                   (json_reply(200, access_token="a", token_type="DPoP"), 78, "DPoP")):
            self.server.token = [lambda _, answer=answer: answer]
            process = self.waiting("--config", config)
            query, redirect = self.asked(self.url_of(process))
            self.browse(redirect, {"code": "c0de", "state": query["state"]})
            _, err = self.end(process, code)
            self.assertIn(said, err)
            self.assertNotIn("c0de", err)
            self.assertFalse(self.session_file.exists(), said)
        self.assertEqual(len(self.server.requests("/token")), 6)

    def test_pasted_address(self):
        process = self.waiting("--config", self.oauth("redirect-uri: https://tool.example.com/done"))
        query, redirect = self.asked(self.url_of(process))
        self.assertEqual(query["redirect_uri"], "https://tool.example.com/done")
        process.stdin.write("\nhello\nhttps://tool.example.com/done?code=x&state=wrong\n")
        process.stdin.write("https://tool.example.com/done?" + urllib.parse.urlencode({"code": "c", "state": query["state"]}))
        _, err = self.end(process, 0)
        self.assertIn("another login", err)
        self.assertEqual(form(self.server.requests("/token")[0])["redirect_uri"], query["redirect_uri"])
        # Nothing can be pasted, and nobody listens.
        self.command("login", "--config", self.oauth("redirect-uri: https://tool.example.com/done"), code=65)

    def test_port_of_the_redirect_is_taken(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            config = self.oauth(f"redirect-uri: http://localhost:{taken.getsockname()[1]}/cb")
            self.assertIn("redirect URI", self.command("login", "--config", config, code=74).stderr)
        # What is advised elsewhere can be run as it stands.
        self.assertTrue(self.command("token", "--config", config, code=77).stderr.endswith(f"squire login --config {config}\n"))

    def test_patience_ends(self):
        # 300 "seconds" of 1 ms.
        result = self.command("login", "--config", self.oauth(), code=75, env={"SQUIRE_TEST_LOGIN_SECOND": "1"})
        self.assertIn("5 min", result.stderr)
        self.assertEqual(result.stdout, "")

    def test_interrupt(self):
        process = self.waiting("--config", self.oauth())
        self.url_of(process)
        process.send_signal(signal.SIGINT)
        self.end(process, 130)

    def test_browser_is_a_word(self):
        script = self.directory / "my browser"
        script.write_text(f"#!/bin/sh\ngrep -E '^Sig(Blk|Ign):' /proc/self/status > '{self.directory}/signals'\n"
                          f"printf '%s' \"$#:$1\" > '{self.directory}/opened'\necho noise\n")
        script.chmod(0o755)
        process = self.waiting("--config", self.oauth(), BROWSER=str(script))
        url = self.url_of(process)
        opened = self.directory / "opened"
        self.until(lambda: opened.exists() and opened.read_text() == f"1:{url}", "the browser")
        # What this process ignores and blocks is its own business.
        own = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
        signals = dict(line.split(":") for line in (self.directory / "signals").read_text().splitlines())
        self.assertEqual((int(signals.get("SigBlk", "0"), 16), int(signals.get("SigIgn", "0"), 16) & own), (0, 0))
        query, redirect = self.asked(url)
        self.browse(redirect, {"code": "c", "state": query["state"]})
        out, _ = self.end(process, 0)
        self.assertEqual(len(out.splitlines()), 1)

    def test_no_refresh_token_is_said(self):
        self.server.token = [json_reply(200, access_token="opaque", expires_in=3600)]
        process = self.waiting("--config", self.oauth())
        query, redirect = self.asked(self.url_of(process))
        self.browse(redirect, {"code": "c", "state": query["state"]})
        out, err = self.end(process, 0)
        self.assertRegex(err, r"no refresh token.* in (59|60) min .*UTC.*offline_access")
        self.assertIn("logged in", out)

    def test_other_customer(self):
        config = self.oauth(endpoints=("authorization", "token", "revocation"))
        self.command("login", "--config", config, "--token", "-", input=jwt(sub="bob") + "\n")
        before = self.session_file.read_bytes()
        process = self.waiting("--config", config)
        query, redirect = self.asked(self.url_of(process))
        self.browse(redirect, {"code": "c", "state": query["state"]})
        _, err = self.end(process, 64)
        self.assertIn("The code is spent", err)
        self.assertIn("--replace", err)
        self.assertEqual(self.session_file.read_bytes(), before)
        self.assertEqual([form(request)["token"] for request in self.server.requests("/revoke")], ["r1", ALICE])
        process = self.waiting("--config", config, "--replace")
        query, redirect = self.asked(self.url_of(process))
        self.browse(redirect, {"code": "c", "state": query["state"]})
        _, err = self.end(process, 0)
        self.assertIn("customer bob", err)
        self.assertIn("bob", base64.urlsafe_b64decode(json.loads(pathlib.Path(str(self.session_file) + ".previous").read_text())["token"].split(".")[1] + "==").decode())

    def test_killed_while_the_code_is_redeemed(self):
        arrived, go = threading.Event(), threading.Event()

        def answer(_):
            arrived.set()
            go.wait(LIMIT)
            return None

        self.server.token = [answer]
        process = self.waiting("--config", self.oauth())
        query, redirect = self.asked(self.url_of(process))
        connection = http.client.HTTPConnection("127.0.0.1", redirect.port, timeout=LIMIT)
        connection.request("GET", redirect.path + "?" + urllib.parse.urlencode({"code": "c", "state": query["state"]}))
        self.assertTrue(arrived.wait(LIMIT))
        # The file is locked over the exchange.
        lock = open(str(self.session_file) + ".lock")
        with self.assertRaises(BlockingIOError), lock:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        process.kill()
        process.wait()
        go.set()
        connection.close()
        self.assertEqual(json.loads(self.command("status", "--json", "--config", self.oauth()).stdout)["state"], "none")

    # On another device

    def device_answer(self, **members):
        return json_reply(200, **{"device_code": "dev1ce", "user_code": "ABCD-EFGH", "verification_uri": self.server.url + "/go", "expires_in": 600,
                                  "interval": 2, **members})

    def test_device(self):
        self.server.device = [self.device_answer(verification_uri_complete=self.server.url + "/go?c=ABCD-EFGH\x1b[0m")]
        pending = json_reply(400, error="authorization_pending")
        self.server.token[:0] = [pending, json_reply(400, error="slow_down"), lambda _: None, json_reply(503),
                                 reply(200, b"error=authorization_pending", "Content-Type: application/x-www-form-urlencoded"),
                                 json_reply(200, error="authorization_pending")]
        config = self.oauth("scope: read", endpoints=("device", "token"))
        result = self.command("login", "--config", config)
        self.assertRegex(result.stdout, "^logged in as customer alice.*\n$")
        lines = result.stderr.split("\n")
        self.assertIn(self.server.url + "/go", lines)
        self.assertIn("ABCD-EFGH", lines)
        self.assertIn(self.server.url + "/go?c=ABCD-EFGH\\x1B[0m", lines)
        self.assertEqual(form(self.server.requests("/device")[0]), {"client_id": "tool", "scope": "read"})
        asked = self.server.requests("/token")
        self.assertEqual(len(asked), 7)
        self.assertEqual(form(asked[0]), {"grant_type": "urn:ietf:params:oauth:grant-type:device_code", "device_code": "dev1ce", "client_id": "tool"})

    def test_device_leaves_the_session_to_others_meanwhile(self):
        """While it is asked whether the person has decided, whoever needs the file's lock gets it."""
        def pending(_):
            with open(f"{self.session_file}.lock", "a") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return json_reply(400, error="authorization_pending")

        self.server.device = [self.device_answer()]
        self.server.token[:0] = [pending, pending]
        self.command("login", "--device", "--config", self.oauth(endpoints=("device", "token")))
        self.assertEqual(len(self.server.requests("/token")), 3)
        self.assertEqual(json.loads(self.session_file.read_text())["refresh_token"], "r1")

    def test_interrupt_between_questions(self):
        asked = threading.Event()

        def pending(_):
            asked.set()
            return json_reply(400, error="authorization_pending")

        self.server.device = [self.device_answer(interval=600, expires_in=1800)]
        self.server.token = [pending]
        process = self.waiting("--device", "--config", self.oauth(endpoints=("device", "token")))
        self.assertTrue(asked.wait(LIMIT))
        process.send_signal(signal.SIGINT)
        self.end(process, 130)

    def test_device_ends(self):
        config = self.oauth(endpoints=("device", "token"))
        for word, code in (("access_denied", 77), ("expired_token", 75), ("invalid_grant", 77), ("invalid_client", 78)):
            self.server.device = [self.device_answer()]
            self.server.token = [json_reply(400, error=word)]
            self.command("login", "--device", "--config", config, code=code)
        self.server.device = [self.device_answer(expires_in=5, interval=1)]
        self.server.token = [json_reply(400, error="authorization_pending")]
        self.command("login", "--device", "--config", config, code=75)
        for answer, code in ((json_reply(200, device_code="d"), 65), (json_reply(401, error="invalid_client"), 78), (reply(503), 75)):
            self.server.device = [answer]
            self.command("login", "--device", "--config", config, code=code)
        self.assertFalse(self.session_file.exists())

    def test_way_is_chosen_by_what_there_is(self):
        self.server.device = [self.device_answer()]
        both = self.oauth(endpoints=("authorization", "token", "device"))
        # Without a display the device's; with one the browser's, but not over SSH.
        self.command("login", "--config", both)
        self.command("login", "--config", both, env={"DISPLAY": ":0", "SSH_CONNECTION": "1 2 3 4"})
        self.assertEqual(len(self.server.requests("/device")), 2)
        process = self.waiting("--config", both, BROWSER="/bin/true")
        self.assertIn("/authorize?", self.url_of(process))
        # Discovery knows the device's endpoint.
        self.server.metadata = {"issuer": self.server.url, "token_endpoint": self.server.url + "/token",
                                "authorization_endpoint": self.server.url + "/authorize", "device_authorization_endpoint": self.server.url + "/device"}
        found = self.oauth(f"issuer: {self.server.url}", endpoints=(), name="found.yaml")
        self.command("login", "--config", found, "--replace")
        self.assertEqual(len(self.server.requests("/device")), 3)

    # By a refresh token

    def test_refresh_token(self):
        config = self.oauth()
        result = self.command("login", "--config", config, "--refresh-token", "-", input="given\n")
        self.assertIn("logged in as customer alice", result.stdout)
        self.assertEqual(form(self.server.requests("/token")[0]), {"grant_type": "refresh_token", "refresh_token": "given", "client_id": "tool"})
        self.assertEqual(self.record()["refresh_token"], "r1")
        before = self.session_file.read_bytes()
        for answer, code in ((json_reply(400, error="invalid_grant"), 77), (json_reply(401, error="invalid_client"), 78), (json_reply(503), 75)):
            self.server.token = [answer]
            self.command("login", "--config", config, "--refresh-token", "-", input="given\n", code=code)
            self.assertEqual(self.session_file.read_bytes(), before)
        self.command("login", "--config", config, "--refresh-token", "-", input="", code=65)
        self.command("login", "--config", config, "--refresh-token", "given", code=64)

    def test_refresh_token_whose_answer_is_lost(self):
        config = self.oauth()
        self.server.token[:0] = [lambda _: None]
        result = self.command("login", "--config", config, "--refresh-token", "-", input="given\n", code=75)
        self.assertIn("kept in", result.stderr)
        self.assertEqual(self.record()["refresh_token"], "given")
        token = self.command("token", "--config", config).stdout.strip()
        self.assertEqual(token, ALICE)
        self.assertEqual([form(request)["refresh_token"] for request in self.server.requests("/token")], ["given", "given"])

    def test_a_login_whose_answer_is_lost_ends_the_former_history(self):
        config = self.oauth()
        self.command("login", "--config", config, "--refresh-token", "-", input="former\n")
        self.command("token", "--config", config, "--min-ttl", "9999h")
        def status(): return json.loads(self.command("status", "--config", config, "--json").stdout)
        self.assertEqual(len(status()["history"]), 1)
        self.server.token[:0] = [lambda _: None]
        self.command("login", "--config", config, "--refresh-token", "-", "--replace", input="given\n", code=75)
        self.assertEqual((status()["history"], status()["last_refresh"]), ([], None))
        self.command("token", "--config", config)
        self.assertIsNotNone(status()["signed_in_at"])

    def test_refresh_token_whose_answer_is_lost_and_that_is_never_sent_again(self):
        """It would not be tried again: a living session does not give way to it."""
        config = self.oauth(session="  retry-lost: never\n")
        self.command("login", "--config", config, "--refresh-token", "-", input="first\n")
        before = self.session_file.read_text()
        self.server.token[:0] = [lambda _: None]
        error = self.command("login", "--config", config, "--refresh-token", "-", input="given\n", code=75).stderr
        self.assertIn("The session is as it was", error)
        self.assertEqual(self.session_file.read_text(), before)
        self.assertEqual(self.command("token", "--config", config).stdout.strip(), ALICE)

    def test_refresh_token_beside_an_unusable_token_is_kept(self):
        """What it was had for is spent, whatever that was."""
        config = self.oauth(endpoints=("authorization", "token", "device", "revocation"))
        self.server.device = [self.device_answer()]
        good = self.server.token[-1]
        for number, (option, members) in enumerate(((["--refresh-token", "-"], {"access_token": "two words"}), (["--device"], {}),
                                                    (["--browser"], {"access_token": "bound", "token_type": "DPoP"}))):
            self.server.token = [json_reply(200, refresh_token=f"kept-{number}", **members), good]
            process = self.waiting(*option, "--config", config)
            if option == ["--browser"]:
                query, redirect = self.asked(self.url_of(process))
                self.browse(redirect, {"code": "c", "state": query["state"]})
            else:
                process.stdin.write("given\n")
            _, err = self.end(process, 78)
            self.assertIn(f"The refresh token is kept in {self.session_file}", err)
            self.assertEqual("Replaced" in err, number > 0, err)
            self.assertEqual((self.record()["refresh_token"], self.record().get("token")), (f"kept-{number}", None))
            self.assertEqual(self.command("token", "--config", config).stdout.strip(), ALICE)
            self.assertEqual(form(self.server.requests("/token")[-1])["refresh_token"], f"kept-{number}")
        self.assertEqual(self.server.requests("/revoke"), [])
        self.assertIn("alice", self.command("status", "--config", config).stdout)

    def test_signals_wait_for_what_works_once(self):
        """What came is saved before a signal ends the command; a second one ends it at once."""
        config = self.oauth()
        # A terminal that goes may say so twice, and a service manager with SIGTERM before: that is no hurry.
        for kind, signals in (("login", [signal.SIGINT]), ("token", [signal.SIGTERM, signal.SIGHUP]), ("token", [signal.SIGHUP, signal.SIGHUP]),
                              ("token", [signal.SIGTERM, signal.SIGTERM])):
            with self.subTest(kind, signals=signals):
                arrived, go = threading.Event(), threading.Event()

                def answer(_):
                    arrived.set()
                    go.wait(LIMIT)
                    return json_reply(200, access_token=ALICE, refresh_token="next", expires_in=3600)

                self.server.token = [answer]
                if kind == "login":
                    process = self.waiting("--config", config, "--refresh-token", "-")
                    process.stdin.write("given\n")
                    process.stdin.close()
                else:
                    record = {"version": 1, "token": "old", "refresh_token": "given", "expires_at": 1}
                    self.session_file.write_text(json.dumps(record))
                    process = self.waiting("--config", config, command="token")
                self.assertTrue(arrived.wait(LIMIT))
                process.send_signal(signals[0])
                said = [process.stderr.readline() for _ in range(3)]
                self.assertIn("works once", "".join(said))
                if len(signals) > 1: process.send_signal(signals[1])
                if signals == [signal.SIGTERM] * 2:
                    # One that comes with the first, as timeout(1) has it, is its echo.
                    self.until(lambda: process.poll() is not None or process.send_signal(signals[1]), "it waits on")
                    self.assertEqual(process.wait(LIMIT), -signal.SIGTERM)
                    go.set()
                    self.assertEqual(self.record()["refresh_token"], "given")
                    continue
                go.set()
                self.assertEqual(process.wait(LIMIT), -signals[0])
                self.assertEqual(process.stdout.read(), "")
                self.assertEqual(self.record()["refresh_token"], "next")

    def test_signals_do_not_wait_for_a_connection(self):
        """Nothing was sent: the token is as good as before, and nobody waits."""
        with socket.create_server(("127.0.0.1", 0)) as silent:
            # It accepts, and never says a word of the handshake.
            config = self.oauth(f"token-endpoint: https://127.0.0.1:{silent.getsockname()[1]}/token", endpoints=())
            record = {"version": 1, "token": "old", "refresh_token": "given", "expires_at": 1}
            self.session_file.write_text(json.dumps(record))
            process = self.waiting("--config", config, command="token", SQUIRE_UPSTREAM="http://127.0.0.1:9")
            silent.settimeout(LIMIT)
            connection, _ = silent.accept()
            begun = time.monotonic()
            process.send_signal(signal.SIGTERM)
            self.assertEqual(process.wait(LIMIT), -signal.SIGTERM)
            self.assertLess(time.monotonic() - begun, 5)
            connection.close()
            self.assertEqual(process.stderr.read(), "")
            self.assertEqual(self.record()["refresh_token"], "given")
            self.assertNotIn("unanswered", self.record())

    def test_unreachable_server(self):
        config = self.oauth("token-endpoint: http://127.0.0.1:9/token", "authorization-endpoint: http://127.0.0.1:9/authorize",
                            endpoints=())
        self.command("login", "--config", config, "--refresh-token", "-", input="given\n", code=75)
        process = self.waiting("--config", config)
        query, redirect = self.asked(self.url_of(process))
        self.browse(redirect, {"code": "c", "state": query["state"]})
        self.end(process, 69)

    # Which options go with what

    def test_options(self):
        config = self.oauth()
        self.command("login", "--config", config, "--email", "a@b.c", "--code", "1", code=64)
        self.command("login", "--config", config, "--browser", "--device", code=64)
        self.command("login", "--config", config, "--browser", "--token", "-", code=64)
        recipe = self.config("http://127.0.0.1:9")
        for option in (["--browser"], ["--device"], ["--refresh-token", "-"]):
            self.command("login", "--config", recipe, *option, input="x\n", code=64)
        self.command("login", "--config", recipe, code=64)
        machine = self.oauth("grant: client-credentials", "client-secret: s", endpoints=("token",), name="machine.yaml")
        for option in (["--browser"], ["--device"], ["--refresh-token", "-"], ["--token", "-"], ["--email", "a@b.c"]):
            self.assertIn("needs no login", self.command("login", "--config", machine, *option, input="x\n", code=64).stderr)
        self.assertIn("needs no login", self.command("login", "--config", machine).stderr + self.command("login", "--config", machine).stdout.replace("no login is needed", "needs no login"))
        self.server.token = [json_reply(401, error="invalid_client")]
        self.command("login", "--config", machine, code=78)
        self.server.token = [json_reply(503)]
        self.command("login", "--config", machine, code=75)

    # Logging out

    def logged_in(self, *lines, endpoints=("authorization", "token", "revocation")):
        config = self.oauth(*lines, endpoints=endpoints)
        self.command("login", "--config", config, "--refresh-token", "-", "--replace", input="given\n")
        return config

    def revoked(self):
        return [(form(request)["token"], form(request)["token_type_hint"]) for request in self.server.requests("/revoke")]

    def test_logout_revokes_the_refresh_token_first(self):
        config = self.logged_in()
        self.assertIn("logged out", self.command("logout", "--config", config).stdout)
        self.assertEqual(self.revoked(), [("r1", "refresh_token"), (ALICE, "access_token")])
        self.assertEqual(json.loads(self.command("status", "--json", "--config", config).stdout)["state"], "none")
        self.command("logout", "--config", config)
        self.assertEqual(len(self.revoked()), 2)

    def signed_out(self, endpoints=("authorization", "token", "revocation")):
        """A client signs out at the API, through the proxy. Returns Squire."""
        config = self.oauth(session="  sign-out: [POST /logout]\n", upstream=self.upstream().url, endpoints=endpoints)
        self.command("login", "--config", config, "--refresh-token", "-", "--replace", input="given\n")
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, "POST", "/logout", b"").status, 200)
        self.assertEqual(self.fetch(squire).status, 401)
        return squire

    def test_a_sign_out_at_the_api_revokes_too(self):
        """The API knows nothing of the refresh token, with which whoever has a copy could go on."""
        squire = self.signed_out()
        self.until(lambda: len(self.server.requests("/revoke")) == 2, squire.text())
        self.assertEqual(self.revoked(), [("r1", "refresh_token"), (ALICE, "access_token")])
        squire.stop()
        self.assertNotIn("lives on", squire.text())

    def test_a_sign_out_at_the_api_of_what_cannot_be_revoked(self):
        self.server.revoke = [reply(503)]
        self.signed_out().wait_for_text("lives on at its source: revocation: status 503")
        self.signed_out(endpoints=("authorization", "token")).wait_for_text("lives on at its source: the authorization server has no way to end tokens")

    def test_a_sign_out_at_the_api_of_an_access_token_alone(self):
        """The API has ended all that there was."""
        upstream = self.upstream()
        config = self.oauth("grant: client-credentials", "client-secret: s", session="  sign-out: [POST /logout]\n", upstream=upstream.url,
                            endpoints=("token", "revocation"))
        self.server.token = [json_reply(200, access_token=ALICE, expires_in=3600)]
        self.server.revoke = [reply(503)]
        squire = self.run_squire(config)
        self.assertEqual([self.fetch(squire, "POST", "/logout", b"").status, self.fetch(squire).status], [200, 200])
        squire.stop()
        self.assertEqual((self.revoked(), "lives on" in squire.text()), ([], False))

    def is_closed(self, port):
        with socket.socket() as one: return one.connect_ex(("127.0.0.1", port)) != 0

    def test_a_stop_waits_for_the_revocation(self):
        entered, proceed = threading.Event(), threading.Event()
        self.addCleanup(proceed.set)
        def slow(_):
            entered.set()
            proceed.wait(LIMIT)
            return reply(200)
        self.server.revoke = [slow]
        squire = self.signed_out()
        self.assertTrue(entered.wait(LIMIT))
        squire.process.send_signal(signal.SIGTERM)
        squire.wait_for_text("stopping: a session that a client has ended is ended at its source")
        self.until(lambda: self.is_closed(squire.port), "it goes on listening")
        proceed.set()
        self.assertEqual(squire.stop(), 0)
        self.assertEqual(len(self.revoked()), 2)

    def test_logout_that_fails(self):
        config = self.logged_in()
        self.server.revoke = [reply(503)]
        self.command("logout", "--config", config, code=75)
        self.assertEqual(self.record()["refresh_token"], "r1")
        self.server.revoke = [reply(200), reply(503)]
        result = self.command("logout", "--config", config)
        self.assertIn("lives on", result.stderr)
        self.assertNotIn("refresh_token", self.record())

    def test_logout_after_a_lost_answer(self):
        """Not every server ends the successor of a refresh token with it."""
        config = self.oauth(endpoints=("authorization", "token", "revocation"))
        self.server.token[:0] = [lambda _: None]
        self.command("login", "--config", config, "--refresh-token", "-", input="given\n", code=75)
        self.assertIn("the session may live on with that", self.command("logout", "--config", config).stderr)
        self.assertEqual(self.revoked(), [("given", "refresh_token")])
        self.assertNotIn("warning", self.command("logout", "--config", self.logged_in()).stderr)

    def test_logout_without_a_way(self):
        config = self.logged_in(endpoints=("authorization", "token"))
        self.assertIn("live on", self.command("logout", "--config", config).stderr)
        self.assertNotIn("token", self.record())
        config = self.logged_in()
        self.command("logout", "--local", "--config", config)
        self.assertEqual(self.revoked(), [])

    def test_logout_by_a_request_of_the_servers_own(self):
        """`revocation` says what is sent, with the access token; where that is refused, it has ended before."""
        def respond(request):
            if not request.target.startswith("/end"): return json_reply(200, access_token="a2", refresh_token="r2", expires_in=3600)
            return reply(status)

        status = 200

        server = self.upstream(respond)
        config = self.config("https://api.example.com", "", "  oauth:\n    client-id: c\n"
                             f"    token-endpoint: {server.url}/token\n    authorization-endpoint: {server.url}/authorize\n"
                             f"    revocation: {{method: POST, url: '{server.url}/end?all=1', body: all=true}}\n", profile="")
        self.command("login", "--config", config, "--refresh-token", "-", "--replace", input="given\n")
        self.assertIn("logged out", self.command("logout", "--config", config).stdout)
        request = server.requests[-1]
        self.assertEqual((request.line, request.token, request["Content-Type"], request.payload),
                         ("POST /end?all=1 HTTP/1.1", "a2", "application/x-www-form-urlencoded", b"all=true"))
        self.assertEqual(len(server.requests), 2)
        # An access token that has ended, maybe for its age, ends nothing: nobody is told that the login has ended.
        status = 401
        self.command("login", "--config", config, "--refresh-token", "-", "--replace", input="given\n")
        result = self.command("logout", "--config", config)
        self.assertIn("the refresh token is forgotten here, but may live on there", result.stderr)
        self.assertNotIn("refresh_token", self.record())

    def test_logout_ends_what_a_login_replaced(self):
        config = self.logged_in()
        self.server.token = [json_reply(200, access_token="a2", refresh_token="r2", expires_in=3600)]
        self.command("login", "--config", config, "--refresh-token", "-", input="given2\n")
        self.assertIn("removed", self.command("logout", "--config", config).stdout)
        self.assertEqual([token for token, _ in self.revoked()], ["r2", "a2", "r1", ALICE])


if __name__ == "__main__":
    main()
