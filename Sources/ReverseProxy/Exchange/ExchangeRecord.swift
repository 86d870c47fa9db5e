public import Credentials
public import EventIO

/// What is told about an exchange, beside its method, target and X-Request-ID.
public struct ExchangeRecord: Sendable {
    public enum Outcome: String, Sendable, BitwiseCopyable {
        /// The answer reached the client whole.
        case complete
        /// Squire answered itself.
        case local = "refused"
        /// The client went away.
        case clientGone = "client-gone"
        /// The upstream broke off in the middle of the answer.
        case upstreamBroke = "upstream-broke"
        /// Squire stopped before it was complete.
        case shutDown = "shut-down"
    }

    public var id: ExchangeID
    public var status: Int
    public var outcome: Outcome
    /// What Squire answered with; nil for a response of the upstream's.
    public var problem: Problem?
    public var requestBytes: UInt64
    /// Of the body that the client was sent, whoever wrote it.
    public var responseBytes: UInt64
    /// Nanoseconds of all attempts together, each from its beginning to its response's head; nil when the upstream was
    /// not asked.
    public var upstreamNanoseconds: UInt64?
    public var totalNanoseconds: UInt64
    public var attempts: Int
    /// The status of the upstream's first response, if the client did not get that one.
    public var firstStatus: Int?
    /// Nanoseconds that it waited for a token; nil when it had one, or needed none.
    public var tokenNanoseconds: UInt64?
    /// What came of the refresh that it started. Others may have waited for it, too.
    public var refresh: Refresh
    /// The upstream's own rejection was relayed, because only a login helps.
    public var needsLogin: Bool
    /// Of the token in the last attempt; zero is none.
    public var generation: UInt64
    /// It was sent again with another token.
    public var wasReplayed: Bool

    public enum Refresh: Sendable, BitwiseCopyable {
        /// It started none.
        case none
        /// It brought another token.
        case brought
        case failed
    }

    /// An exchange that took no time and asked nobody.
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

/// Names an exchange: unique in this process, short enough to be read out.
public struct ExchangeID: Hashable, Sendable, BitwiseCopyable {
    /// Random, of its worker.
    public var prefix: UInt16
    public var number: UInt64

    public init(prefix: UInt16, number: UInt64) {
        self.prefix = prefix
        self.number = number
    }

    /// As many different prefixes, in no order that tells anything.
    static func prefixes(_ count: Int) -> [UInt16] {
        let (first, step) = (UInt16.random(in: .min ... .max), UInt16.random(in: .min ... .max) | 1)
        // An odd step meets each of the 65,536 before it meets one again.
        return (0..<count).map { first &+ step &* UInt16(truncatingIfNeeded: $0) }
    }

    /// Appends it as `00a7-12`.
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
    /// What a refresh knows the exchange by that led to it.
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

/// Hears of exchanges, on the worker's thread. Must not block.
///
/// What is told is redacted already: observers can neither leak nor delay anything. `method`, `target` and `requestID`
/// are good during the call only, as their type ensures. So is `scratch`, the worker's own: what is written there takes
/// no memory and no lock of the observer, which workers share.
public protocol ExchangeObserver: Sendable {
    /// How much is told beside the ends of exchanges. Looked at once for each configuration.
    var detail: ExchangeDetail { get }

    /// `requestID` is X-Request-ID as it went upstream, the client's or Squire's own; empty without one.
    func exchangeFinished(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch: ByteBuffer
    )

    /// A WebSocket was opened: the exchange goes on, perhaps for hours.
    func tunnelOpened(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        requestID: Span<UInt8>,
        scratch: ByteBuffer
    )

    /// Something happened on the way, of what `detail` asks for.
    func exchange(_ id: ExchangeID, _ step: ExchangeStep)
}
