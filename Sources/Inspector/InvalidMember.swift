import HTTP1
import LocalServer
import ReverseProxy
import Support

/// A mistake in a member of a request's body, or in a field that it contains.
struct InvalidMember: Error, Equatable {
    /// The member, or the field's name.
    var field: String
    /// The rest of a sentence that begins with the name.
    var problem: String

    var response: LocalResponse {
        let name = String(field.prefix(100))
        return InspectorResponse.problem(
            Problem(.invalidRequest, detail: "\(name) \(problem)."),
            members: [.init("field", .string(name))]
        )
    }
}

/// The member `fields` of a request's body: a list of `[name, value]`.
enum GivenFields {
    static func read(_ value: JSONValue) throws(InvalidMember) -> [(name: String, value: String)] {
        guard case .array(let pairs) = value else {
            throw InvalidMember(field: "fields", problem: "must be a list of [name, value]")
        }
        var fields: [(name: String, value: String)] = []
        for pair in pairs {
            guard case .array(let parts) = pair, parts.count == 2, let name = parts[0].string,
                let value = parts[1].string
            else { throw InvalidMember(field: "fields", problem: "must be a list of [name, value], both of them text") }
            guard !name.isEmpty, name.utf8.allSatisfy(Octet.isToken) else {
                throw InvalidMember(field: name.isEmpty ? "fields" : name, problem: "is no name of a field")
            }
            guard value.utf8.allSatisfy(Octet.isFieldContent) else {
                throw InvalidMember(field: name, problem: "has a value with a line break or a control character")
            }
            fields.append((name, value))
        }
        return fields
    }
}
