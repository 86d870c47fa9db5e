/// Parses request heads (RFC 9112 section 3). One parser for each connection.
///
/// Offer all unconsumed bytes each time: a head that is whole is parsed in one pass; one that comes in pieces is searched for
/// its end first, so that dripping bytes cost linear time.
package struct RequestParser: Sendable {
    package var limits: HeadLimits
    private var endSearch = HeadEndSearch()

    package init(limits: HeadLimits) {
        self.limits = limits
    }

    /// Parses the head at the start of `bytes` into `head`, whose storage is reused.
    package mutating func parse(_ bytes: Span<UInt8>, into head: inout RequestHead) -> ParseProgress {
        guard endSearch.mayBeComplete(bytes) else { return progress(bytes) }
        head.fields.removeAll(keepingCapacity: true)
        let result = Self.parse(bytes, limits: limits, into: &head)
        switch result {
        case .incomplete: return progress(bytes)
        case .complete(let length):
            endSearch = HeadEndSearch()
            return length > limits.head ? .failed(.headTooLarge) : result
        case .failed: return result
        }
    }

    private mutating func progress(_ bytes: Span<UInt8>) -> ParseProgress {
        endSearch.noteIncomplete(bytes)
        guard bytes.count > limits.head else { return .incomplete }
        return .failed(endSearch.sawLineEnd ? .headTooLarge : .targetTooLong)
    }

    private static func parse(
        _ bytes: Span<UInt8>,
        limits: HeadLimits,
        into head: inout RequestHead
    ) -> ParseProgress {
        let count = bytes.count
        var offset = 0
        // Empty lines before a request are left over from careless clients (RFC 9112 section 2.2).
        while offset &+ 1 < count, bytes[offset] == Octet.carriageReturn, bytes[offset &+ 1] == Octet.lineFeed {
            offset &+= 2
        }
        let methodStart = offset
        while offset < count, Octet.isToken(bytes[offset]) { offset &+= 1 }
        guard offset < count else { return .incomplete }
        guard bytes[offset] == Octet.space, offset > methodStart else {
            if offset == methodStart, bytes[offset] == Octet.carriageReturn, offset &+ 1 == count { return .incomplete }
            if bytes[methodStart] == 0x16 {
                return .failed(
                    .malformed("this is TLS, and plain HTTP is spoken here: use http:// instead of https://")
                )
            }
            return .failed(.malformed("this is not an HTTP request"))
        }
        head.methodRange = ByteRange(methodStart, offset)
        head.method = MethodName.of(bytes, head.methodRange)
        offset &+= 1

        let targetStart = offset
        while offset < count, Octet.isTarget(bytes[offset]) { offset &+= 1 }
        guard offset &- targetStart <= limits.target else { return .failed(.targetTooLong) }
        guard offset < count else { return .incomplete }
        guard bytes[offset] == Octet.space, offset > targetStart else {
            return .failed(.malformed("the request target is empty or holds a character that is not allowed"))
        }
        head.target = ByteRange(targetStart, offset)
        if let error = readTarget(bytes, into: &head) { return .failed(error) }
        offset &+= 1

        // "HTTP/1.x" CR LF
        guard offset &+ 10 <= count else {
            return isPrefixOfVersion(bytes, from: offset)
                ? .incomplete : .failed(.malformed("the HTTP version is not valid"))
        }
        guard bytes.matches(ByteRange(offset, offset &+ 5), "http/"), bytes[offset] == 0x48,
            Octet.isDigit(bytes[offset &+ 5]), bytes[offset &+ 6] == 0x2E, Octet.isDigit(bytes[offset &+ 7]),
            bytes[offset &+ 8] == Octet.carriageReturn, bytes[offset &+ 9] == Octet.lineFeed
        else { return .failed(.malformed("the HTTP version is not valid, or the request line does not end in CR LF")) }
        guard bytes[offset &+ 5] == 0x31, bytes[offset &+ 7] <= 0x31 else { return .failed(.unsupportedVersion) }
        head.minorVersion = Int(bytes[offset &+ 7] &- 0x30)
        offset &+= 10

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
            guard head.method == .options else { return .malformed("the target * is for OPTIONS only") }
            head.form = .asterisk
            head.pathAndQuery = head.target
            head.path = head.target
            return nil
        } else if head.method == .connect {
            // Refused anyway, by the method.
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
        var pathEnd = pathStart
        while pathEnd < end, bytes[pathEnd] != 0x3F { pathEnd &+= 1 }
        head.path = ByteRange(pathStart, pathEnd)
        return nil
    }

    private static func isPrefixOfVersion(_ bytes: Span<UInt8>, from start: Int) -> Bool {
        let expected: StaticString = "HTTP/"
        for offset in start..<bytes.count {
            let index = offset &- start
            if index < 5, unsafe bytes[offset] != expected.utf8Start[index] { return false }
            if index >= 5, bytes[offset] == Octet.lineFeed { return false }
        }
        return true
    }

    private static func finish(_ bytes: Span<UInt8>, _ head: inout RequestHead) -> HTTP1Error? {
        var framing = FramingFields()
        if let error = framing.read(bytes, &head.fields, mayRepeatLength: false) { return error }
        head.host = nil
        head.expectsContinue = false
        for field in head.fields {
            if field.id == .host {
                guard head.host == nil else { return .malformed("Host is given twice") }
                guard Authority.isValid(bytes, field.value) else { return .malformed("Host is not valid") }
                head.host = field.value
            } else if field.id == .expect {
                guard bytes.matches(field.value, "100-continue") else {
                    return .malformed("an expectation other than 100-continue is not understood")
                }
                head.expectsContinue = head.minorVersion > 0
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
            head.framing = .length(length)
        } else {
            head.framing = .none
        }
        head.upgrades = framing.upgrades
        head.keepsAlive = head.minorVersion > 0 ? !framing.closes : framing.keepsAlive && !framing.closes
        return nil
    }
}

/// Looks for the empty line that ends a head, going on where it stopped.
struct HeadEndSearch: Sendable {
    private var searched = 0
    private var isSearching = false
    private var isFound = false
    private(set) var sawLineEnd = false

    /// Whether parsing is worth it: always at first, and later once an empty line is there.
    mutating func mayBeComplete(_ bytes: Span<UInt8>) -> Bool {
        guard isSearching, !isFound else { return true }
        search(bytes)
        return isFound
    }

    /// Parsing found no end: from now on the empty line is looked for.
    mutating func noteIncomplete(_ bytes: Span<UInt8>) {
        isSearching = true
        isFound = false
        if searched == 0 { search(bytes) }
        isFound = false
    }

    private mutating func search(_ bytes: Span<UInt8>) {
        // Two line feeds with at most a carriage return between: also the end of a head that is refused later.
        var offset = searched
        while offset < bytes.count {
            if bytes[offset] == Octet.lineFeed {
                sawLineEnd = true
                if offset >= 1, bytes[offset &- 1] == Octet.lineFeed { isFound = true }
                if offset >= 2, bytes[offset &- 1] == Octet.carriageReturn, bytes[offset &- 2] == Octet.lineFeed {
                    isFound = true
                }
            }
            offset &+= 1
        }
        searched = bytes.count
    }
}
