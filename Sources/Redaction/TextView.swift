import HTTP1

/// A text with some of its encoding taken off, and where each octet came from.
struct TextView {
    enum Encoding {
        /// `%41` (RFC 3986 section 2.1).
        case percent
        /// `\"`, `\u0041` (RFC 8259 section 7).
        case escape
        /// Octets of zero, which UTF-16 has between Latin letters.
        case wide
    }

    private(set) var octets: [UInt8]
    /// Where each octet's source begins, and behind the last where that ends; nil where the text is the source, from
    /// `base` on.
    private var origins: [Int32]?
    private var base = 0
    /// What stands between two octets' sources stands for nothing.
    private var hasGaps = false

    init(_ octets: [UInt8]) {
        self.octets = octets
    }

    private init(octets: [UInt8], origins: [Int32]) {
        self.octets = octets
        self.origins = origins
    }

    var count: Int { octets.count }

    /// Where the octet's source begins.
    func origin(_ index: Int) -> Int { origins.map { Int($0[index]) } ?? base + index }

    /// Where the source of those octets is.
    func source(_ range: Range<Int>) -> Range<Int> {
        guard let origins else { return (base + range.lowerBound)..<(base + range.upperBound) }
        var end = range.upperBound
        if hasGaps, !range.isEmpty { return Int(origins[range.lowerBound])..<(Int(origins[end - 1]) + 1) }
        // Several octets may come of one escape.
        while end > range.lowerBound, end < count, origins[end] == origins[end - 1] { end += 1 }
        return Int(origins[range.lowerBound])..<Int(origins[end])
    }

    /// Whether the octet stands in the source as it is.
    func isWritten(_ index: Int) -> Bool { origin(index + 1) - origin(index) == 1 }

    /// With blanks in place of plus signs, as forms mean them.
    func withBlanks() -> TextView {
        var view = self
        for index in octets.indices where octets[index] == UInt8(ascii: "+") { view.octets[index] = 0x20 }
        return view
    }

    func part(_ range: Range<Int>) -> TextView {
        var part = TextView(Array(octets[range]))
        part.origins = origins.map { Array($0[range.lowerBound...range.upperBound]) }
        part.base = base + range.lowerBound
        return part
    }

    /// With one layer of that encoding taken off; nil if there is none. Unless the text `isComplete`, ends before what
    /// may be the beginning of an encoded octet.
    func without(_ encoding: Encoding, within part: Range<Int>? = nil, isComplete: Bool) -> TextView? {
        let mark: UInt8 =
            switch encoding {
            case .percent: UInt8(ascii: "%")
            case .escape: UInt8(ascii: "\\")
            case .wide: 0
            }
        let part = part ?? 0..<count
        return octets.withUnsafeBufferPointer { octets in
            let octets = UnsafeBufferPointer(rebasing: octets[part])
            guard let first = octets.firstIndex(of: mark) else { return nil }
            let length = octets.count
            var places: [Int32] = []
            // Where decoding ended, and how many octets came of it.
            var (index, written) = (first, first)
            let result = [UInt8](unsafeUninitializedCapacity: length) { result, count in
                _ = result.initialize(fromContentsOf: octets)
                places = [Int32](unsafeUninitializedCapacity: length + 1) { places, count in
                    origins(part.lowerBound, length + 1, into: places)
                    while index < length {
                        // What is put is never longer than what it is made of.
                        let source = places[index]
                        guard octets[index] == mark else {
                            result[written] = octets[index]
                            places[written] = source
                            written += 1
                            index += 1
                            continue
                        }
                        switch Self.decode(UnsafeBufferPointer(rebasing: octets[index...]), encoding) {
                        case .octet(let value, let length):
                            result[written] = value
                            places[written] = source
                            written += 1
                            index += length
                        case .octets(let value, let length):
                            for byte in value {
                                result[written] = byte
                                places[written] = source
                                written += 1
                            }
                            index += length
                        case .nothing: index += 1
                        case .unfinished where !isComplete:
                            places[written] = source
                            count = written + 1
                            return
                        case .plain, .unfinished:
                            result[written] = mark
                            places[written] = source
                            written += 1
                            index += 1
                        }
                    }
                    places[written] = places[length]
                    count = written + 1
                }
                count = written
            }
            guard written < length else { return nil }
            var view = TextView(octets: result, origins: places)
            view.hasGaps = encoding == .wide
            return view
        }
    }

    /// Where the sources of so many octets begin.
    private func origins(_ start: Int, _ count: Int, into places: UnsafeMutableBufferPointer<Int32>) {
        for index in 0..<count {
            let origin = origins.map { $0[start + index] } ?? Int32(base + start + index)
            places.initializeElement(at: index, to: origin)
        }
    }

    private enum Decoded {
        case octet(UInt8, length: Int)
        case octets(Unicode.UTF8.EncodedScalar, length: Int)
        /// Stands for nothing.
        case nothing
        /// Encodes nothing.
        case plain
        /// Nothing can be said before more comes.
        case unfinished
    }

    /// What stands at the beginning of `text`, which has the encoding's mark there.
    private static func decode(_ text: UnsafeBufferPointer<UInt8>, _ encoding: Encoding) -> Decoded {
        switch encoding {
        case .wide: return .nothing
        case .percent:
            guard text.count > 1 else { return .unfinished }
            guard let high = Octet.hexadecimal(text[1]) else { return .plain }
            guard text.count > 2 else { return .unfinished }
            guard let low = Octet.hexadecimal(text[2]) else { return .plain }
            return .octet(UInt8(high << 4 | low), length: 3)
        case .escape:
            guard text.count > 1 else { return .unfinished }
            switch text[1] {
            case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return .octet(text[1], length: 2)
            case UInt8(ascii: "b"): return .octet(0x08, length: 2)
            case UInt8(ascii: "f"): return .octet(0x0C, length: 2)
            case UInt8(ascii: "n"): return .octet(0x0A, length: 2)
            case UInt8(ascii: "r"): return .octet(0x0D, length: 2)
            case UInt8(ascii: "t"): return .octet(0x09, length: 2)
            case UInt8(ascii: "u"): return unicode(text)
            default: return .plain
            }
        }
    }

    /// `\uXXXX`, or two of them that are one character.
    private static func unicode(_ text: UnsafeBufferPointer<UInt8>) -> Decoded {
        let first: UInt32
        switch unit(text, 2) {
        case .value(let value): first = value
        case .unfinished: return .unfinished
        case .none: return .plain
        }
        if let scalar = Unicode.Scalar(first) { return encoded(scalar, 6) }
        guard first < 0xDC00 else { return encoded("\u{FFFD}", 6) }
        for (index, octet) in [UInt8(ascii: "\\"), UInt8(ascii: "u")].enumerated() {
            guard text.count > 6 + index else { return .unfinished }
            guard text[6 + index] == octet else { return encoded("\u{FFFD}", 6) }
        }
        switch unit(text, 8) {
        case .value(let second) where (0xDC00...0xDFFF).contains(second):
            let scalar = Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
            return encoded(scalar ?? "\u{FFFD}", 12)
        case .unfinished: return .unfinished
        case .value, .none: return encoded("\u{FFFD}", 6)
        }
    }

    private static func encoded(_ scalar: Unicode.Scalar, _ length: Int) -> Decoded {
        if scalar.isASCII { return .octet(UInt8(scalar.value), length: length) }
        return .octets(Unicode.UTF8.encode(scalar)!, length: length)  // every scalar has UTF-8
    }

    private enum Unit { case value(UInt32), unfinished, none }

    private static func unit(_ text: UnsafeBufferPointer<UInt8>, _ start: Int) -> Unit {
        var value: UInt32 = 0
        for index in start..<(start + 4) {
            guard index < text.count else { return .unfinished }
            guard let digit = Octet.hexadecimal(text[index]) else { return .none }
            value = value << 4 | UInt32(digit)
        }
        return .value(value)
    }
}
