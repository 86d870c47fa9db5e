import Credentials
import HTTP1
import ReverseProxy
import Support

/// Reads `session`: where the token is kept, how it is refreshed, and which requests concern it.
extension ConfigurationSections {
    func session(_ root: MapReader, _ configuration: inout ProxyConfiguration) {
        let word = root.node("session")?.text
        if word == "none" { return noSession(root, &configuration.session) }
        let keys = [
            "file", "name", "apply", "margin", "refresh", "oauth", "exec", "token-file", "keep-alive", "retry-lost",
            "sign-in", "sign-out", "anonymous", "missing", "rejected", "probe", "tokens", "shared",
        ]
        var session = configuration.session
        defer { configuration.session = session }
        if let word, Spelling.nearest(to: word, among: ["none"]) != nil || Suggestion.bool(word) == "false" {
            root.fail("session", "must be a map of keys and values, or none: did you mean none?")
        } else if let map = root.map("session", keys: keys) {
            session.file = path(map, "file")
            session.name = map.value("name", Self.nameForm) { Self.isName($0) ? $0 : nil }
            if session.name != nil, session.file != nil {
                map.fail("name", "and session.file cannot both be given: each says where the session is kept")
            }
            apply(map, &session)
            if let margin = map.duration("margin", .zero...Self.longestTimeout) { session.margin = margin }
            if let form = map.choice("tokens", TokenForm.self) { session.tokensAreJWTs = form == .jwt }
            for key in ["refresh", "oauth", "exec", "token-file"] where map.isBare(key) {
                map.fail(key, "says nothing: write below it where tokens come from, or take it out")
            }
            refresh(map, &session)
            source(map, &session, tls: configuration.tls)
            if let patterns = patterns(map, "sign-in") { session.signIn = patterns }
            if let patterns = patterns(map, "sign-out") { session.signOut = patterns }
            if let patterns = patterns(map, "anonymous") { session.anonymous = patterns }
            if let missing = map.choice("missing", SessionConfiguration.Missing.self) { session.missing = missing }
            if let rules = rejections(map, "rejected", of: "session.rejected") { session.rejected = rules }
            probe(map, &session)
            statelessSource(map, &session)
            shared(map, &session, upstream: configuration.upstream)
        }
        if let given = overrides.session {
            checkFile(given, session.source)
            if let problem = TextFile.problem(spelling: given.text) { issues.add(problem, source: given.source) }
            session.file = TextFile.expand(given.text, in: ".", environment: environment)
        }
    }

    /// The form that a text must have to count as a token.
    private enum TokenForm: String, CaseIterable {
        case any, jwt
    }

    static let nameForm = "1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot"

    static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        return (1...64).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x2D: true
                default: false
                }
            }
    }

    private func patterns(_ map: MapReader, _ key: String) -> [RoutePattern]? {
        map.list(key)?.compactMap { element in
            do throws(RoutePattern.Malformed) {
                let pattern = try RoutePattern(parsing: element.text)
                if let space = element.text.firstIndex(of: " "),
                    let problem = RegisteredMethod.problem(String(element.text[..<space]))
                {
                    issues.add(
                        "session.\(key): \"\(element.text)\" must begin with a method: \(problem)",
                        at: element.node
                    )
                    return nil
                }
                return pattern
            } catch {
                let meant = Suggestion.question(Suggestion.route(element.text))
                issues.add("session.\(key): \"\(element.text)\" \(error.reason)\(meant)", at: element.node)
                return nil
            }
        }
    }
}
