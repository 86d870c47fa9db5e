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
    public static let defaultLimit = 40
    /// How many of them may have held more than `littleUsed`, by default.
    public static let defaultFilledLimit = 16
    /// A buffer that never held more than this many bytes takes hardly any memory, unless malloc(3) has given it what was
    /// used before: pages come when they are written.
    public static let littleUsed = 4096
    private var free: [ByteBuffer] = []
    /// How many of the free ones have held more than `littleUsed`.
    private var filled = 0
    private let capacity: Int
    private let limit: Int
    private let filledLimit: Int

    /// Keeps up to `limit` buffers of `capacity` bytes, among them up to `filledLimit` that held more than a little.
    public init(
        capacity: Int = BufferPool.bufferCapacity,
        limit: Int = BufferPool.defaultLimit,
        filledLimit: Int = BufferPool.defaultFilledLimit
    ) {
        self.capacity = capacity
        self.limit = limit
        self.filledLimit = filledLimit
        free.reserveCapacity(limit)
    }

    /// The one that was given last, whose bytes the processor's cache has.
    public func take() -> ByteBuffer {
        guard let buffer = free.popLast() else { return ByteBuffer(capacity: capacity) }
        if Self.isFilled(buffer) { filled -= 1 }
        return buffer
    }

    /// Takes `buffer` back, or frees it if it has grown or there are enough. Consuming, to save a retain and a release.
    public func give(_ buffer: consuming ByteBuffer) {
        buffer.clear()
        guard buffer.capacity == capacity, free.count < limit else { return }
        if Self.isFilled(buffer) {
            guard filled < filledLimit else { return }
            filled += 1
        }
        free.append(buffer)
    }

    private static func isFilled(_ buffer: borrowing ByteBuffer) -> Bool { buffer.reach > littleUsed }
}
