/// Which existing session a login may replace.
public enum ReplaceableSession: Sendable {
    case any
    /// Any of this API.
    case ofThisAPI
    /// A session of this API, and of the customer whom the new token speaks for, as far as is known. A dead session
    /// counts as none. `agreed` is the lineage of the session that a person has seen and agreed to lose, whoever's it
    /// is.
    case ofThisCustomer(agreed: String?)

    /// Whether the session may be another API's.
    var mayBeForeign: Bool { if case .any = self { true } else { false } }

    /// The customer of the existing session, if `token` belongs to another one and must not replace it.
    func otherCustomer(_ former: ReplacedSession?, by token: Token) -> String? {
        guard case .ofThisCustomer(let agreed) = self, let former, let subject = former.subject,
            let new = token.claims?.subject, new != subject, agreed == nil || former.record.lineage != agreed
        else { return nil }
        return subject
    }
}
