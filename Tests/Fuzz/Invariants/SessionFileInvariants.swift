import Credentials
import Support

/// Whatever a session file holds, reading it ends; what was read is written so that it reads the same, strange members
/// included.
enum SessionFileInvariants {
    static func check(_ bytes: [UInt8]) throws {
        guard let value = JSONValue(parsing: bytes) else {
            try require(SessionRecord(parsing: bytes) == nil, "a record was read from what is no JSON")
            return
        }
        let text = value.serialized()
        try require(JSONValue(parsing: Array(text.utf8)) == value, "written, it reads differently")
        try require(
            JSONValue(lenient: bytes).map { $0 == value } ?? !value.isContainer,
            "leniently, it reads differently"
        )
        try require(
            JSONValue(parsing: Array(value.serialized(pretty: true).utf8)) == value,
            "pretty, it reads differently"
        )
        guard var record = SessionRecord(parsing: bytes) else { return }
        if let token = record.token {
            for byte in token.value.utf8 where byte <= 0x20 || byte >= 0x7F {
                throw Violation("a token that is no header value was accepted")
            }
            record.put(TokenSet(accessToken: token), .given, now: 1_800_000_000)
            try require(record.token?.value == token.value, "the token changed")
        }
        let entry = RefreshEntry(
            at: 1_800_000_000,
            cause: .rejected,
            outcome: .refused,
            detail: "status 401",
            waiters: 3
        )
        for _ in 0..<2 {
            record.record(entry)
            record.record(RefreshEntry(at: 1_800_000_000, cause: .expiry, outcome: .refreshed))
        }
        try require(record.history.contains(entry) && record.refreshes > 0, "a refresh is not remembered")
        // Whatever it says of times, they can be reckoned with.
        for moment in [record.expiresAt, record.receivedAt, record.unanswered?.at, record.lastRefresh?.at] {
            try require((0...253_402_300_800).contains(moment ?? 0), "a moment is out of all bounds")
        }
    }
}

extension JSONValue {
    fileprivate var isContainer: Bool {
        switch self {
        case .array, .object: true
        case .null, .bool, .number, .string: false
        }
    }
}
