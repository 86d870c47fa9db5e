import Platform
import Testing
import Threads

@testable import SharedSession

/// The store against a real etcd. `config/setup` installs it; without it these are skipped.
@Suite(.serialized, .enabled(if: RealEtcd.isInstalled, "etcd is not installed: see config/setup"))
struct RealEtcdTests {
    private static let failures: [SharedStoreFailure.Kind] = [.unavailable, .unreachable]

    private func options(_ etcd: RealEtcd, certificate: String? = "nocn", user: Bool = true) -> EtcdOptions {
        var options = EtcdOptions(endpoints: etcd.urls, key: "squire/v1/session/menu")
        guard etcd.urls.count > 1 else { return options }
        if user { options.user = .init(name: "squire") { .success("squire-password") } }
        options.authorities = etcd.file("ca.pem")
        options.certificate = certificate.map { etcd.file("\($0).pem") }
        options.privateKey = certificate.map { etcd.file("\($0).key") }
        return options
    }

    private func with(
        _ members: Int,
        _ body: (RealEtcd) throws -> Void
    ) throws {
        let etcd = try RealEtcd(members: members)
        defer { etcd.stop() }
        try body(etcd)
    }

    private func store(_ options: EtcdOptions, _ notices: Heard<EtcdNotice> = Heard()) throws -> EngineStore {
        try #require(EngineStore(options) { notices.append($0) })
    }

    private func failure(_ result: Result<StoredValue?, SharedStoreFailure>) -> SharedStoreFailure? {
        if case .failure(let failure) = result { failure } else { nil }
    }

    /// Writes until one write is answered, as a machine does that reads after what is unclear. What it wrote.
    private func write(_ text: String, _ store: EngineStore, seconds: Double) throws -> StoredValue {
        let end = MonotonicClock.now() + UInt64(seconds * 1e9)
        while MonotonicClock.now() < end {
            guard case .success(let former) = store.get() else { continue }
            if let former, former.bytes == Array(text.utf8) { return former }
            if case .written(let revision) = store.swap(expecting: former, with: text) {
                return StoredValue(bytes: Array(text.utf8), revision: revision)
            }
        }
        throw SystemError("nothing was written")
    }

    // MARK: One member

    /// The member is killed and started again: what it has is watched on.
    @Test func watchOutlivesTheMember() throws {
        try with(1) { etcd in
            let store = try store(options(etcd))
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            _ = news.wait { $0.count == 2 }
            try etcd.obey("kill 0")
            let lost = news.wait { if case .lost? = $0.last { true } else { false } }
            guard case .lost(let failure)? = lost.last else {
                Issue.record("\(lost)")
                return
            }
            #expect(failure.kind == .unreachable)
            guard case .failed = store.swap(expecting: nil, with: "x") else {
                Issue.record("nothing was sent")
                return
            }
            try etcd.obey("start 0")
            try etcd.obey("wait")
            let back = news.wait { $0.last == .connected }
            #expect(back.last == .connected)
            let value = try write("after", store, seconds: 10)
            #expect(news.wait { $0.last == .changed(value) }.last == .changed(value))
            store.stop()
        }
    }

    /// A member with a configuration file has no gateway unless the file says so: nothing is written, and it is said.
    @Test func gatewayThatIsOff() throws {
        try with(1) { etcd in
            let store = try store(options(etcd))
            let value = try write("one", store, seconds: 10)
            try etcd.obey("kill 0")
            try etcd.obey("configure 0")
            try etcd.obey("wait")
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            let reason = try #require(failure(store.get()))
            #expect(reason.kind == .configuration && reason.advice.contains("enable-grpc-gateway: true") == true)
            #expect(store.swap(expecting: value, with: "two") == .failed(reason))
            #expect(news.wait { !$0.isEmpty } == [.lost(reason)])
            try etcd.obey("kill 0")
            try etcd.obey("start 0")
            try etcd.obey("wait")
            #expect(store.get() == .success(value))
            #expect(news.wait { $0.last == .changed(value) } == [.lost(reason), .connected, .changed(value)])
            store.stop()
        }
    }

    /// A backup is no other cluster: its number is the same, and proves nothing.
    @Test func restoredClusterHasTheSameNumber() throws {
        try with(1) { etcd in
            let notices = Heard<EtcdNotice>()
            let store = try store(options(etcd), notices)
            let value = try write("one", store, seconds: 10)
            try etcd.obey("save")
            _ = try write("two", store, seconds: 10)
            try etcd.obey("restore")
            #expect(store.get() == .success(value))
            store.stop()
            #expect(notices.all.isEmpty, "\(notices.all)")
        }
    }

    // MARK: Three members with TLS and a role

    @Test func usersAndCertificates() throws {
        try with(3) { etcd in
            let notices = Heard<EtcdNotice>()
            let good = try store(options(etcd), notices)
            _ = try write("one", good, seconds: 10)
            good.stop()
            #expect(notices.all.filter { if case .authenticated = $0 { true } else { false } }.count == 1)

            let named = try store(options(etcd, certificate: "cn"))
            let trap = failure(named.get())
            #expect(trap?.kind == .configuration && trap?.detail.contains("Common Name") == true, "\(trap as Any)")
            named.stop()

            let bare = try store(options(etcd, certificate: nil))
            let broken = failure(bare.get())
            #expect(broken?.kind == .configuration, "\(broken as Any)")
            #expect(broken?.advice.contains("Common Name") == true, "\(broken as Any)")
            bare.stop()

            let nobody = try store(options(etcd, user: false))
            #expect(failure(nobody.get())?.advice == "Set user and password of session.shared.")
            nobody.stop()

            var wrong = options(etcd)
            wrong.user = .init(name: "squire") { .success("wrong") }
            let refused = try store(wrong)
            #expect(failure(refused.get())?.kind == .denied)
            refused.stop()

            var outside = options(etcd)
            outside.key = "other/x"
            let forbidden = try store(outside)
            let news = Heard<SharedStoreNews>()
            forbidden.watch { news.append($0) }
            #expect(failure(forbidden.get())?.detail == "the etcd user may not read or write the key")
            guard case .failed(let reason) = forbidden.swap(expecting: nil, with: "x") else {
                Issue.record("a role that is missing is no unclear write")
                return
            }
            #expect(reason.kind == .denied)
            forbidden.stop()
            #expect(news.all == [.lost(reason)])
        }
    }

    /// All tokens are forgotten: one more authentication, and nobody sees it.
    @Test func tokensThatAreForgotten() throws {
        try with(3) { etcd in
            let notices = Heard<EtcdNotice>()
            let store = try store(options(etcd), notices)
            let first = try write("before", store, seconds: 10)
            try etcd.obey("ctl auth disable")
            try etcd.obey("ctl auth enable")
            #expect(store.get() == .success(first))
            guard case .written = store.swap(expecting: first, with: "after") else {
                Issue.record("the token is new")
                return
            }
            store.stop()
            #expect(notices.all.filter { if case .authenticated = $0 { true } else { false } }.count == 2)
        }
    }

    /// The only member that a machine knows is started again. It may have forgotten the token or have it from its log.
    @Test func memberThatIsStartedAgain() throws {
        try with(3) { etcd in
            for number in 0..<3 {
                var options = options(etcd)
                options.endpoints = [etcd.urls[number]]
                let notices = Heard<EtcdNotice>()
                let store = try store(options, notices)
                let news = Heard<SharedStoreNews>()
                store.watch { news.append($0) }
                _ = news.wait { $0.count == 2 }
                try etcd.obey("kill \(number)")
                try etcd.obey("start \(number)")
                try etcd.obey("wait")
                let value = try write("after \(number)", store, seconds: 20)
                #expect(news.wait { $0.last == .changed(value) }.last == .changed(value))
                store.stop()
                #expect(notices.all.filter { if case .authenticated = $0 { true } else { false } }.count <= 2)
            }
        }
    }

    @Test func leaderThatIsKilled() throws {
        try with(3) { etcd in
            let store = try store(options(etcd))
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            let first = try write("before", store, seconds: 10)
            #expect(news.wait { $0.last == .changed(first) }.last == .changed(first))
            let leader = try etcd.obey("leader")
            try etcd.obey("kill \(leader)")
            let second = try write("after", store, seconds: 10)
            #expect(news.wait { $0.last == .changed(second) }.last == .changed(second))
            store.stop()
        }
    }

    /// A leader that is stopped answers nobody, and its connections stay open.
    @Test func leaderThatIsStopped() throws {
        try with(3) { etcd in
            var options = options(etcd)
            options.readInterval = .seconds(2)
            let store = try store(options)
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            _ = try write("before", store, seconds: 10)
            let leader = try etcd.obey("leader")
            try etcd.obey("stop \(leader)")
            defer { _ = try? etcd.obey("continue \(leader)") }
            let second = try write("after", store, seconds: 15)
            #expect(news.wait { $0.last == .changed(second) }.last == .changed(second))
            store.stop()
        }
    }

    /// One of three is no engine: what is written is unclear or fails, and the watch says that it hears nothing.
    @Test func quorumThatIsLost() throws {
        try with(3) { etcd in
            var options = options(etcd)
            options.readInterval = .seconds(1)
            let store = try store(options)
            let news = Heard<SharedStoreNews>()
            store.watch { news.append($0) }
            let first = try write("before", store, seconds: 10)
            _ = news.wait { $0.last == .changed(first) }
            try etcd.obey("kill 0")
            try etcd.obey("kill 1")
            let lost = news.wait(20) { if case .lost? = $0.last { true } else { false } }
            guard case .lost(let failure)? = lost.last else {
                Issue.record("\(lost)")
                return
            }
            #expect(Self.failures.contains(failure.kind), "\(failure)")
            switch store.swap(expecting: first, with: "lost?") {
            case .unclear, .failed: break
            case let outcome: Issue.record("\(outcome)")
            }
            try etcd.obey("start 0")
            try etcd.obey("start 1")
            let back = news.wait(20) { $0.contains(.connected) && $0.last != lost.last }
            #expect(back.dropFirst(lost.count).first == .connected)
            // What was unclear may have been written: reading tells, and comparing writes on from there.
            let second = try write("after", store, seconds: 20)
            #expect(news.wait { $0.last == .changed(second) }.last == .changed(second))
            store.stop()
        }
    }
}
