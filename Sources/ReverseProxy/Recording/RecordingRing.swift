import Platform
import Synchronization

/// Passes records from one thread to another: a ring of bytes that never blocks its writer. Records that do not fit are
/// dropped.
///
/// A record consists of its length and kind, the exchange's number, a time, and octets. The reader sees records once
/// they are published. A writer reserves room for the end of an exchange at its beginning, so that an end always fits.
/// The reader wipes what it has read. When everything is read, writing starts over at the ring's beginning, so a ring
/// that is hardly used takes little memory.
///
/// *Threading*: one thread writes and one thread reads, at the same time. *Ownership*: owns its memory, which the
/// system provides when it is first touched.
final class RecordingRing: @unchecked Sendable {
    // `@unchecked`: each side has its own variables; what both touch are the atomics, and bytes of which the atomics say
    // whose they are.
    /// Bytes; zero if there is no memory.
    let capacity: Int
    private let base: UnsafeMutableRawPointer
    private let mask: UInt64
    /// The reader may read up to this position. Positions count bytes since the beginning.
    private let published = Atomic<UInt64>(0)
    /// The reader has read and wiped up to this position.
    private let consumed = Atomic<UInt64>(0)
    /// The position at the ring's beginning. Changes only when everything is read.
    private let origin = Atomic<UInt64>(0)

    // Belongs to the writer.
    private var position: UInt64 = 0
    private var publishedPosition: UInt64 = 0
    private var writerOrigin: UInt64 = 0
    private var reserved: UInt64 = 0
    /// The last record, which can be extended until it is published.
    private var last = Written()

    private struct Written {
        var start: UInt64 = 0
        var length = 0
        var number: UInt64 = 0
        var kind: UInt8 = 0
    }

    // Belongs to the reader.
    private var readPosition: UInt64 = 0

    private static let headerSize = 24

    /// `capacity` bytes, rounded up to a power of two.
    init(capacity: Int) {
        var size = 4096
        while size < capacity { size *= 2 }
        // Allocates address space only: pages take memory when they are first touched.
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

    /// Records are written that the reader cannot see yet.
    @inline(__always)
    var hasNews: Bool { position != publishedPosition }

    /// Bytes that are not read yet.
    var used: Int { Int(position &- consumed.load(ordering: .acquiring)) }

    /// Increases as the reader reads.
    var consumedPosition: UInt64 { consumed.load(ordering: .relaxed) }

    /// Writes a record of two parts, `fixed` and `octets`. `reserving` is the room for its exchange's end; `releasing`
    /// is the room that was reserved for this record. Returns false, and does nothing, if there is no room.
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
            // Becomes visible together with the next publication.
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

    /// Extends the last record, if it has that number and kind and is not published.
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

    /// The offset of the last record in the ring.
    var lastOffset: Int { Int((last.start &- writerOrigin) & mask) }

    /// The size of a record with that many octets.
    static func size(_ count: Int) -> Int { padded(headerSize &+ count) }

    /// Makes all records visible to the reader.
    func publish() {
        publishedPosition = position
        show()
    }

    /// Makes the written records visible to a reader that looks; whether to wake it is decided at the end of the turn.
    func show() {
        published.store(position, ordering: .releasing)
    }

    private static func padded(_ length: Int) -> Int { (length &+ 7) & ~7 }

    @inline(__always)
    private static func word(_ length: Int, _ kind: UInt8) -> UInt64 {
        UInt64(truncatingIfNeeded: length) | UInt64(kind) << 32
    }

    /// Words never cross the ring's end, because everything begins at multiples of eight.
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

    /// A record while it is being read.
    struct Record {
        let kind: UInt8
        let number: UInt64
        let at: UInt64
        fileprivate let ring: RecordingRing
        fileprivate let origin: UInt64
        fileprivate var position: UInt64
        /// Octets that were not taken yet.
        fileprivate(set) var count: Int

        /// Takes a value from the front; nil if there are too few octets.
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

        /// The remaining octets.
        func rest() -> [UInt8] {
            [UInt8](unsafeUninitializedCapacity: count) { buffer, filled in
                ring.get(UnsafeMutableRawBufferPointer(start: buffer.baseAddress, count: count), at: position, origin)
                filled = count
            }
        }
    }

    /// Passes the next record to `body`, then wipes it. False if there is none.
    func read(_ body: (inout Record) -> Void) -> Bool {
        guard published.load(ordering: .acquiring) != readPosition else { return false }
        // Unread records were written after the origin changed last.
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

    /// There are records to read.
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

    /// Only zeros are left: nothing of what was read can be found.
    var isWiped: Bool {
        UnsafeRawBufferPointer(start: base, count: capacity).allSatisfy { $0 == 0 }
    }
}
