public import Credentials
import HTTP1
import Support

extension CredentialApplication {
    /// Why a text is not such a line: the rest of a sentence about it.
    public struct Malformed: Error, Equatable {
        public let reason: String
    }

    /// Parses `Field: value`, whose value contains `{token}` once.
    public init(parsing text: String) throws(Malformed) {
        guard let colon = text.firstIndex(of: ":") else {
            throw Malformed(reason: "must be a field line with {token} in it, such as Authorization: Bearer {token}")
        }
        let field = String(text[..<colon])
        if let problem = Self.problem(ofField: field) { throw Malformed(reason: problem) }
        let value = String(text[text.index(after: colon)...].drop { $0 == " " || $0 == "\t" })
        guard value.utf8.allSatisfy({ (0x20...0x7E).contains($0) }) else {
            throw Malformed(reason: "holds a line break, a control character or one beyond ASCII")
        }
        let parts = value.split(separating: "{token}")
        guard parts.count == 2 else {
            let count = parts.count == 1 ? "no {token}" : "{token} more than once"
            throw Malformed(reason: "has \(count) in its value, and needs it once: Authorization: Bearer {token}")
        }
        if let brace = (parts[0] + parts[1]).first(where: { $0 == "{" || $0 == "}" }) {
            throw Malformed(reason: "holds \(brace) beside {token}, and no other placeholder is filled in")
        }
        self.init(field: field, prefix: parts[0], suffix: String(parts[1].reversed().drop { $0 == " " }.reversed()))
    }

    private static func problem(ofField field: String) -> String? {
        guard !field.isEmpty, field.utf8.allSatisfy(Octet.isToken) else {
            return "must begin with a field name and a colon, and \"\(field)\" is not a field name"
        }
        let folded = String(decoding: FoldedName(field.utf8).octets, as: UTF8.self)
        if folded.hasPrefix("content-") { return "names \(field), which describes the body" }
        if folded.hasPrefix("x-squire-") { return "names \(field), which is Squire's own" }
        if ["cookie", "cookie2", "set-cookie"].contains(folded) { return "names \(field), which holds cookies" }
        // The one field for credentials among those that no configuration may set.
        let row = FieldTable.row(imitatedBy: field.utf8)
        guard row?.traits.contains(.notConfigurable) ?? false, folded != "authorization" || !field.isAuthorization
        else {
            return nil
        }
        return "names \(field), which belongs to the connection"
    }

    /// The whole field line, with its line end.
    func line(_ token: Token) -> [UInt8] { Array("\(field): \(value(token))\r\n".utf8) }

    /// The value for display, without the token.
    public var shownValue: String { "\(prefix)…\(suffix)" }

    /// Whether a field of that name carries the token, or some servers read it as one that does.
    public func isField(_ name: String) -> Bool { FoldedName(name.utf8) == FoldedName(field.utf8) }
}

extension String {
    fileprivate var isAuthorization: Bool { lowercased() == "authorization" }

    /// The parts between the occurrences of `mark`.
    fileprivate func split(separating mark: String) -> [String] {
        var parts: [String] = []
        var start = startIndex
        var index = startIndex
        while index < endIndex {
            if self[index...].hasPrefix(mark) {
                parts.append(String(self[start..<index]))
                index = self.index(index, offsetBy: mark.count)
                start = index
            } else {
                index = self.index(after: index)
            }
        }
        return parts + [String(self[start...])]
    }
}
