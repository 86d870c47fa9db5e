import HTTP1

/// The runs of hexadecimal digits in a text that have capitals and may contain a secret: those that are long enough, and
/// the one at the text's end, which may become so. Looks at one octet of a secret's length elsewhere.
struct HexadecimalRuns: Sequence, IteratorProtocol {
    /// In hexadecimal digits.
    private static let minLength = 2 * SecretFinder.minLength

    private let text: UnsafeBufferPointer<UInt8>
    /// No run that begins before it is still to be given.
    private var start = 0

    /// The text must outlive the sequence.
    init(in text: UnsafeBufferPointer<UInt8>) {
        self.text = text
    }

    mutating func next() -> Range<Int>? {
        while start < text.count {
            // Whatever is long enough and begins behind `start` has a digit there, and the one at the end has the last.
            let probe = Swift.min(start + Self.minLength, text.count) - 1
            guard isDigit(probe) else {
                start = probe + 1
                continue
            }
            var (first, end) = (probe, probe + 1)
            while first > start, isDigit(first - 1) { first -= 1 }
            while end < text.count, isDigit(end) { end += 1 }
            start = end
            let isLong = end - first >= Self.minLength || end == text.count
            if isLong, text[first..<end].contains(where: { $0 < 0x61 && $0 > 0x40 }) { return first..<end }
        }
        return nil
    }

    private func isDigit(_ index: Int) -> Bool { Octet.hexadecimal(text[index]) != nil }
}
