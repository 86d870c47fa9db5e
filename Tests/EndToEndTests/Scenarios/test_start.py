"""What cannot work is said before anything begins: with the file and the line, and 78."""
from harness import *


class Settings(Scenario):
    def openssl(self, *arguments):
        subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)

    def written(self, name, data):
        path = self.directory / name
        path.write_bytes(data)
        return path

    def refused(self, settings, *words, line=5, commands=("check",)):
        """`settings` from the fifth line on."""
        path = self.directory / "squire.yaml"
        path.write_text(f"upstream: https://127.0.0.1:9\nlisten: 127.0.0.1:0\ninspector: \"off\"\n# {len(settings)}\n{settings}")
        for command in commands:
            started = time.monotonic()
            result = self.command(*command.split(), "--config", str(path), *(["--", "true"] if command == "exec" else []), code=78)
            self.assertLess(time.monotonic() - started, 2)
            self.assertEqual(result.stdout, "")
            self.assertTrue(result.stderr.startswith(f"{path}:{line}: "), result.stderr)
            self.assertEqual(result.stderr.count("\n"), 1, result.stderr)
            for word in words:
                self.assertIn(word, result.stderr)

    def accepted(self, settings):
        path = self.directory / "squire.yaml"
        path.write_text(f"upstream: https://127.0.0.1:9\n{settings}")
        self.command("check", "--config", str(path))

    def keys(self):
        certificate(self.directory, "mine")
        return self.directory / "mine.pem", self.directory / "mine.key"

    # Keys

    def test_a_key_that_is_protected_by_a_pass_phrase(self):
        mine, key = self.keys()
        elliptic = self.directory / "elliptic.key"
        self.openssl("ecparam", "-name", "prime256v1", "-genkey", "-out", elliptic)
        protected = []
        for name, arguments in (
            ("pkcs8.key", ("pkcs8", "-topk8", "-in", key, "-passout", "pass:secret")),
            ("pkcs8-old.key", ("pkcs8", "-topk8", "-v1", "PBE-SHA1-3DES", "-in", key, "-passout", "pass:secret")),
            ("scrypt.key", ("pkcs8", "-topk8", "-scrypt", "-in", key, "-passout", "pass:secret")),
            ("traditional.key", ("rsa", "-aes256", "-traditional", "-in", key, "-passout", "pass:secret")),
            ("des.key", ("rsa", "-des3", "-traditional", "-in", key, "-passout", "pass:secret")),
            ("elliptic-protected.key", ("ec", "-aes128", "-in", elliptic, "-passout", "pass:secret")),
            ("pkcs8.der", ("pkcs8", "-topk8", "-in", key, "-outform", "DER", "-passout", "pass:secret")),
            ("mine.p12", ("pkcs12", "-export", "-in", mine, "-inkey", key, "-passout", "pass:secret")),
        ):
            self.openssl(*arguments, "-out", self.directory / name)
            protected.append(self.directory / name)
        protected.append(self.written("crlf.key", (self.directory / "traditional.key").read_bytes().replace(b"\n", b"\r\n")))
        protected.append(self.written("behind.key", mine.read_bytes() + (self.directory / "pkcs8.key").read_bytes()))
        for path in protected:
            self.refused(f"tls:\n  certificate: {mine}\n  key: {path}\n", "tls.key is protected by a pass phrase", str(path), line=7)
        # Every command that connects, and those that only look.
        self.refused(f"tls: {{certificate: {mine}, key: {protected[0]}}}\n", "pass phrase",
                     commands=("run", "exec", "token", "logout", "check --online", "check", "login --token -", "explain GET /", "status"))
        # In the file of the certificate.
        both = self.written("both.pem", mine.read_bytes() + (self.directory / "pkcs8.key").read_bytes())
        self.refused(f"tls: {{certificate: {both}}}\n", "tls.certificate is protected by a pass phrase")

    def test_a_key_in_a_form_that_cannot_be_used(self):
        mine, key = self.keys()
        self.openssl("pkey", "-in", key, "-outform", "DER", "-out", self.directory / "key.der")
        self.openssl("pkey", "-in", key, "-pubout", "-out", self.directory / "public.key")
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", self.directory / "ssh.key"], check=True, capture_output=True)
        broken = key.read_text().splitlines()
        for data, *words in (
            ((self.directory / "key.der").read_bytes(), "DER", "openssl pkey"),
            ((self.directory / "public.key").read_bytes(), "no private key", "PUBLIC KEY"),
            ((self.directory / "ssh.key").read_bytes(), "OpenSSH"),
            (mine.read_bytes(), "no private key", "CERTIFICATE"),
            (b"", "empty"), (b"\n \n", "empty"), (b"hello\n", "-----BEGIN"), (os.urandom(3000), "not PEM"),
            (key.read_text().encode("utf-16"), "UTF-16"),
            ("\n".join(broken[:5] + broken[-1:]).encode(), "private key that can be used"),
            ("\n".join(broken[:5]).encode(), "private key that can be used"),
        ):
            self.refused(f"tls: {{certificate: {mine}, key: {self.written('x.key', data)}}}\n", "tls.key", *words)
        self.refused(f"tls: {{certificate: {mine}}}\n", "tls.certificate holds no private key")

    def test_a_certificate_and_the_key_of_another(self):
        mine, key = self.keys()
        other, other_key = certificate(self.directory, "other")
        self.refused(f"tls: {{certificate: {mine}, key: {other_key}}}\n", "tls.key", "another key", str(other_key))
        self.accepted(f"tls: {{ca: {other}, certificate: {mine}, key: {key}}}\n")
        self.accepted(f"tls: {{certificate: {self.written('both.pem', key.read_bytes() + mine.read_bytes())}}}\n")

    def test_authorities_that_cannot_be_used(self):
        mine, key = self.keys()
        self.openssl("x509", "-in", mine, "-outform", "DER", "-out", self.directory / "mine.der")
        text = mine.read_text().splitlines()
        for name in ("ca", "certificate"):
            for data, *words in (
                ((self.directory / "mine.der").read_bytes(), "DER", "openssl x509"), (b"", "empty"), (b"certificate\n", "-----BEGIN"),
                (key.read_bytes(), "no certificate", "PRIVATE KEY"), ("\n".join(text[:5] + text[-1:]).encode(), "no certificate"),
                (b"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n", "no certificate"),
                (b"-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n", "no certificate"),
            ):
                extra = f", key: {key}" if name == "certificate" else ""
                self.refused(f"tls: {{{name}: {self.written('x.pem', data)}{extra}}}\n", f"tls.{name}", *words)

    # Names

    def test_a_host_that_can_never_match(self):
        for host in ("*", "*.example.com", "http://app.test", "app.test/", "app.test:0", "app.test:99999", "a b", "müller.test", "[::1", "::1", "a@b", "%61.test", "a,b"):
            self.refused(f"access:\n  hosts:\n    - app.test\n    - \"{host}\"\n", f'access.hosts: "{host}"', line=8)
        self.accepted("access: {hosts: [app.test, App.Test:8080, \"[::1]\", \"[fe80::1]:80\", 192.168.1.5, xn--mller-kva.test, my_app]}\n")

    def test_an_origin_that_can_never_match(self):
        for origin in ("*", "null", "app.test", "https://*.example.com", "https://app.test/", "https://app.test:443", "http://app.test:80", "https://app.test:",
                       "https://app.test:08443", "https://app.test/x", "https://müller.test", "ftp://app.test", "https://a@app.test"):
            self.refused(f"access:\n  origins:\n    - https://app.test\n    - \"{origin}\"\n", f'access.origins: "{origin}"', line=8)
        self.accepted("access: {origins: [https://app.test, \"https://App.Test:8443\", \"http://[::1]:3000\", http://localhost:80a]}\n".replace(":80a", ":8000"))

    # Bytes

    def test_control_bytes_are_named_with_their_line_and_never_shown(self):
        for data, shown in ((b"\x1b[31m", r"\x1B"), (b"\x00", r"\x00"), (b"\x07", r"\x07"), (b"\x7f", r"\x7F"), (b"\xc2\x9b", r"\x9B"), (b"\xef\xbf\xbf", r"\u{FFFF}")):
            path = self.written("squire.yaml", b"upstream: https://a.test\n" + b"#\n" * 5 + b"headers: {X: a" + data + b"b}\nworkers: 1\n")
            result = self.command("check", "--config", str(path), code=78).stderr
            self.assertEqual((result.count("\n"), result.isprintable(), result.startswith(f"{path}:7: "), shown in result), (1, False, True, True), result)
            self.assertTrue(result[:-1].isprintable(), repr(result))

    def test_a_byte_that_is_no_text_is_found(self):
        path = self.written("squire.yaml", b"upstream: https://a.test\n#\n#\nheaders: {X: a\xe9b}\n")
        self.assertTrue(self.command("check", "--config", str(path), code=78).stderr.startswith(f"{path}:4: cannot be read: it is not UTF-8 text from column 15 on"))

    def test_what_yaml_escapes_is_not_shown_raw_either(self):
        base = "upstream: https://a.test\n"
        for text in ('"\\e[31mx": 1\n', 'headers: {"X\\e[2J": 1}\n', 'workers: "1\\n2"\n', 'access: {hosts: ["\\e]0;x\\a"]}\n', 'tls: {ca: "/\\e[5m\\r\\nx"}\n',
                     'profile: "\\u202e"\n', 'authorization: "\\u2028"\n', '"a\\nb": 1\n"a\\nb": 2\n', 'inspector: "\\x9b"\n'):
            path = self.written("squire.yaml", (base + text).encode())
            result = self.command("check", "--config", str(path), code=78).stderr
            self.assertTrue(result[:-1].isprintable(), repr(result))
        path = self.written("a\x1b[31m\nb.yaml", b"upstream: x\n")
        self.assertTrue(self.command("check", "--config", str(path), code=78).stderr[:-1].isprintable())


if __name__ == "__main__":
    main()
