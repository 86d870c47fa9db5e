import Credentials
import EventIO
import HTTP1
import Platform
import ReverseProxy
import Settings
import Support
import Threads

/// A Squire that runs on this machine, found and asked through its inspector.
struct RunningProxy: Sendable {
    let address: ListenAddress
    /// The response of `/api/status`.
    let status: JSONValue

    /// The real path of the configuration file that it was started with; nil without a file.
    var configuration: String? { status["config"]?.string }
    var pid: Int? { status["pid"]?.integer }
    var upstream: String? { status["upstream"]?.string }
    /// Whether the session file contains the token in use.
    var hasSaved: Bool { status["session"]?["saved"]?.bool ?? true }

    /// Whether its session has ended, though the session file may still contain the token.
    var hasEnded: Bool { status["session"]?["state"]?.string == SessionStatus.State.none.rawValue }

    /// Whether it uses the token of `known`, which could not be saved, and knows of no rejection.
    func holds(_ known: SessionStatus) -> Bool {
        guard let session = status["session"], known.unsavedIn != nil, session["rejected"]?.bool == false else {
            return false
        }
        return session["received_at"]?.integer == known.receivedAt && session["expires_at"]?.integer == known.expiresAt
            && session["subject"]?.string == known.subject && session["issued_at"]?.integer == known.issuedAt
    }

    /// Whether a machine is refreshing the token in use, as far as the engine shows.
    var isBeingRefreshed: Bool { status["session"]?["shared"].flatMap(SharedStatus.init)?.isBeingRefreshed ?? false }

    /// Why no proxy was found, for people.
    struct NotFound: Error {
        var reason: String
        /// Several run, and none is meant more than the others.
        var isAmbiguous = false
    }

    /// The inspector's default address, and how many ports further it looks for a free one.
    private static let defaultAddress = ListenAddress.tcp(host: "127.0.0.1", port: 8081)
    private static let portsTried = 9
    private static let timeout = Duration.seconds(2)
    /// Longer than `timeout`, because a reload reads files, perhaps from a slow disk.
    private static let reloadTimeout = Duration.seconds(65)

    // MARK: Finding

    /// The running proxy of this configuration.
    static func find(_ loaded: LoadedConfiguration) throws(NotFound) -> RunningProxy {
        guard let address = loaded.configuration.inspector.listen else {
            throw NotFound(reason: "inspector is off in this configuration, so the running Squire cannot be asked")
        }
        return try search(
            candidates(address, isDefault: loaded.inspectorIsDefault),
            key: loaded.configuration.access.key,
            isWanted: {
                $0.configuration == loaded.realPath
                    && (loaded.realPath != nil || $0.upstream == loaded.configuration.upstreamURL)
            }
        )
    }

    /// All running proxies of this configuration whose inspectors are found, at least one.
    static func findAll(_ loaded: LoadedConfiguration) throws(NotFound) -> [RunningProxy] {
        let first = try find(loaded)
        guard let path = loaded.realPath, let address = loaded.configuration.inspector.listen else { return [first] }
        let others = candidates(address, isDefault: loaded.inspectorIsDefault).filter { $0 != first.address }
        let answers = startProbes(others[...], key: loaded.configuration.access.key).map { $0.latch.wait() }
        return [first]
            + answers.compactMap { answer in
                guard case .found(let proxy) = answer, proxy.configuration == path else { return nil }
                return proxy
            }
    }

    /// The running proxy of a configuration file that cannot be read here. `path` is its real path.
    static func find(_ path: String) throws(NotFound) -> RunningProxy {
        try search(candidates(defaultAddress, isDefault: true), key: nil, isWanted: { $0.configuration == path })
    }

    /// Any running proxy, for a command without a configuration: one that was started without a file, such as `squire
    /// demo`, else the only one that runs.
    static func findAny() throws(NotFound) -> RunningProxy {
        let named = Environment.all["SQUIRE_INSPECTOR"].flatMap { ListenAddress($0, expanding: Environment.all) }
        let answers = startProbes(candidates(named ?? defaultAddress, isDefault: named == nil)[...], key: nil)
        let all = answers.compactMap { if case .found(let proxy) = $0.latch.wait() { proxy } else { nil } }
        if let proxy = all.first(where: { $0.configuration == nil }) { return proxy }
        if let proxy = all.first, all.count == 1 { return proxy }
        guard !all.isEmpty else { throw NotFound(reason: "no Squire answers on the inspector's default ports") }
        let names = all.compactMap { $0.configuration.map(ControlCharacters.escaped) }.joined(separator: ", ")
        throw NotFound(
            reason: "\(all.count) Squires run, each with a configuration of its own: name one with --config: \(names)",
            isAmbiguous: true
        )
    }

    /// The configured address. If that is the default, or nobody answers there, because the file may have changed since
    /// the start, the default ports as well.
    private static func candidates(_ address: ListenAddress, isDefault: Bool) -> [ListenAddress] {
        guard case .tcp(let host, let port) = defaultAddress else { return [address] }
        let usual = (port...port + portsTried).map { ListenAddress.tcp(host: host, port: $0) }
        return isDefault ? usual : [address] + usual.filter { $0 != address }
    }

    private static func search(
        _ candidates: [ListenAddress],
        key: [UInt8]?,
        isWanted: (RunningProxy) -> Bool
    ) throws(NotFound) -> RunningProxy {
        var reason: String?
        func judge(_ address: ListenAddress, _ answer: Answer) -> RunningProxy? {
            switch answer {
            case .nobody: return nil
            case .found(let proxy) where isWanted(proxy): return proxy
            case .found(let proxy):
                let other = proxy.configuration.map(ControlCharacters.escaped) ?? "no configuration file"
                reason = reason ?? "the Squire at \(address) runs with \(other)"
            case .refused(let why): reason = reason ?? why
            }
            return nil
        }
        // The most likely address comes first, so that the others are usually left alone.
        if let proxy = judge(candidates[0], ask(candidates[0], key: key)) { return proxy }
        for (address, latch) in startProbes(candidates.dropFirst(), key: key) {
            if let proxy = judge(address, latch.wait()) { return proxy }
        }
        throw NotFound(reason: reason ?? "nobody answers at the inspector's address, \(candidates[0])")
    }

    /// Asks all addresses at once, so that a silent listener does not delay the others.
    private static func startProbes(
        _ candidates: ArraySlice<ListenAddress>,
        key: [UInt8]?
    ) -> [(address: ListenAddress, latch: Latch<Answer>)] {
        candidates.map { address in
            let latch = Latch<Answer>()
            let thread = NativeThread(name: "squire-look") { latch.set(ask(address, key: key)) }
            thread?.detach()
            if thread == nil { latch.set(ask(address, key: key)) }
            return (address, latch)
        }
    }

    private enum Answer: Sendable {
        case nobody
        case found(RunningProxy)
        /// A listener answers, but cannot be asked for its status.
        case refused(String)
    }

    private static func ask(_ address: ListenAddress, key: [UInt8]?) -> Answer {
        guard let client = try? LocalClient(address, timeout: timeout) else { return .nobody }
        do throws(LocalClient.Failure) {
            // This needs no key, and after the response the system knows the listener's owner.
            guard try client.request(.get, "/healthz").status == 200 else {
                return .refused("something that is no Squire listens on \(address)")
            }
            // Another user's listener could claim anything.
            guard client.isOwn || key == nil && !PeerUsers.tellsOfTCP else {
                return .refused(
                    PeerUsers.tellsOfTCP
                        ? "what listens on \(address) is another user's"
                        : "the system does not say whose \(address) is, so it is not shown the key of access.key; "
                            + "an inspector on unix:PATH is"
                )
            }
            let response = try client.request(.get, "/api/status", fields: fields(key))
            guard response.status == 200, let status = JSONValue(parsing: response.body), status["session"] != nil,
                status["pid"] != nil
            else {
                return .refused(
                    response.status == 403
                        ? "the Squire at \(address) wants another access.key"
                        : "something that is no Squire, or an older one, listens on \(address)"
                )
            }
            return .found(RunningProxy(address: address, status: status))
        } catch {
            return .refused("what listens on \(address) does not answer as an inspector does")
        }
    }

    private static func fields(_ key: [UInt8]?) -> [(name: String, value: String)] {
        key.map { [("X-Squire-Key", String(decoding: $0, as: UTF8.self))] } ?? []
    }

    // MARK: Asking

    /// The outcome of a reload.
    enum Reload {
        case reread(changed: [String], restart: [String])
        /// `FILE:LINE: message` for each mistake.
        case refused([String])
        case failed(String)
    }

    /// Asks the proxy to reload, if its configuration is the one at `path`. Sends the key only to a listener of this
    /// user.
    func reload(_ path: String?, key: [UInt8]?) -> Reload {
        let body = path.map { JSONValue.object([.init("config", .string($0))]).serialized() } ?? ""
        var fields = Self.fields(key) + [("X-Squire-Inspector", "1")]
        if !body.isEmpty { fields.append(("Content-Type", "application/json")) }
        let response: LocalClient.Response
        do throws(LocalClient.Failure) {
            let client = try LocalClient(address, timeout: Self.reloadTimeout)
            guard try client.request(.get, "/healthz").status == 200,
                client.isOwn || key == nil && !PeerUsers.tellsOfTCP
            else {
                return .failed("another process listens on \(address) now")
            }
            response = try client.request(.post, "/api/reload", fields: fields, body: Array(body.utf8))
        } catch {
            return .failed("the Squire at \(address) does not answer")
        }
        let value = JSONValue(parsing: response.body) ?? .null
        let texts = { (name: String) -> [String] in
            guard case .array(let elements)? = value[name] else { return [] }
            return elements.compactMap(\.string)
        }
        switch response.status {
        case 200: return .reread(changed: texts("changed"), restart: texts("restart"))
        case 422:
            guard case .array(let errors)? = value["errors"] else { break }
            return .refused(errors.map(Self.line))
        default: break
        }
        return .failed(value["detail"]?.string ?? "the Squire at \(address) answers \(response.status)")
    }

    private static func line(_ error: JSONValue) -> String {
        let place = [error["file"]?.string, error["line"]?.integer.map(String.init)].compactMap { $0 }
        return place.joined(separator: ":") + ": " + (error["detail"]?.string ?? "")
    }
}
