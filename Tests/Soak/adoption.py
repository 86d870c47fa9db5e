"""What a fleet's machines hold, and what their clients get, as time goes by."""
import collections, http.client, random, threading, time


class Watcher:
    """Looks into the machines' session files every few milliseconds: who had which token when."""

    def __init__(self, fleet):
        self.fleet = fleet
        self.seen = collections.defaultdict(dict)       # token: {machine: when}
        self.stamps = {}
        self.slowest = 0.0
        threading.Thread(target=self.watch, daemon=True).start()

    def watch(self):
        while True:
            for machine in self.fleet.machines:
                try:
                    there = machine.file.stat()
                    stamp = (there.st_ino, there.st_mtime_ns)
                    if self.stamps.get(machine.number) == stamp: continue
                    token = machine.token()
                    self.stamps[machine.number] = stamp
                    if token: self.seen[token].setdefault(machine.number, time.monotonic())
                except (OSError, ValueError): pass
            time.sleep(0.005)

    def spread(self, token):
        """Seconds from the first machine that had the token to the last; None while one lacks it."""
        moments = dict(self.seen.get(token, {}))
        if len(moments) < len(self.fleet.machines): return None
        spread = max(moments.values()) - min(moments.values())
        self.slowest = max(self.slowest, spread)
        return spread


class Clients:
    """One client on each machine, which asks now and then. `answers` are those since `forget`."""

    def __init__(self, fleet, chance, pace):
        self.fleet, self.pace = fleet, pace
        self.requests, self.is_over = 0, False
        self.statuses = collections.Counter()
        self.lock = threading.Lock()
        self.answers = []           # (machine, when asked, status or what went wrong, seconds)
        self.threads = [threading.Thread(target=self.go, args=(machine, random.Random(chance.random())), daemon=True) for machine in fleet.machines]
        for thread in self.threads: thread.start()

    def go(self, machine, chance):
        while not self.is_over:
            time.sleep(chance.expovariate(1 / self.pace))
            if machine.process is None or self.is_over: continue
            begun = time.monotonic()
            try: status = machine.ask().status
            except (OSError, http.client.HTTPException, AttributeError) as error: status = type(error).__name__
            with self.lock:
                self.requests += 1
                self.statuses[status] += 1
                self.answers.append((machine.number, begun, status, time.monotonic() - begun))

    def forget(self):
        """What there was so far."""
        with self.lock: answers, self.answers = self.answers, []
        return answers

    def stop(self):
        self.is_over = True
        for thread in self.threads: thread.join(60)
