import Credentials
import SharedSession
import Support
import Testing

@testable import Diagnosis

/// Records, and what is said of them, for the tests.
enum SharedSamples {
    /// 32 octets of a value, in base64.
    static func line(_ digit: Character) -> String { String(repeating: digit, count: 42) + "A=" }

    static func keys(_ digits: Character...) throws -> SharedKeyFile {
        try SharedKeyFile(parsing: Array(digits.map { line($0) + "\n" }.joined().utf8))
    }

    static func session(_ keys: SharedKeyFile, origin: String = "https://api.example.com") -> SharedReport.Session {
        SharedReport.Session(
            name: "menu",
            engine: "etcd",
            key: "squire/v1/session/menu",
            keyFile: "/k",
            keys: keys.keyIDs,
            origin: origin,
            source: "squire.yaml:7",
            login: "squire login",
            command: { "squire \($0)" }
        )
    }

    static func seal(_ keys: SharedKeyFile) -> SharedSeal {
        SharedSeal(name: "menu", place: "squire/v1/session/menu", keys)
    }

    /// Of the customer 4711; the token is `h.….secret-signature`.
    static func content(origin: String = "https://api.example.com") throws -> SealedSession {
        let claims = "eyJzdWIiOiI0NzExIn0"
        let json = JSONValue.object([
            .init("token", .string("eyJhbGciOiJIUzI1NiJ9.\(claims).secret-signature")),
            .init("refresh_token", .string("secret-refresh")), .init("upstream", .string(origin)),
            .init("source", .string("recipe")), .init("received_at", .integer(1_000)),
            .init("expires_at", .integer(4_600)),
        ])
        return try #require(SessionRecord(parsing: json.octets()).flatMap { SealedSession($0) })
    }

    static func identity() throws -> SharedIdentity {
        let id = { (digit: String) throws -> SharedID in try #require(SharedID(String(repeating: digit, count: 32))) }
        return try #require(SharedIdentity(id: try id("6"), parent: nil, login: try id("9"), era: 3, generation: 57))
    }

    static func record(
        _ keys: SharedKeyFile,
        _ state: SharedTokenState = .ready,
        origin: String = "https://api.example.com"
    ) throws -> SharedRecord {
        try seal(keys).seal(try content(origin: origin), try identity(), state)
    }

    static func report(
        _ value: SharedValue,
        _ keys: SharedKeyFile,
        origin: String = "https://api.example.com"
    ) -> SharedReport {
        SharedReport(session(keys, origin: origin), value, revision: StoreRevision("12"), member: "https://etcd-1:2379")
    }

    /// What those who have the keys see of it.
    static func report(_ record: SharedRecord, _ keys: SharedKeyFile) -> SharedReport {
        report(SharedValue(StoredValue(bytes: record.bytes, revision: StoreRevision("12")), seal(keys)), keys)
    }
}
