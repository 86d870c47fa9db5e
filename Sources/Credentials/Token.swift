/// A bearer token (RFC 6750). Never printed: descriptions and mirrors show a placeholder.
public struct Token: Equatable, Sendable, CustomStringConvertible, CustomDebugStringConvertible, CustomReflectable {
    /// The secret itself.
    public let value: String
    /// What the token says about itself, when it is a JSON Web Token.
    public let claims: Claims?

    public static let maxBytes = 16 * 1024

    /// Nil when `value` is empty, longer than 16 KiB, or holds a character that RFC 6750 section 2.1 does not allow.
    public init?(_ value: String) {
        let bytes = value.utf8
        guard !bytes.isEmpty, bytes.count <= Self.maxBytes, bytes.allSatisfy(Self.isAllowed) else { return nil }
        self.value = value
        claims = Claims(token: value)
    }

    /// Reads what a person pasted, or another program wrote: without a byte order mark, blanks around it, and the word `Bearer`.
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

    /// Three segments, as a JSON Web Token has.
    public var hasThreeSegments: Bool {
        let segments = value.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return segments.count == 3 && segments.allSatisfy { !$0.isEmpty }
    }

    /// Tells tokens apart without being one: 64 bits of FNV-1a, in hexadecimal.
    public var fingerprint: String {
        let digits = String(Self.hash(value), radix: 16)
        return String(repeating: "0", count: 16 - digits.count) + digits
    }

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

/// Why a text is no bearer token. Never holds the text.
public enum TokenProblem: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong
    /// The first character that no token holds (RFC 6750 section 2.1), and its place, counted from 1.
    case badCharacter(Unicode.Scalar, position: Int)

    public var description: String {
        switch self {
        case .empty: "it is empty"
        case .tooLong: "it is longer than \(Token.maxBytes / 1024) KiB"
        case .badCharacter(let scalar, let position):
            "character \(position) is \(Self.name(of: scalar)), which no bearer token holds (RFC 6750)"
                + (Self.cause(of: scalar, at: position).map { ": \($0)" } ?? "")
        }
    }

    /// Printable ASCII as it is; anything else by its number, so that nothing raw reaches a terminal.
    private static func name(of scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"", "\u{201C}", "\u{201D}", "\u{201E}": "a quotation mark"
        case " ", "\t": "a blank"
        case "\r", "\n": "a line break"
        case "\0": "a zero byte"
        case "!"..."~": "'\(scalar)'"
        default: "U+" + String(repeating: "0", count: max(0, 4 - hexadecimal(scalar).count)) + hexadecimal(scalar)
        }
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        String(scalar.value, radix: 16, uppercase: true)
    }

    private static func cause(of scalar: Unicode.Scalar, at position: Int) -> String? {
        switch scalar {
        case "\"" where position == 1: "jq needs -r to print a string without its quotation marks"
        case "'", "\u{201C}", "\u{201D}", "\u{201E}", "\"": "is it quoted?"
        case "{" where position == 1, "[" where position == 1: "this is JSON: the token alone is expected"
        case "<" where position == 1: "this is HTML or XML: the token alone is expected"
        case "\0", "\u{FFFD}": "is the file UTF-16? Save it as UTF-8 or ASCII"
        case " ", "\t", "\r", "\n": "is there more than one word?"
        default: nil
        }
    }
}

extension Substring {
    /// Without white space and control characters at its ends.
    fileprivate func trimmingBlanks() -> Substring {
        let isBlank = { (character: Character) in character.isWhitespace || character == "\u{FEFF}" }
        var rest = drop(while: isBlank)
        while let last = rest.last, isBlank(last) { rest.removeLast() }
        return rest
    }
}

/// The registered claims that matter here, seconds since 1970 by the issuer's clock (RFC 7519 section 4.1). Not verified:
/// only the issuer can.
public struct Claims: Equatable, Sendable {
    public var subject: String?
    public var issuedAt: Int?
    public var notBefore: Int?
    public var expiresAt: Int?

    init?(token: String) {
        let segments = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard segments.count == 3, let payload = Base64URL.decode(Substring(segments[1])),
            let json = JSONValue(parsing: payload), case .object = json
        else { return nil }
        subject = json["sub"]?.string ?? json["sub"]?.integer.map(String.init)
        issuedAt = json["iat"]?.numericDate
        notBefore = json["nbf"]?.numericDate
        expiresAt = json["exp"]?.numericDate
    }

    /// When the token's life began.
    var start: Int? { notBefore ?? issuedAt }

    /// Seconds; what claims to live longer lives this long here. Keeps absurd claims out of arithmetic.
    static let longestLife = 100 * 365 * 86_400

    /// How long the token lives from its making, seconds: `exp - nbf`. Not `exp - iat`: `iat` is that of the first login. Nil when
    /// the token does not say, or says that it was dead when it was made.
    public var lifetime: Int? {
        guard let expiresAt, let start, expiresAt > start else { return nil }
        return min(expiresAt - start, Self.longestLife)
    }
}

extension JSONValue {
    /// A NumericDate (RFC 7519 section 2): seconds since 1970, perhaps with a fraction. What lies beyond the year 9999 or before 1970 is
    /// no date, but far away.
    fileprivate var numericDate: Int? {
        guard case .number(let text) = self, let number = Double(text), number.isFinite else { return nil }
        return Int(min(max(number, Double(UTCTime.range.lowerBound)), Double(UTCTime.range.upperBound)))
    }

    /// The same in a file of ours, in which there are no fractions.
    var moment: Int? { integer.map(UTCTime.clamped) }
}

/// FNV-1a, 64 bits: tells octets apart, hides nothing.
public enum FNV {
    /// Of raw octets, not of any sequence: while a token is young it is called for each answer, and a generic one, not specialised in
    /// another module, allocated three times for each octet.
    public static func hash(_ octets: UnsafeRawBufferPointer) -> UInt64 {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for octet in octets { hash = (hash ^ UInt64(octet)) &* 0x100_0000_01B3 }
        return hash
    }
}
