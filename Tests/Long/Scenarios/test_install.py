"""config/install and config/package: what they put where, what they leave alone, and that it runs from there."""
import os, pathlib, shutil, subprocess, tempfile, unittest

ROOT = pathlib.Path(__file__).resolve().parents[3]


def run(*arguments, code=0, **environment):
    result = subprocess.run([str(argument) for argument in arguments], capture_output=True, text=True,
                            env={**os.environ, **environment})
    if result.returncode != code:
        raise AssertionError(f"{arguments} ends with {result.returncode}: {result.stdout}{result.stderr}")
    return result


class Place(unittest.TestCase):
    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="squire-install-"))
        self.addCleanup(shutil.rmtree, self.directory)


class Install(Place):
    def files(self):
        return sorted(str(path.relative_to(self.prefix)) for path in self.prefix.rglob("*"))

    def setUp(self):
        super().setUp()
        self.prefix = self.directory / "a place"
        self.install = ROOT / "config/install"

    def test_installs_and_takes_away_what_it_installed_and_nothing_else(self):
        (self.prefix / "bin").mkdir(parents=True)
        (self.prefix / "bin/other").write_text("mine")
        before = self.files()
        said = run(self.install, self.prefix, PATH=f"{self.prefix}/bin:/usr/bin:/bin").stderr
        self.assertNotIn("PATH lacks it", said)
        squire = self.prefix / "bin/squire"
        self.assertTrue(run(squire, "--version").stdout.startswith("squire "))
        for name in ("man/man1/squire.1", "man/man1/squire-shared-key.1", "bash-completion/completions/squire",
                     "zsh/site-functions/_squire", "fish/vendor_completions.d/squire.fish",
                     "squire/squire.schema.json", "doc/squire/examples/reference.yaml", "doc/squire/examples/Containerfile",
                     "systemd/user/squire@.service", "systemd/user/squire@.socket"):
            self.assertTrue((self.prefix / "share" / name).stat().st_size > 100, name)
        self.assertFalse((self.prefix / "lib").exists())
        self.verify(self.prefix / "share/systemd/user/squire@.service", squire)
        once = self.files()
        # Again, over a running one and over a file that the former version had.
        stale = self.prefix / "share/squire/stale"
        stale.write_text("old")
        listed = self.prefix / "share/squire/installed"
        listed.write_text(listed.read_text() + "file share/squire/stale\nfile ../../escaped\n")
        escaped = self.directory.parent / "escaped"
        playground = subprocess.Popen([squire, "playground", "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE)
        self.addCleanup(playground.wait)
        self.addCleanup(playground.stdout.close)
        self.addCleanup(playground.kill)
        playground.stdout.readline()
        self.assertFalse(escaped.exists())
        said = run(self.install, self.prefix, PATH="/usr/bin:/bin").stderr
        self.assertIn("PATH lacks it", said)
        self.assertEqual(self.files(), once)
        self.assertIsNone(playground.poll())
        run(self.install, "--uninstall", self.prefix)
        self.assertEqual(self.files(), before)
        self.assertIn("nothing of config/install", run(self.install, "--uninstall", self.prefix, code=69).stderr)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not here")
    def test_a_unit_names_the_program_whatever_its_path(self):
        for name in ("plain", "100%i", "a place", "a&b|c", 'a "b" c', "a'b", "a\\b"):
            tree, prefix = self.directory / "tree" / name, self.directory / name
            (prefix / "bin").mkdir(parents=True)
            squire = prefix / "bin/squire"
            squire.symlink_to(os.environ["SQUIRE_BINARY"])
            run(ROOT / "config/tree", os.environ["SQUIRE_BINARY"], tree, prefix)
            if set(name) & set("\"'\\"):
                self.assertFalse((tree / "share/systemd").exists(), "what systemd would refuse")
            else:
                self.verify(tree / "share/systemd/user/squire@.service", squire)

    def verify(self, unit, program):
        """That systemd finds the program, and nothing to complain of."""
        if not shutil.which("systemd-analyze"): return
        copy = self.directory / "squire@api.service"
        shutil.copy(unit, copy)
        verify = ["systemd-analyze", "verify", "--user", "--man=no", "--recursive-errors=no", copy]
        self.assertEqual(run(*verify, XDG_RUNTIME_DIR=str(self.directory)).stderr, "")
        moved = program.with_name("moved")
        program.rename(moved)
        result = subprocess.run([*map(str, verify)], capture_output=True, text=True, env={**os.environ, "XDG_RUNTIME_DIR": str(self.directory)})
        moved.rename(program)
        self.assertIn("is not executable", result.stderr)

    def test_what_another_has_put_there_stays(self):
        (self.prefix / "bin").mkdir(parents=True)
        (self.prefix / "bin/squire").write_text("another")
        said = run(self.install, self.prefix, code=73).stderr
        self.assertIn("bin/squire is there, and not from here", said)
        self.assertEqual(self.files(), ["bin", "bin/squire"])

    def test_usage(self):
        run(self.install, "--prefix", code=64)
        run(self.install, "/a", "/b", code=64)

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not here")
    def test_the_manual_has_no_faults(self):
        run(ROOT / "config/manual", os.environ["SQUIRE_BINARY"], self.directory / "man1")
        pages = sorted((self.directory / "man1").iterdir())
        self.assertGreater(len(pages), 15)
        found = subprocess.run(["mandoc", "-Tlint", *pages], capture_output=True, text=True).stdout.splitlines()
        # The pages name one another, and are not installed.
        self.assertEqual([line for line in found if "referenced manual not found: Xr squire" not in line], [])


@unittest.skipUnless(shutil.which("dpkg-deb") and shutil.which("dpkg-shlibdeps"), "this is no Debian")
class Package(Place):
    def test_it_runs_from_the_package(self):
        # What the release build links is what it needs.
        environment = {"SQUIRE_BINARY": os.environ.get("SQUIRE_RELEASE", "")}
        run(ROOT / "config/package", self.directory, **environment)
        package, = self.directory.glob("*.deb")
        said = run(ROOT / "config/package", "--test", package)
        self.assertIn("answers, with a bearer", said.stdout)
        held = run("dpkg-deb", "-c", package).stdout
        for kind in ("system", "user"):
            for unit in ("squire@.service", "squire@.socket"): self.assertIn(f"./usr/lib/systemd/{kind}/{unit}\n", held)
        self.assertIn("./usr/lib/sysusers.d/squire.conf\n", held)
        depends = run("dpkg-deb", "-f", package, "Depends").stdout
        for library in ("libc6 (>=", "libcurl4", "libevent-2", "ca-certificates"):
            self.assertIn(library, depends)


if __name__ == "__main__":
    unittest.main()
