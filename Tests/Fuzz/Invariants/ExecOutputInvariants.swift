import Credentials
import TokenSources

/// What a command prints in the place of a token: whatever it is, nothing traps, what is taken for a token is one, and a
/// reason is short.
///
/// The first byte chooses the format, and whether the places in JSON are given; the rest is the output.
enum ExecOutputInvariants {
    private static let wall = 1_800_000_000
    private static let longestReason = 400

    static func check(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let formats = ExecFormat.allCases
        var places = ExecFormat.Places()
        if Int(first) / formats.count % 2 == 1 {
            places.token = "/token"
            places.expiresIn = "/expires_in"
            places.expiresAt = "/expires_at"
        }
        let format = formats[Int(first) % formats.count]
        switch result(of: format, Array(bytes.dropFirst()), places) {
        case .success(let found):
            try require(Token(found.token.value) == found.token, "what was found is no token")
            try require(found.token.value.utf8.allSatisfy { !"'\"`\\$".utf8.contains($0) }, "a token that quotes")
            try require(
                found.expiresIn.map { (1...ExpiryReader.longest).contains($0) } ?? true,
                "a life out of all bounds"
            )
        case .failure(let problem):
            try require(problem.text.utf8.count < longestReason, "a reason that is the output")
        }
    }

    private static func result(
        of format: ExecFormat,
        _ output: [UInt8],
        _ places: ExecFormat.Places
    ) -> Result<ExecFormat.Found, ExecFormat.Problem> {
        do throws(ExecFormat.Problem) {
            return .success(try format.find(in: output, places, wall: wall))
        } catch {
            return .failure(error)
        }
    }
}
