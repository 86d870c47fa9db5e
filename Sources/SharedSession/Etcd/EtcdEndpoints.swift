/// Which member is asked. First they are tried as they are listed, so that all machines begin with the same cluster; then
/// any, so that not all ask the same member; and that one as long as it answers, then the next.
struct EtcdEndpoints: Sendable {
    /// `https://host:port`, as listed. Never empty.
    let all: [String]
    private var index = 0
    /// Those that did not answer before one did; nil since.
    private var silent: Set<Int>? = []

    /// Nil without an endpoint.
    init?(_ endpoints: [String]) {
        guard !endpoints.isEmpty else { return nil }
        all = endpoints
    }

    var current: String { all[index] }

    /// `endpoint` did not answer. Nothing changes when another thread has moved on already.
    mutating func leave(_ endpoint: String) {
        guard current == endpoint else { return }
        silent?.insert(index)
        index = (index + 1) % all.count
    }

    /// The current one answers.
    mutating func answered(using random: inout some RandomNumberGenerator) {
        guard let silent else { return }
        index = all.indices.filter { !silent.contains($0) }.randomElement(using: &random) ?? index
        self.silent = nil
    }
}
