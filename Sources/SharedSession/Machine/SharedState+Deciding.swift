import Credentials
import Platform

extension SharedState {
    /// Continues the current phase with what the engine is now known to have.
    mutating func proceed(_ turn: inout Turn) {
        switch phase {
        case .idle:
            phase = .reading
            decide(&turn)
        case .reading: decide(&turn)
        case .claiming(let claiming), .checking(let claiming):
            guard sight.view?.facts.claim?.id == claiming.claim.id else {
                phase = .reading
                decide(&turn)
                return
            }
            unclearSince = nil
            // The record names its process as silent, which `noteRival` has recorded, unless it has been heard since.
            if let over = claiming.over, rivalClaim?.claim == over {
                rivalClaim = nil
                turn.add(.say(.takesOver(from: over.by)))
            }
            guard mayGoOn(claiming, &turn), isAlone(claiming, &turn) else { return }
            phase = .preparing(claiming)
            turn.add(.prepare)
        case .sending(let sending): keepClaim(sending, &turn)
        case .preparing, .saving: break
        case .sharing: share(&turn)
        case .closing(let closing): close(closing, &turn)
        }
    }

    /// Continues the current phase after a failed call.
    mutating func unreachable(_ turn: inout Turn) {
        switch phase {
        case .idle: rest(&turn)
        // Whether the claim was written may never be known, but no refresh was sent.
        case .reading, .claiming, .checking:
            if enrols(&turn) { return }
            if wish.isForOthers { refuse(withoutEngine, &turn) }
            if isAhead {
                owe(&turn)
            } else if let claim = ownClaim {
                close(claim.id, .released, &turn)
            } else {
                rest(&turn)
            }
        case .preparing, .sending, .saving: break
        case .sharing(let sharing):
            begin(sharing, &turn)
            if enrols(&turn) { return }
            // Tokens that the other machines do not know must not be refreshed.
            if wish.isForOthers { refuse(withoutEngine, &turn) }
            pause(timing.pause(after: turn.now.subtracting(saturating: sharing.since)), &turn)
        case .closing(let closing):
            if enrols(&turn) { return }
            let lasted = turn.now.subtracting(saturating: closing.since)
            // The API's refusal may be outdated, because another machine may have refreshed. Until that is known,
            // waiters get no verdict.
            let isLong = closing.ending == .released || lasted >= timing.patience
            if wish.isForOthers, isLong { refuse(.unreachable, &turn) }
            // Another machine has taken the claim over by now.
            if lasted >= timing.takeover {
                if closing.ending == .refused { refuse(.loginNeeded, &turn) }
                rest(&turn)
            } else {
                pause(timing.pause(after: lasted), &turn)
            }
        }
    }

    /// Why no tokens can be had while the engine is unreachable.
    var withoutEngine: Refusal {
        if case .ended = held { .loginNeeded } else { .unreachable }
    }

    /// Whether this machine holds something newer than the engine was last known to have: another process of this
    /// machine logged in or out and could not share it. The watch cannot report that when the engine comes back.
    private var isAhead: Bool {
        if note.weight == .wish { return true }
        guard case .record(let view) = sight else { return false }
        return comparison(with: view) == .behind
    }

    /// Shares what is held as soon as the engine can be reached.
    private mutating func owe(_ turn: inout Turn) {
        begin(Sharing(cause: owedCause, since: turn.now, use: .begun), &turn)
        pause(timing.pause(after: 0), &turn)
    }

    /// Decides what to do with the engine's value. Only here does a record become current.
    mutating func decide(_ turn: inout Turn) {
        switch sight {
        case .unknown: get(&turn)
        case .unreadable(let obstacle):
            if enrols(&turn) { return }
            turn.add(.say(.unreadable(obstacle)))
            if wish.isForOthers { refuse(.unreadable(obstacle), &turn) }
            rest(&turn)
        case .absent:
            if enrols(&turn) || joins(&turn) || takesLostReport(&turn) { return }
            guard held != .nothing else {
                if wish.isRefresh { refuse(.loginNeeded, &turn) }
                rest(&turn)
                return
            }
            heal(&turn)
        case .record(let view):
            let identity = view.facts.identity
            if enrols(&turn) || takesLostReport(&turn) { return }
            // The engine already has a session, which wins.
            if case .join = wish { wish = .nothing }
            let comparison = comparison(with: view)
            if comparison == .behind {
                heal(&turn)
            } else if comparison == .isToGiveWay, renews(&turn) {
                return
            } else if view.facts.state == .none {
                forget(identity, &turn)
            } else if held != .tokens(identity) {
                adopt(view, &turn)
            } else {
                settle(view, &turn)
            }
        }
    }

    /// The engine has lost what the watch told in between: that is taken, and put back by the next look. What is held is
    /// older, and whoever refreshes it spends a dead token. True if there is such a thing.
    private mutating func takesLostReport(_ turn: inout Turn) -> Bool {
        let lost = lostReport
        newestReport = nil
        guard let view = lost else { return false }
        if view.facts.state == .none { forget(view.facts.identity, &turn) } else { adopt(view, &turn) }
        // The watch may have told already that the engine lost it: nothing else would wake this machine.
        if phase == .idle {
            phase = .reading
            get(&turn)
        }
        return true
    }

    /// The engine has what this machine holds.
    private mutating func settle(_ view: SharedView, _ turn: inout Turn) {
        guard case .refresh(let since) = wish else {
            return restWithoutClaim(&turn)
        }
        guard view.facts.identity.generation < SharedIdentity.maxCount else {
            refuse(.exhausted, &turn)
            return restWithoutClaim(&turn)
        }
        switch view.facts.state {
        case .refused, .none:
            refuse(.loginNeeded, &turn)
            rest(&turn)
        case .ready, .busy:
            guard let other = activeRival(on: view.facts.identity) else {
                // The engine may have this process's own claim, which it had given up: written late, or back after the
                // engine's loss of what came later. The other machine's counts even so.
                makeClaim(over: view, rivalClaim(on: view.facts.identity)?.claim, &turn)
                return
            }
            let silence = turn.now.subtracting(saturating: other.silentSince ?? turn.now)
            if silence >= timing.takeover {
                // What was asked before does not tell so.
                get(&turn)
            } else if turn.now.subtracting(saturating: since) >= timing.takeover.multiplied(saturating: 2) {
                // One machine after another has tried, and none got an answer.
                refuse(.unanswered, &turn)
                restWithoutClaim(&turn)
            } else {
                let jitter = 0.5 + min(max(turn.randomness.fraction(), 0), 1)
                let patience = Int64(Double(min(timing.rereading, 1 << 52)) * jitter)
                pause(min(patience, timing.takeover.subtracting(saturating: silence)), &turn)
            }
        }
    }

    /// Does nothing more. The others wait for a claim of this process, which may have been written late, until its end
    /// is.
    private mutating func restWithoutClaim(_ turn: inout Turn) {
        if let claim = ownClaim { close(claim.id, .released, &turn) } else { rest(&turn) }
    }

    /// Claims what is held, instead of the other machine that claimed it and fell silent.
    private mutating func makeClaim(over view: SharedView, _ silent: SharedClaim?, _ turn: inout Turn) {
        switch call {
        // The answer to that call leads back here.
        case .get, .swap: return
        case .none, .pausing: break
        }
        guard writesAgain(&turn) else { return }
        let claim = SharedClaim(id: turn.randomness.id(), by: me)
        phase = .claiming(Claiming(claim: claim, since: turn.now, over: silent))
        swap(view.facts.with(.busy(claim)), &turn)
    }

    private mutating func adopt(_ view: SharedView, _ turn: inout Turn) {
        held = .tokens(view.facts.identity)
        note = SharedHolding.Note(view.facts.state == .refused ? .dead : .usual)
        (silent, ended) = (view.facts.silent, view.facts.ended)
        if wish.isRefresh { wish = .nothing }
        turn.add(.adopt(view))
        if view.facts.state == .refused { turn.add(.refuse(.loginNeeded)) }
        rest(&turn)
    }

    private mutating func forget(_ identity: SharedIdentity, _ turn: inout Turn) {
        if held != .ended(identity) {
            ends(as: identity)
            turn.add(.forget(identity))
        }
        note.weight = .usual
        if wish.isRefresh { refuse(.loginNeeded, &turn) }
        rest(&turn)
    }

    // MARK: Sharing

    private mutating func heal(_ turn: inout Turn) {
        phase = .sharing(Sharing(cause: owedCause, since: turn.now, use: .begun))
        share(&turn)
    }

    /// Begins to share a person's login or logout, which is newer than what the engine has and than what is held.
    /// Returns true if it has begun.
    private mutating func enrols(_ turn: inout Turn) -> Bool {
        let new: (id: SharedID, login: SharedID, isLogin: Bool)
        switch wish {
        case .nothing, .refresh, .join: return false
        case .login(let id, let login): new = (id, login, true)
        case .logout(let id, let login): new = (id, login, false)
        }
        wish = .nothing
        guard let identity = SharedIdentity.login(new.login, new.id, after: lastEra) else {
            refuse(.exhausted, &turn)
            return false
        }
        if new.isLogin {
            phase = .saving(identity, .person)
            turn.add(.save(identity))
        } else {
            ends(as: identity)
            note.weight = .wish
            phase = .sharing(Sharing(cause: .person, since: turn.now, use: .pending))
            share(&turn)
        }
        return true
    }

    /// Makes this machine's session the shared one, because the engine has none. Returns true if it has begun.
    private mutating func joins(_ turn: inout Turn) -> Bool {
        guard case .join(let id, let login) = wish,
            let identity = SharedIdentity.login(login, id, after: 0)
        else { return false }
        wish = .nothing
        phase = .saving(identity, .joining)
        turn.add(.save(identity))
        return true
    }

    /// The facts that the engine should have for what is held; nil if nothing is. They include the claim of another
    /// machine that may still be refreshing, because not every machine has read it.
    private var heldFacts: SharedFacts? {
        switch held {
        case .nothing: nil
        case .ended(let identity): SharedFacts(identity, .none)
        case .tokens(let identity):
            SharedFacts(identity, activeRival(on: identity).map { .busy($0.claim) } ?? .ready)
        }
    }

    /// Writes what is held to the engine, unless something newer has replaced it there.
    mutating func share(_ turn: inout Turn) {
        guard case .sharing(let sharing) = phase else { return }
        switch call {
        // A beat in flight may still be written after it.
        case .get, .swap: return
        case .none, .pausing: break
        }
        guard let facts = heldFacts else {
            phase = .reading
            decide(&turn)
            return
        }
        switch sight {
        case .unknown: get(&turn)
        case .absent: if writesAgain(&turn) { swap(facts, &turn) }
        case .unreadable(let obstacle):
            if sharing.cause == .joining, obstacle == .otherCustomer {
                disown(&turn)
            } else if obstacle == .otherCustomer, case .ended(let identity) = held {
                // A logout here does not end another customer's session.
                note.weight = .usual
                if sharing.use == .pending { turn.add(.forget(identity)) }
            } else {
                begin(sharing, &turn)
            }
            turn.add(.say(.unreadable(obstacle)))
            if wish.isForOthers { refuse(.unreadable(obstacle), &turn) }
            rest(&turn)
        case .record(let view):
            switch comparison(with: view) {
            case .same: shared(sharing, &turn)
            case .behind: if writesAgain(&turn) { swap(facts, &turn) }
            case .isToGiveWay where sharing.use == .pending && sharing.cause == .person: insist(&turn)
            case .isToGiveWay where renews(&turn): break
            case .isToGiveWay, .stands:
                turn.add(.say(.drops(facts.identity)))
                if sharing.cause == .joining { disown(&turn) }
                phase = .reading
                decide(&turn)
            }
        }
    }

    /// Another machine joined first: what this machine holds stays its own, as before.
    private mutating func disown(_ turn: inout Turn) {
        guard case .tokens(let identity) = held else { return }
        (held, note) = (.nothing, .init())
        turn.add(.disown(identity))
    }

    /// Another person logged in or out at the same time. The person at this machine is still waiting, so that theirs
    /// counts as later.
    private mutating func insist(_ turn: inout Turn) {
        switch (wish, held) {
        // The person has done something else meanwhile.
        case (.login, _), (.logout, _), (_, .nothing): break
        case (_, .tokens(let identity)): wish = .login(id: identity.id, login: identity.login)
        case (_, .ended(let identity)): wish = .logout(id: identity.id, login: identity.login)
        }
        phase = .reading
        decide(&turn)
    }

    private mutating func shared(_ sharing: Sharing, _ turn: inout Turn) {
        note.weight = .usual
        begin(sharing, isShared: true, &turn)
        if sharing.cause == .healing, let identity = held.identity { turn.add(.say(.putsBack(identity))) }
        phase = .reading
        decide(&turn)
    }

    /// Makes what is held current on this machine, unless it already is.
    mutating func begin(_ sharing: Sharing, isShared: Bool = false, _ turn: inout Turn) {
        if isShared, let identity = held.identity { turn.add(.say(.shared(identity))) }
        // The news comes first, because whoever waits for this change ends with it.
        if !isShared, sharing.use != .alone { turn.add(.say(.notShared)) }
        var begun = sharing
        begun.use = isShared ? .begun : .alone
        phase = .sharing(begun)
        guard sharing.use == .pending else { return }
        switch held {
        case .nothing: break
        case .tokens(let identity): turn.add(.use(identity))
        case .ended(let identity): turn.add(.forget(identity))
        }
    }
}
