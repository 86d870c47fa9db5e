public import Credentials

/// What a record of the engine says, without its tokens: all that the protocol decides by.
public struct SharedFacts: Hashable, Sendable {
    public var identity: SharedIdentity
    public var state: SharedTokenState
    /// The claim on the token set that ended last, without a result. The seal vouches for it: a claim that is gone
    /// without that word was lost by the engine, and its machine may be at work.
    public var ended: SharedID?

    public init(_ identity: SharedIdentity, _ state: SharedTokenState, ended: SharedID? = nil) {
        self.identity = identity
        self.state = state
        self.ended = ended
    }

    /// The same token set in another state.
    func with(_ state: SharedTokenState) -> SharedFacts { SharedFacts(identity, state, ended: ended) }

    /// The claim that the record carries.
    var claim: SharedClaim? { state.claim }
}

/// A record as the engine had it at some moment.
public struct SharedView: Hashable, Sendable {
    public var facts: SharedFacts
    /// Names the value in all its bytes: whoever runs the machine gives another number to another value, and compares
    /// the whole value where the machine says `expecting`.
    public var version: UInt64

    public init(_ facts: SharedFacts, version: UInt64) {
        self.facts = facts
        self.version = version
    }
}

/// What reading the engine brought.
public enum SharedReading: Hashable, Sendable {
    case record(SharedView)
    /// The engine has no value under that name. A logout leaves a tombstone: this is none.
    case absent
    /// There is a value that this machine must neither use nor replace.
    case unreadable(SharedObstacle)
}

extension SharedReading {
    var claim: SharedClaim? {
        guard case .record(let view) = self else { return nil }
        return view.facts.claim
    }
}

/// Why a value of the engine is neither used nor replaced.
public enum SharedObstacle: Hashable, Sendable {
    /// A newer Squire wrote it.
    case newer
    /// It is sealed with a key that is not in the key file.
    case unknownKey
    /// It does not open, or is no record: a tombstone that does not open, too.
    case damaged
    /// It belongs to another upstream.
    case foreign
    /// It is another customer's than the session that this machine has, and never shared or would put back.
    case otherCustomer
}
