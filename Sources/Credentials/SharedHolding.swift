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
    /// Tokens that the machines do not share: they were there before, or somebody put them in by hand.
    case own
}

/// Which token set of a shared session a record holds.
extension SessionRecord {
    public var localHolding: LocalHolding {
        let known = document["shared"]
        let identity = known.flatMap(SharedIdentity.init)
        guard let spent else {
            guard let identity, known?["ended"]?.bool == true else { return .shared(.nothing) }
            return .shared(.ended(identity))
        }
        // It says of which tokens it speaks: another Squire, or a person, may have put in others.
        guard let identity, known?["of"]?.string == spent else { return .own }
        return .shared(.tokens(identity))
    }

    /// The identity of the tokens that are held, or of the logout that ended them.
    mutating func share(as identity: SharedIdentity) {
        let mark = spent.map { JSONValue.Member("of", .string($0)) } ?? .init("ended", .bool(true))
        document["shared"] = .object([mark] + identity.members)
    }

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
