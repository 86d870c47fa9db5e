"""Finds the cases in the files beside this one, and runs them: what `swift test` knows of them, it knows from here.

    cases.py list           one line for each: "beside NAME" or "alone NAME"
    cases.py run NAME...    runs cases as python3 -m unittest -v does; at most ten minutes
"""
import faulthandler, pathlib, sys, unittest

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


def main(command, *names):
    sys.path.insert(0, str(DIRECTORY))
    if command == "run":
        faulthandler.dump_traceback_later(600, exit=True)
        unittest.main(None, argv=["cases.py", "-v", *names], warnings="ignore")
    elif command == "list":
        for file in sorted(DIRECTORY.glob("test_*.py")):
            for case in cases(file.stem):
                if case.__module__ != file.stem: print("beside", file.stem)
                else: print("alone" if getattr(getattr(case, case._testMethodName), "is_alone", False) else "beside", case.id())


if __name__ == "__main__":
    main(*sys.argv[1:])
