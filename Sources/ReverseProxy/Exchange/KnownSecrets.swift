import Platform
import Support

/// The secrets that must never be shown, by value: the configured ones, and the current and recent tokens. Recognises
/// them as they are, and in base64 and base64url (RFC 4648) at any offset within the encoded data.
///
/// A token change creates a new value; a search allocates nothing.
public struct KnownSecrets: Sendable {
    public static let none = KnownSecrets()

    /// How many access and refresh tokens are remembered: a client may still send an older one.
    private static let maxTokens = 16
    /// How many secrets that are configured no more are remembered: they may still work.
    private static let maxFormer = 16
    /// Shorter secrets, in bytes, would match by chance.
    private static let minLength = 8

    private let configured: [[UInt8]]
    /// Were configured before.
    private let former: [[UInt8]]
    private let tokens: [[UInt8]]
    /// The texts to search for: every secret in each of its spellings.
    private let spellings: [[UInt8]]
    /// The length of the shortest; a shorter text cannot contain one.
    private let shortest: Int

    public init(_ configured: [[UInt8]] = []) {
        self.init(configured: configured, former: [], tokens: [])
    }

    private init(configured: [[UInt8]], former: [[UInt8]], tokens: [[UInt8]]) {
        self.configured = configured.filter { $0.count >= Self.minLength }
        self.former = former
        self.tokens = tokens.filter { $0.count >= Self.minLength }
        spellings = (self.configured + former + self.tokens).flatMap { [$0] + Self.encodings(of: $0) }
        shortest = spellings.map(\.count).min() ?? .max
    }

    /// The base64 characters that do not depend on the surrounding data, for each offset of the secret within a group
    /// of three octets.
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

    /// A copy that also contains `token`, as the newest.
    public func remembering(_ token: [UInt8]) -> KnownSecrets {
        guard !tokens.contains(token) else { return self }
        let tokens = Array(tokens.suffix(Self.maxTokens - 1)) + [token]
        return KnownSecrets(configured: configured, former: former, tokens: tokens)
    }

    /// A copy with the same tokens, the secrets that are configured now, and those that were lately.
    public func replacingConfigured(_ configured: [[UInt8]]) -> KnownSecrets {
        let former = (former + self.configured).filter { !configured.contains($0) }
        return KnownSecrets(configured: configured, former: Array(former.suffix(Self.maxFormer)), tokens: tokens)
    }

    /// Whether `text` contains one of them.
    func occur(in text: UnsafeBufferPointer<UInt8>) -> Bool {
        var isFound = false
        find(in: text) { _ in isFound = true }
        return isFound
    }

    /// Calls `body` with the range of each occurrence.
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
