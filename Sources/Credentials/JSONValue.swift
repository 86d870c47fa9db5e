/// A JSON text (RFC 8259), read and written without loss: numbers keep their spelling, objects their order.
///
/// Own code because the session file must survive unknown members exactly, and Foundation's parser costs 20 MiB.
public enum JSONValue: Equatable, Sendable {
    case null
    case bool(Bool)
    /// As it was spelled.
    case number(String)
    case string(String)
    case array([JSONValue])
    case object([Member])

    public struct Member: Equatable, Sendable {
        public var name: String
        public var value: JSONValue

        public init(_ name: String, _ value: JSONValue) {
            self.name = name
            self.value = value
        }
    }

    /// Nil when `bytes` are not one JSON text, or nest deeper than 64. A byte order mark before it is ignored (RFC 8259 section 8.1).
    public init?(parsing bytes: some Collection<UInt8>) {
        var parser = JSONParser(Array(bytes), isLenient: false)
        guard let value = parser.document() else { return nil }
        self = value
    }

    /// Reads what an API answered, of which one member is wanted: a fault elsewhere must not cost it.
    ///
    /// Forgiven are UTF-16 with a byte order mark, octets that are no UTF-8, halves of surrogate pairs, unknown escapes, control
    /// characters in strings, misspelt numbers and words, commas too many, deep nesting (what lies below is null), and anything after
    /// the value. Nil when there is no object or array, or it does not end: that is a response that was cut.
    public init?(lenient bytes: some Collection<UInt8>) {
        var parser = JSONParser(UnicodeText.utf8(Array(bytes)), isLenient: true)
        guard let value = parser.lenientDocument() else { return nil }
        self = value
    }

    public subscript(name: String) -> JSONValue? {
        get {
            guard case .object(let members) = self else { return nil }
            return members.last { $0.name == name }?.value
        }
        set {
            guard case .object(var members) = self else { return }
            if let index = members.lastIndex(where: { $0.name == name }) {
                if let newValue { members[index].value = newValue } else { members.remove(at: index) }
            } else if let newValue {
                members.append(Member(name, newValue))
            }
            self = .object(members)
        }
    }

    public var string: String? {
        if case .string(let text) = self { text } else { nil }
    }

    public var integer: Int? {
        guard case .number(let text) = self else { return nil }
        if let whole = Int(text) { return whole }
        guard let number = Double(text), number.magnitude < 1e15 else { return nil }
        return Int(number)
    }

    public var bool: Bool? {
        if case .bool(let value) = self { value } else { nil }
    }

    public static func integer(_ value: Int) -> JSONValue { .number(String(value)) }

    /// Follows a JSON Pointer (RFC 6901).
    public func value(at pointer: String) -> JSONValue? {
        guard !pointer.isEmpty else { return self }
        guard pointer.hasPrefix("/") else { return nil }
        var current = self
        for part in pointer.dropFirst().split(separator: "/", omittingEmptySubsequences: false) {
            let isEscaped = part.utf8.contains(UInt8(ascii: "~"))
            let name =
                isEscaped ? String(part).replacingAll("~1", with: "/").replacingAll("~0", with: "~") : String(part)
            switch current {
            case .object:
                guard let next = current[name] else { return nil }
                current = next
            case .array(let elements):
                guard let index = Int(name), elements.indices.contains(index) else { return nil }
                current = elements[index]
            default:
                return nil
            }
        }
        return current
    }

    /// The text: without blanks, or for people (`indent` is the depth it starts at).
    public func serialized(pretty: Bool = false) -> String {
        var result = ""
        write(to: &result, pretty: pretty, depth: 0)
        return result
    }

    private func write(to result: inout String, pretty: Bool, depth: Int) {
        let lineBreak = { (depth: Int) in pretty ? "\n" + String(repeating: "  ", count: depth) : "" }
        switch self {
        case .null: result += "null"
        case .bool(let value): result += value ? "true" : "false"
        case .number(let text): result += text
        case .string(let text): Self.write(text, to: &result)
        case .array(let elements):
            result += "["
            for (index, element) in elements.enumerated() {
                result += (index > 0 ? "," : "") + lineBreak(depth + 1)
                element.write(to: &result, pretty: pretty, depth: depth + 1)
            }
            result += (elements.isEmpty ? "" : lineBreak(depth)) + "]"
        case .object(let members):
            result += "{"
            for (index, member) in members.enumerated() {
                result += (index > 0 ? "," : "") + lineBreak(depth + 1)
                Self.write(member.name, to: &result)
                result += pretty ? ": " : ":"
                member.value.write(to: &result, pretty: pretty, depth: depth + 1)
            }
            result += (members.isEmpty ? "" : lineBreak(depth)) + "}"
        }
    }

    private static func write(_ text: String, to result: inout String) {
        var text = text
        result += "\""
        text.withUTF8 { escape(UnsafeRawBufferPointer($0)) { result += String(decoding: $0, as: UTF8.self) } }
        result += "\""
    }

    /// Hands over, piece by piece, what stands between a string's quotes for `text`, which is UTF-8 (RFC 8259 section 7).
    public static func escape(_ text: UnsafeRawBufferPointer, _ append: (UnsafeRawBufferPointer) -> Void) {
        func add(_ escape: StaticString) {
            append(UnsafeRawBufferPointer(start: escape.utf8Start, count: escape.utf8CodeUnitCount))
        }
        let digit = { (value: UInt8) in value < 10 ? 0x30 + value : 0x57 + value }
        var start = 0
        for (index, byte) in text.enumerated() {
            guard byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                continue
            }
            append(UnsafeRawBufferPointer(rebasing: text[start..<index]))
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""): add("\\\"")
            case UInt8(ascii: "\\"): add("\\\\")
            case UInt8(ascii: "\n"): add("\\n")
            case UInt8(ascii: "\r"): add("\\r")
            case UInt8(ascii: "\t"): add("\\t")
            default:
                add("\\u00")
                withUnsafeBytes(of: (digit(byte >> 4), digit(byte & 0xF)), append)
            }
        }
        append(UnsafeRawBufferPointer(rebasing: text[start...]))
    }
}

extension String {
    /// Every `part` replaced; on bytes, so that no Unicode table is loaded.
    public func replacingAll(_ part: String, with other: String) -> String {
        var result: [UInt8] = []
        var rest = Array(utf8)[...]
        let wanted = Array(part.utf8)
        while !rest.isEmpty {
            if rest.starts(with: wanted) {
                result += Array(other.utf8)
                rest = rest.dropFirst(wanted.count)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return String(decoding: result, as: UTF8.self)
    }
}

/// Encodings of text that people and servers write though UTF-8 was meant.
enum UnicodeText {
    /// `bytes` as UTF-8: decoded when a byte order mark says that they are UTF-16, else as they are.
    static func utf8(_ bytes: [UInt8]) -> [UInt8] {
        let isLittleEndian: Bool
        switch (bytes.first, bytes.dropFirst().first) {
        case (0xFF, 0xFE): isLittleEndian = true
        case (0xFE, 0xFF): isLittleEndian = false
        default: return bytes
        }
        var units: [UInt16] = []
        units.reserveCapacity(bytes.count / 2)
        for index in stride(from: 2, to: bytes.count - 1, by: 2) {
            let (first, second) = (UInt16(bytes[index]), UInt16(bytes[index + 1]))
            units.append(isLittleEndian ? second << 8 | first : first << 8 | second)
        }
        return Array(String(decoding: units, as: UTF16.self).utf8)
    }
}

private struct JSONParser {
    private let bytes: [UInt8]
    private let isLenient: Bool
    private var offset = 0
    private static let maximumDepth = 64

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
        // What some APIs write so that no page can read the response as a script.
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
        guard end <= bytes.count, bytes[offset..<end].elementsEqual("\(word)".utf8) else { return false }
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

    /// Blanks, and commas too many where they are forgiven.
    private mutating func skipSeparators() {
        skipBlanks()
        while isLenient, take(UInt8(ascii: ",")) { skipBlanks() }
    }

    /// Passes over a value that nests too deep, without recursion. Null stands for it; nil when it does not end.
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

    /// A number or a word up to whatever ends it. What is none counts as a number when it begins like one, else as null.
    private mutating func word() -> JSONValue? {
        let start = offset
        while let byte = current, !" \t\r\n,:]}[{\"".utf8.contains(byte) { offset += 1 }
        guard offset > start else {
            // A value that is missing.
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
        var result: [UInt8] = []
        while let byte = current {
            offset += 1
            switch byte {
            case UInt8(ascii: "\""):
                return isLenient ? String(decoding: result, as: UTF8.self) : String(validating: result, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let escaped = escape() else { return nil }
                result += escaped
            case 0..<0x20 where !isLenient:
                return nil
            default:
                result.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> [UInt8]? {
        guard let byte = current else { return nil }
        offset += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return [byte]
        case UInt8(ascii: "b"): return [0x08]
        case UInt8(ascii: "f"): return [0x0C]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "r"): return [0x0D]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            if let scalar = escapedScalar() { return Array(String(scalar).utf8) }
            return isLenient ? Array("\u{FFFD}".utf8) : nil
        default:
            return isLenient ? [UInt8(ascii: "\\"), byte] : nil
        }
    }

    /// What follows `\u`: four digits, or two halves of a surrogate pair. Nil, having read as little as it may, for half a pair.
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
        let text = String(decoding: bytes[offset..<offset + 4], as: UTF8.self)
        guard text.utf8.allSatisfy({ $0 != 0x2B && $0 != 0x2D }), let code = UInt32(text, radix: 16) else { return nil }
        offset += 4
        return code
    }
}
