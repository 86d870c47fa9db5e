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
            rest = rest.drop { $0 == UInt8(ascii: ",") || $0 == 0x20 || $0 == 0x09 }
            let word = String(decoding: take(&rest) { !" \t,=\"".utf8.contains($0) }, as: UTF8.self).lowercased()
            guard !word.isEmpty || !rest.isEmpty else { return result }
            _ = take(&rest) { $0 == 0x20 || $0 == 0x09 }
            guard rest.first == UInt8(ascii: "=") else {
                if word.isEmpty {
                    rest = rest.dropFirst()
                } else {
                    result.append(AuthenticationChallenge(scheme: word))
                }
                continue
            }
            // Repeated `=` ends a token68, which has no meaning here.
            _ = take(&rest) { $0 == UInt8(ascii: "=") || $0 == 0x20 || $0 == 0x09 }
            let text = rest.first == UInt8(ascii: "\"") ? quoted(&rest) : take(&rest) { !" \t,".utf8.contains($0) }
            if word == "error", !result.isEmpty {
                result[result.count - 1].error = String(decoding: text, as: UTF8.self)
            }
        }
    }

    private static func take(_ rest: inout ArraySlice<UInt8>, while belongs: (UInt8) -> Bool) -> [UInt8] {
        let part = rest.prefix(while: belongs)
        rest = rest.dropFirst(part.count)
        return Array(part)
    }

    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> [UInt8] {
        var text: [UInt8] = []
        rest = rest.dropFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\"), let escaped = rest.popFirst() {
                text.append(escaped)
            } else {
                text.append(byte)
            }
        }
        return text
    }
}
