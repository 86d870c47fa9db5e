/// The properties of a field that every policy shares.
public struct FieldTraits: OptionSet, Sendable {
    public let rawValue: UInt16

    public init(rawValue: UInt16) {
        self.rawValue = rawValue
    }

    /// For one connection only: never forwarded in either direction (RFC 9110 section 7.6.1).
    public static let hopByHop = FieldTraits(rawValue: 1)
    /// Squire generates the field for the upstream, or consumes it: the client's value is not forwarded unchanged.
    public static let reserved = FieldTraits(rawValue: 2)
    /// The upstream's value does not reach the client unchanged.
    public static let dropInResponse = FieldTraits(rawValue: 4)
    /// Sign-ins are sent without the client's value and without a configured one.
    public static let replacedOnSignIn = FieldTraits(rawValue: 8)
    /// Affects how the message is processed, so it comes too late after a body (RFC 9110 section 6.5.1).
    public static let notInTrailer = FieldTraits(rawValue: 16)
    /// Belongs to the connection: the configuration must not set it.
    public static let notConfigurable = FieldTraits(rawValue: 32)
    /// A `Connection` field cannot nominate it for removal.
    public static let unremovable = FieldTraits(rawValue: 64)
}

/// The one list of fields with special rules. The policies for requests, responses, trailers and configuration, and
/// `explain`, all read it.
///
/// Each policy derives `FieldNames` from it once, so that a field of a message costs one mask test.
public enum FieldTable {
    public struct Row: Sendable {
        /// `other` if nothing but the traits depends on the name.
        public let id: FieldName
        /// In lower case.
        public let spelling: StaticString
        public let traits: FieldTraits
        /// Where the field is defined.
        public let source: StaticString

        init(_ id: FieldName, _ spelling: StaticString, _ traits: FieldTraits, _ source: StaticString) {
            self.id = id
            self.spelling = spelling
            self.traits = traits
            self.source = source
        }
    }

    public static let rows: [Row] = [
        // One connection only.
        Row(.connection, "connection", oneHop, "RFC 9110 section 7.6.1"),
        Row(.keepAlive, "keep-alive", oneHop, "RFC 9110 section 7.6.1"),
        Row(.proxyConnection, "proxy-connection", oneHop, "RFC 9110 section 7.6.1"),
        Row(.te, "te", oneHop, "RFC 9110 section 10.1.4"),
        Row(.trailer, "trailer", oneHop, "RFC 9110 section 6.6.2"),
        Row(.transferEncoding, "transfer-encoding", oneHop, "RFC 9112 section 6.1"),
        Row(.upgrade, "upgrade", oneHop, "RFC 9110 section 7.8"),
        Row(.http2Settings, "http2-settings", oneHop, "RFC 7540 section 3.2.1"),
        Row(.proxyAuthorization, "proxy-authorization", oneHop, "RFC 9110 section 11.7.2"),
        Row(.proxyAuthenticate, "proxy-authenticate", oneHop, "RFC 9110 section 11.7.1"),
        Row(.proxyAuthenticationInfo, "proxy-authentication-info", oneHop, "RFC 9110 section 11.7.3"),

        // Generated for each message.
        Row(
            .contentLength,
            "content-length",
            [.reserved, .dropInResponse, .notInTrailer, .notConfigurable, .unremovable],
            "RFC 9110 section 8.6"
        ),
        Row(.host, "host", [.reserved, .notInTrailer, .notConfigurable, .unremovable], "RFC 9110 section 7.2"),
        Row(.expect, "expect", [.reserved, .notInTrailer, .notConfigurable], "RFC 9110 section 10.1.1"),
        Row(.maxForwards, "max-forwards", [.notInTrailer, .notConfigurable], "RFC 9110 section 7.6.2"),
        Row(.via, "via", [.notInTrailer, .notConfigurable], "RFC 9110 section 7.6.3"),

        // Secrets. `Authorization` is not a response field, but some servers leak a rotated token in it.
        Row(
            .authorization,
            "authorization",
            [.reserved, .dropInResponse, .notInTrailer, .notConfigurable],
            "RFC 9110 section 11.6.2"
        ),
        Row(.squireKey, "x-squire-key", [.reserved, .dropInResponse, .notInTrailer, .notConfigurable], "access.key"),

        // Fields that policies look at.
        Row(.acceptEncoding, "accept-encoding", [.replacedOnSignIn, .notInTrailer], "RFC 9110 section 12.5.3"),
        Row(.origin, "origin", [.notInTrailer], "Fetch section 3.2"),
        Row(.secFetchSite, "sec-fetch-site", [.notInTrailer], "Fetch Metadata section 2.4"),
        Row(.secPurpose, "sec-purpose", [.notInTrailer], "Fetch section 3.7"),
        Row(.purpose, "purpose", [.notInTrailer], "Fetch section 3.7"),
        Row(.userAgent, "user-agent", [.notInTrailer], "RFC 9110 section 10.1.5"),
        Row(.accessControlRequestMethod, "access-control-request-method", [.notInTrailer], "Fetch section 3.3"),
        Row(.accessControlRequestHeaders, "access-control-request-headers", [.notInTrailer], "Fetch section 3.3"),
        Row(.contentEncoding, "content-encoding", [.notInTrailer], "RFC 9110 section 8.4"),
        Row(.contentType, "content-type", [.notInTrailer], "RFC 9110 section 8.3"),
        Row(.contentLocation, "content-location", [.notInTrailer], "RFC 9110 section 8.7"),
        Row(.location, "location", [.notInTrailer], "RFC 9110 section 10.2.2"),
        Row(.date, "date", [.notInTrailer], "RFC 9110 section 6.6.1"),
        Row(.retryAfter, "retry-after", [.notInTrailer], "RFC 9110 section 10.2.3"),
        Row(.wwwAuthenticate, "www-authenticate", [.notInTrailer], "RFC 9110 section 11.6.1"),
        Row(.setCookie, "set-cookie", [.notInTrailer], "RFC 6265 section 4.1"),

        // Fields that are special only because they come too late in a trailer section.
        Row(.other, "age", [.notInTrailer], "RFC 9111 section 5.1"),
        Row(.other, "cache-control", [.notInTrailer], "RFC 9111 section 5.2"),
        Row(.other, "expires", [.notInTrailer], "RFC 9111 section 5.3"),
        Row(.other, "pragma", [.notInTrailer], "RFC 9111 section 5.4"),
        Row(.other, "vary", [.notInTrailer], "RFC 9110 section 12.5.5"),
        Row(.other, "range", [.notInTrailer], "RFC 9110 section 14.2"),
        Row(.other, "content-range", [.notInTrailer], "RFC 9110 section 14.4"),
        Row(.other, "if-match", [.notInTrailer], "RFC 9110 section 13.1.1"),
        Row(.other, "if-none-match", [.notInTrailer], "RFC 9110 section 13.1.2"),
        Row(.other, "if-modified-since", [.notInTrailer], "RFC 9110 section 13.1.3"),
        Row(.other, "if-unmodified-since", [.notInTrailer], "RFC 9110 section 13.1.4"),
        Row(.other, "if-range", [.notInTrailer], "RFC 9110 section 13.1.5"),
        Row(.other, "cookie", [.notInTrailer], "RFC 6265 section 5.4"),
        Row(.other, "forwarded", [.notInTrailer], "RFC 7239 section 4"),
        Row(.other, "x-forwarded-for", [.notInTrailer], "RFC 7239 section 7.4"),
        Row(.other, "x-forwarded-host", [.notInTrailer], "RFC 7239 section 7.4"),
        Row(.other, "x-forwarded-proto", [.notInTrailer], "RFC 7239 section 7.4"),
        Row(.other, "proxy-status", [.notInTrailer], "RFC 9209 section 2"),
    ]

    private static let oneHop: FieldTraits = [.hopByHop, .dropInResponse, .notInTrailer, .notConfigurable]

    public static let hopByHop = FieldNames(having: .hopByHop)
    static let unremovable = FieldNames(having: .unremovable)
    static let notInTrailer = FieldNames(having: .notInTrailer)

    /// The row of a known name; nil for `other`.
    public static func row(of id: FieldName) -> Row? {
        id == .other ? nil : rows.first { $0.id == id }
    }

    /// The identifier of a name; `other` for names without a row of their own.
    public static func id(of name: some StringProtocol) -> FieldName {
        let lowercase = name.lowercased()
        return rows.first { "\($0.spelling)" == lowercase }?.id ?? .other
    }

    /// The row that some servers read a field name as, ignoring case and unusual octets (see `FoldedName`).
    public static func row(imitatedBy name: some Collection<UInt8>) -> Row? {
        let folded = FoldedName(name)
        return rows.first { unsafe folded.octets.elementsEqual(FoldedName.octets(of: $0.spelling)) }
    }
}

/// A field name as CGI-style servers see it, which pass fields as environment variables (RFC 3875 section 4.1.18): case
/// is ignored, every octet other than letters and digits becomes a hyphen, and trailing ones are dropped.
/// `Authorization_` and `Content_Length` are different names on the wire, but the same names there.
public struct FoldedName: Equatable, Sendable {
    public let octets: [UInt8]

    public init(_ name: some Collection<UInt8>) {
        var octets = name.map(Self.fold)
        while octets.last == 0x2D { octets.removeLast() }
        self.octets = octets
    }

    @inline(__always)
    static func fold(_ byte: UInt8) -> UInt8 {
        keeps(byte) ? Octet.lowercase(byte) : Octet.hyphen
    }

    /// Whether folding keeps an octet, but for its case: a letter, a digit or a hyphen.
    @inline(__always)
    static func keeps(_ byte: UInt8) -> Bool {
        Octet.lowercase(byte) &- 0x61 < 26 || Octet.isDigit(byte) || byte == Octet.hyphen
    }

    static func octets(of text: StaticString) -> UnsafeBufferPointer<UInt8> {
        unsafe UnsafeBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount)
    }
}

extension Span where Element == UInt8 {
    /// Whether the name at `range` folds to `folded`. Allocates nothing.
    public func folds(_ range: ByteRange, to folded: some Collection<UInt8>) -> Bool {
        var end = Int(range.upperBound)
        let start = Int(range.lowerBound)
        while end > start, FoldedName.fold(self[end &- 1]) == 0x2D { end &-= 1 }
        guard end &- start == folded.count else { return false }
        var offset = start
        for byte in folded {
            guard FoldedName.fold(self[offset]) == byte else { return false }
            offset &+= 1
        }
        return true
    }

    /// Whether the name at `range` folds to the name of one of `rows`.
    public func folds(_ range: ByteRange, toAnyOf rows: [FieldTable.Row]) -> Bool {
        for row in rows where unsafe folds(range, to: FoldedName.octets(of: row.spelling)) { return true }
        return false
    }
}

/// Decides which trailer fields are forwarded: none that affects how the message is processed (RFC 9110 section 6.5.1),
/// and none of `names`, in any spelling.
public struct TrailerFilter: Sendable {
    private static let rows = FieldTable.rows.filter { $0.traits.contains(.notInTrailer) }
    private let names: [FoldedName]

    /// Also drops `names`.
    public init(dropping names: [FoldedName] = []) {
        self.names = names
    }

    func passes(_ name: ByteRange, _ id: FieldName, _ bytes: Span<UInt8>) -> Bool {
        guard !FieldTable.notInTrailer.contains(id), !bytes.folds(name, toAnyOf: Self.rows) else { return false }
        for dropped in names where bytes.folds(name, to: dropped.octets) { return false }
        return true
    }
}
