/// Reads DER (X.690) from its start. Pure; stops at malformed input.
struct DERReader {
    private var rest: ArraySlice<UInt8>

    /// An element: its tag and its content.
    struct Element {
        let tag: UInt8
        let content: ArraySlice<UInt8>

        /// The elements in a SEQUENCE, a SET or another constructed element.
        var parts: DERReader { DERReader(content) }
    }

    init(_ bytes: ArraySlice<UInt8>) {
        rest = bytes
    }

    /// The tag of the next element; nil at the end.
    var tag: UInt8? { rest.first }

    /// The next element, which must have `tag` if that is given. Nil, without reading, if there is none.
    mutating func next(_ tag: UInt8? = nil) -> Element? {
        guard rest.count >= 2, let first = rest.first, tag == nil || tag == first else { return nil }
        // Certificates have no tags of more than one byte.
        guard first & 0x1F != 0x1F else { return nil }
        var start = rest.startIndex + 2
        var count = Int(rest[rest.startIndex + 1])
        if count >= 0x80 {
            let digits = count - 0x80
            // A length has at most four bytes, and is never in the indefinite form, which only BER has.
            guard (1...4).contains(digits), rest.endIndex - start >= digits else { return nil }
            count = rest[start..<(start + digits)].reduce(0) { $0 << 8 | Int($1) }
            start += digits
        }
        guard rest.endIndex - start >= count else { return nil }
        defer { rest = rest[(start + count)...] }
        return Element(tag: first, content: rest[start..<(start + count)])
    }
}
