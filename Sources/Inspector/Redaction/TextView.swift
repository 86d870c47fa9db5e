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

    func part(_ range: Range<Int>) -> TextView {
        var part = TextView(Array(octets[range]))
        part.origins = origins.map { Array($0[range.lowerBound...range.upperBound]) }
        part.base = base + range.lowerBound
        return part
    }

    /// With one layer of that encoding taken off; nil if there is none. Unless the text `isComplete`, ends before what
    /// may be the beginning of an encoded octet.
    func without(_ encoding: Encoding, isComplete: Bool) -> TextView? {
        let mark: UInt8 =
            switch encoding {
            case .percent: UInt8(ascii: "%")
            case .escape: UInt8(ascii: "\\")
            case .wide: 0
            }
        guard let first = octets.firstIndex(of: mark) else { return nil }
        var result: [UInt8] = []
        result.reserveCapacity(count)
        result += octets[..<first]
        var places: [Int32] = []
        places.reserveCapacity(count + 1)
        for index in 0..<first { places.append(Int32(origin(index))) }
        var index = first
        octets.withUnsafeBufferPointer { octets in
            loop: while index < octets.count {
                let octet = octets[index]
                guard octet == mark else {
                    result.append(octet)
                    places.append(Int32(origin(index)))
                    index += 1
                    continue
                }
                let rest = UnsafeBufferPointer(rebasing: octets[index...])
                switch Self.decode(rest, encoding) {
                case .octets(let value, let length):
                    for byte in value {
                        result.append(byte)
                        places.append(Int32(origin(index)))
                    }
                    index += length
                case .octet(let value, let length):
                    result.append(value)
                    places.append(Int32(origin(index)))
                    index += length
                case .nothing: index += 1
                case .plain:
                    result.append(octet)
                    places.append(Int32(origin(index)))
                    index += 1
                case .unfinished:
                    if !isComplete { break loop }
                    result.append(octet)
                    places.append(Int32(origin(index)))
                    index += 1
                }
            }
        }
        places.append(Int32(origin(index)))
        guard result.count < count else { return nil }
        var view = TextView(octets: result, origins: places)
        view.hasGaps = encoding == .wide
        return view
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
