"""What happens to a fleet: each disturbance has its time, and is mended at its end."""
import collections, contextlib, heapq, itertools, shutil, signal, subprocess, time

# How often each comes, of all.
DISTURBANCES = {"kill": 12, "replace": 1, "stop": 10, "cut": 10, "stall": 6, "delay": 5, "kill_member": 7, "stop_member": 5, "lose_quorum": 2,
                "take_snapshot": 5, "restore": 4, "login": 5, "fail_api": 4}


class Chaos:
    def __init__(self, fleet, chance, verdict, options):
        self.fleet, self.chance, self.verdict = fleet, chance, verdict
        self.counts = collections.Counter()
        self.due, self.order = [], itertools.count()
        self.busy = {}              # machine or member: what is done to it
        self.snapshot = None
        self.takeover = fleet.options["takeover"]
        self.next_end = 0.0
        self.weights = {getattr(self, name): weight for name, weight in DISTURBANCES.items() if name not in options.without}
        # A killed holder and a restored engine together cost nothing; with reuse detection a lost write may cost a login that no row names.
        if options.reuse: self.weights.pop(self.restore, None)

    def __str__(self):
        return "disturbances: " + (", ".join(f"{count} {name}" for name, count in sorted(self.counts.items())) or "none")

    # A stretch of it

    def stretch(self, seconds):
        begun = time.monotonic()
        # Without a session nothing is tried.
        while time.monotonic() < begun + seconds and time.monotonic() - max(begun, self.fleet.api.last_accepted) < 1.5 * self.takeover:
            self.mend(time.monotonic())
            self.rotate()
            if len(self.busy) < 2 + len(self.fleet.machines) // 4 and self.chance.random() < 0.1:
                [what] = self.chance.choices(list(self.weights), self.weights.values())
                # Half of what hits a machine hits whoever is refreshing.
                what()
            time.sleep(0.05)

    def rotate(self):
        """Ends the token every few seconds, once some machines have used it."""
        api = self.fleet.api
        if time.monotonic() < self.next_end or not api.tokens: return
        self.next_end = time.monotonic() + self.chance.uniform(1.5, 5)
        newest = next(reversed(api.tokens.values()))
        if len(newest.first_uses) >= 2: api.end()

    def mend(self, now):
        while self.due and self.due[0][0] <= now:
            _, _, subject, work = heapq.heappop(self.due)
            self.busy.pop(subject, None)
            work()

    def calm(self):
        """Mends everything."""
        self.mend(float("inf"))
        self.fleet.api.faults.clear()

    def later(self, seconds, subject, name, work):
        """Notes what began, and ends it after that time."""
        self.counts[name] += 1
        self.busy[subject] = name
        disturbed = self.verdict.begin(subject, name)

        def end():
            work()
            self.verdict.end(disturbed)
        heapq.heappush(self.due, (time.monotonic() + seconds, next(self.order), subject, end))

    def victim(self):
        """A machine that nothing happens to yet: half of the time one that refreshes, at some moment of its refresh."""
        if self.chance.random() < 0.6:
            api, before, limit = self.fleet.api, len(self.fleet.api.refreshes), time.monotonic() + 3
            while time.monotonic() < limit:
                if len(api.refreshes) > before:
                    time.sleep(self.chance.uniform(0, api.refresh_time + 0.03))
                    machine = self.fleet.machines[int(api.refreshes[-1].machine)]
                    return None if machine.number in self.busy else machine
                self.mend(time.monotonic())
                self.rotate()
                time.sleep(0.001)
        free = [machine for machine in self.fleet.machines if machine.number not in self.busy]
        return self.chance.choice(free) if free else None

    def span(self):
        """Seconds: mostly short, now and then beyond the takeover."""
        return self.chance.uniform(self.takeover, self.takeover + 4) if self.chance.random() < 0.2 else self.chance.uniform(0.05, 4)

    # To machines

    def kill(self):
        if (machine := self.victim()) is None: return
        machine.kill()
        self.later(self.span(), machine.number, "kills", machine.start)

    def replace(self):
        """It never comes back: another, without anything, takes its place."""
        if (machine := self.victim()) is None: return
        machine.kill()
        self.verdict.lost_disk(machine)

        def start():
            for path in machine.file.parent.glob(machine.file.name + "*"): path.unlink()
            machine.start()
        self.later(self.span(), machine.number, "machines replaced", start)

    def stop(self):
        if (machine := self.victim()) is None: return
        machine.hold()
        self.later(self.span(), machine.number, "stops", machine.go_on)

    def cut(self):
        if (machine := self.victim()) is None: return
        machine.cut()
        self.later(self.span(), machine.number, "links cut", machine.mend)

    def stall(self):
        if (machine := self.victim()) is None: return
        machine.stall()
        self.later(self.span(), machine.number, "links stalled", machine.mend)

    def delay(self):
        """What it writes comes late."""
        if (machine := self.victim()) is None: return
        machine.delay(self.chance.uniform(0.5, 5))
        self.later(self.span(), machine.number, "links delayed", machine.mend)

    # To the engine

    def member(self):
        """One that may be disturbed: the others are a majority."""
        return None if any(str(subject).startswith("member") for subject in self.busy) else self.chance.randrange(len(self.fleet.engine.urls))

    def kill_member(self):
        if (number := self.member()) is None: return
        self.fleet.engine.kill(number)
        self.later(self.span(), f"member{number}", "members killed", lambda: self.fleet.engine.start(number))

    def stop_member(self):
        if (number := self.member()) is None: return
        self.fleet.engine.signal(number, signal.SIGSTOP)
        self.later(self.span(), f"member{number}", "members stopped", lambda: self.fleet.engine.signal(number, signal.SIGCONT))

    def lose_quorum(self):
        if (number := self.member()) is None: return
        some = [(number + step) % len(self.fleet.engine.urls) for step in range(max(1, len(self.fleet.engine.urls) - 1))]
        for one in some: self.fleet.engine.kill(one)
        self.later(self.span(), f"member{number}", "quorums lost", lambda: [self.fleet.engine.start(one) for one in some])

    def take_snapshot(self):
        if self.member() is None: return
        with contextlib.suppress(subprocess.SubprocessError):
            self.snapshot, self.counts["snapshots"] = self.fleet.engine.save_snapshot(), self.counts["snapshots"] + 1

    def restore(self):
        """All members begin again with an older snapshot."""
        if self.snapshot is None or self.member() is None: return
        snapshot, self.snapshot = self.snapshot, None
        disturbed = self.verdict.begin("engine", "restored")
        self.fleet.engine.restore_snapshot(snapshot)
        self.verdict.end(disturbed)
        self.counts["engine restored"] += 1

    # To the session

    def login(self):
        """A person, on some machine that runs; by command, or through the proxy."""
        free = [machine for machine in self.fleet.machines if machine.number not in self.busy]
        if not free: return
        machine = self.chance.choice(free)
        self.counts["logins"] += 1
        self.verdict.login(machine, by_proxy=self.chance.random() < 0.5)

    def fail_api(self):
        """Not now; or slow. With a grace, an answer is lost."""
        api = self.fleet.api
        if api.faults: return
        self.counts["faults of the API"] += 1
        if api.grace and self.chance.random() < 0.5: api.next_refresh(answers=False)
        elif self.chance.random() < 0.5: api.next_refresh(acts=False)
        else: api.next_refresh(after=self.chance.uniform(0.2, 1.5))
