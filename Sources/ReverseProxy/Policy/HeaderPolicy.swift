public import EventIO
public import HTTP1

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Makes fresh UUIDs and identifiers. Not for secrets: seeded once, then arithmetic only. Belongs to one loop.
public struct IdentifierGenerator {
    private var state: UInt64

    public init(seed: UInt64 = .random(in: .min ... .max)) {
        state = seed
    }

    /// SplitMix64.
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var value = state
        value = (value ^ (value >> 30)) &* 0xBF58_476D_1CE4_E5B9
        value = (value ^ (value >> 27)) &* 0x94D0_49BB_1331_11EB
        return value ^ (value >> 31)
    }

    /// A random UUID (RFC 9562 version 4), lower case.
    public mutating func appendUUID(to buffer: ByteBuffer) {
        let high = next() & 0xFFFF_FFFF_FFFF_0FFF | 0x4000
        let low = next() & 0x3FFF_FFFF_FFFF_FFFF | 0x8000_0000_0000_0000
        // Appended in one piece, which saves a third.
        withUnsafeTemporaryAllocation(byteCount: 36, alignment: 1) { text in
            var place = 0
            for index in 0..<16 {
                if index == 4 || index == 6 || index == 8 || index == 10 {
                    text[place] = 0x2D
                    place &+= 1
                }
                let byte = UInt8(truncatingIfNeeded: (index < 8 ? high : low) >> UInt64(56 &- index % 8 &* 8))
                text[place] = Self.digit(byte >> 4)
                text[place &+ 1] = Self.digit(byte & 15)
                place &+= 2
            }
            buffer.append(UnsafeRawBufferPointer(text))
        }
    }

    /// The same as text.
    public mutating func uuid() -> String {
        let buffer = ByteBuffer(capacity: 36)
        appendUUID(to: buffer)
        return String(decoding: buffer.readable, as: UTF8.self)
    }

    private static func digit(_ value: UInt8) -> UInt8 { value < 10 ? 0x30 + value : 0x57 + value }
}

/// Decides, field by field, what is sent upstream and what the client gets.
///
/// The order is the safety rule: fields for one hop go first, then those a client may not set, then the configured ones, the
/// credential last.
public final class HeaderPolicy: Sendable {
    private struct Rule: Sendable {
        var lowercaseName: [UInt8]
        /// The whole line around each `{uuid}`, its end included.
        var parts: [[UInt8]]
        var overwrite: Bool
    }

    private let rules: [Rule]
    /// One bit for each length of a configured name (modulo 64): most fields need no further comparison.
    private let lengths: UInt64
    /// All rules rendered, when no value changes from request to request and the client sent none of the names.
    private let staticBlock: [UInt8]?
    private let hostLine: [UInt8]
    private let authorization: AuthorizationRule

    /// How many rules there may be: one bit each.
    public static let maxRules = 64

    public init(_ configuration: ProxyConfiguration) {
        rules = configuration.headers.prefix(Self.maxRules).map { rule in
            Rule(
                lowercaseName: Array(rule.name.lowercased().utf8),
                parts: Self.split("\(rule.name): \(rule.value)\r\n"),
                overwrite: rule.overwrite
            )
        }
        lengths = rules.reduce(0) { $0 | 1 << UInt64($1.lowercaseName.count & 63) }
        hostLine = Array("Host: \(configuration.upstream.host)\r\n".utf8)
        authorization = configuration.authorization
        staticBlock = rules.allSatisfy { $0.parts.count == 1 } ? rules.flatMap { $0.parts[0] } : nil
    }

    private static func split(_ value: String) -> [[UInt8]] {
        let mark = Array("{uuid}".utf8)
        var parts: [[UInt8]] = [[]]
        var rest = Array(value.utf8)[...]
        while !rest.isEmpty {
            if rest.starts(with: mark) {
                parts.append([])
                rest = rest.dropFirst(mark.count)
            } else {
                parts[parts.count - 1].append(rest.removeFirst())
            }
        }
        return parts
    }

    /// What became of a request's head.
    public struct Rendered {
        /// The client's own Authorization went along (`authorization: fill`, or a path without bearer).
        public var hasAuthorization = false
        /// Squire's name is in `Via`: the request has been here before.
        public var isLoop = false
    }

    public static let pseudonym: StaticString = "squire"

    /// Appends the head for the upstream up to where the credential goes; `finish` ends it.
    ///
    /// `bytes` are what `head` was parsed from. `keepsExpectation` sends the client's `Expect` along.
    public func render(
        _ head: RequestHead,
        _ bytes: UnsafeRawBufferPointer,
        route: RouteKind,
        keepsExpectation: Bool,
        identifiers: inout IdentifierGenerator,
        into output: ByteBuffer
    ) -> Rendered {
        var result = Rendered()
        let span = bytes.assumingMemoryBound(to: UInt8.self).span
        append(bytes, head.methodRange.range, to: output)
        output.append(0x20)
        if head.pathAndQuery.isEmpty {
            // OPTIONS of a URL without a path asks about the server as a whole (RFC 9112 section 3.2.4).
            output.append(head.method == .options ? 0x2A : 0x2F)
        } else if bytes[Int(head.pathAndQuery.lowerBound)] == 0x3F {
            output.append(0x2F)
        }
        append(bytes, head.pathAndQuery.range, to: output)
        output.append(" HTTP/1.1\r\n")
        output.append(hostLine)

        let keepsAuthorization: Bool
        switch route {
        case .signIn, .anonymous: keepsAuthorization = true
        case .ordinary, .signOut, .refresh: keepsAuthorization = authorization == .fill
        }
        var present: UInt64 = 0
        // Kept fields that follow each other are copied in one piece.
        var pieceStart = -1
        var pieceEnd = -1
        for index in head.fields.indices {
            let field = head.fields[index]
            var isKept = false
            switch field.id {
            case .other:
                isKept = !field.isNominated && !isAlias(span, field.name)
            case .origin, .contentType, .accessControlRequestMethod, .accessControlRequestHeaders, .contentEncoding,
                .date, .location, .contentLocation, .retryAfter,
                .secFetchSite, .wwwAuthenticate:
                isKept = !field.isNominated
            case .via:
                isKept = !field.isNominated
                if mentionsSquire(span, field.value) { result.isLoop = true }
            case .authorization:
                isKept = keepsAuthorization && !result.hasAuthorization && !field.value.isEmpty
                if isKept { result.hasAuthorization = true }
            case .maxForwards:
                isKept = !field.isNominated && head.maxForwards == nil
            case .acceptEncoding:
                // A compressed answer could not be searched for the token.
                isKept = route != .signIn && !field.isNominated
            case .expect, .host, .contentLength, .squireKey, .connection, .transferEncoding, .te, .trailer, .upgrade,
                .keepAlive, .proxyConnection, .http2Settings, .proxyAuthorization, .proxyAuthenticate,
                .proxyAuthenticationInfo:
                isKept = false
            }
            if isKept, lengths >> UInt64(field.name.count & 63) & 1 == 1,
                let rule = rules.firstIndex(where: { span.matches(field.name, $0.lowercaseName) })
            {
                if rules[rule].overwrite { isKept = false } else { present |= 1 << UInt64(rule) }
            }
            if isKept {
                if pieceStart < 0 { pieceStart = Int(field.name.lowerBound) }
                pieceEnd = Int(field.value.upperBound)
            } else if pieceStart >= 0 {
                append(bytes, pieceStart..<pieceEnd, to: output)
                output.append("\r\n")
                pieceStart = -1
            }
        }
        if pieceStart >= 0 {
            append(bytes, pieceStart..<pieceEnd, to: output)
            output.append("\r\n")
        }
        switch head.framing {
        case .none, .untilClose: break
        case .length(let length):
            output.append("Content-Length: ")
            output.append(decimal: length)
            output.append("\r\n")
        case .chunked: output.append("Transfer-Encoding: chunked\r\n")
        }
        if head.upgradesToWebSocket { output.append("Connection: Upgrade\r\nUpgrade: websocket\r\n") }
        if let hops = head.maxForwards, hops > 0 {
            output.append("Max-Forwards: ")
            output.append(decimal: hops - 1)
            output.append("\r\n")
        }
        if route == .signIn { output.append("Accept-Encoding: identity\r\n") }
        if keepsExpectation { output.append("Expect: 100-continue\r\n") }
        output.append(head.minorVersion > 0 ? "Via: 1.1 squire\r\n" : "Via: 1.0 squire\r\n")
        appendRules(present, identifiers: &identifiers, to: output)
        return result
    }

    private func appendRules(_ present: UInt64, identifiers: inout IdentifierGenerator, to output: ByteBuffer) {
        if present == 0, let staticBlock { return output.append(staticBlock) }
        for (index, rule) in rules.enumerated() where present >> UInt64(index) & 1 == 0 {
            output.append(rule.parts[0])
            for part in rule.parts.dropFirst() {
                identifiers.appendUUID(to: output)
                output.append(part)
            }
        }
    }

    /// Whether an element of a `Via` field says that this very program forwarded the message.
    private func mentionsSquire(_ bytes: Span<UInt8>, _ range: ByteRange) -> Bool {
        var found = false
        bytes.listElements(range) { element in
            // protocol, blank, received-by, perhaps a comment
            var start = Int(element.lowerBound)
            let end = Int(element.upperBound)
            while start < end, !Octet.isBlank(bytes[start]) { start += 1 }
            while start < end, Octet.isBlank(bytes[start]) { start += 1 }
            var stop = start
            while stop < end, !Octet.isBlank(bytes[stop]) { stop += 1 }
            if bytes.matches(ByteRange(start, stop), Self.pseudonym) { found = true }
        }
        return found
    }

    /// Whether a server that hands fields on as environment variables (RFC 3875 section 4.1.18) would take the name for one that decides
    /// about the credential or the framing: `Authorization_`, `Content_Length`.
    private func isAlias(_ bytes: Span<UInt8>, _ name: ByteRange) -> Bool {
        // Hardly any name has an underscore, and every name is looked at.
        let hasUnderscore = bytes.withUnsafeBufferPointer {
            memchr($0.baseAddress! + Int(name.lowerBound), 0x5F, name.count) != nil
        }
        guard hasUnderscore else { return false }
        var hyphenated = name.range.map { bytes[$0] == 0x5F ? 0x2D : Octet.lowercase(bytes[$0]) }
        while hyphenated.last == 0x2D { hyphenated.removeLast() }
        return Self.aliased.contains(hyphenated)
    }

    private static let aliased = Set(
        ["authorization", "content-length", "host", "proxy-authorization", "transfer-encoding", "x-squire-key"]
            .map { Array($0.utf8) }
    )

    @inline(__always)
    private func append(_ bytes: UnsafeRawBufferPointer, _ range: Range<Int>, to output: ByteBuffer) {
        output.append(UnsafeRawBufferPointer(rebasing: bytes[range]))
    }
}
