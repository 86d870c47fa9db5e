"""`squire init`: a first configuration, the reference and its schema."""
from harness import *


class First(Scenario):
    def test_what_it_writes_holds_and_is_never_overwritten(self):
        config = self.directory / "squire.yaml"
        result = self.command("init", "--upstream", "https://127.0.0.1:9/v1", cwd=self.directory)
        self.assertEqual((result.stdout, result.stderr), (
            "squire.yaml: written\nNext:\n  squire login --token -\n  squire run\n", ""))
        self.assertEqual(config.stat().st_mode & 0o777, 0o600)
        checked = self.command("check", cwd=self.directory).stdout
        self.assertIn("https://127.0.0.1:9/v1", checked)
        self.assertNotIn("fail", checked)
        before = config.read_bytes()
        again = self.command("init", "--upstream", "https://127.0.0.1:8", cwd=self.directory, code=73)
        self.assertEqual(again.stdout, "")
        self.assertIn("squire.yaml is there already, and nothing was changed", again.stderr)
        self.assertEqual(config.read_bytes(), before)

    def test_a_limit_of_files_is_an_error_and_not_its_end(self):
        """Of every command: a write that is too long ends a process that has not asked otherwise (SIGXFSZ)."""
        for arguments, code in ((("init",), 73), (("shared", "key", "k"), 73), (("login", "--upstream", "https://api.example.com", "--token", "-"), 73)):
            result = subprocess.run(["sh", "-c", 'ulimit -f 0; exec "$@"', "sh", SQUIRE, *arguments], input="x\n", text=True, capture_output=True,
                                    cwd=self.directory, env=clean_environment(**self.env))
            self.assertEqual(result.returncode, code, result.stderr)
            self.assertIn("File too large", result.stderr)
            self.assertEqual(result.stdout, "")
        self.assertFalse((self.directory / "squire.yaml").exists())

    def test_a_preset_elsewhere(self):
        """Its directory is made. What is left to fill in is not sent anywhere."""
        config = self.directory / "a" / "my api.yaml"
        said = self.command("init", "--profile", "menu", "--config", str(config)).stdout
        self.assertRegex(said, r"line \d+: headers.Device-UUID is for you to fill in")
        self.assertIn(f"\n  squire login --config '{config}' --email\n  squire run --config '{config}'\n", said)
        self.assertEqual(config.parent.stat().st_mode & 0o777, 0o700)
        self.command("explain", "GET", "/", "--config", str(config))
        for command in (("run",), ("login", "--token", "-")):
            said = self.command(*command, "--config", str(config), input=jwt() + "\n", code=78).stderr
            self.assertRegex(said, r"my api.yaml:\d+: headers.Device-UUID is for you to fill in")

    def test_a_dangling_link_is_not_written_through(self):
        (self.directory / "squire.yaml").symlink_to(self.directory / "elsewhere")
        self.command("init", cwd=self.directory, code=73)
        self.assertFalse((self.directory / "elsewhere").exists())

    def test_what_is_refused(self):
        for arguments, said in (
                (("--upstream", "api.example.com"), "squire: --upstream must be a URL of scheme"),
                (("--profile", "meun"), 'squire: there is no preset "meun": did you mean "menu"?'),
                (("--full", "--schema"), "--full and --schema cannot both be given"),
                (("--full", "--upstream", "https://a.example"), "--full prints, and writes nothing: give it alone")):
            result = self.command("init", *arguments, cwd=self.directory, code=64)
            self.assertIn(said, result.stderr)
        self.assertEqual(list(self.directory.iterdir()), [])

    def test_the_reference_is_a_configuration(self):
        config = self.directory / "full.yaml"
        config.write_text(self.command("init", "--full").stdout)
        said = [self.command("explain", "GET", "/", "--config", str(config)).stdout,
                self.command("explain", "GET", "/", "--upstream", "https://api.example.com", cwd=self.directory).stdout]
        self.assertIn("https://api.example.com", said[0])
        self.assertEqual(*(re.sub(r"squire-\w+|--\S+ \S+", "", text) for text in said))

    def test_the_schema_is_json(self):
        schema = json.loads(self.command("init", "--schema").stdout)
        self.assertFalse(schema["additionalProperties"])
        # A first configuration has a session in which everything is a comment.
        self.assertEqual(schema["properties"]["session"]["anyOf"][1:], [{"enum": ["none"]}, {"type": "null"}])
        self.assertEqual(schema["properties"]["headers"]["anyOf"][1:], [{"type": "null"}])


if __name__ == "__main__":
    main()
