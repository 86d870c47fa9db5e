"""The token's life: refused, refreshed, sent again; once, for everyone."""
import fcntl, gzip, hashlib, random, re, select, stat, subprocess, threading, time, zlib
from harness import *


class Refresh(Scenario):
    def api(self, accepted, refreshed=None):
        """An API that accepts the tokens in `accepted`; a refresh adds and answers with the next of `refreshed`."""
        queue = list(refreshed or [])
        lock = threading.Lock()

        def respond(request):
            if request.target == "/api/customers/refresh":
                with lock:
                    if not queue:
                        return reply(401, b"dead")
                    accepted.add(queue[0])
                    return token_reply(queue.pop(0))
            return reply(200, request.payload) if request.token in accepted else reply(401, b"original refusal", "X-Mark: upstream")
        return respond

    def refreshes(self, upstream):
        return [request for request in upstream.requests if request.target == "/api/customers/refresh"]

    def test_revoked_token_is_refreshed_and_the_request_sent_again(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        squire, upstream = self.proxied(self.api(set(), [new]), token=old)
        response = self.fetch(squire, "POST", "/api/orders?a=b|c;d", b"{}", {"Content-Type": "application/json"})
        self.assertEqual((response.status, response.data), (200, b"{}"))
        first, refresh, second = upstream.requests
        self.assertEqual([r.token for r in upstream.requests], [old, old, new])
        self.assertEqual(first.line, second.line)
        self.assertEqual(first.body, second.body)
        self.assertEqual(first["X-Request-ID"], second["X-Request-ID"])
        self.assertNotEqual(first["X-Request-ID"], refresh["X-Request-ID"])
        self.assertEqual(len(second.all("Authorization")), 1)
        for name, value in HEADERS.items():
            self.assertEqual(refresh.all(name), [value])
        self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
        self.assertEqual(self.session_file.stat().st_mode & 0o777, 0o600)

    def test_what_one_process_is_told_counts_for_all(self):
        """A pause that the API asks for: the proxy, a command, a proxy that starts later."""
        squire, upstream = self.proxied(lambda request: reply(429, b"", "Retry-After: 600"), token=jwt(life=3600, age=7200))
        self.assertEqual(self.fetch(squire).status, 503)
        self.assertEqual(len(upstream.requests), 1)
        error = self.command("token", "--config", squire.config, code=75).stderr
        self.assertRegex(error, r"status 429.*try again in (59\d|60[01]) s")
        self.assertRegex(self.command("status", "--config", squire.config).stdout, r"next try is due in (59\d|60[01]) s")
        self.assertEqual(squire.stop(), 0)
        response = self.fetch(self.run_squire(squire.config))
        self.assertEqual(response.status, 503)
        self.assertGreater(int(response.getheader("Retry-After")), 500)
        self.assertEqual(len(upstream.requests), 1)
        # A login ends it.
        self.save_token(jwt(life=3600, age=7200, jti="other"), squire.config)
        self.command("token", "--config", squire.config, code=75)
        self.assertEqual(len(upstream.requests), 2)

    def test_200_requests_at_expiry_one_refresh(self):
        old, new = jwt(life=3600, age=7200, jti="old"), jwt(jti="new")
        squire, upstream = self.proxied(self.api(set(), [new]), token=old, arguments=("--workers", "2"))
        responses = parallel(200, lambda index: self.fetch(squire, target=f"/api/{index}"))
        self.assertEqual([getattr(r, "status", r) for r in responses], [200] * 200)
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_200_requests_with_a_revoked_token_one_refresh(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        squire, upstream = self.proxied(self.api(set(), [new]), token=old)
        responses = parallel(200, lambda index: self.fetch(squire, "POST", f"/api/{index}", b"body"))
        self.assertEqual([getattr(r, "status", r) for r in responses], [200] * 200)
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_late_refusals_of_an_old_generation_do_not_refresh(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        hold, answer = threading.Event(), self.api(set(), [new, jwt(jti="third")])

        def respond(request):
            if request.target == "/api/slow" and request.token == old:
                hold.wait(LIMIT)
            return answer(request)

        squire, upstream = self.proxied(respond, token=old)
        slow = []
        thread = threading.Thread(target=lambda: slow.append(self.fetch(squire, target="/api/slow")))
        thread.start()
        upstream.wait_for_requests(1)
        self.assertEqual(self.fetch(squire, target="/api/fast").status, 200)
        hold.set()
        thread.join()
        self.assertEqual(slow[0].status, 200)
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_two_processes_share_one_refresh(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        first, upstream = self.proxied(self.api(set(), [new]), token=old)
        second = self.run_squire(first.config)
        responses = parallel(40, lambda index: self.fetch([first, second][index % 2], target=f"/api/{index}"))
        self.assertEqual([getattr(r, "status", r) for r in responses], [200] * 40)
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_token_waits_for_the_refresh_of_another_process(self):
        """What the file holds is dead once the answer is there."""
        old, new = jwt(jti="old"), jwt(jti="new")
        asked, go, answer = threading.Event(), threading.Event(), self.api(set(), [new])

        def respond(request):
            if request.target == "/api/customers/refresh":
                asked.set()
                go.wait(LIMIT)
            return answer(request)

        squire, upstream = self.proxied(respond, token=old)
        fetching = threading.Thread(target=lambda: self.fetch(squire))
        fetching.start()
        self.assertTrue(asked.wait(LIMIT))
        printing = subprocess.Popen([SQUIRE, "token", "--config", squire.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                    env=clean_environment(**self.env), text=True)
        self.assertEqual(select.select([printing.stdout], [], [], 0.2)[0], [])
        go.set()
        out, _ = printing.communicate(timeout=LIMIT)
        fetching.join()
        self.assertEqual((out.strip(), printing.returncode), (new, 0))
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_refused_refresh_gives_the_original_answer_and_is_not_repeated(self):
        squire, upstream = self.proxied(self.api(set()), token=jwt())
        response = self.fetch(squire)
        self.assertEqual((response.status, response.data, response.headers["X-Mark"]), (401, b"original refusal", "upstream"))
        self.assertIn("login needed", response.headers["Proxy-Status"])
        for _ in range(3):
            # The path is left alone from now on.
            response = self.fetch(squire)
            self.assertEqual((response.status, json.loads(response.data)["code"]), (401, "login_needed"))
        self.assertEqual((len(self.refreshes(upstream)), len(upstream.requests)), (1, 2))
        status = json.loads(self.command("status", "--json", "--config", squire.config).stdout)
        self.assertEqual(status["state"], "login_needed")
        # Another token cures it, without a restart.
        fresh = jwt(jti="fresh")
        upstream.respond = self.api({fresh})
        self.save_token(fresh, squire.config)
        deadline = time.monotonic() + LIMIT
        while self.fetch(squire).status != 200:
            self.assertLess(time.monotonic(), deadline)

    def test_failing_refresh_keeps_the_token_and_backs_off(self):
        answer = self.api(set())
        squire, upstream = self.proxied(
            lambda r: reply(503, b"", "Retry-After: 60") if r.target == "/api/customers/refresh" else answer(r), token=jwt())
        for _ in range(5):
            response = self.fetch(squire)
            self.assertEqual((response.status, response.data), (401, b"original refusal"))
        self.assertEqual(len(self.refreshes(upstream)), 1)
        self.assertTrue(json.loads(self.session_file.read_text())["token"])

    def test_lost_reply_is_tried_once_more(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        answer, lost = self.api(set(), [new]), []

        def respond(request):
            if request.target == "/api/customers/refresh" and not lost:
                lost.append(1)
                return None
            return answer(request)

        squire, upstream = self.proxied(respond, token=old)
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual([r.token for r in self.refreshes(upstream)], [old, old])

    def test_answer_that_is_cut_behind_its_json_is_whole(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        head, body = token_reply(new).split(b"\r\n\r\n", 1)
        longer = re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % (len(body) + 1), head) + b"\r\n\r\n" + body
        chunked = re.sub(rb"Content-Length: \d+", b"Transfer-Encoding: chunked", head) + b"\r\n\r\n%x\r\n%s\r\n" % (len(body), body)
        for cut in (longer, chunked):
            api = self.api(set(), [new])
            squire, upstream = self.proxied(lambda r: api(r) and (cut, "close") if "refresh" in r.target else api(r), token=old)
            self.assertEqual(self.fetch(squire).status, 200)
            self.assertEqual([r.token for r in self.refreshes(upstream)], [old])
            self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
            squire.stop()

    def test_the_name_of_a_coding_costs_no_token(self):
        """Servers name codings that nobody knows or that were never applied, and compress without being asked."""
        whole = lambda body: body
        cases = [("utf-8", whole), ("compress", whole), ("gzip", whole), ("br", whole), ("zstd", whole), ("deflate", whole), ("gzip, utf-8", whole),
                 ("gzip", gzip.compress), (None, gzip.compress), ("utf-8", gzip.compress), ("deflate", zlib.compress),
                 # Without zlib's frame, as some servers send it.
                 ("deflate", lambda body: zlib.compress(body)[2:-4]),
                 ("gzip", lambda body: gzip.compress(body)[:-8])]
        for index, (coding, pack) in enumerate(cases):
            with self.subTest(coding=coding, index=index):
                old, new, third = jwt(jti=f"old{index}"), jwt(jti=f"new{index}"), jwt(jti=f"third{index}")
                fields = ["Content-Type: application/json", *([f"Content-Encoding: {coding}"] if coding else [])]
                packed = lambda token: reply(200, pack(token_reply(token).split(b"\r\n\r\n", 1)[1]), *fields)
                accepted, asked = set(), []

                def respond(request):
                    if request.target == "/api/customers/refresh":
                        asked.append((request.token, request["Accept-Encoding"]))
                        accepted.add(new)
                        return packed(new)
                    if request.target == "/api/customers/login":
                        accepted.add(third)
                        return packed(third)
                    return reply(200) if request.token in accepted else reply(401)

                squire, upstream = self.proxied(respond, token=old)
                self.assertEqual(self.fetch(squire).status, 200)
                self.assertEqual(asked, [(old, "identity")])
                self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
                self.assertEqual(self.fetch(squire, "POST", "/api/customers/login", b"{}").status, 200)
                self.assertEqual(json.loads(self.session_file.read_text())["token"], third)
                squire.stop()

    def test_bare_deflate_may_begin_as_text_does(self):
        """A long token with a few repeated octets: the first octet of its dynamic block (RFC 1951) is a carriage return."""
        digits = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
        for seed in range(1000):
            new = "".join(random.Random(seed).choices(digits, k=533))
            body = zlib.compress(json.dumps({"token": new}).encode())[2:-4]
            if body[:1] == b"\r": break
        self.assertEqual(body[:1], b"\r")
        packed = reply(200, body, "Content-Type: application/json", "Content-Encoding: deflate")
        respond = lambda request: packed if request.target == "/refresh" else reply(200 if request.token == new else 401)
        session = "  refresh: {method: POST, path: /refresh, token: /token}\n"
        squire, _ = self.proxied(respond, session=session, token="first-token", profile="")
        self.assertEqual(self.fetch(squire).status, 200)
        # No failure may show the token.
        self.assertTrue(json.loads(self.session_file.read_text())["token"] == new)

    def test_the_parts_of_cut_answers_are_kept(self):
        """The token can be read in one of them, and whoever reads it need not log in."""
        old, new = jwt(jti="old"), jwt(jti="new")
        head, body = token_reply(new).split(b"\r\n\r\n", 1)
        parts = [body[:-1], body[:20]]
        answers = list(parts)

        def respond(request):
            return (head + b"\r\n\r\n" + answers.pop(0), "close") if "refresh" in request.target and answers else reply(401, b"refused")

        squire, upstream = self.proxied(respond, token=old)
        self.assertEqual(self.fetch(squire).status, 401)
        kept = self.session_file.with_name(f"{self.session_file.name}.answer")
        # The second is the shorter: it does not take the place of the first.
        self.assertEqual(kept.read_bytes(), b"\n".join(parts))
        self.assertEqual(stat.S_IMODE(kept.stat().st_mode), 0o600)
        squire.wait_for_text(f"the part that arrived is kept in {kept}")
        self.assertNotIn(new, squire.text())

    def test_token_that_may_be_replaced_is_printed_with_a_word(self):
        old = jwt()
        config = self.config(self.upstream(lambda request: None).url, profile="profile: menu\n")
        self.save_token(old, config)
        self.command("token", "--config", config, "--min-ttl", "2h", code=75)
        said = self.command("token", "--config", config)
        self.assertEqual(said.stdout, f"{old}\n")
        self.assertRegex(said.stderr, r"^squire: The answer to the refresh of .* was lost \(")

    def test_second_refusal_is_the_clients(self):
        squire, upstream = self.proxied(lambda r: token_reply(jwt(jti="new")) if "refresh" in r.target else reply(401, b"no"), token=jwt())
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(len(upstream.requests), 3)
        # Storm control: refreshing did not help, so it is not repeated for a while.
        for _ in range(5):
            self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(len(self.refreshes(upstream)), 1)

    def test_nobody_waits_for_an_answered_request_that_led_to_a_refresh(self):
        """Its answer is a 404: the next request there, which the path rejects, leads to a refresh without a pause."""
        def respond(request):
            if request.target == "/api/customers/refresh": return token_reply(tokens.pop())
            answers = state.setdefault(request.target, [401, 404, 401, 200])
            return reply(answers.pop(0), b"x")

        state, tokens = {}, [jwt(jti=f"token-{number}") for number in range(6)]
        squire, _ = self.proxied(respond)
        taken = []
        for target in ("/api/a", "/api/b", "/api/c"):
            self.assertEqual(self.fetch(squire, target=target).status, 404)
            started = time.monotonic()
            self.assertEqual(self.fetch(squire, target=target).status, 200)
            taken.append(time.monotonic() - started)
        self.assertLess(min(taken), 0.9)

    def test_a_login_in_its_place_is_refreshed_too(self):
        """What a login put there while a request waited, and the API refuses as well: no refresh has been in vain."""
        old, put, new = (jwt(jti=name) for name in ("old", "put", "new"))
        squire, upstream = self.proxied(self.api(set(), [new]), token=old, arguments=("--log-level", "trace"))
        answers = []
        with open(f"{self.session_file}.lock", "rb+") as file:
            # Somebody is about to write: who waits for a refresh waits for that.
            fcntl.flock(file, fcntl.LOCK_EX)
            client = threading.Thread(target=lambda: answers.append(self.fetch(squire)))
            client.start()
            squire.wait_for_text("waits for another token")
            record = json.loads(self.session_file.read_text())
            other = self.session_file.with_name("put.json")
            other.write_text(json.dumps({**record, "token": put, "login": "another"}))
            other.chmod(0o600)
            other.rename(self.session_file)
        client.join()
        self.assertEqual((answers[0].status, answers[0].headers["Proxy-Status"]), (200, None))
        self.assertEqual([r.token for r in self.refreshes(upstream)], [put])
        self.assertEqual([r.token for r in upstream.requests if r.target == "/api/x"], [old, put, new])

    def test_no_session(self):
        squire, upstream = self.proxied(token=False)
        response = self.fetch(squire)
        self.assertEqual(response.status, 401)
        self.assertEqual(json.loads(response.data)["code"], "login_needed")
        self.assertEqual(response.headers["Content-Type"], "application/problem+json")
        self.assertEqual(upstream.requests, [])

    def test_missing_forward_sends_without_bearer(self):
        squire, upstream = self.proxied(token=False, session="  missing: forward\n")
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertIsNone(upstream.requests[0]["Authorization"])

    def test_sign_in_paths_never_refresh_and_learn_the_token(self):
        learned = jwt(jti="learned")
        answers = [reply(401, b'{"code":1000}'), token_reply(learned)]
        squire, upstream = self.proxied(lambda r: answers.pop(0) if r.target.endswith("login") else reply(200))
        response = self.fetch(squire, "POST", "/api/customers/login", b'{"email":"a"}')
        self.assertEqual((response.status, response.data), (401, b'{"code":1000}'))
        self.assertEqual(len(upstream.requests), 1)
        self.assertIsNone(upstream.requests[0]["Authorization"])
        response = self.fetch(squire, "POST", "/api/customers/login", b'{"email":"a"}')
        self.assertEqual(json.loads(response.data)["data"]["token"]["value"], learned)
        self.assertEqual(json.loads(self.session_file.read_text())["token"], learned)
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(upstream.requests[-1].token, learned)

    def test_anonymous_path_keeps_basic_authorization(self):
        squire, upstream = self.proxied(lambda r: reply(401, b"no"))
        self.assertEqual(self.fetch(squire, "POST", "/api/oauth/tokens", b"a=b", {"Authorization": "Basic eDp5"}).status, 401)
        self.assertEqual([r.all("Authorization") for r in upstream.requests], [["Basic eDp5"]])

    def test_client_calls_the_refresh_itself(self):
        new = jwt(jti="new")
        squire, upstream = self.proxied(lambda r: token_reply(new) if "refresh" in r.target else reply(200), token=jwt(jti="old"))
        responses = parallel(10, lambda _: self.fetch(squire, target="/api/customers/refresh"))
        self.assertEqual([json.loads(r.data)["data"]["token"]["value"] for r in responses], [new] * 10)
        self.assertLessEqual(len(self.refreshes(upstream)), 10)
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(upstream.requests[-1].token, new)

    def test_logout_through_the_proxy_forgets(self):
        squire, upstream = self.proxied()
        self.assertEqual(self.fetch(squire, "POST", "/api/customers/logout").status, 200)
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertNotIn("token", json.loads(self.session_file.read_text()))

    def test_bodies_are_replayed_byte_for_byte(self):
        for size in (0, 10, 16 * 1024, 100_000, 1_500_000, 5_000_000):
            for chunked in (False, True):
                with self.subTest(size=size, chunked=chunked):
                    old, new = jwt(jti=f"old{size}{chunked}"), jwt(jti=f"new{size}{chunked}")
                    squire, upstream = self.proxied(self.api(set(), [new]), token=old)
                    body = os.urandom(size)
                    parts = (body[i:i + 9999] for i in range(0, size, 9999)) if chunked else body
                    headers = {"Transfer-Encoding": "chunked"} if chunked else {}
                    connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=LIMIT)
                    connection.request("PUT", "/api/x", parts, headers, encode_chunked=chunked)
                    response = connection.getresponse()
                    self.assertEqual(response.status, 200)
                    self.assertEqual(hashlib.sha256(response.read()).digest(), hashlib.sha256(body).digest())
                    copies = [r for r in upstream.requests if r.target == "/api/x"]
                    self.assertEqual([hashlib.sha256(r.payload).digest() for r in copies], [hashlib.sha256(body).digest()] * 2)
                    squire.stop()

    def test_body_too_large_to_keep(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        squire, upstream = self.proxied(self.api(set(), [new]), token=old, extra="limits: {replay: 1KiB, replay-disk: 2KiB}\n")
        connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=LIMIT)
        connection.request("PUT", "/api/x", (b"x" * 5000 for _ in range(4)), {"Transfer-Encoding": "chunked"}, encode_chunked=True)
        response = connection.getresponse()
        self.assertEqual((response.status, response.headers["Retry-After"]), (401, "0"))
        self.assertIn("refreshed", response.headers["Proxy-Status"])
        self.assertEqual(len(self.refreshes(upstream)), 1)
        self.assertEqual(self.fetch(squire).status, 200)

    def test_custom_recipe_and_rejection(self):
        new = "second-token"
        config = ("  refresh: {method: POST, path: /session/renew, token: /access}\n"
                  "  rejected: [{status: 403, pointer: /error/code, equals: token_expired}]\n")

        def respond(request):
            if request.target == "/session/renew":
                return reply(200, json.dumps({"access": new}).encode())
            if request.token == new:
                return reply(200, b"welcome")
            return reply(403, b'{"error":{"code":"%s"}}' % (b"forbidden" if request.target == "/other" else b"token_expired"))

        squire, upstream = self.proxied(respond, session=config, token="first-token", profile="")
        response = self.fetch(squire, target="/other")
        self.assertEqual((response.status, response.data), (403, b'{"error":{"code":"forbidden"}}'))
        self.assertEqual(self.fetch(squire).data, b"welcome")
        self.assertEqual([r.line for r in upstream.requests][2], "POST /session/renew HTTP/1.1")

    def test_a_rule_on_bodies_holds_no_stream(self):
        """What is framed in records is passed on as it comes; other JSON is decided from its first bytes, or let go after a moment."""
        session = "  refresh: {method: POST, path: /session/renew, token: /access}\n  rejected: [{status: 200, pointer: /error/code, equals: token_expired}]\n"
        record = b'{"n":1,"text":"' + b"x" * 50 + b'"}\n'
        streams = {
            "ndjson": ("application/x-ndjson", [record] * 3),
            "json lines": ("application/jsonl; charset=utf-8", [record] * 3),
            "json text sequence": ("application/json-seq", [b"\x1e" + record] * 3),
            "events": ("text/event-stream", [b"data: " + record + b"\n"] * 3),
            "an array that goes on": ("application/json", [b"[" + record, b"," + record, b"," + record]),
            "an object that stops": ("application/json", [b'{"error":{"text":"', b"a", b"b"]),
            "nothing yet": ("application/json", [b" ", b"{", b'"n":1']),
        }
        goes_on = threading.Semaphore(0)
        ends = threading.Event()
        self.addCleanup(ends.set)
        class Streaming(RawUpstream):
            def serve(self, connection):
                with contextlib.suppress(OSError):
                    stream = connection.makefile("rb")
                    while request := read_request(stream, connection):
                        kind, parts = streams[request.target[1:].replace("%20", " ")]
                        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\nTransfer-Encoding: chunked\r\n\r\n" % kind.encode())
                        for part in parts:
                            connection.sendall(b"%x\r\n%s\r\n" % (len(part), part))
                            goes_on.acquire(timeout=LIMIT)
                        ends.wait(LIMIT)
                        return hang_up(connection)
        upstream = Streaming()
        self.addCleanup(upstream.close)
        # Longer than a moment, and than any of it may take.
        config = self.config(upstream.url, "timeouts: {first-byte: 6s, body: 6s}\n", session, profile="")
        self.save_token("first-token", config)
        squire = self.run_squire(config)
        for name, (kind, parts) in streams.items():
            with self.subTest(name), socket.create_connection(("127.0.0.1", squire.port), 3.5) as client:
                started = time.monotonic()
                client.sendall(b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % name.replace(" ", "%20").encode())
                received = b""
                for part in parts:
                    # Each part is with the client before the next one is made.
                    while part not in received: received += client.recv(65536)
                    self.assertTrue(received.startswith(b"HTTP/1.1 200 "), received)
                    received = received.partition(part)[2] if received.count(part) else received
                    received = b"HTTP/1.1 200 " + received
                    goes_on.release()
                if "json" in kind and kind != "application/json": self.assertLess(time.monotonic() - started, 1.5)
        ends.set()

    def test_nothing_is_sent_when_it_could_not_be_saved(self):
        squire, upstream = self.proxied(self.api(set(), [jwt(jti="new")]), token=jwt())
        self.block_saving()
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(self.refreshes(upstream), [])

    def test_another_customer_does_not_get_the_formers_requests(self):
        old, other = jwt(jti="old"), jwt(jti="other", sub="7")
        entered, proceed = threading.Event(), threading.Event()

        def respond(request):
            if request.token == old:
                entered.set()
                proceed.wait(LIMIT)
                return reply(401)
            return reply(200)

        squire, upstream = self.proxied(respond, token=old)
        result = []
        thread = threading.Thread(target=lambda: result.append(self.fetch(squire, "POST", "/api/orders", b"1")))
        thread.start()
        entered.wait(LIMIT)
        self.save_token(other, squire.config)
        deadline = time.monotonic() + LIMIT
        while True:
            if self.fetch_token(squire, upstream) == other:
                break
            self.assertLess(time.monotonic(), deadline)
        proceed.set()
        thread.join()
        self.assertEqual(result[0].status, 503)
        self.assertEqual([r.token for r in upstream.requests if r.method == "POST"], [old])

    def fetch_token(self, squire, upstream):
        """Which token a new request carries; does not wait when it is still the old one."""
        before = len(upstream.requests)
        connection = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        connection.sendall(b"GET /probe HTTP/1.1\r\nHost: localhost\r\n\r\n")
        upstream.wait_for_requests(before + 1)
        connection.close()
        return upstream.requests[-1].token


class Leniency(Scenario):
    """What is not about the token costs no token."""

    def rotating(self, body, kind="Content-Type: application/json"):
        """An API whose first refresh rotates the token and answers with `body(new)`, and which refuses the old one from then on."""
        state = {"live": "nobody's", "new": jwt(jti="new")}

        def respond(request):
            if request.target == "/api/customers/refresh":
                if state["live"] == state["new"]: return reply(401, b"dead", "Content-Type: application/json")
                state["live"] = state["new"]
                return reply(200, body(state["new"]), kind)
            return reply(200, b"welcome") if request.token == state["live"] else reply(401, b"no")
        return respond, state

    def test_faults_beside_the_token(self):
        for name, body in (
            ("byte order mark", lambda token: b'\xef\xbb\xbf{"data":{"token":{"value":"%s"}}}' % token.encode()),
            ("half a pair", lambda token: b'{"name":"Jo\\ud83d","data":{"token":{"value":"%s"}}}' % token.encode()),
            ("latin-1", lambda token: b'{"name":"Jo\xe9","data":{"token":{"value":"%s"}}}' % token.encode()),
            ("comma", lambda token: b'{"data":{"token":{"value":"%s",},},}\n' % token.encode()),
        ):
            with self.subTest(name):
                respond, state = self.rotating(body)
                squire, upstream = self.proxied(respond, token=jwt(jti="old"))
                self.assertEqual(self.fetch(squire).data, b"welcome")
                self.assertEqual(json.loads(self.session_file.read_text())["token"], state["new"])
                squire.stop()
                # A sign-in through the proxy, and one by command.
                for by_command in (False, True):
                    self.session_file.unlink()
                    respond = lambda r: reply(200, body(state["new"]), "Content-Type: application/json")
                    squire, upstream = self.proxied(respond, token=False)
                    if by_command: self.command("login", "--config", squire.config, "--email", "a@b.example", "--code", "1")
                    else: self.fetch(squire, "POST", "/api/customers/login", b"{}", {"Content-Type": "application/json"})
                    self.assertEqual(json.loads(self.session_file.read_text())["token"], state["new"])
                    squire.stop()

    def test_what_is_no_json_is_kept_for_a_person(self):
        respond, state = self.rotating(lambda token: b"<html>token: " + token.encode() + b"x" * (100 << 10), "Content-Type: text/html")
        squire, upstream = self.proxied(respond, token=jwt(jti="old"))
        self.assertEqual(self.fetch(squire).status, 401)
        kept = pathlib.Path(f"{self.session_file}.answer")
        self.assertEqual((kept.stat().st_mode & 0o777, kept.stat().st_size), (0o600, 64 << 10))
        self.assertIn(state["new"].encode(), kept.read_bytes())
        squire.wait_for_text(str(kept))
        self.assertNotIn(state["new"], squire.text())
        self.assertIn(str(kept), self.command("status", "--config", squire.config, code=77).stdout)
        # The person reads it, and logs in with it: then it goes.
        self.save_token(state["new"], squire.config)
        self.assertFalse(kept.exists())
        self.assertEqual(self.fetch(squire).data, b"welcome")
        kept.write_bytes(b"x")
        self.command("logout", "--local", "--config", squire.config)
        self.assertFalse(kept.exists())

    def test_a_page_of_a_firewall_ends_no_login(self):
        page = {"served": True}

        def respond(request):
            if request.target == "/api/customers/refresh":
                if page["served"]: return reply(403, b"<html>Request blocked</html>", "Content-Type: text/html")
                return token_reply(new)
            return reply(200, b"welcome") if request.token == new else reply(401, b"no")
        new = jwt(jti="new")
        squire, upstream = self.proxied(respond, token=jwt(jti="old"))
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(json.loads(self.command("status", "--json", "--config", squire.config).stdout)["last_refresh"]["outcome"], "unavailable")
        page["served"] = False
        self.assertEqual(self.fetch(squire).data, b"welcome")

    def test_retry_after_as_a_date(self):
        import email.utils
        def respond(request):
            if request.target != "/api/customers/refresh": return reply(401, b"no")
            # Its clock is a day behind.
            now = time.time() - 86_400
            date = lambda moment: email.utils.formatdate(moment, usegmt=True)
            return reply(503, b"", f"Date: {date(now)}\r\nRetry-After: {date(now + 20)}")
        squire, upstream = self.proxied(respond, token=jwt())
        for _ in range(3): self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(len([r for r in upstream.requests if r.target == "/api/customers/refresh"]), 1)
        advice = json.loads(self.command("status", "--json", "--config", squire.config).stdout)["last_refresh"]
        self.assertEqual(advice["outcome"], "unavailable")
        squire.wait_for_text("next try in 20 s")

    def test_token_in_the_path(self):
        def respond(request):
            if request.target.startswith("/renew"): return reply(200, b'{"t":"new"}')
            return reply(200, b"welcome") if request.token == "new" else reply(401, b"no")
        squire, upstream = self.proxied(respond, session='  refresh: {path: "/renew/{token}?token={token}", token: /t}\n', token="a+b/c=", profile="")
        self.assertEqual(self.fetch(squire).data, b"welcome")
        self.assertEqual(upstream.requests[1].target, "/renew/a%2Bb%2Fc%3D?token=a%2Bb%2Fc%3D")

    def test_token_pasted_into_the_session_file(self):
        accepted = {jwt(jti="a")}
        squire, upstream = self.proxied(lambda r: reply(200) if r.token in accepted else reply(401), token=next(iter(accepted)))
        self.assertEqual(self.fetch(squire).status, 200)
        # What is no token is damage, and memory goes on.
        self.session_file.write_text(json.dumps({"token": "two words"}))
        squire.wait_for_text("session file unusable")
        self.assertEqual(self.fetch(squire).status, 200)
        other = jwt(jti="b")
        accepted.add(other)
        self.session_file.write_text(json.dumps({"token": f"Bearer {other}\n"}))
        squire.wait_for_text("a new login")
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(upstream.requests[-1].token, other)

    def test_token_files(self):
        config = self.config("https://api.example.com")
        token = jwt()
        for text in ("\ufeff" + token + "\n", f" Bearer {token} \r\n"):
            self.command("login", "--config", config, "--token", "-", input=text)
            self.assertEqual(json.loads(self.session_file.read_text())["token"], token)
        for text, cause in ((f'"{token}"\n', "jq needs -r"), (f"{token[:9]} {token[9:]}\n", "character 10 is a blank"),
                            ("\n", "it is empty"), ("a" * 20_000, "16 KiB"), ("\x1b[31m\n", "U+001B")):
            error = self.command("login", "--config", config, "--token", "-", input=text, code=65).stderr
            self.assertIn(cause, error)
            self.assertNotIn(token, error)
            self.assertNotIn("\x1b", error)

    def test_a_fifo_holds_nothing_up(self):
        squire, upstream = self.proxied()
        path = pathlib.Path(squire.config)
        text = path.read_text()
        path.unlink()
        os.mkfifo(path)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("it is not a regular file")
        self.command("check", "--config", str(path), code=78)
        path.unlink()
        path.write_text(text)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read")
        self.assertEqual(self.fetch(squire).status, 200)


if __name__ == "__main__":
    main()
