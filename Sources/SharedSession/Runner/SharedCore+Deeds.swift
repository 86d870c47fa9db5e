import Credentials
import Platform

/// Feeds events to the protocol's machine, and turns its actions into effects.
extension SharedCore {
    mutating func handle(_ event: SharedState.Event, _ now: Int64) -> [Effect] {
        let actions = machine.handle(event, at: now, randomness: .system)
        var effects: [Effect] = []
        for action in actions { effects += obey(action, now) }
        effects += endDenial() + knowsShared(now)
        observations.see(machine.seen?.facts, now)
        return effects
    }

    /// Records that the issuer asked another machine for a pause a moment ago, and keeps to it.
    mutating func adoptPause(_ reading: SharedReading, _ now: Int64) -> [Effect] {
        guard case .close = touch, case .record(let view) = reading, let seen = machine.seen,
            view.version != seen.version, view.facts.state == .ready, machine.held == .tokens(view.facts.identity),
            let session = values[view.version]?.session,
            session.ended.last != values[seen.version]?.session?.ended.last,
            let seconds = session.retryAfter, seconds > 0
        else { return [] }
        issuerPause = (view.facts.identity, now.adding(saturating: Int64(seconds) * 1_000_000_000))
        return handle(.issuerPauses(seconds: seconds), now)
    }

    /// For how many seconds the held tokens must not be refreshed; nil if they may be.
    func pauseLeft(_ now: Int64) -> Int? {
        guard let issuerPause, machine.held == .tokens(issuerPause.of), issuerPause.until > now else { return nil }
        return Int(issuerPause.until.subtracting(saturating: now) / 1_000_000_000) + 1
    }

    /// What is known about the last refresh of the held tokens. The next sender needs it.
    private var doubt: SharedDoubt {
        if let lost = machine.seen.flatMap({ values[$0.version]?.session?.record.unanswered }) {
            return .unanswered(lost)
        }
        return machine.mayHaveSent.map { .takenOver(from: $0) } ?? .none
    }

    /// The engine has what was only known here: reports that it is shared after all.
    mutating func knowsShared(_ now: Int64) -> [Effect] {
        guard observations.isNotShared, let identity = machine.held.identity,
            machine.seen?.facts.identity == identity
        else { return [] }
        return tell(observations.said(.shared(identity), nil, now)) + markShared(identity, wasKnown: false)
    }

    /// The file says no longer that the others do not know, if it does: a person's deed is saved so before it is shared.
    private mutating func markShared(_ identity: SharedIdentity, wasKnown: Bool) -> [Effect] {
        guard !wasKnown || local.isNotShared && holding.identity == identity else { return [] }
        return [deed(.markShared(identity, .shared))]
    }

    /// Ends a refusal once the engine no longer says so. Whoever restores an old record, or edits one word of it, ends
    /// no session.
    mutating func endDenial() -> [Effect] {
        guard let facts = machine.seen?.facts else { return [] }
        switch (denial, facts.state) {
        case (.none, _): return []
        case (.said(let identity), _) where facts.identity != identity,
            (.seen(let identity), _) where facts.identity != identity:
            denial = .none
            return []
        case (.said(let identity), .refused):
            denial = .seen(identity)
            return []
        case (.seen(let identity), .ready), (.seen(let identity), .busy):
            denial = .none
            return [deed(.allow(identity))]
        case (.said, _), (.seen, _): return []
        }
    }

    /// Ends the handling of each event: forgets values without use, and begins the change that was waiting.
    mutating func settled(_ done: [Effect], _ now: Int64) -> [Effect] {
        var effects = done
        values.forget(allBut: machine.versions)
        if machine.isIdle { conflicts = 0 }
        guard outstanding == 0 else { return effects }
        effects += adoptFile(now)
        guard outstanding == 0 else { return effects }
        if case .waiting(let wish, let held) = change {
            if wish.needsStep, local.held != held {
                // The tokens to change were replaced before the change could begin. Going on would spend a dead token.
                effects += end(.settled)
            } else if isInStep || !wish.needsStep {
                effects += begin(wish, now)
            }
        }
        // The change is over, whatever its outcome: nothing is in progress that could end it later.
        if case .under = change, isOver, outstanding == 0 { effects += end(.settled) }
        return effects
    }

    /// Whether the change can produce nothing more.
    private var isOver: Bool {
        // What is held waits for the engine, so that there is nothing else to look at.
        if case .under(.look) = change, machine.isPausing { return true }
        return machine.isIdle
    }

    /// Whether these tokens were written a moment ago: the watch was connected and had reported others before. Tokens
    /// that became readable only now, or were put back, are as old as their record says.
    func isNews(_ identity: SharedIdentity) -> Bool {
        guard case .close(let last) = touch else { return false }
        return last != identity
    }

    /// Whether the machine and the session file agree on the held tokens.
    var isInStep: Bool { machine.held.identity == holding.identity }

    /// Whether the file now says that a login or logout by another process of this machine could not be shared, while
    /// the engine has another login.
    private var learnsOfAWish: Bool {
        guard machine.note.weight == .usual, let login = machine.held.identity?.login, outstanding == 0,
            machine.seen?.facts.identity.login != login
        else { return false }
        return local.sharedNote(in: values.place).weight == .wish
    }

    /// Reports that a login or logout elsewhere is later than the one that waits here, by the times in both records.
    mutating func reportLaterDeed(_ reading: SharedReading, _ now: Int64) -> [Effect] {
        guard machine.note.weight == .wish, case .record(let view) = reading,
            view.facts.identity.login != machine.held.identity?.login, isInStep,
            let mine = holding.isTokens ? local.signedInAt : local.waitsSince,
            let theirs = values[view.version]?.session?.record.signedInAt, theirs > mine
        else { return [] }
        return handle(.overtaken, now)
    }

    var holding: SharedHolding {
        switch local.localHolding(in: values.place) {
        case .shared(let holding): holding
        case .own, .elsewhere: .nothing
        }
    }

    /// Adopts a change that another process of this machine, or a person, may have made to the file.
    mutating func adoptFile(_ now: Int64) -> [Effect] {
        guard !isInStep || learnsOfAWish, machine.heedsFile else { return [] }
        if case .under = change { return [] }
        if !isInStep { observations.hasNothingOfItsOwn() }
        let effects = handle(.fileChanged(holding, local.sharedNote(in: values.place)), now)
        guard isKept, hasOwn, outstanding == 0, case .begun = life else { return effects }
        return effects + handle(.joins, now)
    }

    mutating func begin(_ wish: SharedWish, _ now: Int64) -> [Effect] {
        switch wish {
        case .refresh where hasOwn:
            change = .under(.join)
            return handle(.joins, now)
        case .refresh:
            if let seconds = pauseLeft(now) { return end(.failed(.postponed(seconds: seconds))) }
            change = .under(.refresh)
            retryAfter = nil
            return handle(.refreshWanted, now)
        case .login:
            change = .under(.login)
            return handle(.loggedIn, now)
        case .logout:
            change = .under(.logout)
            return handle(.loggedOut, now)
        case .look:
            change = .under(.look)
            return handle(hasOwn ? .joins : .started, now)
        }
    }

    mutating func end(_ ending: SharedEnding) -> [Effect] {
        if case .none = change { return [] }
        change = .none
        return [.put(.end(ending))]
    }

    /// Ends a refresh in progress, because another machine's session replaces the tokens. A person's login or logout
    /// continues, because it is later.
    mutating func superseded() -> [Effect] {
        switch change {
        case .waiting(.login, _), .waiting(.logout, _), .under(.login), .under(.logout), .none: []
        case .waiting(.refresh, _), .waiting(.look, _), .under(.refresh), .under(.join), .under(.look): end(.settled)
        }
    }

    mutating func deed(_ deed: SharedDeed) -> Effect {
        outstanding += 1
        return .put(.deed(deed))
    }

    mutating func obey(_ action: SharedState.Action, _ now: Int64) -> [Effect] {
        switch action {
        case .get: return [.get]
        case .swap(let expecting, let new): return swap(expecting, new, now)
        case .prepare: return step(.prepare) ?? handle(.prepared(false), now)
        case .send: return step(.send(after: doubt)) ?? handle(.answered(.nothing), now)
        case .save(let identity): return save(identity)
        case .adopt(let view):
            guard let session = values[view.version]?.session else { return [] }
            observations.adopts(now)
            observations.hasNothingOfItsOwn()
            let identity = view.facts.identity
            let age = session.age(isNews: isNews(identity))
            let refusal = view.facts.state == .refused ? lastRefusal : nil
            return [deed(.adopt(session.record, identity, refusal, age: age))] + superseded()
        case .use: return end(.done)
        case .forget(let identity):
            if case .under(.logout) = change {
                // In one write: this machine may die before another.
                let mark = observations.isNotShared ? waiting : .shared
                return (step(.forget(identity, mark)) ?? []) + end(.done)
            }
            // This machine's own logout, which has a later era now.
            if holding.isEnded, holding.identity?.id == identity.id {
                let isKnown = machine.seen?.facts.identity == identity
                return [deed(.renumber(identity))] + (isKnown ? [deed(.markShared(identity, .shared))] : [])
            }
            observations.hasNothingOfItsOwn()
            return [deed(.forget(identity))] + superseded()
        case .refuse(let refusal):
            if refusal == .loginNeeded, case .tokens(let identity) = machine.held { denial = .said(identity) }
            if case .under = change {
                let problem = values.problem ?? observations.problem
                return end(.failed(SharedFailure(refusal, problem, observations.isReadOnly, lastRefusal)))
            }
            guard refusal == .loginNeeded, case .tokens(let identity) = machine.held else { return [] }
            return [deed(.deny(identity, lastRefusal))]
        case .disown(let identity):
            observations.hasNothingOfItsOwn()
            return [deed(.disown(identity))]
        case .say(let notice):
            return say(notice, now)
        }
    }

    mutating func say(_ notice: SharedState.Notice, _ now: Int64) -> [Effect] {
        let wasShared = !observations.isNotShared
        switch (notice, machine.held) {
        case (.notShared, .ended(let identity)):
            let effects = tell(observations.saidOfLogout(values.problem, now))
            // The command that logs out has not forgotten the token yet.
            if case .under(.logout) = change { return effects }
            return wasShared ? effects + [deed(.markShared(identity, waiting))] : effects
        case (.notShared, .tokens(let identity)):
            let effects = tell(observations.said(notice, values.problem, now))
            return wasShared ? effects + [deed(.markShared(identity, waiting))] : effects
        case (.shared(let identity), _):
            let effects = tell(observations.said(notice, values.problem, now))
            return effects + markShared(identity, wasKnown: wasShared)
        default: return tell(observations.said(notice, values.problem, now))
        }
    }

    private var waiting: SharedMark { machine.note.weight == .wish ? .wishWaits : .resultWaits }

    func tell(_ news: SharedNews?) -> [Effect] { news.map { [.tell($0)] } ?? [] }

    /// What is known about the API's refusal of the engine's tokens.
    private var lastRefusal: SharedRefusal {
        SharedRefusal(silent: machine.seen?.facts.silent ?? [])
    }

    // MARK: Whether the engine takes what is written

    /// The engine accepts writes: it compared the value, and has written or would have.
    mutating func wrote() -> [Effect] {
        let news = observations.wrote()
        return (news == .writable ? [.engineIsBack] : []) + tell(news)
    }

    /// Asks an engine that rejected a write whether it still does, because no real write may be due for long.
    mutating func probe(_ now: Int64) -> [Effect] {
        guard let due = observations.probeAt, due <= now else { return [] }
        observations.probes(now)
        guard machine.isIdle, let view = machine.seen, let value = values[view.version]?.value else { return [] }
        return [.probe(value)]
    }

    mutating func probed(_ outcome: SwapOutcome, now: Int64) -> [Effect] {
        guard observations.isReadOnly else { return [] }
        switch outcome {
        case .written, .conflict: return wrote()
        case .failed(let failure) where failure.kind != .stopped: return tell(observations.refusedWrite(failure, now))
        case .failed, .unclear: return []
        }
    }

    /// Nil if no change is in progress that could perform the step.
    func step(_ step: SharedStep) -> [Effect]? {
        guard case .under = change else { return nil }
        return [.put(.step(step))]
    }

    mutating func save(_ identity: SharedIdentity) -> [Effect] {
        if machine.isRenewing { return [deed(.renumber(identity))] }
        switch change {
        case .under(.refresh), .under(.login):
            let there = machine.seen.flatMap { values[$0.version]?.session?.record }
            let isOther = machine.seen.map { $0.facts.identity != machine.held.identity } ?? false
            return [.put(.step(.save(identity, over: isOther ? there : nil)))]
        case .none, .waiting, .under(.join), .under(.logout), .under(.look):
            if machine.isJoining { joining = local }
            return [deed(.enrol(identity))]
        }
    }

    mutating func swap(_ expecting: SharedView?, _ new: SharedFacts, _ now: Int64) -> [Effect] {
        let record: SharedRecord
        let session: SealedSession?
        do throws(SharedValues.Unwritable) {
            (record, session) = try values.record(
                new,
                expecting: expecting,
                own: local,
                wall: wall,
                retryAfter: retryAfter
            )
        } catch {
            let failure = SharedStoreFailure(.configuration, error.words)
            guard error != .notHere else {
                observations.note(failure)
                return handle(.swapped(.failed), now)
            }
            let news = tell(observations.refusedWrite(failure, isOurs: true, now))
            return news + handle(.swapped(.failed), now)
        }
        let bytes = record.bytes
        let value = StoredValue(bytes: bytes, revision: StoreRevision(""))
        writing = SharedValues.Known(value: value, record: record, session: session)
        let pause = Self.pause(afterConflicts: conflicts)
        return [.swap(expecting: expecting.flatMap { values[$0.version]?.value }, bytes: bytes, after: pause)]
    }

    /// How many conflicts in a row cost no pause. When many machines write at once, one wins and the others soon notice.
    static let freeConflicts = 7

    /// The pause before the next swap, in nanoseconds. An engine that reports a conflict for ever, or gives no answer to
    /// a write, must not be asked without one.
    static func pause(afterConflicts count: Int) -> Int64 {
        guard count > freeConflicts else { return 0 }
        return Duration.milliseconds(10 << min(count - freeConflicts - 1, 7)).wholeNanoseconds
    }
}

extension SharedWish {
    /// Whether it applies only to the tokens that the session held when it was asked for.
    var needsStep: Bool {
        switch self {
        case .refresh, .look: true
        case .login, .logout: false
        }
    }
}
