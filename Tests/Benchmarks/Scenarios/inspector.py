"""What the inspector costs the requests: off, with nobody looking, with a page open, and with everything recorded."""
import contextlib, pathlib, re, signal, socket, struct, subprocess, threading, time

import inside
from rig import Failure, Rig, cpu_seconds, figure, free_port, median, needs, wrk

# How often what is measured may take as long as without the inspector.
UNWATCHED, WATCHED = 1.01, 1.05
WORKER = "squire-worker0"


def thread(pid, name):
    """The process's thread of that name."""
    for task in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(OSError):
            if (task / "comm").read_text().strip() == name:
                return int(task.name)
    raise Failure(f"there is no thread {name}")


def thread_seconds(pid, name):
    """What it ran so far."""
    return int(pathlib.Path(f"/proc/{pid}/task/{thread(pid, name)}/schedstat").read_text().split()[0]) / 1e9


class Viewer:
    """An open page, as far as the server can tell: reads the feed as it comes."""

    def __init__(self, port):
        self.connection = socket.create_connection(("127.0.0.1", port), 60)
        self.connection.sendall(f"GET /api/events HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n".encode())
        if b" 200 " not in self.connection.recv(65536).split(b"\r\n", 1)[0]:
            raise Failure("the feed is not there")
        self.connection.settimeout(None)
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        with contextlib.suppress(OSError):
            while self.connection.recv(1 << 18):
                pass

    def close(self):
        self.connection.shutdown(socket.SHUT_RDWR)
        self.connection.close()


def start(rig, name, record=None):
    """A Squire of that name: its port, and its inspector's; `record` None is without one."""
    port, inspector = free_port(), free_port()
    config = pathlib.Path(rig.configure(rig.origin(False), port))
    setting = f"inspector: {{listen: 127.0.0.1:{inspector}, record: {record}}}"
    if record:
        config.write_text(config.read_text().replace('inspector: "off"', setting))
    own = rig.write(f"{name}.yaml", config.read_text())
    rig.start(name, [rig.squire, "run", "--config", own, "--log-level", "warning", "--workers", "1"])
    rig.wait(port, name)
    return port, inspector


def paired(options):
    """All variants in turn, each round from another one on: rows of CPU time per request, of the process and of its worker, and of latencies.

    Whoever comes after another has its caches and its clock speed. `same` is a second process without an inspector: how far it is from
    `off` is how far these figures can be told apart."""
    rows = {name: [] for name in ("off", "same", "unwatched", "watched", "all")}
    with Rig(options.squire) as rig:
        rig.upstream()
        ports = {name: start(rig, name, {"off": None, "same": None, "all": "all"}.get(name, "auto")) for name in rows}
        for name, (port, _) in ports.items():
            wrk(rig, port, 1, options.connections)
        turns = list(ports.items())
        for number in range(options.rounds):
            first = number % len(turns)
            for name, (port, inspector) in turns[first:] + turns[:first]:
                pid = rig.processes[name].pid
                viewer = Viewer(inspector) if name == "watched" else None
                # What was admitted while the others had their turn, a thousand exchanges at once, is over then.
                wrk(rig, port, 1, options.connections)
                before = cpu_seconds(pid), thread_seconds(pid, WORKER)
                row = wrk(rig, port, options.seconds, options.connections)
                after = cpu_seconds(pid), thread_seconds(pid, WORKER)
                if viewer:
                    viewer.close()
                row["cpu"], row["worker"] = ((late - early) / row["requests"] * 1e6 for early, late in zip(before, after))
                rows[name].append(row)
    return rows


def ratio(rows, name, key):
    ratios = [ours[key] / theirs[key] for ours, theirs in zip(rows[name], rows["off"])]
    ours, theirs = (median(row[key] for row in rows[which]) for which in (name, "off"))
    return median(ratios), f"{ours:.2f} against {theirs:.2f} us, {min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds"


def costs(options):
    rows = paired(options)
    for what, name, key, target in (("itself once more", "same", "cpu", None), ("nobody looks", "unwatched", "cpu", UNWATCHED),
                                    ("a page is open", "watched", "cpu", WATCHED),
                                    ("everything is recorded, worker", "all", "worker", WATCHED),
                                    ("everything is recorded, process", "all", "cpu", None)):
        value, spread = ratio(rows, name, key)
        figure(f"CPU per request against inspector off, {what}", value, "", target, spread)
    late = [ours["p99"] - theirs["p99"] for ours, theirs in zip(rows["watched"], rows["off"])]
    figure("p99 latency more than with inspector off, a page is open", median(late), "ms", 0.05, f"{min(late):.3f} to {max(late):.3f}")


def instructions(options):
    """Instructions per request outside of the kernel, where none of the requests is recorded: of the requests alone, and the same in each run."""
    needs("valgrind", "callgrind_control", "objcopy")
    counted = {}
    for record in (None, "failures"):
        with Rig(options.squire) as rig:
            rig.upstream()
            # valgrind cannot read this debug information.
            subprocess.run(["objcopy", "--strip-debug", options.squire, rig.path("squire")], check=True)
            port, inspector = free_port(), free_port()
            config = pathlib.Path(rig.configure(rig.origin(False), port))
            if record:
                setting = f"inspector: {{listen: 127.0.0.1:{inspector}, record: {record}}}"
                config.write_text(config.read_text().replace('inspector: "off"', setting))
            out = rig.path("callgrind")
            rig.start("squire", ["valgrind", "--tool=callgrind", f"--callgrind-out-file={out}", rig.path("squire"), "run", "--config", str(config),
                                 "--log-level", "warning", "--workers", "1"], SWIFT_DETERMINISTIC_HASHING="1")
            rig.wait(port, "squire", 300)
            control = lambda what: subprocess.run(["callgrind_control", what, str(rig.processes["squire"].pid)], check=True, capture_output=True)
            with socket.create_connection(("127.0.0.1", port)) as connection:
                inside.ask(connection, port, 300)
                control("--zero")
                inside.ask(connection, port, inside.REQUESTS)
                control("--dump")
            counted[record] = int(re.search(r"^summary: (\d+)", pathlib.Path(out + ".1").read_text(), re.M)[1]) / inside.REQUESTS
    figure("instructions of a request that is not recorded, more than off", counted["failures"] - counted[None], "", 150,
           f"{counted['failures']:.0f} against {counted[None]:.0f}")


def allocations(options):
    """By the worker alone, while everything is recorded: the inspector's own thread may."""
    source = pathlib.Path(__file__).parent / "allocations.c"
    with Rig(options.squire) as rig:
        rig.upstream()
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", rig.path("allocations.so"), str(source)], check=True)
        counts_file = pathlib.Path(rig.path("counts"))
        counts_file.write_bytes(bytes(64 * 64))
        port, inspector = free_port(), free_port()
        config = pathlib.Path(rig.configure(rig.origin(False), port))
        config.write_text(config.read_text().replace('inspector: "off"', f"inspector: {{listen: 127.0.0.1:{inspector}, record: all}}"))
        rig.start("squire", [rig.squire, "run", "--config", str(config), "--log-level", "warning", "--workers", "1"],
                  LD_PRELOAD=rig.path("allocations.so"), BENCH_ALLOCATIONS=str(counts_file), BENCH_ALLOCATIONS_THREAD=WORKER)
        rig.wait(port, "squire")

        def read():
            return next(count for name, count in struct.iter_unpack("56sQ", counts_file.read_bytes()) if name.rstrip(b"\0") == b"squire")

        with socket.create_connection(("127.0.0.1", port)) as connection:
            inside.ask(connection, port, 500)
            before = read()
            inside.ask(connection, port, inside.REQUESTS)
            made = read() - before
    figure("allocations per request by the worker, everything is recorded", made / inside.REQUESTS, "", 0)


def calls(options):
    """System calls: a request's while one in a few is recorded, and an idle process's with a page open."""
    needs("strace")
    with Rig(options.squire) as rig:
        rig.upstream()
        port, inspector = start(rig, "squire", "auto")
        pid = rig.processes["squire"].pid
        with socket.create_connection(("127.0.0.1", port)) as connection:
            # The burst that is admitted is over then.
            inside.ask(connection, port, 3000)
            begun = time.monotonic()
            counts = traced(rig, [str(thread(pid, WORKER))], lambda: inside.ask(connection, port, inside.REQUESTS))
            regular, _ = inside.told_apart(counts, time.monotonic() - begun)
        shown = ", ".join(f"{name} {count / inside.REQUESTS:.2f}" for name, count in sorted(regular.items(), key=lambda x: -x[1]))
        figure("system calls per request by the worker, nobody looks", sum(regular.values()) / inside.REQUESTS, "", 7, shown)
        # What was recorded is taken in first.
        quiet, deadline = cpu_seconds(pid), time.monotonic() + 60
        while time.sleep(1) or (now := cpu_seconds(pid)) != quiet and time.monotonic() < deadline:
            quiet = now
        counts = traced(rig, [str(pid), "-f"], lambda: time.sleep(options.seconds * 3))
        figure(f"idle process, system calls in {options.seconds * 3} s, nobody looks", sum(counts.values()), "", 0, str(counts or ""))


def traced(rig, whom, work):
    """How often each system call of `whom`, strace's words, came while `work` ran."""
    path = rig.path("calls")
    tracer = subprocess.Popen(["strace", "-q", "-o", path, "-p", *whom], stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 10
    while not pathlib.Path(path).exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)
    work()
    tracer.send_signal(signal.SIGINT)
    tracer.wait(10)
    counts = {}
    for line in pathlib.Path(path).read_text().splitlines():
        # What each thread was waiting in is written down as it is attached, and again as it is let go.
        match = re.match(r"(?:\d+ +)?(?:<\.\.\. )?([a-z_0-9]+)(?:\(| resumed)", line)
        if match and not line.rstrip().endswith(("<unfinished ...>", "<detached ...>")):
            counts[match[1]] = counts.get(match[1], 0) + 1
    return counts


def inspector(options):
    """What the inspector costs: CPU per request, latency, instructions, allocations, system calls"""
    for part in (costs, instructions, allocations, calls):
        part(options)
