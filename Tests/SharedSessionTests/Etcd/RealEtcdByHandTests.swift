import Platform
import Testing
import Threads

@testable import SharedSession

/// What people do by hand, against a real etcd.
@Suite(.serialized, .enabled(if: RealEtcd.isInstalled, "etcd is not installed: see config/setup"))
struct RealEtcdByHandTests {
    private func options(_ etcd: RealEtcd, certificate: String? = "nocn", user: Bool = true) -> EtcdOptions {
        var options = EtcdOptions(endpoints: etcd.urls, key: "squire/v1/session/menu")
        guard etcd.urls.count > 1 else { return options }
        if user { options.user = .init(name: "squire") { .success("squire-password") } }
        options.authorities = etcd.file("ca.pem")
        options.certificate = certificate.map { etcd.file("\($0).pem") }
        options.privateKey = certificate.map { etcd.file("\($0).key") }
        return options
    }

    private func failures(_ options: EtcdOptions) -> [SharedStoreFailure] {
        EtcdExamination(options).members().compactMap { member in
            if case .failure(let failure) = member.result { failure } else { nil }
        }
    }

    /// Only as it was seen; afterwards the key is as if it had never been.
    @Test func removes() throws {
        let etcd = try RealEtcd(members: 1)
        defer { etcd.stop() }
        let store = try #require(EngineStore(options(etcd)))
        let news = Heard<SharedStoreNews>()
        store.watch { news.append($0) }
        #expect(news.wait { $0.count == 2 } == [.connected, .changed(nil)])
        guard case .written(let written) = store.swap(expecting: nil, with: "one"), let revision = written.etcd else {
            Issue.record("the key was absent")
            return
        }
        let one = EtcdSamples.value("one", revision)
        #expect(store.remove(EtcdSamples.value("other", revision)) == .conflict(one))
        #expect(store.remove(EtcdSamples.value("one", revision + 1)) == .conflict(one))
        #expect(store.remove(one) == .written(revision: StoreRevision(etcd: revision + 1)))
        #expect(store.remove(one) == .conflict(nil))
        #expect(store.get() == .success(nil))
        #expect(store.member == etcd.urls[0])
        #expect(news.wait { $0.last == .changed(nil) && $0.count > 2 }.last == .changed(nil))
        #expect(store.swap(expecting: nil, with: "two") == .written(revision: StoreRevision(etcd: revision + 2)))
        store.stop()
    }

    /// The members one by one, as `squire check` sees them.
    @Test func examination() throws {
        let etcd = try RealEtcd(members: 3)
        defer { etcd.stop() }
        let store = try #require(EngineStore(options(etcd)))
        guard case .written(let written) = store.swap(expecting: nil, with: "one"), let revision = written.etcd else {
            Issue.record("the key was absent")
            return
        }
        let value = EtcdSamples.value("one", revision)
        store.stop()
        let good = try EtcdExamination(options(etcd)).members().map { try $0.result.get() }
        #expect(good.map(\.value) == [value, value, value])
        #expect(good.allSatisfy { $0.access == .user("squire") && $0.writing == nil && $0.cluster == good[0].cluster })

        try etcd.obey("ctl role add reader")
        try etcd.obey("ctl role grant-permission reader --prefix=true read squire/")
        try etcd.obey("ctl user add reader:reader-password")
        try etcd.obey("ctl user grant-role reader reader")
        var reading = options(etcd)
        reading.user = .init(name: "reader") { .success("reader-password") }
        for member in EtcdExamination(reading).members() {
            #expect(try member.result.get().writing?.detail == "the etcd user may not read or write the key")
        }
        var outside = options(etcd)
        outside.key = "fleet/one/v1/session/menu"
        #expect(failures(outside).map { $0.advice.hasSuffix("readwrite fleet/one/") } == [true, true, true])
        let named = failures(options(etcd, certificate: "cn"))
        #expect(named.map { $0.detail.contains("Common Name") } == [true, true, true])
        let bare = failures(options(etcd, certificate: nil))
        #expect(bare.map(\.kind) == [.configuration, .configuration, .configuration])
        // Without a token etcd must not take the request for one of the user that its own certificate names.
        let nobody = failures(options(etcd, user: false)).map(\.detail)
        #expect(nobody == Array(repeating: "etcd wants a user and a password", count: 3))

        try etcd.obey("ctl auth disable")
        let open = try EtcdExamination(options(etcd)).members().map { try $0.result.get() }
        #expect(open.allSatisfy { $0.access == .certificate && $0.value == value })
    }
}
