/// A response's head, as offsets into the buffer that it was parsed from. Valid until that buffer changes.
public struct ResponseHead: Sendable {
    public var status = 0
    public var reason = ByteRange.empty
    public var minorVersion = 1
    public var fields: [FieldLine] = []
    /// The known names that occur.
    public var names = FieldNames()
    public var framing = MessageFraming.none
    /// Whether the connection can carry another exchange.
    public var keepsAlive = true
    /// 101 with `websocket`: no HTTP follows on the connection.
    public var switchesToWebSocket = false
    public var contentLength: UInt64?

    public init() {
        fields.reserveCapacity(32)
    }

    public var isInterim: Bool { status < 200 }

    /// The first field with that name.
    public func first(_ id: FieldName) -> FieldLine? {
        names.contains(id) ? fields.first { $0.id == id } : nil
    }
}

/// Parses response heads (RFC 9112 section 4). One parser for each connection.
public struct ResponseParser: Sendable {
    public var limits: HeadLimits
    private var schedule = ParseSchedule()

    public init(limits: HeadLimits) {
        self.limits = limits
    }

    /// Parses the head at the start of `bytes`. `method` is the request's, which determines whether there is a body.
    public mutating func parse(
        _ bytes: Span<UInt8>,
        answering method: MethodName,
        into head: inout ResponseHead
    ) -> ParseProgress {
        guard schedule.isDue(bytes, limit: limits.head) else { return .incomplete }
        head.fields.removeAll(keepingCapacity: true)
        let result = Self.parse(bytes.extracting(first: limits.head), limits: limits, method: method, into: &head)
        guard case .incomplete = result else {
            schedule = ParseSchedule()
            return result
        }
        return bytes.count > limits.head ? .failed(.headTooLarge) : .incomplete
    }

    private static func parse(
        _ bytes: Span<UInt8>,
        limits: HeadLimits,
        method: MethodName,
        into head: inout ResponseHead
    ) -> ParseProgress {
        let count = bytes.count
        let expected: StaticString = "HTTP/1."
        for offset in 0..<min(7, count) where unsafe bytes[offset] != expected.utf8Start[offset] {
            // A TLS alert (RFC 8446, section 5.1) is how a TLS port answers plain HTTP.
            return .failed(bytes[0] == 0x15 ? .answersTLS : .malformed("the upstream does not answer in HTTP/1.1"))
        }
        guard count >= 13 else { return .incomplete }
        guard bytes[7] == 0x30 || bytes[7] == 0x31, bytes[8] == Octet.space, Octet.isDigit(bytes[9]),
            Octet.isDigit(bytes[10]), Octet.isDigit(bytes[11]), bytes[9] != 0x30,
            bytes[12] == Octet.space || bytes[12] == Octet.carriageReturn
        else { return .failed(.malformed("the upstream's status line is not valid")) }
        head.minorVersion = Int(bytes[7] &- 0x30)
        head.status = Int(bytes[9] &- 0x30) * 100 + Int(bytes[10] &- 0x30) * 10 + Int(bytes[11] &- 0x30)
        var offset = bytes[12] == Octet.space ? 13 : 12
        let reasonStart = offset
        offset = bytes.endOfFieldContent(from: offset)
        guard offset < count else { return .incomplete }
        guard bytes[offset] == Octet.carriageReturn else {
            return .failed(.malformed("the upstream's status line is not valid"))
        }
        guard offset &+ 1 < count else { return .incomplete }
        guard bytes[offset &+ 1] == Octet.lineFeed else {
            return .failed(.malformed("the upstream's status line is not valid"))
        }
        head.reason = ByteRange(reasonStart, offset)
        switch FieldSection.read(bytes, from: offset &+ 2, limit: limits.fields, into: &head.fields) {
        case .incomplete: return .incomplete
        case .failed(let error): return .failed(error)
        case .complete(let end):
            if let error = finish(bytes, method: method, &head) { return .failed(error) }
            return .complete(end)
        }
    }

    /// RFC 9112 section 6.3.
    private static func finish(_ bytes: Span<UInt8>, method: MethodName, _ head: inout ResponseHead) -> HTTP1Error? {
        var framing = FramingFields()
        if let error = framing.read(bytes, &head.fields, mayRepeatLength: true) { return error }
        head.names = framing.names
        head.contentLength = framing.contentLength
        head.switchesToWebSocket = head.status == 101 && framing.upgrades && isWebSocket(bytes, head.fields)
        head.keepsAlive = head.minorVersion > 0 ? !framing.closes : framing.keepsAlive && !framing.closes
        if framing.hasTransferEncoding, framing.contentLength != nil {
            return .malformed("the upstream sends both Content-Length and Transfer-Encoding")
        }
        if head.status < 200 || head.status == 204 || head.status == 304 || method == .head {
            head.framing = .none
            // A body where none is allowed: nothing that follows on the connection can be trusted (RFC 9112 section
            // 6.3).
            let announcesBody = framing.isChunked || framing.contentLength ?? 0 > 0
            if announcesBody, head.status == 204 || head.status < 200, head.status != 101 { head.keepsAlive = false }
        } else if framing.isChunked {
            guard head.minorVersion > 0 else { return .malformed("the upstream sends chunks in HTTP/1.0") }
            head.framing = .chunked
        } else if let length = framing.contentLength {
            head.framing = .length(length)
        } else {
            head.framing = .untilClose
            head.keepsAlive = false
        }
        return nil
    }
}
