import Platform
import Synchronization

/// Records on their way from one thread to another: a ring of bytes that never blocks, and that its writer never waits
/// for. What does not fit is not written.
///
/// A record is its length and kind, the exchange's number, a time, and octets. What was written is seen by the reader
/// once it is published. Whoever begins something reserves the room for its end, so that an end always fits. The reader
/// wipes what it has read. While everything is read, writing begins again at the ring's beginning: what is hardly used
/// takes little memory.
///
/// *Threading*: one thread writes, one thread reads, at the same time. *Ownership*: owns its memory, which the system
/// gives when it is first touched.
final class RecordingRing: @unchecked Sendable {
    // `@unchecked`: each side has its own variables; what both touch are the atomics, and bytes of which the atomics say
    // whose they are.
    /// Bytes; zero if there is no memory.
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private let mask: UInt64
    /// Up to there the reader may read. Positions count bytes since the beginning.
    private let published = Atomic<UInt64>(0)
    /// Up to there the reader has read, and wiped.
    private let consumed = Atomic<UInt64>(0)
    /// The position that lies at the ring's beginning. Changes while everything is read only.
    private let origin = Atomic<UInt64>(0)

    // The writer's.
    private var position: UInt64 = 0
    private var publishedPosition: UInt64 = 0
    private var writerOrigin: UInt64 = 0
    private var reserved: UInt64 = 0
    /// The last record, which more octets can be added to as long as it is not published.
    private var last = Written()

    private struct Written {
        var start: UInt64 = 0
        var length = 0
        var number: UInt64 = 0
        var kind: UInt8 = 0
    }

    // The reader's.
    private var readPosition: UInt64 = 0

    private static let headerSize = 24

    /// `capacity` bytes, or the next power of two.
    init(capacity: Int) {
        var size = 4096
        while size < capacity { size *= 2 }
        // Reserves nothing: what is not touched is nobody's.
        let memory = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        if let memory, memory != MAP_FAILED {
            base = memory
            self.capacity = size
        } else {
            base = .allocate(byteCount: 8, alignment: 8)
            self.capacity = 0
        }
        mask = UInt64(size &- 1)
    }

    deinit {
        if capacity > 0 { munmap(base, capacity) } else { base.deallocate() }
    }

    // MARK: Writing

    /// Something is written that the reader cannot see yet.
    @inline(__always)
    var hasNews: Bool { position != publishedPosition }

    /// Bytes that are not read yet.
    var used: Int { Int(position &- consumed.load(ordering: .acquiring)) }

    /// Grows as the reader reads.
    var consumedPosition: UInt64 { consumed.load(ordering: .relaxed) }

    /// Writes a record of two pieces, `fixed` and `octets`. `reserving` is for its end; `releasing` is what was reserved
    /// for this one. False, and nothing is done, if there is no room.
    func write(
        _ kind: UInt8,
        number: UInt64,
        at: UInt64,
        _ fixed: UnsafeRawBufferPointer,
        _ octets: UnsafeRawBufferPointer,
        reserving: Int = 0,
        releasing: Int = 0
    ) -> Bool {
        let length = Self.headerSize &+ fixed.count &+ octets.count
        let size = Self.padded(length)
        let taken = position &- consumed.load(ordering: .acquiring)
        let others = reserved &- UInt64(releasing) &+ UInt64(reserving)
        guard taken &+ UInt64(size) &+ others <= UInt64(capacity) else { return false }
        reserved = others
        if taken == 0, position != writerOrigin {
            writerOrigin = position
            // Seen together with what is published next.
            origin.store(position, ordering: .relaxed)
        }
        last = Written(start: position, length: length, number: number, kind: kind)
        put(word: Self.word(length, kind), at: position)
        put(word: number, at: position &+ 8)
        put(word: at, at: position &+ 16)
        put(fixed, at: position &+ UInt64(Self.headerSize))
        put(octets, at: position &+ UInt64(Self.headerSize &+ fixed.count))
        position &+= UInt64(size)
        return true
    }

    /// Adds octets to the record that was written last, if it is of that exchange and kind and is not published.
    func extend(_ kind: UInt8, number: UInt64, _ octets: UnsafeRawBufferPointer) -> Bool {
        guard hasNews, last.kind == kind, last.number == number else { return false }
        let length = last.length &+ octets.count
        let end = last.start &+ UInt64(Self.padded(length))
        let taken = end &- consumed.load(ordering: .acquiring)
        guard taken &+ reserved <= UInt64(capacity) else { return false }
        put(octets, at: last.start &+ UInt64(last.length))
        put(word: Self.word(length, kind), at: last.start)
        last.length = length
        position = end
        return true
    }

    /// Where in the ring the last record lies.
    var lastOffset: Int { Int((last.start &- writerOrigin) & mask) }

    /// What a record of so many octets takes.
    static func size(_ count: Int) -> Int { padded(headerSize &+ count) }

    /// Lets the reader see everything.
    func publish() {
        publishedPosition = position
        show()
    }

    /// Lets the reader see what was written, if it looks; whether it is to look is asked at the turn's end.
    func show() {
        published.store(position, ordering: .releasing)
    }

    private static func padded(_ length: Int) -> Int { (length &+ 7) & ~7 }

    @inline(__always)
    private static func word(_ length: Int, _ kind: UInt8) -> UInt64 {
        UInt64(truncatingIfNeeded: length) | UInt64(kind) << 32
    }

    /// Words never lie across the ring's end: all begins at multiples of eight.
    @inline(__always)
    private func put(word: UInt64, at position: UInt64) {
        let offset = Int((position &- writerOrigin) & mask)
        base.storeBytes(of: word, toByteOffset: offset, as: UInt64.self)
    }

    @inline(__always)
    private func put(_ bytes: UnsafeRawBufferPointer, at position: UInt64) {
        guard let source = bytes.baseAddress, bytes.count > 0 else { return }
        let offset = Int((position &- writerOrigin) & mask)
        let first = min(bytes.count, capacity &- offset)
        memcpy(base + offset, source, first)
        if first < bytes.count { memcpy(base, source + first, bytes.count &- first) }
    }

    // MARK: Reading

    /// A record while it is read.
    struct Record {
        let kind: UInt8
        let number: UInt64
        let at: UInt64
        fileprivate let ring: RecordingRing
        fileprivate let origin: UInt64
        fileprivate var position: UInt64
        /// Octets that were not taken yet.
        fileprivate(set) var count: Int

        /// Takes a value from the front; nil if less than it is there.
        mutating func take<Value: BitwiseCopyable>(_ type: Value.Type = Value.self) -> Value? {
            let size = MemoryLayout<Value>.size
            guard size <= count else { return nil }
            defer {
                position &+= UInt64(size)
                count &-= size
            }
            return withUnsafeTemporaryAllocation(of: Value.self, capacity: 1) {
                ring.get(UnsafeMutableRawBufferPointer(start: $0.baseAddress, count: size), at: position, origin)
                return $0[0]
            }
        }

        /// The octets that are left.
        func rest() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                ring.get(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), at: position, origin)
                filled = count
            }
        }
    }

    /// Hands the next record over, then wipes it. False if there is none.
    func read(_ body: (inout Record) -> Void) -> Bool {
        guard published.load(ordering: .acquiring) != readPosition else { return false }
        // What is not read yet was written after the origin changed last.
        let origin = origin.load(ordering: .relaxed)
        let (word, number, at) = (
            word(at: readPosition, origin), word(at: readPosition &+ 8, origin), word(at: readPosition &+ 16, origin)
        )
        let length = Int(word & 0xFFFF_FFFF)
        var record = Record(
            kind: UInt8(truncatingIfNeeded: word >> 32),
            number: number,
            at: at,
            ring: self,
            origin: origin,
            position: readPosition &+ UInt64(Self.headerSize),
            count: length &- Self.headerSize
        )
        body(&record)
        wipe(Self.padded(length), origin)
        readPosition &+= UInt64(Self.padded(length))
        consumed.store(readPosition, ordering: .releasing)
        return true
    }

    /// Something is there to be read.
    var hasRecords: Bool { published.load(ordering: .acquiring) != readPosition }

    private func word(at position: UInt64, _ origin: UInt64) -> UInt64 {
        base.load(fromByteOffset: Int((position &- origin) & mask), as: UInt64.self)
    }

    fileprivate func get(_ target: UnsafeMutableRawBufferPointer, at position: UInt64, _ origin: UInt64) {
        guard let start = target.baseAddress, target.count > 0 else { return }
        let offset = Int((position &- origin) & mask)
        let first = min(target.count, capacity &- offset)
        memcpy(start, base + offset, first)
        if first < target.count { memcpy(start + first, base, target.count &- first) }
    }

    private func wipe(_ count: Int, _ origin: UInt64) {
        let offset = Int((readPosition &- origin) & mask)
        let first = min(count, capacity &- offset)
        memset(base + offset, 0, first)
        if first < count { memset(base, 0, count &- first) }
    }

    /// Nothing but zeros is left: of what was read, nothing can be found.
    var isWiped: Bool {
        UnsafeRawBufferPointer(start: base, count: capacity).allSatisfy { $0 == 0 }
    }
}
