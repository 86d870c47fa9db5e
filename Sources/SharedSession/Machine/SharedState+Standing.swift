import Credentials

/// How what the engine has stands to what this machine holds.
extension SharedState {
    enum HeldStanding: Hashable, Sendable {
        /// The engine has what is held.
        case same
        /// It has what was before it.
        case behind
        /// It has what came later.
        case stands
        /// It has another login or logout, and what a person did here waits to be shared: that is to get a later era.
        case isToGiveWay
    }

    func standing(of view: SharedView) -> HeldStanding {
        let there = view.facts.identity
        guard let identity = held.identity else { return .stands }
        if there == identity { return .same }
        // What cannot be used any more replaces nothing that may be.
        if mayBeUsed(view.facts), held.yields(to: there, note) { return .stands }
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

    /// Later than whatever is known.
    var lastEra: Int { max(sight.view?.facts.identity.era ?? 0, held.identity?.era ?? 0) }

    /// What the others do not know is a person's deed, or something else.
    var owedCause: Sharing.Cause { note.weight == .wish ? .renewal : .healing }

    /// What a person did here while the engine was away comes after what others did meanwhile: it gets another era, once
    /// it can be shared. True when that is under way; false where the eras are at their end.
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

    /// What another person did elsewhere is later, as both say. One who waits here is not told so.
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

    /// Somebody logged out: of the login that is held, if one is.
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

    /// What the engine says of what is held.
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
