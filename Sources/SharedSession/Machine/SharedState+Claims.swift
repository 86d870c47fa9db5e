import Credentials
import Platform

/// This machine's claim, and those of others.
extension SharedState {
    /// The other machine that may be refreshing that token set, as far as is known.
    func rivalClaim(on identity: SharedIdentity) -> RivalClaim? {
        rivalClaim.flatMap { $0.identity == identity ? $0 : nil }
    }

    /// The same, or nil if that machine has been silent for longer than `timing.takeover`. Only a call that began after
    /// that time tells so: this process may have been suspended since an earlier one.
    func activeRival(on identity: SharedIdentity) -> RivalClaim? {
        guard let rival = rivalClaim(on: identity) else { return nil }
        guard let since = rival.silentSince else { return rival }
        return knownAt.subtracting(saturating: since) < timing.takeover ? rival : nil
    }

    /// Returns true unless the watch has reported that another machine claimed the same tokens, in a record that the
    /// engine lost before it took this machine's claim, or that it has refreshed them. In that case takes the claim
    /// back; nothing has been sent under it yet.
    mutating func isAlone(_ claiming: Claiming, _ turn: inout Turn) -> Bool {
        guard let identity = held.identity, activeRival(on: identity) != nil || isReplaced(identity) else {
            return true
        }
        close(claiming.claim.id, .released, &turn)
        return false
    }

    private func isReplaced(_ identity: SharedIdentity) -> Bool {
        guard case .unread(.record(let view)) = pendingReport else { return false }
        return identity.precedes(view.facts.identity)
    }

    /// The claim of this process that the engine has, whether or not it is pursued.
    var ownClaim: SharedClaim? {
        guard let claim = sight.view?.facts.claim, claim.by == me else { return nil }
        return claim
    }

    /// Whether to check now that the engine still has this machine's claim.
    var mustKeepClaim: Bool {
        guard case .sending(let sending) = phase, sending.hold != .lost else { return false }
        return call == .none
    }

    /// Writes the claim again if the engine has lost it. Otherwise another machine would send the same refresh.
    mutating func keepClaim(_ pursued: Sending, _ turn: inout Turn) {
        var sending = pursued
        guard sending.hold != .lost, case .tokens(let identity) = held else { return }
        let new: SharedFacts?
        switch sight {
        case .unknown: return
        case .absent: new = SharedFacts(identity, .ready)
        case .unreadable: new = nil
        case .record(let view):
            if view.facts.claim?.id == sending.claim.id { return }
            switch identity.order(view.facts.identity) {
            case .behind: new = SharedFacts(identity, .ready)
            // Another claim of this process, which it had given up, was written late.
            case .same: new = view.facts.state == .ready || ownClaim != nil ? view.facts : nil
            case .stands: new = nil
            }
            if new == nil { turn.add(.say(.takenOver)) }
        }
        guard let new else {
            sending.hold = .lost
            phase = .sending(sending)
            return
        }
        sending.hold = .regained(next: sending.hold.next ?? turn.now.adding(saturating: timing.beat))
        sending.claim = sending.claim.next(after: sending.claim)
        phase = .sending(sending)
        switch call {
        case .none, .pausing: swap(new.with(.busy(sending.claim)), &turn)
        // The answer to that call leads back here.
        case .get, .swap: break
        }
    }

    /// Whether the claim is still fresh enough to send a refresh under it. If not, gives the claim up.
    mutating func mayGoOn(_ claiming: Claiming, _ turn: inout Turn) -> Bool {
        if turn.now.subtracting(saturating: claiming.since) <= timing.claimLimit { return true }
        turn.add(.say(.tooLate))
        refuse(.unanswered, &turn)
        close(claiming.claim.id, .released, &turn)
        return false
    }

    // MARK: Closing

    mutating func close(_ claim: SharedID, _ ending: Closing.Ending, _ turn: inout Turn) {
        guard let identity = held.identity else {
            phase = .reading
            decide(&turn)
            return
        }
        let closing = Closing(claim: claim, identity: identity, ending: ending, since: turn.now)
        phase = .closing(closing)
        close(closing, &turn)
    }

    /// Takes the claim back if the engine still has it. If the engine has lost it, writes that it has ended: machines
    /// that read the claim wait for its end. If another machine has replaced it, does nothing.
    mutating func close(_ closing: Closing, _ turn: inout Turn) {
        switch call {
        case .get, .swap: return
        case .none, .pausing: break
        }
        if case .unknown = sight {
            get(&turn)
            return
        }
        guard let identity = ending(closing) else {
            phase = .reading
            decide(&turn)
            return
        }
        let state: SharedTokenState =
            switch closing.ending {
            case .refused: .refused
            case .released: activeRival(on: identity).map { .busy($0.claim) } ?? .ready
            }
        guard writesAgain(&turn) else { return }
        swap(SharedFacts(identity, state, ended: [closing.claim]), &turn)
    }

    /// The token set whose record must say that the claim has ended; nil if this machine has nothing to write.
    private func ending(_ closing: Closing) -> SharedIdentity? {
        let facts = sight.view?.facts
        if let facts, facts.claim?.id == closing.claim { return facts.identity }
        guard case .tokens(let identity) = held, identity == closing.identity, rivalClaim(on: identity) == nil else {
            return nil
        }
        guard let facts else { return sight == .absent ? identity : nil }
        return switch identity.order(facts.identity) {
        case .behind: identity
        case .same: facts.state == .ready && !facts.ended.contains(closing.claim) ? identity : nil
        case .stands: nil
        }
    }
}
