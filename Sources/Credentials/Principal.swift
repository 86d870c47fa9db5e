/// Whom a token speaks for, as far as is known. Small, because every request carries it.
public struct Principal: Equatable, Sendable {
    /// Hash of the login that the token descends from. It stays through refreshes.
    private let login: UInt64
    /// Hash of the subject that the token names; zero for none.
    private let subject: UInt64

    public init(lineage: String, subject: String?) {
        login = Token.hash(lineage)
        self.subject = subject.map(Token.hash) ?? 0
    }

    /// Whether both are one principal: of one login, or with one subject.
    public func isSame(as other: Principal) -> Bool {
        login == other.login || subject != 0 && subject == other.subject
    }
}
