import Credentials

/// Compares the engine's record with what this machine holds.
extension SharedState {
    enum Comparison: Hashable, Sendable {
        /// They are the same.
        case same
        /// The engine has something earlier.
        case behind
        /// The engine has something later, which counts.
        case stands
        /// The engine has another login or logout, but a person's login or logout here waits to be shared and will get
        /// a later era.
        case isToGiveWay
    }

    func comparison(with view: SharedView) -> Comparison {
        let there = view.facts.identity
        guard let identity = held.identity else { return .stands }
        if there == identity { return .same }
        // Unusable tokens do not replace usable ones. A logout ends no other login than its own, even if the API has
        // refused that one since, because a machine may have its successor.
        if mayBeUsed(view.facts) || held.isEnded && view.facts.state == .refused, held.yields(to: there, note) {
            return .stands
        }
        switch identity.order(there) {
        case .same: return .same
        case .behind: return .behind
        case .stands: return note.weight == .wish && there.login != identity.login ? .isToGiveWay : .stands
        }
    }

    private func mayBeUsed(_ facts: SharedFacts) -> Bool {
        switch facts.state {
        case .ready, .busy: true
        case .refused, .none: false
        }
    }

    /// The highest known era.
    var lastEra: Int { max(sight.view?.facts.identity.era ?? 0, held.identity?.era ?? 0) }

    /// Why what is held must be shared: a person did it, or the engine lost it.
    var owedCause: Sharing.Cause { note.weight == .wish ? .renewal : .healing }

    /// Gives a login or logout from the time when the engine was away a later era than that of the others, because it
    /// counts as later once it can be shared. Returns true if that has begun; false if the eras are exhausted.
    mutating func renews(_ turn: inout Turn) -> Bool {
        guard let former = held.identity,
            let identity = SharedIdentity.login(former.login, former.id, after: lastEra)
        else {
            note.weight = .usual
            return false
        }
        switch held {
        case .nothing: return false
        case .tokens:
            phase = .saving(identity, .renewal)
            turn.add(.save(identity))
        case .ended:
            held = .ended(identity)
            phase = .sharing(Sharing(cause: .renewal, since: turn.now, use: .pending))
            share(&turn)
        }
        return true
    }

    /// Another person's login or logout is later, by the times in both records. A person who is waiting at this machine
    /// is not told so.
    mutating func overtaken() {
        guard note.weight == .wish else { return }
        switch phase {
        case .sharing(var sharing) where sharing.use != .pending:
            sharing.cause = .healing
            phase = .sharing(sharing)
        case .saving, .sharing: return
        case .idle, .reading, .claiming, .checking, .preparing, .sending, .closing: break
        }
        note.weight = .usual
    }

    /// Records a logout, and the login that it ended, if tokens are held.
    mutating func ends(as identity: SharedIdentity) {
        let former: SharedID? =
            switch held {
            case .nothing: nil
            case .tokens(let ended): ended.login
            case .ended: note.former
            }
        held = .ended(identity)
        note = SharedHolding.Note(former: former)
    }

    /// Applies the engine's verdict on the held tokens.
    mutating func judge(_ facts: SharedFacts) {
        guard held.identity == facts.identity else { return }
        switch (facts.state, note.weight) {
        case (.refused, _): note.weight = .dead
        case (_, .dead): note.weight = .usual
        // The others know of it after all: what another person does from now on is later.
        case (_, .wish): note.weight = .usual
        case (_, .usual): break
        }
    }
}

extension SharedState.Sharing.Cause {
    var isOfAPerson: Bool {
        switch self {
        case .person, .renewal: true
        case .result, .healing, .joining: false
        }
    }
}
