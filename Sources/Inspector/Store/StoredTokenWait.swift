import Credentials
import ReverseProxy

/// A wait for a token, in milliseconds after the start of the exchange.
struct StoredTokenWait {
    /// What came of it: a token, or one of the failures of `CredentialFailure`.
    enum Outcome: String {
        /// Another token than before, or a first one.
        case refreshed
        /// No other token: the former one is used while it works.
        case former
        /// The rejected token again, which is valid now by the upstream's clock.
        case valid
        /// The client, which called the refresh path, got a response.
        case served
        case timedOut = "timed_out"
        case loginNeeded = "login_needed"
        case notRefreshable = "not_refreshable"
        case unchanged, unavailable, misconfigured, paused
        case didNotHelp = "did_not_help"
        case notWritable = "not_writable"
        case overloaded
        case shuttingDown = "shutting_down"
    }

    var began: Double
    var ended: Double?
    var need: RecordedEvent.TokenNeed
    var awaited: Awaited
    /// How many requests waited for that refresh besides its leader; nil if unknown.
    var waiters: Int?
    /// 0 without a token.
    var generation: Generation = 0
    var outcome: Outcome?
    /// What happened, as a sentence; empty if the outcome says it all. Redacted in the store.
    var detail: [UInt8] = []

    init(began: Double, need: RecordedEvent.TokenNeed, awaited: Awaited) {
        self.began = began
        self.need = need
        self.awaited = awaited
    }

    /// This exchange started the refresh.
    var led: Bool { awaited == .ownRefresh }

    mutating func take(_ arrival: RecordedEvent.TokenArrival) {
        switch arrival {
        case .token(let number): (generation, outcome) = (number, .refreshed)
        case .former(let number): (generation, outcome) = (number, .former)
        case .valid(let number): (generation, outcome) = (number, .valid)
        case .served: outcome = .served
        case .timedOut: outcome = .timedOut
        case .failed(let failure): outcome = Outcome(failure)
        }
    }

    /// What the session says of a failure.
    static func detail(of arrival: RecordedEvent.TokenArrival) -> [UInt8] {
        guard case .failed(let failure) = arrival else { return [] }
        switch failure {
        case .loginNeeded(let explanation): return Array((explanation ?? "").utf8)
        case .unchanged, .unavailable, .misconfigured, .paused, .notWritable: return Array(Problem(failure).detail.utf8)
        case .notRefreshable, .refreshDidNotHelp, .overloaded, .shuttingDown: return []
        }
    }
}

extension StoredTokenWait.Outcome {
    fileprivate init(_ failure: CredentialFailure) {
        self =
            switch failure {
            case .loginNeeded: .loginNeeded
            case .notRefreshable: .notRefreshable
            case .unchanged: .unchanged
            case .unavailable: .unavailable
            case .misconfigured: .misconfigured
            case .paused: .paused
            case .refreshDidNotHelp: .didNotHelp
            case .notWritable: .notWritable
            case .overloaded: .overloaded
            case .shuttingDown: .shuttingDown
            }
    }
}

extension RecordedEvent.TokenNeed {
    /// Its name in the API.
    var name: String {
        switch self {
        case .first: "first"
        case .another: "another"
        case .refresh: "refresh"
        }
    }
}

extension Awaited {
    /// Its name in the API.
    var name: String {
        switch self {
        case .nothing: "nothing"
        case .ownRefresh: "own_refresh"
        case .refresh: "refresh"
        case .lead: "lead"
        case .news: "news"
        }
    }
}
