"""A fleet: machines with a Squire each, one session, an API whose token dies when it is refreshed, and a real etcd behind relays.

Each machine has a home, a configuration, a session file and a copy of the key of its own, and reaches each member of etcd by a relay of its
own, which can be cut, stalled or late. What is one machine's business shares nothing with another's but the engine and the API.
"""
from engine import Engine, USER, is_installed
from harness import *
from relay import Relays
from rotating_api import RotatingAPI

CONFIGURATION = """upstream: {api}
listen: 127.0.0.1:0
inspector: 127.0.0.1:0
headers:
  X-Machine: "{number}"
session:
  file: {file}
  margin: {margin}
  refresh: {{method: GET, path: /refresh, token: /token, timeout: {timeout}s}}
  sign-in: [POST /sign-in]
  sign-out: [POST /sign-out]
"""
SHARED = """  shared:
    etcd: [{members}]
    name: {name}
    key: {key}
    takeover: {takeover}s
"""


class Machine:
    """One machine. `number` is how the API knows it."""

    def __init__(self, fleet, number, shared=True, options=None):
        self.fleet, self.number = fleet, str(number)
        self.directory = fleet.directory / f"machine{number}"
        self.directory.mkdir()
        self.file, self.config, self.key = (self.directory / name for name in ("session.json", "squire.yaml", "shared.key"))
        self.env = {"HOME": str(self.directory), "XDG_STATE_HOME": str(self.directory / "state"), "TMPDIR": str(self.directory), **fleet.env}
        self.relays = [fleet.relays.relay(port) for port in fleet.engine.clients] if shared and not fleet.is_direct else []
        self.process, self.logs = None, ""
        self.killed, self.paused = [], []       # when; (from, to)
        if shared:
            shutil.copy(fleet.key, self.key)
            self.key.chmod(0o600)
        self.configure(shared, **(options or {}))

    def configure(self, shared=True, more="", **options):
        """`more`: further lines of `session.shared`; `options`: other values than the fleet's."""
        values = {"api": self.fleet.api.url, "number": self.number, "file": self.file, "key": self.key, **self.fleet.options, **options}
        urls = [f"{self.fleet.engine.scheme}://127.0.0.1:{relay.port}" for relay in self.relays]
        values["members"] = ", ".join(urls or self.fleet.engine.urls)
        text = CONFIGURATION + (SHARED + self.fleet.credentials + more if shared else "")
        self.config.write_text(text.format(**values))

    # Its Squire

    def spawn(self, *arguments):
        self.process = Process("run", "--config", str(self.config), *arguments, env=self.env)
        return self

    def wait(self):
        self.process.wait_for("proxy", "inspector")
        self.port, self.inspector_port = (int(self.process.endpoints[name].rstrip("/").rsplit(":", 1)[1]) for name in ("proxy", "inspector"))
        return self

    def start(self, *arguments):
        return self.spawn(*arguments).wait()

    @property
    def is_up(self):
        return self.process is not None and self.process.process.poll() is None

    def stop(self, how=signal.SIGTERM):
        if self.process is None: return None
        if self.is_up: self.process.process.send_signal(signal.SIGCONT)
        code = self.process.stop(how)
        self.logs += self.process.text()
        self.process.log.close()
        self.process = None
        return code

    def kill(self):
        self.killed.append(time.monotonic())
        return self.stop(signal.SIGKILL)

    def hold(self):
        self.process.hold()
        self.paused.append([time.monotonic(), None])

    def go_on(self):
        self.paused[-1][1] = time.monotonic()
        self.process.process.send_signal(signal.SIGCONT)

    def text(self):
        """All that it has logged, over its lives."""
        return self.logs + (self.process.text() if self.process else "")

    # Its link to the engine

    def cut(self):
        for relay in self.relays: relay.cut()

    def stall(self):
        for relay in self.relays: relay.stall()

    def delay(self, seconds):
        for relay in self.relays: relay.delay(seconds)

    def late(self, mark, seconds, count=1):
        for relay in self.relays: relay.late(mark, seconds, count)

    def mend(self):
        for relay in self.relays: relay.mend()

    # Its users

    def ask(self, target="/api/x", method="GET", body=None, limit=60):
        """A request of a client of this machine."""
        return self.request(self.port, method, target, body, {}, limit)

    def inspect(self, target, method="GET", body=None, limit=60):
        """A request to its inspector."""
        return self.request(self.inspector_port, method, target, body, {"X-Squire-Inspector": "1"}, limit)

    @staticmethod
    def request(port, method, target, body, fields, limit):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=limit)
        try:
            begun = time.monotonic()
            connection.request(method, target, json.dumps(body).encode() if body is not None else None, fields)
            answer = connection.getresponse()
            answer.data = answer.read()
            answer.seconds = time.monotonic() - begun
            return answer
        finally: connection.close()

    def sign_in(self, customer):
        """Through the proxy, as an app does it."""
        answer = self.ask("/sign-in", "POST", {"customer": customer})
        assert answer.status == 200, answer.data
        return json.loads(answer.data)["token"]

    def command(self, *words, input="", code=0, limit=60):
        result = subprocess.run([SQUIRE, *words, "--config", str(self.config)], input=input, capture_output=True, text=True, timeout=limit,
                                env=clean_environment(**self.env), cwd=self.directory)
        shown = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>", result.stdout + result.stderr)
        assert code in (None, result.returncode), f"machine {self.number}: {words} ends with {result.returncode}, not {code}: {shown}"
        return result

    def login(self, token, *words, **options):
        return self.command("login", "--token", "-", *words, input=token + "\n", **options)

    def status(self):
        return json.loads(self.inspect("/api/status").data)["session"]

    def shared(self):
        return self.status()["shared"]

    def is_ready(self):
        return self.inspect("/readyz").status == 200

    def token(self, file=None):
        """What the local file holds; None without a token."""
        try: return json.loads((file or self.file).read_text()).get("token")
        except FileNotFoundError: return None

    def replace_keys(self, lines):
        """At once, as whoever hands keys out should do it."""
        new = self.directory / "shared.key.new"
        new.touch(0o600)
        new.write_text("".join(line + "\n" for line in lines))
        new.rename(self.key)

    @property
    def kept(self):
        """Where the session is kept that was this machine's alone."""
        return pathlib.Path(f"{self.file}.before-shared")


class Fleet:
    """`count` machines, not started yet; what runs is ended by `end`. `is_direct`: without relays, which cost as much as what they carry."""

    def __init__(self, directory, count, members=1, api=None, authentication=True, env=None, engine=(), is_direct=False, **options):
        self.directory, self.env, self.is_direct = pathlib.Path(directory), env or {}, is_direct
        self.machines, self.relays, self.engine = [], Relays(), None
        self.api = api or RotatingAPI()
        try:
            self.engine = Engine(members, authentication=authentication, extra=engine)
            self.options = {"name": "fleet", "timeout": 1, "takeover": 6, "margin": "1s", **options}
            self.credentials = self.written_credentials()
            self.key = self.directory / "shared.key"
            made = subprocess.run([SQUIRE, "shared", "key", str(self.key)], capture_output=True, text=True, env=clean_environment(HOME=str(self.directory)))
            assert made.returncode == 0, made.stderr
            for _ in range(count): self.add()
        except BaseException:
            self.end()
            raise

    def written_credentials(self):
        lines = ""
        if self.engine.scheme == "https":
            lines += "    tls: {{ca: %s, certificate: %s, key: %s}}\n" % tuple(map(self.engine.file, ("ca.pem", "nocn.pem", "nocn.key")))
        if self.engine.has_role:
            password = self.directory / "etcd.password"
            password.touch(0o600)
            password.write_text(USER[1] + "\n")
            lines += "    user: %s\n    password: {{file: %s}}\n" % (USER[0], password)
        return lines

    def add(self, **how):
        machine = Machine(self, len(self.machines), **how)
        self.machines.append(machine)
        return machine

    @property
    def name(self):
        return self.options["name"]

    def record(self):
        return self.engine.record(self.name)

    def login(self, customer="5090976"):
        """By the first machine's command; the token."""
        token = self.api.sign_in(customer)
        self.machines[0].login(token, "--replace")
        return token

    def start(self):
        for machine in self.machines: machine.spawn()
        for machine in self.machines: machine.wait()
        return self

    def have(self, token):
        """Whether each machine's own file holds the token."""
        return all(machine.token() == token for machine in self.machines)

    def token(self):
        """The one that all machines hold; None while they differ."""
        tokens = {machine.token() for machine in self.machines}
        return tokens.pop() if len(tokens) == 1 else None

    def end(self):
        for machine in self.machines:
            if machine.process is not None: machine.kill()
        if self.engine is not None: self.engine.end()
        self.relays.end()
        self.api.close()


@unittest.skipUnless(is_installed(), "etcd and etcdctl are not here: config/setup installs them")
class FleetScenario(Scenario):
    def fleet(self, count, login=True, start=True, **options):
        """Machines that have the session."""
        fleet = Fleet(self.directory, count, **options)
        self.addCleanup(fleet.end)
        if login: token = fleet.login()
        if start:
            fleet.start()
            if login: self.within(10, lambda: fleet.have(token), "the first token is on all machines")
        return fleet

    def within(self, seconds, condition, what):
        """Looks every 10 ms; how long it took."""
        begun = time.monotonic()
        while not condition():
            self.assertLess(time.monotonic() - begun, seconds, f"not in {seconds} s: {what}")
            select.select([], [], [], 0.01)
        return time.monotonic() - begun

    def assert_answers(self, machines, status=200):
        """Each machine's clients have that status."""
        answers = parallel(len(machines), lambda index: machines[index].ask())
        statuses = [getattr(answer, "status", answer) for answer in answers]
        wrong = [machine.text()[-1500:] for machine, found in zip(machines, statuses) if found != status]
        self.assertEqual(statuses, [status] * len(machines), "\n".join(wrong[:1]))
        return answers

    def refreshing(self, fleet, machine, **how):
        """A refresh by that machine that the API has, and the client whose request led there."""
        fault = fleet.api.next_refresh(**how)
        fleet.api.end()
        machine.answers = []

        def ask():
            # Its machine may die under it.
            with contextlib.suppress(OSError, http.client.HTTPException): machine.answers.append(machine.ask())
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        self.assertTrue(fault.arrived.wait(LIMIT), "no refresh")
        return fault, thread

    def assert_one_refresh_each(self, fleet, count):
        """Of so many rotations, and none that the API refused."""
        self.assertEqual([refresh.outcome for refresh in fleet.api.refreshes], ["rotated"] * count, fleet.api.refreshes)

    def assert_no_dead_use(self, fleet, seconds=1.0):
        """Nobody used a token that had been dead for longer than it takes to hear of it."""
        late = [(machine, token.number, round(age, 3)) for machine, token, _, age in fleet.api.dead_uses if age > seconds]
        self.assertEqual(late, [])

    def change_keys(self, read_again):
        """Added everywhere; then first on half the machines, on all; then the former one is taken out."""
        fleet = self.fleet(4)
        self.assert_answers(fleet.machines)
        self.command("shared", "key", "--add", str(fleet.key))
        old, new = fleet.key.read_text().splitlines()
        count, seals = 0, set()
        for lines, machines in (([old, new], fleet.machines), ([new, old], fleet.machines[:2]), ([new, old], fleet.machines), ([new], fleet.machines)):
            for machine in machines: machine.replace_keys(lines)
            read_again(machines)
            for machine in (fleet.machines[0], fleet.machines[3]):
                fleet.api.end()
                count += 1
                self.assertEqual(machine.ask().status, 200)
                self.assert_answers(fleet.machines)
                self.assert_one_refresh_each(fleet, count)
                seals.add(fleet.record()["kid"])
        self.assertEqual(len(seals), 2)
        self.assert_no_dead_use(fleet)
