import Inflation

/// Decodes the content coding of a body.
enum BodyDecoding {
    /// The result of decoding.
    struct Decoded {
        /// The decoded octets, at most as many as requested.
        var octets: [UInt8]
        /// The size of the whole decoded body; nil if unknown.
        var size: Int?
        /// Whether `octets` is the whole body.
        var isComplete: Bool
        /// Whether there are more octets than requested.
        var isCut: Bool
    }

    /// The size is determined up to this many octets, because a small body may decode to any size.
    private static let maxSize = 1 << 20

    /// Decodes the body by its Content-Encoding (RFC 9110 section 8.4), nil for none. Nil if the coding is unknown, or
    /// the body is malformed: nothing of it may be kept.
    static func decode(_ body: [UInt8], encoding: String?, isComplete: Bool, limit: Int) -> Decoded? {
        let codings = (encoding ?? "").split(separator: ",").map { $0.trimmed.lowercased() }
            .filter { !$0.isEmpty && $0 != "identity" }
        guard let coding = codings.first else {
            return Decoded(
                octets: Array(body.prefix(limit)),
                size: isComplete ? body.count : nil,
                isComplete: isComplete && body.count <= limit,
                isCut: body.count > limit
            )
        }
        guard codings.count == 1 else { return nil }
        switch coding {
        case "gzip", "x-gzip": return inflate(body, .marked, isComplete, limit)
        case "deflate":
            // Some servers send deflate without zlib's frame (RFC 9110 section 8.4.1.2).
            return inflate(body, .marked, isComplete, limit) ?? inflate(body, .bare, isComplete, limit)
        default: return nil
        }
    }

    private static func inflate(
        _ body: [UInt8],
        _ frame: Inflater.Frame,
        _ isComplete: Bool,
        _ limit: Int
    ) -> Decoded? {
        guard !body.isEmpty else {
            return Decoded(octets: [], size: isComplete ? 0 : nil, isComplete: isComplete, isCut: false)
        }
        guard let inflater = Inflater(frame, chunk: 16 * 1024) else { return nil }
        var result: [UInt8] = []
        var total = 0
        let progress = inflater.inflate(body) { part in
            total += part.count
            part.withUnsafeBufferPointer { result += $0.prefix(limit - result.count) }
            return total <= max(maxSize, limit)
        }
        switch progress {
        case .ended:
            return Decoded(
                octets: result,
                size: isComplete ? total : nil,
                isComplete: isComplete && total <= limit,
                isCut: total > limit
            )
        case .needsMore where isComplete, .malformed: return nil
        // The end is missing, or the body is larger than the limit.
        case .needsMore, .stopped: return Decoded(octets: result, size: nil, isComplete: false, isCut: total > limit)
        }
    }
}

extension Substring {
    /// Without blanks and tabs at both ends.
    var trimmed: Substring {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        var text = drop(while: isBlank)
        while let last = text.last, isBlank(last) { text = text.dropLast() }
        return text
    }
}
