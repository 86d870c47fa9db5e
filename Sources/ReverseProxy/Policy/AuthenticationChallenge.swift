import HTTP1

/// One challenge of a WWW-Authenticate field (RFC 9110 section 11.6.1): a scheme, and possibly parameters.
struct AuthenticationChallenge: Equatable {
    /// Lower case.
    var scheme: String
    /// The value of its `error` parameter.
    var error: String?

    /// Parses the challenges in one field value. It is a list, and commas also separate the parameters of one
    /// challenge. Lenient: the result only decides whether a refresh is worthwhile.
    static func parse(_ value: String) -> [AuthenticationChallenge] {
        var result: [AuthenticationChallenge] = []
        var rest = Array(value.utf8)[...]
        while true {
            _ = take(&rest) { Octet.isBlank($0) || $0 == UInt8(ascii: ",") }
            let name = take(&rest) { !Octet.isBlank($0) && $0 != UInt8(ascii: ",") && !isValueMark($0) }
            let word = String(decoding: name, as: UTF8.self).lowercased()
            guard !word.isEmpty || !rest.isEmpty else { return result }
            _ = take(&rest, while: Octet.isBlank)
            guard rest.first == UInt8(ascii: "=") else {
                if word.isEmpty {
                    rest = rest.dropFirst()
                } else {
                    result.append(AuthenticationChallenge(scheme: word))
                }
                continue
            }
            // Repeated `=` ends a token68, which has no meaning here.
            _ = take(&rest) { Octet.isBlank($0) || $0 == UInt8(ascii: "=") }
            let text =
                rest.first == UInt8(ascii: "\"")
                ? quoted(&rest) : take(&rest) { !Octet.isBlank($0) && $0 != UInt8(ascii: ",") }
            if word == "error", !result.isEmpty {
                result[result.count - 1].error = String(decoding: text, as: UTF8.self)
            }
        }
    }

    /// What stands between a parameter's name and its value, or before a value that is quoted.
    private static func isValueMark(_ octet: UInt8) -> Bool {
        octet == UInt8(ascii: "=") || octet == UInt8(ascii: "\"")
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, while belongs: (UInt8) -> Bool) -> ArraySlice<UInt8> {
        let part = rest.prefix(while: belongs)
        rest = rest[part.endIndex...]
        return part
    }

    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        var text: [UInt8] = []
        rest = rest.dropFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                text.append(escaped)
            } else {
                text.append(byte)
            }
        }
        return text[...]
    }
}
