"""How a machine comes to share a session, and what sharing costs those who do not: what was there before is kept, what cannot be opened is
left alone, and the engine never sees a token."""
from machines import *


class Joining(FleetScenario):
    def joining(self, fleet, token):
        """A machine that has a session of its own, and is configured to share now."""
        machine = fleet.add()
        machine.configure(shared=False)
        machine.login(token)
        machine.configure()
        return machine

    def test_the_first_brings_its_session(self):
        """The engine has none yet: what the machine has becomes that of all."""
        fleet = self.fleet(1, login=False)
        self.assertEqual(fleet.machines[0].ask().status, 401)
        token = fleet.api.sign_in()
        self.joining(fleet, token).start()
        self.within(2, lambda: fleet.have(token), "all machines have what the second brought")
        self.assert_answers(fleet.machines)
        self.assertEqual(fleet.api.refreshes, [])

    def test_the_engine_wins(self):
        """A machine with a login of its own: the fleet's takes its place, and its own is kept beside it."""
        fleet = self.fleet(1)
        own = fleet.api.sign_in()
        machine = self.joining(fleet, own).start()
        self.within(2, lambda: fleet.have(fleet.machines[0].token()), "the machine has the fleet's session")
        self.assertFalse(machine.token() == own)
        self.assertTrue(machine.token(machine.kept) == own)
        self.assertEqual(machine.kept.stat().st_mode & 0o777, 0o600)
        self.within(2, lambda: f"it is kept in {machine.kept}" in machine.text(), "it is said where its own is kept")
        self.assert_answers(fleet.machines)
        # It was neither sent nor ended.
        self.assertTrue(fleet.api.is_alive(own))
        fleet.api.end()
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)

    def test_a_command_is_a_machines_first(self):
        """As in a pod that begins with nothing: exec asks the others before it says that a login is needed."""
        fleet = self.fleet(1)

        def run(machine, code):
            return machine.command("exec", "--config", str(machine.config), "--", "sh", "-c", "curl -sS $SQUIRE_URL/api/x", code=code)

        new = fleet.add()
        self.assertEqual(json.loads(run(new, 0).stdout)["customer"], "5090976")
        self.assertTrue(new.token() == fleet.machines[0].token())
        # A login would end what the others have.
        away = fleet.add()
        away.cut()
        self.assertIn("a login would end the session that they may have", run(away, 77).stderr)
        # They have none.
        fleet.machines[0].command("logout")
        self.assertIn("There is no session", run(fleet.add(), 77).stderr)

    def test_commands_at_once_are_a_machines_first(self):
        """As `make -j` starts them: those that find another one asking the others wait for what it learns."""
        fleet = self.fleet(1)
        new = fleet.add()
        new.delay(0.2)
        for command in (["exec", "--config", str(new.config), "--", "true"], ["token"]):
            new.file.unlink(missing_ok=True)
            self.assertEqual([result.returncode for result in parallel(4, lambda _: new.command(*command, code=None))], [0] * 4, command[0])

    def test_another_customer_does_not_join(self):
        fleet = self.fleet(1)
        member, record = fleet.machines[0], fleet.record()
        own = fleet.api.sign_in("77")
        machine = self.joining(fleet, own).start()
        # Its clients are never another customer, nor the fleet's clients its.
        answer = machine.ask()
        if answer.status == 200: self.assertEqual(json.loads(answer.data)["customer"], "77")
        self.assertEqual(json.loads(member.ask().data)["customer"], "5090976")
        self.within(2, lambda: machine.shared()["problem"], "why it does not join is said")
        self.assertEqual((machine.token() == own, fleet.record()), (True, record))
        self.assertFalse(machine.kept.exists())
        self.within(2, lambda: "NOT SHARED" in machine.text(), "it is said loudly")
        self.assertIn("--replace", machine.text())

    def test_another_customer_joins_by_a_login(self):
        """A person decides: login --replace."""
        fleet = self.fleet(1)
        machine = self.joining(fleet, fleet.api.sign_in("77")).start()
        token = fleet.api.sign_in()
        machine.login(token, "--replace")
        self.within(2, lambda: fleet.have(token), "whoever logs in on purpose joins")
        self.assert_answers(fleet.machines)

    def test_another_apis_session_is_left_alone(self):
        """Two fleets, one name: what belongs to another upstream is neither used nor replaced."""
        fleet = self.fleet(1)
        record = fleet.record()
        other = RotatingAPI()
        self.addCleanup(other.close)
        machine = fleet.add()
        machine.configure(api=other.url)
        machine.start()
        self.assertNotEqual(machine.ask().status, 200)
        self.within(2, lambda: "NOT SHARED" in machine.text(), "it is said loudly")
        self.assertIn(fleet.api.url, machine.text())
        self.assertEqual((len(other.requests), fleet.record(), machine.token() is None), (0, record, True))


class Checks(FleetScenario):
    def test_another_customer(self):
        fleet = self.fleet(1)
        machine = fleet.add()
        machine.configure(shared=False)
        machine.login(fleet.api.sign_in("77"))
        machine.configure()
        self.assertIn("--replace", machine.command("check", "--online", code=78).stdout)

    def test_another_api(self):
        fleet = self.fleet(1)
        other = RotatingAPI()
        self.addCleanup(other.close)
        machine = fleet.add()
        machine.configure(api=other.url)
        self.assertIn(fleet.api.url, machine.command("check", "--online", code=78).stdout)

    def test_another_key(self):
        fleet = self.fleet(1)
        machine = fleet.add()
        machine.key.unlink()
        self.command("shared", "key", str(machine.key))
        self.assertIn(fleet.record()["kid"], machine.command("check", "--online", code=78).stdout)


class Keys(FleetScenario):
    def test_another_key(self):
        """What it cannot open it neither uses nor replaces: its own copy goes on, and the key that it lacks is named."""
        fleet = self.fleet(2)
        machine, record = fleet.machines[1], fleet.record()
        machine.stop()
        machine.key.unlink()
        self.command("shared", "key", str(machine.key))
        machine.start()
        self.assert_answers(fleet.machines)
        self.within(2, lambda: record["kid"] in (machine.shared()["problem"] or ""), "the key that is missing is named")
        self.assertIn(str(machine.key), machine.shared()["problem"] + machine.text())
        fleet.api.end()
        self.assertNotEqual(machine.ask().status, 200)
        self.assertEqual((fleet.api.refreshes, fleet.record()), ([], record))
        # The right one, and the next request goes well.
        shutil.copy(fleet.key, machine.key)
        machine.stop()
        machine.start()
        self.assert_answers(fleet.machines)
        self.assert_one_refresh_each(fleet, 1)


class Secrets(FleetScenario):
    def test_the_engine_never_sees_a_token(self):
        """Nor does its database, its log ahead of it, a snapshot, its own log, or what the machines write."""
        fleet = self.fleet(2)
        self.assert_answers(fleet.machines)
        for _ in range(3):
            fleet.api.end()
            self.assert_answers(fleet.machines)
        fleet.machines[1].login(fleet.api.sign_in(), "--replace")
        fleet.engine.save_snapshot()
        os.kill(fleet.engine.processes[0].pid, signal.SIGTERM)
        fleet.engine.processes[0].wait()
        written = {str(path): path.read_bytes() for path in fleet.engine.files()}
        written |= {f"the log of machine {machine.number}": machine.text().encode() for machine in fleet.machines}
        # They are read rightly: the name of the record is in the database, in the log ahead of it, and in the snapshot.
        marked = [name for name, data in written.items() if b"squire/v1/session/fleet" in data]
        for part in ("/snap/db", ".wal", "/snapshot-"): self.assertTrue(any(part in name for name in marked), (part, list(written)))
        secrets = [secret.encode() for secret in fleet.api.secrets()]
        self.assertGreater(len(secrets), 12)
        for secret in secrets + [line.encode() for line in fleet.key.read_text().splitlines()]:
            # As it is, in base64 at each of its three places, and in hexadecimal.
            forms = [secret, secret.hex().encode(), *(base64.b64encode(b"x" * shift + secret)[4:-4] for shift in range(3))]
            for name, data in written.items():
                self.assertFalse(any(form in data for form in forms), f"a part of a token, or a key, is in {name}")

    def test_what_does_not_share_pays_nothing(self):
        """No connection, no thread."""
        fleet = self.fleet(1)
        alone = fleet.add(shared=False)
        alone.login(fleet.api.sign_in())
        alone.start()
        self.assert_answers(fleet.machines)

        def threads(machine):
            return sorted((task / "comm").read_text().strip() for task in pathlib.Path(f"/proc/{machine.process.process.pid}/task").iterdir())

        def connections(machine):
            """The ports that it is connected to."""
            links = [os.readlink(path) for path in pathlib.Path(f"/proc/{machine.process.process.pid}/fd").iterdir() if path.is_symlink()]
            inodes = {link[8:-1] for link in links if link.startswith("socket:[")}
            rows = [line.split() for line in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
            return {int(row[2].split(":")[1], 16) for row in rows if row[9] in inodes and row[3] == "01"}

        shares, plain = fleet.machines[0], alone
        self.within(2, lambda: connections(shares) & {relay.port for relay in shares.relays}, "whoever shares has a connection")
        self.assertLessEqual(connections(plain), {fleet.api.port})
        self.assertGreater(len(threads(shares)), len(threads(plain)), threads(plain))
        self.assertIsNone(plain.status().get("shared"))
        self.assertEqual([name for name in threads(plain) if re.search("etcd|share", name)], [])


if __name__ == "__main__":
    main()
