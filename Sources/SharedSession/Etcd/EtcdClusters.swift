/// Which cluster each configured member is of, as its answers say. One of them keeps the session; members of another
/// are not asked, since machines that share through different clusters end each other's session. Decides only.
///
/// A cluster that was made anew has another number, and all its members say so in the end: as long as one of them was
/// last heard of as a member of the former one, those that are not count as strangers.
struct EtcdClusters: Sendable {
    enum Verdict: Equatable {
        case ours
        /// Every member that is known is of another cluster than the one that was used: it was made anew.
        case replaced(from: String)
        case foreign
    }

    /// The cluster that is used: the first that was heard of.
    private(set) var home: String?
    private var known: [String: String] = [:]

    mutating func hear(_ endpoint: String, _ cluster: String) -> Verdict {
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

    /// What is wrong with the configuration; nil if all known members are of one cluster.
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
