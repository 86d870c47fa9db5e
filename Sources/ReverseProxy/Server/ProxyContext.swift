public import Credentials
public import EventIO
import Platform

/// Everything derived from one configuration: the policies that exchanges use, shared by all workers. Immutable; a
/// reload makes a new one, and running exchanges keep theirs.
public final class ProxyContext: Sendable {
    public let configuration: ProxyConfiguration
    /// How many configurations the process followed before this one.
    let number: UInt32
    public let access: AccessPolicy
    /// Nil if there is none.
    public let basePath: BasePath?
    public let routes: RoutePolicy
    public let headers: HeaderPolicy
    public let responses: ResponsePolicy
    public let rejection: RejectionPolicy
    /// False for `session: none`.
    let appliesCredential: Bool
    let learnsTokens: Bool
    public let session: Session
    public let observer: (any ExchangeObserver)?
    /// How much the observer wants to know.
    let detail: ExchangeDetail
    let clock: any CredentialClock
    let intervals: Intervals

    /// The timeouts in nanoseconds, ready for setting deadlines: converting them took some 400 instructions for every
    /// request.
    struct Intervals: Sendable {
        let head: UInt64
        let idle: UInt64
        let firstByte: UInt64
        let body: UInt64
        /// How long a request may wait for the session.
        let session: UInt64

        init(_ configuration: ProxyConfiguration) {
            let timeouts = configuration.timeouts
            session = configuration.session.waitLimit.nanoseconds
            head = timeouts.head.nanoseconds
            idle = timeouts.idle.nanoseconds
            firstByte = timeouts.firstByte.nanoseconds
            body = timeouts.body.nanoseconds
        }
    }

    /// `listeners` are the addresses of the bound sockets. `number` tells recordings which of the process's
    /// configurations they follow.
    public init(
        configuration: ProxyConfiguration,
        number: UInt32 = 0,
        session: Session,
        observer: (any ExchangeObserver)?,
        listeners: [ListenAddress] = [],
        clock: any CredentialClock = SystemClock()
    ) {
        self.configuration = configuration
        self.number = number
        self.session = session
        self.observer = observer
        detail = observer?.detail ?? .ends
        self.clock = clock
        intervals = Intervals(configuration)
        access = AccessPolicy(configuration, listeners: listeners)
        basePath = BasePath(configuration.basePath)
        routes = RoutePolicy(
            configuration.session,
            upstream: configuration.upstream,
            basePath: configuration.basePath
        )
        headers = HeaderPolicy(configuration)
        responses = ResponsePolicy(configuration)
        learnsTokens = configuration.session.learnsTokens
        appliesCredential = configuration.session.source != .unused
        rejection = RejectionPolicy(appliesCredential ? configuration.session.rejected : [])
    }
}
