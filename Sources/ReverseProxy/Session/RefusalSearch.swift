/// Looks for what says "token rejected" in a response's body while it comes, compressed or not.
struct RefusalSearch {
    private var verdict: BodyVerdict
    /// Nil for a body that is readable as it comes.
    private let decoder: ContentDecoder?

    /// `encoding` is the value of Content-Encoding. Nil if the coding is not known.
    init?(_ verdict: BodyVerdict, encoding: String?) {
        self.verdict = verdict
        switch encoding?.lowercased() ?? "" {
        case "", "identity": decoder = nil
        case "gzip", "x-gzip":
            guard let decoder = ContentDecoder() else { return nil }
            self.decoder = decoder
        default: return nil
        }
    }

    /// The next bytes of the body, as they came.
    mutating func feed(_ bytes: [UInt8]) -> BodyVerdict.State {
        guard verdict.state == .undecided else { return verdict.state }
        guard let decoder else { return verdict.feed(bytes.span) }
        let isWellFormed = decoder.decode(bytes) { verdict.feed($0) == .undecided }
        // What nobody can read says nothing.
        return isWellFormed ? verdict.state : verdict.end()
    }

    /// The body is complete.
    mutating func end() -> BodyVerdict.State { verdict.end() }
}
