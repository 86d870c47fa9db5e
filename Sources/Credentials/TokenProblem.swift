/// Why a text is not a token. Never contains the text.
public enum TokenProblem: Error, Equatable, Sendable, CustomStringConvertible {
    case empty
    case tooLong
    /// An answer has a number, an object or the like in its place.
    case notText
    /// The first character that tokens cannot contain, and its position, counted from 1.
    case badCharacter(Unicode.Scalar, position: Int)

    public var description: String {
        switch self {
        case .empty: "it is empty"
        case .tooLong: "it is longer than \(Token.maxBytes / 1024) KiB"
        case .notText: "it is no text"
        case .badCharacter(let scalar, let position):
            "character \(position) is \(Self.name(of: scalar)), which no token contains"
                + (Self.cause(of: scalar, at: position).map { ": \($0)" } ?? "")
        }
    }

    /// Printable ASCII as it is, other characters by number, so that nothing raw reaches a terminal.
    private static func name(of scalar: Unicode.Scalar) -> String {
        switch scalar {
        case "\"", "\u{201C}", "\u{201D}", "\u{201E}": "a quotation mark"
        case " ", "\t": "a blank"
        case "\r", "\n": "a line break"
        case "\0": "a zero byte"
        case "!"..."~": "'\(scalar)'"
        default: "U+" + String(repeating: "0", count: max(0, 4 - hexadecimal(scalar).count)) + hexadecimal(scalar)
        }
    }

    private static func hexadecimal(_ scalar: Unicode.Scalar) -> String {
        String(scalar.value, radix: 16, uppercase: true)
    }

    private static func cause(of scalar: Unicode.Scalar, at position: Int) -> String? {
        switch scalar {
        case "\"" where position == 1: "jq needs -r to print a string without its quotation marks"
        case "'", "\u{201C}", "\u{201D}", "\u{201E}", "\"": "is it quoted?"
        case "{" where position == 1, "[" where position == 1: "this is JSON"
        case "<" where position == 1: "this is HTML or XML"
        case "\0", "\u{FFFD}": "is the file UTF-16? Save it as UTF-8 or ASCII"
        case " ", "\t", "\r", "\n": "is there more than one word?"
        default: nil
        }
    }
}
