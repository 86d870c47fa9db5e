import TestFiles
import Threads

@testable import Credentials

/// Answers from a list, and remembers what it was asked with.
final class ListedSource: TokenSource {
    let spends: Bool
    let startsAlone: Bool
    private let shared: Guarded<(outcomes: [TokenOutcome], calls: [HeldTokens])>

    init(_ outcomes: [TokenOutcome], spends: Bool = true, startsAlone: Bool = false) {
        self.spends = spends
        self.startsAlone = startsAlone
        shared = Guarded((outcomes, []))
    }

    func canGet(with held: HeldTokens) -> Bool { startsAlone || held.refreshToken != nil }

    func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse {
        let text = "\(token.value) and \(refreshToken?.value ?? "none")"
        return RefreshResponse(token: token, body: Array(text.utf8), contentType: "text/plain")
    }

    func get(_ held: HeldTokens) -> TokenOutcome {
        shared.with { shared in
            shared.calls.append(held)
            return shared.outcomes.isEmpty ? .unreachable(reason: "no more") : shared.outcomes.removeFirst()
        }
    }

    var calls: [HeldTokens] { shared.with { $0.calls } }
}

struct StillClock: CredentialClock {
    func elapsed() -> Int64 { 0 }
    func wall() -> Int { 1_000_000 }
}

/// What suites about sources have in common.
protocol SourceSuite {}

extension SourceSuite {
    static func file() -> SessionFile {
        SessionFile(path: TestDirectory.make() + "/s.json")
    }

    static func token(_ text: String) -> Token { Token(text)! }

    static func set(_ access: String, _ refresh: String? = nil, expiresIn: Int? = nil) -> TokenSet {
        TokenSet(accessToken: token(access), refreshToken: refresh.map(token), expiresIn: expiresIn)
    }

    static func gain(_ session: Session, _ gain: Session.Gain) -> Result<Void, SessionFileError> {
        Latch.awaiting { done in
            session.adopt(.signIn, replacing: .ofThisCustomer(agreed: nil), spending: { gain }, completion: done)
        }
    }

    static func session(
        _ source: any TokenSource,
        _ file: SessionFile? = nil,
        binding: SessionBinding? = nil
    ) throws -> Session {
        try Session(
            file: file,
            source: source,
            policy: RefreshPolicy(margin: .seconds(30)),
            binding: binding,
            clock: StillClock()
        )
    }

    static func adopt(_ session: Session, _ tokens: TokenSet) {
        let latch = Latch<Bool>()
        session.adopt(tokens, .signIn) { _ in latch.set(true) }
        _ = latch.wait()
    }

    /// Of a route of its own for each generation: none waits for what becomes of another that led.
    static func ask(_ session: Session, rejecting: Generation? = nil) -> Grant {
        let latch = Latch<Grant>()
        let rejection = rejecting.map { Rejection(generation: $0) }
        session.credential(for: Inquiry(route: rejecting ?? 0, rejection: rejection)) { latch.set($0) }
        return latch.wait()
    }
}
