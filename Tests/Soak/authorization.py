"""An authorization server with rotating refresh tokens and its API, independent of Squire: each refresh spends the refresh token, ends the
access token, and is written down with who asked (the parameter `soak`).

A refresh token that was spent is answered once more with the same successor for as long as nobody has used that (as Shopify does since
2026, and Auth0 in its overlap): a process that is killed before it has saved costs no session. After that it is `invalid_grant`, and the
family is dead, as at servers that detect reuse.
"""
import collections, dataclasses, http.server, json, random, threading, time, urllib.parse


@dataclasses.dataclass(eq=False)
class Grant:
    """A refresh token and the access token that came with it."""
    refresh: str
    access: str
    successor: "Grant | None" = None
    uses: list = dataclasses.field(default_factory=list)    # (who, when it came), each time it was spent
    is_used: bool = False                                   # by a request to the API, or by a refresh
    served: int = 0


class AuthorizationServer:
    def __init__(self, seed=0, answer_time=0.01, least_uses=1):
        self.least_uses = least_uses
        self.random, self.answer_time = random.Random(seed), answer_time
        self.lock = threading.Lock()
        self.grants, self.violations = {}, []
        self.refusals = collections.defaultdict(set)            # X-Request-ID: the tokens that it was refused with
        self.is_alive = True
        self.current = self._mint()
        self.expired = False
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, members, *fields):
                body = json.dumps(members).encode()
                self.send_response(status)
                for name, value in (("Content-Type", "application/json"), ("Content-Length", str(len(body))), *fields):
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def do_GET(self):
                token = self.headers.get("Authorization", "").removeprefix("Bearer ")
                if outer.call(token, self.headers.get("X-Request-ID", "")):
                    return self.answer(200, {"ok": True})
                self.answer(401, {"error": "invalid_token"}, ("WWW-Authenticate", 'Bearer error="invalid_token"'))

            def do_POST(self):
                form = dict(urllib.parse.parse_qsl(self.rfile.read(int(self.headers.get("Content-Length", "0"))).decode()))
                if self.path != "/token" or form.get("grant_type") != "refresh_token":
                    return self.answer(404, {"error": "invalid_request"})
                grant = outer.refresh(form.get("refresh_token", ""), form.get("soak", "?"))
                # What was spent is spent: the answer takes its time, in which whoever asked may die.
                time.sleep(outer.random.random() * 2 * outer.answer_time)
                if grant is None:
                    return self.answer(400, {"error": "invalid_grant"})
                self.answer(200, {"access_token": grant.access, "refresh_token": grant.refresh, "token_type": "Bearer", "expires_in": 3600})

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 256

            def handle_error(self, *_):
                # Whoever asked is gone.
                pass

        self.server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def _mint(self):
        text = lambda: f"{self.random.getrandbits(192):048x}"
        grant = Grant("rt-" + text(), "at-" + text())
        self.grants[grant.refresh] = grant
        return grant

    def refresh(self, token, who):
        with self.lock:
            grant = self.grants.get(token)
            if grant is None or not self.is_alive:
                self.violations.append(f"{who} sent a refresh token that {'is unknown' if grant is None else 'belongs to a dead family'}")
                return None
            grant.uses.append((who, time.monotonic()))
            grant.is_used = True
            if grant.successor is None:
                grant.successor = self.current = self._mint()
                self.expired = False
            elif grant.successor.is_used:
                self.violations.append(f"{who} spent a refresh token whose successor was in use: the family is dead")
                self.is_alive = False
                return None
            return grant.successor

    def call(self, token, identity):
        """Whether a request of the API passes."""
        with self.lock:
            if token == self.current.access and not self.expired and self.is_alive:
                self.current.is_used = True
                self.current.served += 1
                return True
            self.refusals[identity].add(token)
            return False

    def expire(self):
        """The access token ends now, if it has served often enough; a rotation begins."""
        with self.lock:
            if self.current.served >= self.least_uses:
                self.expired = True

    @property
    def rotations(self):
        with self.lock:
            return sum(grant.successor is not None for grant in self.grants.values())

    def spent_twice(self):
        """The uses of each refresh token that was spent more than once."""
        with self.lock:
            return [grant.uses for grant in self.grants.values() if len(grant.uses) > 1]

    def secrets(self):
        with self.lock:
            return [value for grant in self.grants.values() for value in (grant.refresh, grant.access)]

    def stop(self):
        self.server.shutdown()
        self.server.server_close()
