import HTTP1
import ReverseProxy

/// Reads `upstream` and `listen`: both ends of the proxy.
extension ConfigurationSections {
    func upstream(_ map: MapReader) -> (origin: Origin, basePath: String)? {
        let mayBePlain = map.bool("allow-plain-upstream") ?? false
        let given = overrides.upstream ?? map.string("upstream").map { .init($0, source: "upstream") }
        guard let given else {
            if map.node("upstream") == nil {
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
            fail("must be a URL of scheme, host, port and perhaps a path, such as https://api.example.com/v1")
            return nil
        }
        if basePath.utf8.contains(where: { $0 == UInt8(ascii: "?") || $0 == UInt8(ascii: "#") }) {
            fail("holds a query or a fragment: both come from each request, and only a path goes before it")
            return nil
        }
        if let problem = BasePath.problem(basePath) {
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

    /// Scheme, host and port, and nothing else.
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
        guard allowed, let authority = Authority(String(rest)), authority.port != 0 else { return nil }
        return Origin(isSecure: isSecure, authority: authority)
    }

    private static let maxAddresses = 64

    mutating func listen(_ map: MapReader, _ configuration: inout ProxyConfiguration) {
        if let given = overrides.listen {
            guard let address = ListenAddress(given.text) else {
                let problem = AddressForm.problem(given.text, AddressForm.listen) ?? AddressForm.listen
                return issues.add(problem, source: given.source)
            }
            configuration.listen = [place(address, in: ".")]
            addressSources.listen = [given.source]
            return
        }
        guard let list = map.list("listen") else { return }
        guard list.count <= Self.maxAddresses else {
            return map.fail("listen", "may name at most \(Self.maxAddresses) addresses")
        }
        configuration.listen = list.compactMap { element in
            guard let address = ListenAddress(element.text) else {
                let problem = AddressForm.problem(element.text, AddressForm.listen) ?? AddressForm.listen
                issues.add("listen \(problem)", at: element.node)
                return nil
            }
            return place(address, in: directory)
        }
        addressSources.listen = list.map { issues.place(of: $0.node) }
        if list.isEmpty { map.fail("listen", "must name at least one address") }
    }

    /// The address, with the path of a socket as it is meant: `~` is the home directory, another relative one begins at
    /// `directory`.
    func place(_ address: ListenAddress, in directory: String) -> ListenAddress {
        guard case .unix(let path) = address else { return address }
        return .unix(path: TextFile.expand(path, in: directory, environment: environment))
    }
}
