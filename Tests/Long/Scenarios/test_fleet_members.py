"""What three members of an etcd say to the commands, with TLS, users and roles."""
from long import *
from etcd import PREFIX, USER
from test_shared_commands import NAME, Shared


class ThreeMembers(Shared):
    members = 3

    def failures(self, code):
        """What is said of each member, without its name; all the same."""
        lines = self.lines(code)
        self.assertEqual([verdict for verdict, _ in lines], ["fail"] * 3)
        texts = {text.removeprefix(f"{url}: ") for (_, text), url in zip(lines, self.etcd.urls)}
        self.assertEqual(len(texts), 1, texts)
        return texts.pop()

    def test_users_and_certificates(self):
        self.configure()
        self.put_record()
        self.assertEqual(self.lines(0), [("ok", f"{url} reads and writes with a quorum, as user squire") for url in self.etcd.urls])
        self.assertIn("state       ready", self.shared("status").stdout)
        self.configure(password="wrong-password")
        self.assertIn("does not know the user with this password", self.failures(78))
        self.shared("status", code=78)
        self.configure(certificate="cn")
        text = self.failures(78)
        self.assertIn("Common Name, and etcd's JSON gateway refuses these", text)
        self.assertIn("whose Common Name is empty", text)
        self.configure(user=False)
        self.assertIn("Set user and password of session.shared", self.failures(78))
        self.configure(certificate=None)
        self.assertEqual([verdict for verdict, _ in self.lines(78)], ["fail"] * 3)
        for arguments in (("role", "add", "reader"), ("role", "grant-permission", "reader", "--prefix=true", "read", PREFIX),
                          ("user", "add", "reader:" + USER[1]), ("user", "grant-role", "reader", "reader")):
            self.etcd.root(*arguments)
        self.configure(user="reader")
        self.assertIn(f"readwrite {PREFIX}", self.failures(78))
        self.shared("reset", "--yes", code=64)
        self.etcd.root("auth", "disable")
        self.configure()
        self.assertEqual([verdict for verdict, _ in self.lines(0)], ["ok"] * 3 + ["warn"])

    def test_members_that_are_gone(self):
        self.configure()
        self.put_record()
        self.etcd.kill(1)
        # It may have been the leader.
        self.etcd.wait()
        lines = self.lines(0)
        self.assertEqual([verdict for verdict, _ in lines], ["ok", "warn", "ok"])
        self.assertTrue(lines[1][1].startswith(f"{self.etcd.urls[1]} does not answer"))
        self.etcd.kill(2)
        lines = self.lines(69)
        self.assertEqual([verdict for verdict, _ in lines], ["fail"] * 3)
        self.assertIn("no leader or no quorum", lines[0][1])
        self.shared("status", code=69)


if __name__ == "__main__":
    main()
