"""Short calls to an upstream that is far away: a script's `curl` after `curl`, direct and through Squire.

The distance is 20 ms each way between two network namespaces of the benchmark's own: tc-netem(8) where the kernel has it, else a
wire made of two TUN devices and a process that holds every packet back.
"""
import ctypes, fcntl, heapq, os, select, struct, subprocess, sys, time

from rig import Failure, Rig, figure, free_port, needs

CALLS = 50
ONE_WAY_MS = 20
NEAR, FAR = "10.213.0.1", "10.213.0.2"


def ip(*arguments, must=True):
    result = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if must and result.returncode != 0:
        raise Failure(f"ip {' '.join(arguments)}: {result.stderr.strip()}")
    return result.returncode == 0


class Distance:
    """Two namespaces, `near` and `far`, and the wire between them."""

    def __init__(self, rig):
        self.rig = rig
        self.near, self.far = (f"squire-{name}-{os.getpid()}" for name in ("near", "far"))

    def __enter__(self):
        for name in (self.near, self.far):
            ip("netns", "add", name)
            ip("-n", name, "link", "set", "lo", "up")
        self.kind = "tc netem" if self.netem() else self.wire()
        return self

    def __exit__(self, *_):
        for name in (self.near, self.far):
            ip("netns", "del", name, must=False)

    def netem(self):
        ip("-n", self.near, "link", "add", "wire", "type", "veth", "peer", "name", "wire", "netns", self.far)
        for name, address in ((self.near, NEAR), (self.far, FAR)):
            delayed = subprocess.run(["tc", "-n", name, "qdisc", "add", "dev", "wire", "root", "netem", "delay", f"{ONE_WAY_MS}ms"],
                                     capture_output=True).returncode == 0
            if not delayed:
                ip("-n", self.near, "link", "del", "wire")
                return False
            self.set_up(name, address)
        return True

    def wire(self):
        command = [sys.executable, __file__]
        self.rig.start("wire", [*command, self.near, self.far], prefix=[])
        deadline = time.monotonic() + 10
        while not all(ip("-n", name, "link", "show", "wire", must=False) for name in (self.near, self.far)):
            if time.monotonic() > deadline:
                raise Failure(f"no wire: {self.rig.log('wire')}")
            time.sleep(0.01)
        self.set_up(self.near, NEAR)
        self.set_up(self.far, FAR)
        return "a wire of TUN devices"

    @staticmethod
    def set_up(name, address):
        ip("-n", name, "address", "add", f"{address}/24", "dev", "wire")
        ip("-n", name, "link", "set", "wire", "up")

    def inside(self, name):
        return ["ip", "netns", "exec", name]


def carry(near, far):
    """The wire: takes packets from either device and gives them to the other one later."""
    libc = ctypes.CDLL(None)
    devices = []
    for name in (near, far):
        with open(f"/run/netns/{name}") as namespace:
            if libc.setns(namespace.fileno(), 0) != 0:
                raise OSError(f"no way into {name}")
        device = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        # TUNSETIFF: IFF_TUN, IFF_NO_PI.
        fcntl.ioctl(device, 0x400454CA, struct.pack("16sH22x", b"wire", 0x1001))
        devices.append(device)
    held, count = [], 0
    poll = select.epoll()
    for device in devices:
        poll.register(device, select.EPOLLIN)
    while True:
        now = time.monotonic()
        while held and held[0][0] <= now:
            _, _, device, packet = heapq.heappop(held)
            try:
                os.write(device, packet)
            except OSError:
                pass
        # epoll waits in whole milliseconds: the last one is spent looking.
        wait = -1 if not held else max(0, held[0][0] - now - 0.001)
        for device, _ in poll.poll(wait):
            other = devices[1] if device == devices[0] else devices[0]
            try:
                while True:
                    packet = os.read(device, 65536)
                    count += 1
                    heapq.heappush(held, (time.monotonic() + ONE_WAY_MS / 1e3, count, other, packet))
            except BlockingIOError:
                pass


def distance(options):
    """50 curl calls one after the other to a TLS upstream 40 ms away, direct against through Squire"""
    needs("ip", "curl")
    if os.geteuid() != 0:
        raise Failure("network namespaces need root")
    with Rig(options.squire) as rig, Distance(rig) as far:
        rig.upstream(address=FAR, names=f"DNS:localhost,IP:{FAR}", prefix=far.inside(far.far))
        port = free_port()
        config = rig.configure(f"https://{FAR}:{rig.secure}", port)
        rig.start("squire", [rig.squire, "run", "--config", config, "--log-level", "warning"], prefix=far.inside(far.near))

        def calls(*arguments):
            command = [*far.inside(far.near), "curl", "-s", "-m", "10", "-o", "/dev/null", "-w", "%{http_code}", *arguments]
            started = time.perf_counter()
            for _ in range(CALLS):
                if subprocess.run(command, capture_output=True, text=True).stdout != "200":
                    raise Failure("a call was not answered well")
            return time.perf_counter() - started

        fields = [part for name, value in {"Authorization": f"Bearer {rig.token}"}.items() for part in ("-H", f"{name}: {value}")]
        wait = [*far.inside(far.near), "curl", "-s", "-o", "/dev/null", "--retry", "50", "--retry-connrefused", "--retry-delay", "0"]
        subprocess.run([*wait, "--retry-all-errors", f"http://127.0.0.1:{port}/api/x"], check=True)
        subprocess.run([*wait, "--retry-all-errors", "-k", f"https://{FAR}:{rig.secure}/api/x"], check=True)
        direct = calls("--cacert", rig.path("cert.pem"), *fields, f"https://{FAR}:{rig.secure}/api/x")
        through = calls(f"http://127.0.0.1:{port}/api/x")
        figure(f"{CALLS} curl calls, direct over through Squire", direct / through, "times", 2.3,
               f"{direct:.2f} s against {through:.2f} s; {2 * ONE_WAY_MS} ms by {far.kind}", at_least=True)


if __name__ == "__main__":
    carry(*sys.argv[1:])
