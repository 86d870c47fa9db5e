#!/usr/bin/env python3
"""Runs a benchmark; `config/bench` is its usual name."""
import argparse, os, pathlib, platform, sys, time

sys.dont_write_bytecode = True
import distance, idle, inside, inspector, micro, rotation, startup, throughput, transfer
from rig import ROOT, Failure

SCENARIOS = {"plain": throughput.plain, "tls": throughput.tls, "others": throughput.others, "logged": throughput.logged, "workers": throughput.workers,
             "download": transfer.download, "upload": transfer.upload, "idle-clients": idle.clients, "idle": idle.process,
             "start": startup.start, "token": startup.token, "distance": distance.distance, "rotation": rotation.rotation,
             "calls": inside.system_calls, "allocations": inside.allocations, "inspector": inspector.inspector, "micro": micro.micro}


def machine():
    text = pathlib.Path("/proc/cpuinfo").read_text() if os.path.exists("/proc/cpuinfo") else ""
    model = next((line.split(":", 1)[1].strip() for line in text.splitlines() if line.startswith("model name")), platform.machine())
    return f"{os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}"


def main():
    parser = argparse.ArgumentParser(prog="config/bench", description="Measures Squire, beside its peers where they can do the same.",
                                     formatter_class=argparse.RawDescriptionHelpFormatter,
                                     epilog="Each figure is printed with its target and the peer's figure from the same run. The exit code says "
                                            "only whether it could be measured.")
    parser.add_argument("name", nargs="*", choices=[[], *SCENARIOS, "all"], metavar="NAME", help="a benchmark of --list, or all")
    parser.add_argument("--list", action="store_true", help="what there is to measure")
    parser.add_argument("--squire", default=os.environ.get("SQUIRE_BINARY", str(ROOT / ".build/release/squire")), help="the program to measure")
    parser.add_argument("--rounds", type=int, default=5, help="measured in turn with the peers, that many times (5)")
    parser.add_argument("--seconds", type=int, default=3, help="how long each round is (3)")
    parser.add_argument("--connections", type=int, default=32, help="clients of plain, tls and others (32)")
    parser.add_argument("--clients", type=int, default=10_000, help="of idle-clients (10000)")
    parser.add_argument("--gibibytes", type=float, default=1, help="of download and upload (1)")
    parser.add_argument("--peers", type=lambda text: text.split(","), help="of nginx, haproxy, caddy, envoy, mitmproxy")
    options = parser.parse_args()
    if options.list or not options.name:
        for name, run in SCENARIOS.items():
            print(f"{name:14}{run.__doc__}")
        return 0 if options.list else 64
    if not os.access(options.squire, os.X_OK):
        print(f"bench: {options.squire} is not there: swift build -c release --product squire", file=sys.stderr)
        return 69
    print(f"{time.strftime('%Y-%m-%d %H:%M')}, {machine()}, load {os.getloadavg()[0]:.1f}")
    failed = 0
    for name in SCENARIOS if "all" in options.name else options.name:
        try:
            SCENARIOS[name](options)
        except Failure as failure:
            print(f"bench: {name}: {failure}", file=sys.stderr)
            failed = 69
    return failed


if __name__ == "__main__":
    sys.exit(main())
