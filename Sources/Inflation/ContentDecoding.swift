/// The content of responses that may contain a token, or a rejection of one: decompressed, if it is compressed.
///
/// The octets say whether it is (RFC 1952 section 2.3.1, RFC 1950 section 2.2), not Content-Encoding: servers, and what
/// stands before them, name codings there that nobody knows, or that were never applied, and compress without being
/// asked. A token must not be lost for that. The client gets the response unchanged.
public enum ContentDecoding {
    /// How many octets say whether a body is compressed.
    fileprivate static let markBytes = 2

    /// Whether a body that begins with `start` may be compressed. No JSON begins so, except for numbers.
    fileprivate static func mayBeCompressed(_ start: some Collection<UInt8>) -> Bool {
        guard let first = start.first, let second = start.dropFirst().first else { return false }
        let isZlib = first & 0x8F == 0x08 && (Int(first) << 8 | Int(second)) % 31 == 0
        return first == 0x1F && second == 0x8B || isZlib
    }

    /// The content of `body`. As much of it as can be decompressed, at most `limit` bytes: a small one may expand far, and
    /// what is damaged or missing behind a token does not matter. `body` itself if that is nothing.
    ///
    /// `coding` is the value of Content-Encoding. With `deflate`, some servers leave out zlib's frame (RFC 9110 section
    /// 8.4.1.2), and nothing marks the octets then: they count only if they are whole.
    public static func decode(_ body: [UInt8], coding: String? = nil, limit: Int = 1 << 20) -> [UInt8] {
        if mayBeCompressed(body), let marked = inflate(body, .marked, limit) { return marked.result }
        guard coding?.lowercased().contains("deflate") ?? false, !isText(body), let bare = inflate(body, .bare, limit),
            bare.isWhole
        else { return body }
        return bare.result
    }

    /// The first octet alone does not tell: compressed text may begin with a carriage return, or with `<`.
    private static func isText(_ body: [UInt8]) -> Bool {
        guard let first = body.first else { return true }
        return Array("{[<\" \t\r\n".utf8).contains(first) && String(validating: body, as: UTF8.self) != nil
    }

    /// Nil if nothing can be decompressed.
    private static func inflate(
        _ body: [UInt8],
        _ frame: Inflater.Frame,
        _ limit: Int
    ) -> (result: [UInt8], isWhole: Bool)? {
        guard let inflater = Inflater(frame, chunk: 16 * 1024) else { return nil }
        var result: [UInt8] = []
        let progress = inflater.inflate(body) { part in
            part.withUnsafeBufferPointer { result += $0.prefix(limit - result.count) }
            return result.count < limit
        }
        let isWhole = if case .ended = progress { true } else { false }
        return result.isEmpty ? nil : (result, isWhole)
    }
}

/// Decompresses the beginning of a response while it arrives, if it is compressed.
public final class ContentDecoder {
    private enum State {
        /// The first octets, too few to say.
        case beginning([UInt8])
        case plain
        case compressed(Inflater)
        /// A fault was found, or no more is wanted.
        case over
    }

    private var state = State.beginning([])

    private static let chunkBytes = 4096

    public init() {}

    /// Decodes `bytes`, and passes the result to `deliver` in parts, as long as that returns true. False if they are
    /// malformed: later bytes decode to nothing.
    public func decode(_ bytes: [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Bool {
        switch state {
        case .beginning(let former):
            let start = former + bytes
            guard start.count >= ContentDecoding.markBytes else {
                state = .beginning(start)
                return true
            }
            if ContentDecoding.mayBeCompressed(start), let inflater = Inflater(.marked, chunk: Self.chunkBytes) {
                state = .compressed(inflater)
            } else {
                state = .plain
            }
            return decode(start, deliver)
        case .plain:
            _ = deliver(bytes.span)
            return true
        case .compressed(let inflater):
            switch inflater.inflate(bytes, deliver) {
            case .needsMore, .ended: return true
            case .stopped:
                state = .over
                return true
            case .malformed:
                state = .over
                return false
            }
        case .over: return true
        }
    }
}
