"""A quarter of a minute of the torture: everything at once, at random, from one seed. `config/torture` does it for as long as you like."""
import os, pathlib, subprocess, sys, unittest

from harness import SANITIZER, SQUIRE, alone

TORTURE = pathlib.Path(__file__).parents[2] / "Torture/torture.py"
SEED = 13


class Torture(unittest.TestCase):
    maxDiff = None

    @alone
    def test_a_quarter_of_a_minute(self):
        environment = {**os.environ, "SQUIRE_BINARY": SQUIRE, "PYTHONDONTWRITEBYTECODE": "1"}
        result = subprocess.run([sys.executable, TORTURE, "0.25", "--storm", "2.5", "--seed", str(SEED)], capture_output=True, text=True, env=environment, timeout=180 if SANITIZER else 90)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        print(result.stdout, end="")


if __name__ == "__main__":
    unittest.main()
