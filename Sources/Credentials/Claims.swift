import Platform
import Support

/// The registered claims that matter here (RFC 7519 section 4.1), in seconds since 1970 by the issuer's clock. Not
/// verified, because only the issuer can do that.
public struct Claims: Equatable, Sendable {
    public var subject: String?
    public var issuedAt: Int?
    public var notBefore: Int?
    public var expiresAt: Int?

    init?(token: String) {
        let segments = Array(token.utf8).split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        guard segments.count == 3, let payload = Base64URL.decode(segments[1]),
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

    /// Longest life in seconds that is reckoned with, wherever it comes from: it cannot overflow.
    static let longestLife = 100 * 365 * 86_400

    /// The token's life in seconds: `exp - nbf`. Not `exp - iat`, because `iat` may be the time of the first login. Nil
    /// if the token does not say, or says what is not believed (`TokenLife`).
    public var lifetime: Int? { life(from: notBefore) }

    /// The lifetime in seconds of a token that is issued anew each time: `exp - iat`.
    public var lifetimeSinceIssue: Int? { life(from: issuedAt) }

    private func life(from start: Int?) -> Int? {
        guard let expiresAt, let start else { return nil }
        return TokenLife.believed(expiresAt - start)
    }

    /// The end of the token, in seconds since 1970 by this machine's clock, which showed `now` at its receipt; nil if
    /// it cannot be known. Uses `exp` if the token does not say when it begins, but never exceeds the token's lifetime,
    /// however far a clock is ahead.
    func end(receivedAt now: Int) -> Int? {
        if let lifetime { return now + lifetime }
        guard notBefore == nil, let expiresAt, let left = TokenLife.believed(expiresAt.subtracting(saturating: now))
        else { return nil }
        return now + min(left, lifetimeSinceIssue ?? left)
    }
}

extension JSONValue {
    /// A NumericDate (RFC 7519 section 2): seconds since 1970, perhaps with a fraction; from 1e11 on, which is in the year
    /// 5138, milliseconds. Clamped to `UTCTime.range`.
    fileprivate var numericDate: Int? {
        guard case .number(let text) = self, let number = Double(text), number.isFinite else { return nil }
        let seconds = number >= 1e11 ? number / 1000 : number
        return Int(min(max(seconds, Double(UTCTime.range.lowerBound)), Double(UTCTime.range.upperBound)))
    }

    /// A moment in a session file, which contains no fractions. Clamped to `UTCTime.range`.
    var moment: Int? { integer.map(UTCTime.clamped) }
}
