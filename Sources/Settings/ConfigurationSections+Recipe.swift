import HTTP1
import ReverseProxy
import Support

/// Reads `session.refresh`: the request that gets the next token.
extension ConfigurationSections {
    static let refreshKeys = [
        "method", "path", "url", "headers", "body", "token", "refresh-token", "expires-in", "expires-at",
        "refresh-expires-in", "timeout", "refused",
    ]
    private static let refreshTimeouts = Duration.seconds(1)...Duration.seconds(600)

    func refresh(_ session: MapReader, _ result: inout SessionConfiguration) {
        guard let map = session.map("refresh", keys: Self.refreshKeys) else { return }
        let method = map.value("method", "an HTTP method", meant: Self.method) { text in
            !text.isEmpty && text.utf8.allSatisfy { (0x41...0x5A).contains($0) } ? text : nil
        }
        if let problem = method.flatMap(RegisteredMethod.problem) {
            map.fail("method", "must be an HTTP method: \(problem)")
        }
        let place = place(map)
        if place == nil, !map.has("path"), !map.has("url") { session.fail("refresh", "needs a path, or a url") }
        let token = pointer(map, "token")
        if token == nil, !map.has("token") {
            session.fail("refresh", "needs token: where the response holds it, such as /token")
        }
        // Reads everything, so that all mistakes are reported.
        var recipe = SessionConfiguration.Refresh(method: method ?? "GET", path: place?.path ?? "", token: token ?? "")
        recipe.origin = place?.origin
        recipe.refreshToken = pointer(map, "refresh-token")
        recipe.expiresIn = span(map, "expires-in")
        recipe.expiresAt = pointer(map, "expires-at")
        recipe.refreshExpiresIn = span(map, "refresh-expires-in")
        recipe.timeout = map.duration("timeout", Self.refreshTimeouts) ?? recipe.timeout
        let known = issues.issues.count
        recipe.body = map.string("body")
        if map.node("headers") != nil { recipe.headers = recipeHeaders(map) }
        // Otherwise the recipe may be meant to send more than this.
        let isUnderstood =
            issues.issues.count == known && !["body", "headers"].contains { map.node($0) == nil && map.has($0) }
        recipe.refused = rejections(map, "refused", of: "session.refresh.refused")
        if map.node("refresh-expires-in") != nil, !map.has("refresh-token") {
            map.fail("refresh-expires-in", "needs refresh-token beside it")
        }
        let texts = [recipe.path, recipe.body ?? ""] + recipe.headers.map(\.value)
        if place != nil, recipe.refreshToken != nil, isUnderstood,
            !texts.contains(where: { Template($0).placeholders.contains(.refreshToken) })
        {
            map.fail("refresh-token", "is sent by nothing: put {refresh-token} into path, url, body or headers")
        }
        if place != nil, token != nil { result.refresh = recipe }
    }

    private static func method(_ text: String) -> String? {
        let name = text.uppercased()
        return RegisteredMethod.problem(name) == nil ? name : nil
    }

    func pointer(_ map: MapReader, _ key: String, suchAs example: String? = "/data/token/value") -> String? {
        let expected = "a JSON Pointer that starts with /" + (example.map { ", such as \($0)" } ?? "")
        return map.value(key, expected, meant: Suggestion.pointer) { $0.hasPrefix("/") ? $0 : nil }
    }

    private static func meantPath(_ text: String) -> String? {
        text.contains("://") ? "url: \(text)" : Suggestion.path(text)
    }

    /// Reads `path`, on the upstream, or `url`, on the server that issues tokens.
    private func place(_ map: MapReader) -> (origin: Origin?, path: String)? {
        let isPath = { (text: String) in text.hasPrefix("/") && text.utf8.allSatisfy(Octet.isTarget) }
        if map.node("url") == nil {
            let place: (Origin?, String)? = map.value("path", "a path that starts with /", meant: Self.meantPath) {
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

    /// Refuses unknown placeholders: they would be sent literally, and the refresh would fail. A path has no other
    /// braces.
    private func checked(
        _ place: (origin: Origin?, path: String)?,
        _ map: MapReader,
        _ key: String
    )
        -> (origin: Origin?, path: String)?
    {
        guard let place else { return nil }
        var rest = place.path
        for known in Self.recipePlaceholders(map) where known != .uuid {
            rest = rest.replacingAll(known.text, with: "")
        }
        guard let start = rest.firstIndex(where: { $0 == "{" || $0 == "}" }) else { return place }
        let end = rest[start...].firstIndex(of: "}").map { rest.index(after: $0) } ?? rest.endIndex
        map.fail(key, Self.unknown(String(rest[start..<end]), Self.recipePlaceholders(map)))
        return nil
    }

    /// Headers in addition to the configured ones. An empty value removes one of those, or the bearer.
    private func recipeHeaders(_ map: MapReader) -> [HeaderRule] {
        guard case .mapping(let mapping) = map.node("headers") else {
            map.fail("headers", "must be a map of names and values\(Self.withoutDashes(map.node("headers")))")
            return []
        }
        return mapping.entries.compactMap { entry in
            let keyNode = entry.key
            guard let rule = rule(keyNode, entry.value, of: "session.refresh.headers") else { return nil }
            guard Self.isFieldName(rule.name), rule.value.utf8.allSatisfy(Octet.isFieldContent) else {
                issues.add(
                    "session.refresh.headers: \"\(rule.name)\" is not a valid header name or value"
                        + Self.hint(ofHeader: rule.name),
                    at: keyNode
                )
                return nil
            }
            // The recipe may set or remove the Authorization field.
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
}

extension String {
    /// The index after the scheme; nil if there is none.
    fileprivate func range(ofScheme mark: String) -> Index? {
        for index in indices where self[index...].hasPrefix(mark) { return self.index(index, offsetBy: mark.count) }
        return nil
    }
}
