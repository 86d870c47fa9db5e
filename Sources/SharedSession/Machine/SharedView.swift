public import Credentials

/// The part of a record by which the protocol decides: everything but the tokens.
public struct SharedFacts: Hashable, Sendable {
    public var identity: SharedIdentity
    public var state: SharedTokenState
    /// The claims on the tokens that ended without a result, the latest last. The seal covers them. A claim that
    /// disappeared and is not one of them was lost by the engine, and its machine may still be refreshing. At most
    /// `maxEnded`.
    public var ended: [SharedID]
    /// The processes that claimed the tokens and fell silent, in the order in which they first did. Each may have
    /// sent the refresh. The seal covers them. At most `SharedRefusal.maxSilent`.
    public var silent: [ProcessName]

    public init(
        _ identity: SharedIdentity,
        _ state: SharedTokenState,
        ended: [SharedID] = [],
        silent: [ProcessName] = []
    ) {
        self.identity = identity
        self.state = state
        self.ended = ended
        self.silent = silent
    }

    /// The same token set in another state.
    func with(_ state: SharedTokenState) -> SharedFacts {
        SharedFacts(identity, state, ended: ended, silent: silent)
    }

    /// Earlier claims are forgotten. Whoever has missed the ends of that many waits for a claim as if the engine had lost
    /// its end.
    public static let maxEnded = 16

    /// The claim in the record, if there is one.
    var claim: SharedClaim? { state.claim }
}

extension [ProcessName] {
    /// Adds those that are not in the list yet. Keeps the last `SharedRefusal.maxSilent`.
    mutating func fellSilent(_ others: [ProcessName]) {
        self = (self + others.filter { !contains($0) }).suffix(SharedRefusal.maxSilent)
    }
}

extension [SharedID] {
    /// Adds ended claims that are not in the list yet: behind it, unless the list already has the latest of them and so
    /// is the newer one. Keeps the last `SharedFacts.maxEnded`.
    mutating func ends(_ others: [SharedID]) {
        guard let latest = others.last else { return }
        var new: [SharedID] = []
        for other in others where !contains(other) && !new.contains(other) { new.append(other) }
        self = (contains(latest) ? new + self : self + new).suffix(SharedFacts.maxEnded)
    }
}

/// A record of the engine at some time.
public struct SharedView: Hashable, Sendable {
    public var facts: SharedFacts
    /// Identifies the value in all its octets. The machine's caller assigns a new number to each distinct value, and
    /// compares the whole value where the machine says `expecting`.
    public var version: UInt64

    public init(_ facts: SharedFacts, version: UInt64) {
        self.facts = facts
        self.version = version
    }
}

/// The result of reading the engine.
public enum SharedReading: Hashable, Sendable {
    case record(SharedView)
    /// The engine has no value. This is not a logout, which leaves a tombstone.
    case absent
    /// The engine has a value that this machine must neither use nor replace.
    case unreadable(SharedObstacle)
}

extension SharedReading {
    var claim: SharedClaim? {
        guard case .record(let view) = self else { return nil }
        return view.facts.claim
    }
}

/// Why a value is neither used nor replaced.
public enum SharedObstacle: Hashable, Sendable {
    /// A newer Squire wrote it.
    case newer
    /// It is sealed with a key that is not in the key file.
    case unknownKey
    /// It is not a record, or does not open. A tombstone that does not open counts, too.
    case damaged
    /// It belongs to another API.
    case foreign
    /// It belongs to another customer than this machine's session, which was never shared or would replace it.
    case otherCustomer
}
