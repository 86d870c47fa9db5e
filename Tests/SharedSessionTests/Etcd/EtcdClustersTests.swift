import Support
import Testing
import Threads

@testable import SharedSession

/// Members of two clusters in one list.
@Suite struct EtcdClustersTests {
    @Test func oneClusterIsUsed() {
        var clusters = EtcdClusters()
        #expect(
            clusters.record("1", of: "a") == .ours && clusters.record("1", of: "b") == .ours && clusters.mistake == nil
        )
        for _ in 0..<2 { #expect(clusters.record("2", of: "c") == .foreign) }
        #expect(clusters.home == "1" && clusters.isForeign("c") && !clusters.isForeign("a") && !clusters.isForeign("d"))
        #expect(clusters.mistake?.kind == .configuration)
        #expect(clusters.mistake?.detail == "c is of another etcd cluster than a, b, and not asked")
        // Somebody put it right.
        #expect(clusters.record("1", of: "c") == .ours && clusters.mistake == nil)
    }

    /// A cluster that is made anew says so by one member after another.
    @Test func clusterMadeAnewIsUsedWhenAllMembersSaySo() {
        var clusters = EtcdClusters()
        for member in ["a", "b", "c"] { #expect(clusters.record("1", of: member) == .ours) }
        #expect(clusters.record("2", of: "a") == .foreign && clusters.record("2", of: "b") == .foreign)
        #expect(clusters.record("2", of: "c") == .replaced(from: "1"))
        #expect(clusters.home == "2" && clusters.mistake == nil && clusters.record("2", of: "a") == .ours)
    }

    /// What answers for all of them has no other to compare with.
    @Test func oneMemberMayBeMadeAnew() {
        var clusters = EtcdClusters()
        #expect(clusters.record("1", of: "a") == .ours && clusters.record("2", of: "a") == .replaced(from: "1"))
        #expect(clusters.mistake == nil)
    }

    // MARK: Over sockets

    private static func options(_ urls: [String]) -> EtcdOptions {
        var options = EtcdOptions(endpoints: urls, key: EtcdSamples.key)
        options.requestTimeout = .milliseconds(300)
        return options
    }

    private static func other(_ answer: String) -> String { answer.replacingAll("15875391935852295136", with: "7") }

    /// The second cluster is neither read nor believed, also where the first is away.
    @Test func memberOfAnotherClusterIsRefused() throws {
        let gone = Guarded(false)
        let ours = FakeGateway { asked, _ in
            if gone.with({ $0 }) { return .close }
            return .answer(200, asked.path == "/v3/kv/range" ? EtcdSamples.range("djE=", 2) : EtcdSamples.written(3))
        }
        let theirs = FakeGateway { asked, _ in
            let isRead = asked.path == "/v3/kv/range"
            return .answer(200, Self.other(isRead ? EtcdSamples.range("djI=", 9) : EtcdSamples.written(10)))
        }
        let notices = Heard<EtcdNotice>()
        // Whichever is asked after the first answer.
        for _ in 0..<6 {
            let store = try #require(EngineStore(Self.options([ours.url, theirs.url])) { notices.append($0) })
            for _ in 0..<2 { #expect(store.get() == .success(EtcdSamples.value("v1", 2))) }
            #expect(store.swap(expecting: EtcdSamples.value("v1", 2), with: "v2") == .written(revision: 3))
            gone.with { $0 = true }
            for _ in 0..<2 {
                guard case .failure(let failure) = store.get() else {
                    Issue.record("the other cluster's value")
                    return
                }
                #expect(failure.kind == .unreachable && failure.detail.contains(ours.url))
            }
            switch store.swap(expecting: EtcdSamples.value("v1", 2), with: "v2") {
            case .failed, .unclear: break
            case let outcome: Issue.record("\(outcome)")
            }
            #expect(store.misconfiguration?.detail.contains("\(theirs.url) is of another etcd cluster than") == true)
            store.stop()
            gone.with { $0 = false }
        }
        ours.stop()
        theirs.stop()
        #expect(notices.all.count { if case .otherCluster = $0 { true } else { false } } == 6)
        #expect(!notices.all.contains { if case .clusterChanged = $0 { true } else { false } })
    }

    /// A member that is never needed is noticed too: it would be needed at the worst moment.
    @Test func memberThatIsNotNeededIsLookedAt() throws {
        let ours = FakeEtcd()
        let theirs = FakeGateway { asked, _ in
            asked.path == "/v3/maintenance/status"
                ? .answer(200, Self.other(EtcdSamples.absent(1))) : .answer(400, EtcdSamples.problem("no", 3))
        }
        var options = Self.options([ours.url, theirs.url])
        options.readInterval = .milliseconds(10)
        let heard = Heard<EtcdNotice>()
        let store = try #require(EngineStore(options) { heard.append($0) })
        store.watch { _ in }
        _ = heard.wait { $0.contains { if case .otherCluster = $0 { true } else { false } } }
        #expect(store.misconfiguration?.kind == .configuration)
        store.stop()
        ours.stop()
        theirs.stop()
    }

    /// A line of the watch is an answer, too.
    @Test func watchOfAnotherClusterEnds() throws {
        let gateway = FakeGateway { _, _ in .answer(200, EtcdSamples.absent(1)) }
        let url = gateway.url
        let client = try #require(EtcdClient(Self.options([url, "http://127.0.0.1:1"])) { _ in })
        #expect(throws: Never.self) { try client.reading().get() }
        let line = Array(EtcdSamples.put("djE=", 9).utf8)
        if case .ended = client.line(line, at: url) { Issue.record("its own line") }
        guard
            case .ended(let failure) = client.line(Array(Self.other(EtcdSamples.put("djE=", 9)).utf8), at: "http://b:1")
        else {
            Issue.record("the other cluster's line")
            return
        }
        #expect(failure.kind == .configuration)
        gateway.stop()
    }
}
