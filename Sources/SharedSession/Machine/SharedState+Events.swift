import Credentials
import Platform

extension SharedState {
    /// The handling of one event: its time, its source of randomness, and the resulting actions.
    struct Turn {
        let now: Int64
        let randomness: SharedRandomness
        var actions: [Action] = []

        mutating func add(_ action: Action) { actions.append(action) }
    }

    /// Handles an event, and returns the actions in the order in which to perform them. `now` must be read when the
    /// event is handled, not when it was queued: the process may have been suspended in between.
    public mutating func handle(_ event: Event, at now: Int64, randomness: SharedRandomness) -> [Action] {
        var turn = Turn(now: now, randomness: randomness)
        switch event {
        case .started: look(&turn)
        case .refreshWanted: wants(.refresh(since: turn.now), &turn)
        case .loggedIn: wants(.login(id: randomness.id(), login: randomness.id()), &turn)
        case .loggedOut: wants(.logout(id: randomness.id(), login: randomness.id()), &turn)
        case .joins: wants(.join(id: randomness.id(), login: randomness.id()), &turn)
        case .fileChanged(let holding, let note): fileChanged(holding, note, &turn)
        case .overtaken: overtaken()
        case .issuerPauses(let seconds): issuerPauses(seconds, &turn)
        case .read(let reading): read(reading, &turn)
        case .swapped(let swapped): self.swapped(swapped, &turn)
        case .watched(let reading): watched(reading, &turn)
        case .connected: connected(&turn)
        case .disconnected: disconnected()
        case .prepared(let isReady): prepared(isReady, &turn)
        case .answered(let answer): answered(answer, &turn)
        case .saved(let saved): self.saved(saved, &turn)
        case .time: time(&turn)
        }
        handleReport(&turn)
        return turn.actions
    }

    // MARK: From this machine

    private mutating func wants(_ new: Wish, _ turn: inout Turn) {
        switch (wish, new) {
        case (.login, .refresh), (.logout, .refresh), (.login, .join), (.logout, .join): break
        default: wish = new
        }
        switch phase {
        case .idle: look(&turn)
        case .reading where isPausing && wish.isRefresh, .closing where isPausing && wish.isRefresh: get(&turn)
        // A person's login or logout must not wait for an engine that may not answer for long.
        case .reading where isPausing && !wish.isRefresh, .sharing where isPausing && !wish.isRefresh,
            .closing where isPausing && !wish.isRefresh:
            phase = .reading
            decide(&turn)
        case .sharing(let sharing) where sharing.use != .pending && isPausing && wish.isRefresh:
            // The engine does not answer, and the other machines do not know what is held.
            refuse(withoutEngine, &turn)
        default: break
        }
    }

    /// Whether `fileChanged` takes effect now. It does not while this machine itself changes the file, because it holds
    /// the file's lock then.
    public var heedsFile: Bool {
        switch phase {
        case .idle, .reading: true
        // What is held waits for the engine, and is already in use.
        case .sharing(let sharing): sharing.use != .pending && isPausing
        case .closing: isPausing
        case .claiming, .checking, .preparing, .sending, .saving: false
        }
    }

    private mutating func fileChanged(_ holding: SharedHolding, _ new: SharedHolding.Note, _ turn: inout Turn) {
        guard heedsFile else {
            turn.add(.say(.ignored(.fileChanged(holding, new))))
            return
        }
        if holding.identity?.id != held.identity?.id, wish.isRefresh { wish = .nothing }
        (held, note) = (holding, new)
        switch (phase, sight) {
        case (.idle, .record), (.idle, .absent), (.sharing, _):
            phase = .reading
            // The process that changed the file is about to share the change itself.
            if call != .get { pause(timing.retry.lowerBound, &turn) }
        default: break
        }
    }

    private mutating func issuerPauses(_ seconds: Int, _ turn: inout Turn) {
        switch phase {
        case .idle, .reading:
            guard wish.isRefresh else { return }
            refuse(.issuerPauses(seconds: seconds), &turn)
            rest(&turn)
        // Whether the claim is written is not known yet, but nobody waits for it any more.
        case .claiming: if wish.isRefresh { refuse(.issuerPauses(seconds: seconds), &turn) }
        // A change in progress continues.
        case .checking, .preparing, .sending, .saving, .sharing, .closing: break
        }
    }

    private mutating func prepared(_ isReady: Bool, _ turn: inout Turn) {
        guard case .preparing(let claiming) = phase else {
            turn.add(.say(.ignored(.prepared(isReady))))
            return
        }
        guard isReady else {
            refuse(.noRoom, &turn)
            close(claiming.claim.id, .released, &turn)
            return
        }
        guard mayGoOn(claiming, &turn), isAlone(claiming, &turn) else { return }
        let hold = Hold.ours(at: claiming.since, next: turn.now.adding(saturating: timing.beat))
        phase = .sending(Sending(claim: claiming.claim, attempt: .first, hold: hold))
        turn.add(.send)
    }

    private mutating func answered(_ answer: Answer, _ turn: inout Turn) {
        guard case .sending(let sending) = phase else {
            turn.add(.say(.ignored(.answered(answer))))
            return
        }
        switch answer {
        case .tokens:
            // `decide` allows a claim only if the counter has room for a successor.
            guard case .tokens(let parent) = held, let child = parent.child(turn.randomness.id()) else {
                refuse(.exhausted, &turn)
                close(sending.claim.id, .released, &turn)
                return
            }
            phase = .saving(child, .result)
            turn.add(.save(child))
        case .refused: close(sending.claim.id, .refused, &turn)
        case .lost where sending.attempt == .first && timing.retriesLost && holds(sending.hold, turn.now):
            phase = .sending(Sending(claim: sending.claim, attempt: .second, hold: sending.hold))
            turn.add(.send)
        case .lost, .nothing:
            refuse(.unanswered, &turn)
            close(sending.claim.id, .released, &turn)
        }
    }

    /// Whether the others take this machine for alive.
    func holds(_ hold: Hold, _ now: Int64) -> Bool {
        guard case .ours(let at, _) = hold else { return false }
        return now.subtracting(saturating: at) <= timing.beat.multiplied(saturating: 2)
    }

    private mutating func saved(_ saved: Saved, _ turn: inout Turn) {
        guard case .saving(let identity, let cause) = phase else {
            turn.add(.say(.ignored(.saved(saved))))
            return
        }
        switch saved {
        case .inFile: break
        case .inMemory: turn.add(.say(.notSaved))
        case .nothing:
            look(&turn)
            return
        case .noRoom:
            refuse(.noRoom, &turn)
            rest(&turn)
            // A file that is locked does not undo what a person did.
            if cause == .renewal, call == .none {
                phase = .reading
                pause(timing.retry.upperBound, &turn)
            }
            return
        }
        held = .tokens(identity)
        note = SharedHolding.Note(cause.isOfAPerson ? .wish : .usual)
        if cause == .result, wish.isRefresh { wish = .nothing }
        // Renewed tokens are already in use.
        phase = .sharing(Sharing(cause: cause, since: turn.now, use: cause == .renewal ? .alone : .pending))
        share(&turn)
    }

    // MARK: From the engine

    private mutating func read(_ reading: SharedReading?, _ turn: inout Turn) {
        guard call == .get else {
            turn.add(.say(.ignored(.read(reading))))
            return
        }
        call = .none
        guard let reading else {
            unreachable(&turn)
            return
        }
        // The answer may be older than what the watch has reported since, so that nothing is written because of it.
        // Tokens newer than the held ones are adopted even so, because the engine may lose them before the next read.
        if case .unread(let newer) = pendingReport, newer != reading, !isNews(reading) {
            noteRival(reading, turn.now)
            get(&turn)
            return
        }
        note(reading, turn.now)
        callSucceeded()
        proceed(&turn)
    }

    private mutating func swapped(_ swapped: Swapped, _ turn: inout Turn) {
        guard case .swap(let new) = call else {
            turn.add(.say(.ignored(.swapped(swapped))))
            return
        }
        call = .none
        unclearSince = swapped == .unclear ? unclearSince ?? turn.now : nil
        switch swapped {
        case .written(let version):
            note(.record(SharedView(new, version: version)), turn.now)
            beaten(new.claim?.id)
            callSucceeded()
            proceed(&turn)
        case .conflict(let reading):
            note(reading, turn.now)
            callSucceeded()
            proceed(&turn)
        case .unclear:
            switch phase {
            case .claiming(let claiming):
                phase = .checking(claiming)
                get(&turn)
            // During a refresh, the claim may have to be written again.
            case .sharing, .closing, .sending: get(&turn)
            default: break
            }
        case .failed: unreachable(&turn)
        }
    }

    /// A beat was written. The engine had the claim when the beat was sent; the answer itself may arrive much
    /// later.
    private mutating func beaten(_ claim: SharedID?) {
        guard case .sending(var sending) = phase, sending.claim.id == claim, case .ours(_, let next) = sending.hold
        else { return }
        sending.hold = .ours(at: next.subtracting(saturating: timing.beat), next: next)
        phase = .sending(sending)
    }

    /// The watch's report may be outdated. Tokens newer than the held ones are adopted, but before anything is written
    /// because of the report, the engine is read again.
    private mutating func watched(_ reading: SharedReading, _ turn: inout Turn) {
        noteRival(reading, turn.now)
        if isOccupied {
            pendingReport = .unread(reading)
            keepNewest(reading)
        }
        switch phase {
        case .idle, .reading:
            if case .record(let view) = reading, isNews(view) {
                note(reading, turn.now)
                phase = .reading
                decide(&turn)
                return
            }
            // This process's own claim, which it has given up: it was written late, or the engine went back to it.
            let isLeft = reading.claim?.by == me
            if phase == .idle, case .record(let view) = reading, view.facts.identity == held.identity, !isLeft {
                let was = sight.view?.facts.state
                note(reading, turn.now)
                if view.facts.state == .refused, was != .refused { turn.add(.refuse(.loginNeeded)) }
                return
            }
            if phase == .reading, case .record(let view) = reading, view.facts.claim != nil, !isLeft,
                view.facts.identity == held.identity
            {
                // The machine that this one waits for is alive, or another has taken over.
                note(reading, turn.now)
                return
            }
            if call != .get { look(&turn) }
        case .sharing, .closing:
            if isPausing { get(&turn) }
        // A change in progress continues; `handleReport` returns to the report afterwards.
        case .claiming, .checking, .preparing, .sending, .saving: break
        }
    }

    /// Keeps the newest record that is newer than what is held: the engine may have lost it when this machine can look.
    private mutating func keepNewest(_ reading: SharedReading) {
        guard case .record(let view) = reading, isNews(view) else { return }
        if let newestReport, isNews(newestReport), !newestReport.facts.identity.precedes(view.facts.identity) { return }
        newestReport = view
    }

    /// Whether the current call or phase would discard the watch's report.
    private var isOccupied: Bool {
        switch (call, phase) {
        case (.get, _), (.swap, _), (_, .preparing), (_, .sending), (_, .saving): true
        case (.none, _), (.pausing, _): false
        }
    }

    /// Returns to a postponed report of the watch, unless a later call has brought something at least as new.
    private mutating func handleReport(_ turn: inout Turn) {
        guard case .unread(let reading) = pendingReport, !isOccupied || mustKeepClaim else { return }
        if sight.reading == reading {
            pendingReport = .none
            return
        }
        if mustKeepClaim {
            // The report does not contain this machine's claim.
            if reading.claim?.id != claim?.id { get(&turn) }
            return
        }
        if phase == .idle { phase = .reading }
        get(&turn)
    }

    /// The call has told what the engine has. If it began after the postponed report, that is done with.
    private mutating func callSucceeded() {
        knownAt = calledAt
        if case .asked = pendingReport { pendingReport = .none }
    }

    /// The newest report, if it is newer than what is held, and the engine has lost it since.
    var lostReport: SharedView? {
        guard let newestReport, isNews(newestReport) else { return nil }
        guard let there = sight.view?.facts.identity else { return sight == .absent ? newestReport : nil }
        return there.precedes(newestReport.facts.identity) ? newestReport : nil
    }

    /// A call begins.
    mutating func callBegins(_ now: Int64) {
        calledAt = now
        if case .unread(let reading) = pendingReport { pendingReport = .asked(reading) }
    }

    private func isNews(_ reading: SharedReading) -> Bool {
        guard case .record(let view) = reading else { return false }
        return isNews(view)
    }

    private func isNews(_ view: SharedView) -> Bool {
        guard let identity = held.identity else { return view.facts.state != .none }
        return identity.precedes(view.facts.identity)
    }

    private mutating func connected(_ turn: inout Turn) {
        link = .connected
        rivalClaim?.silentSince = turn.now
        if phase == .idle, ownClaim != nil {
            look(&turn)
        } else if isPausing || mustKeepClaim {
            get(&turn)
        }
    }

    private mutating func disconnected() {
        link = .lost
        rivalClaim?.silentSince = nil
    }

    private mutating func time(_ turn: inout Turn) {
        if case .pausing(let until) = call, turn.now >= until { get(&turn) }
        switch phase {
        case .sending(var sending):
            guard let next = sending.hold.next, turn.now >= next, call == .none else { return }
            let due = turn.now.adding(saturating: timing.beat)
            guard let view = sight.view, view.facts.claim?.id == sending.claim.id else {
                sending.hold = .regained(next: due)
                keepClaim(sending, &turn)
                return
            }
            if case .ours(let at, _) = sending.hold {
                sending.hold = .ours(at: at, next: due)
            } else {
                sending.hold = .regained(next: due)
            }
            sending.claim = sending.claim.next(after: view.facts.claim)
            phase = .sending(sending)
            swap(view.facts.with(.busy(sending.claim)), &turn)
        case .sharing(let sharing):
            guard sharing.use == .pending, turn.now >= sharing.since.adding(saturating: timing.patience) else { return }
            begin(sharing, &turn)
        default: break
        }
    }
}
