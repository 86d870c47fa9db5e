/// All the mistakes in a configuration.
public struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    public struct Issue: Sendable, Equatable {
        /// The file, option or variable with the mistake.
        public var source: String
        /// Counted from 1; nil for options and variables.
        public var line: Int?
        public var message: String
        /// It is about something that failed, and may work another time with nothing changed.
        public var mayPass = false

        public init(source: String, line: Int? = nil, message: String) {
            self.source = source
            self.line = line
            self.message = message
        }
    }

    public var issues: [Issue]

    public init(_ issues: [Issue]) {
        self.issues = issues
    }

    /// Another try may do, with nothing changed.
    public var mayPass: Bool { issues.allSatisfy(\.mayPass) }

    /// One issue per line: `FILE:LINE: message`. What the file or a path holds of control characters is escaped: it
    /// goes to a terminal.
    public var description: String {
        issues.map { issue in
            let place = issue.line.map { "\(issue.source):\($0)" } ?? issue.source
            return ControlCharacters.escaped("\(place): \(issue.message)")
        }.joined(separator: "\n")
    }
}
