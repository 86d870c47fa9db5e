/// The engine's value for one shared session, opened with the keys of this machine.
public enum SharedValue: Equatable, Sendable {
    case absent
    /// It is not a record.
    case damaged(SharedRecord.Damage)
    /// It is a record that does not open, so that none of its members can be trusted.
    case closed(SharedRecord, SharedSeal.OpenProblem)
    /// Somebody logged out.
    case tombstone(SharedRecord)
    case session(SharedRecord, SealedSession)

    public init(_ value: StoredValue?, _ seal: SharedSeal) {
        guard let value else {
            self = .absent
            return
        }
        let record: SharedRecord
        do throws(SharedRecord.Damage) {
            record = try SharedRecord(parsing: value.bytes)
        } catch {
            self = .damaged(error)
            return
        }
        do throws(SharedSeal.OpenProblem) {
            switch try seal.open(record) {
            case .tombstone: self = .tombstone(record)
            case .session(let session): self = .session(record, session)
            }
        } catch {
            self = .closed(record, error)
        }
    }

    /// The record, if it opened.
    public var record: SharedRecord? {
        switch self {
        case .absent, .damaged, .closed: nil
        case .tombstone(let record), .session(let record, _): record
        }
    }
}
