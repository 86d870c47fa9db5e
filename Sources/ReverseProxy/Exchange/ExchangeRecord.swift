import Credentials
import HTTP1

/// What is told about a finished exchange. Already redacted: observers can neither leak nor delay anything.
package struct ExchangeRecord: Sendable {
    package enum Outcome: String, Sendable {
        /// The answer reached the client whole.
        case complete
        /// Squire answered itself.
        case refused
        /// The client went away.
        case clientGone = "client-gone"
        /// The upstream broke off in the middle of the answer.
        case upstreamBroke = "upstream-broke"
    }

    package var id: String
    package var method: String
    /// Without the values of parameters that look like secrets.
    package var target: String
    package var status: Int
    package var outcome: Outcome
    /// The `code` of Squire's own answer.
    package var code: String?
    package var requestBytes: UInt64
    package var responseBytes: UInt64
    /// Nanoseconds from the request's first attempt to the answer's first byte; nil when the upstream was not asked.
    package var upstreamNanoseconds: UInt64?
    package var totalNanoseconds: UInt64
    package var attempts: Int
    /// Of the token in the last attempt; zero is none.
    package var generation: UInt64
    /// It was sent again with another token.
    package var wasReplayed: Bool
}

/// Hears of every finished exchange, on the worker's thread. Must not block.
package protocol ExchangeObserver: Sendable {
    func exchangeFinished(_ record: ExchangeRecord)
}

/// Takes the values of secret-looking query parameters out of a request target.
package enum Redaction {
    private static let words = [
        "token", "secret", "password", "passwd", "pwd", "key", "auth", "code", "signature", "sig", "session", "jwt",
        "credential",
    ]

    /// Control characters are escaped, those beyond ASCII too: a log line stays one line, and drives no terminal.
    package static func target(_ text: String) -> String {
        guard let question = text.firstIndex(of: "?") else { return printable(text, limit: 512) }
        let query = text[text.index(after: question)...]
        let parts = query.split(separator: "&", omittingEmptySubsequences: false).map { part -> String in
            guard let equals = part.firstIndex(of: "=") else { return String(part) }
            let name = part[..<equals].lowercased()
            let isSecret = words.contains { name.contains($0) } || looksLikeToken(part[part.index(after: equals)...])
            return isSecret ? "\(part[..<equals])=…" : String(part)
        }
        return printable("\(text[...question])\(parts.joined(separator: "&"))", limit: 512)
    }

    private static func looksLikeToken(_ value: Substring) -> Bool {
        value.hasPrefix("eyJ") && value.utf8.count > 20
    }

    private static func printable(_ text: String, limit: Int) -> String {
        // Nearly all: nothing to escape.
        if text.utf8.count <= limit, text.utf8.allSatisfy({ (0x20..<0x7F).contains($0) }) { return text }
        let kept = text.unicodeScalars.prefix(limit).map { scalar -> String in
            scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                ? "\\x\(String(scalar.value, radix: 16))" : String(scalar)
        }
        return kept.joined() + (text.unicodeScalars.count > limit ? "…" : "")
    }
}
