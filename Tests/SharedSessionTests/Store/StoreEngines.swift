import Platform
import TestFiles
import Testing
import Threads

@testable import SharedSession

/// An engine that the common tests of all stores run against.
protocol TestEngine: AnyObject {
    func store() throws -> any ManagedStore
    /// Somebody deletes the value.
    func delete() throws
    /// Each stream that is open ends.
    func breakStreams() throws
    /// Nothing up to now is told any more to who begins before it.
    func forget() throws
    /// Keeps what the engine has, for `restore`.
    func save() throws
    /// The engine is what it was.
    func restore() throws
    func stop()
}

enum EngineKind: String, CaseIterable, CustomTestStringConvertible {
    case etcd = "a real etcd"
    case fakeEtcd = "an etcd of the test"
    case cluster = "an API server of the test"
    /// Whose versions are no numbers, go backwards and need escaping.
    case opaqueCluster = "an API server of the test with strange versions"

    static let available = allCases.filter { $0 != .etcd || RealEtcd.isInstalled }

    var testDescription: String { rawValue }

    func start() throws -> any TestEngine {
        switch self {
        case .etcd: try RealEtcdEngine()
        case .fakeEtcd: FakeEtcdEngine()
        case .cluster: FakeClusterEngine(FakeCluster())
        case .opaqueCluster: FakeClusterEngine(FakeCluster { "v/\(99_999 - $0)+&%@x" })
        }
    }
}

private final class RealEtcdEngine: TestEngine {
    private static let key = "squire/v1/session/menu"
    private let etcd: RealEtcd

    init() throws { etcd = try RealEtcd(members: 1) }

    func store() throws -> any ManagedStore {
        guard let store = EngineStore(EtcdOptions(endpoints: etcd.urls, key: Self.key)) else {
            throw SystemError("no store")
        }
        return store
    }

    func delete() throws { try etcd.obey("ctl del \(Self.key)") }

    func breakStreams() throws {
        for command in ["kill 0", "start 0", "wait"] { try etcd.obey(command) }
    }

    func forget() throws {
        for number in 0..<5 { try etcd.obey("ctl put other \(number)") }
        let status = try etcd.obey("ctl get other -w json")
        let digits = status.components(separatedBy: #""revision":"#)[1].prefix { $0.isNumber }
        try etcd.obey("ctl compact \(digits)")
    }

    func save() throws { try etcd.obey("save") }
    func restore() throws { try etcd.obey("restore") }
    func stop() { etcd.stop() }
}

private final class FakeEtcdEngine: TestEngine {
    private let etcd = FakeEtcd()
    private var saved: FakeEtcd.State?

    func store() throws -> any ManagedStore {
        guard let store = EngineStore(EtcdOptions(endpoints: [etcd.url], key: EtcdSamples.key)) else {
            throw SystemError("no store")
        }
        return store
    }

    func delete() { etcd.delete() }
    func breakStreams() { etcd.breakStreams() }
    func forget() { etcd.compact() }
    func save() { saved = etcd.snapshot() }
    func restore() { if let saved { etcd.restore(saved) } }
    func stop() { etcd.stop() }
}

private final class FakeClusterEngine: TestEngine {
    private let cluster: FakeCluster
    private var saved: FakeCluster.State?

    init(_ cluster: FakeCluster) { self.cluster = cluster }

    func store() throws -> any ManagedStore { try cluster.store() }
    func delete() { cluster.delete() }
    func breakStreams() { cluster.breakStreams() }

    func forget() {
        for _ in 0..<5 { cluster.writeOther() }
        cluster.forget()
    }

    func save() { saved = cluster.snapshot() }
    func restore() { if let saved { cluster.restore(saved) } }
    func stop() { cluster.stop() }
}

extension FakeCluster {
    /// A store that its token is good for.
    func store(
        _ notices: Heard<KubernetesNotice> = Heard(),
        _ change: (inout KubernetesOptions) -> Void = { _ in }
    ) throws -> EngineStore {
        var options = KubernetesOptions(server: url, namespace: Self.namespace, secret: Self.secret)
        options.tokenFile = try TokenFile.make("token.1\n")
        change(&options)
        guard let store = EngineStore(options, observe: { notices.append($0) }) else {
            throw SystemError("no store")
        }
        return store
    }
}

/// A file with a token.
enum TokenFile {
    static func make(_ text: String) throws -> String {
        let path = TestDirectory.make() + "/token"
        guard PrivateFile.create(path, Array(text.utf8)) else { throw SystemError("no token file") }
        return path
    }

    /// As the kubelet replaces it.
    static func replace(_ path: String, _ text: String) throws {
        let other = try make(text)
        guard rename(other, path) == 0 else { throw SystemError("not replaced") }
    }
}
