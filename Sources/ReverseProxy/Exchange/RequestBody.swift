public import EventIO
import Platform

/// A request's body in the form for the upstream, framing included, kept for a replay.
///
/// It is kept in memory up to a limit, then in an unlinked temporary file, and beyond that only as a window of unsent
/// bytes: from then on it cannot be replayed. *Ownership*: owns the file. *Threading*: belongs to one loop.
public final class RequestBody {
    /// The place of the bytes.
    private enum Storage {
        /// Kept for a replay: all of them are in `memory`.
        case memory
        /// Kept for a replay: all of them are in the file.
        case spilled(SpillFile)
        /// Not kept, but nothing was sent yet: all of them are in `memory`.
        case unsent
        /// Not kept: the bytes from `start` on are in `memory`. Earlier bytes that were not sent yet are in the file.
        case window(start: Int, before: SpillFile?)
    }

    private var storage: Storage
    private let memory = ByteBuffer(capacity: 4096)
    private let memoryLimit: Int
    private let fileLimit: Int
    private let budget: ReplayBudget
    /// The amount taken from the budget.
    private var taken = ReplayBudget.Amount(memory: 0, file: 0)
    /// The number of bytes so far, from the start of the body, framing included.
    public private(set) var count = 0
    /// The framing among them, which the limits do not count.
    private var framing = 0
    /// No more bytes will come.
    public var isComplete = false

    /// With `isKept` false the body is not kept for a replay from the start: if it is known to be too large, its first
    /// part is useless.
    public init(memoryLimit: Int, fileLimit: Int, budget: ReplayBudget, isKept: Bool = true) {
        storage = isKept ? .memory : .unsent
        self.memoryLimit = memoryLimit
        self.fileLimit = fileLimit
        self.budget = budget
    }

    deinit {
        giveBack(\.memory)
        giveBack(\.file)
    }

    /// Whether the body is still complete from offset 0.
    public var isReplayable: Bool {
        switch storage {
        case .memory, .spilled, .unsent: true
        case .window: false
        }
    }

    /// `isFraming`: the bytes are not the body's own, but of its form for the upstream.
    public func append(_ bytes: UnsafeRawBufferPointer, isFraming: Bool = false) {
        guard !bytes.isEmpty else { return }
        if isFraming { framing += bytes.count }
        let end = count + bytes.count
        defer { count = end }
        if case .memory = storage {
            if end - framing <= memoryLimit, take(\.memory, bytes.count) { return memory.append(bytes) }
            storage = spill()
        }
        if case .spilled(let file) = storage {
            if end - framing <= fileLimit, take(\.file, bytes.count), file.write(bytes, at: count) { return }
            storage = .window(start: count, before: file)
        }
        memory.append(bytes)
    }

    public func append(framing text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount), isFraming: true)
    }

    /// Bytes from `offset` on, at most `limit`; bytes of a file are read into `scratch`. Nil if the file cannot be
    /// read, or the bytes were dropped.
    public func bytes(from offset: Int, limit: Int, scratch: ByteBuffer) -> UnsafeRawBufferPointer? {
        let wanted = min(limit, count - offset)
        guard wanted > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        switch storage {
        case .memory, .unsent:
            return slice(from: offset, wanted)
        case .spilled(let file):
            return file.read(at: offset, wanted, scratch)
        case .window(let start, let file):
            if offset >= start { return slice(from: offset - start, wanted) }
            return file?.read(at: offset, min(wanted, start - offset), scratch)
        }
    }

    /// The body so far, if all of it is in memory.
    public var inMemory: UnsafeRawBufferPointer? {
        switch storage {
        case .memory, .unsent: memory.readable
        case .spilled, .window: nil
        }
    }

    private func slice(from start: Int, _ count: Int) -> UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory.readable[start...].prefix(count))
    }

    /// Everything before `offset` was sent. It is dropped if the body cannot be replayed anyway.
    public func sent(upTo offset: Int) {
        let start: Int
        switch storage {
        case .memory, .spilled: return
        case .unsent: start = 0
        case .window(let first, _): start = first
        }
        guard offset > start else { return }
        memory.consume(offset - start)
        storage = .window(start: offset, before: nil)
        giveBack(\.file)
    }

    /// Moves the bytes from memory to a file. If that fails, the body is no longer kept.
    private func spill() -> Storage {
        guard fileLimit > memoryLimit, take(\.file, count) else { return .window(start: 0, before: nil) }
        guard let file = SpillFile(), file.write(memory.readable, at: 0) else {
            giveBack(\.file)
            return .window(start: 0, before: nil)
        }
        memory.clear()
        giveBack(\.memory)
        return .spilled(file)
    }

    private func take(_ kind: WritableKeyPath<ReplayBudget.Amount, Int>, _ bytes: Int) -> Bool {
        guard budget.take(kind, bytes) else { return false }
        taken[keyPath: kind] += bytes
        return true
    }

    private func giveBack(_ kind: WritableKeyPath<ReplayBudget.Amount, Int>) {
        budget.give(kind, taken[keyPath: kind])
        taken[keyPath: kind] = 0
    }
}

/// The unlinked temporary file of one body.
private final class SpillFile {
    private let descriptor: FileDescriptor

    init?() {
        guard let descriptor = TemporaryDirectory.unnamedFile() else { return nil }
        self.descriptor = descriptor
    }

    func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        descriptor.write(bytes, at: offset)
    }

    /// Reads up to `count` bytes at `offset` into `scratch`; nil if there are none.
    func read(at offset: Int, _ count: Int, _ scratch: ByteBuffer) -> UnsafeRawBufferPointer? {
        scratch.clear()
        let room = scratch.writable(minimum: min(count, BufferPool.bufferCapacity))
        let moved = descriptor.read(
            at: offset,
            into: UnsafeMutableRawBufferPointer(rebasing: room[..<min(count, room.count)])
        )
        guard moved > 0 else { return nil }
        scratch.commit(moved)
        return scratch.readable
    }
}
