"""A simulator of the MENU customer API, independent of Squire's playground: what a session lives through, and what went wrong.

Tokens follow jwt-auth: a refresh takes an expired token too, keeps `iat`, sub and session, sets `nbf` and `exp` from now, and puts the
old token on a blacklist by its `jti`. With a grace of g seconds the old one goes on working, for calls and for refreshes, until g
seconds after its *first* refresh, and each such refresh makes another valid token. Logging out needs a token that is not expired.

It counts what a judge needs (`Simulator.refreshes`, `.uses_of_dead`, `.orders`, `.violations`) and fails on demand (`.refresh_faults`,
`.request_faults`). One thread of its own, with one asyncio loop; `run()` is how other threads get in. Times are `time.monotonic()`.
"""
import asyncio, base64, collections, dataclasses, email.utils, gzip, hashlib, hmac, json, os, random, socket, struct, threading, time

KEY = b"the simulator's own"
REFRESH, LOGOUT = "/api/customers/refresh", "/api/customers/logout"
SIGN_IN = ("/api/customers/login", "/api/customers/register", "/api/customers/social-sign-up")
OPEN = ("/api/customers/check-email", "/api/customers/passwordless-request")
FIELDS = "application", "api-version", "device-uuid"

# What can happen to a refresh. The first group rotates and loses the answer; "502" is a gateway in front of the API giving up.
LOST = ("close", "reset", "truncate", "garbage", "not-http", "late", "502")
# These did not rotate: nothing is lost.
KEPT = ("never", "500", "503", "429")
# Of both: the API says "not now", which costs a pause.
OUTAGES = ("500", "503", "429", "502")


@dataclasses.dataclass(eq=False)
class Token:
    """One token. `refreshed` is when its first refresh was, from when it is on the blacklist."""
    value: str
    jti: str
    sub: str
    iat: int
    expires: float              # time.time()
    minted: float
    life: float
    parent: "Token | None" = None
    refreshed: float | None = None
    is_logged_out: bool = False
    is_cut: bool = False        # expired before its time, by the test
    was_refused: bool = False
    uses: int = 0
    refusals: list = dataclasses.field(default_factory=list)    # (label, path, when), each time it was refused

    @property
    def first(self):
        """The token of the login that this one comes from."""
        token = self
        while token.parent:
            token = token.parent
        return token


@dataclasses.dataclass
class Refresh:
    """One refresh request: who sent it (`X-Soak-Proxy`), with which token, and what became of it."""
    label: str
    token: Token | None
    fault: str | None
    received: float
    answered: float | None = None
    minted: Token | None = None
    status: int = 0
    is_needed: bool = False
    is_second: bool = False     # of a token that had been refreshed before


@dataclasses.dataclass
class Request:
    method: str
    target: str
    fields: list
    body: bytes
    label: str = ""

    def all(self, name):
        return [value for field, value in self.fields if field == name]

    def get(self, name, otherwise=""):
        return next(iter(self.all(name)), otherwise)


class Simulator:
    """`ttl` seconds of a token's life (whole; `exp` has seconds), `grace` seconds of the blacklist, `refresh_time` seconds that a refresh takes."""

    def __init__(self, ttl=3600, grace=0.0, refresh_time=0.0, refresh_ttl=2_628_000, margin=30, seed=0, late=3.0):
        self.ttl, self.grace, self.refresh_time, self.refresh_ttl, self.late = ttl, grace, refresh_time, refresh_ttl, late
        self.margin = margin            # Squire's `session.margin`: from when on a refresh ahead of expiry is in order
        self.random = random.Random(seed)
        self.tokens = {}                # by value
        self.living = []                # those not yet cut short
        self.refreshes = []
        self.uses_of_dead = []          # (label, path, time, token): refused and past the grace
        self.orders = collections.Counter()
        self.accepted = {}              # X-Request-ID: (when, sub), of what passed
        self.refused_once = {}          # X-Request-ID: (when, label), of requests whose last try was refused
        self.double_refusals = {}       # X-Request-ID: whether the second token was made, and ended, after the first refusal
        self.refusals = collections.defaultdict(list)   # X-Request-ID: [(when, the token's jti, why)]
        self.violations = []
        self.served = collections.Counter()
        self.refresh_faults = collections.deque()
        self.choose_life = None         # () -> seconds, for tokens of refreshes
        self.request_faults = {}        # X-Request-ID: "close" (after it took effect), "500", "slow"
        self.excuses = []               # (from, to): when the API itself kept a refresh from succeeding
        self.sign_in_form = ()          # of "chunked", "gzip"
        self.skew = 0                   # seconds by which the next calls' node is behind; refreshes come from a right one
        self.refuse_connections = 0     # so many of the next are closed before they are read
        self.overrides = {}             # path: async (request, writer) -> bytes | None
        self.inspect = None             # (simulator, request) -> what is wrong with it, of every request
        self.log = collections.deque(maxlen=400)
        self.arrived = threading.Condition()
        self.loop = asyncio.new_event_loop()
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self.port = self.listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.started = time.monotonic()
        self.thread = threading.Thread(target=self._main, daemon=True)
        self.thread.start()

    # From other threads

    def run(self, work):
        """Runs a coroutine, or calls a function, on the simulator's loop."""
        async def call():
            return work()
        return asyncio.run_coroutine_threadsafe(work if asyncio.iscoroutine(work) else call(), self.loop).result()

    def stop(self):
        def cancel():
            self.server.close()
            for task in asyncio.all_tasks(self.loop):
                task.cancel()
            self.loop.call_later(0.05, self.loop.stop)
        self.loop.call_soon_threadsafe(cancel)
        self.thread.join()

    def wait_for(self, condition, limit=20):
        """Until `condition()`; looked at after each request."""
        with self.arrived:
            return self.arrived.wait_for(condition, limit)

    def sign_in(self, sub="5090976", ttl=None):
        """A first token, as from a login elsewhere."""
        return self.run(lambda: self.mint(sub, ttl=ttl)).value

    def expire(self, sub=None):
        """Every token of the customer (of all) is expired from now on; it can still be refreshed."""
        self.run(lambda: self._expire(sub))

    def end(self, sub):
        """`expire`, once the customer's token was used and no request that was refused has yet to come again; waits half a second for that."""
        return self.run(self._end(sub, 0.5))

    def revoke(self, sub):
        """Every token of the customer is dead from now on, for calls and for refreshes."""
        def end():
            for token in list(self.tokens.values()):
                if token.sub == sub:
                    token.is_logged_out = True
            self.note("revoked", sub)
        self.run(end)

    def state(self, value):
        """ "usable", "expired" (refreshable), "dead" (neither, for good) or "unknown"."""
        return self.run(lambda: self._state(self.tokens.get(value)))

    def needed(self):
        """How many tokens were at their end, and refreshed: each of them needed one refresh."""
        return len({id(r.token) for r in self.refreshes if r.token and r.is_needed})

    # Tokens

    def mint(self, sub, parent=None, ttl=None):
        now, ttl = time.time(), ttl or self.ttl
        nbf, jti = int(now), base64.urlsafe_b64encode(os.urandom(12)).decode()
        iat = parent.iat if parent else nbf
        claims = {"iss": f"{self.url}{REFRESH if parent else SIGN_IN[0]}", "iat": iat, "exp": nbf + ttl, "nbf": nbf, "jti": jti,
                  "setRefreshTTL": 2628000, "sub": sub, "prv": "b6ce3b5a6f1a3e0b7f1ee19b5e3ab5d5d3b1d6c9", "session_id": 28350}
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=")
        text = encode(b'{"typ":"JWT","alg":"HS256"}') + b"." + encode(json.dumps(claims).encode())
        value = (text + b"." + encode(hmac.digest(KEY, text, hashlib.sha256))).decode()
        token = Token(value, jti, sub, iat, nbf + ttl, time.monotonic(), ttl, parent)
        self.tokens[value] = token
        self.living.append(token)
        return token

    def _is_blacklisted(self, token):
        return token.is_logged_out or token.refreshed is not None and time.monotonic() > token.refreshed + self.grace

    def _is_expired(self, token):
        return token.is_cut or time.time() - self.skew > token.expires

    def _state(self, token):
        if token is None:
            return "unknown"
        if self._is_blacklisted(token) or time.time() > token.iat + self.refresh_ttl:
            return "dead"
        return "expired" if self._is_expired(token) else "usable"

    def _expire(self, sub=None):
        for token in self.living:
            token.is_cut = token.is_cut or sub in (None, token.sub)
        self.living = [token for token in self.living if not token.is_cut]

    def _is_due(self, token):
        """Whether a refresh is in order: it was refused, is expired, or will be within the margin (at most half its life)."""
        ahead = min(self.margin, token.life / 2)
        return token.was_refused or self._is_expired(token) or time.monotonic() > token.minted + token.life - ahead - 1.05

    def keep_expiring(self, interval):
        """Ends the current token every `interval()` seconds once it was used, but not while a request that was refused has not come
        again: two expiries within one request are more than any proxy can hide."""
        async def go():
            while True:
                await asyncio.sleep(interval())
                await self._end(None, 10)
        self.loop.call_soon_threadsafe(lambda: self.loop.create_task(go()))

    async def _end(self, sub, limit):
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and not (any(t.uses for t in self.living if sub in (None, t.sub)) and not self._is_in_doubt()):
            await asyncio.sleep(0.002)
        self._expire(sub)
        self.note("expired", *([sub] if sub else []))

    def _is_in_doubt(self):
        limit = time.monotonic() - 10
        return any(when > limit for when, _ in self.refused_once.values())

    def forget_requests(self, label):
        """The process is gone: what it had to send again does not come."""
        self.run(lambda: [self.refused_once.pop(k) for k, (_, who) in list(self.refused_once.items()) if who == label])

    # Serving

    def note(self, *what):
        self.log.append((round(time.monotonic() - self.started, 3), *what))

    def _main(self):
        asyncio.set_event_loop(self.loop)
        self.server = self.loop.run_until_complete(asyncio.start_server(self._serve, sock=self.listener, limit=1 << 20))
        self.loop.run_forever()

    async def _serve(self, reader, writer):
        if self.refuse_connections > 0:
            self.refuse_connections -= 1
            writer.transport.abort()
            return
        try:
            while True:
                request = await self._read(reader, writer)
                if request is None:
                    break
                answer = await self._answer(request, writer)
                with self.arrived:
                    self.arrived.notify_all()
                if answer is None:
                    break
                writer.write(answer)
                await writer.drain()
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, asyncio.CancelledError, ValueError):
            pass
        writer.close()

    async def _read(self, reader, writer):
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return None
        first, *lines = head[:-4].decode("latin-1").split("\r\n")
        method, target, _ = first.split(" ")
        fields = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        request = Request(method, target, fields, b"")
        request.label = request.get("x-soak-proxy")
        if request.get("expect").lower() == "100-continue":
            writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        if request.get("transfer-encoding").lower() == "chunked":
            while size := int((await reader.readline()).split(b";")[0], 16):
                request.body += await reader.readexactly(size)
                await reader.readexactly(2)
            while await reader.readline() != b"\r\n":
                pass
        else:
            request.body = await reader.readexactly(int(request.get("content-length", "0")))
        return request

    def reply(self, status, content=b"", *fields, form=()):
        if not isinstance(content, bytes):
            content = json.dumps(content).encode()
        lines = [f"HTTP/1.1 {status} X", f"Date: {email.utils.formatdate(time.time() - self.skew, usegmt=True)}",
                 "Content-Type: application/json", *fields]
        if "gzip" in form:
            content = gzip.compress(content)
            lines.append("Content-Encoding: gzip")
        if "chunked" in form:
            lines.append("Transfer-Encoding: chunked")
            half = max(1, len(content) // 2)
            content = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in (content[:half], content[half:]) if part) + b"0\r\n\r\n"
        else:
            lines.append(f"Content-Length: {len(content)}")
        return "\r\n".join((*lines, "", "")).encode() + content

    def envelope(self, data=None):
        return {"status": "OK", "code": 200, **({} if data is None else {"data": data})}

    def refusal(self, message):
        body = {"status": "Consumer Error", "code": 401, "data": {"message": message, "info_message": {"title": "", "body": ""}}}
        return self.reply(401, body, "WWW-Authenticate: jwt-auth")

    def token_data(self, token):
        return self.envelope({"customer_account": {"id": int(token.sub) if token.sub.isdigit() else 1},
                              "token": {"value": token.value, "ttl": max(1, int(self.ttl / 60)), "refresh_ttl": 2628000,
                                        "issued_token_type": "access_token", "token_type": "Bearer"}})

    async def _answer(self, request, writer):
        path = request.target.split("?")[0]
        credentials = request.all("authorization")
        bearer = credentials[0][7:] if credentials and credentials[0].lower().startswith("bearer ") else None
        self.served[path] += 1
        if self.inspect and (wrong := self.inspect(self, request)):
            self.violations.append(wrong)
        if len(credentials) > 1:
            self.violations.append(f"{len(credentials)} Authorization fields on {path}")
        if missing := [name for name in FIELDS if not request.all(name)]:
            self.violations.append(f"{path} without {missing}")
        if path in self.overrides:
            answer = await self.overrides[path](request, writer)
            if answer is not NotImplemented:
                return answer
        if path == REFRESH and request.method == "GET":
            return await self._refresh(request, bearer, writer)
        if path in SIGN_IN or path in OPEN or path == "/api/oauth/tokens":
            if bearer:
                self.violations.append(f"a bearer on {path}")
        if path in SIGN_IN:
            return self._sign_in(request)
        if path in OPEN:
            return self.reply(200, self.envelope())
        if path == "/api/oauth/tokens":
            if not (credentials and credentials[0].startswith("Basic ")):
                return self.refusal("Unauthenticated.")
            return self.reply(200, self.envelope({"oauth_token": {"access_token": self._decoy()}, "token": {"value": self._decoy()}}))
        return await self._call(request, path, bearer, writer)

    def _decoy(self):
        """Looks like a customer's token, and is none."""
        token = self.mint("decoy")
        del self.tokens[token.value]
        self.living.remove(token)
        return token.value

    def _sign_in(self, request):
        try:
            body = json.loads(request.body or b"{}")
        except ValueError:
            body = {}
        who = body.get("email") or body.get("passwordless_email") or body.get("provider_token")
        secret = body.get("password") or str(body.get("passwordless_code", "")) or body.get("provider_token")
        if not who or secret in (None, "", "wrong"):
            return self.reply(401, {"status": "Consumer Error", "code": 1000, "data": {"message": "Consumer Error"}})
        return self.reply(200, self.token_data(self.mint(self.sub_of(who))), form=self.sign_in_form)

    @staticmethod
    def sub_of(email):
        """The customer's number; one for each address."""
        return str(int.from_bytes(hashlib.sha256(email.encode()).digest()[:4], "big"))

    async def _call(self, request, path, bearer, writer):
        """Anything that needs a customer."""
        token, identity = self.tokens.get(bearer), request.get("x-request-id")
        fault = self.request_faults.pop(identity, None)
        if fault == "500":
            return self.reply(500, b'{"status":"error"}')
        if token is None or self._is_blacklisted(token):
            if token:
                self._mark_refused(token, request.label, path)
                self.uses_of_dead.append((request.label, path, time.monotonic(), token))
            return self._refuse(request, identity, "The token has been blacklisted" if token else "Wrong number of segments", token)
        if token.minted > time.monotonic() - self.skew:
            return self._refuse(request, identity, "Not Before (nbf) timestamp cannot be in the future", token)
        if self._is_expired(token):
            self._mark_refused(token, request.label, path)
            return self._refuse(request, identity, "Token has expired", token)
        token.uses += 1
        self.refused_once.pop(identity, None)
        if identity in self.accepted and self.accepted[identity][1] != token.sub:
            self.violations.append(f"{identity} came as two customers")
        self.accepted[identity] = (time.monotonic(), token.sub)
        if path == LOGOUT:
            token.refreshed = token.refreshed or time.monotonic()
            token.is_logged_out = self.grace == 0
            return self.reply(200, self.envelope())
        data = {"id": identity, "sub": token.sub, "path": path}
        if path == "/api/orders" and request.method == "POST":
            order = json.loads(request.body)
            self.orders[order["id"]] += 1
            data["order"] = order["id"]
        if path == "/api/payment-processors/generate-tokens":
            return self.reply(200, {**self.envelope({"token": {"value": self._decoy()}}), "token": "5b3e6a90-2c1d-4e8f-9a57-0d6f1c2b3a48"})
        if fault == "slow":
            await asyncio.sleep(0.3)
        if fault == "close":
            writer.transport.abort()
            return None
        return self.reply(200, self.envelope(data))

    @staticmethod
    def _mark_refused(token, label, path):
        token.was_refused = True
        token.refusals.append((label, path, time.monotonic()))

    def _refuse(self, request, identity, message, token=None):
        self.refusals[identity].append((round(time.monotonic() - self.started, 3), token and token.jti, message))
        history = self.refusals[identity]
        if len(history) > 1:
            self.double_refusals[identity] = token is not None and token.minted - self.started > history[0][0]
        self.refused_once[identity] = (time.monotonic(), request.label)
        return self.refusal(message)

    # Refreshing

    async def _refresh(self, request, bearer, writer):
        token = self.tokens.get(bearer)
        fault = self.refresh_faults.popleft() if self.refresh_faults else None
        record = Refresh(request.label, token, fault, time.monotonic(), is_needed=bool(token) and self._is_due(token))
        record.is_second = bool(token) and token.refreshed is not None
        self.refreshes.append(record)
        self.note("refresh", request.label, token and token.jti, fault or "")
        with self.arrived:
            self.arrived.notify_all()
        if fault in KEPT:
            await asyncio.sleep(self.refresh_time)
            self._excuse(record)
            if fault == "never":
                writer.transport.abort()
                return None
            record.status = int(fault)
            return self.reply(record.status, {"status": "error"}, *(["Retry-After: 1"] if fault in ("429", "503") else []))
        if token is None or self._state(token) == "dead":
            record.status, record.answered = 401, time.monotonic()
            return self.refusal("The token has been blacklisted")
        # The blacklist first, then the new one, as the library does it.
        token.refreshed = token.refreshed or time.monotonic()
        record.minted = minted = self.mint(token.sub, token, self.choose_life and self.choose_life())
        await asyncio.sleep(0.5 if fault == "slow" else self.refresh_time)
        answer = self.reply(200, self.token_data(minted))
        record.status, record.answered = 200, time.monotonic()
        if fault in LOST:
            return await self._lose(fault, answer, writer, record)
        return answer

    def _excuse(self, record):
        """An answer that says "not now" costs a pause; a lost one is made good at once, unless the second try fails too."""
        earlier = self.refreshes[-2] if len(self.refreshes) > 1 else None
        is_repeated = earlier and earlier.fault in LOST + KEPT and record.received - earlier.received < 5
        if record.fault in OUTAGES or is_repeated:
            self.excuses.append((record.received, time.monotonic() + 2.5 + (self.late if record.fault == "late" else 0)))

    async def _lose(self, fault, answer, writer, record):
        """The token is rotated and the answer does not arrive."""
        record.status = 0
        self._excuse(record)
        if fault == "late":
            await asyncio.sleep(self.late)
            return answer
        if fault == "502":
            return self.reply(502, b"<html>Bad Gateway</html>")
        if fault == "garbage":
            return self.reply(200, b"<!DOCTYPE html><html>We will be back soon</html>")
        if fault == "truncate":
            writer.write(answer[:-30])
            await writer.drain()
        elif fault == "not-http":
            writer.write(b"\x16\x03\x01\x00\x00garbage\r\n\r\n")
            await writer.drain()
        elif fault == "reset":
            writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        return None
