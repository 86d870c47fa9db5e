/// Records the cluster of each configured member, as its answers name it. One cluster keeps the session. Members of
/// others are not asked, because machines that share through different clusters would end each other's session. Pure.
///
/// A recreated cluster has a new identifier, which all its members report eventually. As long as one member was last
/// known in the former cluster, members with the new identifier count as foreign.
struct EtcdClusters: Sendable {
    enum Verdict: Equatable {
        case ours
        /// All known members belong to another cluster than before: the cluster was recreated.
        case replaced(from: String)
        case foreign
    }

    /// The cluster that keeps the session: the first one that answered.
    private(set) var home: String?
    private var known: [String: String] = [:]

    mutating func record(_ cluster: String, of endpoint: String) -> Verdict {
        known[endpoint] = cluster
        guard let former = home, former != cluster else {
            home = cluster
            return .ours
        }
        guard !known.values.contains(former) else { return .foreign }
        home = cluster
        return .replaced(from: former)
    }

    func isKnown(_ endpoint: String) -> Bool { known[endpoint] != nil }

    func isForeign(_ endpoint: String) -> Bool { known[endpoint].map { $0 != home } ?? false }

    /// A mistake in the configuration; nil if all known members belong to one cluster.
    var mistake: SharedStoreFailure? {
        let (others, own) = (list { $0 != home }, list { $0 == home })
        guard !others.isEmpty else { return nil }
        return SharedStoreFailure(
            .configuration,
            "\(others) \(others.contains(",") ? "are" : "is") of another etcd cluster than \(own), and not asked",
            advice:
                "session.shared.etcd must name the members of one cluster: machines that use different ones end each "
                + "other's session. If the cluster was made anew, start Squire again."
        )
    }

    private func list(_ isListed: (String) -> Bool) -> String {
        known.filter { isListed($0.value) }.keys.sorted().joined(separator: ", ")
    }
}
