import Support
import Testing
import Threads

@testable import SharedSession

/// The store against a gateway that answers what etcd answers when something is wrong.
@Suite struct EtcdStoreTests {
    private static let authenticate = "/v3/auth/authenticate"
    private static let range = "/v3/kv/range"
    private static let txn = "/v3/kv/txn"

    private func options(_ urls: [String], user: Bool = false) -> EtcdOptions {
        var options = EtcdOptions(
            endpoints: urls,
            key: EtcdSamples.key,
            user: user ? .init(name: "squire") { .success("s3cret") } : nil
        )
        options.requestTimeout = .milliseconds(300)
        return options
    }

    private func isFailure(_ result: Result<StoredValue?, SharedStoreFailure>, _ kind: SharedStoreFailure.Kind) -> Bool
    {
        if case .failure(let failure) = result { failure.kind == kind } else { false }
    }

    @Test func asksAsEtcdWantsIt() throws {
        let gateway = FakeGateway { asked, _ in
            asked.path == Self.range ? .answer(200, EtcdSamples.range("djE=", 2)) : .answer(200, EtcdSamples.written(3))
        }
        let store = try #require(EngineStore(options([gateway.url])))
        #expect(store.get() == .success(EtcdSamples.value("v1", 2)))
        #expect(store.swap(expecting: EtcdSamples.value("v1", 2), with: "v2") == .written(revision: 3))
        store.stop()
        gateway.stop()
        #expect(gateway.requests.map(\.path) == [Self.range, Self.txn])
        #expect(gateway.requests.map(\.token) == [nil, nil])
        #expect(gateway.requests[0].body == #"{"key":"c3F1aXJlL3g="}"#)
    }

    @Test func noEndpointIsNoStore() {
        #expect(EngineStore(options([])) == nil)
    }

    @Test func nextMemberIsAskedAndKept() throws {
        let dead = FakeGateway { _, _ in .silence }
        let alive = FakeGateway { _, _ in .answer(200, EtcdSamples.range("djE=", 2)) }
        let store = try #require(EngineStore(options([dead.url, alive.url])))
        for _ in 0..<4 { #expect(store.get() == .success(EtcdSamples.value("v1", 2))) }
        store.stop()
        dead.stop()
        alive.stop()
        #expect(dead.count(Self.range) <= 1)
        #expect(alive.count(Self.range) == 4)
    }

    @Test func membersAreAskedOnceEach() throws {
        let gateways = (0..<3).map { _ in
            FakeGateway { _, _ in .answer(503, EtcdSamples.problem("etcdserver: request timed out", 14)) }
        }
        let store = try #require(EngineStore(options(gateways.map(\.url))))
        #expect(isFailure(store.get(), .unavailable))
        store.stop()
        for gateway in gateways {
            gateway.stop()
            #expect(gateway.count(Self.range) == 1)
        }
    }

    /// What may have been written is not written again elsewhere.
    @Test(arguments: 0..<4)
    func writesWithoutAnAnswerAreUnclear(_ row: Int) throws {
        let replies: [FakeGateway.Reply] = [
            .silence, .close, .answer(503, EtcdSamples.problem("etcdserver: request timed out", 14)),
            .answer(200, "<html>sign in</html>"),
        ]
        let gateways = (0..<2).map { _ in FakeGateway { _, _ in replies[row] } }
        let store = try #require(EngineStore(options(gateways.map(\.url))))
        let outcome = store.swap(expecting: nil, with: "v1")
        store.stop()
        for gateway in gateways { gateway.stop() }
        guard case .unclear = outcome else {
            Issue.record("\(outcome)")
            return
        }
        #expect(gateways.map { $0.count(Self.txn) }.reduce(0, +) == 1)
    }

    @Test func writesThatWereNotSentAreSentElsewhere() throws {
        let gone = FakeGateway { _, _ in .close }
        gone.stop()
        let off = FakeGateway { _, _ in .answer(404, "404 page not found\n") }
        let alive = FakeGateway { _, _ in .answer(200, EtcdSamples.conflict("djI=", 9)) }
        for _ in 0..<3 {
            let store = try #require(EngineStore(options([gone.url, off.url, alive.url])))
            let outcome = store.swap(expecting: EtcdSamples.value("v1", 2), with: "v3")
            #expect(outcome == .conflict(EtcdSamples.value("v2", 9)))
            store.stop()
        }
        off.stop()
        alive.stop()
        #expect(alive.count(Self.txn) == 3)
        let store = try #require(EngineStore(options([gone.url])))
        guard case .failed(let failure) = store.swap(expecting: nil, with: "v1") else {
            Issue.record("not a failure")
            return
        }
        #expect(failure.kind == .unreachable)
        store.stop()
    }

    /// A member that is killed in a TLS handshake is away: nothing is wrong with the configuration.
    @Test func handshakeThatEndsIsNoMistake() throws {
        let dying = FakeGateway { _, _ in .silence }
        let url = "https" + dying.url.dropFirst("http".count)
        let store = try #require(EngineStore(options([url])))
        #expect(isFailure(store.get(), .unreachable))
        store.stop()
        dying.stop()
    }

    @Test func largeValuesAreNotSent() throws {
        let gateway = FakeGateway { _, _ in .answer(200, EtcdSamples.written(2)) }
        let store = try #require(EngineStore(options([gateway.url])))
        let text = String(repeating: "x", count: EtcdRequests.maxValueBytes + 1)
        guard case .failed(let failure) = store.swap(expecting: nil, with: text) else {
            Issue.record("not a failure")
            return
        }
        #expect(failure.kind == .configuration)
        store.stop()
        gateway.stop()
        #expect(gateway.requests.isEmpty)
    }

    // MARK: Authentication

    @Test func authenticatesOnce() throws {
        let gateway = FakeGateway { asked, _ in
            switch asked.path {
            case Self.authenticate: .answer(200, #"{\#(EtcdSamples.header(1)),"token":"tok.1"}"#)
            case Self.range: .answer(200, EtcdSamples.absent(1))
            default: .answer(200, EtcdSamples.written(2))
            }
        }
        let notices = Heard<EtcdNotice>()
        let store = try #require(EngineStore(options([gateway.url], user: true)) { notices.append($0) })
        #expect(store.get() == .success(nil))
        #expect(store.swap(expecting: nil, with: "v1") == .written(revision: 2))
        #expect(store.get() == .success(nil))
        store.stop()
        gateway.stop()
        #expect(gateway.count(Self.authenticate) == 1)
        #expect(gateway.requests[0].body == #"{"name":"squire","password":"s3cret"}"#)
        #expect(gateway.requests.map(\.token) == [nil, "tok.1", "tok.1", "tok.1"])
        #expect(notices.all == [.authenticated(endpoint: gateway.url)])
    }

    @Test func tokenThatIsForgottenIsRenewed() throws {
        let gateway = FakeGateway { asked, number in
            switch asked.path {
            case Self.authenticate: .answer(200, #"{"token":"tok.\#(number)"}"#)
            case _ where asked.token == "tok.0" && number > 0:
                .answer(401, EtcdSamples.problem("etcdserver: invalid auth token", 16))
            default: .answer(200, EtcdSamples.absent(1))
            }
        }
        let store = try #require(EngineStore(options([gateway.url], user: true)))
        for _ in 0..<3 { #expect(store.get() == .success(nil)) }
        store.stop()
        gateway.stop()
        #expect(gateway.count(Self.authenticate) == 2)
        #expect(gateway.count(Self.range) == 4)
    }

    /// As an etcd does it that was restored: it waits until it has done as much again as when it gave the token.
    @Test func tokenThatIsWaitedForIsRenewed() throws {
        let gateway = FakeGateway { asked, number in
            switch asked.path {
            case Self.authenticate: .answer(200, #"{"token":"tok.\#(number)"}"#)
            case "/health": .answer(200, #"{"health":"true"}"#)
            case _ where asked.token == "tok.0" && number > 0: .silence
            default: .answer(200, EtcdSamples.absent(1))
            }
        }
        var options = options([gateway.url], user: true)
        options.requestTimeout = .milliseconds(200)
        let store = try #require(EngineStore(options))
        #expect(store.get() == .success(nil))
        #expect(isFailure(store.get(), .unreachable))
        #expect(store.get() == .success(nil))
        store.stop()
        gateway.stop()
        #expect(gateway.count(Self.authenticate) == 2 && gateway.count("/health") == 1)
    }

    /// Without a quorum the token is good still, and each new one costs the members a slow hash.
    @Test func tokenOutlivesTheQuorum() throws {
        let gateway = FakeGateway { asked, number in
            switch asked.path {
            case Self.authenticate: .answer(200, #"{"token":"tok.\#(number)"}"#)
            case "/health": .answer(503, #"{"health":"false"}"#)
            case _ where number == 1: .silence
            default: .answer(200, EtcdSamples.absent(1))
            }
        }
        var options = options([gateway.url], user: true)
        options.requestTimeout = .milliseconds(200)
        let store = try #require(EngineStore(options))
        #expect(store.get() == .success(nil))
        #expect(isFailure(store.get(), .unreachable))
        #expect(store.get() == .success(nil))
        store.stop()
        gateway.stop()
        #expect(gateway.count(Self.authenticate) == 1)
    }

    @Test func tokenThatIsNeverTakenEnds() throws {
        let gateway = FakeGateway { asked, _ in
            asked.path == Self.authenticate
                ? .answer(200, #"{"token":"tok"}"#)
                : .answer(401, EtcdSamples.problem("etcdserver: invalid auth token", 16))
        }
        let store = try #require(EngineStore(options([gateway.url], user: true)))
        #expect(isFailure(store.get(), .denied))
        #expect(isFailure(store.get(), .denied))
        guard case .failed = store.swap(expecting: nil, with: "v1") else {
            Issue.record("a write that is refused is no unclear one")
            return
        }
        store.stop()
        gateway.stop()
        #expect(gateway.count(Self.authenticate) == 3)
        #expect(gateway.count(Self.range) == 3 && gateway.count(Self.txn) == 2)
    }

    @Test func userThatIsMissingIsSaid() throws {
        let gateway = FakeGateway { _, _ in .answer(400, EtcdSamples.problem("etcdserver: user name is empty", 3)) }
        let store = try #require(EngineStore(options([gateway.url])))
        let result = store.get()
        #expect(isFailure(result, .denied))
        #expect("\(result)".contains("Set user and password of session.shared"))
        store.stop()
        gateway.stop()
        #expect(gateway.requests.count == 1)
    }

    @Test func authenticationThatFailsSendsNothing() throws {
        let text = "etcdserver: authentication failed, invalid user ID or password"
        let gateway = FakeGateway { _, _ in .answer(400, EtcdSamples.problem(text, 3)) }
        let store = try #require(EngineStore(options([gateway.url], user: true)))
        #expect(isFailure(store.get(), .denied))
        guard case .failed = store.swap(expecting: nil, with: "v1") else {
            Issue.record("nothing was sent")
            return
        }
        store.stop()
        gateway.stop()
        #expect(gateway.requests.allSatisfy { $0.path == Self.authenticate })
    }

    @Test func authenticationWithoutAnAnswerIsNoUnclearWrite() throws {
        let gateway = FakeGateway { _, _ in .close }
        let store = try #require(EngineStore(options([gateway.url], user: true)))
        guard case .failed = store.swap(expecting: nil, with: "v1") else {
            Issue.record("nothing was sent")
            return
        }
        store.stop()
        gateway.stop()
    }

    @Test func passwordThatCannotBeReadIsSaid() throws {
        let gateway = FakeGateway { _, _ in .answer(200, EtcdSamples.absent(1)) }
        let failure = SharedStoreFailure(.configuration, "the password's file is not there")
        let user = EtcdOptions.User(name: "squire") { .failure(failure) }
        let store = try #require(EngineStore(EtcdOptions(endpoints: [gateway.url], key: "k", user: user)))
        #expect(store.get() == .failure(failure))
        store.stop()
        gateway.stop()
        #expect(gateway.requests.isEmpty)
    }

    @Test func etcdWithoutAuthenticationIsSaid() throws {
        let gateway = FakeGateway { asked, _ in
            asked.path == Self.authenticate
                ? .answer(412, EtcdSamples.problem("etcdserver: authentication is not enabled", 9))
                : .answer(200, EtcdSamples.absent(1))
        }
        let notices = Heard<EtcdNotice>()
        let store = try #require(EngineStore(options([gateway.url], user: true)) { notices.append($0) })
        for _ in 0..<2 { #expect(store.get() == .success(nil)) }
        store.stop()
        gateway.stop()
        #expect(notices.all == [.authenticationIsOff(endpoint: gateway.url)])
        #expect(gateway.requests.map(\.token) == [nil, nil, nil])
    }

    // MARK: Other

    @Test func whatIsSetUpWronglyIsSaidRatherThanWhatIsDown() throws {
        let gone = FakeGateway { _, _ in .close }
        gone.stop()
        let off = FakeGateway { _, _ in .answer(404, "404 page not found\n") }
        for _ in 0..<3 {
            let store = try #require(EngineStore(options([gone.url, off.url])))
            #expect(isFailure(store.get(), .configuration))
            store.stop()
        }
        off.stop()
    }

    @Test func otherClusterIsNoticed() throws {
        let gateway = FakeGateway { _, number in
            .answer(200, EtcdSamples.absent(1).replacingAll("15875391935852295136", with: number < 2 ? "1" : "2"))
        }
        let notices = Heard<EtcdNotice>()
        let store = try #require(EngineStore(options([gateway.url])) { notices.append($0) })
        for _ in 0..<4 { #expect(store.get() == .success(nil)) }
        store.stop()
        gateway.stop()
        #expect(notices.all == [.clusterChanged(from: "1", to: "2")])
    }

    @Test func nothingIsAskedAfterStop() throws {
        let gateway = FakeGateway { _, _ in .answer(200, EtcdSamples.absent(1)) }
        let store = try #require(EngineStore(options([gateway.url])))
        store.stop()
        #expect(isFailure(store.get(), .stopped))
        guard case .failed(let failure) = store.swap(expecting: nil, with: "v1") else {
            Issue.record("not a failure")
            return
        }
        #expect(failure.kind == .stopped)
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        gateway.stop()
        #expect(gateway.requests.isEmpty && news.all.isEmpty)
    }
}
