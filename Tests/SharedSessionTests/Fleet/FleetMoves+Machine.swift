import Credentials

@testable import SharedSession

extension FleetMoves {
    mutating func machine(_ number: Int, _ machine: FleetMachine, _ world: FleetWorld) {
        switch machine.life {
        case .dead:
            restart(number, machine, world)
            deeds(number, machine, world)
        case .stopped:
            var machine = machine
            machine.life = .running
            add("goes on", number, with(machine, number, world))
        case .running:
            fail(number, machine, world)
            deeds(number, machine, world)
            localTask(number, machine, world)
            engine(number, machine, world)
            wakes(number, machine, world)
        }
    }

    private mutating func with(_ machine: FleetMachine, _ number: Int, _ world: FleetWorld) -> FleetWorld {
        var next = world
        next.machines[number] = machines.number(machine)
        return next
    }

    private mutating func restart(_ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        var next = world
        let me = FleetNames.process(number, old.process)
        let state = SharedState(me: me, held: old.disk, note: old.note, timing: old.state.timing)
        var machine = FleetMachine(process: old.process, state: state, disk: old.disk, note: old.note)
        tell(.connected, number, &machine, &next)
        tell(.started, number, &machine, &next)
        add("restarts", number, with(machine, number, next))
    }

    // MARK: What fails

    private mutating func fail(_ number: Int, _ machine: FleetMachine, _ world: FleetWorld) {
        var next = world
        if next.spends(.death) {
            let replies = world.messages.filter {
                if case .reply = $0.content { Int($0.machine) == number } else { false }
            }
            next.history.insert(.death)
            let hasAnswer = machine.answer != 0 || replies.contains { $0.content != .reply(nil) }
            if hasAnswer { next.history.insert(.diedWithAnswer) }
            next.messages.subtract(replies)
            // Nothing of the dead process matters any more.
            let state = SharedState(me: "gone", held: .nothing, timing: machine.state.timing)
            let dead = FleetMachine(
                life: .dead,
                process: machine.process + 1,
                isCut: false,
                state: state,
                disk: machine.disk,
                note: machine.note
            )
            add("dies", number, with(dead, number, next), isFault: true)
        }
        next = world
        if machine.state.phase != .idle, next.spends(.stop) {
            var stopped = machine
            stopped.life = .stopped
            next.history.insert(.stop)
            add("is stopped", number, with(stopped, number, next), isFault: true)
        }
        next = world
        if machine.isCut {
            var machine = machine
            machine.isCut = false
            tell(.connected, number, &machine, &next)
            add("reaches the engine again", number, with(machine, number, next))
        } else if next.spends(.cut) {
            var machine = machine
            machine.isCut = true
            next.history.insert(.cut)
            tell(.disconnected, number, &machine, &next)
            add("is cut off", number, with(machine, number, next), isFault: true)
        }
    }

    // MARK: Its own file

    private mutating func localTask(_ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        var (machine, next) = (old, world)
        machine.local = .none
        switch old.local {
        case .none: break
        case .prepare:
            // Stopped after the look at the clock: the time does not count.
            if fleet.sendsLate { machine.isLate = false }
            tell(.prepared(true), number, &machine, &next)
            add("has prepared its file", number, with(machine, number, next))
        case .save(let identity):
            // Then a login has its moment.
            if case .saving(_, .person) = old.state.phase { next.isDone(FleetNames.number(identity.id)) }
            if fleet.omission != .localCopy { save(identity, &machine) }
            next.had |= 1 << UInt32(FleetNames.number(identity.id))
            tell(.saved(.inFile), number, &machine, &next)
            add("saves the answer", number, with(machine, number, next))
            (machine, next) = (old, world)
            machine.local = .none
            if next.spends(.failedSave) {
                tell(.saved(.inMemory), number, &machine, &next)
                add("cannot save the answer", number, with(machine, number, next), isFault: true)
            }
        }
    }

    private func save(_ identity: SharedIdentity, _ machine: inout FleetMachine) {
        machine.disk = .tokens(identity)
        switch machine.state.phase {
        // What is counted anew waits as before.
        case .saving(_, .renewal): break
        case .saving(_, .person): machine.note = SharedHolding.Note(.wish)
        default: machine.note = SharedHolding.Note()
        }
    }

    // MARK: The engine

    func reading(_ world: FleetWorld) -> SharedReading { world.record.map { .record($0) } ?? .absent }

    private mutating func engine(_ number: Int, _ machine: FleetMachine, _ world: FleetWorld) {
        if machine.isCut {
            fails(number, machine, world)
            return
        }
        switch machine.engine {
        case .none: break
        case .get: reads(number, machine, world)
        case .swap(let expecting, let new): swaps(number, machine, expecting, new, world)
        case .answer(let event):
            var (machine, next) = (machine, world)
            machine.engine = .none
            tell(event, number, &machine, &next)
            add("has the engine's answer", number, with(machine, number, next))
        }
    }

    /// The engine has done what `machine` asked for, and `event` is its answer, which comes later.
    private mutating func answersLate(
        _ event: SharedState.Event,
        _ number: Int,
        _ machine: FleetMachine,
        _ world: FleetWorld
    ) {
        var (machine, next) = (machine, world)
        // All machines are alike until one of them is struck: where that happens once, it is the first.
        guard fleet.faults[.slowAnswer] != 1 || number == 0, next.spends(.slowAnswer) else { return }
        machine.engine = .answer(event)
        add("is answered late", number, with(machine, number, next), isFault: true)
    }

    private mutating func fails(_ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        let event: SharedState.Event
        switch old.engine {
        case .none: return
        case .get: event = .read(nil)
        case .swap: event = .swapped(.failed)
        case .answer(let answer): event = answer
        }
        for now in [1, Self.long] {
            if now == Self.long {
                guard case .closing = old.state.phase else { continue }
            }
            var (machine, next) = (old, world)
            machine.engine = .none
            tell(event, number, &machine, &next, now: now)
            add("does not reach the engine", number, with(machine, number, next))
        }
    }

    private mutating func reads(_ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        var (machine, next) = (old, world)
        machine.engine = .none
        tell(.read(reading(world)), number, &machine, &next)
        if mayClaim(old, machine, world) { add("reads", number, with(machine, number, next)) }
        answersLate(.read(reading(world)), number, old, world)
        // The same read, after nothing was heard of the claim for long enough.
        guard case .reading = old.state.phase, let record = world.record, let rival = old.state.rivalClaim,
            rival.identity == record.facts.identity, isSilent(rival.claim, world)
        else { return }
        // Its own, which it gave up, says nothing of the other.
        let there = record.facts.claim.flatMap { $0.by == old.state.me ? nil : $0 }
        let claim = there ?? rival.claim
        guard claim == rival.claim else { return }
        (machine, next) = (old, world)
        machine.engine = .none
        let owner = FleetNames.owner(claim.by)
        var other = machines[next.machines[owner.machine]]
        // Whatever it claimed before: the engine has had nothing else for all that time.
        if owner.machine != number, other.process == owner.process, other.state.claim != nil {
            other.isLate = true
            next.machines[owner.machine] = machines.number(other)
        }
        if world.messages.contains(where: { $0.claim == claim.id && $0.isRequest }), fleet.isSlow {
            next.history.insert(.slow)
        }
        // It began after all that time.
        machine.state.calledAt = Self.long
        tell(.read(reading(world)), number, &machine, &next, now: Self.long)
        if mayClaim(old, machine, world) { add("takes over", number, with(machine, number, next)) }
    }

    /// Whether the move from `old` to `machine` makes no claim that the case leaves out.
    private func mayClaim(_ old: FleetMachine, _ machine: FleetMachine, _ world: FleetWorld) -> Bool {
        guard fleet.claims > 0, world.claims >= fleet.claims, let claim = machine.state.claim else { return true }
        return claim.id == old.state.claim?.id
    }

    /// Nothing is heard of the claim's holder, and the wait is longer than a transfer may take.
    func isSilent(_ claim: SharedClaim, _ world: FleetWorld) -> Bool {
        if fleet.omission == .silence || fleet.omission == .comparison { return true }
        let owner = FleetNames.owner(claim.by)
        let holder = machines[world.machines[owner.machine]]
        if holder.life == .running, holder.process == owner.process, !holder.isCut,
            pursues(holder.state, claim.id) || keepsClaim(holder.state)
        {
            return false
        }
        return fleet.isSlow || !world.messages.contains { $0.claim == claim.id && $0.isRequest }
    }

    /// Each beat of a machine that refreshes meets any other claim of its own, and replaces it, long before that is silent.
    private func keepsClaim(_ state: SharedState) -> Bool {
        guard case .sending(let sending) = state.phase else { return false }
        return sending.hold != .lost
    }

    private func pursues(_ state: SharedState, _ claim: SharedID) -> Bool {
        if state.claim?.id == claim { return true }
        switch state.phase {
        case .saving: return true
        case .sharing(let sharing): return sharing.cause == .result || state.sight.view?.facts.claim?.id == claim
        case .closing(let closing): return closing.claim == claim
        default: return false
        }
    }

    private mutating func swaps(
        _ number: Int,
        _ old: FleetMachine,
        _ expecting: SharedView?,
        _ new: SharedFacts,
        _ world: FleetWorld
    ) {
        var (machine, next) = (old, world)
        machine.engine = .none
        var isBlind = false
        if fleet.omission == .comparison, case .sharing = old.state.phase { isBlind = true }
        guard isBlind || matches(expecting, world) else {
            tell(.swapped(.conflict(reading(world))), number, &machine, &next)
            if mayClaim(old, machine, world) { add("meets another value", number, with(machine, number, next)) }
            answersLate(.swapped(.conflict(reading(world))), number, old, world)
            return
        }
        if isDoing(old.state) { next.isDone(FleetNames.number(new.identity.id)) }
        var breach: FleetProperty? = next.breaksLineage(new) ? .lineage : nil
        let isPutBack = world.record?.facts.identity != new.identity
        if isPutBack, new.state == .ready, isRefreshed(new.identity.id, old, number, world) { breach = .whole }
        put(new, &next)
        if fleet.claims > 0, new.claim != nil { next.claims += 1 }
        if case .closing(let closing) = old.state.phase, fleet.tracksDoubt {
            next.sent.remove(FleetWorld.Sent(token: closing.identity.id, by: old.state.me))
        }
        var unclear = next
        tell(.swapped(.written(version: next.record!.version)), number, &machine, &next)
        let label: StaticString = new.claim == nil ? "writes its token" : "writes its claim"
        add(label, number, with(machine, number, next), breach: breach)
        answersLate(.swapped(.written(version: unclear.record!.version)), number, old, unclear)
        guard unclear.spends(.unclear) else { return }
        machine = old
        machine.engine = .none
        tell(.swapped(.unclear), number, &machine, &unclear)
        add("writes, but the answer is lost", number, with(machine, number, unclear), isFault: true, breach: breach)
        var late = world
        _ = late.spends(.unclear)
        if isDoing(old.state) { late.isDone(FleetNames.number(new.identity.id)) }
        late.lateWrites.insert(FleetWorld.LateWrite(expecting: expecting, new: new))
        add("gets no answer: its write may come later", number, with(machine, number, late), isFault: true)
    }

    /// A person waits until the engine has it.
    private func isDoing(_ state: SharedState) -> Bool {
        guard case .sharing(let sharing) = state.phase else { return false }
        return sharing.cause == .person && sharing.use == .pending
    }

    // MARK: What wakes it

    private mutating func wakes(_ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        var (machine, next) = (old, world)
        if old.state.isPausing {
            tell(.time, number, &machine, &next, now: 2)
            add("has waited", number, with(machine, number, next))
        }
        if hears(old), !old.isCut {
            let there = reading(world)
            let isBusy = old.state.isSending
            if fleet.tellsOnce || isBusy ? there != old.told : isNews(there, old.state) {
                (machine, next) = (old, world)
                if fleet.tellsOnce || isBusy { machine.told = there }
                tell(.watched(there), number, &machine, &next)
                add("hears", number, with(machine, number, next))
            }
            (machine, next) = (old, world)
            if let former = world.former, former != world.record, next.spends(.lateWatch) {
                tell(.watched(.record(former)), number, &machine, &next)
                add("hears late", number, with(machine, number, next), isFault: true)
            }
        }
        if wishes(old, world) {
            (machine, next) = (old, world)
            tell(.refreshWanted, number, &machine, &next)
            add("wants a refresh", number, with(machine, number, next))
        }
        if case .sending = old.state.phase {
            let own = world.messages.filter { waits(old, $0) }
            guard own.isEmpty || fleet.isSlow && own.allSatisfy(\.isRequest) else { return }
            (machine, next) = (old, world)
            if !own.isEmpty { next.history.insert(.slow) }
            tell(.answered(.lost), number, &machine, &next)
            add("has no answer", number, with(machine, number, next))
        }
    }

    /// Whether the watch tells the machine something now. Where it tells again and again, moments of rest are enough.
    private func hears(_ machine: FleetMachine) -> Bool {
        fleet.tellsOnce || machine.state.phase == .idle || machine.state.isPausing
            || fleet.losesClaims && machine.state.isSending && machine.engine == .none
    }

    private func isNews(_ reading: SharedReading, _ state: SharedState) -> Bool {
        switch (reading, state.sight) {
        case (.record(let view), .record(let seen)): view != seen
        case (.absent, .absent): false
        default: true
        }
    }

    private func wishes(_ machine: FleetMachine, _ world: FleetWorld) -> Bool {
        guard machine.state.phase == .idle, case .tokens(let identity) = machine.state.held else { return false }
        if let seen = machine.state.sight.view?.facts.state, seen == .refused || seen == .none { return false }
        if world.record?.facts.claim != nil { return true }
        return !world.isValid(FleetNames.number(identity.id)) || world.rotations < fleet.rotations
    }
}

extension FleetWorld.Message {
    var isRequest: Bool {
        guard case .request = content else { return false }
        return true
    }
}
