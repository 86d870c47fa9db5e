"""Connections that are owned: libcurl, which makes them, closes none that an exchange uses.

It looks for dead connections when it makes another, once a second at most; to it, one that Squire uses for an exchange is idle. Shown with
the system's libcurl, and with those of pycurl's wheels that config/setup has fetched.
"""
from harness import *

CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "squire/libcurl"
OTHERS = sorted(CACHE.glob("*/lib")) if CACHE.is_dir() else []
OLD, NEW = jwt(jti="old"), jwt(jti="new")
OTHER = reply(200, b"other", "Connection: close")
BIG = b"".join(b"%07x\n" % line for line in range(1 << 19))


class Relay:
    """A proxy that opens tunnels (CONNECT), or passes a request on, and then every byte; through TLS with a context."""

    def __init__(self, context=None):
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self.listener.accept()
                threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            if self.context: connection = self.context.wrap_socket(connection, server_side=True)
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                head += connection.recv(1)
            method, target, rest = head.split(b" ", 2)
            authority, path = (target, b"") if method == b"CONNECT" else target.removeprefix(b"http://").split(b"/", 1)
            host, _, port = authority.decode().rpartition(":")
            onward = socket.create_connection((host, int(port)))
            if method == b"CONNECT": connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
            else: onward.sendall(b" /".join((method, path + b" " + rest)))
            threading.Thread(target=self.copy, args=(onward, connection), daemon=True).start()
            self.copy(connection, onward)

    def copy(self, source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with contextlib.suppress(OSError):
            sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.listener.close()


class Owned(Scenario):
    def ways(self):
        """Each library and each way to an upstream: its name, a TLS context for the upstream, settings, what starts Squire."""
        context, trust = secure_context(self.directory)
        relay, secure_relay = Relay(), Relay(context)
        for one in (relay, secure_relay): self.addCleanup(one.close)
        # A proxy's certificate is verified with the system's authorities.
        mount = ("unshare", "-m", "sh", "-c", f"mount --bind {self.directory}/good.pem /etc/ssl/certs/ca-certificates.crt && exec \"$0\" \"$@\"")
        ways = [("plain", None, "", ()), ("TLS", context, trust, ()), ("plain, proxy", None, f"proxy: {relay.url}\n", ()),
                ("TLS, proxy", context, f"proxy: {relay.url}\n{trust}", ())]
        if subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0:
            ways += [("plain, TLS proxy", None, f"proxy: {secure_relay.url}\n", mount), ("TLS, TLS proxy", context, f"proxy: {secure_relay.url}\n{trust}", mount)]
        for library in [None, *OTHERS]:
            for name, upstream, settings, prefix in ways:
                env = {"LD_LIBRARY_PATH": str(library)} if library else {}
                if library and prefix: continue  # The wheels' builds look for those elsewhere.
                yield f"{library.parent.name if library else 'system'}, {name}", upstream, settings, prefix, env

    def start(self, respond, way):
        name, context, settings, prefix, env = way
        upstream = self.upstream(respond, context)
        session = self.directory / f"{name}.json"
        config = self.config(upstream.url, settings, name=f"{name}.yaml")
        pathlib.Path(config).write_text(pathlib.Path(config).read_text().replace(str(self.session_file), f"\"{session}\""))
        session.write_text(json.dumps({"token": OLD}))
        session.chmod(0o600)
        squire = Process("run", "--config", config, env={**self.env, **env}, prefix=prefix)
        self.addCleanup(lambda: squire.stop())
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        return squire, upstream

    def judge(self, work):
        """`work(way)` in all ways at once: what went wrong, by the way's name."""
        ways = list(self.ways())
        results = parallel(len(ways), lambda index: work(ways[index]))
        self.maxDiff = None
        self.assertEqual({way[0]: repr(result) for way, result in zip(ways, results) if result is not None}, {})

    def make_connections(self, squire):
        """For longer than the second that libcurl lets pass between two looks. Each request has a connection of its own: the upstream keeps none."""
        end = time.monotonic() + 1.2
        while time.monotonic() < end:
            answer = self.fetch(squire, "POST", "/api/customers/check-email", b"")
            assert answer.data == b"other", (answer.status, answer.data)

    def test_a_download_that_pauses_is_whole(self):
        def respond(request):
            # All of it is written, and the connection ended, long before Squire may read it.
            return reply(200, BIG) if request.target == "/big" else OTHER, "close"

        def work(way):
            squire, upstream = self.start(respond, way)
            with socket.socket() as client:
                client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                client.settimeout(LIMIT)
                client.connect(("127.0.0.1", squire.port))
                client.sendall(b"GET /big HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                upstream.wait_for_requests(1)
                self.make_connections(squire)
                received = b""
                while part := client.recv(1 << 20):
                    received += part
            if received.partition(b"\r\n\r\n")[2] != BIG: return f"{len(received)} bytes"
            if squire.stop() != 0: return squire.text()

        self.judge(work)

    def test_nobody_else_gets_a_request_that_waits_for_its_refresh(self):
        """The upstream ends the connection of a refused request meanwhile; its descriptor may become a client's."""
        def work(way):
            refresh = threading.Event()

            def respond(request):
                if request.target.endswith("/refresh"):
                    refresh.wait(LIMIT)
                    return token_reply(NEW)
                if request.target == "/held":
                    return reply(401, b"{}") if request.token == OLD else reply(200, b"the answer"), "close"
                return OTHER, "close"

            squire, upstream = self.start(respond, way)
            with socket.create_connection(("127.0.0.1", squire.port), LIMIT) as client:
                client.sendall(b"GET /held HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
                upstream.wait_for_requests(2)
                self.make_connections(squire)
                silent = [socket.create_connection(("127.0.0.1", squire.port), LIMIT) for _ in range(8)]
                # Behind them in the queue: when this is answered, they are accepted.
                self.fetch(squire, "POST", "/api/customers/check-email", b"")
                refresh.set()
                received = b""
                while part := client.recv(65536):
                    received += part
            ready, _, _ = select.select(silent, [], [], 0)
            heard = [one.recv(20) for one in ready]
            for one in silent: one.close()
            if heard: return f"silent clients got {heard}"
            if not received.endswith(b"the answer"): return received[:200]
            if squire.stop() != 0: return squire.text()

        self.judge(work)

    @unittest.skipIf(OTHERS, "there are")
    def test_other_libraries(self):
        self.skipTest(f"no other libcurl in {CACHE}: config/setup fetches them from pycurl's wheels where pip is")


if __name__ == "__main__":
    main()
