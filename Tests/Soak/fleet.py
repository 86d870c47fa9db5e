"""Several Squires on one session file, clients that use them, and what is judged: the engine of the soak.

Every client knows its proxy, every request has a number (`X-Request-ID`) and every life of a proxy a label (`X-Soak-Proxy: INDEX.LIFE`,
a configured header, so that the refresh carries it too): each error can be put down to a kill, to a fault of the API, or to Squire.
"""
import asyncio, collections, contextlib, json, math, os, pathlib, random, re, select, shutil, signal, subprocess, tempfile, threading, time

from simulator import KEPT, LOST, OUTAGES, Simulator

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFIGURATION = """profile: menu
upstream: {url}
listen: 127.0.0.1:0
inspector: "off"
headers:
  Application: f3a90488ffee32c3acb6fcd0ca417cf6
  Api-Version: 4.38.0
  Device-UUID: "1287796"
session:
  file: {file}
  margin: 1s
  refresh: {{timeout: 2s}}
"""
START_LIMIT = 30
ANSWER_LIMIT = 60
# Names that may stay in the session's directory: the file, its lock, and what has a fixed name of theirs. Anything else is a leftover.
LASTING = re.compile(r"session\.json(\.[a-z-]+)?|squire\.yaml|.*\.log")


def binary():
    """The Squire under test: SQUIRE_BINARY, else the release build."""
    return os.path.abspath(os.environ.get("SQUIRE_BINARY") or ROOT / ".build/release/squire")


def environment(directory):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("SQUIRE_") and "proxy" not in k.lower()}
    return {**kept, "HOME": str(directory), "XDG_STATE_HOME": str(directory / "state"), "TMPDIR": str(directory / "tmp")}


class Session:
    """A directory with a configuration and a session file, and the commands of one user."""

    def __init__(self, simulator, directory=None, configuration=CONFIGURATION):
        """In a temporary directory, unless one is given."""
        self.simulator = simulator
        self.directory = pathlib.Path(directory or tempfile.mkdtemp(prefix="squire-soak-"))
        (self.directory / "tmp").mkdir(exist_ok=True)
        (self.directory / "s").mkdir(exist_ok=True)
        self.file = self.directory / "s/session.json"
        self.config = self.directory / "squire.yaml"
        self.config.write_text(configuration.format(url=simulator.url, file=self.file))
        self.asked = 0

    @property
    def simulators(self):
        """The APIs that it may be configured for."""
        return [self.simulator]

    @property
    def environment(self):
        return environment(self.directory)

    @property
    def words(self):
        """How a command names the configuration."""
        return ["--config", str(self.config)]

    def command(self, *arguments, input="", prefix=()):
        return subprocess.run([*prefix, binary(), *arguments, *self.words], input=input, capture_output=True, text=True,
                              timeout=ANSWER_LIMIT, env=self.environment, cwd=self.directory)

    def login(self, token=None):
        result = self.command("login", "--token", "-", "--replace", input=(token or self.simulator.sign_in()) + "\n")
        assert result.returncode == 0, result.stderr

    def status(self):
        return json.loads(self.command("status", "--json").stdout or "{}")

    def token(self):
        """What the file holds, or None; raises ValueError when it is not whole JSON."""
        return json.loads(self.file.read_bytes()).get("token")

    def flaws(self):
        """What is wrong with the file and its directory: torn JSON, a mode beyond 0600, leftovers."""
        flaws = []
        try:
            if not isinstance(self.token(), str):
                flaws.append("no token in the file")
            if self.file.stat().st_mode & 0o777 != 0o600:
                flaws.append(f"mode {self.file.stat().st_mode & 0o777:o}")
        except (ValueError, OSError) as error:
            flaws.append(f"not whole: {error}")
        return flaws + [f"left behind: {name}" for name in self.leftovers()]

    def leftovers(self):
        return sorted(p.name for p in self.file.parent.iterdir() if not LASTING.fullmatch(p.name))

    def remove(self):
        shutil.rmtree(self.directory, ignore_errors=True)


class Proxy:
    """One `squire run`, over its lives. `label` names the present life. With `others` it runs their configurations too: `ports` has them all."""

    def __init__(self, session, index, arguments=(), others=()):
        self.session, self.index, self.arguments = session, index, arguments
        self.sessions = [session, *others]
        self.life = 0
        self.process = None
        self.is_up = self.is_paused = False
        self.killed = {}            # label: when
        self.stopped = []           # (label, from, to)
        self.log = session.directory / f"proxy-{index}.log"

    @property
    def label(self):
        return f"{self.index}.{self.life}"

    def start(self):
        self.life += 1
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [binary(), "run", *self.words, "--header", f"X-Soak-Proxy: {self.label}", *self.arguments],
                stdout=subprocess.PIPE, stderr=log, stdin=subprocess.DEVNULL, env=self.session.environment, cwd=self.session.directory)
        output, self.endpoints, self.ports = b"", {}, []
        lines = len(self.sessions) + ("--inspector" in self.arguments)
        while output.count(b"\n") < lines:
            poll = select.poll()
            poll.register(self.process.stdout, select.POLLIN)
            data = os.read(self.process.stdout.fileno(), 4096) if poll.poll(START_LIMIT * 1000) else b""
            if not data:
                raise RuntimeError(f"proxy {self.label} did not start: {self.tail()}")
            output += data
        for line in output.decode().splitlines():
            name, url = line.split(" ", 1)
            self.endpoints[name] = url
            if name == "proxy":
                self.ports.append(int(url.rsplit(":", 1)[1]))
        self.port = self.ports[0]
        self.is_up = True
        return self

    @property
    def words(self):
        """How the command names what it runs: several configurations by their paths."""
        if len(self.sessions) == 1:
            return self.session.words
        return [word for session in self.sessions for word in ("--config", str(session.config))]

    def tail(self, lines=15):
        return b"\n".join(self.log.read_bytes().splitlines()[-lines:]).decode(errors="replace")

    def kill(self):
        """SIGKILL; whatever its clients were about to get is lost."""
        self.is_up = False
        self.killed[self.label] = time.monotonic()
        self.process.kill()
        self._reap()
        for simulator in self.session.simulators:
            simulator.forget_requests(self.label)

    def pause(self, seconds):
        """SIGSTOP, and SIGCONT after that; does not wait for it."""
        label, begin, process = self.label, time.monotonic(), self.process
        if self.is_paused:
            return
        self.is_paused = True
        process.send_signal(signal.SIGSTOP)

        def go_on():
            self.stopped.append((label, begin, time.monotonic()))
            process.send_signal(signal.SIGCONT)
            self.is_paused = False
        threading.Timer(seconds, go_on).start()

    def stop(self):
        self.is_up = False
        if self.process.stdout.closed:
            return self.process.returncode
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.terminate()
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
        return self._reap()

    def _reap(self):
        code = self.process.wait()
        self.process.stdout.close()
        return code


def kind(failure):
    """What failures of one kind have in common."""
    return re.sub(r"\w*\d[\w.]*", "#", failure.split("\n")[0].split(": ", 1)[-1] if "proxy" in failure.split(": ")[0] else failure.split("\n")[0])


def summary(failures):
    """Each kind of failure once, with the first example, and how often."""
    kinds = {}
    for failure in failures:
        kinds.setdefault(kind(failure), []).append(failure)
    for same in kinds.values():
        yield f"  - {same[0]}" + (f"\n    ({len(same)} of this kind)" if len(same) > 1 else "")


class Answer:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    @property
    def code(self):
        """The `code` of an answer of Squire's own."""
        with contextlib.suppress(ValueError, AttributeError):
            return json.loads(self.body).get("code") if "problem+json" in self.fields.get("content-type", "") else None

    def __str__(self):
        return f"{self.status} {self.code or ''} {self.fields.get('proxy-status', '')}".strip()


async def read_answer(reader):
    """An HTTP/1.1 answer, read without any library of Squire's; raises on anything that is not a whole one."""
    head = await reader.readuntil(b"\r\n\r\n")
    first, *lines = head[:-4].decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if fields.get("transfer-encoding", "").lower() == "chunked":
        body = b""
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readline()
    else:
        body = await reader.readexactly(int(fields.get("content-length", "0")))
    return Answer(int(first.split(" ")[1]), fields, body)


def ask(proxy, target="/api/customer-accounts/me", method="GET", body=b"", limit=ANSWER_LIMIT, endpoint="proxy"):
    """One request on a connection of its own, from any thread but the simulator's; raises OSError or EOFError without a whole answer."""
    proxy.session.asked += 1
    identity = f"a{proxy.session.asked}"

    async def go():
        port = int(proxy.endpoints[endpoint].rstrip("/").rsplit(":", 1)[1])
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 22)
        try:
            writer.write(f"{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                         f"X-Request-ID: {identity}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            return await asyncio.wait_for(read_answer(reader), limit)
        finally:
            writer.close()
    return asyncio.run_coroutine_threadsafe(go(), proxy.session.simulator.loop).result()


class Client:
    """Requests through one proxy, one after the other: reads and orders, on kept and on new connections, with bodies of all sizes."""

    def __init__(self, fleet, proxy, number, pace):
        self.fleet, self.proxy, self.number, self.pace = fleet, proxy, number, pace
        self.random = random.Random(f"{fleet.seed}/{number}")
        self.connection, self.connected_to = None, None
        self.count = 0

    @property
    def port(self):
        return self.proxy.port

    async def go(self):
        while not self.fleet.is_over:
            await asyncio.sleep(self.random.expovariate(1 / self.pace))
            while not self.proxy.is_up and not self.fleet.is_over:
                await asyncio.sleep(0.005)
            if not self.fleet.is_over:
                await self.request()
        self.disconnect()

    def disconnect(self):
        if self.connection:
            self.connection[1].close()
        self.connection = None

    async def request(self):
        self.count += 1
        fleet, label, begin = self.fleet, self.proxy.label, time.monotonic()
        identity = f"c{self.number}-{self.count}"
        is_order = self.random.random() < 0.4
        fault = self.random.choice(("500", "slow", "close")) if self.random.random() < fleet.request_fault_rate else None
        if fault:
            fleet.simulator.request_faults[identity] = fault
        fleet.requests += 1
        fleet.open_requests[identity] = begin
        try:
            answer = await asyncio.wait_for(self.exchange(identity, is_order), ANSWER_LIMIT)
            outcome = self.judge(answer, identity, is_order, fault, begin)
        except (OSError, ValueError, EOFError, asyncio.LimitOverrunError) as error:
            outcome = f"no answer: {type(error).__name__}"
        except asyncio.TimeoutError:
            outcome = f"no answer in {ANSWER_LIMIT} s"
        del fleet.open_requests[identity]
        for simulator in fleet.simulators:
            simulator.refused_once.pop(identity, None)
        if outcome is None:
            fleet.answered(identity, begin)
            return
        self.disconnect()
        if fleet.is_over:
            return
        if label != self.proxy.label or not self.proxy.is_up:
            return fleet.count_error("its proxy was killed", outcome)
        if any(begin <= end and time.monotonic() >= start for simulator in fleet.simulators for start, end in simulator.excuses[-50:]):
            return fleet.count_error("the API refused to refresh for a while", outcome)
        doubles = [simulator.double_refusals[identity] for simulator in fleet.simulators if identity in simulator.double_refusals]
        if any(doubles):
            return fleet.count_error("two tokens expired within it", outcome)
        if doubles:
            outcome += " (refused with a token replaced by another process, then with that one's, expired too: not refreshed)"
        fleet.failure(f"{identity} ({'POST' if is_order else 'GET'} by proxy {label}, {time.monotonic() - begin:.3f} s): {outcome}",
                      [(when, identity, "refused:", jti, why) for simulator in fleet.simulators for when, jti, why in simulator.refusals.get(identity, ())])

    def judge(self, answer, identity, is_order, fault, begin):
        """Nil when the answer is what it should be."""
        fleet = self.fleet
        if answer.status == 200:
            data = json.loads(answer.body)["data"]
            if data["id"] != identity or is_order and (data.get("order") != identity or not fleet.simulator.orders[identity]):
                return "the answer is another request's"
            return None
        if answer.status == 500 and fault == "500":
            return None
        if answer.status == 502 and fault == "close":
            return None
        if answer.status == 401 and ("login needed" in answer.fields.get("proxy-status", "") or answer.code == "login_needed"):
            with contextlib.suppress(OSError, ValueError):
                if fleet.simulator._state(fleet.simulator.tokens.get(fleet.session.token())) == "dead":
                    fleet.login_needed = True
                    fleet.count_error("login needed, truly", str(answer))
                    return None
            # Logged in again since; that is to be noticed within a second.
            if time.monotonic() < fleet.logged_in + 1.2:
                fleet.count_error("login needed, truly", str(answer))
                return None
        return str(answer)

    async def exchange(self, identity, is_order):
        is_kept = self.random.random() < 0.8
        size = self.random.choice((0, 30, 300, 3000)) if self.random.random() < 0.97 else self.random.choice((60_000, 1_500_000))
        body = json.dumps({"id": identity, "note": "x" * size}).encode() if is_order else b""
        head = [f"{'POST /api/orders' if is_order else 'GET /api/customer-accounts/' + identity} HTTP/1.1", "Host: localhost",
                f"X-Request-ID: {identity}", "Content-Type: application/json"]
        if not is_kept:
            head.append("Connection: close")
        if is_order and self.random.random() < 0.5:
            head.append("Transfer-Encoding: chunked")
            parts = [body[i:i + 50_000] for i in range(0, len(body), 50_000)]
            body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
        elif is_order:
            head.append(f"Content-Length: {len(body)}")
        if self.connection is None or self.connected_to != self.proxy.label or self.connection[0].at_eof():
            self.disconnect()
            self.connected_to = self.proxy.label
            self.connection = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        reader, writer = self.connection
        writer.write("\r\n".join((*head, "", "")).encode() + body)
        answer = await read_answer(reader)
        if not is_kept or answer.fields.get("connection", "").lower() == "close":
            self.disconnect()
        return answer


class Fleet:
    """N proxies, their clients, and the counts. Clients live on the simulator's loop; kills are made by the calling thread."""

    def __init__(self, session, proxies=2, clients=4, pace=0.02, seed=0, request_fault_rate=0.0, arguments=()):
        self.session, self.simulator, self.seed = session, session.simulator, seed
        self.simulators = session.simulators
        self.random = random.Random(seed)
        self.request_fault_rate = request_fault_rate
        self.is_over = False
        self.requests = 0
        self.open_requests = {}
        self.errors = collections.defaultdict(collections.Counter)     # reason: outcome: count
        self.failures, self.kinds = [], set()
        self.login_needed = False
        self.lost_sessions = 0
        self.logged_in = -10
        self.crashes = 0
        self.delays = []            # seconds until the API took a request, for those that met a refresh: beyond the refresh itself
        self.plain = []             # the same, of the others
        self.chaos = collections.Counter()
        self.proxies = [Proxy(session, index, arguments) for index in range(proxies)]
        self.clients = [Client(self, self.proxies[n % proxies], n, pace) for n in range(clients * proxies)]

    def start(self):
        for proxy in self.proxies:
            proxy.start()
        self.begun = time.monotonic()
        self.running = [asyncio.run_coroutine_threadsafe(client.go(), self.simulator.loop) for client in self.clients]

    def failure(self, text, details=()):
        if kind(text) not in self.kinds:
            self.kinds.add(kind(text))
            text += "".join(f"\n      {' '.join(map(str, line))}" for line in sorted([*(line for s in self.simulators for line in list(s.log)[-8:]), *details], key=lambda line: line[0]))
        self.failures.append(text)

    def count_error(self, reason, outcome):
        self.errors[reason][outcome] += 1

    def answered(self, identity, begin):
        """How long a request that met a refresh waited besides it."""
        accepted = self.simulator.accepted.get(identity)
        if not accepted:
            return
        spent, met = 0.0, False
        for refresh in reversed(self.simulator.refreshes[-8:]):
            if refresh.answered and refresh.answered >= begin and refresh.received <= accepted[0] and refresh.answered <= accepted[0]:
                met = True
                spent += refresh.answered - max(begin, refresh.received)
        (self.delays if met else self.plain).append(accepted[0] - begin - spent)

    def tend(self):
        """What has to be seen to now and then: proxies that died by themselves, a login when one is needed."""
        for proxy in self.proxies:
            if proxy.is_up and proxy.process.poll() is not None:
                self.crashes += 1
                self.failure(f"proxy {proxy.label} ended by itself with {proxy.process.returncode}: {proxy.tail()}")
                proxy.kill()
                proxy.start()
        if self.login_needed:
            self.lost_sessions += 1
            if self.simulator.grace > 0:
                self.failure("the session was lost within the grace")
            self.logged_in = math.inf
            self.session.login()
            self.logged_in, self.login_needed = time.monotonic(), False

    def revive(self, proxy):
        proxy.kill()
        self.chaos["kills"] += 1
        proxy.start()

    def disturb(self, kills=0.0, stops=0.0, faults=0.0, longest_stop=1.5):
        """One disturbance, or none: the three are weights, what is left of 1 is rest. Half of the kills and stops are aimed at a refresh
        under way."""
        choice, proxy = self.random.random(), self.random.choice(self.proxies)
        if choice < kills + stops and self.random.random() < 0.5:
            seen = len(self.simulator.refreshes)
            if self.simulator.wait_for(lambda: len(self.simulator.refreshes) > seen, 1):
                index = self.simulator.refreshes[-1].label.split(".")[0]
                proxy = self.proxies[int(index)] if index and self.random.random() < 0.7 else proxy
                time.sleep(self.random.uniform(0, self.simulator.refresh_time + 0.02))
        if choice < kills:
            self.revive(proxy)
        elif choice < kills + stops:
            proxy.pause(self.random.uniform(0.02, longest_stop))
            self.chaos["stops"] += 1
        elif choice < kills + stops + faults:
            # Mostly what a second try makes good; an API that says "not now" costs everybody a pause, and would be all there is.
            kinds = OUTAGES if self.random.random() < 0.15 else [f for f in LOST + KEPT + ("slow",) if f not in OUTAGES]
            if not self.simulator.refresh_faults:
                self.simulator.refresh_faults.extend(self.random.choice(kinds) for _ in range(2 if self.random.random() < 0.05 else 1))

    def finish(self):
        """Lets the clients end, stops the proxies, and judges."""
        self.is_over = True
        for running in self.running:
            try:
                running.result(ANSWER_LIMIT + 10)
            except Exception as error:
                self.failure(f"a client ended with {error!r}")
        self.seconds = time.monotonic() - self.begun
        for proxy in self.proxies:
            code = proxy.stop()
            if code != 0:
                self.failure(f"proxy {proxy.label} ended with {code}")
        self.failures += [f"after all: {flaw}" for flaw in self.session.flaws()]
        self.judge_refreshes()
        for simulator in self.simulators:
            self.failures += simulator.violations
        self.failures += [f"order {name} placed {count} times" for name, count in self.orders.items() if count > 1]
        self.secrets = self.count_secrets()
        if self.secrets:
            self.failures.append(f"{self.secrets} parts of tokens in the logs")

    @property
    def orders(self):
        """How often each was placed, at whichever API."""
        return sum((simulator.orders for simulator in self.simulators), collections.Counter())

    @property
    def needed(self):
        return sum(simulator.needed() for simulator in self.simulators)

    @property
    def refreshes(self):
        return [refresh for simulator in self.simulators for refresh in simulator.refreshes]

    def judge_refreshes(self):
        """One winner for each rotation: a token is refreshed again only when the first answer was lost, or died with its process."""
        killed = {label: when for proxy in self.proxies for label, when in proxy.killed.items()}
        stopped = [stop for proxy in self.proxies for stop in proxy.stopped]
        self.repeated = self.explained = self.unneeded = self.reused = self.refused_again = 0
        winners, refused = collections.defaultdict(list), collections.defaultdict(list)
        for refresh in self.refreshes:
            token = refresh.token
            if token is None:
                self.failures.append(f"a refresh by {refresh.label} with no known token")
                continue
            if not refresh.is_needed and refresh.fault is None:
                self.unneeded += 1
                self.failures.append(f"a refresh by {refresh.label} of a token that was good, {refresh.received - token.minted:.3f} s old, at {refresh.received - self.simulator.started:.3f} s")
            if refresh.is_second:
                self.repeated += 1
                if all(w.fault in LOST or w.label in killed and killed[w.label] <= refresh.received for w in winners[id(token)]):
                    self.explained += 1
                else:
                    self.failures.append(f"{refresh.label} refreshed what {winners[id(token)][-1].label} had refreshed")
            if refresh.status == 401:
                self.reused += 1
                refused[id(token)].append(refresh)
                if self.simulator.grace > 0:
                    self.failures.append(f"{refresh.label} refreshed a token that was dead")
            elif refresh.minted:
                winners[id(token)].append(refresh)
        # Whoever is killed in the instant of the refusal has not saved it: the next process has to ask.
        def was_saved(refresh):
            return not -0.05 <= killed.get(refresh.label, -math.inf) - refresh.received < 0.25
        self.refused_again = sum(was_saved(refresh) for same in refused.values() for refresh in same[:-1])
        if self.refused_again:
            self.failures.append(f"{self.refused_again} refreshes of tokens whose refresh had been refused")
        self.dead_uses = 0
        for label, path, when, token in (use for simulator in self.simulators for use in simulator.uses_of_dead):
            if self.simulator.grace > 0 and not any(l == label and to >= token.refreshed for l, _, to in stopped):
                self.dead_uses += 1
        if self.dead_uses:
            self.failures.append(f"{self.dead_uses} uses of a token that was dead beyond its grace, by processes that were not stopped")

    def count_secrets(self):
        """Segments of tokens (payload, signature) and numbers (`jti`) in anything the proxies wrote."""
        tokens = {value: token for simulator in self.simulators for value, token in simulator.tokens.items()}
        parts = {part for value in tokens for part in value.split(".")[1:]} | {token.jti for token in tokens.values()}
        return sum(any(word in parts for word in re.findall(r"[A-Za-z0-9_-]{16,}", line)) for text in self.outputs() for line in text.splitlines())

    def outputs(self):
        """What was written that may hold no secret."""
        return (proxy.log.read_text(errors="replace") for proxy in self.proxies)

    def figures(self):
        """The counts at the end, one line each."""
        needed, sent, orders = self.needed, len(self.refreshes), self.orders
        faults = collections.Counter(r.fault for r in self.refreshes if r.fault)
        yield f"seconds {self.seconds:.0f}, requests {self.requests}, orders {len(orders)}"
        yield f"rotations {needed} needed, {sent} refreshes sent: {sent / max(1, needed):.3f} each; {self.repeated} repeated after a lost answer or a kill, {self.explained} of them rightly; {self.unneeded} not needed"
        yield "kills {kills}, stops {stops}".format_map(collections.defaultdict(int, self.chaos)) + f", crashes {self.crashes}; faults of the API: " + (", ".join(f"{name} {count}" for name, count in sorted(faults.items())) or "none")
        for reason, outcomes in self.errors.items():
            yield f"errors because {reason}: {sum(outcomes.values())} (" + ", ".join(f"{k}: {v}" for k, v in outcomes.most_common(6)) + ")"
        for name, delays in (("of requests that met a refresh, besides it", sorted(self.delays)), ("of others", sorted(self.plain))):
            if delays:
                at = lambda part: delays[min(len(delays) - 1, int(len(delays) * part))] * 1000
                yield f"delay {name}: median {at(.5):.1f} ms, 95% {at(.95):.1f} ms, 99% {at(.99):.1f} ms, most {at(1):.1f} ms; {sum(d > 0.02 for d in delays)} of {len(delays)} over 20 ms"
        yield f"sessions lost {self.lost_sessions}, orders placed twice {sum(c > 1 for c in orders.values())}, dead tokens refreshed {self.reused}, dead tokens used {self.dead_uses}, secrets in output {self.secrets}"
        yield f"errors not explained, and other failures: {len(self.failures)}"
