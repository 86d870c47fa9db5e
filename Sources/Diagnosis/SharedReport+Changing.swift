public import SharedSession

/// What `squire shared reset` and `reseal` may do with the value.
extension SharedReport {
    /// Whether the value may be deleted.
    public enum Reset: Equatable, Sendable {
        /// Nothing to do. The text says why.
        case unneeded(String)
        /// It opens: there is nothing to repair, and other commands end or replace the session.
        case opens(String)
        case refused(Problem)
        /// It may be deleted, after a person has read this text and agreed.
        case possible(String)
    }

    public var reset: Reset {
        switch value {
        case .absent: .unneeded("nothing is there: \(session.key) is absent")
        case .damaged(let damage):
            if case .version = damage { .refused(problem(damage)) } else { .possible(story("\(damage)")) }
        case .closed(_, let closure): .possible(story(closure.text(session.keyFile)))
        case .tombstone: .opens(alternatives)
        case .session(_, let content): problem(content).map(Reset.refused) ?? .opens(alternatives)
        }
    }

    private func story(_ what: String) -> String {
        "The shared record \(what). Resetting takes it away. Each machine that holds the session then puts its own back, sealed "
            + "with the first key of its own key file, and the newest stays; if none holds it, a login is needed."
    }

    private var alternatives: String {
        "the record opens, so there is nothing to reset. To end the session on all machines: \(session.command("logout")). "
            + "To replace it: \(session.login) --replace. To seal it with another key: \(session.command("shared reseal"))"
    }

    /// Whether the record must be sealed again.
    public enum Reseal: Equatable, Sendable {
        case unneeded(String)
        case refused(Problem)
        case needed(SharedRecord)
    }

    public var reseal: Reseal {
        switch value {
        case .absent: .unneeded("nothing is there: \(session.key) is absent")
        case .damaged(let damage): .refused(problem(damage))
        case .closed(_, let closure): .refused(problem(closure))
        case .tombstone(let record): reseal(record)
        case .session(let record, let content): problem(content).map(Reseal.refused) ?? reseal(record)
        }
    }

    private func reseal(_ record: SharedRecord) -> Reseal {
        guard isSealedNow(record) else { return .needed(record) }
        return .unneeded("the record is sealed with key \(record.keyID), the first in \(session.keyFile), already")
    }
}
