import Platform
import TestFiles
import Testing
import Threads

@testable import Credentials

/// A completion is called exactly once for every call, whenever the session ends.
@Suite struct SessionCompletionTests {
    private struct FailingSource: TokenSource {
        var spends: Bool { true }
        var startsAlone: Bool { false }
        let outcome: TokenOutcome

        func get(_ held: HeldTokens) -> TokenOutcome { outcome }
    }

    /// How often each call was answered.
    private final class Answers: Sendable {
        private let counts = Guarded<[Int]>([])

        func call(_ make: (@escaping @Sendable () -> Void) -> Void) {
            let index = counts.with { counts in
                counts.append(0)
                return counts.count - 1
            }
            make { [self] in counts.with { $0[index] += 1 } }
        }

        var all: [Int] { counts.with { $0 } }
    }

    private static func directory() -> String {
        TestDirectory.make()
    }

    private static func callEverything(_ session: Session, _ answers: Answers) {
        answers.call { answered in session.credential(for: Inquiry()) { _ in answered() } }
        answers.call { answered in
            session.credential(for: Inquiry(rejection: Rejection(generation: session.generation))) { _ in answered()
            }
        }
        answers.call { answered in
            let rejection = Rejection(generation: session.generation, mayRefresh: false)
            session.credential(for: Inquiry(rejection: rejection)) { _ in answered() }
        }
        answers.call { answered in session.credential(for: Inquiry(), settled: true) { _ in answered() } }
        answers.call { answered in session.refreshNow(cause: .manual) { _ in answered() } }
        answers.call { answered in session.adopt(TokenSet(accessToken: makeToken("x")), .given) { _ in answered() } }
        answers.call { answered in session.forget { _ in answered() } }
    }

    @Test(
        arguments: [
            .lost(reason: "cut"), .refused(reason: "status 401", status: 401), .misconfigured(reason: "invalid_client"),
            .unreachable(reason: "gone"),
            .unavailable(reason: "status 503", retryAfter: nil),
            .unchanged(),
        ] as [TokenOutcome]
    )
    func everyCallIsAnsweredOnceAroundAShutdown(_ outcome: TokenOutcome) throws {
        for isInFile in [true, false] {
            for round in 0..<10 {
                let file = isInFile ? SessionFile(path: Self.directory() + "/s.json") : nil
                let session = try Session(
                    file: file,
                    source: FailingSource(outcome: outcome),
                    policy: RefreshPolicy(margin: .seconds(30))
                )
                let answers = Answers()
                answers.call { answered in
                    session.adopt(TokenSet(accessToken: makeToken("a")), .signIn) { _ in answered() }
                }
                let callers = (0..<2).compactMap { _ in
                    NativeThread(name: "test-caller") { for _ in 0..<10 { Self.callEverything(session, answers) } }
                }
                if round % 2 == 0 { usleep(UInt32(round) * 100) }
                let isDone = session.end(timeout: .seconds(20)) == nil
                for caller in callers { caller.join() }
                Self.callEverything(session, answers)
                #expect(isDone && answers.all.allSatisfy { $0 == 1 })
            }
        }
    }

    /// Whoever waits when the last reference goes is told so.
    @Test func releasingTheSessionAnswersItsWaiters() throws {
        let answered = Latch<Grant>()
        do {
            let source = FailingSource(outcome: .unavailable(reason: "status 503", retryAfter: nil))
            let session = try Session(file: nil, source: source, policy: RefreshPolicy(margin: .zero))
            let (adopted, refreshed) = (Latch<Bool>(), Latch<Bool>())
            session.adopt(TokenSet(accessToken: makeToken("a")), .signIn) { _ in adopted.set(true) }
            _ = adopted.wait()
            session.refreshNow(cause: .manual) { _ in refreshed.set(true) }
            _ = refreshed.wait()
            // Waits for the back-off to end.
            session.credential(for: Inquiry(rejection: Rejection(generation: 1))) { answered.set($0) }
        }
        #expect(answered.wait() == .failed(.shuttingDown))
    }

    /// A login that lands just after a refresh was lost: there is no back-off any more that a retry could wait for.
    @Test func loginRightAfterALostRefresh() throws {
        let file = SessionFile(path: Self.directory() + "/s.json")
        let current = Guarded<Session?>(nil)
        let session = try Session(
            file: file,
            source: FailingSource(outcome: .lost(reason: "cut")),
            policy: RefreshPolicy(margin: .zero)
        ) {
            guard case .refreshFailed = $0 else { return }
            var record = SessionRecord()
            record.put(TokenSet(accessToken: makeToken("hand")), .given, now: 1_000_000)
            _ = try? file.save(record)
            current.with { $0 }?.recheckNow()
        }
        current.with { $0 = session }
        let (adopted, answered) = (Latch<Bool>(), Latch<Grant>())
        session.adopt(TokenSet(accessToken: makeToken("a")), .signIn) { _ in adopted.set(true) }
        _ = adopted.wait()
        session.credential(for: Inquiry(rejection: Rejection(generation: 1))) { answered.set($0) }
        _ = answered.wait()
        #expect(session.end(timeout: .seconds(10)) == nil)
        #expect(session.token == makeToken("hand"))
        current.with { $0 = nil }
    }
}
