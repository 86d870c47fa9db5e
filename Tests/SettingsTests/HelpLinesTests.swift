import Testing

@testable import Settings

@Suite struct HelpLinesTests {
    private static let help = """
        OVERVIEW: Put a first token in the session.

        Without an option it takes the way that the configuration knows.

        Code at hand:     squire login --email you@example.com --code 1234
                          squire run

          upstream: https://api-public-playground.menu.app
          squire run

        USAGE: squire login [--config <file>] [--token <->] [--replace]

        OPTIONS:
          --config <file>         The configuration. (default: ./squire.yaml)
          --a-name-that-is-longer-than-that <value>
                                  What it is for, in some words more.
          -h, --help              Show help information.

          See 'squire help <subcommand>' for detailed help.
        """

    @Test func namesAndWhatExplainsThemHaveLinesOfTheirOwn() {
        #expect(
            HelpLines.narrow(Self.help, width: 40) == """
                OVERVIEW: Put a first token in the
                session.

                Without an option it takes the way that
                the configuration knows.

                Code at hand:
                  squire login --email you@example.com
                    --code 1234
                  squire run

                  upstream:
                  https://api-public-playground.menu.app
                  squire run

                USAGE: squire login [--config <file>]
                         [--token <->] [--replace]

                OPTIONS:
                  --config <file>
                      The configuration. (default:
                      ./squire.yaml)
                  --a-name-that-is-longer-than-that
                      <value>
                      What it is for, in some words
                      more.
                  -h, --help
                      Show help information.

                  See 'squire help <subcommand>' for
                      detailed help.
                """
        )
    }

    @Test(arguments: [1, 20, 27, 40, 63]) func wordsStayWholeAtAnyWidth(_ width: Int) {
        let narrow = HelpLines.narrow(Self.help, width: width)
        let words = { (text: String) in text.split { $0 == " " || $0 == "\n" } }
        #expect(words(narrow) == words(Self.help))
        // But for what cannot be broken, and its indentation.
        for line in narrow.split(separator: "\n") where line.count > max(width, 20) {
            #expect(words(String(line)).contains { $0.count > max(width, 20) - 9 }, "\(line)")
        }
    }
}
