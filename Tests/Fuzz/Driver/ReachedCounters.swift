// libFuzzer clears and reads every counter that it knows, a word at a time, for each input. The program has 100,000, of
// which one target reaches some thousands: the others were a quarter to a third of a run. It is told of what was reached only;
// whether a run reached more is seen by looking at the others, many words at a time.

/// What libFuzzer has been told of. Used by its only thread.
enum ReachedCounters {
    /// The counters of the program (`-sanitize-coverage=inline-8bit-counters`), which a constructor announces before
    /// `main`, and the table with two words for each, of where its code is (`pc-table`).
    nonisolated(unsafe) fileprivate static var counters: UnsafeMutableBufferPointer<UInt8>?
    nonisolated(unsafe) fileprivate static var places: UnsafePointer<(UInt, UInt)>?

    /// How many counters libFuzzer is told of at once, in whole words. It can be told 4,096 times.
    nonisolated(unsafe) private static var size = 64
    private static let word = MemoryLayout<UInt64>.size
    /// What it has not been told of: whole words.
    nonisolated(unsafe) private static var unknown: [Range<Int>] = []

    /// `whole`: tells of everything. What merges inputs compares features by number, which the order of telling decides.
    static func begin(whole: Bool) {
        guard let counters, let base = counters.baseAddress else { return }
        let address = Int(bitPattern: base)
        let first = min((word - address % word) % word, counters.count)
        let end = first + (counters.count - first) / word * word
        guard !whole, first < end else { return announce(0..<counters.count) }
        size = max(64, counters.count / 2048 / word * word)
        announce(0..<first)
        announce(end..<counters.count)
        unknown = [first..<end]
        announceReached()
    }

    /// After each input, before libFuzzer reads the counters: it takes what is new for this input's.
    static func announceReached() {
        guard unknown.contains(where: isReached) else { return }
        var rest: [Range<Int>] = []
        for range in unknown {
            var start = range.lowerBound
            while start < range.upperBound {
                let piece = start..<min(start + size, range.upperBound)
                if isReached(piece) {
                    announce(piece)
                } else if rest.last?.upperBound == piece.lowerBound {
                    rest[rest.count - 1] = rest[rest.count - 1].lowerBound..<piece.upperBound
                } else {
                    rest.append(piece)
                }
                start = piece.upperBound
            }
        }
        unknown = rest
    }

    private static func isReached(_ range: Range<Int>) -> Bool {
        guard let base = counters?.baseAddress else { return false }
        let words = UnsafeRawPointer(base + range.lowerBound).assumingMemoryBound(to: UInt64.self)
        var bits: UInt64 = 0
        for index in 0..<range.count / word { bits |= words[index] }
        return bits != 0
    }

    private static func announce(_ range: Range<Int>) {
        guard !range.isEmpty, let counters = counters?.baseAddress, let places else { return }
        countersInit(counters + range.lowerBound, counters + range.upperBound)
        placesInit(places + range.lowerBound, places + range.upperBound)
    }
}

@_silgen_name("__real___sanitizer_cov_8bit_counters_init")
private func countersInit(_ start: UnsafeMutablePointer<UInt8>, _ end: UnsafeMutablePointer<UInt8>)

@_silgen_name("__real___sanitizer_cov_pcs_init")
private func placesInit(_ start: UnsafePointer<(UInt, UInt)>, _ end: UnsafePointer<(UInt, UInt)>)

@_cdecl("__wrap___sanitizer_cov_8bit_counters_init")
public func wrapCountersInit(_ start: UnsafeMutablePointer<UInt8>, _ end: UnsafeMutablePointer<UInt8>) {
    ReachedCounters.counters = UnsafeMutableBufferPointer(start: start, count: end - start)
}

@_cdecl("__wrap___sanitizer_cov_pcs_init")
public func wrapPlacesInit(_ start: UnsafeRawPointer, _ end: UnsafeRawPointer) {
    ReachedCounters.places = start.assumingMemoryBound(to: (UInt, UInt).self)
}
