/// Collects the mistakes in a configuration file, so that all of them can be reported at once.
final class IssueCollector {
    let source: String
    /// False if the configuration comes from options alone, which have no lines.
    private let isFile: Bool
    private(set) var issues: [ConfigurationError.Issue] = []

    init(source: String, isFile: Bool) {
        self.source = source
        self.isFile = isFile
    }

    /// All of them, in the order of the file.
    var error: ConfigurationError { ConfigurationError(issues.sorted { ($0.line ?? 0) < ($1.line ?? 0) }) }

    func add(_ message: String, at node: YAMLNode?) {
        issues.append(.init(source: source, line: node?.line ?? (isFile ? 1 : nil), message: message))
    }

    /// Where the node is, as messages have it: `FILE:LINE`.
    func place(of node: YAMLNode) -> String {
        guard isFile, let line = node.line else { return source }
        return "\(source):\(line)"
    }

    func add(_ message: String, source: String) {
        issues.append(.init(source: source, message: message))
    }
}
