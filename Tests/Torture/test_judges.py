"""The judges of the torture, each tried on the fault it is for: a small proxy with that fault is in Squire's place.

    cd Tests/Torture && python3 -m unittest test_judges
"""
import concurrent.futures, os, pathlib, re, subprocess, sys, unittest

HERE = pathlib.Path(__file__).parent
# The fault, and what must be said of it.
FAULTS = {
    "": None, "swap": "answer of another request", "foreign": "foreign bytes", "cut": "cut answer that ends cleanly", "leak": "bearer at a client",
    "silent": "bytes to a silent client|bearer at a client", "alter": "altered request body", "duplicate": "sent again without cause", "wrong bearer": "wrong bearer",
    "open bearer": "bearer where none belongs", "crash": "crash", "hang": "hang", "need": "answer cut without need", "log": "bearer in the log",
    "descriptors": "descriptors", "threads": "threads", "memory": "memory", "stop": "does not stop", "exit": "exit code",
}
FEATURES = "posts,silent,anonymous,sign_in"


def torture(fault):
    environment = {**os.environ, "SQUIRE_BINARY": str(HERE / "faulty_proxy.py"), "SQUIRE_FAULT": fault, "PYTHONDONTWRITEBYTECODE": "1"}
    environment.pop("SQUIRE_SANITIZER", None)
    words = ["0.01", "--seed", "5", "--plain", "--only", FEATURES, "--clients", "24", "--patience", "1", "--strict"]
    result = subprocess.run([sys.executable, HERE / "torture.py", *words], capture_output=True, text=True, env=environment, timeout=60)
    return result.returncode, result.stdout + result.stderr


class Judges(unittest.TestCase):
    maxDiff = None

    def test_each_catches_its_fault(self):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            results = dict(zip(FAULTS, pool.map(torture, FAULTS)))
        for fault, kind in FAULTS.items():
            with self.subTest(fault=fault or "none"):
                code, text = results[fault]
                self.assertTrue(text.startswith("seed 5\n"), text)
                self.assertEqual(code, 1 if kind else 0, text)
                if kind:
                    self.assertRegex(text, rf"BROKEN  ({kind}) \(")
                    self.assertTrue(text.endswith("BROKEN: repeat with --seed 5\n"), text)
                self.assertIsNone(re.search(r"TORTUREbearer", text), text)

    def test_usage(self):
        for words in (["x"], ["0"], ["nan"], ["1", "--sanitize", "memory"], ["1", "--only", "nonsense"], []):
            with self.subTest(words=words):
                result = subprocess.run([sys.executable, HERE / "torture.py", *words], capture_output=True, text=True)
                self.assertEqual((result.returncode, result.stdout), (64, ""), result.stderr)


if __name__ == "__main__":
    unittest.main()
