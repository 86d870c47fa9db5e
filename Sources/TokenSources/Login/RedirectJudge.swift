/// The authorization response, which the browser brings (RFC 6749 sections 4.1.2 and 4.1.2.1).
public enum RedirectAnswer: Equatable, Sendable {
    /// The code works once, and is a secret until it has been used.
    case code(String)
    /// The server grants no code. Both texts are untrusted.
    case error(word: String, description: String?)
    /// Neither a code nor an error.
    case nothing
}

/// Why a request to the redirection endpoint is not the answer. No refusal ends a login, because any page in the
/// browser can cause such a request.
public enum RedirectRefusal: Equatable, Sendable {
    /// The path is not the redirect URI's.
    case path
    /// The method is not GET.
    case method
    /// `state` is missing, repeated, or not the one of this login.
    case state
    /// `iss` names another issuer (RFC 9207), or is missing although the server promised to send it.
    case issuer
    /// Not a navigation of the browser, but a page's request or a prefetch.
    case notNavigation
    /// The query cannot be decoded, or repeats a parameter (RFC 6749 section 3.1).
    case malformed

    public var status: Int {
        switch self {
        case .path: 404
        case .method: 405
        case .notNavigation: 403
        case .state, .issuer, .malformed: 400
        }
    }

    public var reason: String {
        switch self {
        case .path: "Nothing is here"
        case .method: "Only GET is answered here"
        case .state: "This answer does not belong to the login that waits here"
        case .issuer: "This answer comes from another authorization server than the one that was asked"
        case .notNavigation: "Only a browser that is sent here is answered"
        case .malformed: "This address cannot be read"
        }
    }
}

/// Decides whether a request is the response to one authorization request. Pure.
public struct RedirectJudge: Sendable {
    /// The path of the redirect URI.
    let path: String
    /// The `state` that this login sent, a secret.
    let state: String
    /// The authorization server's issuer identifier; nil if unknown.
    let issuer: String?
    /// The server promised to name itself in each response (RFC 9207 section 3).
    let alwaysSaysIssuer: Bool

    public enum Verdict: Equatable, Sendable {
        case answer(RedirectAnswer)
        case refused(RedirectRefusal)
    }

    init(path: String, state: String, issuer: String? = nil, alwaysSaysIssuer: Bool = false) {
        self.path = path
        self.state = state
        self.issuer = issuer
        self.alwaysSaysIssuer = alwaysSaysIssuer
    }

    /// `field` returns the value of a request's field.
    func verdict(method: String, path: String, query: String?, field: (String) -> String?) -> Verdict {
        guard path == self.path else { return .refused(.path) }
        guard method == "GET" else { return .refused(.method) }
        let verdict = verdict(query: query ?? "")
        guard case .answer = verdict else { return verdict }
        // From here on the state is right: a page of another server cannot know it, but a browser that prefetches can.
        let isAhead = field("Sec-Purpose") != nil || field("Purpose") != nil
        let goesThere = field("Sec-Fetch-Mode").map { $0 == "navigate" } ?? true
        let isPage = field("Sec-Fetch-Dest").map { $0 == "document" } ?? true
        return isAhead || !goesThere || !isPage ? .refused(.notNavigation) : verdict
    }

    /// The verdict on a line that a person pasted: the address in the browser, or the part of it from the question mark
    /// on.
    func verdict(pasted line: String) -> Verdict {
        let text = line.filter { !$0.isWhitespace }
        guard let question = text.firstIndex(of: "?") else { return .refused(.malformed) }
        let address = text[..<question]
        guard address.isEmpty || RedirectAddress.path(of: String(address)) == path else { return .refused(.path) }
        return verdict(query: String(text[text.index(after: question)...].prefix { $0 != "#" }))
    }

    private func verdict(query: String) -> Verdict {
        guard let pairs = QueryText.pairs(query) else { return .refused(.malformed) }
        let values = { (name: String) in pairs.filter { $0.name == name }.map(\.value) }
        guard values("state").count == 1, Self.isSame(values("state")[0], state) else { return .refused(.state) }
        guard ["iss", "code", "error", "error_description"].allSatisfy({ values($0).count <= 1 }) else {
            return .refused(.malformed)
        }
        switch (values("iss").first, issuer) {
        case (let said?, let issuer?) where said != issuer: return .refused(.issuer)
        case (nil, _) where alwaysSaysIssuer: return .refused(.issuer)
        default: break
        }
        if let word = values("error").first, !word.isEmpty {
            return .answer(.error(word: word, description: values("error_description").first))
        }
        guard let code = values("code").first, !code.isEmpty else { return .answer(.nothing) }
        // `VSCHAR` (RFC 6749 appendix A.11).
        guard code.utf8.count <= Self.maximumCode, code.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            return .refused(.malformed)
        }
        return .answer(.code(code))
    }

    private static let maximumCode = 8 * 1024

    /// Compares in constant time.
    private static func isSame(_ one: String, _ other: String) -> Bool {
        let (one, other) = (Array(one.utf8), Array(other.utf8))
        guard one.count == other.count else { return false }
        return zip(one, other).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 } == 0
    }
}
