"""From nothing to the first answer, and a token for a script."""
import socket, subprocess, time

from rig import Failure, Rig, answer, figure, free_port, median, request


def start(options):
    """Start of `squire run` to its first answer"""
    for tls, target in ((True, 60), (False, 15)):
        times = starts(options, tls)
        name = "start to first answer, " + ("TLS upstream" if tls else "plain upstream")
        figure(name, median(times), "ms", target, f"slowest of {len(times)}: {max(times):.0f} ms")


def starts(options, tls):
    times = []
    with Rig(options.squire) as rig:
        rig.upstream()
        port = free_port()
        config = rig.configure(rig.origin(tls), port)
        rig.start_squire(port, tls)
        rig.wait(port, "squire")
        rig.end("squire")
        for _ in range(20):
            started = time.perf_counter()
            process = subprocess.Popen([rig.squire, "run", "--config", config, "--log-level", "warning"], stdout=subprocess.PIPE,
                                       stderr=subprocess.DEVNULL, env=rig.environment())
            rig.processes["squire"] = process
            if not process.stdout.readline().startswith(b"proxy "):
                raise Failure("squire did not say that it accepts connections")
            with socket.create_connection(("127.0.0.1", port), 10) as connection:
                connection.sendall(request(port))
                if answer(connection) != 200:
                    raise Failure("the first request was not answered well")
            times.append((time.perf_counter() - started) * 1e3)
            rig.end("squire")
            process.stdout.close()
    return times


def token(options):
    """`squire token` with a fresh token"""
    times = []
    with Rig(options.squire) as rig:
        rig.certificate()
        config = rig.configure("https://localhost:1", free_port())
        for _ in range(20):
            started = time.perf_counter()
            result = subprocess.run([rig.squire, "token", "--config", config], capture_output=True, text=True, env=rig.environment())
            times.append((time.perf_counter() - started) * 1e3)
            if result.returncode != 0 or result.stdout.strip() != rig.token:
                raise Failure(f"squire token ended with {result.returncode}: {result.stderr}")
    figure("squire token with a fresh token", median(times), "ms", 40, f"slowest of {len(times)}: {max(times):.0f} ms")
