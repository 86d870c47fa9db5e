/// Takes the chunked coding off a body (RFC 9112 section 7.1). Strict about sizes, extensions and line ends; extensions
/// are dropped.
public struct ChunkedDecoder: Sendable {
    public enum Step: Equatable, Sendable {
        /// More bytes are needed; everything before this offset has been consumed.
        case needsMore(Int)
        /// Body bytes. Use them before the next call, which continues behind them.
        case data(ByteRange)
        /// The body and its trailers are complete, at this offset.
        case finished(Int)
        case failed(HTTP1Error)
    }

    private enum State: Sendable {
        case size, sizeDigits, chunkExtension, sizeLineFeed, data, dataReturn, dataLineFeed
        case trailers, finished
    }

    /// The limit for the whole body.
    static let maxExtensionBytes = 16 * 1024
    static let maxTrailerBytes = 16 * 1024

    private var state = State.size
    private var remaining: UInt64 = 0
    private var digits = 0
    private var extensionBytes = 0
    private var chunkExtension = ChunkExtension()
    /// The trailer section as it was sent, validated, without its empty line.
    public private(set) var trailers: [UInt8] = []
    private var trailerFields: [FieldLine] = []

    public init() {}

    /// Continues at `start`. After `data`, call again with its upper bound.
    public mutating func next(_ bytes: Span<UInt8>, from start: Int) -> Step {
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
                } else if chunkExtension.begin(byte) {
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
                switch chunkExtension.accept(byte) {
                case .more: break
                case .end: state = .sizeLineFeed
                case .invalid: return .failed(.malformed("a chunk extension is not valid"))
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
                // Few bodies have trailers. Without them nothing is stored or allocated.
                if trailers.isEmpty, byte == Octet.carriageReturn, offset &+ 1 < count,
                    bytes[offset &+ 1] == Octet.lineFeed
                {
                    state = .finished
                    return .finished(offset &+ 2)
                }
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
        // The cheap test comes first: only an empty line ends the section.
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

    /// The trailer lines that `filter` lets through, each with its CR LF.
    public func forwardableTrailers(_ filter: TrailerFilter = TrailerFilter()) -> [UInt8] {
        guard !trailerFields.isEmpty else { return [] }
        var result: [UInt8] = []
        for field in trailerFields where filter.passes(field.name, field.id, trailers.span) {
            result += trailers[field.name.range] + [Octet.colon, Octet.space] + trailers[field.value.range] + [13, 10]
        }
        return result
    }
}

/// The extensions after a chunk's size, validated and dropped (RFC 9112 section 7.1.1): `*( BWS ";" BWS name [ BWS "="
/// BWS ( token / quoted-string ) ] )`. A line end within quotes is a smuggling technique.
struct ChunkExtension: Sendable {
    enum Verdict { case more, end, invalid }

    private enum State: Sendable {
        /// After blanks, where only `;` may follow.
        case beforeSemicolon
        case beforeName, name, afterName
        case beforeValue, value, quoted, quotedPair, afterQuoted
    }

    private var state = State.beforeSemicolon

    /// Whether `byte`, the first one after the size, can begin extensions.
    mutating func begin(_ byte: UInt8) -> Bool {
        guard byte == 0x3B || Octet.isBlank(byte) else { return false }
        state = byte == 0x3B ? .beforeName : .beforeSemicolon
        return true
    }

    mutating func accept(_ byte: UInt8) -> Verdict {
        let isBlank = Octet.isBlank(byte)
        let isToken = Octet.isToken(byte)
        let mayEnd = state == .name || state == .value || state == .afterQuoted
        switch state {
        case .beforeSemicolon where isBlank, .beforeName where isBlank, .afterName where isBlank,
            .beforeValue where isBlank, .name where isToken, .value where isToken:
            return .more
        case .beforeName where isToken:
            state = .name
        case .name where byte == 0x3D, .afterName where byte == 0x3D:
            state = .beforeValue
        case .beforeValue where isToken:
            state = .value
        case .beforeValue where byte == 0x22:
            state = .quoted
        case .name where isBlank:
            state = .afterName
        case .value where isBlank, .afterQuoted where isBlank:
            state = .beforeSemicolon
        case .quoted where byte == 0x22:
            state = .afterQuoted
        case .quoted where byte == 0x5C:
            state = .quotedPair
        case .quoted, .quotedPair:
            guard Octet.isFieldContent(byte) else { return .invalid }
            state = .quoted
        case _ where byte == Octet.carriageReturn && mayEnd:
            return .end
        case .beforeSemicolon where byte == 0x3B, .afterName where byte == 0x3B, _ where byte == 0x3B && mayEnd:
            state = .beforeName
        default:
            return .invalid
        }
        return .more
    }
}
