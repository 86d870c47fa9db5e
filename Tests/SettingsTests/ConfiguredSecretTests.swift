import Platform
import ReverseProxy
import TestFiles
import Testing
import TokenSources

@testable import Settings

/// Secrets in the configuration: where they may be kept, who reads them, and what is refused.
@Suite struct ConfiguredSecretTests {
    private let directory = TestDirectory.make()

    private var loader: ConfigurationLoader {
        ConfigurationLoader(
            environment: [
                "HOME": "/nowhere", "PATH": "/usr/bin:/bin", "XDG_STATE_HOME": "\(directory)/state",
                "API_KEY": "sekret-value", "EMPTY": "", "TWO": "a\nb",
            ]
        )
    }

    private func load(_ yaml: String, mode: mode_t = 0o600) throws(ConfigurationError) -> LoadedConfiguration {
        let path = "\(directory)/c.yaml"
        _ = PrivateFile.create(path, Array(("upstream: https://a.example\n" + yaml).utf8))
        chmod(path, mode)
        return try loader.load(path)
    }

    private func issues(_ yaml: String, mode: mode_t = 0o600) -> [ConfigurationError.Issue] {
        do throws(ConfigurationError) {
            var loaded = try load(yaml, mode: mode)
            try loaded.readSecrets()
            return []
        } catch {
            return error.issues
        }
    }

    @Test func aHeadersValueMayBeKeptElsewhere() throws {
        _ = PrivateFile.create("\(directory)/key", Array("from-file\r\n".utf8))
        var loaded = try load(
            """
            headers:
              X-Env: {env: API_KEY}
              X-File: {file: key, overwrite: true}
              X-Exec: {exec: [sh, -c, 'echo run >> runs; echo from-exec']}
              X-Again: {exec: [sh, -c, 'echo run >> runs; echo from-exec']}
              X-Plain: {value: "{uuid}", secret: true}
              X-Open: {value: x, secret: false}
            """
        )
        // Whoever only looks reads none, and runs none.
        #expect(loaded.configuration.headers.map(\.value) == ["", "", "", "", "{uuid}", "x"])
        #expect(loaded.configuration.headers.map(\.isSecret) == [true, true, true, true, true, false])
        #expect(loaded.configuration.headers.prefix(2).map(\.shown) == ["‹env API_KEY›", "‹file \(directory)/key›"])
        #expect(!PrivateFile.exists("\(directory)/runs"))
        try loaded.readSecrets()
        let values = ["sekret-value", "from-file", "from-exec", "from-exec", "{uuid}", "x"]
        #expect(loaded.configuration.headers.map(\.value) == values)
        #expect(loaded.configuration.headers[1].overwrite)
        // A command runs once, wherever it is named.
        #expect(try NamedFile.read("\(directory)/runs", limit: 100).count == 4)
        let secrets = loaded.configuration.secrets.map { String(decoding: $0, as: UTF8.self) }
        #expect(secrets.contains("sekret-value") && secrets.contains("from-exec") && !secrets.contains("x"))
    }

    @Test(
        "What cannot be had is a mistake with its line",
        arguments: [
            ("headers:\n  X-A: {env: UNSET}\n", 3, "headers.X-A names a variable that is not set: UNSET"),
            ("headers:\n  X-A: {env: EMPTY}\n", 3, "is empty"),
            ("headers:\n  X-A: {env: ''}\n", 3, "X-A.env must be the name of a variable alone, such as API_KEY, not"),
            ("headers:\n  X-A: {env: $API_KEY}\n", 3, "alone, such as API_KEY, not \"$API_KEY\""),
            ("headers:\n  X-A: {env: API_KEY=}\n", 3, "alone, such as API_KEY, not \"API_KEY=\""),
            ("headers:\n  X-A: {file: none}\n", 3, "cannot be read"),
            ("headers:\n  X-A: {env: TWO}\n", 3, "line break"), ("headers:\n  X-A: {exec: ls}\n", 3, "a list"),
            ("headers:\n  X-A: {exec: []}\n", 3, "a list"), ("headers:\n  X-A: {env: API_KEY, file: x}\n", 3, "one of"),
            ("headers:\n  X-A: {env: API_KEY, value: x}\n", 3, "cannot both"),
            ("headers:\n  X-A: {vlaue: x}\n", 3, "did you mean \"value\""),
            ("headers:\n  X-A: {overwrite: true}\n", 3, "needs a value"),
            ("headers:\n  X-A: {env: API_KEY, secret: false}\n", 3, "secret"),
            ("headers:\n  X-A: {exec: [false]}\n", 3, "ends with code 1"),
            ("session:\n  exec: gcloud auth print-access-token\n", 3, "a list"),
            ("session:\n  exec: {command: [x], format: yaml}\n", 3, "format"),
            ("session:\n  exec: {command: [x], timeout: 11m}\n", 3, "timeout"),
            ("session:\n  exec: {command: [x], timeout: 500ms}\n", 3, "timeout"),
            ("session:\n  exec: {format: raw}\n", 3, "needs a command"),
            ("session:\n  exec: {command: [x], comand: [y]}\n", 3, "did you mean \"command\""),
            ("session:\n  exec: {command: [x], format: raw, token: /t}\n", 3, "format: json"),
            ("session:\n  exec: {command: [x], token: t}\n", 3, "JSON Pointer"),
            ("session:\n  exec:\n    command: [x]\n    env: {A: {exec: [y]}}\n", 5, "env"),
            ("session:\n  exec:\n    command: [x]\n    env: {SQUIRE_EXEC: 0}\n", 5, "SQUIRE_EXEC"),
            ("session:\n  exec:\n    command: [x]\n    env: {A-B: 0}\n", 5, "A-B"),
            ("session:\n  exec:\n    command: [x]\n    env: {A: {env: UNSET}}\n", 5, "UNSET"),
            ("session:\n  exec: [x]\n  token-file: y\n", 4, "two sources"),
            ("session:\n  refresh: {path: /r, token: /t}\n  exec: [x]\n", 4, "two sources"),
            ("session:\n  file: s.json\n  exec: [x]\n", 3, "session.file"),
            ("session:\n  file: s.json\n  token-file: x\n", 3, "session.file"),
            ("session:\n  keep-alive: 7d\n  token-file: x\n", 3, "keep-alive"),
            ("session:\n  token-file: {token: /t}\n", 3, "needs a path"),
            ("session:\n  token-file: {path: x, expires-at: /e}\n", 3, "needs token"),
            ("session:\n  token-file: {path: x, tokn: /e}\n", 3, "did you mean \"token\""),
        ]
    ) func mistakes(_ yaml: String, _ line: Int, _ text: String) {
        let issues = issues(yaml)
        #expect(issues.contains { $0.line == line && $0.message.contains(text) }, "\(issues)")
        #expect(issues.allSatisfy { $0.source.hasSuffix("c.yaml") && !$0.message.contains("sekret-value") })
    }

    @Test func onlyACommandThatFailsMayPass() {
        #expect(issues("headers:\n  X-A: {exec: [false]}\n").map(\.mayPass) == [true])
        #expect(issues("headers:\n  X-A: {env: UNSET}\n").map(\.mayPass) == [false])
        #expect(ConfigurationError(issues("headers:\n  X-A: {exec: [false]}\n")).mayPass)
    }

    @Test func execSaysWhatItSays() throws {
        var loaded = try load(
            """
            session:
              exec:
                command: [aws, eks, get-token]
                token: /a/b
                expires-at: /a/c
                timeout: 5s
                env: {A: plain, B: {env: API_KEY}}
            """
        )
        try loaded.readSecrets()
        guard case .exec(let exec) = loaded.configuration.session.source else {
            Issue.record("no exec")
            return
        }
        #expect(exec.command == ["aws", "eks", "get-token"] && exec.directory == directory)
        #expect(exec.format == .json && exec.timeout == .seconds(5) && exec.places.token == "/a/b")
        #expect(exec.variables.map(\.value.text) == ["plain", "sekret-value"])
    }

    @Test func aCommandOfAFileThatOthersMayWriteIsRefused() {
        for yaml in ["session:\n  exec: [x]\n", "headers:\n  X-A: {exec: [echo, x]}\n"] {
            for mode in [0o620, 0o602, 0o666] as [mode_t] {
                let issues = issues(yaml, mode: mode)
                #expect(issues.count == 1 && issues.first?.line == 3, "\(issues)")
                #expect(issues.first?.message.contains("chmod go-w") == true)
            }
        }
        #expect(issues("session:\n  exec: [x]\n", mode: 0o644).isEmpty)
        #expect(issues("headers:\n  X-A: {env: API_KEY}\n", mode: 0o666).isEmpty)
        chmod(directory, 0o777)
        #expect(issues("session:\n  exec: [x]\n").count == 1)
        chmod(directory, 0o1777)
        #expect(issues("session:\n  exec: [x]\n").isEmpty)
    }

    @Test(
        "What makes a configuration a program, or takes a secret from elsewhere, is guarded",
        arguments: [
            ("session: {exec: [x]}", ["session.exec"]), ("session: {token-file: x}", ["session.token-file"]),
            ("session: {exec: {command: [x]}}", ["session.exec"]),
            ("headers: {X-A: {env: API_KEY}}", ["headers.X-A.env"]),
            ("headers: {X-A: {exec: [echo, x]}}", ["headers.X-A.exec"]),
            ("headers: {X-A: {file: /etc/hostname}}", ["headers.X-A.file"]),
            ("headers: {X-A: {file: inside}}", []), ("headers: {X-A: {file: ./sub/../inside}}", []),
            ("headers: {X-A: {file: link}}", ["headers.X-A.file"]),
            ("headers: {X-A: {file: ../../../../../../../../etc/hostname}}", ["headers.X-A.file"]),
            ("headers: {env: x, exec: y}", []), ("session: {exec: {command: [x], env: {env: x}}}", ["session.exec"]),
            (
                "session: {oauth: {client-id: x, token-endpoint: \"https://a\", client-secret: {env: API_KEY}}}",
                ["session.oauth.client-secret.env"]
            ),
        ]
    ) func guarded(_ yaml: String, _ names: [String]) throws {
        _ = PrivateFile.create("\(directory)/inside", Array("x\n".utf8))
        symlink("/etc/hostname", "\(directory)/link")
        mkdir("\(directory)/sub", 0o700)
        #expect(try load(yaml + "\n").guardedKeys.map(\.name) == names)
    }

    @Test func optionsDoNotShowWhatTheyHold() {
        var overrides = ConfigurationOverrides()
        overrides.headers = [.init("Authorization sekret-value", source: "--header")]
        let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"], overrides: overrides)
        #expect(throws: ConfigurationError.self) { try loader.read("upstream: https://a.example\n", path: nil) }
        do {
            _ = try loader.read("upstream: https://a.example\n", path: nil)
        } catch {
            #expect(!"\(error)".contains("sekret-value"))
        }
    }
}
