/// The session that a login may take the place of.
public enum ReplaceableSession: Sendable {
    case any
    /// Any of this API.
    case ofThisAPI
    /// One of this API, and of the customer whose the new token is, as far as that is known. One that is dead counts as
    /// none. `agreed` is the lineage of the one that a person saw and agreed to lose, whoever's that is.
    case ofThisCustomer(agreed: String?)

    /// Whether it may be another API's.
    var mayBeForeign: Bool { if case .any = self { true } else { false } }

    /// The customer whose session it is, if that may not be replaced by `token`'s.
    func otherCustomer(_ former: ReplacedSession?, by token: Token) -> String? {
        guard case .ofThisCustomer(let agreed) = self, let former, let subject = former.subject,
            let new = token.claims?.subject, new != subject, agreed == nil || former.record.lineage != agreed
        else { return nil }
        return subject
    }
}
