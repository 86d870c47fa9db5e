import Credentials
import Platform
import TestFiles
import Testing
import Threads

@testable import SharedSession

/// An API server that is read, and refuses what is written: what a machine does then, and says.
@Suite(.timeLimit(.minutes(1))) struct KubernetesRefusedWritesTests {
    struct Row: Sendable, CustomTestStringConvertible {
        let status: Int
        let body: String
        let problem: String
        let remedy: String
        var fields: [String] = []

        var testDescription: String { "\(status)" }
        var fault: FakeCluster.Fault { .answer(status, fields, body) }
    }

    static let rows: [Row] = [
        Row(
            status: 403,
            body: FakeCluster.forbidden("patch"),
            problem: "the service account may not patch the Secret, or a quota or a policy forbids it",
            remedy: "Grant a Role with list, watch and patch on secrets, limited to this one by resourceNames."
        ),
        Row(
            status: 409,
            body: FakeCluster.conflict,
            problem: "others write the Secret all the time (Conflict)",
            remedy: "--show-managed-fields names who writes it"
        ),
        Row(
            status: 413,
            body: "<html>Request Entity Too Large</html>",
            problem: "the API server, or a proxy before it, does not take a request of this size: status 413",
            remedy: "Raise that limit"
        ),
        Row(
            status: 422,
            body: FakeCluster.immutable,
            problem: "the API server does not take the new value: status 422 (Invalid)",
            remedy: "Is the Secret immutable?"
        ),
    ]

    static let failing = Row(
        status: 500,
        body: FakeCluster.status(500, "InternalError", "failed calling webhook"),
        problem: "the API server cannot serve now: status 500 (InternalError)",
        remedy: "kubectl get validatingwebhookconfigurations"
    )

    /// A Squire in a pod, whose session the Secret has.
    private final class Pod {
        let cluster = FakeCluster()
        let api = TestAPI()
        let clock = ShiftedClock()
        let tokenFile: String
        let session: Session
        private let news = Guarded<[SharedNews]>([])

        init() throws {
            tokenFile = try TokenFile.make("token.1\n")
            let (file, news) = (tokenFile, news)
            let store = try cluster.store { options in options.tokenFile = file }
            let options = SharedRunner.Options(
                engine: "kubernetes",
                name: SharedSamples.name,
                place: SharedSamples.place,
                seal: try SharedSamples.seal(1),
                keyFile: "/nowhere/shared.key",
                origin: TestMachine.origin,
                timing: SharedTiming(takeover: .seconds(40))
            )
            let place = SessionBinding.place(engine: "kubernetes", key: SharedSamples.place)
            session = try Session(
                file: SessionFile(path: TestDirectory.make() + "/session.json"),
                source: api.source,
                binding: SessionBinding(origin: TestMachine.origin, sharedPlace: place),
                sharing: SharedRunner(store, options, clock: clock) { heard in news.with { $0.append(heard) } }
            )
            session.share()
            let latch = Latch<Result<Void, SessionFileError>>()
            session.adopt(TokenSet(accessToken: api.current), .given, replacing: .ofThisAPI) { latch.set($0) }
            try latch.wait().get()
        }

        func stop() {
            session.end(timeout: .seconds(10))
            cluster.stop()
        }

        var said: [SharedNews] { news.with { $0 } }
        var patches: Int { cluster.requests.count { $0.method == "PATCH" } }

        /// A request that the API refused wants another token, after each pause.
        func ask() -> Latch<Result<Token, CredentialFailure>> {
            session.engineIsBack()
            return session.askAgain()
        }

        /// Not now, and that is no matter of a login.
        func isUnavailable(_ result: Result<Token, CredentialFailure>) -> Bool {
            if case .failure(.unavailable) = result { true } else { false }
        }

        func says(_ row: Row, _ link: SharedStatus.Link) -> Bool {
            guard let shared = session.status.shared else { return false }
            return shared.link == link && shared.problem == row.problem && shared.remedy?.contains(row.remedy) == true
        }
    }

    /// What was said of it, in order.
    private func details(_ pod: Pod) -> [String] {
        pod.said.map {
            switch $0 {
            case .readOnly(let failure): "read only: \(failure.detail)"
            case .unreachable(let failure): "unreachable: \(failure.detail)"
            default: "\($0)"
            }
        }
    }

    @Test(arguments: rows) func refusedWritesAreOneStateWithItsRemedy(_ row: Row) throws {
        let pod = try Pod()
        defer { pod.stop() }
        pod.cluster.trouble("patch", row.fault)
        for _ in 0..<3 {
            #expect(pod.isUnavailable(pod.ask().wait()))
            #expect(pod.says(row, .readOnly))
        }
        // Nothing is refreshed that could not be shared, the server is not asked without end, and it is said once.
        #expect(pod.api.attempts == 0 && pod.patches == 3)
        #expect(details(pod) == ["read only: \(row.problem)"])
        pod.cluster.trouble("patch", nil)
        #expect(try pod.ask().wait().get() == TestAPI.token(1))
        #expect(pod.said.last == .writable && pod.session.status.shared?.link == .open)
    }

    /// A write that is answered with 500 may have been done, so that it is looked at and tried again: with pauses, and not
    /// without end.
    @Test func writesThatFailAreTriedWithinABound() throws {
        let pod = try Pod()
        defer { pod.stop() }
        pod.cluster.trouble("patch", Self.failing.fault)
        let waiting = pod.ask()
        while pod.patches < 4 { usleep(1_000) }
        pod.clock.shift(by: 6)
        #expect(pod.isUnavailable(waiting.wait()))
        #expect(pod.says(Self.failing, .readOnly))
        #expect(pod.api.attempts == 0 && pod.patches < 12)
        #expect(details(pod) == ["read only: \(Self.failing.problem)"])
        pod.cluster.trouble("patch", nil)
        #expect(try pod.ask().wait().get() == TestAPI.token(1))
        #expect(pod.said.last == .writable)
    }

    /// The server names a pause: nothing is sent in it, and what is said is why.
    @Test func loadIsNamedDuringThePause() throws {
        let pod = try Pod()
        defer { pod.stop() }
        let row = Row(
            status: 429,
            body: FakeCluster.initializing,
            problem: "the API server has too much to do (TooManyRequests)",
            remedy: "asked less often",
            fields: ["Retry-After: 20"]
        )
        pod.cluster.fail("patch", row.fault)
        #expect(pod.isUnavailable(pod.ask().wait()))
        let count = pod.cluster.requests.count { $0.method != "GET" }
        for _ in 0..<3 {
            #expect(pod.isUnavailable(pod.ask().wait()))
            #expect(pod.says(row, .lost))
        }
        #expect(pod.cluster.requests.count { $0.method != "GET" } == count && pod.api.attempts == 0)
        #expect(details(pod) == ["read only: \(row.problem)", "unreachable: \(row.problem)"])
    }

    /// The pod's token has ended, and the file still has it: which file, is said.
    @Test func tokenThatHasEndedIsNamed() throws {
        let pod = try Pod()
        defer { pod.stop() }
        pod.cluster.allow(tokens: ["token.2"])
        #expect(pod.isUnavailable(pod.ask().wait()))
        let shared = pod.session.status.shared
        #expect(shared?.link == .lost && shared?.problem == "the API server does not know who we are")
        #expect(shared?.remedy?.contains("Is the token in \(pod.tokenFile) of this cluster, and not expired?") == true)
        #expect(!"\(pod.said) \(pod.session.status)".contains("token.1") && pod.api.attempts == 0)
        try TokenFile.replace(pod.tokenFile, "token.2")
        #expect(try pod.ask().wait().get() == TestAPI.token(1))
        #expect(pod.session.status.shared?.link == .open)
    }

    // MARK: Asked again

    /// Whether the server accepts writes is asked by one without effect: a patch whose tests fail says nothing of it.
    @Test func isAskedWithoutEffect() throws {
        let cluster = FakeCluster()
        defer { cluster.stop() }
        let store = try cluster.store()
        defer { store.stop() }
        guard case .written(let revision) = store.swap(expecting: nil, with: "v1") else {
            Issue.record("not written")
            return
        }
        let value = StoredValue(bytes: Array("v1".utf8), revision: revision)
        func probe() -> SwapOutcome {
            let latch = Latch<SwapOutcome>()
            store.probe(value) { latch.set($0) }
            return latch.wait()
        }
        let before = cluster.object
        #expect(probe() == .conflict(value) && cluster.object == before)
        cluster.makeImmutable()
        guard case .failed(let failure) = probe() else {
            Issue.record("immutable, and it would be written")
            return
        }
        #expect(failure.advice.contains("immutable"))
        // A webhook that has effects of its own: that says nothing of a write.
        cluster.fail("patch", .answer(400, [], FakeCluster.status(400, "BadRequest", "does not support dry run")))
        guard case .unclear = probe() else {
            Issue.record("known")
            return
        }
        // Another value is there: the server has compared.
        cluster.delete()
        cluster.put(["record": "else"])
        #expect(probe() == .conflict(try store.get().get()))
    }
}
