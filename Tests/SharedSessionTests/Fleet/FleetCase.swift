import Testing

/// What may happen to a fleet in one exploration. A budget is how often, over all machines.
struct FleetCase: Sendable, CustomTestStringConvertible {
    enum Fault: Int, CaseIterable, Sendable {
        case death, stop, lostMessage, unclear, login, lostWrite, cut, emptied, lateWatch, failedSave
        /// What the engine answered comes after what happened later.
        case slowAnswer
        /// The engine goes back behind its last two writes.
        case restored
        /// A person logs in, or out, at a machine that does not reach the engine: in its Squire, or by a command.
        case deed
    }

    /// A rule of the protocol that is left out: the property must then break. The product has no such switch: the
    /// world around the machine does it, or changes what the machine knows.
    enum Omission: Sendable {
        case none
        /// N1: a result is shared only under one's own claim.
        case anyClaim
        /// N2: a result is shared before it is saved.
        case localCopy
        /// N3: a result is written without a comparison, after a lease that may end.
        case comparison
        /// N4: a claim is taken over before the work under it can have ended.
        case silence
        /// N5: what the engine forgot is not put back.
        case healing
        /// N6: a counter is compared, not the whole value.
        case wholeValue
        /// N7: logins are not counted.
        case era
        /// N8: a claim that the engine lost is forgotten by those who heard of it.
        case memory
        /// N9: what the engine lost is put back without the claim that was heard of.
        case claim
        /// N10: who refreshes does not listen for its claim.
        case repair
        /// N11: a claim on an earlier token set replaces that on a later one.
        case order
        /// N12: who fell silent with a claim is forgotten by those who took it over.
        case doubt
        /// N13: only the claim that ended last is known to have ended.
        case ends
    }

    let name: String
    var machines = 2
    var rotations = 2
    var hasGrace = false
    var killsFamilies = false
    /// The API may act after the wait for it has ended.
    var isSlow = false
    /// A machine may be stopped between its last look at the clock and the system call that sends.
    var sendsLate = false
    /// A refresh without an answer is sent a second time.
    var retriesLost = true
    /// At most that many claims; 0 means any number.
    var claims = 0
    /// See `tellsOnce`.
    var hearsOnce = false
    /// Whoever sends a refresh is asked whether it knows which others may have sent the same.
    var tracksDoubt = false
    var faults: [Fault: Int] = [:]
    var omission = Omission.none

    var testDescription: String { name }

    /// The watch tells each value once, and at any moment. Else it tells until it is heeded, where a machine waits.
    var tellsOnce: Bool { hearsOnce || faults[.slowAnswer] != nil }

    /// The engine may lose a claim, and it matters who has heard of it.
    var losesClaims: Bool {
        killsFamilies && (faults[.lostWrite] ?? faults[.emptied] ?? faults[.restored]) != nil
    }

    /// What the engine had before its last write may matter.
    static let recalls: [Fault] = [.lostWrite, .lateWatch, .restored]

    var budgets: [UInt8] { Fault.allCases.map { UInt8(clamping: faults[$0] ?? 0) } }
}

/// What went wrong, in the order of the protocol's promises.
enum FleetProperty: String, Sendable {
    /// A token is replaced only by its descendant or a later login.
    case lineage = "L"
    /// Without a fault the API never sees a token twice, and a login is needed only after what nothing can prevent.
    case once = "O"
    /// At rest no token that a machine had and that lives is lost to the fleet.
    case available = "A"
    /// From every state there is a way back without a further fault.
    case progress = "P"
    /// What a machine has heard of it acts upon: it neither waits nor rests with what it knew before.
    case current = "C"
    /// Whoever waits for a refresh is told what became of it.
    case answered = "W"
    /// What no fault took from the engine is not put back.
    case quiet = "Q"
    /// No machine sends what another one, that runs, refreshes under a claim that the first has heard of.
    case alone = "T"
    /// Nobody puts back what the engine lost without the claim that it has heard of.
    case whole = "K"
    /// No machine believes that it is the first to send what another one may have sent, under a claim that the first has
    /// heard of.
    case doubted = "D"
    /// No machine takes another one for silent that has said all the time what became of its claims.
    case trusted = "F"
}

/// What has happened on the way to a state.
struct FleetHistory: OptionSet, Hashable, Sendable {
    let rawValue: UInt16

    /// The engine lost something; nothing else happened.
    var isForgetful: Bool { isSubset(of: [.lostWrite, .emptied]) }

    /// Messages to and from the API were lost; nothing else happened.
    var isTalkative: Bool { isSubset(of: [.lost, .answerLost]) }

    static let death = FleetHistory(rawValue: 1)
    static let diedWithAnswer = FleetHistory(rawValue: 2)
    static let nobodyWaited = FleetHistory(rawValue: 4)
    static let lost = FleetHistory(rawValue: 8)
    static let answerLost = FleetHistory(rawValue: 16)
    static let familyKilled = FleetHistory(rawValue: 32)
    static let stop = FleetHistory(rawValue: 64)
    static let cut = FleetHistory(rawValue: 128)
    static let lostWrite = FleetHistory(rawValue: 256)
    static let slow = FleetHistory(rawValue: 512)
    static let emptied = FleetHistory(rawValue: 1024)
    /// A person logged out.
    static let ended = FleetHistory(rawValue: 2048)

    /// Nothing can prevent that a login is needed after one of these.
    static let costsLogin: FleetHistory = [
        .diedWithAnswer, .nobodyWaited, .answerLost, .familyKilled, .ended,
    ]
}
