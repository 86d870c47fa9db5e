import Support

/// The registered claims that matter here (RFC 7519 section 4.1), in seconds since 1970 by the issuer's clock. Not
/// verified, because only the issuer can do that.
public struct Claims: Equatable, Sendable {
    public var subject: String?
    public var issuedAt: Int?
    public var notBefore: Int?
    public var expiresAt: Int?

    init?(token: String) {
        let segments = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard segments.count == 3, let payload = Base64URL.decode(Substring(segments[1])),
            // Faults in other claims, such as half a character in a name, are the issuer's business.
            let json = JSONValue(parsing: payload) ?? JSONValue(lenient: payload), case .object = json
        else { return nil }
        subject = json["sub"]?.string ?? json["sub"]?.integer.map(String.init)
        issuedAt = json["iat"]?.numericDate
        notBefore = json["nbf"]?.numericDate
        expiresAt = json["exp"]?.numericDate
    }

    /// When the token's life begins.
    public var start: Int? { notBefore ?? issuedAt }

    /// Longest life in seconds. Longer claims are cut to it, so that they cannot overflow.
    static let longestLife = 100 * 365 * 86_400

    /// The token's life in seconds: `exp - nbf`. Not `exp - iat`, because `iat` may be the time of the first login. Nil
    /// if the token does not say, or claims to expire before it begins.
    public var lifetime: Int? { life(from: notBefore) }

    /// The lifetime in seconds of a token that is issued anew each time: `exp - iat`.
    public var lifetimeSinceIssue: Int? { life(from: issuedAt) }

    private func life(from start: Int?) -> Int? {
        guard let expiresAt, let start, expiresAt > start else { return nil }
        return min(expiresAt - start, Self.longestLife)
    }

    /// The end of the token, in seconds since 1970 by this machine's clock, which showed `now` at its receipt; nil if
    /// it cannot be known. Uses `exp` if the token does not say when it begins, but never exceeds the token's lifetime,
    /// however far a clock is ahead.
    func end(receivedAt now: Int) -> Int? {
        if let lifetime { return now + lifetime }
        guard notBefore == nil, let expiresAt, expiresAt > now else { return nil }
        return min(expiresAt, now + (lifetimeSinceIssue ?? Self.longestLife))
    }
}

extension JSONValue {
    /// A NumericDate (RFC 7519 section 2): seconds since 1970, perhaps with a fraction. Clamped to `UTCTime.range`.
    fileprivate var numericDate: Int? {
        guard case .number(let text) = self, let number = Double(text), number.isFinite else { return nil }
        return Int(min(max(number, Double(UTCTime.range.lowerBound)), Double(UTCTime.range.upperBound)))
    }

    /// A moment in a session file, which contains no fractions. Clamped to `UTCTime.range`.
    var moment: Int? { integer.map(UTCTime.clamped) }
}
