"""What the long scenarios share: what the short ones share, and authorization servers that others have written."""
import json, os, pathlib, subprocess, sys, tempfile, threading, unittest, urllib.parse, urllib.request

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "EndToEndTests/Scenarios"))

from harness import *
import harness

SERVERS = os.environ.get("SQUIRE_SERVERS")
harness.LIMIT = 60


def fingerprint(value):
    """As the servers' logs have it."""
    return hashlib.sha256(value.encode()).hexdigest()[:16]


class AuthorizationServer:
    """One of Tests/Long/Servers, as a process."""

    def __init__(self, script, directory, *arguments):
        if not SERVERS:
            raise unittest.SkipTest("the servers of Tests/Long/requirements.txt are not here: run config/check-long")
        self.directory = directory
        self.errors = open(directory / "errors", "w+")
        self.process = subprocess.Popen([SERVERS, "-W", "ignore", HERE.parent / "Servers" / script, directory, *arguments], stdout=subprocess.PIPE,
                                        stderr=self.errors, text=True)
        self.url = self.process.stdout.readline().strip()
        assert self.url, (directory / "errors").read_text()

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.process.stdout.close()
        self.errors.close()

    def log(self, path=None):
        """The requests that were answered so far."""
        text = (self.directory / "requests.log").read_text()
        entries = [json.loads(line) for line in text.split("\n")[:-1]]
        return [entry for entry in entries if path is None or entry["path"] == path]

    def post(self, path, form, headers=None):
        """Status and body, as a client of ours asks."""
        request = urllib.request.Request(self.url + path, urllib.parse.urlencode(form).encode(), headers or {})
        try:
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=LIMIT) as answer:
                return answer.status, answer.read()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read()


class Gate:
    """Stands between Squire and a server: what `judge(line)` says of a connection, by its request line, happens to its answer: True lets it
    through, False drops it after the server has done its work."""

    def __init__(self, target, judge):
        self.target, self.judge = urllib.parse.urlsplit(target), judge
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                connection, _ = self.listener.accept()
            except OSError:
                return
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        with contextlib.suppress(OSError), connection:
            stream = connection.makefile("rb")
            request = read_request(stream, connection)
            if request is None:
                return
            with socket.create_connection((self.target.hostname, self.target.port), LIMIT) as server:
                head = re.sub(rb"(?im)^connection:[^\r]*\r\n", b"", request.head).removesuffix(b"\r\n") + b"Connection: close\r\n\r\n"
                server.sendall(head + request.body)
                answer = b""
                while part := server.recv(65536):
                    answer += part
            if self.judge(request):
                connection.sendall(answer)
            else:
                hang_up(connection)

    def close(self):
        self.listener.close()


class OAuthScenario(Scenario):
    def server(self, script, *arguments):
        directory = pathlib.Path(tempfile.mkdtemp(dir=self.directory, prefix="server-"))
        if script == "authlib_server.py":
            self.key = directory / "key.pem"
            subprocess.run(["openssl", "genrsa", "-out", self.key, "2048"], check=True, capture_output=True)
            subprocess.run(["openssl", "rsa", "-in", self.key, "-pubout", "-out", directory / "key.pub.pem"], check=True, capture_output=True)
        server = AuthorizationServer(script, directory, *arguments)
        self.addCleanup(server.stop)
        return server

    def gate(self, target, judge):
        gate = Gate(target, judge)
        self.addCleanup(gate.close)
        return gate

    def oauth(self, upstream, lines, session="", name="squire.yaml"):
        """A configuration with these lines under `oauth`."""
        path = self.directory / name
        inner = "".join(f"    {line}\n" for line in lines)
        path.write_text(f"upstream: {upstream}\nlisten: 127.0.0.1:0\ninspector: \"off\"\nsession:\n  file: {self.session_file}\n{session}  oauth:\n{inner}")
        return str(path)

    def login_process(self, *arguments, env=None, prefix=()):
        """A login that waits for a person."""
        process = subprocess.Popen([*prefix, SQUIRE, "login", *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   env=clean_environment(**{**self.env, **(env or {})}), text=True)

        def end():
            if process.poll() is None:
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout, process.stderr):
                stream.close()

        self.addCleanup(end)
        return process

    def line_of(self, process, condition):
        """The first line of standard error that is one."""
        seen = []
        for line in process.stderr:
            seen.append(line)
            if condition(line.strip()):
                return line.strip()
        raise AssertionError(f"no such line in {seen}")

    def url_of(self, process):
        return self.line_of(process, lambda line: line.startswith("http") and " " not in line)

    def record(self):
        return json.loads(self.session_file.read_text())
