"""A session that is never lost: lost answers, other hands, other APIs, the client's own sign-in and sign-out."""
import fcntl, gzip, re, stat
from harness import *

REFRESH = "/api/customers/refresh"
EXAMPLES = pathlib.Path(__file__).parents[3] / "config" / "examples"


class Rotating:
    """The API as its documents have it: a token dies the moment it is refreshed; sign-in and sign-out. `faults` are answers to the next
    refreshes, given after the rotation was made: a function of the new token's answer."""

    def __init__(self, *tokens, grace=False):
        self.live, self.dead, self.grace = set(tokens), set(), grace
        self.faults, self.lock, self.count = [], threading.Lock(), 0

    def __call__(self, request):
        with self.lock:
            token, known = request.token, request.token in self.live
            usable = known or (self.grace and token in self.dead)
            if request.target == REFRESH:
                if not usable:
                    return reply(401, b'{"status":"Unauthenticated."}')
                self.count += 1
                new = jwt(jti=f"new{self.count}")
                self.live.discard(token)
                self.dead.add(token)
                self.live.add(new)
                fault = self.faults.pop(0) if self.faults else None
                return fault(token_reply(new)) if fault else token_reply(new)
            if request.target == "/api/customers/logout":
                self.live.discard(token)
                return reply(200, b'{"status":"OK"}') if known else reply(401)
            return reply(200, request.payload) if usable else reply(401, b"original refusal")


class LostReplies(Scenario):
    FAULTS = {
        "nothing": lambda answer: None,
        "truncated": lambda answer: (answer[:-20], "close"),
        "garbage": lambda answer: reply(200, b"<html>Gateway</html>"),
        "no token": lambda answer: reply(200, b'{"status":"OK","code":200,"data":{}}'),
        "not HTTP": lambda answer: (b"nonsense\r\n\r\n", "close"),
    }

    def test_lost_within_the_grace_costs_nothing(self):
        for name, fault in self.FAULTS.items():
            with self.subTest(name):
                old = jwt(jti="old" + name.replace(" ", ""))
                api = Rotating(old, grace=True)
                api.dead.add(old), api.live.discard(old)
                api.grace = False
                squire, upstream = self.proxied(lambda r: api(r), token=old)
                # Refused for requests, accepted for the refresh, once more within the grace.
                api.live.add(old)
                api.faults.append(fault)
                first = [True]
                def respond(request):
                    if request.target != REFRESH and request.token == old: return reply(401)
                    if request.target == REFRESH: api.grace = True
                    return api(request)
                upstream.respond = respond
                self.assertEqual(self.fetch(squire, "POST", body=b"order").status, 200)
                self.assertEqual([r.token for r in upstream.requests if r.target == REFRESH], [old, old])
                squire.stop()

    def test_lost_without_grace_says_what_happened(self):
        old = jwt(jti="old")
        squire, upstream = self.proxied(token=old)
        api = Rotating(old)
        api.faults.append(self.FAULTS["nothing"])
        upstream.respond = lambda r: reply(401, b"original refusal") if r.target != REFRESH and r.token == old else api(r)
        response = self.fetch(squire)
        self.assertEqual((response.status, response.data), (401, b"original refusal"))
        self.assertIn("login needed", response.headers["Proxy-Status"])
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 2)
        status = json.loads(self.command("status", "--json", "--config", squire.config).stdout)
        self.assertEqual(status["state"], "login_needed")
        self.assertRegex(status["advice"], r"The answer to the refresh of \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC was lost .*refused the token since \(status 401\)\. Run: squire login --config .* --email")
        self.assertIn("was lost", self.command("status", "--config", squire.config, code=77).stdout)
        self.assertIn("was lost", self.command("token", "--config", squire.config, "--min-ttl", "2h", code=77).stderr)
        squire.stop()
        self.assertIn("was lost", squire.text())

    def test_what_never_forbade_is_tried_by_whom_may(self):
        """The API has refused nothing: a reload, a restart or another configuration without that rule sends the token once more."""
        for name in ("reload", "restart", "command"):
            with self.subTest(name):
                old = jwt(jti=name)
                api = Rotating(old, grace=True)
                api.faults.append(self.FAULTS["nothing"])
                squire, upstream = self.proxied(token=old, session="  retry-lost: never\n")
                upstream.respond = lambda r: reply(401) if r.target != REFRESH and r.token == old else api(r)
                refreshes = lambda: len([r for r in upstream.requests if r.target == REFRESH])
                self.assertEqual([self.fetch(squire).status for _ in range(2)], [401, 401])
                self.assertIn("retry-lost: never forbids", self.command("status", "--config", squire.config, code=77).stdout)
                self.assertEqual(refreshes(), 1)
                self.config(upstream.url, session="  retry-lost: once\n")
                if name == "reload":
                    squire.process.send_signal(signal.SIGHUP)
                    squire.wait_for_text("configuration re-read")
                elif name == "restart":
                    squire.stop()
                    squire = self.run_squire(squire.config)
                else: self.command("token", "--config", squire.config, "--min-ttl", "30m")
                self.assertEqual(self.fetch(squire).status, 200)
                self.assertEqual(refreshes(), 2)
                squire.stop()

    def test_a_logout_says_what_may_live_on(self):
        """The API knows a token that never arrived, and refuses the former one."""
        for name, lost in (("never", 2), ("once", 1)):
            with self.subTest(name):
                answers = [None] * lost
                squire, upstream = self.proxied(lambda r: (answers.pop() if answers else reply(401)) if r.target == REFRESH else reply(401),
                                                session=f"  retry-lost: {name}\n", token=jwt(jti=name))
                self.assertEqual(self.fetch(squire).status, 401)
                squire.stop()
                result = self.command("logout", "--config", squire.config)
                self.assertIn("was lost (", result.stderr)
                self.assertIn("the session may live on with that", result.stderr)
                self.assertNotIn("token", json.loads(self.session_file.read_text()))

    def test_an_old_token_goes_on_being_used_while_it_works(self):
        """A refresh ahead of expiry was refused: the token still has a while."""
        old = jwt(life=6, jti="old")
        squire, upstream = self.proxied(lambda r: reply(401) if r.target == REFRESH else reply(200), token=old, session="  margin: 1h\n")
        # A margin is a third of the token's life at most.
        deadline = time.monotonic() + LIMIT
        while not any(r.target == REFRESH for r in upstream.requests):
            self.assertEqual(self.fetch(squire).status, 200)
            self.assertLess(time.monotonic(), deadline)
        for _ in range(5): self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)

    def test_a_lost_answer_is_tried_again_unasked(self):
        """The upstream's grace does not wait for the next request."""
        old = jwt(jti="old")
        squire, upstream = self.proxied(token=old)
        api = Rotating(old, grace=True)
        api.faults += [self.FAULTS["nothing"]] * 2
        upstream.respond = lambda r: reply(401) if r.target != REFRESH and r.token == old else api(r)
        self.assertEqual(self.fetch(squire).status, 401)
        deadline = time.monotonic() + LIMIT
        while json.loads(self.session_file.read_text())["token"] == old:
            self.assertLess(time.monotonic(), deadline)
            select.select([], [], [], 0.02)
        self.assertEqual(self.fetch(squire).status, 200)


def inspected(squire):
    """Asks the inspector: the status and the text of a path."""
    port = int(squire.endpoints["inspector"].rstrip("/").rsplit(":", 1)[1])
    def get(path):
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT)
        connection.request("GET", path)
        response = connection.getresponse()
        return response.status, response.read().decode()
    return get


def can_freeze():
    with tempfile.NamedTemporaryFile() as file:
        try: return all(subprocess.run(["chattr", change, file.name], capture_output=True).returncode == 0 for change in ("+i", "-i"))
        except FileNotFoundError: return False


CAN_FREEZE = can_freeze()


class OtherHands(Scenario):
    def wait_until(self, check):
        deadline = time.monotonic() + LIMIT
        while not check():
            self.assertLess(time.monotonic(), deadline)
            select.select([], [], [], 0.005)

    def test_a_token_put_in_by_hand_is_adopted_within_a_second(self):
        """By login, by an editor that writes in place, by one that renames; without any request that could make Squire look."""
        squire, upstream = self.proxied(token=jwt(jti="first"), arguments=("--inspector", "127.0.0.1:0"))
        squire.wait_for("inspector")
        get = inspected(squire)
        def generation(): return json.loads(get("/api/status")[1])["session"]["generation"]
        def in_place(text): self.session_file.write_text(text)
        def renamed(text):
            (self.directory / "new").write_text(text)
            (self.directory / "new").rename(self.session_file)
        for index, how in enumerate((in_place, renamed, lambda text: self.save_token(json.loads(text)["token"], squire.config))):
            before, token = generation(), jwt(jti=f"hand{index}")
            content = json.loads(self.session_file.read_text())
            content["token"] = token
            how(json.dumps(content))
            started = time.monotonic()
            self.wait_until(lambda: generation() > before)
            self.assertLess(time.monotonic() - started, 1)
            self.assertEqual(self.fetch(squire).status, 200)
            self.assertEqual(upstream.requests[-1].token, token)

    def test_a_token_put_in_during_a_refresh_wins(self):
        old, byhand = jwt(jti="old"), jwt(jti="hand")
        hold, entered = threading.Event(), threading.Event()
        self.addCleanup(hold.set)
        def respond(request):
            if request.target == REFRESH:
                entered.set()
                hold.wait(LIMIT)
                return token_reply(jwt(jti="refreshed"))
            return reply(401) if request.token == old else reply(200)
        squire, upstream = self.proxied(respond, token=old)
        results = []
        waiting = threading.Thread(target=lambda: results.append(self.fetch(squire).status))
        waiting.start()
        self.assertTrue(entered.wait(LIMIT))
        content = json.loads(self.session_file.read_text())
        content["token"] = byhand
        self.session_file.write_text(json.dumps(content))
        # Who waits need not wait for the refresh any more.
        waiting.join(LIMIT)
        self.assertEqual(results, [200])
        hold.set()
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(squire.stop(), 0)
        self.assertEqual(json.loads(self.session_file.read_text())["token"], byhand)

    def test_a_first_login_counts_from_the_next_request_on(self):
        squire, upstream = self.proxied(token=False)
        self.assertEqual(self.fetch(squire).status, 401)
        self.save_token(jwt(), squire.config)
        self.assertEqual(self.fetch(squire).status, 200)

    def test_readiness_and_saving_again(self):
        """The directory goes read-only in effect after the refresh was sent: used from memory, said, and saved when that works again."""
        old, new = jwt(jti="old"), jwt(jti="new")
        folder = self.directory / "state"
        folder.mkdir(exist_ok=True)
        away = self.directory / "away"
        def respond(request):
            if request.target == REFRESH:
                folder.rename(away)
                folder.write_text("not a directory")
                return token_reply(new)
            return reply(200) if request.token == new else reply(401)
        upstream = self.upstream(respond)
        config = self.config(upstream.url, session="")
        pathlib.Path(config).write_text(pathlib.Path(config).read_text().replace(str(self.session_file), str(folder / "s.json")))
        self.save_token(old, config)
        squire = self.run_squire(config, "--inspector", "127.0.0.1:0")
        squire.wait_for("inspector")
        get = inspected(squire)
        self.assertEqual(get("/readyz")[0], 200)
        self.assertEqual(self.fetch(squire).status, 200)
        status, text = get("/readyz")
        self.assertEqual(status, 503)
        self.assertIn("not saved", text)
        self.wait_until(lambda: "NOT SAVED" in squire.text())
        session = json.loads(get("/api/status")[1])["session"]
        self.assertEqual((session["saved"], session["state"]), (False, "usable"))
        self.assertIn("squire_session_ready 0", get("/metrics")[1])
        self.assertEqual(self.fetch(squire).status, 200)
        folder.unlink()
        away.rename(folder)
        # By itself: no request is needed.
        self.wait_until(lambda: json.loads((folder / "s.json").read_text())["token"] == new)
        self.wait_until(lambda: get("/readyz")[0] == 200)

    def test_a_sign_in_that_cannot_be_saved_counts_all_the_same(self):
        token = jwt(jti="learned")
        squire, upstream = self.proxied(lambda r: token_reply(token) if r.target.endswith("login") else reply(200), token=jwt(jti="old"))
        lock = self.block_saving()
        response = self.fetch(squire, "POST", "/api/customers/login", b"{}")
        self.assertEqual(response.status, 200)
        self.assertIn("cannot be written", response.headers["Proxy-Status"])
        self.fetch(squire)
        self.assertEqual(upstream.requests[-1].token, token)
        lock.rmdir()
        self.wait_until(lambda: json.loads(self.session_file.read_text())["token"] == token)

    @unittest.skipUnless(subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode == 0, "only root can mount")
    def test_what_a_client_did_survives_a_kill_where_the_file_cannot_be_replaced(self):
        """It is mounted by itself, as into a container. What a refresh brought may lie beside it already."""
        mounts = ("unshare", "-m", "sh", "-c", 'mount --bind "$0" "$0" && exec "$@"', str(self.session_file))
        previous, answer = (self.session_file.with_name(self.session_file.name + end) for end in (".previous", ".answer"))
        for beside, does in [(beside, does) for beside in ("", f".{self.session_file.name}.new", answer.name) for does in ("login", "logout")]:
            with self.subTest(does, beside=beside):
                old, refreshed, new = (jwt(jti=f"{name}{beside}{does}") for name in ("old", "refreshed", "new"))
                def respond(request):
                    if request.target == REFRESH: return token_reply(refreshed)
                    return token_reply(new) if request.target.endswith("login") else reply(200)
                config = self.config(self.upstream(respond).url)
                self.save_token(old, config)
                if beside:
                    former = self.session_file.read_text()
                    self.command("token", "--min-ttl", "23h", "--config", config)
                    successor = self.session_file.with_name(beside)
                    successor.write_text(self.session_file.read_text())
                    successor.chmod(0o600)
                    self.session_file.write_text(former)
                previous.unlink(missing_ok=True)
                squire = Process("run", "--config", config, "--inspector", "127.0.0.1:0", env=self.env, prefix=mounts).wait_for("proxy", "inspector")
                self.addCleanup(squire.stop)
                squire.port = int(squire.endpoints["proxy"].rsplit(":", 1)[1])
                self.assertEqual(self.fetch(squire, "POST", f"/api/customers/{does}", b"{}").status, 200)
                status = json.loads(inspected(squire)("/api/status")[1])["session"]
                self.assertFalse(status["saved"])
                if does == "logout":
                    squire.wait_for_text("the session has ended, and its file still has the former token: NOT SAVED")
                    self.assertIn("The session has ended", status["advice"])
                squire.stop(signal.SIGKILL)

                def tokens(*prefix):
                    result = subprocess.run([*prefix, SQUIRE, "token", "--config", config], capture_output=True, text=True, timeout=LIMIT,
                                            env=clean_environment(**self.env))
                    self.assertEqual(result.returncode, 0 if does == "login" else 77, result.stderr)
                    return result.stdout.strip()
                expected = new if does == "login" else ""
                self.assertEqual(tokens(*mounts), expected)
                # Once the file can be replaced, it says so.
                self.assertEqual(tokens(), expected)
                self.assertEqual(json.loads(self.session_file.read_text()).get("token", ""), expected)
                self.assertEqual([path.name for path in self.directory.iterdir() if path.name.startswith(f".{self.session_file.name}")], [])
                # Nor is it kept for a person to take up.
                self.assertFalse(answer.exists())
                if does == "login":
                    self.assertEqual(json.loads(previous.read_text())["token"], refreshed if beside else old)

    @unittest.skipUnless(CAN_FREEZE, "only root can make a file immutable, and not everywhere")
    def test_what_a_client_did_last_counts_for_all_where_the_file_cannot_be_replaced(self):
        """Each process leaves what its client did beside the file, and goes on from what another left there. Whoever puts it in place in
        the end, which of them is killed, and though the file does not change: the last deed stays."""
        def saved(squire): return json.loads(inspected(squire)("/api/status")[1])["session"]["saved"]
        for does, killed in [(does, killed) for does in ("login", "logout") for killed in (False, True)]:
            with self.subTest(does, killed=killed):
                old, first_login, second_login = (jwt(jti=f"{name}{does}{killed}") for name in ("old", "first", "second"))
                logins = [first_login, second_login]
                upstream = self.upstream(lambda r: token_reply(logins.pop(0)) if r.target.endswith("login") else reply(200))
                def sent(squire):
                    before = len(upstream.requests)
                    self.fetch(squire)
                    return upstream.requests[-1].token if len(upstream.requests) > before else None
                config = self.config(upstream.url)
                self.save_token(old, config)
                self.freeze()
                first, second = (self.run_squire(config, "--inspector", "127.0.0.1:0").wait_for("inspector") for _ in range(2))
                self.assertEqual((sent(first), sent(second)), (old, old))
                self.assertEqual(self.fetch(first, "POST", "/api/customers/login", b"{}").status, 200)
                self.wait_until(lambda: sent(second) == first_login)
                self.assertEqual(self.fetch(second, "POST", f"/api/customers/{does}", b"{}").status, 200)
                last = second_login if does == "login" else None
                # The cause, and not what lies there.
                second.wait_for_text("NOT SAVED", 2)
                self.assertIn("Operation not permitted", second.text().split("NOT SAVED")[2])
                self.assertIn("it is kept in" if last else "that it has ended is kept in", self.command("token", "--config", config, code=0 if last else 77).stderr)
                self.wait_until(lambda: sent(first) == last)
                if killed: second.stop(signal.SIGKILL)
                self.thaw()
                running = (first,) if killed else (first, second)
                self.wait_until(lambda: all(map(saved, running)))
                self.assertEqual(json.loads(self.session_file.read_text()).get("token"), last)
                self.assertEqual([sent(squire) for squire in running], [last] * len(running))
                self.assertEqual([path.name for path in self.directory.iterdir() if path.name.startswith(f".{self.session_file.name}")], [])
                for squire in running: squire.stop()

    @unittest.skipUnless(CAN_FREEZE, "only root can make a file immutable, and not everywhere")
    def test_what_a_client_did_is_left_again_where_somebody_removes_it(self):
        """An older Squire takes the end of a session for rubbish."""
        token = jwt(jti="new")
        upstream = self.upstream(lambda r: token_reply(token) if r.target.endswith("login") else reply(200))
        config = self.config(upstream.url)
        left = self.session_file.with_name(f".{self.session_file.name}.new")
        def is_left():
            """And nobody is writing it."""
            try:
                with left.open() as file:
                    fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                    return bool(file.read().strip()) and os.fstat(file.fileno()).st_ino == left.stat().st_ino
            except (FileNotFoundError, BlockingIOError): return False
        for does, code in (("login", 0), ("logout", 77)):
            with self.subTest(does):
                self.save_token(jwt(jti=f"old{does}"), config)
                self.freeze()
                squire = self.run_squire(config)
                self.assertEqual(self.fetch(squire, "POST", f"/api/customers/{does}", b"{}").status, 200)
                left.unlink()
                self.wait_until(is_left)
                squire.stop(signal.SIGKILL)
                expected = token if does == "login" else ""
                self.assertEqual(self.command("token", "--config", config, code=code).stdout.strip(), expected)
                self.thaw()
                self.assertEqual(self.command("token", "--config", config, code=code).stdout.strip(), expected)
                self.assertFalse(left.exists())

    @unittest.skipUnless(CAN_FREEZE and shutil.which("strace"), "only root can make a file immutable, and strace(1) kills in time")
    def test_a_kill_before_all_is_left_leaves_what_was_there(self):
        """What a client did is written whole before it takes the place of what lay beside the file. Its client was told of nothing."""
        draft = self.session_file.with_name(f".{self.session_file.name}.new.complete")
        killing = ("strace", "-D", "-f", "-qq", "-o", "/dev/null", "-P", str(draft), "-e", "trace=rename", "-e", "inject=rename:signal=KILL")
        for before, does in [(before, does) for before in (False, True) for does in ("login", "logout")]:
            with self.subTest(does, before=before):
                old, first, second = (jwt(jti=f"{name}{before}{does}") for name in ("old", "first", "second"))
                logins = [first, second] if before else [second]
                config = self.config(self.upstream(lambda r: token_reply(logins.pop(0)) if r.target.endswith("login") else reply(200)).url)
                self.save_token(old, config)
                self.freeze()
                if before:
                    squire = self.run_squire(config)
                    self.assertEqual(self.fetch(squire, "POST", "/api/customers/login", b"{}").status, 200)
                    squire.stop(signal.SIGKILL)
                squire = Process("run", "--config", config, env=self.env, prefix=killing).wait_for("proxy")
                self.addCleanup(squire.stop)
                squire.port = int(squire.endpoints["proxy"].rsplit(":", 1)[1])
                with self.assertRaises((http.client.RemoteDisconnected, ConnectionResetError)):
                    self.fetch(squire, "POST", f"/api/customers/{does}", b"{}")
                self.assertEqual(squire.process.wait(LIMIT), -signal.SIGKILL)
                self.assertTrue(draft.exists())
                expected = first if before else old
                self.assertEqual(self.command("token", "--config", config).stdout.strip(), expected)
                self.thaw()
                # Whoever takes the lock next removes it.
                squire = self.run_squire(config)
                self.wait_until(lambda: not draft.exists() and json.loads(self.session_file.read_text())["token"] == expected)
                squire.stop()
                self.assertEqual(self.command("token", "--config", config).stdout.strip(), expected)

    def freeze(self):
        subprocess.run(["chattr", "+i", str(self.session_file)], check=True)
        self.addCleanup(self.thaw)

    def thaw(self): subprocess.run(["chattr", "-i", str(self.session_file)], check=True)

    def test_what_cannot_be_read_is_neither_overwritten_nor_believed(self):
        def directory(path): path.mkdir()
        def fifo(path): os.mkfifo(path)
        # Before the file is taken away: Squire puts it back at once.
        (self.directory / "elsewhere").write_text(json.dumps({"token": jwt(jti="elsewhere")}))
        def link(path): path.symlink_to(self.directory / "elsewhere")
        def large(path): path.write_bytes(b"x" * (10 << 20))
        def empty(path): path.write_text("")
        def nuls(path): path.write_bytes(bytes(4096))
        for make in (directory, fifo, link, large, empty, nuls):
            with self.subTest(make.__name__):
                token = jwt(jti=make.__name__)
                accepted = {token}
                squire, upstream = self.proxied(lambda r: reply(200) if r.token in accepted and r.target != REFRESH else reply(401), token=token)
                self.assertEqual(self.fetch(squire).status, 200)
                self.session_file.unlink()
                make(self.session_file)
                kind = os.lstat(self.session_file)
                self.assertEqual(self.fetch(squire).status, 200)
                # Refreshing could not be saved, so nothing is sent.
                accepted.clear()
                self.assertEqual(self.fetch(squire).status, 401)
                self.assertEqual([r for r in upstream.requests if r.target == REFRESH], [])
                self.command("login", "--config", squire.config, "--token", "-", input=jwt() + "\n", code=65)
                after = os.lstat(self.session_file)
                # Its rights may have been narrowed, nothing else.
                self.assertEqual((stat.S_IFMT(kind.st_mode), kind.st_size, kind.st_ino), (stat.S_IFMT(after.st_mode), after.st_size, after.st_ino))
                self.command("run", "--config", squire.config, code=65)
                squire.stop()
                shutil.rmtree(self.session_file) if self.session_file.is_dir() and not self.session_file.is_symlink() else self.session_file.unlink()


class ClientsOwnDoings(Scenario):
    def sign_in_reply(self, token, form):
        body = token_reply(token).split(b"\r\n\r\n", 1)[1]
        head = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        if "gzip" in form:
            body, head = gzip.compress(body), head + b"Content-Encoding: gzip\r\n"
        if "chunked" in form:
            chunks = b"".join(b"%x\r\n%s\r\n" % (len(body[i:i + 50]), body[i:i + 50]) for i in range(0, len(body), 50))
            return head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + b"0\r\n\r\n", body
        return head + b"Content-Length: %d\r\n\r\n" % len(body) + body, body

    def test_sign_in_teaches_the_token_however_it_is_sent(self):
        for form in ("plain", "chunked", "gzip", "gzip chunked"):
            for path in ("login", "register", "social-sign-up"):
                with self.subTest(form=form, path=path):
                    token = jwt(jti=f"{form.replace(' ', '')}{path}", sub=path)
                    answer, body = self.sign_in_reply(token, form)
                    squire, upstream = self.proxied(lambda r: answer if "/customers/" in r.target else reply(200), token=jwt())
                    response = self.fetch(squire, "POST", f"/api/customers/{path}", b"{}", {"Accept-Encoding": "gzip", "Authorization": "Bearer stale"})
                    # The client has what the API sent, byte for byte.
                    self.assertEqual((response.status, response.data), (200, body))
                    self.assertNotIn(jwt(), upstream.requests[0]["Authorization"] or "")
                    self.assertEqual(json.loads(self.session_file.read_text())["token"], token)
                    self.fetch(squire)
                    self.assertEqual(upstream.requests[-1].token, token)
                    squire.stop()

    def test_sign_in_whose_token_cannot_be_looked_for_says_so(self):
        """A long answer, and a stream that ends when it likes: the client has it, and hears that the session is as it was."""
        old = jwt(jti="old")
        long = json.dumps({"padding": "x" * (2 << 20), "data": {"token": {"value": jwt(jti="new")}}}).encode()
        stream = b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n"
        squire, upstream = self.proxied(lambda r: {"/api/customers/login": reply(200, long), "/api/customers/register": stream}.get(r.target, reply(200)), token=old)
        response = self.fetch(squire, "POST", "/api/customers/login", b"{}")
        self.assertEqual((response.status, response.data), (200, long))
        self.assertIn("too long", response.headers["Proxy-Status"])
        client = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(client.close)
        client.sendall(b"POST /api/customers/register HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        # It does not end.
        self.assertIn(b"Proxy-Status: squire; details=", self.read_until(client, b"data: 1\n\n"))
        self.fetch(squire)
        self.assertEqual(upstream.requests[-1].token, old)

    def test_sign_in_is_learnt_when_its_json_is_whole(self):
        """Whatever follows: an end that is missing, blanks that trickle. By command the same."""
        head = b"HTTP/1.1 200 X\r\nContent-Type: application/json\r\nContent-Length: 5000\r\n\r\n"
        for name in ("cut", "open"):
            with self.subTest(name):
                old, new = jwt(jti=f"old{name}"), jwt(jti=f"new{name}")
                answer = head + token_reply(new).split(b"\r\n\r\n", 1)[1] + b" "
                squire, upstream = self.proxied(
                    lambda r: ((answer, "close") if name == "cut" else answer) if r.target.endswith("/login") else reply(200), token=old)
                client = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
                self.addCleanup(client.close)
                client.sendall(b"POST /api/customers/login HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
                self.read_until(client, new.encode())
                self.fetch(squire)
                self.assertEqual(upstream.requests[-1].token, new)
                self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
                if name == "cut":
                    self.session_file.unlink()
                    squire.stop()
                    self.command("login", "--config", squire.config, "--email", "a@b.example", "--code", "1234")
                    self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
                else:
                    client.close()
                    squire.stop()

    def test_sign_out_with_a_long_answer_ends_the_session(self):
        # Of the body, only the first octet comes.
        endless = b"HTTP/1.1 200 X\r\nContent-Length: 1000\r\n\r\nx"
        squire, _ = self.proxied(lambda r: endless, token=jwt())
        client = socket.create_connection(("127.0.0.1", squire.port), LIMIT)
        self.addCleanup(client.close)
        client.sendall(b"POST /api/customers/logout HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        self.read_until(client, b"\r\n\r\nx")
        self.assertNotIn("token", json.loads(self.session_file.read_text()))
        client.close()
        squire.stop()
        squire, _ = self.proxied(lambda r: reply(200, b"x" * (2 << 20)), token=jwt())
        response = self.fetch(squire, "POST", "/api/customers/logout")
        self.assertEqual((response.status, len(response.data)), (200, 2 << 20))
        self.assertNotIn("token", json.loads(self.session_file.read_text()))

    def test_decoys_are_never_adopted(self):
        token, decoy = jwt(jti="mine"), jwt(jti="decoy")
        squire, upstream = self.proxied(lambda r: token_reply(decoy) if r.method == "POST" else reply(200), token=token)
        for target in ("/api/payment-processors/generate-tokens", "/api/oauth/tokens", "/api/customers/login/else", "/api/orders"):
            self.fetch(squire, "POST", target, b"{}")
        self.fetch(squire)
        self.assertEqual(upstream.requests[-1].token, token)

    def test_the_clients_own_refresh_never_rotates_behind_our_back(self):
        old = jwt(jti="old")
        squire, upstream = self.proxied(token=old)
        upstream.respond = api = Rotating(old)
        response = self.fetch(squire, target=REFRESH, headers={"Authorization": "Bearer " + jwt(jti="stale")})
        new = json.loads(response.data)["data"]["token"]["value"]
        self.assertEqual([r.token for r in upstream.requests], [old])
        self.assertEqual(json.loads(self.session_file.read_text())["token"], new)
        self.assertIn(new, api.live)
        self.assertEqual(self.fetch(squire).status, 200)

    def test_logout_with_an_expired_token_refreshes_first(self):
        old = jwt(life=3600, age=7200, jti="old")
        squire, upstream = self.proxied(token=old)
        upstream.respond = api = Rotating(old)
        self.assertEqual(self.fetch(squire, "POST", "/api/customers/logout").status, 200)
        self.assertEqual([r.target for r in upstream.requests], [REFRESH, "/api/customers/logout"])
        self.assertEqual(api.live, set())
        self.assertNotIn("token", json.loads(self.session_file.read_text()))
        self.assertEqual(self.fetch(squire).status, 401)
        # The same by command.
        old = jwt(life=3600, age=7200, jti="older")
        upstream.respond = api = Rotating(old)
        self.save_token(old, squire.config)
        self.command("logout", "--config", squire.config)
        self.assertEqual((api.count, api.live), (1, set()))

    def test_logout_with_a_token_that_machines_share_is_not_passed_on(self):
        token, upstream = jwt(), self.upstream()
        config = self.config(upstream.url, profile="profile: menu\n")
        self.save_token(token, config)
        # As it is where `session.shared` was taken out of the configuration.
        record = json.loads(self.session_file.read_text())
        self.session_file.write_text(json.dumps(record | {"shared": {"in": "etcd squire/v1/session/x"}}))
        squire = self.run_squire(config)
        response = self.fetch(squire, "POST", "/api/customers/logout")
        self.assertEqual((response.status, json.loads(response.data)["code"]), (503, "session_unavailable"))
        self.assertIn("Nothing is ended, and the API was not asked", json.loads(response.data)["detail"])
        self.assertEqual((upstream.requests, json.loads(self.session_file.read_text())["token"]), ([], token))
        self.assertEqual(self.fetch(squire).status, 200)
        explained = self.command("explain", "POST", "/api/customers/logout", "--config", config).stdout
        self.assertIn("Nothing is ended", explained)

    def test_a_running_refresh_does_not_bring_back_what_was_logged_out(self):
        old = jwt(jti="old")
        hold, entered = threading.Event(), threading.Event()
        self.addCleanup(hold.set)
        squire, upstream = self.proxied(token=old, arguments=("--inspector", "127.0.0.1:0"))
        get = inspected(squire.wait_for("inspector"))
        api = Rotating(old)
        def respond(request):
            if request.target == "/api/first" and request.token == old: return reply(401)
            if request.target == REFRESH:
                entered.set()
                hold.wait(LIMIT)
            return api(request)
        upstream.respond = respond
        results = {}
        def run(name, *arguments): results[name] = self.fetch(squire, *arguments).status
        first = threading.Thread(target=run, args=("first", "GET", "/api/first"))
        first.start()
        self.assertTrue(entered.wait(LIMIT))
        logout = threading.Thread(target=run, args=("logout", "POST", "/api/customers/logout"))
        logout.start()
        # It waits for the token that is to come, to end that one.
        deadline = time.monotonic() + LIMIT
        while json.loads(get("/api/status")[1])["session"]["coalesced"] < 1: self.assertLess(time.monotonic(), deadline)
        self.assertNotIn("/api/customers/logout", [r.target for r in upstream.requests])
        hold.set()
        first.join(), logout.join()
        self.assertEqual(results["logout"], 200)
        self.assertEqual(api.live, set())
        self.assertNotIn("token", json.loads(self.session_file.read_text()))

    def test_opaque_tokens_of_two_customers(self):
        """Nothing in them says whose they are: a login between a request and its replay is another customer's."""
        entered, proceed = threading.Event(), threading.Event()
        self.addCleanup(proceed.set)
        def respond(request):
            if request.token == "opaque-first":
                entered.set()
                proceed.wait(LIMIT)
                return reply(401)
            return reply(200)
        squire, upstream = self.proxied(respond, token="opaque-first", session="  refresh: {path: /renew, token: /t}\n", profile="")
        result = []
        thread = threading.Thread(target=lambda: result.append(self.fetch(squire, "POST", "/api/orders", b"1").status))
        thread.start()
        self.assertTrue(entered.wait(LIMIT))
        self.save_token("opaque-second", squire.config)
        deadline = time.monotonic() + LIMIT
        while "token 2" not in squire.text(): self.assertLess(time.monotonic(), deadline)
        proceed.set()
        thread.join()
        self.assertEqual(result, [503])
        self.assertEqual([r.token for r in upstream.requests], ["opaque-first"])


class OneFileOfTwoProxies(Scenario):
    """Two configurations of one process on one session file: what is done through one counts for the other, too, when the answer is here."""

    def setUp(self):
        super().setUp()
        self.number, self.token = 0, jwt(jti="0")
        self.api = self.upstream(self.respond)
        configs = [self.config(self.api.url, name=name) for name in ("a.yaml", "b.yaml")]
        self.save_token(self.token, configs[0])
        self.squire = Process("run", *(word for config in configs for word in ("--config", config)), env=self.env)
        self.addCleanup(lambda: self.squire.stop())
        self.ports = [int(line.rsplit(":", 1)[1]) for line in self.squire.wait_for_lines(2)]
        self.clients = [http.client.HTTPConnection("127.0.0.1", port, timeout=LIMIT) for port in self.ports]
        for client in self.clients: self.addCleanup(client.close)

    def respond(self, request):
        if not request.target.endswith("/login"): return reply(200)
        self.number += 1
        self.token = jwt(sub=str(self.number), jti=str(self.number))
        return token_reply(self.token)

    def ask(self, client, method="GET", target="/api/x", body=None):
        """The status, and the token that the API saw last."""
        client.request(method, target, body)
        response = client.getresponse()
        response.read()
        return response.status, self.api.requests[-1].token

    def sign(self, client, what):
        self.assertEqual(self.ask(client, "POST", f"/api/customers/{what}", b"{}")[0], 200)

    def test_signing_in_and_out(self):
        one, other = self.clients
        for round in range(20):
            for client in (one, other):
                self.sign(client, "login")
                self.assertEqual([self.ask(c) for c in (other, one)], [(200, self.token)] * 2, round)
            self.sign(one, "logout")
            self.assertEqual(self.ask(other)[0], 401, round)

    def test_what_cannot_be_saved(self):
        one, other = self.clients
        lock = self.block_saving()
        self.sign(one, "login")
        self.assertEqual(self.ask(other), (200, self.token))
        self.sign(other, "logout")
        self.assertEqual(self.ask(one)[0], 401)
        self.sign(other, "login")
        self.assertEqual(self.ask(one), (200, self.token))
        lock.rmdir()
        self.until(lambda: json.loads(self.session_file.read_text()).get("token") == self.token, "not saved")
        self.assertEqual([self.ask(client) for client in self.clients], [(200, self.token)] * 2)


class Load(Scenario):
    def test_a_thousand_requests_during_a_slow_refresh(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        hold, all_here = threading.Event(), threading.Event()
        self.addCleanup(hold.set)
        def respond(request):
            if request.target == REFRESH:
                hold.wait(LIMIT)
                return token_reply(new)
            if request.token == new: return reply(200)
            # None is refused before all are there: those that came later would wait for the refresh without being sent.
            if len(upstream.requests) >= 1000: all_here.set()
            all_here.wait(LIMIT)
            return reply(401)
        squire, upstream = self.proxied(respond, token=old)
        before = resident(squire)
        connections = [socket.create_connection(("127.0.0.1", squire.port), LIMIT) for _ in range(1000)]
        for index, connection in enumerate(connections):
            self.addCleanup(connection.close)
            connection.sendall(b"GET /api/%d HTTP/1.1\r\nHost: localhost\r\n\r\n" % index)
        upstream.wait_for_requests(1001)
        grown = resident(squire) - before
        hold.set()
        released = time.monotonic()
        statuses = [connection.recv(65536).split(b" ", 2)[1] for connection in connections]
        self.assertEqual(statuses, [b"200"] * 1000)
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 1)
        if not SANITIZER: self.assertLess(grown, 64 << 10, "KiB")
        self.assertLess(time.monotonic() - released, LIMIT)

    def test_more_than_may_wait_are_told_to_come_again(self):
        old = jwt(life=3600, age=7200, jti="old")
        hold, entered = threading.Event(), threading.Event()
        self.addCleanup(hold.set)
        def respond(request):
            if request.target == REFRESH:
                entered.set()
                hold.wait(LIMIT)
                return token_reply(jwt(jti="new"))
            return reply(200)
        squire, upstream = self.proxied(respond, token=old, extra="limits: {connections: 3000}\n")
        connections = [socket.create_connection(("127.0.0.1", squire.port), LIMIT) for _ in range(1100)]
        for connection in connections:
            self.addCleanup(connection.close)
            connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
        refused = []
        deadline = time.monotonic() + LIMIT
        while len(refused) < 76:
            poller = select.poll()
            lookup = {c.fileno(): c for c in connections if c not in refused}
            for descriptor in lookup: poller.register(descriptor, select.POLLIN)
            refused += [lookup[descriptor] for descriptor, _ in poller.poll(100)]
            self.assertLess(time.monotonic(), deadline, len(refused))
        answers = [c.recv(65536) for c in refused]
        self.assertEqual({a.split(b" ", 2)[1] for a in answers}, {b"503"})
        for answer in answers: self.assertIn(b"\r\nRetry-After: 1\r\n", answer)
        hold.set()
        statuses = [c.recv(65536).split(b" ", 2)[1] for c in connections if c not in refused]
        self.assertEqual(statuses, [b"200"] * 1024)

    def test_an_endpoint_that_always_refuses(self):
        """Few refreshes, no slower answers, and no harm to others: neither their requests nor their refreshes."""
        api = Rotating(jwt(jti="old"))
        squire, upstream = self.proxied(token=jwt(jti="old"))
        upstream.respond = lambda r: reply(401, b"never") if r.target == "/api/never" else api(r)
        times = []
        for _ in range(150):
            started = time.monotonic()
            self.assertEqual(self.fetch(squire, target="/api/never").status, 401)
            times.append(time.monotonic() - started)
            self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(api.count, 1)
        self.assertLess(sorted(times)[140], 1 if SANITIZER else 0.1)
        # A token that really dies is refreshed meanwhile.
        api.dead.update(api.live)
        dead = api.live.pop()
        upstream.respond = lambda r: reply(401, b"never") if r.target == "/api/never" or r.target != REFRESH and r.token == dead else (
            api.live.add(dead) if r.token == dead else None, api(r))[1]
        self.assertEqual(self.fetch(squire).status, 200)
        self.assertEqual(api.count, 2)

    def test_a_moment_of_outage_is_waited_for(self):
        """The refresh fails once: the next request waits for the next try, rather than fail."""
        old, new = jwt(jti="old"), jwt(jti="new")
        answers = [reply(503), token_reply(new)]
        squire, upstream = self.proxied(lambda r: answers.pop(0) if r.target == REFRESH else reply(200 if r.token == new else 401), token=old)
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual([getattr(r, "status", r) for r in parallel(20, lambda _: self.fetch(squire, "POST", body=b"x"))], [200] * 20)
        self.assertEqual(len([r for r in upstream.requests if r.target == REFRESH]), 2)

    def test_large_and_endless_refusals(self):
        old, new = jwt(jti="old"), jwt(jti="new")
        for body in (b"x" * (10 << 20), None):
            with self.subTest(body is None):
                def respond(request):
                    if request.target == REFRESH: return token_reply(new)
                    if request.token == new: return reply(200)
                    if body: return reply(401, body)
                    return b"HTTP/1.1 401 X\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nendle\r\n"
                squire, upstream = self.proxied(respond, token=old)
                before, started = resident(squire), time.monotonic()
                self.assertEqual(self.fetch(squire).status, 200)
                self.assertLess(time.monotonic() - started, 5)
                # Far from the ten megabytes of the answer, as what is held of it and the program's own pages come in.
                if not SANITIZER: self.assertLess(resident(squire) - before, 9 << 10)
                squire.stop()

    def test_other_refusals_never_refresh(self):
        squire, upstream = self.proxied(lambda r: reply(int(r.target.split("/")[2]), b"no", *(["WWW-Authenticate: Basic realm=x"] if r.target.endswith("basic") else [])))
        for status in ("403", "422", "407", "419", "401/basic"):
            self.assertEqual(self.fetch(squire, target="/api/" + status).status, int(status[:3]))
        self.assertEqual([r for r in upstream.requests if r.target == REFRESH], [])


def resident(squire):
    """KiB."""
    return int(pathlib.Path(f"/proc/{squire.process.pid}/statm").read_text().split()[1]) * 4


class AnotherAPI(Scenario):
    """An invented one, as config/examples/custom-api.yaml has it."""

    def invented(self):
        tokens = iter(f"opaque+{n}/=" for n in range(1, 100))
        state = {"live": "opaque+0/=", "renewed": []}
        def renew(request):
            state["renewed"].append(request)
            state["live"] = next(tokens)
            return reply(200, json.dumps({"access": state["live"], "expires_in": "900"}).encode(), "Content-Type: application/json")
        def api(request):
            if request.token == state["live"]: return reply(200, b'{"ok":true}', "Content-Type: application/json")
            if request.target == "/soft": return reply(200, b'{"error":{"code":"token_expired"}}', "Content-Type: application/json; charset=utf-8")
            if request.target == "/challenge": return reply(401, b"", 'WWW-Authenticate: Bearer realm="x", error="invalid_token"')
            return reply(419, b"Page Expired")
        return self.upstream(api), self.upstream(renew), state

    def test_the_example(self):
        api, login, state = self.invented()
        text = (EXAMPLES / "custom-api.yaml").read_text()
        text = text.replace("https://api.example.com", api.url).replace("https://login.example.com", login.url)
        text = re.sub(r"^listen:.*$", f"listen: 127.0.0.1:0\ninspector: \"off\"", text, flags=re.M).replace("session:\n", f"session:\n  file: {self.session_file}\n")
        config = self.directory / "custom.yaml"
        config.write_text(text)
        self.save_token("opaque+0/=", str(config))
        squire = self.run_squire(str(config))
        for target in ("/page", "/soft", "/challenge"):
            with self.subTest(target):
                state["live"] = "revoked"
                response = self.fetch(squire, "POST", target, b"body")
                self.assertEqual((response.status, response.data), (200, b'{"ok":true}'))
        self.assertEqual(len(state["renewed"]), 3)
        first = state["renewed"][0]
        self.assertEqual((first.line, first["Authorization"]), ("POST /v2/renew HTTP/1.1", None))
        self.assertEqual(first.payload, b"grant=renew&token=opaque%2B0%2F%3D")
        self.assertEqual((first["Content-Type"], first["X-Client"], first["User-Agent"]), ("application/x-www-form-urlencoded", "squire", "my-tool/1.0"))
        self.assertRegex(first["X-Trace-ID"], r"^[0-9a-f-]{36}$")
        status = json.loads(self.command("status", "--json", "--config", str(config)).stdout)
        self.assertTrue(800 < status["expires_in"] <= 900, status)
        # A 401 that names another error is the client's.
        api.respond = lambda r: reply(401, b"", 'WWW-Authenticate: Bearer error="insufficient_scope"')
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(len(state["renewed"]), 3)

    def test_mistakes_in_the_recipe(self):
        base = "upstream: https://api.example.com\nsession:\n"
        for text, expected in (
            ("  refresh: {token: /t}\n", "needs a path, or a url"),
            ("  refresh: {path: /r}\n", "needs token"),
            ("  refresh: {url: 'http://login.example.com/r', token: /t}\n", "https://"),
            ("  refresh: {url: 'https://login.example.com/r', path: /r, token: /t}\n", "both"),
            ("  refresh: {path: /r, token: t}\n", "JSON Pointer"),
            ("  refresh: {path: /r, token: /t, expires: /x}\n", 'unknown key "session.refresh.expires"'),
            ("  refresh: {path: /r, token: /t, headers: {'A B': c}}\n", "not a valid header"),
            ("  rejected: [200]\n", "400 to 599"),
            ("  rejected: [{status: 200}]\n", "pointer"),
            ("  rejected: [{status: 403, equals: x}]\n", "pointer"),
            ("  rejected: [{status: 403, pointer: /x}]\n", "equals"),
        ):
            path = self.directory / "c.yaml"
            path.write_text(base + text)
            self.assertIn(expected, self.command("check", "--config", str(path), code=78).stderr, text)


class Commands(Scenario):
    def test_exec_keeps_secrets_from_its_child(self):
        upstream = self.upstream()
        token = jwt(life=3600, age=7200)
        key = self.directory / "key"
        key.write_text("a-secret-access-key\n")
        config = self.config(upstream.url, extra=f"access: {{key: {key}}}\n")
        self.save_token(token, config)
        result = self.command("exec", "--config", config, "--", "env", env={
            "SQUIRE_TOKEN": "stale", "SQUIRE_HEADER": "X-Secret: s", "AUTH": f"Bearer {token}", "KEY": "a-secret-access-key", "OTHER": "kept"})
        lines = result.stdout.splitlines()
        names = {line.split("=", 1)[0] for line in lines}
        self.assertIn("OTHER=kept", lines)
        self.assertIn("SQUIRE_URL", names)
        for name in ("SQUIRE_TOKEN", "SQUIRE_HEADER", "AUTH", "KEY"): self.assertNotIn(name, names)
        self.assertNotIn(token, result.stdout)

    def test_status_tells_a_person_what_happened_and_what_to_do(self):
        answers = [reply(503, b""), token_reply(jwt(jti="new")), reply(401)]
        squire, upstream = self.proxied(lambda r: answers.pop(0) if r.target == REFRESH else reply(401), token=jwt(life=30))
        for code in (75, 0):
            deadline = time.monotonic() + LIMIT
            while True:
                result = subprocess.run([SQUIRE, "token", "--config", squire.config, "--min-ttl", "2h"], capture_output=True, env=clean_environment(**self.env))
                if result.returncode == code: break
                self.assertLess(time.monotonic(), deadline, result)
        self.assertEqual(self.fetch(squire).status, 401)
        text = self.command("status", "--config", squire.config, code=77).stdout
        for expected in ("session ", "customer    5090976", "age ", "expires     in 59 min", "refreshes   1, and failed: 1 unavailable, 1 refused",
                         "refreshed (expiry), ", "unavailable (expiry), ", "status 503", "The API refused to refresh the token (status 401) at ", "Run: squire login"):
            self.assertIn(expected, text)


class Clocks(Scenario):
    """What a token and an answer say of the time is only somebody's word."""

    def test_no_number_of_a_token_or_an_answer_ends_the_process(self):
        now = int(time.time())
        dates = [time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())]
        numbers = [2 ** 31, -2 ** 31 - 1, 2 ** 53, 2 ** 63 - 1, -2 ** 63, 2 ** 64, now * 1000, -1, 0, 1e30, 253402300800, 13569465600]
        dates += [f"Sun, 06 Nov 1994 {number}:00:00 GMT" for number in numbers] + [f"Sun, {number} Nov {number} 00:{number}:00 GMT" for number in numbers]
        dates += ["Thu, 01 Jan 1970 00:00:00 GMT", "Fri, 31 Dec 9999 23:59:60 GMT", "", "x"]

        def respond(request):
            if request.target.endswith("/refresh"): return reply(503, b"")
            return reply(401, b"{}", f"Date: {request['X-Date']}", "Content-Type: application/json")

        squire, upstream = self.proxied(respond)
        encode = lambda data: base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        for claim in numbers:
            claims = {"iss": "x", "sub": "1", "jti": str(claim), "iat": claim, "nbf": claim, "exp": claim if claim > now else now + 3600}
            token = ".".join((encode(b'{"typ":"JWT","alg":"HS256"}'), encode(json.dumps(claims).encode()), "c2lnbmF0dXJl"))
            self.save_token(token, squire.config)
            tried = dates if claim == now * 1000 else dates[:1] + dates[-4:]
            # Some of them make Squire wait for the upstream's clock: together.
            for answer in parallel(len(tried), lambda index: self.fetch(squire, headers={"X-Date": tried[index]})):
                self.assertIn(getattr(answer, "status", answer), (401, 503))
        self.assertIsNone(squire.process.poll())


if __name__ == "__main__":
    main()
