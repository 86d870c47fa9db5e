public import Credentials

/// What a record of the engine says, without its tokens: all that the protocol decides by.
public struct SharedFacts: Hashable, Sendable {
    public var identity: SharedIdentity
    public var state: State
    /// The claim on the token set that ended last, without a result. The seal vouches for it: a claim that is gone
    /// without that word was lost by the engine, and its machine may be at work.
    public var ended: SharedID?

    /// What becomes of the token set.
    public enum State: Hashable, Sendable {
        case ready
        /// A machine refreshes it.
        case busy(Claim)
        /// The API refused to refresh it.
        case refused
        /// A tombstone: somebody logged out.
        case none
    }

    /// That a machine refreshes the token set, or is about to.
    public struct Claim: Hashable, Sendable {
        public var id: SharedID
        /// Which process of which machine.
        public var by: String
        /// Grows while the machine is at work.
        public var beat: Int

        public init(id: SharedID, by: String, beat: Int = 0) {
            self.id = id
            self.by = by
            self.beat = beat
        }
    }

    public init(_ identity: SharedIdentity, _ state: State, ended: SharedID? = nil) {
        self.identity = identity
        self.state = state
        self.ended = ended
    }

    /// The same token set in another state.
    func with(_ state: State) -> SharedFacts { SharedFacts(identity, state, ended: ended) }

    /// The claim that the record carries.
    var claim: Claim? {
        guard case .busy(let claim) = state else { return nil }
        return claim
    }
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
    var claim: SharedFacts.Claim? {
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
    /// It is another customer's than the session that this machine has and never shared.
    case otherCustomer
}
