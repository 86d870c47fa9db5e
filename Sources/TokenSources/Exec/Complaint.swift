import Redaction
import Support

/// The words of a failed command for a message, without known secrets and without text that looks like one.
enum Complaint {
    private static let mark = Array("‹redacted›".utf8)
    private static let schemes: Set<String> = ["bearer", "basic"]
    private static let shortestSecret = 8
    /// A word of at least this many token characters, with letters and digits, may be an unknown secret.
    private static let suspicious = 24

    static func text(_ line: String, hiding secrets: [String]) -> String {
        QuotedText.quoted(withoutSuspects(line), hiding: secrets)
    }

    /// The line without the words that also occur in the output, except short ones.
    static func text(_ line: String, withoutWordsOf output: [UInt8]) -> String {
        let words = output.split { !isTokenOctet($0) && $0 < 0x80 }.filter { $0.count >= shortestSecret }
        return words.prefix(1000).reduce(line) { line, word in
            line.replacingAll(String(decoding: word, as: UTF8.self), with: String(decoding: mark, as: UTF8.self))
        }
    }

    /// What the next word is, by what stands before it.
    private enum Expected {
        case anything
        /// `Bearer` or `Basic` stands before it.
        case credentials
        /// The name of a secret stands before it, and nothing between them yet.
        case colon
        /// `NAME:` or `NAME=` stands before it.
        case value(isAssigned: Bool)

        /// What it is after one more octet between the words.
        func after(_ byte: UInt8) -> Expected {
            switch (self, byte) {
            case (.colon, UInt8(ascii: ":")): .value(isAssigned: false)
            case (.credentials, UInt8(ascii: ":")): self
            case (.colon, UInt8(ascii: "\"")), (.colon, UInt8(ascii: "'")): self
            case (.value, UInt8(ascii: "\"")), (.value, UInt8(ascii: "'")): .value(isAssigned: true)
            default: byte <= 0x20 ? self : .anything
            }
        }
    }

    /// Replaces JSON Web Tokens, what follows `Bearer`, long words of letters and digits, and what stands behind a
    /// secret's name and `=` or `:`. `password: wrong` stays: prose is in small letters.
    private static func withoutSuspects(_ line: String) -> String {
        var result: [UInt8] = []
        var word: [UInt8] = []
        var expected = Expected.anything
        func flush() {
            guard !word.isEmpty else { return }
            defer { word = [] }
            if case .colon = expected, word == [UInt8(ascii: "=")] {
                result += word
                expected = .value(isAssigned: true)
                return
            }
            if let equals = word.firstIndex(of: UInt8(ascii: "=")), SecretName.isMember(word[..<equals]) {
                let isWhole = equals < word.count - 1
                result += word[...equals] + (isWhole ? mark : [])
                expected = isWhole ? .anything : .value(isAssigned: true)
                return
            }
            let isScheme = schemes.contains(String(decoding: word, as: UTF8.self).lowercased())
            result += isSuspect(word) || !isScheme && isSecret(word, expected) ? mark : word
            expected = isScheme ? .credentials : SecretName.isMember(word) ? .colon : .anything
        }
        for byte in line.utf8 {
            if isTokenOctet(byte) {
                word.append(byte)
            } else {
                flush()
                expected = expected.after(byte)
                result.append(byte)
            }
        }
        flush()
        return String(decoding: result, as: UTF8.self)
    }

    private static func isSecret(_ word: [UInt8], _ expected: Expected) -> Bool {
        switch expected {
        case .anything, .colon: false
        case .credentials: word.count >= shortestSecret
        case .value(isAssigned: true): true
        case .value(isAssigned: false): !word.allSatisfy { (0x61...0x7A).contains($0) || $0 == UInt8(ascii: ".") }
        }
    }

    private static func isSuspect(_ word: [UInt8]) -> Bool {
        // `{"` in base64url, the beginning of a JSON Web Token.
        if word.starts(with: Array("eyJ".utf8)) { return word.count >= 12 }
        // Paths and host names consist of short parts.
        return word.split { $0 == UInt8(ascii: ".") || $0 == UInt8(ascii: "/") }.contains { part in
            part.count >= suspicious && part.contains { (0x30...0x39).contains($0) }
                && part.contains { (0x41...0x5A).contains($0 & 0xDF) }
        }
    }

    private static func isTokenOctet(_ byte: UInt8) -> Bool {
        switch byte {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
        default: "-._~+/=!|^#".utf8.contains(byte)
        }
    }
}
