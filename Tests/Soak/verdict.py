"""What is judged of a fleet: whether its session lives, who used what was dead, and what one rotation costs in quiet times."""
import collections, http.client, pathlib, shutil, subprocess, time

from machines import parallel

# How long after all is mended the machines may take to agree: a claim of a dead machine is taken over, and who could not reach the engine
# asks again, with growing pauses.
SETTLING = 20.0
# How long after that, or after all others have the next token, a dead one may be in use: the watch may be dead, and the value is read besides.
HEARING = 16.0
ADOPTING = 1.0
# How long after etcd stood still the machines may take: each asks again within that.
RECOVERY = 10.0


class Verdict:
    def __init__(self, fleet, stalls):
        self.fleet, self.api, self.stalls = fleet, fleet.api, stalls
        self.unjudged = []          # of rounds in which something stood still, what failed
        self.begun = time.monotonic()
        self.failures, self.lost, self.notes = [], [], []
        self.disturbed = collections.defaultdict(list)  # subject: [[from, to or None, what]]
        self.disks = []             # (machine, the token that was on it, when)
        self.logins = []            # (family, whether nothing was disturbed)
        self.settlings, self.rotations, self.herds = [], 0, []
        self.judged_uses = 0
        self.worst_use = 0.0

    @property
    def is_hopeless(self):
        return len(self.failures) > 20

    def at(self, moment=None):
        return f"{(moment or time.monotonic()) - self.begun:.2f} s"

    def fail(self, text):
        self.failures.append(f"at {self.at()}: {text}")

    # What happened

    def begin(self, subject, what):
        entry = [time.monotonic(), None, what]
        self.disturbed[subject].append(entry)
        return entry

    def end(self, entry):
        entry[1] = time.monotonic()

    def lost_disk(self, machine):
        self.disks.append((machine.number, machine.token(), time.monotonic()))

    def quiet_since(self, *subjects):
        """When the last of what was done to them ended; never, if it has not."""
        ends = [entry[1] or float("inf") for subject in subjects for entry in self.disturbed.get(subject, ())]
        return max(ends, default=0.0)

    def engine_quiet_since(self):
        return self.quiet_since(*(subject for subject in list(self.disturbed) if not subject.isdigit()))

    def during(self, subject, since, until):
        """What was done to it in that time."""
        return [entry for entry in self.disturbed.get(subject, ()) if entry[0] <= until and (entry[1] is None or entry[1] >= since)]

    def login(self, machine, by_proxy):
        certain = max(self.engine_quiet_since(), self.quiet_since(machine.number)) < time.monotonic() - 3
        before = len(self.api.tokens)
        try:
            if by_proxy: machine.sign_in("5090976")
            else:
                result = machine.command("login", "--token", "-", "--replace", input=self.api.sign_in() + "\n", code=None)
                if result.returncode and certain: self.fail(f"a login on machine {machine.number} ends with {result.returncode}: {result.stderr.strip()[-300:]}")
                if result.returncode: return
        except (OSError, AssertionError, http.client.HTTPException, subprocess.SubprocessError) as error:
            if certain: self.fail(f"a login on machine {machine.number}: {type(error).__name__}")
            return
        tokens = list(self.api.tokens.values())[before:]
        if family := next((token.family for token in tokens if token.parent is None), None): self.logins.append((family, certain))

    # After a stretch

    def agreement(self):
        """The token that every machine holds and that lives; None without one."""
        token = self.fleet.token()
        return token if token and self.api.is_alive(token) else None

    def settle(self, chaos):
        """Mends all, and waits until the machines agree. How long it took, for people."""
        chaos.calm()
        try: self.fleet.engine.wait()
        except subprocess.SubprocessError as error: return self.fail(f"etcd does not come back: {error}")
        begun = time.monotonic()
        while (token := self.agreement()) is None or not self.api.is_good(token):
            if time.monotonic() - begun > SETTLING:
                self.explain()
                return "nothing"
            time.sleep(0.02)
        self.settlings.append(time.monotonic() - begun)
        self.judge_family(self.api.tokens[token])
        self.judge_uses()
        return f"{self.settlings[-1]:.1f} s"

    def judge_family(self, token):
        """A login that two machines knew does not give way to an older one."""
        order = [family for family, _ in self.logins]
        known = [index for index, (family, certain) in enumerate(self.logins) if certain and self.is_known(family)]
        mine = order.index(token.family) if token.family in order else -1
        if known and mine < known[-1] and (mine < 0 or self.logins[mine][1]):
            self.fail(f"the fleet has {token} of login {mine}, and two machines had used login {known[-1]}, which was later")

    def is_known(self, family):
        users = {machine for token in list(self.api.tokens.values()) if token.family is family for machine in token.first_uses}
        return len(users) > 1

    def explain(self):
        """The machines do not agree: a session that was lost rightly is said, and begun anew; else it is a failure."""
        tokens = list(self.api.tokens.values())
        used = [token for token in tokens if token.first_uses]
        family = max(used, key=lambda token: max(token.first_uses.values())).family if used else tokens[0].family
        living = [token for token in tokens if token.family is family and self.api.is_alive(token.value)]
        holders = {machine.token(): machine.number for machine in self.fleet.machines}
        held = [token for token in living if token.value in holders]
        reason = None if held else self.reason(family, living)
        if reason is None:
            self.fail("the machines do not agree: " + (f"machine {holders[held[-1].value]} holds {held[-1]}, which lives" if held else
                      f"{living or 'no token'} of the login lives, and nothing that happened explains it") + "; " + self.describe())
        else: self.lost.append(f"lost at {self.at()}, as must be: {reason}")
        machine = self.fleet.machines[0]
        self.login(machine, by_proxy=False)
        begun = time.monotonic()
        while (token := self.agreement()) is None or not self.api.is_good(token):
            if time.monotonic() - begun > SETTLING: return self.fail("a login does not bring the machines together; " + self.describe())
            time.sleep(0.02)

    def reason(self, family, living):
        """By which of the named cases the session was lost."""
        for token in living:
            refresh = next((refresh for refresh in self.api.refreshes if refresh.child is token), None)
            if refresh is None: continue
            for number, value, when in self.disks:
                if value == token.value: return f"f: machine {number} had saved {token} and was gone for good at {self.at(when)}, before it shared it"
            ended = refresh.answered or time.monotonic()
            kills = [entry for entry in self.during(refresh.machine, refresh.at - 0.01, ended + 1) if entry[2] in ("kills", "machines replaced")]
            if kills: return (f"e: the API rotated for machine {refresh.machine} at {self.at(refresh.at)}, which was killed at {self.at(kills[0][0])}, before it had "
                              f"saved {token}")
        if (last := family.killer) is not None:
            first = next(refresh for refresh in self.api.refreshes if refresh.token is last.token and refresh.outcome == "rotated")
            gone = self.during(first.machine, first.at - 0.01, last.at)
            if gone and last.at - first.at > self.fleet.options["takeover"] - 1:
                return (f"f: machine {first.machine} had refreshed {first.token} at {self.at(first.at)} and could not share it ({gone[0][2]}); machine {last.machine} took over "
                        f"at {self.at(last.at)}, and the API ended the login")
            stops = [entry for entry in self.during(last.machine, first.at - self.fleet.options["takeover"] - 2, last.at) if entry[2] == "stops"]
            if stops: return f"s: machine {last.machine} was stopped at {self.at(stops[-1][0])}, and sent {last.token} when it woke, at {self.at(last.at)}"
        return None

    def describe(self):
        """What there is, for whoever looks for the fault."""
        numbers = collections.Counter(str(self.api.tokens.get(machine.token(), "none")) for machine in self.fleet.machines)
        try: record = {key: value for key, value in (self.fleet.record() or {}).items() if key != "sealed"}
        except (subprocess.SubprocessError, ValueError): record = "unknown"
        recent = [f"{name} of {subject} {self.at(start)} to {self.at(end) if end else 'now'}" for subject, entries in self.disturbed.items() for start, end, name in entries[-2:]
                  if (end or time.monotonic()) > time.monotonic() - 40]
        [(most, _)] = numbers.most_common(1)
        odd = [self.portrait(machine) for machine in self.fleet.machines if str(self.api.tokens.get(machine.token(), "none")) != most]
        # A name is "HOST/PID/ID": who refreshes, or seems to.
        holder = ((record.get("claim") or {}).get("by") or "//").split("/")[1] if isinstance(record, dict) else ""
        odd = [self.portrait(machine) for machine in self.fleet.machines if machine.is_up and str(machine.process.process.pid) == holder] + odd
        return f"held: {dict(numbers)}; record: {record}; refreshes: {self.api.refreshes[-6:]}; before: {recent}" + "".join(odd[:2])

    @staticmethod
    def portrait(machine):
        """What a machine says of itself that has not what the others have."""
        try: status = machine.shared()
        except (OSError, AttributeError, ValueError, KeyError, http.client.HTTPException) as error: status = repr(error)
        lines = "".join(f"\n        {line[:300]}" for line in machine.text().splitlines()[-12:])
        links = [machine.fleet.engine.get("/health", relay.port).strip() for relay in machine.relays]
        # What its threads wait for in the kernel: a disk, perhaps (proc_pid_wchan(5)).
        threads = sorted(pathlib.Path(f"/proc/{machine.process.process.pid}/task").glob("*")) if machine.is_up else []
        try: waits = {(thread / "comm").read_text().strip(): (thread / "wchan").read_text() for thread in threads}
        except OSError as error: waits = repr(error)
        return f"\n      machine {machine.number}: {status}; by its links: {links}; its threads: {waits}{lines}"

    def judge_uses(self):
        """Uses of dead tokens, by machines that could have known better: the last of each."""
        worst = {}
        uses, self.api.dead_uses = self.api.dead_uses, []
        tokens = list(self.api.tokens.values())
        for machine, token, when, age in uses:
            self.judged_uses += 1
            # When two machines had used something newer, the engine had it.
            shared = min((sorted(later.first_uses.values())[1] for later in tokens if later.number > token.number and len(later.first_uses) > 1), default=None)
            if shared is None or shared > when: continue
            quiet = max(self.quiet_since_at(machine, when), *(self.quiet_since_at(subject, when) for subject in [s for s in self.disturbed if not s.isdigit()] or [machine]))
            late = when - max(shared, quiet)
            self.worst_use = max(self.worst_use, late)
            if late > HEARING:
                worst[machine, token] = (f"at {self.at(when)}: machine {machine} used {token}, dead for {age:.1f} s, though two others had a newer one for {when - shared:.1f} s "
                                         f"and nothing had disturbed it or the engine for {when - quiet:.1f} s")
        self.failures += worst.values()

    def quiet_since_at(self, subject, moment):
        """When the last of what was done to it before that moment ended."""
        return max((min(entry[1] or moment, moment) for entry in self.disturbed.get(subject, ()) if entry[0] <= moment), default=0.0)

    # Quiet

    def quiet(self, watcher, clients, rounds, pause):
        """Rotations while nothing is wrong: one refresh each, everybody is served, and has the next token at once."""
        time.sleep(1)
        # What was done to etcd before excuses nothing of what is judged now.
        self.stalls.wait(RECOVERY)
        clients.forget()
        begun = time.monotonic()
        for round in range(rounds):
            since, failed = time.monotonic(), len(self.failures)
            if not self.rotate(watcher, round): return
            self.excuse(since, failed)
            time.sleep(pause())
        for number, when, status, seconds in clients.forget():
            if status == 200 or when < begun: continue
            if stalls := self.stalls.during(when - RECOVERY, when + seconds):
                self.unjudged.append(f"at {self.at(when)}, {', '.join(stalls)}: a client of machine {number} had {status}")
            else: self.fail(f"in quiet, a client of machine {number} had {status} at {self.at(when)}")
        self.judge_uses()

    def rotate(self, watcher, round):
        """One of them; False when there is nothing to go on with."""
        before, token = len(self.api.refreshes), self.agreement()
        if token is None: return self.fail("the machines do not agree though nothing happens; " + self.describe())
        self.api.end()
        # All at once, or one first.
        machines = self.fleet.machines if round % 2 else self.fleet.machines[round:round + 1]
        answers = parallel(len(machines), lambda index: machines[index].ask())
        wrong = collections.Counter(str(getattr(answer, "status", repr(answer))) for answer in answers if getattr(answer, "status", None) != 200)
        if wrong: self.fail(f"in quiet, {dict(wrong)} of {len(machines)} requests; " + self.describe())
        if round % 2: self.herds.append(max(getattr(answer, "seconds", 0) for answer in answers))
        limit = time.monotonic() + 10
        while (new := self.agreement()) in (None, token) and time.monotonic() < limit: time.sleep(0.01)
        refreshes = self.api.refreshes[before:]
        self.rotations += 1
        if [refresh.outcome for refresh in refreshes] != ["rotated"]: self.fail(f"in quiet, {refreshes} for one rotation; " + self.describe())
        while (spread := watcher.spread(new) if new else None) is None and time.monotonic() < limit: time.sleep(0.01)
        if spread is None: self.fail("in quiet, not every machine has the next token within 10 s; " + self.describe())
        elif spread > ADOPTING: self.fail(f"in quiet, a machine had the next token {spread:.2f} s after the first")
        parallel(len(self.fleet.machines), lambda index: self.fleet.machines[index].ask())
        return True

    def excuse(self, since, failed):
        """What failed since then, while etcd or the computer stood still, is no fault of the machines; they get on as soon as it does."""
        if len(self.failures) == failed or not (stalls := self.stalls.during(since - RECOVERY, time.monotonic())): return
        self.unjudged += [f"{', '.join(stalls)}: {text}" for text in self.failures[failed:]]
        del self.failures[failed:]
        self.stalls.wait(1)
        begun = time.monotonic()
        while (token := self.agreement()) is None or not self.api.is_good(token):
            if time.monotonic() - begun > RECOVERY and not self.stalls.during(begun, time.monotonic()):
                return self.fail(f"the machines do not agree {RECOVERY:g} s after it was over; " + self.describe())
            if time.monotonic() - begun > 60: return
            self.fleet.machines[0].ask()
            time.sleep(0.1)

    # The end

    def finish(self):
        self.judge_uses()
        self.stalls.stop()
        # Some of it is the computer's business. Most of it is a verdict without a basis.
        if len(self.unjudged) > max(40, self.rotations): self.fail(f"{len(self.unjudged)} failures came while something stood still: this computer is too busy to judge")
        for machine in self.fleet.machines:
            if machine.is_up and (code := machine.stop()) != 0: self.fail(f"machine {machine.number} ended with {code}: {machine.text()[-600:]}")
        secrets = [secret for secret in self.api.secrets()]
        for name, data in [*((f"machine {machine.number}'s log", machine.text().encode()) for machine in self.fleet.machines),
                           *((str(path), path.read_bytes()) for path in self.fleet.engine.files())]:
            found = sum(secret.encode() in data for secret in secrets)
            if found: self.fail(f"{found} parts of tokens in {name}")

    def clear(self, keep):
        """Ends what runs; the machines' homes are kept, with their logs, or removed."""
        for machine in self.fleet.machines:
            if machine.process is not None: machine.kill()
            if keep: (machine.directory / "squire.log").write_text(machine.text())
        self.fleet.end()
        if keep: print(f"the machines' homes: {self.fleet.directory}")
        else: shutil.rmtree(self.fleet.directory, ignore_errors=True)

    def figures(self, watcher, clients):
        outcomes = collections.Counter(refresh.outcome or "unanswered" for refresh in self.api.refreshes)
        yield f"requests {clients.requests}: " + ", ".join(f"{count} {status}" for status, count in clients.statuses.most_common())
        yield f"refreshes: " + ", ".join(f"{count} {name}" for name, count in outcomes.most_common()) + f"; in quiet {self.rotations} rotations"
        yield f"slowest adoption in quiet {watcher.slowest * 1000:.0f} ms; slowest of {len(self.fleet.machines)} machines refused at once {max(self.herds, default=0):.2f} s"
        if self.settlings: yield f"agreed after all was mended: slowest {max(self.settlings):.1f} s of {len(self.settlings)}"
        yield f"uses of dead tokens {self.judged_uses}, the latest {self.worst_use:.2f} s after it could be known; logins {len(self.logins)}"
        if self.stalls.found: yield f"etcd, the disk or this computer stood still {len(self.stalls.found)} times, the longest for {max(to - since for since, to, _ in self.stalls.found):.1f} s"
        yield f"sessions lost {len(self.lost)}, each of them explained; not judged, as something stood still {len(self.unjudged)}; failures {len(self.failures)}"

    def lines(self):
        for text in self.lost: yield f"  + {text}"
        for text in self.failures[:40]: yield f"  - {text}"
        for text in self.unjudged[:20]: yield f"  ~ not judged: {text}"
        for text in self.notes[:20]: yield f"      {text}"
