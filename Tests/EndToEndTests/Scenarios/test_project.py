"""A session belongs to a project and an API: where it is kept, whom it may be sent to, how it is replaced."""
import hashlib, pty, shlex, termios
from harness import *

MINIMAL = "upstream: {url}\nlisten: 127.0.0.1:0\ninspector: \"off\"\n"
RECIPE = "session:\n  refresh: {path: /renew, token: /data/token/value}\n"


class Projects(Scenario):
    def setUp(self):
        super().setUp()
        self.state = self.directory / "state" / "squire"

    def project(self, name, upstream, extra="", file="squire.yaml"):
        """A directory with a configuration that names no session."""
        directory = self.directory / name
        directory.mkdir(exist_ok=True)
        (directory / file).write_text(MINIMAL.format(url=upstream.url if hasattr(upstream, "url") else upstream) + extra)
        return directory

    def put(self, directory, token, *arguments, **named):
        return self.command("login", "--token", "-", *arguments, input=token + "\n", cwd=directory, **named)

    def default_file(self, directory, upstream, file="squire.yaml"):
        """As decisions.md A6 spells it."""
        path = os.path.realpath(directory / file)
        digest = hashlib.sha256(f"{upstream.url}\0{path}".encode()).hexdigest()[:8]
        return self.state / f"127.0.0.1-{digest}.json"

    def shown_until(self, terminal, prompt, shown=b""):
        """What a terminal shows, until it asks that."""
        while not shown.endswith(prompt):
            self.assertTrue(select.select([terminal], [], [], LIMIT)[0], shown)
            shown += os.read(terminal, 4096)
        return shown

    def record(self, path):
        return json.loads(path.read_text())

    def leave(self, path, **members):
        """A file as somebody else left it."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(members))
        return path


class Places(Projects):
    def test_each_project_has_its_own_file(self):
        one, other = self.upstream(), self.upstream()
        a, b = self.project("a", one), self.project("b", other)
        self.put(a, "token-of-a"); self.put(b, "token-of-b")
        self.assertEqual(self.command("token", cwd=a).stdout, "token-of-a\n")
        self.assertEqual(self.command("token", cwd=b).stdout, "token-of-b\n")
        for directory, upstream in ((a, one), (b, other)):
            file = self.default_file(directory, upstream)
            record = self.record(file)
            self.assertEqual((record["upstream"], record["origin"], record["refresh_origin"]), (upstream.url,) * 3)
            self.assertEqual((record["source"], record["configuration"]), ("given", os.path.realpath(directory / "squire.yaml")))
            self.assertEqual(file.stat().st_mode & 0o777, 0o600)

    def test_a_name_shares_and_a_link_is_no_other_configuration(self):
        upstream = self.upstream()
        a, b = (self.project(name, upstream, "session: {name: alice}\n", "c.yaml") for name in "ab")
        self.put(a, "shared", "--config", "c.yaml")
        self.assertEqual(self.command("token", "--config", "c.yaml", cwd=b).stdout, "shared\n")
        digest = hashlib.sha256(upstream.url.encode()).hexdigest()[:8]
        self.assertEqual(self.record(self.state / f"127.0.0.1-alice-{digest}.json")["token"], "shared")
        c = self.project("c", upstream)
        self.put(c, "own")
        (self.directory / "link.yaml").symlink_to(c / "squire.yaml")
        self.assertEqual(self.command("token", "--config", "link.yaml", cwd=self.directory).stdout, "own\n")

    def test_a_file_of_another_is_never_used(self):
        upstream = self.upstream()
        a = self.project("a", upstream)
        file = self.default_file(a, upstream)
        for members, owner in (({"upstream": "https://other.example"}, "https://other.example"),
                               ({"upstream": upstream.url, "configuration": "/elsewhere/squire.yaml"}, "/elsewhere/squire.yaml")):
            text = self.leave(file, token="theirs", **members).read_text()
            for command in (("token",), ("login", "--token", "-", "--replace"), ("logout",)):
                self.assertIn(owner, self.command(*command, input="x\n", cwd=a, code=78).stderr)
            self.assertEqual(file.read_text(), text)

    def test_what_an_older_squire_left(self):
        upstream = self.upstream()
        a = self.project("a", upstream, RECIPE)
        former = self.leave(self.state / "squire.json", token="old", upstream=upstream.url, mine=1)
        result = self.command("token", cwd=a)
        self.assertEqual(result.stdout, "old\n")
        self.assertIn(str(former), result.stderr)
        self.assertEqual(self.command("token", cwd=a).stderr, "", "said once")
        self.assertEqual(self.record(former)["mine"], 1)
        new = self.default_file(a, upstream)
        self.assertFalse(new.exists())
        result = self.put(a, "fresh")
        self.assertIn(str(former), result.stdout)
        self.assertEqual((self.record(new)["token"], self.record(former)["token"]), ("fresh", "old"))
        self.assertEqual(self.command("token", cwd=a).stdout, "fresh\n")

    def test_a_login_in_its_place_counts_in_a_running_proxy_too(self):
        upstream = self.upstream()
        a = self.project("a", upstream)
        self.leave(self.state / "squire.json", token="old", upstream=upstream.url)
        squire = Process("run", env=self.env, cwd=a)
        self.addCleanup(squire.stop)
        squire.port = int(squire.wait_for("proxy").endpoints["proxy"].rsplit(":", 1)[1])
        squire.wait_for_text("where an older Squire left it")
        self.fetch(squire)
        self.put(a, "fresh")
        squire.wait_for_text("configuration re-read")
        self.fetch(squire)
        self.assertEqual([r.token for r in upstream.requests], ["old", "fresh"])

    def test_an_unbound_one_is_left_alone_and_named(self):
        upstream = self.upstream()
        a = self.project("a", upstream)
        former = self.leave(self.state / "squire.json", token="whose")
        text = former.read_text()
        for command in ("token", "status"):
            result = subprocess.run([SQUIRE, command], capture_output=True, text=True, cwd=a, env=clean_environment(**self.env))
            self.assertIn(f"session.file: {former}", result.stdout + result.stderr)
        self.assertEqual(former.read_text(), text)
        foreign = self.leave(former, token="theirs", upstream="http://other.example")
        self.assertNotIn(str(foreign), self.command("token", cwd=a, code=77).stderr)

    def test_a_project_that_moved(self):
        upstream = self.upstream()
        a = self.project("a", upstream)
        self.put(a, "moved")
        file = self.default_file(a, upstream)
        b = self.directory / "b"
        a.rename(b)
        result = self.command("token", cwd=b, code=77)
        for part in (f"session.file: {file}", "session.name", str(a)): self.assertIn(part, result.stderr)
        self.assertEqual(upstream.requests, [])

    def test_status_of_all(self):
        self.assertEqual(self.command("status", "--all", cwd=self.directory).stdout, "")
        one, other = self.upstream(), self.upstream()
        a, b = self.project("a", one), self.project("b", other, "session: {name: bob}\n", "b.yaml")
        self.put(a, jwt(sub="111")); self.put(a, jwt(sub="111", jti="new"))
        self.put(b, jwt(life=-10), "--config", "b.yaml")
        self.leave(self.state / "zz.json", token=5)
        lines = [line.split("  ") for line in self.command("status", "--all", cwd=self.directory).stdout.splitlines()]
        self.assertIn(["usable", "111", one.url, os.path.realpath(a / "squire.yaml"), str(self.default_file(a, one))], lines)
        self.assertEqual([line[0] for line in lines if line[2] == other.url], ["login_needed"])
        self.assertEqual(lines[-1], ["damaged", "-", "-", "-", str(self.state / "zz.json")])
        self.assertEqual(len(lines), 3)
        values = json.loads(self.command("status", "--all", "--json", cwd=self.directory).stdout)
        self.assertEqual([v["state"] for v in values].count("usable"), 1)


class Binding(Projects):
    def served(self, name, upstream, extra=""):
        config = self.directory / name
        config.write_text(MINIMAL.format(url=upstream.url) + extra)
        return str(config)

    def test_another_origin_never_gets_it(self):
        """However the configuration comes to name another upstream, and however the token came."""
        a, b = self.upstream(), self.upstream()
        session = f"session:\n  file: {self.session_file}\n  sign-out: [POST /out]\n  refresh: {{path: /renew, token: /data/token/value}}\n"
        config = self.served("c.yaml", a, session)
        self.save_token("bound", config)
        text = self.session_file.read_text()
        self.served("c.yaml", b, session)
        named = self.served("d.yaml", b, "")
        for way, env in ((["--config", config], {}), (["--config", named, "--session", str(self.session_file)], {}),
                         (["--config", named], {"SQUIRE_SESSION": str(self.session_file)})):
            for command in ("token", "logout"):
                self.assertIn(a.url, self.command(command, *way, env=env, code=77).stderr)
            result = self.command("login", *way, "--token", "-", input="x\n", env=env, code=64)
            self.assertIn(f"{self.session_file} holds a session for {a.url}", result.stderr)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual([r.token for r in b.requests], [])
        self.assertEqual(self.session_file.read_text(), text)
        result = self.command("login", "--config", config, "--token", "-", "--replace", input="mine\n")
        self.assertIn(f"replaced a session for {a.url}", result.stdout)
        self.assertEqual(self.record(self.directory / "session.json.previous")["token"], "bound")

    def test_scheme_and_port_count_and_spelling_does_not(self):
        for origin, same in (("https://API.example.com:443/", True), ("http://api.example.com", False), ("https://api.example.com:444", False),
                             ("https://example.com", False), (5, False)):
            with self.subTest(origin):
                self.leave(self.session_file, token="t", upstream=origin)
                self.command("token", "--upstream", "https://api.example.com", "--session", str(self.session_file), code=0 if same else 77)

    def test_a_file_without_a_binding_is_bound_at_its_first_use(self):
        a, b = self.upstream(), self.upstream()
        self.leave(self.session_file, token="free", mine=[1])
        self.command("status", "--upstream", b.url, "--session", str(self.session_file))
        self.assertNotIn("origin", self.record(self.session_file), "looking binds nothing")
        self.command("token", "--upstream", a.url, "--session", str(self.session_file))
        record = self.record(self.session_file)
        self.assertEqual((record["token"], record["upstream"], record["mine"]), ("free", a.url, [1]))
        self.command("token", "--upstream", b.url, "--session", str(self.session_file), code=77)

    def test_the_refresh_is_bound_too(self):
        api, good, evil = (self.upstream(lambda r: reply(401) if r.target == "/x" else token_reply("new")) for _ in range(3))
        recipe = "session:\n  file: %s\n  refresh: {url: '%s/renew', token: /data/token/value}\n"
        config = self.served("c.yaml", api, recipe % (self.session_file, good.url))
        self.save_token("first", config)
        self.assertEqual(self.record(self.session_file)["refresh_origin"], good.url)
        self.served("c.yaml", api, recipe % (self.session_file, evil.url))
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, target="/x").status, 401)
        self.assertEqual(evil.requests, [])
        self.assertIn(f"refreshed at {good.url} only", self.command("status", "--config", config).stdout)
        result = self.command("token", "--config", config, "--min-ttl", "2h", code=0)
        self.save_token(jwt(life=1), config)
        self.served("c.yaml", api, recipe % (self.session_file, good.url))
        result = self.command("token", "--config", config, "--min-ttl", "2h", code=77)
        self.assertIn(f"refreshed at {evil.url} only", result.stderr)
        self.command("logout", "--config", config)
        self.assertEqual((good.requests, evil.requests), ([], []))

    def test_a_reload_of_another_upstream_takes_no_token_along(self):
        a, b = self.upstream(), self.upstream()
        session = f"session: {{file: {self.session_file}}}\n"
        config = self.served("c.yaml", a, session)
        self.save_token("of-a", config)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire).status, 200)
        self.served("c.yaml", b, session)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read")
        self.assertEqual(self.fetch(squire).status, 401)
        self.assertEqual(b.requests, [])

    def test_a_sign_in_through_the_proxy_replaces_no_other_apis_session(self):
        upstream = self.upstream(lambda r: token_reply(jwt(sub="222")) if r.target.endswith("login") else reply(200))
        config = self.config(upstream.url)
        text = self.leave(self.session_file, token="theirs", upstream="https://other.example").read_text()
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire, "POST", "/api/customers/login", b"{}").status, 200)
        squire.wait_for_text("a sign-in was not taken over")
        self.assertEqual(self.session_file.read_text(), text)

    def test_to_look_changes_no_mode(self):
        upstream = self.upstream()
        a = self.project("a", upstream)
        self.put(a, jwt())
        file = self.default_file(a, upstream)
        file.chmod(0o644)
        self.command("status", cwd=a)
        self.assertRegex(self.command("check", cwd=a).stdout, rf"(?m)^warn .*chmod 600 {file}$")
        self.assertEqual(file.stat().st_mode & 0o777, 0o644)
        self.command("token", cwd=a)
        self.assertEqual(file.stat().st_mode & 0o777, 0o600)


class Logins(Projects):
    def test_what_is_replaced_is_said_and_kept(self):
        upstream = self.upstream()
        config = self.config(upstream.url)
        previous = self.directory / "session.json.previous"
        first, second, third = (jwt(sub="5090976", jti=n) for n in "abc")
        self.assertNotIn("replaced", self.command("login", "--config", config, "--token", "-", input=first).stdout)
        elsewhere = self.directory / "elsewhere"
        elsewhere.write_text("mine")
        previous.symlink_to(elsewhere)
        result = self.command("login", "--config", config, "--token", "-", input=second)
        self.assertRegex(result.stdout, r"replaced the session of customer 5090976, which was good for (59|60) min; it is kept in .*session.json.previous")
        self.assertEqual((elsewhere.read_text(), previous.is_symlink()), ("mine", False))
        self.assertEqual((self.record(previous)["token"], previous.stat().st_mode & 0o777), (first, 0o600))
        self.command("login", "--config", config, "--token", "-", input=second)
        self.assertEqual(self.record(previous)["token"], first, "the same token replaces nothing")
        self.command("login", "--config", config, "--token", "-", input=third)
        self.assertEqual(self.record(previous)["token"], second)
        result = self.command("logout", "--config", config)
        self.assertEqual([(r.target, r.token) for r in upstream.requests], [("/api/customers/logout", third), ("/api/customers/logout", second)])
        self.assertIn("customer 5090976", result.stdout)
        self.assertFalse(previous.exists())

    def test_a_logout_forgets_only_what_it_ended(self):
        first, theirs = jwt(sub="111"), jwt(sub="222")
        def answer(request):
            self.leave(self.session_file, token=theirs)
            return reply(200)
        upstream = self.upstream(answer)
        config = self.config(upstream.url)
        self.save_token(first, config)
        self.assertIn("that session stays in", self.command("logout", "--config", config).stdout)
        self.assertEqual((self.record(self.session_file)["token"], [r.token for r in upstream.requests]), (theirs, [first]))

    def test_a_logout_loses_nothing_that_it_cannot_end(self):
        """What is being ended lies where no login writes; what cannot be ended waits for the next logout."""
        previous, ending = (self.directory / f"session.json.{name}" for name in ("previous", "ending"))
        first, second, third = (jwt(sub="1", jti=n) for n in "abc")
        answers = {first: 503}
        def answer(request):
            # Somebody logs in meanwhile, twice.
            if request.token == first and answers.get(first): self.leave(previous, token=third)
            return reply(answers.get(request.token, 200))
        upstream = self.upstream(answer)
        config = self.config(upstream.url)
        for token in (first, second): self.command("login", "--config", config, "--token", "-", input=token)
        result = self.command("logout", "--config", config)
        self.assertIn(f"could not be ended, and lives on at the API; it is kept in {ending}. Try again", result.stdout)
        self.assertEqual((self.record(ending)["token"], self.record(previous)["token"]), (first, third))
        answers.clear()
        self.command("logout", "--config", config)
        self.assertEqual([r.token for r in upstream.requests], [second, first, first, third])
        self.assertFalse(previous.exists() or ending.exists())

    def test_what_is_dead_is_not_kept(self):
        config = self.config("http://127.0.0.1:9", profile="")
        self.save_token(jwt(life=-10, sub="1"), config)
        self.assertNotIn("replaced", self.command("login", "--config", config, "--token", "-", input=jwt(sub="2")).stdout)
        self.assertFalse((self.directory / "session.json.previous").exists())

    def test_another_customer(self):
        """Refused before anything is sent where the token says so; else ended at the API."""
        signed_in = jwt(sub="222", jti="signed-in")
        upstream = self.upstream(lambda r: token_reply(signed_in) if r.target.endswith("login") else reply(200))
        config = self.config(upstream.url)
        self.save_token(jwt(sub="111"), config)
        text = self.session_file.read_text()
        result = self.command("login", "--config", config, "--token", "-", input=jwt(sub="222"), code=64)
        for part in ("customer 111", "customer 222", f"To replace it: squire login --config {config} --token - --replace\n"): self.assertIn(part, result.stderr)
        self.assertEqual(upstream.requests, [])
        result = self.command("login", "--config", config, "--email", "a@b.c", "--code", "1234", code=64)
        self.assertIn("The code is spent", result.stderr)
        self.assertEqual([r.target for r in upstream.requests], ["/api/customers/login", "/api/customers/logout"])
        self.assertEqual(upstream.requests[1].token, signed_in)
        self.assertEqual(self.session_file.read_text(), text)
        self.command("login", "--config", config, "--email", "a@b.c", "--code", "1234", "--replace")
        self.assertIn("222", self.command("status", "--config", config).stdout)

    def test_another_customer_who_logs_in_meanwhile(self):
        signed_in, theirs = jwt(sub="222"), jwt(sub="111")
        def answer(request):
            if not request.target.endswith("login"): return reply(200)
            self.leave(self.session_file, token=theirs)
            return token_reply(signed_in)
        upstream = self.upstream(answer)
        config = self.config(upstream.url)
        result = self.command("login", "--config", config, "--email", "a@b.c", "--code", "1234", code=64)
        for part in ("customer 111", "The new token was ended at the API", "--replace\n"): self.assertIn(part, result.stderr)
        self.assertEqual((self.record(self.session_file)["token"], upstream.requests[1].token), (theirs, signed_in))

    def test_nothing_is_spent_that_cannot_be_saved(self):
        upstream = self.upstream(lambda r: token_reply(jwt(sub="222")))
        config = self.config(upstream.url)
        token = jwt()
        self.save_token(token, config)
        # A directory where the new file would be made: for the superuser too.
        blocked = self.directory / ".session.json.new"
        (blocked / "x").mkdir(parents=True)
        for command in (("login", "--email", "a@b.c", "--code", "1234"), ("login", "--token", "-"), ("logout",), ("logout", "--local")):
            result = self.command(*command, "--config", config, input=jwt(), code=73)
            self.assertIn("cannot write", result.stderr)
            self.assertNotIn("in use", result.stderr)
        self.assertEqual((upstream.requests, self.record(self.session_file)["token"]), ([], token))

    def test_a_start_that_could_not_save_says_so(self):
        (self.directory / ".session.json.new" / "x").mkdir(parents=True)
        squire = self.run_squire(self.config("http://127.0.0.1:9"))
        squire.wait_for_text(f"the session cannot be saved, so its token will not be refreshed: cannot write {self.session_file}")

    def test_a_sign_in_through_the_proxy_keeps_the_former(self):
        upstream = self.upstream(lambda r: token_reply(jwt(sub="222")) if r.target.endswith("login") else reply(200))
        config, first = self.config(upstream.url), jwt(sub="111")
        self.save_token(first, config)
        squire = self.run_squire(config)
        self.fetch(squire, "POST", "/api/customers/login", b"{}")
        squire.wait_for_text("a login replaced the session of customer 111, good for ")
        self.assertEqual(self.record(self.directory / "session.json.previous")["token"], first)

    def test_exit_codes(self):
        answers = {"status": 401}
        upstream = self.upstream(lambda r: reply(answers["status"]))
        config = self.config(upstream.url)
        for status, code in ((422, 77), (429, 75), (503, 75)):
            answers["status"] = status
            self.command("login", "--config", config, "--email", "a@b.c", "--code", "1", code=code)
        upstream.close()
        away = self.config("http://127.0.0.1:9")
        self.command("login", "--config", away, "--email", "a@b.c", "--code", "1", code=69)
        self.command("logout", "--config", away)
        for arguments in ((), ("--email",), ("--email", "nobody"), ("--code", "1"), ("--token", "x"), ("--token", "-", "--email", "a@b.c")):
            self.command("login", "--config", away, *arguments, code=64)

    def test_what_is_no_token(self):
        config = self.config("http://127.0.0.1:9")
        for text, part in (("abc", "JSON Web Token"), ("a.b.c", "JSON Web Token"), ("Authorization: Bearer abc", "field's name"),
                           ('"abc"', "without quotes"), ('{"token": "abc"}', "JSON")):
            self.assertIn(part, self.command("login", "--config", config, "--token", "-", input=text + "\n", code=65).stderr)
        self.assertFalse(self.session_file.exists())

    def test_at_a_terminal(self):
        """It asks for what is missing, and again after a wrong code."""
        sent = []
        def respond(request):
            if request.target.endswith("passwordless-request"): return reply(200)
            sent.append(json.loads(request.payload))
            return token_reply(jwt(sub="7")) if sent[-1]["passwordless_code"] == 1234 else reply(401)
        upstream = self.upstream(respond)
        config = self.config(upstream.url)
        primary, secondary = pty.openpty()
        process = subprocess.Popen([SQUIRE, "login", "--config", config], stdin=secondary, stdout=secondary, stderr=secondary,
                                   env=clean_environment(**self.env), start_new_session=True)
        os.close(secondary)
        shown = b""
        for prompt, answer in ((b"E-mail address: ", b"nobody\n"), (b"is expected.\r\nE-mail address: ", b"a@b.c\n"), (b"Code: ", b"9\n"), (b"for a new one): ", b"1234\n")):
            shown = self.shown_until(primary, prompt, shown)
            os.write(primary, answer)
        with contextlib.suppress(OSError):
            while True:
                part = os.read(primary, 4096)
                if not part: break
                shown += part
        os.close(primary)
        self.assertEqual(process.wait(LIMIT), 0, shown)
        self.assertIn(b"logged in as customer 7", shown)
        self.assertNotIn(b"1234", shown)


    def test_a_signal_at_a_hidden_prompt_gives_the_terminal_back(self):
        config = self.config("http://127.0.0.1:9")
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            primary, secondary = pty.openpty()
            process = subprocess.Popen([SQUIRE, "login", "--config", config, "--token", "-"], stdin=secondary, stdout=secondary, stderr=secondary,
                                       env=clean_environment(**self.env), start_new_session=True)
            self.shown_until(primary, b"Token: ", b"")
            self.assertFalse(termios.tcgetattr(secondary)[3] & termios.ECHO)
            process.send_signal(number)
            self.assertEqual(process.wait(LIMIT), -number)
            self.assertTrue(termios.tcgetattr(secondary)[3] & termios.ECHO)
            os.close(secondary)
            os.close(primary)

    def test_a_signal_waits_for_the_answer_to_a_sign_in(self):
        asked, go = threading.Event(), threading.Event()

        def respond(request):
            asked.set()
            go.wait(LIMIT)
            return token_reply(jwt(sub="7"))

        config = self.config(self.upstream(respond).url)
        process = subprocess.Popen([SQUIRE, "login", "--config", config, "--email", "a@b.c", "--code", "1234"], stdin=subprocess.DEVNULL,
                                   stderr=subprocess.PIPE, env=clean_environment(**self.env), text=True)
        self.assertTrue(asked.wait(LIMIT))
        process.send_signal(signal.SIGTERM)
        self.assertIn("works once", process.stderr.readline() + process.stderr.readline())
        go.set()
        self.assertEqual(process.wait(LIMIT), -signal.SIGTERM)
        process.stderr.close()
        self.assertEqual(json.loads(self.command("status", "--json", "--config", config).stdout)["subject"], "7")


class Unasked(Projects):
    """./squire.yaml that nobody named."""

    def test_guarded_keys_need_a_word_first(self):
        upstream = self.upstream()
        a = self.project("a", upstream, "session: {name: alice}\n")
        for command in (("token",), ("run",), ("exec", "--", "true"), ("login", "--token", "-"), ("logout",)):
            result = self.command(*command, input="x\n", cwd=a, code=78)
            self.assertRegex(result.stderr, rf"squire.yaml:4: session.name .* squire {command[0]} --config squire.yaml( |\n)")
        for command in (("check",), ("explain", "GET", "/")): self.command(*command, cwd=a)
        self.assertFalse((self.state / "trusted").exists())
        self.put(a, "x", "--config", "squire.yaml")
        self.assertEqual(self.command("token", cwd=a).stdout, "x\n")
        self.assertEqual((self.state / "trusted").stat().st_mode & 0o777, 0o600)
        self.assertEqual(self.command("token", cwd=a, env={"SQUIRE_CONFIG": str(a / "squire.yaml")}).stdout, "x\n")
        (a / "squire.yaml").write_text((a / "squire.yaml").read_text() + "# changed\n")
        self.assertIn("only comments or the layout", self.command("token", cwd=a, code=78).stderr)
        self.command("token", cwd=a, env={"SQUIRE_CONFIG": "squire.yaml"})
        self.command("token", cwd=a)
        (self.state / "trusted").chmod(0o666)
        self.command("token", cwd=a, code=78)

    def test_a_person_at_a_terminal_is_asked(self):
        a = self.project("a", self.upstream(), "session: {name: alice}\n")
        self.put(a, "x", "--config", "squire.yaml")
        (self.state / "trusted").unlink()
        for answer, code in ((b"\n", 78), (b"y\n", 0)):
            primary, secondary = pty.openpty()
            process = subprocess.Popen([SQUIRE, "token"], stdin=secondary, stdout=subprocess.PIPE, stderr=secondary, cwd=a,
                                       env=clean_environment(**self.env), start_new_session=True)
            os.close(secondary)
            shown = self.shown_until(primary, b"[y/N] ")
            self.assertIn(b"squire.yaml, which lies here, sets session.name (line 4)", shown)
            os.write(primary, answer)
            self.assertEqual((process.communicate(timeout=LIMIT)[0], process.returncode), (b"x\n" if code == 0 else b"", code))
            os.close(primary)
        self.command("token", cwd=a)

    def test_a_reload_asks_for_the_word_too(self):
        a = self.project("a", self.upstream())
        squire = Process("run", env=self.env, cwd=a)
        self.addCleanup(squire.stop)
        squire.wait_for("proxy")
        with open(a / "squire.yaml", "a") as file: file.write("session: {name: alice}\n")
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed: squire.yaml:4: session.name")
        self.assertIn(f"squire reload --config {os.path.realpath(a)}/squire.yaml", squire.text())

    def test_a_session_that_an_older_squire_left_is_led_nowhere_unasked(self):
        """A cloned repository could have its own proxy, or authority, for the right API."""
        upstream = self.upstream()
        self.state.mkdir(parents=True, exist_ok=True)
        former = self.state / "squire.json"
        former.write_text(json.dumps({"version": 1, "token": "old", "upstream": upstream.url}))
        former.chmod(0o600)
        a = self.project("a", upstream, "proxy: http://127.0.0.1:9\n")
        self.assertRegex(self.command("token", cwd=a, code=78).stderr, "squire.yaml:4: proxy .* squire token --config squire.yaml")
        # Without such a key it is taken, by the first that uses it, and by no other.
        b, c = self.project("b", upstream), self.project("c", upstream)
        squire = Process("run", env=self.env, cwd=b)
        self.addCleanup(squire.stop)
        squire.wait_for("proxy")
        self.assertEqual(self.command("token", cwd=b).stdout, "old\n")
        self.until(lambda: "configuration" in json.loads(former.read_text()), "it is bound")
        self.command("token", cwd=c, code=77)
        self.command("token", cwd=a, code=77)

    def test_whose_it_is(self):
        a = self.project("a", self.upstream())
        def refused(part):
            for command in (("token",), ("check",), ("status",)):
                result = self.command(*command, cwd=a, code=78)
                self.assertIn(part, result.stderr)
                self.assertIn(f"squire {command[0]} --config squire.yaml", result.stderr)
            self.command("check", "--config", "squire.yaml", cwd=a)
        a.chmod(0o777)
        refused("directory")
        a.chmod(0o1777)
        self.command("check", cwd=a)
        a.chmod(0o755)
        (a / "squire.yaml").chmod(0o666)
        refused("written by other users")
        (a / "squire.yaml").chmod(0o644)
        if os.geteuid() == 0:
            os.chown(a / "squire.yaml", 1234, -1)
            refused("another user")


class Words(Projects):
    def test_advice_can_be_run_as_it_stands(self):
        upstream = self.upstream()
        directory = self.directory / "it's here"
        directory.mkdir()
        (directory / "c.yaml").write_text(MINIMAL.format(url=upstream.url))
        result = self.command("token", "--config", str(directory / "c.yaml"), code=77)
        line = result.stderr.rsplit("Run: ", 1)[1].strip()
        self.assertEqual(shlex.split(line), ["squire", "login", "--config", str(directory / "c.yaml"), "--token", "-"])
        self.command(*shlex.split(line)[1:], input="x\n")
        squire = self.run_squire(self.config(upstream.url, name="m.yaml"))
        detail = json.loads(self.fetch(squire).data)["detail"]
        self.assertTrue(detail.endswith(f"Run: squire login --config {self.directory}/m.yaml --email"), detail)
        # At the start, and for the request.
        squire.wait_for_text(f"Run: squire login --config {self.directory}/m.yaml --email", 2)
        self.assertIn(f"squire login --upstream {upstream.url} --token -", self.command("token", "--upstream", upstream.url, code=77).stderr)

    def test_nothing_raw_reaches_a_terminal(self):
        upstream = self.upstream()
        for sub in ("\x1b]0;x\x07", "a\u202e\u009b31m"):
            config = self.config(upstream.url)
            result = self.command("login", "--config", config, "--token", "-", "--replace", input=jwt(sub=sub) + "\n")
            texts = [result.stdout + result.stderr] + [self.command("status", "--config", config, *more).stdout for more in ((), ("--json",), ("--all",))]
            for text in texts: self.assertNotIn(sub, text)
            self.assertEqual(json.loads(texts[2])["subject"], sub)

    def test_several_configurations_are_for_run_alone(self):
        one, two = (self.config("http://127.0.0.1:9", name=n) for n in ("a.yaml", "b.yaml"))
        both = ("--config", one, "--config", two)
        for command in (("status",), ("login", "--token", "-"), ("explain", "GET", "/"), ("exec",)):
            self.assertIn("--config", self.command(*command, *both, *(("--", "true") if command == ("exec",) else ()), code=64).stderr)
        for option in (("--session", "x"), ("--listen", "127.0.0.1:8123"), ("--inspector", "127.0.0.1:8124")):
            self.assertIn(option[0], self.command("run", *both, *option, code=64).stderr)
        self.assertIn("SQUIRE_SESSION", self.command("run", *both, env={"SQUIRE_SESSION": "x"}, code=64).stderr)
        self.assertIn(f"names {one} twice", self.command("run", "--config", one, *both, code=64).stderr)

    def test_a_mistake_of_one_of_several_names_it(self):
        one, two, three = (self.config("http://127.0.0.1:9", name=n, profile="") for n in ("a.yaml", "b.yaml", "c.yaml"))
        for path in (one, two): pathlib.Path(path).write_text("upstream: http://127.0.0.1:9\n")
        error = self.command("run", "--config", one, "--config", two, code=78).stderr
        self.assertIn(f"{two}: listen is not set, and its default, localhost:8080 is asked for by the default of listen in {one}", error)
        # A mistake in an option is one.
        self.assertEqual(self.command("run", "--config", one, "--config", two, "--header", "Content-Length: 1", code=78).stderr.count("--header"), 1)
        self.leave(self.session_file, token=5).write_text("{")
        os.utime(self.session_file, (0, 0))
        pathlib.Path(two).write_text(f"upstream: http://127.0.0.1:9\nlisten: 127.0.0.1:0\nsession: {{file: {self.session_file}}}\n")
        pathlib.Path(one).write_text("upstream: http://127.0.0.1:9\nlisten: 127.0.0.1:0\n")
        self.assertRegex(self.command("run", "--config", one, "--config", two, code=65).stderr, rf"^squire: {two}: .* is damaged")

    def test_a_misspelt_variable(self):
        config = self.config("http://127.0.0.1:9")
        result = self.command("check", "--config", config, env={"SQUIRE_LISTN": "x", "SQUIRE_URL": "y", "SQUIRE_TOKEN": "z"})
        self.assertEqual(result.stderr, "squire: the variable SQUIRE_LISTN means nothing here: did you mean SQUIRE_LISTEN?\n")
