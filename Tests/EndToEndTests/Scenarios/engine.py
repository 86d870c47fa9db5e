"""etcd, as a fleet of the tests lives through it: snapshots and their return, members that come and go, and what it has seen."""
from etcd import Etcd, PREFIX, ROOT, USER, is_installed
from harness import *
import urllib.request


class Engine(Etcd):
    """What etcd is made to go through, and what it knows."""

    @property
    def who(self):
        return ROOT if self.has_role else None

    def at(self, number, *arguments):
        """etcdctl, asking one member."""
        return self.ctl(*arguments, user=self.who, urls=[self.urls[number]])

    def is_up(self, number):
        return self.processes[number].poll() is None

    def restart(self, number):
        self.kill(number)
        self.start(number)
        self.wait()

    def save_snapshot(self, number=0):
        """The file."""
        path = self.file(f"snapshot-{time.monotonic_ns()}")
        self.at(number, "snapshot", "save", path)
        return path

    def restore_snapshot(self, path):
        """All members begin again with what was in the file."""
        for number in range(len(self.urls)):
            if self.is_up(number): self.kill(number)
            shutil.rmtree(self.file(f"member{number}"))
        peers = [f"{self.scheme}://127.0.0.1:{port}" for port in self.peers]
        for number in range(len(self.urls)):
            subprocess.run(["etcdctl", "snapshot", "restore", path, "--data-dir", self.file(f"member{number}"), "--name", f"member{number}",
                            "--initial-cluster", ",".join(f"member{n}={url}" for n, url in enumerate(peers)),
                            "--initial-advertise-peer-urls", peers[number]], check=True, capture_output=True, env={**os.environ, "ETCDCTL_API": "3"})
            self.start(number)
        self.wait()

    def empty(self):
        self.root("del", PREFIX, "--prefix")

    def raise_alarm(self):
        """As a member does whose database is full. Without authentication."""
        body = json.dumps({"action": "ACTIVATE", "alarm": "NOSPACE", "memberID": "1"}).encode()
        urllib.request.urlopen(urllib.request.Request(f"{self.urls[0]}/v3/maintenance/alarm", body), timeout=5).read()

    def record(self, name):
        """What the engine has under that name; None without anything."""
        text = self.root("get", f"{PREFIX}v1/session/{name}", "--print-value-only").strip()
        return json.loads(text) if text else None

    def get(self, path, port):
        """What a member says at that port, or what went wrong."""
        if self.scheme == "https":
            context = ssl.create_default_context(cafile=self.file("ca.pem"))
            context.load_cert_chain(self.file("nocn.pem"), self.file("nocn.key"))
            connection = http.client.HTTPSConnection("127.0.0.1", port, timeout=3, context=context)
        else: connection = http.client.HTTPConnection("127.0.0.1", port, timeout=3)
        try:
            connection.request("GET", path)
            return connection.getresponse().read().decode()
        except (OSError, http.client.HTTPException) as error: return repr(error)
        finally: connection.close()

    def metric(self, name, **labels):
        """The sum over the members that serve, since each started."""
        lines = [line for number, port in enumerate(self.clients) if self.is_up(number) for line in self.get("/metrics", port).splitlines()]
        return sum(float(line.rsplit(" ", 1)[1]) for line in lines
                   if line.startswith(name) and all(f'{label}="{value}"' in line for label, value in labels.items()))

    def authentications(self):
        return self.metric("grpc_server_started_total{", grpc_method="Authenticate")

    def cpu_seconds(self):
        ticks = os.sysconf("SC_CLK_TCK")
        fields = [pathlib.Path(f"/proc/{process.pid}/stat").read_text().rsplit(")", 1)[1].split() for process in self.processes if process.poll() is None]
        return sum(int(field[11]) + int(field[12]) for field in fields) / ticks

    def files(self):
        """All that the members have written: database, log ahead of it, snapshots, logs."""
        return [path for path in pathlib.Path(self.directory).rglob("*") if path.is_file()]
