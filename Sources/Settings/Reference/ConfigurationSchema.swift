import Support

/// The JSON Schema of configurations, for editors: made from the reference, so that the two say the same.
public enum ConfigurationSchema {
    /// As `squire init --schema` prints it.
    public static let text: String = {
        // A constant, covered by a test.
        guard let reference = try? ConfigurationReference() else { return "" }
        return json(reference).serialized(pretty: true) + "\n"
    }()

    private static func json(_ reference: ConfigurationReference) -> JSONValue {
        .object(
            [
                .init("$schema", .string("http://json-schema.org/draft-07/schema#")),
                .init("title", .string("Squire's configuration")),
                .init("description", .string("Made by squire init --schema from its reference: squire init --full")),
            ] + map([], reference)
        )
    }

    private static func map(_ path: [String], _ reference: ConfigurationReference) -> [JSONValue.Member] {
        let keys = reference.children(of: path).map { JSONValue.Member($0.path.last ?? "", entry($0, reference)) }
        return closed(keys)
    }

    /// A map with these keys and no other.
    private static func closed(_ keys: [JSONValue.Member]) -> [JSONValue.Member] {
        [
            .init("type", .string("object")), .init("properties", .object(keys)),
            .init("additionalProperties", .bool(false)),
        ]
    }

    private static func entry(_ entry: ConfigurationReference.Entry, _ reference: ConfigurationReference) -> JSONValue {
        var members = [JSONValue.Member("description", .string(entry.meaning))]
        var forms = entry.kinds.map { form($0, entry.path, reference) }
        // A section with nothing in it yet counts as missing; what squire init writes has some.
        let mayBeEmpty = entry.path.count == 1 && entry.kinds.contains(where: \.isMap)
        if mayBeEmpty { forms.append([.init("type", .string("null"))]) }
        members += forms.count == 1 ? forms[0] : [.init("anyOf", .array(forms.map { .object($0) }))]
        if entry.presence == .defaulted, let value = value(entry) { members.append(.init("default", value)) }
        return .object(members)
    }

    /// The default, where it is a single value.
    private static func value(_ entry: ConfigurationReference.Entry) -> JSONValue? {
        switch (entry.kinds.first, entry.value) {
        case (_, ""): nil
        case (_, "[]"): .array([])
        case (_, let text) where text.hasPrefix("["): nil
        case (.boolean, let text): .bool(text == "true")
        case (.number, let text): .number(text)
        case (_, let text): .string(text.hasPrefix("\"") ? String(text.dropFirst().dropLast()) : text)
        }
    }

    // MARK: Kinds

    private static let single = JSONValue.array([.string("string"), .string("number"), .string("boolean")])

    private static func form(
        _ kind: ReferenceKind,
        _ path: [String],
        _ reference: ConfigurationReference
    ) -> [JSONValue.Member] {
        switch kind {
        case .map: map(path, reference)
        case .mapOf(let element):
            [.init("type", .string("object")), .init("additionalProperties", .object(form(element)))]
        default: form(kind)
        }
    }

    /// What a value of the kind looks like, whatever its key.
    private static func form(_ kind: ReferenceKind) -> [JSONValue.Member] {
        switch kind {
        case .text, .file: [.init("type", single)]
        case .url: string("^[Hh][Tt][Tt][Pp][Ss]?://")
        case .pointer: string("^/")
        case .preset: words(Profile.names)
        case .choice(let names): words(names)
        case .word(let name): words([name])
        case .boolean: [.init("type", .string("boolean"))]
        case .duration:
            [.init("type", .array([.string("string"), .string("integer")]))]
                + [.init("pattern", .string("^(0|[0-9]+([.][0-9]+)?(ms|s|m|h|d))$"))] + bounds(0...0)
        case .size(let range):
            [.init("type", .array([.string("string"), .string("integer")]))]
                + [.init("pattern", .string("^[0-9]+([.][0-9]+)?(B|KiB|MiB|GiB|TiB)$"))] + bounds(range)
        case .number(let range): [.init("type", .string("integer"))] + bounds(range)
        case .address: [.init("type", .array([.string("string"), .string("integer")]))]
        case .addresses: oneOrMore(.address)
        case .list, .routes: oneOrMore(.text)
        case .command:
            list(.text) + [.init("minItems", .number("1"))]
        case .rules:
            anyOf([
                [.init("type", .string("array")), .init("items", any([form(.number(400...599)), keys(of: kind)]))],
                form(.number(400...599)), keys(of: kind),
            ])
        case .span: anyOf([form(.pointer), keys(of: kind)])
        case .secret, .secretButExec:
            anyOf([
                form(.text),
                keys(of: kind)
                    + [.init("minProperties", .number("1")), .init("maxProperties", .number("1"))],
            ])
        case .header: anyOf([form(.text), keys(of: kind)])
        case .map, .mapOf: [.init("type", .string("object"))]
        }
    }

    private static func keys(of kind: ReferenceKind) -> [JSONValue.Member] {
        closed(kind.keys.map { .init($0.name, .object(form($0.kind))) })
    }

    private static func string(_ pattern: String) -> [JSONValue.Member] {
        [.init("type", .string("string")), .init("pattern", .string(pattern))]
    }

    private static func words(_ words: [String]) -> [JSONValue.Member] {
        // Some readers of YAML have a bare `off` as false; Squire takes both.
        [.init("enum", .array(words.map { .string($0) } + (words.contains("off") ? [.bool(false)] : [])))]
    }

    private static func bounds(_ range: ClosedRange<Int>) -> [JSONValue.Member] {
        [.init("minimum", .number("\(range.lowerBound)")), .init("maximum", .number("\(range.upperBound)"))]
    }

    private static func list(_ kind: ReferenceKind) -> [JSONValue.Member] {
        [.init("type", .string("array")), .init("items", .object(form(kind)))]
    }

    private static func oneOrMore(_ kind: ReferenceKind) -> [JSONValue.Member] { anyOf([form(kind), list(kind)]) }

    private static func anyOf(_ forms: [[JSONValue.Member]]) -> [JSONValue.Member] {
        [.init("anyOf", .array(forms.map { .object($0) }))]
    }

    private static func any(_ forms: [[JSONValue.Member]]) -> JSONValue { .object(anyOf(forms)) }
}
