/// A change of the session that is about to happen, reported before anybody can see it. See `Session.init`.
public enum SessionNews: Sendable {
    /// The token becomes current when the call returns: nobody has it yet.
    case publishes(Publication)
    /// A refresh begins.
    case refreshBegins
    /// A refresh has ended; its result was reported before.
    case refreshEnds
}

/// A token that is about to be current, or none.
public struct Publication: Sendable {
    /// The author of the change.
    public enum Hand: Sendable, Equatable {
        /// The token was there when the session was opened.
        case opening
        case refresh(RefreshCause)
        /// A login or a logout by this process.
        case change
        /// Another process, or a person, changed the file.
        case file(AdoptedChange)
        /// Another machine that shares the session.
        case machine(AdoptedChange)
    }

    public var generation: Generation
    /// Nil if there is none: after a logout, or if only a refresh token is held.
    public var token: Token?
    /// The token that the next refresh spends, if that is not the access token.
    public var refreshToken: Token?
    /// How the token first arrived, in whichever process; nil if unknown.
    public var arrival: SessionRecord.Arrival?
    /// Seconds since 1970, by this machine's clock; nil if that is unknown.
    public var expiresAt: Int?
    public var hand: Hand

    public init(
        generation: Generation,
        token: Token?,
        refreshToken: Token? = nil,
        arrival: SessionRecord.Arrival? = nil,
        expiresAt: Int? = nil,
        hand: Hand
    ) {
        self.generation = generation
        self.token = token
        self.refreshToken = refreshToken
        self.arrival = arrival
        self.expiresAt = expiresAt
        self.hand = hand
    }
}

extension Publication {
    init(_ record: SessionRecord, _ number: Generation, _ hand: Hand) {
        self.init(
            generation: number,
            token: record.token,
            refreshToken: record.refreshToken,
            arrival: record.arrival,
            expiresAt: record.expiresAt,
            hand: hand
        )
    }
}

extension Publication.Hand {
    var isRefresh: Bool { if case .refresh = self { true } else { false } }
}
