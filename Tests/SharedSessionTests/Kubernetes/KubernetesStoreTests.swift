import Platform
import Support
import Testing
import Threads

@testable import SharedSession

/// The store against an API server that does what API servers do when something is wrong.
@Suite struct KubernetesStoreTests {
    private func with(_ body: (FakeCluster) throws -> Void) rethrows {
        let cluster = FakeCluster()
        defer { cluster.stop() }
        try body(cluster)
    }

    private func failure(_ result: Result<StoredValue?, SharedStoreFailure>) -> SharedStoreFailure? {
        if case .failure(let failure) = result { failure } else { nil }
    }

    private func failure(_ outcome: SwapOutcome) -> SharedStoreFailure? {
        if case .failed(let failure) = outcome { failure } else { nil }
    }

    private func made(_ text: String, _ store: EngineStore) throws -> StoredValue {
        guard case .written(let revision) = store.swap(expecting: nil, with: text) else {
            throw SystemError("not written")
        }
        return StoredValue(bytes: Array(text.utf8), revision: revision)
    }

    @Test func asksAsTheAPIWantsIt() throws {
        try with { cluster in
            let store = try cluster.store()
            let one = try made("v1", store)
            guard case .written = store.swap(expecting: one, with: "v2") else {
                Issue.record("nobody else writes")
                return
            }
            store.stop()
            let asked = cluster.requests
            #expect(asked.map(\.method) == ["GET", "POST", "PATCH"])
            #expect(asked[0].path == "\(FakeCluster.path)?fieldSelector=metadata.name%3Dsquire-menu")
            #expect(asked[1].path == FakeCluster.path && asked[2].path == "\(FakeCluster.path)/squire-menu")
            #expect(asked.map(\.token) == [String?](repeating: "Bearer token.1", count: 3))
            #expect(asked.map(\.type) == [nil, "application/json", "application/json-patch+json"])
            #expect(
                asked[1].body == #"{"apiVersion":"v1","kind":"Secret","metadata":{"name":"squire-menu","#
                    + #""namespace":"team-a","labels":{"app.kubernetes.io/managed-by":"squire"}},"type":"Opaque","#
                    + #""data":{"record":"djE="}}"#
            )
            let parts = one.revision.description.split(separator: "@")
            #expect(
                asked[2].body == #"[{"op":"test","path":"/metadata/uid","value":"\#(parts[1])"},"#
                    + #"{"op":"test","path":"/metadata/resourceVersion","value":"\#(parts[0])"},"#
                    + #"{"op":"test","path":"/data/record","value":"djE="},"#
                    + #"{"op":"replace","path":"/data/record","value":"djI="}]"#
            )
        }
    }

    @Test func namesThatCannotBeAreNoStore() {
        for (namespace, secret) in [
            ("", "x"), ("x", ""), ("a.b", "x"), ("a/b", "x"), ("x", "a/b"), ("x", "A"), ("x", "-a"), ("x", "a-"),
            ("x", ".a"), ("x", "a..b"), ("x", "a%2Fb"), (String(repeating: "x", count: 64), "x"),
            ("x", String(repeating: "x", count: 254)), ("x", "a\u{e4}"),
        ] {
            #expect(
                EngineStore(KubernetesOptions(server: "http://127.0.0.1:1", namespace: namespace, secret: secret))
                    == nil
            )
        }
        let options = KubernetesOptions(server: "http://127.0.0.1:1", namespace: "a-1", secret: "1.b-c.d")
        #expect(EngineStore(options) != nil)
    }

    /// Whoever makes the Secret beforehand needs no right to make Secrets in Squire's role.
    @Test(arguments: [nil, [:], ["note": "ours"]])
    func secretThatIsMadeBeforehand(_ data: [String: String]?) throws {
        try with { cluster in
            cluster.put(data)
            cluster.allow(verbs: ["list", "watch", "patch"])
            let store = try cluster.store()
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            #expect(store.get() == .success(nil))
            #expect(news.wait { $0.count == 2 } == [.connected, .changed(nil)])
            let one = try made("v1", store)
            #expect(store.swap(expecting: nil, with: "x") == .conflict(one))
            #expect(news.wait { $0.last == .changed(one) }.last == .changed(one))
            guard case .written = store.swap(expecting: one, with: "v2") else {
                Issue.record("nobody else writes")
                return
            }
            // What others keep in it stays.
            #expect(cluster.object?.data?["note"] == data?["note"].map { .string(Base64.encode(Array($0.utf8))) })
            cluster.put(data)
            #expect(news.wait { $0.last == .changed(nil) }.last == .changed(nil))
            store.stop()
        }
    }

    // MARK: What may have been written

    @Test(arguments: 0..<8)
    func writesWithoutAnAnswerAreUnclear(_ row: Int) throws {
        let faults: [FakeCluster.Fault] = [
            .close, .silence, .doneAndClosed, .doneAndSilent, .answer(200, [], "<html>sign in</html>"),
            .answer(500, [], FakeCluster.status(500, "InternalError", "Internal error occurred")),
            .answer(504, [], FakeCluster.status(504, "Timeout", "request did not complete within 10s")),
            .answer(302, ["Location: https://login.example/"], ""),
        ]
        try with { cluster in
            let store = try cluster.store { $0.requestTimeout = .milliseconds(300) }
            let one = try made("v1", store)
            cluster.fail("patch", faults[row])
            guard case .unclear = store.swap(expecting: one, with: "v2") else {
                Issue.record("not unclear")
                return
            }
            let isDone = [2, 3].contains(row)
            #expect(try store.get().get()?.bytes == Array((isDone ? "v2" : "v1").utf8))
            cluster.delete()
            cluster.fail("create", faults[row])
            guard case .unclear = store.swap(expecting: nil, with: "v3") else {
                Issue.record("not unclear")
                return
            }
            #expect(try store.get().get()?.bytes == (isDone ? Array("v3".utf8) : nil))
            store.stop()
            #expect(cluster.requests.filter { $0.method == "PATCH" }.count == 1)
            #expect(cluster.requests.filter { $0.method == "POST" }.count == 2)
        }
    }

    /// An admission webhook changes what was sent: it was written, but not what was meant to be.
    @Test func valueThatIsChangedOnItsWayIsUnclear() throws {
        try with { cluster in
            let store = try cluster.store()
            let one = try made("v1", store)
            cluster.put(["record": "else"])
            let other = try #require(try store.get().get())
            cluster.fail("patch", .answer(200, [], cluster.text(cluster.object!)))
            guard case .unclear(let failure) = store.swap(expecting: other, with: "v2") else {
                Issue.record("not unclear")
                return
            }
            #expect(failure.kind == .damaged && other != one)
            store.stop()
        }
    }

    // MARK: What was not written

    /// "Conflict" and "does not apply" may have other causes than another value: those are failures, not conflicts that
    /// a machine would answer by trying again at once.
    @Test(arguments: [FakeCluster.conflict, FakeCluster.notApplied])
    func refusalWithoutAnotherValueIsAFailure(_ body: String) throws {
        try with { cluster in
            let store = try cluster.store()
            let one = try made("v1", store)
            cluster.fail("patch", .answer(body == FakeCluster.conflict ? 409 : 422, [], body))
            #expect(failure(store.swap(expecting: one, with: "v2")) != nil)
            cluster.delete()
            cluster.fail("create", .answer(409, [], FakeCluster.exists))
            #expect(failure(store.swap(expecting: nil, with: "v2"))?.kind == .unavailable)
            // What cannot be read after it is a failure, too: nothing was written.
            let two = try made("v2", store)
            cluster.fail("patch", .answer(409, [], FakeCluster.conflict))
            cluster.fail("list", .close)
            #expect(failure(store.swap(expecting: two, with: "v3"))?.kind == .unreachable)
            store.stop()
        }
    }

    @Test func immutableSecretIsSaid() throws {
        try with { cluster in
            let store = try cluster.store()
            let one = try made("v1", store)
            cluster.makeImmutable()
            let said = failure(store.swap(expecting: one, with: "v2"))
            #expect(said?.kind == .configuration && said?.advice.contains("immutable") == true)
            store.stop()
        }
    }

    @Test(arguments: [
        (404, FakeCluster.noNamespace, SharedStoreFailure.Kind.configuration, "there is no such namespace"),
        (403, FakeCluster.terminating, .unavailable, "the namespace is being deleted"),
        (
            413, "", .configuration,
            "the API server, or a proxy before it, does not take a request of this size: status 413"
        ),
        (415, "", .configuration, "the API server refused the request with status 415"),
    ])
    func refusalsOfTheMaking(_ status: Int, _ body: String, _ kind: SharedStoreFailure.Kind, _ detail: String) throws {
        try with { cluster in
            let store = try cluster.store()
            cluster.fail("create", .answer(status, [], body))
            let said = failure(store.swap(expecting: nil, with: "v1"))
            #expect(said?.kind == kind && said?.detail == detail)
            store.stop()
        }
    }

    @Test func otherAddressesAreSaid() throws {
        let gateway = FakeGateway { _, _ in .answer(404, "404 page not found\n") }
        var options = KubernetesOptions(server: gateway.url, namespace: "x", secret: "x")
        options.requestTimeout = .milliseconds(500)
        let store = try #require(EngineStore(options))
        #expect(failure(store.get())?.kind == .configuration)
        #expect(failure(store.swap(expecting: nil, with: "x"))?.kind == .configuration)
        gateway.stop()
        #expect(gateway.requests.allSatisfy { $0.method == "GET" && $0.token == nil })
        #expect(failure(store.get())?.kind == .unreachable)
        #expect(failure(store.swap(expecting: nil, with: "x"))?.kind == .unreachable)
        let foreign = StoredValue(bytes: [], revision: 7)
        #expect(failure(store.swap(expecting: foreign, with: "x"))?.kind == .damaged)
        store.stop()
    }

    @Test func endlessAnswersAreRefused() throws {
        let gateway = FakeGateway { _, _ in
            .stream { send in while send(String(repeating: " ", count: 60_000)) {} }
        }
        let options = KubernetesOptions(server: gateway.url, namespace: "x", secret: "x")
        let store = try #require(EngineStore(options))
        #expect(failure(store.get())?.detail.contains("larger than the 2048 KiB") == true)
        store.stop()
        gateway.stop()
    }

    // MARK: Load

    /// A server that asks to be left alone is: nothing is sent until then.
    @Test func retryAfterIsKept() throws {
        try with { cluster in
            let store = try cluster.store()
            let one = try made("v1", store)
            cluster.fail("patch", .answer(429, ["Retry-After: 1"], FakeCluster.initializing))
            let start = MonotonicClock.now()
            #expect(failure(store.swap(expecting: one, with: "v2"))?.kind == .unavailable)
            let count = cluster.requests.count
            for _ in 0..<3 { #expect(failure(store.get())?.kind == .unavailable) }
            #expect(cluster.requests.count == count)
            while case .failure = store.get() { usleep(20_000) }
            #expect(MonotonicClock.now() - start >= 1_000_000_000)
            guard case .written = store.swap(expecting: one, with: "v2") else {
                Issue.record("the server is itself again")
                return
            }
            store.stop()
        }
    }

    // MARK: Deleted and made anew

    @Test func secretThatWasMadeAnewIsNoticed() throws {
        try with { cluster in
            let notices = Heard<KubernetesNotice>()
            let store = try cluster.store(notices)
            let one = try made("v1", store)
            let former = cluster.object!.uid
            #expect(store.get() == .success(one))
            cluster.delete()
            cluster.put(["record": "v1"])
            let anew = try #require(try store.get().get())
            #expect(anew.bytes == one.bytes && anew.revision != one.revision)
            #expect(store.swap(expecting: one, with: "x") == .conflict(anew))
            store.stop()
            #expect(notices.all == [.secretReplaced(from: former, to: cluster.object!.uid)])
        }
    }
}
