import Credentials
import HTTP1
import Support
public import Upstream

/// Decides whether a response means "token rejected".
public final class RejectionPolicy: Sendable {
    public enum Verdict: Equatable, Sendable {
        case accepted
        case rejected
        /// The body decides.
        case needsBody
        /// A rule on bodies concerns it, and its body is not examined: it says nothing about the token.
        case unknown
    }

    private let rules: [SessionConfiguration.Rejection]

    public init(_ rules: [SessionConfiguration.Rejection]) {
        self.rules = rules
    }

    /// Whether any rule concerns this status. Usually none does, and then no other part of the head is examined.
    @inline(__always)
    public func concerns(status: Int) -> Bool {
        for rule in rules where rule.status == status { return true }
        return false
    }

    /// The facts in a head about the body that follows it.
    public struct Body: Sendable {
        /// The value of Content-Type.
        public var type: String?
        /// False for responses without a body, such as those to HEAD.
        public var isThere: Bool

        public init(type: String?, isThere: Bool = true) {
            self.type = type
            self.isThere = isThere
        }

        /// The media type in lower case, without parameters.
        private var essence: String {
            let essence = (type ?? "").utf8.prefix { $0 != UInt8(ascii: ";") }.drop(while: Octet.isBlank)
            return String(decoding: essence.prefix { !Octet.isBlank($0) }.map(Octet.lowercase), as: UTF8.self)
        }

        /// Bodies that are sequences of records, possibly endless: none of them is held.
        private static let framed: Set<String> = [
            "text/event-stream", "application/stream+json", "application/json-seq", "application/x-ndjson",
            "application/ndjson", "application/jsonl", "application/x-jsonl", "application/jsonlines",
            "application/x-jsonlines", "application/json-lines", "application/x-json-stream",
        ]

        private static func isStream(_ essence: String) -> Bool {
            framed.contains(essence) || essence.hasSuffix("+json-seq") || essence.hasPrefix("multipart/")
                || essence.hasPrefix("application/grpc")
        }

        /// Whether a rule on bodies examines it.
        fileprivate func isLookedInto(_ status: Int) -> Bool {
            // A success is not delayed to look for an error in a body that cannot contain one, nor is a partial body.
            guard isThere, status != 206 else { return false }
            let essence = essence
            let isJSON = essence == "application/json" || essence.hasSuffix("+json")
            return (isJSON || status >= 300) && !Self.isStream(essence)
        }

        private static let binary: Set<String> = ["application/octet-stream", "application/pdf", "application/zip"]
        private static let binaryKinds = ["image/", "audio/", "video/", "font/"]

        /// A success with what was asked for: an API that rejects a token in a body starts no stream, and sends no picture.
        fileprivate func isContent(_ status: Int) -> Bool {
            guard isThere, status < 300, status != 206 else { return false }
            let essence = essence
            return Self.isStream(essence) || Self.binary.contains(essence)
                || Self.binaryKinds.contains(where: essence.hasPrefix)
        }
    }

    /// `challenges` are the values of WWW-Authenticate.
    public func verdict(status: Int, challenges: [String], body: Body) -> Verdict {
        var verdict = Verdict.accepted
        for rule in rules(about: status, challenges) {
            if rule.body == nil { return .rejected }
            verdict = body.isLookedInto(status) ? .needsBody : body.isContent(status) ? .accepted : .unknown
        }
        return verdict
    }

    /// The rules that the head does not contradict.
    private func rules(about status: Int, _ values: [String]) -> [SessionConfiguration.Rejection] {
        guard concerns(status: status) else { return [] }
        let challenges = values.flatMap(AuthenticationChallenge.parse)
        let isAboutMore = Self.areAboutMore(challenges)
        return rules.filter { rule in
            guard rule.status == status else { return false }
            if let error = rule.challenge { return challenges.contains { $0.error == error } }
            return !isAboutMore && !(status == 401 && rule.body == nil && Self.areForPasswords(challenges))
        }
    }

    /// Errors that another token of the same kind does not cure: it lacks rights (RFC 6750 section 3.1) or the claims
    /// that an administrator requires (Microsoft), was not obtained in the required way (RFC 9470 section 3), or lacks
    /// the required proof (RFC 9449 section 8).
    private static let incurable: Set<String> = [
        "insufficient_scope", "insufficient_claims", "insufficient_user_authentication", "use_dpop_nonce",
    ]

    /// Whether the challenges ask for something other than another token, and none says that this one is invalid.
    private static func areAboutMore(_ challenges: [AuthenticationChallenge]) -> Bool {
        let errors = challenges.compactMap(\.error)
        return !errors.isEmpty && errors.allSatisfy { incurable.contains($0.lowercased()) }
    }

    /// A challenge for a password is not about the bearer. No challenge, or one with the API's own scheme, may mean
    /// anything.
    private static func areForPasswords(_ challenges: [AuthenticationChallenge]) -> Bool {
        let schemes = ["basic", "digest", "negotiate", "ntlm"]
        return !challenges.isEmpty && challenges.allSatisfy { schemes.contains($0.scheme) }
    }

    /// Decides about the body while it arrives.
    public func bodyVerdict(status: Int, challenges: [String]) -> BodyVerdict {
        BodyVerdict(rules(about: status, challenges).compactMap(\.body))
    }

    /// Decides about the whole body.
    public func isRejected(status: Int, challenges: [String], body: [UInt8]) -> Bool {
        let bodies = rules(about: status, challenges).compactMap(\.body)
        guard !bodies.isEmpty, let json = JSONValue(lenient: body) else { return false }
        return bodies.contains { $0.isMet(by: json) }
    }

    /// Decides about the whole response to a request that Squire made itself. `method` is in upper case.
    public func isRejected(_ response: BlockingRequest.Response, to method: String) -> Bool {
        let challenges = response.fields.filter { $0.name.lowercased() == "www-authenticate" }.map(\.value)
        let body = Body(type: response["Content-Type"], isThere: method != "HEAD")
        return switch verdict(status: response.status, challenges: challenges, body: body) {
        case .accepted, .unknown: false
        case .rejected: true
        case .needsBody: isRejected(status: response.status, challenges: challenges, body: response.body)
        }
    }
}
