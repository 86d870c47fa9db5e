import Platform
import Support

/// The secrets that are shown nowhere, by their values: what was configured, and the tokens of now and of lately. As they
/// are, and in base64 and base64url (RFC 4648), wherever in what was encoded they began.
///
/// A new value is made when a token changes; asking allocates nothing.
public struct KnownSecrets: Sendable {
    public static let none = KnownSecrets()

    /// How many tokens are remembered, access and refresh tokens: who holds a former one may still send it.
    private static let maxTokens = 16
    /// Shorter ones, in bytes, would turn up by chance.
    private static let minLength = 8

    private let configured: [[UInt8]]
    private let tokens: [[UInt8]]
    /// What is looked for: each of them in each of its spellings.
    private let spellings: [[UInt8]]
    /// Bytes of the shortest; what is shorter cannot hold one.
    private let shortest: Int

    public init(_ configured: [[UInt8]] = []) {
        self.init(configured: configured, tokens: [])
    }

    private init(configured: [[UInt8]], tokens: [[UInt8]]) {
        self.configured = configured.filter { $0.count >= Self.minLength }
        self.tokens = tokens.filter { $0.count >= Self.minLength }
        spellings = (self.configured + self.tokens).flatMap { [$0] + Self.encodings(of: $0) }
        shortest = spellings.map(\.count).min() ?? .max
    }

    /// In base64, what of it does not depend on what is around it, by how many octets of a group of three come before.
    private static func encodings(of secret: [UInt8]) -> [[UInt8]] {
        var result: [[UInt8]] = []
        for before in 0..<3 {
            let text = Base64URL.encode([UInt8](repeating: 0, count: before) + secret).utf8
            let core = Array(text.prefix((before + secret.count) * 8 / 6).dropFirst((before * 8 + 5) / 6))
            let plain = core.map { octet in
                switch octet {
                case UInt8(ascii: "-"): UInt8(ascii: "+")
                case UInt8(ascii: "_"): UInt8(ascii: "/")
                default: octet
                }
            }
            result.append(core)
            if plain != core { result.append(plain) }
        }
        return result
    }

    /// The same and `token`, the newest.
    public func remembering(_ token: [UInt8]) -> KnownSecrets {
        guard !tokens.contains(token) else { return self }
        return KnownSecrets(configured: configured, tokens: tokens.suffix(Self.maxTokens - 1) + [token])
    }

    /// The same tokens, and what is configured now.
    public func replacingConfigured(_ configured: [[UInt8]]) -> KnownSecrets {
        KnownSecrets(configured: configured, tokens: tokens)
    }

    /// Whether `text` holds one of them.
    func occur(in text: UnsafeBufferPointer<UInt8>) -> Bool {
        var isFound = false
        find(in: text) { _ in isFound = true }
        return isFound
    }

    /// Calls `body` with the place of each occurrence.
    func find(in text: UnsafeBufferPointer<UInt8>, _ body: (Range<Int>) -> Void) {
        guard text.count >= shortest else { return }
        for secret in spellings { Self.find(secret, in: text, body) }
    }

    private static func find(
        _ secret: [UInt8],
        in text: UnsafeBufferPointer<UInt8>,
        _ body: (Range<Int>) -> Void
    ) {
        secret.withUnsafeBufferPointer { secret in
            guard let base = text.baseAddress, let wanted = secret.baseAddress else { return }
            var start = 0
            while start + secret.count <= text.count {
                let room = text.count - secret.count - start + 1
                guard let found = memchr(base + start, Int32(wanted[0]), room) else { return }
                start = UnsafeRawPointer(found) - UnsafeRawPointer(base)
                if memcmp(base + start, wanted, secret.count) == 0 { body(start..<(start + secret.count)) }
                start += 1
            }
        }
    }
}
