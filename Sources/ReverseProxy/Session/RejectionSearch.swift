import Inflation

/// Searches a response's body for a rejection of the token while it arrives, compressed or not.
struct RejectionSearch {
    private var verdict: BodyVerdict
    private let decoder = ContentDecoder()

    init(_ verdict: BodyVerdict) {
        self.verdict = verdict
    }

    /// Feeds the next bytes of the body, before decoding.
    mutating func feed(_ bytes: [UInt8]) -> BodyVerdict.State {
        guard verdict.state == .undecided else { return verdict.state }
        let isWellFormed = decoder.decode(bytes) { verdict.feed($0) == .undecided }
        return isWellFormed ? verdict.state : verdict.end()
    }

    /// The body is complete.
    mutating func end() -> BodyVerdict.State { verdict.end() }
}
