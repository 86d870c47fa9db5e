public import Credentials
import Support

/// What a record seals: the tokens with their ends, the API and the server that they are for, and the last refreshes.
public struct SealedSession: Equatable, Sendable, CustomReflectable {
    /// The members that machines share. `SessionRecord.adopting` lays them over a machine's own.
    public let record: SessionRecord

    /// Nil if there is nothing to share, or nothing says which API it is for.
    public init?(_ record: SessionRecord) {
        guard let shared = record.shared, let record = SessionRecord(shared: shared) else { return nil }
        self.record = record
    }

    /// The origin of the API that the tokens are for.
    public var origin: String { record.origin ?? "" }

    /// The customer that the token names; nil if it names none.
    public var subject: String? { record.token?.claims?.subject }

    /// The same, with the answer that was lost when somebody refreshed it.
    func noting(_ lost: SessionRecord.Unanswered) -> SealedSession? {
        var record = record
        record.unanswered = lost
        return SealedSession(record)
    }

    public var customMirror: Mirror { Mirror(self, children: []) }

    init?(parsing bytes: [UInt8]) {
        guard let json = JSONValue(parsing: bytes), let record = SessionRecord(shared: json) else { return nil }
        self.record = record
    }

    var bytes: [UInt8] { record.shared?.octets() ?? [] }
}
