/// What the engine has for one shared session, as far as the keys of this machine open it.
public enum SharedValue: Equatable, Sendable {
    case absent
    /// It is no record.
    case damaged(SharedRecord.Damage)
    /// It is a record that does not open: nothing that it says is vouched for.
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

    /// The record that the seal vouches for.
    public var record: SharedRecord? {
        switch self {
        case .absent, .damaged, .closed: nil
        case .tombstone(let record), .session(let record, _): record
        }
    }
}
