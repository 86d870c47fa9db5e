/// Where a secret of the configuration is kept. Its descriptions show the place, never the secret.
public enum SecretReference: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    /// In the configuration itself.
    case plain(String)
    /// In an environment variable.
    case environment(String)
    /// In a file, by its absolute path.
    case file(String)
    /// In the output of a command, which runs without a shell.
    case command([String])

    /// The replacement for the secret wherever it would be shown. Shows only a command's name, because its arguments
    /// may be secret, too.
    public var shown: String {
        switch self {
        case .plain: "‹secret›"
        case .environment(let name): "‹env \(name)›"
        case .file(let path): "‹file \(path)›"
        case .command(let arguments): "‹exec \(arguments.first ?? "")…›"
        }
    }

    public var description: String { shown }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// A secret of the configuration, and its value once it has been read.
public struct SecretValue: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    public let reference: SecretReference
    /// Nil until it is read. Subcommands that only inspect the configuration do not read it.
    public private(set) var text: String?

    public init(_ reference: SecretReference) {
        self.reference = reference
        if case .plain(let text) = reference { self.text = text }
    }

    /// Stores the value that was read.
    public mutating func read(_ text: String) { self.text = text }

    public var description: String { reference.shown }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a secret cannot be read, as the rest of a sentence that begins with its key. Never contains the secret.
public enum SecretProblem: Error, Equatable, Sendable {
    /// The configuration, or the place that it names, must be changed.
    case configuration(String)
    /// A command failed, possibly for now.
    case passing(String)

    public var text: String {
        switch self {
        case .configuration(let text), .passing(let text): text
        }
    }
}
