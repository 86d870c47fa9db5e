public import Credentials
public import ReverseProxy

/// A configuration's rules about secrets.
public struct Secrecy: Equatable, Sendable {
    /// In lower case: the fields that are secret besides those that `SecretField` knows and the credential's.
    public var fields: Set<String>
    /// Values that must not be shown.
    public var secrets: [[UInt8]]
    /// Where bodies and targets have tokens.
    public var places: TokenPlaces
    /// How a request carries the token.
    public var credential: CredentialApplication

    public init(
        fields: Set<String> = [],
        secrets: [[UInt8]] = [],
        places: TokenPlaces = TokenPlaces(),
        credential: CredentialApplication = CredentialApplication()
    ) {
        self.fields = fields
        self.secrets = secrets
        self.places = places
        self.credential = credential
    }

    /// Whether a field with that name is secret.
    func isSecret(field name: String) -> Bool {
        SecretField.isNamed(name) || credential.isField(name) || fields.contains(name.lowercased())
    }
}

/// The rules about secrets of the present configuration, and of the ones before it: an exchange that began before a reload
/// is stored after it, and what was secret then may still be.
public struct SecrecyHistory: Sendable {
    private struct Part: Sendable {
        var secrecy: Secrecy
        /// The number of the first configuration that has it (`RecordedEvent.HeadParts`).
        var first: UInt32
    }

    /// The latest last; never empty.
    private var parts: [Part]
    /// How many different ones are remembered. A rotation of keys takes one or two.
    private static let maxParts = 8

    /// The rules of the configuration of the start.
    public init(_ secrecy: Secrecy) {
        parts = [Part(secrecy: secrecy, first: 0)]
    }

    /// With the rules of the configuration with that number as the present ones.
    public func followed(by secrecy: Secrecy, number: UInt32) -> SecrecyHistory {
        guard secrecy != present else { return self }
        var history = self
        history.parts = parts.suffix(Self.maxParts - 1) + [Part(secrecy: secrecy, first: number)]
        return history
    }

    public var present: Secrecy { parts[parts.count - 1].secrecy }

    /// How a request carried the token by the configuration with that number; the present way if that is forgotten.
    func credential(of configuration: UInt32) -> CredentialApplication {
        (parts.last { $0.first <= configuration } ?? parts[parts.count - 1]).secrecy.credential
    }

    /// Whether a field with that name is, or was, secret.
    func isSecret(field name: String) -> Bool { parts.contains { $0.secrecy.isSecret(field: name) } }

    var secrets: [[UInt8]] { unique(\.secrets) }

    /// Where bodies and targets have, or had, tokens: JSON Pointers, and names of parameters.
    var pointers: [String] { unique(\.places.pointers) }
    var parameters: [String] { unique(\.places.parameters) }

    private func unique<Value: Hashable>(_ path: KeyPath<Secrecy, [Value]>) -> [Value] {
        Array(Set(parts.flatMap { $0.secrecy[keyPath: path] }))
    }
}
