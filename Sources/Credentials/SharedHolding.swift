import Platform
import Support

/// What the local file contains of a shared session. It survives restarts.
public enum SharedHolding: Hashable, Sendable {
    case nothing
    case tokens(SharedIdentity)
    /// A logout. Remembered, so that an engine that forgets it is told again.
    case ended(SharedIdentity)

    public var identity: SharedIdentity? {
        switch self {
        case .nothing: nil
        case .tokens(let identity), .ended(let identity): identity
        }
    }
}

/// What a session file contains, with regard to sharing.
public enum LocalHolding: Hashable, Sendable {
    case shared(SharedHolding)
    /// Tokens that machines share in that place, which is not this session's: only those machines may refresh them.
    case elsewhere(place: String)
    /// Tokens that the machines do not share: they were there before, or somebody put them in by hand.
    case own
}

/// Which token set of a shared session a record contains.
extension SessionRecord {
    /// What the record contains of the session shared in `place`; nil means that this machine shares nothing.
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
        // The member describes a logout, or other tokens: another Squire, or a person, has put these in since.
        case nil where known["ended"]?.bool == true: return .own
        case .string(let of)? where of != spent: return .own
        case .string?:
            guard let identity, let there else { break }
            return there == place ? .shared(.tokens(identity)) : .elsewhere(place: there)
        default: break
        }
        // A member that says that others have the token, but cannot be read, is believed: then nobody may refresh it
        // alone.
        return .elsewhere(place: "a place that the session file does not tell")
    }

    /// The place where machines share the tokens of this record, or shared them; nil if they are this machine's own. What
    /// is kept beside a session file is ended for nil only: a later login in `place` proves nothing, because another engine may
    /// have the same place, and a machine may not have heard of it.
    public func placeOfMachines(in place: String?) -> String? {
        switch localHolding(in: place) {
        case .own, .shared(.nothing), .shared(.ended): nil
        case .elsewhere(let there): there
        case .shared(.tokens): place
        }
    }

    /// The identity of the held tokens, or of the logout that ended them, and the place where they are shared.
    mutating func share(as identity: SharedIdentity, in place: String?) {
        let mark = spent.map { JSONValue.Member("of", .string($0)) } ?? .init("ended", .bool(true))
        let there = JSONValue.Member("in", place.map(JSONValue.string) ?? .null)
        document["shared"] = .object([mark, there] + identity.members)
    }

    /// The held tokens are in use, or somebody logged out, and the other machines did not know when that was written. It
    /// survives a restart.
    public var isNotShared: Bool { document["shared"]?["not_shared"]?.bool ?? false }

    mutating func markShared(_ isShared: Bool) { document["shared"]?["not_shared"] = isShared ? nil : .bool(true) }

    /// The API refused another machine's refresh of the held tokens.
    mutating func deny(_ refusal: SharedRefusal) {
        isRefreshDenied = true
        let names = refusal.silent.map(JSONValue.string)
        document["shared"]?["silent"] = names.isEmpty ? nil : .array(names)
    }

    /// Why the held tokens cannot be refreshed, as far as the record says; nil if it does not. Meaningful with
    /// `isRefreshDenied` only.
    var refusal: String? {
        guard isRefreshDenied, lastRefresh?.outcome != .refused, let shared = document["shared"], shared != .null else {
            return lastRefresh?.detail
        }
        guard case .array(let names)? = shared["silent"] else { return SharedRefusal().words() }
        return SharedRefusal(silent: names.compactMap(\.string)).words()
    }

    /// The held tokens are this machine's own again, because they were never shared.
    mutating func endSharing() { document["shared"] = nil }

    /// Corrects the moments in a record of another machine, whose clock may be wrong: its tokens arrived `age` seconds
    /// ago, as far as is known. Moments within that range are trusted. `now` is seconds since 1970.
    mutating func correctClock(now: Int, age: ClosedRange<Int>) {
        guard let received = receivedAt else { return }
        let earliest = now.subtracting(saturating: age.upperBound)
        let latest = now.subtracting(saturating: age.lowerBound)
        let skew = received.subtracting(saturating: min(max(received, earliest), latest))
        guard skew != 0 else { return }
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
