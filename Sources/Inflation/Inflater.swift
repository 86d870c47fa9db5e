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
        /// The data ended with them, or before. A further member of gzip's may begin with the next ones.
        case ended
        /// They are no such data.
        case malformed
    }

    private let stream = UnsafeMutablePointer<z_stream>.allocate(capacity: 1)
    private let frame: Frame
    private let chunkSize: Int
    private var place = Place.inside

    private enum Place {
        case inside
        /// Behind a whole member. `begun`: the first octet of a further one's mark was the last that was given.
        case between(begun: Bool)
        /// Behind everything.
        case behind
    }

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

    /// Hands what comes of the next octets to `deliver`, piece by piece, until that says no. After `stopped` and
    /// `malformed` nothing more can be given.
    public func inflate(_ octets: [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Progress {
        var input = octets
        switch place {
        case .inside: break
        case .between(let begun):
            if begun { input.insert(Self.mark[0], at: 0) }
            guard beginsMember(input) else { return .ended }
        case .behind: return .ended
        }
        return inflate(&input, deliver)
    }

    private func inflate(_ input: inout [UInt8], _ deliver: (Span<UInt8>) -> Bool) -> Progress {
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
                case Z_STREAM_END:
                    if !wantsMore { return .stopped }
                    guard beginsMember(input[(input.count - Int(stream.pointee.avail_in))...]) else { return .ended }
                case Z_OK, Z_BUF_ERROR:
                    if !wantsMore { return .stopped }
                    if count < chunk.count, stream.pointee.avail_in == 0 { return .needsMore }
                    if count == 0 { return .malformed }
                default: return .malformed
                }
            }
        }
    }

    /// What gzip's members begin with (RFC 1952 section 2.3.1).
    private static let mark: [UInt8] = [0x1F, 0x8B]

    /// Whether a further member (RFC 1952 section 2.2) begins with these octets, which follow a whole one: it is read
    /// next. If they are too few to say, the next ones will.
    private func beginsMember(_ octets: some Collection<UInt8>) -> Bool {
        place = .behind
        guard case .marked = frame else { return false }
        let start = octets.prefix(Self.mark.count)
        if start.count < Self.mark.count {
            if Self.mark.starts(with: start) { place = .between(begun: !start.isEmpty) }
            return false
        }
        guard start.elementsEqual(Self.mark), inflateReset(stream) == Z_OK else { return false }
        place = .inside
        return true
    }
}
