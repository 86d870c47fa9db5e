import Credentials
import HTTP1
import ReverseProxy
import Support

/// What an upstream says of times and tokens: whatever it is, nothing traps, and what is believed lies within bounds.
///
/// The input is a line for each of `Date`, `Retry-After` and `WWW-Authenticate`, and then a body: the claims of a
/// token, and the response to a refresh. Its first byte chooses what this machine's clock says.
enum UpstreamFieldInvariants {
    private static let walls = [Int.min, -1, 0, 784_111_777, 1_800_000_000, 1 << 31, 1 << 53, .max]
    private static let sources = [SessionRecord.Source.given, .signIn, .refresh]
    private static let finder: TokenFinder = {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/renew", token: "/token")
        recipe.expiresIn = "/expires_in"
        recipe.expiresAt = "/expires_at"
        return TokenFinder(recipe)
    }()
    private static let rejections = RejectionPolicy([
        .init(status: 401), .init(status: 400, challenge: "invalid_token"),
        .init(status: 200, body: .init(pointer: "/error/code", equals: "x")),
    ])

    static func check(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let wall = walls[Int(first) % walls.count]
        let choice = Int(first) / walls.count
        let parts = bytes.dropFirst().split(separator: 10, maxSplits: 3, omittingEmptySubsequences: false)
        let lines = parts.prefix(3).map { String(decoding: $0, as: UTF8.self) }
        let body = parts.count > 3 ? Array(parts[3]) : []
        if lines.count > 1 { try checkTimes(date: lines[0], retryAfter: lines[1], wall) }
        if lines.count > 2 { checkChallenges(lines[2], body, choice) }
        try checkTokens(body, wall, sources[choice % sources.count])
    }

    private static func checkTimes(date: String, retryAfter: String, _ wall: Int) throws {
        for text in [date, retryAfter] {
            guard let seconds = HTTPDate.seconds(text) else { continue }
            try require(UTCTime.range.contains(seconds), "a date is out of all bounds")
            try require(HTTPDate.seconds(HTTPDate.text(seconds)) == seconds, "written, a date reads differently")
        }
        for date in [date, nil] {
            let pause = RetryAfter.seconds(retryAfter, date: date, wall: wall)
            try require((0...3600).contains(pause ?? 0), "a pause is out of all bounds")
        }
        try require(!HTTPDate.text(wall).isEmpty && !UTCTime.text(wall).isEmpty, "a moment is not shown")
    }

    private static func checkChallenges(_ value: String, _ body: [UInt8], _ choice: Int) {
        let status = [200, 400, 401][choice % 3]
        let type = choice % 2 == 0 ? "application/json" : value
        _ = rejections.verdict(
            status: status,
            challenges: [value],
            body: RejectionPolicy.Body(type: type, encoding: choice % 5 == 0 ? value : nil, isThere: true)
        )
        _ = rejections.isRejected(status: status, challenges: [value], body: body)
        var verdict = rejections.bodyVerdict(status: status, challenges: [value])
        _ = verdict.feed(body.span)
        _ = verdict.end()
    }

    private static func checkTokens(_ body: [UInt8], _ wall: Int, _ source: SessionRecord.Source) throws {
        if let strict = JSONValue(parsing: body), let lenient = JSONValue(lenient: body) {
            try require(strict == lenient, "leniently, it reads differently")
        }
        if let found = finder.find(in: body, wall: wall) { try checkRecord(found.token, found.lifetime, wall, source) }
        if let pasted = try? Token(pasted: String(decoding: body, as: UTF8.self)) {
            try require(Token(pasted.value) == pasted, "a pasted token is none")
        }
        guard let token = Token("e30.\(Base64URL.encode(body)).c2ln") else { return }
        if let claims = token.claims {
            for moment in [claims.expiresAt, claims.issuedAt, claims.notBefore] {
                try require(moment.map(UTCTime.range.contains) ?? true, "a claim is out of all bounds")
            }
            try require(claims.lifetime.map { $0 > 0 } ?? true, "a life of nothing")
        }
        try checkRecord(token, nil, wall, source)
    }

    private static func checkRecord(
        _ token: Token,
        _ lifetime: Int?,
        _ wall: Int,
        _ source: SessionRecord.Source
    ) throws {
        try require(lifetime.map { $0 > 0 } ?? true, "a life of nothing")
        var record = SessionRecord()
        record.put(token, source: source, lifetime: lifetime, now: wall)
        for moment in [record.expiresAt, record.receivedAt] {
            try require(moment.map(UTCTime.range.contains) ?? true, "a moment is out of all bounds")
        }
        try require(record.token == token, "the token changed")
    }
}
