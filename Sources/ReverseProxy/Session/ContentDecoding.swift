import Inflation

/// Decompresses a response that may contain a token or a rejection, if the server compressed it without being asked.
/// The client gets the response unchanged.
enum ContentDecoding {
    /// In bytes: larger than any such response; limits how far a small one can expand.
    private static let maxBytes = 1 << 20

    /// Decodes a body according to the value of its Content-Encoding (RFC 9110 section 8.4), nil for none. Nil if the
    /// coding is unknown, the body is malformed, or it expands to more than 1 MiB.
    static func decode(_ body: [UInt8], encoding: String?) -> [UInt8]? {
        switch encoding?.lowercased() ?? "" {
        case "", "identity": return body
        case "gzip", "x-gzip", "deflate": return inflate(body)
        default: return nil
        }
    }

    private static func inflate(_ body: [UInt8]) -> [UInt8]? {
        guard let inflater = Inflater(.marked, chunk: 16 * 1024) else { return nil }
        var result: [UInt8] = []
        let progress = inflater.inflate(body) { part in
            part.withUnsafeBufferPointer { result += $0 }
            return result.count <= maxBytes
        }
        guard case .ended = progress, result.count <= maxBytes else { return nil }
        return result
    }
}

/// Decompresses the beginning of a response while it arrives.
final class ContentDecoder {
    private let inflater: Inflater
    /// Neither the end nor a fault was found yet.
    private var isOpen = true

    private static let chunkBytes = 4096

    /// For gzip and zlib; nil if there is no memory.
    init?() {
        guard let inflater = Inflater(.marked, chunk: Self.chunkBytes) else { return nil }
        self.inflater = inflater
    }

    /// Decodes `bytes`, and passes the result to `deliver` in parts, as long as that returns true. False if they are
    /// malformed: later bytes decode to nothing.
    func decode(_ bytes: [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Bool {
        guard isOpen else { return true }
        let progress = inflater.inflate(bytes, deliver)
        if case .needsMore = progress { return true }
        isOpen = false
        if case .malformed = progress { return false }
        return true
    }
}
