/// Collects the mistakes in a configuration file, so that all of them can be reported at once.
final class IssueCollector {
    let source: String
    /// False if the configuration comes from options alone, which have no lines.
    private let isFile: Bool
    /// Where the file names its profile: a mistake in what the profile says is one of that line.
    var profileLine: Int?
    private var found: [(issue: ConfigurationError.Issue, lineInProfile: Int)] = []

    init(source: String, isFile: Bool) {
        self.source = source
        self.isFile = isFile
    }

    var issues: [ConfigurationError.Issue] { found.map(\.issue) }

    /// All of them, in the order of the file, and of the profile.
    var error: ConfigurationError {
        ConfigurationError(
            found.sorted { ($0.issue.line ?? 0, $0.lineInProfile) < ($1.issue.line ?? 0, $1.lineInProfile) }
                .map(\.issue)
        )
    }

    func add(_ message: String, at node: YAMLNode?) {
        var (line, lineInProfile): (Int?, Int) = (node?.line, 0)
        if case .profile(_, let inProfile)? = node?.place { (line, lineInProfile) = (profileLine, inProfile) }
        let issue = ConfigurationError.Issue(source: source, line: line ?? (isFile ? 1 : nil), message: message)
        found.append((issue, lineInProfile))
    }

    /// Where the node is, as messages have it: `FILE:LINE`.
    func place(of node: YAMLNode) -> String {
        switch node.place {
        case .line(let line) where isFile: "\(source):\(line)"
        case .profile(let name, _): "profile \(name)"
        case .line, .nowhere: source
        }
    }

    func add(_ message: String, source: String) {
        found.append((.init(source: source, message: message), 0))
    }
}
