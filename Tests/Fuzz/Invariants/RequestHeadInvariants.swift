import EventIO
import HTTP1
import ReverseProxy

/// A request head gets one verdict however it is split, and what is forwarded for it says exactly the same with one
/// framing field, one Host and one Authorization.
enum RequestHeadInvariants {
    static let limits = HeadLimits(head: 512, fields: 8, target: 128)
    nonisolated(unsafe) private static var identifiers = IdentifierGenerator(seed: 1)
    nonisolated(unsafe) private static let output = ByteBuffer(capacity: 8192)

    private static let policy: HeaderPolicy = {
        let upstream = Origin(isSecure: true, authority: Authority(host: "up.example", port: nil))
        var configuration = ProxyConfiguration(upstream: upstream)
        configuration.headers = [
            HeaderRule(name: "Application", value: "app"),
            HeaderRule(name: "X-Trace", value: "{uuid}", overwrite: true),
        ]
        return HeaderPolicy(configuration)
    }()

    private static let routes = [RouteKind.ordinary, .anonymous, .signIn]

    static func check(_ bytes: [UInt8]) throws {
        var parser = RequestParser(limits: limits)
        var head = RequestHead()
        let whole = parser.parse(bytes.span, into: &head)
        try checkSplit(bytes, whole, head)
        guard case .complete(let length) = whole else { return }
        try require(length <= limits.head, "a head beyond the limit was accepted")
        try require(head.fields.count <= limits.fields, "fields beyond the limit were accepted")
        try checkForwarded(bytes, head, routes[Int(hash(bytes) % 3)])
    }

    private static func checkSplit(_ bytes: [UInt8], _ whole: ParseProgress, _ head: RequestHead) throws {
        var parser = RequestParser(limits: limits)
        var other = RequestHead()
        var progress = ParseProgress.incomplete
        for end in Cuts(bytes) {
            progress = parser.parse(bytes.span.extracting(first: end), into: &other)
            if progress != .incomplete { break }
        }
        if case .failed = whole, progress == .incomplete {
            // Seen at the latest when the line ends.
            let more = bytes + [13, 10, 13, 10]
            progress = parser.parse(more.span, into: &other)
        }
        try require(progress == whole, "split: \(progress), whole: \(whole)")
        guard case .complete = whole else { return }
        try require(
            other.framing == head.framing && other.target == head.target && other.path == head.path
                && other.host == head.host && other.keepsAlive == head.keepsAlive && other.method == head.method
                && other.fields.count == head.fields.count,
            "split, the head means something else"
        )
    }

    private static func checkForwarded(_ bytes: [UInt8], _ head: RequestHead, _ route: RouteKind) throws {
        guard head.method != .connect else { return }
        output.clear()
        let rendered = bytes.withUnsafeBytes {
            policy.render(
                head,
                $0,
                route: route,
                keepsExpectation: head.expectsContinue,
                identifiers: &identifiers,
                into: output
            )
        }
        if !rendered.hasCredential { output.append("Authorization: Bearer T\r\n") }
        output.append("\r\n")
        let span = output.octets.span
        var parser = RequestParser(limits: HeadLimits())
        var forwarded = RequestHead()
        let progress = parser.parse(span, into: &forwarded)
        try require(progress == .complete(span.count), "what is forwarded is no head: \(progress)")
        try require(forwarded.minorVersion == 1 && forwarded.keepsAlive, "the version or the connection changed")
        let original = bytes.span
        try require(span.equals(forwarded.methodRange, original, head.methodRange), "the method changed")
        try require(forwarded.framing == head.framing || head.framing == .untilClose, "the framing changed")
        try require(forwarded.expectsContinue == head.expectsContinue, "the expectation changed")
        var target = forwarded.target
        // A URL without a path means "/", of OPTIONS "*".
        if head.pathAndQuery.isEmpty || bytes[head.pathAndQuery.range.lowerBound] == 0x3F {
            let path: UInt8 = head.pathAndQuery.isEmpty && head.method == .options ? 0x2A : 0x2F
            try require(span[Int(target.lowerBound)] == path, "the target has no path")
            target.lowerBound += 1
        }
        try require(span.equals(target, original, head.pathAndQuery), "the target changed")
        try require(forwarded.form != .absolute, "the target names a host")
        func count(_ id: FieldName) -> Int { forwarded.fields.count { $0.id == id } }
        try require(
            count(.host) == 1 && span.matches(forwarded.host ?? .empty, "up.example"),
            "Host is not the upstream's"
        )
        try require(count(.authorization) == 1, "Authorization is there \(count(.authorization)) times")
        try require(count(.contentLength) + count(.transferEncoding) <= 1, "two framing fields")
        let hops = count(.connection) + count(.upgrade)
        try require(hops == (head.upgradesToWebSocket ? 2 : 0), "an upgrade came or went")
        try require(forwarded.upgradesToWebSocket == head.upgradesToWebSocket, "the upgrade changed")
        for field in forwarded.fields where field.isHopByHop {
            switch field.id {
            case .transferEncoding, .connection, .upgrade: continue
            default: throw Violation("a field for one hop was forwarded")
            }
        }
        try require(count(.squireKey) == 0, "the access key was forwarded")
        try checkOrder(bytes, head, span, forwarded)
    }

    /// What nobody decides on arrives in its order, byte for byte.
    private static func checkOrder(
        _ bytes: [UInt8],
        _ head: RequestHead,
        _ span: Span<UInt8>,
        _ forwarded: RequestHead
    ) throws {
        var next = 0
        for field in head.fields where field.id == .other && !field.isNominated {
            let original = bytes.span
            if field.hasOddName || original.matches(field.name, "application")
                || original.matches(field.name, "x-trace")
            {
                continue
            }
            while next < forwarded.fields.count {
                let candidate = forwarded.fields[next]
                next += 1
                if span.equals(candidate.name, original, field.name),
                    span.equals(candidate.value, original, field.value)
                {
                    break
                }
                if next == forwarded.fields.count { throw Violation("a field was lost or changed") }
            }
        }
    }
}
