"""Sending again and composing by the inspector, the history of tokens, and what its settings say."""
from harness import *
from test_inspector import HEADER
from test_inspector_api import JSON, Listed


class Sending(Listed):
    def replay(self, squire, id, **members):
        return self.ask(squire, "POST", f"/api/exchanges/{id}/replay", JSON if members else HEADER, json.dumps(members) if members else None)

    def compose(self, squire, **members):
        return self.ask(squire, "POST", "/api/exchanges", JSON, json.dumps(members))

    def last(self, squire):
        return self.list(squire)["exchanges"][-1]

    def seen(self, upstream):
        return [request for request in upstream.requests if "refresh" not in request.target]


class Replays(Sending):
    def test_the_same_octets_go_again_under_the_token_of_now(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if "refresh" in request.target: return token_reply(new)
            return reply(401 if request.token == old else 201, b"{}", "Content-Type: application/json")
        squire, upstream = self.inspected(respond, token=old)
        body = bytes(range(256)) * 200
        self.proxy(squire, "POST", "/api/orders?a=%2Fb&c", body, {"X-Mine": "a\tb", "Content-Type": "application/x-thing", "Authorization": "Bearer mine"})
        first = self.last(squire)
        answer = self.replay(squire, first["id"])
        self.assertEqual(answer.status, 201, answer.data)
        again = answer.json
        self.assertEqual(answer.getheader("Location"), f"/api/exchanges/{again['id']}")
        self.assertEqual((again["origin"], again["replay_of"], again["status"], again["attempts"], again["state"], again["generation"]),
                         ("replay", first["id"], 201, 1, "done", 2))
        before, after = self.seen(upstream)[-2:]
        self.assertEqual((after.method, after.target, after.body, after.token), ("POST", "/api/orders?a=%2Fb&c", body, new))
        names = lambda request: [field for field in request.fields if field[0].lower() != "x-request-id"]
        self.assertEqual(names(after), names(before))
        # One more request each time, and a replay's replay names the replay.
        count = len(self.seen(upstream))
        third = self.replay(squire, again["id"], method="PUT", target="/api/other", fields=[["X-Other", "1"]], body="")
        self.assertEqual((third.status, third.json["replay_of"], third.json["method"]), (201, again["id"], "PUT"))
        self.assertEqual(len(self.seen(upstream)), count + 1)
        last = self.seen(upstream)[-1]
        self.assertEqual((last.method, last.target, last.body, last["X-Other"], last["X-Mine"]), ("PUT", "/api/other", b"", "1", None))
        self.assertEqual([row["origin"] for row in self.list(squire)["exchanges"]], ["client", "replay", "replay"])
        for secret in (old, new): self.assertNotIn(secret, json.dumps(self.list(squire)) + answer.data.decode())

    def test_a_complete_target_goes_again_without_its_base_path_twice(self):
        upstream = self.upstream()
        config = self.config(upstream.url + "/v1", profile="", session="  anonymous: [/open/**]\n")
        self.save_token(jwt(), config)
        squire = self.run_squire(config, "--inspector", "127.0.0.1:0")
        squire.wait_for("inspector")
        squire.proxy, squire.port = squire.port, int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        for target, shown in ((f"{upstream.url}/v1/open/x?a", "/open/x?a"), (f"{upstream.url}/v1?a", "/?a")):
            self.proxy(squire, "GET", target)
            self.assertEqual(self.last(squire)["target"], shown)
            again = self.replay(squire, self.last(squire)["id"])
            self.assertEqual((again.status, again.json["target"]), (201, shown))
        self.assertEqual([(request.target, request.token != "") for request in upstream.requests[-4:]],
                         [("/v1/open/x?a", False), ("/v1/open/x?a", False), ("/v1?a", True), ("/v1/?a", True)])

    def test_only_a_field_that_the_session_replaces_is_dropped(self):
        squire, upstream = self.inspected(lambda request: reply(200, b"{}"), profile="", session="  apply: 'X-Token: {token}'\n  anonymous: [/open/**]\n")
        mine = {"Authorization": "Basic Zm9vOmJhcg==", "X-Token": "mine-abcdefgh", "X_Token": "mine-abcdefgh"}
        for target, name, missing in (("/x", "X-Token", None), ("/x", "X_Token", None), ("/x", "Authorization", ["field Authorization"]),
                                      ("/open/x", "X-Token", ["field X-Token"]), ("/open/x", "Authorization", ["field Authorization"])):
            self.proxy(squire, "GET", target, None, {name: mine[name]})
            row = self.ask(squire, "GET", f"/api/exchanges/{self.last(squire)['id']}").json
            self.assertEqual(row["request"]["replaced"], "X-Token" if target == "/x" else None)
            answer = self.replay(squire, row["id"])
            self.assertEqual((answer.status, answer.json.get("missing")), (409 if missing else 201, missing), (target, name))
        self.assertEqual(self.ask(squire, "GET", "/api/status").json["copy"]["apply"], {"field": "X-Token", "prefix": "", "suffix": ""})

    def test_without_a_session_a_credential_is_the_clients(self):
        upstream = self.upstream()
        config = pathlib.Path(self.config(upstream.url, profile=""))
        config.write_text(config.read_text().replace(f"session:\n  file: {self.session_file}\n", "session: none\n"))
        squire = self.run_squire(str(config), "--inspector", "127.0.0.1:0")
        squire.wait_for("inspector")
        squire.proxy, squire.port = squire.port, int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        self.proxy(squire, "GET", "/x", None, {"Authorization": "Bearer mine"})
        answer = self.replay(squire, self.last(squire)["id"])
        self.assertEqual((answer.status, answer.json["missing"]), (409, ["field Authorization"]))
        self.assertIsNone(self.ask(squire, "GET", "/api/status").json["copy"]["apply"])

    def test_what_is_not_there_is_not_sent(self):
        squire, upstream = self.inspected(lambda request: reply(200, b"{}", "Content-Type: application/json"))
        cases = (
            ("GET", "/api/a", None, {"Cookie": "a=b"}, "redacted", ["field Cookie"], {"fields": []}),
            ("GET", "/api/b?token=abc", None, {}, "redacted", ["query token"], {"target": "/api/b"}),
            ("POST", "/api/c", b'{"password":"x"}', {"Content-Type": "application/json"}, "redacted", ["/password"], {"body": "{}"}),
            ("POST", "/api/d", b"x" * 70_000, {"Content-Type": "text/plain", "Cookie": "a=b"}, "cut", ["body", "field Cookie"], {"body": "x", "fields": []}),
            # Squire turned it away; from the inspector it would pass.
            ("GET", "/api/e", None, {"Host": "evil.test"}, "refused", ["target", "fields"], {"target": "/api/e", "fields": []}),
        )
        for method, target, body, fields, why, missing, given in cases:
            self.proxy(squire, method, target, body, fields)
            row = self.last(squire)
            count = len(upstream.requests)
            answer = self.replay(squire, row["id"])
            self.assertEqual((answer.status, answer.code), (409, "not_replayable"), (target, answer.data))
            self.assertEqual((answer.json["why"], answer.json["missing"]), (why, missing), target)
            self.assertEqual(len(upstream.requests), count)
            self.assertEqual(self.replay(squire, row["id"], **given).status, 201, target)
        for id, code in (("0000-1", "not_found"), ("nonsense", "not_found")):
            answer = self.replay(squire, id)
            self.assertEqual((answer.status, answer.code), (404, code))

    def test_whatever_came_of_it_is_an_exchange(self):
        squire, upstream = self.inspected(lambda request: None if "gone" in request.target else reply(503, b""))
        answer = self.compose(squire, method="GET", target="/bad")
        self.assertEqual((answer.status, answer.json["status"], answer.json["origin"], answer.json["replay_of"]), (201, 503, "composer", None))
        answer = self.compose(squire, method="POST", target="/api/gone", body="x")
        self.assertEqual((answer.status, answer.json["status"], answer.json["code"]), (201, 502, "upstream_reset"))

    def test_nothing_else_can_be_sent(self):
        squire, upstream = self.inspected()
        for members, field in (
            ({"target": "http://evil/"}, "target"), ({"target": "//evil"}, "target"), ({"target": "/a b"}, "target"), ({}, "target"),
            ({"target": "/", "method": "CONNECT"}, "method"), ({"target": "/", "method": "G ET"}, "method"),
            ({"target": "/", "fields": [["Host", "evil"]]}, "Host"), ({"target": "/", "fields": [["Transfer-Encoding", "chunked"]]}, "Transfer-Encoding"),
            ({"target": "/", "fields": [["X-Squire-Key", "k"]]}, "X-Squire-Key"), ({"target": "/", "fields": [["X-A", "a\r\nHost: evil"]]}, "X-A"),
            ({"target": "/", "body": "a", "body_base64": "YQ=="}, "body"), ({"target": "/", "url": "x"}, "url"),
        ):
            answer = self.compose(squire, **members)
            self.assertEqual((answer.status, answer.code, answer.json["field"]), (422, "invalid_request", field), members)
        for fields, body, status, code in ((HEADER, b"[]", 415, "unsupported_media_type"), (JSON, b"[]", 400, "bad_request"), (JSON, b"{", 400, "bad_request"),
                                           ({"Content-Type": "application/json"}, b'{"target":"/"}', 403, "header_required")):
            answer = self.ask(squire, "POST", "/api/exchanges", fields, body)
            self.assertEqual((answer.status, answer.code), (status, code))
        self.assertEqual(upstream.requests, [])

    def test_with_a_key_on_a_unix_socket_and_while_nothing_is_recorded(self):
        key = self.directory / "key"
        key.write_text("0123456789abcdef\n")
        key.chmod(0o600)
        path = self.directory / "s.sock"
        upstream = self.upstream(lambda request: reply(200, b"ok"))
        config = self.config(upstream.url, extra=f"access: {{key: {key}}}\nauthorization: fill\n")
        text = pathlib.Path(config).read_text()
        pathlib.Path(config).write_text(text.replace("listen: 127.0.0.1:0", f"listen: 'unix:{path}'").replace('inspector: "off"', "inspector: {listen: 127.0.0.1:0, record: off, keep: 1MiB}"))
        self.save_token(jwt(), config)
        squire = Process("run", "--config", config, env=self.env)
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("inspector").endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        keyed = {**JSON, "X-Squire-Key": "0123456789abcdef"}
        answer = self.ask(squire, "POST", "/api/exchanges", keyed, json.dumps({"target": "/api/x", "fields": [["Authorization", "Bearer own"]]}))
        self.assertEqual((answer.status, answer.json["status"]), (201, 200), answer.data)
        self.assertEqual((upstream.requests[-1].token, upstream.requests[-1]["X-Squire-Key"]), ("own", None))
        self.assertNotIn("0123456789abcdef", answer.data.decode())
        status = self.ask(squire, "GET", "/api/status", keyed).json
        self.assertEqual(status["inspector"], {"keep": 1 << 20, "body": 64 << 10, "record": "off", "key": True})
        copy = status["copy"]
        self.assertEqual((copy["proxy"], copy["socket"], copy["upstream"], copy["key_file"]), (None, str(path), upstream.url, str(key)))
        self.assertEqual(copy["token_command"], f"squire token --config {os.path.realpath(config)}")
        # The client's own credential is gone, and nobody replaces it.
        answer = self.ask(squire, "POST", f"/api/exchanges/{answer.json['id']}/replay", keyed)
        self.assertEqual((answer.status, answer.json["why"], answer.json["missing"]), (409, "redacted", ["field Authorization"]))

    def test_a_copy_knows_the_way_to_the_upstream(self):
        """For the form that goes there directly: without what is secret."""
        ca, key = certificate(self.directory, "ca")
        squire, _ = self.inspected(extra=f"tls: {{ca: ca.pem, certificate: ca.pem, key: ca.key}}\nproxy: http://jo:hush@proxy.test:3128\n")
        answer = self.ask(squire, "GET", "/api/status")
        self.assertEqual(answer.json["copy"]["way"], {"ca": str(ca), "certificate": str(ca), "key": str(key), "proxy": "http://proxy.test:3128", "proxy_login": True})
        self.assertNotIn(b"hush", answer.data)
        squire, _ = self.inspected()
        way = self.ask(squire, "GET", "/api/status").json["copy"]["way"]
        self.assertEqual(way, {"ca": None, "certificate": None, "key": None, "proxy": None, "proxy_login": False})

    def test_a_stream_does_not_hold_up_the_end(self):
        done = threading.Event()
        self.addCleanup(done.set)
        def respond(request):
            # The head goes at once; the rest never comes.
            upstream.sockets[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\ndata: 1\n\n")
            done.wait(LIMIT)
            return None
        squire, upstream = self.inspected(respond)
        caller = threading.Thread(target=self.quietly, args=(squire,), daemon=True)
        caller.start()
        self.until(lambda: any(row["status"] == 200 for row in self.list(squire)["exchanges"]), "the stream")
        began = time.monotonic()
        self.assertEqual(squire.stop(), 0)
        self.assertLess(time.monotonic() - began, 4)
        caller.join(LIMIT)

    def quietly(self, squire):
        with contextlib.suppress(Exception):
            self.compose(squire, target="/stream")


class Generations(Sending):
    def test_what_became_of_the_tokens(self):
        tokens = [jwt(jti=str(index)) for index in range(3)]
        state = {"good": tokens[0], "next": tokens[1]}
        def respond(request):
            if "refresh" in request.target:
                if state["next"] is None: return reply(503, b"", "Retry-After: 7")
                state["good"] = state["next"]
                return token_reply(state["next"])
            return reply(200 if request.token == state["good"] else 401, b"{}", "Content-Type: application/json")
        squire, upstream = self.inspected(respond, token=tokens[0])
        self.proxy(squire)
        state["good"] = None
        self.proxy(squire)
        led = self.last(squire)
        book = self.ask(squire, "GET", "/api/generations").json
        first, second = book["generations"]
        self.assertEqual([first[name] for name in ("generation", "from", "cause", "ended_by", "served", "refused", "running")], [1, "stored", None, "rejected", 1, 1, 0])
        self.assertEqual([second[name] for name in ("generation", "from", "cause", "ended_by", "ended_at", "served", "refused", "led_by", "waiters")],
                         [2, "refresh", "rejected", None, None, 1, 0, led["id"], 0])
        self.assertEqual((first["ended_at"], type(second["took_ms"]), second["subject"]), (second["at"], int, self.ask(squire, "GET", "/api/status").json["session"]["subject"]))
        state["next"] = None
        self.assertEqual(self.ask(squire, "POST", "/api/session/refresh", HEADER).status, 409)
        state["next"] = tokens[2]
        book = self.ask(squire, "GET", "/api/generations").json
        failure = book["failures"][0]
        self.assertEqual((failure["cause"], failure["class"], failure["status"]), ("manual", "unavailable", 503))
        self.assertIsNotNone(failure["retry_at"])
        self.assertEqual(len(book["generations"]), 2)
        for token in tokens: self.assertNotIn(token, json.dumps(book))

    def test_another_login_is_told_and_the_first_sign_in_stays(self):
        squire, upstream = self.inspected(lambda request: token_reply(jwt(jti="r")) if "refresh" in request.target else reply(200, b""), token=jwt())
        signed_in = lambda: self.ask(squire, "GET", "/api/status").json["session"]["signed_in_at"]
        before = signed_in()
        self.assertRegex(before, r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertEqual(self.ask(squire, "POST", "/api/session/refresh", HEADER).status, 200)
        self.assertEqual(signed_in(), before)
        self.save_token(jwt(jti="other", sub="somebody"), squire.config)
        self.until(lambda: len(self.ask(squire, "GET", "/api/generations").json["generations"]) == 3, "the other login")
        book = self.ask(squire, "GET", "/api/generations").json
        self.assertEqual([entry["from"] for entry in book["generations"]], ["stored", "refresh", "login"])
        self.assertEqual([entry["ended_by"] for entry in book["generations"]], ["manual", "login", None])
        self.assertEqual(book["events"][-1]["what"], "login")


class Settings(Sending):
    def test_a_reload_changes_what_is_kept(self):
        squire, _ = self.inspected()
        path = pathlib.Path(squire.config)
        path.write_text(path.read_text().replace('inspector: "off"', "inspector: {listen: off, keep: 1MiB, body: 4KiB, record: failures}"))
        answer = self.ask(squire, "POST", "/api/reload", HEADER)
        self.assertEqual((answer.status, answer.json["changed"], answer.json["restart"]), (200, ["inspector.body", "inspector.keep", "inspector.record"], []))
        status = self.ask(squire, "GET", "/api/status").json
        self.assertEqual(status["inspector"], {"keep": 1 << 20, "body": 4096, "record": "failures", "key": False})
        self.proxy(squire)
        self.assertEqual(self.list(squire)["exchanges"], [])
        path.write_text(path.read_text().replace("listen: off", "listen: 127.0.0.1:1"))
        self.assertIn("127.0.0.1:1, keeps 1MiB, 4KiB of each body, records what goes wrong", self.command("check", "--config", squire.config).stdout)

    def test_what_a_running_exchange_was_told_stays_secret_after_a_reload(self):
        """The header that it carries is gone from the file when it ends, and the token goes in another field."""
        gate = threading.Event()
        self.addCleanup(gate.set)

        def respond(request):
            if request.target.startswith("/slow"): gate.wait(LIMIT)
            return reply(200, json.dumps({"echo": request["X-Thing"]}).encode(), "Content-Type: application/json")

        squire, upstream = self.inspected(respond, profile="")
        file = pathlib.Path(squire.config)
        after = file.read_text().replace("session:\n", 'session:\n  apply: "X-Ticket: {token}"\n')
        file.write_text(file.read_text().replace("headers:\n", 'headers:\n  X-Thing: {value: "former-secret", secret: true}\n  X-Pin: {value: "0417", secret: true}\n'))
        self.assertEqual(self.ask(squire, "POST", "/api/reload", HEADER).status, 200)
        client = threading.Thread(target=self.proxy, args=(squire, "GET", "/slow?x=former-secret"))
        client.start()
        upstream.wait_for_requests(1)
        file.write_text(after)
        self.assertEqual(self.ask(squire, "POST", "/api/reload", HEADER).status, 200)
        gate.set()
        client.join()
        shown = self.ask(squire, "GET", f"/api/exchanges/{self.last(squire)['id']}")
        for secret in ("former-secret", "0417"): self.assertNotIn(secret, shown.data.decode())
        fields = [name for name, _ in shown.json["sent"]["fields"]]
        self.assertEqual((shown.json["request"]["replaced"], "Authorization" in fields, "X-Ticket" in fields), ("Authorization", True, False))


if __name__ == "__main__":
    main()
