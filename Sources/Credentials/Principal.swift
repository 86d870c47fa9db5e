/// The principal that a token speaks for, as far as is known. Small, because every request carries one.
public struct Principal: Equatable, Sendable {
    /// Hash of the login that the token descends from. Refreshes keep it.
    private let login: UInt64
    /// Hash of the token's subject; zero if it has none.
    private let subject: UInt64

    public init(lineage: String, subject: String?) {
        login = Token.hash(lineage)
        self.subject = subject.map(Token.hash) ?? 0
    }

    /// Whether both descend from the same login.
    func isOfSameLogin(as other: Principal) -> Bool { login == other.login }

    /// Whether both are the same principal: the same login, or the same subject.
    public func isSame(as other: Principal) -> Bool {
        login == other.login || subject != 0 && subject == other.subject
    }
}
