import EventIO
import Testing

@testable import Settings

/// What is said of words that are no command, before the parser of options sees them.
@Suite struct CommandWordsTests {
    private let words = CommandWords(
        .init(
            "squire",
            [
                .init("run"), .init("demo"), .init("login"), .init("status"), .init("exec"), .init("explain"),
                .init("shared", [.init("key"), .init("status")]),
            ]
        )
    )

    private func problem(_ line: String) -> String? { words.problem(in: line.split(separator: " ").map(String.init)) }

    @Test(arguments: [
        "", "run", "run --listen 8080", "run statsu", "help", "help run", "help shared key", "shared key FILE",
        "shared --help", "shared", "--help", "-h", "--version", "--generate-completion-script zsh", "--unknown",
        "exec -- nc -p 80", "exec -- curl --port=1", "explain GET /p -p",
    ]) func whatTheParserJudges(_ line: String) {
        #expect(problem(line) == nil)
    }

    @Test(arguments: [
        ("statsu", #"there is no command "statsu": did you mean "status"?"#),
        ("lgoin", #"there is no command "lgoin": did you mean "login"?"#),
        ("help statsu", #"there is no command "statsu": did you mean "status"?"#),
        ("help frobnicate", #"there is no command "frobnicate"; see squire --help"#),
        ("shared stauts", #"shared has no command "stauts": did you mean "status"?"#),
        ("shared start", #"shared has no command "start"; see squire shared --help"#),
        ("help shared frobnicate", #"shared has no command "frobnicate"; see squire shared --help"#),
        ("start", #"there is no command "start": did you mean "squire run"?"#),
        ("Version", #"there is no command "Version": did you mean "squire --version"?"#),
        ("-V", #"there is no option -V: did you mean "squire --version"?"#),
        (
            "https://api.example.com/a&b",
            #"there is no command "https://api.example.com/a&b": did you mean "squire run --upstream 'https://api.example.com/a&b'"?"#
        ),
        (
            "api.example.com",
            #"there is no command "api.example.com": did you mean "squire run --upstream https://api.example.com"?"#
        ),
        ("8080", #"there is no command "8080": did you mean "squire run --listen 8080"?"#),
        (":8080", #"there is no command ":8080": did you mean "squire run --listen 8080"?"#),
        ("127.0.0.1", #"there is no command "127.0.0.1": did you mean "squire run --listen 127.0.0.1:8080"?"#),
        ("api.yaml", #"there is no command "api.yaml": did you mean "squire run --config api.yaml"?"#),
        ("--config my.yaml", "options stand behind the command, as in: squire run --config my.yaml"),
        ("--listen=8080 run", "options stand behind the command, as in: squire run --listen=8080"),
        ("--listen", "options stand behind the command, as in: squire run --listen …"),
        ("run -p 9000", "there is no -p: where to listen is --listen, as in: squire run --listen 9000"),
        ("demo --port=9000", "there is no --port: where to listen is --listen, as in: squire demo --listen 9000"),
        ("exec --port -- curl", "there is no --port: where to listen is --listen, as in: squire exec --listen 8080"),
        ("exec ls -l", #"the command stands behind --: did you mean "squire exec -- ls"?"#),
        ("exec --env X ls", #"the command stands behind --: did you mean "squire exec … -- ls"?"#),
        ("exec --allow-missing ls", #"the command stands behind --: did you mean "squire exec … -- ls"?"#),
        (
            "stop",
            #"there is no command "stop": a squire ends with Ctrl-C, or with SIGTERM: kill PID, which squire status tells"#
        ),
        ("--verison", #"there is no option --verison: did you mean "squire --version"?"#),
        ("run -p", "there is no -p: where to listen is --listen, as in: squire run --listen 8080"),
    ]) func whatIsMeant(_ line: String, _ said: String) {
        #expect(problem(line) == said)
    }

    @Test(arguments: [
        (":8080", "8080"), ("http://127.0.0.1:8080", "127.0.0.1:8080"), ("HTTP://[::1]:80/", "[::1]:80"),
        ("127.0.0.1", "127.0.0.1:8080"), ("localhost", "localhost:8080"), ("/run/a.sock", "unix:/run/a.sock"),
        ("~/a.sock", "unix:~/a.sock"),
    ]) func addressesThatAreMeant(_ text: String, _ meant: String) {
        #expect(
            AddressForm.problem(text, AddressForm.listen)
                == "\(AddressForm.listen), not \"\(text)\": did you mean \(meant)?"
        )
    }

    @Test(arguments: ["", "words", "80800", "a:b", "127.0.0.1:80800", "::", ":", "http://"])
    func textsThatMeanNoAddress(_ text: String) {
        #expect(AddressForm.problem(text, AddressForm.listen) == "\(AddressForm.listen), not \"\(text)\"")
    }

    @Test func aValueThatStandsAloneIsHinted() {
        let text = { (word: String, usage: String) in
            "squire: Unexpected argument '\(word)'\nUsage: squire x \(usage)\n"
        }
        let all = "[--upstream <url>] [--config <file> ...] [--listen <addr>]"
        for (word, meant) in [
            ("https://a.example/x", "--upstream https://a.example/x"), ("my api.yaml", "--config 'my api.yaml'"),
            ("8080", "--listen 8080"), ("it's.yaml", #"--config 'it'\''s.yaml'"#),
        ] {
            let hinted = CommandWords.hinted(text(word, all))
            #expect(hinted == "squire: Unexpected argument '\(word)': did you mean \(meant)?\nUsage: squire x \(all)\n")
            #expect(CommandWords.hinted(text(word, "[--json]")) == text(word, "[--json]"))
        }
        for other in [
            text("abc", all), text("./tool", all), text("/bin/tool", all), text("", all), "", "Unexpected argument '",
            "squire: Unexpected argument 'a.yaml'",
        ] {
            #expect(CommandWords.hinted(other) == other)
        }
    }

    @Test func onlyOptionsAreWrongUsage() {
        var overrides = ConfigurationOverrides()
        #expect(overrides.malformed == nil)
        for source in ["--listen", "SQUIRE_LISTEN"] {
            overrides.listen = .init(":1", source: source)
            #expect(overrides.malformed?.hasPrefix("--listen must be HOST:PORT") ?? false == (source == "--listen"))
        }
        overrides.inspector = .init("off", source: "--inspector")
        #expect(overrides.malformed == nil)
        overrides.inspector = .init("on", source: "--inspector")
        #expect(overrides.malformed?.hasPrefix("--inspector must be") == true)
        overrides.inspector = nil
        for source in ["--upstream", "SQUIRE_UPSTREAM"] {
            overrides.upstream = .init("foo", source: source)
            #expect(overrides.malformed?.hasPrefix("--upstream must be a URL") ?? false == (source == "--upstream"))
        }
        overrides.upstream = nil
        for line in ["foo", "a b: c"] {
            overrides.headers = [.init(line, source: "--header")]
            #expect(overrides.malformed?.hasPrefix("--header must be 'Name: value'") == true)
        }
        overrides.headers = []
        overrides.workers = .init("65", source: "--workers")
        #expect(overrides.malformed == #"--workers must be a number from 0 to 64, not "65""#)
    }

    @Test func whatNamesNoFileNamesTheProgram() {
        let error = ConfigurationError([
            .init(source: "--upstream", message: "a"), .init(source: "SQUIRE_LISTEN", message: "b"),
            .init(source: "squire", message: "c"), .init(source: "--odd.yaml", line: 3, message: "d"),
            .init(source: "gone.yaml", message: "e"),
        ])
        #expect(
            error.commandText
                == "squire: --upstream: a\nsquire: SQUIRE_LISTEN: b\nsquire: c\n--odd.yaml:3: d\ngone.yaml: e"
        )
    }
}
