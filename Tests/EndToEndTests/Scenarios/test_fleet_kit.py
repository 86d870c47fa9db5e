"""What judges the fleet, judged: the API that kills what it has refreshed, and the relay that is late. No Squire takes part."""
from machines import *


class API(unittest.TestCase):
    def api(self, **options):
        api = RotatingAPI(**options)
        self.addCleanup(api.close)
        return api

    def call(self, api, target, token="", machine="0"):
        fields = {"X-Machine": machine, "Authorization": "Bearer " + token}
        connection = http.client.HTTPConnection("127.0.0.1", api.port, timeout=5)
        self.addCleanup(connection.close)
        connection.request("GET", target, headers=fields)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())

    def refreshed(self, api, token, machine="0"):
        status, data = self.call(api, "/refresh", token, machine)
        return data["token"] if status == 200 else status

    def test_a_refreshed_token_is_dead(self):
        api = self.api()
        old = api.sign_in()
        self.assertEqual(self.call(api, "/x", old)[0], 200)
        new = self.refreshed(api, old)
        self.assertEqual((self.call(api, "/x", old, "7")[0], self.call(api, "/x", new)[0]), (401, 200))
        [(machine, token, _, age)] = api.dead_uses
        self.assertEqual((machine, token.value), ("7", old))
        self.assertLess(age, 5)
        self.assertEqual(self.refreshed(api, old), 401)
        self.assertEqual(([r.outcome for r in api.refreshes], api.refreshes[1].is_second), (["rotated", "refused"], True))
        # What was good stays good: nothing watches for reuse.
        self.assertEqual(self.call(api, "/x", new)[0], 200)

    def test_an_ended_token_is_refreshed_only(self):
        api = self.api()
        old = api.sign_in()
        api.end()
        self.assertEqual(self.call(api, "/x", old)[0], 401)
        self.assertEqual((api.dead_uses, len(api.refusals)), ([], 1))
        self.assertEqual(self.call(api, "/x", self.refreshed(api, old))[0], 200)

    def test_grace_and_families(self):
        api = self.api(grace=60)
        old = api.sign_in()
        children = [self.refreshed(api, old) for _ in range(2)]
        self.assertEqual([self.call(api, "/x", token)[0] for token in (old, *children)], [200] * 3)
        api = self.api(kills_families=True)
        old = api.sign_in()
        new, other = self.refreshed(api, old), api.sign_in("2")
        self.assertEqual(self.refreshed(api, old), 401)
        self.assertEqual([self.call(api, "/x", token)[0] for token in (new, other)], [401, 200])
        self.assertEqual((api.is_alive(new), api.is_alive(other)), (False, True))

    def test_faults(self):
        api = self.api()
        token = api.sign_in()
        api.next_refresh(acts=False)
        self.assertEqual(self.refreshed(api, token), 503)
        go = threading.Event()
        fault = api.next_refresh(after=go)
        thread = threading.Thread(target=self.refreshed, args=(api, token))
        thread.start()
        self.assertTrue(fault.acted.wait(5))
        self.assertFalse(api.is_alive(token))
        self.assertIsNone(api.refreshes[-1].answered)
        go.set()
        thread.join()
        self.assertIsNotNone(api.refreshes[-1].answered)
        api.next_refresh(answers=False)
        with self.assertRaises((http.client.HTTPException, OSError)): self.refreshed(api, api.refreshes[-1].child.value)
        self.assertEqual(api.refreshes[-1].outcome, "rotated")


class Relaying(unittest.TestCase):
    def setUp(self):
        self.relays = Relays()
        self.addCleanup(self.relays.end)
        self.upstream = RawUpstream()
        self.addCleanup(self.upstream.close)
        self.relay = self.relays.relay(self.upstream.port)

    def connect(self):
        connection = socket.create_connection(("127.0.0.1", self.relay.port), 0.3)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, name=b"x"):
        """Whether there is an answer."""
        try:
            connection.sendall(b"GET /%s HTTP/1.1\r\n\r\n" % name)
            return connection.recv(1000).startswith(b"HTTP/1.1 200")
        except OSError: return False

    def test_cut(self):
        connection = self.connect()
        self.assertTrue(self.ask(connection))
        self.assertEqual(self.relay.alive(), 1)
        self.relay.cut()
        self.assertFalse(self.ask(connection) or self.ask(self.connect()))
        self.assertEqual((len(self.upstream.requests), self.relay.alive()), (1, 0))
        self.relay.mend()
        self.assertTrue(self.ask(self.connect()))

    def test_stall(self):
        connection = self.connect()
        self.assertTrue(self.ask(connection))
        self.relay.stall()
        self.assertFalse(self.ask(connection) or self.ask(self.connect()))
        self.assertEqual(len(self.upstream.requests), 1)
        self.relay.mend()
        # Both that were on their way arrive.
        self.upstream.wait_for_requests(3)

    def test_late_though_nobody_waits(self):
        connection = self.connect()
        self.relay.late(b"/put", 0.6)
        begun = time.monotonic()
        self.assertFalse(self.ask(connection, b"put"))
        connection.close()
        self.assertTrue(self.ask(self.connect(), b"get"))
        self.assertEqual(len(self.upstream.requests), 1)
        self.upstream.wait_for_requests(2)
        self.assertGreaterEqual(time.monotonic() - begun, 0.6)
        self.assertEqual((self.upstream.requests[1].target, self.relay.delivered_late), ("/put", 1))
        self.assertTrue(self.ask(self.connect(), b"put"))

    def test_delay(self):
        self.relay.delay(0.15)
        begun = time.monotonic()
        self.assertTrue(self.ask(self.connect()))
        self.assertGreaterEqual(time.monotonic() - begun, 0.15)


if __name__ == "__main__":
    main()
