import HTTP1
import Platform
import Support

/// Writes and reads `application/x-www-form-urlencoded`.
public enum FormText {
    /// Encodes a name or value of a form (RFC 6749 appendix B). A blank becomes `%20`, which decoders of URLs and of
    /// forms both understand.
    public static func encoded(_ text: String) -> String {
        escaped(text) { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2A, 0x2D, 0x2E, 0x5F: true
            default: false
            }
        }
    }

    /// Encodes everything but the unreserved characters (RFC 3986 section 2.3): valid in a path, a query and a form.
    public static func percentEncoded(_ text: String) -> String {
        escaped(text) { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5F, 0x7E: true
            default: false
            }
        }
    }

    private static func escaped(_ text: String, _ isPlain: (UInt8) -> Bool) -> String {
        var result: [UInt8] = []
        for byte in text.utf8 {
            if isPlain(byte) {
                result.append(byte)
            } else {
                result += [UInt8(ascii: "%"), upper(byte >> 4), upper(byte & 0xF)]
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func upper(_ digit: UInt8) -> UInt8 { digit < 10 ? 0x30 + digit : 0x41 + digit - 10 }

    /// `name=value&…`, in order.
    public static func body(_ parameters: [(name: String, value: String)]) -> [UInt8] {
        Array(parameters.map { "\(encoded($0.name))=\(encoded($0.value))" }.joined(separator: "&").utf8)
    }

    private static let maxMembers = 200

    /// Reads a form as an object of strings. Nil if it is not a form: a name contains characters other than letters,
    /// digits and `._-[]`, an escape is malformed, or there are more than 200 members.
    static func object(_ body: [UInt8]) -> JSONValue? {
        var members: [JSONValue.Member] = []
        for part in body.split(separator: UInt8(ascii: "&")) {
            guard members.count < maxMembers,
                let end = part.firstIndex(of: UInt8(ascii: "=")), end > part.startIndex,
                let name = decoded(part[..<end]), name.utf8.allSatisfy(isName),
                let value = decoded(part[part.index(after: end)...])
            else { return nil }
            members.append(.init(name, .string(value)))
        }
        return members.isEmpty ? nil : .object(members)
    }

    private static func isName(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x5B, 0x5D, 0x5F: true
        default: false
        }
    }

    /// A line end after the last value is not part of it.
    private static func decoded(_ text: ArraySlice<UInt8>) -> String? {
        unencoded(SecretReader.withoutLineEnd(Array(text))).map { String(decoding: $0, as: UTF8.self) }
    }

    /// Decodes a name or value of a form. Nil if an escape is malformed.
    static func unencoded(_ part: some Sequence<UInt8>) -> [UInt8]? {
        var result: [UInt8] = []
        var rest = part.makeIterator()
        while let byte = rest.next() {
            switch byte {
            case UInt8(ascii: "+"): result.append(0x20)
            case UInt8(ascii: "%"):
                guard let high = rest.next().flatMap(Octet.hexadecimal),
                    let low = rest.next().flatMap(Octet.hexadecimal)
                else { return nil }
                result.append(UInt8(high << 4 | low))
            default: result.append(byte)
            }
        }
        return result
    }

    /// Decodes percent-encoding. Malformed escapes stay as they are.
    static func unescaped(_ text: [UInt8]) -> [UInt8] {
        var result: [UInt8] = []
        var index = 0
        while index < text.count {
            if text[index] == UInt8(ascii: "%"), index + 2 < text.count, let high = Octet.hexadecimal(text[index + 1]),
                let low = Octet.hexadecimal(text[index + 2])
            {
                result.append(UInt8(high << 4 | low))
                index += 3
            } else {
                result.append(text[index])
                index += 1
            }
        }
        return result
    }
}
