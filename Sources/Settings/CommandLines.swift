public import ReverseProxy
import Support

/// The lines that people are told to run for one configuration. They can be run as they stand, in the directory and
/// with the environment of the command that says so.
public struct CommandLines: Equatable, Sendable {
    /// The options that lead to this configuration, and to no other.
    private let place: [String]
    /// The options that a login takes.
    private let loginOptions: [String]

    /// `realPath` is the file's, for lines that are read elsewhere than they are made: a proxy's, by its clients.
    init(
        _ found: ConfigurationFound,
        _ overrides: ConfigurationOverrides,
        loginOptions: [String],
        realPath: String? = nil
    ) {
        var place: [String] = []
        if let realPath {
            place += ["--config", realPath]
        } else if case .named(let path) = found {
            place += path.hasPrefix("-") ? ["--config=\(path)"] : ["--config", path]
        }
        // What a variable says, it says to the next command too.
        for (name, value) in [("--upstream", overrides.upstream), ("--session", overrides.session)] {
            guard let value, value.source == name else { continue }
            place += value.text.hasPrefix("-") ? ["\(name)=\(value.text)"] : [name, value.text]
        }
        self.place = place
        self.loginOptions = loginOptions
    }

    /// `squire login --config c.yaml --email`, or with `--token -` when the configuration knows no way to sign in.
    public var login: String { line("login", loginOptions) }

    public func line(_ command: String, _ rest: [String] = []) -> String {
        (["squire", command] + (place + rest).map(Self.quoted)).joined(separator: " ")
    }

    /// The argument as a POSIX shell reads it.
    public static func quoted(_ argument: String) -> String {
        let isPlain = argument.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-_./:@%+,=~".utf8.contains(byte)
            }
        }
        // A shell expands ~ at the beginning of a word, and behind an equals sign perhaps.
        if isPlain, !argument.isEmpty, !argument.contains("~") { return argument }
        return singleQuoted(argument)
    }

    /// The text as one word of a POSIX shell, whatever it holds.
    public static func singleQuoted(_ text: String) -> String { "'\(text.replacingAll("'", with: #"'\''"#))'" }
}

extension RoutePattern {
    /// The path, if the pattern is one `POST` to one path.
    public var postPath: String? {
        guard description.hasPrefix("POST /"), !description.contains("*") else { return nil }
        return String(description.dropFirst(5))
    }
}
