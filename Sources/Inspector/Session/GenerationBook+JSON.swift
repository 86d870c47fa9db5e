import Credentials
import ReverseProxy
import Support

/// `/api/generations`.
extension GenerationBook {
    func json(_ counts: [Generation: GenerationCounts]) -> JSONValue {
        let history = history()
        return .object([
            .init("now", Self.moment(now())),
            .init("generations", .array(history.entries.map { $0.json(counts[$0.generation]) })),
            .init("failures", .array(history.failures.map(\.json))),
            .init("events", .array(history.events.map(\.json))),
        ])
    }

    /// The entry of that generation; nil if it is no longer known.
    func json(of generation: Generation, _ counts: GenerationCounts?) -> JSONValue? {
        history().entries.last { $0.generation == generation }?.json(counts)
    }

    fileprivate static func moment(_ milliseconds: Int64) -> JSONValue {
        .string(UTCTime.rfc3339(milliseconds: milliseconds))
    }
}

extension GenerationBook.Entry {
    fileprivate func json(_ counts: GenerationCounts?) -> JSONValue {
        let count = { (value: UInt64?) in JSONValue.number("\(value ?? 0)") }
        return .object([
            .init("generation", .number("\(generation)")), .init("from", .string(origin.rawValue)),
            .init("cause", .optional(cause?.rawValue)), .init("at", GenerationBook.moment(at)),
            .init("took_ms", .optional(report?.milliseconds)), .init("waiters", .integer(report?.others ?? 0)),
            .init("led_by", .optional(report?.trigger.map { "\(ExchangeID($0))" })),
            .init("issued_at", .optional(issuedAt)),
            .init("expires_at", .optional(expiresAt)), .init("served", count(counts?.served)),
            .init("refused", count(counts?.refused)), .init("running", count(counts?.running)),
            .init("ended_at", end.map { GenerationBook.moment($0.at) } ?? .null), .init("ended_by", .optional(end?.by)),
            .init("subject", .optional(subject)),
        ])
    }
}

extension RefreshReport {
    /// How many requests waited besides the leader, which is an exchange or a person's request.
    var others: Int {
        let hasLeader = trigger != nil || cause == .manual || cause == .client
        return max(0, waiters - (hasLeader ? 1 : 0))
    }
}

extension GenerationBook.Failure {
    fileprivate var json: JSONValue {
        .object([
            .init("at", GenerationBook.moment(at)), .init("cause", .string(cause.rawValue)),
            .init("class", .string(kind.rawValue)), .init("status", status.map(JSONValue.integer) ?? .null),
            .init("detail", .string(detail)), .init("retry_at", retryAt.map(GenerationBook.moment) ?? .null),
        ])
    }
}

extension GenerationBook.Event {
    fileprivate var json: JSONValue {
        .object([
            .init("at", GenerationBook.moment(at)), .init("what", .string(what.rawValue)),
            .init("detail", detail.map(JSONValue.string) ?? .null),
        ])
    }
}
