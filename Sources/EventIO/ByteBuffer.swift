import Platform

/// A buffer of bytes: written at the end, read from the start, grown on demand.
///
/// Pointers into it are valid until the next mutation. Not thread-safe; belongs to one loop.
public final class ByteBuffer {
    // What heads are written with is inlined into other modules, where the length of a literal is known.
    @usableFromInline var base: UnsafeMutableRawPointer
    public private(set) var capacity: Int
    @usableFromInline var start = 0
    @usableFromInline var end = 0
    /// How far bytes have been written: the memory behind that was never used.
    fileprivate var reach = 0

    public init(capacity: Int) {
        self.capacity = capacity
        base = malloc(capacity)!  // malloc(3) of a few KiB fails only when the process is lost anyway
    }

    deinit {
        free(base)
    }

    public var isEmpty: Bool { count == 0 }
    public var count: Int { end &- start }

    /// The bytes not consumed yet.
    public var readable: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(start: base + start, count: end &- start)
    }

    /// The same bytes, for parsers.
    public var octets: UnsafeBufferPointer<UInt8> { readable.assumingMemoryBound(to: UInt8.self) }

    /// The same bytes, for changes in place.
    public var mutableReadable: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(start: base + start, count: end &- start)
    }

    /// Room for at least `minimum` bytes behind the readable ones; `commit` makes bytes written there readable.
    public func writable(minimum: Int) -> UnsafeMutableRawBufferPointer {
        if capacity &- end < minimum { makeRoom(minimum) }
        return UnsafeMutableRawBufferPointer(start: base + end, count: capacity &- end)
    }

    public func commit(_ count: Int) {
        precondition(count >= 0 && count <= capacity &- end)
        end &+= count
    }

    public func consume(_ count: Int) {
        precondition(count >= 0 && count <= end &- start)
        start &+= count
        if start == end { clear() }
    }

    /// Discards readable bytes from `count` on.
    public func truncate(to count: Int) {
        precondition(count >= 0 && count <= end &- start)
        noteReach()
        end = start &+ count
    }

    public func clear() {
        noteReach()
        start = 0
        end = 0
    }

    @inlinable @inline(__always)
    public func append(_ bytes: UnsafeRawBufferPointer) {
        let count = bytes.count
        guard count > 0, let source = bytes.baseAddress else { return }
        if capacity &- end < count { makeRoom(count) }
        (base + end).copyMemory(from: source, byteCount: count)
        end &+= count
    }

    @inlinable @inline(__always)
    public func append(_ byte: UInt8) {
        if capacity == end { makeRoom(1) }
        base.storeBytes(of: byte, toByteOffset: end, as: UInt8.self)
        end &+= 1
    }

    @inlinable @inline(__always)
    public func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    public func append(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { append($0) }
    }

    /// Disfavoured so that literals pick the `StaticString` overload, which costs two thirds as much.
    @_disfavoredOverload
    public func append(_ text: String) {
        var text = text
        text.withUTF8 { append(UnsafeRawBufferPointer($0)) }
    }

    public func append(decimal number: Int) {
        append(number: UInt64(max(0, number)), radix: 10)
    }

    public func append(decimal number: UInt64) {
        append(number: number, radix: 10)
    }

    public func append(hexadecimal number: Int) {
        append(number: UInt64(max(0, number)), radix: 16)
    }

    /// Inlined, so that the radix is a constant: dividing by a variable takes several times as long.
    @inline(__always)
    private func append(number: UInt64, radix: UInt64) {
        withUnsafeTemporaryAllocation(byteCount: 20, alignment: 1) { digits in
            var index = 20
            var rest = number
            repeat {
                index &-= 1
                digits[index] = Hexadecimal.digit(UInt8(truncatingIfNeeded: rest % radix))
                rest /= radix
            } while rest > 0
            append(UnsafeRawBufferPointer(rebasing: digits[index...]))
        }
    }

    /// To be called before `end` goes down.
    private func noteReach() {
        if end > reach { reach = end }
    }

    @usableFromInline
    func makeRoom(_ minimum: Int) {
        noteReach()
        let count = end &- start
        if start > 0, capacity &- count >= minimum {
            memmove(base, base + start, count)
        } else {
            let grown = max(capacity &* 2, count &+ minimum)
            let fresh = malloc(grown)!
            memcpy(fresh, base + start, count)
            free(base)
            base = fresh
            capacity = grown
        }
        start = 0
        end = count
    }
}

/// Buffers of one size, kept for reuse: idle connections hold none, busy ones allocate none.
public final class BufferPool {
    /// The initial capacity of a buffer: one TLS record (16 KiB) and a head fit several times.
    public static let bufferCapacity = 64 * 1024
    /// How many buffers are kept by default.
    public static let defaultLimit = 96
    /// How many of them may have been written beyond `littleUsed`, by default.
    public static let defaultUsedLimit = 16
    /// The pages of a buffer behind this many bytes take no memory before they are written.
    private static let littleUsed = 4096
    private var free: [ByteBuffer] = []
    private let capacity: Int
    private let limit: Int
    private let usedLimit: Int

    /// Keeps up to `limit` buffers of `capacity` bytes; above `usedLimit` only those that were hardly used.
    public init(
        capacity: Int = BufferPool.bufferCapacity,
        limit: Int = BufferPool.defaultLimit,
        usedLimit: Int = BufferPool.defaultUsedLimit
    ) {
        self.capacity = capacity
        self.limit = limit
        self.usedLimit = usedLimit
        free.reserveCapacity(limit)
    }

    public func take() -> ByteBuffer {
        free.popLast() ?? ByteBuffer(capacity: capacity)
    }

    /// Takes `buffer` back, or frees it if it has grown or there are enough. Consuming, to save a retain and a release.
    public func give(_ buffer: consuming ByteBuffer) {
        buffer.clear()
        guard buffer.capacity == capacity, free.count < (buffer.reach > Self.littleUsed ? usedLimit : limit) else {
            return
        }
        free.append(buffer)
    }
}
