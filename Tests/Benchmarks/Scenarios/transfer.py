"""Large bodies through TLS: CPU per GiB against nginx without buffering, and memory on the way."""
import socket, ssl, subprocess, sys, threading, time

import peers
from rig import Failure, Rig, accepts, cpu_seconds, figure, free_port, median, needs, resident_kib

AGAINST_NGINX = 1.10
# How much the resident memory may grow while a body of any size passes: its windows, TLS records, nothing of its size.
GROWTH_MIB = 4.0


def sink(port, certificate, key):
    """An upstream that takes any body and says 200. A process of its own: its CPU time is not looked at."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    listener = socket.create_server(("127.0.0.1", port), backlog=64)

    def serve(connection):
        buffer = bytearray(1 << 20)
        with context.wrap_socket(connection, server_side=True) as stream:
            while True:
                head = b""
                while b"\r\n\r\n" not in head:
                    part = stream.recv(65536)
                    if not part:
                        return
                    head += part
                head, _, body = head.partition(b"\r\n\r\n")
                fields = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:])
                if b"expect" in fields:
                    stream.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
                remaining = int(fields.get(b"content-length", 0)) - len(body)
                while remaining > 0:
                    count = stream.recv_into(buffer)
                    if not count:
                        return
                    remaining -= count
                stream.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")

    while True:
        threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()


def watched(rig, name, command):
    """Runs curl: CPU seconds and the largest resident memory of the proxy meanwhile."""
    pid = rig.processes[name].pid
    before, largest = cpu_seconds(pid), 0
    client = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    while client.poll() is None:
        largest = max(largest, resident_kib(pid))
        time.sleep(0.02)
    status = client.stdout.read()
    client.stdout.close()
    if client.returncode != 0 or not status.startswith("200"):
        raise Failure(f"{name}: curl ended with {client.returncode}, status {status}")
    return cpu_seconds(pid) - before, largest / 1024


def run(options, what, command, small):
    """`command(port)` moves 1 GiB times `options.gibibytes`; `small(port)` a little, to begin with."""
    needs("curl")
    with Rig(options.squire) as rig:
        size = int(options.gibibytes * (1 << 30))
        with open(rig.path("large"), "wb") as file:
            file.truncate(size)
        with open(rig.path("small"), "wb") as file:
            file.truncate(1 << 20)
        if what == "upload":
            rig.certificate()
            rig.start("sink", [sys.executable, __file__, str(rig.secure), rig.path("cert.pem"), rig.path("key.pem")])
        else:
            rig.upstream(f"root {rig.directory}; location = /large {{ }} location = /small {{ }}")
        ports = {"nginx": free_port(), "squire": free_port()}
        peers.start(rig, "nginx", ports["nginx"], tls=True, large=True)
        rig.start_squire(ports["squire"], tls=True)
        for port in (rig.secure, *ports.values()):
            accepts(port)
        rows, idle = {name: [] for name in ports}, {}
        for name, port in ports.items():
            watched(rig, name, small(rig, port))
            idle[name] = resident_kib(rig.processes[name].pid) / 1024
        for _ in range(options.rounds):
            for name, port in ports.items():
                cpu, largest = watched(rig, name, command(rig, port))
                rows[name].append((cpu / options.gibibytes, largest - idle[name]))
    ratios = [ours[0] / theirs[0] for ours, theirs in zip(rows["squire"], rows["nginx"])]
    ours, theirs = (median(r[0] for r in rows[name]) for name in ("squire", "nginx"))
    figure(f"{what} through TLS, CPU per GiB against nginx", median(ratios), "", AGAINST_NGINX, f"{ours:.2f} against {theirs:.2f} s, "
           f"{min(ratios):.2f} to {max(ratios):.2f} in {len(ratios)} rounds of {options.gibibytes:g} GiB")
    grown = [max(r[1] for r in rows[name]) for name in ("squire", "nginx")]
    figure(f"{what} through TLS, most that resident memory grew", grown[0], "MiB", GROWTH_MIB, f"nginx {grown[1]:.1f} MiB")


CURL = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-m", "300"]


def download(options):
    """1 GiB from a TLS upstream: CPU per GiB against nginx, memory"""
    get = lambda file: lambda rig, port: [*CURL, f"http://127.0.0.1:{port}/{file}"]
    run(options, "download", get("large"), get("small"))


def upload(options):
    """1 GiB to a TLS upstream: CPU per GiB against nginx, memory"""
    put = lambda file: lambda rig, port: [*CURL, "-T", rig.path(file), f"http://127.0.0.1:{port}/sink"]
    run(options, "upload", put("large"), put("small"))


if __name__ == "__main__":
    sink(int(sys.argv[1]), *sys.argv[2:])
