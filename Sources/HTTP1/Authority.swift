/// `host[:port]` as Host and absolute targets carry it (RFC 3986 section 3.2, without user information).
package struct Authority: Equatable, Sendable {
    /// Lower case, IPv6 addresses without brackets, without a final dot.
    package var host: String
    package var port: Int?

    package init(host: String, port: Int?) {
        self.host = host
        self.port = port
    }

    /// Nil when `text` is not an authority.
    package init?(_ text: String) {
        var rest = Substring(text)
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { return nil }
            host = rest[rest.index(after: rest.startIndex)..<close].lowercased()
            rest = rest[rest.index(after: close)...]
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            host = rest[..<end].lowercased()
            rest = rest[end...]
            if host.hasSuffix(".") { host.removeLast() }
        }
        guard !host.isEmpty else { return nil }
        if rest.isEmpty {
            port = nil
        } else {
            guard rest.hasPrefix(":") else { return nil }
            let digits = rest.dropFirst()
            if digits.isEmpty {
                port = nil
            } else {
                guard digits.utf8.allSatisfy(Octet.isDigit), let number = Int(digits), number <= 65_535 else {
                    return nil
                }
                port = number
            }
        }
    }

    /// A name of this machine's loopback interface.
    package var isLoopback: Bool {
        if host == "localhost" || host == "::1" || host.hasSuffix(".localhost") { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0) != nil }
    }

    /// Whether the bytes could be an authority at all.
    static func isValid(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        for offset in range.range {
            switch bytes[offset] {
            case 0x30...0x3A, 0x41...0x5B, 0x5D, 0x5F, 0x61...0x7A, 0x2D, 0x2E, 0x7E, 0x25: continue
            default: return false
            }
        }
        return true
    }
}
