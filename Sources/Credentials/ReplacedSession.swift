import Platform

/// The session that a login replaced, for people.
public struct ReplacedSession: Sendable {
    /// The replaced record, which is kept beside the session file.
    let record: SessionRecord
    public let subject: String?
    /// The login that it descended from.
    public var lineage: String? { record.lineage }
    /// The API of the replaced session, if that is another one.
    public let foreignOrigin: String?
    /// The file that keeps it; nil if it could not be kept.
    public internal(set) var keptIn: String?
    /// How many more seconds its token would have been valid; nil if unknown.
    public let expiresIn: Int?

    /// Nil if there was none, or it was useless, or it had the same token.
    init?(_ record: SessionRecord, by token: Token, _ binding: SessionBinding?, canRefresh: Bool, now: Int) {
        guard !record.isEmpty, record.token != token, !record.isDead(canRefresh: canRefresh, now: now) else {
            return nil
        }
        self.record = record
        subject = record.token?.claims?.subject
        foreignOrigin = binding.flatMap { record.foreignOrigin(to: $0) }
        expiresIn = record.expiresAt.map { $0.subtracting(saturating: now) }
    }
}
