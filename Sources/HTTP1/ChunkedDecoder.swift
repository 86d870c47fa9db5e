/// Takes the chunked coding off a body (RFC 9112 section 7.1). Strict about line ends and sizes; extensions are dropped.
package struct ChunkedDecoder: Sendable {
    package enum Step: Equatable, Sendable {
        /// More bytes are needed; everything before this offset is used up.
        case needsMore(Int)
        /// Body bytes, to be used before the next call; go on behind them.
        case data(ByteRange)
        /// The body and its trailers are complete, at this offset.
        case finished(Int)
        case failed(HTTP1Error)
    }

    private enum State: Sendable {
        case size, sizeDigits, chunkExtension, sizeLineFeed, data, dataReturn, dataLineFeed
        case trailers, finished
    }

    private static let maxExtensionBytes = 4096
    private static let maxTrailerBytes = 16 * 1024

    private var state = State.size
    private var remaining: UInt64 = 0
    private var digits = 0
    private var extensionBytes = 0
    /// The trailer section as it was sent, without its empty line. Validated.
    package private(set) var trailers: [UInt8] = []
    private var trailerFields: [FieldLine] = []

    package init() {}

    /// Whether some of the body is still to come.
    package var isFinished: Bool { state == .finished }

    /// Goes on at `start`. Call again after `data`, at its upper bound.
    package mutating func next(_ bytes: Span<UInt8>, from start: Int) -> Step {
        var offset = start
        let count = bytes.count
        while offset < count {
            let byte = bytes[offset]
            switch state {
            case .size:
                guard let digit = Octet.hexadecimal(byte) else {
                    return .failed(.malformed("a chunk size is not valid"))
                }
                remaining = UInt64(digit)
                digits = 1
                state = .sizeDigits
                offset &+= 1
            case .sizeDigits:
                if let digit = Octet.hexadecimal(byte) {
                    digits &+= 1
                    guard digits <= 15 else { return .failed(.malformed("a chunk size is too large")) }
                    remaining = remaining << 4 | UInt64(digit)
                } else if byte == Octet.carriageReturn {
                    state = .sizeLineFeed
                } else if byte == 0x3B || Octet.isBlank(byte) {
                    state = .chunkExtension
                } else {
                    return .failed(.malformed("a chunk size is not valid"))
                }
                offset &+= 1
            case .chunkExtension:
                extensionBytes &+= 1
                guard extensionBytes <= Self.maxExtensionBytes else {
                    return .failed(.malformed("chunk extensions are too long"))
                }
                if byte == Octet.carriageReturn {
                    state = .sizeLineFeed
                } else if !Octet.isFieldContent(byte) {
                    return .failed(.malformed("a chunk extension holds a control character"))
                }
                offset &+= 1
            case .sizeLineFeed:
                guard byte == Octet.lineFeed else {
                    return .failed(.malformed("a chunk size is not followed by CR LF"))
                }
                state = remaining == 0 ? .trailers : .data
                offset &+= 1
            case .data:
                let part = Int(min(remaining, UInt64(count &- offset)))
                remaining &-= UInt64(part)
                if remaining == 0 { state = .dataReturn }
                return .data(ByteRange(offset, offset &+ part))
            case .dataReturn:
                guard byte == Octet.carriageReturn else {
                    return .failed(.malformed("a chunk is longer than its size"))
                }
                state = .dataLineFeed
                offset &+= 1
            case .dataLineFeed:
                guard byte == Octet.lineFeed else { return .failed(.malformed("a chunk is longer than its size")) }
                state = .size
                offset &+= 1
            case .trailers:
                trailers.append(byte)
                offset &+= 1
                guard trailers.count <= Self.maxTrailerBytes else { return .failed(.headTooLarge) }
                guard byte == Octet.lineFeed else { continue }
                switch endOfTrailers() {
                case .incomplete: continue
                case .failed(let error): return .failed(error)
                case .complete:
                    trailers.removeLast(2)
                    state = .finished
                    return .finished(offset)
                }
            case .finished:
                return .finished(offset)
            }
        }
        return state == .finished ? .finished(offset) : .needsMore(offset)
    }

    private mutating func endOfTrailers() -> FieldSection.Progress {
        // Cheap test first: only an empty line ends the section.
        let count = trailers.count
        let isEmptyLine =
            count == 2
            ? trailers[0] == Octet.carriageReturn
            : count > 3 && trailers[count - 2] == Octet.carriageReturn && trailers[count - 3] == Octet.lineFeed
        guard isEmptyLine || count == 1 else { return .incomplete }
        trailerFields.removeAll()
        let copy = trailers
        return FieldSection.read(copy.span, from: 0, limit: 64, into: &trailerFields)
    }

    /// The trailer lines that may pass a proxy, each with its CR LF: nothing about framing, routing, authentication or the
    /// connection (RFC 9110 section 6.5.1).
    package func forwardableTrailers() -> [UInt8] {
        guard !trailerFields.isEmpty else { return [] }
        var result: [UInt8] = []
        for field in trailerFields {
            switch field.id {
            case .other, .date, .retryAfter: break
            default: continue
            }
            if trailers.span.matches(field.name, "set-cookie") || trailers.span.matches(field.name, "cookie") {
                continue
            }
            result += trailers[field.name.range] + [Octet.colon, Octet.space] + trailers[field.value.range] + [13, 10]
        }
        return result
    }
}
