import HTTP1
import Support

/// A composed request: the validated body of `POST /api/exchanges` or `.../replay`. Missing members are nil. Pure.
struct Composition: Equatable {
    var method: [UInt8]?
    var target: [UInt8]?
    var fields: [StoredField]?
    var body: [UInt8]?

    init(method: [UInt8]? = nil, target: [UInt8]? = nil, fields: [StoredField]? = nil, body: [UInt8]? = nil) {
        self.method = method
        self.target = target
        self.fields = fields
        self.body = body
    }

    /// `json` is an object.
    init(_ json: JSONValue) throws(InvalidMember) {
        guard case .object(let members) = json else { return }
        var seen: Set<String> = []
        for member in members {
            let name = member.name
            guard ["method", "target", "fields", "body", "body_base64"].contains(name) else {
                throw InvalidMember(field: name, problem: "is not known here")
            }
            guard seen.insert(name).inserted else { throw InvalidMember(field: name, problem: "is there twice") }
        }
        if let value = json["method"] { method = try Self.method(value) }
        if let value = json["target"] { target = try Self.target(value) }
        if let value = json["fields"] { fields = try Self.fields(value) }
        body = try Self.body(json["body"], encoded: json["body_base64"])
    }

    // MARK: Members

    private static func method(_ value: JSONValue) throws(InvalidMember) -> [UInt8] {
        let octets = Array((value.string ?? "").utf8)
        guard !octets.isEmpty, octets.count <= 64, octets.allSatisfy({ Octet.isToken($0) }) else {
            throw InvalidMember(field: "method", problem: "must be a method, such as GET")
        }
        guard !["connect", "trace"].contains(String(decoding: octets, as: UTF8.self).lowercased()) else {
            throw InvalidMember(field: "method", problem: "is one that Squire does not send")
        }
        return octets
    }

    private static func target(_ value: JSONValue) throws(InvalidMember) -> [UInt8] {
        guard let text = value.string, text.hasPrefix("/") else {
            throw InvalidMember(field: "target", problem: "must be a path that begins with /")
        }
        guard !text.hasPrefix("//") else {
            throw InvalidMember(field: "target", problem: "begins with //, which names another server")
        }
        let octets = Array(text.utf8)
        guard octets.allSatisfy({ Octet.isTarget($0) }) else {
            throw InvalidMember(
                field: "target",
                problem: "has a blank, a control character, a # or a letter that is not ASCII: percent-encode it"
            )
        }
        return octets
    }

    private static func fields(_ value: JSONValue) throws(InvalidMember) -> [StoredField] {
        var fields: [StoredField] = []
        for (name, content) in try GivenFields.read(value) {
            guard !OwnFields.isRefused(name) else {
                throw InvalidMember(field: name, problem: "is Squire's own to set: leave it out")
            }
            fields.append(StoredField(name: Array(name.utf8), value: Array(content.utf8)))
        }
        return fields
    }

    private static func body(_ text: JSONValue?, encoded: JSONValue?) throws(InvalidMember) -> [UInt8]? {
        switch (text, encoded) {
        case (nil, nil): return nil
        case (_?, _?): throw InvalidMember(field: "body", problem: "is given twice: use body or body_base64")
        case (let text?, nil):
            guard let text = text.string else {
                throw InvalidMember(field: "body", problem: "must be text; use body_base64 for octets")
            }
            return Array(text.utf8)
        case (nil, let encoded?):
            guard let text = encoded.string, let octets = Base64URL.octets(padded: text) else {
                throw InvalidMember(field: "body_base64", problem: "must be base64 (RFC 4648 section 4)")
            }
            return octets
        }
    }
}

/// The fields that neither a person nor a recording may set: those of the connection, the framing and Squire itself.
enum OwnFields {
    private static let refused: Set<String> = [
        "host", "content-length", "transfer-encoding", "te", "trailer", "connection", "keep-alive", "proxy-connection",
        "upgrade", "expect", "proxy-authorization",
    ]

    /// Without regard to case.
    static func isRefused(_ name: String) -> Bool {
        let name = name.lowercased()
        return refused.contains(name) || name.hasPrefix("x-squire-")
    }
}

extension Base64URL {
    /// Strict: nil unless the text is base64 with padding (RFC 4648 section 4).
    static func octets(padded text: String) -> [UInt8]? {
        let padding = text.utf8.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        let isPlain = text.utf8.dropLast(padding).allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "+"), UInt8(ascii: "/"): true
            default: false
            }
        }
        guard isPlain, padding <= 2, text.utf8.count % 4 == 0 else { return nil }
        return decode(text)
    }
}
