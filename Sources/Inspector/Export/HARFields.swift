import HTTP1
import Support

/// Converts fields, parameters and cookies for an archive, in which every value is text.
enum HARFields {
    static func json(_ fields: StoredFields) -> JSONValue {
        .array(
            fields.map { field in
                .object([
                    .init("name", .string(RecordedText(field.name).text)),
                    .init("value", .string(RecordedText(field.value).text)),
                ])
            }
        )
    }

    /// The parameters of the target's query.
    static func query(_ target: [UInt8]) -> JSONValue {
        guard let start = target.firstIndex(of: UInt8(ascii: "?")) else { return .array([]) }
        return pairs(target[(start + 1)...].prefix { $0 != UInt8(ascii: "#") })
    }

    /// `name=value` pairs between ampersands, decoded (WHATWG URL section 5.1).
    static func pairs(_ text: ArraySlice<UInt8>) -> JSONValue {
        .array(
            text.split(separator: UInt8(ascii: "&")).map { pair in
                let equals = pair.firstIndex(of: UInt8(ascii: "=")) ?? pair.endIndex
                return .object([
                    .init("name", .string(decoded(pair[..<equals]))),
                    .init("value", .string(decoded(pair[equals...].dropFirst()))),
                ])
            }
        )
    }

    private static func decoded(_ text: ArraySlice<UInt8>) -> String {
        RecordedText(FormOctets.decoded(text)).text
    }

    /// The size in octets of a head with those fields, including its empty line.
    static func headSize(of method: [UInt8], _ target: [UInt8], _ fields: StoredFields) -> Int {
        let line = method.count + 1 + target.count + " HTTP/1.1\r\n".utf8.count
        return fields.reduce(line + 2) { $0 + $1.name.count + $1.value.count + 4 }
    }

    /// A cookie from Set-Cookie, without its value, which is redacted (RFC 6265 section 4.1); nil if there is none.
    static func cookie(_ value: [UInt8]) -> JSONValue? {
        let parts = RecordedText(value).text.split(separator: ";", omittingEmptySubsequences: false).map(pair)
        guard let first = parts.first else { return nil }
        let name = first.value == nil ? "" : first.name
        var members: [JSONValue.Member] = [.init("name", .string(name)), .init("value", .string("‹redacted›"))]
        let attributes = parts.dropFirst().map { (name: $0.name.lowercased(), value: $0.value ?? "") }
        for wanted in ["path", "domain"] {
            guard let value = attributes.last(where: { $0.name == wanted })?.value else { continue }
            members.append(.init(wanted, .string(value)))
        }
        if let expires = attributes.last(where: { $0.name == "expires" }).flatMap({ HTTPDate.seconds($0.value) }) {
            members.append(.init("expires", .string(UTCTime.rfc3339(expires))))
        }
        members.append(.init("httpOnly", .bool(attributes.contains { $0.name == "httponly" })))
        members.append(.init("secure", .bool(attributes.contains { $0.name == "secure" })))
        return .object(members)
    }

    private static func pair(_ text: Substring) -> (name: String, value: String?) {
        let equals = text.firstIndex(of: "=") ?? text.endIndex
        let value = text[equals...].dropFirst()
        return (String(text[..<equals].trimmed), equals == text.endIndex ? nil : String(value.trimmed))
    }
}
