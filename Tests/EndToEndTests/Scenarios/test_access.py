"""Who may use the session: not other origins' pages, not other names, not other users."""
from harness import *

PAGE = "http://localhost:3000"

# Runs a command in which socket(2) fails with EAFNOSUPPORT for the address families that are named before `--` (seccomp(2)).
WITHOUT_FAMILIES = r"""
import ctypes, os, struct, sys
split = sys.argv.index("--")
families = [int(word) for word in sys.argv[1:split]]
if families:
    number = {"x86_64": 41, "aarch64": 198}[os.uname().machine]
    code = [(0x20, 0, 0, 0), (0x15, 0, 1 + 2 * len(families), number), (0x20, 0, 0, 16)]
    for family in families: code += [(0x15, 0, 1, family), (0x06, 0, 0, 0x00050000 | 97)]
    code.append((0x06, 0, 0, 0x7FFF0000))
    instructions = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in code))
    libc = ctypes.CDLL(None, use_errno=True)
    program = ctypes.create_string_buffer(struct.pack("HxxxxxxP", len(code), ctypes.addressof(instructions)))
    assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0, ctypes.get_errno()
os.execv(sys.argv[split + 1], sys.argv[split + 1:])
"""


class Access(Scenario):
    def request(self, method="GET", *fields):
        lines = [f"{method} /t HTTP/1.1", "Host: localhost", *fields, "Connection: close", "", ""]
        received = self.exchange(self.squire.port, "\r\n".join(lines).encode())
        head, _, body = received.partition(b"\r\n\r\n")
        status, *lines = head.decode().split("\r\n")
        return int(status.split()[1]), [tuple(line.split(": ", 1)) for line in lines], body

    def values(self, fields, name):
        return [value for field, value in fields if field.lower() == name.lower()]

    def test_pages_of_other_origins_cause_nothing(self):
        self.squire, upstream = self.proxied(extra=f"access: {{origins: [\"{PAGE}\"]}}\n")
        for fields in (["Origin: https://evil.test"], ["Origin: null"], ["Origin: https://localhost"], ["Origin: http://localhost:3001"], ["Origin: "],
                       [f"Origin: {PAGE}.evil.test"], [f"Origin: {PAGE}", "Origin: https://evil.test"], [f"Origin: {PAGE}, {PAGE}"],
                       ["Sec-Fetch-Site: cross-site"], ["Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: none", "Sec-Fetch-Site: cross-site"],
                       ["Origin: http://localhost", "Sec-Fetch-Site: cross-site"], ["Origin: http://localhost", "Sec-Fetch-Site: same-site"], ["Sec-Fetch-Site: CROSS-SITE"],
                       ["Sec-Fetch-Site: cross-site", "Sec-Fetch-Mode: navigate", "Sec-Fetch-Dest: document"], ["Sec-Fetch-Site: "]):
            for method in ("GET", "POST", "OPTIONS"):
                with self.subTest(fields=fields, method=method):
                    status, answer, body = self.request(method, *fields, "Access-Control-Request-Method: GET")
                    self.assertEqual(status, 403)
                    self.assertEqual(json.loads(body)["code"], "forbidden_origin")
                    self.assertEqual(self.values(answer, "Access-Control-Allow-Origin"), [])
        # A request hidden in the body of a refused one is not looked at.
        hidden = b"GET /canary HTTP/1.1\r\nHost: localhost\r\n\r\n"
        received = self.exchange(self.squire.port, b"POST /t HTTP/1.1\r\nHost: localhost\r\nOrigin: https://evil.test\r\nContent-Length: %d\r\n\r\n%s" % (len(hidden), hidden))
        self.assertEqual(received.count(b"HTTP/1.1 "), 1)
        self.assertEqual(upstream.requests, [])

    def test_what_browsers_fetch_ahead_is_refused(self):
        self.squire, upstream = self.proxied()
        for field in ("Sec-Purpose: prefetch", "Sec-Purpose: prefetch;prerender", "Purpose: prefetch", "sec-purpose: Prerender"):
            status, _, body = self.request("GET", "Sec-Fetch-Site: none", field)
            self.assertEqual((status, json.loads(body)["code"]), (403, "forbidden_origin"), field)
        self.assertEqual(upstream.requests, [])

    def test_browsers_at_names_they_say_nothing_to_need_the_key(self):
        self.squire, upstream = self.proxied(extra="access: {hosts: [box.lan]}\n")
        def ask(host, *fields):
            data = "\r\n".join(["GET /t HTTP/1.1", f"Host: {host}", *fields, "", ""]) * 2 + f"GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            return [int(status) for status in re.findall(r"HTTP/1\.1 (\d+)", self.exchange(self.squire.port, data.encode()).decode())]
        browser = "User-Agent: Mozilla/5.0 (X11; Linux x86_64) Firefox/140.0"
        for host in ("box.lan", f"127.0.0.1:{upstream.port}"):
            self.assertEqual(ask(host, "User-Agent: curl/8"), [200, 200, 200], host)
        self.assertEqual(ask("localhost", browser), [200, 200, 200])
        self.assertEqual(ask("box.lan", browser, "Sec-Fetch-Site: none"), [200, 200, 200])
        seen = len(upstream.requests)
        self.assertEqual(ask("box.lan", browser), [403])
        self.assertEqual(len(upstream.requests), seen)

    def test_requests_of_tools_and_own_pages_pass(self):
        self.squire, upstream = self.proxied()
        for fields in ([], ["Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate"], ["Sec-Fetch-Site: same-origin"], ["Origin: http://localhost", "Sec-Fetch-Site: same-origin"]):
            self.assertEqual(self.request("GET", *fields)[0], 200, fields)

    def test_the_key_is_asked_for_whatever_a_request_looks_like(self):
        """But of a preflight of a configured origin, which Squire answers itself."""
        key = self.directory / "key"
        key.write_text("0123456789abcdef\n")
        self.squire, upstream = self.proxied(extra=f"access: {{origins: [\"{PAGE}\"], key: {key}}}\n")
        own = f"http://localhost"
        for origin in ([], [f"Origin: {own}"], [f"Origin: {PAGE}"], [f"Origin: http://127.0.0.1:{self.squire.port}"], ["Origin: null"], [f"Origin: {PAGE}", f"Origin: {PAGE}"]):
            for site in ([], ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: none"]):
                for asked in ([], ["Access-Control-Request-Method: GET"], ["Access-Control-Request-Method: GET", "Access-Control-Request-Headers: x-squire-key"]):
                    for shown in ([], ["X-Squire-Key: wrong"], ["X-Squire-Key: "], ["X-Squire-Key: 0123456789abcdef", "X-Squire-Key: 0123456789abcdef"]):
                        for method in ("GET", "OPTIONS", "HEAD", "POST"):
                            status, _, _ = self.request(method, *origin, *site, *asked, *shown, "Content-Length: 0")
                            is_preflight = method == "OPTIONS" and origin == [f"Origin: {PAGE}"] and asked
                            self.assertEqual(status, 204 if is_preflight else 403, (method, origin, site, asked, shown))
        self.assertEqual(upstream.requests, [])

    def test_configured_origins_get_cors(self):
        answers = {"/t": reply(200, b"ok", "Access-Control-Allow-Origin: https://other.test", "access-control-allow-credentials: false", "X-Total: 5", "Vary: Accept")}
        key = self.directory / "key"
        key.write_text("0123456789abcdef\n")
        self.squire, upstream = self.proxied(lambda r: answers[r.target], extra=f"access: {{origins: [\"{PAGE}\"], key: {key}}}\n")
        status, fields, body = self.request("OPTIONS", f"Origin: {PAGE}", "Access-Control-Request-Method: PUT", "Access-Control-Request-Headers: x-squire-key,x-b",
                                            "Access-Control-Request-Private-Network: true", "Sec-Fetch-Site: same-site")
        self.assertEqual((status, body, upstream.requests), (204, b"", []))
        for name, value in (("Access-Control-Allow-Origin", PAGE), ("Access-Control-Allow-Methods", "PUT"), ("Access-Control-Allow-Headers", "x-squire-key,x-b"),
                            ("Access-Control-Allow-Credentials", "true"), ("Access-Control-Allow-Private-Network", None)):
            self.assertEqual(self.values(fields, name), [value] if value else [], fields)
        status, fields, body = self.request("GET", f"Origin: {PAGE}", "X-Squire-Key: 0123456789abcdef")
        self.assertEqual((status, body), (200, b"ok"))
        self.assertEqual(self.values(fields, "Access-Control-Allow-Origin"), [PAGE])
        self.assertEqual(self.values(fields, "Access-Control-Allow-Credentials"), ["true"])
        self.assertEqual(self.values(fields, "Vary"), ["Accept", "Origin"])
        self.assertIn("X-Total", self.values(fields, "Access-Control-Expose-Headers")[0])
        # Squire's own answers can be read, too: without that a page sees only "network error".
        status, fields, _ = self.request("GET", f"Origin: {PAGE}", "X-Squire-Key: wrong")
        self.assertEqual((status, self.values(fields, "Access-Control-Allow-Origin")), (403, [PAGE]))

    def test_access_key(self):
        key = self.directory / "key"
        key.write_text("0123456789abcdef\n")
        self.squire, upstream = self.proxied(extra=f"access: {{key: {key}}}\n")
        for fields in ([], ["X-Squire-Key: 0123456789abcdee"], ["X-Squire-Key: 0123456789abcdef0"], ["X-Squire-Key: "], ["X-Squire-Key: 0123456789abcdef"] * 2):
            status, _, body = self.request("GET", *fields)
            self.assertEqual((status, json.loads(body)["code"]), (403, "wrong_key"))
        self.assertEqual(self.request("GET", "X-Squire-Key: 0123456789abcdef")[0], 200)
        self.assertEqual([r["X-Squire-Key"] for r in upstream.requests], [None])

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_other_local_users_are_refused(self):
        """At every door, even a Unix socket that somebody opened to all."""
        path = self.directory / "s.sock"
        self.directory.chmod(0o755)
        config = self.config(self.upstream().url, profile="")
        text = pathlib.Path(config).read_text().replace('inspector: "off"', "inspector: 127.0.0.1:0").replace("listen: 127.0.0.1:0", f"listen: [127.0.0.1:0, 'unix:{path}']")
        pathlib.Path(config).write_text(text)
        process = Process("run", "--config", config, env=self.env)
        self.addCleanup(lambda: process.stop())
        tcp, unix, inspector = process.wait_for_lines(3)
        path.chmod(0o666)
        doors = [("127.0.0.1", int(tcp.rsplit(":", 1)[1])), str(path), ("127.0.0.1", int(inspector.rstrip("/").rsplit(":", 1)[1]))]
        script = ("import socket, sys\n"
                  f"for door in {doors!r}:\n"
                  "    s = socket.socket(socket.AF_UNIX if isinstance(door, str) else socket.AF_INET)\n"
                  "    s.connect(door)\n"
                  # The refusal may come before the request is sent, and the connection be closed by then.
                  "    try: s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n')\n"
                  "    except OSError: pass\n"
                  "    try: print(b'forbidden_user' in s.recv(65536), flush=True)\n"
                  "    except OSError: print('closed')\n")
        def run(user):
            result = subprocess.run(["/usr/bin/python3", "-c", script], user=user, capture_output=True, text=True, timeout=LIMIT, cwd="/")
            return result.stdout.split(), result.stderr
        answers, errors = run(65534)
        self.assertEqual(answers[:2], ["True", "True"], errors)
        # The inspector hangs up without a word.
        self.assertIn(answers[2], ("False", "closed"))
        process.wait_for_text("forbidden_user", 2)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_a_reload_that_excludes_users_ends_their_connections(self):
        """What is open, too: a connection that is kept alive, and a stream of the inspector's events. One's own goes on."""
        upstream = self.upstream(lambda request: reply(200))
        path = pathlib.Path(self.config(upstream.url, extra="access: {same-user: false}\n"))
        path.write_text(path.read_text().replace('inspector: "off"', "inspector: 127.0.0.1:0"))
        self.save_token(jwt(), str(path))
        process = Process("run", "--config", str(path), env=self.env)
        self.addCleanup(lambda: process.stop())
        ports = [int(line.rstrip("/").rsplit(":", 1)[1]) for line in process.wait_for_lines(2)]
        script = ("import socket, sys\n"
                  f"proxy, feed = (socket.create_connection(('127.0.0.1', port)) for port in {ports!r})\n"
                  "def ask(s, target):\n"
                  "    try: s.sendall(f'GET {target} HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n'.encode())\n"
                  "    except OSError: pass\n"
                  "    try: return s.recv(65536)[9:12].decode()\n"
                  "    except OSError: return ''\n"
                  "print(ask(proxy, '/t'), ask(feed, '/api/events'), flush=True)\n"
                  "sys.stdin.readline()\n"
                  "print('again', ask(proxy, '/t'), flush=True)\n"
                  "try:\n    while sys.argv[1] == 'ends' and feed.recv(65536): pass\n"
                  "except OSError: pass\n")
        clients = [subprocess.Popen(["/usr/bin/python3", "-c", script, end], user=user, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd="/")
                   for user, end in ((65534, "ends"), (0, "goes on"))]
        for client in clients:
            self.assertEqual(client.stdout.readline().split(), ["200", "200"])
        path.write_text(path.read_text().replace("same-user: false", "same-user: true"))
        process.process.send_signal(signal.SIGHUP)
        process.wait_for_text("access.same-user")
        for client, again in zip(clients, (["again"], ["again", "200"])):
            out, _ = client.communicate("\n", timeout=LIMIT)
            self.assertEqual(out.split(), again)
        self.assertEqual(len(upstream.requests), 3)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_other_local_users_are_refused_where_other_machines_are_let_in(self):
        key = self.directory / "key"
        key.write_text("0123456789abcdef\n")
        squire, upstream = self.proxied(extra=f"access: {{allow-remote: true, key: {key}}}\n", arguments=("--listen", "[::]:0"))
        for door in ("127.0.0.1", "::1"):
            send = (f"import socket\ns = socket.create_connection(('{door}', {squire.port}))\n"
                    "try: s.sendall(b'GET /t HTTP/1.1\\r\\nHost: localhost\\r\\nX-Squire-Key: 0123456789abcdef\\r\\n\\r\\n')\n"
                    "except OSError: pass\nprint(s.recv(65536).split()[1].decode())")
            for user, status in ((65534, "403"), (0, "200")):
                result = subprocess.run(["/usr/bin/python3", "-c", send], user=user, capture_output=True, text=True, timeout=LIMIT, cwd="/")
                self.assertEqual(result.stdout.strip(), status, (door, result.stderr))
        self.assertEqual(len(upstream.requests), 2)

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_whose_connection_it_is_is_known_without_netlink_or_nobody_is_let_in(self):
        """A sandbox may allow no AF_NETLINK (systemd's RestrictAddressFamilies); then /proc/net tells; and without that, nobody is trusted."""
        ask = ("import socket, sys\ns = socket.create_connection((sys.argv[1], int(sys.argv[2])))\n"
               "try: s.sendall(b'GET /healthz HTTP/1.1\\r\\nHost: localhost\\r\\nConnection: close\\r\\n\\r\\n')\n"
               "except OSError: pass\ntry: print((s.recv(65536).split() or [b'closed', b'closed'])[1].decode())\nexcept OSError: print('closed')")
        no_tables = "mount -t tmpfs none /proc/$$/net && exec \"$0\" \"$@\""
        for name, forbidden, prefix, own, door in (
                ("netlink", (), (), "200", "127.0.0.1"), ("no netlink", (16,), (), "200", "127.0.0.1"), ("no netlink, IPv6", (16,), (), "200", "::1"),
                ("nothing", (16,), ("unshare", "-m", "sh", "-c", no_tables), "403", "127.0.0.1")):
            with self.subTest(name):
                upstream = self.upstream()
                config = self.config(upstream.url)
                text = pathlib.Path(config).read_text().replace("inspector: \"off\"", "inspector: 127.0.0.1:0")
                pathlib.Path(config).write_text(text.replace("listen: 127.0.0.1:0", "listen: \"[::1]:0\"" if ":" in door else "listen: 127.0.0.1:0"))
                self.save_token(jwt(), config)
                process = Process("run", "--config", config, env=self.env, prefix=(*prefix, sys.executable, "-c", WITHOUT_FAMILIES, *map(str, forbidden), "--"))
                self.addCleanup(lambda: process.stop())
                process.wait_for("proxy", "inspector")
                ports = [process.endpoints[one].rstrip("/").rsplit(":", 1)[1] for one in ("proxy", "inspector")]
                for user, expected in ((65534, ["403", "closed"]), (0, [own, "200" if own == "200" else "closed"])):
                    answers = [subprocess.run(["/usr/bin/python3", "-c", ask, host, port], user=user, capture_output=True, text=True, timeout=LIMIT, cwd="/").stdout.strip()
                               for host, port in zip((door, "127.0.0.1"), ports)]
                    self.assertEqual(answers, expected, process.text())
                self.assertEqual(len(upstream.requests), 1 if own == "200" else 0)
                self.assertEqual("the system does not say whose" in process.text(), own != "200", process.text())
                process.stop()

    @unittest.skipUnless(os.geteuid() == 0, "only root can become another user")
    def test_other_users_that_leave_at_once_are_refused(self):
        """When Squire gets to the connection, the socket that could say whose it was is closed."""
        squire, upstream = self.proxied(profile="")
        self.fetch(squire)
        send = (f"import socket, struct\ns = socket.create_connection(('127.0.0.1', {squire.port}))\n"
                "s.sendall(b'POST /t HTTP/1.1\\r\\nHost: localhost\\r\\nContent-Length: 0\\r\\n\\r\\n')\n")
        for end in ("s.close()", "s.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack('ii', 1, 0)); s.close()"):
            squire.hold()
            subprocess.run(["/usr/bin/python3", "-c", send + end], user=65534, check=True, timeout=LIMIT, cwd="/")
            squire.process.send_signal(signal.SIGCONT)
            # Behind it in the queue: when this is answered, that has been looked at.
            self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual({request.method for request in upstream.requests}, {"GET"})
        squire.wait_for_text("forbidden_user", 2)
        self.assertIn("before the system could be asked", squire.text())

    def test_who_only_looks_whether_somebody_listens_leaves_no_line(self):
        squire, _ = self.proxied(profile="")
        self.fetch(squire)
        squire.wait_for_text("GET", 1)
        lines = squire.text().count("\n")
        squire.hold()
        for _ in range(3): socket.create_connection(("127.0.0.1", squire.port), LIMIT).close()
        squire.process.send_signal(signal.SIGCONT)
        self.fetch(squire)
        squire.wait_for_text("GET", 2)
        self.assertEqual(squire.text().count("\n"), lines + 1, squire.text())


if __name__ == "__main__":
    main()
