/// `application/x-www-form-urlencoded` in queries (RFC 6749 appendix B).
enum QueryText {
    /// The pairs in order, with names and values encoded.
    static func encoded(_ pairs: [(name: String, value: String)]) -> String {
        pairs.map { FormText.percentEncoded($0.name) + "=" + FormText.percentEncoded($0.value) }
            .joined(separator: "&")
    }

    /// Nil if the query is not properly encoded, or is not UTF-8.
    static func pairs(_ query: String) -> [(name: String, value: String)]? {
        var result: [(name: String, value: String)] = []
        for part in query.utf8.split(separator: UInt8(ascii: "&")) {
            let equals = part.firstIndex(of: UInt8(ascii: "="))
            guard let name = decoded(part[..<(equals ?? part.endIndex)]),
                let value = equals.map({ decoded(part[part.index(after: $0)...]) }) ?? ""
            else { return nil }
            result.append((name, value))
        }
        return result
    }

    private static func decoded(_ bytes: Substring.UTF8View) -> String? {
        FormText.unencoded(bytes).flatMap { String(validating: $0, as: UTF8.self) }
    }
}
