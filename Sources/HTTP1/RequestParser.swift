/// Parses request heads (RFC 9112 section 3). One parser for each connection.
///
/// Pass all unconsumed bytes each time. The verdict does not depend on how they were split: a prefix is refused only if
/// no further byte can make it valid, and bytes beyond the limit are not read.
public struct RequestParser: Sendable {
    public var limits: HeadLimits
    private var schedule = ParseSchedule()

    public init(limits: HeadLimits) {
        self.limits = limits
    }

    /// Parses the head at the start of `bytes` into `head`, reusing its storage.
    public mutating func parse(_ bytes: Span<UInt8>, into head: inout RequestHead) -> ParseProgress {
        guard schedule.isDue(bytes, limit: limits.head) else { return .incomplete }
        head.fields.removeAll(keepingCapacity: true)
        let visible = bytes.extracting(first: limits.head)
        let result = Self.parse(visible, limits: limits, into: &head)
        guard case .incomplete = result else {
            schedule = ParseSchedule()
            return result
        }
        guard bytes.count > limits.head else { return .incomplete }
        return .failed(visible.contains(Octet.lineFeed) ? .headTooLarge : .targetTooLong)
    }

    /// Whether the bytes are an empty line, or the beginning of one: after a request it does not begin another (RFC 9112
    /// section 2.2).
    public static func isEmptyLine(_ bytes: Span<UInt8>) -> Bool {
        switch bytes.count {
        case 1: bytes[0] == Octet.carriageReturn || bytes[0] == Octet.lineFeed
        case 2: bytes[0] == Octet.carriageReturn && bytes[1] == Octet.lineFeed
        default: false
        }
    }

    /// How many empty lines before a request are skipped: careless clients send one after a body (RFC 9112 section
    /// 2.2).
    private static let maxEmptyLines = 8

    private static func parse(
        _ bytes: Span<UInt8>,
        limits: HeadLimits,
        into head: inout RequestHead
    ) -> ParseProgress {
        let count = bytes.count
        var offset = 0
        while offset &+ 1 < count, bytes[offset] == Octet.carriageReturn, bytes[offset &+ 1] == Octet.lineFeed {
            offset &+= 2
            guard offset <= 2 * maxEmptyLines else { return .failed(.malformed("this is not an HTTP request")) }
        }
        let methodStart = offset
        offset = bytes.endOfToken(from: offset)
        guard offset < count else { return .incomplete }
        guard bytes[offset] == Octet.space, offset > methodStart else {
            if offset == methodStart, bytes[offset] == Octet.carriageReturn, offset &+ 1 == count { return .incomplete }
            // A handshake record (RFC 8446 section 5.1).
            return .failed(bytes[methodStart] == 0x16 ? .speaksTLS : .malformed("this is not an HTTP request"))
        }
        head.methodRange = ByteRange(methodStart, offset)
        head.method = MethodName.of(bytes, head.methodRange)
        offset &+= 1

        let targetStart = offset
        offset = bytes.endOfTarget(from: offset)
        guard offset &- targetStart <= limits.target else { return .failed(.targetTooLong) }
        guard offset < count else { return .incomplete }
        guard bytes[offset] == Octet.space, offset > targetStart else {
            return .failed(
                .malformed("the request target is empty or holds a character that is not allowed: percent-encode it")
            )
        }
        head.target = ByteRange(targetStart, offset)
        if let error = readTarget(bytes, into: &head) { return .failed(error) }
        offset &+= 1

        // HTTP-version and the end of the line (RFC 9112 section 2.3), as far as they have arrived.
        if bytes.holds("HTTP/1.1\r\n", at: offset) {
            head.minorVersion = 1
            offset &+= 10
            return readFields(bytes, from: offset, limits: limits, into: &head)
        }
        for index in 0..<min(10, count &- offset) {
            let byte = bytes[offset &+ index]
            let isRight =
                switch index {
                case 5, 7: Octet.isDigit(byte)
                default: unsafe byte == versionLine.utf8Start[index]
                }
            guard isRight else {
                return .failed(.malformed("the HTTP version is not valid, or the request line does not end in CR LF"))
            }
        }
        guard offset &+ 10 <= count else { return .incomplete }
        guard bytes[offset &+ 5] == 0x31, bytes[offset &+ 7] <= 0x31 else { return .failed(.unsupportedVersion) }
        head.minorVersion = Int(bytes[offset &+ 7] &- 0x30)
        return readFields(bytes, from: offset &+ 10, limits: limits, into: &head)
    }

    @inline(__always)
    private static func readFields(
        _ bytes: Span<UInt8>,
        from offset: Int,
        limits: HeadLimits,
        into head: inout RequestHead
    ) -> ParseProgress {
        switch FieldSection.read(bytes, from: offset, limit: limits.fields, into: &head.fields) {
        case .incomplete: return .incomplete
        case .failed(let error): return .failed(error)
        case .complete(let end):
            if let error = finish(bytes, &head) { return .failed(error) }
            return .complete(end)
        }
    }

    /// Splits the target (RFC 9112 section 3.2).
    private static func readTarget(_ bytes: Span<UInt8>, into head: inout RequestHead) -> HTTP1Error? {
        let start = Int(head.target.lowerBound)
        let end = Int(head.target.upperBound)
        head.authority = .empty
        var pathStart = start
        if bytes[start] == 0x2F {
            head.form = .origin
        } else if end &- start == 1, bytes[start] == 0x2A {
            guard head.method == .options else {
                // The connection preface (RFC 9113 section 3.4), whose method has no other use.
                return isPreface(bytes, head.methodRange)
                    ? .speaksHTTP2 : .malformed("the target * is for OPTIONS only")
            }
            head.form = .asterisk
            head.pathAndQuery = head.target
            head.path = head.target
            return nil
        } else if head.method == .connect {
            // The method causes a refusal anyway.
            head.form = .absolute
            head.authority = head.target
            head.pathAndQuery = .empty
            head.path = .empty
            return nil
        } else {
            var authorityStart = start
            if end &- start > 7, bytes.matches(ByteRange(start, start &+ 7), "http://") {
                authorityStart = start &+ 7
            } else if end &- start > 8, bytes.matches(ByteRange(start, start &+ 8), "https://") {
                authorityStart = start &+ 8
            } else {
                return .malformed("the request target is neither a path nor an http URL")
            }
            head.form = .absolute
            pathStart = authorityStart
            while pathStart < end, bytes[pathStart] != 0x2F, bytes[pathStart] != 0x3F { pathStart &+= 1 }
            guard pathStart > authorityStart else { return .malformed("the request target names no host") }
            head.authority = ByteRange(authorityStart, pathStart)
        }
        head.pathAndQuery = ByteRange(pathStart, end)
        head.path = ByteRange(pathStart, bytes.first(0x3F, in: pathStart..<end))
        return nil
    }

    private static func isPreface(_ bytes: Span<UInt8>, _ method: ByteRange) -> Bool {
        let start = Int(method.lowerBound)
        return method.count == 3 && bytes[start] == UInt8(ascii: "P") && bytes[start + 1] == UInt8(ascii: "R")
            && bytes[start + 2] == UInt8(ascii: "I")
    }

    /// With digits where the dashes are.
    private static let versionLine: StaticString = "HTTP/-.-\r\n"

    /// Checks that need the whole head: framing (RFC 9112 section 6.3), Host (section 3.2), Expect, Max-Forwards.
    private static func finish(_ bytes: Span<UInt8>, _ head: inout RequestHead) -> HTTP1Error? {
        var framing = FramingFields()
        if let error = framing.read(bytes, &head.fields, mayRepeatLength: false) { return error }
        head.names = framing.names
        head.host = nil
        head.expectsContinue = false
        head.maxForwards = nil
        for field in head.fields {
            switch field.id {
            case .host:
                // More than one Host, or an invalid one: 400 (RFC 9112 section 3.2).
                guard head.host == nil else { return .malformed("Host is given twice") }
                guard Authority.isValid(bytes, field.value) else { return .malformed("Host is not valid") }
                head.host = field.value
            case .expect:
                guard bytes.matches(field.value, "100-continue") else { return .unknownExpectation }
                // An HTTP/1.0 client cannot understand the 100 response (RFC 9110 section 10.1.1).
                head.expectsContinue = head.minorVersion > 0
            case .maxForwards where head.method == .options:
                // Other methods ignore the field (RFC 9110 section 7.6.2).
                guard let hops = FramingFields.number(bytes, field.value), head.maxForwards == nil else {
                    return .malformed("Max-Forwards is not a number")
                }
                head.maxForwards = hops
            default:
                continue
            }
        }
        if head.minorVersion > 0, head.host == nil { return .malformed("Host is missing") }
        if framing.hasTransferEncoding {
            guard framing.contentLength == nil else {
                return .malformed("both Content-Length and Transfer-Encoding are given")
            }
            guard head.minorVersion > 0 else { return .malformed("HTTP/1.0 has no Transfer-Encoding") }
            head.framing = .chunked
        } else if let length = framing.contentLength {
            guard length <= HeadLimits.maxBody else { return .bodyTooLarge }
            head.framing = .length(length)
        } else {
            head.framing = .none
        }
        head.upgradesToWebSocket =
            framing.upgrades && isWebSocket(bytes, head.fields) && head.minorVersion > 0 && head.method == .get
            && head.framing == .none
        // Intermediaries must not keep connections of HTTP/1.0 clients open (RFC 9112 section 9.3).
        head.keepsAlive = head.minorVersion > 0 && !framing.closes
        return nil
    }
}

/// Whether there is exactly one Upgrade field, and its value is `websocket`.
func isWebSocket(_ bytes: Span<UInt8>, _ fields: [FieldLine]) -> Bool {
    var count = 0
    for field in fields where field.id == .upgrade {
        count += 1
        guard bytes.matches(field.value, "websocket") else { return false }
    }
    return count == 1
}

/// Decides when a head that arrives in pieces is worth parsing again: while it is tiny, so that bytes of another
/// protocol are refused at once; later when a line has ended or the bytes have doubled. Dripped bytes cost no more than
/// one pass for each line.
struct ParseSchedule: Sendable {
    private var seen = 0
    private var parsed = 0

    private static let tiny = 64

    mutating func isDue(_ bytes: Span<UInt8>, limit: Int) -> Bool {
        let isDue =
            bytes.count <= Self.tiny || bytes.count > limit || bytes.count >= 2 * parsed
            || bytes.extracting(min(seen, bytes.count)...).contains(Octet.lineFeed)
        seen = bytes.count
        if isDue { parsed = bytes.count }
        return isDue
    }
}
