public import Credentials

/// One event of an exchange, as the inspector reads it from a worker. Octets are unchanged: they may contain secrets,
/// which are removed before anything is kept.
public struct RecordedEvent: Sendable {
    public var exchange: ExchangeID
    /// In monotonic nanoseconds.
    public var at: UInt64
    public var what: What

    public init(exchange: ExchangeID, at: UInt64, what: What) {
        self.exchange = exchange
        self.at = at
        self.what = what
    }

    public enum What: Sendable {
        /// The first event of each exchange.
        case began(Beginning)
        /// The client's head, with its empty line. Missing in a recording that began late. For bytes that are not a
        /// request: the first line, if it looks like a request line.
        case requestHead([UInt8], TargetPlace)
        /// The head for the upstream, without the credential's field and the empty line. Missing if Squire refused the
        /// request.
        case sentHead([UInt8], HeadParts, route: RouteKind, carriesCredential: Bool)
        /// Body octets from the client, without framing, in their order, up to the limit for bodies.
        case requestBody([UInt8])
        /// An attempt begins and waits for a connection. Numbered from 1; generation 0 means no token.
        case attempt(number: Int, generation: Generation)
        /// The attempt has its connection. Of a new one also how long the name was looked up and the TLS handshakes took, in
        /// nanoseconds; 0 for what was not done.
        case connected(isReused: Bool, lookup: UInt64, tls: UInt64)
        /// The last octet of the request was written. Missing if a response came first.
        case sent
        /// The status of an interim response.
        case interim(status: Int)
        /// The upstream's head, with its empty line.
        case responseHead([UInt8])
        /// Body octets from the upstream, without framing, in order, up to the limit for bodies.
        case responseBody([UInt8])
        /// The number of body octets so far, in both directions; repeated from time to time for bodies above the limit.
        case progress(requestBytes: UInt64, responseBytes: UInt64)
        /// The response is held: the client has not received it.
        case held
        /// The held response is relayed to the client after all.
        case relayedHeld
        /// The exchange asks the session for a token.
        case tokenWait(TokenNeed, Awaited)
        /// The session has answered, or the exchange waits no longer.
        case tokenArrived(TokenArrival)
        /// Squire's own response: its status, head and body, and the problem's code.
        case ownAnswer(status: Int, head: [UInt8], body: [UInt8], code: String?)
        /// A WebSocket was opened.
        case tunnelOpened
        /// Bytes of a WebSocket's stream, up to the limit for bodies in each direction.
        case tunnelData(isFromClient: Bool, [UInt8])
        /// The last event.
        case ended(Ending)
        /// An event of this exchange was dropped for lack of room. Precedes the end.
        case lost
    }

    /// Why an exchange asks for a token.
    public enum TokenNeed: UInt8, Sendable, BitwiseCopyable {
        /// There was no usable one.
        case first
        /// Its token was rejected.
        case another
        /// The client called the refresh path.
        case refresh
    }

    /// The session's answer to an exchange that asked for a token.
    public enum TokenArrival: Sendable, Equatable {
        case token(Generation)
        /// The refresh brought no other token: the former one is used while it works.
        case former(Generation)
        /// The rejected token again, which is valid now by the upstream's clock.
        case valid(Generation)
        /// A client that called the refresh path gets the response to a refresh.
        case served
        /// The exchange may not wait longer.
        case timedOut
        case failed(CredentialFailure)

        var failure: CredentialFailure? { if case .failed(let failure) = self { failure } else { nil } }
    }

    /// Whose the fields of a head for the upstream are, by where they begin, in bytes from its start: the first is
    /// Squire's, then come the client's.
    public struct HeadParts: Sendable, Equatable {
        /// Those that Squire makes anew.
        public var madeOffset: Int
        /// The configured ones.
        public var rulesOffset: Int
        /// How the head's target relates to the base path: with one, it begins with it.
        public var place: TargetPlace
        /// The number of the configuration by which it was made: 0 is that of the start, and each reload takes the next.
        public var configuration: UInt32

        public init(madeOffset: Int, rulesOffset: Int, place: TargetPlace = .below, configuration: UInt32 = 0) {
            self.madeOffset = madeOffset
            self.rulesOffset = rulesOffset
            self.place = place
            self.configuration = configuration
        }
    }

    public struct Beginning: Sendable, BitwiseCopyable {
        /// The number of the client's connection, unique in this run.
        public var connection: UInt64
        public var origin: ConnectionOrigin
        /// Earlier events were not recorded.
        public var isLate: Bool
        /// The beginning of the exchange in monotonic nanoseconds, and the same moment in milliseconds since 1970.
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
        /// The result of the refresh that the exchange started.
        public var refresh: ExchangeRecord.Refresh
        /// The request's body was kept for a replay; false if it was too large.
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

/// The origin of a client's connection.
public enum ConnectionOrigin: Sendable, Equatable, BitwiseCopyable {
    case client
    /// The inspector, which replays a recorded exchange. It finds the new one by `ticket`.
    case replay(of: ExchangeID, ticket: UInt64)
    /// The inspector, which sends a composed request.
    case composer(ticket: UInt64)
}
