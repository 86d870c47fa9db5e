"""A proxy between Squire and the upstream: how it is told who asks, and how its refusals are told."""
from harness import *

CREDENTIALS = "Basic " + base64.b64encode(b"user:p@ss").decode()


class ConnectProxy:
    """A proxy by CONNECT. `judge(head, fields)` gives its answer, bytes; one whose status is 200 is a tunnel."""

    def __init__(self, judge):
        self.judge, self.heads = judge, []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        with contextlib.suppress(OSError):
            while True:
                head = b""
                while not head.endswith(b"\r\n\r\n"):
                    part = client.recv(1)
                    if not part: return client.close()
                    head += part
                self.heads.append(head.decode())
                fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head.decode().split("\r\n")[1:])}
                answer = self.judge(head.decode(), fields)
                client.sendall(answer)
                if b" 200 " in answer[:16]:
                    host, _, port = head.decode().split(" ")[1].rpartition(":")
                    return self.tunnel(client, socket.create_connection((host, int(port))))
                if answer.startswith(b"HTTP/1.0") or b"onnection: close" in answer or not answer:
                    return hang_up(client)

    def tunnel(self, client, upstream):
        def pump(source, sink):
            with contextlib.suppress(OSError):
                while data := source.recv(65536): sink.sendall(data)
            hang_up(sink)
        threading.Thread(target=pump, args=(upstream, client), daemon=True).start()
        pump(client, upstream)

    def close(self):
        with contextlib.suppress(OSError):
            # Wakes whoever accepts.
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()


TUNNEL = b"HTTP/1.1 200 OK\r\n\r\n"
FORMS = {
    "1.0": b"HTTP/1.0 407 Proxy Authentication Required\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\n\r\n",
    "close": b"HTTP/1.1 407 X\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\nConnection: close\r\nContent-Length: 0\r\n\r\n",
    "close, body": b"HTTP/1.1 407 X\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\nProxy-Connection: close\r\nConnection: close\r\nContent-Length: 9\r\n\r\nforbidden",
    "1.0, body": b"HTTP/1.0 407 X\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\nContent-Type: text/html\r\n\r\n<html>forbidden",
    "kept": b"HTTP/1.1 407 X\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\nContent-Length: 9\r\n\r\nforbidden",
    "chunks": b"HTTP/1.1 407 X\r\nProxy-Authenticate: %s realm=\"corp\"%s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
}


class Proxies(Scenario):
    def through(self, judge, credentials="user:p%40ss@", secure=False, refreshes=True):
        proxy = ConnectProxy(judge)
        self.addCleanup(proxy.close)
        fresh = jwt(jti="fresh")
        def respond(request):
            if request.target.endswith("/refresh"): return token_reply(fresh)
            return reply(200, b"ok") if not refreshes or request.token == fresh else reply(401, b"{}")
        context, trust = secure_context(self.directory) if secure else (None, "")
        upstream = self.upstream(respond, context)
        config = self.config(upstream.url, f"proxy: http://{credentials}127.0.0.1:{proxy.port}\n{trust}")
        self.save_token(jwt(), config)
        squire = self.run_squire(config)
        squire.config = config
        return squire, proxy

    # Credentials

    def test_basic_goes_with_the_first_connect(self):
        for secure in (False, True):
            for form in FORMS.values():
                judge = lambda head, fields: TUNNEL if fields.get("proxy-authorization") == CREDENTIALS else form % (b"Basic", b"")
                squire, proxy = self.through(judge, secure=secure)
                # A refresh, too, which is libcurl's own request.
                self.assertEqual(self.fetch(squire).data, b"ok", form)
                self.assertTrue(all(f"Proxy-Authorization: {CREDENTIALS}" in head for head in proxy.heads), proxy.heads)
                self.command("check", "--config", squire.config, "--online")
                squire.stop()

    def test_what_the_proxy_offers_instead_of_basic(self):
        # Not HTTP/1.0: libcurl, and so curl, does not come back by itself to whom closes without saying so.
        for form in (form for name, form in FORMS.items() if "1.0" not in name):
            offer = form % (b"Digest", b', nonce="abc", qop="auth", algorithm=MD5')
            judge = lambda head, fields: TUNNEL if fields.get("proxy-authorization", "").startswith("Digest ") else offer
            squire, proxy = self.through(judge)
            self.assertEqual(self.fetch(squire).data, b"ok", form)
            self.command("check", "--config", squire.config, "--online")
            squire.stop()
            # A password is not offered over and over to whom does not take it so: once by each connection's maker.
            self.assertLessEqual(sum("Basic" in head for head in proxy.heads), 3, proxy.heads)

    def test_credentials_that_are_wrong_or_missing(self):
        for credentials in ("user:wrong@", ""):
            for form in FORMS.values():
                squire, proxy = self.through(lambda head, fields: form % (b"Basic", b""), credentials)
                answer = self.fetch(squire)
                words = ("does not take the user",) if credentials else ("wants a user",)
                self.refusal(squire, proxy, answer, 407, "proxy_configuration_error", *words)
                self.assertNotIn("wrong", squire.text() + answer.data.decode().replace("wrong_key", ""))
                self.assertLessEqual(len(proxy.heads), 4)
                squire.stop()

    # Refusals

    def refusal(self, squire, proxy, answer, status, error, *words):
        problem = json.loads(answer.data)
        self.assertEqual((answer.status, problem["code"]), (502, "upstream_unreachable"), problem)
        received = f"; received-status={status}" if status else ""
        self.assertEqual(answer.getheader("Proxy-Status"), f'squire; error={error}; next-hop="127.0.0.1:{proxy.port}"{received}')
        for word in (f"127.0.0.1:{proxy.port}", *words, *([f"status {status}"] if status else [])):
            self.assertIn(word, problem["detail"])
        result = self.command("check", "--config", squire.config, "--online", code=69)
        for word in ("fail  proxy", f"127.0.0.1:{proxy.port}", *([f"status {status}"] if status else [])):
            self.assertIn(word, result.stdout + result.stderr)
        self.assertNotIn("p%40ss", answer.data.decode() + result.stderr + squire.text())
        self.assertNotIn("p@ss", answer.data.decode() + result.stderr + squire.text())

    def test_a_proxy_that_refuses(self):
        for status, error in ((403, "http_request_denied"), (400, "http_request_denied"), (404, "http_request_denied"), (429, "http_request_denied"),
                              (500, "destination_unavailable"), (502, "destination_unavailable"), (503, "destination_unavailable"), (504, "connection_timeout"),
                              (302, "destination_unavailable")):
            for end in ("HTTP/1.0 %d X\r\n\r\n<html>no", "HTTP/1.1 %d X\r\nContent-Length: 2\r\n\r\nno", "HTTP/1.1 %d X\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"):
                squire, proxy = self.through(lambda head, fields: (end % status).encode(), secure=status == 403)
                self.refusal(squire, proxy, self.fetch(squire), status, error)
                squire.stop()

    def test_a_proxy_that_says_nothing(self):
        for answer in (b"", b"HTTP/1.0 "):
            squire, proxy = self.through(lambda head, fields: answer)
            self.refusal(squire, proxy, self.fetch(squire), None, "connection_terminated")

    def test_a_refresh_that_the_proxy_refuses_costs_nothing(self):
        refuses = []
        squire, proxy = self.through(lambda head, fields: b"HTTP/1.1 403 X\r\nContent-Length: 0\r\n\r\n" if refuses else TUNNEL)
        refuses.append(1)
        # Nothing was sent: the token was not spent.
        self.command("token", "--config", squire.config, "--min-ttl", "2h", code=69)
        refuses.clear()
        self.assertEqual(self.fetch(squire).data, b"ok")


if __name__ == "__main__":
    main()
