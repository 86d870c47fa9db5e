public import EventIO

/// What is told about a finished exchange, beside its method and target.
public struct ExchangeRecord: Sendable {
    public enum Outcome: String, Sendable {
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
    /// The problem that Squire answered with; nil for a response of the upstream's.
    public var code: Problem.Code?
    public var requestBytes: UInt64
    public var responseBytes: UInt64
    /// Nanoseconds from the request's first attempt to the answer's first byte; nil when the upstream was not asked.
    public var upstreamNanoseconds: UInt64?
    public var totalNanoseconds: UInt64
    public var attempts: Int
    /// Of the token in the last attempt; zero is none.
    public var generation: UInt64
    /// It was sent again with another token.
    public var wasReplayed: Bool
}

/// Names an exchange: unique in this process, short enough to be read out.
public struct ExchangeID: Equatable, Sendable {
    /// Random, of its worker.
    public var prefix: UInt16
    public var number: UInt64

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

/// Hears of every finished exchange, on the worker's thread. Must not block.
public protocol ExchangeObserver: Sendable {
    /// What is told is redacted already: observers can neither leak nor delay anything.
    ///
    /// `method` and `target` are good during the call only, as their type ensures. So is `scratch`, the worker's own:
    /// what is written there takes no memory and no lock of the observer, which workers share.
    func exchangeFinished(
        _ record: ExchangeRecord,
        method: Span<UInt8>,
        target: Span<UInt8>,
        scratch: ByteBuffer
    )
}
