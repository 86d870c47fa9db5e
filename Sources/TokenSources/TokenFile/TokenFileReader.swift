import Credentials
import Platform
import Support

/// The content of a token file.
enum TokenFileContent: Equatable, Sendable {
    /// `expiresIn` is the remaining lifetime in seconds; nil if the file does not contain it.
    case token(Token, expiresIn: Int?)
    /// The file is missing or being written: the former token stays.
    case unfinished(String)
    /// The file contains something else. The text is the rest of a sentence that begins with the file.
    case wrong(String)
}

/// Reads a token file: a token and a line end or, if the configuration names a place, JSON.
struct TokenFileReader: Sendable {
    let configuration: TokenFileConfiguration

    static let maxBytes = 64 * 1024
    /// A file that was written this recently, in nanoseconds, may be incomplete: it is read again after a pause.
    private static let freshness = 50_000_000
    /// A token that looks truncated is used all the same if the file is older than this, in nanoseconds.
    private static let youth = 1_000_000_000
    private static let pause: Int32 = 20
    private static let maxLooks = 5

    init(_ configuration: TokenFileConfiguration) {
        self.configuration = configuration
    }

    /// Reads the file; may block for a moment. `wall` is the current time, in seconds since 1970. If `former` was a
    /// JSON Web Token, a text that looks like the beginning of one counts as truncated, however old the file is.
    func read(wall: Int, after former: Token? = nil) -> TokenFileContent {
        do throws(NamedFile.Problem) {
            return content(
                try settledBytes(),
                wall: wall,
                mayBeCut: former?.hasThreeSegments == true || isYounger(than: Self.youth)
            )
        } catch {
            switch error {
            case .system(ENOENT), .system(ENOTDIR): return .unfinished("is not there")
            case .system, .tooLarge, .isDirectory, .isNoFile: return .wrong("cannot be read: \(error.text)")
            }
        }
    }

    private func settledBytes() throws(NamedFile.Problem) -> [UInt8] {
        var bytes = try NamedFile.read(configuration.path, limit: Self.maxBytes)
        for _ in 0..<Self.maxLooks where isYounger(than: Self.freshness) {
            _ = poll(nil, 0, Self.pause)
            let again = try NamedFile.read(configuration.path, limit: Self.maxBytes)
            if again == bytes { break }
            bytes = again
        }
        return bytes
    }

    private func isYounger(than limit: Int) -> Bool {
        var information = stat()
        guard unsafe stat(configuration.path, &information) == 0 else { return false }
        #if canImport(Glibc)
        let written = information.st_mtim
        #else
        let written = information.st_mtimespec
        #endif
        let now = WallClock.now()
        guard abs(now.seconds.subtracting(saturating: Int(written.tv_sec))) <= 1 else { return false }
        let age = (now.seconds - Int(written.tv_sec)) * 1_000_000_000 + now.nanoseconds - Int(written.tv_nsec)
        return (0..<limit).contains(age)
    }

    // MARK: Its content

    /// Pure. `wall` is the current time, in seconds since 1970; `mayBeCut` is true if the file was written a moment
    /// ago.
    func content(_ bytes: [UInt8], wall: Int, mayBeCut: Bool = true) -> TokenFileContent {
        guard let first = bytes.first(where: { $0 > 0x20 }) else { return .unfinished("is empty") }
        if first == UInt8(ascii: "{") { return json(bytes, wall: wall) }
        guard let text = String(validating: SecretReader.withoutLineEnd(bytes), as: UTF8.self) else {
            return .wrong("is not UTF-8 text")
        }
        return token(text, "", expiresIn: nil, mayBeCut: mayBeCut)
    }

    private func json(_ bytes: [UInt8], wall: Int) -> TokenFileContent {
        guard let pointer = configuration.token else {
            return .wrong("holds JSON: say where the token is in it, as in token-file: {path: FILE, token: /token}")
        }
        guard let value = JSONValue(parsing: bytes) else { return .unfinished("holds JSON that is cut or broken") }
        guard let text = value.value(at: pointer)?.string, !text.isEmpty else {
            return .wrong("holds no token at \(pointer)")
        }
        let expiresIn = configuration.expiresAt.flatMap { ExpiryReader.remaining(value.value(at: $0), wall: wall) }
        // The JSON is complete, so the token is, too.
        return token(text, " at \(pointer)", expiresIn: expiresIn, mayBeCut: false)
    }

    private func token(_ text: String, _ place: String, expiresIn: Int?, mayBeCut: Bool) -> TokenFileContent {
        do throws(TokenProblem) {
            let token = try Token(issued: text)
            if mayBeCut, Self.isCut(token.value) { return .unfinished("holds the beginning of a token") }
            return .token(token, expiresIn: expiresIn)
        } catch {
            return .wrong("holds something that is no token\(place): \(error)")
        }
    }

    /// Whether it is a truncated JSON Web Token, signed (RFC 7515 section 3.1) or encrypted (RFC 7516 section 3.1).
    private static func isCut(_ token: String) -> Bool {
        guard token.hasPrefix("eyJ") else { return false }
        let parts = token.utf8.split(separator: UInt8(ascii: "."), omittingEmptySubsequences: false)
        return parts.count < 3 || parts.last?.isEmpty ?? true
    }
}
