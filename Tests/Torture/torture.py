"""The torture: clients, upstreams, tokens and timing at random against one Squire, and judges of every byte.

Three processes: this one starts, stops, holds, reloads and watches Squire; one has all clients, one all upstreams. Time goes in storms of a
few seconds, each with a mixture of its own, and rests between them, in which all that was begun has to end, descriptors and threads have to
come back to what they were, and ordinary requests have to be answered.
"""
import argparse, collections, contextlib, errno, http.client, json, os, pathlib, random, re, resource, select, shutil, signal, socket, ssl, subprocess, sys
import tempfile, time, traceback

import plan
from clients import Clients
from judges import ClientJudge, Exchange, Reports, Steps, TOKEN, redacted
from plan import Call, MARKER, generator
from shared import Shared
from upstream import LABELS, Upstreams

ROOT = pathlib.Path(__file__).resolve().parents[2]
EPILOG = """\
What is judged: no byte of an answer reaches another request, none is missing, foreign or out of order; a cut answer does not end as a whole
one does, nor a cut request; a request arrives as it was sent, once, and again only when it was refused or an idle connection broke; the
bearer reaches its own upstream and nobody else, no client, no log; whoever sends nothing receives nothing but a 408 or 503; nothing crashes,
hangs, keeps descriptors, threads or memory; a stop ends in time, with 0.

The seed decides what each client, answer, token and signal does; the moments are the machine's. Exit code: 0 held, 1 broken, 64 usage.

  config/torture 10                       ten minutes, another seed each time
  config/torture 1 --seed 7               the plans of seed 7 again
  config/torture 60 --sanitize address    an hour, with a Squire that watches its own memory

SQUIRE_BINARY names another Squire than the release build.
"""
SANITIZER = os.environ.get("SQUIRE_SANITIZER")
SLOWNESS = 3.0 if SANITIZER else 1.0
REPORT = re.compile(r"(ERROR: AddressSanitizer|WARNING: ThreadSanitizer|runtime error:|AddressSanitizer:|SUMMARY: )")
# What a rest finds at most; see `Torture.rest`. Threads and descriptors of a fresh process, by its workers, and what reloads leave for a while.
MOST_DESCRIPTORS = lambda workers, reloads: 40 + 8 * workers
MOST_THREADS = lambda workers: 10 + workers
# Of it 64 MiB are request bodies that are kept to be sent again, all together.
MOST_MEMORY = lambda clients: (160 << 20) + clients * (300 << 10)
# What a busy machine can bring about, too: that a request failed, or a response was cut, though nobody can say why it had to. A person looks at
# those; they count with --strict.
DOUBTS = {"failed without need", "answer cut without need"}


def binary():
    return os.environ.get("SQUIRE_BINARY") or str(ROOT / ".build/release/squire")


class Torture:
    def __init__(self, seed, out=print, only=None, storm_seconds=5.0, clients=None, plain=False, patience=None):
        self.seed, self.out, self.storm_seconds, self.plain, self.patience = seed, out, storm_seconds, plain, patience
        plan.restrict(only, clients)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="squire-torture-"))
        for name in ("tmp", "s"):
            (self.directory / name).mkdir()
        self.config = self.directory / "squire.yaml"
        self.log = self.directory / "log"
        self.shared = Shared()
        self.found = collections.Counter()
        self.counts = collections.Counter()
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.pending = b""
        self.reports = Reports(self.take, "squire")
        self.squire, self.generation, self.workers, self.reloads = None, 0, 1, 0
        self.inspector = None
        self.children = {}
        self.logged_in = set()
        self.down = plan.Bytes(seed, 2)
        self.up = plan.Bytes(seed, 1)
        self.probes = 0
        self.peak = 0
        self.last_tick = time.monotonic()
        self.shared.set("phase", 2)

    # The other processes

    def fork(self, name, make):
        child = os.fork()
        if child:
            self.children[child] = name
            return
        try:
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            os.close(self.reader)
            parent = os.getppid()
            send = lambda record: os.write(self.writer, json.dumps(record).encode()[:4000] + b"\n")
            worker = make(send)
            get = self.shared.get
            # An orphan ends.
            worker.shared = type("Watched", (), {"set": self.shared.set, "get": staticmethod(
                lambda key: 1 if key == "over" and os.getppid() != parent else get(key))})()
            worker.run()
            os._exit(0)
        except BaseException:
            text = traceback.format_exc()
            os.write(self.writer, json.dumps({"kind": "the torture itself failed", "role": name, "text": text[-1500:], "steps": []}).encode() + b"\n")
            os._exit(1)

    def begin(self):
        listeners = {label: socket.create_server(("127.0.0.1", 0), backlog=1024) for label in LABELS + "PC"}
        self.ports = {label: listener.getsockname()[1] for label, listener in listeners.items()}
        contexts = {} if self.plain else self.contexts()
        self.fork("upstream", lambda send: Upstreams(self.seed, self.shared, send, contexts, listeners))
        for listener in listeners.values():
            listener.close()
        self.fork("client", lambda send: Clients(self.seed, self.shared, send, SLOWNESS, self.patience))

    def contexts(self):
        """TLS of both versions, with one certificate."""
        self.authority, key = self.directory / "ca.pem", self.directory / "ca.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", self.authority, "-days", "2",
                        "-subj", "/CN=torture", "-addext", "subjectAltName=IP:127.0.0.1"], check=True, capture_output=True)
        contexts = {}
        for label, version in (("S", ssl.TLSVersion.TLSv1_3), ("T", ssl.TLSVersion.TLSv1_2)):
            contexts[label] = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            contexts[label].load_cert_chain(self.authority, key)
            contexts[label].maximum_version = version
        return contexts

    def ask(self, path):
        """The upstreams' door."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports["C"], timeout=20)
        connection.request("GET", path)
        with connection.getresponse() as response:
            return json.load(response)

    def hear(self):
        """What the others found."""
        while True:
            try:
                data = os.read(self.reader, 1 << 16)
            except BlockingIOError:
                break
            self.pending += data
        *lines, self.pending = self.pending.split(b"\n")
        for line in lines:
            try:
                self.take(json.loads(line))
            except ValueError:
                self.take({"kind": "broken", "role": "?", "text": redacted(line), "steps": []})

    def take(self, record):
        if "counts" in record:
            self.counts.update(record["counts"])
            return
        if "more" in record:
            self.found[record["kind"]] += record["more"]
            return
        self.found[record["kind"]] += 1
        word = "doubt " if record["kind"] in DOUBTS else "BROKEN"
        self.out(f"{word}  {record['kind']} ({record['role']}, storm {int(self.shared.get('storm'))}, seed {self.seed}): {record['text']}")
        for step in record["steps"]:
            self.out(f"        {step}")

    # Squire

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if k.startswith("SQUIRE_FAULT") or not k.startswith("SQUIRE_") and "proxy" not in k.lower()}
        return {**kept, "HOME": str(self.directory), "XDG_STATE_HOME": str(self.directory / "state"), "TMPDIR": str(self.directory / "tmp")}

    def configure(self, r, theme, workers):
        """Writes a configuration, and sees that it has a session."""
        label = theme.listener if r.random() < 0.7 else r.choice(LABELS)
        if self.plain:
            label = "A"
        seconds = lambda *choices: f"{r.choice(choices)}ms"
        with_proxy = r.random() < theme("connect_proxy")
        self.workers = workers
        session = self.directory / "s" / f"{label}.json"
        lines = [
            "profile: menu", f"upstream: http{'s' if label in 'ST' else ''}://127.0.0.1:{self.ports[label]}", "listen: 127.0.0.1:0",
            "inspector: " + ('"127.0.0.1:0"' if r.random() < 0.5 and not self.plain else '"off"'), f"workers: {workers}",
            "headers:", "  Application: f3a90488ffee32c3acb6fcd0ca417cf6", '  Api-Version: 4.38.0', '  Device-UUID: "1287796"',
            *([f"  X-Some-{i}: \"{i}\"" for i in range(r.choice((0, 0, 1, 5)))]),
            f"session: {{file: {session}, margin: {seconds(200, 500, 1000)}, refresh: {{timeout: {seconds(1000, 1500)}}}}}",
            f"timeouts: {{head: {seconds(800, 1500)}, idle: {seconds(500, 1000, 2000)}, connect: {seconds(1000, 2000)}, first-byte: {seconds(1500, 2000, 2500)}, "
            f"body: {seconds(1000, 1500, 2000)}, shutdown: {seconds(200, 500, 1000)}}}",
            f"limits: {{replay: {r.choice(('16KiB', '64KiB', '1MiB'))}, replay-disk: {r.choice(('128KiB', '1MiB', '4MiB'))}, "
            f"connections: {r.choice((16, 40)) if r.random() < theme('few_connections') else 1024}}}",
        ]
        if label in "ST":
            lines.append(f"tls: {{ca: {self.authority}}}")
        if with_proxy:
            lines.append(f"proxy: http://127.0.0.1:{self.ports['P']}")
        self.config.write_text("\n".join(lines) + "\n")
        self.what = f"upstream {label}{' by the proxy' if with_proxy else ''}, {workers} workers"
        if label not in self.logged_in:
            self.log_in(label)

    def log_in(self, label):
        token = self.ask(f"/token/{label}")["token"]
        result = subprocess.run([binary(), "login", "--config", str(self.config), "--token", "-"], input=token + "\n", capture_output=True, text=True,
                                timeout=60, env=self.environment())
        if result.returncode:
            self.reports.violation("login failed", f"exit {result.returncode}: {result.stderr}")
        self.logged_in.add(label)

    def start(self, r, theme):
        self.configure(r, theme, theme.workers)
        level = r.choice(("info", "warning", "warning"))
        self.log.write_bytes(b"")
        log = open(self.log, "ab")
        self.squire = subprocess.Popen([binary(), "run", "--config", str(self.config), "--log-level", level], stdout=subprocess.PIPE, stderr=log,
                                       stdin=subprocess.DEVNULL, env=self.environment())
        log.close()
        endpoints, pending, end = {}, b"", time.monotonic() + 60
        want = 1 if 'inspector: "off"' in self.config.read_text() else 2
        while len(endpoints) < want:
            ready, _, _ = select.select([self.squire.stdout], [], [], max(0, end - time.monotonic()))
            data = os.read(self.squire.stdout.fileno(), 4096) if ready else b""
            if not data:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    self.squire.wait(1)
                self.reports.violation("does not start", f"exit {self.squire.poll()}: {self.tail()}")
                raise Broken
            pending += data
            *lines, pending = pending.split(b"\n")
            for line in lines:
                name, url = line.decode().split(" ", 1)
                endpoints[name] = int(url.rstrip("/").rsplit(":", 1)[1])
        self.inspector = endpoints.get("inspector")
        self.generation += 1
        self.reloads = 0
        self.scanned = 0
        self.shared.set("port", endpoints["proxy"])
        self.shared.set("generation", self.generation)
        self.shared.set("is_up", 1)

    def tail(self, most=800):
        """The end of its log, without the lines of exchanges."""
        with open(self.log, "rb") as file:
            file.seek(max(0, self.log.stat().st_size - 200_000))
            lines = [line for line in file.read().split(b"\n") if not re.match(rb"[\d:.]+ info ", line)]
        return redacted(b"\n".join(lines)[-most:], most)

    def is_gone(self):
        """Judges an end that nobody asked for."""
        code = self.squire.poll()
        if code is None:
            return False
        self.shared.set("is_up", 0)
        self.shared.set("disturbed", time.monotonic())
        name = signal.Signals(-code).name if code < 0 else f"exit {code}"
        steps = []
        with contextlib.suppress(OSError, ValueError):
            steps = self.ask("/steps")["steps"]
        if not (code > 0 and self.scan_log()):
            self.reports.violation("crash", f"{self.what}: {name}, after {self.reloads} reloads: {self.tail(700)}")
        for step in steps[-10:]:
            self.out(f"        upstream {step}")
        self.scan_log()
        return True

    def scan_log(self):
        """Reports of sanitizers and bearers in what it wrote."""
        with open(self.log, "rb") as file:
            file.seek(self.scanned)
            data = file.read()
            self.scanned += len(data)
        if MARKER in data:
            at = data.index(MARKER)
            self.reports.violation("bearer in the log", redacted(data[max(0, at - 200):at + 50]))
        text = data.decode("utf-8", "replace")
        found = REPORT.search(text)
        if found:
            lines = text[found.start():].split("\n")
            self.reports.violation("report", lines[0], [re.sub(r"0x[0-9a-f]+ in ", "", line.strip()) for line in lines[1:] if re.match(r"\s+#|[A-Z]", line)][:30])
        if self.log.stat().st_size > 50 << 20:
            os.truncate(self.log, 0)
            self.scanned = 0
        return bool(found)

    def stop(self):
        """SIGTERM: it ends in time, with 0."""
        self.shared.set("is_up", 0)
        self.shared.set("disturbed", time.monotonic())
        begun = time.monotonic()
        self.squire.send_signal(signal.SIGTERM)
        # timeouts.shutdown, and a refresh in flight, which is waited for.
        limit = 1 + 2 * 1.5 + 3 * SLOWNESS if self.patience is None else self.patience
        try:
            code = self.squire.wait(limit)
            if code and not (code > 0 and self.scan_log()):
                self.reports.violation("crash" if code < 0 else "exit code", f"{self.what}: {code} at a stop, after {time.monotonic() - begun:.2f} s: {self.tail()}")
        except subprocess.TimeoutExpired:
            self.reports.violation("does not stop", f"{self.what}: still there after {limit:.0f} s: {self.tail()}")
            self.squire.kill()
            self.squire.wait()
        self.squire.stdout.close()
        self.scan_log()
        self.shared.set("disturbed", time.monotonic())

    # Storms

    def storm(self, number, seconds):
        theme = plan.theme_of(self.seed, plan.number(number, 0, 0))
        r = generator(self.seed, 20, number)
        self.shared.set("storm", number)
        if self.squire is None:
            self.start(r, theme)
            self.rest(number, first=True)
        begun = time.monotonic()
        self.shared.set("login_needed", 0)
        self.shared.set("phase", 0)
        rates = {"hold": theme("holds"), "reload": theme("reload"), "restart": theme("restart"), "health": 0.5}
        due = {name: begun + r.expovariate(rate) if rate else begun + 1e9 for name, rate in rates.items()}
        end = begun + seconds
        peak = 0
        while (clock := time.monotonic()) < end:
            if clock - self.last_tick > 0.5:
                self.shared.set("lag", clock)
            self.hear()
            if self.is_gone():
                self.squire.stdout.close()
                self.start(r, theme)
            peak = max(peak, self.memory())
            for name, when in due.items():
                if clock >= when:
                    due[name] = clock + r.expovariate(rates[name])
                    getattr(self, name)(r, theme)
            self.tend()
            self.last_tick = time.monotonic()
            time.sleep(0.01)
        if not SANITIZER and peak > MOST_MEMORY(theme.clients):
            self.reports.violation("memory", f"{self.what}: {peak >> 20} MiB resident with {theme.clients} clients")
        self.peak = max(self.peak, peak)
        self.rest(number)
        self.out(f"storm {number}: {int(self.shared.get('exchanges')):,} exchanges, {int(self.shared.get('answers')):,} answers judged, "
                 f"{int(self.shared.get('whole')):,} of them whole; {self.what}; {theme.clients} clients; loud: {', '.join(theme.loud) or 'nothing'}; "
                 f"{peak >> 20} MiB")

    def tend(self):
        for child, name in list(self.children.items()):
            done, status = os.waitpid(child, os.WNOHANG)
            if done:
                del self.children[child]
                self.hear()
                raise Broken

    def hold(self, r, theme):
        """Everything that happens meanwhile falls into one turn of its loops."""
        self.squire.send_signal(signal.SIGSTOP)
        pause = r.choice((0.01, 0.03, 0.1, 0.25))
        begun = time.monotonic()
        self.shared.set("held", 1)
        time.sleep(pause)
        self.squire.send_signal(signal.SIGCONT)
        self.shared.set("held", 0)
        if time.monotonic() - begun > 0.6:
            self.shared.set("lag", time.monotonic())

    def reload(self, r, theme):
        if r.random() < theme("bad_configuration"):
            self.config.write_text(r.choice(("upstream: [", "upstrem: http://127.0.0.1:1\n", "", "profile: menu\nupstream: ftp://x\n", "\x1b\n")))
        else:
            self.configure(r, theme, self.workers)
        self.reloads += 1
        self.squire.send_signal(signal.SIGHUP)

    def restart(self, r, theme):
        self.stop()
        self.counts["stops"] += 1
        self.start(r, theme)

    def health(self, r, theme):
        if self.inspector is None:
            return
        try:
            connection = http.client.HTTPConnection("127.0.0.1", self.inspector, timeout=5 * SLOWNESS)
            connection.request("GET", r.choice(("/healthz", "/metrics", "/api/status", "/readyz")))
            with connection.getresponse() as response:
                body = response.read()
                if response.status not in (200, 503) or MARKER in body:
                    self.reports.violation("inspector", f"{response.status}: {redacted(body)}")
        except OSError as error:
            if self.squire.poll() is None:
                self.reports.violation("inspector", f"no answer: {error}")

    def memory(self):
        with contextlib.suppress(OSError):
            with open(f"/proc/{self.squire.pid}/statm") as file:
                return int(file.read().split()[1]) * resource.getpagesize()
        return 0

    # Rests

    def rest(self, number, first=False):
        """All that was begun ends; what is left is counted; ordinary requests are answered."""
        self.shared.set("phase", 1)
        limit = time.monotonic() + 60 * SLOWNESS
        while self.shared.get("open"):
            self.hear()
            self.tend()
            if self.is_gone():
                self.squire.stdout.close()
                self.start(generator(self.seed, 21, number), plan.theme_of(self.seed, plan.number(number, 0, 0)))
            if time.monotonic() > limit:
                self.reports.violation("hang", "clients do not come to an end")
                raise Broken
            time.sleep(0.005)
        self.shared.set("phase", 2)
        self.hear()
        if self.is_gone():
            self.squire.stdout.close()
            self.start(generator(self.seed, 21, number), plan.theme_of(self.seed, plan.number(number, 0, 0)))
        self.counts.update({"closed": self.ask("/quiet")["closed"]})
        self.settle()
        self.probe(number)
        self.scan_log()

    def settle(self):
        """Descriptors and threads are as few as in a fresh process, in a moment."""
        most, threads = MOST_DESCRIPTORS(self.workers, self.reloads), MOST_THREADS(self.workers)
        limit = time.monotonic() + (5 * SLOWNESS if self.patience is None else self.patience)
        while time.monotonic() < limit:
            try:
                open_now, running = len(os.listdir(f"/proc/{self.squire.pid}/fd")), len(os.listdir(f"/proc/{self.squire.pid}/task"))
            except OSError:
                return
            self.last = open_now, running
            if open_now <= most and (running <= threads or SANITIZER):
                return
            time.sleep(0.02)
        if self.squire.poll() is not None:
            return
        if open_now > most:
            kinds = collections.Counter(re.sub(r"\d+", "N", self.link(entry)) for entry in os.listdir(f"/proc/{self.squire.pid}/fd"))
            self.reports.violation("descriptors", f"{self.what}: {open_now} open with no client left, {self.reloads} reloads, at most {most} are in order: {dict(kinds)}")
        if running > threads and not SANITIZER:
            self.reports.violation("threads", f"{self.what}: {running} threads with no client left, after {self.reloads} reloads, at most {threads} are in order")

    def link(self, entry):
        try:
            return os.readlink(f"/proc/{self.squire.pid}/fd/{entry}")
        except OSError:
            return "gone"

    def probe(self, number):
        """Signs in, and asks a few things that nothing disturbs."""
        for actor, count in ((plan.SIGN_IN, 1), (plan.PROBE, 6)):
            for _ in range(count):
                self.probes += 1
                call = Call(self.seed, plan.number(number, actor, 0x80000 + self.probes))
                exchange, steps = self.converse(call)
                if self.is_gone():
                    raise Gone
                if not exchange.is_whole or exchange.own or not 200 <= exchange.status < 300:
                    self.reports.violation("not answered", "%s %s, which nothing disturbs: status %s %s, whole %s; %s; %s" % (
                        call.method, call.path, exchange.status, exchange.code, exchange.is_whole, self.what, self.tail(500)), steps)

    def converse(self, call):
        steps = Steps()
        judge = ClientJudge(self.seed, self.down, self.reports, steps, [])
        exchange = Exchange(call, time.monotonic())
        judge.sent.append(exchange)
        judge.has_sent_anything = True
        host = "127.0.0.1:%d" % self.shared.get("port")
        head, pieces = call.bytes(host, self.up)
        try:
            with socket.create_connection(("127.0.0.1", int(self.shared.get("port"))), 30 * SLOWNESS) as sock:
                sock.sendall(b"".join((head, *pieces)))
                while not exchange.is_over and not judge.is_broken:
                    data = sock.recv(65536)
                    if not data:
                        judge.end(False)
                        break
                    judge.feed(data)
        except OSError as error:
            steps(f"{error}")
        return exchange, steps

    # The end

    def end(self):
        self.shared.set("over", 1)
        if self.squire and self.squire.poll() is None:
            self.stop()
        deadline = time.monotonic() + 10
        for child in list(self.children):
            while time.monotonic() < deadline:
                if os.waitpid(child, os.WNOHANG)[0]:
                    break
                time.sleep(0.01)
            else:
                os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
        self.hear()
        shutil.rmtree(self.directory, ignore_errors=True)


class Broken(Exception):
    """It cannot go on; what is wrong was said."""


class Gone(Exception):
    """Squire ended in the middle; that was said, and a new one may go on."""


def run(seconds, seed, out=print, first=1, **options):
    """Whether all held; the torture, for its figures."""
    # What runs this may have blocked signals, as threads of some runtimes do, and children inherit that.
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8192) if hard > 0 else 8192, hard))
    torture = Torture(seed, out, **options)
    number = first - 1
    try:
        torture.begin()
        end = time.monotonic() + seconds
        while (number < first or time.monotonic() < end) and sum(torture.found.values()) < 200:
            number += 1
            try:
                torture.storm(number, max(0.5, min(torture.storm_seconds, end - time.monotonic())))
            except Gone:
                torture.squire.stdout.close()
                torture.squire = None
    except Broken:
        pass
    except KeyboardInterrupt:
        out("interrupted: judging what there is")
    finally:
        with contextlib.suppress(OSError, ValueError):
            torture.counts.update({"upstream " + name: count for name, count in torture.ask("/stats")["counts"].items()})
        torture.end()
    return torture


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.print_usage(sys.stderr)
        print(f"{self.prog}: {message}", file=sys.stderr)
        sys.exit(64)


def main(words):
    parser = Parser(prog="config/torture", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter, allow_abbrev=False)
    parser.add_argument("minutes", type=float, metavar="MINUTES", help="how long; fractions are fine")
    parser.add_argument("--seed", type=int, help="repeats the plans of an earlier run (printed first)")
    parser.add_argument("--sanitize", choices=("address", "thread"), help="with a Squire built so that it watches its own memory, or threads")
    parser.add_argument("--only", metavar="A,B", help="storms of these features only, to narrow a fault down: " + ", ".join(sorted(plan.FEATURES)))
    parser.add_argument("--plain", action="store_true", help="one plain upstream, without a proxy before it, and no inspector")
    parser.add_argument("--clients", type=int, metavar="N", help="so many at once, in every storm")
    parser.add_argument("--storm", type=float, default=5, metavar="SECONDS", help="how long a storm lasts (default %(default)g)")
    parser.add_argument("--from", dest="first", type=int, default=1, metavar="N", help="begin with the seed's storm N")
    parser.add_argument("--strict", action="store_true", help="what only a quiet machine can be blamed for counts, too: requests that failed without need")
    parser.add_argument("--patience", type=float, help=argparse.SUPPRESS)
    # For the command: are the words right?
    parser.add_argument("--parse", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--figures", action="store_true", help="print all counts at the end")
    options = parser.parse_args(words)
    if not 0 < options.minutes < 1e6:
        parser.error("MINUTES must be more than nothing, and an end be in sight")
    only = None if options.only is None else set(options.only.split(",")) - {""}
    if only and only - set(plan.FEATURES):
        parser.error("no features: " + ", ".join(sorted(only - set(plan.FEATURES))))
    if options.clients is not None and not 0 < options.clients <= 1000:
        parser.error("--clients must be from 1 to 1000")
    if not 0 < options.first < 60_000:
        parser.error("--from must be from 1 to 59999")
    if not 0.1 <= options.storm <= 3600:
        parser.error("--storm must be from 0.1 to 3600")
    if options.patience is not None and not 0 < options.patience:
        parser.error("--patience must be more than nothing")
    if options.parse:
        return 0
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    if options.strict:
        DOUBTS.clear()
    print(f"seed {seed}", flush=True)
    begun = time.monotonic()
    torture = run(options.minutes * 60, seed, out=lambda text: print(text, flush=True), only=only, plain=options.plain, clients=options.clients,
                  storm_seconds=options.storm, first=options.first, patience=options.patience)
    spent = time.monotonic() - begun
    get = torture.shared.get
    print(f"{spent:.0f} s: {get('exchanges'):,.0f} exchanges, {get('answers'):,.0f} answers judged, {get('whole'):,.0f} of them whole, {torture.generation} starts, "
          f"{torture.peak >> 20} MiB at most")
    if options.figures:
        for name, count in sorted(torture.counts.items()):
            print(f"  {count:>10,} {name}")
    if not get("whole"):
        torture.found["nothing was judged"] += 1
    for kind, count in torture.found.most_common():
        print(f"  {count} x {kind}")
    is_broken = any(kind not in DOUBTS for kind in torture.found)
    print(f"{'BROKEN' if is_broken else 'held, with doubts' if torture.found else 'held'}: repeat with --seed {seed}")
    return 1 if is_broken else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
