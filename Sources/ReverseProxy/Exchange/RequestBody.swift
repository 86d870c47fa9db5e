public import EventIO

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A request's body as it goes upstream, framing included, kept so that it can be sent again.
///
/// In memory up to a limit, then in an unlinked temporary file, then only as a window of what is not sent yet: from then on it
/// cannot be sent again. *Ownership*: owns the file. *Threading*: belongs to one loop.
public final class RequestBody {
    /// Bytes [fileEnd or memoryStart, count).
    private let memory = ByteBuffer(capacity: 4096)
    /// The offset of the first byte that `memory` holds.
    private var memoryStart = 0
    /// Holds bytes [0, fileEnd); -1 without one.
    private var file: Int32 = -1
    private var fileEnd = 0
    private let memoryLimit: Int
    private let fileLimit: Int
    private let budget: ReplayBudget
    /// What was taken from the budget.
    private var taken = ReplayBudget.Amount(memory: 0, file: 0)
    /// Bytes so far, from the start of the body.
    public private(set) var count = 0
    /// What is sent is kept, as far as the limits go.
    private var isKept: Bool
    /// Everything from the first byte on is here.
    public private(set) var isReplayable = true
    /// No more bytes will come.
    public var isComplete = false

    /// `isKept` false forgets what is sent from the start: of a body that is known to be too large, the first part is of no use.
    public init(memoryLimit: Int, fileLimit: Int, budget: ReplayBudget, isKept: Bool = true) {
        self.isKept = isKept
        self.memoryLimit = memoryLimit
        self.fileLimit = fileLimit
        self.budget = budget
    }

    deinit {
        if file >= 0 { SocketIO.close(file) }
        budget.give(\.memory, taken.memory)
        budget.give(\.file, taken.file)
    }

    public func append(_ bytes: UnsafeRawBufferPointer) {
        guard !bytes.isEmpty else { return }
        defer { count += bytes.count }
        if isKept, file < 0 {
            if count + bytes.count > memoryLimit || !take(\.memory, bytes.count) { spill() }
        }
        if isKept, file >= 0 {
            if count + bytes.count <= fileLimit, take(\.file, bytes.count), write(bytes, at: count) {
                fileEnd = count + bytes.count
                memoryStart = fileEnd
                return
            }
            isKept = false
            isReplayable = false
        }
        memory.append(bytes)
    }

    public func append(_ text: StaticString) {
        append(UnsafeRawBufferPointer(start: text.utf8Start, count: text.utf8CodeUnitCount))
    }

    /// Bytes from `offset` on, at most `limit`; `scratch` is where those of a file are read to. Nil when the file cannot be read.
    public func bytes(from offset: Int, limit: Int, scratch: ByteBuffer) -> UnsafeRawBufferPointer? {
        let wanted = min(limit, count - offset)
        guard wanted > 0 else { return UnsafeRawBufferPointer(start: nil, count: 0) }
        if offset >= memoryStart {
            return UnsafeRawBufferPointer(rebasing: memory.readable[(offset - memoryStart)...].prefix(wanted))
        }
        scratch.clear()
        let amount = min(wanted, fileEnd - offset)
        let room = scratch.writable(minimum: min(amount, BufferPool.bufferCapacity))
        let moved = pread(file, room.baseAddress, min(amount, room.count), off_t(offset))
        guard moved > 0 else { return nil }
        scratch.commit(moved)
        return scratch.readable
    }

    /// Everything before `offset` was sent: forget it if it cannot be sent again anyway.
    public func sent(upTo offset: Int) {
        guard !isKept, offset > memoryStart else { return }
        isReplayable = false
        memory.consume(offset - memoryStart)
        memoryStart = offset
    }

    /// Moves what memory holds to a file. When that fails, the body is not kept any more.
    private func spill() {
        guard fileLimit > memoryLimit, take(\.file, count), let descriptor = TemporaryDirectory.unlinkedFile() else {
            isKept = false
            isReplayable = false
            return
        }
        file = descriptor
        guard write(memory.readable, at: 0) else {
            isKept = false
            isReplayable = false
            return
        }
        fileEnd = count
        memoryStart = count
        memory.clear()
        budget.give(\.memory, taken.memory)
        taken.memory = 0
    }

    private func take(_ kind: WritableKeyPath<ReplayBudget.Amount, Int>, _ bytes: Int) -> Bool {
        guard budget.take(kind, bytes) else { return false }
        taken[keyPath: kind] += bytes
        return true
    }

    private func write(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Bool {
        var done = 0
        while done < bytes.count {
            let moved = pwrite(file, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
            if moved < 0, errno == EINTR { continue }
            guard moved > 0 else { return false }
            done += moved
        }
        return true
    }
}
