"""The rotation soak: Squires on one session file, clients, rotations, kills, stops and faults of the API, in a seeded random order."""
import argparse, random, sys, tempfile, time

import fleet
from simulator import Simulator

EPILOG = """\
What is judged: with a grace (the default) no session may be lost, no order placed twice, no dead token be used or refreshed outside
the grace, no token appear in a log, and no client see an error, unless its own proxy was killed under it or the API itself said
"not now" (500, 429, 503, or two lost answers in a row). With --grace 0 a lost answer or a kill in the wrong instant may cost the session:
then "login needed" has to be true, and nothing else be wrong. --healthy leaves the faults out, and also wants exactly one refresh for
each rotation. The exit code is 0 or 1.

  config/soak 10                      ten minutes, another order each time
  config/soak 10 --seed 7             the order of seed 7 again (chance in the timing remains)
  config/soak 5 --healthy             nothing goes wrong: the ratio of refreshes to rotations, and what waiting costs
  config/soak neighbours 10000        8 processes, 10,000 rotations, kills and stops
  config/soak projects 5              two APIs, five projects, one home: what is judged says config/soak projects --help
  config/soak oauth 10000             a refresh token of its own that rotates, with two processes, kills and stops
  config/soak crash 1000              a kill at each system call of a rotation, then at 1,000 random instants

SQUIRE_BINARY names another Squire than the release build.
"""


def arguments(parser, proxies="processes on the one session file", rotations=True):
    """What the soak and its relatives have in common; `rotations`: what says how tokens end, too."""
    parser.add_argument("--seed", type=int, help="repeats the order of an earlier run (printed first)")
    parser.add_argument("--proxies", type=int, default=2, metavar="N", help=proxies + " (default %(default)s)")
    parser.add_argument("--clients", type=int, default=4, metavar="N", help="clients of each process (default %(default)s)")
    if rotations:
        parser.add_argument("--grace", type=float, default=10, metavar="S", help="seconds for which the API accepts a token after its refresh (default %(default)g)")
        parser.add_argument("--rotate", type=float, default=0.2, metavar="S", help="seconds between rotations (default %(default)g)")
    parser.add_argument("--healthy", action="store_true", help="no kills, stops or faults")
    parser.add_argument("--directory", metavar="DIR", help="where the session file is; one in memory tells Squire's own delays from the disk's")
    parser.add_argument("--keep", action="store_true", help="keep the directory with the logs and the session file")


def main(words):
    parser = argparse.ArgumentParser(prog="config/soak", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, metavar="MINUTES", help="how long; fractions are fine")
    arguments(parser)
    options = parser.parse_args(words)
    end = time.monotonic() + options.minutes * 60
    return run(options, lambda fleet: time.monotonic() >= end, kills=0.12, stops=0.12, faults=0.2)


def run(options, is_enough, kills, stops, faults, request_faults=0.01, life=(2, 3, 3600)):
    """Runs until `is_enough(fleet)`; prints; the exit code."""
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    simulator = Simulator(grace=options.grace, refresh_time=0.02, margin=1, seed=seed)
    chance = random.Random(seed + 1)
    session = fleet.Session(simulator, tempfile.mkdtemp(prefix="squire-soak-", dir=options.directory))
    session.login()
    soak = fleet.Fleet(session, options.proxies, options.clients, seed=seed, request_fault_rate=0 if options.healthy else request_faults)
    soak.start()
    # Some tokens live so shortly that the refresh comes before the refusal; then they are left alone for long enough.
    simulator.choose_life = lambda: chance.choice(life)
    simulator.keep_expiring(lambda: options.rotate if chance.random() < 0.96 or len(life) == 1 else max(life[0], 2) + 0.5)
    weights = {} if options.healthy else {"kills": kills, "stops": stops, "faults": faults, "longest_stop": min(1.5, options.grace / 4 or 1.5)}
    next_report = time.monotonic() + 5
    try:
        while not is_enough(soak):
            time.sleep(soak.random.expovariate(4))
            soak.disturb(**weights)
            soak.tend()
            if time.monotonic() > next_report:
                next_report = time.monotonic() + 5
                print(f"{time.monotonic() - soak.begun:5.0f} s: {soak.requests} requests, {simulator.needed()} rotations, "
                      f"{len(simulator.refreshes)} refreshes, {soak.chaos['kills']} kills, {soak.chaos['stops']} stops, "
                      f"{soak.lost_sessions} sessions lost, {len(soak.failures)} failures", flush=True)
    except KeyboardInterrupt:
        print("interrupted: judging what there is", flush=True)
    soak.finish()
    if options.healthy and len(simulator.refreshes) != simulator.needed():
        soak.failures.append(f"{len(simulator.refreshes)} refreshes for {simulator.needed()} rotations")
    for line in soak.figures():
        print(line)
    for line in fleet.summary(soak.failures):
        print(line)
    print(f"{'FAILED' if soak.failures else 'passed'}: repeat with --seed {seed}", flush=True)
    if options.keep:
        print(f"logs and session file: {session.directory}")
    else:
        session.remove()
    simulator.stop()
    return 1 if soak.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
