"""A process that is stopped, or whose machine sleeps, while a refresh is under way: what came meanwhile is not lost."""
from machines import *


class Stopped(Scenario):
    def test_an_answer_that_came_meanwhile_is_taken(self):
        """Though the time for it was up when the process went on: the API has rotated, and gives no second one."""
        api = RotatingAPI()
        self.addCleanup(api.close)
        config = self.config(api.url, "", "  refresh: {method: GET, path: /refresh, token: /token, timeout: 1s}\n", "")
        self.save_token(api.sign_in(), config)
        squire = self.run_squire(config)
        self.assertEqual(self.fetch(squire).status, 200)
        go = threading.Event()
        fault = api.next_refresh(after=go)
        api.end()
        answers = []
        thread = threading.Thread(target=lambda: answers.append(self.fetch(squire)))
        thread.start()
        self.assertTrue(fault.acted.wait(LIMIT))
        squire.hold()
        go.set()
        time.sleep(1.5)
        squire.process.send_signal(signal.SIGCONT)
        thread.join(LIMIT)
        self.assertEqual([answer.status for answer in answers], [200], squire.text())
        self.assertEqual([refresh.outcome for refresh in api.refreshes], ["rotated"])
        self.assertTrue(json.loads(self.session_file.read_text())["token"] == api.refreshes[0].child.value)


if __name__ == "__main__":
    main()
