import Platform

extension JSONValue {
    /// The JSON text, without blanks or, if `pretty`, indented for people.
    public func serialized(pretty: Bool = false) -> String {
        String(decoding: octets(pretty: pretty), as: UTF8.self)
    }

    /// The same as UTF-8.
    public func octets(pretty: Bool = false) -> [UInt8] {
        var result: [UInt8] = []
        write(to: &result, depth: pretty ? 0 : nil)
        return result
    }

    /// `depth` nil is without line breaks.
    private func write(to result: inout [UInt8], depth: Int?) {
        switch self {
        case .null: result += "null".utf8
        case .bool(let value): result += (value ? "true" : "false").utf8
        case .number(let text): result += text.utf8
        case .string(let text): Self.write(text, to: &result)
        case .array(let elements):
            result.append(UInt8(ascii: "["))
            for (index, element) in elements.enumerated() {
                Self.begin(index, depth, &result)
                element.write(to: &result, depth: depth.map { $0 + 1 })
            }
            if let depth, !elements.isEmpty { Self.breakLine(depth, &result) }
            result.append(UInt8(ascii: "]"))
        case .object(let members):
            result.append(UInt8(ascii: "{"))
            for (index, member) in members.enumerated() {
                Self.begin(index, depth, &result)
                Self.write(member.name, to: &result)
                result.append(UInt8(ascii: ":"))
                if depth != nil { result.append(UInt8(ascii: " ")) }
                member.value.write(to: &result, depth: depth.map { $0 + 1 })
            }
            if let depth, !members.isEmpty { Self.breakLine(depth, &result) }
            result.append(UInt8(ascii: "}"))
        }
    }

    /// What stands before an element.
    private static func begin(_ index: Int, _ depth: Int?, _ result: inout [UInt8]) {
        if index > 0 { result.append(UInt8(ascii: ",")) }
        if let depth { breakLine(depth + 1, &result) }
    }

    private static func breakLine(_ depth: Int, _ result: inout [UInt8]) {
        result.append(UInt8(ascii: "\n"))
        result += repeatElement(UInt8(ascii: " "), count: 2 * depth)
    }

    private static func write(_ text: String, to result: inout [UInt8]) {
        var text = text
        result.append(UInt8(ascii: "\""))
        text.withUTF8 { unsafe escape(UnsafeRawBufferPointer($0)) { unsafe result += $0 } }
        result.append(UInt8(ascii: "\""))
    }

    /// Escapes `text`, which is UTF-8, for use between the quotes of a string (RFC 8259 section 7), and passes the
    /// result on in pieces.
    public static func escape(_ text: UnsafeRawBufferPointer, _ append: (UnsafeRawBufferPointer) -> Void) {
        func add(_ escape: StaticString) {
            unsafe append(UnsafeRawBufferPointer(start: escape.utf8Start, count: escape.utf8CodeUnitCount))
        }
        var start = 0
        for index in text.indices {
            let byte = unsafe text[index]
            guard byte < 0x20 || byte == 0x7F || byte == UInt8(ascii: "\"") || byte == UInt8(ascii: "\\") else {
                continue
            }
            unsafe append(UnsafeRawBufferPointer(rebasing: text[start..<index]))
            start = index + 1
            switch byte {
            case UInt8(ascii: "\""): add("\\\"")
            case UInt8(ascii: "\\"): add("\\\\")
            case UInt8(ascii: "\n"): add("\\n")
            case UInt8(ascii: "\r"): add("\\r")
            case UInt8(ascii: "\t"): add("\\t")
            default:
                add("\\u00")
                unsafe withUnsafeBytes(of: (Hexadecimal.digit(byte >> 4), Hexadecimal.digit(byte & 0xF)), append)
            }
        }
        unsafe append(UnsafeRawBufferPointer(rebasing: text[start...]))
    }
}
