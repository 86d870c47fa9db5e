"""Real clients, through Squire, against the playground and against a raw upstream."""
from harness import *

PYTHONS = [sys.executable, "/usr/bin/python3"]


def python_with_requests():
    for python in PYTHONS:
        if subprocess.run([python, "-c", "import requests"], capture_output=True).returncode == 0:
            return python
    raise AssertionError("Python's requests is missing: run config/setup")


class Clients(Scenario):
    def run_client(self, *arguments, input=None):
        result = subprocess.run(arguments, capture_output=True, input=input, timeout=LIMIT, env=clean_environment(**self.env))
        self.assertEqual(result.returncode, 0, result.stderr)
        return result.stdout

    def playground_squire(self, *switches):
        playground = self.playground(*switches)
        config = self.config(playground)
        self.login(config)
        return self.run_squire(config), playground

    def log(self, playground):
        return json.loads(self.run_client("curl", "-sS", playground + "/playground/log"))

    def test_curl(self):
        squire, playground = self.playground_squire()
        target = squire.url + "/api/customer-accounts/me"
        self.assertEqual(json.loads(self.run_client("curl", "-fsS", target))["status"], "OK")
        self.run_client("curl", "-fsS", "-X", "POST", playground + "/playground/revoke")
        answer = json.loads(self.run_client("curl", "-fsS", "-d", '{"a":1}', "-H", "Content-Type: application/json", squire.url + "/api/orders"))
        self.assertEqual(answer["data"]["order"]["id"].count("-"), 4)
        log = self.log(playground)
        self.assertEqual((log["refreshes"], log["refused_tokens"]), (1, 1))
        # An upload larger than memory is meant for, its Expect: 100-continue, chunks, HTTP/1.0, HEAD.
        body = os.urandom(3_000_000)
        expected = hashlib.sha256(body).hexdigest()
        for arguments in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
            answer = json.loads(self.run_client("curl", "-fsS", "-T", "-", *arguments, squire.url + "/playground/sink", input=body))
            self.assertEqual((answer["bytes"], answer["sha256"]), (len(body), expected))
        self.assertEqual(len(self.run_client("curl", "-fsS", "--http1.0", squire.url + "/playground/bytes/5000000")), 5_000_000)
        self.assertIn(b"Content-Length: 77", self.run_client("curl", "-fsSI", squire.url + "/playground/bytes/77"))

    def test_wget(self):
        squire, playground = self.playground_squire()
        self.run_client("curl", "-fsS", "-X", "POST", playground + "/playground/expire")
        self.assertEqual(json.loads(self.run_client("wget", "-qO-", squire.url + "/api/customer-accounts/me"))["status"], "OK")
        self.assertEqual(len(self.run_client("wget", "-qO-", squire.url + "/playground/bytes/1000000")), 1_000_000)
        self.assertEqual(self.log(playground)["refreshes"], 1)

    def test_requests(self):
        squire, playground = self.playground_squire("--token-ttl", "2s")
        script = f"""
import requests, json, time
session = requests.Session()
deadline = time.monotonic() + 2.5
count = 0
while time.monotonic() < deadline:
    answer = session.get("{squire.url}/api/customer-accounts/me")
    assert answer.status_code == 200, answer.text
    count += 1
def chunks():
    for _ in range(100): yield b"x" * 1000
answer = session.post("{squire.url}/playground/sink", data=chunks())
assert answer.json()["bytes"] == 100000, answer.text
answer = session.get("{squire.url}/playground/echo", params={{"a": "1|2"}}, json={{"in": "GET"}})
assert json.loads(answer.json()["body"]) == {{"in": "GET"}}
print(count)
"""
        self.assertGreater(int(self.run_client(python_with_requests(), "-c", script)), 10)
        self.assertGreaterEqual(self.log(playground)["refreshes"], 1)

    def test_against_a_raw_upstream(self):
        squire, upstream = self.proxied(lambda r: reply(200, r.payload or b"hello", "Content-Type: text/plain"))
        self.assertEqual(self.run_client("curl", "-fsS", squire.url + "/a"), b"hello")
        self.assertEqual(self.run_client("wget", "-qO-", squire.url + "/b"), b"hello")
        self.assertEqual(self.run_client(python_with_requests(), "-c", f"import requests; print(requests.post('{squire.url}/c', data='raw').text, end='')"), b"raw")
        for request in upstream.requests:
            self.assertEqual(len(request.all("Authorization")), 1)
            for name, value in HEADERS.items():
                self.assertEqual(request.all(name), [value])

    def test_server_sent_events_arrive_one_by_one(self):
        squire, _ = self.playground_squire()
        with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as connection:
            connection.sendall(b"GET /playground/stream/2 HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            received, first = b"", None
            started = time.monotonic()
            while part := connection.recv(65536):
                received += part
                if first is None and b"data: 1" in received:
                    first = time.monotonic() - started
            self.assertLess(first, 0.8)
            self.assertTrue(received.endswith(b"0\r\n\r\n"))


class Playground(Scenario):
    def call(self, url, method="GET", body=None, token=None):
        connection = http.client.HTTPConnection(url.removeprefix("http://").split("/")[0], timeout=LIMIT)
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        connection.request(method, "/" + url.removeprefix("http://").split("/", 1)[1], json.dumps(body) if body else None, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, json.loads(data), response.headers

    def token(self, url):
        status, answer, _ = self.call(url + "/api/customers/login", "POST", {"email": "john.doe@example.com", "password": "playground"})
        self.assertEqual(status, 200)
        return answer["data"]["token"]

    def claims(self, token):
        part = token.split(".")[1]
        return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))

    def test_tokens_and_envelopes(self):
        url = self.playground()
        status, answer, _ = self.call(url + "/api/customers/login", "POST", {"email": "john.doe@example.com", "password": "wrong"})
        self.assertEqual((status, answer["code"], answer["status"]), (401, 1000, "Consumer Error"))
        first = self.token(url)
        self.assertEqual((first["ttl"], first["token_type"]), (60, "Bearer"))
        old = self.claims(first["value"])
        self.assertEqual(list(old), ["setRefreshTTL", "iss", "iat", "exp", "nbf", "jti", "sub", "prv", "application_id", "session_id"])
        status, answer, _ = self.call(url + "/api/customers/refresh", token=first["value"])
        new = self.claims(answer["data"]["token"]["value"])
        self.assertEqual(list(new), ["iss", "iat", "exp", "nbf", "jti", "setRefreshTTL", "sub", "prv", "application_id", "session_id"])
        for name in ("iat", "sub", "prv", "application_id", "session_id"):
            self.assertEqual(new[name], old[name])
        self.assertNotEqual(new["jti"], old["jti"])
        self.assertEqual(new["exp"] - new["nbf"], 3600)
        status, answer, headers = self.call(url + "/api/customer-accounts/me", token=first["value"])
        self.assertEqual((status, headers["WWW-Authenticate"]), (401, "jwt-auth"))
        self.assertEqual(self.call(url + "/api/customers/refresh", token=first["value"])[0], 401)

    def test_switches(self):
        url = self.playground("--grace", "60s", "--keep-iat", "false", "--skew", "-7200", "--token-ttl", "5m")
        first = self.token(url)["value"]
        self.assertLess(self.claims(first)["exp"], time.time())
        self.assertEqual(self.call(url + "/api/customer-accounts/me", token=first)[0], 200)
        self.assertEqual(self.call(url + "/api/customers/refresh", token=first)[0], 200)
        self.assertEqual(self.call(url + "/api/customer-accounts/me", token=first)[0], 200)
        url = self.playground("--refresh-status", "500")
        self.assertEqual(self.call(url + "/api/customers/refresh", token=self.token(url)["value"])[0], 500)
        url = self.playground("--lose-refresh-replies", "1")
        token = self.token(url)["value"]
        with self.assertRaises((http.client.RemoteDisconnected, ConnectionError)):
            self.call(url + "/api/customers/refresh", token=token)
        self.assertEqual(self.call(url + "/playground/log")[1]["refreshes"], 1)
        self.assertEqual(self.call(url + "/api/customers/refresh", token=token)[0], 401)

    def test_helpers(self):
        url = self.playground()
        status, echo, _ = self.call(url + "/playground/echo?x=1", "PATCH", {"a": 1})
        self.assertEqual((echo["method"], echo["target"], json.loads(echo["body"])), ("PATCH", "/playground/echo?x=1", {"a": 1}))
        token = self.token(url)["value"]
        self.assertEqual(self.call(url + "/playground/revoke?final=true", "POST")[0], 200)
        self.assertEqual(self.call(url + "/api/customers/refresh", token=token)[0], 401)

    def test_skew_does_not_matter_to_squire(self):
        for skew in ("-7200", "7200"):
            url = self.playground("--skew", skew)
            config = self.config(url)
            self.login(config)
            squire = self.run_squire(config)
            self.assertEqual(self.fetch(squire, target="/api/customer-accounts/me").status, 200)
            self.assertEqual(self.call(url + "/playground/log")[1]["refreshes"], 0)
            self.assertGreater(json.loads(self.command("status", "--json", "--config", config).stdout)["expires_in"], 3500)


if __name__ == "__main__":
    main()
