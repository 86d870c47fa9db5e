"""A disk that fails: no refresh is sent whose result could not be saved; a token that could not be saved after all is used from memory,
saved later, and said; what cannot be read is never written over; a token put in by hand wins."""
import concurrent.futures, re, resource
from harness import *

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "Soak"))
os.environ["SQUIRE_BINARY"] = SQUIRE
import crash, fleet
from simulator import REFRESH, Simulator

until = crash.until
RENAME = "rename,renameat,renameat2"


class Bench:
    """One Squire with a session of its own, logged in and used once, before a simulated API."""

    def __init__(self, prepare=lambda bench: None):
        self.api = Simulator(margin=1)
        self.session = fleet.Session(self.api)
        self.file, self.directory = self.session.file, self.session.file.parent
        self.squire = fleet.Proxy(self.session, 0, ("--inspector", "127.0.0.1:0"))
        self.mounted = False
        try:
            prepare(self)
            self.session.login()
            self.old = self.session.token()
            self.squire.start()
            assert self.get() == 200
        except BaseException:
            self.close()
            raise

    def close(self):
        if self.squire.process:
            self.squire.stop()
        if self.mounted:
            subprocess.run(["umount", "-l", self.directory], check=True)
        self.session.remove()
        self.api.stop()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def ask(self, target="/api/customer-accounts/me", method="GET", body=b"", **arguments):
        return fleet.ask(self.squire, target, method, body, limit=LIMIT, **arguments)

    def get(self):
        return self.ask().status

    def ready(self):
        return self.ask("/readyz", endpoint="inspector").status

    def customer(self):
        answer = self.ask()
        return json.loads(answer.body)["data"]["sub"] if answer.status == 200 else None

    def token(self):
        """The file's, or None when it cannot be read."""
        with contextlib.suppress(OSError, ValueError):
            return self.session.token()

    def equal(self, one, other, what=""):
        assert one == other, f"{one!r} is not {other!r} {what}"

    def recovers(self):
        """Without the fault: requests work, the newest token is in the file, and it is ready."""
        until(lambda: self.get() == 200, "a request that works", 8)
        until(lambda: self.api.state(self.token()) == "usable", "a usable token in the file", 5)
        until(lambda: self.ready() == 200, "readiness", 5)
        self.equal(self.file.stat().st_mode & 0o777, 0o600)
        self.equal(self.session.leftovers(), [])

    def sends_nothing(self):
        """An expired token is not refreshed; it is as good as before."""
        self.api.expire()
        for number in range(2):
            answer = self.ask()
            assert answer.status in (401, 503), f"request {number + 1}: {answer}; {self.squire.tail()}"
        self.equal(self.api.refreshes, [])
        self.equal(self.api.state(self.old), "expired")
        self.equal(self.ready(), 503)

    @contextlib.contextmanager
    def injected(self, fault, thread=None):
        """System calls of the running Squire, or of its thread, fail as strace(1) says."""
        pid = self.squire.process.pid
        if thread:
            tids = [until(lambda: crash.Threads(pid).by_name.get(thread), thread)]
            which = ["-p", str(tids[0])]
        else:
            tids, which = os.listdir(f"/proc/{pid}/task"), ["-f", "-p", str(pid)]
        tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + re.search(r"=([a-z0-9,]+)", fault)[1], "-e", fault, *which],
                                  stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        until(lambda: all(crash.is_traced(pid, tid) for tid in tids), "strace")
        try:
            yield
        finally:
            # Not SIGINT: it may be ignored here, as in any job that a script puts into the background, and strace inherits that.
            tracer.terminate()
            tracer.wait(LIMIT)

    def fill(self):
        with open(self.directory / "filler", "ab", 0) as filler:
            for size in (4096, 1):
                with contextlib.suppress(OSError):
                    while filler.write(b"x" * size):
                        pass

    def during_refresh(self, work):
        """Once, between the arrival of the refresh at the API and its answer."""
        async def override(request, writer):
            del self.api.overrides[REFRESH]
            work()
            return NotImplemented
        self.api.overrides[REFRESH] = override

    def write_by_hand(self, token, in_place):
        """As an editor does it: over the old content, or as a new file."""
        content = json.dumps({"token": token})
        if in_place:
            self.file.write_text(content)
        else:
            (self.directory / "x").write_text(content)
            (self.directory / "x").rename(self.file)


def mounted(size, *options):
    """The session's directory is a disk of its own."""
    def prepare(bench):
        command = ["mount", "-t", "tmpfs", "-o", ",".join((f"size={size},mode=0700", *options)), "squire-test", bench.directory]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
            raise unittest.SkipTest("mounting a small disk needs root, and to be allowed to")
        bench.mounted = True
    return prepare


@unittest.skipUnless(shutil.which("strace"), "calls are made to fail by strace(1)")
class Disk(unittest.TestCase):
    def cases(self, work, cases):
        """`work(bench, *case)` for each, several at a time: most of the time passes in waiting."""
        def run(case):
            with Bench() as bench:
                return work(bench, *case)
        with concurrent.futures.ThreadPoolExecutor(8) as pool:
            running = [(case, pool.submit(run, case)) for case in cases]
        results = []
        for case, future in running:
            with self.subTest(case=case):
                results.append(future.result())
        return results

    # Nothing can be saved: nothing is sent

    def test_full_disk(self):
        with Bench(mounted("64k")) as bench:
            bench.fill()
            before = bench.file.read_bytes()
            bench.sends_nothing()
            self.assertEqual(bench.file.read_bytes(), before)
            self.assertEqual(bench.session.leftovers(), ["filler"])
            (bench.directory / "filler").unlink()
            bench.recovers()

    def test_disk_that_fills_during_the_refresh(self):
        with Bench(mounted("128k")) as bench:
            bench.during_refresh(bench.fill)
            bench.api.expire()
            self.assertEqual(bench.get(), 200)
            self.assertEqual(bench.api.state(bench.token()), "usable")
            (bench.directory / "filler").unlink()
            bench.recovers()
            self.assertEqual(len(bench.api.refreshes), 1)

    def test_read_only_disk(self):
        with Bench(mounted("64k")) as bench:
            subprocess.run(["mount", "-o", "remount,ro", bench.directory], check=True)
            bench.sends_nothing()
            subprocess.run(["mount", "-o", "remount,rw", bench.directory], check=True)
            bench.recovers()

    def test_limit_on_the_size_of_files(self):
        """The write that crosses it is short, and the next one raises SIGXFSZ: neither ends the process."""
        with Bench() as bench:
            resource.prlimit(bench.squire.process.pid, resource.RLIMIT_FSIZE, (1000, resource.RLIM_INFINITY))
            bench.sends_nothing()
            self.assertEqual(bench.token(), bench.old)
            resource.prlimit(bench.squire.process.pid, resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
            bench.recovers()

    def test_locks_that_cannot_be_had(self):
        def check(bench, error):
            with bench.injected(f"inject=flock:error={error}"):
                bench.sends_nothing()
            bench.recovers()
        self.cases(check, [("ENOLCK",), ("EOPNOTSUPP",)])

    def test_interrupted_calls_are_made_again(self):
        def check(bench, call):
            for number in (1, 2):
                # Not more of them: the thread also writes to wake the event loop, which nothing interrupts.
                with bench.injected(f"inject={call}:error=EINTR:when={number}", "squire-session/0"):
                    bench.api.expire()
                    bench.equal(bench.get(), 200)
            bench.recovers()
        self.cases(check, [("write",), ("flock",), ("openat",), ("fsync",)])

    # Each call on the way may fail, once or for good

    def test_any_failing_call(self):
        """Either nothing was sent, or the new token is used from memory, said to be unsaved, and saved when it can be."""
        self.failing_calls([("fsync,fdatasync", "EIO", "2+"), (RENAME, "EIO", "1+"), ("fsync,fdatasync", "EIO", "1+"), ("openat", "EMFILE", "2+")])

    def failing_calls(self, cases):
        def check(bench, call, error, when):
            with bench.injected(f"inject={call}:error={error}:when={when}", "squire-session/0"):
                bench.api.expire()
                status = bench.get()
                minted = [r.minted.value for r in bench.api.refreshes if r.minted]
                if not minted:
                    outcome = "nothing sent"
                    assert status in (401, 503), status
                    bench.equal(bench.token(), bench.old)
                else:
                    bench.equal((status, len(minted)), (200, 1))
                    bench.equal(bench.get(), 200)
                    assert bench.token() in (bench.old, minted[0])
                    outcome = "saved" if bench.token() == minted[0] else "used from memory"
                    if outcome == "used from memory":
                        bench.equal(bench.ready(), 503)
            bench.recovers()
            bench.equal(len(bench.api.refreshes), 1)
            return outcome
        self.assertLessEqual({"nothing sent", "used from memory"}, set(self.cases(check, cases)))

    def test_unsaved_token_is_saved_without_being_asked(self):
        with Bench() as bench:
            with bench.injected("inject=rename,renameat,renameat2:error=EIO"):
                bench.api.expire()
                self.assertEqual(bench.get(), 200)
                self.assertEqual(bench.ready(), 503)
                self.assertEqual(bench.api.state(bench.token()), "dead")
            until(lambda: bench.api.state(bench.token()) == "usable", "the token saved, with no request to remind of it", 5)
            until(lambda: bench.ready() == 200, "readiness", 5)
            self.assertEqual(len(bench.api.refreshes), 1)

    def test_a_reload_drops_no_token_that_is_in_memory_only(self):
        with Bench() as bench:
            config = bench.session.config
            with bench.injected("inject=rename,renameat,renameat2:error=EIO"):
                bench.api.expire()
                self.assertEqual(bench.get(), 200)
                config.write_text(config.read_text().replace("  Api-Version: ", "  X-New: x\n  Api-Version: "))
                self.assertIn("X-New", config.read_text())
                bench.squire.process.send_signal(signal.SIGHUP)
                until(lambda: "is not saved yet" in bench.squire.tail(), "the reload is refused", 5)
                self.assertEqual(bench.get(), 200)
            until(lambda: bench.ready() == 200, "readiness", 5)
            self.assertEqual((bench.get(), len(bench.api.refreshes)), (200, 1))

    def test_unsaved_token_is_saved_at_the_end(self):
        with Bench() as bench:
            with bench.injected("inject=rename,renameat,renameat2:error=EIO"):
                bench.api.expire()
                self.assertEqual(bench.get(), 200)
            self.assertEqual(bench.squire.stop(), 0)
            self.assertEqual(bench.api.state(bench.token()), "usable")

    def test_what_a_client_does_replaces_a_token_that_could_not_be_saved(self):
        """The token lies complete beside the file, and its renaming fails. A client signs out, or in as somebody else; the disk heals."""
        def check(bench, how):
            with bench.injected("inject=rename,renameat,renameat2:error=EIO"):
                bench.api.expire()
                bench.equal(bench.get(), 200)
                target = "logout" if how == "out" else "login"
                body = b'{"email":"7@example.com","password":"x"}'
                bench.equal(bench.ask(f"/api/customers/{target}", "POST", body).status, 200)
                bench.equal(bench.customer(), None if how == "out" else Simulator.sub_of("7@example.com"))
            until(lambda: bench.session.leftovers() == [], "nothing beside the file", 40)
            until(lambda: (bench.token() is None) == (how == "out"), "what the client did, in the file", 40)
            bench.equal(bench.customer(), None if how == "out" else Simulator.sub_of("7@example.com"))
            bench.squire.stop()
            bench.squire.start()
            bench.equal(bench.customer(), None if how == "out" else Simulator.sub_of("7@example.com"))
        self.cases(check, [("out",), ("in",)])

    def test_slow_disk(self):
        """Only the session waits for it: what needs no token goes on."""
        with Bench() as bench, bench.injected("inject=fsync,fdatasync:delay_exit=500000"):
            bench.api.expire()
            with concurrent.futures.ThreadPoolExecutor(1) as pool:
                waiting, slowest, count = pool.submit(bench.get), 0, 0
                while not waiting.done():
                    begin = time.monotonic()
                    self.assertEqual(bench.ask("/api/customers/check-email", "POST", b"{}").status, 200)
                    self.assertEqual(bench.ask("/healthz", endpoint="inspector").status, 200)
                    slowest, count = max(slowest, time.monotonic() - begin), count + 1
            self.assertEqual(waiting.result(), 200)
            self.assertGreater(count, 3)
            self.assertLess(slowest, 0.4)

    # The directory and the file themselves

    def test_directory_gone(self):
        with Bench() as bench:
            # At once: Squire may be writing there.
            os.rename(bench.directory, f"{bench.directory}.gone")
            shutil.rmtree(f"{bench.directory}.gone")
            # More than a second, in which the file is looked at.
            deadline = time.monotonic() + 1.3
            while time.monotonic() < deadline:
                self.assertEqual(bench.get(), 200)
            bench.api.expire()
            self.assertEqual(bench.get(), 200)
            self.assertEqual(len(bench.api.refreshes), 1)
            bench.recovers()

    def test_directory_that_goes_during_the_refresh(self):
        with Bench() as bench:
            bench.during_refresh(lambda: shutil.rmtree(bench.directory))
            bench.api.expire()
            self.assertEqual(bench.get(), 200)
            bench.recovers()
            self.assertEqual(len(bench.api.refreshes), 1)

    RUBBISH = {"empty": b"", "brace": b"{", "zeros": bytes(4096), "array": b"[]", "text": b"token", "10 MiB": bytes(range(256)) * 40960}
    KINDS = ("directory", "FIFO", "link", "endless link", *RUBBISH)
    # What the link leads to is a fine session file, of somebody else's choice.
    ELSEWHERE = json.dumps({"version": 1, "token": jwt(jti="elsewhere")})

    def put(self, file, kind):
        """Replaces the file by something that is none."""
        self.remove(file)
        if kind == "directory": file.mkdir()
        elif kind == "FIFO": os.mkfifo(file)
        elif kind == "link":
            (file.parent.parent / "elsewhere.json").write_text(self.ELSEWHERE)
            file.symlink_to(file.parent.parent / "elsewhere.json")
        elif kind == "endless link": file.symlink_to(file.name)
        else: file.write_bytes(self.RUBBISH[kind])

    def remove(self, file):
        with contextlib.suppress(FileNotFoundError):
            file.unlink() if file.is_symlink() or not file.is_dir() else file.rmdir()

    def is_kept(self, file, kind):
        """It is still there, or, being an ordinary file, was moved out of the way."""
        if kind == "directory": return file.is_dir()
        if kind == "FIFO": return file.is_fifo()
        if kind == "link": return file.is_symlink() and file.read_text() == self.ELSEWHERE
        if kind == "endless link": return file.is_symlink()
        return self.RUBBISH[kind] in [path.read_bytes() for path in file.parent.iterdir() if path.is_file()]

    def test_file_that_becomes_unreadable(self):
        """The token in memory is used as long as it works; it is not refreshed, and what is there is not touched."""
        def check(bench, kind):
            good = bench.file.read_bytes()
            self.put(bench.file, kind)
            deadline = time.monotonic() + 1.3
            while time.monotonic() < deadline:
                bench.equal(bench.get(), 200)
            bench.sends_nothing()
            assert self.is_kept(bench.file, kind)
            self.remove(bench.file)
            bench.file.write_bytes(good)
            bench.recovers()
        self.cases(check, [(kind,) for kind in self.KINDS])

    def test_start_with_an_unreadable_file(self):
        """One clear line, no hang, and nothing overwritten: not by a run, nor by any command."""
        with Bench() as bench:
            bench.squire.stop()
            for kind in self.KINDS:
                for command in (("run",), ("token",), ("status",), ("login", "--token", "-")):
                    with self.subTest(kind, command=command[0]):
                        self.put(bench.file, kind)
                        # Long ago: a cut file of now may still be being written, and is waited for.
                        os.utime(bench.file, (0, 0), follow_symlinks=False)
                        process = subprocess.Popen([SQUIRE, *command, "--config", bench.session.config], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                                   stderr=subprocess.PIPE, text=True, env=fleet.environment(bench.session.directory))
                        try:
                            output, errors = process.communicate(jwt() + "\n", 1 if command[0] == "run" else LIMIT)
                            if command[0] != "login" or process.returncode:
                                self.assertIn(str(bench.file), output + errors)
                                self.assertNotEqual(process.returncode, 0)
                        except subprocess.TimeoutExpired:
                            # Running, and saying so, is fine as well; hanging is not.
                            self.assertEqual(command[0], "run")
                            process.terminate()
                            output, errors = process.communicate(timeout=LIMIT)
                            self.assertIn("proxy http", output)
                            self.assertIn(str(bench.file), errors)
                        self.assertTrue(self.is_kept(bench.file, kind))

    def test_file_open_to_others_is_closed(self):
        self.addCleanup(os.umask, os.umask(0))
        with Bench() as bench:
            bench.file.chmod(0o644)
            bench.api.expire()
            self.assertEqual(bench.get(), 200)
            bench.recovers()

    # A token put in by hand

    def test_adopted_within_a_second(self):
        def check(bench, how):
            token = bench.api.sign_in("7")
            if how == "squire login":
                bench.session.login(token)
            else:
                bench.write_by_hand(token, how == "in place")
            second = time.monotonic() + 1
            until(lambda: time.monotonic() > second, "the second")
            # The very first request of a proxy that had been idle.
            bench.equal(bench.customer(), "7")
            bench.equal(bench.token(), token)
        self.cases(check, [("in place",), ("new file",), ("squire login",)])

    def test_refresh_does_not_overwrite_a_token_put_in_meanwhile(self):
        def check(bench, how):
            token, logins = bench.api.sign_in("7"), []
            if how == "squire login":
                def put():
                    logins.append(subprocess.Popen([SQUIRE, "login", "--config", bench.session.config, "--token", "-", "--replace"], stdin=subprocess.PIPE,
                                                   stdout=subprocess.DEVNULL, env=fleet.environment(bench.session.directory)))
                    logins[0].stdin.write(token.encode() + b"\n")
                    logins[0].stdin.close()
            else:
                put = lambda: bench.write_by_hand(token, how == "in place")
            bench.during_refresh(put)
            bench.api.expire("5090976")
            bench.get()
            for login in logins:
                bench.equal(login.wait(LIMIT), 0)
            assert bench.token() == token, "the token put in was overwritten"
            until(lambda: bench.customer() == "7", "the customer put in")
            assert bench.token() == token
        self.cases(check, [("in place",), ("new file",), ("squire login",)])


if __name__ == "__main__":
    main()
