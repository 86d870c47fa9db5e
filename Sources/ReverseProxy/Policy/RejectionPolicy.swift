import Credentials

/// Decides whether an answer means "token rejected".
public final class RejectionPolicy: Sendable {
    public enum Verdict: Equatable, Sendable {
        case accepted
        case rejected
        /// The body decides.
        case needsBody
    }

    private let rules: [SessionConfiguration.Rejection]

    public init(_ rules: [SessionConfiguration.Rejection]) {
        self.rules = rules
    }

    /// Whether any rule is about this status: the common answer is no, and then nothing else of the head is looked at.
    @inline(__always)
    public func concerns(status: Int) -> Bool {
        for rule in rules where rule.status == status { return true }
        return false
    }

    /// `challenges` are the values of WWW-Authenticate; `isJSON` what Content-Type says of the body.
    public func verdict(status: Int, challenges: [String], isJSON: Bool) -> Verdict {
        let challenges = challenges.flatMap(AuthenticationChallenge.parse)
        var verdict = Verdict.accepted
        for rule in rules where rule.status == status {
            if let error = rule.challenge {
                guard challenges.contains(where: { $0.error == error }) else { continue }
            } else if status == 401, rule.body == nil, !Self.mayMeanTheBearer(challenges) {
                continue
            }
            if rule.body == nil { return .rejected }
            // A success is not held up to look for an error in what cannot hold one.
            if isJSON || status >= 300 { verdict = .needsBody }
        }
        return verdict
    }

    /// A challenge for passwords is not about the bearer, and one for more rights than the token has is not cured by another
    /// (RFC 6750 section 3.1). No challenge at all, or one of a scheme of the API's own, may mean anything.
    private static func mayMeanTheBearer(_ challenges: [AuthenticationChallenge]) -> Bool {
        guard !challenges.isEmpty else { return true }
        return challenges.contains { challenge in
            !["basic", "digest", "negotiate", "ntlm"].contains(challenge.scheme)
                && challenge.error != "insufficient_scope"
        }
    }

    public func isRejected(status: Int, challenges: [String], body: [UInt8]) -> Bool {
        guard let json = JSONValue(lenient: body) else { return false }
        let challenges = challenges.flatMap(AuthenticationChallenge.parse)
        return rules.contains { rule in
            guard rule.status == status, let expected = rule.body else { return false }
            if let error = rule.challenge, !challenges.contains(where: { $0.error == error }) { return false }
            switch json.value(at: expected.pointer) {
            case .string(let text): return text == expected.equals
            case .number(let text): return text == expected.equals
            case .bool(let value): return String(value) == expected.equals
            default: return false
            }
        }
    }
}

/// One challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1): a scheme, and perhaps parameters.
struct AuthenticationChallenge: Equatable {
    /// Lower case.
    var scheme: String
    /// The value of its `error` parameter.
    var error: String?

    /// The challenges of one field value, which is a list; its commas also stand between the parameters of one challenge. Lenient: this
    /// only decides whether a refresh is worth it.
    static func parse(_ value: String) -> [AuthenticationChallenge] {
        var result: [AuthenticationChallenge] = []
        var rest = Array(value.utf8)[...]
        while true {
            rest = rest.drop { $0 == UInt8(ascii: ",") || $0 == 0x20 || $0 == 0x09 }
            let word = String(decoding: take(&rest) { !" \t,=\"".utf8.contains($0) }, as: UTF8.self).lowercased()
            guard !word.isEmpty || !rest.isEmpty else { return result }
            _ = take(&rest) { $0 == 0x20 || $0 == 0x09 }
            guard rest.first == UInt8(ascii: "=") else {
                if word.isEmpty {
                    rest = rest.dropFirst()
                } else {
                    result.append(AuthenticationChallenge(scheme: word))
                }
                continue
            }
            // `=` more than once ends a token68, which says nothing here.
            _ = take(&rest) { $0 == UInt8(ascii: "=") || $0 == 0x20 || $0 == 0x09 }
            let text = rest.first == UInt8(ascii: "\"") ? quoted(&rest) : take(&rest) { !" \t,".utf8.contains($0) }
            if word == "error", !result.isEmpty {
                result[result.count - 1].error = String(decoding: text, as: UTF8.self)
            }
        }
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, while belongs: (UInt8) -> Bool) -> [UInt8] {
        let part = rest.prefix(while: belongs)
        rest = rest.dropFirst(part.count)
        return Array(part)
    }

    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        rest = rest.dropFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                text.append(escaped)
            } else {
                text.append(byte)
            }
        }
        return text
    }
}
