"""What the authorization servers share: a WSGI application on a free port of this machine, and a log of what they were asked.

The log is lines of JSON; values that are secrets stand in it as hashes, by which a test can compare them.
"""
import hashlib, io, json, socketserver, sys, threading, urllib.parse
from wsgiref import simple_server

SECRETS = ("refresh_token", "code", "token", "device_code", "client_assertion", "assertion", "client_secret", "password")


def fingerprint(value):
    return hashlib.sha256(value.encode()).hexdigest()[:16]


class Log:
    """Middleware: writes down each request to the endpoints, and how it was answered."""

    def __init__(self, application, path):
        self.application, self.file, self.lock = application, open(path, "a", buffering=1), threading.Lock()

    def __call__(self, environ, start_response):
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length) if length else b""
        environ["wsgi.input"] = io.BytesIO(body)
        entry = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"],
                 "scheme": environ.get("HTTP_AUTHORIZATION", "").split(" ")[0]}
        if environ.get("CONTENT_TYPE", "").startswith("application/x-www-form-urlencoded"):
            form = dict(urllib.parse.parse_qsl(body.decode("utf-8", "replace")))
            entry["form"] = {name: fingerprint(value) if name in SECRETS else value for name, value in form.items()}

        def started(status, headers, error=None):
            entry["status"] = int(status.split(" ")[0])
            return start_response(status, headers, error)

        answer = list(self.application(environ, started))
        with self.lock:
            self.file.write(json.dumps(entry) + "\n")
        return answer


class Server(socketserver.ThreadingMixIn, simple_server.WSGIServer):
    daemon_threads = True
    request_queue_size = 128


class Quiet(simple_server.WSGIRequestHandler):
    def log_message(self, *_):
        pass

    def address_string(self):
        return self.client_address[0]


def bind(port=0):
    """A server without an application, whose port is known."""
    return simple_server.make_server("127.0.0.1", port, None, server_class=Server, handler_class=Quiet)


def run(server, application, log):
    """Serves for ever; the first line of standard output is the URL."""
    server.set_app(Log(application, log))
    print(f"http://127.0.0.1:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        sys.exit(0)
