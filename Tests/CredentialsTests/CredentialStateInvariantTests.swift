import Testing

@testable import Credentials

/// A small generator with a seed, so that a failure can be repeated.
struct SeededGenerator: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) {
        state = seed
    }

    mutating func next() -> UInt64 {
        // SplitMix64.
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}

/// Whatever happens in whatever order, these hold after each event.
@Suite struct CredentialStateInvariantTests {
    /// Small, so that the same tokens come again; and the edges of the numbers.
    private static let moments: [Int64] = [
        .min, .min + 1, -1, 0, 1, 1_000_000_000, 30_000_000_000, 3_600_000_000_000, 1 << 53, .max - 1, .max,
    ]
    private static let walls = [Int.min, -1, 0, 1_000_000, 1 << 31, 1 << 53, .max]

    @Test(arguments: UInt64(0)..<8) func randomEvents(_ seed: UInt64) {
        var random = SeededGenerator(seed: seed)
        for _ in 0..<500 {
            let policy = RefreshPolicy(
                margin: [.zero, .seconds(30), .seconds(Int64.max)].randomElement(using: &random)!,
                fleet: Bool.random(using: &random) ? nil : .init(takeover: .seconds(1), place: 0.5)
            )
            var state = CredentialState(
                policy: policy,
                canRefresh: .random(using: &random),
                spends: .random(using: &random)
            )
            var flights: [Generation] = []
            for _ in 0..<60 {
                let before = state
                step(&state, &flights, &random)
                guard check(state, before, flights) else { return }
            }
        }
    }

    private func step(_ state: inout CredentialState, _ flights: inout [Generation], _ random: inout SeededGenerator) {
        let now = Instant(
            elapsed: Self.moments.randomElement(using: &random)!,
            wall: Self.walls.randomElement(using: &random)!
        )
        switch Int.random(in: 0..<10, using: &random) {
        case 0:
            state.publish(nil, canRefresh: .random(using: &random), now: now)
        case 1, 2:
            let isRefreshed = Bool.random(using: &random)
            let (record, canRefresh) = (Self.records.randomElement(using: &random)!, Bool.random(using: &random))
            state.publish(record, canRefresh: canRefresh, isRefreshed: isRefreshed, now: now)
        case 3, 4:
            let inquiry = Self.inquiry(state, &random)
            state.rejected(inquiry.rejection!, route: inquiry.route, hadAccepted: .random(using: &random), now: now)
            if case .start = state.decide(inquiry, now: now.elapsed),
                let flight = state.beginRefresh(ledBy: inquiry.route)
            {
                flights.append(flight)
            }
        case 5:
            let inquiry = Inquiry(route: .random(in: 0..<12, using: &random))
            switch state.decide(inquiry, now: now.elapsed) {
            case .start, .startAhead: if let flight = state.beginRefresh() { flights.append(flight) }
            case .use, .useAfter, .join, .awaitLead, .fail: break
            }
        case 6, 7:
            guard !flights.isEmpty else { return }
            _ = state.endRefresh(replacing: flights.removeFirst(), Self.verdict(&random), now: now.elapsed)
        case 8:
            if Bool.random(using: &random) { state.beginSpending() }
            if let mark = state.unwrittenMark { state.markWasWritten(mark) }
            if let lead = state.current?.lead { state.leadEnded(lead.route, replacing: lead.replaced) }
        default:
            state.accepted(.random(in: 0..<12, using: &random), now: now.elapsed)
            _ = state.nextUnaskedRetry(limit: 5, now: now.elapsed)
            _ = state.refreshIsBarred(now: now.elapsed)
        }
    }

    private static func inquiry(_ state: CredentialState, _ random: inout SeededGenerator) -> Inquiry {
        Inquiry(
            route: .random(in: 0..<12, using: &random),
            rejection: Rejection(
                generation: Bool.random(using: &random) ? state.generation : .random(in: 0..<5, using: &random),
                skew: Bool.random(using: &random) ? nil : moments.randomElement(using: &random),
                mayRefresh: .random(using: &random)
            )
        )
    }

    /// Made once: reading a token takes longer than an event.
    private static let records: [SessionRecord] = {
        var random = SeededGenerator(seed: 1)
        return (0..<48).map { _ in
            var record = SessionRecord()
            let identifier = "\(Int.random(in: 0..<3, using: &random))"
            let lives = [-5, 1, 60, 3600, 1 << 40]
            var tokens = TokenSet(
                accessToken: Int.random(in: 0..<4, using: &random) == 0
                    ? makeToken(identifier, life: lives.randomElement(using: &random)!)
                    : Token("opaque-" + identifier)!
            )
            tokens.expiresIn = [nil, .min, 0, 60, .max].randomElement(using: &random)!
            if Bool.random(using: &random) {
                tokens.refreshToken = Token("refresh-\(Int.random(in: 0..<3, using: &random))")
            }
            record.put(
                tokens,
                [.given, .signIn, .refresh].randomElement(using: &random)!,
                now: walls.randomElement(using: &random)!
            )
            record.isRefreshDenied = Int.random(in: 0..<4, using: &random) == 0
            if Bool.random(using: &random) { record.rejected = .init(at: 5, isWhole: .random(using: &random)) }
            return record
        }
    }()

    private static func verdict(_ random: inout SeededGenerator) -> CredentialState.Verdict {
        switch Int.random(in: 0..<4, using: &random) {
        case 0: .settled
        case 1: .unchanged(jitter: .random(in: 0..<1, using: &random))
        case 2: .denied(explanation: "It was refused.")
        default:
            .failed(
                [.unavailable(), .unreachable, .misconfigured("key")].randomElement(using: &random)!,
                retryAfter: [nil, .min, -1, 0, 60, .max].randomElement(using: &random)!,
                jitter: .random(in: 0..<1, using: &random)
            )
        }
    }

    /// False, having recorded an issue, when something does not hold.
    private func check(_ state: CredentialState, _ before: CredentialState, _ flights: [Generation]) -> Bool {
        var holds = true
        func expect(_ condition: Bool, _ text: String) {
            guard !condition, holds else { return }
            holds = false
            Issue.record("\(text): \(before.refresh) became \(state.refresh)")
        }
        expect(state.generation >= before.generation, "a generation came again")
        expect(
            (state.credential?.token == before.credential?.token) == (state.generation == before.generation),
            "a generation is not one token"
        )
        if case .inFlight(let replacing, let failures, _, _) = state.refresh {
            expect(flights.contains(replacing), "a flight nobody makes")
            expect(replacing <= state.generation && failures >= 0, "a flight for what is to come")
        }
        if state.generation != before.generation {
            let isMarked = state.current?.mark != nil
            expect(isMarked || !state.isInDoubt && !state.isBeingReplaced, "a rejection outlived its token")
            if case .backingOff = state.refresh { expect(false, "a back-off outlived its token") }
        }
        if state.credential == nil {
            expect(!state.isUsable(now: 0) && state.unexpired(now: 0) == nil, "nothing is usable")
        }
        for now in Self.moments {
            for rejection in [nil, Rejection(generation: state.generation)] {
                var copy = state
                switch copy.decide(Inquiry(route: 1, rejection: rejection), now: now) {
                case .use(let credential), .useAfter(_, let credential):
                    expect(credential.generation == state.generation, "an old token is handed out")
                    expect(rejection == nil, "the rejected token is handed out again")
                    guard state.isDead(now: now) else { break }
                    guard case .fail = copy.decide(Inquiry(route: 2), now: now) else {
                        expect(false, "a dead token is tried twice at once")
                        break
                    }
                case .join: expect(state.isRefreshing, "waits for nothing")
                case .awaitLead: expect(state.awaitsLead(now: now), "waits for nobody")
                case .startAhead(let credential):
                    expect(credential.generation == state.generation, "an old token is handed out")
                    expect(rejection == nil && state.unexpired(now: now) != nil, "a dead token is handed out")
                    expect(!state.isRefreshing && !state.isRefreshDenied && state.canRefresh, "starts what may not be")
                case .start(let pause):
                    expect(!state.isRefreshing && !state.isRefreshDenied && state.canRefresh, "starts what may not be")
                    expect((0...2_000_000_000).contains(pause), "waits too long")
                case .fail(.unavailable(let seconds, _, _)), .fail(.paused(let seconds)),
                    .fail(.unchanged(let seconds)),
                    .fail(.misconfigured(_, let seconds)):
                    expect((0...Int.max).contains(seconds), "a pause of less than nothing")
                case .fail: break
                }
            }
        }
        return holds
    }
}
