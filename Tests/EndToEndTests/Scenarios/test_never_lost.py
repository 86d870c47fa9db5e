"""The session outlives kills, stops and faults: short runs of what `config/soak` does for as long as one likes. A failure says with which
seed to go on there."""
import io
from harness import *

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Soak"))
os.environ["SQUIRE_BINARY"] = SQUIRE
import crash, neighbours, projects, soak


class NeverLost(unittest.TestCase):
    def passes(self, tool, *arguments):
        """Runs a tool of Tests/Soak as its command line does."""
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            code = tool.main([str(argument) for argument in arguments])
        self.assertEqual(code, 0, "\n" + output.getvalue())
        return output.getvalue()

    def test_healthy_rotations(self):
        """One refresh for each, and nobody notices."""
        self.assertIn(": 1.000 each", self.passes(soak, 0.05, "--healthy", "--rotate", 0.05))

    def test_everything_at_once(self):
        self.passes(soak, 0.07)

    def test_without_grace(self):
        """A lost answer may cost the session: then that is said, truly, and nothing else is wrong."""
        # A request that meets two rotations has one second try only: on a slow machine 0.2 s may be less than a request.
        self.passes(soak, 0.08, "--grace", 0, "--rotate", 0.5)

    def test_neighbours(self):
        self.passes(neighbours, 40)

    @unittest.skipUnless(shutil.which("strace"), "calls are counted by strace(1)")
    def test_kills_at_system_calls(self):
        self.passes(crash, 0, "--calls", 8)

    def test_kills_at_random_instants(self):
        self.passes(crash, 10, "--calls", 0)

    def test_projects_side_by_side(self):
        """Two APIs, five projects, one home: nothing of one reaches another."""
        self.passes(projects, 0.04)


if __name__ == "__main__":
    main()
