/// What is about to happen to the session, told before anybody can see it. See `Session.init`.
public enum SessionNews: Sendable {
    /// This is current as soon as the call returns: nobody has the token yet.
    case publishes(Publication)
    /// A refresh is on its way.
    case refreshBegins
    /// It has ended; what came of it was told before.
    case refreshEnds
}

/// A token that is about to be current, or none.
public struct Publication: Sendable {
    /// Who brings it.
    public enum Hand: Sendable, Equatable {
        /// It was there when the session was opened.
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
    /// Nil when there is none: somebody logged out, or nothing but a refresh token is held.
    public var token: Token?
    /// What the next refresh spends, where that is not the token itself.
    public var refreshToken: Token?
    /// How the token came first, to whatever process; nil if nobody says.
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
