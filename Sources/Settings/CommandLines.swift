public import ReverseProxy
import Support

/// The command lines that messages suggest for one configuration. They work unchanged in the directory and with the
/// environment of the command that prints them.
public struct CommandLines: Equatable, Sendable {
    /// The options that select this configuration.
    private let place: [String]
    /// The options for a login.
    private let loginOptions: [String]
    /// Those of another login, which may be the only one that a person can use; none if there is no other.
    private let otherLogin: [String]

    /// `realPath` is the file's real path, for lines that are read in another directory, such as by a proxy's clients.
    init(
        _ found: ConfigurationFound,
        _ overrides: ConfigurationOverrides,
        loginOptions: [String],
        otherLogin: [String] = [],
        realPath: String? = nil
    ) {
        var place: [String] = []
        if let realPath {
            place += ["--config", realPath]
        } else if case .named(let path) = found {
            place += path.hasPrefix("-") ? ["--config=\(path)"] : ["--config", path]
        }
        // Variables apply to the next command, too.
        for (name, value) in [("--upstream", overrides.upstream), ("--session", overrides.session)] {
            guard let value, value.source == name else { continue }
            place += value.text.hasPrefix("-") ? ["\(name)=\(value.text)"] : [name, value.text]
        }
        self.place = place
        self.loginOptions = loginOptions
        self.otherLogin = otherLogin
    }

    /// `squire login --config c.yaml --email`, or with `--token -` if the configuration describes no sign-in. Another
    /// login follows in brackets, so that further options may be appended: `squire login --refresh-token - (or --email)`.
    public var login: String {
        let other = otherLogin.isEmpty ? "" : " (or \(otherLogin.joined(separator: " ")))"
        return line("login", loginOptions) + other
    }

    public func line(_ command: String, _ rest: [String] = []) -> String {
        (["squire", command] + (place + rest).map(Self.quoted)).joined(separator: " ")
    }

    /// Quotes the argument for a POSIX shell, if necessary.
    public static func quoted(_ argument: String) -> String {
        let isPlain = argument.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-_./:@%+,=~".utf8.contains(byte)
            }
        }
        // A shell expands ~ at the beginning of a word, and some also after an equals sign.
        if isPlain, !argument.isEmpty, !argument.contains("~") { return argument }
        return singleQuoted(argument)
    }

    /// The text in single quotes, as one word of a POSIX shell.
    public static func singleQuoted(_ text: String) -> String { "'\(text.replacingAll("'", with: #"'\''"#))'" }
}

extension RoutePattern {
    /// The path, if the pattern is `POST` with a path without wildcards.
    public var postPath: String? {
        guard description.hasPrefix("POST /"), !description.contains("*") else { return nil }
        return String(description.dropFirst(5))
    }
}
