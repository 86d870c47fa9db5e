public import Credentials
import Support

/// The plaintext that a record seals: the tokens with their lifetimes and age, the API and the server they are for, the
/// last refreshes, the claims that ended, the pause that the issuer asked for at the last of them, and the machines that
/// fell silent with a claim.
public struct SealedSession: Equatable, Sendable, CustomReflectable {
    /// The members that machines share. `SessionRecord.adopting` merges them into a machine's own record.
    public let record: SessionRecord
    /// See `SharedFacts.ended`. Two members: `ended` is the last one, and `ended_before` those before it. Earlier versions
    /// omit one or both, and drop them from records that they seal again.
    var ended: [SharedID] = []

    /// The age of the tokens when this was written, in seconds, by the clock of the machine that wrote it. Nil if
    /// unknown; earlier versions do not write it.
    var age: Int?

    /// For how many seconds, from the time of this write, the issuer wants no request. Only a hint, and only for
    /// machines that read it at once. Nil if the issuer did not say, and in records of earlier versions.
    var retryAfter: Int?

    /// See `SharedFacts.silent`. Empty in records of earlier versions.
    public var silent: [ProcessName] = []

    /// The upper limit of `retryAfter`, in seconds.
    private static let maxRetryAfter = 3600

    /// The upper limit of `age`, in seconds.
    private static let maxAge = 1 << 40

    /// How long a dead watch whose connection looks open can go unnoticed, in seconds.
    private static let watchLatency = 30

    /// The possible age of the tokens in seconds, now that this machine has read them. `isNews` says that they were
    /// written a moment ago. Compares no clock with another machine's.
    func age(isNews: Bool) -> ClosedRange<Int> {
        let least = age ?? 0
        return least...(age != nil && isNews ? least + Self.watchLatency : Int.max)
    }

    /// Nil if `record` has nothing to share, or does not say which API it is for.
    public init?(_ record: SessionRecord) {
        guard let shared = record.shared, let record = SessionRecord(shared: shared) else { return nil }
        self.record = record
    }

    /// The origin of the API that the tokens are for.
    public var origin: String { record.origin ?? "" }

    /// The customer that the access token names; nil if it names none.
    public var subject: String? { record.token?.claims?.subject }

    /// A copy that also carries the refresh whose answer was lost.
    func noting(_ lost: SessionRecord.Unanswered) -> SealedSession? {
        var record = record
        record.unanswered = lost
        var noted = SealedSession(record)
        noted?.ended = ended
        noted?.age = age
        noted?.retryAfter = retryAfter
        noted?.silent = silent
        return noted
    }

    public var customMirror: Mirror { Mirror(self, children: []) }

    init?(parsing bytes: [UInt8]) {
        guard let json = JSONValue(parsing: bytes), let record = SessionRecord(shared: json) else { return nil }
        self.record = record
        if let last = json["ended"]?.string.flatMap(SharedID.init) {
            var former: [JSONValue] = []
            if case .array(let ids)? = json["ended_before"] { former = ids.suffix(SharedFacts.maxEnded - 1) }
            ended.ends(former.compactMap { $0.string.flatMap(SharedID.init) })
            ended.removeAll { $0 == last }
            ended.append(last)
        }
        age = json["age"]?.integer.map { min(max($0, 0), Self.maxAge) }
        retryAfter = json["retry_after"]?.integer.map { min(max($0, 0), Self.maxRetryAfter) }
        if case .array(let names)? = json["silent"] {
            silent = names.suffix(SharedRefusal.maxSilent).compactMap { $0.string.flatMap(ProcessName.init) }
        }
    }

    var bytes: [UInt8] {
        guard var json = record.shared else { return [] }
        if let last = ended.last {
            json["ended"] = .string(last.description)
            let former = ended.dropLast().map { JSONValue.string($0.description) }
            if !former.isEmpty { json["ended_before"] = .array(former) }
        }
        if let age { json["age"] = .integer(age) }
        if let retryAfter { json["retry_after"] = .integer(retryAfter) }
        if !silent.isEmpty { json["silent"] = .array(silent.map { .string($0.description) }) }
        return json.octets()
    }
}
