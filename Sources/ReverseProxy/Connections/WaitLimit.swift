/// How long an exchange waits for its next event.
enum WaitLimit: Equatable, Sendable {
    /// A wait for the session ends at a moment that is fixed for the whole request.
    case session
    case nanoseconds(UInt64)
    /// The exchange waits for nothing.
    case none
}

/// The progress of a request's body.
enum UploadProgress: Equatable, Sendable {
    /// The upstream was asked whether it wants the body.
    case awaitsContinue
    /// More of the body has to arrive, or to be sent.
    case sending
    /// All of it is sent, or there is no body.
    case sent
}

extension ProxyContext.Intervals {
    /// Upstreams that do not know the expectation stay silent (RFC 9110 section 10.1.1).
    private static let continueNanoseconds: UInt64 = 1_000_000_000
    /// A rejection is short and arrives at once; a slower body is something else.
    static let verdictNanoseconds: UInt64 = 2_000_000_000

    /// Chooses the limit by what the exchange waits for. Pure.
    @inline(__always)
    func waitLimit(in state: Exchange.State, _ upload: @autoclosure () -> UploadProgress) -> WaitLimit {
        switch state {
        case .awaitingCredential, .holding, .settling: .session
        case .sending:
            switch upload() {
            case .awaitsContinue: .nanoseconds(Self.continueNanoseconds)
            case .sending: .nanoseconds(body)
            case .sent: .nanoseconds(firstByte)
            }
        case .collecting(.verdict, _): .nanoseconds(min(body, Self.verdictNanoseconds))
        case .collecting, .relaying: .nanoseconds(body)
        case .tunnelling: .nanoseconds(idle)
        case .finished: .none
        }
    }
}
