/// Collects the mistakes in a configuration file, so that all of them can be reported at once.
final class IssueCollector {
    let source: String
    /// False if the configuration comes from options only, which have no lines.
    private let isFile: Bool
    /// The line at which the file names its profile: mistakes in the profile are reported there.
    var profileLine: Int?
    private var found: [(issue: ConfigurationError.Issue, lineInProfile: Int)] = []

    init(source: String, isFile: Bool) {
        self.source = source
        self.isFile = isFile
    }

    var issues: [ConfigurationError.Issue] { found.map(\.issue) }

    /// All issues in the order of the file, then of the profile.
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

    /// The place of the node for messages: `FILE:LINE`.
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
