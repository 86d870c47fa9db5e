"""The files of the inspector's page, as they are served."""
from harness import *
import test_inspector

POLICY = ("default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
          "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'")
FIELDS = {"Content-Security-Policy": POLICY, "X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer", "Cross-Origin-Opener-Policy": "same-origin",
          "Cross-Origin-Resource-Policy": "same-origin", "Permissions-Policy": "clipboard-write=(self), camera=(), microphone=(), geolocation=()"}


class Files(test_inspector.Inspected):
    def test_files_have_a_tag_and_their_headers(self):
        squire, _ = self.inspected(extra=self.keyed())
        page = self.ask(squire, "GET", "/")
        self.assertEqual((page.status, page.getheader("Content-Type")), (200, "text/html; charset=utf-8"))
        names = ["/", *dict.fromkeys(re.findall(r'"(/page/[\w.-]+)"', page.data.decode()))]
        self.assertGreater(len(names), 20)
        size, tags = 0, set()
        for name in names:
            # Without the key: they show nothing.
            file = self.ask(squire, "GET", name)
            size += len(file.data)
            tag = file.getheader("ETag")
            tags.add(tag)
            self.assertRegex(tag, r'^"[0-9a-f]{16}"$')
            self.assertEqual((file.status, file.getheader("Cache-Control")), (200, "no-cache"), name)
            for field, value in FIELDS.items():
                self.assertEqual(file.getheader(field), value)
            for condition in (tag, f'"x", W/{tag}', "*"):
                known = self.ask(squire, "GET", name, {"If-None-Match": condition})
                self.assertEqual((known.status, known.data, known.getheader("ETag"), known.getheader("Cache-Control")), (304, b"", tag, "no-cache"))
            self.assertEqual(self.ask(squire, "HEAD", name).getheader("Content-Length"), str(len(file.data)))
        self.assertLessEqual(size, 256 << 10)
        self.assertEqual(len(tags), len(names))
        self.assertEqual(self.ask(squire, "GET", "/", {"If-None-Match": '"0000000000000000"'}).status, 200)
        for other in ("/index.html", "/app.js", "/page", "/page/", "/page/nope.js", "/page/../app.js", "/page/%61pp.js", "/page/app.js/", "//page/app.js"):
            self.assertEqual(self.ask(squire, "GET", other).status, 404, other)
        # What is not a file has the same guards.
        answer = self.ask(squire, "GET", "/api/status")
        self.assertEqual((answer.status, answer.getheader("Cache-Control"), answer.getheader("Content-Security-Policy")), (403, "no-store", POLICY))
