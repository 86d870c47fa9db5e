import HTTP1
import ReverseProxy
import Support

/// What the fields of a response say of times and tokens: whatever it is, nothing traps, and what is believed lies
/// within bounds.
///
/// The first byte chooses what this machine's clock says, and whether the rest is a line of `Date` and one of
/// `Retry-After`, or one of `WWW-Authenticate` and a body: one of them at a time, so that the fuzzer is fast.
enum UpstreamFieldInvariants {
    private static let walls = [Int.min, -1, 0, 784_111_777, 1_800_000_000, 1 << 31, 1 << 53, .max]
    private static let rejections = RejectionPolicy([
        .init(status: 401), .init(status: 400, challenge: "invalid_token"),
        .init(status: 200, body: .init(pointer: "/error/code", equals: "x")),
    ])

    static func check(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let wall = walls[Int(first) % walls.count]
        let choice = Int(first) / walls.count
        let rest = bytes.dropFirst()
        let end = rest.firstIndex(of: 10) ?? rest.endIndex
        let line = String(decoding: rest[..<end], as: UTF8.self)
        let others = rest[end...].dropFirst()
        if choice % 2 == 0 {
            try checkTimes(date: line, retryAfter: String(decoding: others, as: UTF8.self), wall)
        } else {
            checkChallenges(line, Array(others), choice / 2)
        }
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
        try require(areWallsShown, "a moment is not shown")
    }

    /// Depends on no input: found out once.
    private static let areWallsShown = walls.allSatisfy {
        !HTTPDate.text($0).isEmpty && !UTCTime.text($0).isEmpty
    }

    private static func checkChallenges(_ value: String, _ body: [UInt8], _ choice: Int) {
        let status = [200, 400, 401][choice % 3]
        let type = choice % 2 == 0 ? "application/json" : value
        _ = rejections.verdict(
            status: status,
            challenges: [value],
            body: RejectionPolicy.Body(type: type, isThere: true)
        )
        _ = rejections.isRejected(status: status, challenges: [value], body: body)
        var verdict = rejections.bodyVerdict(status: status, challenges: [value])
        _ = verdict.feed(body.span)
        _ = verdict.end()
    }
}
