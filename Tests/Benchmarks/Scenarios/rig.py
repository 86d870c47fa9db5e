"""What the benchmarks share: a directory of their own, an upstream, Squire and its peers as processes, and what the kernel says
that those cost.

The upstream is nginx on loopback, plain and TLS. Everything listens on 127.0.0.1 and ends with the benchmark. Standard library only.
"""
import base64, contextlib, json, os, pathlib, re, shutil, signal, socket, statistics, subprocess, sys, tempfile, time

ROOT = pathlib.Path(__file__).resolve().parents[3]
HEADERS = {"Application": "f3a90488ffee32c3acb6fcd0ca417cf6", "Api-Version": "4.38.0", "Device-UUID": "1287796"}
# An answer of the customer API: 0.5 KB.
BODY = json.dumps({"status": "OK", "code": 200, "data": {"customer_account": {
    "id": "8100bab1-267e-41ae-8592-c229253b0129", "type_id": 1, "reference_type": "CustomerAccount", "first_name": "John",
    "last_name": "Doe", "email": "john.doe@example.com", "phone_number": "+15550100", "locale": "en-US", "state": 1,
    "demographics": [], "optin_status_email": 3, "optin_status_pn": 3, "has_pending_email_change": False,
    "has_pending_phone_number_change": False, "is_social": False, "social_login": None,
    "updated_at": "2023-08-28 07:29:58", "created_at": "2023-08-25 12:10:33"}}}, separators=(",", ":"))
# What a mobile app sends, beside Host.
CLIENT_FIELDS = {"User-Agent": "MenuApp/5.1 (Android 13; Pixel 7)", "Accept": "application/json", "Accept-Encoding": "gzip",
                 "Content-Type": "application/json", "X-Request-ID": "69da3547-204b-4093-a225-54e084c24215",
                 "X-QB-Enabled": "true"}
# Of a token of the customer API, in bytes.
TOKEN_LENGTH = 449


class Failure(Exception):
    """The benchmark could not be run; the text says why."""


def needs(*commands):
    packages = {"ip": "iproute2", "nginx": "nginx-light", "objcopy": "binutils", "cc": "gcc"}
    missing = [packages.get(c, c) for c in commands if not shutil.which(c)]
    if missing:
        raise Failure(f"this needs {', '.join(missing)}: apt-get install -y {' '.join(missing)}")


def token(signature="c2lnbmF0dXJl", life=3600):
    """A token of the API's form and length; nobody checks its signature."""
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    now = int(time.time())
    claims = {"iss": "https://api-public-playground.menu.app/api/customers/login", "iat": now, "exp": now + life, "nbf": now,
              "jti": "eCT4iYqVJLafvSHa", "sub": "5090976", "application_id": 2144, "session_id": 28350, "prv": ""}
    while True:
        text = ".".join((encode(b'{"typ":"JWT","alg":"HS256"}'), encode(json.dumps(claims, separators=(",", ":")).encode()), signature))
        if len(text) >= TOKEN_LENGTH:
            return text
        claims["prv"] += "c"


given_ports = set()


def free_port():
    """A port that nothing listens on, and that was not given before: who got it may not listen yet."""
    while True:
        with socket.socket() as s:
            s.bind(("127.0.0.1", 0))
            port = s.getsockname()[1]
        if port not in given_ports:
            given_ports.add(port)
            return port


def descendants(pid):
    found, todo = [], [pid]
    while todo:
        found.append(todo.pop())
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{found[-1]}/task"):
                todo += [int(c) for c in pathlib.Path(f"/proc/{found[-1]}/task/{task}/children").read_text().split()]
    return found


def cpu_seconds(pid):
    """What the process and its children ran so far: user and system, in nanoseconds' steps where the kernel counts them."""
    total = 0.0
    for process in descendants(pid):
        with contextlib.suppress(OSError):
            for task in os.listdir(f"/proc/{process}/task"):
                total += int(pathlib.Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0]) / 1e9
    return total


def resident_kib(pid):
    total = 0
    for process in descendants(pid):
        with contextlib.suppress(OSError):
            match = re.search(r"VmRSS:\s*(\d+)", pathlib.Path(f"/proc/{process}/status").read_text())
            total += int(match.group(1)) if match else 0
    return total


class Rig:
    """The processes of one benchmark. Use it with `with`."""

    def __init__(self, squire, prefix=()):
        self.squire, self.prefix = str(squire), list(prefix)
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="squire-bench-"))
        self.processes, self.token = {}, token()
        self.plain, self.secure = free_port(), free_port()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in self.processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self.processes.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(5)
            if process.poll() is None:
                process.kill()
            if process.stdout:
                process.stdout.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def path(self, name):
        return str(self.directory / name)

    def write(self, name, text):
        pathlib.Path(self.path(name)).write_text(text)
        return self.path(name)

    def environment(self, **extra):
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SQUIRE_") and "proxy" not in k.lower()}
        return {**kept, "HOME": str(self.directory), **extra}

    def start(self, name, command, prefix=None, **extra):
        with open(self.path(name + ".log"), "wb") as log:
            self.processes[name] = subprocess.Popen([*(self.prefix if prefix is None else prefix), *command], stdout=log, stderr=log,
                                                    stdin=subprocess.DEVNULL, env=self.environment(**extra))
        return self.processes[name].pid

    def end(self, name):
        process = self.processes.pop(name)
        process.terminate()
        process.wait(10)

    def log(self, name):
        return pathlib.Path(self.path(name + ".log")).read_text(errors="replace")

    # The upstream.

    def certificate(self, names="DNS:localhost,IP:127.0.0.1"):
        needs("openssl")
        if not os.path.exists(self.path("cert.pem")):
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout",
                            self.path("key.pem"), "-out", self.path("cert.pem"), "-days", "30", "-subj", "/CN=localhost", "-addext",
                            f"subjectAltName={names}"], check=True, capture_output=True)
        return f"ssl_protocols TLSv1.2 TLSv1.3; ssl_certificate {self.path('cert.pem')}; ssl_certificate_key {self.path('key.pem')};"

    def nginx(self, name, inside, prefix=None):
        needs("nginx")
        temporary = "".join(f"{kind}_temp_path {self.path(f'{name}-{kind}')};" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
        return self.start(name, ["nginx", "-c", self.write(name + ".conf", f"""
user root; worker_processes 1; daemon off; pid {self.path(name + '.pid')}; error_log {self.path(name + '.err')};
events {{ worker_connections 16384; }}
http {{ {'' if 'access_log' in inside else 'access_log off;'} keepalive_requests 1000000000; keepalive_timeout 600; {temporary}
 {inside} }}""")], prefix)

    def upstream(self, locations="", address="127.0.0.1", names="DNS:localhost,IP:127.0.0.1", prefix=None):
        """nginx, which answers everything with the same 0.5 KB, beside `locations`."""
        self.nginx("upstream", f"""server {{ listen {address}:{self.plain} backlog=4096; listen {address}:{self.secure} ssl;
  {self.certificate(names)} {locations}
  location / {{ default_type application/json; return 200 '{BODY}'; }} }}""", prefix)

    def origin(self, tls):
        return f"https://localhost:{self.secure}" if tls else f"http://127.0.0.1:{self.plain}"

    # Squire.

    def configure(self, origin, port, extra="", session="", profile=""):
        headers = "".join(f'  {name}: "{value}"\n' for name, value in HEADERS.items())
        config = self.write("squire.yaml", f"{profile}upstream: {origin}\nlisten: 127.0.0.1:{port}\ninspector: \"off\"\nheaders:\n{headers}"
                            f"tls: {{ca: {self.path('cert.pem')}}}\nsession:\n  file: {self.path('session.json')}\n{session}{extra}")
        subprocess.run([self.squire, "login", "--config", config, "--token", "-"], input=self.token, text=True, check=True,
                       stdout=subprocess.DEVNULL, env=self.environment())
        return config

    def start_squire(self, port, tls, workers=1, extra="", log_level="warning", name="squire", prefix=None, **environment):
        config = self.configure(self.origin(tls), port, extra)
        return self.start(name, [self.squire, "run", "--config", config, "--log-level", log_level, "--workers", str(workers)], prefix,
                          **environment)

    def wait(self, port, name, limit=20):
        """Until it answers with the upstream's answer."""
        deadline = time.monotonic() + limit
        while time.monotonic() < deadline and self.processes[name].poll() is None:
            with contextlib.suppress(OSError):
                with socket.create_connection(("127.0.0.1", port), 2) as connection:
                    connection.sendall(f"GET /api/x HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nConnection: close\r\n\r\n".encode())
                    data = b""
                    while part := connection.recv(65536):
                        data += part
                if data.startswith(b"HTTP/1.1 200") and BODY.encode() in data:
                    return
            time.sleep(0.05)
        raise Failure(f"{name} does not answer; its log ends:\n{self.log(name)[-2000:]}")


def accepts(port, limit=20):
    """Until something accepts connections there."""
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", port), 2).close()
            return
        time.sleep(0.01)
    raise Failure(f"nothing accepts connections on port {port}")


def request(port, target="/api/x"):
    """What a client of the API sends, as bytes."""
    fields = "".join(f"{name}: {value}\r\n" for name, value in CLIENT_FIELDS.items())
    return f"GET {target} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{fields}\r\n".encode()


def answer(connection):
    """Reads one answer with a length: its status, and whether all of it is here."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65536)
        if not part:
            raise Failure("the connection ended before the answer")
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
    while len(body) < length:
        body += connection.recv(65536)
    return int(head.split(b" ", 2)[1])


def percentile(values, percent):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def wrk(rig, port, seconds, connections=32, threads=1):
    """Loads `port` for so long: requests, requests a second, latencies in ms."""
    needs("wrk")
    script = rig.write("client.lua", "".join(f'wrk.headers["{name}"]="{value}"\n' for name, value in CLIENT_FIELDS.items()))
    text = subprocess.run(["wrk", f"-t{threads}", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script,
                           f"http://127.0.0.1:{port}/api/x"], capture_output=True, text=True, check=True).stdout
    wrong = re.findall(r"(?:Socket errors|Non-2xx).*", text)
    if wrong:
        raise Failure(f"not every request was answered well: {wrong[0]}")
    units = {"us": 1e-3, "ms": 1, "s": 1e3}
    at = lambda percent: next(float(value) * units[unit] for value, unit in
                              re.findall(rf"^\s+{percent}%\s+([\d.]+)(us|ms|s)", text, re.M))
    return {"requests": int(re.search(r"(\d+) requests in", text).group(1)),
            "rate": float(re.search(r"Requests/sec:\s*([\d.]+)", text).group(1)), "p50": at(50), "p99": at(99)}


def measure(rig, name, port, seconds, connections=32, threads=1):
    """The same, with the CPU time of the process per request in microseconds, and its resident memory."""
    pid = rig.processes[name].pid
    before = cpu_seconds(pid)
    result = wrk(rig, port, seconds, connections, threads)
    result["cpu"] = (cpu_seconds(pid) - before) / result["requests"] * 1e6
    result["resident"] = resident_kib(pid) / 1024
    return result


def load(rig, port, rate, seconds, connections, at_half=None):
    """Sends `rate` requests a second on schedule, calls `at_half` on the way: (when due in s, ms from then to the answer), all of them."""
    needs("cc")
    if not os.path.exists(rig.path("load")):
        subprocess.run(["cc", "-O2", "-o", rig.path("load"), str(pathlib.Path(__file__).parent / "load.c")], check=True)
    pathlib.Path(rig.path("request")).write_bytes(request(port))
    with open(rig.path("request"), "rb") as message:
        process = subprocess.Popen([rig.path("load"), str(port), str(rate), str(seconds), str(connections), BODY[-20:]],
                                   stdin=message, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    process.stdout.readline()
    if at_half:
        at_half()
    output, errors = process.communicate()
    if process.returncode:
        raise Failure(errors.strip())
    return [(float(due) / 1e3, float(ms)) for due, ms in (line.split() for line in output.splitlines())]


median = statistics.median


def figure(what, value, unit="", target=None, peer="", at_least=False):
    """Prints one figure, its target and the peer's figure."""
    if isinstance(value, float):
        shown = f"{value:.2f}" if abs(value) < 10 else f"{value:.1f}"
    else:
        shown = str(value)
    line = f"{what:58} {shown:>8} {unit:5}"
    if target is not None:
        # A few calls beside the requests' own are no miss.
        value = round(value, 2)
        met = value >= target if at_least else value <= target
        line += f"  target {'>=' if at_least else '<='} {target:g}: {'met' if met else 'MISSED'}"
    print(line + (f"   ({peer})" if peer else ""), flush=True)
