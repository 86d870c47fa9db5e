"""What the pages say of commands, options and exit codes is what the program has."""
from harness import *

ROOT = pathlib.Path(__file__).parents[3]
COMMANDS = ROOT / "Sources/squire/squire.docc/Commands.md"
# Every command has these, and no table; the last one is not in the dump.
COMMON = {"--help", "--version", "--generate-completion-script"}


def tree(node, path=()):
    """The commands below `node`, which --experimental-dump-help gives, by their words."""
    yield path, node
    for child in node.get("subcommands", ()):
        if child["commandName"] != "help":
            yield from tree(child, (*path, child["commandName"]))


def options(node):
    """Each option's first long name, and what says so besides."""
    result = {}
    for argument in node.get("arguments", ()):
        if argument["kind"] == "positional" or not argument.get("shouldDisplay", True): continue
        names = [("--" if name["kind"].startswith("long") else "-") + name["name"] for name in argument["names"]]
        result[next(name for name in names if name.startswith("--"))] = names
    return result


def rows(text):
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line.startswith("| `")]


class Pages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        dump = subprocess.run([SQUIRE, "--experimental-dump-help"], capture_output=True, text=True, env=clean_environment(), check=True)
        cls.commands = dict(tree(json.loads(dump.stdout)["command"]))

    def section(self, heading):
        found = re.search(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", COMMANDS.read_text(), re.M | re.S)
        self.assertIsNotNone(found, heading)
        return found[1]

    def test_every_command_and_option(self):
        shared = set(options(self.commands["run",])) - COMMON - {"--config"}
        listed = {re.search(r"--[a-z-]+", row[0])[0] for row in rows(self.section("Options of run, exec, demo and explain"))}
        self.assertEqual(listed, shared)
        named = {}
        for row in rows(self.section("The commands")):
            words = re.match(r"`squire ([a-z]+(?: (?:key|status|reset|reseal))?)", row[0])[1]
            named[tuple(words.split())] = set(re.findall(r"--[a-z-]+", row[1]))
        leaves = {path: node for path, node in self.commands.items() if not node.get("subcommands")}
        self.assertEqual(set(named), set(leaves))
        for path, node in leaves.items():
            own = set(options(node)) - COMMON
            if shared <= own: own -= shared
            self.assertEqual(named[path], own, path)

    def test_every_exit_code(self):
        help = " ".join(subprocess.run([SQUIRE, "--help"], capture_output=True, text=True, env=clean_environment(), check=True).stdout.split())
        codes = re.findall(r"(\d+) ((?:[^,()]|\([^)]*\))+)[,.]", help[help.index("Exit codes:"):].split(". ")[0] + ".")
        self.assertGreater(len(codes), 7)
        listed = [(row[0].strip("`"), row[1]) for row in rows(self.section("Exit codes"))]
        self.assertEqual([row for row in listed if row[0] in dict(codes)], codes)
        # Codes that only some commands end with.
        self.assertEqual([row[0] for row in listed if row[0] not in dict(codes)], ["1", "126", "127", "128 + N"])

    def test_configurations_on_pages_are_ones(self):
        with tempfile.TemporaryDirectory() as home:
            secret = pathlib.Path(home, ".config/squire/example.secret")
            secret.parent.mkdir(parents=True)
            secret.write_text("s3cret")
            secret.chmod(0o600)
            key = pathlib.Path(home, "squire.key")
            key.write_text("0123456789abcdef0123")
            key.chmod(0o600)
            file, seen = pathlib.Path(home, "configuration.yaml"), 0
            for page in [ROOT / "README.md", *ROOT.glob("Sources/*/*.docc/*.md")]:
                # That page's is run as a whole, with its files.
                if page.name == "SharedSession.md": continue
                for block in re.findall(r"^```yaml\n(.*?)^```$", page.read_text(), re.M | re.S):
                    if not re.search(r"^(upstream|profile):", block, re.M): continue
                    # What an orchestrator brings.
                    file.write_text(block.replace("/run/secrets/", f"{home}/"))
                    result = subprocess.run([SQUIRE, "check", "--config", file], capture_output=True, text=True, timeout=LIMIT,
                                            env=clean_environment(HOME=home, XDG_STATE_HOME=f"{home}/state", SLACK_SECRET="s3cret"))
                    self.assertEqual(result.returncode, 0, f"{page.name}: {block}{result.stdout}{result.stderr}")
                    seen += 1
            self.assertGreater(seen, 3)

    def test_lines_on_pages_are_commands(self):
        pages = [ROOT / "README.md", *ROOT.glob("Sources/*/*.docc/*.md")]
        lines = [line for page in pages for block in re.findall(r"^```sh\n(.*?)^```$", page.read_text(), re.M | re.S) for line in block.splitlines()]
        texts = [text for page in pages for text in re.findall(r"`(squire [^`\n]+)`", page.read_text())]
        seen = 0
        for line in lines + texts:
            for words in re.findall(r"(?:^|\$\(|[;&|] )squire ([^|;)#]*)", line.split("  #")[0]):
                # What a command runs is its own affair.
                words = words.split(" -- ")[0].split()
                path = tuple(words[:1]) if tuple(words[:2]) not in self.commands else tuple(words[:2])
                if path and path[0].startswith("-"): path = ()
                # It stands for any.
                if path == ("COMMAND",): continue
                self.assertTrue(path in self.commands, f"{path}: {line}")
                known = COMMON | {name for names in options(self.commands[path]).values() for name in names}
                for word in words[len(path):]:
                    if re.match(r"--[a-z]", word): self.assertIn(word.split("=")[0], known, line)
                seen += 1
        self.assertGreater(seen, 40)


if __name__ == "__main__":
    main()
