public import EventIO
import Platform

/// A request's body as it goes upstream, framing included, kept so that it can be sent again.
///
/// In memory up to a limit, then in an unlinked temporary file, then only as a window of what is not sent yet: from
/// then on it cannot be sent again. *Ownership*: owns the file. *Threading*: belongs to one loop.
public final class RequestBody {
    /// Where the bytes are.
    private enum Storage {
        /// Kept: all of them in `memory`.
        case memory
        /// Kept: all of them in the file.
        case spilled(SpillFile)
        /// Not kept, but none was sent: all of them in `memory`.
        case unsent
        /// Not kept: those from `start` on in `memory`. Those before it that were not sent yet are in the file.
        case window(start: Int, before: SpillFile?)
    }

    private var storage: Storage
    private let memory = ByteBuffer(capacity: 4096)
    private let memoryLimit: Int
    private let fileLimit: Int
    private let budget: ReplayBudget
    /// What was taken from the budget.
    private var taken = ReplayBudget.Amount(memory: 0, file: 0)
    /// Bytes so far, from the start of the body.
    public private(set) var count = 0
    /// No more bytes will come.
    public var isComplete = false

    /// `isKept` false forgets what is sent from the start: of a body that is known to be too large, the first part is
    /// of no use.
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

    /// Whether the body is still complete from its first byte on.
    public var isReplayable: Bool {
        switch storage {
        case .memory, .spilled, .unsent: true
        case .window: false
        }
    }

    public func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        let end = count + bytes.count
        defer { count = end }
        if case .memory = storage {
            if end <= memoryLimit, take(\.memory, bytes.count) { return memory.append(bytes) }
            storage = spill()
        }
        if case .spilled(let file) = storage {
            if end <= fileLimit, take(\.file, bytes.count), file.write(bytes, at: count) { return }
            storage = .window(start: count, before: file)
        }
        memory.append(bytes)
    }

    public func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Bytes from `offset` on, at most `limit`; `scratch` is where those of a file are read to. Nil when the file
    /// cannot be read, or when they were forgotten.
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

    /// Everything before `offset` was sent: it is forgotten if it cannot be sent again anyway.
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

    /// Moves what memory holds to a file. If that fails, the body is not kept any more.
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
