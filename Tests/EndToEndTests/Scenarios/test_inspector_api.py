"""The inspector's list of exchanges: what is in it, what is found, what is forgotten, and the feed."""
from harness import *
from test_inspector import HEADER, Inspected

JSON = {**HEADER, "Content-Type": "application/json"}


class Listed(Inspected):
    def list(self, squire, query=""):
        return self.ask(squire, "GET", "/api/exchanges" + query).json

    def put(self, squire, target, **members):
        return self.ask(squire, "PUT", target, JSON, json.dumps(members))

    def proxy(self, squire, method="GET", target="/api/x", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", squire.proxy, timeout=LIMIT)
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        response.data = response.read()
        connection.close()
        return response


class Exchanges(Listed):
    def test_one_row_for_a_refusal_that_was_cured(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        def respond(request):
            if "refresh" in request.target:
                return token_reply(new)
            if request.token == old:
                return reply(401, b'{"message":"invalid_token"}', "Content-Type: application/json", reason="Unauthorized")
            return reply(201, b'{"echo":"' + request.token.encode() + b'"}', "Content-Type: application/json", reason="Created")
        squire, upstream = self.inspected(respond, token=old)
        body = json.dumps({"amount": 9007199254740993, "password": "hidden-word"})
        answer = self.proxy(squire, "POST", "/api/orders?token=hidden-query", body, {"Content-Type": "application/json", "Cookie": "a=hidden-cookie"})
        self.assertEqual(answer.status, 201)
        # Another's failure: a target that is no request's is refused, and listed.
        self.proxy(squire, "GET", "/api/other")
        page = self.list(squire)
        row, other = page["exchanges"]
        self.assertEqual((row["method"], row["target"], row["status"], row["statuses"]), ("POST", "/api/orders?token=‹redacted›", 201, [401, 201]))
        self.assertEqual((row["attempts"], row["refresh"], row["outcome"], row["state"], row["origin"], row["route"]), (2, "led", "complete", "done", "client", "ordinary"))
        self.assertEqual(row["generations"], [1, 2])
        self.assertEqual((row["flags"], row["type"], row["request_bytes"], row["code"]), (["redacted"], "application/json", len(body), None))
        self.assertEqual((other["attempts"], other["refresh"], other["generation"]), (1, None, 2))
        self.assertEqual((page["seq"], page["kept"], page["counted"], page["record"], page["more"]), (other["seq"], 2, 2, "auto", False))
        self.assertRegex(page["run"], "^[a-z0-9]+$")

        exchange = self.ask(squire, "GET", f"/api/exchanges/{row['id']}").json
        self.assertEqual({name: exchange[name] for name in row}, row)
        first, second = exchange["attempt_list"]
        self.assertEqual((first["status"], first["held"], first["relayed"], first["generation"]), (401, True, False, 1))
        self.assertEqual((second["status"], second["held"], second["relayed"], second["generation"]), (201, False, True, 2))
        self.assertEqual(first["body"]["text"], '{"message":"invalid_token"}')
        self.assertEqual(second["body"]["text"], '{"echo":"‹token, generation 2›"}')
        self.assertEqual(exchange["request"]["body"]["text"], body.replace('"hidden-word"', '"‹redacted›"'))
        self.assertEqual(sorted(exchange["request"]["redactions"]), ["/password", "field Cookie", "query token"])
        self.assertIn(["Authorization", "Bearer ‹token, generation 2›"], exchange["sent"]["fields"])
        wait = exchange["token_wait"]
        self.assertEqual((wait["led"], wait["outcome"], wait["generation"]), (True, "refreshed", 2))
        times = [first["began"], first["first_byte"], wait["began"], wait["ended"], second["began"], second["first_byte"], row["total_ms"]]
        self.assertEqual(times, sorted(times))
        self.assertAlmostEqual(sum(exchange["timings"].values()), row["total_ms"], delta=1)
        for text in (json.dumps(page), json.dumps(exchange)):
            for secret in (old, new, "hidden-"): self.assertNotIn(secret, text)

        answer = self.ask(squire, "GET", f"/api/exchanges/{row['id']}/body")
        self.assertEqual((answer.status, answer.getheader("Content-Type"), answer.getheader("X-Squire-Kept")), (200, "application/octet-stream", f"{len(answer.data)}/{len(body)}"))
        self.assertEqual(answer.getheader("Content-Disposition"), f'attachment; filename="{row["id"]}-request.bin"')
        answer = self.ask(squire, "GET", f"/api/exchanges/{row['id']}/attempts/1/body")
        self.assertEqual((answer.data, answer.getheader("X-Squire-Kept")), (b'{"message":"invalid_token"}', "27/27"))
        for target, status, code in ((f"{row['id']}/attempts/3/body", 404, "not_found"), (f"{row['id']}/attempts/1/preview", 415, "unsupported_media_type"),
                                     ("0000-1", 404, "not_found"), (row["id"].upper() + "x", 404, "not_found"), (row["id"].split("-")[0] + "-999999", 404, "not_found")):
            answer = self.ask(squire, "GET", "/api/exchanges/" + target)
            self.assertEqual((answer.status, answer.code), (status, code), target)

    def test_a_refresh_whose_answer_was_lost_is_told_as_lost(self):
        old = jwt(jti="old")
        def respond(request):
            return None if "refresh" in request.target else reply(401, b'{"message":"invalid_token"}', "Content-Type: application/json")
        squire, upstream = self.inspected(respond, session="  retry-lost: never\n", token=old)
        self.assertEqual(self.proxy(squire).status, 401)
        row, = self.list(squire)["exchanges"]
        self.assertEqual((row["refresh"], row["token_outcome"], row["code"]), ("led", "login_needed", "login_needed"))
        wait = self.ask(squire, "GET", f"/api/exchanges/{row['id']}").json["token_wait"]
        self.assertEqual((wait["need"], wait["awaited"], wait["outcome"]), ("another", "own_refresh", "login_needed"))
        self.assertRegex(wait["detail"], r"^The answer to the refresh of .* was lost \(.*\), and session\.retry-lost: never forbids to send the token once more\.$")

    def test_filters_and_parts(self):
        def respond(request):
            if "missing" in request.target: return reply(404, b"Not here, OUT OF STOCK", "Content-Type: text/plain", "X-Found: no")
            if "page" in request.target: return reply(200, b"<p>hi<script>x</script>", "Content-Type: text/html; charset=ISO-8859-1")
            return reply(200, b"x" * 100_000, "Content-Type: text/plain")
        squire, upstream = self.inspected(respond)
        for index in range(4): self.proxy(squire, target=f"/api/x{index}")
        self.proxy(squire, target="/missing")
        self.proxy(squire, "DELETE", target="/page")
        targets = lambda query: [row["target"] for row in self.list(squire, query)["exchanges"]]
        everything = self.list(squire)
        self.assertEqual(len(everything["exchanges"]), 6)
        self.assertEqual(targets("?status=4xx"), ["/missing"])
        self.assertEqual(targets("?method=delete&status=%3C300"), ["/page"])
        self.assertEqual(targets("?header=x-found=n"), ["/missing"])
        self.assertEqual(targets("?ids=" + everything["exchanges"][2]["id"]), ["/api/x2"])
        found = self.list(squire, "?body=out%20of%20stock")
        self.assertEqual([row["target"] for row in found["exchanges"]], ["/missing"])
        self.assertEqual((found["searched"], found["cut"], found["unreadable"]), (6, 4, 0))
        raw = self.ask(squire, "GET", "/api/exchanges?status=599").data
        self.assertEqual(raw.index(b"["), raw.index(b'"exchanges":[]') + len(b'"exchanges":'))
        seq = everything["exchanges"][1]["seq"]
        part = self.list(squire, f"?after={everything['run']}-{seq}&limit=2")
        self.assertEqual(([row["target"] for row in part["exchanges"]], part["more"]), (["/api/x2", "/api/x3"], True))
        self.assertEqual(targets(f"?before={seq}"), ["/api/x0"])
        for query in ("limit=0", "limit=1001", "after=x!", "before=", "status=40", "after=1&before=2"):
            answer = self.ask(squire, "GET", "/api/exchanges?" + query)
            self.assertEqual((answer.status, answer.code), (400, "bad_request"), query)
        cut = self.list(squire, "?limit=1&before=" + str(seq))["exchanges"][0]
        self.assertEqual((cut["flags"], cut["response_bytes"]), (["cut"], 100_000))
        answer = self.ask(squire, "GET", f"/api/exchanges/{cut['id']}/attempts/1/body")
        kept = int(answer.getheader("X-Squire-Kept").split("/")[0])
        self.assertEqual((len(answer.data), answer.getheader("X-Squire-Kept")), (kept, f"{kept}/100000"))
        self.assertGreater(kept, 60_000)
        page = everything["exchanges"][5]
        answer = self.ask(squire, "GET", f"/api/exchanges/{page['id']}/attempts/1/preview")
        self.assertEqual((answer.status, answer.getheader("Content-Type"), answer.getheader("X-Frame-Options")), (200, "text/html; charset=iso-8859-1", "SAMEORIGIN"))
        self.assertEqual(answer.getheader("Content-Security-Policy"), "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'self'")
        self.assertEqual(answer.data, b"<p>hi<script>x</script>")
        answer = self.ask(squire, "HEAD", f"/api/exchanges/{page['id']}")
        self.assertEqual((answer.status, answer.data), (200, b""))

    def test_pinned_paused_forgotten(self):
        squire, upstream = self.inspected()
        for index in range(3): self.proxy(squire, target=f"/api/x{index}")
        rows = self.list(squire)["exchanges"]
        pin = f"/api/exchanges/{rows[0]['id']}/pin"
        answer = self.put(squire, pin, pinned=True)
        self.assertEqual((answer.status, answer.json), (200, {"pinned": True}))
        page = self.list(squire)
        self.assertEqual((page["exchanges"][-1]["id"], page["exchanges"][-1]["flags"]), (rows[0]["id"], ["pinned"]))
        for members, field in (({}, "pinned"), ({"pinned": 1}, "pinned"), ({"pinned": True, "other": 1}, "other")):
            answer = self.put(squire, pin, **members)
            self.assertEqual((answer.status, answer.code, answer.json["field"]), (422, "invalid_request", field))
        answer = self.put(squire, "/api/record", paused=True)
        self.assertEqual((answer.status, answer.json), (200, {"record": "paused"}))
        self.proxy(squire, target="/api/unseen")
        page = self.list(squire)
        self.assertEqual((page["record"], page["kept"], page["counted"]), ("paused", 3, 4))
        self.assertEqual(self.put(squire, "/api/record", paused=False).json, {"record": "auto"})
        answer = self.ask(squire, "DELETE", "/api/exchanges", HEADER)
        self.assertEqual((answer.status, answer.data), (204, b""))
        after = self.list(squire)
        self.assertEqual((after["exchanges"], after["kept"], after["counted"], after["run"], after["seq"], after["oldest"]),
                         ([], 0, 4, page["run"], page["seq"], page["seq"] + 1))
        for suffix in ("", "/body", "/attempts/1/body", "/attempts/1/preview"):
            answer = self.ask(squire, "GET", f"/api/exchanges/{rows[0]['id']}{suffix}")
            self.assertEqual((answer.status, answer.code), (404, "evicted"), suffix)
        self.assertEqual(self.put(squire, pin, pinned=True).code, "evicted")
        metrics = self.ask(squire, "GET", "/metrics").data.decode()
        for line in ("squire_recorded_total 3", "squire_evicted_total 3", 'squire_not_recorded_total{reason="paused"} 1', "squire_inspector_viewers 0"):
            self.assertIn(line + "\n", metrics)


class Stream:
    """A viewer that reads when it is asked to."""

    def __init__(self, squire, query="", headers=""):
        self.socket = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.socket.sendall(f"GET /api/events{query} HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n".encode())
        self.file = self.socket.makefile("rb")
        self.status = int(self.file.readline().split()[1])
        self.fields = {}
        while (line := self.file.readline().decode().strip()):
            name, _, value = line.partition(": ")
            self.fields[name.lower()] = value
        self.text = b""

    def next(self, *names):
        """The next event of one of these names, and its id."""
        while True:
            while b"\n\n" not in self.text:
                size = int(self.file.readline(), 16)
                assert size, "the stream has ended"
                self.text += self.file.read(size)
                self.file.readline()
            block, _, self.text = self.text.partition(b"\n\n")
            fields = dict(line.split(": ", 1) for line in block.decode().split("\n") if not line.startswith(":"))
            if fields and (not names or fields["event"] in names):
                return fields["event"], json.loads(fields["data"]), fields.get("id")

    def close(self):
        self.file.close()
        self.socket.close()


class Events(Listed):
    def stream(self, squire, query="", headers=""):
        stream = Stream(squire, query, headers)
        self.addCleanup(stream.close)
        return stream

    def test_what_comes_and_what_was_missed(self):
        squire, upstream = self.inspected()
        self.proxy(squire, target="/api/before")
        self.until(lambda: self.ask(squire, "GET", "/api/exchanges").json["counted"] == 1, "the exchange is counted")
        first = self.stream(squire)
        self.assertEqual((first.status, first.fields["content-type"]), (200, "text/event-stream"))
        name, hello, _ = first.next()
        self.assertEqual((name, hello["seq"], hello["oldest"], hello["record"], hello["upstream"]), ("hello", 1, 1, "auto", upstream.url))
        self.assertEqual(first.next()[0], "session")
        name, stats, _ = first.next()
        self.assertEqual((name, stats["kept"], stats["counted"], stats["refused"]), ("stats", 1, 1, 0))
        # The position is from now on.
        self.proxy(squire, target="/api/after")
        name, rows, identifier = first.next("exchanges")
        self.assertEqual(([row["target"] for row in rows], identifier), (["/api/after"], f"{hello['run']}-{rows[-1]['seq']}"))
        first.close()
        self.proxy(squire, target="/api/missed")
        again = self.stream(squire, "?after=0", f"Last-Event-ID: {identifier}\r\n")
        self.assertEqual([row["target"] for row in again.next("exchanges", "gap", "reset")[1]], ["/api/missed"])
        other = self.stream(squire, "?after=another-1")
        self.assertEqual([other.next()[0] for _ in range(2)], ["hello", "session"])
        self.assertEqual(other.next("reset", "exchanges")[:2], ("reset", {"why": "restart"}))
        self.assertEqual([row["target"] for row in other.next("exchanges")[1]], ["/api/before", "/api/after", "/api/missed"])
        self.ask(squire, "DELETE", "/api/exchanges", HEADER)
        self.assertEqual(other.next("reset")[1], {"why": "cleared"})
        late = self.stream(squire, "?after=1")
        self.assertEqual(late.next("gap", "exchanges")[:2], ("gap", {"from": 2, "to": 3, "lost": 2, "why": "evicted"}))
        squire.process.send_signal(signal.SIGTERM)
        self.assertEqual(late.next("bye")[1], {"why": "shutting_down"})

    def test_a_running_exchange_grows(self):
        upstream = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(upstream.close)
        config = self.config(f"http://127.0.0.1:{upstream.getsockname()[1]}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config, "--inspector", "127.0.0.1:0")
        squire.wait_for("inspector")
        squire.proxy, squire.port = squire.port, int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
        stream = self.stream(squire)
        client = socket.create_connection(("127.0.0.1", squire.proxy), LIMIT)
        self.addCleanup(client.close)
        client.sendall(b"GET /stream HTTP/1.1\r\nHost: localhost\r\n\r\n")
        connection, _ = upstream.accept()
        self.addCleanup(connection.close)
        self.read_until(connection, b"\r\n\r\n")
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: a\n\n\r\n")
        self.read_until(client, b"data: a")
        rows = []
        while not rows or rows[0]["response_bytes"] < 9:
            rows = stream.next("exchanges")[1]
        self.assertEqual((rows[0]["state"], rows[0]["status"], rows[0]["outcome"], rows[0]["flags"]), ("running", 200, None, ["stream"]))
        connection.sendall(b"9\r\ndata: b\n\n\r\n")
        rows = stream.next("exchanges")[1]
        self.assertEqual((rows[0]["state"], rows[0]["response_bytes"]), ("running", 18))
        exchange = self.ask(squire, "GET", f"/api/exchanges/{rows[0]['id']}").json
        self.assertEqual([message["text"] for message in exchange["messages"]], ["data: a", "data: b"])
        connection.sendall(b"0\r\n\r\n")
        rows = stream.next("exchanges")[1]
        self.assertEqual((rows[0]["state"], rows[0]["outcome"]), ("done", "complete"))

    def test_the_seventeenth_asks_again_later(self):
        squire, _ = self.inspected()
        streams = [self.stream(squire) for _ in range(16)]
        answer = self.ask(squire, "GET", "/api/events")
        self.assertEqual((answer.status, answer.code, answer.getheader("Retry-After")), (503, "overloaded", "2"))
        self.assertIn(b"squire_inspector_viewers 16\n", self.ask(squire, "GET", "/metrics").data)
        # Whoever leaves makes room at once.
        streams[3].close()
        self.until(lambda: b"squire_inspector_viewers 15\n" in self.ask(squire, "GET", "/metrics").data, "one left")
        self.assertEqual(self.stream(squire).next()[0], "hello")


if __name__ == "__main__":
    main()
