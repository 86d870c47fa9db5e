import Credentials

@testable import SharedSession

/// A fleet at one moment: machines, engine, API, and what is under way between them.
struct FleetWorld: Hashable {
    var machines: [UInt32]
    var record: SharedView?
    /// What the engine had before its last write.
    var former: SharedView?
    /// What it had before that, where it may go back there.
    var earlier: SharedView?
    var lateWrites: Set<LateWrite> = []
    var messages: Set<Message> = []
    /// What was sent by processes that have not said what came of it, where doubt is tracked.
    var sent: Set<Sent> = []
    var tokens: [Token]
    /// Bit n: the API would take token n.
    var valid: UInt32
    /// Bit n: the API would take token n though it was spent.
    var grace: UInt32 = 0
    /// Bit n: a machine had token n in its file.
    var had: UInt32
    var budgets: [UInt8]
    var history: FleetHistory = []
    var claims: UInt8 = 0

    struct Token: Hashable {
        /// The token that was spent for it; 0 after a login.
        var parent: UInt8
        /// Counts logins and logouts, in the order in which people are done with them.
        var family: UInt8
    }

    struct Sent: Hashable {
        var token: SharedID
        var by: ProcessName
    }

    struct LateWrite: Hashable {
        var expecting: SharedView?
        var new: SharedFacts
    }

    struct Message: Hashable {
        var machine: UInt8
        var claim: SharedID
        var attempt: SharedState.Attempt
        var content: Content

        enum Content: Hashable {
            case request(UInt8)
            /// Nil: refused.
            case reply(UInt8?)
        }
    }

    func isValid(_ token: Int) -> Bool { (valid | grace) & 1 << UInt32(token) != 0 }

    func token(_ facts: SharedFacts) -> Int { FleetNames.number(facts.identity.id) }

    var rotations: Int { tokens.lazy.filter { $0.parent != 0 }.count }

    /// Whether `ancestor` was spent for what became `token`.
    func descends(_ token: Int, from ancestor: Int) -> Bool {
        var token = token
        while token != 0 {
            token = Int(tokens[token].parent)
            if token == ancestor { return true }
        }
        return false
    }

    /// The API refreshes `token`: the new token, or nil.
    mutating func refresh(_ token: Int, _ fleet: FleetCase) -> UInt8? {
        let family = tokens[token].family
        guard isValid(token) else {
            guard fleet.killsFamilies else { return nil }
            for (number, other) in tokens.enumerated() where other.family == family {
                if valid & 1 << UInt32(number) != 0 { history.insert(.familyKilled) }
                valid &= ~(1 << UInt32(number))
                grace &= ~(1 << UInt32(number))
            }
            return nil
        }
        let new = tokens.count
        tokens.append(Token(parent: UInt8(token), family: family))
        valid = valid & ~(1 << UInt32(token)) | 1 << UInt32(new)
        if fleet.hasGrace { grace |= 1 << UInt32(token) }
        return UInt8(new)
    }

    var newestFamily: UInt8 { tokens.map(\.family).max() ?? 0 }

    /// A person logs in or out: the number of the tokens, or of the logout, which the API takes as none.
    mutating func deed(isLogin: Bool) -> Int {
        tokens.append(Token(parent: 0, family: newestFamily + 1))
        if isLogin { valid |= 1 << UInt32(tokens.count - 1) }
        return tokens.count - 1
    }

    /// The API ends the login of `token`.
    mutating func end(_ token: Int) {
        for (number, other) in tokens.enumerated() where other.family == tokens[token].family {
            valid &= ~(1 << UInt32(number))
            grace &= ~(1 << UInt32(number))
        }
        history.insert(.ended)
    }

    /// A person who still waits is done with it when the others know.
    mutating func isDone(_ token: Int) {
        let (family, newest) = (tokens[token].family, newestFamily)
        guard family < newest else { return }
        for number in tokens.indices where tokens[number].family == family { tokens[number].family = newest + 1 }
    }

    /// The engine's next value, under a name that nobody uses.
    mutating func put(_ new: SharedFacts, version: UInt64) {
        (earlier, former) = (former, record)
        record = SharedView(new, version: version)
    }

    /// Forgets what can matter no more: states that differ in nothing else are one.
    mutating func forget(_ fleet: FleetCase) {
        if !FleetCase.recalls.contains(where: { budgets[$0.rawValue] > 0 }) { former = nil }
        if budgets[FleetCase.Fault.restored.rawValue] == 0 { earlier = nil }
        had &= valid
        // What compares with a value that cannot come back is never written.
        guard !lateWrites.isEmpty, fleet.omission != .wholeValue else { return }
        lateWrites = lateWrites.filter { write in
            guard let expecting = write.expecting else {
                return record == nil || budgets[FleetCase.Fault.emptied.rawValue] > 0
            }
            return [record, former, earlier].contains(expecting)
        }
    }

    /// Nil, or how the lineage breaks if `new` is written.
    func breaksLineage(_ new: SharedFacts) -> Bool {
        guard let record else { return false }
        let (old, next) = (token(record.facts), token(new))
        return old != next && !descends(next, from: old) && tokens[next].family <= tokens[old].family
    }

    mutating func spends(_ fault: FleetCase.Fault) -> Bool {
        guard budgets[fault.rawValue] > 0 else { return false }
        budgets[fault.rawValue] -= 1
        return true
    }
}

/// One machine of the fleet: the real machine, and what its runner has in hand.
struct FleetMachine: Hashable {
    var life = Life.running
    /// Counts restarts.
    var process = 0
    var isCut = false
    /// More time than the takeover has passed since its claim.
    var isLate = false
    var state: SharedState
    var disk: SharedHolding
    var note = SharedHolding.Note()
    var engine = EngineCall.none
    /// What the watch told last, where it tells once.
    var told: SharedReading?
    var local = LocalTask.none
    /// The token that the API's answer brought.
    var answer = 0
    /// The claims on what it holds that it has heard of.
    var heardOf: Set<SharedID> = []
    /// The claim under which it has sent what it held, until the others have what came of it.
    var sentUnder: SharedID?
    /// The claim on what it holds that it has heard of last, and not that it has ended. Where doubt is tracked.
    var heard: SharedID?
    /// Those that a record of what it holds has named as silent. Where doubt is tracked.
    var heardSilent: Set<ProcessName> = []

    enum Life: Hashable { case running, stopped, dead }

    enum EngineCall: Hashable {
        case none, get
        case swap(expecting: SharedView?, new: SharedFacts)
        /// The engine has done it, and its answer is on the way.
        case answer(SharedState.Event)
    }

    enum LocalTask: Hashable {
        case none, prepare
        case save(SharedIdentity)
    }
}

/// Gives equal values one small number.
struct Interner<Value: Hashable> {
    private(set) var values: [Value] = []
    private var numbers: [Value: UInt32] = [:]

    subscript(_ number: UInt32) -> Value { values[Int(number)] }

    mutating func number(_ value: Value) -> UInt32 {
        if let number = numbers[value] { return number }
        let number = UInt32(values.count)
        numbers[value] = number
        values.append(value)
        return number
    }
}
