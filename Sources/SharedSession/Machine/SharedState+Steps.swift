import Credentials
import Platform

/// What events and decisions have in common.
extension SharedState {
    var isPausing: Bool {
        guard case .pausing = call else { return false }
        return true
    }

    /// Nothing is left to be done, but to read later what the watch told and no answer of the engine brought: the watch
    /// does not tell that again.
    mutating func rest(_ turn: inout Turn) {
        phase = .idle
        if isPausing { call = .none }
        guard case .asked = heard, call == .none else { return }
        phase = .reading
        pause(timing.retry.upperBound, &turn)
    }

    /// Reads, to decide by what the engine has.
    mutating func look(_ turn: inout Turn) {
        phase = .reading
        get(&turn)
    }

    mutating func get(_ turn: inout Turn) {
        switch call {
        // Its answer will do.
        case .get, .swap: return
        case .none, .pausing: break
        }
        call = .get
        isAsked()
        turn.add(.get)
    }

    mutating func swap(_ new: SharedFacts, _ turn: inout Turn) {
        call = .swap(new)
        isAsked()
        turn.add(.swap(expecting: sight.view, new: new))
    }

    mutating func pause(_ time: Int64, _ turn: inout Turn) {
        call = .pausing(until: turn.now.adding(saturating: time))
    }

    /// Those who wait for a refresh have their answer.
    mutating func refuse(_ refusal: Refusal, _ turn: inout Turn) {
        if wish.isRefresh { wish = .nothing }
        turn.add(.refuse(refusal))
    }

    /// Remembers what the engine has.
    mutating func note(_ reading: SharedReading, _ now: Int64) {
        switch reading {
        case .absent: sight = .absent
        case .unreadable(let obstacle): sight = .unreadable(obstacle)
        case .record(let view):
            sight = .record(view)
            judge(view.facts)
        }
        hear(reading, now)
    }

    /// Remembers which other machine may be at work, and since when nothing was heard of it.
    mutating func hear(_ reading: SharedReading, _ now: Int64) {
        // An engine that lost its record does not say that a claim has ended.
        guard case .record(let view) = reading else { return }
        let facts = view.facts
        if let claim = facts.claim {
            // Its own, or one whose end was heard of before this.
            guard claim.by != me, sight.view?.facts.ended != claim.id else { return }
            // An engine that went back to an earlier token set says nothing of who is at work on the later one.
            if let former = standing, facts.identity.precedes(former.identity) { return }
            let since = standing?.claim == claim ? standing?.silentSince : now
            standing = Standing(identity: facts.identity, claim: claim, silentSince: link == .connected ? since : nil)
        } else if let former = standing, !facts.identity.precedes(former.identity) {
            let isSame = facts.identity == former.identity && facts.state == .ready
            if !isSame || facts.ended == former.claim.id { standing = nil }
        }
    }
}
