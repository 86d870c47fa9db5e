import Credentials
import Platform

/// Steps that several events and decisions share.
extension SharedState {
    var isPausing: Bool {
        guard case .pausing = call else { return false }
        return true
    }

    /// Becomes idle. If the watch has reported something that no later answer has confirmed, schedules a read instead,
    /// because the watch does not repeat its report.
    mutating func rest(_ turn: inout Turn) {
        phase = .idle
        unclearSince = nil
        if isPausing { call = .none }
        guard case .asked(let reading) = pendingReport, call == .none else { return }
        phase = .reading
        // The others wait for a claim until its end is written.
        pause(reading.claim?.by == me ? timing.beat : timing.retry.upperBound, &turn)
    }

    /// Reads the engine, then decides.
    mutating func look(_ turn: inout Turn) {
        phase = .reading
        get(&turn)
    }

    mutating func get(_ turn: inout Turn) {
        switch call {
        // The answer to that call will do.
        case .get, .swap: return
        case .none, .pausing: break
        }
        call = .get
        callBegins(turn.now)
        turn.add(.get)
    }

    /// Writes to the engine, with every process that may have sent a refresh of the tokens, and every claim on them whose
    /// end is known: nothing else is written.
    mutating func swap(_ facts: SharedFacts, _ turn: inout Turn) {
        var new = facts
        new.silent = silentOnes(facts)
        new.ended = held == .tokens(facts.identity) ? ended : seenFacts(of: facts.identity)?.ended ?? []
        new.ended.ends(facts.ended)
        call = .swap(new)
        callBegins(turn.now)
        turn.add(.swap(expecting: sight.view, new: new))
    }

    /// The processes that a record of these tokens must name as silent. A record that contains the claim of the other
    /// machine, which is not silent yet, says enough of that one.
    private func silentOnes(_ facts: SharedFacts) -> [ProcessName] {
        let identity = facts.identity
        guard held == .tokens(identity) else { return seenFacts(of: identity)?.silent ?? [] }
        var names = silent
        if activeRival(on: identity) == nil, let rival = rivalClaim(on: identity) {
            names.fellSilent([rival.claim.by])
        }
        return names
    }

    private func seenFacts(of identity: SharedIdentity) -> SharedFacts? {
        sight.view.flatMap { $0.facts.identity == identity ? $0.facts : nil }
    }

    /// Whether to write at once what the engine has not got. If it can be read, and has not said for long of any write
    /// whether it was done, it is like one that cannot be reached: returns false, and continues with that.
    mutating func writesAgain(_ turn: inout Turn) -> Bool {
        guard let since = unclearSince, turn.now.subtracting(saturating: since) >= timing.patience else { return true }
        unclearSince = nil
        turn.add(.say(.noWriteAnswered))
        unreachable(&turn)
        return false
    }

    mutating func pause(_ time: Int64, _ turn: inout Turn) {
        call = .pausing(until: turn.now.adding(saturating: time))
    }

    /// Answers those who wait for a refresh.
    mutating func refuse(_ refusal: Refusal, _ turn: inout Turn) {
        if wish.isRefresh { wish = .nothing }
        turn.add(.refuse(refusal))
    }

    /// Records the engine's value.
    mutating func note(_ reading: SharedReading, _ now: Int64) {
        switch reading {
        case .absent: sight = .absent
        case .unreadable(let obstacle): sight = .unreadable(obstacle)
        case .record(let view):
            sight = .record(view)
            judge(view.facts)
        }
        noteRival(reading, now)
    }

    /// Records which other machine may be refreshing, and since when it has been silent; and those that fell silent
    /// before.
    mutating func noteRival(_ reading: SharedReading, _ now: Int64) {
        // A lost record does not end the claim that it contained.
        guard case .record(let view) = reading else { return }
        let facts = view.facts
        if facts.identity == held.identity {
            silent.fellSilent(facts.silent)
            ended.ends(facts.ended)
        }
        if let former = rivalClaim, facts.ended.contains(former.claim.id) { rivalClaim = nil }
        if let claim = facts.claim {
            // This machine's own claim, or one that is already known to have ended.
            guard claim.by != me, !ended.contains(claim.id), sight.view?.facts.ended.contains(claim.id) != true else {
                return
            }
            // An engine that went back to earlier tokens does not know who refreshes the later ones.
            if let former = rivalClaim, facts.identity.precedes(former.identity) { return }
            let since = rivalClaim?.claim == claim ? rivalClaim?.silentSince : now
            let silentSince = link == .connected ? since : nil
            rivalClaim = RivalClaim(identity: facts.identity, claim: claim, silentSince: silentSince)
        } else if let former = rivalClaim, !facts.identity.precedes(former.identity) {
            // What is ready without the claim and its end was lost by the engine, which has told of neither.
            if facts.identity != former.identity || facts.state != .ready { rivalClaim = nil }
        }
    }
}
