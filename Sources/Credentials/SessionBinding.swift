import Support

/// Whose a session is: the API that its token may be sent to, and the configuration that it was made for. The login
/// writes it into the session file; a file without one is bound when it is first used.
public struct SessionBinding: Equatable, Sendable {
    /// Where the session's tokens come from.
    public enum Source: String, Sendable {
        /// A recipe refreshes them.
        case recipe
        /// A person gives them, and nothing refreshes them.
        case given
        case oauth, exec
        case tokenFile = "token-file"
        /// There are none.
        case none
    }

    /// The origin of the upstream.
    public var origin: String
    /// The origin that a refresh sends the token to: the upstream's, unless `session.refresh.url` names another.
    public var refreshOrigin: String
    public var source: Source
    /// The origin that OAuth tokens come from: the token endpoint's, or the issuer's.
    public var issuer: String?
    /// Whose they are there.
    public var clientID: String?
    /// The real path of the configuration file; nil if there is none.
    public var configuration: String?
    /// Where machines share the session, as `place` says it; nil where they do not.
    public var sharedPlace: String?

    public init(
        origin: String,
        refreshOrigin: String? = nil,
        source: Source = .recipe,
        issuer: String? = nil,
        clientID: String? = nil,
        configuration: String? = nil,
        sharedPlace: String? = nil
    ) {
        self.origin = origin
        self.refreshOrigin = refreshOrigin ?? origin
        self.source = source
        self.issuer = issuer
        self.clientID = clientID
        self.configuration = configuration
        self.sharedPlace = sharedPlace
    }

    /// A session's place in an engine, for session files and for people.
    public static func place(engine: String, key: String) -> String { "\(engine) \(key)" }

    /// Whether two texts name one origin (RFC 6454 section 5): neither case, nor the scheme's own port, nor a slash at
    /// the end matters.
    public static func isSame(_ one: String, _ other: String) -> Bool { canonical(one) == canonical(other) }

    private static func canonical(_ origin: String) -> Substring {
        var text = Substring(origin.lowercased())
        if text.hasSuffix("/") { text = text.dropLast() }
        for (scheme, port) in [("https://", ":443"), ("http://", ":80")]
        where text.hasPrefix(scheme) && text.hasSuffix(port) {
            text = text.dropLast(port.count)
        }
        return text
    }
}

/// The members of a record that bind it.
extension SessionRecord {
    /// The origins that the record is bound to, which are one unless somebody edited the file; empty while nothing
    /// binds it. `upstream` is what 0.1 calls `origin`, and reads.
    private var origins: [String] {
        var result: [String] = []
        switch document["upstream"] {
        case nil, .null: break
        case .string(let text): result.append(text)
        case .bool, .number, .array, .object: result.append("another API")
        }
        // 0.1 wrote something else there, which is no URL.
        if let text = document["origin"]?.string, text.contains("://") { result.append(text) }
        return result
    }

    /// The origin of the upstream that the token may be sent to; nil while nothing binds the record.
    public var origin: String? { origins.first }

    /// The origin that the token may be refreshed at; nil while nothing says so.
    public var refreshOrigin: String? { document["refresh_origin"]?.string }

    /// The real path of the configuration that the session was made for; nil if it is not known.
    public var configuration: String? { document["configuration"]?.string }

    public var source: SessionBinding.Source? { document["source"]?.string.flatMap(SessionBinding.Source.init) }

    /// The API that the token belongs to, if that is another than `binding`'s.
    public func foreignOrigin(to binding: SessionBinding) -> String? {
        guard !isEmpty else { return nil }
        return origins.first { !SessionBinding.isSame($0, binding.origin) }
    }

    /// The server that the token may be refreshed at, if that is another than `binding`'s.
    public func foreignRefreshOrigin(to binding: SessionBinding) -> String? {
        guard !isEmpty, let bound = refreshOrigin else { return nil }
        return SessionBinding.isSame(bound, binding.refreshOrigin) ? nil : bound
    }

    /// The source that the record comes from, in words, if that is another than `binding`'s. A recipe refreshes what was
    /// given by hand: these are one.
    public func foreignSource(to binding: SessionBinding) -> String? {
        guard !isEmpty, let source else { return nil }
        let simple: [SessionBinding.Source] = [.recipe, .given]
        if source == binding.source || simple.contains(source) && simple.contains(binding.source) {
            let isOfIssuer = issuer.flatMap { bound in binding.issuer.map { SessionBinding.isSame(bound, $0) } } ?? true
            let isOfClient = clientID == nil || binding.clientID == nil || clientID == binding.clientID
            if source != .oauth || isOfIssuer && isOfClient { return nil }
        }
        return [source.rawValue, clientID.map { "client \($0)" }, issuer.map { "at \($0)" }]
            .compactMap(\.self).joined(separator: " ")
    }

    private var issuer: String? { document["source_endpoint"]?.string }

    private var clientID: String? { document["client_id"]?.string }

    /// Whether the record has a token and does not say everything that `bind` would write.
    func lacks(_ binding: SessionBinding) -> Bool {
        !isEmpty && foreignOrigin(to: binding) == nil && foreignSource(to: binding) == nil
            && (origins.isEmpty || refreshOrigin == nil || configuration == nil && binding.configuration != nil)
    }

    /// Binds the record, whatever it was bound to before.
    public mutating func bind(_ binding: SessionBinding) {
        setOrigin(binding.origin)
        document["refresh_origin"] = .string(binding.refreshOrigin)
        document["source"] = .string(binding.source.rawValue)
        document["source_endpoint"] = binding.issuer.map(JSONValue.string)
        document["client_id"] = binding.clientID.map(JSONValue.string)
        document["configuration"] = binding.configuration.map(JSONValue.string)
    }

    /// Adds what the record does not say yet.
    mutating func complete(_ binding: SessionBinding) {
        var whole = binding
        whole.origin = origin ?? binding.origin
        whole.refreshOrigin = refreshOrigin ?? binding.refreshOrigin
        whole.source = source ?? binding.source
        whole.issuer = issuer ?? binding.issuer
        whole.clientID = clientID ?? binding.clientID
        whole.configuration = configuration ?? binding.configuration
        bind(whole)
    }

    /// Binds the record to an upstream, or to none.
    mutating func setOrigin(_ origin: String?) {
        document["upstream"] = origin.map(JSONValue.string)
        document["origin"] = origin.map(JSONValue.string)
    }
}
