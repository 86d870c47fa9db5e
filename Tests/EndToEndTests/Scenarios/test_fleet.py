"""Many machines, one session whose token dies when anybody refreshes it: what each of them sees while all is well, and while something is
not. One member of etcd, and short times; `config/check-long fleet` has three members, many machines and the real times."""
import fcntl
from machines import *

# A refresh may take a second, and a machine that is silent is taken for dead after 6 s: no test of a fault may wait for that by accident.
PATIENT = {"takeover": 60}


class Rotations(FleetScenario):
    def test_one_refresh_for_each(self):
        """Whoever is first does it, and the others have it within a second."""
        fleet = self.fleet(3)
        self.assert_answers(fleet.machines)
        for count in range(1, 6):
            fleet.api.end()
            first = fleet.machines[count % 3]
            self.assertEqual(first.ask().status, 200)
            new = fleet.api.refreshes[-1].child.value
            self.within(1, lambda: fleet.have(new), "the new token is on all machines")
            self.assert_answers(fleet.machines)
            self.assert_one_refresh_each(fleet, count)
            self.assertEqual(fleet.api.refreshes[-1].machine, first.number)
        self.assert_no_dead_use(fleet, 0.5)
        record = fleet.record()
        self.assertEqual((record["state"], record["generation"]), ("ready", 5))
        for machine in fleet.machines:
            shared = machine.shared()
            self.assertEqual((shared["engine"], shared["name"], shared["reachable"], shared["generation"], shared["not_shared"], shared["claim"]),
                             ("etcd", "fleet", True, 5, False, None))
            self.assertTrue(machine.is_ready())
            self.assertEqual(machine.file.stat().st_mode & 0o777, 0o600)

    def test_asked_while_it_hears_of_the_next_token(self):
        """The others are refused in the instant in which the next token reaches them: they take that, and refresh nothing."""
        fleet = self.fleet(3)
        self.assert_answers(fleet.machines)
        for count in range(1, 7):
            fleet.api.end()
            self.assertEqual(fleet.machines[count % 3].ask().status, 200)
            self.assert_answers(fleet.machines)
            self.assert_one_refresh_each(fleet, count)
        self.assert_no_dead_use(fleet)

    def test_all_at_once(self):
        """The token ends, and every machine is asked in the same instant."""
        fleet = self.fleet(10)
        self.assert_answers(fleet.machines)
        for count in (1, 2):
            fleet.api.end()
            answers = self.assert_answers(fleet.machines)
            self.assertLess(max(answer.seconds for answer in answers), 3)
            self.assert_one_refresh_each(fleet, count)
        self.assert_no_dead_use(fleet)

    def test_whatever_a_person_does_reaches_all(self):
        """Within a second, and whichever machine it was done on."""
        fleet = self.fleet(3)
        api, (first, second, third) = fleet.api, fleet.machines
        # Each has the token in use, not only in its file.
        self.assert_answers(fleet.machines)
        answer = second.inspect("/api/session/refresh", "POST")
        self.assertEqual(answer.status, 200, answer.data)
        self.within(1, lambda: fleet.have(api.refreshes[-1].child.value), "a refresh by hand")
        token = api.sign_in()
        third.login(token, "--replace")
        self.within(1, lambda: fleet.have(token), "a login by command")
        token = first.sign_in("5090976")
        self.within(1, lambda: fleet.have(token), "a login through the proxy")
        self.assert_answers(fleet.machines)
        second.command("logout")
        self.within(1, lambda: fleet.token() is None and not any(machine.token() for machine in fleet.machines), "a logout")
        self.assertFalse(api.is_alive(token))
        self.assertEqual(fleet.record()["state"], "none")
        for answer in self.assert_answers(fleet.machines, 401): self.assertEqual(json.loads(answer.data)["code"], "login_needed")
        self.assertEqual(third.command("status", code=77).returncode, 77)
        token = api.sign_in()
        second.login(token)
        self.within(1, lambda: fleet.have(token), "a login after the logout")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)
        # One that does not say any more that it shares would end it behind the others' backs.
        second.stop()
        second.configure(shared=False)
        said = second.command("logout", code=78).stderr
        self.assertIn("nothing is ended. Machines share this session in etcd ", said)
        self.assertIn(f"squire logout --config {second.config} --local", said)
        self.assertTrue(api.is_alive(token))
        self.assertEqual(second.command("logout", "--local").stdout, "logged out\n")
        self.assertTrue(api.is_alive(token))
        # Nor does a login there, which keeps it beside the file, let the next logout end it.
        second.configure()
        self.assertEqual(second.command("token").stdout.strip(), token)
        second.configure(shared=False)
        second.start()
        said = json.loads(second.inspect("/api/session/refresh", "POST").data)["detail"]
        self.assertIn("a refresh from here would end it for all of them", said)
        # Nor is a client's logout passed on with their token.
        answer = second.ask("/sign-out", "POST")
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (503, "session_unavailable"))
        self.assertIn("Nothing is ended, and the API was not asked", json.loads(answer.data)["detail"])
        self.assertIn("Nothing is ended", second.command("explain", "POST", "/sign-out").stdout)
        self.assertEqual((second.token(), api.is_alive(token)), (token, True))
        second.stop()
        second.login(other := api.sign_in())
        said = second.command("logout").stdout
        self.assertIn("is that of the machines that share it in etcd ", said)
        self.assertTrue(api.is_alive(token))
        self.assertFalse(api.is_alive(other))
        self.assertFalse(pathlib.Path(f"{second.file}.previous").exists())
        # One that has never run logs out of what the others have.
        self.assertEqual(fleet.add().command("logout").stdout, "logged out\n")
        self.within(1, lambda: fleet.token() is None, "a logout on a new machine")
        self.assertFalse(api.is_alive(token))

    def test_everybody_does_something_at_once(self):
        """A login, a logout and a refresh, three times: all machines agree afterwards, and never on what is dead."""
        fleet = self.fleet(3)
        api, (first, second, third) = fleet.api, fleet.machines
        for round in range(3):
            token = api.sign_in()
            results = parallel(3, lambda index: [lambda: first.login(token, "--replace"), lambda: second.command("logout", code=None),
                                                 lambda: third.inspect("/api/session/refresh", "POST")][index]())
            self.assertEqual([result for result in results if isinstance(result, Exception)], [], round)
            self.assertIn(results[1].returncode, (0, 75), results[1].stderr)

            def agree():
                tokens, record = {machine.token() for machine in fleet.machines}, fleet.record()
                return len(tokens) == 1 and record["state"] == ("none" if tokens == {None} else "ready")
            self.within(3, agree, f"round {round}: all machines have the same")
            held = fleet.token()
            if held is None: first.login(held := api.sign_in())
            self.within(1, lambda: fleet.have(held), "all have the token")
            self.assertTrue(api.is_alive(held), f"round {round}: what all machines hold is dead")
            self.assert_answers(fleet.machines)
        self.assert_no_dead_use(fleet)

    def test_two_processes_of_one_machine(self):
        """Both of a machine's proxies, its commands, and the other machine's proxy: still one refresh."""
        fleet = self.fleet(2)
        machine, other = fleet.machines
        beside = Process("run", "--config", str(machine.config), env=machine.env)
        self.addCleanup(lambda: beside.stop())
        beside.wait_for("proxy", "inspector")
        port = int(beside.endpoints["proxy"].rsplit(":", 1)[1])
        asks = [machine.ask, other.ask, lambda: Machine.request(port, "GET", "/api/x", None, {}, 60)]
        for count in range(1, 4):
            fleet.api.end()
            answers = parallel(3, lambda index: asks[index]())
            self.assertEqual([getattr(answer, "status", answer) for answer in answers], [200] * 3)
            self.assert_one_refresh_each(fleet, count)
        # A command that refreshes: its token is not good for long enough.
        token = fleet.api.sign_in(life=300)
        other.login(token, "--replace")
        self.within(1, lambda: fleet.have(token), "the short token is on all machines")
        printed = parallel(3, lambda index: fleet.machines[index % 2].command("token", "--min-ttl", "10m").stdout.strip())
        new = fleet.api.refreshes[-1].child.value
        self.assertEqual([token == new for token in printed], [True] * 3, "each prints the new token")
        self.assert_one_refresh_each(fleet, 4)
        self.within(1, lambda: fleet.have(new), "what a command refreshed is on all machines")
        self.assert_no_dead_use(fleet)


    def test_a_session_of_before_a_reload_leaves_the_news_to_its_successor(self):
        """As long as one exchange from before goes on, that session does, too."""
        fleet = self.fleet(2)
        one, two = fleet.machines
        answer, go, entered = fleet.api.respond, threading.Event(), threading.Event()
        self.addCleanup(go.set)
        def respond(request):
            if request.target != "/long": return answer(request)
            entered.set()
            go.wait(LIMIT)
            return reply(200)
        fleet.api.respond = respond
        long = threading.Thread(target=lambda: one.ask("/long"))
        long.start()
        self.assertTrue(entered.wait(LIMIT))
        one.configure(margin="2s")
        self.assertEqual(one.inspect("/api/reload", "POST").status, 200)
        for count in (2, 3):
            fleet.api.end()
            self.assertEqual(two.ask().status, 200)
            self.within(1, lambda: fleet.have(fleet.api.refreshes[-1].child.value), "the new token is on both machines")
            one.process.wait_for_text(f"refreshed the token: token {count}")
        two.command("logout")
        self.within(1, lambda: one.token() is None, "a logout")
        one.process.wait_for_text("logged out")
        go.set()
        long.join(LIMIT)
        one.stop()
        self.assertEqual([one.text().count(text) for text in ("refreshed the token", "logged out")], [2, 1], one.text())

    def test_a_reload_changes_when_another_machine_takes_over(self):
        """It follows how long a refresh may take; the place where the session is kept needs a restart."""
        fleet = self.fleet(2, **PATIENT)
        one, two = fleet.machines
        two.configure(timeout=2, takeover=7, name="other")
        answer = json.loads(two.inspect("/api/reload", "POST").data)
        self.assertEqual((answer["changed"], answer["restart"]), (["session.refresh.timeout", "session.shared.takeover"], ["session.shared"]))
        self.refreshing(fleet, one, before=threading.Event())
        one.kill()
        self.within(LIMIT, lambda: two.ask().status == 200, "it takes over")
        self.assertIn("this machine takes its refresh over", two.text())
        # Without it in the file, nobody takes over while a refresh may still be under way.
        two.configure(shared=False, timeout=20)
        answer = json.loads(two.inspect("/api/reload", "POST").data)
        self.assertEqual((answer["changed"], answer["restart"]), (["session.refresh.timeout"], ["session.shared"]))


class Faults(FleetScenario):
    def test_what_cannot_be_shared_is_said_loudly(self):
        """The holder loses the engine after its claim: it serves its clients, says so, and shares when it can."""
        fleet = self.fleet(3, **PATIENT)
        holder, *others = fleet.machines
        go = threading.Event()
        fault, thread = self.refreshing(fleet, holder, before=go)
        record = fleet.record()
        self.assertEqual(record["state"], "busy")
        holder.cut()
        go.set()
        thread.join(LIMIT)
        self.assertEqual([answer.status for answer in holder.answers], [200])
        new = fleet.api.refreshes[0].child.value
        self.assertTrue(holder.token() == new)
        # It goes on serving, and is not ready: its machine must not be the only one that knows.
        self.assertEqual(holder.ask().status, 200)
        self.within(6, lambda: holder.shared()["not_shared"], "that it is not shared is said")
        self.assertFalse(holder.shared()["reachable"])
        self.assertFalse(holder.is_ready())
        holder.process.wait_for_text("NOT SHARED")
        # The others wait for it: the token is dead, and nobody takes it for refused.
        self.assertFalse(any(machine.token() == new for machine in others))
        self.assertEqual(fleet.record()["id"], record["id"])
        holder.mend()
        self.within(10, lambda: fleet.have(new), "what was not shared is on all machines")
        self.assert_answers(fleet.machines)
        self.assertFalse(holder.shared()["not_shared"])
        self.within(1, holder.is_ready, "ready again")
        self.assert_one_refresh_each(fleet, 1)

    def test_status_says_what_is_not_shared(self):
        fleet = self.fleet(1, **PATIENT)
        [holder] = fleet.machines
        go = threading.Event()
        fault, thread = self.refreshing(fleet, holder, before=go)
        holder.cut()
        go.set()
        self.within(LIMIT, lambda: holder.shared()["not_shared"], "that it is not shared is said")
        # Where the command finds the proxy that runs.
        holder.env["SQUIRE_INSPECTOR"] = f"127.0.0.1:{holder.inspector_port}"
        self.assertIn("NOT SHARED", holder.command("status", code=None).stdout)

    def test_status_says_what_is_not_saved(self):
        """Another machine's token is in use, and the file cannot take it: what it holds is dead, and is not called usable."""
        fleet = self.fleet(2)
        first, second = fleet.machines
        second.env["SQUIRE_INSPECTOR"] = f"127.0.0.1:{second.inspector_port}"
        with open(f"{second.file}.lock", "wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            fleet.api.end()
            self.assertEqual(first.ask().status, 200)
            self.within(LIMIT, lambda: not second.status()["saved"], "that it is not saved is said")
            self.assertFalse(second.is_ready())
            said = second.command("status").stdout
            for words in ("NOT SAVED", "not saved ("): self.assertIn(words, said)
            self.assertFalse(json.loads(second.command("status", "--json").stdout)["saved"])
        self.within(LIMIT, lambda: fleet.have(first.token()), "it is saved at last")
        self.assertNotIn("NOT SAVED", second.command("status").stdout)

    def test_a_logout_that_is_not_shared(self):
        """Its machine's clients are told that they must log in; the others hear of it when they can be told."""
        fleet = self.fleet(2)
        first, second = fleet.machines
        first.env["SQUIRE_INSPECTOR"] = f"127.0.0.1:{first.inspector_port}"
        # A token that the API refuses ends nothing there, and another is not to be had.
        second.cut()
        fleet.api.end()
        self.assertIn("Nothing is ended: the API refuses the token", second.command("logout", code=75).stderr)
        self.assertIsNotNone(second.token())
        second.mend()
        self.assertEqual(first.ask().status, 200)
        self.within(5, lambda: fleet.have(first.token()), "the session goes on")
        first.cut()
        self.assertIn("NOT SHARED", first.command("logout").stderr)
        self.within(2, lambda: first.status()["state"] == "none", "the proxy has heard of it")
        answer = first.ask()
        self.assertEqual((answer.status, json.loads(answer.data)["code"]), (401, "login_needed"))
        self.within(5, lambda: first.shared()["not_shared_for"] is not None, "the proxy says that it waits")
        self.assertEqual(first.shared()["not_shared_what"], "logout")
        said = first.command("status", code=77).stdout
        for words in ("logged out here, NOT SHARED", "the others have it until etcd answers", "squire login"): self.assertIn(words, said)
        self.assertIn("Somebody logged out on this machine", first.command("shared", "status", code=69).stderr)
        self.assertIsNotNone(second.token())
        first.mend()
        self.within(5, lambda: second.token() is None, "the other machine has heard of it")
        self.within(2, lambda: not first.shared()["not_shared"], "that it is shared is said")

    def test_an_engine_without_room(self):
        """It reads, and refuses to write: that is one state, said once, with what to do."""
        fleet = self.fleet(1, authentication=False)
        [machine] = fleet.machines
        fleet.engine.raise_alarm()
        fleet.api.end()
        for _ in range(3): self.assertIn(machine.ask().status, (401, 503))
        shared = machine.shared()
        self.assertEqual((shared["reachable"], shared["writable"]), (True, False))
        self.assertIn("NOSPACE", shared["problem"])
        for words in ("etcdctl compact", "etcdctl defrag", "etcdctl alarm disarm"): self.assertIn(words, shared["remedy"])
        self.assertFalse(machine.is_ready())
        self.assertIn("writing     REFUSED", machine.command("shared", "status").stdout)
        self.assertEqual((machine.text().count("rejects writes ("), machine.text().count("session cannot be reached (")), (1, 0))
        fleet.engine.root("alarm", "disarm")
        self.assertNotIn("REFUSED", machine.command("shared", "status").stdout)

    def test_restarted_with_what_was_not_shared(self):
        """The holder dies after it saved and before it shared, and is back before anybody takes over: no second refresh, no login."""
        fleet = self.fleet(3, **PATIENT)
        holder = fleet.machines[0]
        go = threading.Event()
        fault, thread = self.refreshing(fleet, holder, before=go)
        holder.cut()
        go.set()
        self.assertTrue(fault.acted.wait(LIMIT))
        self.within(5, lambda: holder.token() == fleet.api.refreshes[0].child.value, "the holder has saved")
        holder.kill()
        self.assertEqual(fleet.record()["state"], "busy")
        holder.mend()
        holder.start()
        self.within(5, lambda: fleet.have(fleet.api.refreshes[0].child.value), "what was not shared is on all machines")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)

    def test_without_the_engine(self):
        """A living token serves; one that is refused is not refreshed, by nobody, until the engine is back."""
        fleet = self.fleet(2)
        api = fleet.api
        fleet.engine.kill(0)
        self.assert_answers(fleet.machines)
        self.within(5, lambda: not any(machine.shared()["reachable"] for machine in fleet.machines), "the engine is missed")
        for machine in fleet.machines: self.assertTrue(machine.is_ready())
        # A machine that starts now has its copy.
        fleet.machines[1].stop()
        fleet.machines[1].start()
        self.assert_answers(fleet.machines)
        api.end()
        for machine in fleet.machines:
            answer = machine.ask()
            # The API's own refusal, or Squire's answer in its place.
            self.assertIn(answer.status, (401, 503))
            self.assertIn("squire", answer.headers["Proxy-Status"])
            self.assertTrue(answer.status == 401 or answer.headers["Retry-After"])
        self.assertEqual(machine.inspect("/api/session/refresh", "POST").status, 409)
        self.assertEqual(api.refreshes, [])
        fleet.engine.start(0)
        self.within(10, lambda: all(machine.ask().status == 200 for machine in fleet.machines), "the session is back")
        self.assert_one_refresh_each(fleet, 1)

    def test_an_engine_that_forgets(self):
        """Emptied, or restored from an older snapshot: what the machines hold comes back, and a logout stays one."""
        fleet = self.fleet(2)
        api, (first, second) = fleet.api, fleet.machines
        record, token = fleet.record(), first.token()
        fleet.engine.empty()
        self.within(5, lambda: (there := fleet.record()) is not None and there["id"] == record["id"], "the record is back")
        old = fleet.engine.save_snapshot()
        api.end()
        self.assertEqual(first.ask().status, 200)
        login = api.sign_in()
        second.login(login, "--replace")
        self.within(1, lambda: fleet.have(login), "the login is on all machines")
        newest = fleet.record()
        fleet.engine.restore_snapshot(old)
        self.within(5, lambda: fleet.record()["id"] == newest["id"], "the newer login is put back")
        self.assertTrue(fleet.have(login))
        self.assert_answers(fleet.machines)
        old = fleet.engine.save_snapshot()
        second.command("logout")
        self.within(1, lambda: first.token() is None, "the logout is on all machines")
        for forget in (fleet.engine.empty, lambda: fleet.engine.restore_snapshot(old)):
            forget()
            self.within(5, lambda: (there := fleet.record()) is not None and there["state"] == "none", "the logout is put back")
            self.assertEqual([machine.token() is None for machine in fleet.machines], [True, True])
        self.assert_one_refresh_each(fleet, 1)


if __name__ == "__main__":
    main()
