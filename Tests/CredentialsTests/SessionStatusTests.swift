import Support
import Testing

@testable import Credentials

@Suite struct SessionStatusTests {
    private func status(
        _ state: SessionStatus.State,
        _ change: (inout SessionStatus) -> Void = { _ in }
    ) -> SessionStatus {
        let shared = Session.State(
            machine: CredentialState(policy: RefreshPolicy(), canRefresh: true),
            persistence: .absent
        )
        var status = shared.status(now: Instant(elapsed: 0, wall: 0))
        status.state = state
        status.expiresIn = 100
        change(&status)
        return status
    }

    @Test func onlyASavedUsableSessionIsReady() {
        #expect(status(.usable).isReady && status(.refreshing).isReady)
        #expect(!status(.loginNeeded).isReady && !status(.none).isReady)
        #expect(!status(.usable) { $0.unsaved = "disk full" }.isReady)
        #expect(!status(.refreshing) { $0.fileProblem = "damaged" }.isReady)
        // A refresh ahead of expiry that failed stops nothing; one that is needed does.
        #expect(status(.usable) { $0.retryIn = 5 }.isReady)
        #expect(!status(.usable) { ($0.retryIn, $0.isRejected) = (5, true) }.isReady)
        #expect(!status(.usable) { ($0.retryIn, $0.expiresIn) = (5, 0) }.isReady)
        #expect(status(.usable) { ($0.retryIn, $0.expiresIn) = (5, nil) }.isReady)
    }

    @Test func readinessSaysWhyNot() {
        #expect(status(.usable) { $0.expiresIn = 0 }.reasonNotReady == "the token has expired")
        #expect(status(.usable) { $0.isRejected = true }.reasonNotReady == "the API refuses the token")
        #expect(status(.none).reasonNotReady == "There is no session. Run: squire login")
    }

    /// A refused token is not called usable, also where a refresh may bring another.
    @Test func summaryOfARefusedToken() {
        #expect(status(.usable).summary == "usable")
        #expect(status(.usable) { $0.expiresIn = 0 }.summary == "expired; the next request refreshes it")
        let refused = status(.usable) { $0.isRejected = true }
        #expect(refused.summary == "the API refuses the token; the next request refreshes it")
        #expect(refused.json["rejected"]?.bool == true && refused.json["state"]?.string == "usable")
        let failed = status(.usable) {
            ($0.isRejected, $0.retryIn) = (true, 5)
            $0.lastRefresh = RefreshEntry(at: 0, cause: .rejected, outcome: .unavailable, detail: "status 503")
        }
        #expect(failed.advice?.contains("next try is due in 5 s") == true)
        #expect(failed.summary == "the API refuses the token")
        #expect(status(.loginNeeded) { $0.isRejected = true }.summary == "a login is needed")
    }

    /// What a list of session files says is what the status of one says.
    @Test func stateByTheFileAlone() {
        var record = SessionRecord()
        #expect(record.state(now: 100) == (.none, false))
        record.put(TokenSet(accessToken: makeToken("a"), expiresIn: 3600), .signIn, now: 100)
        #expect(record.state(now: 100) == (.usable, false))
        record.rejected = .init(at: 100, isWhole: false)
        #expect(record.state(now: 100) == (.usable, true))
        record.isRefreshDenied = true
        #expect(record.state(now: 100) == (.loginNeeded, true))
        record.rejected = nil
        #expect(record.state(now: 100) == (.usable, false))
    }

    /// While the other machines cannot be asked a token that lives is enough, and one that does not is not, whether or
    /// not it is being tried again.
    @Test(arguments: [SessionStatus.State.usable, .refreshing], [SharedStatus.Link.lost, .readOnly])
    func readinessWithoutTheEngine(_ state: SessionStatus.State, _ link: SharedStatus.Link) {
        func isReady(_ change: (inout SessionStatus) -> Void) -> Bool {
            status(state) { status in
                status.shared = SharedStatus(engine: "etcd", name: "menu")
                status.shared?.link = link
                status.receivedAt = 0
                change(&status)
            }.isReady
        }
        for retryIn in [nil, 5] {
            #expect(isReady { $0.retryIn = retryIn })
            #expect(isReady { ($0.retryIn, $0.expiresIn) = (retryIn, nil) })
            #expect(!isReady { ($0.retryIn, $0.isRejected) = (retryIn, true) })
            #expect(!isReady { ($0.retryIn, $0.expiresIn) = (retryIn, 0) })
            let isReadyAlone = isReady {
                $0.retryIn = retryIn
                $0.shared?.unshared = .init(.token, seconds: 1)
            }
            #expect(!isReadyAlone)
        }
        #expect(!isReady { ($0.receivedAt, $0.expiresIn) = (nil, nil) })
    }

    @Test func adviceNamesTheProblemAndTheRemedy() {
        #expect(status(.usable).advice == nil && status(.refreshing).advice == nil)
        #expect(status(.none).advice == "There is no session. Run: squire login")
        #expect(status(.none) { $0.fileProblem = "P" }.advice == "The session file cannot be used: P.")
        #expect(status(.loginNeeded) { $0.explanation = "E." }.advice == "E. Run: squire login")
        #expect(status(.loginNeeded).advice?.hasSuffix("Run: squire login") == true)
        #expect(status(.usable) { $0.explanation = "E." }.advice?.contains("works until it expires") == true)
        // What was sent without an answer may be dead.
        let lost = RefreshEntry(at: 0, cause: .expiry, outcome: .lost)
        let unsure = status(.usable) { ($0.explanation, $0.lastRefresh) = ("E.", lost) }
        #expect(unsure.advice?.contains("may work until it expires") == true)
        #expect(status(.usable) { $0.unsaved = "disk full" }.advice?.contains("not saved (disk full)") == true)
        #expect(status(.usable) { $0.fileProblem = "P" }.advice?.contains("the token in memory can: P") == true)
        #expect(status(.usable) { $0.retryIn = 5 }.advice == nil)
        let failed = RefreshEntry(at: 0, cause: .expiry, outcome: .unavailable, detail: "status 503")
        #expect(status(.usable) { ($0.retryIn, $0.lastRefresh) = (5, failed) }.advice?.contains("due in 5 s") == true)
        // None of them says that a login is needed, and the person may know better.
        for (count, isLong) in [(9, false), (10, true)] {
            let advice = status(.usable) { status in
                (status.retryIn, status.lastRefresh) = (5, failed)
                status.history = Array(repeating: failed, count: count)
            }.advice
            #expect(advice?.hasSuffix("run: squire login") == isLong)
        }
        // Another upstream's session comes before everything else.
        let foreign = status(.none) { ($0.foreignUpstream, $0.unsaved) = ("https://other", "disk full") }
        #expect(foreign.advice?.hasPrefix("The session is for https://other") == true)
    }

    @Test func whatIsKeptComesFirst() {
        #expect(status(.usable) { $0.keptAdvice = "Kept." }.advice == "Kept.")
        let advice = status(.loginNeeded) { ($0.keptAdvice, $0.explanation) = ("Kept.", "E.") }.advice
        #expect(advice == "Kept. E. Run: squire login")
    }
}
