import Platform
import Support

/// What the local file has of a session that machines share. It survives restarts.
public enum SharedHolding: Hashable, Sendable {
    case nothing
    case tokens(SharedIdentity)
    /// Somebody logged out. Remembered, so that an engine which forgets the logout is told again.
    case ended(SharedIdentity)

    public var identity: SharedIdentity? {
        switch self {
        case .nothing: nil
        case .tokens(let identity), .ended(let identity): identity
        }
    }
}

/// What a session file holds, as far as sharing is concerned.
public enum LocalHolding: Hashable, Sendable {
    case shared(SharedHolding)
    /// Tokens that machines share in that place, which is not this session's: they are the others' to refresh.
    case elsewhere(place: String)
    /// Tokens that the machines do not share: they were there before, or somebody put them in by hand.
    case own
}

/// Which token set of a shared session a record holds.
extension SessionRecord {
    /// What is held of what machines share in `place`; nil where this machine shares nothing.
    public func localHolding(in place: String?) -> LocalHolding {
        let known = document["shared"]
        let identity = known.flatMap(SharedIdentity.init)
        let there = known?["in"]?.string
        guard let spent else {
            guard let identity, known?["ended"]?.bool == true, there == place else { return .shared(.nothing) }
            return .shared(.ended(identity))
        }
        guard let known, known != .null else { return .own }
        switch known["of"] {
        // It speaks of a logout, or of other tokens: another Squire, or a person, has put these in since.
        case nil where known["ended"]?.bool == true: return .own
        case .string(let of)? where of != spent: return .own
        case .string?:
            guard let identity, let there else { break }
            return there == place ? .shared(.tokens(identity)) : .elsewhere(place: there)
        default: break
        }
        // What says that others have the token, and cannot be read, is believed: alone, nobody may refresh it.
        return .elsewhere(place: "a place that the session file does not tell")
    }

    /// The identity of the tokens that are held, or of the logout that ended them, and where they are shared.
    mutating func share(as identity: SharedIdentity, in place: String?) {
        let mark = spent.map { JSONValue.Member("of", .string($0)) } ?? .init("ended", .bool(true))
        let there = JSONValue.Member("in", place.map(JSONValue.string) ?? .null)
        document["shared"] = .object([mark, there] + identity.members)
    }

    /// What is held is this machine's own again: it was never shared after all.
    mutating func endSharing() { document["shared"] = nil }

    /// A record whose `received_at` lies ahead was made by a machine whose clock is: its moments are put right, as if it
    /// had come now.
    mutating func correctClock(now: Int) {
        guard let received = receivedAt, received > now else { return }
        let skew = received.subtracting(saturating: now)
        for name in ["received_at", "expires_at", "refresh_expires_at"] {
            guard let moment = document[name]?.moment else { continue }
            document[name] = .integer(moment.subtracting(saturating: skew))
        }
    }
}

extension LocalHolding {
    public var identity: SharedIdentity? {
        switch self {
        case .shared(let holding): holding.identity
        case .own, .elsewhere: nil
        }
    }
}
