"""What the scenarios share: Squire as a process, the playground, and an upstream made of raw sockets.

The upstream records exact bytes and shares no code with Squire's codec, so that it can judge it. Nothing sleeps to wait: every wait
is for a line, a byte or the end of a process, with a limit.
"""
import base64, contextlib, hashlib, json, os, pathlib, re, select, shutil, signal, socket, ssl, struct, subprocess, sys, tempfile, threading, time, unittest
import http.client

SQUIRE = os.environ.get("SQUIRE_BINARY") or str(pathlib.Path(__file__).parents[3] / ".build/debug/squire")
LIMIT = 20
# Sanitizers keep a multiple of the memory and the time that the program needs: with one, bounds of those are not judged.
SANITIZER = os.environ.get("SQUIRE_SANITIZER")
HEADERS = {"Application": "f3a90488ffee32c3acb6fcd0ca417cf6", "Api-Version": "4.38.0", "Device-UUID": "1287796"}


# What runs the tests may have blocked signals, as threads of some runtimes do, and children inherit that: strace could not be ended.
signal.pthread_sigmask(signal.SIG_SETMASK, [])


def jwt(life=3600, sub="5090976", jti="eCT4iYqVJLafvSHa", age=0):
    """A token of the API's form; the signature means nothing."""
    encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
    now = int(time.time()) - age
    claims = {"iss": "https://example.com/api/customers/login", "iat": now, "exp": now + life, "nbf": now, "jti": jti, "sub": sub}
    return ".".join((encode(b'{"typ":"JWT","alg":"HS256"}'), encode(json.dumps(claims).encode()), "c2lnbmF0dXJl"))


def clean_environment(**extra):
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SQUIRE_", "LISTEN_", "NOTIFY_")) and "proxy" not in k.lower()}
    return {**kept, **extra}


class Process:
    """A squire command that goes on: its endpoints, its log, its end."""

    def __init__(self, *arguments, env=None, prefix=(), cwd=None):
        # Appended to: reading it must not move where the process writes.
        self.log = tempfile.NamedTemporaryFile(mode="ab")
        self.process = subprocess.Popen([*prefix, SQUIRE, *arguments], stdout=subprocess.PIPE, stderr=self.log,
                                        stdin=subprocess.DEVNULL, env=clean_environment(**(env or {})), cwd=cwd)
        self.endpoints, self.lines, self.pending = {}, [], b""

    def wait_for(self, *names):
        self.read_lines(lambda: all(name in self.endpoints for name in names), names)
        return self

    def wait_for_lines(self, count):
        """The first so many lines of standard output."""
        self.read_lines(lambda: len(self.lines) >= count, count)
        return self.lines

    def read_lines(self, is_enough, what):
        deadline = time.monotonic() + LIMIT
        while not is_enough():
            ready, _, _ = select.select([self.process.stdout], [], [], max(0, deadline - time.monotonic()))
            data = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            if not data:
                raise AssertionError(f"no {what} endpoint: {self.text()}")
            self.pending += data
            *lines, self.pending = self.pending.split(b"\n")
            for line in lines:
                self.lines.append(line.decode())
                name, url = self.lines[-1].split(" ", 1)
                self.endpoints[name] = url

    def text(self):
        return pathlib.Path(self.log.name).read_text(errors="replace")

    def wait_for_text(self, text, count=1):
        """In the log, which is written a moment later, exactly that often."""
        deadline = time.monotonic() + LIMIT
        while self.text().count(text) < count:
            assert time.monotonic() < deadline, self.text()
            select.select([], [], [], 0.01)
        assert self.text().count(text) == count, self.text()

    def hold(self):
        """Stops all threads, until SIGCONT."""
        self.process.send_signal(signal.SIGSTOP)
        tasks = pathlib.Path(f"/proc/{self.process.pid}/task")
        deadline = time.monotonic() + LIMIT
        while any((task / "stat").read_text().rsplit(")", 1)[1].split()[0] != "T" for task in tasks.iterdir()):
            assert time.monotonic() < deadline, "does not stop"

    def stop(self, how=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(how)
        try:
            code = self.process.wait(LIMIT)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError("did not stop: " + self.text())
        finally:
            self.process.stdout.close()
        return code


class RawUpstream:
    """Answers each request with what `respond(request)` gives: bytes, or (bytes, "close"), or None to hang up."""

    def __init__(self, respond=None, context=None):
        self.respond = respond or (lambda request: reply(200, b"ok"))
        self.requests, self.connections, self.hung_up = [], 0, 0
        self.lock = threading.Lock()
        self.arrived = threading.Condition(self.lock)
        self.context = context
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=2048)
        self.port = self.listener.getsockname()[1]
        self.url = f"{'https' if context else 'http'}://127.0.0.1:{self.port}"
        self.sockets = []
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            with self.lock:
                self.connections += 1
                self.sockets.append(connection)
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError):
            connection = self.secured(connection)
            stream = connection.makefile("rb")
            while True:
                request = read_request(stream, connection)
                if request is None:
                    return connection.close()
                with self.arrived:
                    self.requests.append(request)
                    self.arrived.notify_all()
                answer = self.respond(request)
                close = False
                if isinstance(answer, tuple):
                    answer, close = answer[0], True
                if answer is None:
                    return hang_up(connection)
                connection.sendall(answer)
                if close:
                    hang_up(connection)
                    with self.arrived:
                        self.hung_up += 1
                        self.arrived.notify_all()
                    return

    def secured(self, connection):
        return self.context.wrap_socket(connection, server_side=True) if self.context else connection

    def wait_for_requests(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: len(self.requests) >= count, LIMIT), f"{len(self.requests)} of {count} requests"

    def wait_for_hang_ups(self, count):
        with self.arrived:
            assert self.arrived.wait_for(lambda: self.hung_up >= count, LIMIT), f"{self.hung_up} of {count} connections ended"

    def close(self):
        self.listener.close()
        for connection in self.sockets:
            with contextlib.suppress(OSError):
                connection.close()


def hang_up(connection):
    with contextlib.suppress(OSError):
        connection.shutdown(socket.SHUT_RDWR)
    connection.close()


class Request:
    """A request as it came: `head` and `body` are exact bytes, `payload` is the body without chunks."""

    def __init__(self, head, body, payload):
        self.head, self.body, self.payload = head, body, payload
        lines = head.decode("latin-1").split("\r\n")
        self.line = lines[0]
        self.method, self.target, _ = lines[0].split(" ", 2)
        parts = [line.partition(":") for line in lines[1:] if line]
        self.fields = [(name, value.removeprefix(" ")) for name, _, value in parts]

    def all(self, name):
        return [value for field, value in self.fields if field.lower() == name.lower()]

    def __getitem__(self, name):
        values = self.all(name)
        return values[0] if values else None

    @property
    def token(self):
        return (self["Authorization"] or "").removeprefix("Bearer ")


def read_request(stream, connection):
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        line = stream.readline()
        if not line:
            return None
        head += line
    lower = head.lower()
    if b"\r\nexpect: 100-continue" in lower:
        connection.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    body = payload = b""
    if b"\r\ntransfer-encoding: chunked" in lower:
        while True:
            line = stream.readline()
            if not line:
                return None
            body += line
            size = int(line.split(b";")[0], 16)
            if size == 0:
                while line != b"\r\n":
                    line = stream.readline()
                    body += line
                break
            data = stream.read(size + 2)
            body += data
            payload += data[:-2]
    elif b"\r\ncontent-length:" in lower:
        size = int(lower.split(b"\r\ncontent-length:")[1].split(b"\r\n")[0])
        body = payload = stream.read(size)
        if len(body) < size:
            return None
    return Request(head, body, payload)


def without_pseudonym(data):
    """The same bytes with the process's random name in Via left out."""
    return re.sub(rb"(Via: 1\.[01] squire)-[0-9a-f]{8}\r\n", rb"\1\r\n", data)


def reply(status, body=b"", *fields, reason="X"):
    lines = [f"HTTP/1.1 {status} {reason}", *fields, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def token_reply(token):
    body = json.dumps({"status": "OK", "code": 200, "data": {"customer_account": {"id": 1}, "token": {"value": token, "ttl": 60}}}).encode()
    return reply(200, body, "Content-Type: application/json")


def certificate(directory, name, *extra, days=2):
    certificate, key = directory / f"{name}.pem", directory / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", certificate, "-days", str(days),
                    "-subj", f"/CN={name}", *extra], check=True, capture_output=True)
    return certificate, key


def secure_context(directory):
    """A TLS server of 127.0.0.1, and the setting that makes Squire trust it."""
    good, key = certificate(directory, "good", "-addext", "subjectAltName=IP:127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(good, key)
    return context, f"tls: {{ca: {good}}}\n"


class Scenario(unittest.TestCase):
    maxDiff = None

    def setUp(self):
        self.directory = pathlib.Path(tempfile.mkdtemp(prefix="squire-test-"))
        self.addCleanup(shutil.rmtree, self.directory, ignore_errors=True)
        self.env = {"HOME": str(self.directory), "XDG_STATE_HOME": str(self.directory / "state"), "TMPDIR": str(self.directory)}

    @property
    def session_file(self):
        return self.directory / "session.json"

    def upstream(self, respond=None, context=None):
        upstream = RawUpstream(respond, context)
        self.addCleanup(upstream.close)
        return upstream

    def playground(self, *switches):
        process = Process("playground", "--listen", "127.0.0.1:0", *switches, env=self.env)
        self.addCleanup(lambda: process.stop())
        return process.wait_for("playground").endpoints["playground"]

    def config(self, upstream, extra="", session="", profile="profile: menu\n", name="squire.yaml"):
        path = self.directory / name
        headers = "".join(f'  {k}: "{v}"\n' for k, v in HEADERS.items())
        path.write_text(f"{profile}upstream: {upstream}\nlisten: 127.0.0.1:0\ninspector: \"off\"\nheaders:\n{headers}"
                        f"session:\n  file: {self.session_file}\n{session}{extra}")
        return str(path)

    def block_saving(self):
        """A directory in the place of the lock file: nothing can be saved there, whoever runs this."""
        lock = pathlib.Path(str(self.session_file) + ".lock")
        while not lock.is_dir():
            # A process that starts has a look, too, and makes the file again.
            lock.unlink(missing_ok=True)
            with contextlib.suppress(FileExistsError):
                lock.mkdir()
        return lock

    def save_token(self, token, config):
        """Whatever is there."""
        self.command("login", "--config", config, "--token", "-", "--replace", input=token + "\n")

    def login(self, config):
        """As the playground's customer."""
        self.command("login", "--config", config, "--email", "john.doe@example.com", "--code", "1234", "--replace")

    def run_squire(self, config, *arguments):
        process = Process("run", "--config", config, *arguments, env=self.env)
        self.addCleanup(lambda: process.stop())
        process.wait_for("proxy")
        process.url = process.endpoints["proxy"]
        process.port = int(process.url.rsplit(":", 1)[1]) if process.url.startswith("http") else None
        return process

    def command(self, *arguments, input="", code=0, env=None, cwd=None):
        result = subprocess.run([SQUIRE, *arguments], input=input, capture_output=True, text=True, timeout=LIMIT,
                                env=clean_environment(**{**self.env, **(env or {})}), cwd=cwd)
        if result.returncode != code:
            shown = re.sub(r"eyJ[\w-]+\.[\w-]+\.[\w-]+", "<token>", result.stdout + result.stderr)
            self.fail(f"{arguments} ends with {result.returncode}, not {code}: {shown}")
        return result

    def proxied(self, respond=None, extra="", session="", token=True, arguments=(), context=None, profile="profile: menu\n"):
        """Squire in front of a raw upstream, logged in."""
        upstream = self.upstream(respond, context)
        config = self.config(upstream.url, extra, session, profile)
        if token:
            self.save_token(token if isinstance(token, str) else jwt(), config)
        process = self.run_squire(config, *arguments)
        process.config = config
        return process, upstream

    def fetch(self, process, method="GET", target="/api/x", body=None, headers=None):
        connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=LIMIT)
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        response.data = response.read()
        connection.close()
        return response

    def read_until(self, connection, mark):
        """What comes, until `mark` is in it."""
        received = b""
        while mark not in received:
            part = connection.recv(65536)
            self.assertTrue(part, f"closed after {received!r}")
            received += part
        return received

    def exchange(self, port, data, half_close=False):
        """Sends bytes, reads until the end."""
        with socket.create_connection(("127.0.0.1", port), LIMIT) as connection:
            connection.sendall(data)
            if half_close:
                connection.shutdown(socket.SHUT_WR)
            received = b""
            while True:
                part = connection.recv(65536)
                if not part:
                    return received
                received += part

    def until(self, condition, what):
        """Looks every 10 ms: for what the other process does by itself, and nothing announces."""
        deadline = time.monotonic() + LIMIT
        while not condition():
            self.assertLess(time.monotonic(), deadline, what)
            select.select([], [], [], 0.01)


def alone(case):
    """Marks a case that measures what others on the machine would disturb: `swift test` runs it without another beside it."""
    case.is_alone = True
    return case


def descriptors(process):
    return len(os.listdir(f"/proc/{process.process.pid}/fd"))


def parallel(count, work):
    """Runs `work(index)` in that many threads that start together; the results in order."""
    results, barrier = [None] * count, threading.Barrier(count)

    def run(index):
        barrier.wait()
        try:
            results[index] = work(index)
        except Exception as error:
            results[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
    return results


def main():
    unittest.main(verbosity=1, warnings="ignore")
