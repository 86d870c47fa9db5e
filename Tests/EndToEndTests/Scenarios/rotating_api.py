"""An API whose token dies when it is refreshed, whoever does it: what a fleet of Squires has to live with.

Whoever sends `GET /refresh` with the token has the next one, and the former is dead at once, or after `grace` seconds. With `kills_families`
a dead token that is refreshed again ends all that came from the same login, as APIs with reuse detection do it. `POST /sign-in` begins a
family, `POST /sign-out` ends one; all else wants a living token. Each request says in `X-Machine` who sent it, so that the API can say which
machine refreshed what, and which used a dead token, and how long it had been dead. Bytes are read by the harness: none of Squire's code.
"""
import collections

from harness import *


class Family:
    """What came from one login."""

    def __init__(self, customer):
        self.customer, self.ended = customer, None      # when it was killed, or signed out
        self.killer = None          # the refresh that was one too many


class Token:
    def __init__(self, api, family, parent=None, life=3600):
        api.count += 1
        self.number, self.family, self.parent, self.life = api.count, family, parent, life
        self.jti = base64.urlsafe_b64encode(os.urandom(15)).decode()
        self.value = self.signed(jwt(life, family.customer, self.jti))
        self.minted, self.expires = time.monotonic(), time.monotonic() + life
        self.spent = None           # when it was refreshed first
        self.first_uses = {}        # machine: when its first call with it was accepted

    @staticmethod
    def signed(token):
        """With a signature of its own, so that all of its parts are secrets."""
        head, claims, _ = token.split(".")
        return ".".join((head, claims, base64.urlsafe_b64encode(os.urandom(24)).decode()))

    @property
    def secrets(self):
        return [*self.value.split(".")[1:], self.jti]

    def __repr__(self):
        return f"token {self.number}"


class Refresh:
    """One refresh: `outcome` is "rotated", "refused", or "failed" where the API did nothing."""

    def __init__(self, machine, token):
        self.machine, self.token, self.at = machine, token, time.monotonic()
        self.outcome = self.child = self.answered = None
        self.is_second = token is not None and token.spent is not None

    def __repr__(self):
        return f"<{self.token} {self.outcome} for {self.machine}, then {self.child}>"


class Fault:
    """What happens to one refresh. `before` and `after` the API acts it waits: seconds, or an event. `arrived` and `acted` say how far it is.
    `acts`: whether it rotates; `answers`: whether the answer is sent."""

    def __init__(self, before=0, acts=True, after=0, answers=True, status=503):
        self.before, self.acts, self.after, self.answers, self.status = before, acts, after, answers, status
        self.arrived, self.acted = threading.Event(), threading.Event()

    @staticmethod
    def wait(what):
        if isinstance(what, threading.Event): what.wait(120)
        else: time.sleep(what)


class RotatingAPI(RawUpstream):
    def __init__(self, grace=0.0, kills_families=False, refresh_time=0.0):
        super().__init__(self.answer)
        # A soak would keep millions.
        self.requests = collections.deque(maxlen=2000)
        self.grace, self.kills_families, self.refresh_time = grace, kills_families, refresh_time
        self.life = lambda: 3600
        self.count = 0
        self.tokens, self.refreshes, self.faults = {}, [], collections.deque()
        self.dead_uses = []         # (machine, token, when, seconds since it died)
        self.last_accepted = 0.0    # of calls
        self.refusals = []          # (machine, token, when), of calls
        self.api = threading.RLock()

    # For tests

    def sign_in(self, customer="5090976", life=None):
        """A token of a new family."""
        with self.api: return self.mint(Family(customer), life=life).value

    def end(self):
        """Ends what lives, for calls; a refresh goes on working."""
        with self.api:
            now = time.monotonic()
            for token in self.tokens.values(): token.expires = min(token.expires, now)

    def kill(self, value):
        """Ends a login."""
        with self.api: self.tokens[value].family.ended = time.monotonic()

    def is_alive(self, value):
        """Whether the token is good for a call or a refresh."""
        with self.api:
            token = self.tokens.get(value)
            return token is not None and self.death(token) is None

    def is_good(self, value):
        """Whether the token is good for a call."""
        with self.api:
            token = self.tokens.get(value)
            return token is not None and self.death(token) is None and time.monotonic() < token.expires

    def next_refresh(self, **how):
        fault = Fault(**how)
        self.faults.append(fault)
        return fault

    def rotated(self):
        return [refresh for refresh in list(self.refreshes) if refresh.outcome == "rotated"]

    def refused(self):
        return [refresh for refresh in list(self.refreshes) if refresh.outcome == "refused"]

    def secrets(self):
        with self.api: return [secret for token in self.tokens.values() for secret in token.secrets]

    # What it does

    def mint(self, family, parent=None, life=None):
        token = Token(self, family, parent, life or self.life())
        self.tokens[token.value] = token
        return token

    def death(self, token):
        """Since when it is good for nothing; None while it is good for something."""
        moments = [token.family.ended] if token.family.ended is not None else []
        if token.spent is not None and time.monotonic() > token.spent + self.grace: moments.append(token.spent + self.grace)
        return min(moments, default=None)

    def answer(self, request):
        path = request.target.split("?")[0]
        machine, token = request["X-Machine"], self.tokens.get(request.token)
        if path == "/refresh": return self.refresh(machine, token)
        if path == "/sign-in": return self.said({"token": self.sign_in(json.loads(request.payload)["customer"])})
        with self.api:
            died = token and self.death(token)
            if token is None or died is not None or time.monotonic() >= token.expires:
                now = time.monotonic()
                # Whoever logs out may come late.
                if died is not None and path != "/sign-out": self.dead_uses.append((machine, token, now, now - died))
                if token is not None: self.refusals.append((machine, token, now))
                return self.said({"error": "token"}, 401)
            if path == "/sign-out": token.family.ended = time.monotonic()
            self.last_accepted = time.monotonic()
            token.first_uses.setdefault(machine, self.last_accepted)
            return self.said({"customer": token.family.customer, "token": token.number})

    def refresh(self, machine, token):
        with self.api:
            fault = self.faults.popleft() if self.faults else Fault(after=self.refresh_time)
            refresh = Refresh(machine, token)
            self.refreshes.append(refresh)
        fault.arrived.set()
        fault.wait(fault.before)
        if fault.acts:
            with self.api: self.rotate(refresh)
        else: refresh.outcome = "failed"
        fault.acted.set()
        fault.wait(fault.after)
        if not fault.answers: return None
        refresh.answered = time.monotonic()
        if refresh.outcome == "rotated": return self.said({"token": refresh.child.value})
        return self.said({"error": refresh.outcome}, 401 if refresh.outcome == "refused" else fault.status)

    def rotate(self, refresh):
        token = refresh.token
        if token is None or self.death(token) is not None:
            refresh.outcome = "refused"
            if self.kills_families and token is not None and token.family.ended is None:
                token.family.ended, token.family.killer = time.monotonic(), refresh
            return
        token.spent = token.spent or time.monotonic()
        refresh.outcome, refresh.child = "rotated", self.mint(token.family, token)

    @staticmethod
    def said(content, status=200):
        return reply(status, json.dumps(content).encode(), "Content-Type: application/json")
