public import Credentials

/// One thing that a worker tells of an exchange, as the inspector reads it. Octets are as they came: what is secret in
/// them is still there, and goes before anything is kept.
public struct RecordedEvent: Sendable {
    public var exchange: ExchangeID
    /// Monotonic nanoseconds.
    public var at: UInt64
    public var what: What

    public init(exchange: ExchangeID, at: UInt64, what: What) {
        self.exchange = exchange
        self.at = at
        self.what = what
    }

    public enum What: Sendable {
        /// The first of each exchange.
        case began(Beginning)
        /// The client's head as it came, with its empty line. Missing in a recording that began late. Of bytes that
        /// were no request: their first line alone, if it looks like one's.
        case requestHead([UInt8])
        /// The head for the upstream, without the credential's field and the empty line. Missing if Squire refused the
        /// request.
        case sentHead([UInt8], HeadParts, route: RouteKind, carriesCredential: Bool)
        /// Body octets from the client, without framing, in their order, up to the limit for bodies.
        case requestBody([UInt8])
        /// An attempt is to be made, and waits for a connection. Counted from 1; generation 0 is no token.
        case attempt(number: Int, generation: Generation)
        /// It has its connection. Of a new one also how long the name was looked up and the TLS handshakes took, in
        /// nanoseconds; 0 for what was not done.
        case connected(isReused: Bool, lookup: UInt64, tls: UInt64)
        /// The last octet of the request has gone to it. Missing if an answer came before.
        case sent
        /// An interim response's status.
        case interim(status: Int)
        /// The upstream's head as it came, with its empty line.
        case responseHead([UInt8])
        /// Body octets from the upstream, without framing, in their order, up to the limit for bodies.
        case responseBody([UInt8])
        /// Body octets so far, both ways; told now and then while more comes than is kept.
        case progress(requestBytes: UInt64, responseBytes: UInt64)
        /// The response is held: the client has not seen it.
        case held
        /// The response that was held goes to the client after all.
        case relayedHeld
        /// A token is waited for, because of a rejection or because there was none that could be used.
        case tokenWait(isForRejection: Bool, leads: Bool)
        /// The wait is over. Generation 0: without a token.
        case tokenArrived(generation: Generation, failure: CredentialFailure?)
        /// Squire's own answer: its status, its head and body as they were sent, and the problem's code.
        case ownAnswer(status: Int, head: [UInt8], body: [UInt8], code: String?)
        /// A WebSocket is open.
        case tunnelOpened
        /// Bytes of a WebSocket's stream, up to the limit for bodies each way.
        case tunnelData(isFromClient: Bool, [UInt8])
        /// Nothing follows.
        case ended(Ending)
        /// Something of this exchange could not be told: there was no room. Comes before the end.
        case lost
    }

    /// Whose the fields of a head for the upstream are, by where they begin, in bytes from its start: the first is
    /// Squire's, then come the client's.
    public struct HeadParts: Sendable, Equatable {
        /// Those that Squire makes anew.
        public var madeOffset: Int
        /// The configured ones.
        public var rulesOffset: Int

        public init(madeOffset: Int, rulesOffset: Int) {
            self.madeOffset = madeOffset
            self.rulesOffset = rulesOffset
        }
    }

    public struct Beginning: Sendable, BitwiseCopyable {
        /// The client's: no other connection of this run has the number.
        public var connection: UInt64
        public var origin: ConnectionOrigin
        /// What came before is not recorded.
        public var isLate: Bool
        /// When the exchange began, monotonic nanoseconds, and the same moment in milliseconds since 1970.
        public var startedAt: UInt64
        public var wallMilliseconds: Int64

        public init(
            connection: UInt64,
            origin: ConnectionOrigin,
            isLate: Bool,
            startedAt: UInt64,
            wallMilliseconds: Int64
        ) {
            self.connection = connection
            self.origin = origin
            self.isLate = isLate
            self.startedAt = startedAt
            self.wallMilliseconds = wallMilliseconds
        }
    }

    public struct Ending: Sendable, BitwiseCopyable {
        public var status: Int
        public var outcome: ExchangeRecord.Outcome
        public var needsLogin: Bool
        public var attempts: Int
        public var requestBytes: UInt64
        public var responseBytes: UInt64
        public var totalNanoseconds: UInt64
        public var upstreamNanoseconds: UInt64
        public var tokenNanoseconds: UInt64
        /// The refresh that it started brought a token, failed, or there was none.
        public var refresh: ExchangeRecord.Refresh
        /// Where the request's body was kept to be sent again: it may have been too large.
        public var wasReplayable: Bool

        public init(
            status: Int,
            outcome: ExchangeRecord.Outcome,
            needsLogin: Bool,
            attempts: Int,
            requestBytes: UInt64,
            responseBytes: UInt64,
            totalNanoseconds: UInt64,
            upstreamNanoseconds: UInt64,
            tokenNanoseconds: UInt64,
            refresh: ExchangeRecord.Refresh,
            wasReplayable: Bool
        ) {
            self.status = status
            self.outcome = outcome
            self.needsLogin = needsLogin
            self.attempts = attempts
            self.requestBytes = requestBytes
            self.responseBytes = responseBytes
            self.totalNanoseconds = totalNanoseconds
            self.upstreamNanoseconds = upstreamNanoseconds
            self.tokenNanoseconds = tokenNanoseconds
            self.refresh = refresh
            self.wasReplayable = wasReplayable
        }
    }
}

/// Who speaks on a client's connection.
public enum ConnectionOrigin: Sendable, Equatable, BitwiseCopyable {
    case client
    /// The inspector, which sends a recorded exchange again. `ticket` is how it finds the new one.
    case replay(of: ExchangeID, ticket: UInt64)
    /// The inspector, which sends what a person wrote.
    case composer(ticket: UInt64)
}
