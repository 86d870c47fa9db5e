import ReverseProxy

/// What the inspector keeps of exchanges: a ring by bytes, in lanes, so that noise does not push out what matters.
///
/// `sequence` counts changes: an exchange that changes moves to the end. *Threading*: the inspector's loop only.
final class ExchangeStore {
    /// The number of the last change; 0 before the first.
    private(set) var sequence = 0

    init() {}

    /// The exchange of that identifier, if it is kept.
    subscript(id: ExchangeID) -> StoredExchange? { nil }

    /// Calls `body` once, soon, when the exchange that the inspector itself sent with that ticket has ended, with what
    /// is kept of it.
    func whenDone(ticket: UInt64, _ body: @escaping (StoredExchange) -> Void) {}

    /// What is kept so far of the exchange that was sent with that ticket.
    func exchange(ticket: UInt64) -> StoredExchange? { nil }
}
