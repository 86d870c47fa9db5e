import Platform

/// What a login took the place of, for people.
public struct ReplacedSession: Sendable {
    /// What it was; it is kept beside the session file.
    let record: SessionRecord
    public let subject: String?
    /// The login that it descended from.
    public var lineage: String? { record.lineage }
    /// The API that it was for, if that is another.
    public let foreignOrigin: String?
    /// The file that it is kept in; nil if it could not be kept.
    public internal(set) var keptIn: String?
    /// Seconds that its token would have been good for; nil if nobody knows.
    public let expiresIn: Int?

    /// Nil if there was none, or it was of no use any more, or it had the same token.
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
