"""Many machines on one session, with three members of etcd, TLS and a role: large fleets, and times as they are: half a
minute late, a minute without a majority."""
from long import *
from machines import *


class Large(FleetScenario):
    def rotation(self, fleet, beside=None):
        """Every machine is refused in one instant; the slowest."""
        before = len(fleet.api.refreshes)
        fleet.api.end()
        count = len(fleet.machines)
        answers = parallel(count + 1, lambda index: fleet.machines[index].ask() if index < count else beside and beside())[:count]
        self.assertEqual([getattr(answer, "status", answer) for answer in answers], [200] * count)
        self.assertEqual([refresh.outcome for refresh in fleet.api.refreshes[before:]], ["rotated"])
        self.within(10, lambda: fleet.have(fleet.machines[0].token()), "all machines agree")
        return max(answer.seconds for answer in answers)

    def test_fifty_machines_refused_at_once(self):
        """One refresh, and all of them go on within 3 s; the leader killed in that instant included."""
        fleet = self.fleet(50, members=3, api=RotatingAPI(refresh_time=0.05), engine=["--bcrypt-cost", "4"], is_direct=True, timeout=10, takeover=20)
        self.assert_answers(fleet.machines)
        slowest = [self.rotation(fleet) for _ in range(5)]
        leader = fleet.engine.leader()
        slowest.append(self.rotation(fleet, lambda: fleet.engine.kill(leader)))
        print("slowest of 50 machines:", ", ".join(f"{seconds:.2f}" for seconds in slowest), "s; the last with the leader killed")
        self.assertLess(max(slowest), 3)
        self.assert_no_dead_use(fleet, 3)

    def test_a_hundred_machines_start_at_once(self):
        """Two authentications each at most, and etcd is idle again within a minute."""
        fleet = self.fleet(100, members=3, start=False)
        before, begun = fleet.engine.authentications(), time.monotonic()
        fleet.start()
        started = time.monotonic() - begun
        token = fleet.machines[0].token()
        took = self.within(60, lambda: fleet.have(token), "the token is on all machines")
        self.within(60 - (time.monotonic() - begun), lambda: not any(machine.shared()["reachable"] is not True for machine in fleet.machines), "all have their place")
        made = fleet.engine.authentications() - before
        self.assertLessEqual(made, 2 * 100)

        def is_idle():
            used, before = fleet.engine.cpu_seconds(), time.monotonic()
            time.sleep(2)
            return (fleet.engine.cpu_seconds() - used) / (time.monotonic() - before) < 0.25
        self.within(60, is_idle, "etcd is idle")
        print(f"100 machines: started in {started:.1f} s, the token on all {took:.1f} s later, {made:.0f} authentications, idle after {time.monotonic() - begun:.0f} s")
        self.assert_answers(fleet.machines[:10])


class Faults(FleetScenario):
    def refreshing(self, fleet, machine, **how):
        fault = fleet.api.next_refresh(**how)
        fleet.api.end()
        answers = []

        def ask():
            # Its machine may die under it.
            with contextlib.suppress(OSError, http.client.HTTPException): answers.append(machine.ask(limit=120))
        thread = threading.Thread(target=ask, daemon=True)
        thread.start()
        self.assertTrue(fault.arrived.wait(30), "no refresh")
        return thread, answers, fault

    def test_the_holder_comes_back_before_the_takeover(self):
        """As the short test has it; others are asked meanwhile, and wait."""
        fleet = self.fleet(5, members=3, timeout=10, takeover=30)
        holder, *others = fleet.machines
        go = threading.Event()
        *_, fault = self.refreshing(fleet, holder, before=go)
        holder.stall()
        go.set()
        self.assertTrue(fault.acted.wait(30))
        self.within(10, lambda: holder.token() == fleet.api.refreshes[0].child.value, "the holder has saved")
        holder.kill()
        waiting = [threading.Thread(target=machine.ask, daemon=True) for machine in others]
        for thread in waiting: thread.start()
        time.sleep(10)
        holder.mend()
        holder.start()
        self.within(10, lambda: fleet.have(fleet.api.refreshes[0].child.value), "what was saved is on all machines")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)

    def test_the_holder_comes_back_after_the_takeover(self):
        """Others were refused meanwhile: what it saved heals the session."""
        fleet = self.fleet(3, members=3, timeout=1, takeover=6)
        holder, *others = fleet.machines
        go = threading.Event()
        *_, fault = self.refreshing(fleet, holder, before=go)
        holder.cut()
        go.set()
        self.assertTrue(fault.acted.wait(30))
        self.within(10, lambda: holder.token() == fleet.api.refreshes[0].child.value, "the holder has saved")
        holder.kill()
        self.within(20, lambda: [machine.ask() for machine in others] and fleet.record()["state"] == "refused", "a takeover is refused")
        holder.mend()
        holder.start()
        self.within(10, lambda: fleet.have(fleet.api.refreshes[0].child.value), "what was saved is on all machines")
        self.within(40, lambda: [machine.ask().status for machine in fleet.machines] == [200] * 3, "all are served")
        self.assertEqual(len(fleet.api.rotated()), 1)

    def test_the_holder_is_cut_off_by_a_silent_link(self):
        """Nothing comes and nothing ends: it serves its clients, and shares when the link is back."""
        fleet = self.fleet(4, members=3, timeout=10, takeover=60)
        holder = fleet.machines[0]
        go = threading.Event()
        thread, answers, fault = self.refreshing(fleet, holder, before=go)
        holder.stall()
        go.set()
        thread.join(60)
        self.assertEqual([answer.status for answer in answers], [200])
        for _ in range(20):
            self.assertEqual(holder.ask().status, 200)
            time.sleep(0.5)
        self.assertTrue(holder.shared()["not_shared"])
        holder.mend()
        self.within(20, lambda: fleet.have(fleet.api.refreshes[0].child.value), "what was not shared is on all machines")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)

    def test_no_majority_for_a_minute(self):
        """A living token serves, an expired one is not refreshed, and ten seconds after the members are back all is well."""
        fleet = self.fleet(4, members=3, login=False, timeout=10, takeover=20)
        api = fleet.api
        token = api.sign_in(life=30)
        fleet.machines[0].login(token)
        self.within(5, lambda: fleet.have(token), "the token is on all machines")
        for number in (0, 1): fleet.engine.signal(number, signal.SIGSTOP)
        begun = time.monotonic()
        while time.monotonic() - begun < 20:
            self.assert_answers(fleet.machines)
            time.sleep(0.5)
        self.within(20, lambda: time.monotonic() > api.tokens[token].expires + 1.5, "the token has expired")
        while time.monotonic() - begun < 60:
            for machine in fleet.machines:
                answer = machine.ask()
                self.assertEqual((answer.status, json.loads(answer.data)["code"]), (503, "session_unavailable"))
                self.assertTrue(1 <= int(answer.headers["Retry-After"]) <= 10, answer.headers["Retry-After"])
            time.sleep(0.5)
        self.assertEqual(api.refreshes, [])
        for number in (0, 1): fleet.engine.signal(number, signal.SIGCONT)
        took = self.within(10, lambda: all(machine.ask().status == 200 for machine in fleet.machines), "all are served again")
        print(f"served {took:.1f} s after the majority was back")
        self.assert_one_refresh_each(fleet, 1)

    def test_a_living_token_waits_for_nobody(self):
        """The engine is silent when a refresh ahead of expiry is due: it is not done, and clients do not notice."""
        fleet = self.fleet(1, login=False)
        [machine] = fleet.machines
        token = fleet.api.sign_in(life=30)
        machine.login(token)
        self.within(5, lambda: machine.token() == token, "the token is there")
        fleet.engine.signal(0, signal.SIGSTOP)
        self.addCleanup(lambda: fleet.engine.signal(0, signal.SIGCONT))
        while time.monotonic() < fleet.api.tokens[token].expires - 4:
            answer = machine.ask()
            self.assertEqual(answer.status, 200, answer.data)
            self.assertLess(answer.seconds, 1)
            time.sleep(0.5)

    def test_half_a_minute_late(self):
        """What the holder writes comes 30 s late: its claim, then its result."""
        fleet = self.fleet(3, members=3, timeout=10, takeover=60)
        api, (holder, other, third) = fleet.api, fleet.machines
        holder.delay(30)
        api.end()
        self.assertNotEqual(holder.ask().status, 200)
        self.assertEqual(api.refreshes, [])
        holder.mend()
        self.within(15, lambda: other.ask().status == 200, "another machine refreshes")
        self.within(15, lambda: fleet.have(api.rotated()[0].child.value), "all machines have the token")
        self.assert_answers(fleet.machines)
        go = threading.Event()
        thread, answers, fault = self.refreshing(fleet, third, before=go)
        third.delay(30)
        go.set()
        thread.join(60)
        self.assertEqual([answer.status for answer in answers], [200])
        time.sleep(1)
        third.mend()
        new = api.rotated()[1].child.value
        self.within(15, lambda: fleet.have(new), "all machines have the token")
        begun = time.monotonic()
        while time.monotonic() - begun < 35:
            self.assert_answers(fleet.machines)
            time.sleep(1)
        self.assertTrue(fleet.have(new))
        self.assertGreater(sum(relay.delivered_late for machine in fleet.machines for relay in machine.relays), 0)
        self.assertEqual(len(api.rotated()), 2)

    def test_restored_while_machines_have_tokens_of_etcd(self):
        """The log begins anew, and the tokens that etcd gave are of a later index than it has: machines authenticate again."""
        fleet = self.fleet(2, members=3)
        self.assert_answers(fleet.machines)
        fleet.engine.restore_snapshot(fleet.engine.save_snapshot())
        token = fleet.api.sign_in()
        fleet.machines[0].login(token, "--replace")
        self.within(20, lambda: fleet.have(token), "a login is on all machines")

    def test_members_restarted_one_after_the_other(self):
        """Each forgets the tokens that it gave: machines authenticate once more, and no client sees it."""
        fleet = self.fleet(4, members=3)
        self.assert_answers(fleet.machines)
        for number in range(3):
            fleet.engine.kill(number)
            # The one that comes back counts from 0.
            before = fleet.engine.authentications()
            fleet.engine.start(number)
            fleet.engine.wait()
            for _ in range(3):
                fleet.api.end()
                self.assert_answers(fleet.machines)
                time.sleep(0.5)
            self.assertLessEqual(fleet.engine.authentications() - before, 2 * len(fleet.machines))
        self.assert_one_refresh_each(fleet, 9)

    def test_a_hundred_times_at_once(self):
        """A login, a logout and a refresh by hand."""
        fleet = self.fleet(3, members=3)
        api, (first, second, third) = fleet.api, fleet.machines
        for round in range(100):
            token = api.sign_in()
            parallel(3, lambda index: [lambda: first.login(token, "--replace"), lambda: second.command("logout", code=None),
                                       lambda: third.inspect("/api/session/refresh", "POST")][index]())

            def agree():
                tokens, record = {machine.token() for machine in fleet.machines}, fleet.record()
                return len(tokens) == 1 and record["state"] == ("none" if tokens == {None} else "ready")
            self.within(10, agree, f"round {round}: all machines have the same")
            held = fleet.token()
            if held is None: first.login(held := api.sign_in())
            self.within(2, lambda: fleet.have(held), "all have the token")
            self.assertTrue(api.is_alive(held), f"round {round}: what all machines hold is dead")
            self.assert_answers(fleet.machines)
        self.assert_no_dead_use(fleet)


class Keys(FleetScenario):
    def test_a_new_key_while_all_run(self):
        """Squires read their keys again by themselves."""
        def wait(machines):
            for machine in machines:
                seen = getattr(machine, "seen", 0)
                self.within(15, lambda: machine.text().count("has other keys") > seen, "the keys are read again")
                machine.seen = seen + 1
        self.change_keys(wait)

    def test_a_new_key_by_restarts(self):
        """Each machine's Squire is started anew, one after the other."""
        def restart(machines):
            for machine in machines:
                machine.stop()
                machine.start()
        self.change_keys(restart)


class HoldingProxy:
    """A proxy whose answers to CONNECT wait for `go`, while it `holds`."""

    def __init__(self):
        self.holds, self.asked, self.go, self.answered = False, threading.Event(), threading.Event(), threading.Event()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        with contextlib.suppress(OSError):
            while True: threading.Thread(target=self.serve, args=(self.listener.accept()[0],), daemon=True).start()

    def serve(self, client):
        head = b""
        while b"\r\n\r\n" not in head: head += client.recv(4096)
        host, port = head.split()[1].decode().split(":")
        if self.holds:
            self.asked.set()
            self.go.wait(120)
        upstream = socket.create_connection((host, int(port)))
        with contextlib.suppress(OSError): client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        if self.holds: self.answered.set()
        threading.Thread(target=self.pump, args=(client, upstream), daemon=True).start()
        self.pump(upstream, client)

    @staticmethod
    def pump(source, sink):
        with contextlib.suppress(OSError):
            while data := source.recv(65536): sink.sendall(data)
        with contextlib.suppress(OSError): sink.shutdown(socket.SHUT_WR)

    def close(self):
        self.go.set()
        self.listener.close()


class Takeovers(FleetScenario):
    def test_stopped_with_the_answer_on_its_way(self):
        """The holder is stopped for longer than the takeover, and wakes with the answer: others were refused, and its result stands."""
        fleet = self.fleet(3, members=3, timeout=1, takeover=6)
        holder, *others = fleet.machines
        go = threading.Event()
        fault = fleet.api.next_refresh(after=go)
        fleet.api.end()
        thread = threading.Thread(target=holder.ask, daemon=True)
        thread.start()
        self.assertTrue(fault.acted.wait(30))
        holder.hold()
        go.set()
        self.within(20, lambda: [machine.ask() for machine in others] and fleet.record()["state"] == "refused", "a takeover is refused")
        holder.go_on()
        self.within(10, lambda: fleet.have(fleet.api.refreshes[0].child.value), "its result is on all machines")

    def test_stopped_while_it_connects(self):
        """The holder is stopped between its claim and the first byte, and others take over: it sends nothing when it wakes. An API with
        reuse detection would end the login for it."""
        fleet = self.fleet(2, members=3, api=RotatingAPI(kills_families=True), timeout=1, takeover=6)
        holder, other = fleet.machines
        proxy = HoldingProxy()
        self.addCleanup(proxy.close)
        holder.config.write_text(holder.config.read_text() + f"proxy: {proxy.url}\n")
        self.assertEqual(holder.inspect("/api/reload", "POST").status, 200)
        # From now on it has a connection for its clients' requests.
        self.assert_answers([holder])
        proxy.holds = True
        fleet.api.end()
        threading.Thread(target=holder.ask, daemon=True).start()
        self.assertTrue(proxy.asked.wait(30))
        holder.hold()
        self.within(20, lambda: other.ask().status == 200, "another machine takes over")
        proxy.go.set()
        self.assertTrue(proxy.answered.wait(30))
        holder.go_on()
        self.within(5, lambda: fleet.have(other.token()), "both have what the takeover brought")
        holder.process.wait_for_text("Nothing was sent")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)

    def test_stopped_before_it_sends(self):
        """With a grace the takeover wins; the late result of whoever was stopped is dropped, or is the same token set."""
        fleet = self.fleet(3, members=3, api=RotatingAPI(grace=30), timeout=1, takeover=6)
        holder, *others = fleet.machines
        go = threading.Event()
        self.addCleanup(go.set)
        fault = fleet.api.next_refresh(before=go)
        fleet.api.end()
        thread = threading.Thread(target=holder.ask, daemon=True)
        thread.start()
        self.assertTrue(fault.arrived.wait(30))
        holder.hold()
        self.within(20, lambda: others[0].ask().status == 200, "another machine takes over")
        taken = others[0].token()
        go.set()
        holder.go_on()
        self.within(5, lambda: fleet.have(taken), "the machines have what the takeover brought")
        self.assert_answers(fleet.machines)


if __name__ == "__main__":
    main()


class Slow(FleetScenario):
    """What takes seconds with three machines."""

    def test_a_dead_holder_is_replaced(self):
        """It dies after its claim, before the API has acted: another machine takes over, once it has been silent for long enough."""
        fleet = self.fleet(3)
        holder, *others = fleet.machines
        go = threading.Event()
        self.addCleanup(go.set)
        self.refreshing(fleet, holder, before=go, acts=False)
        holder.kill()
        begun = time.monotonic()
        while others[0].ask().status != 200: self.assertLess(time.monotonic() - begun, 12, "nobody takes over")
        self.assertGreater(fleet.api.refreshes[1].at - begun, 5.5)
        self.within(1, lambda: others[1].token() == others[0].token(), "the other has it, too")
        self.assertEqual([refresh.outcome for refresh in fleet.api.refreshes], [None, "rotated"])
        holder.start()
        self.within(2, lambda: fleet.have(others[0].token()), "who comes back has it, too")
        self.assert_answers(fleet.machines)

    def test_late_writes(self):
        """A claim, then a result, that the engine has seconds after the machine gave it up: harmless."""
        fleet = self.fleet(2, takeover=60)
        api, (holder, other) = fleet.api, fleet.machines
        holder.late(b"/v3/kv/txn", 3)
        api.end()
        # It goes on with another claim, or leaves it to the other machine.
        parallel(2, lambda index: fleet.machines[index].ask())
        self.within(5, lambda: sum(relay.delivered_late for relay in holder.relays), "the late claim is delivered")
        self.within(1, lambda: fleet.have(api.refreshes[0].child.value), "all machines have the token")
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)
        # And the result.
        go = threading.Event()
        fault, thread = self.refreshing(fleet, holder, before=go)
        holder.late(b"/v3/kv/txn", 3)
        go.set()
        thread.join(LIMIT)
        self.assertEqual([answer.status for answer in holder.answers], [200])
        new = api.refreshes[1].child.value
        self.within(5, lambda: fleet.have(new), "all machines have the token")
        self.within(5, lambda: sum(relay.delivered_late for relay in holder.relays) == 2, "the late result is delivered")
        self.assert_answers(fleet.machines)
        self.assertTrue(fleet.have(new))
        self.assert_one_refresh_each(fleet, 2)
