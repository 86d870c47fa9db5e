import Credentials
@testable import SharedSession

/// What a person does at a machine that does not reach the engine.
extension FleetMoves {
    mutating func deeds(_ number: Int, _ machine: FleetMachine, _ world: FleetWorld) {
        guard world.budgets[FleetCase.Fault.deed.rawValue] > 0 else { return }
        for isLogin in [true, false] {
            if machine.life == .running { proxied(isLogin, number, machine, world) }
            command(isLogin, number, machine, world)
        }
    }

    /// Nothing is under way that a login, or a logout, waits for.
    private func isFree(_ machine: FleetMachine) -> Bool {
        machine.life == .dead || machine.state.heedsFile && machine.state.wish == .nothing
    }

    /// Somebody logs in or out through the proxy.
    private mutating func proxied(_ isLogin: Bool, _ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        guard isFree(old), var (machine, next) = begun(isLogin, number, old, world) else { return }
        _ = next.deed(isLogin: isLogin)
        tell(isLogin ? .loggedIn : .loggedOut, number, &machine, &next)
        next.machines[number] = machines.number(machine)
        add(isLogin ? "somebody logs in there" : "somebody logs out there", number, next, isFault: true)
    }

    /// The same by a command, whether or not a Squire runs there: that one hears of it by the file.
    private mutating func command(_ isLogin: Bool, _ number: Int, _ old: FleetMachine, _ world: FleetWorld) {
        guard isFree(old), var (machine, next) = begun(isLogin, number, old, world) else { return }
        let token = next.deed(isLogin: isLogin)
        let identity = SharedIdentity.login(
            FleetNames.login(token),
            FleetNames.token(token),
            after: old.disk.identity?.era ?? 0
        )!
        machine.note = SharedHolding.Note(.wish)
        if isLogin {
            machine.disk = .tokens(identity)
            next.had |= 1 << UInt32(token)
        } else {
            if case .tokens(let ended) = old.disk { machine.note.former = ended.login }
            machine.disk = .ended(identity)
        }
        if machine.life == .running { tell(.fileChanged(machine.disk, machine.note), number, &machine, &next) }
        next.machines[number] = machines.number(machine)
        add(isLogin ? "somebody logs in by a command" : "somebody logs out by a command", number, next, isFault: true)
    }

    /// The API has done its part, and the machine is cut off. Nil if a logout comes to nothing there.
    private mutating func begun(
        _ isLogin: Bool,
        _ number: Int,
        _ old: FleetMachine,
        _ world: FleetWorld
    ) -> (FleetMachine, FleetWorld)? {
        var (machine, next) = (old, world)
        guard next.spends(.deed) else { return nil }
        if !isLogin {
            guard case .tokens(let identity) = old.disk, world.isValid(FleetNames.number(identity.id)) else {
                return nil
            }
            next.end(FleetNames.number(identity.id))
        }
        next.history.insert(.cut)
        if machine.life == .running, !machine.isCut {
            machine.isCut = true
            tell(.disconnected, number, &machine, &next)
        }
        return (machine, next)
    }
}
