import Platform
import Support

/// What the local file contains of a shared session. It survives restarts.
public enum SharedHolding: Hashable, Sendable {
    case nothing
    case tokens(SharedIdentity)
    /// A logout. Kept, so that an engine that lost it can be told again.
    case ended(SharedIdentity)

    public var isTokens: Bool {
        guard case .tokens = self else { return false }
        return true
    }

    public var isEnded: Bool {
        guard case .ended = self else { return false }
        return true
    }

    public var identity: SharedIdentity? {
        switch self {
        case .nothing: nil
        case .tokens(let identity), .ended(let identity): identity
        }
    }
}

extension SharedHolding {
    /// More about the holding, which matters if the engine has another login. Survives restarts as well.
    public struct Note: Hashable, Sendable {
        public var weight: Weight
        /// The login that the logout ended.
        public var former: SharedID?

        public init(_ weight: Weight = .usual, former: SharedID? = nil) {
            self.weight = weight
            self.former = former
        }
    }

    public enum Weight: Hashable, Sendable {
        case usual
        /// A person logged in or out, and the other machines do not know. It is later than what the engine has.
        case wish
        /// The API refused to refresh it.
        case dead
    }

    /// Whether it yields to another, usable login, even one of an earlier era, because an engine that was emptied
    /// counts from the beginning.
    public func yields(to there: SharedIdentity, _ note: Note) -> Bool {
        guard let identity, there.login != identity.login else { return false }
        return switch (self, note.weight) {
        case (.nothing, _), (_, .wish), (.tokens, .usual): false
        case (.tokens, .dead): true
        // The login that this logout ended can come only from an engine that went back.
        case (.ended, _): there.login != note.former
        }
    }
}

/// What the other machines know about the holding.
public enum SharedMark: Hashable, Sendable {
    case shared
    /// They do not know the result of a refresh, or what is to be put back.
    case resultWaits
    /// They do not know a person's login or logout.
    case wishWaits
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
        // A member that says that other machines have the token, but cannot be parsed, is believed: nobody may refresh
        // the token alone then.
        return .elsewhere(place: "a place that the session file does not tell")
    }

    /// The place where machines share, or shared, the tokens of this record; nil if they are this machine's own. A
    /// logout ends kept sessions only if this is nil. A later login in `place` proves nothing, because another engine
    /// may have the same place, and a machine may not know of the login.
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
        let former = spent == nil ? formerLogin.map { [JSONValue.Member("former", .string($0))] } ?? [] : []
        document["shared"] = .object([mark, there] + identity.members + former)
    }

    /// The login that a logout ends, or ended.
    private var formerLogin: String? {
        guard let shared = document["shared"], shared != .null else { return nil }
        return (shared["ended"]?.bool == true ? shared["former"] : shared["login"])?.string
    }

    /// Assigns a later era to the same tokens, or the same logout. What the other machines know does not change.
    mutating func renumber(as identity: SharedIdentity) {
        document["shared"]?["era"] = .integer(identity.era)
    }

    /// More about the record's part in the session shared in `place`.
    public func sharedNote(in place: String?) -> SharedHolding.Note {
        switch localHolding(in: place) {
        case .own, .elsewhere, .shared(.nothing): SharedHolding.Note()
        case .shared(.tokens(let identity)):
            SharedHolding.Note(waits(identity) ? .wish : isRefreshDenied ? .dead : .usual)
        case .shared(.ended(let identity)):
            SharedHolding.Note(
                waits(identity) ? .wish : .usual,
                former: document["shared"]?["former"]?.string.flatMap(SharedID.init)
            )
        }
    }

    /// See `SharedHolding.yields`.
    func yields(to identity: SharedIdentity, in place: String?) -> Bool {
        guard case .shared(let holding) = localHolding(in: place) else { return false }
        return holding.yields(to: identity, sharedNote(in: place))
    }

    /// Whether a person's login or logout waits to be shared. Earlier versions do not record the cause; a token set
    /// without a parent is a login or a logout then.
    private func waits(_ identity: SharedIdentity) -> Bool {
        guard isNotShared else { return false }
        return switch document["shared"]?["cause"]?.string {
        case "person": true
        case "result": false
        default: identity.parent == nil
        }
    }

    /// The held tokens are in use, or somebody logged out, and the other machines did not know when that was written. It
    /// survives a restart.
    public var isNotShared: Bool { document["shared"]?["not_shared"]?.bool ?? false }

    /// What is not shared; nil if the other machines knew everything.
    public var unshared: SharedStatus.Unshared.What? {
        guard isNotShared else { return nil }
        return isEmpty ? .logout : .token
    }

    /// When a person's login or logout began to wait, in seconds since 1970. Nil if none waits, or an earlier version
    /// wrote the record.
    public var waitsSince: Int? { isNotShared ? document["shared"]?["since"]?.moment : nil }

    /// `now` is seconds since 1970.
    mutating func markShared(_ mark: SharedMark, now: Int) {
        let cause: String? =
            switch mark {
            case .shared: nil
            case .resultWaits: "result"
            case .wishWaits: "person"
            }
        let since = mark == .wishWaits ? waitsSince ?? now : nil
        document["shared"]?["not_shared"] = cause.map { _ in .bool(true) }
        document["shared"]?["cause"] = cause.map(JSONValue.string)
        document["shared"]?["since"] = since.map(JSONValue.integer)
    }

    /// The API refused another machine's refresh of the held tokens.
    mutating func deny(_ refusal: SharedRefusal) {
        isRefreshDenied = true
        let names = refusal.silent.map { JSONValue.string($0.description) }
        document["shared"]?["silent"] = names.isEmpty ? nil : .array(names)
    }

    /// Why the held tokens cannot be refreshed, as far as the record says; nil if it does not. Meaningful with
    /// `isRefreshDenied` only.
    var refusal: String? {
        guard isRefreshDenied, lastRefresh?.outcome != .refused, let shared = document["shared"], shared != .null else {
            return lastRefresh?.detail
        }
        guard case .array(let names)? = shared["silent"] else { return SharedRefusal().words() }
        return SharedRefusal(silent: names.compactMap { $0.string.flatMap(ProcessName.init) }).words()
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
