/// The field names that some policy decides on; all others are `other`. `FieldTable` has the properties of each.
public enum FieldName: UInt8, CaseIterable, Sendable {
    case other
    // Framing and connection management: one hop only (RFC 9110 section 7.6.1).
    case connection, contentLength, transferEncoding, te, trailer, upgrade, keepAlive, proxyConnection, http2Settings
    case proxyAuthorization, proxyAuthenticate, proxyAuthenticationInfo
    // Fields that policies look at.
    case host, expect, maxForwards, accessControlRequestMethod, accessControlRequestHeaders, authorization, via, origin,
        acceptEncoding, contentEncoding, squireKey, secFetchSite, secPurpose, purpose, userAgent
    case location, contentLocation, date, retryAfter, contentType, wwwAuthenticate, setCookie

    /// Classifies the name at `range`.
    @inline(__always)
    static func of(_ bytes: Span<UInt8>, _ range: ByteRange) -> FieldName {
        switch range.count {
        case 2: bytes.matches(range, "te") ? .te : .other
        case 3: bytes.matches(range, "via") ? .via : .other
        case 4: bytes.matches(range, "host") ? .host : bytes.matches(range, "date") ? .date : .other
        case 6: bytes.matches(range, "expect") ? .expect : bytes.matches(range, "origin") ? .origin : .other
        case 7:
            bytes.matches(range, "upgrade")
                ? .upgrade
                : bytes.matches(range, "trailer")
                    ? .trailer : bytes.matches(range, "purpose") ? .purpose : .other
        case 8: bytes.matches(range, "location") ? .location : .other
        case 10: ofTen(bytes, range)
        case 11:
            bytes.matches(range, "retry-after")
                ? .retryAfter : bytes.matches(range, "sec-purpose") ? .secPurpose : .other
        case 12:
            bytes.matches(range, "content-type")
                ? .contentType
                : bytes.matches(range, "x-squire-key")
                    ? .squireKey : bytes.matches(range, "max-forwards") ? .maxForwards : .other
        case 13: bytes.matches(range, "authorization") ? .authorization : .other
        case 14:
            bytes.matches(range, "content-length")
                ? .contentLength
                : bytes.matches(range, "sec-fetch-site")
                    ? .secFetchSite
                    : bytes.matches(range, "http2-settings") ? .http2Settings : .other
        case 15: bytes.matches(range, "accept-encoding") ? .acceptEncoding : .other
        case 16: ofSixteen(bytes, range)
        case 17: bytes.matches(range, "transfer-encoding") ? .transferEncoding : .other
        case 18: bytes.matches(range, "proxy-authenticate") ? .proxyAuthenticate : .other
        case 19: bytes.matches(range, "proxy-authorization") ? .proxyAuthorization : .other
        case 29: bytes.matches(range, "access-control-request-method") ? .accessControlRequestMethod : .other
        case 30: bytes.matches(range, "access-control-request-headers") ? .accessControlRequestHeaders : .other
        case 25: bytes.matches(range, "proxy-authentication-info") ? .proxyAuthenticationInfo : .other
        default: .other
        }
    }

    private static func ofTen(_ bytes: Span<UInt8>, _ range: ByteRange) -> FieldName {
        if bytes.matches(range, "connection") { return .connection }
        if bytes.matches(range, "user-agent") { return .userAgent }
        if bytes.matches(range, "set-cookie") { return .setCookie }
        return bytes.matches(range, "keep-alive") ? .keepAlive : .other
    }

    private static func ofSixteen(_ bytes: Span<UInt8>, _ range: ByteRange) -> FieldName {
        if bytes.matches(range, "content-encoding") { return .contentEncoding }
        if bytes.matches(range, "content-location") { return .contentLocation }
        if bytes.matches(range, "www-authenticate") { return .wwwAuthenticate }
        return bytes.matches(range, "proxy-connection") ? .proxyConnection : .other
    }
}

/// The set of known names that occur in a head, one bit each: testing for an absent field needs no search.
public struct FieldNames: Sendable {
    /// There are at most 64 names.
    private var bits: UInt64 = 0

    public init() {}

    /// Every name whose row in `FieldTable` has one of `traits`.
    public init(having traits: FieldTraits) {
        for row in FieldTable.rows where row.id != .other && !row.traits.isDisjoint(with: traits) { insert(row.id) }
    }

    @inline(__always)
    public mutating func insert(_ name: FieldName) {
        bits |= 1 &<< UInt64(name.rawValue)
    }

    public mutating func remove(_ name: FieldName) {
        bits &= ~(1 &<< UInt64(name.rawValue))
    }

    @inline(__always)
    public func contains(_ name: FieldName) -> Bool {
        bits &>> UInt64(name.rawValue) & 1 == 1
    }

    /// Whether the two sets have a name in common.
    @inline(__always)
    public func intersects(_ other: FieldNames) -> Bool { bits & other.bits != 0 }
}

/// One field of a head, as offsets into the buffer that the head was parsed from.
public struct FieldLine: Sendable {
    public var name: ByteRange
    /// Without leading and trailing blanks.
    public var value: ByteRange
    public var id: FieldName
    /// The name contains an octet other than letters, digits and hyphens, or ends in a hyphen: only such a name can be
    /// read as a different one (see `FoldedName`).
    public var hasOddName: Bool
    /// A `Connection` field nominates it, so it is for this hop only.
    public var isNominated = false

    /// Whether the field must not pass a proxy.
    public var isHopByHop: Bool { isNominated || FieldTable.hopByHop.contains(id) }
}
