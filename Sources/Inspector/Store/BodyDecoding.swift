internal import CZlib

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

    private enum Frame { case marked, bare }

    private static func inflate(_ body: [UInt8], _ frame: Frame, _ isComplete: Bool, _ limit: Int) -> Decoded? {
        guard !body.isEmpty else {
            return Decoded(octets: [], size: isComplete ? 0 : nil, isComplete: isComplete, isCut: false)
        }
        var stream = z_stream()
        let isReady =
            switch frame {
            case .marked: czlib_inflate_init(&stream)
            case .bare: czlib_inflate_init_bare(&stream)
            }
        guard isReady == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var input = body
        var result: [UInt8] = []
        var total = 0
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        let decoded = { (size: Int?, isComplete: Bool) in
            Decoded(octets: result, size: size, isComplete: isComplete, isCut: total > limit)
        }
        return input.withUnsafeMutableBufferPointer { input -> Decoded? in
            stream.next_in = input.baseAddress
            stream.avail_in = uInt(input.count)
            while true {
                let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.next_out = chunk.baseAddress
                    stream.avail_out = uInt(chunk.count)
                    let status = CZlib.inflate(&stream, Z_NO_FLUSH)
                    return (status, chunk.count - Int(stream.avail_out))
                }
                total += count
                result += chunk[..<min(count, limit - result.count)]
                if status == Z_STREAM_END, stream.avail_in > 0, frame == .marked, isMember(stream) {
                    // Further members (RFC 1952 section 2.2).
                    guard inflateReset(&stream) == Z_OK else { return nil }
                } else if status == Z_STREAM_END {
                    return decoded(isComplete ? total : nil, isComplete && total <= limit)
                } else if status != Z_OK, status != Z_BUF_ERROR {
                    return nil
                } else if total > max(maxSize, limit) {
                    return decoded(nil, false)
                } else if count < chunk.count, stream.avail_in == 0 {
                    // Its end is missing.
                    return isComplete ? nil : decoded(nil, false)
                } else if count == 0 {
                    return nil
                }
            }
        }
    }

    private static func isMember(_ stream: z_stream) -> Bool {
        stream.avail_in >= 2 && stream.next_in[0] == 0x1F && stream.next_in[1] == 0x8B
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
