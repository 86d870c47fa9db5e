import HTTP1
import ReverseProxy
import Upstream

/// Converts the file's tree to a `ProxyConfiguration`, section by section, and collects all mistakes.
struct ConfigurationSections {
    /// The document, laid over its profile.
    let root: YAMLNode
    let issues: IssueCollector
    let overrides: ConfigurationOverrides
    let environment: [String: String]
    /// The directory in which relative paths are resolved.
    let directory: String
    /// The directory of the pod's service account; it exists only in pods.
    var serviceAccount = usualServiceAccount
    var inspectorIsDefault = true
    /// Where the addresses are configured.
    var addressSources = AddressSources()

    static let keys = [
        "profile", "requires", "upstream", "listen", "headers", "authorization", "cookies", "session",
        "allow-plain-upstream", "tls", "proxy", "access", "limits", "timeouts", "inspector", "workers",
    ]

    init(
        root: YAMLNode,
        issues: IssueCollector,
        overrides: ConfigurationOverrides,
        environment: [String: String],
        directory: String
    ) {
        self.root = Self.withProfile(root, issues)
        self.issues = issues
        self.overrides = overrides
        self.environment = environment
        self.directory = directory
    }

    /// Nil if the upstream is missing or wrong. Check `issues` in any case.
    mutating func read() -> ProxyConfiguration? {
        guard let map = MapReader(root, prefix: "", keys: Self.keys, issues: issues) else { return nil }
        let upstream = upstream(map)
        var configuration = ProxyConfiguration(
            upstream: upstream?.origin ?? Origin(isSecure: true, authority: Authority(host: "invalid", port: nil))
        )
        configuration.basePath = upstream?.basePath ?? ""
        if let rule = map.choice("cookies", CookieRule.self) { configuration.cookies = rule }
        listen(map, &configuration)
        if let rule = map.choice("authorization", AuthorizationRule.self) { configuration.authorization = rule }
        tls(map, &configuration.tls)
        session(map, &configuration)
        headers(map, &configuration)
        if let proxy = proxy(map) { configuration.proxy = proxy }
        access(map, &configuration)
        limits(map, &configuration.limits)
        timeouts(map, &configuration.timeouts)
        inspector(map, &configuration.inspector)
        workers(map, &configuration)
        checkTogether(map, &configuration)
        placeholders()
        return upstream == nil ? nil : configuration
    }

    // MARK: Headers

    private func headers(_ map: MapReader, _ configuration: inout ProxyConfiguration) {
        var rules: [HeaderRule] = []
        if let node = map.node("headers") {
            guard case .mapping(let mapping) = node else {
                return map.fail("headers", "must be a map of names and values\(Self.withoutDashes(node))")
            }
            guard mapping.entries.count <= HeaderPolicy.maxRules else {
                return map.fail("headers", "may name at most \(HeaderPolicy.maxRules)")
            }
            for entry in mapping.entries {
                guard let rule = rule(entry.key, entry.value) else { continue }
                if let problem = problem(rule, among: rules, configuration.session) {
                    issues.add("headers: \(problem)", at: entry.key)
                } else {
                    rules.append(rule)
                }
            }
        }
        for given in overrides.headers {
            guard let colon = given.text.firstIndex(of: ":") else {
                issues.add(Self.withoutColon, source: given.source)
                continue
            }
            let value = given.text[given.text.index(after: colon)...].drop { $0 == " " }
            let rule = HeaderRule(name: String(given.text[..<colon]), value: String(value), source: given.source)
            rules.removeAll { $0.name.lowercased() == rule.name.lowercased() }
            if let problem = problem(rule, among: rules, configuration.session) {
                issues.add(problem, source: given.source)
            } else {
                rules.append(rule)
            }
        }
        requires(map, rules.map(\.name))
        if rules.count > HeaderPolicy.maxRules { map.fail("headers", "may name at most \(HeaderPolicy.maxRules)") }
        configuration.headers = rules
    }

    /// The text may be a secret value, so it is not repeated.
    private static let withoutColon = "must be 'Name: value': there is no colon"

    /// Why the line is no `Name: value`, whatever else is configured; nil if it is.
    static func problem(headerLine line: String) -> String? {
        guard let colon = line.firstIndex(of: ":") else { return withoutColon }
        let name = String(line[..<colon])
        guard !isFieldName(name) else { return nil }
        // It may be a secret value as well.
        return "must be 'Name: value': what stands before the colon is not a header name" + hint(ofHeader: name)
    }

    /// A header in the map whose full key is `fields`.
    func rule(_ keyNode: YAMLNode, _ valueNode: YAMLNode, of fields: String = "headers") -> HeaderRule? {
        guard let name = keyNode.text else {
            issues.add("\(fields): a name must be a word", at: keyNode)
            return nil
        }
        let source = issues.place(of: keyNode)
        switch valueNode {
        case .scalar(let scalar) where scalar.isNull && fields == "headers":
            // A plain null would be sent as that word.
            let empty = scalar.text.isEmpty ? "has no value" : "is \(scalar.text), which YAML reads as no value"
            let advice = "write one, \"\" for an empty field, or leave the line out"
            issues.add("\(fields).\(name) \(empty): \(advice)", at: keyNode)
            return nil
        case .scalar(let scalar):
            return HeaderRule(name: name, value: scalar.text, source: source)
        default:
            return headerRule(keyNode, valueNode, name: name, key: "\(fields).\(name)", source: source)
        }
    }

    private func problem(_ rule: HeaderRule, among rules: [HeaderRule], _ session: SessionConfiguration) -> String? {
        guard Self.isFieldName(rule.name) else {
            return "\"\(rule.name)\" is not a header name" + Self.hint(ofHeader: rule.name)
        }
        let name = rule.name.lowercased()
        if let problem = Self.problem(ofHeader: rule.name, session) { return problem }
        let folded = FoldedName(name.utf8)
        if let other = rules.first(where: { FoldedName($0.name.utf8) == folded }) {
            return other.name.lowercased() == name
                ? "\(rule.name) is given twice (case does not matter)"
                : "\(rule.name) and \(other.name) are one header to some servers"
        }
        guard rule.value.utf8.allSatisfy(Octet.isFieldContent) else {
            return "the value of \(rule.name) holds a line break or another control character"
        }
        return nil
    }

    /// Advice if a list of maps stands in the place of a map, as other programs have it.
    static func withoutDashes(_ node: YAMLNode?) -> String {
        guard case .sequence? = node else { return "" }
        return ": without dashes, as NAME: VALUE"
    }

    /// Advice for a line in which the colon after the name is missing, but another colon follows.
    static func hint(ofHeader name: String) -> String {
        name.contains(" ") ? ": is a colon missing behind the name?" : ""
    }

    static func isFieldName(_ name: String) -> Bool { !name.isEmpty && name.utf8.allSatisfy(Octet.isToken) }

    /// Whether Squire sets the header itself, or some servers would read it as one of those.
    static func isReserved(_ name: String) -> Bool {
        FieldTable.row(imitatedBy: name.utf8)?.traits.contains(.notConfigurable) ?? false
    }

    // MARK: Connections

    /// Reads `tls` in any map.
    func tls(
        _ root: MapReader,
        _ tls: inout TLSConfiguration,
        keys: [String] = ["ca", "certificate", "key"]
    ) {
        guard let map = root.map("tls", keys: keys) else { return }
        var areReadable = true
        /// The path and the content of the file. Nil, with an issue, if it cannot be read.
        let file = { (key: String) -> (path: String, contents: CredentialFile?)? in
            guard map.node(key) != nil else { return nil }
            guard let path = path(map, key) else {
                areReadable = false
                return nil
            }
            let problem = TextFile.problem(path)
            if problem == nil, case .success(let bytes) = TextFile.bytes(path, limit: TextFile.maximumForeignSize) {
                return (path, CredentialFile(bytes))
            }
            map.fail(key, "names a file that cannot be read: \(path): \(problem?.text ?? "it changes")")
            areReadable = false
            return (path, nil)
        }
        let check = { (key: String, problem: String?) in
            guard let problem else { return }
            map.fail(key, problem)
            areReadable = false
        }
        let (authorities, certificate, key) = (file("ca"), file("certificate"), file("key"))
        if let authorities { check("ca", authorities.contents?.certificateProblem(authorities.path)) }
        if let certificate {
            check("certificate", certificate.contents?.certificateProblem(certificate.path))
            // Without `key`, the private key is expected in the certificate's file.
            if key == nil, areReadable { check("certificate", certificate.contents?.keyProblem(certificate.path)) }
        }
        if let key { check("key", key.contents?.keyProblem(key.path)) }
        tls.authorities = authorities?.path
        tls.certificate = certificate?.path
        tls.key = key?.path
        if tls.key != nil, tls.certificate == nil { map.fail("key", "needs tls.certificate beside it") }
        if areReadable { tryFiles(map, tls) }
    }

    /// Has the TLS library read the files, as it will do for each connection.
    private func tryFiles(_ map: MapReader, _ tls: TLSConfiguration) {
        let keyName = tls.key == nil ? "certificate" : "key"
        let keyFile = tls.key ?? tls.certificate ?? ""
        for problem in TLSFiles.problems(authorities: tls.authorities, certificate: tls.certificate, key: tls.key) {
            switch problem {
            case .authorities(let reason):
                map.fail("ca", "holds no certificate that can be used: \(tls.authorities ?? ""): \(reason)")
            case .certificate(let reason):
                map.fail("certificate", "holds no certificate that can be used: \(tls.certificate ?? ""): \(reason)")
            case .key(let reason):
                map.fail(keyName, "holds no private key that can be used: \(keyFile): \(reason)")
            case .mismatch:
                map.fail(
                    keyName,
                    "holds another key than that of the certificate in \(tls.certificate ?? ""): \(keyFile)"
                )
            }
        }
    }

    /// Reads `proxy` in any map.
    func proxy(_ map: MapReader) -> UpstreamSettings.Proxy? {
        guard let text = map.string("proxy") else { return nil }
        let schemes = ["http://", "https://", "socks4://", "socks4a://", "socks5://", "socks5h://"]
        switch text {
        case "environment": return .environment
        case "none", "off": return UpstreamSettings.Proxy.none
        case _ where schemes.contains(where: text.hasPrefix):
            guard Self.namesHost(text) else {
                map.fail("proxy", "names no host that can be connected to: http://proxy.corp:3128, for example")
                return nil
            }
            return .url(text)
        default:
            let meant = text.hasPrefix("env") ? "environment" : Authority(text)?.port == nil ? nil : "http://\(text)"
            let form = "must be a URL such as http://proxy.corp:3128, or \"environment\""
            map.fail("proxy", form + Suggestion.question(meant))
            return nil
        }
    }

    /// Whether the authority of a proxy's URL, behind its user, is a host with or without a port.
    private static func namesHost(_ url: String) -> Bool {
        guard let scheme = url.firstRange(of: "://") else { return false }
        let rest = url[scheme.upperBound...].prefix { !"/?#".contains($0) }
        let host = rest.lastIndex(of: "@").map { rest[rest.index(after: $0)...] } ?? rest
        return Authority(String(host))?.fitsDNS ?? false
    }

    private func access(_ root: MapReader, _ configuration: inout ProxyConfiguration) {
        guard let map = root.map("access", keys: ["hosts", "origins", "key", "same-user", "allow-remote"]) else {
            return
        }
        if let hosts = map.list("hosts") {
            for host in hosts where !Authority.isHostField(host.text) {
                issues.add(
                    "access.hosts: \"\(host.text)\" never matches: it must be a host name or address as browsers send it "
                        + "(no wildcard; other alphabets as xn--…), with a port or without",
                    at: host.node
                )
            }
            configuration.access.hosts = hosts.map(\.text)
        }
        if let origins = map.list("origins") {
            for origin in origins {
                guard let canonical = Self.origin(origin.text).map(Self.asBrowsersSend) else {
                    issues.add(
                        "access.origins: \"\(origin.text)\" is not an origin such as https://app.example.com"
                            + Suggestion.question(Suggestion.url(origin.text)),
                        at: origin.node
                    )
                    continue
                }
                if canonical != origin.text.lowercased() {
                    issues.add(
                        "access.origins: \"\(origin.text)\" never matches: browsers send \(canonical)",
                        at: origin.node
                    )
                }
            }
            configuration.access.origins = origins.map(\.text)
        }
        if let path = path(map, "key") {
            switch TextFile.read(path, limit: 4096) {
            case .failure(let problem): map.fail("key", "names a file that cannot be read: \(path): \(problem.text)")
            case .success(let secret):
                let bytes = Array(secret.utf8.reversed().drop { $0 <= 0x20 }.reversed())
                if bytes.count < 16 { map.fail("key", "names a file with less than 16 characters: \(path)") }
                if !bytes.allSatisfy(Octet.isFieldContent) {
                    map.fail("key", "names a file with more than one line: \(path)")
                }
                configuration.access.key = bytes
                configuration.access.keyFile = path
            }
        }
        if let sameUser = map.bool("same-user") { configuration.access.sameUser = sameUser }
        if let allowRemote = map.bool("allow-remote") { configuration.access.allowRemote = allowRemote }
    }

    /// Spells an origin as browsers do in Origin: without the scheme's own port (RFC 6454 section 6.2).
    private static func asBrowsersSend(_ origin: Origin) -> String {
        let host = origin.authority.host
        let port = origin.authority.port.flatMap { $0 == (origin.isSecure ? 443 : 80) ? nil : ":\($0)" } ?? ""
        return (origin.isSecure ? "https://" : "http://") + (host.contains(":") ? "[\(host)]" : host) + port
    }

    private func limits(_ root: MapReader, _ limits: inout Limits) {
        guard let map = root.map("limits", keys: ["head", "fields", "replay", "replay-disk", "connections"]) else {
            return
        }
        if let head = map.size("head", 1024...1_048_576) { limits.head = head }
        if let fields = map.count("fields", 8...1000) { limits.fields = fields }
        // Zero keeps no body there.
        if let replay = map.size("replay", 0...Quantity.maximumSize) { limits.replay = replay }
        if let disk = map.size("replay-disk", 0...Quantity.maximumSize) { limits.replayDisk = disk }
        if let connections = map.count("connections", 1...100_000) { limits.connections = connections }
    }

    private func timeouts(_ root: MapReader, _ timeouts: inout Timeouts) {
        let keys = ["head", "idle", "connect", "first-byte", "body", "shutdown"]
        guard let map = root.map("timeouts", keys: keys) else { return }
        // Zero is only valid for `shutdown`, where it means "at once": other timers would take it for "never".
        let range = Self.shortestTimeout...Self.longestTimeout
        timeouts.head = map.duration("head", range) ?? timeouts.head
        timeouts.idle = map.duration("idle", range) ?? timeouts.idle
        timeouts.connect = map.duration("connect", range) ?? timeouts.connect
        timeouts.firstByte = map.duration("first-byte", range) ?? timeouts.firstByte
        timeouts.body = map.duration("body", range) ?? timeouts.body
        timeouts.shutdown = map.duration("shutdown", .zero...Self.longestTimeout) ?? timeouts.shutdown
    }

    private static let shortestTimeout = Duration.milliseconds(1)
    static let longestTimeout = Duration.seconds(30 * 86_400)
    private static let maximumWorkers = 64

    static let workersForm = "must be a number from 0 to \(maximumWorkers)"

    static func workers(_ text: String) -> Int? {
        Int(text).flatMap { (0...maximumWorkers).contains($0) ? $0 : nil }
    }

    private func workers(_ map: MapReader, _ configuration: inout ProxyConfiguration) {
        if let given = overrides.workers {
            guard let count = Self.workers(given.text) else {
                return issues.add("\(Self.workersForm), not \"\(given.text)\"", source: given.source)
            }
            configuration.workers = count
        } else if let count = map.count("workers", 0...Self.maximumWorkers) {
            configuration.workers = count
        }
    }

    // MARK: What must fit together

    private func checkTogether(_ map: MapReader, _ configuration: inout ProxyConfiguration) {
        for address in configuration.listen where !address.isLocal {
            let lacks = [
                configuration.access.allowRemote ? nil : "access.allow-remote: true",
                configuration.access.key == nil ? "access.key" : nil,
            ].compactMap(\.self)
            if !lacks.isEmpty {
                let message =
                    "\(address) can be reached from other machines, which would use your session: "
                    + "listen on 127.0.0.1, or set \(lacks.joined(separator: " and "))"
                if let given = overrides.listen {
                    issues.add(message, source: given.source)
                } else {
                    map.fail("listen", message)
                }
            }
        }
        if let address = configuration.inspector.listen, !address.isLocal {
            map.fail("inspector", "must be an address of this machine only")
        }
        checkAddresses(map, configuration)
        for address in configuration.listen where configuration.isUpstream(address) {
            map.fail("upstream", "is this proxy's own listen address: requests would go round in circles")
        }
    }
}
