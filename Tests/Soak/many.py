"""Many machines, one session: a token that dies when anybody refreshes it, a real etcd of three members with TLS and a role, and whatever can
happen to machines, members and the links between them, in a seeded random order."""
import argparse, os, pathlib, random, signal, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[2]
os.environ.setdefault("SQUIRE_BINARY", str(ROOT / ".build/release/squire"))
sys.path.insert(0, str(ROOT / "Tests/EndToEndTests/Scenarios"))

import machines
from adoption import Clients, Watcher
from chaos import Chaos, DISTURBANCES
from stalls import Stalls
from verdict import Verdict

EPILOG = """\
What is judged. After each stretch of faults all is mended, and within a while every machine must hold the same living token: a session is
lost only

  e  where its holder died after the API had rotated and before it had saved the answer,
  f  where its holder saved and could not share, and never came back (its disk is gone), or, at an API that detects reuse, came back later
     than the takeover,
  s  where, at an API that detects reuse, a machine was stopped between its last look at the clock and the system call that sends

and each of those is explained in the output. A login that two machines knew is never replaced by an older one. Nobody uses a dead token for
longer than it takes to hear of the next. In the quiet stretches between: exactly one refresh for each rotation, every request answered, and
every machine has the next token within a second. What fails there while a member of etcd, the disk or this computer stands still for half a
second or longer is not judged, but listed: machines without an engine refresh nothing, and whose token is dead cannot serve. The exit code is
0 or 1.

  config/soak fleet 10                20 machines, ten minutes, another order each time
  config/soak fleet 10 --seed 7       the order of seed 7 again (chance in the timing remains)
  config/soak fleet 10 --reuse        an API that ends a login when a dead token is refreshed
  config/soak fleet 5 --healthy       quiet only
  config/soak fleet --herd 50         50 machines that are all refused in the same instant, then with the leader killed in it

SQUIRE_BINARY names another Squire than the release build. Needs etcd and etcdctl, and half a gigabyte for 50 machines.
"""
# Long enough for a busy computer: a refresh whose answer comes too late is lost, and with it the login.
TIMEOUT, TAKEOVER = 4, 9
HERD_LIMIT = 3.0


def build(options, count, **more):
    directory = tempfile.mkdtemp(prefix="squire-soak-", dir=options.directory)
    api = machines.RotatingAPI(grace=options.grace, kills_families=options.reuse, refresh_time=0.08)
    # What etcd spends on a password is not what is looked at.
    return machines.Fleet(directory, count, members=options.members, api=api, engine=["--bcrypt-cost", "4"], timeout=TIMEOUT, takeover=TAKEOVER, **more)


def begin(fleet):
    """Everybody has the first token, and has used it."""
    token = fleet.login()
    fleet.start()
    assert wait(30, lambda: fleet.have(token)) is not None, "the first token does not reach all machines"


def wait(seconds, condition):
    """How long it took; None when it did not come."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds: return None
        time.sleep(0.02)
    return time.monotonic() - begun


def soak(options, seed):
    chance = random.Random(seed)
    fleet = build(options, options.machines)
    verdict = Verdict(fleet, Stalls(fleet))
    try:
        begin(fleet)
        watcher, clients = Watcher(fleet), Clients(fleet, chance, options.pace)
        chaos = Chaos(fleet, chance, verdict, options)
        try: work(options, fleet, chance, verdict, watcher, clients, chaos)
        except KeyboardInterrupt: print("interrupted: judging what there is", flush=True)
        clients.stop()
        verdict.finish()
        for line in [*verdict.figures(watcher, clients), str(chaos)]: print(line)
    except AssertionError as error: verdict.fail(str(error))
    finally: verdict.clear(options.keep)
    return verdict


def work(options, fleet, chance, verdict, watcher, clients, chaos):
    """Faults and quiet in turn."""
    begun = time.monotonic()
    end = begun + options.minutes * 60
    while time.monotonic() < end and not verdict.is_hopeless:
        said = ""
        if not options.healthy:
            chaos.stretch(min(chance.uniform(15, 40), max(5, end - time.monotonic())))
            said = f"{chaos}, settled in {verdict.settle(chaos)}, {len(verdict.lost)} sessions lost, "
        verdict.quiet(watcher, clients, rounds=5, pause=lambda: chance.uniform(0.3, 1.5))
        print(f"{time.monotonic() - begun:5.0f} s: {clients.requests} requests, {len(fleet.api.rotated())} rotations, {said}"
              f"slowest adoption {watcher.slowest * 1000:.0f} ms, {len(verdict.failures)} failures", flush=True)


def herd(options):
    """All machines are refused at once."""
    fleet = build(options, options.herd, is_direct=True)
    verdict = Verdict(fleet, Stalls(fleet))
    try:
        begin(fleet)
        fleet.api.refresh_time = 0.05
        for kind, rounds in (("nothing else", 10), ("the leader killed in that instant", 3)):
            slowest = []
            for _ in range(rounds):
                leader = fleet.engine.leader()
                before = len(fleet.api.refreshes)
                fleet.api.end()

                def ask(index):
                    if index == len(fleet.machines): return kind.startswith("the leader") and fleet.engine.kill(leader)
                    return fleet.machines[index].ask()
                answers = machines.parallel(len(fleet.machines) + 1, ask)[:-1]
                wrong = [str(getattr(answer, "status", repr(answer))) for answer in answers if getattr(answer, "status", None) != 200]
                if wrong: verdict.fail(f"{len(wrong)} machines were not served: {sorted(set(wrong))}")
                refreshes = fleet.api.refreshes[before:]
                if [refresh.outcome for refresh in refreshes] != ["rotated"]: verdict.fail(f"{refreshes} for one rotation")
                for machine, answer in zip(fleet.machines, answers):
                    if getattr(answer, "status", None) != 200 or answer.seconds > 2 * HERD_LIMIT:
                        said = "".join(f"\n        {line[:300]}" for line in machine.text().splitlines()[-3:])
                        verdict.notes.append(f"machine {machine.number}: {getattr(answer, 'status', repr(answer))} after {getattr(answer, 'seconds', 0):.2f} s{said}")
                slowest.append(max(getattr(answer, "seconds", 99) for answer in answers))
                if not fleet.engine.is_up(leader):
                    fleet.engine.start(leader)
                    fleet.engine.wait()
                    time.sleep(3)
                if wait(10, lambda: fleet.have(fleet.machines[0].token())) is None: verdict.fail("the machines do not agree")
                time.sleep(0.5)
            print(f"{len(fleet.machines)} machines refused at once, {kind}: slowest " + ", ".join(f"{seconds:.2f}" for seconds in slowest) + " s", flush=True)
            if max(slowest) > HERD_LIMIT: verdict.fail(f"{max(slowest):.2f} s are more than {HERD_LIMIT:g} s")
        verdict.finish()
    except AssertionError as error: verdict.fail(str(error))
    finally: verdict.clear(options.keep)
    return verdict


def main(words):
    parser = argparse.ArgumentParser(prog="config/soak fleet", description=__doc__, epilog=EPILOG, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("minutes", type=float, nargs="?", default=None, metavar="MINUTES", help="how long; fractions are fine")
    parser.add_argument("--seed", type=int, help="repeats the order of an earlier run (printed first)")
    parser.add_argument("--machines", type=int, default=20, metavar="N", help="how many (default %(default)s)")
    parser.add_argument("--members", type=int, default=3, choices=(1, 3), help="of etcd (default %(default)s)")
    parser.add_argument("--pace", type=float, default=0.5, metavar="S", help="seconds between two requests of a machine (default %(default)g)")
    parser.add_argument("--grace", type=float, default=0, metavar="S", help="seconds for which the API accepts a token after its refresh (default %(default)g)")
    parser.add_argument("--reuse", action="store_true", help="the API ends a login when a dead token is refreshed")
    parser.add_argument("--healthy", action="store_true", help="nothing is killed, stopped or cut off")
    parser.add_argument("--without", action="append", default=[], metavar="WHAT", choices=DISTURBANCES,
                        help="leaves out one kind of what happens: " + ", ".join(DISTURBANCES))
    parser.add_argument("--herd", type=int, metavar="N", help="that many machines, all refused at once; no MINUTES")
    parser.add_argument("--directory", metavar="DIR", help="where the machines' homes are made")
    parser.add_argument("--keep", action="store_true", help="keep the machines' homes, with their logs")
    options = parser.parse_args(words)
    if (options.minutes is None) == (options.herd is None): parser.error("say MINUTES, or --herd N")
    if not machines.is_installed(): sys.exit("etcd and etcdctl are not here: config/setup installs them")
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 32)
    print(f"seed {seed}", flush=True)
    # An end from outside is an end, too: nothing is left behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    verdict = herd(options) if options.herd else soak(options, seed)
    for line in verdict.lines(): print(line)
    print(f"{'FAILED' if verdict.failures else 'passed'}: repeat with --seed {seed}", flush=True)
    return 1 if verdict.failures else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
