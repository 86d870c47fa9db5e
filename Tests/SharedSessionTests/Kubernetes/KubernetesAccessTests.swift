import Platform
import Testing
import Threads

@testable import SharedSession

/// Who the API server takes us for, and what that one may do.
@Suite struct KubernetesAccessTests {
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

    /// The kubelet replaces the file long before the token expires.
    @Test func tokenIsReadForEachRequest() throws {
        try with { cluster in
            let file = try TokenFile.make("token.1\n")
            let store = try cluster.store { $0.tokenFile = file }
            #expect(store.get() == .success(nil))
            cluster.allow(tokens: ["token.2"])
            try TokenFile.replace(file, "token.2")
            #expect(store.get() == .success(nil))
            store.stop()
            #expect(cluster.requests.map(\.token) == ["Bearer token.1", "Bearer token.2"])
        }
    }

    /// A token that expired in the moment between: the file has the next one.
    @Test func tokenThatWasReplacedMeanwhileIsTriedOnce() throws {
        let file = try TokenFile.make("token.1\n")
        let gateway = FakeGateway { _, number in
            if number < 2 { try? TokenFile.replace(file, "token.\(number + 2)\n") }
            return .answer(401, FakeCluster.unauthorized)
        }
        var options = KubernetesOptions(server: gateway.url, namespace: "x", secret: "x")
        options.tokenFile = file
        let store = try #require(EngineStore(options))
        #expect(failure(store.get())?.kind == .denied)
        store.stop()
        gateway.stop()
        #expect(gateway.requests.map(\.token) == ["Bearer token.1", "Bearer token.2"])
    }

    @Test func tokenThatIsNotTakenIsSentOnce() throws {
        try with { cluster in
            cluster.allow(tokens: [])
            let store = try cluster.store()
            let said = failure(store.get())
            #expect(said?.kind == .denied && said?.advice.contains("expired") == true)
            #expect(failure(store.swap(expecting: nil, with: "x"))?.kind == .denied)
            store.stop()
            #expect(cluster.requests.count == 2 && !"\(said as Any)".contains("token.1"))
        }
    }

    /// Nothing is sent without the token that is configured, and what the file holds is not shown.
    @Test(arguments: ["", " \n", "two words", "secret\u{7}", "sécret", String(repeating: "x", count: 70_000)])
    func tokenThatCannotBeSent(_ text: String) throws {
        try with { cluster in
            let file = try TokenFile.make(text)
            let store = try cluster.store { $0.tokenFile = file }
            let said = try #require(failure(store.get()))
            #expect(said.kind == .configuration && said.detail.contains(file))
            #expect(!said.detail.contains("secret") && !said.detail.contains("two"))
            #expect(store.swap(expecting: nil, with: "x") == .failed(said))
            store.stop()
            #expect(cluster.requests.isEmpty)
        }
    }

    @Test func tokenFileThatIsMissingIsSaid() throws {
        try with { cluster in
            let store = try cluster.store { $0.tokenFile = "/nowhere/token" }
            let said = failure(store.get())
            #expect(said?.kind == .configuration)
            #expect(said?.detail == "the token cannot be read: /nowhere/token: No such file or directory")
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            #expect(news.wait { !$0.isEmpty } == [.lost(said!)])
            store.stop()
        }
    }

    /// Each verb that the role lacks is named, with what helps.
    @Test(arguments: ["list", "create", "patch"])
    func verbThatIsMissing(_ verb: String) throws {
        try with { cluster in
            if verb == "patch" { cluster.put(["record": "v1"]) }
            let store = try cluster.store()
            let value = try store.get().get()
            cluster.allow(verbs: Set(["list", "watch", "create", "patch"]).subtracting([verb]))
            let said = failure(store.swap(expecting: value, with: "v2"))
            #expect(said?.kind == .denied && said?.detail.contains("may not \(verb) the Secret") == true)
            let advice = verb == "create" ? "Make the Secret beforehand" : "list, watch and patch"
            #expect(said?.advice.contains(advice) == true)
            store.stop()
        }
    }

    /// Without the right to watch reading goes on: slower, and said.
    @Test func watchThatIsForbidden() throws {
        let cluster = FakeCluster()
        defer { cluster.stop() }
        cluster.allow(verbs: ["list", "create", "patch"])
        let notices = Heard<KubernetesNotice>()
        let store = try cluster.store(notices)
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        _ = news.wait { $0.count == 2 }
        cluster.put(["record": "v1"])
        let told = news.wait { $0.count == 3 }
        let value = try store.get().get()
        store.stop()
        let expected: [SharedStoreNews] = [.connected, .changed(nil), .changed(value)]
        #expect(value != nil && told == expected)
        let said = notices.all.compactMap { if case .watchEnded(let failure) = $0 { failure } else { nil } }.first
        #expect(said?.kind == .denied && said?.detail.contains("may not watch") == true)
    }
}
