"""A separate refresh token that rotates, and Squires that share it: whoever spends one knows that nobody else has.

Access tokens end all the time; processes are killed and stopped among it. At the end: no refresh token was spent twice, but by whoever came
after a process that was killed between spending it and saving what it got; every client was answered, or its own process was killed; the
file holds the newest refresh token, and no log holds any.

  config/soak oauth 10000             two processes, 10,000 rotations, kills and stops
  config/soak oauth 500 --healthy     nothing goes wrong
"""
import argparse, collections, http.client, itertools, json, os, pathlib, random, signal, socket, subprocess, sys, tempfile, threading, time

import fleet
from authorization import AuthorizationServer

CONFIGURATION = """upstream: {url}
listen: 127.0.0.1:0
inspector: "off"
session:
  file: {file}
  oauth:
    token-endpoint: {url}/token
    client-id: soak
    parameters: {{soak: "{label}"}}
    timeout: 5s
"""


class Proxy:
    """One place of a Squire: each life has a label, which its refreshes carry."""

    def __init__(self, soak, index):
        self.soak, self.index, self.life = soak, index, 0
        self.config = soak.directory / f"squire-{index}.yaml"
        self.log = open(soak.directory / f"{index}.log", "ab")
        self.killed = {}            # label: when
        self.process = self.port = None
        self.changing = threading.Lock()

    @property
    def label(self):
        return f"{self.index}.{self.life}"

    def write_configuration(self):
        self.config.write_text(CONFIGURATION.format(url=self.soak.server.url, file=self.soak.file, label=self.label))

    def start(self):
        self.life += 1
        self.write_configuration()
        self.process = subprocess.Popen([fleet.binary(), "run", "--config", self.config], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                                        stderr=self.log, env=self.soak.environment, text=True)
        line = self.process.stdout.readline()
        assert line.startswith("proxy "), f"{self.label} does not start: {(self.soak.directory / f'{self.index}.log').read_text()[-2000:]}"
        self.port = int(line.rsplit(":", 1)[1])

    def kill(self):
        with self.changing:
            self.killed[self.label] = time.monotonic()
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.start()

    def pause(self, seconds):
        with self.changing:
            self.process.send_signal(signal.SIGSTOP)
            time.sleep(seconds)
            self.process.send_signal(signal.SIGCONT)

    def stop(self):
        self.process.terminate()
        code = self.process.wait(30)
        self.process.stdout.close()
        self.log.close()
        return code


class Soak:
    def __init__(self, options, seed):
        self.options, self.random = options, random.Random(seed)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="squire-soak-", dir=options.directory))
        (self.directory / "tmp").mkdir()
        self.file = self.directory / "session.json"
        self.environment = fleet.environment(self.directory)
        # Everybody has had an answer with a token before it ends: one that ends at once is taken for one that no refresh cures.
        self.server = AuthorizationServer(seed + 1, least_uses=2 * options.proxies * options.clients)
        self.proxies = [Proxy(self, index) for index in range(options.proxies)]
        self.failures, self.counts = [], collections.Counter()
        self.is_over = threading.Event()
        self.numbers = itertools.count(1)

    def fail(self, text):
        self.failures.append(text)

    def command(self, *words, input=""):
        return subprocess.run([fleet.binary(), *words, "--config", self.proxies[0].config], input=input, capture_output=True, text=True, timeout=60,
                              env=self.environment)

    def login(self):
        self.proxies[0].write_configuration()
        result = self.command("login", "--refresh-token", "-", input=self.server.current.refresh + "\n")
        assert result.returncode == 0, result.stderr

    def ask(self, proxy):
        """One request, with whose life it began under: its status, or None when the connection broke, and its fields."""
        with proxy.changing:
            life, port = proxy.life, proxy.port
        identity = f"r{next(self.numbers)}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        try:
            connection.request("GET", "/api/orders", headers={"X-Request-ID": identity})
            answer = connection.getresponse()
            body = answer.read()
            # A token that came with the refresh may have ended, too, before the request was sent again.
            is_late = answer.status == 401 and len(self.server.refusals[identity]) > 1
            return life, "late" if is_late else answer.status, (answer.getheader("Proxy-Status") or "").encode() + body
        except (OSError, http.client.HTTPException) as error:
            return life, None, repr(error).encode()
        finally:
            connection.close()

    def client(self, proxy):
        while not self.is_over.is_set():
            life, status, body = self.ask(proxy)
            self.counts[status] += 1
            if status == 200:
                time.sleep(0.002)
            elif status is None:
                # While it is killed and started again nobody listens.
                with proxy.changing:
                    if proxy.life == life and f"{proxy.index}.{life}" not in proxy.killed:
                        self.fail(f"{proxy.label}: {body.decode()}")
            elif status == "late":
                time.sleep(0.01)
            elif status == 503 or status == 401 and b"error=" in body and b"login needed" not in body:
                # Whoever has the lock is stopped, or was killed: no refresh now.
                self.counts["not now"] += 1
                if self.options.healthy:
                    self.fail(f"{proxy.label}: {status} {body.decode()[:200]}")
                time.sleep(0.05)
            else:
                self.fail(f"{proxy.label}: status {status}: {body.decode()[:200]}")
                time.sleep(0.05)

    def disturb(self):
        if self.options.healthy:
            return
        chance, proxy = self.random.random(), self.random.choice(self.proxies)
        if chance < 0.03:
            self.counts["kills"] += 1
            proxy.kill()
        elif chance < 0.07:
            self.counts["stops"] += 1
            threading.Thread(target=proxy.pause, args=(self.random.random() * 0.8,)).start()

    def run(self):
        self.login()
        for proxy in self.proxies:
            proxy.start()
        threads = [threading.Thread(target=self.client, args=(proxy,), daemon=True) for proxy in self.proxies for _ in range(self.options.clients)]
        for thread in threads:
            thread.start()
        begun = reported = time.monotonic()
        try:
            # Counted now and then: it looks at every grant.
            while (rotations := self.server.rotations) < self.options.rotations and len(self.failures) < 50:
                for _ in range(20):
                    self.server.expire()
                    time.sleep(self.options.rotate)
                    self.disturb()
                if time.monotonic() > reported + 5:
                    reported = time.monotonic()
                    print(f"{reported - begun:5.0f} s: {self.counts[200]} requests, {rotations} rotations, "
                          f"{self.counts['kills']} kills, {self.counts['stops']} stops, {self.counts['not now']} times not now, {len(self.failures)} failures", flush=True)
        except KeyboardInterrupt:
            print("interrupted: judging what there is", flush=True)
        self.is_over.set()
        for thread in threads:
            thread.join(90)

    def judge(self):
        killed = {label: when for proxy in self.proxies for label, when in proxy.killed.items()}
        excused = 0
        for uses in self.server.spent_twice():
            for (who, came), (next_one, again) in zip(uses, uses[1:]):
                # Whoever spent it first was killed before the next one came, and so soon that it may not have saved. A request is
                # dated when the server gets to it, a moment after it was sent.
                after = killed[who] - came if who in killed else None
                if after is not None and -1 < after < 2 and killed[who] <= again:
                    excused += 1
                else:
                    fate = "was not killed" if after is None else f"was killed {after:.3f} s later"
                    self.fail(f"a refresh token was spent twice: by {who}, which {fate}, and {again - came:.3f} s later by {next_one}")
        for violation in self.server.violations:
            self.fail(violation)
        for proxy in self.proxies:
            _, status, body = self.ask(proxy)
            if status != 200:
                self.fail(f"{proxy.label} in the end: status {status}: {body.decode()[:200]}")
        for proxy in self.proxies:
            if code := proxy.stop():
                self.fail(f"{proxy.label} ends with {code}")
        record = json.loads(self.file.read_text())
        if record.get("refresh_token") != self.server.current.refresh:
            self.fail("the file does not hold the newest refresh token")
        if self.file.stat().st_mode & 0o777 != 0o600:
            self.fail(f"mode {self.file.stat().st_mode & 0o777:o}")
        if left := [file.name for file in self.directory.glob("session.json.*") if file.suffix not in (".lock",)]:
            self.fail(f"left behind: {left}")
        logs = "".join(file.read_text(errors="replace") for file in self.directory.glob("*.log"))
        if sum(secret in logs for secret in self.server.secrets()):
            self.fail("a token stands in a log")
        print(f"{self.server.rotations} rotations, {self.counts[200]} requests, {self.counts['kills']} kills, {self.counts['stops']} stops, "
              f"{self.counts['not now']} times not now; {len(self.server.spent_twice())} refresh tokens sent again, {excused} of them after a kill")


def main(words):
    parser = argparse.ArgumentParser(prog="config/soak oauth", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rotations", type=int, nargs="?", default=10_000, metavar="ROTATIONS", help="how many (default %(default)s)")
    parser.add_argument("--seed", type=int, help="repeats the order of an earlier run (printed first)")
    parser.add_argument("--proxies", type=int, default=2, metavar="N", help="processes on the one session file (default %(default)s)")
    parser.add_argument("--clients", type=int, default=2, metavar="N", help="clients of each process (default %(default)s)")
    parser.add_argument("--rotate", type=float, default=0.02, metavar="S", help="seconds between rotations (default %(default)g)")
    parser.add_argument("--healthy", action="store_true", help="no kills, no stops")
    parser.add_argument("--directory", metavar="DIR", help="where the session file is")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs and the session file")
    options = parser.parse_args(words)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    soak = Soak(options, seed)
    soak.run()
    soak.judge()
    for line in fleet.summary(soak.failures):
        print(line)
    print(f"{'FAILED' if soak.failures else 'passed'}: repeat with --seed {seed}", flush=True)
    soak.server.stop()
    if options.keep:
        print(f"logs and session file: {soak.directory}")
    else:
        import shutil
        shutil.rmtree(soak.directory, ignore_errors=True)
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
