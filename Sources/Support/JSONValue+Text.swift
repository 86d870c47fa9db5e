import Platform

extension JSONValue {
    /// The JSON text, without blanks or, if `pretty`, indented for people.
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

    /// Escapes `text`, which is UTF-8, for use between the quotes of a string (RFC 8259 section 7), and passes the
    /// result on in pieces.
    public static func escape(_ text: UnsafeRawBufferPointer, _ append: (UnsafeRawBufferPointer) -> Void) {
        func add(_ escape: StaticString) {
            append(UnsafeRawBufferPointer(start: escape.utf8Start, count: escape.utf8CodeUnitCount))
        }
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
                withUnsafeBytes(of: (Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte & 0xF)), append)
            }
        }
        append(UnsafeRawBufferPointer(rebasing: text[start...]))
    }
}
