"""SIGKILL where it hurts: at each system call of a rotation (strace(1) counts them, thread by thread), then at random instants.

After each kill the session file is a whole old or a whole new one, of mode 0600; a Squire started again works, or, without a grace and
with the answer lost, says truthfully that a login is needed; and nothing is left behind beside the file.
"""
import argparse, collections, os, pathlib, random, re, signal, subprocess, sys, time

import fleet
from simulator import Simulator

# What touches the file, its lock, its directory or a socket. SIGKILL comes before the call, so that each state between two is met.
CALLS = ("openat", "read", "write", "pwrite64", "fsync", "fdatasync", "rename", "renameat", "renameat2", "ftruncate", "fallocate", "lseek", "unlink",
         "unlinkat", "flock", "fcntl", "fchmod", "mkdir", "close", "connect", "sendto", "recvfrom", "newfstatat", "futex")
LIMIT = 20


def until(condition, what, limit=LIMIT):
    deadline = time.monotonic() + limit
    while not (result := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"not in {limit} s: {what}")
        time.sleep(0.001)
    return result


class Threads:
    """The threads of a process, by what stays the same from run to run: the name, and which of those with that name."""

    def __init__(self, pid):
        seen = collections.Counter()
        self.by_name = {}
        for tid in sorted(map(int, os.listdir(f"/proc/{pid}/task"))):
            name = pathlib.Path(f"/proc/{pid}/task/{tid}/comm").read_text().strip()
            self.by_name[f"{name}/{seen[name]}"] = tid
            seen[name] += 1


def is_traced(pid, tid):
    """Or gone: killed at a call that came by itself."""
    try:
        return "TracerPid:\t0\n" not in pathlib.Path(f"/proc/{pid}/task/{tid}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return True


class Injection:
    """Kills at the system calls of a rotation."""

    def __init__(self, simulator, calls=CALLS):
        self.simulator, self.calls = simulator, calls
        self.session = fleet.Session(simulator)
        self.session.login()
        self.count = 0
        self.failures = []
        self.results = collections.Counter()

    def proxy(self):
        proxy = fleet.Proxy(self.session, 0).start()
        # Once through, so that every thread and connection is there.
        self.ask(proxy)
        return proxy

    def ask(self, proxy, limit=LIMIT):
        self.count += 1
        return fleet.ask(proxy, "/api/orders", "POST", b'{"id": "k%d"}' % self.count, limit)

    def places(self):
        """(thread, call, how often) in one rotation."""
        proxy = self.proxy()
        threads, output = Threads(proxy.process.pid), self.session.directory / "trace"
        tracer = subprocess.Popen(["strace", "-f", "-qq", "-o", output, "-e", "trace=" + ",".join(self.calls), "-p", str(proxy.process.pid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            until(lambda: tracer.poll() is not None or all(is_traced(proxy.process.pid, tid) for tid in threads.by_name.values()), "strace")
            if tracer.poll() is not None:
                raise RuntimeError("strace does not work here: " + tracer.stderr.read().decode())
            self.simulator.expire()
            answer = self.ask(proxy)
            assert answer.status == 200, answer
            # By now each has its own name.
            threads = Threads(proxy.process.pid)
        finally:
            tracer.terminate()
            tracer.wait()
            tracer.stderr.close()
            proxy.stop()
        names = {tid: name for name, tid in threads.by_name.items()}
        counts = collections.Counter()
        for line in output.read_text(errors="replace").splitlines():
            if match := re.match(r"(\d+) +(\w+)\(", line):
                counts[names.get(int(match[1]), "?"), match[2]] += 1
        return sorted(counts.items())

    def kill_at(self, thread, call, number):
        """One rotation that ends with SIGKILL before that call; False when the call did not come."""
        proxy = self.proxy()
        before = self.session.token()
        refreshes = len(self.simulator.refreshes)
        # The thread that writes the log comes when there is something to write.
        try:
            tid = until(lambda: Threads(proxy.process.pid).by_name.get(thread), f"a thread {thread}", 2)
        except RuntimeError:
            proxy.stop()
            return False
        tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", f"trace={call}", "-e", f"inject={call}:signal=KILL:when={number}", "-p", str(tid)],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: is_traced(proxy.process.pid, tid), "strace")
        self.simulator.expire()
        try:
            self.ask(proxy)
        except (OSError, EOFError):
            pass
        # The kill may come after the answer, a moment later: only what the process did for it counts.
        is_dead = proxy.process.poll() is not None
        if not is_dead:
            try:
                proxy.process.wait(0.05)
                is_dead = True
            except subprocess.TimeoutExpired:
                tracer.terminate()
        tracer.wait()
        proxy.kill()
        self.judge(f"{thread} before {call} {number}", proxy, before, refreshes)
        return is_dead

    def judge(self, where, proxy, before, refreshes):
        fail = lambda text: self.failures.append(f"{where}: {text}")
        for flaw in self.session.flaws():
            # What a killed process leaves behind is for the next one to clear away.
            if not flaw.startswith("left behind"):
                fail(flaw)
        try:
            held = self.session.token()
        except (ValueError, OSError):
            held = None
        sent = self.simulator.refreshes[refreshes:]
        minted = {r.minted.value for r in sent if r.minted}
        if held not in {before} | minted:
            fail("the file holds neither the old token nor a new one")
        window = "before the refresh was sent" if not sent else "after the new token was saved" if held in minted else "answer lost"
        state = self.simulator.state(held)
        try:
            proxy.start()
            answer = self.ask(proxy)
        except (RuntimeError, OSError, EOFError) as error:
            fail(f"not usable again: {error}")
            return
        self.results[f"{window}: {answer.status}"] += 1
        if answer.status != 200:
            if state == "dead":
                text = self.session.command("status")
                text = text.stdout + text.stderr
                is_said = "login" in str(answer).lower() and "login" in text.lower()
                is_explained = re.search(r"lost|interrupted|never came|did not arrive|no answer|cut off|ended", text)
                self.results["login needed, " + ("with what happened" if is_explained else "without what happened")] += 1
                if not is_said or not is_explained:
                    fail(f"{window}; login is needed, but the answer is {answer} and `squire status` says {text.strip()!r}")
            else:
                fail(f"{window}, and the token in the file is {state}, but the answer is {answer}")
        elif sum(r.token.value == before for r in self.simulator.refreshes[refreshes:] if r.token) > 2:
            fail("the old token was sent to be refreshed more than twice")
        proxy.stop()
        for name in self.session.leftovers():
            fail(f"left behind after a restart: {name}")
            (self.session.file.parent / name).unlink()
        if answer.status != 200:
            self.session.login()

    def run(self, limit=None, report=lambda line: None):
        """All places, or a sample of so many."""
        places = [(thread, call, n) for (thread, call), count in self.places() for n in range(1, count + 1) if thread != "?"]
        found = len(places)
        if limit and found > limit:
            places = [places[i * found // limit] for i in range(limit)]
        reached = 0
        for index, place in enumerate(places):
            reached += self.kill_at(*place)
            if index % 20 == 19:
                report(f"  {index + 1} of {len(places)} calls, {len(self.failures)} failures")
        return f"killed at {reached} of {len(places)} system calls ({found} in a rotation)"


def inject(grace, limit, calls, report):
    """The failures of kills at system calls; prints the counts."""
    simulator = Simulator(grace=grace, margin=1)
    injection = Injection(simulator, calls)
    summary = injection.run(limit, report)
    report(f"grace {grace:g} s: {summary}; " + ", ".join(f"{name} ({count})" for name, count in sorted(injection.results.items())))
    lost = sum(count for name, count in injection.results.items() if name.endswith(": 401"))
    if grace and lost:
        injection.failures.append(f"{lost} sessions lost within the grace")
    injection.session.remove()
    simulator.stop()
    return injection.failures


def at_random(kills, seed, grace, report):
    """The failures of so many SIGKILLs at random instants, under load, with rotations every 200 ms."""
    simulator = Simulator(grace=grace, refresh_time=0.01, margin=1, seed=seed)
    session = fleet.Session(simulator)
    session.login()
    load = fleet.Fleet(session, proxies=1, clients=4, seed=seed)
    load.start()
    simulator.keep_expiring(lambda: 0.2)
    proxy, whole = load.proxies[0], 0
    for number in range(kills):
        time.sleep(load.random.uniform(0, 0.4))
        load.revive(proxy)
        flaws = [flaw for flaw in session.flaws() if not flaw.startswith("left behind")]
        load.failures += [f"kill {number + 1}: {flaw}" for flaw in flaws]
        whole += not flaws
        load.tend()
        if number % 50 == 49:
            report(f"  {number + 1} kills, {simulator.needed()} rotations, {load.requests} requests, {load.lost_sessions} sessions lost, {len(load.failures)} failures")
    # What they left must go with the next start.
    load.revive(proxy)
    load.finish()
    report(f"{kills} kills at random: the file whole after {whole}")
    for line in load.figures():
        report(line)
    session.remove()
    simulator.stop()
    return load.failures


def main(words):
    parser = argparse.ArgumentParser(prog="config/soak crash", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kills", type=int, nargs="?", default=1000, metavar="KILLS", help="kills at random instants (default %(default)s)")
    parser.add_argument("--calls", type=int, metavar="N", help="only so many of the system calls, evenly chosen; 0 leaves them out")
    parser.add_argument("--grace", type=float, nargs="+", default=[30, 0], metavar="S", help="seconds; the calls are gone through with each (default 30 and 0)")
    parser.add_argument("--seed", type=int, help="repeats the random instants of an earlier run (printed first)")
    options = parser.parse_args(words)
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    say = lambda line: print(line, flush=True)
    failures = []
    if options.calls != 0:
        for grace in options.grace:
            failures += inject(grace, options.calls, CALLS, say)
    if options.kills:
        failures += at_random(options.kills, seed, 10, say)
    for line in fleet.summary(failures):
        print(line)
    print(f"{'FAILED' if failures else 'passed'}: repeat with --seed {seed}", flush=True)
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
