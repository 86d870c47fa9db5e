import Platform
import Testing
import Threads

@testable import SharedSession

/// The watch against a gateway whose streams do what etcd's do when something is wrong.
@Suite struct EtcdStoreWatchTests {
    private static let range = "/v3/kv/range"
    private static let watch = "/v3/watch"

    private final class Watched {
        let gateway: FakeGateway
        let store: EngineStore
        let news = Heard<SharedStoreNews>()
        let notices = Heard<EtcdNotice>()

        init(
            interval: Duration = .seconds(60),
            user: Bool = false,
            _ handle: @escaping @Sendable (FakeGateway.Asked, Int) -> FakeGateway.Reply
        ) throws {
            gateway = FakeGateway(handle)
            var options = EtcdOptions(
                endpoints: [gateway.url],
                key: EtcdSamples.key,
                user: user ? .init(name: "squire") { .success("s3cret") } : nil
            )
            options.requestTimeout = .milliseconds(500)
            options.readInterval = interval
            let (news, notices) = (self.news, self.notices)
            store = try #require(EngineStore(options) { notices.append($0) })
            store.watch { news.append($0) }
        }

        /// What was told when the last of `expected` was, or in the end.
        func told(_ expected: [SharedStoreNews]) -> [SharedStoreNews] {
            let told = news.wait { $0.count >= expected.count }
            store.stop()
            gateway.stop()
            return Array(told.prefix(expected.count))
        }
    }

    private let first = EtcdSamples.value("v1", 4)
    private let second = EtcdSamples.value("v2", 9)

    @Test func linesOverChunks() throws {
        let text = EtcdSamples.created(7) + EtcdSamples.put("djI=", 9) + EtcdSamples.deleted(10)
        let chunks = text.map(String.init).chunked(by: 97)
        let watched = try Watched { asked, _ in
            asked.path == Self.range
                ? .answer(200, EtcdSamples.range("djE=", 4)) : .chunks(chunks, ends: false)
        }
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second), .changed(nil)]
        #expect(watched.told(expected) == expected)
        #expect(watched.gateway.count(Self.range) == 1)
        let body = #"{"create_request":{"key":"c3F1aXJlL3g=","start_revision":"5"}}"#
        #expect(watched.gateway.requests.first { $0.path == Self.watch }?.body == body)
    }

    /// Each way in which a stream ends: the value is read, and the stream opened again behind it.
    @Test(arguments: 0..<7)
    func streamsThatEnd(_ row: Int) throws {
        let created = EtcdSamples.created(7)
        let replies: [FakeGateway.Reply] = [
            .chunks([created, EtcdSamples.compacted], ends: false),
            .chunks([EtcdSamples.refusedWatch], ends: false),
            .chunks([created, EtcdSamples.stopping], ends: true),
            .chunks([created], ends: true),
            .close,
            .answer(503, EtcdSamples.problem("etcdserver: no leader", 14)),
            .chunks([created, "no line of etcd's\n"], ends: false),
        ]
        let watched = try Watched { asked, number in
            if asked.path == Self.range {
                return .answer(200, number == 0 ? EtcdSamples.range("djE=", 4) : EtcdSamples.range("djI=", 9))
            }
            return number == 0 ? replies[row] : .chunks([EtcdSamples.created(9), EtcdSamples.deleted(10)], ends: false)
        }
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second), .changed(nil)]
        #expect(watched.told(expected) == expected)
        let ends = watched.notices.all.filter { if case .watchEnded = $0 { true } else { false } }
        #expect(ends.count == (row == 0 ? 0 : 1))
    }

    /// No `created`, or a stream that is open and dead: reading finds what it does not tell.
    @Test(arguments: [[], [EtcdSamples.created(7)]])
    func silentStreams(_ chunks: [String]) throws {
        let watched = try Watched(interval: .milliseconds(100)) { asked, number in
            if asked.path == Self.range {
                return .answer(200, number == 0 ? EtcdSamples.range("djE=", 4) : EtcdSamples.range("djI=", 9))
            }
            return .chunks(number == 0 ? chunks : [EtcdSamples.created(9), EtcdSamples.deleted(10)], ends: false)
        }
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second), .changed(nil)]
        #expect(watched.told(expected) == expected)
    }

    /// The quorum is lost: the stream stays open and silent, and reads fail.
    @Test func engineThatIsLost() throws {
        let watched = try Watched(interval: .milliseconds(100)) { asked, number in
            guard asked.path == Self.range else { return .chunks([EtcdSamples.created(7)], ends: false) }
            return (1...2).contains(number)
                ? .answer(503, EtcdSamples.problem("etcdserver: request timed out", 14))
                : .answer(200, EtcdSamples.range("djE=", 4))
        }
        let told = watched.told([.connected, .changed(first), .lost(.stopped), .connected])
        #expect(told.count == 4 && told.first == .connected && told.last == .connected)
        guard case .lost(let failure) = told[2] else {
            Issue.record("\(told)")
            return
        }
        #expect(failure.kind == .unavailable)
    }

    /// A member stands still, with the watch on it: what a call finds out, the watch need not wait to find out.
    @Test func watchLeavesTheMemberThatACallLeaves() throws {
        let watchedFirst = Guarded<Int?>(nil)
        let isStill = Guarded(false)
        let gateways = (0...1).map { index in
            FakeGateway { asked, _ in
                let first = watchedFirst.with { first in
                    if first == nil, asked.path == Self.watch { first = index }
                    return first
                }
                let isDone = isStill.with { $0 }
                if isDone, index == first { return .silence }
                guard asked.path == Self.watch else {
                    return .answer(200, isDone ? EtcdSamples.range("djI=", 9) : EtcdSamples.range("djE=", 4))
                }
                return .chunks([EtcdSamples.created(9)] + (isDone ? [EtcdSamples.deleted(10)] : []), ends: false)
            }
        }
        var options = EtcdOptions(endpoints: gateways.map(\.url), key: EtcdSamples.key)
        (options.requestTimeout, options.readInterval) = (.milliseconds(300), .seconds(60))
        let news = Heard<SharedStoreNews>()
        let store = try #require(EngineStore(options) { _ in })
        store.watch { news.append($0) }
        defer {
            store.stop()
            for gateway in gateways { gateway.stop() }
        }
        _ = news.wait { _ in watchedFirst.with { $0 } != nil }
        isStill.with { $0 = true }
        #expect(store.get() == .success(second))
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second), .changed(nil)]
        #expect(news.wait { $0.count >= expected.count } == expected)
    }

    @Test func watchHasTheTokenThatReadingGot() throws {
        let watched = try Watched(user: true) { asked, number in
            switch asked.path {
            case Self.range: .answer(200, EtcdSamples.range("djE=", 4))
            case Self.watch: .chunks([EtcdSamples.created(4), EtcdSamples.put("djI=", 9)], ends: false)
            default: .answer(200, #"{"token":"tok.\#(number)"}"#)
            }
        }
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second)]
        #expect(watched.told(expected) == expected)
        #expect(watched.gateway.requests.map(\.token) == [nil, "tok.0", "tok.0"])
    }

    /// A line that does not end must not fill the memory.
    @Test func endlessLineEndsTheStream() throws {
        let part = String(repeating: "x", count: 60_000)
        let watched = try Watched { asked, number in
            if asked.path == Self.range {
                return .answer(200, number == 0 ? EtcdSamples.range("djE=", 4) : EtcdSamples.range("djI=", 9))
            }
            guard number == 0 else { return .chunks([EtcdSamples.created(9)], ends: false) }
            return .chunks([EtcdSamples.created(7)] + [String](repeating: part, count: 60), ends: false)
        }
        let expected: [SharedStoreNews] = [.connected, .changed(first), .changed(second)]
        #expect(watched.told(expected) == expected)
        let ended = EtcdNotice.watchEnded(SharedStoreFailure(.damaged, "a line of the watch is too long"))
        #expect(watched.notices.all.contains(ended))
    }

    @Test func stopEndsAnOpenStreamAtOnce() throws {
        let watched = try Watched { asked, _ in
            asked.path == Self.range
                ? .answer(200, EtcdSamples.absent(7)) : .chunks([EtcdSamples.created(7)], ends: false)
        }
        _ = watched.news.wait { $0.count == 2 }
        usleep(50_000)
        let start = MonotonicClock.now()
        watched.store.stop()
        #expect(MonotonicClock.now() - start < 1_000_000_000)
        watched.gateway.stop()
    }
}

extension [String] {
    /// Joined again in pieces of `count`.
    fileprivate func chunked(by count: Int) -> [String] {
        stride(from: 0, to: self.count, by: count).map { self[$0..<Swift.min($0 + count, self.count)].joined() }
    }
}
