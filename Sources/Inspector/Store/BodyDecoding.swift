import Inflation

/// Takes a content coding off a body that is looked into.
enum BodyDecoding {
    /// What came of it.
    struct Decoded {
        /// As many as were asked for at most.
        var octets: [UInt8]
        /// Of the whole body; nil when unknown.
        var size: Int?
        /// All of it is in `octets`.
        var isComplete: Bool
        /// There are more than were asked for.
        var isCut: Bool
    }

    /// Octets up to which the size of a body is found out: a small one may unpack to anything.
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
            // Some send it without zlib's frame (RFC 9110 section 8.4.1.2).
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
        // Its end is missing, or it is larger than anybody wants to know.
        case .needsMore, .stopped: return Decoded(octets: result, size: nil, isComplete: false, isCut: total > limit)
        }
    }
}

extension Substring {
    /// Without blanks and tabs around it.
    var trimmed: Substring {
        let isBlank = { (character: Character) in character == " " || character == "\t" }
        var text = drop(while: isBlank)
        while let last = text.last, isBlank(last) { text = text.dropLast() }
        return text
    }
}
