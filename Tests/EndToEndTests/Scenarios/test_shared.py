"""A session that many machines share: its keys, and what the configuration says of it."""
import base64
from harness import *


def key_id(line):
    """The first 8 digits of the hash that names a key."""
    return hashlib.sha256(b"squire kid" + base64.b64decode(line)).hexdigest()[:8]


class SharedKeys(Scenario):
    def setUp(self):
        super().setUp()
        self.key = self.directory / "shared.key"

    def lines(self):
        return self.key.read_text().splitlines()

    def test_a_line_for_whatever_keeps_secrets(self):
        lines = [self.command("shared", "key").stdout for _ in range(2)]
        self.assertNotEqual(*lines)
        for line in lines:
            self.assertEqual(len(base64.b64decode(line, validate=False)), 32)
            self.assertRegex(line, r"\A[A-Za-z0-9+/]{43}=\n\Z")

    def test_a_file(self):
        result = self.command("shared", "key", str(self.key))
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o600)
        [line] = self.lines()
        self.assertIn(key_id(line), result.stdout)
        self.assertNotIn(line, result.stdout + result.stderr)
        self.assertEqual(self.command("shared", "key", "--list", str(self.key)).stdout, f"{key_id(line)}  seals and opens\n")
        # Whatever the mask says, and never over one that is there.
        result = self.command("shared", "key", str(self.key), code=73)
        self.assertIn("is there already", result.stderr)
        self.assertEqual(self.lines(), [line])
        self.command("shared", "key", str(self.directory / "no" / "key"), code=73)

    def test_the_next_key(self):
        self.command("shared", "key", str(self.key))
        [old] = self.lines()
        result = self.command("shared", "key", "--add", str(self.key))
        self.assertEqual(len(self.lines()), 2)
        self.assertEqual(self.lines()[0], old)
        shown = [f"{key_id(self.lines()[0])}  seals and opens", f"{key_id(self.lines()[1])}  opens"]
        self.assertEqual(result.stdout.splitlines()[1:], shown)
        self.assertEqual(self.command("shared", "key", str(self.key), "--list").stdout.splitlines(), shown)
        self.assertEqual(self.key.stat().st_mode & 0o777, 0o600)
        self.assertEqual(sorted(os.listdir(self.directory)), ["shared.key"])
        # Several at a time lose none.
        results = parallel(6, lambda _: subprocess.run([SQUIRE, "shared", "key", "--add", str(self.key)], capture_output=True,
                                                       env=clean_environment(**self.env)).returncode)
        self.assertLessEqual(set(results), {0, 73})
        self.assertEqual(len(self.lines()), 2 + results.count(0))

    def test_files_that_are_none(self):
        self.key.write_text("dear diary\n")
        self.key.chmod(0o600)
        for flag in ("--list", "--add"):
            self.assertIn("line 1: a key is 32 octets", self.command("shared", "key", flag, str(self.key), code=78).stderr)
            self.command("shared", "key", flag, str(self.directory / "none"), code=78)
            self.command("shared", "key", flag, code=64)
        self.assertEqual(self.key.read_text(), "dear diary\n")
        self.command("shared", "key", "--list", "--add", str(self.key), code=64)
        self.key.unlink()
        self.command("shared", "key", str(self.key))
        self.key.chmod(0o644)
        for flag in ("--list", "--add"):
            self.assertIn(f"chmod 600 {self.key}", self.command("shared", "key", flag, str(self.key), code=78).stderr)

    def test_the_help_teaches(self):
        text = " ".join(self.command("shared", "key", "--help").stdout.split())
        for word in ("etcd: - https://etcd-1:2379", "squire shared key --add FILE", "the first one seals", "73", "78"):
            self.assertIn(word, text)
        self.assertIn("key", self.command("shared", "--help").stdout)


class SharedConfiguration(Scenario):
    def configured(self, text):
        key = self.directory / "shared.key"
        if not key.exists(): self.command("shared", "key", str(key))
        return self.config("https://api.example.com", session=f"  shared:\n    key: {key}\n    etcd: [https://etcd-1:2379, https://etcd-2:2379]\n{text}")

    def test_check_says_what_it_understood(self):
        password = self.directory / "password"
        password.write_text("engine-secret\n")
        password.chmod(0o600)
        config = self.configured(f"    name: menu-prod\n    user: squire\n    password: {{file: {password}}}\n")
        said = self.command("check", "--config", config).stdout
        self.assertIn("menu-prod, as squire/v1/session/menu-prod in etcd at https://etcd-1:2379, https://etcd-2:2379, as squire", said)
        self.assertIn("after 40s of silence", said)
        [line] = (self.directory / "shared.key").read_text().splitlines()
        self.assertIn(f"{self.directory}/shared.key: {key_id(line)} seals", said)
        self.assertNotIn("engine-secret", said)
        self.assertNotIn(line, said)

    def test_the_name_is_that_of_the_api(self):
        self.assertIn("shared         api.example.com, as squire/v1/session/api.example.com", self.command("check", "--config", self.configured("")).stdout)

    def test_mistakes_say_where(self):
        config = self.configured("    takeover: 34s\n")
        line = 1 + pathlib.Path(config).read_text().splitlines().index("    takeover: 34s")
        for command in ("check", "run"):
            self.assertIn(f"{config}:{line}: session.shared.takeover must be at least 35s", self.command(command, "--config", config, code=78).stderr)
