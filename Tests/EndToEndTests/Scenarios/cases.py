"""Finds the cases in the files beside this one, and runs them: what `swift test` knows of them, it knows from here.

    cases.py list           one line for each: "beside NAME" or "alone NAME"
    cases.py run NAME...    runs cases as python3 -m unittest -v does; at most ten minutes
    cases.py serve          does what each line of standard input says, one after the other, each in a process of its own; answers with
                            a line of exit status and number of bytes, and these: both outputs
"""
import contextlib, faulthandler, importlib, os, pathlib, sys, tempfile, unittest

DIRECTORY = pathlib.Path(__file__).parent


def flat(suite):
    for item in suite:
        if isinstance(item, unittest.TestSuite): yield from flat(item)
        else: yield item


def cases(name):
    """Those of one file. One that cannot be imported is a case of its own, which fails and says why."""
    found = [case for case in flat(unittest.defaultTestLoader.loadTestsFromName(name)) if case.__module__ in (name, "unittest.loader")]
    if not found: sys.exit(f"{name}.py holds no case")
    return found


def serve():
    """Python starts once, and each file is read once: a case begins where a fork begins. At the end of standard input it is over."""
    for line in iter(sys.stdin.buffer.readline, b""):
        words = line.decode().split()
        # What cannot be imported is said by the case.
        for name in words[1:]:
            with contextlib.suppress(Exception): importlib.import_module(name.split(".")[0])
        with tempfile.TemporaryFile() as output:
            process = os.fork()
            if process == 0:
                with open(os.devnull) as nothing: os.dup2(nothing.fileno(), 0)
                os.dup2(output.fileno(), 1)
                os.dup2(output.fileno(), 2)
                return main(*words)
            status = os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])
            size = output.seek(0, os.SEEK_END)
            sys.stdout.buffer.write(b"%d %d\n" % (status, size))
            output.seek(0)
            sys.stdout.buffer.write(output.read(size))
            sys.stdout.buffer.flush()


def main(command, *names):
    if command == "serve": serve()
    elif command == "run":
        faulthandler.dump_traceback_later(600, exit=True)
        unittest.main(None, argv=["cases.py", "-v", *names], warnings="ignore")
    elif command == "list":
        for file in sorted(DIRECTORY.glob("test_*.py")):
            for case in cases(file.stem):
                if case.__module__ != file.stem: print("beside", file.stem)
                else: print("alone" if getattr(getattr(case, case._testMethodName), "is_alone", False) else "beside", case.id())


if __name__ == "__main__":
    main(*sys.argv[1:])
