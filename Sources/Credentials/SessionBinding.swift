import Support

/// What a session belongs to: the API that its token may be sent to, and the configuration that it was made for. The
/// login writes it into the session file; a file without one is bound on first use.
public struct SessionBinding: Equatable, Sendable {
    /// The source of the session's tokens.
    public enum Source: String, Sendable {
        /// A recipe refreshes them.
        case recipe
        /// A person provides them, and nothing refreshes them.
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
    /// The origin of OAuth tokens: the token endpoint's, or the issuer's.
    public var issuer: String?
    /// The client that the tokens were issued to.
    public var clientID: String?
    /// The real path of the configuration file; nil if there is none.
    public var configuration: String?
    /// The place where machines share the session, as returned by `place`; nil if they do not.
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

    /// A session's place in an engine, in the form for session files and for people.
    public static func place(engine: String, key: String) -> String { "\(engine) \(key)" }

    /// Whether two texts denote the same origin (RFC 6454 section 5), ignoring case, the scheme's default port, and a
    /// final slash.
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
    /// The origins that the record is bound to: one, unless somebody edited the file; empty for an unbound record.
    /// `upstream` is the member that 0.1 reads and calls `origin`.
    private var origins: [String] {
        var result: [String] = []
        switch document["upstream"] {
        case nil, .null: break
        case .string(let text): result.append(text)
        case .bool, .number, .array, .object: result.append("another API")
        }
        // 0.1 wrote a different value there, which is not a URL.
        if let text = document["origin"]?.string, text.contains("://") { result.append(text) }
        return result
    }

    /// The origin of the upstream that the token may be sent to; nil for an unbound record.
    public var origin: String? { origins.first }

    /// The origin that may refresh the token; nil if the record does not say.
    public var refreshOrigin: String? { document["refresh_origin"]?.string }

    /// The real path of the configuration that the session was made for; nil if unknown.
    public var configuration: String? { document["configuration"]?.string }

    public var source: SessionBinding.Source? { document["source"]?.string.flatMap(SessionBinding.Source.init) }

    /// The API that the token belongs to, if it is not the one in `binding`.
    public func foreignOrigin(to binding: SessionBinding) -> String? {
        guard !isEmpty else { return nil }
        return origins.first { !SessionBinding.isSame($0, binding.origin) }
    }

    /// The server that may refresh the token, if it is not the one in `binding`.
    public func foreignRefreshOrigin(to binding: SessionBinding) -> String? {
        guard !isEmpty, let bound = refreshOrigin else { return nil }
        return SessionBinding.isSame(bound, binding.refreshOrigin) ? nil : bound
    }

    /// The record's source, in words, if it is not the one in `binding`. A recipe refreshes tokens given by hand, so
    /// these two count as one.
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

    /// Whether the record has a token and lacks something that `bind` would write.
    func lacks(_ binding: SessionBinding) -> Bool {
        !isEmpty && foreignOrigin(to: binding) == nil && foreignSource(to: binding) == nil
            && (origins.isEmpty || refreshOrigin == nil || configuration == nil && binding.configuration != nil)
    }

    /// Binds the record, and replaces an earlier binding.
    public mutating func bind(_ binding: SessionBinding) {
        setOrigin(binding.origin)
        document["refresh_origin"] = .string(binding.refreshOrigin)
        document["source"] = .string(binding.source.rawValue)
        document["source_endpoint"] = binding.issuer.map(JSONValue.string)
        document["client_id"] = binding.clientID.map(JSONValue.string)
        document["configuration"] = binding.configuration.map(JSONValue.string)
    }

    /// Adds the members that the record lacks.
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

/// What a session may do with a record.
extension Session {
    /// Why the record does not belong to this session, so that it is neither used nor touched. Nil if it does.
    func foreign(_ record: SessionRecord) -> String? {
        guard let binding else { return nil }
        return record.foreignOrigin(to: binding) ?? record.foreignSource(to: binding)
    }

    /// The record without what another configuration has forbidden, and this one allows.
    func judged(_ record: SessionRecord) -> SessionRecord {
        guard sharing == nil, record.isOnlyForbidden, snapshot.machine.policy.retriesLost else { return record }
        var judged = record
        judged.isRefreshDenied = false
        return judged
    }

    /// The API that the record's token belongs to, if it must not be sent to this one.
    func foreignOrigin(_ record: SessionRecord) -> String? { binding.flatMap { record.foreignOrigin(to: $0) } }

    /// Whether a token can be obtained with the tokens in the record, which are sent only to the servers that it is
    /// bound to.
    func mayRefresh(_ record: SessionRecord) -> Bool {
        guard let source, binding.flatMap({ record.foreignRefreshOrigin(to: $0) }) == nil else { return false }
        // Other machines share it, and this session cannot ask them for permission.
        if case .elsewhere = record.localHolding(in: place) { return false }
        return source.canGet(with: foreign(record) == nil ? record.held : HeldTokens())
    }
}
