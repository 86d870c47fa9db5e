"""8 processes on one session file, a token that ends all the time, SIGKILL and SIGSTOP among them: one winner for each rotation, no dead
token sent outside the grace, every client answered."""
import argparse, sys

import soak

def main(words):
    parser = argparse.ArgumentParser(prog="config/soak neighbours", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rotations", type=int, nargs="?", default=10_000, metavar="ROTATIONS", help="how many (default %(default)s)")
    soak.arguments(parser)
    parser.set_defaults(proxies=8, clients=2, rotate=0.02)
    options = parser.parse_args(words)
    return soak.run(options, lambda fleet: fleet.simulator.needed() >= options.rotations, kills=0.1, stops=0.15, faults=0, request_faults=0, life=(3600,))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
