"""The token dies under load: how long the slowest request takes, from the moment it was due.

The upstream is nginx, which asks the file system whether a token lives; its refresh takes 100 ms. Clients send on schedule whatever
happens to earlier requests (an open loop), so that a pause shows in all requests that fall into it.
"""
import http.server, os, pathlib, sys, time

import rig as bench
from rig import Failure, Rig, accepts, figure, free_port, load, token

RATE = 5000
REFRESH_MS = 100
ALLOWED_MS = 20
CONNECTIONS = 1200


class Refresh(http.server.BaseHTTPRequestHandler):
    """The upstream's refresh: a new token lives, after a while the client hears of it."""
    protocol_version = "HTTP/1.1"
    count = 0

    def do_GET(self):
        started = time.perf_counter()
        Refresh.count += 1
        fresh = token(f"rotated{Refresh.count}")
        (Refresh.directory / f"rotated{Refresh.count}").touch()
        # This is the upstream's work, not a wait for anything.
        time.sleep(REFRESH_MS / 1e3)
        body = f'{{"status":"OK","code":200,"data":{{"token":{{"value":"{fresh}"}}}}}}'.encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()
        print(f"refresh {(time.perf_counter() - started) * 1e3:.3f}", flush=True)

    def log_message(self, *_):
        pass


def serve(port, directory):
    Refresh.directory = pathlib.Path(directory)
    http.server.ThreadingHTTPServer(("127.0.0.1", port), Refresh).serve_forever()


def rotation(options):
    """The token dies under 5,000 requests/s: the slowest request"""
    worst, quiet = [], []
    for _ in range(options.rounds):
        with Rig(options.squire) as rig:
            refresh = free_port()
            tokens = rig.directory / "tokens"
            tokens.mkdir()
            rig.token = token("first")
            (tokens / "first").touch()
            rig.start("refresh", [sys.executable, __file__, str(refresh), str(tokens)])
            rig.nginx("upstream", f"""map $http_authorization $signature {{ default none; "~\\.(?<s>[A-Za-z0-9_-]+)$" $s; }}
 server {{ listen 127.0.0.1:{rig.plain} backlog=4096;
  location = /api/customers/refresh {{ proxy_pass http://127.0.0.1:{refresh}; }}
  location / {{ default_type application/json; if (!-f {tokens}/$signature) {{ return 401 '{{"status":"Consumer Error","code":401}}'; }}
   return 200 '{bench.BODY}'; }} }}""")
            rig.certificate()
            port = free_port()
            config = rig.configure(rig.origin(tls=False), port, extra=f"limits: {{connections: {CONNECTIONS + 100}}}\n", profile="profile: menu\n")
            rig.start("squire", [rig.squire, "run", "--config", config, "--log-level", "notice"])
            accepts(refresh)
            rig.wait(port, "squire")
            load(rig, port, RATE, 0.5, CONNECTIONS)
            results = load(rig, port, RATE, options.seconds, CONNECTIONS, lambda: os.unlink(tokens / "first"))
            refreshes = [float(line.split()[1]) for line in rig.log("refresh").splitlines() if line.startswith("refresh ")]
            if len(refreshes) != 1:
                raise Failure(f"there were {len(refreshes)} refreshes instead of one:\n{rig.log('squire')}")
            worst.append(max(ms for _, ms in results) - refreshes[0])
            quiet.append(max(ms for due, ms in results if due < options.seconds / 2 - 0.05))
    figure(f"a rotation under {RATE} requests/s, slowest request less the refresh", sorted(worst)[len(worst) // 2], "ms", ALLOWED_MS,
           f"{min(worst):.1f} to {max(worst):.1f} in {len(worst)} rounds; slowest before the rotation {max(quiet):.1f} ms")


if __name__ == "__main__":
    serve(int(sys.argv[1]), sys.argv[2])
