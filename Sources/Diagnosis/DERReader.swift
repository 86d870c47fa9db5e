/// Reads DER (X.690) from its beginning on. Pure; what is malformed ends it.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    /// One element: its tag, and what is in it.
    struct Element {
        let tag: UInt8
        let content: ArraySlice<UInt8>

        /// What a SEQUENCE, a SET or another constructed element consists of.
        var parts: DERReader { DERReader(content) }
    }

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// The tag of the next element; nil at the end.
    var tag: UInt8? { rest.first }

    /// The next element, of that tag if one is given. Nil, and nothing is read, when there is none.
    mutating func next(_ tag: UInt8? = nil) -> Element? {
        guard rest.count >= 2, let first = rest.first, tag == nil || tag == first else { return nil }
        // Tags of more than one byte are in no certificate.
        guard first & 0x1F != 0x1F else { return nil }
        var start = rest.startIndex + 2
        var count = Int(rest[rest.startIndex + 1])
        if count >= 0x80 {
            let digits = count - 0x80
            // At most four bytes of length, and not the indefinite form, which BER has.
            guard (1...4).contains(digits), rest.endIndex - start >= digits else { return nil }
            count = rest[start..<(start + digits)].reduce(0) { $0 << 8 | Int($1) }
            start += digits
        }
        guard rest.endIndex - start >= count else { return nil }
        defer { rest = rest[(start + count)...] }
        return Element(tag: first, content: rest[start..<(start + count)])
    }
}
