"""Secrets that are kept outside the configuration: they reach the API, and nobody else."""
import os, shutil, signal, subprocess
from harness import *

VISIBLE = "".join(map(chr, range(0x21, 0x7F)))


class SecretTest(Scenario):
    def configured(self, upstream, headers, name="squire.yaml"):
        path = self.directory / name
        path.write_text(f"upstream: {upstream}\nlisten: 127.0.0.1:0\ninspector: \"off\"\nheaders:\n{headers}"
                        f"session:\n  file: {self.session_file}\n  missing: forward\n")
        path.chmod(0o600)
        return str(path)

    def secret_file(self, text, name="key"):
        path = self.directory / name
        path.write_text(text)
        path.chmod(0o600)
        return path

    def test_values_reach_the_api_and_no_other_place(self):
        self.env["API_KEY"] = "from-environment"
        self.secret_file("from-file\n")
        upstream = self.upstream()
        config = self.configured(upstream.url, "  X-One: {env: API_KEY}\n  X-Two: {file: key}\n"
                                 "  X-Three: {exec: [echo, from-command]}\n  X-Four: {value: from-config, secret: true}\n"
                                 "  X-Five: {env: API_KEY, overwrite: true}\n")
        squire = self.run_squire(config, "--log-level", "trace")
        secrets = ["from-environment", "from-file", "from-command", "from-config"]
        self.fetch(squire, target="/a?key=1&x=from-environment&y=from-file", headers={"X-One": "mine", "X-Five": "mine"})
        request = upstream.requests[0]
        self.assertEqual([request[f"X-{name}"] for name in ("One", "Two", "Three", "Four", "Five")],
                         ["mine", *secrets[1:], "from-environment"])
        texts = [squire.text()]
        for arguments in (["check"], ["explain", "GET", "/x"], ["status", "--json"]):
            result = self.command(arguments[0], "--config", config, *arguments[1:], code=77 if "status" in arguments[0] and
                                  "--json" not in arguments else 0)
            texts.append(result.stdout + result.stderr)
        for text in texts:
            for secret in secrets:
                self.assertNotIn(secret, text)
        for shown in ("‹env API_KEY›", f"‹file {self.directory}/key›", "‹exec echo…›", "‹secret›"):
            self.assertIn(shown, texts[1])
            self.assertIn(shown, texts[2])

    def test_a_value_is_sent_as_it_is(self):
        self.env["API_KEY"] = "{uuid} and $HOME ${HOME}"
        upstream = self.upstream()
        squire = self.run_squire(self.configured(upstream.url, "  X-One: {env: API_KEY}\n"))
        self.fetch(squire)
        self.assertEqual(upstream.requests[0]["X-One"], "{uuid} and $HOME ${HOME}")

    def test_a_reload_reads_them_again_and_keeps_all_when_one_fails(self):
        upstream = self.upstream()
        self.secret_file("one\n")
        self.secret_file("#!/bin/sh\ncat key\n", "helper").chmod(0o700)
        squire = self.run_squire(self.configured(upstream.url, "  X-One: {file: key}\n  X-Two: {exec: [./helper]}\n"))
        sent = lambda: (self.fetch(squire), [upstream.requests[-1][name] for name in ("X-One", "X-Two")])[1]
        self.assertEqual(sent(), ["one", "one"])
        self.secret_file("two\n")
        self.assertEqual(sent(), ["one", "one"])
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("configuration re-read: headers.X-One and headers.X-Two changed")
        self.assertEqual(sent(), ["two", "two"])
        self.secret_file("three\n")
        self.secret_file("#!/bin/sh\nexit 3\n", "helper").chmod(0o700)
        squire.process.send_signal(signal.SIGHUP)
        squire.wait_for_text("the configuration was not changed")
        squire.wait_for_text("squire.yaml:6: headers.X-Two runs a command, ‹exec ./helper…›, which ends with code 3")
        self.assertEqual(sent(), ["two", "two"])

    def test_what_cannot_be_read_ends_the_command_with_its_line(self):
        for headers, code, text in [("  X-A: {env: UNSET_NAME}\n", 78, "UNSET_NAME"), ("  X-A: {env: EMPTY}\n", 78, "EMPTY"),
                                    ("  X-A: {file: none}\n", 78, "none"), ("  X-A: {exec: ['false']}\n", 75, "‹exec false…›"),
                                    ("  X-A: {exec: [/no/such]}\n", 75, "‹exec /no/such…›")]:
            with self.subTest(headers):
                config = self.configured("http://127.0.0.1:9", headers)
                result = self.command("run", "--config", config, code=code, env={"EMPTY": ""})
                self.assertIn("squire.yaml:5: headers.X-A", result.stderr)
                self.assertIn(text, result.stderr)

    def test_what_others_may_read_is_a_warning(self):
        os.chmod(self.secret_file("one\n"), 0o644)
        config = self.configured("http://127.0.0.1:9", "  X-A: {file: key}\n  X-B: {value: x, secret: true}\n  X-Api-Key: sk\n  X-C: y\n")
        os.chmod(config, 0o644)
        output = self.command("check", "--config", config).stdout
        self.assertIn("headers.X-A: other users of this machine may read", output)
        self.assertIn("headers.X-B: other users of this machine may read", output)
        self.assertIn("headers.X-Api-Key: other users of this machine may read", output)
        self.assertNotIn("headers.X-C", output)

    def test_a_token_is_quoted_for_the_shell(self):
        config = self.configured("http://127.0.0.1:9", "  X-A: x\n")
        token = f"{VISIBLE}';touch${{IFS}}{self.directory}/pwned;'$(touch${{IFS}}{self.directory}/pwned)'\\''\\"
        self.command("login", "--config", config, "--token", "-", input=token + "\n")
        line = self.command("token", "--config", config, "--format", "env").stdout
        for shell in filter(shutil.which, ("dash", "bash", "zsh")):
            script = 'eval "$1"; printf %s "$SQUIRE_TOKEN"'
            result = subprocess.run([shell, "-c", script, shell, line], capture_output=True, text=True,
                                    env=clean_environment(**self.env))
            self.assertEqual((result.stdout, result.stderr), (token, ""))
        self.assertEqual(json.loads(self.command("token", "--config", config, "--format", "json").stdout)["token"], token)
        self.assertFalse((self.directory / "pwned").exists())


if __name__ == "__main__":
    main()
