/// The parameters of a target (WHATWG URL section 5.1): the first of each name counts. Pure.
struct QueryItems {
    private var items: [String: String] = [:]

    init(_ query: String?) {
        for part in (query ?? "").split(separator: "&") {
            let pair = part.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            let name = Self.decoded(pair[0])
            if items[name] == nil { items[name] = pair.count > 1 ? Self.decoded(pair[1]) : "" }
        }
    }

    subscript(name: String) -> String? { items[name] }

    private static func decoded(_ text: Substring) -> String {
        var result: [UInt8] = []
        var rest = text.utf8
        while let octet = rest.popFirst() {
            if octet == UInt8(ascii: "%"), let value = hexadecimal(rest.prefix(2)) {
                result.append(value)
                rest = rest.dropFirst(2)
            } else {
                result.append(octet == UInt8(ascii: "+") ? UInt8(ascii: " ") : octet)
            }
        }
        return String(decoding: result, as: UTF8.self)
    }

    private static func hexadecimal(_ digits: Substring.UTF8View) -> UInt8? {
        guard digits.count == 2, digits.allSatisfy({ $0 != UInt8(ascii: "+") && $0 != UInt8(ascii: "-") }) else {
            return nil
        }
        return UInt8(Substring(digits), radix: 16)
    }
}
