import Credentials

/// Takes what is secret out of what was recorded, before it is kept. Pure.
///
/// `‹redacted›` stands for what is secret by its name, `‹token, generation N›` for a token that is known.
struct Redactor {
    /// A token by which requests go or went, and the number that people see.
    struct KnownToken {
        var generation: Generation
        var value: [UInt8]
    }

    /// What is left of a text, and what was taken out: `field Cookie`, `query token`, `/password`.
    struct Redacted: Equatable {
        var octets: [UInt8]
        var redactions: [String]
    }

    /// `tokens` are those of lately; `secrets` further values that are shown nowhere; `isSecretField` decides by a
    /// field's name.
    init(tokens: [KnownToken], secrets: [[UInt8]], isSecretField: @escaping (String) -> Bool) {}
}
