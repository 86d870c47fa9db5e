/// How long an exchange waits for what comes next.
enum Patience: Equatable, Sendable {
    /// For the session: until a moment that is the same for the whole request.
    case session
    case nanoseconds(UInt64)
    /// It waits for nothing any more.
    case none
}

/// How far a request's body is.
enum UploadProgress: Equatable, Sendable {
    /// The upstream was asked whether it wants the body.
    case awaitsContinue
    /// More of it has to come, or to be sent.
    case sending
    /// All of it is sent, or there is none.
    case sent
}

extension ProxyContext.Intervals {
    /// Upstreams that do not know the expectation stay silent (RFC 9110 section 10.1.1).
    private static let continueNanoseconds: UInt64 = 1_000_000_000
    /// A rejection is short and whole at once; what takes longer is something else.
    static let verdictNanoseconds: UInt64 = 2_000_000_000

    /// What is waited for decides how long. Pure.
    @inline(__always)
    func patience(in state: Exchange.State, _ upload: @autoclosure () -> UploadProgress) -> Patience {
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
