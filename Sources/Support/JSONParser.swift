/// Reads JSON, strictly as RFC 8259 has it or leniently: see `JSONValue.init(lenient:)`.
struct JSONParser {
    private let bytes: [UInt8]
    private let isLenient: Bool
    private var offset = 0
    static let maximumDepth = 64

    init(_ bytes: [UInt8], isLenient: Bool) {
        self.bytes = bytes
        self.isLenient = isLenient
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { offset = 3 }
    }

    mutating func document() -> JSONValue? {
        guard let result = value(depth: 0) else { return nil }
        skipBlanks()
        return offset == bytes.count ? result : nil
    }

    mutating func lenientDocument() -> JSONValue? {
        skipBlanks()
        // Some APIs write this prefix so that no page can load the response as a script.
        if take(word: ")]}'") {
            skipBlanks()
            _ = take(UInt8(ascii: ","))
            skipBlanks()
        }
        guard current == UInt8(ascii: "{") || current == UInt8(ascii: "[") else { return nil }
        return value(depth: 0)
    }

    private var current: UInt8? { offset < bytes.count ? bytes[offset] : nil }

    private mutating func skipBlanks() {
        while let byte = current, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { offset += 1 }
    }

    private mutating func take(_ byte: UInt8) -> Bool {
        guard current == byte else { return false }
        offset += 1
        return true
    }

    private mutating func take(word: StaticString) -> Bool {
        let end = offset + word.utf8CodeUnitCount
        guard end <= bytes.count, word.withUTF8Buffer({ unsafe bytes[offset..<end].elementsEqual($0) }) else {
            return false
        }
        offset = end
        return true
    }

    private mutating func value(depth: Int) -> JSONValue? {
        guard depth < Self.maximumDepth else { return isLenient ? skipNested() : nil }
        skipBlanks()
        switch current {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return string().map(JSONValue.string)
        case _ where isLenient: return word()
        case UInt8(ascii: "t"): return take(word: "true") ? .bool(true) : nil
        case UInt8(ascii: "f"): return take(word: "false") ? .bool(false) : nil
        case UInt8(ascii: "n"): return take(word: "null") ? .null : nil
        default: return number()
        }
    }

    private mutating func object(depth: Int) -> JSONValue? {
        offset += 1
        var members: [JSONValue.Member] = []
        skipSeparators()
        if take(UInt8(ascii: "}")) { return .object([]) }
        while true {
            skipSeparators()
            if isLenient, take(UInt8(ascii: "}")) { return .object(members) }
            guard current == UInt8(ascii: "\""), let name = string() else { return nil }
            skipBlanks()
            guard take(UInt8(ascii: ":")), let member = value(depth: depth + 1) else { return nil }
            members.append(.init(name, member))
            skipBlanks()
            if take(UInt8(ascii: "}")) { return .object(members) }
            guard take(UInt8(ascii: ",")) || isLenient && current == UInt8(ascii: "\"") else { return nil }
        }
    }

    private mutating func array(depth: Int) -> JSONValue? {
        offset += 1
        var elements: [JSONValue] = []
        skipSeparators()
        if take(UInt8(ascii: "]")) { return .array([]) }
        while true {
            skipSeparators()
            if isLenient, take(UInt8(ascii: "]")) { return .array(elements) }
            guard let element = value(depth: depth + 1) else { return nil }
            elements.append(element)
            skipBlanks()
            if take(UInt8(ascii: "]")) { return .array(elements) }
            guard take(UInt8(ascii: ",")) else { return nil }
        }
    }

    /// Skips blanks and, if lenient, surplus commas.
    private mutating func skipSeparators() {
        skipBlanks()
        while isLenient, take(UInt8(ascii: ",")) { skipBlanks() }
    }

    /// Skips a value that nests too deep, without recursion. Returns null for it, or nil if it does not end.
    private mutating func skipNested() -> JSONValue? {
        var depth = 0
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                guard string() != nil else { return nil }
                if depth == 0 { return .null }
                continue
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if depth == 0 { return .null }
                depth -= 1
                if depth == 0 {
                    offset += 1
                    return .null
                }
            case UInt8(ascii: ",") where depth == 0:
                return .null
            default:
                break
            }
            offset += 1
        }
        return nil
    }

    /// Reads a number or a word up to the next separator, leniently. Anything else counts as null.
    private mutating func word() -> JSONValue? {
        let start = offset
        while let byte = current, !Self.endsWord(byte) { offset += 1 }
        guard offset > start else {
            // The value is missing.
            return current.map { ",]}".utf8.contains($0) } == true ? .null : nil
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        switch text {
        case "true": return .bool(true)
        case "false": return .bool(false)
        default: break
        }
        let digits = text.utf8.first == UInt8(ascii: "+") ? String(text.dropFirst()) : text
        guard let first = digits.utf8.first, "-.0123456789".utf8.contains(first), Double(digits) != nil else {
            return .null
        }
        return .number(digits)
    }

    private static func endsWord(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x20, 0x09, 0x0D, 0x0A, UInt8(ascii: ","), UInt8(ascii: ":"), UInt8(ascii: "["), UInt8(ascii: "]"),
            UInt8(ascii: "{"), UInt8(ascii: "}"), UInt8(ascii: "\""):
            true
        default: false
        }
    }

    private mutating func number() -> JSONValue? {
        let start = offset
        _ = take(UInt8(ascii: "-"))
        guard let first = current, first >= 0x30, first <= 0x39 else { return nil }
        if first == 0x30 { offset += 1 } else { digits() }
        if let byte = current, byte >= 0x30, byte <= 0x39 { return nil }
        if take(UInt8(ascii: ".")) { guard digits() else { return nil } }
        if take(UInt8(ascii: "e")) || take(UInt8(ascii: "E")) {
            if !take(UInt8(ascii: "+")) { _ = take(UInt8(ascii: "-")) }
            guard digits() else { return nil }
        }
        return .number(String(decoding: bytes[start..<offset], as: UTF8.self))
    }

    @discardableResult
    private mutating func digits() -> Bool {
        let start = offset
        while let byte = current, byte >= 0x30, byte <= 0x39 { offset += 1 }
        return offset > start
    }

    private mutating func string() -> String? {
        offset += 1
        var start = offset
        // What stands before the last escape.
        var decoded: [UInt8] = []
        while let byte = current {
            switch byte {
            case UInt8(ascii: "\""):
                defer { offset += 1 }
                return decoded.isEmpty ? text(bytes[start..<offset]) : text((decoded + bytes[start..<offset])[...])
            case UInt8(ascii: "\\"):
                decoded += bytes[start..<offset]
                offset += 1
                guard escape(&decoded) else { return nil }
                start = offset
            case 0..<0x20 where !isLenient:
                return nil
            default:
                offset += 1
            }
        }
        return nil
    }

    private func text(_ bytes: ArraySlice<UInt8>) -> String? {
        isLenient ? String(decoding: bytes, as: UTF8.self) : String(validating: bytes, as: UTF8.self)
    }

    /// Reads what follows a backslash. False if it is no escape.
    private mutating func escape(_ decoded: inout [UInt8]) -> Bool {
        guard let byte = current else { return false }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): decoded.append(byte)
        case UInt8(ascii: "b"): decoded.append(0x08)
        case UInt8(ascii: "f"): decoded.append(0x0C)
        case UInt8(ascii: "n"): decoded.append(0x0A)
        case UInt8(ascii: "r"): decoded.append(0x0D)
        case UInt8(ascii: "t"): decoded.append(0x09)
        case UInt8(ascii: "u"):
            guard let scalar = escapedScalar() ?? (isLenient ? "\u{FFFD}" : nil) else { return false }
            decoded += UTF8.encode(scalar) ?? UTF8.encodedReplacementCharacter
        default:
            guard isLenient else { return false }
            decoded += [UInt8(ascii: "\\"), byte]
        }
        return true
    }

    /// Reads what follows `\u`: four digits, or a surrogate pair. Nil for half a pair, of which only its own digits are
    /// read then.
    private mutating func escapedScalar() -> Unicode.Scalar? {
        guard let high = fourDigits() else { return nil }
        guard high >= 0xD800, high < 0xDC00 else { return Unicode.Scalar(high) }
        let start = offset
        guard take(UInt8(ascii: "\\")), take(UInt8(ascii: "u")), let low = fourDigits(), low >= 0xDC00, low < 0xE000
        else {
            offset = start
            return nil
        }
        return Unicode.Scalar(0x10000 + (high - 0xD800) << 10 + (low - 0xDC00))
    }

    private mutating func fourDigits() -> UInt32? {
        guard offset + 4 <= bytes.count else { return nil }
        var code: UInt32 = 0
        for byte in bytes[offset..<offset + 4] {
            switch byte {
            case 0x30...0x39: code = code << 4 | UInt32(byte - 0x30)
            case 0x41...0x46, 0x61...0x66: code = code << 4 | UInt32((byte | 0x20) - 0x57)
            default: return nil
            }
        }
        offset += 4
        return code
    }
}
