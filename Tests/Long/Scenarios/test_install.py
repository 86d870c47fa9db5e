"""config/install and config/package: what they put where, what they leave alone, and that it runs from there."""
import os, pathlib, re, shutil, subprocess, tempfile, unittest

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

    def assert_links_lead_somewhere(self, documents):
        """Of README and the pages, as they are installed."""
        links = [(page, link.split("#")[0]) for page in documents.rglob("*.md") for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text()) if "://" not in link]
        self.assertGreater(len(links), 100)
        self.assertEqual([(page.name, link) for page, link in links if link and not (page.parent / link).exists()], [])


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
        self.assert_links_lead_somewhere(self.prefix / "share/doc/squire")
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

    def test_what_is_in_the_way_is_refused_before_anything_is_made(self):
        precious = self.directory / "precious"
        precious.write_text("mine")
        (self.directory / "elsewhere").mkdir()
        ways = {
            "bin": lambda path: path.write_text("mine"),
            "bin/squire": lambda path: path.mkdir(),
            "share/doc/squire/examples": lambda path: path.symlink_to(self.directory / "missing"),
            "share/squire/installed": lambda path: path.symlink_to(precious),
            "share/squire/squire.schema.json": lambda path: path.symlink_to(self.directory / "elsewhere"),
        }
        for path, obstruct in ways.items():
            with self.subTest(path):
                (self.prefix / path).parent.mkdir(parents=True)
                obstruct(self.prefix / path)
                before = self.files()
                self.assertIn(f"/{path} is", run(self.install, self.prefix, code=73).stderr)
                self.assertEqual(self.files(), before)
                self.assertEqual(precious.read_text(), "mine")
                self.assertEqual(os.listdir(self.directory / "elsewhere"), [])
                shutil.rmtree(self.prefix)

    def test_no_name_beside_what_is_installed_is_written_to(self):
        precious = self.directory / "precious"
        precious.write_text("mine")
        (self.prefix / "bin").mkdir(parents=True)
        (self.prefix / "bin/squire.new").symlink_to(precious)
        (self.prefix / "share/squire/squire.schema.json.new").mkdir(parents=True)
        (self.prefix / "share/squire/installed.new").write_text("mine")
        before = self.files()
        for _ in range(2): run(self.install, self.prefix)
        self.assertEqual(precious.read_text(), "mine")
        self.assertTrue((self.prefix / "bin/squire.new").is_symlink())
        self.assertEqual((self.prefix / "share/squire/installed.new").read_text(), "mine")
        self.assertEqual([path for path in self.files() if "/." in path], [], "temporary files")
        run(self.install, "--uninstall", self.prefix)
        self.assertEqual(self.files(), before)

    def test_everybody_reads_it_and_only_its_owner_writes_it_whatever_the_umask(self):
        for umask in ("077", "000"):
            with self.subTest(umask):
                run("/bin/sh", "-c", f'umask {umask}; exec "$0" "$1"', self.install, self.prefix)
                for path in (self.prefix, *self.prefix.rglob("*")):
                    wanted = 0o755 if path.is_dir() or path.parent.name == "bin" else 0o644
                    self.assertEqual(oct(path.stat().st_mode & 0o7777), oct(wanted), path)
                run(self.install, "--uninstall", self.prefix)
                self.assertFalse(self.prefix.exists())

    def test_it_leaves_no_temporary_files_where_it_is_cut_short(self):
        temporary, shim = self.directory / "temporary", self.directory / "shim"
        for path in (temporary, shim): path.mkdir()
        # In the middle of what is written.
        (shim / "mv").write_text('#!/bin/sh\ncase $3 in */_squire) kill -"$KIND" "$PPID"; exit 1 ;; esac\nexec /bin/mv "$@"\n')
        (shim / "mv").chmod(0o755)
        for kind, code in (("HUP", 129), ("INT", 130), ("PIPE", 141), ("TERM", 143)):
            with self.subTest(kind):
                run(self.install, self.prefix, code=code, PATH=f"{shim}:{os.environ['PATH']}", KIND=kind, TMPDIR=str(temporary))
                self.assertTrue((self.prefix / "bin/squire").exists())
                self.assertEqual([path for path in self.files() if "/." in path], [])
                self.assertEqual(os.listdir(temporary), [])
                run(self.install, "--uninstall", self.prefix)
                self.assertFalse(self.prefix.exists())

    def test_what_cannot_be_removed_is_named_and_removed_the_next_time(self):
        run(self.install, self.prefix)
        page = self.prefix / "share/man/man1/squire.1"
        page.unlink()
        page.mkdir()
        said = run(self.install, "--uninstall", self.prefix, code=1).stderr
        self.assertIn(f"the file {page} cannot be removed", said)
        self.assertEqual([path for path in self.files() if not (self.prefix / path).is_dir()], ["share/squire/installed"])
        page.rmdir()
        run(self.install, "--uninstall", self.prefix)
        self.assertFalse(self.prefix.exists())

    def test_a_prefix_is_the_same_place_however_it_is_written(self):
        (self.directory / "here/below").mkdir(parents=True)
        (self.directory / "link").symlink_to(self.directory / "here/below")
        for written in (f"{self.directory}//a place/", f"{self.directory}/./missing/../a place//.", "missing/../../a place",
                        f"{self.directory}/link/../../a place"):
            with self.subTest(written):
                said = run("/bin/sh", "-c", 'cd "$0" && exec "$1" "$2"', self.directory / "here", self.install, written).stderr
                self.assertIn(f" is in {self.prefix}/bin,", said)
                self.assertIn(f"--uninstall '{self.prefix}'\n", said)
                self.assertEqual(sorted(os.listdir(self.directory)), ["a place", "here", "link"])
                run(self.install, "--uninstall", self.prefix)
                self.assertFalse(self.prefix.exists())
                self.assertEqual(os.listdir(self.directory / "here"), ["below"])

    def test_a_shell_reads_what_is_printed_as_it_is_meant(self):
        for name in ("a b'c\"d$(e)`f", "ä", "plain"):
            with self.subTest(name):
                prefix = self.directory / name
                said = run(self.install, prefix, PATH="/usr/bin:/bin").stderr
                export = said.split("start-up file:  ")[1].split("   (fish")[0]
                again = said.split("config/install ")[1].rstrip("\n")
                shown = run("/bin/sh", "-c", f'{export}; printf "%s\\n" "$PATH" {again}', PATH="/usr/bin").stdout
                self.assertEqual(shown.splitlines(), [f"{prefix}/bin:/usr/bin", "--uninstall", str(prefix)])
                run("/bin/sh", "-c", f'"$0" {again}', self.install)
                self.assertFalse(prefix.exists())

    def test_a_program_that_is_no_squire_is_not_installed(self):
        other = self.directory / "other"
        other.write_text("#!/bin/sh\necho squire-like 1\n")
        other.chmod(0o755)
        for program in ("/bin/true", "/bin/ls", other, self.directory, self.directory / "missing", "squire"):
            with self.subTest(program):
                said = run(self.install, self.prefix, code=69, SQUIRE_BINARY=str(program)).stderr
                self.assertRegex(said, "install: .*(is no Squire|does not run)")
                self.assertFalse(self.prefix.exists())

    def test_usage(self):
        run(self.install, "--prefix", code=64)
        run(self.install, "--uninstall", "--prefix", code=64)
        run(self.install, "/a", "/b", code=64)
        run(self.install, "", code=64)
        for character in "\n\t\x1b":
            said = run(self.install, f"{self.directory}/a{character}b", code=64).stderr
            self.assertIn("PREFIX has a newline or another control character", said)
        self.assertEqual(os.listdir(self.directory), [])

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
        run("dpkg-deb", "-x", package, self.directory / "unpacked")
        self.assert_links_lead_somewhere(self.directory / "unpacked/usr/share/doc/squire")
        depends = run("dpkg-deb", "-f", package, "Depends").stdout
        for library in ("libc6 (>=", "libcurl4", "libevent-2", "ca-certificates"):
            self.assertIn(library, depends)
        if "GLIBC_ABI_DT_RELR" in run("readelf", "-V", self.directory / "unpacked/usr/bin/squire").stdout:
            # An older one is installed along, and refuses to start it.
            self.assertGreaterEqual(tuple(map(int, re.search(r"libc6 \(>= ([\d.]+)\)", depends)[1].split("."))), (2, 36))


if __name__ == "__main__":
    unittest.main()
