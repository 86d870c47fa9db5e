import Platform
import Support

/// A bearer token (RFC 6750). Its descriptions and mirrors show a placeholder, never the value.
public struct Token: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself.
    public let value: String
    /// The token's claims, if it is a JSON Web Token.
    public let claims: Claims?

    public static let maxBytes = 16 * 1024

    /// Nil if `value` is empty, longer than 16 KiB, or has a character that RFC 6750 section 2.1 does not allow.
    public init?(_ value: String) {
        let bytes = value.utf8
        guard !bytes.isEmpty, bytes.count <= Self.maxBytes, bytes.allSatisfy(Self.isAllowed) else { return nil }
        self.value = value
        claims = Claims(token: value)
    }

    /// Reads a token that a person pasted or another program wrote. Ignores a byte order mark, blanks around it and the
    /// word `Bearer`.
    public init(pasted text: String) throws(TokenProblem) {
        var rest = Substring(text)
        if rest.unicodeScalars.first == "\u{FEFF}" { rest.unicodeScalars.removeFirst() }
        rest = rest.trimmingBlanks()
        if rest.utf8.count > 6, rest.prefix(6).lowercased() == "bearer", rest.dropFirst(6).first?.isWhitespace == true {
            rest = rest.dropFirst(6).trimmingBlanks()
        }
        if rest.isEmpty { throw .empty }
        if rest.utf8.count > Self.maxBytes { throw .tooLong }
        guard let token = Token(String(rest)) else {
            let scalars = Array(rest.unicodeScalars)
            let index = scalars.firstIndex { !$0.isASCII || !Self.isAllowed(UInt8($0.value)) } ?? 0
            throw .badCharacter(scalars[index], position: index + 1)
        }
        self = token
    }

    /// True if the token can be read as a JSON Web Token (RFC 7519).
    public var isJWT: Bool { claims != nil }

    /// True if the token has three segments, as a JSON Web Token has.
    public var hasThreeSegments: Bool {
        let segments = value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return segments.count == 3 && segments.allSatisfy { !$0.isEmpty }
    }

    /// Identifies the token without revealing it: 64 bits of FNV-1a, in hexadecimal.
    public var fingerprint: String { Hexadecimal.text(Self.hash(value)) }

    static func hash(_ text: String) -> UInt64 {
        var text = text
        return text.withUTF8 { FNV.hash(UnsafeRawBufferPointer($0)) }
    }

    public var description: String { "(token)" }
    public var debugDescription: String { "(token)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// `b64token`: letters, digits, `-._~+/` and `=`.
    private static func isAllowed(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E, 0x2B, 0x2F, 0x3D: true
        default: false
        }
    }
}

extension Substring {
    /// Removes white space and byte order marks at both ends.
    fileprivate func trimmingBlanks() -> Substring {
        let isBlank = { (character: Character) in character.isWhitespace || character == "\u{FEFF}" }
        var rest = drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }
}
