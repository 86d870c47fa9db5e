internal import CZlib

/// Decompresses a response in which a token or a rejection is looked for, if the server compressed it without being
/// asked. The client gets the response as it came.
enum ContentDecoding {
    /// Bytes. Larger than any such response; bounds what a small one may unpack to.
    private static let maxBytes = 1 << 20

    /// Decodes a body by the value of its Content-Encoding (RFC 9110 section 8.4), which is nil for none. Nil if the
    /// coding is unknown, the body is malformed, or it unpacks to more than 1 MiB.
    static func decode(_ body: [UInt8], encoding: String?) -> [UInt8]? {
        switch encoding?.lowercased() ?? "" {
        case "", "identity": return body
        case "gzip", "x-gzip", "deflate": return inflate(body)
        default: return nil
        }
    }

    private static func inflate(_ body: [UInt8]) -> [UInt8]? {
        var stream = z_stream()
        guard czlib_inflate_init(&stream) == Z_OK else { return nil }
        defer { inflateEnd(&stream) }
        var input = body
        var result: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        return input.withUnsafeMutableBufferPointer { input -> [UInt8]? in
            stream.next_in = input.baseAddress
            stream.avail_in = uInt(input.count)
            while true {
                let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.next_out = chunk.baseAddress
                    stream.avail_out = uInt(chunk.count)
                    let status = CZlib.inflate(&stream, Z_NO_FLUSH)
                    return (status, chunk.count - Int(stream.avail_out))
                }
                result += chunk[..<count]
                guard result.count <= maxBytes else { return nil }
                if status == Z_STREAM_END { return result }
                guard status == Z_OK, count > 0 || stream.avail_in > 0 else { return nil }
            }
        }
    }
}

/// Decompresses the beginning of a response while it comes, to look into it.
///
/// *Ownership*: owns zlib's state, which must not move.
final class ContentDecoder {
    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    /// More may come of it: neither its end nor a fault was met.
    private var isOpen = true

    private static let chunkBytes = 4096

    /// For gzip and zlib; nil if there is no memory.
    init?() {
        stream.initialize(to: z_stream())
        guard czlib_inflate_init(stream) == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Hands what comes of the next bytes to `deliver`, piece by piece, as long as that says that it wants more. False
    /// if they are malformed: nothing comes of what follows.
    func decode(_ bytes: [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Bool {
        guard isOpen else { return true }
        var input = bytes
        var chunk = [UInt8](repeating: 0, count: Self.chunkBytes)
        return input.withUnsafeMutableBufferPointer { input -> Bool in
            stream.pointee.next_in = input.baseAddress
            stream.pointee.avail_in = uInt(input.count)
            while true {
                let (status, count) = chunk.withUnsafeMutableBufferPointer { chunk in
                    stream.pointee.next_out = chunk.baseAddress
                    stream.pointee.avail_out = uInt(chunk.count)
                    let status = CZlib.inflate(stream, Z_NO_FLUSH)
                    return (status, chunk.count - Int(stream.pointee.avail_out))
                }
                let wantsMore = count == 0 || deliver(chunk.span.extracting(first: count))
                isOpen = status == Z_OK || status == Z_BUF_ERROR
                guard isOpen else { return status == Z_STREAM_END }
                if !wantsMore || count < Self.chunkBytes { return true }
            }
        }
    }
}
