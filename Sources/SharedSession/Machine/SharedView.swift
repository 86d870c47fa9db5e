/// What a record of the engine says, without its tokens: all that the protocol decides by.
public struct SharedFacts: Hashable, Sendable {
    public var identity: SharedIdentity
    public var state: State

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

    public init(_ identity: SharedIdentity, _ state: State) {
        self.identity = identity
        self.state = state
    }

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
}

/// What the machine keeps itself: the local file, which survives restarts.
public enum SharedHolding: Hashable, Sendable {
    case nothing
    case tokens(SharedIdentity)
    /// Somebody logged out. Remembered, so that an engine which forgets the logout is told again.
    case ended(SharedIdentity)

    var identity: SharedIdentity? {
        switch self {
        case .nothing: nil
        case .tokens(let identity), .ended(let identity): identity
        }
    }

    /// What is held, as a record of the engine; nil where nothing is held.
    var facts: SharedFacts? {
        switch self {
        case .nothing: nil
        case .tokens(let identity): SharedFacts(identity, .ready)
        case .ended(let identity): SharedFacts(identity, .none)
        }
    }
}

extension SharedIdentity: Hashable {
    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    /// Whether this is what was before `other`: an earlier login, or fewer refreshes of the same. Two logins of one era
    /// have no order: two people logged in at once, and the engine's stands.
    func precedes(_ other: SharedIdentity) -> Bool {
        guard era == other.era else { return era < other.era }
        return login == other.login && generation < other.generation
    }
}
