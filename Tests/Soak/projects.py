"""Two APIs and five projects side by side, in one home: `./squire.yaml` in each directory, the default session places, two projects that
share a session by its name and a third of the same name at the other API. Processes of one project and of two, clients, and a person who
logs in and out, asks for tokens and states, and points a project to the other API and back."""
import argparse, collections, contextlib, hashlib, json, os, pathlib, random, re, shutil, signal, sys, tempfile, threading, time

import fleet, soak
from simulator import Simulator

EPILOG = """\
What is judged, from what the two simulated APIs know: no token of one API, project or customer reaches another, no session file holds
what is another's, no session is lost (but one whose refresh was answered to a process that was killed in that instant, as tokens die at
their refresh), no order is placed twice, one refresh for each token that ended, every answer and every exit code fits the session there
is, or was in the second before (`login` without --replace: 64 and nothing changed; with it: the former one whole in `.previous`; `token`:
never one that is known to be refused; `status`: 0 or 77), no secret in any output. --healthy leaves out the kills and revocations, and
also wants exactly one refresh for each rotation. The exit code is 0 or 1.

  config/soak projects 5              five minutes, another order each time
  config/soak projects 5 --seed 7     the order of seed 7 again (chance in the timing remains)
"""
# (home API, session.name)
PROJECTS = ((0, None), (1, None), (0, "team"), (0, "team"), (1, "team"))
# Which projects each process runs.
PROCESSES = ((0,), (1,), (2,), (3,), (0, 1), (2, 4))
CONFIGURATION = """profile: menu
upstream: {url}
listen: 127.0.0.1:0
inspector: "off"
headers:
  Application: f3a90488ffee32c3acb6fcd0ca417cf6
  Api-Version: 4.38.0
  Device-UUID: "1287796"
  X-Soak-Project: p{index}
session:
  margin: 1s
  refresh: {{timeout: 2s}}
"""
# What a place can hold besides a customer.
NONE, REVOKED = "no session", "revoked"
# How long after an answer its process may be killed before it has saved the token.
SAVING = 0.5


class History:
    """What held when: sets of possibilities, two while something changes."""

    def __init__(self, value):
        self.lock = threading.Lock()
        self.steps = [(0.0, {value})]

    @property
    def now(self):
        return self.steps[-1][1]

    def set(self, *values):
        with self.lock:
            self.steps = [*self.steps[-20:], (time.monotonic(), set(values))]

    def since(self, moment):
        """Everything that was possible from that moment on."""
        steps, possible = self.steps, set()
        for (begin, values), end in zip(steps, [*(begin for begin, _ in steps[1:]), float("inf")]):
            if end >= moment:
                possible |= values
        return possible


class Lag(threading.Thread):
    """How late a thread wakes up on this machine: what is to happen within a second gets that on top."""

    def __init__(self):
        super().__init__(daemon=True)
        self.recent = collections.deque(maxlen=100)
        self.most = 0.0
        self.start()

    def run(self):
        while True:
            begin = time.monotonic()
            time.sleep(0.05)
            self.recent.append(time.monotonic() - begin - 0.05)
            self.most = max(self.most, self.recent[-1])

    @property
    def bound(self):
        return 1 + 2 * max(self.recent, default=0)


class Place:
    """Where a session is: of a project, or of a name, at one API. `holds` is a customer, NONE or REVOKED."""

    def __init__(self, simulator, key, directory, named):
        self.simulator, self.key = simulator, key
        self.lock = threading.RLock()
        self.holds = History(NONE)
        middle, text = (f"-{named}", simulator.url) if named else ("", f"{simulator.url}\0{os.path.realpath(directory / 'squire.yaml')}")
        self.file = pathlib.Path(f"127.0.0.1{middle}-{hashlib.sha256(text.encode()).hexdigest()[:8]}.json")
        self.customers = 0
        self.suspect = None
        self.rotating, self.rotated = threading.Lock(), 0.0

    def token(self, suffix=""):
        """What the file holds, as the simulator knows it; None for nothing, and for what is no token."""
        with contextlib.suppress(OSError, ValueError):
            return self.simulator.tokens.get(json.loads(pathlib.Path(f"{self.file}{suffix}").read_bytes()).get("token"))

    def state(self, suffix=""):
        return self.simulator._state(self.token(suffix))


class Project(fleet.Session):
    """A directory with `./squire.yaml`, which is for one API or the other."""

    def __init__(self, home, index, simulators, api, name):
        self.index, self.both, self.name, self.home = index, simulators, name, home
        self.lock = threading.RLock()
        self.api = History(api)
        directory = home / f"p{index}"
        directory.mkdir()
        super().__init__(simulators[api], directory, CONFIGURATION.replace("{index}", str(index)) + (f"  name: {name}\n" if name else ""))

    @property
    def simulators(self):
        return self.both

    @property
    def environment(self):
        return {**fleet.environment(self.directory), "HOME": str(self.home), "XDG_STATE_HOME": str(self.home / "state")}

    @property
    def words(self):
        # A name that comes with a directory has to be agreed to: by naming the file.
        return ["--config", "./squire.yaml"] if self.name else []

    def point_to(self, api):
        text = self.config.read_text()
        self.config.write_text(re.sub(r"(?m)^upstream: .*", f"upstream: {self.both[api].url}", text))

    def flaws(self):
        return []

    @property
    def place(self):
        """Where its session is now; only while its lock is held."""
        return self.places[min(self.api.now)]


class Client(fleet.Client):
    """One of a project's endpoint in a process."""

    def __init__(self, load, proxy, position, number, pace):
        super().__init__(load, proxy, number, pace)
        self.position, self.project = position, proxy.sessions[position]

    @property
    def port(self):
        return self.proxy.ports[self.position]

    def judge(self, answer, identity, is_order, fault, begin):
        load, since = self.fleet, begin - self.fleet.lag.bound
        places = [self.project.places[api] for api in self.project.api.since(since)]
        possible = set().union(*(place.holds.since(since) for place in places))
        if answer.status == 200:
            data = json.loads(answer.body)["data"]
            if data["id"] != identity or is_order and (data.get("order") != identity or not any(s.orders[identity] for s in load.simulators)):
                return "the answer is another request's"
            return None if data["sub"] in possible else f"the answer is for {load.name(data['sub'])}, but the session is {load.names(possible)}"
        if answer.status == 401:
            if possible & {NONE, REVOKED}:
                load.count_error("login needed, truly", str(answer))
                return None
            if any(load.fate(place) == "killed" for place in places):
                load.count_error("lost with a process that was killed", str(answer))
                return None
            return f"{answer}, but the session is {load.names(possible)}, its token {' or '.join(place.state() for place in places)}"
        if answer.code == "session_unavailable" and b"Another customer logged in" in answer.body and len(possible & set(load.owners)) > 1:
            load.count_error("another customer logged in meanwhile, truly", str(answer))
            return None
        return str(answer)


class Projects(fleet.Fleet):
    """The processes, the clients, and the person."""

    def __init__(self, home, options, seed):
        self.home, self.is_healthy = home, options.healthy
        apis = [Simulator(grace=0, refresh_time=0.02, margin=1, seed=seed + n) for n in range(2)]
        self.projects = [Project(home, n, apis, api, name) for n, (api, name) in enumerate(PROJECTS)]
        super().__init__(self.projects[0], proxies=0, clients=0, seed=seed)
        self.places, self.owners, self.written, self.lag = {}, {}, [], Lag()
        for project in self.projects:
            project.places = []
            for api, simulator in enumerate(apis):
                key = f"{project.name or f'p{project.index}'} at {'AB'[api]}"
                place = self.places.setdefault(key, Place(simulator, key, project.directory, project.name))
                place.file = home / "state/squire" / place.file.name
                project.places.append(place)
        for simulator in apis:
            simulator.inspect = self.inspect
        for processes in [PROCESSES] * options.proxies:
            for numbers in processes:
                first, *others = (self.projects[n] for n in numbers)
                self.proxies.append(fleet.Proxy(first, len(self.proxies), others=others))
        ends = [(proxy, position) for proxy in self.proxies for position in range(len(proxy.sessions))]
        self.clients = [Client(self, *ends[n % len(ends)], n, 0.05) for n in range(options.clients * len(ends))]

    # What the simulators see

    def inspect(self, simulator, request):
        """Every token in any field is one that this API gave to this project's customer."""
        project = request.get("x-soak-project")
        for text in (request.target, *(value for _, value in request.fields)):
            for value in re.findall(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", text):
                token = simulator.tokens.get(value)
                where = f"{request.method} {request.target.split('/c')[0]} of {project} by {request.label}"
                if token is None:
                    return f"a token of {'the other API' if any(value in s.tokens for s in self.simulators) else 'nobody'} came with {where}"
                owner = self.owners[token.sub]
                if not project or self.projects[int(project[1:])].places[self.simulators.index(simulator)] is not owner:
                    return f"the token of {owner.key} came with {where}"

    def name(self, sub):
        return f"a customer of {self.owners[sub].key}" if sub in self.owners else sub

    def names(self, possible):
        return " or ".join(sorted(self.name(value) for value in possible))

    def customer(self, place):
        """A new one of this place: an address, and the number that the API gives it."""
        place.customers += 1
        email = f"c{place.customers}@{place.key.replace(' ', '-')}.example"
        self.owners[Simulator.sub_of(email)] = place
        return email, Simulator.sub_of(email)

    # Losses

    def fate(self, place):
        """None while the file's token is good; "killed" when what it became was answered to a process that was killed then; else "lost"."""
        token = place.token()
        if token and place.simulator._state(token) != "dead":
            return None
        made = [r for r in place.simulator.refreshes if token and r.token is token and r.minted]
        return "killed" if any(self.died_with(r) for r in made) else "lost"

    def died_with(self, refresh):
        """Whether its process was killed before it can be sure to have saved the answer."""
        killed = next((proxy.killed[refresh.label] for proxy in self.proxies if refresh.label in proxy.killed), None)
        return killed is not None and refresh.received <= killed <= (refresh.answered or killed) + SAVING

    def judge_losses(self):
        """A token that is dead in the file while the session should live, for longer than a refresh takes."""
        for place in self.places.values():
            if not place.lock.acquire(blocking=False):
                continue
            try:
                possible, now = place.holds.since(time.monotonic() - self.lag.bound - 2), time.monotonic()
                fate = None if possible & {NONE, REVOKED} or len(possible) > 1 else self.fate(place)
                place.suspect = fate and (place.suspect or now)
                if fate and now > place.suspect + 2 + self.lag.bound:
                    place.suspect = None
                    if fate == "killed":
                        self.chaos["lost with a kill"] += 1
                    elif any(b"NOT SAVED" in proxy.log.read_bytes() for proxy in self.proxies):
                        self.chaos["not saved"] += 1
                    else:
                        self.lost_sessions += 1
                        self.failure(f"the session of {place.key} was lost: its file holds {self.token_name(place.token())}")
                    place.holds.set(REVOKED)
            finally:
                place.lock.release()

    @staticmethod
    def token_name(token):
        return f"{token.jti}, refused {len(token.refusals)} times" if token else "no token"

    def judge_files(self):
        """Each file is a place's, holds what is that place's, and is for its owner only."""
        by_name = {place.file.name: place for place in self.places.values()}
        for path in sorted(self.home.glob("state/squire/*")):
            place = by_name.get(path.name.removesuffix(".previous"))
            if not place:
                if path.name not in ("trusted", "trusted.new") and not any(path.name.lstrip(".").startswith(name) for name in by_name):
                    self.failure(f"a file that is no session's: {path.name}")
                continue
            try:
                record, mode = json.loads(path.read_bytes()), path.stat().st_mode & 0o777
            except FileNotFoundError:
                continue
            except ValueError as error:
                self.failure(f"{path.name} is not whole: {error}")
                continue
            if mode != 0o600:
                self.failure(f"{path.name} has mode {mode:o}")
            value = record.get("token")
            if value and record.get("upstream") != place.simulator.url:
                self.failure(f"the file of {place.key} is bound to {record.get('upstream')}")
            token = place.simulator.tokens.get(value)
            if value and (not token or self.owners[token.sub] is not place):
                self.failure(f"the file of {place.key} holds a token of {self.owners[token.sub].key if token else 'nobody or the other API'}")

    # The person

    def tell(self, project, *arguments, input="", is_printed=True):
        self.chaos[arguments[0]] += 1
        result = project.command(*arguments, input=input)
        self.written += [result.stderr] + ([result.stdout] if is_printed else [])
        return result

    def wrong(self, project, what, result, expected):
        self.failure(f"{what} in p{project.index} ({project.place.key}): exit {result.returncode}, {result.stderr.strip() or result.stdout.strip()!r}; expected {expected}")

    def log_in(self, project, chance):
        """A login of the same customer, or of another with or without --replace, by a token, by a code, or through a proxy."""
        place = project.place
        holder = min(place.holds.now)
        is_live = holder not in (NONE, REVOKED)
        way = chance.choice(("token", "token", "code", "proxy"))
        ends = [(p, p.sessions.index(project)) for p in self.proxies if project in p.sessions and p.is_up]
        is_other, is_replacing = not is_live or chance.random() < 0.7, chance.random() < 0.5
        if way == "proxy" and not ends:
            way = "code"
        if is_other:
            email, sub = self.customer(place)
        else:
            email, sub = next((email, sub) for n in range(place.customers, 0, -1)
                              for email in [f"c{n}@{place.key.replace(' ', '-')}.example"] for sub in [Simulator.sub_of(email)] if sub == holder)
        former = place.token() and place.token().first
        place.holds.set(*place.holds.now, sub)
        if way == "proxy":
            self.chaos["sign-in"] += 1
            proxy, position = chance.choice(ends)
            answer = self.sign_in_through(proxy, position, email)
            if answer is None:
                # The process went away under it: either way.
                time.sleep(0.05)
                token = place.token()
                return place.holds.set(token.sub if token else holder)
            place.holds.set(sub)
            if answer.status != 200:
                self.failure(f"a sign-in through p{project.index}: {answer}")
            self.expect_soon(lambda: place.token() and place.token().sub == sub, f"a sign-in through p{project.index} ({place.key}) is not in its file")
        else:
            given = ["--token", "-"] if way == "token" else ["--email", email, "--code", "1234"]
            value = place.simulator.sign_in(sub) if way == "token" else ""
            result = self.tell(project, "login", *given, *(["--replace"] if is_replacing else []), input=value + "\n")
            what = f"login of {'another' if is_other else 'the same'} customer by {way}{' with --replace' if is_replacing else ''}"
            if is_live and is_other and not is_replacing:
                place.holds.set(holder)
                self.chaos["refused logins"] += 1
                if result.returncode == 0 and self.fate(place) is None and place.token().sub == sub and self.was_lost(former):
                    # What was replaced had been lost with a process, and was known to be dead.
                    return place.holds.set(sub)
                if result.returncode != 64:
                    self.wrong(project, what, result, "64")
                if place.token() and place.token().first is not former:
                    self.failure(f"{what} in {place.key} was refused, and changed the file")
                if way == "code" and (left := [t for t in list(place.simulator.tokens.values()) if t.sub == sub and place.simulator._state(t) != "dead"]):
                    self.failure(f"{what} in {place.key} was refused, and its new token lives on ({len(left)})")
                return
            if result.returncode != 0 and not (holder == REVOKED and is_other and not is_replacing and result.returncode == 64):
                self.wrong(project, what, result, "0")
            if result.returncode != 0:
                return place.holds.set(holder)
            place.holds.set(sub)
            if not (token := place.token()) or token.sub != sub:
                self.failure(f"{what} in {place.key} said that it was done; its file holds {self.token_name(token)}")
        if is_live and former and not self.was_lost(former):
            kept = place.token(".previous")
            self.chaos["replaced logins"] += 1
            if not kept or kept.first is not former:
                self.failure(f"what a login replaced in {place.key} is not kept: {self.token_name(kept)}")
            elif place.simulator._state(kept) == "dead":
                self.failure(f"what a login replaced in {place.key} is kept dead: {self.token_name(kept)}")

    def was_lost(self, first):
        """Whether a login's token went down with a process."""
        return any(self.died_with(r) for r in self.refreshes if r.token and r.token.first is first)

    def sign_in_through(self, proxy, position, email):
        body = json.dumps({"passwordless_email": email, "passwordless_code": "1234"}).encode()
        label, endpoints = proxy.label, {"sign-in": f"http://127.0.0.1:{proxy.ports[position]}"}
        with contextlib.suppress(OSError, EOFError):
            end = type("End", (), {"session": proxy.session, "endpoints": endpoints})
            answer = fleet.ask(end, "/api/customers/login", "POST", body, endpoint="sign-in")
            return answer if proxy.label == label and proxy.is_up else None

    def expect_soon(self, condition, otherwise):
        deadline = time.monotonic() + self.lag.bound
        while not condition():
            if time.monotonic() > deadline:
                return self.failure(otherwise)
            time.sleep(0.01)

    def log_out(self, project):
        place = project.place
        holder, token, kept = min(place.holds.now), place.token(), place.token(".previous")
        place.holds.set(*place.holds.now, NONE)
        result = self.tell(project, "logout")
        place.holds.set(NONE)
        if result.returncode != 0 and holder != REVOKED and not (token and self.was_lost(token.first)):
            self.wrong(project, "logout", result, "0")
        for former in (token, kept):
            left = [t for t in list(place.simulator.tokens.values()) if former and t.first is former.first and place.simulator._state(t) != "dead"]
            if left and not self.was_lost(former.first):
                self.failure(f"a logout from {place.key} leaves {len(left)} living tokens of {'the session' if former is token else '.previous'} at the API: {result.stdout.strip()!r} {result.stderr.strip()!r}")
        if place.token() or place.token(".previous"):
            self.failure(f"a logout from {place.key} leaves a token in a file")

    def ask_token(self, project):
        place, began = project.place, time.monotonic()
        result = self.tell(project, "token", is_printed=False)
        possible = place.holds.since(began - self.lag.bound)
        if result.returncode not in (0, 77):
            return self.wrong(project, "token", result, "0 or 77")
        if result.returncode == 77:
            if result.stdout:
                self.failure(f"token of {place.key} exits with 77, and prints something")
            if not possible & {NONE, REVOKED} and self.fate(place) is None:
                self.wrong(project, "token", result, f"0, as the session is {self.names(possible)}")
            return
        token = place.simulator.tokens.get(result.stdout.strip())
        if not token or token.sub not in possible | (self.former(place) if REVOKED in possible else set()):
            return self.failure(f"token of {place.key} prints that of {self.name(token.sub) if token else 'nobody or the other API'}; the session is {self.names(possible)}")
        # Refused to a process that lived to tell, longer ago than it takes.
        if place.simulator._state(token) != "usable" and (known := self.known_refused(token, began - self.lag.bound)):
            self.failure(f"token of {place.key} prints what is known to be refused: {known}")

    @staticmethod
    def former(place):
        return {value for _, values in place.holds.steps for value in values}

    def is_alive(self, label):
        return any(proxy.label == label and proxy.is_up for proxy in self.proxies)

    def known_refused(self, token, before):
        """Whether a process, or the file by one, knows that the token is spent: its refresh was answered, or refused after the API had refused
        the token itself."""
        refreshes = [r for s in self.simulators for r in s.refreshes if r.token is token and r.answered and r.answered < before and not self.died_with(r)]
        if any(r.minted for r in refreshes):
            return "it was refreshed"
        uses = [use for use in token.refusals if use[2] < before and self.is_alive(use[0])]
        return f"it was refused {len(uses)} times, and its refresh" if uses and refreshes else None

    def known_dead(self, place, before):
        """Whether the file's token is dead by A10's rule to a process that lives: refresh refused, and refused on two paths."""
        token = place.token()
        if not token or not any(r.token is token and r.status == 401 and r.answered < before and self.is_alive(r.label) for r in place.simulator.refreshes):
            return False
        paths = collections.defaultdict(set)
        for label, path, when in token.refusals:
            if when < before and self.is_alive(label):
                paths[label].add(path)
        return any(len(seen) > 1 for seen in paths.values())

    def ask_status(self, project):
        place, began = project.place, time.monotonic()
        result = self.tell(project, "status")
        since = began - self.lag.bound
        possible = place.holds.since(since)
        if result.returncode not in (0, 77):
            self.wrong(project, "status", result, "0 or 77")
        elif result.returncode == 77 and not possible & {NONE, REVOKED} and self.fate(place) is None:
            self.wrong(project, "status", result, f"0, as the session is {self.names(possible)}")
        elif result.returncode == 0 and (possible == {NONE} or possible == {REVOKED} and self.known_dead(place, since)):
            self.wrong(project, "status", result, f"77, as there is {self.names(possible)}")
        if (customer := re.search(r"(?m)^customer +(\d+)", result.stdout)) and customer[1] not in possible | self.former(place) & set(self.owners):
            self.failure(f"status of {place.key} names {self.name(customer[1])}")
        if place.simulator.url not in result.stdout or str(place.file) not in result.stdout:
            self.failure(f"status in p{project.index} does not name {place.key}: {result.stdout}")

    def ask_all(self, project):
        """`status --all` names no file with another's API."""
        result = self.tell(project, "status", "--all")
        for line in result.stdout.splitlines():
            for place in self.places.values():
                if line.endswith(str(place.file)) and any(s.url in line for s in self.simulators if s is not place.simulator):
                    self.failure(f"status --all: {line}")
        if result.returncode != 0:
            self.wrong(project, "status --all", result, "0")

    def revoke(self, project):
        place = project.place
        holder = min(place.holds.now)
        if holder in (NONE, REVOKED):
            return
        self.chaos["revocations"] += 1
        place.holds.set(holder, REVOKED)
        place.simulator.revoke(holder)
        place.holds.set(REVOKED)

    def rotate(self, place):
        """Ends the token, unless that was done within the last requests: two ends within one are more than any proxy can hide."""
        if place.rotating.acquire(blocking=False):
            if time.monotonic() > place.rotated + 0.5:
                for holder in place.holds.now & set(self.owners):
                    place.simulator.end(holder)
                place.rotated = time.monotonic()
            place.rotating.release()

    def act(self, chance):
        """One thing that a person does, or the API."""
        project, choice = chance.choice(self.projects), chance.random()
        if 0.4 <= choice < 0.7:
            # Locks nothing: a rotation waits for requests, and comes in between everything else.
            place = project.places[min(project.api.now)]
            return self.rotate(place)
        with project.lock:
            place = project.place
            if choice < (0.4 if place.holds.now & {NONE, REVOKED} else 0.2):
                with place.lock:
                    return self.log_in(project, chance)
            if choice < 0.75:
                return self.ask_token(project)
            if choice < 0.88:
                return self.ask_status(project)
            if choice < 0.92:
                return self.ask_all(project)
            with place.lock:
                return self.revoke(project) if choice < 0.96 and not self.is_healthy else self.log_out(project)

    def person(self, number, end):
        chance = random.Random(f"{self.seed}/person {number}")
        while time.monotonic() < end:
            time.sleep(chance.expovariate(8))
            try:
                self.act(chance)
            except Exception as error:
                self.failure(f"a person ended with {error!r} at line {error.__traceback__.tb_next and error.__traceback__.tb_next.tb_lineno}")

    # Processes

    def swap(self, project):
        """Points the project to the other API, and has its processes read it."""
        with project.lock:
            api = min(project.api.now)
            project.api.set(0, 1)
            project.point_to(1 - api)
            proxies = [proxy for proxy in self.proxies if project in proxy.sessions and proxy.is_up]
            read = lambda proxy: proxy.log.read_bytes().count(b"configuration re-read")
            seen = [(proxy, read(proxy)) for proxy in proxies]
            for proxy in proxies:
                proxy.process.send_signal(signal.SIGHUP)
            for proxy, count in seen:
                deadline = time.monotonic() + 3 * self.lag.bound
                while read(proxy) < count + len(proxy.sessions) and time.monotonic() < deadline:
                    time.sleep(0.005)
                if read(proxy) < count + len(proxy.sessions):
                    self.failure(f"proxy {proxy.label} did not read its configuration again: {proxy.tail()}")
            project.api.set(1 - api)
        self.chaos["reloads"] += 1

    def disturb(self):
        choice = self.random.random()
        if choice < 0.3:
            self.swap(self.random.choice(self.projects))
        elif choice < 0.5 and not self.is_healthy:
            self.revive(self.random.choice(self.proxies))
        elif choice < 0.6:
            proxy = self.random.choice(self.proxies)
            if code := proxy.stop():
                self.failure(f"proxy {proxy.label} ended with {code}: {proxy.tail()}")
            proxy.start()
            self.chaos["restarts"] += 1

    # The end

    def answered(self, identity, begin):
        pass

    def outputs(self):
        return [*super().outputs(), *self.written]

    def judge_refreshes(self):
        super().judge_refreshes()
        for simulator in self.simulators:
            for token in simulator.tokens.values():
                spent = [r for r in simulator.refreshes if r.token is token]
                if token.refreshed and spent and not any(self.died_with(r) for r in spent):
                    late = [use for use in token.refusals if use[2] > token.refreshed + self.lag.bound + 1 and not any(use[0] in p.killed for p in self.proxies)]
                    if late and not token.is_logged_out:
                        self.failures.append(f"{len(late)} uses of a token over a second after its refresh, by {late[0][0]}")
                # Dead: one try for each process in 30 s, besides what found that out.
                refused = [r.answered for r in spent if r.status == 401]
                if refused:
                    tries = collections.Counter(use[0] for use in token.refusals if use[2] > min(refused) + 1 + self.lag.bound)
                    lasted = max((use[2] for use in token.refusals), default=0) - min(refused)
                    for label, count in tries.items():
                        if count > 2 + lasted / 28:
                            self.failures.append(f"{label} used a token {count} times in the {lasted:.0f} s after its refresh was refused")

    def judge_end(self):
        for place in self.places.values():
            if not place.holds.now & {NONE, REVOKED} and (fate := self.fate(place)):
                if fate == "killed":
                    self.chaos["lost with a kill"] += 1
                else:
                    self.lost_sessions += 1
                    self.failures.append(f"after all the session of {place.key} is lost: its file holds {self.token_name(place.token())}")


def main(words):
    parser = argparse.ArgumentParser(prog="config/soak projects", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, metavar="MINUTES", help="how long; fractions are fine")
    soak.arguments(parser, proxies=f"how often each of the {len(PROCESSES)} processes runs", rotations=False)
    parser.set_defaults(proxies=1, clients=1)
    options = parser.parse_args(words)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    home = pathlib.Path(os.path.realpath(tempfile.mkdtemp(prefix="squire-soak-", dir=options.directory)))
    load = Projects(home, options, seed)
    chance = random.Random(seed)
    for project in load.projects:
        if NONE in project.place.holds.now:
            load.log_in(project, chance)
    load.start()
    end = time.monotonic() + options.minutes * 60
    people = [threading.Thread(target=load.person, args=(n, end), daemon=True) for n in range(2)]
    for person in people:
        person.start()
    next_report = time.monotonic() + 5
    try:
        while time.monotonic() < end:
            time.sleep(load.random.expovariate(6))
            load.disturb()
            load.tend()
            load.judge_files()
            load.judge_losses()
            if time.monotonic() > next_report:
                next_report = time.monotonic() + 5
                print(f"{time.monotonic() - load.begun:5.0f} s: {load.requests} requests, {load.needed} rotations, {len(load.refreshes)} refreshes, "
                      f"{load.chaos['login'] + load.chaos['sign-in']} logins, {load.chaos['reloads']} reloads, {load.chaos['kills']} kills, "
                      f"{load.lost_sessions} sessions lost, {len(load.failures)} failures", flush=True)
    except KeyboardInterrupt:
        print("interrupted: judging what there is", flush=True)
    for person in people:
        person.join()
    load.finish()
    load.judge_files()
    load.judge_end()
    if options.healthy and len(load.refreshes) != load.needed:
        load.failures.append(f"{len(load.refreshes)} refreshes for {load.needed} rotations")
    for line in load.figures():
        print(line)
    print(", ".join(f"{name} {count}" for name, count in sorted(load.chaos.items())) + f"; the machine late by {load.lag.most * 1000:.0f} ms at most")
    for line in fleet.summary(load.failures):
        print(line)
    print(f"{'FAILED' if load.failures else 'passed'}: repeat with --seed {seed}", flush=True)
    if options.keep:
        print(f"logs and session files: {home}")
    else:
        shutil.rmtree(home, ignore_errors=True)
    for simulator in load.simulators:
        simulator.stop()
    return 1 if load.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
