import HTTP1
import Platform
import ReverseProxy
import SharedSession

/// Reads `session.shared.kubernetes`: the Secret that keeps one session for many machines.
extension ConfigurationSections {
    /// The directory of a pod's service account.
    static let usualServiceAccount = "/var/run/secrets/kubernetes.io/serviceaccount"
    private static let serverForm = "the URL of the API server, without a path, such as https://10.0.0.1:6443"

    /// The Secret, with defaults from the pod's environment; `name` is the session's. Nil if there is an issue.
    func kubernetes(_ map: MapReader, name: String?) -> SharedConfiguration.Kubernetes? {
        guard let own = map.map("kubernetes", keys: ["secret", "namespace", "server", "token-file"]) else { return nil }
        if map.node("prefix") != nil {
            map.fail("prefix", "is for etcd: session.shared.kubernetes.secret is the whole name")
        }
        for key in ["user", "password"] where map.node(key) != nil {
            map.fail(key, "is for etcd: an API server knows a service account by its token, or a client certificate")
        }
        var tls = TLSConfiguration()
        self.tls(map, &tls)
        // The pod's credentials are sent to its own API server only.
        let isOwnCluster = own.node("server") == nil
        let server = isOwnCluster ? ownServer(own) : server(own)
        if let server, !server.isSecure, map.node("tls") != nil {
            map.fail("tls", "is for an https:// server, and session.shared.kubernetes.server is none")
        }
        if isOwnCluster, server != nil, tls.authorities == nil { tls.authorities = ownFile("ca.crt", "tls.ca", own) }
        let namespace = namespace(own, isOwnCluster: isOwnCluster)
        let secret = secretName(own, name)
        let tokenFile = tokenFile(own, server, isOwnCluster: isOwnCluster, hasCertificate: tls.certificate != nil)
        guard let server, let namespace, let secret else { return nil }
        var kubernetes = SharedConfiguration.Kubernetes(server: server, namespace: namespace, secret: secret)
        kubernetes.tokenFile = tokenFile
        kubernetes.tls = tls
        return kubernetes
    }

    // MARK: The API server

    /// Nil if there is an issue.
    private func server(_ own: MapReader) -> Origin? {
        guard let server = own.value("server", Self.serverForm, { Self.origin($0) }) else { return nil }
        if !server.isSecure, !server.authority.isLoopback {
            own.fail(
                "server",
                "is http:// to another machine, where anybody on the way could read the token: use https://"
            )
        }
        return server
    }

    /// The API server of the pod's own cluster. Nil if there is an issue.
    private func ownServer(_ own: MapReader) -> Origin? {
        guard let host = environment["KUBERNETES_SERVICE_HOST"], !host.isEmpty else {
            issues.add(
                "session.shared.kubernetes needs server, \(Self.serverForm): this is no pod, as "
                    + "KUBERNETES_SERVICE_HOST is not set",
                at: own.node
            )
            return nil
        }
        let port = environment["KUBERNETES_SERVICE_PORT"].flatMap { $0.isEmpty ? nil : $0 } ?? "443"
        let text = "https://\(host.utf8.contains(UInt8(ascii: ":")) ? "[\(host)]" : host):\(port)"
        guard let server = Self.origin(text) else {
            issues.add(
                "session.shared.kubernetes needs server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are no "
                    + "address",
                at: own.node
            )
            return nil
        }
        return server
    }

    // MARK: The Secret

    private static let namespaceForm = "the name of a namespace: 1 to 63 of a-z 0-9 -, not beginning or ending with -"
    private static let secretForm =
        "the name of a Secret: words of a-z 0-9 - with dots between, 253 octets at most"

    /// Nil if there is an issue.
    private func namespace(_ own: MapReader, isOwnCluster: Bool) -> String? {
        if own.node("namespace") != nil {
            return own.value("namespace", Self.namespaceForm) { KubernetesOptions.isNamespaceName($0) ? $0 : nil }
        }
        guard isOwnCluster else {
            issues.add("session.shared.kubernetes needs namespace: that of the Secret", at: own.node)
            return nil
        }
        let path = "\(serviceAccount)/namespace"
        guard case .success(let text) = TextFile.read(path, limit: 1024) else {
            issues.add("session.shared.kubernetes needs namespace: \(path) cannot be read", at: own.node)
            return nil
        }
        let name = String(text.prefix { !$0.isWhitespace })
        guard KubernetesOptions.isNamespaceName(name) else {
            issues.add("session.shared.kubernetes needs namespace: \(path) holds none", at: own.node)
            return nil
        }
        return name
    }

    /// Nil if there is an issue, or if the session has no name.
    private func secretName(_ own: MapReader, _ name: String?) -> String? {
        if own.node("secret") != nil {
            return own.value("secret", Self.secretForm) { KubernetesOptions.isSecretName($0) ? $0 : nil }
        }
        guard let name else { return nil }
        let secret = "squire-\(name)"
        guard KubernetesOptions.isSecretName(secret) else {
            issues.add("session.shared.kubernetes needs secret: \(secret) cannot be \(Self.secretForm)", at: own.node)
            return nil
        }
        return secret
    }

    // MARK: The service account

    /// Nil if there is none, or if there is an issue.
    private func tokenFile(
        _ own: MapReader,
        _ server: Origin?,
        isOwnCluster: Bool,
        hasCertificate: Bool
    ) -> String? {
        if own.node("token-file") != nil {
            guard let path = path(own, "token-file") else { return nil }
            if let problem = TextFile.problem(path) {
                own.fail("token-file", "names a file that cannot be read: \(path): \(problem.text)")
            }
            return path
        }
        guard !own.has("token-file"), let server, !hasCertificate else { return nil }
        if isOwnCluster { return ownFile("token", "token-file", own) }
        // kubectl proxy authenticates by itself.
        guard !server.authority.isLoopback else { return nil }
        issues.add(
            "session.shared.kubernetes needs token-file: the token of a service account; or, for a client certificate, "
                + "session.shared.tls.certificate and key",
            at: own.node
        )
        return nil
    }

    /// A file of the pod's service account, used if `key` is missing. Nil if there is an issue.
    private func ownFile(_ name: String, _ key: String, _ own: MapReader) -> String? {
        let path = "\(serviceAccount)/\(name)"
        guard let problem = TextFile.problem(path) else { return path }
        issues.add(
            "session.shared.kubernetes: the pod's service account has no \(name): \(path): \(problem.text). Let the pod "
                + "have it (automountServiceAccountToken), or give \(key)",
            at: own.node
        )
        return nil
    }
}
