public import Credentials
public import EventIO

/// The facts that observers get about an exchange, besides its method, target and X-Request-ID.
public struct ExchangeRecord: Sendable {
    public enum Outcome: String, Sendable, BitwiseCopyable {
        /// The whole response reached the client.
        case complete
        /// Squire answered by itself.
        case local = "refused"
        /// The client closed the connection.
        case clientGone = "client-gone"
        /// The upstream's response broke off.
        case upstreamBroke = "upstream-broke"
        /// Squire stopped before the exchange was complete.
        case shutDown = "shut-down"
    }

    public var id: ExchangeID
    public var status: Int
    public var outcome: Outcome
    /// The problem that Squire answered with; nil for a response of the upstream.
    public var problem: Problem?
    public var requestBytes: UInt64
    /// Bytes of the response body, whoever wrote it.
    public var responseBytes: UInt64
    /// Nanoseconds of all attempts together, each from its beginning to its response's head; nil if no attempt was
    /// made.
    public var upstreamNanoseconds: UInt64?
    public var totalNanoseconds: UInt64
    public var attempts: Int
    /// The status of the upstream's first response, if the client got a different one.
    public var firstStatus: Int?
    /// Nanoseconds that the exchange waited for a token; nil if it did not wait.
    public var tokenNanoseconds: UInt64?
    /// The result of the refresh that this exchange started. Other exchanges may have waited for it, too.
    public var refresh: Refresh
    /// The upstream's own rejection was relayed, because only a login helps.
    public var needsLogin: Bool
    /// The generation of the token in the last attempt; zero means none.
    public var generation: UInt64
    /// The request was replayed with another token.
    public var wasReplayed: Bool

    public enum Refresh: Sendable, BitwiseCopyable {
        /// The exchange started none.
        case none
        /// The refresh brought another token.
        case brought
        case failed
    }

    /// A record for an exchange that took no time and made no attempt.
    public init(id: ExchangeID, status: Int, outcome: Outcome) {
        self.id = id
        self.status = status
        self.outcome = outcome
        requestBytes = 0
        responseBytes = 0
        totalNanoseconds = 0
        attempts = 0
        refresh = .none
        needsLogin = false
        generation = 0
        wasReplayed = false
    }
}

/// Identifies an exchange: unique in this process, and short enough to read out.
public struct ExchangeID: Hashable, Sendable, BitwiseCopyable {
    /// A random number of its worker.
    public var prefix: UInt16
    public var number: UInt64

    public init(prefix: UInt16, number: UInt64) {
        self.prefix = prefix
        self.number = number
    }

    /// Returns that many different prefixes, in an order that reveals nothing.
    static func prefixes(_ count: Int) -> [UInt16] {
        let (first, step) = (UInt16.random(in: .min ... .max), UInt16.random(in: .min ... .max) | 1)
        // An odd step visits all 65,536 numbers before it repeats one.
        return (0..<count).map { first &+ step &* UInt16(truncatingIfNeeded: $0) }
    }

    /// Appends the identifier as `00a7-12`.
    public func append(to output: ByteBuffer) {
        var unit: UInt16 = 0x1000
        while unit > 1, prefix < unit {
            output.append("0")
            unit /= 16
        }
        output.append(hexadecimal: Int(prefix))
        output.append("-")
        output.append(decimal: number)
    }
}

extension ExchangeID: CustomStringConvertible {
    /// The name that a refresh knows this exchange by, if it led to the refresh.
    public var trigger: RefreshTrigger { RefreshTrigger(high: UInt64(prefix), low: number) }

    public init(_ trigger: RefreshTrigger) {
        self.init(prefix: UInt16(truncatingIfNeeded: trigger.high), number: trigger.low)
    }

    public var description: String {
        let text = ByteBuffer(capacity: 32)
        append(to: text)
        return String(decoding: text.readable, as: UTF8.self)
    }
}

/// Receives the events of exchanges, on the worker's thread. Must not block.
///
/// All texts are redacted already: observers can neither leak nor delay anything. `method`, `target` and `requestID`
/// are valid during the call only, as their types ensure. So is `scratch`, the worker's own buffer: with it an
/// observer, which all workers share, needs neither memory nor a lock of its own.
public protocol ExchangeObserver: Sendable {
    /// How much is reported besides the ends of exchanges. Read once for each configuration.
    var detail: ExchangeDetail { get }

    /// `requestID` is the X-Request-ID that went upstream, whether the client or Squire set it; empty if there was
    /// none.
    func exchangeFinished(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch: ByteBuffer
    )

    /// A WebSocket was opened: the exchange continues, possibly for hours.
    func tunnelOpened(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch: ByteBuffer
    )

    /// Reports a step of an exchange, if `detail` asks for it.
    func exchange(_ id: ExchangeID, _ step: ExchangeStep)
}
