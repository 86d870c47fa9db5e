public import Support

/// Which token set a record speaks of. The seal vouches for all of it.
public struct SharedIdentity: Hashable, Sendable {
    /// Of the token set; of a tombstone, of itself.
    public let id: SharedID
    /// The token set that was spent for it; nil after a login.
    public let parent: SharedID?
    /// The login that the token set descends from.
    public let login: SharedID
    /// Counts logins and logouts of the shared session, from 1. A higher one is later, whatever the engine forgot.
    public let era: Int
    /// Counts the refreshes since the login.
    public let generation: Int

    /// The highest count: every reader of JSON is exact up to here.
    public static let maxCount = (1 << 53) - 1

    /// Nil if a count is out of its bounds.
    public init?(id: SharedID, parent: SharedID?, login: SharedID, era: Int, generation: Int) {
        guard (1...Self.maxCount).contains(era), (0...Self.maxCount).contains(generation) else { return nil }
        self.id = id
        self.parent = parent
        self.login = login
        self.era = era
        self.generation = generation
    }

    /// Of a new login, or of a logout's tombstone, under the name `id`: `era` is the highest that was seen, 0 where there
    /// was none. Nil at the end of counting.
    public static func login(_ login: SharedID, _ id: SharedID, after era: Int) -> SharedIdentity? {
        guard era < maxCount else { return nil }
        return SharedIdentity(id: id, parent: nil, login: login, era: max(era, 0) + 1, generation: 0)
    }

    /// Of what a refresh of this token set brought, under the name `id`. Nil at the end of counting.
    public func child(_ id: SharedID) -> SharedIdentity? {
        guard generation < Self.maxCount else { return nil }
        return SharedIdentity(id: id, parent: self.id, login: login, era: era, generation: generation + 1)
    }

    public func hash(into hasher: inout Hasher) { hasher.combine(id) }

    /// Whether this is what was before `other`: an earlier login, or fewer refreshes of the same. Two logins of one era
    /// have no order: two people logged in at once, and the engine's stands.
    public func precedes(_ other: SharedIdentity) -> Bool {
        guard era == other.era else { return era < other.era }
        return login == other.login && generation < other.generation
    }

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

    /// Reads what `members` gave; nil if a member is missing or is not what it should be.
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

    /// As a record and its associated data have them.
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
