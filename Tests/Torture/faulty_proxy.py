#!/usr/bin/python3
"""A small proxy with one fault, by SQUIRE_FAULT, in the place of `squire`: what the judges of the torture are tried on.

It knows requests and answers with a length, one upstream, a bearer and sign-ins; no refresh, no TLS.
"""
import os, re, signal, socket, struct, sys, threading, time

FAULT = os.environ.get("SQUIRE_FAULT", "")
OPEN = "/api/customers/login", "/api/customers/check-email"
lock = threading.Lock()
state = {"token": "", "count": 0, "last": None}
kept = []


def arguments():
    return sys.argv[sys.argv.index("--config") + 1]


def configuration(path):
    text = open(path).read()
    return int(re.search(r"upstream: http://127\.0\.0\.1:(\d+)", text)[1]), re.search(r"\{file: ([^,]+),", text)[1]


class Peer:
    def __init__(self, sock):
        self.sock, self.data = sock, b""

    def until(self, mark):
        while mark not in self.data:
            part = self.sock.recv(65536)
            if not part:
                return None
            self.data += part
        head, _, self.data = self.data.partition(mark)
        return head + mark

    def exactly(self, count):
        while len(self.data) < count:
            part = self.sock.recv(65536)
            if not part:
                return None
            self.data += part
        body, self.data = self.data[:count], self.data[count:]
        return body

    def message(self):
        """Head and body."""
        head = self.until(b"\r\n\r\n")
        if head is None:
            return None
        length = re.search(rb"(?i)\r\ncontent-length: (\d+)", head)
        body = self.exactly(int(length[1])) if length and not self.has_no_body(head) else b""
        return None if body is None else (head, body)

    def has_no_body(self, head):
        return False


def ask(port, head, body):
    with socket.create_connection(("127.0.0.1", port), 20) as upstream:
        upstream.sendall(head + body)
        return Peer(upstream).message()


def serve(sock, port):
    client = Peer(sock)
    try:
        if FAULT == "silent":
            sock.settimeout(0.2)
            try:
                client.data += sock.recv(65536)
            except TimeoutError:
                sock.sendall(b"GET / HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n" % state["token"].encode())
            sock.settimeout(None)
        while (message := client.message()) is not None:
            head, body = message
            lines = head.split(b"\r\n")
            method, target, _ = lines[0].decode().split(" ")
            token = state["token"] if FAULT != "wrong bearer" else "other"
            fields = [line for line in lines[1:-2] if not line.lower().startswith((b"host:", b"authorization:", b"connection:"))]
            fields.append(b"Host: 127.0.0.1:%d" % port)
            if target not in OPEN or FAULT == "open bearer":
                fields.append(b"Authorization: Bearer " + token.encode())
            with lock:
                state["count"] += 1
                count = state["count"]
            rare = count % 20 == 19
            if FAULT == "alter" and body:
                body = body[:-1] + bytes([body[-1] ^ 1])
            head = b"\r\n".join((lines[0], *fields)) + b"\r\n\r\n"
            if FAULT == "duplicate" and method == "POST":
                ask(port, head, body)
            answer = ask(port, head, body)
            if answer is None:
                break
            answer_head, answer_body = answer
            if target == "/api/customers/login" and (found := re.search(rb'"value": "([^"]+)"', answer_body)):
                state["token"] = found[1].decode()
            with lock:
                last, state["last"] = state["last"], (answer_head, answer_body)
            if FAULT == "threads":
                threading.Thread(target=time.sleep, args=(30,), daemon=True).start()
            if FAULT == "memory":
                kept.append(b"x" * (5 << 20))
            if rare:
                if FAULT == "swap" and last:
                    answer_head, answer_body = last
                elif FAULT == "foreign" and last and len(last[1]) > 20 and len(answer_body) > 20:
                    answer_body = answer_body[:10] + last[1][10:20] + answer_body[20:]
                elif FAULT == "cut" and len(answer_body) > 1:
                    answer_head = re.sub(rb"(?i)content-length: \d+", b"Content-Length: %d" % (len(answer_body) - 1), answer_head)
                    answer_body = answer_body[:-1]
                elif FAULT == "leak":
                    answer_head = answer_head[:-2] + b"X-Debug: " + token.encode() + b"\r\n\r\n"
                elif FAULT == "hang":
                    time.sleep(30)
                elif FAULT == "need" and len(answer_body) > 100:
                    sock.sendall(answer_head + answer_body[:50])
                    break
                elif FAULT == "log":
                    print("bearer", token, file=sys.stderr, flush=True)
                elif FAULT == "crash":
                    os.kill(os.getpid(), signal.SIGSEGV)
                elif FAULT == "descriptors":
                    kept.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(20))
            sock.sendall(answer_head + answer_body)
    except OSError:
        pass
    finally:
        sock.close()


def main():
    if sys.argv[1] == "login":
        open(configuration(arguments())[1], "w").write(sys.stdin.readline().strip())
        return
    port, session = configuration(arguments())
    state["token"] = open(session).read()
    signal.signal(signal.SIGTERM, (lambda *_: None) if FAULT == "stop" else lambda *_: os._exit(3 if FAULT == "exit" else 0))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    threading.stack_size(256 << 10)
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    print(f"proxy http://127.0.0.1:{listener.getsockname()[1]}", flush=True)
    while True:
        sock, _ = listener.accept()
        threading.Thread(target=serve, args=(sock, port), daemon=True).start()


main()
