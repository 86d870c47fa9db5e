import Support
import TokenSources

/// Where the requests and responses of an API have tokens, by the configuration.
public struct TokenPlaces: Equatable, Sendable {
    /// JSON Pointers (RFC 6901) into JSON bodies.
    public var pointers: [String] = []
    /// Names of parameters, in forms and in queries.
    public var parameters: [String] = []

    public init() {}
}

extension SessionConfiguration {
    /// Where a refresh sends and gets tokens; a sign-in's response has them in the same places.
    public var tokenPlaces: TokenPlaces {
        var places = TokenPlaces()
        guard let recipe = refresh else { return places }
        places.pointers = [recipe.token, recipe.refreshToken].compactMap(\.self)
        places.add(sentBy: recipe)
        return places
    }
}

extension TokenPlaces {
    /// What stands for a token while its places are looked for: it needs no escape anywhere.
    private static let standIn = "squire-token-here"

    fileprivate mutating func add(sentBy recipe: SessionConfiguration.Refresh) {
        if let query = filled(recipe.path, as: .url).split(separator: "?", maxSplits: 1).dropFirst().first {
            add(parametersOf: query)
        }
        guard let body = recipe.body else { return }
        let type = recipe.headers.first { $0.name.lowercased() == "content-type" }?.value
        switch Template.BodyForm(body: body, contentType: type) {
        case .form: add(parametersOf: filled(body, as: .form)[...])
        case .json:
            guard let json = JSONValue(parsing: Array(filled(body, as: .json).utf8)) else { return }
            add(pointersInto: json, at: "")
        }
    }

    private static func holdsStandIn(_ text: String) -> Bool { text.replacingAll(standIn, with: "") != text }

    private func filled(_ text: String, as context: Template.Context) -> String {
        Template(text).filled(as: context) { $0 == .uuid ? "" : Self.standIn } ?? ""
    }

    private mutating func add(parametersOf text: Substring) {
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1)
            guard parts.count == 2, Self.holdsStandIn(String(parts[1])) else { continue }
            parameters.append(String(parts[0]))
        }
    }

    private mutating func add(pointersInto json: JSONValue, at pointer: String) {
        switch json {
        case .string(let text) where Self.holdsStandIn(text): pointers.append(pointer)
        case .object(let members):
            for member in members {
                add(pointersInto: member.value, at: "\(pointer)/\(JSONPointer.escaped(member.name))")
            }
        case .array(let elements):
            for (index, element) in elements.enumerated() { add(pointersInto: element, at: "\(pointer)/\(index)") }
        default: break
        }
    }
}
