public import EventIO
public import HTTP1

/// Renders the head of a response for the client.
public final class ResponsePolicy: Sendable {
    private let locations: LocationMapping
    private let cookies: CookieMapping
    private let pseudonym: Pseudonym
    private let dropped = FieldNames(having: .dropInResponse)
    /// Some servers leak a rotated token in it. Like `Authorization`, it is not forwarded to the client.
    private let credential: CredentialField
    /// The trailers of a response that are forwarded.
    public let trailers: TrailerFilter

    public init(_ configuration: ProxyConfiguration, pseudonym: Pseudonym = .ofThisProcess) {
        let basePath = BasePath(configuration.basePath)
        locations = LocationMapping(upstream: configuration.upstream, basePath: basePath)
        cookies = CookieMapping(host: configuration.upstream.authority.host, basePath: basePath)
        credential = CredentialField(configuration.session)
        trailers = TrailerFilter(dropping: credential.names.map(\.1))
        self.pseudonym = pseudonym
    }

    /// Changes to the upstream's head for the client.
    public struct Edits {
        /// The framing of the body for the client.
        public var framing: MessageFraming
        public var closes: Bool
        /// The value of Date for a response without one (RFC 9110 section 6.6.1); nil adds none.
        public var date: String?
        /// The configured origin of the page that may read the response.
        public var pageOrigin: [UInt8]?
        /// `http://host` as the client calls this proxy; nil leaves locations unchanged.
        public var ownOrigin: [UInt8]?
        /// How the upstream's cookies are treated.
        public var cookies: CookieRule
        /// How the request's target relates to the base path.
        public var place: TargetPlace
        public var proxyStatus: String?
        public var retryAfter: Int?

        public init(
            framing: MessageFraming,
            closes: Bool,
            date: String? = nil,
            pageOrigin: [UInt8]? = nil,
            ownOrigin: [UInt8]? = nil,
            cookies: CookieRule = .keep,
            place: TargetPlace = .below,
            proxyStatus: String? = nil,
            retryAfter: Int? = nil
        ) {
            self.framing = framing
            self.closes = closes
            self.date = date
            self.pageOrigin = pageOrigin
            self.ownOrigin = ownOrigin
            self.cookies = cookies
            self.place = place
            self.proxyStatus = proxyStatus
            self.retryAfter = retryAfter
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

    /// Copies the upstream's fields that are forwarded.
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
                if isKept {
                    append(field, bytes, to: output) { locations.append($0, edits.ownOrigin, edits.place, to: output) }
                }
                isKept = false
            case .setCookie where edits.cookies == .local:
                copier.endPiece(to: output)
                if isKept { append(field, bytes, to: output) { cookies.append($0, edits.place, to: output) } }
                isKept = false
            case .retryAfter:
                if edits.retryAfter != nil { isKept = false }
            case .other:
                if isCredential(field, bytes) { isKept = false }
                // Squire alone decides about origins in its own configuration.
                if edits.pageOrigin != nil, isPageAccess(field, bytes) { isKept = false }
            default:
                break
            }
            if isKept { copier.keep(field) } else { copier.endPiece(to: output) }
        }
        copier.endPiece(to: output)
    }

    /// Tests only names that no other rule concerns: no response field with such a name means something else.
    @inline(__always)
    private func isCredential(_ field: FieldLine, _ bytes: UnsafeRawBufferPointer) -> Bool {
        credential.id == .other && credential.isNamed(field, bytes.assumingMemoryBound(to: UInt8.self).span)
    }

    private func isPageAccess(_ field: FieldLine, _ bytes: UnsafeRawBufferPointer) -> Bool {
        let prefix = ByteRange(Int(field.name.lowerBound), Int(field.name.lowerBound) + min(field.name.count, 15))
        return bytes.assumingMemoryBound(to: UInt8.self).span.matches(prefix, "access-control-")
    }

    /// `*` has no effect for a page that sends cookies (Fetch section 3.3.5), so each field is named.
    private func appendExposed(_ head: ResponseHead, _ bytes: UnsafeRawBufferPointer, to output: ByteBuffer) {
        output.append("Access-Control-Expose-Headers: Via, Proxy-Status")
        for field in head.fields
        where !field.isNominated && !dropped.contains(field.id) && !isPageAccess(field, bytes)
            && !isCredential(field, bytes)
        {
            output.append(", ")
            output.append(UnsafeRawBufferPointer(rebasing: bytes[field.name.range]))
        }
        output.append("\r\n")
    }

    /// Appends a field whose value `append` writes.
    @inline(__always)
    private func append(
        _ field: FieldLine,
        _ bytes: UnsafeRawBufferPointer,
        to output: ByteBuffer,
        _ append: (UnsafeRawBufferPointer) -> Void
    ) {
        output.append(UnsafeRawBufferPointer(rebasing: bytes[field.name.range]))
        output.append(": ")
        append(UnsafeRawBufferPointer(rebasing: bytes[field.value.range]))
        output.append("\r\n")
    }
}
