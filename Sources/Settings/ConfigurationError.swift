/// All the mistakes in a configuration.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    public struct Issue: Sendable, Equatable {
        /// The file, option or variable with the mistake.
        public var source: String
        /// Counted from 1; nil for options and variables.
        public var line: Int?
        public var message: String
        /// The failure may be temporary: loading may succeed later without a change.
        public var mayPass = false

        public init(source: String, line: Int? = nil, message: String) {
            self.source = source
            self.line = line
            self.message = message
        }

        /// Whether the issue is in a file: options and variables have no line.
        fileprivate var isOfFile: Bool {
            line != nil || !(source.hasPrefix("--") || source.hasPrefix("SQUIRE_"))
        }

        private static let longest = 1000

        fileprivate var text: String {
            let place = line.map { "\(source):\($0)" } ?? source
            // A quotation may be as long as a file.
            let text = "\(place): \(message)".unicodeScalars
            let isLong = text.count > Self.longest
            return ControlCharacters.escaped(isLong ? String(text.prefix(Self.longest)) + "…" : String(text))
        }
    }

    public var issues: [Issue]

    public init(_ issues: [Issue]) {
        self.issues = issues
    }

    /// Loading may succeed later without a change.
    public var mayPass: Bool { issues.allSatisfy(\.mayPass) }

    /// One issue per line: `FILE:LINE: message`. Control characters from the file or a path are escaped, because it
    /// goes to a terminal.
    public var description: String { Self.lines(issues.map(\.text)) }

    /// The same for a command's standard error: lines without a file begin with the program's name.
    public var commandText: String {
        Self.lines(issues.map { $0.isOfFile || $0.source == "squire" ? $0.text : "squire: \($0.text)" })
    }

    /// The maximum number of issues that are shown.
    private static let most = 50

    private static func lines(_ texts: [String]) -> String {
        let rest = texts.count > most ? ["and \(texts.count - most) more mistakes"] : []
        return (texts.prefix(most) + rest).joined(separator: "\n")
    }
}
