public import HTTP1

/// The absolute URL of an endpoint that receives secrets: https, or http to this machine (RFC 6749 section 3.1, RFC
/// 8252 section 8.3).
public struct EndpointURL: Equatable, Sendable, CustomStringConvertible {
    /// As configured.
    public let text: String
    public let isSecure: Bool
    public let authority: Authority
    /// The path and the query as configured; `/` if there is no path.
    public let target: String

    public enum Problem: Error, Equatable, Sendable, CustomStringConvertible {
        /// Not an absolute URL with a scheme, a host, a path and possibly a query.
        case malformed
        /// An http URL of another machine.
        case plain

        /// Follows the name of the key: "must be …".
        public var description: String {
            switch self {
            case .malformed: "must be a URL such as https://login.example.com/token, without user name and fragment"
            case .plain: "is http:// to another machine, which would send secrets in the clear: use https://"
            }
        }
    }

    public init(_ text: String) throws(Problem) {
        guard text.utf8.count <= 2048 else { throw .malformed }
        let scheme = text.prefix(8).lowercased()
        isSecure = scheme.hasPrefix("https://")
        guard isSecure || scheme.hasPrefix("http://") else { throw .malformed }
        let rest = text.dropFirst(isSecure ? 8 : 7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" || $0 == "#" } ?? rest.endIndex
        let host = String(rest[..<end])
        guard Authority.isHostField(host), let authority = Authority(host) else { throw .malformed }
        let path = rest[end...]
        guard path.utf8.allSatisfy({ (0x21...0x7E).contains($0) && $0 != UInt8(ascii: "#") }) else { throw .malformed }
        guard isSecure || authority.isLoopback else { throw .plain }
        self.text = text
        self.authority = authority
        target = path.hasPrefix("/") ? String(path) : "/" + path
    }

    /// `https://host[:port]`, without the scheme's own port.
    public var origin: String {
        let name = authority.host.contains(":") ? "[\(authority.host)]" : authority.host
        let port = authority.port.flatMap { $0 == (isSecure ? 443 : 80) ? nil : ":\($0)" } ?? ""
        return (isSecure ? "https://" : "http://") + name + port
    }

    /// The path, without the query.
    public var path: String { String(target.prefix { $0 != "?" }) }

    /// Without the query, which may contain a secret.
    public var description: String { origin + path }
}
