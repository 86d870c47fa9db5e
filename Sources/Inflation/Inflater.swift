internal import CZlib

/// Takes gzip, zlib or deflate data apart as it comes (RFC 1952, 1950, 1951): the one loop around zlib.
///
/// *Ownership*: owns zlib's state, which must not move. *Threading*: one thread at a time.
public final class Inflater {
    /// What is around the compressed octets.
    public enum Frame: Sendable {
        /// gzip's or zlib's, whichever it is.
        case marked
        /// None.
        case bare
    }

    /// What became of the octets that were given.
    public enum Progress: Sendable {
        /// All were taken; the data does not end with them.
        case needsMore
        /// Whoever takes the result wanted no more.
        case stopped
        /// The data ended with them, or before.
        case ended
        /// They are no such data.
        case malformed
    }

    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let frame: Frame
    private let chunkSize: Int

    /// `chunk` is how many octets are handed over at once at most. Nil if there is no memory.
    public init?(_ frame: Frame, chunk: Int) {
        self.frame = frame
        chunkSize = max(1, chunk)
        stream.initialize(to: z_stream())
        let status =
            switch frame {
            case .marked: czlib_inflate_init(stream)
            case .bare: czlib_inflate_init_bare(stream)
            }
        guard status == Z_OK else {
            stream.deallocate()
            return nil
        }
    }

    deinit {
        inflateEnd(stream)
        stream.deallocate()
    }

    /// Hands what comes of the next octets to `deliver`, piece by piece, until that says no. After anything but
    /// `needsMore` nothing more can be given.
    public func inflate(_ octets: [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Progress {
        var input = octets
        var chunk = [UInt8](repeating: 0, count: chunkSize)
        return input.withUnsafeMutableBufferPointer { input -> Progress in
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
                switch status {
                case Z_STREAM_END where isAtMember:
                    // Further members (RFC 1952 section 2.2).
                    guard inflateReset(stream) == Z_OK else { return .malformed }
                    if !wantsMore { return .stopped }
                case Z_STREAM_END: return .ended
                case Z_OK, Z_BUF_ERROR:
                    if !wantsMore { return .stopped }
                    if count < chunk.count, stream.pointee.avail_in == 0 { return .needsMore }
                    if count == 0 { return .malformed }
                default: return .malformed
                }
            }
        }
    }

    private var isAtMember: Bool {
        guard case .marked = frame, stream.pointee.avail_in >= 2 else { return false }
        return stream.pointee.next_in[0] == 0x1F && stream.pointee.next_in[1] == 0x8B
    }
}
