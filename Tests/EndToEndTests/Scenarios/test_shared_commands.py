"""The record of a shared session, looked at and changed by hand: squire shared status, reset, reseal, check --online."""
import pty
from etcd import Etcd, PREFIX, USER, free_ports, is_installed
from harness import *
from shared_record import content, identity, key_id, random_id, record

NAME = "fleet"
PLACE = f"{PREFIX}v1/session/{NAME}"


@unittest.skipUnless(is_installed(), "etcd is not installed: see config/setup")
class Shared(Scenario):
    members, extra = 1, ()

    def setUp(self):
        super().setUp()
        self.key = self.directory / "shared.key"
        self.command("shared", "key", str(self.key))
        self.line = self.key.read_text().strip()
        self.secrets = ["secret-refresh", USER[1], "wrong-password"]
        self.api = self.upstream(lambda request: reply(200, b"{}"))
        self.etcd = Etcd(self.members, extra=self.extra)
        self.addCleanup(self.etcd.end)

    def command(self, *arguments, **named):
        """Whatever it says, it says no secret."""
        result = super().command(*arguments, **named)
        for secret in [*getattr(self, "secrets", []), *(self.key.read_text().split() if self.key.exists() else [])]:
            self.assertNotIn(secret, result.stdout + result.stderr)
        return result

    def shared(self, *arguments, **named):
        return self.command("shared", *arguments, "--config", self.file, **named)

    def configure(self, upstream=None, urls=None, user=True, certificate="nocn", password=USER[1], name=NAME):
        lines = [f"upstream: {upstream or self.api.url}", "listen: 127.0.0.1:0", 'inspector: "off"', "session:",
                 f"  file: {self.session_file}", "  refresh: {path: /renew, token: /data/token/value}", "  shared:",
                 f"    etcd: [{', '.join(urls or self.etcd.urls)}]", f"    name: {name}", f"    key: {self.key}"]
        if self.members > 1:
            tls = [f"ca: {self.etcd.file('ca.pem')}"]
            if certificate:
                tls += [f"certificate: {self.etcd.file(certificate + '.pem')}", f"key: {self.etcd.file(certificate + '.key')}"]
            lines.append(f"    tls: {{{', '.join(tls)}}}")
            if user:
                file = self.directory / "password"
                file.write_text(password + "\n")
                file.chmod(0o600)
                lines += [f"    user: {user if isinstance(user, str) else USER[0]}", f"    password: {{file: {file}}}"]
        self.file = str(self.directory / "squire.yaml")
        pathlib.Path(self.file).write_text("\n".join(lines) + "\n")
        self.place = f"{self.file}:{1 + lines.index('  shared:')}"

    def session(self, sub="4711", origin=None):
        """What a machine seals."""
        now = int(time.time())
        token = jwt(sub=sub)
        self.secrets += [token, token.split(".")[1]]
        refreshed = {"at": now - 60, "cause": "rejected", "outcome": "refreshed", "milliseconds": 80}
        return {"version": 1, "token": token, "refresh_token": "secret-refresh", "upstream": origin or self.api.url,
                "source": "recipe", "received_at": now - 60, "expires_at": now + 3540, "signed_in_at": now - 7000,
                "last_refresh": refreshed, "history": [refreshed]}

    def put(self, value):
        self.etcd.root("put", PLACE, value.decode())
        return value

    def put_record(self, *, line=None, session=None, who=None, **named):
        return self.put(record(line or self.line, NAME, session or self.session(), who or identity(2, 5), **named))

    def kept(self):
        """The value that the engine has; none where the key is absent."""
        return self.etcd.root("get", PLACE, "--print-value-only").rstrip("\n").encode() or None

    def lines(self, code, subject="etcd"):
        """The lines of `check --online` about that, as verdict and text."""
        said = self.command("check", "--online", "--config", self.file, code=code).stdout
        return [(line[:6].strip(), line[21:]) for line in said.splitlines() if line[6:21].strip() == subject]

    def add_key(self):
        """Its line, which opens only."""
        self.command("shared", "key", "--add", str(self.key))
        return self.key.read_text().split()[1]


class Status(Shared):
    def test_what_is_there(self):
        self.configure()
        said = self.shared("status").stdout
        self.assertIn("state       absent", said)
        self.assertIn("squire login --config", said)
        self.put_record()
        said = self.shared("status").stdout
        for line in (f"shared      {NAME}, as {PLACE}", f"engine      etcd, {self.etcd.urls[0]} answered", "state       ready",
                     f"upstream    {self.api.url}", "customer    4711", "era         2, generation 5: 5 refreshes since that login",
                     f"sealed      key {key_id(self.line)}, which seals: 1 of 1 in {self.key}", "revision    2"):
            self.assertIn(line + "\n", said)
        self.assertRegex(said, r"\nrefreshes   \S+  refreshed \(rejected\), 80 ms\n")
        self.put_record(state="busy", claim={"id": random_id(), "by": "host-a/4711/3f9c", "beat": 3})
        self.assertIn("state       busy: host-a/4711/3f9c refreshes it, beat 3\n", self.shared("status").stdout)
        self.put_record(state="refused")
        self.assertIn("state       refused\n", self.shared("status").stdout)
        self.put(record(self.line, NAME, None, identity(4)))
        said = self.shared("status").stdout
        self.assertIn("state       none: somebody logged out\n", said)
        self.assertIn("squire login --config", said)

    def test_scripts(self):
        self.configure()
        report = json.loads(self.shared("status", "--json").stdout)
        self.assertEqual((report["state"], report["engine"]["revision"]), ("absent", None))
        next = self.add_key()
        self.put_record(line=next, state="busy", claim={"id": random_id(), "by": "host-a/4711/3f9c", "beat": 3})
        report = json.loads(self.shared("status", "--json").stdout)
        self.assertEqual(report["engine"], {"kind": "etcd", "member": self.etcd.urls[0], "key": PLACE, "revision": 2})
        self.assertEqual((report["name"], report["state"], report["problem"]), (NAME, "busy", None))
        self.assertEqual((report["era"], report["generation"], report["customer"], report["origin"]), (2, 5, "4711", self.api.url))
        self.assertEqual(report["claim"], {"by": "host-a/4711/3f9c", "beat": 3})
        self.assertEqual(report["sealed_with"], {"key": key_id(next), "position": 2})
        self.assertIn("squire shared reseal", report["advice"])
        self.assertEqual((report["last_refresh"]["outcome"], len(report["history"])), ("refreshed", 1))
        self.assertTrue(3500 <= report["expires_in"] <= 3540)
        self.put(b"junk")
        report = json.loads(self.shared("status", "--json", code=65).stdout)
        self.assertEqual(report["state"], "unreadable")
        self.assertIn("squire shared reset", report["problem"])

    def test_what_cannot_be_used(self):
        self.configure()
        good = record(self.line, NAME, self.session(), identity())
        stranger = base64.b64encode(os.urandom(32)).decode()
        for value, code, words in (
            (b"junk", 65, "is not one that Squire wrote"),
            (b'{"v":2,"everything":"else"}', 65, "was written by a newer Squire (version 2): update this one"),
            (good.replace(b'"generation":0', b'"generation":1'), 65, "does not open: somebody changed it"),
            (good.replace(b'"state":"ready"', b'"state":"none"'), 65, "does not open: somebody changed it"),
            (record(self.line, "other", self.session(), identity()), 65, "or it is that of another session"),
            (record(stranger, NAME, self.session(), identity()), 78,
             f"is sealed with key {key_id(stranger)}, which is not in {self.key}. Copy the key file"),
            (record(self.line, NAME, self.session(origin="https://other.example"), identity()), 78,
             f"squire: {self.place}: the shared session {NAME} belongs to https://other.example"),
        ):
            with self.subTest(words):
                self.put(value)
                self.assertIn(words, self.shared("status", code=code).stderr)
                self.assertEqual(self.kept(), value)

    def test_without_the_engine(self):
        self.configure()
        self.put(b"junk")
        self.etcd.kill(0)
        for command in (("status",), ("reseal",), ("reset", "--yes")):
            self.assertIn(f"{self.etcd.urls[0]} does not answer", self.shared(*command, code=69).stderr)
        self.etcd.start(0)
        self.etcd.wait()
        self.assertEqual(self.kept(), b"junk")

    def test_without_a_shared_session(self):
        config = self.config(self.api.url)
        for command in ("status", "reseal", "reset"):
            self.assertIn("session.shared says which etcd keeps it", self.command("shared", command, "--config", config, code=78).stderr)


class Changes(Shared):
    def test_reset_takes_away_what_does_not_open(self):
        self.configure()
        self.assertIn("nothing is there", self.shared("reset", "--yes").stdout)
        stranger = base64.b64encode(os.urandom(32)).decode()
        for value in (b"junk", record(stranger, NAME, self.session(), identity())):
            self.put(value)
            self.assertIn("add --yes", self.shared("reset", code=64).stderr)
            self.assertEqual(self.kept(), value)
            self.assertIn("the record is gone", self.shared("reset", "--yes").stdout)
            self.assertIsNone(self.kept())

    def test_reset_leaves_the_rest_alone(self):
        self.configure()
        for value, code, words in (
            (record(self.line, NAME, self.session(), identity()), 64, "the record opens, so there is nothing to reset"),
            (record(self.line, NAME, None, identity()), 64, "squire login --config"),
            (record(self.line, NAME, self.session(origin="https://other.example"), identity()), 78, "belongs to https://other.example"),
            (b'{"v":2}', 65, "newer Squire"),
        ):
            self.put(value)
            self.assertIn(words, self.shared("reset", "--yes", code=code).stderr)
            self.assertEqual(self.kept(), value)

    def answer(self, text):
        """What a terminal shows when that is typed there, and the exit code."""
        master, slave = pty.openpty()
        process = subprocess.Popen([SQUIRE, "shared", "reset", "--config", self.file], stdin=slave, stdout=slave, stderr=slave,
                                   env=clean_environment(**self.env), start_new_session=True)
        os.close(slave)
        shown = b""
        while not shown.endswith(b"[y/N] "):
            self.assertTrue(select.select([master], [], [], LIMIT)[0], shown)
            shown += os.read(master, 4096)
        os.write(master, text.encode() + b"\n")
        code = process.wait(LIMIT)
        os.close(master)
        return shown.decode(), code

    def test_reset_asks_at_a_terminal(self):
        self.configure()
        self.put(b"junk")
        shown, code = self.answer("n")
        self.assertEqual((code, self.kept()), (64, b"junk"))
        self.assertIn("This machine holds none.", " ".join(shown.split()))
        self.session_file.write_text(json.dumps(self.session()))
        self.session_file.chmod(0o600)
        shown, code = self.answer("y")
        self.assertEqual((code, self.kept()), (0, None))
        self.assertIn("This machine holds one, of 4711.", " ".join(shown.split()))
        for secret in self.secrets: self.assertNotIn(secret, shown)

    def test_reseal(self):
        self.configure()
        self.assertIn("nothing is there", self.shared("reseal").stdout)
        old, session, who = self.line, self.session(), identity(2, 5)
        claim = {"id": random_id(), "by": "host-a/4711/3f9c", "beat": 3}
        self.put_record(session=session, who=who, state="busy", claim=claim)
        self.assertIn("already", self.shared("reseal").stdout)
        new = self.add_key()
        self.key.write_text(f"{new}\n{old}\n")
        before = json.loads(self.kept())
        said = self.shared("reseal").stdout
        self.assertIn(f"sealed with key {key_id(new)} instead of {key_id(old)}", said)
        after = json.loads(self.kept())
        changed = {name for name in before if before[name] != after[name]}
        self.assertEqual(changed, {"write", "kid", "sealed"})
        self.assertEqual((after["state"], after["claim"], after["kid"]), ("busy", claim, key_id(new)))
        sealed = json.loads(content(new, NAME, self.kept()))
        self.assertEqual({name: sealed[name] for name in session if name != "version"},
                         {name: session[name] for name in session if name != "version"})
        value = self.kept()
        self.assertIn("already", self.shared("reseal").stdout)
        self.assertEqual(self.kept(), value)
        # Without the old key nothing is lost.
        self.key.write_text(new + "\n")
        self.assertIn("state       busy", self.shared("status").stdout)
        # A tombstone stays one.
        self.key.write_text(f"{old}\n{new}\n")
        self.put(record(new, NAME, None, identity(4)))
        self.shared("reseal")
        self.assertEqual((json.loads(self.kept())["state"], content(old, NAME, self.kept())), ("none", b""))

    def test_reseal_leaves_alone_what_it_cannot_use(self):
        self.configure()
        stranger = base64.b64encode(os.urandom(32)).decode()
        for value, code in ((b"junk", 65), (record(stranger, NAME, self.session(), identity()), 78),
                            (record(stranger, NAME, self.session(origin="https://other.example"), identity()), 78)):
            self.put(value)
            self.shared("reseal", code=code)
            self.assertEqual(self.kept(), value)

    def test_reseal_among_beats(self):
        """The holder of the claim writes several times a second: one of the tries comes between."""
        self.configure()
        old = self.line
        new = self.add_key()
        self.key.write_text(f"{new}\n{old}\n")
        session, who, claim = self.session(), identity(2, 5), {"id": random_id(), "by": "host-a/4711/3f9c", "beat": 0}
        self.put_record(session=session, who=who, state="busy", claim=claim)
        stop, beats = threading.Event(), []

        def beat():
            while not stop.is_set():
                value = json.loads(self.kept())
                value["claim"]["beat"] += 1
                value["write"] = random_id()
                beats.append(self.swap(value))
                stop.wait(0.1)

        thread = threading.Thread(target=beat)
        thread.start()
        try:
            deadline = time.monotonic() + LIMIT
            while True not in beats: self.assertLess(time.monotonic(), deadline)
            self.shared("reseal")
        finally:
            stop.set()
            thread.join()
        self.assertEqual(json.loads(self.kept())["kid"], key_id(new))

    def swap(self, value):
        """A beat, where nothing but a beat happened since it was read."""
        before = self.kept()
        if json.loads(before)["kid"] != value["kid"]: return False
        encode = lambda data: base64.b64encode(data).decode()
        body = {"compare": [{"key": encode(PLACE.encode()), "target": "VALUE", "result": "EQUAL", "value": encode(before)}],
                "success": [{"request_put": {"key": encode(PLACE.encode()), "value": encode(
                    json.dumps(value, separators=(",", ":")).encode())}}]}
        connection = http.client.HTTPConnection("127.0.0.1", self.etcd.clients[0], timeout=LIMIT)
        connection.request("POST", "/v3/kv/txn", json.dumps(body))
        answer = json.loads(connection.getresponse().read())
        connection.close()
        return answer.get("succeeded", False)


class Machines(Shared):
    def test_a_machine_puts_back_what_was_reset(self):
        self.configure()
        session = self.session()
        self.session_file.write_text(json.dumps(session))
        self.session_file.chmod(0o600)
        process = self.run_squire(self.file)
        self.assertEqual(self.fetch(process).status, 200)
        self.until(lambda: self.kept(), "the machine's session is shared")
        first = json.loads(self.kept())
        self.put(b"junk")
        self.assertEqual(self.fetch(process).status, 200)
        self.assertEqual(self.kept(), b"junk")
        self.shared("reset", "--yes")
        self.until(lambda: self.kept(), "what was reset is put back")
        back = json.loads(self.kept())
        self.assertEqual([back[name] for name in ("id", "login", "era", "generation")],
                         [first[name] for name in ("id", "login", "era", "generation")])
        self.assertEqual(json.loads(content(self.line, NAME, self.kept()))["token"], session["token"])
        self.assertIn("state       ready", self.shared("status").stdout)
        for secret in self.secrets: self.assertNotIn(secret, process.text())

    def test_a_key_that_is_lost_everywhere(self):
        self.configure()
        session = self.session()
        self.session_file.write_text(json.dumps(session))
        self.session_file.chmod(0o600)
        process = self.run_squire(self.file)
        self.until(lambda: self.kept(), "the machine's session is shared")
        process.stop()
        sealed = self.kept()
        self.key.unlink()
        self.command("shared", "key", str(self.key))
        new = self.key.read_text().strip()
        process = self.run_squire(self.file)
        self.until(lambda: f"is sealed with key {key_id(self.line)}, which is not in {self.key}" in process.text(), "it is said")
        self.assertEqual(self.fetch(process).status, 200)
        self.assertEqual(self.kept(), sealed)
        self.shared("reset", "--yes")
        self.until(lambda: self.kept(), "what was reset is put back")
        self.assertEqual(json.loads(content(new, NAME, self.kept()))["token"], session["token"])

    def test_a_machine_goes_on_after_reseal(self):
        self.configure()
        old = self.line
        new = self.add_key()
        self.session_file.write_text(json.dumps(self.session()))
        self.session_file.chmod(0o600)
        process = self.run_squire(self.file)
        self.until(lambda: self.kept(), "the machine's session is shared")
        self.key.write_text(f"{new}\n{old}\n")
        self.shared("reseal")
        value = self.kept()
        self.assertEqual(json.loads(value)["kid"], key_id(new))
        self.assertEqual(self.fetch(process).status, 200)
        # Nothing is newer than what the machine has, so it has nothing to put back.
        self.assertEqual(self.kept(), value)


class Check(Shared):
    def test_the_record(self):
        self.configure()
        self.assertEqual(self.lines(77, "shared record")[0][0], "--")
        [(verdict, text), (loose, warning)] = self.lines(77)
        self.assertEqual((verdict, text), ("ok", f"{self.etcd.urls[0]} reads and writes with a quorum"))
        self.assertEqual(loose, "--")
        self.assertIn("asks nobody who they are", warning)
        value = self.put_record()
        self.assertEqual(self.lines(0, "shared record"), [("ok", f"ready, of 4711, era 2, generation 5, sealed with key {key_id(self.line)}")])
        self.assertIn("takes up here", self.lines(0, "session")[0][1])
        self.put_record(session=self.session(origin="https://other.example"))
        [(verdict, text)] = self.lines(78, "shared record")
        self.assertEqual(verdict, "fail")
        self.assertIn(f"{self.place}: the shared session {NAME} belongs to https://other.example", text)
        for value, code in ((b"junk", 65), (record(base64.b64encode(bytes(32)).decode(), NAME, self.session(), identity()), 78),
                            (record(self.line, NAME, None, identity(3)), 77)):
            self.put(value)
            self.assertEqual([verdict for verdict, _ in self.lines(code, "shared record")], ["fail"])
            self.assertEqual(self.kept(), value)

    def test_another_customer(self):
        self.configure()
        self.put_record()
        for sub, code in (("815", 78), ("4711", 0)):
            self.session_file.write_text(json.dumps(self.session(sub=sub)))
            self.session_file.chmod(0o600)
            lines = self.lines(code, "shared record")
            self.assertEqual([verdict for verdict, _ in lines], ["ok", "fail" if code else "--"])
            if code:
                self.assertIn(f"the shared session {NAME} is that of 4711, and this machine's own is that of 815", lines[1][1])
                self.assertIn("--replace", lines[1][1])

    def test_nothing_is_contacted_unasked(self):
        self.configure(urls=[self.api.url])
        self.command("check", "--config", self.file)
        self.assertEqual(self.api.connections, 0)

    def test_what_is_no_etcd(self):
        self.configure(urls=[self.api.url])
        [(verdict, text)] = self.lines(69)
        self.assertEqual(verdict, "fail")
        self.assertIn("Is this its address?", text)
        self.configure(urls=[f"http://127.0.0.1:{free_ports(1)[0]}"])
        self.assertIn("connection refused", self.lines(69)[0][1])


class GatewayOff(Shared):
    extra = ("--enable-grpc-gateway=false",)

    def test_it_is_said(self):
        self.configure()
        [(verdict, text)] = self.lines(78)
        self.assertEqual(verdict, "fail")
        self.assertIn("enable-grpc-gateway: true", text)
        self.assertIn("enable-grpc-gateway: true", self.shared("status", code=78).stderr)


if __name__ == "__main__":
    main()
