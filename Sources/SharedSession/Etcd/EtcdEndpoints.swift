/// Selects the member to ask. Until one has answered, members are tried in the configured order, so that all machines
/// start with the same cluster. Then one of them is picked at random, to spread the load, and kept until it fails; the
/// next in order follows.
struct EtcdEndpoints: Sendable {
    /// `https://host:port`, as listed. Never empty.
    let all: [String]
    private var index = 0
    /// The members that failed before the first answer; nil after it.
    private var silent: Set<Int>? = []

    /// Nil if `endpoints` is empty.
    init?(_ endpoints: [String]) {
        guard !endpoints.isEmpty else { return nil }
        all = endpoints
    }

    var current: String { all[index] }

    /// Selects the next member if `endpoint` is still the current one. Otherwise another thread has already moved on.
    mutating func skip(_ endpoint: String) {
        guard current == endpoint else { return }
        silent?.insert(index)
        index = (index + 1) % all.count
    }

    /// Reports that the current member answered.
    mutating func settle(using random: inout some RandomNumberGenerator) {
        guard let silent else { return }
        index = all.indices.filter { !silent.contains($0) }.randomElement(using: &random) ?? index
        self.silent = nil
    }
}
