/// The lexis of JSON (RFC 8259), and of what is written like it: where strings, words and blanks end. Pure.
enum JSONOctets {
    /// Between tokens (RFC 8259 section 2).
    static func isBlank(_ octet: UInt8) -> Bool {
        octet == 0x20 || octet == 0x0A || octet == 0x0D || octet == 0x09
    }

    /// Where the next octet is that is none.
    static func endOfBlanks(_ octets: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var index = start
        while index < end, isBlank(octets[index]) { index += 1 }
        return index
    }

    /// The quote that ends the string whose content begins there; nil if it is cut.
    static func closing(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ start: Int,
        _ end: Int,
        _ quote: UInt8 = UInt8(ascii: "\"")
    ) -> Int? {
        var index = start
        while index < end {
            if octets[index] == quote { return index }
            index += octets[index] == UInt8(ascii: "\\") ? 2 : 1
        }
        return nil
    }

    /// The end of a number or a word.
    static func endOfWord(_ octets: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        var index = start
        while index < end {
            switch octets[index] {
            case UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "]"), UInt8(ascii: "}"), UInt8(ascii: "["),
                UInt8(ascii: "{"), UInt8(ascii: "\""), 0x20, 0x0A, 0x0D, 0x09:
                return index
            default: index += 1
            }
        }
        return index
    }

    /// No secret.
    static func isLiteral(_ octets: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        range.count <= 5 && ["true", "false", "null"].contains(String(decoding: octets[range], as: UTF8.self))
    }

    /// Whether an odd number of backslashes stands before that octet, behind `start`.
    static func isEscaped(_ octets: UnsafeBufferPointer<UInt8>, _ index: Int, _ start: Int) -> Bool {
        var first = index
        while first > start, octets[first - 1] == UInt8(ascii: "\\") { first -= 1 }
        return (index - first) % 2 == 1
    }
}
