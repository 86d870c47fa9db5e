import Testing

@testable import Settings

@Suite struct CommandLinesTests {
    @Test(arguments: [
        ("c.yaml", "c.yaml"), ("/a b/c.yaml", "'/a b/c.yaml'"), ("it's", #"'it'\''s'"#), ("~/c", "'~/c'"),
        ("$x", "'$x'"), ("", "''"), ("a\nb", "'a\nb'"),
    ]) func quoting(_ argument: String, _ expected: String) {
        #expect(CommandLines.quoted(argument) == expected)
    }

    @Test func onlyWhatWasSaidIsRepeated() {
        var overrides = ConfigurationOverrides()
        overrides.upstream = .init("https://a", source: "SQUIRE_UPSTREAM")
        overrides.session = .init("s.json", source: "--session")
        let line = { (found: ConfigurationFound, canSignIn: Bool) in
            CommandLines(found, overrides, loginOptions: canSignIn ? ["--email"] : ["--token", "-"]).login
        }
        #expect(line(.named("c.yaml"), false) == "squire login --config c.yaml --session s.json --token -")
        #expect(line(.here("squire.yaml"), true) == "squire login --session s.json --email")
        #expect(line(.named("-c"), true) == "squire login --config=-c --session s.json --email")
        let both = CommandLines(.nowhere, .init(), loginOptions: ["--refresh-token", "-"], otherLogin: ["--email"])
        #expect(both.login == "squire login --refresh-token - (or --email)")
    }

    @Test(arguments: ["\u{1B}[31m", "\u{9B}31m", "a\u{202E}b", "a\u{2028}b", "\r", "\u{7F}"])
    func nothingActsOnATerminal(_ text: String) {
        #expect(ControlCharacters.escapedLines("a\n" + text).split(separator: "\n").count == 2)
        for escaped in [ControlCharacters.escapedLines(text), ControlCharacters.escapedJSON("\"\(text)\"")] {
            #expect(ControlCharacters.escapedLines(escaped) == escaped && escaped != text)
        }
    }
}
