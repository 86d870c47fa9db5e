/// Who led to a refresh, in two numbers that mean something to whoever gave them. Costs nothing to say.
public struct RefreshTrigger: Equatable, Sendable {
    public let high: UInt64
    public let low: UInt64

    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// How a refresh went, for those who look on.
public struct RefreshReport: Equatable, Sendable {
    public var cause: RefreshCause
    public var outcome: RefreshEntry.Outcome
    /// Nil when nobody that has a name led to it: a person, or time.
    public var trigger: RefreshTrigger?
    /// How many were answered by it, whoever led to it among them.
    public var waiters: Int
    public var milliseconds: Int
    /// Of the issuer's answer, if that is why it failed.
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
