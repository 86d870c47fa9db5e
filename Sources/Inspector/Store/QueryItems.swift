import HTTP1

/// The query parameters of a target (WHATWG URL section 5.1); the first of each name counts. Pure.
struct QueryItems {
    private var items: [String: String] = [:]

    init(_ query: String?) {
        for part in (query ?? "").split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = FormOctets.text(pair[0].utf8)
            if items[name] == nil { items[name] = pair.count > 1 ? FormOctets.text(pair[1].utf8) : "" }
        }
    }

    subscript(name: String) -> String? { items[name] }
}

/// A name or value of a form (WHATWG URL section 5.1).
enum FormOctets {
    /// Decodes plus signs and percent-encoded octets.
    static func decoded(_ text: some Collection<UInt8>) -> [UInt8] {
        var result: [UInt8] = []
        var rest = text[...]
        while let octet = rest.popFirst() {
            let digits = rest.prefix(2).compactMap(Octet.hexadecimal)
            if octet == UInt8(ascii: "%"), digits.count == 2 {
                result.append(UInt8(digits[0] << 4 | digits[1]))
                rest = rest.dropFirst(2)
            } else {
                result.append(octet == UInt8(ascii: "+") ? Octet.space : octet)
            }
        }
        return result
    }

    fileprivate static func text(_ text: some Collection<UInt8>) -> String {
        String(decoding: decoded(text), as: UTF8.self)
    }
}
