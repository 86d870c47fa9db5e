public import Support

/// The part of a session that machines share: everything about the tokens, and nothing about one machine's file.
extension SessionRecord {
    /// Members with a single value. The history and the refresh without an answer are shared, too.
    private static let sharedMembers = [
        "token", "refresh_token", "scope", "token_type", "fingerprint", "spent", "login", "replaced", "upstream",
        "origin", "refresh_origin", "source", "source_endpoint", "client_id", "from", "received_at", "expires_at",
        "refresh_expires_at", "signed_in_at",
    ]
    private static let sharedParts = ["unanswered", "last_refresh", "history"]
    /// Verdicts on the former tokens.
    private static let judgements = ["refused", "rejected"]

    /// The maximum length of a refresh's text that is shared, in characters.
    private static let maxSharedDetail = 200

    /// The members that all machines share; nil if no token is held, one cannot be read, or no API is known. The shared
    /// record itself says whether the refresh was refused.
    public var shared: JSONValue? {
        guard !isEmpty, !hasBadToken, origin != nil else { return nil }
        var result = SessionRecord()
        for name in Self.sharedMembers {
            switch document[name] {
            case let value?:
                switch value {
                case .null, .bool, .number, .string: result.document[name] = value
                case .array, .object: break
                }
            case nil: break
            }
        }
        if let unanswered {
            result.unanswered = Unanswered(at: unanswered.at, reason: Self.cut(unanswered.reason))
        }
        result.document["last_refresh"] = lastRefresh.map { Self.cut($0).json }
        let entries = history.suffix(Self.maxHistory)
        if !entries.isEmpty { result.document["history"] = .array(entries.map { Self.cut($0).json }) }
        return result.document
    }

    /// Parses the result of `shared`, from any version: unknown members are dropped.
    public init?(shared: JSONValue) {
        guard case .object = shared else { return nil }
        var record = SessionRecord()
        record.document = shared
        guard let known = record.shared else { return nil }
        self.init()
        document = known
    }

    /// This machine's record with the tokens of another one; members about the file stay.
    public func adopting(_ other: SessionRecord) -> SessionRecord {
        var result = self
        for name in Self.sharedMembers + Self.sharedParts + Self.judgements { result.document[name] = nil }
        for name in Self.sharedMembers + Self.sharedParts { result.document[name] = other.document[name] }
        return result
    }

    private static func cut(_ text: String) -> String { String(text.prefix(maxSharedDetail)) }

    private static func cut(_ entry: RefreshEntry) -> RefreshEntry {
        var entry = entry
        entry.detail = entry.detail.map(cut)
        return entry
    }
}
