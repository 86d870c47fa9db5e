import HTTP1

extension SessionConfiguration {
    /// The request by which `squire check --online` learns whether the API accepts the token: `GET /api/me`.
    public struct Probe: Sendable, Equatable {
        /// The methods that change nothing.
        public enum Method: String, Sendable {
            case get = "GET"
            case head = "HEAD"
        }

        public var method: Method
        /// Includes the query.
        public var path: String

        /// Why a text is not a probe: the rest of a sentence about it.
        public struct Malformed: Error, Equatable {
            public let reason: String
        }

        public init(parsing text: String) throws(Malformed) {
            let words = text.split(separator: " ", omittingEmptySubsequences: true)
            guard words.count == 2, words[1].hasPrefix("/") else {
                throw Malformed(reason: "must be GET or HEAD and a path, such as GET /api/me")
            }
            guard let method = Method(rawValue: String(words[0])) else {
                let hint = Method(rawValue: words[0].uppercased()).map { ": did you mean \($0.rawValue)?" } ?? ""
                throw Malformed(reason: "must be GET or HEAD and a path: \(words[0]) may change something\(hint)")
            }
            guard words[1].utf8.allSatisfy(Octet.isTarget), !words[1].contains("#") else {
                throw Malformed(reason: "holds a character that no path has: write it as %XX")
            }
            guard !words[1].contains("{"), !words[1].contains("}") else {
                throw Malformed(reason: "holds a placeholder, and none is filled in: the token goes in its header")
            }
            self.method = method
            path = String(words[1])
        }
    }

    /// Why the probe must not carry the token; nil if it may. A refresh would spend the token, and a sign-out would end
    /// it.
    public func problem(of probe: Probe) -> String? {
        let method = Array(probe.method.rawValue.utf8)
        let path = Array(probe.path.utf8.prefix { $0 != UInt8(ascii: "?") })
        let kind = method.withUnsafeBytes { method in
            path.withUnsafeBytes { RoutePolicy(self).match(method: method, path: $0)?.kind ?? .ordinary }
        }
        switch kind {
        case .ordinary: return nil
        case .refresh: return "is the refresh, which would spend the token: name another path"
        case .signOut: return "is a sign-out, which would end the token: name another path"
        case .signIn, .anonymous: return "is a path that never carries the token: name another"
        }
    }
}
