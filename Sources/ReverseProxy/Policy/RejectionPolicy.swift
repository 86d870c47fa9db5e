import Credentials
import Support

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

    /// What a head says of the body that follows it.
    public struct Body: Sendable {
        /// The value of Content-Type.
        public var type: String?
        /// The value of Content-Encoding.
        public var encoding: String?
        /// False for responses without one, such as those to HEAD.
        public var isThere: Bool

        public init(type: String?, encoding: String? = nil, isThere: Bool = true) {
            self.type = type
            self.encoding = encoding
            self.isThere = isThere
        }

        /// The media type in lower case, without its parameters.
        private var essence: Substring {
            let text = (type ?? "").lowercased()
            let essence = text.prefix { $0 != ";" }.drop { $0 == " " || $0 == "\t" }
            return essence.prefix { $0 != " " && $0 != "\t" }
        }

        private var isReadable: Bool {
            ["", "identity", "gzip", "x-gzip"].contains((encoding ?? "").lowercased())
        }

        fileprivate var isJSON: Bool {
            let essence = essence
            return essence == "application/json" || essence == "text/json"
                || essence.hasPrefix("application/") && essence.hasSuffix("+json")
        }

        /// One record after the other, without end perhaps: nothing of it is held.
        fileprivate var isStream: Bool {
            let essence = essence
            let framed: Set<Substring> = [
                "text/event-stream", "application/stream+json", "application/json-seq", "application/x-ndjson",
                "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
                "application/x-jsonlines", "application/json-lines", "application/x-json-stream",
            ]
            return framed.contains(essence) || essence.hasSuffix("+json-seq") || essence.hasPrefix("multipart/")
                || essence.hasPrefix("application/grpc")
        }

        /// Whether a rule on bodies looks into it.
        fileprivate func isLookedInto(_ status: Int) -> Bool {
            // A success is not held up to look for an error in what cannot hold one; a part of a body is none.
            isThere && isReadable && !isStream && status != 206 && (isJSON || status >= 300)
        }
    }

    /// `challenges` are the values of WWW-Authenticate.
    public func verdict(status: Int, challenges: [String], body: Body) -> Verdict {
        let challenges = challenges.flatMap(AuthenticationChallenge.parse)
        var verdict = Verdict.accepted
        for rule in rules where rule.status == status {
            if let error = rule.challenge {
                guard challenges.contains(where: { $0.error == error }) else { continue }
            } else if status == 401, rule.body == nil, !Self.mayMeanTheBearer(challenges) {
                continue
            }
            if rule.body == nil { return .rejected }
            if body.isLookedInto(status) { verdict = .needsBody }
        }
        return verdict
    }

    /// A challenge for passwords is not about the bearer, and one for more rights than the token has is not cured by
    /// another (RFC 6750 section 3.1). No challenge at all, or one of a scheme of the API's own, may mean anything.
    private static func mayMeanTheBearer(_ challenges: [AuthenticationChallenge]) -> Bool {
        guard !challenges.isEmpty else { return true }
        return challenges.contains { challenge in
            !["basic", "digest", "negotiate", "ntlm"].contains(challenge.scheme)
                && challenge.error != "insufficient_scope"
        }
    }

    /// Decides about the body while it comes.
    public func bodyVerdict(status: Int, challenges: [String]) -> BodyVerdict {
        let challenges = challenges.flatMap(AuthenticationChallenge.parse)
        return BodyVerdict(
            rules.compactMap { rule in
                guard rule.status == status else { return nil }
                if let error = rule.challenge, !challenges.contains(where: { $0.error == error }) { return nil }
                return rule.body
            }
        )
    }

    /// The same about the whole body.
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
