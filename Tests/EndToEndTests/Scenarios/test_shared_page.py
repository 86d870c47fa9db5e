"""What the page on shared sessions shows can be run as it stands there: certificates, members, role, key, configuration, login."""
from etcd import free_ports, is_installed
from harness import *

PAGE = pathlib.Path(__file__).parents[3] / "Sources" / "squire" / "squire.docc" / "SharedSession.md"


@unittest.skipUnless(is_installed(), "etcd is not installed: see config/setup")
class Page(Scenario):
    def setUp(self):
        super().setUp()
        self.api = self.playground()
        ports = free_ports(6)
        self.clients, self.peers = ports[:3], ports[3:]
        (self.directory / "bin").mkdir()
        (self.directory / "bin" / "squire").symlink_to(SQUIRE)
        self.env |= {"PATH": f"{self.directory}/bin:{os.environ['PATH']}", "SQUIRE_LISTEN": "127.0.0.1:0", "SQUIRE_INSPECTOR": "off"}
        # What later blocks go on with.
        self.prelude = []

    def here(self, text):
        """The page's machines are this one."""
        text = text.replace("DNS:etcd-1,DNS:etcd-2,DNS:etcd-3", "DNS:localhost")
        for number in range(3):
            text = text.replace(f"https://etcd-{number + 1}:2379", f"https://localhost:{self.clients[number]}")
            text = text.replace(f"https://etcd-{number + 1}:2380", f"https://localhost:{self.peers[number]}")
        text = text.replace("https://api-public-playground.menu.app", self.api)
        self.assertNotIn("etcd-", text)
        return text

    def member(self, block, number):
        """As the page says: the others are member2 on etcd-2 and member3 on etcd-3."""
        line = re.sub(r"--name member1 --data-dir member1\.etcd", f"--name member{number} --data-dir member{number}.etcd", block)
        line = re.sub(r"(advertise-\S+-urls) https://etcd-1", rf"\1 https://etcd-{number}", line)
        line = line.replace("0.0.0.0:2379", f"127.0.0.1:{self.clients[number - 1]}").replace("0.0.0.0:2380", f"127.0.0.1:{self.peers[number - 1]}")
        log = open(self.directory / f"member{number}.log", "wb")
        self.addCleanup(log.close)
        process = subprocess.Popen(["bash", "-c", "exec " + self.here(line)], cwd=self.directory, stdin=subprocess.DEVNULL,
                                   stdout=log, stderr=log, env=clean_environment(**self.env))
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)

    def shell(self, text, code=0):
        result = subprocess.run(["bash", "-ec", "\n".join([*self.prelude, self.here(text)])], cwd=self.directory, capture_output=True,
                                text=True, env=clean_environment(**self.env), stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(result.returncode, code, f"{text}\n{result.stdout}{result.stderr}")
        self.prelude += re.findall(r"^(?:export .*|umask \d+)$", self.here(text), re.M)
        return result.stdout

    def test_the_page(self):
        blocks = re.findall(r"^```(sh|yaml)\n(.*?)^```$", PAGE.read_text(), re.M | re.S)
        self.assertEqual([kind for kind, _ in blocks].count("yaml"), 1)
        seen, said = set(), {}
        for kind, block in blocks:
            if kind == "yaml":
                (self.directory / "squire.yaml").write_text(self.here(block))
                # A directory's own file is used once it was named.
                self.env["SQUIRE_CONFIG"] = str(self.directory / "squire.yaml")
                continue
            if block.startswith("etcd "):
                for number in (1, 2, 3): self.member(block, number)
                self.until(lambda: all(self.is_open(port) for port in self.clients), "members")
                seen.add("members")
                continue
            if block.startswith("export ETCDCTL"):
                # They elect a leader first.
                self.shell("\n".join(block.splitlines()[:2]) + "\nuntil etcdctl get squire/; do sleep 0.2; done")
            lines = block.splitlines()
            if not all(line.startswith("squire ") for line in lines):
                self.shell(block)
                continue
            for line in lines:
                command = line.split("#")[0].strip()
                seen.add(command)
                if command == "squire run":
                    self.serve()
                else:
                    # Nobody has logged in yet.
                    said[command] = self.shell(command, 77 if command == "squire check --online" else 0)
        self.assertIn("members", seen)
        self.assertEqual(said["squire check --online"].count("reads and writes with a quorum, as user squire"), 3)
        self.assertIn("state       absent", said["squire shared status"])
        self.assertIn("squire run", seen)
        self.assertIn("state       ready", self.shell("squire shared status"))
        self.shell("squire check --online")
        # The key was changed at the end of the page.
        self.assertIn("which seals: 1 of 2", self.shell("squire shared status"))

    def is_open(self, port):
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), LIMIT).close()
            return True
        return False

    def serve(self):
        process = self.run_squire(self.env["SQUIRE_CONFIG"])
        self.assertEqual(self.fetch(process, target="/api/customer-accounts/1").status, 200)


if __name__ == "__main__":
    main()
