"""Mutated requests through Squire and through nginx, to upstreams that record: what Squire lets pass means the same through both.

`python3 test_differential.py COUNT [SEED]` runs more of them; a failure names the seed."""
import random, re
from harness import *

COUNT, SEED, LANES = 3000, 20261124, 8
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")
END = b"GET /end HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"

SEEDS = [
    b"GET /a HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\nx_b: two words\r\nCookie: a=b; c=d\r\n\r\n",
    b"GET /a/../b//c?d=%20&e=|;f HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nX-Empty:\r\n\r\n",
    b"POST /p HTTP/1.1\r\nHost: localhost\r\nContent-Length: 11\r\nContent-Type: text/plain\r\n\r\nhello world",
    b"POST /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n6;x=y\r\n world\r\n0\r\n\r\n",
    b"PUT /c HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\nA\r\n0123456789\r\n0\r\nX-T: 1\r\n\r\n",
    b"DELETE /d HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\nX-Long: " + b"y" * 300 + b"\r\n\r\n",
    b"OPTIONS /o HTTP/1.1\r\nHost: localhost:80\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nTE: trailers\r\n\r\n",
    b"GET http://localhost/abs?q HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /one HTTP/1.1\r\nHost: localhost\r\n\r\nPOST /two HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabcGET /three HTTP/1.1\r\nHost: localhost\r\n\r\n",
    b"GET /old HTTP/1.0\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n",
]
PIECES = [b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b": ", b",", b";", b"\0", b"\x0b", b"\x80", b"\xff", b"0", b"00", b"5", b"-", b"+", b"0x", b"%", b"#", b"/", b"//", b"?", b"@", b"*",
          b"chunked", b"identity", b", chunked", b"close", b"Content-Length: 5\r\n", b"Content-Length: 0\r\n", b"content-length : 5\r\n", b"Transfer-Encoding: chunked\r\n",
          b"Transfer-Encoding:\tchunked\r\n", b"Transfer-Encoding: x\r\n", b"Host: localhost\r\n", b"Host: other\r\n", b"X-A: 2\r\n", b" folded\r\n", b"Connection: close, X-A\r\n",
          b"Expect: 100-continue\r\n", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"GET", b"POST /x HTTP/1.1\r\nHost: localhost\r\n\r\n", b"0\r\n\r\n", b"5\r\nhello\r\n", b";a=\"b\"", b"\"", b"\\"]
# What each of the two changes, adds or leaves out by its nature.
OWN = {"host", "connection", "keep-alive", "te", "trailer", "upgrade", "proxy-connection", "via", "authorization", "content-length", "transfer-encoding", "expect",
       "proxy-authorization", "http2-settings", "x-squire-key", *(name.lower() for name in HEADERS)}


def mutate(rng):
    data = rng.choice(SEEDS)
    for _ in range(rng.choice((0, 1, 1, 1, 2, 2, 3))):
        # Mostly where lines and fields meet: that is where parsers differ.
        edges = [index for index, byte in enumerate(data) if byte in b"\r\n: ;,/"]
        place = rng.choice(edges) + rng.randrange(2) if edges and rng.random() < 0.8 else rng.randrange(len(data) + 1)
        way = rng.randrange(6)
        if way <= 2: data = data[:place] + rng.choice(PIECES) + data[place:]
        elif way == 3: data = data[:place] + data[place + rng.randrange(1, 4):]
        elif way == 4: data = data[:place] + bytes([rng.randrange(256)]) + data[place + 1:]
        else:
            lines = data.split(b"\r\n")
            lines.insert(rng.randrange(len(lines)), rng.choice(lines))
            data = b"\r\n".join(lines)
    return data + END


def nominated(data):
    """What the client's Connection fields name: taken out by Squire only."""
    return {name.strip().lower() for value in re.findall(r"(?im)^connection:(.*)$", data.decode("latin-1")) for name in value.split(",")}


def folded(name):
    """The name as servers see it that hand fields on as environment variables: Squire drops imitations of its own."""
    return re.sub(r"[^a-z0-9]", "-", name.lower()).rstrip("-")


def meaning(request, nominated):
    """Method, target, the fields that neither touches, and the body."""
    fields = [(name, value.strip(" \t")) for name, value in request.fields if name.lower() not in nominated and folded(name) not in OWN]
    return request.method, request.target, fields, request.payload


class Recorder(RawUpstream):
    def serve(self, connection):
        with contextlib.suppress(OSError, ValueError):
            super().serve(connection)

    def take(self):
        with self.lock:
            taken, self.requests[:] = list(self.requests), []
        return taken


@unittest.skipUnless(NGINX, "nginx is not installed: nothing to compare with (config/setup installs it)")
class Differential(Scenario):
    def start_nginx(self, upstreams):
        ports = []
        for _ in upstreams:
            with socket.create_server(("127.0.0.1", 0)) as placeholder:
                ports.append(placeholder.getsockname()[1])
        servers = "".join(f"""server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{upstream.port}; proxy_http_version 1.1;
            proxy_set_header Connection ""; proxy_set_header Host $http_host; proxy_pass_trailers off; }} }}""".replace("proxy_pass_trailers off;", "")
                          for port, upstream in zip(ports, upstreams))
        (self.directory / "nginx.conf").write_text(f"""
            daemon off; worker_processes 1; pid {self.directory}/nginx.pid; error_log /dev/null;
            events {{ worker_connections 512; }}
            http {{ access_log off; underscores_in_headers on; ignore_invalid_headers off; merge_slashes off; client_max_body_size 0; keepalive_timeout 1s; lingering_close off;
                client_header_timeout 1s; client_body_timeout 1s; client_body_temp_path {self.directory}/b; proxy_temp_path {self.directory}/p;
                fastcgi_temp_path {self.directory}/f; uwsgi_temp_path {self.directory}/u; scgi_temp_path {self.directory}/s; {servers} }}""")
        process = subprocess.Popen([NGINX, "-p", self.directory, "-c", self.directory / "nginx.conf"], stderr=subprocess.DEVNULL)
        self.addCleanup(lambda: (process.terminate(), process.wait(LIMIT)))
        for port in ports:
            deadline = time.monotonic() + LIMIT
            while True:
                with contextlib.suppress(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), LIMIT):
                    break
                self.assertLess(time.monotonic(), deadline, "nginx does not start")
                select.select([], [], [], 0.01)
        return ports

    def start_squire(self, upstreams):
        arguments = []
        for index, upstream in enumerate(upstreams):
            config = self.config(upstream.url, "timeouts: {head: 1s, body: 1s, idle: 1s}\n", profile="", name=f"lane{index}.yaml")
            # A session is one upstream's.
            text = pathlib.Path(config).read_text().replace("session.json", f"session{index}.json")
            pathlib.Path(config).write_text(text)
            self.save_token(jwt(), config)
            arguments += ["--config", config]
        process = Process("run", *arguments, "--log-level", "error", env=self.env)
        self.addCleanup(lambda: process.stop())
        return [int(line.rsplit(":", 1)[1]) for line in process.wait_for_lines(len(upstreams))]

    def send(self, port, data):
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), LIMIT) as connection:
            connection.sendall(data)
            while connection.recv(65536):
                pass

    def test_what_passes_means_the_same(self):
        behind_squire, behind_nginx = [[Recorder() for _ in range(LANES)] for _ in range(2)]
        for upstream in behind_squire + behind_nginx:
            self.addCleanup(upstream.close)
        squire, nginx = self.start_squire(behind_squire), self.start_nginx(behind_nginx)
        problems, counts = [], {"sent": 0, "passed": 0, "refused by Squire alone": 0, "passed by Squire alone": 0}

        def lane(index):
            rng = random.Random(SEED * LANES + index)
            for _ in range(COUNT // LANES):
                data = mutate(rng)
                self.send(squire[index], data)
                ours = behind_squire[index].take()
                self.send(nginx[index], data)
                theirs = behind_nginx[index].take()
                counts["sent"] += 1
                counts["passed"] += len(ours)
                for place, request in enumerate(ours):
                    if place >= len(theirs):
                        # nginx knows fewer methods, and refuses some fields that are valid.
                        counts["passed by Squire alone"] += 1
                        if not self.is_valid(request): problems.append((data, request.head, None))
                        break
                    if meaning(request, nominated(data)) != meaning(theirs[place], nominated(data)):
                        problems.append((data, request.head + request.body, theirs[place].head + theirs[place].body))
                        break
                counts["refused by Squire alone"] += len(theirs) > len(ours)

        for result in parallel(LANES, lane):
            if isinstance(result, Exception): raise result
        print(counts, file=sys.stderr)
        for data, ours, theirs in problems[:5]:
            print(f"seed {SEED}\n  sent   {data}\n  squire {ours}\n  nginx  {theirs}", file=sys.stderr)
        self.assertEqual(len(problems), 0)
        self.assertGreater(counts["passed"], COUNT // 3)

    def is_valid(self, request):
        """Judged by the letter of RFC 9110 and 9112, where nginx refuses and Squire does not."""
        token = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"
        return (re.fullmatch(rf"{token} [\x21-\x22\x24-\x7e]+ HTTP/1\.1", request.line)
                and all(re.fullmatch(token, name) and re.fullmatch(r"[\t\x20-\x7e\x80-\xff]*", value) for name, value in request.fields))


if __name__ == "__main__":
    if len(sys.argv) > 1: COUNT = int(sys.argv.pop(1))
    if len(sys.argv) > 1: SEED = int(sys.argv.pop(1))
    main()
