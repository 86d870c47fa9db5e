/// Everything that is wrong with a configuration, in one go.
package struct ConfigurationError: Error, Sendable, CustomStringConvertible {
    package struct Issue: Sendable, Equatable {
        /// The file, or the option or variable that was wrong.
        package var source: String
        /// From 1; nil for options and variables.
        package var line: Int?
        package var message: String

        package init(source: String, line: Int? = nil, message: String) {
            self.source = source
            self.line = line
            self.message = message
        }
    }

    package var issues: [Issue]

    package init(_ issues: [Issue]) {
        self.issues = issues
    }

    /// One issue a line: `FILE:LINE: message`.
    package var description: String {
        issues.map { issue in
            issue.line.map { "\(issue.source):\($0): \(issue.message)" } ?? "\(issue.source): \(issue.message)"
        }.joined(separator: "\n")
    }
}
