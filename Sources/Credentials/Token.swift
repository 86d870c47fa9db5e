import Platform
public import Support

/// A token: visible ASCII, so that it fits into a header field and cannot end the field or the line.
///
/// RFC 6750 allows fewer characters, but issuers use others. Code that writes a token into another language (a shell's,
/// JSON, a form) must quote it for that language. Its descriptions and mirrors show a placeholder, never the value.
public struct Token: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself.
    public let value: String
    /// The token's claims, if it is a JSON Web Token. Parsed at each use: most tokens are only passed on.
    public var claims: Claims? { Claims(token: value) }

    public static let maxBytes = 16 * 1024

    /// Nil if `value` is empty, longer than 16 KiB, or contains a character that is not visible ASCII.
    public init?(_ value: String) {
        let count = value.utf8.count
        guard count > 0, count <= Self.maxBytes, Self.areAll(value, Self.isAllowed) else { return nil }
        self.value = value
    }

    private init(checked value: String) {
        self.value = value
    }

    /// Parses a token that a person pasted or another program wrote. Ignores a byte order mark, surrounding blanks and
    /// the word `Bearer`.
    public init(pasted text: String) throws(TokenProblem) {
        var rest = Substring(text).trimmingBlanks()
        // The bit is what makes a letter small, and makes no letter of anything else.
        if rest.utf8.prefix(6).elementsEqual("bearer".utf8, by: { $0 | 0x20 == $1 }) {
            let others = Substring(rest.utf8.dropFirst(6))
            if others.unicodeScalars.first?.properties.isWhitespace ?? true { rest = others.trimmingBlanks() }
        }
        if rest.isEmpty { throw .empty }
        if rest.utf8.count > Self.maxBytes { throw .tooLong }
        if let wrapping = Self.wrapping(rest) { throw .badCharacter(wrapping, position: 1) }
        guard let token = Token(String(rest)) else { throw Self.problem(in: rest) { !Self.isAllowed($0) } }
        self = token
    }

    /// The text of a token in an issuer's answer; nil if there is none, which `null` and an empty text mean, too. Anything
    /// else is a token that cannot be used: who took it for absent would go on with a token that it replaced.
    public static func text(_ value: JSONValue?) throws(TokenProblem) -> String? {
        switch value {
        case nil, .null: return nil
        case .string(let text): return text.isEmpty ? nil : text
        case .bool, .number, .array, .object: throw .notText
        }
    }

    /// Takes an access token from an issuer's answer unchanged. Refuses a token with characters that shells and other
    /// languages use for quoting: no known issuer needs them, and an impostor could use them to have text executed.
    /// Also refuses a token in brackets, which is a page, or a structure around a token.
    public init(issued text: String) throws(TokenProblem) {
        if text.isEmpty { throw .empty }
        if text.utf8.count > Self.maxBytes { throw .tooLong }
        if let wrapping = Self.wrapping(Substring(text)) { throw .badCharacter(wrapping, position: 1) }
        guard Self.areAll(text, { Self.isAllowed($0) && !Self.isQuoting($0) }) else {
            throw Self.problem(in: Substring(text)) { !Self.isAllowed($0) || Self.isQuoting($0) }
        }
        self.init(checked: text)
    }

    /// Takes a refresh token from an issuer's answer unchanged. Every visible character is allowed (RFC 6749 appendix
    /// A.17), because Microsoft's contain `$`, and it is sent to its issuer only and written nowhere else.
    public init(issuedToRefresh text: String) throws(TokenProblem) {
        if text.isEmpty { throw .empty }
        if text.utf8.count > Self.maxBytes { throw .tooLong }
        guard let token = Token(text) else { throw Self.problem(in: Substring(text)) { !Self.isAllowed($0) } }
        self = token
    }

    /// The first bad character, as a problem.
    private static func problem(in text: Substring, _ isWrong: (UInt8) -> Bool) -> TokenProblem {
        for (index, scalar) in text.unicodeScalars.enumerated() where !scalar.isASCII || isWrong(UInt8(scalar.value)) {
            return .badCharacter(scalar, position: index + 1)
        }
        return .empty
    }

    /// The first character of a text that is enclosed in quotation marks or brackets as a whole: it is not a token, but
    /// may contain one.
    private static func wrapping(_ text: Substring) -> Unicode.Scalar? {
        guard let first = text.utf8.first, let last = text.utf8.last, text.utf8.count > 1 else { return nil }
        switch (Unicode.Scalar(first), Unicode.Scalar(last)) {
        case ("\"", "\""), ("'", "'"), ("{", "}"), ("[", "]"), ("<", ">"): return Unicode.Scalar(first)
        default: return nil
        }
    }

    /// True if the token can be parsed as a JSON Web Token (RFC 7519).
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
        return text.withUTF8 { unsafe FNV.hash(UnsafeRawBufferPointer($0)) }
    }

    public var description: String { "(token)" }
    public var debugDescription: String { "(token)" }
    public var customMirror: Mirror { Mirror(self, children: []) }

    /// Octets in a row are looked at several times as fast as a text's.
    private static func areAll(_ text: String, _ isRight: (UInt8) -> Bool) -> Bool {
        var text = text
        return text.withUTF8 { unsafe $0.allSatisfy(isRight) }
    }

    private static func isAllowed(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }

    /// Quotation marks, the backslash, and the characters that a shell expands within them.
    private static func isQuoting(_ byte: UInt8) -> Bool {
        switch byte {
        case UInt8(ascii: "'"), UInt8(ascii: "\""), UInt8(ascii: "`"), UInt8(ascii: "\\"), UInt8(ascii: "$"): true
        default: false
        }
    }
}

extension Substring {
    /// Removes white space and byte order marks at both ends.
    fileprivate func trimmingBlanks() -> Substring {
        let isBlank = { (scalar: Unicode.Scalar) in scalar.properties.isWhitespace || scalar == "\u{FEFF}" }
        var rest = unicodeScalars.drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return Substring(rest)
    }
}
