import Platform
import Testing
import Threads

@testable import SharedSession

/// The watch of a Secret: bookmarks, leases, forgetting, and streams that are none.
@Suite struct KubernetesWatchTests {
    private final class Watched {
        let cluster = FakeCluster()
        let store: EngineStore
        let news = Heard<SharedStoreNews>()
        let notices = Heard<KubernetesNotice>()

        init(
            interval: Duration = .seconds(60),
            requestTimeout: Duration = .seconds(5),
            _ prepare: (FakeCluster) -> Void = { _ in }
        ) throws {
            prepare(cluster)
            store = try cluster.store(notices) {
                $0.readInterval = interval
                $0.requestTimeout = requestTimeout
            }
            store.watch { [news] in news.append($0) }
            _ = news.wait { $0.count >= 2 }
        }

        var lists: Int { cluster.requests.filter { $0.path.contains("fieldSelector") }.count - watches }
        var watches: Int { cluster.requests.filter { $0.path.contains("watch=1") }.count }

        /// Somebody else writes, and the watch tells of it.
        func tells(_ text: String, within seconds: Double = 2) -> Bool {
            cluster.put(["record": text])
            let isLast = { (told: [SharedStoreNews]) in
                if case .changed(let value?)? = told.last { value.bytes == Array(text.utf8) } else { false }
            }
            return isLast(news.wait(seconds, until: isLast))
        }

        func end() {
            store.stop()
            cluster.stop()
        }
    }

    /// Lines are cut over chunks, and bookmarks stand between.
    @Test func oneStreamTellsAll() throws {
        let watched = try Watched()
        for number in 0..<10 {
            #expect(watched.tells(String(repeating: "value \(number) ", count: 30)))
            watched.cluster.writeOther()
            usleep(30_000)
        }
        watched.cluster.delete()
        #expect(watched.news.wait { $0.last == .changed(nil) }.last == .changed(nil))
        watched.end()
        #expect(watched.watches == 1 && watched.lists == 1 && watched.notices.all.isEmpty)
        let first = watched.cluster.requests.first { $0.path.contains("watch=1") }
        #expect(first?.path.hasSuffix("&watch=1&allowWatchBookmarks=true&resourceVersion=4711") == true)
    }

    /// No line says that a stream is open: its head does, and silence is no fault.
    @Test func quietStreamStaysOpen() throws {
        let watched = try Watched(requestTimeout: .seconds(1)) { $0.sendNoBookmarks() }
        usleep(1_500_000)
        #expect(watched.tells("after all"))
        watched.end()
        #expect(watched.watches == 1 && watched.lists == 1 && watched.notices.all.isEmpty)
    }

    /// The server ends a watch now and then: that is no fault, and nothing is missed.
    @Test func leasesEnd() throws {
        let watched = try Watched { $0.lease(milliseconds: 60) }
        for number in 0..<6 {
            #expect(watched.tells("\(number)"))
            usleep(50_000)
        }
        #expect(watched.watches > 2)
        watched.end()
        #expect(watched.notices.all.isEmpty, "\(watched.notices.all)")
        #expect(watched.news.all.filter { $0 == .connected }.count == 1)
        #expect(!watched.news.all.contains { if case .lost = $0 { true } else { false } })
    }

    /// A server that has forgotten: as a response, or as an event in a stream. The next read says where to begin.
    @Test(arguments: [false, true])
    func versionsThatAreGone(_ isEvent: Bool) throws {
        let watched = try Watched { cluster in
            cluster.put(["record": "old"])
            for _ in 0..<5 { cluster.writeOther() }
            cluster.forget()
            let gone = FakeCluster.expired("1", "4717")
            cluster.fail("watch", isEvent ? .answer(200, [], FakeCluster.event("ERROR", gone)) : .answer(410, [], gone))
        }
        // By then the value would be told by the second read, too.
        let end = MonotonicClock.now() + 10_000_000_000
        while watched.watches < 2, MonotonicClock.now() < end { usleep(2_000) }
        #expect(watched.tells("new"))
        watched.end()
        #expect(watched.watches == 2 && watched.lists == 2)
        #expect(!watched.news.all.contains { if case .lost = $0 { true } else { false } })
    }

    /// Each way in which a stream breaks: the value is read, and the stream opened again behind it.
    @Test(arguments: 0..<8)
    func streamsThatBreak(_ row: Int) throws {
        let error = FakeCluster.status(500, "InternalError", "etcdserver: no leader")
        let foreign = #"{"metadata":{"name":"other","uid":"u","resourceVersion":"1"}}"#
        let faults: [FakeCluster.Fault] = [
            .close, .silence, .answer(503, [], error), .answer(401, [], FakeCluster.unauthorized),
            .answer(200, [], FakeCluster.event("ERROR", error)), .answer(200, [], FakeCluster.event("ADDED", foreign)),
            .answer(200, [], FakeCluster.event("RENAMED", "{}")), .answer(200, [], "<html>sign in</html>\n"),
        ]
        let watched = try Watched(requestTimeout: .seconds(1)) { $0.fail("watch", faults[row]) }
        #expect(watched.tells("new", within: 5))
        #expect(watched.tells("newer", within: 5))
        watched.end()
        let ends = watched.notices.all.filter { if case .watchEnded = $0 { true } else { false } }
        #expect(ends.count == 1, "\(watched.notices.all)")
    }

    /// A stream that is open and dead: reading finds what it does not tell.
    @Test func silentStream() throws {
        let gateway = FakeGateway { asked, number in
            guard asked.path.contains("watch=1") else {
                let item =
                    #"{"metadata":{"name":"x","uid":"u","resourceVersion":"\#(number)"},"data":{"record":"djE="}}"#
                return .answer(
                    200,
                    #"{"kind":"SecretList","apiVersion":"v1","metadata":{"resourceVersion":"9"},"items":[\#(item)]}"#
                )
            }
            return .chunks([], ends: false)
        }
        var options = KubernetesOptions(server: gateway.url, namespace: "x", secret: "x")
        options.readInterval = .milliseconds(100)
        let store = try #require(EngineStore(options))
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        let told = news.wait { $0.count >= 4 }
        #expect(told.first == .connected)
        let revisions = told.compactMap { one -> StoreRevision? in
            if case .changed(let value?) = one { value.revision } else { nil }
        }
        #expect(revisions.prefix(3) == [StoreRevision("0@u"), StoreRevision("1@u"), StoreRevision("2@u")])
        store.stop()
        gateway.stop()
    }

    /// A line that does not end must not fill the memory.
    @Test func endlessLineEndsTheStream() throws {
        let watched = try Watched {
            $0.fail("watch", .answer(200, [], String(repeating: "x", count: 2 * 1024 * 1024 + 1)))
        }
        #expect(watched.tells("new", within: 5))
        watched.end()
        #expect(watched.notices.all.count == 1)
    }

    /// Nobody answers, then the server is back.
    @Test func serverThatIsLost() throws {
        let watched = try Watched(interval: .milliseconds(50)) { _ in }
        for _ in 0..<2 { watched.cluster.fail("list", .answer(503, [], "")) }
        let lost = watched.news.wait { if case .lost? = $0.last { true } else { false } }
        guard case .lost(let failure)? = lost.last else {
            Issue.record("\(lost)")
            return
        }
        #expect(failure.kind == .unavailable)
        #expect(watched.news.wait { $0.last == .connected }.last == .connected)
        #expect(watched.tells("after"))
        watched.end()
    }
}
