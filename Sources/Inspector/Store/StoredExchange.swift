import Credentials
import ReverseProxy

/// One exchange as the inspector keeps it. What is secret was redacted before it came here.
struct StoredExchange {
    var id: ExchangeID
    /// Of its last change. See `ExchangeStore`.
    var sequence: Int
    /// Milliseconds since 1970.
    var wallMilliseconds: Int64
    var connection: UInt64
    var origin: ConnectionOrigin
    /// Of the client, or as the upstream got it if the recording began late.
    var method: [UInt8]
    /// In origin form, without its secret values; at most 8 KiB.
    var target: [UInt8]
    /// Nil when Squire refused it before it knew.
    var route: RouteKind?
    var request = StoredRequest()
    /// The fields that went upstream, the credential's among them, without its value.
    var sent = StoredFields()
    var sentParts = StoredHeadParts()
    var attempts: [StoredAttempt] = []
    var interim: [StoredInterim] = []
    var tokenWaits: [StoredTokenWait] = []
    var ownAnswer: StoredOwnAnswer?
    /// Of a WebSocket or an event stream.
    var messages: [StoredMessage] = []
    var hasRedactedMessages = false
    /// Body octets so far, both ways, without framing.
    var requestBytes: UInt64 = 0
    var responseBytes: UInt64 = 0
    /// Nil while it runs.
    var ending: RecordedEvent.Ending?
    /// When it was looked at last, milliseconds after its beginning.
    var age: Double = 0
    var isLate = false
    /// Something of it could not be recorded, or was larger than what is kept.
    var isCut = false
    var isPinned = false
    /// It became a WebSocket.
    var isTunnel = false

    /// What is redacted of the request: `field Cookie`, `query token`, JSON pointers of its body.
    var requestRedactions: [String] { request.redactions + request.body.redactions }
}

struct StoredField: Equatable {
    var name: [UInt8]
    /// Without what is secret.
    var value: [UInt8]
}

/// How many of the fields that went upstream are whose: the first is Squire's, then come the client's, those that Squire
/// makes anew, and behind them the configured ones.
struct StoredHeadParts: Equatable {
    var kept = 0
    var made = 0
}

/// The client's request.
struct StoredRequest {
    var minorVersion = 1
    var fields = StoredFields()
    /// Octets of the whole head as it came, with its empty line.
    var headSize = 0
    var body = StoredBody()
    /// Of fields and target: `field Cookie`, `query token`.
    var redactions: [String] = []
}

/// A body as far as it is kept: the first octets after its content coding was taken off, without what is secret.
struct StoredBody {
    /// Octets that went, encoded, without framing.
    var size: UInt64 = 0
    var kept: [UInt8] = []
    /// Octets after decoding; nil when unknown.
    var decodedSize: Int?
    /// Content-Type.
    var type: String?
    /// Content-Encoding as it was sent; nil without one.
    var encoding: String?
    /// The coding that cannot be searched for secrets: nothing is kept.
    var unreadable: String?
    /// JSON pointers, form names, `value` for what was found by its value.
    var redactions: [String] = []
    /// More came than is kept.
    var isCut = false
}

struct StoredAttempt {
    /// From 1.
    var number: Int
    /// 0 is no token.
    var generation: Generation
    /// Milliseconds after the exchange's beginning; nil for what has not happened.
    var began: Double
    var connected: Double?
    var isReused = false
    var setup = StoredSetup()
    /// When the last octet of the request had gone to the connection.
    var sent: Double?
    var firstByte: Double?
    var ended: Double?
    var status: Int?
    var reason: [UInt8] = []
    var minorVersion = 1
    var fields = StoredFields()
    /// Octets of the whole head as it came, with its empty line.
    var headSize = 0
    var body = StoredBody()
    /// Of fields.
    var redactions: [String] = []
    /// The client has not seen it, or not before it was known what becomes of it.
    var isHeld = false
    /// The client got it.
    var isRelayed = false
    /// When how many octets of the body were there: milliseconds after the exchange's beginning. At most 256.
    var marks: [(offset: UInt64, at: Double)] = []
}

/// What parts of making its connection took, milliseconds; nil for what was not done, or when it was there before.
struct StoredSetup {
    var lookup: Double?
    var tls: Double?
}

struct StoredInterim {
    var at: Double
    var status: Int
}

/// A wait for a token, milliseconds after the exchange's beginning.
struct StoredTokenWait {
    enum Outcome: String { case refreshed, refused, failed, timedOut = "timed_out" }

    var began: Double
    var ended: Double?
    /// This exchange started the refresh.
    var led: Bool
    var isForRejection: Bool
    /// How many waited for that refresh beside the one that led to it; nil when unknown.
    var waiters: Int?
    /// 0 without a token.
    var generation: Generation = 0
    var outcome: Outcome?
}

/// What Squire answered itself.
struct StoredOwnAnswer {
    var status: Int
    var code: String?
    /// As they were sent, without what is secret; empty when the head was lost.
    var fields = StoredFields()
    /// Octets of the whole head, with its empty line; 0 when it was lost.
    var headSize = 0
    /// As it was sent, without what is secret.
    var body: [UInt8]
    var at: Double
}

struct StoredMessage {
    var at: Double
    var isFromClient: Bool
    /// Of a WebSocket's frame (RFC 6455 section 5.2); nil for an event of an event stream.
    var opcode: Int?
    var size: UInt64
    /// Without what is secret; at most `inspector.body` octets of it were read.
    var kept: [UInt8]
}
