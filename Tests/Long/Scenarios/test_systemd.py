"""The units under systemd itself, the machine's and a person's: process 1 of namespaces of its own, over a view of this machine of which
nothing that is written stays, and without a network but its own.

It wants root, systemd, and a kernel that gives such namespaces; else it says so and skips. The cases of `Inside` run in there.
"""
from long import *

ROOT = pathlib.Path(__file__).resolve().parents[3]
SYSTEMD = "/lib/systemd/systemd"
KEY = "0123456789abcdef01234567"
MENU = """profile: menu
upstream: http://127.0.0.1:9000
headers: {Application: a, Api-Version: "1", Device-UUID: "1"}
"""

# What becomes process 1. 77 where this machine does not give what is needed.
BOOT = r"""
set -eu
place=$1
{
    mount --make-rprivate /
    ip link set lo up
    mount -t tmpfs tmpfs "$place/layers"
    for name in etc var usr home root; do
        mkdir "$place/layers/$name" "$place/layers/$name.work"
        mount -t overlay overlay -o "lowerdir=/$name,upperdir=$place/layers/$name,workdir=$place/layers/$name.work" "/$name"
    done
    # Its own branch, and no controller.
    mount -t tmpfs tmpfs /sys/fs/cgroup
    umount -l /sys/fs/cgroup
    mount -t cgroup2 cgroup2 /sys/fs/cgroup
    mount -t tmpfs tmpfs /run
} || exit 77
# Nothing of this machine's starts.
for wants in /usr/lib/systemd/system/*.wants; do mount -t tmpfs tmpfs "$wants"; done
rm -rf /etc/systemd/system /etc/systemd/user
mkdir -p /etc/systemd/system
# As the package puts them there.
cp "$SQUIRE_BINARY" /usr/bin/squire
cp "$ROOT"/config/units/system/* /usr/lib/systemd/system/
cp "$ROOT"/config/units/user/* /usr/lib/systemd/user/
mkdir -p /usr/lib/sysusers.d
cp "$ROOT"/config/units/sysusers.d/* /usr/lib/sysusers.d/
systemd-sysusers squire.conf 2>/dev/null
useradd --create-home --uid 12345 person
cp "$place"/*.service "$place"/*.target /etc/systemd/system/
container=other exec /lib/systemd/systemd --unit=try.target --log-target=null --show-status=no
"""

UNITS = {
    "try.target": "[Unit]\nWants=playground.service systemd-journald.service try.service\n",
    "playground.service": "[Service]\nDynamicUser=yes\nExecStart=/usr/bin/squire playground --listen 127.0.0.1:9000\n",
    "person.service": "[Service]\nType=notify\nUser=person\nDelegate=yes\nKillMode=mixed\nRuntimeDirectory=person\nRuntimeDirectoryMode=0700\n"
                      f"Environment=XDG_RUNTIME_DIR=/run/person\nExecStart={SYSTEMD} --user\n",
    "try.service": "[Unit]\nAfter=playground.service systemd-journald.service\nSuccessAction=exit-force\nFailureAction=exit-force\n"
                   "[Service]\nType=oneshot\nTimeoutStartSec=100\nStandardOutput=append:{out}\nStandardError=append:{out}\nWorkingDirectory={here}\n"
                   "Environment=SQUIRE_INSIDE=1 PYTHONDONTWRITEBYTECODE=1 SQUIRE_BINARY=/usr/bin/squire\n"
                   "ExecStart={python} -W ignore -m unittest -v test_systemd\n",
}


@unittest.skipIf(os.environ.get("SQUIRE_INSIDE"), "this is the inside")
class Systemd(Scenario):
    def test_the_units_run(self):
        if os.geteuid() != 0 or not os.path.exists(SYSTEMD): self.skipTest("it wants root, and systemd")
        (self.directory / "layers").mkdir()
        out = self.directory / "out"
        out.write_text("")
        for name, text in UNITS.items():
            values = {"{out}": out, "{here}": HERE, "{python}": sys.executable}
            for word, value in values.items(): text = text.replace(word, str(value))
            (self.directory / name).write_text(text)
        (self.directory / "boot").write_text(BOOT)
        branch = self.branch()
        enter = 'echo $$ > "$1/cgroup.procs"; shift; exec "$@"'
        unshare = ["unshare", "--mount", "--pid", "--net", "--cgroup", "--ipc", "--uts", "--fork", "--mount-proc", "--kill-child"]
        result = subprocess.run(["sh", "-c", enter, "sh", branch, *unshare, "sh", str(self.directory / "boot"), str(self.directory)], timeout=150,
                                capture_output=True, text=True, env={**os.environ, "ROOT": str(ROOT), "SQUIRE_BINARY": SQUIRE})
        if result.returncode == 77: self.skipTest(f"this machine gives no such namespaces: {result.stderr}")
        said = out.read_text()
        self.assertRegex(said, r"\nOK( \(skipped=1\))?\n$", result.stderr)

    def branch(self):
        """A control group of its own; removed with all that systemd made below."""
        mounts = [line.split() for line in pathlib.Path("/proc/self/mounts").read_text().splitlines()]
        tops = [fields[1] for fields in mounts if fields[2] == "cgroup2"]
        if not tops: self.skipTest("there are no control groups (cgroup2)")
        branch = os.path.join(tops[0], f"squire-test-{os.getpid()}")
        os.mkdir(branch)

        def remove():
            for path, _, _ in os.walk(branch, topdown=False):
                self.until(lambda: not pathlib.Path(path, "cgroup.procs").read_text(), "a process is left")
                os.rmdir(path)
        self.addCleanup(remove)
        return branch


def run(*words, code=0, **options):
    result = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT, **options)
    if result.returncode != code: raise AssertionError(f"{words} ends with {result.returncode}: {result.stdout}{result.stderr}")
    return result.stdout


@unittest.skipUnless(os.environ.get("SQUIRE_INSIDE"), "this is the outside")
class Inside(unittest.TestCase):
    maxDiff = None
    until = Scenario.until
    PERSON = ("runuser", "-u", "person", "--", "env", "HOME=/home/person", "XDG_RUNTIME_DIR=/run/person")

    def systemctl(self, *words, code=0):
        return run(*self.manager, *words, code=code)

    def property(self, name, unit="squire@api.service"):
        return self.systemctl("show", "-P", name, unit).strip()

    def ask(self, target="/api/customer-accounts/me", address=8080, method="GET", body=None, key=KEY):
        """The status."""
        connection = http.client.HTTPConnection("127.0.0.1", address if isinstance(address, int) else 80, timeout=LIMIT)
        if isinstance(address, str):
            connection.sock = socket.socket(socket.AF_UNIX)
            connection.sock.connect(address)
        connection.request(method, target, body, {"Host": "localhost", **({"X-Squire-Key": key} if key else {})})
        response = connection.getresponse()
        response.read()
        connection.close()
        return response.status

    def configured(self, path, text, owner, group=None):
        path = pathlib.Path(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        shutil.chown(path, owner, group or owner)
        path.chmod(0o640)
        return path

    def test_the_machines(self):
        self.manager = ("systemctl",)
        config = self.configured("/etc/squire/api.yaml", MENU + "listen: localhost:8080\naccess: {same-user: false, key: api.key}\n", "root", "squire")
        self.configured("/etc/squire/api.key", KEY, "squire").chmod(0o400)
        limit = pathlib.Path("/etc/systemd/system/squire@.service.d/limit.conf")
        limit.parent.mkdir()
        limit.write_text("[Service]\nTimeoutStopSec=2\n")
        self.systemctl("daemon-reload")

        # It is ready when it says so, and says how it goes.
        self.systemctl("start", "squire@api")
        self.assertIn("nobody is logged in", self.property("StatusText"))
        run("runuser", "-u", "squire", "--", "env", "HOME=/var/lib/squire", "squire", "login", "--config", config, "--email", "john.doe@example.com", "--code", "1234")
        self.until(lambda: "the session is usable" in self.property("StatusText"), "the login is not seen")
        self.assertEqual((self.ask(), self.ask(key=None)), (200, 403))
        self.assertEqual((self.ask("/playground/revoke", method="POST"), self.ask()), (200, 200))
        # A body that is kept in a file.
        self.assertEqual(self.ask("/playground/revoke", method="POST"), 200)
        self.assertEqual(self.ask("/api/orders", method="PUT", body=b"x" * 3_000_000) // 100, 4)
        status = pathlib.Path(f"/proc/{self.property('MainPID')}/status").read_text()
        for line in ("CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"): self.assertIn(line, status)

        # A reload, with a mistake and without one.
        text = config.read_text()
        config.write_text(text + "nonsense: 1\n")
        self.systemctl("reload", "squire@api")
        self.until(lambda: "the last reload was refused" in self.property("StatusText"), "a refused reload is not said")
        config.write_text(text)
        self.systemctl("reload", "squire@api")
        self.until(lambda: "refused" not in self.property("StatusText"), "a reload is not said")
        self.assertEqual(self.property("ActiveState"), "active")

        # A stop takes what it needs, whatever TimeoutStopSec says.
        status = []
        streaming = threading.Thread(target=lambda: status.append(self.ask("/playground/stream/5")))
        streaming.start()
        self.until(lambda: "squire_client_connections 1" in run("curl", "-sS", "-H", f"X-Squire-Key: {KEY}", "http://127.0.0.1:8081/metrics"), "no stream")
        self.systemctl("stop", "squire@api")
        streaming.join()
        self.assertEqual((status, self.property("Result")), ([200], "success"))

        # What another start does not mend is not tried again, a crash is.
        self.systemctl("start", "squire@api")
        before = self.property("MainPID")
        os.kill(int(before), signal.SIGKILL)
        self.until(lambda: self.property("ActiveState") == "active" and self.property("MainPID") not in ("0", before), "it does not come again")
        self.systemctl("stop", "squire@api")
        config.write_text(text + "nonsense: 1\n")
        self.systemctl("start", "squire@api", code=1)
        self.assertEqual((self.property("ActiveState"), self.property("ExecMainStatus"), self.property("NRestarts")), ("failed", "78", "0"))
        config.write_text(text)

        # The journal knows how grave each line is.
        lines = [json.loads(line) for line in run("journalctl", "-u", "squire@api", "-o", "json").splitlines()]
        found = {(line["PRIORITY"], line["MESSAGE"].split()[0]) for line in lines if line.get("_COMM") == "squire"}
        for grave in (("5", "notice"), ("6", "info"), ("3", "error"), ("4", "warning"), ("3", "/etc/squire/api.yaml:6:")): self.assertIn(grave, found)

        # systemd's own socket: for the group, who show the key.
        self.systemctl("reset-failed", "squire@api")
        self.systemctl("start", "squire@api.socket")
        path = "/run/squire/api.sock"
        self.assertEqual((self.ask(address=path), self.ask(address=path, key=None)), (200, 403))
        self.assertIn(f"unix:{path} -> ", self.property("StatusText"))
        self.systemctl("restart", "squire@api")
        self.assertEqual(self.ask(address=path), 200)
        self.systemctl("stop", "squire@api.socket", "squire@api")
        self.assertFalse(os.path.exists(path))

    def test_a_persons(self):
        run("systemctl", "start", "person")
        self.manager = (*self.PERSON, "systemctl", "--user")
        run(*self.PERSON, "mkdir", "-p", "/home/person/.config/squire")
        config = self.configured("/home/person/.config/squire/api.yaml", MENU + "listen: localhost:8090\ninspector: 127.0.0.1:8091\n", "person")
        run(*self.PERSON, "squire", "login", "--config", config, "--email", "john.doe@example.com", "--code", "1234")
        self.systemctl("start", "squire@api")
        self.assertIn("the session is usable", self.property("StatusText"))
        fetch = ("curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}")
        url = "http://localhost:8090/api/customer-accounts/me"
        self.assertEqual(run(*self.PERSON, *fetch, url), "200")
        self.assertEqual(run("runuser", "-u", "squire", "--", *fetch, url), "403")
        self.systemctl("reload", "squire@api")
        self.assertIn("nothing changed", run(*self.PERSON, "squire", "reload", "--config", config))
        self.systemctl("stop", "squire@api")
        self.systemctl("start", "squire@api.socket")
        self.assertEqual(run(*self.PERSON, *fetch, "--unix-socket", "/run/person/squire/api.sock", "http://localhost/api/customer-accounts/me"), "200")
        self.assertEqual(oct(os.stat("/run/person/squire/api.sock").st_mode & 0o777), "0o600")
        self.systemctl("stop", "squire@api.socket", "squire@api")


if __name__ == "__main__":
    main()
