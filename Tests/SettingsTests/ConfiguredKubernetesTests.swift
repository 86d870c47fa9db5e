import Platform
import ReverseProxy
import SharedSession
import TestFiles
import Testing
import TokenSources

@testable import Settings

/// `session.shared.kubernetes`: what a pod knows by itself, and what else is to be said.
@Suite struct ConfiguredKubernetesTests {
    private let directory = TestDirectory.make()
    private var account: String { "\(directory)/account" }

    init() throws {
        _ = try SharedKeyFile.create("\(directory)/shared.key")
        #expect(PrivateFile.create("\(directory)/token", Array("cluster-secret\n".utf8)))
        #expect(mkdir("\(directory)/account", 0o700) == 0)
        for (name, text) in [("token", "cluster-secret"), ("ca.crt", "certificate"), ("namespace", "team-a\n")] {
            #expect(PrivateFile.create("\(directory)/account/\(name)", Array(text.utf8)))
        }
    }

    private static let pod = ["KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"]

    private func load(
        _ kubernetes: String,
        more: String = "",
        pod: [String: String] = [:],
        upstream: String = "https://a.example"
    ) throws(ConfigurationError) -> LoadedConfiguration {
        var loader = ConfigurationLoader(environment: pod.merging(["HOME": "/nowhere"]) { $1 })
        loader.serviceAccount = account
        let shared = "    key: shared.key\n    kubernetes: \(kubernetes)\n\(more)"
        let yaml = "upstream: \(upstream)\nsession:\n  shared:\n\(shared)"
        return try loader.read(yaml, path: "\(directory)/squire.yaml")
    }

    private func kubernetes(_ loaded: LoadedConfiguration) throws -> SharedConfiguration.Kubernetes {
        let shared = try #require(loaded.configuration.session.shared)
        guard case .kubernetes(let kubernetes) = shared.engine else { throw SystemError("another engine") }
        return kubernetes
    }

    /// Each mistake, without the directory.
    private func mistakes(
        _ text: String,
        more: String = "",
        pod: [String: String] = [:],
        upstream: String = "https://a.example"
    ) -> [String] {
        do throws(ConfigurationError) {
            _ = try load(text, more: more, pod: pod, upstream: upstream)
            return []
        } catch {
            return error.description.replacing("\(directory)/", with: "").split(separator: "\n").map(String.init)
        }
    }

    @Test func aPodKnowsAllByItself() throws {
        let loaded = try load("{}", pod: Self.pod)
        let found = try kubernetes(loaded)
        #expect(found.server.description == "https://10.96.0.1" || found.server.description == "https://10.96.0.1:443")
        #expect(found.namespace == "team-a" && found.secret == "squire-a.example")
        #expect(found.tokenFile == "\(account)/token" && found.tls.authorities == "\(account)/ca.crt")
        #expect(loaded.configuration.session.shared?.place == "team-a/squire-a.example")
        #expect(loaded.configuration.session.shared?.name == "a.example")
        #expect(loaded.guardedKeys.map(\.name) == ["session.shared"])
        #expect(!"\(loaded.configuration)".contains("cluster-secret"))
        let addresses = ["KUBERNETES_SERVICE_HOST": "fd00::1", "KUBERNETES_SERVICE_PORT": "6443"]
        let six = try kubernetes(load("{}", pod: addresses))
        #expect(six.server.description == "https://[fd00::1]:6443")
        let named = try kubernetes(load("{secret: menu, namespace: other, token-file: token}", pod: Self.pod))
        #expect(named.secret == "menu" && named.namespace == "other" && named.tokenFile == "\(directory)/token")
        let session = try kubernetes(load("{}", more: "    name: menu-prod\n", pod: Self.pod))
        #expect(session.secret == "squire-menu-prod")
    }

    /// What belongs to the pod's own cluster is not sent to another one.
    @Test func anotherClusterIsSaidInFull() throws {
        let text = "{server: https://api.example:6443, namespace: team-b, token-file: token}"
        for pod in [[:], Self.pod] {
            let found = try kubernetes(load(text, pod: pod))
            #expect(found.server.description == "https://api.example:6443" && found.namespace == "team-b")
            #expect(found.tokenFile == "\(directory)/token" && found.tls == TLSConfiguration())
        }
        let bare = mistakes("{server: https://api.example:6443}", pod: Self.pod)
        #expect(
            bare == [
                "squire.yaml:5: session.shared.kubernetes needs namespace: that of the Secret",
                "squire.yaml:5: session.shared.kubernetes needs token-file: the token of a service account; or, for a "
                    + "client certificate, session.shared.tls.certificate and key",
            ]
        )
    }

    /// kubectl proxy has the token, and speaks no TLS.
    @Test func aProxyOnLoopbackNeedsNoToken() throws {
        let found = try kubernetes(load("{server: 'http://127.0.0.1:8001', namespace: team-b}"))
        #expect(found.tokenFile == nil && !found.server.isSecure)
        #expect(try load("{server: 'http://127.0.0.1:8001', namespace: team-b}").exposures == [])
    }

    @Test(arguments: [
        (
            "{}",
            "",
            "squire.yaml:5: session.shared.kubernetes needs server, the URL of the API server, without a path, such as "
                + "https://10.0.0.1:6443: this is no pod, as KUBERNETES_SERVICE_HOST is not set"
        ),
        (
            "",
            "",
            "squire.yaml:5: session.shared.kubernetes says nothing: write {} for the cluster that Squire runs in, or "
                + "server, namespace and token-file"
        ),
        ("true", "", "squire.yaml:5: session.shared.kubernetes must be a map of keys and values"),
        (
            "{server: 'https://a/k8s', namespace: x, token-file: token}",
            "",
            "squire.yaml:5: session.shared.kubernetes.server must be the URL of the API server, without a path, such as "
                + "https://10.0.0.1:6443, not \"https://a/k8s\""
        ),
        (
            "{server: 'http://a:8001', namespace: x, token-file: token}",
            "",
            "squire.yaml:5: session.shared.kubernetes.server is http:// to another machine, where anybody on the way "
                + "could read the token: use https://"
        ),
        (
            "{server: https://a, namespace: a.b, token-file: token}",
            "",
            "squire.yaml:5: session.shared.kubernetes.namespace must be the name of a namespace: 1 to 63 of a-z 0-9 -, "
                + "not beginning or ending with -, not \"a.b\""
        ),
        (
            "{server: https://a, namespace: x, token-file: token, secret: Menu}",
            "",
            "squire.yaml:5: session.shared.kubernetes.secret must be the name of a Secret: words of a-z 0-9 - with dots "
                + "between, 253 octets at most, not \"Menu\""
        ),
        (
            "{server: https://a, namespace: x, token-file: token}",
            "    name: Menu_1\n",
            "squire.yaml:5: session.shared.kubernetes needs secret: squire-Menu_1 cannot be the name of a Secret: words "
                + "of a-z 0-9 - with dots between, 253 octets at most"
        ),
        (
            "{server: https://a, namespace: x, token-file: none}",
            "",
            "squire.yaml:5: session.shared.kubernetes.token-file names a file that cannot be read: none: "
                + "No such file or directory"
        ),
        (
            "{server: https://a, namespace: x, token-file: token}",
            "    prefix: squire\n",
            "squire.yaml:6: session.shared.prefix is for etcd: session.shared.kubernetes.secret is the whole name"
        ),
        (
            "{server: https://a, namespace: x, token-file: token}",
            "    user: squire\n",
            "squire.yaml:6: session.shared.user is for etcd: an API server knows a service account by its token, or a "
                + "client certificate"
        ),
        (
            "{server: https://a, namespace: x, token-file: token}",
            "    etcd: https://e\n",
            "squire.yaml:5: session.shared.kubernetes and session.shared.etcd are two engines: one of them keeps the "
                + "session, so give one"
        ),
        (
            "{server: 'http://localhost:1', namespace: x}",
            "    tls: {ca: token}\n",
            "squire.yaml:6: session.shared.tls is for an https:// server, and session.shared.kubernetes.server is none"
        ),
        (
            "{server: https://a, namespace: x, tokenfile: token}",
            "",
            "squire.yaml:5: unknown key \"session.shared.kubernetes.tokenfile\": did you mean \"token-file\"?"
        ),
    ])
    func mistakesSayWhere(_ text: String, _ more: String, _ message: String) {
        let found = mistakes(text, more: more)
        #expect(found.contains(message), "\(found)")
        #expect(!found.joined().contains("cluster-secret"))
    }

    @Test func aPodWithoutItsServiceAccountIsSaid() {
        for name in ["token", "ca.crt", "namespace"] { unlink("\(account)/\(name)") }
        let found = mistakes("{}", pod: Self.pod)
        let text = { (name: String, key: String) in
            "squire.yaml:5: session.shared.kubernetes: the pod's service account has no \(name): account/\(name): No such "
                + "file or directory. Let the pod have it (automountServiceAccountToken), or give \(key)"
        }
        #expect(
            found == [
                text("ca.crt", "tls.ca"),
                "squire.yaml:5: session.shared.kubernetes needs namespace: account/namespace cannot be read",
                text("token", "token-file"),
            ]
        )
        let odd = mistakes("{}", pod: ["KUBERNETES_SERVICE_HOST": "a/b", "KUBERNETES_SERVICE_PORT": "x"])
        #expect(odd.first?.contains("KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are no address") == true)
    }

    @Test func anAddressMakesNoSecret() {
        let found = mistakes("{}", pod: Self.pod, upstream: "https://[::1]:1")
        #expect(found.count == 1 && found[0].hasPrefix("squire.yaml:4: session.shared needs a name: "), "\(found)")
    }

    @Test func tokenFilesAreLookedAt() throws {
        chmod("\(directory)/token", 0o644)
        let loaded = try load("{server: https://a, namespace: x, token-file: token}")
        #expect(loaded.exposures.count == 1)
        #expect(loaded.exposures.first?.hasPrefix("session.shared.kubernetes.token-file: other users") == true)
    }
}
