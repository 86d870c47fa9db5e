"""Whether this computer, its disk and the members of etcd went on all the time: a fleet on a computer that stands still for seconds cannot be
judged by what it did in them."""
import os, pathlib, threading, time

# From then on it counts: a rotation takes a few hundredths of a second, and a machine has the next token within a second.
LIMIT = 0.5
# Seconds between two looks: each is a handshake and an fsync, which must not become the load.
PAUSE = 0.3


class Stalls:
    """Looks all the time. Of what was late, `found` has from when to when."""

    def __init__(self, fleet):
        self.fleet, self.is_over = fleet, False
        self.file = pathlib.Path(fleet.directory) / "stalls"
        self.found = []             # [from, to, what]
        self.begun = {}             # what is being waited for: since when
        works = {"this computer": lambda: True, "the disk": self.write}
        for number, port in enumerate(fleet.engine.clients): works[f"member{number} of etcd"] = lambda port=port: self.is_healthy(port)
        self.threads = [threading.Thread(target=self.watch, args=item, daemon=True) for item in works.items()]
        for thread in self.threads: thread.start()

    def write(self):
        descriptor = os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o600)
        try:
            os.pwrite(descriptor, os.urandom(4096), 0)
            os.fsync(descriptor)
        finally: os.close(descriptor)
        return True

    def is_healthy(self, port):
        """Whether a member has a quorum: it reads through the leader for this."""
        return '"true"' in self.fleet.engine.get("/health", port)

    def watch(self, what, work):
        while not self.is_over:
            self.begun[what] = begun = time.monotonic()
            time.sleep(PAUSE)
            try: works = work()
            except Exception: works = False
            ended = time.monotonic()
            if not works or ended - begun > PAUSE + LIMIT: self.found.append((begun, ended, what))

    def during(self, since, until):
        """What stood still then, or still does, for people; empty without."""
        now = time.monotonic()
        open_ = [(begun, now, what) for what, begun in list(self.begun.items()) if now - begun > PAUSE + LIMIT]
        longest = {}
        for begun, ended, what in self.found + open_:
            if begun <= until and ended >= since: longest[what] = max(longest.get(what, 0), ended - begun)
        return [f"{what} for {seconds:.1f} s" for what, seconds in sorted(longest.items(), key=lambda item: -item[1])]

    def wait(self, still, limit=60):
        """Until nothing has stood still for so many seconds."""
        end = time.monotonic() + limit
        while time.monotonic() < end and self.during(time.monotonic() - still, time.monotonic()): time.sleep(0.1)

    def stop(self):
        self.is_over = True
        for thread in self.threads: thread.join(5)
