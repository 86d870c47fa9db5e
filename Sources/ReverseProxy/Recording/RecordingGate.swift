import Synchronization

/// What an exchange pays that is not recorded: one word that it compares with its beginning, and a count at its end.
///
/// The word says until when exchanges that begin are not recorded, in monotonic nanoseconds, and why, in its lowest
/// bits. The worker closes it when it has refused one for a reason that lasts; whoever changes what is recorded opens it.
/// Without an inspector it is closed for good, so that being off and not being looked at are the same.
///
/// *Ownership*: a copy owns nothing; the words are an `AtomicArray`'s, which outlives it. *Threading*: belongs to its
/// worker's loop; `open` may be called from any thread.
struct RecordingGate {
    private let words: UnsafeMutablePointer<Atomic<UInt64>>

    /// `words` has one for each `Recordings.Number`.
    init(_ words: AtomicArray) {
        self.words = words.storage
    }

    private static let reasonBits: UInt64 = 7

    /// Whether the exchange that begins is recorded. `recorder` is asked only if it may be; nil records nothing.
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

    /// Nothing that begins before `moment`, to within eight nanoseconds, is recorded.
    func close(until moment: UInt64, because absence: Recording.Absence) {
        let word = moment & ~Self.reasonBits | UInt64(absence.rawValue)
        words[Recordings.Number.closed.rawValue].store(word, ordering: .sequentiallyConsistent)
    }

    /// The next exchange asks.
    func open() {
        words[Recordings.Number.closed.rawValue].store(0, ordering: .sequentiallyConsistent)
    }

    /// Counts an exchange that ended without being recorded.
    @inline(__always)
    func count(_ absence: Recording.Absence) { add(absence.number) }

    @inline(__always)
    func add(_ number: Recordings.Number) {
        // One writer: a load and a store are enough.
        let word = words + number.rawValue
        word.pointee.store(word.pointee.load(ordering: .relaxed) &+ 1, ordering: .relaxed)
    }

    /// The number of the next exchange, from 1.
    @inline(__always)
    func nextExchange() -> UInt64 {
        add(.last)
        return words[Recordings.Number.last.rawValue].load(ordering: .relaxed)
    }

    /// Something was written since the last turn's end.
    @inline(__always)
    var hasNews: Bool {
        get { words[Recordings.Number.news.rawValue].load(ordering: .relaxed) != 0 }
        nonmutating set { words[Recordings.Number.news.rawValue].store(newValue ? 1 : 0, ordering: .relaxed) }
    }
}
