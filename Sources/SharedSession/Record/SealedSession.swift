public import Credentials
import Support

/// What a record seals: the tokens with their ends and their age, the API and the server that they are for, the last
/// refreshes, which claim on the tokens has ended, how long the issuer wants to be left alone after it, and who fell
/// silent with one.
public struct SealedSession: Equatable, Sendable, CustomReflectable {
    /// The members that machines share. `SessionRecord.adopting` lays them over a machine's own.
    public let record: SessionRecord
    /// See `SharedFacts.ended`. Former versions leave it out, and out of what they seal anew.
    var ended: SharedID?

    /// How many seconds before they were written here the tokens came, by the clock of the machine that wrote them; nil
    /// if it does not say. Former versions do not.
    var age: Int?

    /// For how many seconds the issuer wants to be left alone, from when this was written. Information, and for those
    /// only who hear of it at once; nil if it did not say, and in records of former versions.
    var retryAfter: Int?

    /// The machines that had claimed a refresh of the tokens before they fell silent, the last one last: each may have
    /// got the successor. None in records of former versions.
    public var silent: [ProcessName] = []

    /// More are not remembered.
    private static let maxSilent = 4

    /// The longest of these.
    private static let maxRetryAfter = 3600

    /// More cannot be told from this much.
    private static let maxAge = 1 << 40

    /// How long a watch that is dead, and looks open, goes unnoticed, in seconds.
    private static let latency = 30

    /// How many seconds ago the tokens came, which are heard of now. `isNews`: they were written a moment ago. No clock
    /// is compared with another machine's.
    func age(isNews: Bool) -> ClosedRange<Int> {
        let least = age ?? 0
        return least...(age != nil && isNews ? least + Self.latency : Int.max)
    }

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
        var noted = SealedSession(record)
        noted?.ended = ended
        noted?.age = age
        noted?.retryAfter = retryAfter
        noted?.silent = silent
        return noted
    }

    /// Notes that a machine fell silent. False if that is known.
    mutating func fellSilent(_ by: ProcessName) -> Bool {
        guard silent.last != by else { return false }
        silent = (silent.filter { $0 != by } + [by]).suffix(Self.maxSilent)
        return true
    }

    public var customMirror: Mirror { Mirror(self, children: []) }

    init?(parsing bytes: [UInt8]) {
        guard let json = JSONValue(parsing: bytes), let record = SessionRecord(shared: json) else { return nil }
        self.record = record
        ended = json["ended"]?.string.flatMap(SharedID.init)
        age = json["age"]?.integer.map { min(max($0, 0), Self.maxAge) }
        retryAfter = json["retry_after"]?.integer.map { min(max($0, 0), Self.maxRetryAfter) }
        if case .array(let names)? = json["silent"] {
            silent = names.suffix(Self.maxSilent).compactMap { $0.string.flatMap(ProcessName.init) }
        }
    }

    var bytes: [UInt8] {
        guard var json = record.shared else { return [] }
        if let ended { json["ended"] = .string(ended.description) }
        if let age { json["age"] = .integer(age) }
        if let retryAfter { json["retry_after"] = .integer(retryAfter) }
        if !silent.isEmpty { json["silent"] = .array(silent.map { .string($0.description) }) }
        return json.octets()
    }
}
