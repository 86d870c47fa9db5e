"""What one request costs inside: system calls, and calls of the memory allocator."""
import contextlib, os, pathlib, re, shutil, signal, socket, struct, subprocess, time

from rig import Failure, Rig, answer, figure, free_port, needs, request

REQUESTS = 2000


def ask(connection, port, count):
    message = request(port)
    for _ in range(count):
        connection.sendall(message)
        if answer(connection) != 200:
            raise Failure("a request was not answered well")


def together(connections, port, count, target="/api/x"):
    """So many requests in all, each time one on every connection before the first answer is read."""
    message = request(port, target)
    for _ in range(0, count, len(connections)):
        for connection in connections:
            connection.sendall(message)
        for connection in connections:
            if answer(connection) != 200:
                raise Failure("a request was not answered well")


# Twice a second a request has the session file looked at, and twenty times the inspector may be woken. No call
# comes more often than this by the clock.
CLOCK_CALLS_PER_SECOND = 30


def told_apart(counts, seconds):
    """Calls that come with requests, by name, and the number of those that come by the clock, in REQUESTS requests that took so long."""
    most = CLOCK_CALLS_PER_SECOND * (seconds + 1)
    if most >= REQUESTS / 2:
        raise Failure(f"{REQUESTS} requests took {seconds:.0f} s: too long to tell a request's calls from those by the clock")
    regular, by_the_clock = {}, 0
    for name, count in counts.items():
        whole, rest = divmod(count, REQUESTS)
        if rest <= most:
            count, by_the_clock = whole * REQUESTS, by_the_clock + rest
        if count:
            regular[name] = count
    return regular, by_the_clock


def system_calls(options):
    """System calls per request on a kept connection, plain and TLS, and what they are"""
    needs("strace")
    for tls in (False, True):
        with Rig(options.squire) as rig:
            rig.upstream()
            port = free_port()
            pid = rig.start_squire(port, tls)
            rig.wait(port, "squire")
            with socket.create_connection(("127.0.0.1", port)) as connection:
                ask(connection, port, 100)
                # What only the start needed is given back half a second after the first answer, once, in some 100 calls.
                time.sleep(1)
                tracer = subprocess.Popen(["strace", "-f", "-c", "-o", rig.path("calls"), "-p", str(pid)], stderr=subprocess.PIPE, text=True)
                tracer.stderr.readline()  # "attached"
                begun = time.monotonic()
                ask(connection, port, REQUESTS)
                seconds = time.monotonic() - begun
                tracer.send_signal(signal.SIGINT)
                tracer.wait(10)
                tracer.stderr.close()
            counts = {m[1]: int(m[0]) for m in re.findall(r"^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?([a-z_0-9]+)$",
                                                          pathlib.Path(rig.path("calls")).read_text(), re.M)}
        counts.pop("total", None)
        kind = "TLS" if tls else "plain"
        regular, by_the_clock = told_apart(counts, seconds)
        shown = ", ".join(f"{name} {count / REQUESTS:.2f}" for name, count in sorted(regular.items(), key=lambda x: -x[1]))
        shown += f"; by the clock, in all {REQUESTS} requests: {by_the_clock}"
        figure(f"system calls per request, {kind} upstream", sum(regular.values()) / REQUESTS, "", None if tls else 7, shown)
        figure(f"epoll_ctl per request, {kind} upstream", counts.get("epoll_ctl", 0) / REQUESTS, "", 0)


def allocations(options):
    """Calls of the allocator per request, by Squire itself and by its libraries"""
    if not shutil.which("cc"):
        raise Failure("this needs a C compiler: apt-get install -y gcc")
    source = pathlib.Path(__file__).parent / "allocations.c"
    small, large = "/api/x", "/api/large"
    for kind, tls, log, clients, target in (
            ("plain upstream", False, ["warning"], 1, small), ("TLS upstream", True, ["warning"], 1, small),
            ("with a log line", False, ["info"], 1, small), ("with one in JSON", False, ["info", "--log-format", "json"], 1, small),
            ("32 clients at once", False, ["warning"], 32, small), ("32 clients at once, 8 KiB each", False, ["warning"], 32, large)):
        with Rig(options.squire) as rig:
            rig.upstream(f"location = {large} {{ alias {rig.write('large', 'x' * 8192)}; }}")
            subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", rig.path("allocations.so"), str(source)], check=True)
            counts_file = pathlib.Path(rig.path("counts"))
            counts_file.write_bytes(bytes(64 * 64))
            port = free_port()
            config = rig.configure(rig.origin(tls), port)
            rig.start("squire", [rig.squire, "run", "--config", config, "--log-level", *log], LD_PRELOAD=rig.path("allocations.so"),
                      BENCH_ALLOCATIONS=str(counts_file))
            rig.wait(port, "squire")

            def read():
                entries = struct.iter_unpack("56sQ", counts_file.read_bytes())
                return {name.rstrip(b"\0").decode(): count for name, count in entries if name.rstrip(b"\0")}

            with contextlib.ExitStack() as stack:
                connections = [stack.enter_context(socket.create_connection(("127.0.0.1", port))) for _ in range(clients)]
                # Long enough that all upstream connections are made that so many clients come to need.
                together(connections, port, 500 if clients == 1 else 10 * REQUESTS, target)
                before = read()
                together(connections, port, REQUESTS, target)
                after = read()
            if ("/api/x" in rig.log("squire")) != (log != ["warning"]):
                raise Failure("the log is not what was asked for")
        made = {name: (after[name] - before[name]) / REQUESTS for name in after}
        others = ", ".join(f"{name} {count:.2f}" for name, count in made.items() if name != "squire" and count >= 0.01)
        figure(f"allocations per request by Squire, {kind}", made["squire"], "", 0, others or "none by its libraries")
