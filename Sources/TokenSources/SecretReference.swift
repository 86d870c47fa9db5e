/// Where a secret of the configuration is kept. Its descriptions show that, and never the secret.
public enum SecretReference: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    /// In the configuration itself.
    case plain(String)
    /// In an environment variable.
    case environment(String)
    /// In a file, by its whole path.
    case file(String)
    /// In what a command prints; without a shell.
    case command([String])

    /// What stands for the secret wherever it would be shown. Of a command its name only: arguments may be secret, too.
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

/// A secret of the configuration, and what it says once it has been read.
public struct SecretValue: Equatable, Sendable, CustomStringConvertible, CustomReflectable {
    public let reference: SecretReference
    /// Nil until it is read: commands that only look do not.
    public private(set) var text: String?

    public init(_ reference: SecretReference) {
        self.reference = reference
        if case .plain(let text) = reference { self.text = text }
    }

    /// Takes what was read.
    public mutating func read(_ text: String) { self.text = text }

    public var description: String { reference.shown }
    public var customMirror: Mirror { Mirror(self, children: []) }
}

/// Why a secret cannot be read, as the rest of a sentence that begins with its key. Never holds the secret.
public enum SecretProblem: Error, Equatable, Sendable {
    /// Somebody must change the configuration, or what it names.
    case configuration(String)
    /// A command failed, which may pass.
    case passing(String)

    public var text: String {
        switch self {
        case .configuration(let text), .passing(let text): text
        }
    }
}
