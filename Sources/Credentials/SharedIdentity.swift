public import Support

/// Identifies the token set that a record describes. The seal covers all of it.
public struct SharedIdentity: Hashable, Sendable {
    /// Identifies the token set, or a tombstone.
    public let id: SharedID
    /// The token set that was spent for this one; nil after a login.
    public let parent: SharedID?
    /// The login that the token set descends from.
    public let login: SharedID
    /// Counts logins and logouts of the shared session, from 1. A higher one is later, whatever the engine forgot.
    public let era: Int
    /// Counts the refreshes since the login.
    public let generation: Int

    /// The highest count: all JSON parsers are exact up to here.
    public static let maxCount = (1 << 53) - 1

    /// Nil if a count is out of bounds.
    public init?(id: SharedID, parent: SharedID?, login: SharedID, era: Int, generation: Int) {
        guard (1...Self.maxCount).contains(era), (0...Self.maxCount).contains(generation) else { return nil }
        self.id = id
        self.parent = parent
        self.login = login
        self.era = era
        self.generation = generation
    }

    /// The identity of a new login, or of a logout's tombstone: `era` is the highest that was seen, 0 if there was
    /// none. Nil if the counter is exhausted.
    public static func login(_ login: SharedID, _ id: SharedID, after era: Int) -> SharedIdentity? {
        guard era < maxCount else { return nil }
        return SharedIdentity(id: id, parent: nil, login: login, era: max(era, 0) + 1, generation: 0)
    }

    /// The identity of a token set that a refresh of this one brought. Nil if the counter is exhausted.
    public func child(_ id: SharedID) -> SharedIdentity? {
        guard generation < Self.maxCount else { return nil }
        return SharedIdentity(id: id, parent: self.id, login: login, era: era, generation: generation + 1)
    }

    /// What is counted anew has the same id.
    public func hash(into hasher: inout Hasher) {
        hasher.combine(id)
        hasher.combine(era)
    }

    /// Whether this one is older than `other`: an earlier login, or fewer refreshes of the same login. Two logins of
    /// one era have no order: two people logged in at once, and the engine's record counts.
    public func precedes(_ other: SharedIdentity) -> Bool {
        guard era == other.era else { return era < other.era }
        return login == other.login && generation < other.generation
    }

    /// Whether this one, put back, would end another login.
    public func wouldReplaceLogin(of there: SharedIdentity) -> Bool { login != there.login && there.precedes(self) }

    /// How what the engine has stands to what a machine holds.
    public enum Order: Sendable {
        /// The same.
        case same
        /// The engine has what was before it.
        case behind
        /// The engine has what came later, or another login of that era: the engine's stands.
        case stands
    }

    /// How `there`, which the engine has, stands to this, which a machine holds.
    public func order(_ there: SharedIdentity) -> Order {
        if there == self { return .same }
        return there.precedes(self) ? .behind : .stands
    }

    /// Parses the result of `members`; nil if a member is missing or invalid.
    init?(_ json: JSONValue) {
        guard let id = json["id"]?.string.flatMap(SharedID.init),
            let login = json["login"]?.string.flatMap(SharedID.init),
            let era = json["era"]?.integer, let generation = json["generation"]?.integer
        else { return nil }
        var parent: SharedID?
        if let text = json["parent"], text != .null {
            guard let read = text.string.flatMap(SharedID.init) else { return nil }
            parent = read
        }
        self.init(id: id, parent: parent, login: login, era: era, generation: generation)
    }

    /// The members in a record and in its associated data.
    public var members: [JSONValue.Member] {
        [
            .init("id", .string(id.description)),
            .init("parent", parent.map { .string($0.description) } ?? .null),
            .init("login", .string(login.description)),
            .init("era", .integer(era)),
            .init("generation", .integer(generation)),
        ]
    }
}
