"""`squire profile`: the presets, and that a printed one is a configuration like any other."""
from harness import *


class Profiles(Scenario):
    def test_the_list(self):
        lines = self.command("profile").stdout.splitlines()
        names = [line.split("\t")[0] for line in lines]
        self.assertTrue(all(line.count("\t") == 1 and line.split("\t")[1] for line in lines), lines)
        self.assertEqual(len(set(names)), len(names))
        self.assertIn("menu", names)

    def test_a_name_that_is_none(self):
        result = self.command("profile", "meun", code=64)
        self.assertEqual(result.stdout, "")
        self.assertEqual(result.stderr, 'squire: there is no preset "meun": did you mean "menu"?\n')
        # What was given is shown on one line.
        for command in (("profile",), ("init", "--profile")):
            result = self.command(*command, "a\nb\x1b[2J", code=64)
            self.assertEqual(result.stderr.count("\n"), 1)
            self.assertIn('there is no preset "a\\x0Ab\\x1B[2J"', result.stderr)
        self.assertIn("known are menu", self.command("profile", "frobnicate", code=64).stderr)
        self.command("profile", "menu", "slack", code=64)

    def test_fed_back_it_is_the_same(self):
        for name, rest in (("menu", ""), ("menu", 'upstream: https://127.0.0.1:9\n')):
            answers = []
            for text in (f"profile: {name}\n", self.command("profile", name).stdout):
                path = self.directory / "squire.yaml"
                path.write_text(text + rest)
                path.chmod(0o600)
                result = self.command("check", "--config", str(path), code=78)
                answers.append(re.sub(r"squire\.yaml:\d+", "squire.yaml", result.stdout + result.stderr))
            self.assertEqual(*answers)

    def test_what_is_complete_runs_the_same(self):
        headers = {"SQUIRE_HEADER": "Application: a\nApi-Version: 1\nDevice-UUID: 2"}
        said = []
        for text in ("profile: menu\n", self.command("profile", "menu").stdout):
            path = self.directory / "squire.yaml"
            path.write_text(text + "upstream: https://127.0.0.1:9\n")
            result = self.command("explain", "GET", "/api/x", "--config", str(path), env=headers)
            # But for where it was said, and what is different in each process.
            said.append(re.sub(r"\((set|made|replaced): [^)]*\)|squire-\w+|X-Request-ID: [\w-]+", "", result.stdout))
        self.assertEqual(*said)
        self.assertIn("Device-UUID: 2", said[0])
