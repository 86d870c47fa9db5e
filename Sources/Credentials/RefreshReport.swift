/// The request that led to a refresh, as two numbers with a meaning for the caller. Costs nothing to pass.
public struct RefreshTrigger: Equatable, Sendable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// The result of a refresh, for observers.
public struct RefreshReport: Equatable, Sendable {
    public var cause: RefreshCause
    public var outcome: RefreshEntry.Outcome
    /// Nil if no request led to it, but a person or a timer.
    public var trigger: RefreshTrigger?
    /// How many callers it answered, including the one that led to it.
    public var waiters: Int
    public var milliseconds: Int
    /// The status of the issuer's answer, if that caused the failure.
    public var status: Int?
    /// It failed because something took too long.
    public var isTimeout: Bool

    public init(
        _ cause: RefreshCause,
        _ outcome: RefreshEntry.Outcome,
        _ trigger: RefreshTrigger?,
        waiters: Int,
        milliseconds: Int,
        status: Int? = nil,
        isTimeout: Bool = false
    ) {
        self.cause = cause
        self.outcome = outcome
        self.trigger = trigger
        self.waiters = waiters
        self.milliseconds = milliseconds
        self.status = status
        self.isTimeout = isTimeout
    }
}
