import Support
import Testing
import Upstream

@testable import SharedSession

/// The API server behind TLS, as a cluster has it.
@Suite struct KubernetesTLSTests {
    @Test func authorityDecides() throws {
        let cluster = FakeCluster()
        defer { cluster.stop() }
        let port = try #require(cluster.url.split(separator: ":").last)
        let relay = try Script("tls_relay.py", String(port))
        defer { relay.stop() }
        let first = try relay.reply()
        let (listens, directory) = (try #require(first["port"]?.integer), try #require(first["directory"]?.string))
        func store(_ authority: String?) throws -> EngineStore {
            var options = KubernetesOptions(
                server: "https://127.0.0.1:\(listens)",
                namespace: FakeCluster.namespace,
                secret: FakeCluster.secret
            )
            options.tokenFile = try TokenFile.make("token.1\n")
            options.authorities = authority.map { "\(directory)/\($0)" }
            return try #require(EngineStore(options))
        }
        let good = try store("ca.pem")
        defer { good.stop() }
        let heard = Heard<SharedStoreNews>()
        good.watch { heard.append($0) }
        #expect(good.get() == .success(nil))
        guard case .written = good.swap(expecting: nil, with: "one"), case .success(let value?) = good.get() else {
            Issue.record("nothing was written")
            return
        }
        #expect(value.bytes == Array("one".utf8))
        #expect(heard.wait { $0.contains(.changed(value)) }.contains(.changed(value)))
        // Neither the token nor the value goes to whom nobody vouches for.
        let asked = cluster.requests.count
        for authority in ["other.pem", nil] {
            let bad = try store(authority)
            defer { bad.stop() }
            guard case .failure(let failure) = bad.get() else {
                Issue.record("\(authority ?? "the system") vouches for it")
                continue
            }
            #expect(failure.kind == .configuration && failure.advice.contains("tls"), "\(failure)")
            #expect(bad.swap(expecting: value, with: "two") == .failed(failure))
        }
        #expect(cluster.requests[asked...].allSatisfy { $0.method == "GET" } && cluster.object != nil)
    }
}
