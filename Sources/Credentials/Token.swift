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
    /// A NumericDate (RFC 7519 section 2): seconds since 1970, perhaps with a fraction. What lies beyond the year 10000 or before 1970
    /// is no date, but far away.
    fileprivate var numericDate: Int? {
        guard case .number(let text) = self, let number = Double(text), number.isFinite else { return nil }
        return Int(min(max(number, 0), 253_402_300_800))
    }

    /// The same of a file of ours, in which there are no fractions.
    var moment: Int? { integer.map { min(max($0, 0), 253_402_300_800) } }
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
