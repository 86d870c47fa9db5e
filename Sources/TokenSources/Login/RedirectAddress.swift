import EventIO
import HTTP1

/// The redirection endpoint, to which the authorization server sends the browser with the code (RFC 6749 section
/// 3.1.2).
public enum RedirectAddress: Equatable, Sendable {
    /// This machine, where Squire listens (RFC 8252 section 7.3). `port` nil means any free one. `query` is the part
    /// after the question mark.
    case loopback(host: String, port: Int?, path: String, query: String?)
    /// Anywhere else: a person pastes the address at which the browser ended.
    case elsewhere(String)

    /// The default: an address rather than a name, because another program might listen at the name's other address
    /// (RFC 8252 section 8.3).
    public static let standard = RedirectAddress.loopback(host: "127.0.0.1", port: nil, path: "/callback", query: nil)

    /// Parses the value of `redirect-uri`.
    public init(_ text: String) {
        guard text.lowercased().hasPrefix("http://"), !text.contains("#") else {
            self = .elsewhere(text)
            return
        }
        let rest = text.dropFirst(7)
        let end = rest.firstIndex { $0 == "/" || $0 == "?" } ?? rest.endIndex
        guard let authority = Authority(String(rest[..<end])), authority.isLoopback, authority.port != 0 else {
            self = .elsewhere(text)
            return
        }
        let target = rest[end...]
        let question = target.firstIndex(of: "?")
        let path = target[..<(question ?? target.endIndex)]
        self = .loopback(
            host: authority.host,
            port: authority.port,
            path: path.isEmpty ? "/" : String(path),
            query: question.map { String(target[target.index(after: $0)...]) }
        )
    }

    /// Whether Squire listens there.
    public var isLoopback: Bool { if case .loopback = self { true } else { false } }

    /// The URI for both requests, with the actual port.
    func uri(port: Int) -> String {
        switch self {
        case .elsewhere(let text): return text
        case .loopback(let host, _, let path, let query):
            let authority = SocketAddress(host: host, port: port).description
            return "http://\(authority)\(path)" + (query.map { "?" + $0 } ?? "")
        }
    }

    /// The path at which the browser's answer is accepted.
    var path: String {
        switch self {
        case .loopback(_, _, let path, _): path
        case .elsewhere(let text): Self.path(of: text)
        }
    }

    /// The path of a URL, without its query and fragment.
    static func path(of url: String) -> String {
        var rest = Substring(url)
        if let scheme = rest.utf8.firstIndex(of: UInt8(ascii: ":")) { rest = rest[rest.index(after: scheme)...] }
        rest = rest.prefix { $0 != "?" && $0 != "#" }
        guard rest.hasPrefix("//") else { return String(rest) }
        let behind = rest.dropFirst(2)
        guard let slash = behind.firstIndex(of: "/") else { return "/" }
        return String(behind[slash...])
    }
}
