/// Searches a response's body for a rejection of the token while it arrives, compressed or not.
struct RejectionSearch {
    private var verdict: BodyVerdict
    /// Nil for an uncompressed body.
    private let decoder: ContentDecoder?

    /// `encoding` is the value of Content-Encoding. Nil if the coding is unknown.
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

    /// Feeds the next bytes of the body, before decoding.
    mutating func feed(_ bytes: [UInt8]) -> BodyVerdict.State {
        guard verdict.state == .undecided else { return verdict.state }
        guard let decoder else { return verdict.feed(bytes.span) }
        let isWellFormed = decoder.decode(bytes) { verdict.feed($0) == .undecided }
        // A body that cannot be decoded does not reject the token.
        return isWellFormed ? verdict.state : verdict.end()
    }

    /// The body is complete.
    mutating func end() -> BodyVerdict.State { verdict.end() }
}
