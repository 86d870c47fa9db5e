"""The pure parts on their own: time, instructions and allocations for one call of each.

Instructions are counted by valgrind, allocations by `allocations.c`: both as the difference between two runs of different lengths, so
that starting and preparing do not count.
"""
import os, pathlib, re, shutil, struct, subprocess

from rig import ROOT, Failure, Rig, median, needs

SHORT, LONG = 1000, 3000


def build():
    """The program, and a copy without debug information, which valgrind cannot read."""
    environment = {**os.environ, "SQUIRE_BENCH": "1"}
    built = subprocess.run(["swift", "build", "-c", "release", "--product", "Micro"], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
    if built.returncode != 0:
        raise Failure("the build failed")
    return ROOT / ".build/release/Micro"


def output(*command, **environment):
    result = subprocess.run([str(part) for part in command], capture_output=True, text=True, env={**os.environ, **environment})
    if result.returncode != 0:
        raise Failure(f"{command[-2:]} ended with {result.returncode}: {result.stderr[-500:]}")
    return result


def instructions(program, name):
    counted = []
    for count in (SHORT, LONG):
        result = output("valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, name, count)
        counted.append(int(re.search(r"Collected : (\d+)", result.stderr).group(1)))
    return (counted[1] - counted[0]) / (LONG - SHORT)


def allocations(rig, program, name):
    counted = []
    for count in (SHORT, LONG):
        counts = pathlib.Path(rig.path("counts"))
        counts.write_bytes(bytes(64 * 64))
        output(program, name, count, LD_PRELOAD=rig.path("allocations.so"), BENCH_ALLOCATIONS=str(counts))
        counted.append(sum(number for _, number in struct.iter_unpack("56sQ", counts.read_bytes())))
    return (counted[1] - counted[0]) / (LONG - SHORT)


def micro(options):
    """Parsers, header policies, an exchange's steps: time, instructions and allocations for one of each"""
    if not shutil.which("cc"):
        raise Failure("this needs a C compiler: apt-get install -y gcc")
    needs("valgrind", "objcopy")
    program = build()
    with Rig(options.squire) as rig:
        subprocess.run(["cc", "-O2", "-shared", "-fPIC", "-o", rig.path("allocations.so"), str(pathlib.Path(__file__).parent / "allocations.c")],
                       check=True)
        # valgrind cannot read this debug information.
        output("objcopy", "--strip-debug", program, rig.path("micro"))
        print(f"{'':24}{'ns':>9}{'instructions':>14}{'allocations':>13}")
        for line in output(program).stdout.splitlines():
            name, summary = line.split("\t")
            times = [float(output(program, name, 20_000).stdout) for _ in range(options.rounds)]
            print(f"{name:24}{median(times):9.0f}{instructions(rig.path('micro'), name):14.0f}{allocations(rig, program, name):13.2f}   {summary}",
                  flush=True)
