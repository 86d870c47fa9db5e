/// Finds what has the form of a JSON Web Token (RFC 7519) or an encrypted one (RFC 7516): `eyJ….….`, as `{"` begins in
/// base64url.
enum ShapeFinder {
    private static let isTokenOctet: [Bool] = (UInt8.min...UInt8.max).map { octet in
        switch octet {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."): true
        default: false
        }
    }

    /// Calls `found` with the place of each that has ended, and gives where the first begins that may go on.
    static func find(in text: UnsafeBufferPointer<UInt8>, isEnded: Bool, _ found: (Range<Int>) -> Void) -> Int? {
        isTokenOctet.withUnsafeBufferPointer { isTokenOctet in
            // Where one may have begun, within the run of such octets; how many dots came behind it.
            var start: Int?
            var dots = 0
            for index in text.indices {
                let octet = text[index]
                if !isTokenOctet[Int(octet)] {
                    if let first = start, dots >= 2 { found(first..<end(of: text, first, index)) }
                    start = nil
                } else if start == nil {
                    guard octet == UInt8(ascii: "J"), index >= 2, text[index - 1] == UInt8(ascii: "y"),
                        text[index - 2] == UInt8(ascii: "e")
                    else { continue }
                    start = index - 2
                    dots = 0
                } else if octet == UInt8(ascii: ".") {
                    dots += 1
                }
            }
            if isEnded {
                if let first = start, dots >= 2 { found(first..<end(of: text, first, text.count)) }
                return nil
            }
            if let start { return start }
            if text.last == UInt8(ascii: "e") { return text.count - 1 }
            return text.suffix(2).elementsEqual("ey".utf8) ? text.count - 2 : nil
        }
    }

    /// Without the full stop of a sentence.
    private static func end(of text: UnsafeBufferPointer<UInt8>, _ start: Int, _ end: Int) -> Int {
        guard text[end - 1] == UInt8(ascii: "."), text[start..<(end - 1)].count(where: { $0 == 0x2E }) >= 2 else {
            return end
        }
        return end - 1
    }
}
