"""Upstreams as they are: with a path in their URL, cookies for their own name, and clients that say localhost and mean either family."""
from harness import *


def taken(family, address):
    """A socket that has a port of `address`, and the port."""
    holder = socket.socket(family, socket.SOCK_STREAM)
    holder.bind((address, 0))
    holder.listen(1)
    return holder, holder.getsockname()[1]


class BasePath(Scenario):
    def behind(self, respond=None, base="/v1", profile="", token=None):
        upstream = self.upstream(respond)
        config = self.config(upstream.url + base, profile=profile)
        self.save_token(token or jwt(), config)
        return self.run_squire(config), upstream

    def test_it_goes_before_each_target(self):
        process, upstream = self.behind()
        for target, sent in (("/x?a=/../b", "/v1/x?a=/../b"), ("/", "/v1/"), (f"http://localhost:{process.port}/y", "/v1/y"),
                             (f"{upstream.url}/v1/z", "/v1/z"), (f"{upstream.url}/v1", "/v1")):
            self.assertEqual(self.fetch(process, target=target).status, 200)
            self.assertEqual(upstream.requests[-1].target, sent)
        # The log has what the client meant.
        process.wait_for_text("/x?a=/../b")
        process.wait_for_text("  /z")
        process.wait_for_text("  /  [", 2)

    def test_one_slash_at_the_end_is_none(self):
        process, upstream = self.behind(base="/v1/")
        self.fetch(process, target="/x")
        self.assertEqual(upstream.requests[-1].target, "/v1/x")

    def test_nothing_climbs_above_it(self):
        process, upstream = self.behind()
        before = len(upstream.requests)
        for target in ("/..", "/../admin", "/a/../../x", "/%2e%2e/x", "/..%2fx", "/..%20/x", "/%252e%252e%252fx", "/..%5cx", "/..\\x", f"{upstream.url}/v1/../x"):
            answer = self.exchange(process.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            self.assertIn(b" 400 ", answer.split(b"\r\n")[0], target)
            self.assertIn(b'"code":"bad_request"', answer)
        for target in (f"{upstream.url}/v2/x", f"{upstream.url}/v10", upstream.url):
            answer = self.exchange(process.port, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
            self.assertIn(b'"code":"misdirected_request"', answer, target)
        self.assertEqual(len(upstream.requests), before)

    def test_paths_of_the_configuration_are_below_it(self):
        old, new = jwt(jti="old"), jwt(jti="new")

        def respond(request):
            if request.target == "/v1/api/customers/refresh": return token_reply(new)
            return reply(200, b"ok") if request.token in ("", new) else reply(401)

        process, upstream = self.behind(respond, profile="profile: menu\n", token=old)
        self.assertEqual(self.fetch(process, target="/api/x").status, 200)
        self.assertEqual([request.target for request in upstream.requests[-3:]], ["/v1/api/x", "/v1/api/customers/refresh", "/v1/api/x"])
        # A sign-in goes without the bearer, whichever way it is named.
        for target in ("/api/customers/login", f"{upstream.url}/v1/api/customers/login"):
            self.fetch(process, "POST", target, b"{}")
            self.assertEqual((upstream.requests[-1].target, upstream.requests[-1]["Authorization"]), ("/v1/api/customers/login", None))

    def test_locations_and_cookies_come_back_without_it(self):
        fields = ["Location: /v1/a?b", "Set-Cookie: a=1; Domain=127.0.0.1; Path=/v1/a; Secure; HttpOnly; SameSite=None",
                  "Set-Cookie: b=2; Domain=other.test; Secure", "Set-Cookie: __Host-c=3; Secure; Path=/"]
        process, upstream = self.behind(lambda _: reply(302, b"", *fields))
        response = self.fetch(process, target="/x")
        self.assertEqual(response.headers["Location"], "/a?b")
        whole = self.fetch(process, target=f"{upstream.url}/v1/x", headers={"Host": upstream.url[7:]})
        self.assertEqual((whole.headers["Location"], whole.headers.get_all("Set-Cookie")[0]), ("/v1/a?b", "a=1; Path=/v1/a; HttpOnly; SameSite=Lax"))
        self.assertEqual(response.headers.get_all("Set-Cookie"), ["a=1; Path=/a; HttpOnly; SameSite=Lax", *(field[12:] for field in fields[2:])])

    def test_exec_exports_what_works(self):
        upstream = self.upstream()
        config = self.config(upstream.url + "/v1", profile="")
        self.save_token(jwt(), config)
        code = "import os, urllib.request; print(urllib.request.urlopen(os.environ['SQUIRE_URL'] + '/x').status)"
        self.assertEqual(self.command("exec", "--config", config, "--", sys.executable, "-c", code).stdout, "200\n")
        self.assertEqual(upstream.requests[-1].target, "/v1/x")

    def test_what_is_shown(self):
        config = self.config("https://api.test/v1", profile="")
        self.assertIn("https://api.test/v1\n", self.command("check", "--config", config).stdout)
        explain = self.command("explain", "--config", config, "GET", "/x").stdout
        self.assertIn("upstream    https://api.test/v1\n", explain)
        self.assertIn("  GET /v1/x HTTP/1.1\n  Host: api.test\n", explain)
        self.assertIn("  GET /v1/y HTTP/1.1\n", self.command("explain", "--config", config, "GET", "https://api.test/v1/y").stdout)
        self.assertIn("refused: 400 bad_request", self.command("explain", "--config", config, "GET", "/%2e%2e/x", code=1).stdout)
        self.assertIn("refused: 421", self.command("explain", "--config", config, "GET", "https://api.test/x", code=1).stdout)
        # Its session is bound to the origin alone.
        self.save_token(jwt(), config)
        self.assertEqual(json.loads(self.session_file.read_text())["upstream"], "https://api.test")

    def test_urls_that_are_none(self):
        for url, words in (("https://api.test/v1?a=b", "query"), ("https://api.test/#x", "fragment"), ("https://api.test?", "query"),
                           ("https://api.test/v1/../x", ".."), ("https://api.test/%2e%2e", ".."), ("https://api.test/a//b", "empty segment"),
                           ("https://api.test//", "empty segment"), ("https://user@api.test/v1", "must be a URL"), ("https://api.test/a%2fb", "different ways")):
            result = self.command("check", "--config", self.config(url, profile=""), code=78)
            self.assertIn("squire.yaml:1: upstream ", result.stderr)
            self.assertIn(words, result.stderr)
        self.assertIn("--upstream holds a query", self.command("check", "--upstream", "https://api.test/?x", code=64).stderr)


class Cookies(Scenario):
    cookie = "a=1; Domain=127.0.0.1; Secure"

    def fetched(self, host, extra=""):
        process, upstream = self.proxied(lambda _: reply(200, b"", f"Set-Cookie: {self.cookie}"), extra, profile="")
        return self.fetch(process, headers={"Host": host.replace("UPSTREAM", upstream.url[7:])}).headers["Set-Cookie"]

    def test_only_loopback_names_get_local_ones(self):
        self.assertEqual(self.fetched("localhost"), "a=1")
        self.assertEqual(self.fetched("[::1]:1"), "a=1")
        self.assertEqual(self.fetched("squire.test", "access: {hosts: [squire.test]}\n"), self.cookie)
        self.assertEqual(self.fetched("localhost", "cookies: keep\n"), self.cookie)

    def test_a_unix_socket_keeps_them(self):
        upstream = self.upstream(lambda _: reply(200, b"", f"Set-Cookie: {self.cookie}"))
        config = self.config(upstream.url, profile="")
        self.save_token(jwt(), config)
        path = str(self.directory / "s.sock")
        self.run_squire(config, "--listen", f"unix:{path}")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(path)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            self.assertIn(f"Set-Cookie: {self.cookie}\r\n".encode(), self.read_until(connection, b"\r\n\r\n"))

    def test_explain_says_so(self):
        config = self.config("https://api.test", profile="")
        self.assertIn("cookies     of api.test: without Domain and Secure", self.command("explain", "--config", config, "GET", "/").stdout)
        config = self.config("https://api.test", "cookies: keep\n", profile="")
        self.assertIn("(cookies: keep)", self.command("explain", "--config", config, "GET", "/").stdout)
        self.assertIn("cookies must be one of local, keep", self.command("check", "--config", self.config("https://api.test", "cookies: no\n"), code=78).stderr)


class BothFamilies(Scenario):
    def listening(self, address, *arguments):
        upstream = self.upstream()
        config = self.config(upstream.url, profile="")
        self.save_token(jwt(), config)
        return self.run_squire(config, "--listen", address, *arguments)

    def test_localhost_is_one_endpoint_on_two_sockets(self):
        for address in ("localhost:0", "0"):
            process = self.listening(address)
            self.assertRegex(process.endpoints["proxy"], r"^http://127\.0\.0\.1:\d+$")
            self.assertEqual(len(process.lines), 1)
            for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
                with socket.socket(family) as connection:
                    connection.connect((host, process.port))
                    connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                    self.assertIn(b" 200 ", self.read_until(connection, b"\r\n\r\n"))

    def test_a_port_that_is_taken_on_either_is_taken(self):
        config = self.config("https://api.test", profile="")
        for family, host in ((socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")):
            holder, port = taken(family, host)
            with holder:
                result = self.command("run", "--config", config, "--listen", f"localhost:{port}", code=74)
                self.assertRegex(result.stderr, rf"\. \S+ \(PID {os.getpid()}\) listens there already\. It was asked for by --listen")
                self.assertEqual(result.stdout, "")

    def test_the_demo_takes_the_next_port_for_both(self):
        """Its default may be taken, or not: whatever it gets is there for both."""
        holder = socket.socket(socket.AF_INET6)
        with holder, contextlib.suppress(OSError):
            holder.bind(("::1", 8080))
            holder.listen(1)
        process = Process("demo", "--inspector", "off", env=self.env)
        self.addCleanup(lambda: process.stop())
        port = int(process.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        for host in ("127.0.0.1", "::1"):
            socket.create_connection((host, port), LIMIT).close()

    def test_one_port_cannot_be_asked_for_twice(self):
        for listen in ("[localhost:8080, 127.0.0.1:8080]", '["[::1]:8080", localhost:8080]', "[8080, localhost:8080]"):
            path = self.directory / "twice.yaml"
            path.write_text(f"upstream: https://api.test\nlisten: {listen}\n")
            self.assertIn("asked for twice", self.command("check", "--config", str(path), code=78).stderr)

    def test_the_inspector_stays_on_one(self):
        process = self.listening("localhost:0", "--inspector", "localhost:0")
        self.assertRegex(process.wait_for("inspector").endpoints["inspector"], r"^http://127\.0\.0\.1:\d+/$")


if __name__ == "__main__":
    main()
