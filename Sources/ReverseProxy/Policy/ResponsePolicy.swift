public import EventIO
public import HTTP1

/// Renders the head of an answer for the client.
public final class ResponsePolicy: Sendable {
    private let upstream: Origin
    private let pseudonym: Pseudonym
    private let dropped = FieldNames(having: .dropInResponse)

    public init(upstream: Origin, pseudonym: Pseudonym = .ofThisProcess) {
        self.upstream = upstream
        self.pseudonym = pseudonym
    }

    /// What the client's side adds to the upstream's head.
    public struct Edits {
        /// How the body goes to the client.
        public var framing: MessageFraming
        public var closes: Bool
        /// The value of Date for an answer without one (RFC 9110 section 6.6.1); nil adds none.
        public var date: String?
        /// A page of this configured origin may read the answer.
        public var pageOrigin: [UInt8]?
        /// `http://host` as the client calls this proxy; nil leaves locations as they are.
        public var ownOrigin: [UInt8]?
        public var proxyStatus: String?
        public var retryAfter: Int?

        public init(
            framing: MessageFraming,
            closes: Bool,
            date: String? = nil,
            pageOrigin: [UInt8]? = nil,
            ownOrigin: [UInt8]? = nil
        ) {
            self.framing = framing
            self.closes = closes
            self.date = date
            self.pageOrigin = pageOrigin
            self.ownOrigin = ownOrigin
        }
    }

    /// `bytes` are what `head` was parsed from.
    public func render(
        _ head: ResponseHead,
        _ bytes: UnsafeRawBufferPointer,
        _ edits: Edits,
        into output: ByteBuffer
    ) {
        // "HTTP/1.1 200 reason": the rest of the upstream's own line.
        output.append("HTTP/1.1 ")
        output.append(decimal: head.status)
        output.append(0x20)
        output.append(UnsafeRawBufferPointer(rebasing: bytes[head.reason.range]))
        output.append("\r\n")
        appendFields(head, bytes, edits, to: output)
        output.append(edits.framing)
        if let date = edits.date { output.appendField("Date: ", date) }
        output.append(pseudonym.line(receivedAs: head.minorVersion))
        if let origin = edits.pageOrigin {
            PageAccess.append(origin: origin, to: output)
            appendExposed(head, bytes, to: output)
        }
        if let proxyStatus = edits.proxyStatus { output.appendField("Proxy-Status: ", proxyStatus) }
        if let retryAfter = edits.retryAfter { output.appendField("Retry-After: ", UInt64(max(0, retryAfter))) }
        if head.switchesToWebSocket {
            output.append("Connection: Upgrade\r\nUpgrade: websocket\r\n")
        } else if edits.closes {
            output.append("Connection: close\r\n")
        }
        output.append("\r\n")
    }

    /// The upstream's fields that go along.
    @inline(__always)
    private func appendFields(
        _ head: ResponseHead,
        _ bytes: UnsafeRawBufferPointer,
        _ edits: Edits,
        to output: ByteBuffer
    ) {
        var copier = FieldCopier(bytes)
        for field in head.fields {
            var isKept = !field.isNominated && !dropped.contains(field.id)
            switch field.id {
            case .location, .contentLocation:
                copier.endPiece(to: output)
                if isKept { appendLocation(field, bytes, edits.ownOrigin, to: output) }
                isKept = false
            case .retryAfter:
                if edits.retryAfter != nil { isKept = false }
            case .other:
                // Squire answers for the origins of its own configuration.
                if edits.pageOrigin != nil, isPageAccess(field, bytes) { isKept = false }
            default:
                break
            }
            if isKept { copier.keep(field) } else { copier.endPiece(to: output) }
        }
        copier.endPiece(to: output)
    }

    private func isPageAccess(_ field: FieldLine, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let prefix = ByteRange(Int(field.name.lowerBound), Int(field.name.lowerBound) + min(field.name.count, 15))
        return bytes.assumingMemoryBound(to: UInt8.self).span.matches(prefix, "access-control-")
    }

    /// `*` would mean nothing to a page that sends cookies (Fetch section 3.3.5), so each field is named.
    private func appendExposed(_ head: ResponseHead, _ bytes: UnsafeRawBufferPointer, to output: ByteBuffer) {
        output.append("Access-Control-Expose-Headers: Via, Proxy-Status")
        for field in head.fields
        where !field.isNominated && !dropped.contains(field.id) && !isPageAccess(field, bytes) {
            output.append(", ")
            output.append(UnsafeRawBufferPointer(rebasing: bytes[field.name.range]))
        }
        output.append("\r\n")
    }

    /// A location at the upstream's origin becomes one at this proxy, so that the client stays inside.
    private func appendLocation(
        _ field: FieldLine,
        _ bytes: UnsafeRawBufferPointer,
        _ ownOrigin: [UInt8]?,
        to output: ByteBuffer
    ) {
        output.append(UnsafeRawBufferPointer(rebasing: bytes[field.name.range]))
        output.append(": ")
        let value = bytes[field.value.range]
        if let ownOrigin, let length = lengthOfOrigin(value) {
            output.append(ownOrigin)
            output.append(UnsafeRawBufferPointer(rebasing: value.dropFirst(length)))
        } else {
            output.append(UnsafeRawBufferPointer(rebasing: value))
        }
        output.append("\r\n")
    }

    /// How many bytes at the start of a URL are the upstream's origin; nil when it points elsewhere.
    private func lengthOfOrigin(_ value: Slice<UnsafeRawBufferPointer>) -> Int? {
        let text = String(decoding: value, as: UTF8.self)
        let prefix = text.lowercased()
        // A location without a scheme keeps the request's, which upstream is the upstream's own.
        let scheme = upstream.isSecure ? "https:" : "http:"
        let start: Int
        if prefix.hasPrefix(scheme + "//") {
            start = scheme.utf8.count + 2
        } else if prefix.hasPrefix("//") {
            start = 2
        } else {
            return nil
        }
        let rest = text.utf8.dropFirst(start)
        let name = rest.prefix { $0 != 0x2F && $0 != 0x3F && $0 != 0x23 }
        guard let authority = Authority(String(decoding: name, as: UTF8.self)),
            authority.host == upstream.authority.host,
            (authority.port ?? (upstream.isSecure ? 443 : 80)) == upstream.port
        else { return nil }
        return start + name.count
    }
}
