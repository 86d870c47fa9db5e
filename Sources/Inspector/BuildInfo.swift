/// The version of Squire and of the libraries that it runs with.
public struct BuildInfo: Sendable {
    public var version: String
    /// The commit and the libraries' versions, by name.
    public var details: [(name: String, value: String)]

    public init(version: String, details: [(name: String, value: String)] = []) {
        self.version = version
        self.details = details
    }

    /// As labels of a metric.
    var labels: [String: String] {
        details.reduce(into: ["version": version]) { $0[$1.name.lowercased()] = $1.value }
    }
}
