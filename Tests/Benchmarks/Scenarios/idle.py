"""What Squire costs while nothing happens, and while ten thousand clients are connected and silent."""
import contextlib, gc, pathlib, random, resource, signal, socket, subprocess, time

from rig import Failure, Rig, answer, figure, free_port, median, needs, percentile, request, resident_kib


def unshared_kib(pid):
    """What is this process's alone: neither a file's nor another process's."""
    fields = dict(line.split()[:2] for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:])
    return int(fields["Anonymous:"])


def process(options):
    """An idle process: resident memory, system calls while nothing happens"""
    needs("strace")
    with Rig(options.squire) as rig:
        rig.upstream()
        port = free_port()
        pid = rig.start_squire(port, tls=False, log_level="info")
        rig.wait(port, "squire")
        time.sleep(1)
        figure("idle process, resident memory, plain upstream", resident_kib(pid) / 1024, "MiB", 15, f"{unshared_kib(pid) / 1024:.1f} MiB of it written")
    with Rig(options.squire) as rig:
        rig.upstream()
        port = free_port()
        pid = rig.start_squire(port, tls=True, log_level="info")
        rig.wait(port, "squire")
        # A request came and went; its connections may still have something to do with each other.
        time.sleep(1)
        figure("idle process, resident memory, TLS upstream", resident_kib(pid) / 1024, "MiB", 25)
        trace = rig.path("trace")
        tracer = subprocess.Popen(["strace", "-f", "-q", "-o", trace, "-p", str(pid)], stderr=subprocess.DEVNULL)
        time.sleep(options.seconds * 3)
        tracer.send_signal(signal.SIGINT)
        tracer.wait(10)
        # What each thread was waiting in is written down as it is attached, and again as it is let go.
        calls = [line for line in pathlib.Path(trace).read_text().splitlines() if "resumed" in line or line.rstrip().endswith(tuple("0123456789"))]
        figure(f"idle process, system calls in {options.seconds * 3} s", len(calls), "", 0)
        for line in calls[:10]:
            print("   ", line)


def clients(options):
    """10,000 idle keep-alive clients: memory each, and how fast one of them is answered"""
    # Each connection counts three times for Squire, which keeps room for the upstream's and for a body's file, beside 60 for the rest.
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 3 * options.clients + 256
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, max(hard, wanted)))
    limit = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, limit), limit))
    count = min(options.clients, (limit - 120) // 3 - 16)
    if count < options.clients:
        print(f"{count} clients instead of {options.clients}: ulimit -n is {limit} here and cannot be raised")
    with Rig(options.squire) as rig:
        rig.upstream()
        port = free_port()
        pid = rig.start_squire(port, tls=False, extra=f"limits: {{connections: {count + 8}}}\ntimeouts: {{idle: 1h}}\n")
        rig.wait(port, "squire")
        message = request(port)

        def ask(connection):
            started = time.perf_counter()
            connection.sendall(message)
            if answer(connection) != 200:
                raise Failure("a client was not answered well")
            return (time.perf_counter() - started) * 1e3

        def grow(connections, size):
            while len(connections) < size:
                connection = socket.create_connection(("127.0.0.1", port), 10)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                connections.append(connection)
                ask(connection)

        gc.disable()
        connections = []
        grow(connections, 10)
        for _ in range(2000):
            ask(random.choice(connections))
        few = [ask(random.choice(connections)) for _ in range(5000)]
        before = resident_kib(pid)
        grow(connections, count)
        each = (resident_kib(pid) - before) / (count - 10)
        many = [ask(random.choice(connections)) for _ in range(5000)]
        for connection in connections:
            connection.close()
    figure(f"{count} idle clients, resident memory each", each, "KiB", 4)
    figure(f"a request on any of {count} clients, p50 against 10 clients", median(many) / median(few), "", None,
           f"{median(many):.3f} against {median(few):.3f} ms")
    figure(f"a request on any of {count} clients, p99 against 10 clients", percentile(many, 99) / percentile(few, 99), "", None,
           f"{percentile(many, 99):.3f} against {percentile(few, 99):.3f} ms")
