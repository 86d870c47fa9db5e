import Credentials
import Testing

@testable import SharedSession

/// Keys, sessions and records for the tests.
enum SharedSamples {
    static let name = "menu-prod"
    static let place = "squire/v1/session/menu-prod"

    static func line(_ first: UInt8) -> String { Base64Text.of((0..<32).map { first &+ $0 }) }

    static func keys(_ firsts: UInt8...) throws -> SharedKeyFile {
        try SharedKeyFile(parsing: Array(firsts.map { line($0) + "\n" }.joined().utf8))
    }

    static func seal(_ firsts: UInt8..., name: String = name, place: String = place) throws -> SharedSeal {
        let text = firsts.map { line($0) + "\n" }.joined()
        return SharedSeal(name: name, place: place, try SharedKeyFile(parsing: Array(text.utf8)))
    }

    static func record(access: String = "access-secret", refresh: String? = "refresh-secret") throws -> SessionRecord {
        var record = SessionRecord()
        let tokens = TokenSet(
            accessToken: try #require(Token(access)),
            refreshToken: refresh.flatMap { Token($0) },
            expiresIn: 3600,
            refreshExpiresIn: 86_400,
            scope: "read write",
            tokenType: "Bearer"
        )
        record.put(tokens, .signIn, upstream: "https://api.example.com", now: 1_800_000_000)
        return record
    }

    /// As short as one can be, for tests that look at each bit.
    static func shortSession() throws -> SealedSession {
        let file = #"{"token":"t","upstream":"https://a.example"}"#
        return try #require(SessionRecord(parsing: Array(file.utf8)).flatMap { SealedSession($0) })
    }

    static func session() throws -> SealedSession { try #require(SealedSession(try record())) }

    static func identity() throws -> SharedIdentity {
        let id = { (digit: String) throws -> SharedID in try #require(SharedID(String(repeating: digit, count: 32))) }
        return try #require(
            SharedIdentity(id: try id("6"), parent: try id("0"), login: try id("9"), era: 3, generation: 57)
        )
    }
}

/// base64 by a table of its own.
enum Base64Text {
    static func of(_ bytes: [UInt8]) -> String {
        let table = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/")
        var text = ""
        for start in stride(from: 0, to: bytes.count, by: 3) {
            let part = Array(bytes[start..<min(start + 3, bytes.count)])
            let bits = (0..<3).reduce(0) { $0 << 8 | ($1 < part.count ? Int(part[$1]) : 0) }
            for index in 0..<4 { text.append(index <= part.count ? table[bits >> (18 - 6 * index) & 63] : "=") }
        }
        return text
    }
}
