import Synchronization

/// The cost of an exchange that is not recorded: one comparison at its beginning, and one count at its end.
///
/// The word contains the moment until which exchanges are not recorded, in monotonic nanoseconds, and in its lowest
/// bits the reason. The worker closes the gate when it has refused an exchange for a lasting reason; a change of the
/// policy opens it. Without an inspector it is closed for good, so an inspector that is off costs the same as one that
/// nobody watches.
///
/// *Ownership*: a copy owns nothing; the words belong to an `AtomicArray` that outlives it. *Threading*: belongs to its
/// worker's loop; `open` may be called from any thread.
struct RecordingGate {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    /// `words` contains one for each `Recordings.Number`.
    init(_ words: AtomicArray) {
        self.words = words.storage
    }

    private static let reasonBits: UInt64 = 7

    /// Whether to record the exchange that begins. Calls `recorder` only if the gate is open; nil records nothing.
    @inline(__always)
    func admit(
        _ origin: ConnectionOrigin,
        isRefused: Bool,
        now: UInt64,
        _ recorder: @autoclosure () -> Recorder?
    ) -> Recording {
        if !isRefused, case .client = origin, let absence = absence(now: now) { return .absent(absence) }
        return recorder()?.admit(origin, isRefused: isRefused, now: now) ?? .absent(.off)
    }

    @inline(__always)
    private func absence(now: UInt64) -> Recording.Absence? {
        let word = words[Recordings.Number.closed.rawValue].load(ordering: .relaxed)
        return now < word ? Recording.Absence(rawValue: UInt8(truncatingIfNeeded: word & Self.reasonBits)) : nil
    }

    /// Exchanges that begin before `moment`, to within eight nanoseconds, are not recorded.
    func close(until moment: UInt64, because absence: Recording.Absence) {
        let word = moment & ~Self.reasonBits | UInt64(absence.rawValue)
        words[Recordings.Number.closed.rawValue].store(word, ordering: .sequentiallyConsistent)
    }

    /// The next exchange asks the recorder.
    func open() {
        words[Recordings.Number.closed.rawValue].store(0, ordering: .sequentiallyConsistent)
    }

    /// Counts an exchange that ended without being recorded.
    @inline(__always)
    func count(_ absence: Recording.Absence) { add(absence.number) }

    @inline(__always)
    func add(_ number: Recordings.Number) {
        // There is one writer, so a load and a store are sufficient.
        let word = words + number.rawValue
        word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// The number of the next exchange, from 1.
    @inline(__always)
    func nextExchange() -> UInt64 {
        add(.last)
        return words[Recordings.Number.last.rawValue].load(ordering: .relaxed)
    }

    /// Records were written since the end of the last turn.
    @inline(__always)
    var hasNews: Bool {
        get { words[Recordings.Number.news.rawValue].load(ordering: .relaxed) != 0 }
        nonmutating set { words[Recordings.Number.news.rawValue].store(newValue ? 1 : 0, ordering: .relaxed) }
    }
}
