import EventIO
import HTTP1
import ReverseProxy

/// A response head gets one verdict however it is split, and the client gets a head with the same status, nothing for
/// another hop, and exactly the framing it was given.
enum ResponseHeadInvariants {
    nonisolated(unsafe) private static let output = ByteBuffer(capacity: 8192)
    private static let limits = HeadLimits(head: 512, fields: 8)
    /// With and without a base path.
    private static let policies = ["", "/v1"].map { basePath in
        let authority = Authority(host: "up.example", port: nil)
        var configuration = ProxyConfiguration(upstream: Origin(isSecure: true, authority: authority))
        configuration.basePath = basePath
        return ResponsePolicy(configuration)
    }

    private static let framings = [MessageFraming.none, .length(5), .chunked]

    static func check(_ bytes: [UInt8]) throws {
        let hash = hash(bytes)
        let method = hash >> 60 < 4 ? MethodName.head : .get
        var parser = ResponseParser(limits: limits)
        var head = ResponseHead()
        let whole = parser.parse(bytes.span, answering: method, into: &head)
        try checkSplit(bytes, method, whole, head)
        guard case .complete = whole else { return }
        try checkRendered(bytes, head, framings[Int(hash % 3)], policies[0])
        try checkRendered(bytes, head, framings[Int(hash % 3)], policies[1])
    }

    private static func checkSplit(
        _ bytes: [UInt8],
        _ method: MethodName,
        _ whole: ParseProgress,
        _ head: ResponseHead
    ) throws {
        var parser = ResponseParser(limits: limits)
        var other = ResponseHead()
        var progress = ParseProgress.incomplete
        for end in Cuts(bytes) {
            progress = parser.parse(bytes.span.extracting(first: end), answering: method, into: &other)
            if progress != .incomplete { break }
        }
        if case .failed = whole, progress == .incomplete {
            let more = bytes + [13, 10, 13, 10]
            progress = parser.parse(more.span, answering: method, into: &other)
        }
        try require(progress == whole, "split: \(progress), whole: \(whole)")
        guard case .complete = whole else { return }
        try require(
            other.framing == head.framing && other.status == head.status && other.keepsAlive == head.keepsAlive,
            "split, the head means something else"
        )
    }

    private static func checkRendered(
        _ bytes: [UInt8],
        _ head: ResponseHead,
        _ framing: MessageFraming,
        _ policy: ResponsePolicy
    ) throws {
        // Without a body there is no framing to say.
        guard framing == .none || head.status >= 200 && head.status != 204 else { return }
        output.clear()
        var edits = ResponsePolicy.Edits(framing: framing, closes: true)
        edits.ownOrigin = Array("http://localhost:8080".utf8)
        edits.cookies = .local
        bytes.withUnsafeBytes { policy.render(head, $0, edits, into: output) }
        let span = output.octets.span
        var parser = ResponseParser(limits: HeadLimits())
        var relayed = ResponseHead()
        let progress = parser.parse(span, answering: .get, into: &relayed)
        try require(progress == .complete(span.count), "what is relayed is no head: \(progress)")
        try require(
            relayed.status == head.status && relayed.keepsAlive == head.switchesToWebSocket,
            "the status or the connection changed"
        )
        let isBodyless = head.status < 200 || head.status == 204 || head.status == 304
        try require(
            isBodyless || relayed.framing == (framing == .none ? .untilClose : framing),
            "the framing is \(relayed.framing)"
        )
        var framings = 0
        for field in relayed.fields {
            switch field.id {
            case .contentLength, .transferEncoding: framings += 1
            case .connection: break
            case .upgrade: try require(head.switchesToWebSocket, "an upgrade was relayed")
            default: try require(!field.isHopByHop, "a field for one hop was relayed")
            }
            try require(field.id != .authorization, "Authorization was relayed")
            if field.id == .location {
                try checkLocation(output.readable[field.value.range], bytes, head)
            }
        }
        let cookies = head.fields.count { $0.id == .setCookie && !$0.isNominated }
        try require(relayed.fields.count { $0.id == .setCookie } == cookies, "a cookie was lost")
        try require(framings == (framing == .none ? 0 : 1), "\(framings) framing fields")
    }

    /// Taking a base path off never makes a path the name of another host.
    private static func checkLocation(
        _ value: Slice<UnsafeRawBufferPointer>,
        _ bytes: [UInt8],
        _ head: ResponseHead
    ) throws {
        guard value.starts(with: "//".utf8) || value.starts(with: "/\\".utf8) else { return }
        let isTheUpstreams = head.fields.contains { field in
            field.id == .location && bytes[field.value.range].elementsEqual(value)
        }
        try require(isTheUpstreams, "a location names another host than the upstream's did")
    }
}
