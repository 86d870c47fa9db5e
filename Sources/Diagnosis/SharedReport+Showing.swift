public import Credentials
import Platform
import Settings
import SharedSession
public import Support

extension SharedReport {
    /// A number, if the engine counts its revisions.
    private static func spelled(_ revision: StoreRevision) -> JSONValue {
        let text = revision.description
        return Int64(text).map { .number(String($0)) } ?? .string(text)
    }

    /// `now` is in seconds since 1970. Contains neither the advice nor the refreshes.
    public func lines(now: Int) -> [String] {
        var lines = [
            "shared      \(session.name), as \(session.key)",
            "engine      \(session.engine)\(member.map { ", \($0) answered" } ?? "")",
            "state       \(stateWords)",
        ]
        if let writing { lines.append("writing     REFUSED: \(writing.detail). \(writing.advice)") }
        if let unshared { lines.append("here        a \(unshared.rawValue) that is NOT SHARED") }
        switch value {
        case .absent: return lines
        case .damaged: break
        case .closed(let record, _): lines.append("sealed      \(sealedWords(record))")
        case .tombstone(let record):
            lines.append("era         \(record.identity.era)")
            lines.append("sealed      \(sealedWords(record))")
        case .session(let record, let content):
            lines += contentLines(content, now: now)
            let generation = record.identity.generation
            lines.append(
                "era         \(record.identity.era), generation \(generation): "
                    + "\(generation == 1 ? "1 refresh" : "\(generation) refreshes") since that login"
            )
            lines.append("sealed      \(sealedWords(record))")
        }
        if let revision { lines.append("revision    \(revision)") }
        return lines
    }

    private func contentLines(_ content: SealedSession, now: Int) -> [String] {
        let record = content.record
        var lines = ["upstream    \(ControlCharacters.escaped(content.origin))"]
        if let subject = content.subject { lines.append("customer    \(ControlCharacters.escaped(subject))") }
        if let moment = record.signedInAt { lines.append("logged in   \(LocalTime.text(moment, now: now))") }
        if let moment = record.receivedAt { lines.append("received    \(LocalTime.text(moment, now: now))") }
        if let moment = record.expiresAt {
            let seconds = moment.subtracting(saturating: now)
            let words = Quantity.words(seconds: abs(max(seconds, -.max)))
            let distance = seconds > 0 ? "in \(words)" : "\(words) ago"
            lines.append("expires     \(distance), \(LocalTime.text(moment, now: now))")
        }
        return lines
    }

    private var stateWords: String {
        switch value {
        case .absent: "absent"
        case .damaged, .closed: "unreadable"
        case .tombstone: "none: somebody logged out"
        case .session(let record, _):
            switch record.state {
            case .ready: "ready"
            case .busy(let claim): "busy: \(claim.by) refreshes it, beat \(claim.beat)"
            case .refused: "refused"
            case .none: "none"
            }
        }
    }

    private func sealedWords(_ record: SharedRecord) -> String {
        guard let index = session.keys.firstIndex(of: record.keyID) else {
            return "key \(record.keyID), which is not in \(session.keyFile)"
        }
        let use = index == 0 ? "seals" : "opens only"
        return "key \(record.keyID), which \(use): \(index + 1) of \(session.keys.count) in \(session.keyFile)"
    }

    /// The last refreshes in the record, oldest first.
    public var history: [RefreshEntry] {
        guard case .session(_, let content) = value else { return [] }
        return content.record.history
    }

    // MARK: JSON

    public func json(now: Int) -> JSONValue {
        var engine: [JSONValue.Member] = [
            .init("kind", .string(session.engine)), .init("member", member.map(JSONValue.string) ?? .null),
            .init("key", .string(session.key)),
        ]
        engine.append(.init("revision", revision.map(Self.spelled) ?? .null))
        var members: [JSONValue.Member] = [
            .init("name", .string(session.name)), .init("engine", .object(engine)),
            .init("state", .string(state)),
            .init("writing", writing.map { .string($0.detail) } ?? .null),
            .init("not_shared_what", unshared.map { .string($0.rawValue) } ?? .null),
            .init("problem", problem.map { .string($0.text) } ?? .null),
            .init("advice", problem == nil ? advice.map(JSONValue.string) ?? .null : .null),
        ]
        if let record = value.record {
            members.append(.init("era", .integer(record.identity.era)))
            members.append(.init("generation", .integer(record.identity.generation)))
            members.append(.init("claim", claim(record)))
        }
        if let record = sealed {
            let index = session.keys.firstIndex(of: record.keyID)
            members.append(
                .init(
                    "sealed_with",
                    .object([
                        .init("key", .string(record.keyID.description)),
                        .init("position", index.map { .integer($0 + 1) } ?? .null),
                    ])
                )
            )
        }
        if case .session(_, let content) = value { members += contentMembers(content, now: now) }
        return .object(members)
    }

    /// The record, whether or not it opens.
    private var sealed: SharedRecord? {
        switch value {
        case .absent, .damaged: nil
        case .closed(let record, _), .tombstone(let record), .session(let record, _): record
        }
    }

    private func claim(_ record: SharedRecord) -> JSONValue {
        guard case .busy(let claim) = record.state else { return .null }
        return .object([.init("by", .string(claim.by.description)), .init("beat", .integer(claim.beat))])
    }

    private func contentMembers(_ content: SealedSession, now: Int) -> [JSONValue.Member] {
        let record = content.record
        let moment = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
        return [
            .init("origin", .string(content.origin)),
            .init("customer", content.subject.map(JSONValue.string) ?? .null),
            .init("source", record.source.map { .string($0.rawValue) } ?? .null),
            .init("signed_in_at", moment(record.signedInAt)),
            .init("received_at", moment(record.receivedAt)),
            .init("expires_at", moment(record.expiresAt)),
            .init("expires_in", moment(record.expiresAt.map { $0.subtracting(saturating: now) })),
            .init("last_refresh", record.lastRefresh?.json ?? .null),
            .init("history", .array(record.history.map(\.json))),
            .init("silent", .array(content.silent.map { .string($0.description) })),
        ]
    }
}
