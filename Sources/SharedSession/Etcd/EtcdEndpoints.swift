/// Which member is asked: any, then the same one as long as it answers, then the next.
struct EtcdEndpoints: Sendable {
    /// `https://host:port`, in the order in which they are asked. Never empty.
    let all: [String]
    private var index = 0

    /// Nil without an endpoint.
    init?(_ endpoints: [String], using random: inout some RandomNumberGenerator) {
        guard !endpoints.isEmpty else { return nil }
        all = endpoints.shuffled(using: &random)
    }

    var current: String { all[index] }

    /// `endpoint` did not answer. Nothing changes when another thread has moved on already.
    mutating func leave(_ endpoint: String) {
        if current == endpoint { index = (index + 1) % all.count }
    }
}
