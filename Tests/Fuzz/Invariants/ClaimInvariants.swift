import Credentials
import HTTP1
import ReverseProxy
import Support
import TokenSources

/// What an upstream says in a body of a token: whatever it is, nothing traps, and what is believed lies within bounds.
///
/// The first byte chooses what this machine's clock says and how the token came; the rest is the claims of a token, and
/// the response to a refresh.
enum ClaimInvariants {
    private static let walls = [Int.min, -1, 0, 784_111_777, 1_800_000_000, 1 << 31, 1 << 53, .max]
    private static let arrivals = [SessionRecord.Arrival.given, .signIn, .refresh]
    private static let finder: TokenFinder = {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/renew", token: "/token")
        recipe.expiresIn = "/expires_in"
        recipe.expiresAt = "/expires_at"
        return TokenFinder(recipe)
    }()

    static func check(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let choice = Int(first) / walls.count
        try checkTokens(Array(bytes.dropFirst()), walls[Int(first) % walls.count], arrivals[choice % arrivals.count])
    }

    private static func checkTokens(_ body: [UInt8], _ wall: Int, _ arrival: SessionRecord.Arrival) throws {
        // Strictly, the claims below are read as well.
        if let lenient = JSONValue(lenient: body) {
            try require(JSONValue(parsing: body).map { $0 == lenient } ?? true, "leniently, it reads differently")
            if case .tokens(let found) = finder.look(in: body, date: nil, wall: wall) {
                try checkRecord(found.accessToken, found.expiresIn, wall, arrival)
            }
        }
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
        try checkRecord(token, nil, wall, arrival)
    }

    private static func checkRecord(
        _ token: Token,
        _ lifetime: Int?,
        _ wall: Int,
        _ arrival: SessionRecord.Arrival
    ) throws {
        try require(lifetime.map { $0 > 0 } ?? true, "a life of nothing")
        var record = SessionRecord()
        record.put(TokenSet(accessToken: token, expiresIn: lifetime), arrival, now: wall)
        for moment in [record.expiresAt, record.receivedAt] {
            try require(moment.map(UTCTime.range.contains) ?? true, "a moment is out of all bounds")
        }
        try require(record.token == token, "the token changed")
    }
}
