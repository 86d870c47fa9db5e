import Credentials
import ReverseProxy

/// An exchange in the store. Its secrets have been redacted.
struct StoredExchange {
    var id: ExchangeID
    /// The number of its last change (`ExchangeStore`).
    var sequence: Int
    /// The start in milliseconds since 1970.
    var wallMilliseconds: Int64
    var connection: UInt64
    var origin: ConnectionOrigin
    /// The client's method, or the forwarded one if the recording began late.
    var method: [UInt8]
    /// In origin form, redacted; at most 8 KiB.
    var target: [UInt8]
    /// Nil if Squire refused it before the route was known.
    var route: RouteKind?
    var request = StoredRequest()
    /// The field in which the session's credential replaces the client's; nil if it does not.
    var replaced: String?
    /// The fields that went upstream, including the credential's, without its value.
    var sent = StoredFields()
    var sentParts = StoredHeadParts()
    var attempts: [StoredAttempt] = []
    var interim: [StoredInterim] = []
    var tokenWaits: [StoredTokenWait] = []
    var ownAnswer: StoredOwnAnswer?
    /// The messages of a WebSocket or an event stream.
    var messages: [StoredMessage] = []
    var hasRedactedMessages = false
    /// Body octets so far in both directions, without framing.
    var requestBytes: UInt64 = 0
    var responseBytes: UInt64 = 0
    /// Nil while it is running.
    var ending: RecordedEvent.Ending?
    /// Its age at the last update, in milliseconds.
    var age: Double = 0
    var isLate = false
    /// Something could not be recorded, or exceeded a limit.
    var isCut = false
    var isPinned = false
    /// The exchange became a WebSocket.
    var isTunnel = false

    /// The redacted parts of the request: `field Cookie`, `query token`, JSON Pointers into its body.
    var requestRedactions: [String] { request.redactions + request.body.redactions }
}

struct StoredField: Equatable {
    var name: [UInt8]
    /// Redacted.
    var value: [UInt8]
}

/// The numbers of the forwarded fields by origin: first one of Squire's, then the client's, then those that Squire
/// generates, then the configured ones.
struct StoredHeadParts: Equatable {
    var kept = 0
    var made = 0
}

/// The client's request.
struct StoredRequest {
    var minorVersion = 1
    var fields = StoredFields()
    /// The size of the received head in octets, including its empty line.
    var headSize = 0
    var body = StoredBody()
    /// The redacted parts of the fields and the target: `field Cookie`, `query token`.
    var redactions: [String] = []
}

/// The stored part of a body: its first octets, decoded and redacted.
struct StoredBody {
    /// The size in octets as transferred, encoded but without framing.
    var size: UInt64 = 0
    var kept: [UInt8] = []
    /// The size in octets after decoding; nil if unknown.
    var decodedSize: Int?
    /// Content-Type.
    var type: String?
    /// The value of Content-Encoding; nil if there was none.
    var encoding: String?
    /// A coding that cannot be searched for secrets, so that nothing is stored; nil otherwise.
    var unreadable: String?
    /// The redacted parts: JSON Pointers, names in forms, or `value` for secrets that were found by value.
    var redactions: [String] = []
    /// More octets came than are stored.
    var isCut = false
}

struct StoredAttempt {
    /// Counted from 1.
    var number: Int
    /// 0 without a token.
    var generation: Generation
    /// This and the next ones are milliseconds after the start of the exchange; nil if it has not happened.
    var began: Double
    var connected: Double?
    var isReused = false
    var setup = StoredSetup()
    /// When the last octet of the request was passed to the connection.
    var sent: Double?
    var firstByte: Double?
    var ended: Double?
    var status: Int?
    var reason: [UInt8] = []
    var minorVersion = 1
    var fields = StoredFields()
    /// The size of the received head in octets, including its empty line.
    var headSize = 0
    var body = StoredBody()
    /// The redacted fields.
    var redactions: [String] = []
    /// The response was held: the client received it later or not at all.
    var isHeld = false
    /// The client received it.
    var isRelayed = false
    /// The times, in milliseconds after the start of the exchange, at which that many octets of the body had arrived.
    /// At most 256.
    var marks: [(offset: UInt64, at: Double)] = []
}

/// The durations of the steps of making the connection, in milliseconds; nil for steps that were not needed.
struct StoredSetup {
    var lookup: Double?
    var tls: Double?
}

struct StoredInterim {
    var at: Double
    var status: Int
}

/// Squire's own response.
struct StoredOwnAnswer {
    var status: Int
    var code: String?
    /// The fields as sent, redacted; empty if the head was lost.
    var fields = StoredFields()
    /// The size of the head in octets, including its empty line; 0 if it was lost.
    var headSize = 0
    /// The body as sent, redacted.
    var body: [UInt8]
    var at: Double
}

struct StoredMessage {
    var at: Double
    var isFromClient: Bool
    /// The opcode of a WebSocket's frame (RFC 6455 section 5.2); nil for an event of an event stream.
    var opcode: Int?
    var size: UInt64
    /// Redacted; at most `inspector.body` octets were read.
    var kept: [UInt8]
}
