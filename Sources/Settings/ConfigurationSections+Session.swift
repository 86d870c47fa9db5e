import Credentials
import HTTP1
import ReverseProxy
import Support

/// Reads `session`: where the token is kept, how it is refreshed, and which requests are about it.
extension ConfigurationSections {
    func session(_ root: MapReader, _ configuration: inout ProxyConfiguration) {
        if root.node("session")?.text == "none" { return noSession(root, &configuration.session) }
        let keys = [
            "file", "name", "apply", "margin", "refresh", "oauth", "exec", "token-file", "keep-alive", "retry-lost",
            "sign-in", "sign-out", "anonymous", "missing", "rejected", "probe",
        ]
        var session = configuration.session
        defer { configuration.session = session }
        if let map = root.map("session", keys: keys) {
            session.file = map.string("file").map { TextFile.expand($0, in: directory, environment: environment) }
            session.name = map.value("name", Self.nameForm) { Self.isName($0) ? $0 : nil }
            if session.name != nil, session.file != nil {
                map.fail("name", "and session.file cannot both be given: each says where the session is kept")
            }
            apply(map, &session)
            if let margin = map.duration("margin", .zero...Self.longestTimeout) { session.margin = margin }
            refresh(map, &session)
            source(map, &session, tls: configuration.tls)
            if let patterns = patterns(map, "sign-in") { session.signIn = patterns }
            if let patterns = patterns(map, "sign-out") { session.signOut = patterns }
            if let patterns = patterns(map, "anonymous") { session.anonymous = patterns }
            if let missing = map.choice("missing", SessionConfiguration.Missing.self) { session.missing = missing }
            if let rules = rejections(map, "rejected", of: "session.rejected") { session.rejected = rules }
            probe(map, &session)
            statelessSource(map, &session)
        }
        if let given = overrides.session {
            checkFile(given, session.source)
            session.file = TextFile.expand(given.text, in: ".", environment: environment)
        }
    }

    private static let nameForm = "1 to 64 of A-Z a-z 0-9 . _ -, not beginning with a dot"

    private static func isName(_ text: String) -> Bool {
        let bytes = text.utf8
        return (1...64).contains(bytes.count) && bytes.first != UInt8(ascii: ".")
            && bytes.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2E, 0x5F, 0x2D: true
                default: false
                }
            }
    }

    private static let refreshKeys = [
        "method", "path", "url", "headers", "body", "token", "expires-in", "expires-at", "timeout",
        "refused",
    ]
    private static let refreshTimeouts = Duration.seconds(1)...Duration.seconds(600)

    private func refresh(_ session: MapReader, _ result: inout SessionConfiguration) {
        guard let map = session.map("refresh", keys: Self.refreshKeys) else { return }
        let base = result.refresh
        let method = map.value("method", "an HTTP method") { text in
            !text.isEmpty && text.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? text : nil
        }
        let place = place(map)
        guard let path = place?.path ?? base?.path else {
            if map.node("path") == nil, map.node("url") == nil { session.fail("refresh", "needs a path, or a url") }
            return
        }
        guard let token = pointer(map, "token") ?? base?.token else {
            return session.fail("refresh", "needs token: where the response holds it, such as /token")
        }
        var recipe = base ?? .init(method: "GET", path: path, token: token)
        recipe.method = method ?? recipe.method
        recipe.path = path
        if let place { recipe.origin = place.origin }
        recipe.token = token
        recipe.expiresIn = pointer(map, "expires-in") ?? recipe.expiresIn
        recipe.expiresAt = pointer(map, "expires-at") ?? recipe.expiresAt
        recipe.timeout = map.duration("timeout", Self.refreshTimeouts) ?? recipe.timeout
        recipe.body = map.string("body") ?? recipe.body
        if map.node("headers") != nil { recipe.headers = recipeHeaders(map) }
        recipe.refused = rejections(map, "refused", of: "session.refresh.refused") ?? recipe.refused
        result.refresh = recipe
    }

    func pointer(_ map: MapReader, _ key: String) -> String? {
        map.value(key, "a JSON Pointer that starts with /, such as /data/token/value") { text in
            text.hasPrefix("/") ? text : nil
        }
    }

    /// Reads `path`, on the upstream, or `url`, on the server that issues tokens.
    private func place(_ map: MapReader) -> (origin: Origin?, path: String)? {
        let isPath = { (text: String) in text.hasPrefix("/") && text.utf8.allSatisfy(Octet.isTarget) }
        if map.node("url") == nil {
            let place: (Origin?, String)? = map.value("path", "a path that starts with /") {
                isPath($0) ? (nil, $0) : nil
            }
            return checked(place, map, "path")
        }
        if map.node("path") != nil { map.fail("url", "and path cannot both be given") }
        let place: (Origin?, String)? = map.value("url", "a URL with a path, https:// unless it is of this machine") {
            text in
            guard let scheme = text.range(ofScheme: "://") else { return nil }
            let rest = text[scheme...]
            let slash = rest.firstIndex(of: "/") ?? rest.endIndex
            let path = rest[slash...].isEmpty ? "/" : String(rest[slash...])
            guard let origin = Self.origin(String(text[..<slash])), isPath(path),
                origin.isSecure || origin.authority.isLoopback
            else { return nil }
            return (origin, path)
        }
        return checked(place, map, "url")
    }

    /// Refuses unknown placeholders: they would be sent literally, and the refresh would fail.
    private func checked(
        _ place: (origin: Origin?, path: String)?,
        _ map: MapReader,
        _ key: String
    )
        -> (origin: Origin?, path: String)?
    {
        guard let place else { return nil }
        let rest = place.path.replacingAll("{token}", with: "")
        guard let start = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) else { return place }
        let end = rest[start...].firstIndex(of: "}").map { rest.index(after: $0) } ?? rest.endIndex
        map.fail(key, "holds an unknown placeholder, \"\(rest[start..<end])\": only {token} is filled in")
        return nil
    }

    /// Headers in addition to the configured ones. An empty value removes one of those, or the bearer.
    private func recipeHeaders(_ map: MapReader) -> [HeaderRule] {
        guard case .mapping(let mapping) = map.node("headers") else {
            map.fail("headers", "must be a map of names and values")
            return []
        }
        return mapping.entries.compactMap { entry in
            let keyNode = entry.key
            guard let rule = rule(keyNode, entry.value) else { return nil }
            guard !rule.name.isEmpty, rule.name.utf8.allSatisfy(Octet.isToken),
                rule.value.utf8.allSatisfy(Octet.isFieldContent)
            else {
                issues.add(
                    "session.refresh.headers: \"\(rule.name)\" is not a valid header name or value",
                    at: keyNode
                )
                return nil
            }
            // The recipe may say how the token goes along, or that it does not.
            if Self.isReserved(rule.name), rule.name.lowercased() != "authorization" {
                issues.add(
                    "session.refresh.headers: \(rule.name) belongs to the connection and cannot be configured",
                    at: keyNode
                )
                return nil
            }
            return rule
        }
    }

    private func patterns(_ map: MapReader, _ key: String) -> [RoutePattern]? {
        map.list(key)?.compactMap { element in
            do throws(RoutePattern.Malformed) {
                return try RoutePattern(parsing: element.text)
            } catch {
                issues.add("session.\(key): \"\(element.text)\" \(error.reason)", at: element.node)
                return nil
            }
        }
    }
}

extension String {
    /// The index after the scheme; nil if there is none.
    fileprivate func range(ofScheme mark: String) -> Index? {
        for index in indices where self[index...].hasPrefix(mark) { return self.index(index, offsetBy: mark.count) }
        return nil
    }
}
