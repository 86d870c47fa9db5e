import HTTP1
import Platform
import ReverseProxy
import SharedSession
import TokenSources

/// Reads `session.shared`: the engine that keeps one session for many machines.
extension ConfigurationSections {
    private static let engines = ["etcd", "kubernetes", "consul", "postgresql", "vault", "redis", "valkey"]
    private static let sharedKeys = ["name", "prefix", "key", "tls", "user", "password", "takeover"]
    private static let maximumEndpoints = 16
    private static let longestTakeover = Duration.seconds(3600)

    /// Reads the key. The other keys of `session` were read before.
    func shared(_ map: MapReader, _ session: inout SessionConfiguration, upstream: Origin) {
        if map.isBare("shared") {
            return map.fail("shared", "says nothing: write below it where the session is kept, or take it out")
        }
        guard let shared = map.map("shared", keys: ["etcd"] + Self.sharedKeys + Self.engines.dropFirst()) else {
            return
        }
        for key in ["exec", "token-file"] where map.node(key) != nil {
            map.fail(
                "shared",
                "cannot stand beside session.\(key): each machine asks for a token of its own at any time"
            )
        }
        if case .oauth(let oauth) = session.source, !oauth.grant.spends {
            map.fail(
                "shared",
                "cannot stand beside the grant \(oauth.grant.name): each machine asks for a token of its own at any time"
            )
        }
        let name = sharedName(shared, session.name, upstream)
        let engine = engine(shared, name: name)
        let prefix = shared.value("prefix", Self.prefixForm) { Self.isPrefix($0) ? $0 : nil }
        let keyFile = keyFile(shared)
        let takeover = takeover(shared, session.timeout)
        guard let engine, let name, let keyFile, let takeover else { return }
        session.shared = SharedConfiguration(
            engine: engine,
            name: name,
            prefix: prefix ?? SharedConfiguration.usualPrefix,
            keyFile: keyFile,
            takeover: takeover
        )
    }

    // MARK: The engine

    /// Nil if there is an issue.
    private func engine(_ map: MapReader, name: String?) -> SharedConfiguration.Engine? {
        let given = Self.engines.filter { map.node($0) != nil }
        guard let first = given.first else {
            if Self.engines.contains(where: map.has) { return nil }
            if map.isBare("kubernetes") {
                map.fail(
                    "kubernetes",
                    "says nothing: write {} for the cluster that Squire runs in, or server, namespace and token-file"
                )
            } else {
                issues.add(
                    "session.shared needs etcd: the URLs of its members, such as [https://etcd-1:2379]; "
                        + "or, in a pod, kubernetes: {}",
                    at: map.node
                )
            }
            return nil
        }
        if given.count > 1 {
            let others = given.dropLast().map { "session.shared.\($0)" }.joined(separator: " and ")
            map.fail(
                given[given.count - 1],
                "and \(others) are two engines: one of them keeps the session, so give one"
            )
        }
        for key in given where key != "etcd" && key != "kubernetes" { map.fail(key, Self.refusal(of: key)) }
        return switch first {
        case "etcd": etcd(map).map { .etcd($0) }
        case "kubernetes": kubernetes(map, name: name).map { .kubernetes($0) }
        default: nil
        }
    }

    private static func refusal(of engine: String) -> String {
        switch engine {
        case "redis", "valkey":
            "cannot keep a session: it may lose a write that it has acknowledged when another server takes over, "
                + "and with it the login. Use etcd"
        default: "is no engine that this Squire knows yet. Use etcd or kubernetes"
        }
    }

    private func etcd(_ map: MapReader) -> SharedConfiguration.Etcd? {
        guard let list = map.list("etcd") else { return nil }
        guard !list.isEmpty, list.count <= Self.maximumEndpoints else {
            map.fail("etcd", "must name 1 to \(Self.maximumEndpoints) members, such as [https://etcd-1:2379]")
            return nil
        }
        var endpoints: [Origin] = []
        for element in list {
            guard let origin = Self.origin(element.text) else {
                // It may contain a password.
                let mayHoldSecret = element.text.contains { "@?#".contains($0) }
                let shown = mayHoldSecret ? "what has a user, a query or a fragment" : "\"\(element.text)\""
                issues.add(
                    "session.shared.etcd: \(shown) must be the URL of a member, without a path, such as "
                        + "https://etcd-1:2379",
                    at: element.node
                )
                continue
            }
            if !origin.isSecure, !origin.authority.isLoopback {
                issues.add(
                    "session.shared.etcd: \(element.text) is http:// to another machine, where anybody on the way "
                        + "could read the password and replace the session: use https://",
                    at: element.node
                )
            }
            if endpoints.contains(origin) {
                issues.add("session.shared.etcd: \(element.text) is named twice", at: element.node)
            }
            endpoints.append(origin)
        }
        guard endpoints.count == list.count else { return nil }
        var etcd = SharedConfiguration.Etcd(endpoints: endpoints)
        tls(map, &etcd.tls)
        if map.node("tls") != nil, !endpoints.contains(where: \.isSecure) {
            map.fail("tls", "is for https:// members, and there are none")
        }
        etcd.user = user(map)
        return etcd
    }

    /// Nil if there is none, or if there is an issue.
    private func user(_ map: MapReader) -> SharedConfiguration.User? {
        let name = word(map, "user")
        guard let node = map.node("password") else {
            if map.node("user") != nil, !map.has("password") {
                map.fail(
                    "user",
                    "needs session.shared.password beside it, such as {file: ~/.config/squire/etcd.password}"
                )
            }
            return nil
        }
        let password = secret(node, "session.shared.password")
        if !map.has("user") { map.fail("password", "needs session.shared.user beside it") }
        guard let name, let password else { return nil }
        return .init(name: name, password: SecretValue(password))
    }

    // MARK: The session

    /// The configured name, or else the session's, or else the upstream's host. Nil if there is an issue.
    private func sharedName(_ map: MapReader, _ sessionName: String?, _ upstream: Origin) -> String? {
        if map.node("name") != nil { return map.value("name", Self.nameForm) { Self.isName($0) ? $0 : nil } }
        if let sessionName { return sessionName }
        let host = upstream.authority.host
        guard Self.isName(host) else {
            issues.add("session.shared needs a name: the upstream's host is none (\(Self.nameForm))", at: map.node)
            return nil
        }
        return host
    }

    private static let prefixForm =
        "1 to 200 of A-Z a-z 0-9 . _ - and /, without a slash at its end, such as squire"

    private static func isPrefix(_ text: String) -> Bool {
        (1...200).contains(text.utf8.count) && !text.hasSuffix("/")
            && text.utf8.allSatisfy { byte in
                switch byte {
                case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, 0x2D, 0x2E, 0x2F, 0x5F: true
                default: false
                }
            }
    }

    /// Reads the file now, so that mistakes are found before the session depends on it. Nil if there is an issue.
    private func keyFile(_ map: MapReader) -> String? {
        guard let text = map.string("key"), !text.isEmpty else {
            if map.node("key")?.text == "" || !map.has("key") {
                issues.add(
                    "session.shared needs key: a file of the fleet's keys, the same on every machine. "
                        + "squire shared key FILE makes one",
                    at: map.node
                )
            }
            return nil
        }
        guard let path = path(map, "key") else { return nil }
        do throws(SharedKeyFile.Problem) {
            _ = try SharedKeyFile.load(path)
        } catch {
            switch error {
            case .exposed:
                let exposure = SecretFile.exposure("session.shared.key", path)
                issues.add(exposure ?? "session.shared.key: \(path) \(error.text)", at: map.node("key"))
            case .unreadable(.system(ENOENT)):
                map.fail(
                    "key",
                    "names a file that is not there: \(path). Copy it from another machine of the fleet; "
                        + "for the first one: squire shared key \(CommandLines.quoted(path))"
                )
            default: map.fail("key", "names a file that cannot be used: \(path) \(error.text)")
            }
            return nil
        }
        return path
    }

    /// Nil if there is an issue. `timeout` is the time limit of one refresh.
    private func takeover(_ map: MapReader, _ timeout: Duration?) -> Duration? {
        guard map.node("takeover") != nil else { return SharedConfiguration.usualTakeover(timeout) }
        guard let takeover = map.duration("takeover", .seconds(1)...Self.longestTakeover) else { return nil }
        let least = SharedConfiguration.leastTakeover(timeout)
        guard takeover >= least else {
            map.fail(
                "takeover",
                "must be at least \(Quantity.text(least)): a refresh may take "
                    + "\(Quantity.text(SharedConfiguration.refreshTime(timeout))), and 5s more; a machine that is still at it would be taken for dead, and the token sent twice"
            )
            return nil
        }
        return takeover
    }
}
