import Credentials
import Support
import TokenSources

/// A text of a recipe with placeholders for tokens. Each token is escaped for its context, so that no token can become
/// more than a value.
public struct Template: Equatable, Sendable {
    /// The names in placeholders. In the text they stand in braces: `{refresh-token}`.
    public enum Placeholder: String, CaseIterable, Sendable {
        case token
        case refreshToken = "refresh-token"
        /// A fresh UUID for each request.
        case uuid

        public var text: String { "{\(rawValue)}" }
    }

    /// The kind of text around a placeholder.
    public enum Context: Equatable, Sendable {
        /// A string in a JSON text (RFC 8259 section 7).
        case json
        /// An `application/x-www-form-urlencoded` body.
        case form
        /// A path or a query (RFC 3986).
        case url
        /// A field value: every character of a token is allowed there (RFC 9110 section 5.5).
        case field

        /// `value` escaped for the context.
        func escaped(_ value: String) -> String {
            switch self {
            case .json: String(JSONValue.string(value).serialized().dropFirst().dropLast())
            case .form, .url: FormText.percentEncoded(value)
            case .field: value
            }
        }
    }

    private enum Part: Equatable, Sendable {
        case text(String)
        case value(Placeholder)
    }

    private let parts: [Part]

    public init(_ text: String) {
        var parts: [Part] = []
        var rest = Substring(text)
        var literal = ""
        while let first = rest.first {
            if first == "{", let placeholder = Placeholder.allCases.first(where: { rest.hasPrefix($0.text) }) {
                if !literal.isEmpty { parts.append(.text(literal)) }
                literal = ""
                parts.append(.value(placeholder))
                rest = rest.dropFirst(placeholder.text.count)
            } else {
                literal.append(first)
                rest = rest.dropFirst()
            }
        }
        if !literal.isEmpty { parts.append(.text(literal)) }
        self.parts = parts
    }

    public var placeholders: Set<Placeholder> {
        Set(parts.compactMap { if case .value(let placeholder) = $0 { placeholder } else { nil } })
    }

    /// The text with the tokens filled in; nil if it names one that is not held.
    func filled(_ tokens: HeldTokens, as context: Context, uuid: () -> String) -> String? {
        filled(as: context) { placeholder in
            switch placeholder {
            case .token: tokens.accessToken?.value
            case .refreshToken: tokens.refreshToken?.value
            case .uuid: uuid()
            }
        }
    }

    /// The text with other values filled in; nil if one is missing.
    func filled(as context: Context, _ value: (Placeholder) -> String?) -> String? {
        var result = ""
        for part in parts {
            switch part {
            case .text(let text): result += text
            case .value(let placeholder):
                guard let value = value(placeholder) else { return nil }
                result += context.escaped(value)
            }
        }
        return result
    }
}

// MARK: Bodies

extension Template {
    /// The kind of a body, which decides how tokens are escaped in it.
    public enum BodyForm: Equatable, Sendable {
        case json, form

        var context: Context {
            switch self {
            case .json: .json
            case .form: .form
            }
        }

        /// The type that is sent if none is configured.
        var contentType: String {
            switch self {
            case .json: "application/json"
            case .form: "application/x-www-form-urlencoded"
            }
        }

        /// A configured type takes precedence if it is one of these; otherwise the body's first character decides.
        public init(body: String, contentType: String?) {
            let mediaType = (contentType ?? "").prefix { $0 != ";" }.lowercased().filter { $0 != " " }
            if mediaType == "application/json" || mediaType == "text/json" || mediaType.hasSuffix("+json") {
                self = .json
            } else if mediaType == "application/x-www-form-urlencoded" {
                self = .form
            } else {
                let start = body.drop { " \t\r\n".contains($0) }
                let isToken = Placeholder.allCases.contains { start.hasPrefix($0.text) }
                self = (start.first == "{" || start.first == "[") && !isToken ? .json : .form
            }
        }
    }

    /// The first placeholder outside of a string, if this is a JSON text: a token there could be any JSON.
    public var unquoted: Placeholder? {
        var (isString, isEscaped) = (false, false)
        for part in parts {
            switch part {
            case .value(let placeholder): if !isString { return placeholder }
            case .text(let text):
                for character in text.unicodeScalars {
                    if isEscaped {
                        isEscaped = false
                    } else if character == "\\" {
                        isEscaped = isString
                    } else if character == "\"" {
                        isString.toggle()
                    }
                }
            }
        }
        return nil
    }
}

// MARK: Mistakes

extension Template {
    /// The first word in braces that is not a known placeholder, with its braces; nil if there is none. Braces around
    /// other text, as in JSON, are literal; braces after a `$` are `variable`'s.
    public static func unknownPlaceholder(in text: String, known: Set<Placeholder>) -> String? {
        var rest = Substring(text)
        var isVariable = false
        while let first = rest.first {
            if first == "{", !isVariable {
                let word = rest.dropFirst().prefix {
                    $0.isASCII && ($0.isLetter || $0.isNumber || " ._-$".contains($0))
                }
                if rest.dropFirst(word.count + 1).first == "}", word.contains(where: \.isLetter),
                    !known.contains(where: { $0.rawValue == word })
                {
                    return "{\(word)}"
                }
            }
            isVariable = first == "$"
            rest = rest.dropFirst()
        }
        return nil
    }

    /// The first `${…}`, which other programs fill in from the environment but Squire does not; nil if there is none.
    public static func variable(in text: String) -> String? {
        var rest = Substring(text)
        while let start = rest.firstIndex(of: "$") {
            rest = rest[start...]
            if rest.hasPrefix("${") { return rest.firstIndex(of: "}").map { String(rest[...$0]) } }
            rest = rest.dropFirst()
        }
        return nil
    }
}
