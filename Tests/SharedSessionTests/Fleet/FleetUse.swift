import Credentials

@testable import SharedSession

/// The values and claims that somebody still speaks of, in a fixed order.
///
/// That a claim has ended matters only as long as somebody speaks of it otherwise: see `ended`.
///
/// What they are called means nothing, so that states which differ in names alone, or in how often something was written,
/// are to be one: see `FleetRenaming`.
struct FleetUse {
    private(set) var views: [SharedView] = []
    private(set) var claims: [SharedID] = []
    /// The claims that are known to have ended.
    private(set) var ended: [SharedID] = []

    /// One that no other value with the same facts has.
    func freeVersion(_ facts: SharedFacts) -> UInt64 {
        var version: UInt64 = 1
        while views.contains(SharedView(facts, version: version)) { version += 1 }
        return version
    }

    /// The first of that process's that nobody uses.
    func freeClaim(_ machine: Int, _ process: Int) -> SharedID {
        var number = 0
        while true {
            let claim = FleetNames.claim(machine: machine, process: process, number: number)
            if !claims.contains(claim), !ended.contains(claim) { return claim }
            number += 1
        }
    }

    mutating func append(_ other: FleetUse) {
        views += other.views
        claims += other.claims
        ended += other.ended
    }

    mutating func note(_ view: SharedView?) {
        guard let view else { return }
        views.append(view)
        note(view.facts)
    }

    mutating func note(_ facts: SharedFacts) {
        note(facts.claim?.id)
        ended += facts.ended
    }

    mutating func note(_ claim: SharedID?) {
        if let claim { claims.append(claim) }
    }

    mutating func note(_ reading: SharedReading?) {
        if case .record(let view)? = reading { note(view) }
    }

    mutating func note(_ event: SharedState.Event) {
        switch event {
        case .read(let reading): note(reading)
        case .watched(let reading), .swapped(.conflict(let reading)): note(reading)
        // What was written is what the machine's call says, with that version: see `init(_: FleetMachine)`.
        default: break
        }
    }

    init() {}

    /// What the engine has, or may have again. Not what is under way to and from it: see `noteRest`.
    init(_ world: FleetWorld) {
        note(world.record)
        note(world.former)
        note(world.earlier)
    }

    mutating func noteRest(_ world: FleetWorld) {
        for message in world.messages { note(message.claim) }
        for write in world.lateWrites {
            note(write.expecting)
            note(write.new)
        }
    }

    init(_ machine: FleetMachine) {
        let state = machine.state
        ended += state.ended
        note(state.claim?.id)
        switch state.phase {
        case .claiming(let claiming), .checking(let claiming), .preparing(let claiming): note(claiming.over?.id)
        default: break
        }
        if case .closing(let closing) = state.phase { note(closing.claim) }
        note(state.sight.view)
        note(state.rivalClaim?.claim.id)
        switch state.pendingReport {
        case .none: break
        case .unread(let reading), .asked(let reading): note(reading)
        }
        note(state.newestReport)
        note(machine.told)
        note(machine.sentUnder)
        note(machine.heard)
        if case .swap(let facts) = state.call {
            note(facts)
            if case .answer(.swapped(.written(let version))) = machine.engine {
                note(SharedView(facts, version: version))
            }
        }
        switch machine.engine {
        case .none, .get: break
        case .swap(let expecting, let new):
            note(expecting)
            note(new)
        case .answer(let event): note(event)
        }
    }
}
