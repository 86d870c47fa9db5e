import EventIO
import HTTP1
import ReverseProxy

/// Reads `upstream` and `listen`: both ends of the proxy.
extension ConfigurationSections {
    func upstream(_ map: MapReader) -> (origin: Origin, basePath: String)? {
        let mayBePlain = map.bool("allow-plain-upstream") ?? false
        let given = overrides.upstream ?? map.string("upstream").map { .init($0, source: "upstream") }
        guard let given else {
            if !map.has("upstream") {
                issues.add("upstream is missing: the URL of the API, such as https://api.example.com", at: root)
            }
            return nil
        }
        let fail = { (message: String) in
            if overrides.upstream != nil {
                issues.add(message, source: given.source)
            } else {
                map.fail("upstream", message)
            }
        }
        let (text, basePath) = Self.split(upstream: given.text)
        guard let origin = Self.origin(text) else {
            fail(Self.problem(upstream: given.text, origin: text))
            return nil
        }
        if let problem = Self.problem(basePath: basePath) {
            fail(problem)
            return nil
        }
        if !origin.isSecure, !origin.authority.isLoopback, !mayBePlain {
            let way =
                overrides.upstream == nil
                ? "set allow-plain-upstream: true" : "a configuration file with allow-plain-upstream: true"
            fail("is http:// to another machine, which would send the token in the clear: use https://, or \(way)")
        }
        return (origin, basePath)
    }

    /// Why the text is not a URL of an API, whatever else is configured; nil if it is one.
    static func problem(upstream whole: String) -> String? {
        let (text, basePath) = split(upstream: whole)
        return origin(text) == nil ? problem(upstream: whole, origin: text) : problem(basePath: basePath)
    }

    private static func problem(basePath: String) -> String? {
        if basePath.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            return "holds a query or a fragment: both come from each request, and only a path goes before it"
        }
        return BasePath.problem(basePath)
    }

    /// Why the text is not a URL of an API. `text` is its part from `split` that is not an origin.
    private static func problem(upstream whole: String, origin text: String) -> String {
        let form = "must be a URL of scheme, host, port and perhaps a path, such as https://api.example.com/v1"
        guard let slashes = text.firstRange(of: "://") else { return form + Suggestion.question(Suggestion.url(whole)) }
        let host = text[slashes.upperBound...]
        if host.utf8.contains(UInt8(ascii: "@")) {
            return form + ": take out what stands before the @, a user or a password"
        }
        if !host.utf8.allSatisfy({ $0 < 0x80 }) { return form + ": a host of another alphabet is written as xn--…" }
        if let authority = Authority(String(host)), !authority.fitsDNS {
            return "names a host that is none: a name has at most 253 characters, and 63 between two dots"
        }
        if host.isEmpty { return form + ": its host is missing" }
        if whole.contains(" ") { return form + ": there is a blank in it" }
        if let colon = host.lastIndex(of: ":"), !host.hasSuffix("]"), Int(host[host.index(after: colon)...]) == nil {
            return form + ": what follows the colon must be a port, a number"
        }
        return form
    }

    /// The URL up to its path, and the rest without one slash at its end.
    private static func split(upstream text: String) -> (origin: String, basePath: String) {
        let bytes = text.utf8
        var start = bytes.startIndex
        for scheme in ["https://", "http://"] where text.lowercased().hasPrefix(scheme) {
            start = bytes.index(start, offsetBy: scheme.utf8.count)
            break
        }
        let path = bytes[start...].firstIndex { "/?#".utf8.contains($0) } ?? bytes.endIndex
        var rest = text[path...]
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        return (String(text[..<path]), String(rest))
    }

    /// Parses an origin: only a scheme, a host and a port.
    static func origin(_ text: String) -> Origin? {
        let lowercase = text.lowercased()
        let isSecure = lowercase.hasPrefix("https://")
        guard isSecure || lowercase.hasPrefix("http://") else { return nil }
        var rest = text.dropFirst(isSecure ? 8 : 7)
        if rest.hasSuffix("/") { rest = rest.dropLast() }
        let allowed = rest.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x3A, 0x41...0x5B, 0x5D, 0x61...0x7A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
        guard allowed, let authority = Authority(String(rest)), authority.port != 0, authority.fitsDNS else {
            return nil
        }
        return Origin(isSecure: isSecure, authority: authority)
    }

    private static let maxAddresses = 64

    mutating func listen(_ map: MapReader, _ configuration: inout ProxyConfiguration) {
        if let given = overrides.listen {
            guard let address = AddressForm.address(given.text) else {
                let problem = AddressForm.problem(given.text, AddressForm.listen) ?? AddressForm.listen
                return issues.add(problem, source: given.source)
            }
            let placed = place(address, in: ".")
            if let problem = AddressForm.problem(placed) { return issues.add(problem, source: given.source) }
            configuration.listen = [placed]
            addressSources.listen = [given.source]
            return
        }
        guard let list = map.list("listen") else { return }
        guard list.count <= Self.maxAddresses else {
            return map.fail("listen", "may name at most \(Self.maxAddresses) addresses")
        }
        configuration.listen = list.compactMap { element in
            guard let address = AddressForm.address(element.text) else {
                let problem = AddressForm.problem(element.text, AddressForm.listen) ?? AddressForm.listen
                issues.add("listen \(problem)", at: element.node)
                return nil
            }
            let placed = place(address, in: directory)
            if let problem = AddressForm.problem(placed) { issues.add("listen \(problem)", at: element.node) }
            return placed
        }
        addressSources.listen = list.map { issues.place(of: $0.node) }
        if list.isEmpty { map.fail("listen", "must name at least one address") }
    }

    /// The absolute path at the key: `~` is the home directory; other relative paths are resolved in the
    /// configuration's directory. Nil if there is none, or if there is an issue.
    func path(_ map: MapReader, _ key: String) -> String? {
        guard let text = map.string(key) else { return nil }
        guard !text.isEmpty else {
            map.fail(key, "must be the path of a file")
            return nil
        }
        guard let problem = TextFile.problem(spelling: text) else {
            return TextFile.expand(text, in: directory, environment: environment)
        }
        map.fail(key, problem)
        return nil
    }

    /// The address with an absolute socket path: `~` is the home directory; other relative paths are resolved in
    /// `directory`.
    func place(_ address: ListenAddress, in directory: String) -> ListenAddress {
        guard case .unix(let path) = address else { return address }
        return .unix(path: TextFile.expand(path, in: directory, environment: environment))
    }
}
