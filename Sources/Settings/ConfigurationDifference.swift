import ReverseProxy
import TokenSources

extension LoadedConfiguration {
    /// The keys that take effect only after a restart. `session.shared` is the place of the session, with all that leads
    /// there, but not when another machine's refresh is taken over.
    public static let fixedKeys: Set<String> = ["listen", "workers", "inspector.listen", "session.shared"]

    /// The keys whose values differ from those in `running`, sorted. Only names, because values may be secrets.
    ///
    /// Finds the keys by reflection, so that a new setting cannot be forgotten. Values that are not sections are
    /// compared as a whole. The place where a header is configured does not count.
    public func keys(differingFrom running: LoadedConfiguration) -> [String] {
        var keys: Set<String> = sessionFile == running.sessionFile ? [] : ["session.file"]
        Self.compare(configuration, running.configuration, "", into: &keys)
        return keys.sorted()
    }

    /// Settings with other names in the file than in the code.
    private static let names = [
        "tls.authorities": "tls.ca", "session.refresh.origin": "session.refresh.url",
        "access.key-file": "access.key", "session.exec.variables": "session.exec.env",
        "session.oauth.read-secrets": "session.oauth.client-secret",
        "session.exec.places": "session.exec.token",
        "base-path": "upstream", "session.oauth.client-i-d": "session.oauth.client-id",
        "session.oauth.authentication": "session.oauth.client-authentication",
        "session.oauth.device-endpoint": "session.oauth.device-authorization-endpoint",
        "session.oauth.redirect-u-r-i": "session.oauth.redirect-uri",
        "session.oauth.request-form": "session.oauth.request", "session.oauth.certificate": "session.oauth.tls",
        "session.tokens-are-j-w-ts": "session.tokens", "session.retries-lost": "session.retry-lost",
    ]

    private static func compare(_ new: Any, _ old: Any, _ key: String, into keys: inout Set<String>) {
        let (new, old) = (unwrapped(new), unwrapped(old))
        switch (new, old) {
        case (let new as [HeaderRule], let old as [HeaderRule]):
            for name in changes(new, old) { keys.insert("\(key).\(name)") }
        case (let new as SessionConfiguration.Source, let old as SessionConfiguration.Source):
            let path = { (source: SessionConfiguration.Source) in
                source == .unused ? "session" : key.replacing("source", with: Self.key(of: source))
            }
            if path(new) == path(old), let (left, right) = payloads(new, old) {
                compare(left, right, path(new), into: &keys)
            } else if new != old {
                keys.formUnion([new, old].filter { $0 != .given }.map(path))
            }
        case (let new as SharedConfiguration, var old as SharedConfiguration):
            if new.takeover != old.takeover { keys.insert(path(of: "takeover", in: key)) }
            old.takeover = new.takeover
            if new != old { keys.insert(key) }
        case (let new?, let old?) where isSection(new):
            for (left, right) in zip(Mirror(reflecting: new).children, Mirror(reflecting: old).children) {
                // The resulting file was compared already.
                let path = path(of: left.label ?? "", in: key)
                if path != "session.file" { compare(left.value, right.value, path, into: &keys) }
            }
        default:
            if !areEqual(new, old) { keys.insert(name(of: key)) }
        }
    }

    /// The path of a property of the section at `key`, spelt as in the file.
    static func path(of label: String, in key: String) -> String {
        key.isEmpty ? spelling(label) : "\(key).\(spelling(label))"
    }

    /// The name in the file for what is at that path in the code.
    static func name(of path: String) -> String { names[path] ?? path }

    /// The key that describes a source.
    static func key(of source: SessionConfiguration.Source) -> String {
        switch source {
        case .given, .unused: "source"
        case .recipe: "refresh"
        case .oauth: "oauth"
        case .exec: "exec"
        case .tokenFile: "token-file"
        }
    }

    /// The settings of two sources of the same kind; nil if there are none.
    private static func payloads(_ new: Any, _ old: Any) -> (Any, Any)? {
        guard let new = Mirror(reflecting: new).children.first?.value,
            let old = Mirror(reflecting: old).children.first?.value
        else { return nil }
        return (new, old)
    }

    /// Whether the value has keys of its own in the file.
    static func isSection(_ value: Any) -> Bool {
        switch value {
        case is ProxyConfiguration, is SessionConfiguration, is SessionConfiguration.Refresh, is OAuthConfiguration,
            is ExecConfiguration, is TokenFileConfiguration, is TLSConfiguration, is AccessConfiguration, is Limits,
            is Timeouts, is InspectorSettings:
            true
        default: false
        }
    }

    /// The names of headers that only one of them has, or that differ in value or rule.
    private static func changes(_ new: [HeaderRule], _ old: [HeaderRule]) -> [String] {
        let isSame = { (left: HeaderRule, right: HeaderRule) in
            left.name.lowercased() == right.name.lowercased() && left.value == right.value
                && left.overwrite == right.overwrite && left.secret == right.secret
        }
        return new.filter { rule in !old.contains { isSame($0, rule) } }.map(\.name)
            + old.filter { rule in !new.contains { $0.name.lowercased() == rule.name.lowercased() } }.map(\.name)
    }

    private static func unwrapped(_ value: Any) -> Any? {
        let mirror = Mirror(reflecting: value)
        guard mirror.displayStyle == .optional else { return value }
        return mirror.children.first.flatMap { unwrapped($0.value) }
    }

    private static func areEqual(_ new: Any?, _ old: Any?) -> Bool {
        switch (new, old) {
        case (nil, nil): true
        case (let new as any Equatable, let old as any Equatable): isEqual(new, old)
        default: false
        }
    }

    private static func isEqual<Value: Equatable>(_ new: Value, _ old: Any) -> Bool { new == old as? Value }

    /// Spells `firstByte` as `first-byte`.
    private static func spelling(_ name: String) -> String {
        name.reduce(into: "") { result, letter in
            if letter.isUppercase { result += "-" }
            result += letter.lowercased()
        }
    }
}
