/// `host[:port]` as Host and absolute targets carry it (RFC 3986 section 3.2, without user information).
public struct Authority: Equatable, Sendable {
    /// Lower case; IPv6 addresses without brackets.
    public var host: String
    public var port: Int?

    public init(host: String, port: Int?) {
        self.host = host
        self.port = port
    }

    /// Nil if `text` is not an authority.
    public init?(_ text: String) {
        var rest = Substring(text)
        if rest.hasPrefix("[") {
            guard let close = rest.firstIndex(of: "]") else { return nil }
            host = rest[rest.index(after: rest.startIndex)..<close].lowercased()
            rest = rest[rest.index(after: close)...]
        } else {
            let end = rest.firstIndex(of: ":") ?? rest.endIndex
            host = rest[..<end].lowercased()
            rest = rest[end...]
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

    /// A name or an address of this machine's loopback interface. Names under `localhost.` never leave the machine (RFC
    /// 6761 section 6.3).
    public var isLoopback: Bool {
        host == "localhost" || host.hasSuffix(".localhost") || isLoopbackAddress
    }

    /// `::1`, or four canonical decimal numbers of which the first is 127: no other spelling.
    public var isLoopbackAddress: Bool {
        if host == "::1" { return true }
        let parts = host.split(separator: ".", omittingEmptySubsequences: false)
        return parts.count == 4 && parts[0] == "127" && parts.allSatisfy { UInt8($0).map(String.init) == String($0) }
    }

    /// Whether DNS allows such a name: labels of at most 63 octets, 253 octets in all (RFC 1035 section 2.3.4).
    /// Addresses are shorter.
    public var fitsDNS: Bool {
        let name = host.hasSuffix(".") ? host.dropLast() : host[...]
        return name.utf8.count <= 253
            && name.split(separator: ".", omittingEmptySubsequences: false).allSatisfy { $0.utf8.count <= 63 }
    }

    /// Whether `text` is valid as the value of a Host field, with a port that can be connected to.
    public static func isHostField(_ text: String) -> Bool {
        let bytes = Array(text.utf8)
        guard isValid(bytes.span, ByteRange(0, bytes.count)), let authority = Authority(text) else { return false }
        return authority.port != 0
    }

    /// Whether the bytes are a host and perhaps a port, as Host carries them: a name of letters, digits, `-`, `.`, `_`
    /// and `~`, or an address in brackets. Stricter than RFC 3986 section 3.2.2, which also has percent-encoding and
    /// sub-delimiters.
    static func isValid(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        var offset = Int(range.lowerBound)
        let end = Int(range.upperBound)
        guard offset < end else { return false }
        let hostStart: Int
        if bytes[offset] == 0x5B {
            offset += 1
            hostStart = offset
            while offset < end, isAddressByte(bytes[offset]) { offset += 1 }
            guard offset < end, bytes[offset] == 0x5D, offset > hostStart else { return false }
            offset += 1
        } else {
            hostStart = offset
            while offset < end, isNameByte(bytes[offset]) { offset += 1 }
            guard offset > hostStart else { return false }
        }
        if offset == end { return true }
        guard bytes[offset] == Octet.colon else { return false }
        offset += 1
        guard end - offset <= 5 else { return false }
        while offset < end, Octet.isDigit(bytes[offset]) { offset += 1 }
        return offset == end
    }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
        default: false
        }
    }

    private static func isAddressByte(_ byte: UInt8) -> Bool {
        Octet.hexadecimal(byte) != nil || byte == Octet.colon || byte == 0x2E
    }
}
