"""What the inspector sends itself, where that takes its time."""
import pathlib, sys
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "EndToEndTests" / "Scenarios"))
from harness import *
from test_inspector import HEADER
from test_inspector_replay import Sending


class Patience(Sending):
    def compose_slowly(self, squire, **members):
        connection = http.client.HTTPConnection("127.0.0.1", squire.port, timeout=60)
        connection.request("POST", "/api/exchanges", json.dumps(members), {**HEADER, "Content-Type": "application/json"})
        return connection

    def test_a_stream_is_answered_while_it_runs(self):
        done = threading.Event()
        self.addCleanup(done.set)
        def respond(request):
            upstream.sockets[-1].sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n9\r\ndata: 1\n\n\r\n")
            done.wait(60)
            return b"0\r\n\r\n"
        squire, upstream = self.inspected(respond)
        # Whoever hangs up cancels nothing that was begun.
        left = self.compose_slowly(squire, target="/left")
        upstream.wait_for_requests(1)
        left.close()
        began = time.monotonic()
        connection = self.compose_slowly(squire, target="/stream")
        answer = connection.getresponse()
        exchange = json.loads(answer.read())
        self.assertEqual((answer.status, answer.getheader("Location")), (202, f"/api/exchanges/{exchange['id']}"))
        self.assertTrue(29 < time.monotonic() - began < 35)
        self.assertEqual((exchange["state"], exchange["status"], exchange["origin"]), ("running", 200, "composer"))
        self.assertEqual({row["target"]: row["state"] for row in self.list(squire)["exchanges"]}, {"/left": "running", "/stream": "running"})
        self.assertEqual(self.replay(squire, exchange["id"]).json["why"], "running")
        done.set()
        self.until(lambda: all(row["state"] == "done" for row in self.list(squire)["exchanges"]), "both end")
        self.assertEqual({row["outcome"] for row in self.list(squire)["exchanges"]}, {"complete"})

    def test_no_more_than_sixteen_at_a_time(self):
        done = threading.Event()
        self.addCleanup(done.set)
        squire, upstream = self.inspected(lambda request: done.wait(60) and reply(200, b""))
        waiting = [self.compose_slowly(squire, target=f"/{index}") for index in range(16)]
        upstream.wait_for_requests(16)
        answer = self.compose(squire, target="/more")
        self.assertEqual((answer.status, answer.code), (503, "overloaded"))
        done.set()
        self.assertEqual({one.getresponse().status for one in waiting}, {201})


if __name__ == "__main__":
    main()
