import Credentials

@testable import SharedSession

/// Other names for values and claims, in the order in which they are met: states that differ in names alone become one.
/// The end of a claim of which nobody speaks any more is forgotten.
struct FleetRenaming {
    private var claims: [SharedID: SharedID] = [:]
    private var versions: [SharedView: UInt64] = [:]
    private(set) var changesNothing = true

    init(_ use: FleetUse) {
        var counts: [Int: Int] = [:]
        for claim in use.claims where claims[claim] == nil {
            let owner = FleetNames.claim(claim).owner
            let number = counts[owner, default: 0]
            counts[owner] = number + 1
            let new = FleetNames.claim(owner: owner, number: number)
            claims[claim] = new
            if new != claim { changesNothing = false }
        }
        var known: [SharedFacts: UInt64] = [:]
        if !use.ended.allSatisfy(knows) { changesNothing = false }
        for view in use.views where versions[view] == nil {
            var facts = view.facts
            facts.ended.removeAll { !knows($0) }
            let version = known[facts, default: 0] + 1
            known[facts] = version
            versions[view] = version
            if version != view.version { changesNothing = false }
        }
    }

    func rename(_ world: inout FleetWorld) {
        world.record = world.record.map(view)
        world.former = world.former.map(view)
        world.earlier = world.earlier.map(view)
        world.messages = Set(
            world.messages.map { message in
                var message = message
                message.claim = id(message.claim)
                return message
            }
        )
        world.lateWrites = Set(
            world.lateWrites.map { FleetWorld.LateWrite(expecting: $0.expecting.map(view), new: facts($0.new)) }
        )
    }

    func rename(_ machine: inout FleetMachine) {
        // What was written is renamed as the value that it is.
        if case .swap(let facts) = machine.state.call, case .answer(.swapped(.written(let version))) = machine.engine {
            machine.engine = .answer(.swapped(.written(version: view(SharedView(facts, version: version)).version)))
        } else {
            machine.engine = engine(machine.engine)
        }
        machine.told = machine.told.map(reading)
        machine.sentUnder = machine.sentUnder.map(id)
        machine.heard = machine.heard.map(id)
        machine.heardOf = Set(machine.heardOf.map(id))
        rename(&machine.state)
    }

    private func rename(_ state: inout SharedState) {
        switch state.phase {
        case .claiming(let claiming): state.phase = .claiming(self.claiming(claiming))
        case .checking(let claiming): state.phase = .checking(self.claiming(claiming))
        case .preparing(let claiming): state.phase = .preparing(self.claiming(claiming))
        case .sending(var sending):
            sending.claim = claim(sending.claim)
            state.phase = .sending(sending)
        case .closing(var closing):
            closing.claim = id(closing.claim)
            state.phase = .closing(closing)
        case .idle, .reading, .saving, .sharing: break
        }
        if case .record(let view) = state.sight { state.sight = .record(self.view(view)) }
        state.ended = ended(state.ended)
        if let rival = state.rivalClaim { state.rivalClaim?.claim = claim(rival.claim) }
        switch state.pendingReport {
        case .none: break
        case .unread(let reading): state.pendingReport = .unread(self.reading(reading))
        case .asked(let reading): state.pendingReport = .asked(self.reading(reading))
        }
        if case .swap(let facts) = state.call { state.call = .swap(self.facts(facts)) }
    }

    private func claiming(_ claiming: SharedState.Claiming) -> SharedState.Claiming {
        SharedState.Claiming(claim: claim(claiming.claim), since: claiming.since, over: claiming.over.map(claim))
    }

    private func engine(_ call: FleetMachine.EngineCall) -> FleetMachine.EngineCall {
        switch call {
        case .none, .get: call
        case .swap(let expecting, let new): .swap(expecting: expecting.map(view), new: facts(new))
        case .answer(.read(let reading)): .answer(.read(reading.map(self.reading)))
        case .answer(.swapped(.conflict(let reading))): .answer(.swapped(.conflict(self.reading(reading))))
        case .answer: call
        }
    }

    func knows(_ claim: SharedID) -> Bool { claims[claim] != nil }

    private func ended(_ claims: [SharedID]) -> [SharedID] { claims.filter(knows).map(id) }

    private func id(_ claim: SharedID) -> SharedID { claims[claim]! }

    private func claim(_ claim: SharedClaim) -> SharedClaim {
        SharedClaim(id: id(claim.id), by: claim.by, beat: claim.beat)!
    }

    private func facts(_ facts: SharedFacts) -> SharedFacts {
        let state = facts.claim.map { SharedTokenState.busy(claim($0)) } ?? facts.state
        return SharedFacts(facts.identity, state, ended: ended(facts.ended), silent: facts.silent)
    }

    private func view(_ view: SharedView) -> SharedView { SharedView(facts(view.facts), version: versions[view]!) }

    private func reading(_ reading: SharedReading) -> SharedReading {
        guard case .record(let view) = reading else { return reading }
        return .record(self.view(view))
    }
}
