public import Credentials
public import HTTP1

/// One client request and its answer: one or two attempts. Pure: events in, actions out; the runner obeys.
public struct Exchange: Sendable {
    public enum HeadAction: Equatable, Sendable {
        case relay
        /// Hold the answer and ask for another credential.
        case hold
        /// Take the whole answer first: its body decides.
        case collect(Purpose)
    }

    public enum Purpose: Equatable, Sendable {
        /// Whether it means "token rejected".
        case verdict
        /// A token to learn.
        case signIn
        /// The end of the session.
        case signOut
    }

    public enum CredentialAction: Equatable, Sendable {
        case send
        /// The request cannot be sent again, but the session was refreshed: the client's own retry will work.
        case relayRefreshed
        /// The answer that was held goes to the client after all, with this Proxy-Status.
        case relayHeld(CredentialFailure)
        /// The answer that was held is the request's own.
        case relayUncured
        case refuse(CredentialFailure)
        /// Another principal's session: the request is not theirs.
        case refuseSwitched
    }

    public enum FaultAction: Equatable, Sendable {
        case sendAgain
        case fail
    }

    public let route: RouteKind
    public let method: MethodName
    private let hasBody: Bool
    /// The session's bearer goes along.
    public let carriesCredential: Bool
    public let missing: SessionConfiguration.Missing
    /// Attempts that were begun.
    public private(set) var attempts = 0
    /// Of the credential in use; zero is none.
    public private(set) var generation: Generation = 0
    /// Whom the first attempt spoke for.
    public private(set) var principal: Principal?
    /// How often it was sent again with another token: once, or twice when the first was another process's and dead already.
    private var replays = 0
    /// The token in use came from a refresh of this process.
    private var isRefreshed = false
    private var hasResent = false
    /// The request was refused and its body is no longer kept.
    private var isBeyondReplay = false
    /// A final answer has begun to reach the client: no way back.
    public var hasAnswered = false

    public init(
        route: RouteKind,
        method: MethodName,
        hasBody: Bool = false,
        carriesCredential: Bool,
        missing: SessionConfiguration.Missing
    ) {
        self.route = route
        self.method = method
        self.hasBody = hasBody
        self.carriesCredential = carriesCredential
        self.missing = missing
    }

    /// An answer to the question for a credential: the first, or the one after a rejection.
    public mutating func credentialArrived(_ result: Result<Credential, CredentialFailure>) -> CredentialAction {
        switch result {
        case .success(let credential):
            return credentialArrived(credential)
        case .failure(let failure):
            // The API's own refusal says less than "come again in a moment".
            if failure == .overloaded { return .refuse(failure) }
            if failure == .refreshDidNotHelp { return .relayUncured }
            if attempts > 0 { return .relayHeld(failure) }
            if failure.needsLogin, missing == .forward {
                generation = 0
                return .send
            }
            return .refuse(failure)
        }
    }

    public mutating func credentialArrived(_ credential: Credential) -> CredentialAction {
        if attempts > 0 {
            if isBeyondReplay { return .relayRefreshed }
            if let principal, !principal.isSame(as: credential.principal) { return .refuseSwitched }
            replays += 1
        }
        isRefreshed = credential.isRefreshed
        principal = credential.principal
        generation = credential.generation
        return .send
    }

    public mutating func attemptBegins() {
        attempts += 1
    }

    /// The head of a final answer is here. `isReplayable`: the request can be sent again, byte for byte.
    public mutating func headArrived(
        status: Int,
        verdict: RejectionPolicy.Verdict,
        isReplayable: Bool
    ) -> HeadAction {
        if verdict != .accepted, mayReplay {
            isBeyondReplay = !isReplayable || isBodySpent(most: hasReplayed ? 3 : 2)
            return verdict == .rejected ? .hold : .collect(.verdict)
        }
        // It cannot be sent again; but whether the refresh helped is to be known.
        if verdict == .needsBody, hasReplayed, !hasAnswered { return .collect(.verdict) }
        if status >= 200, status < 300 {
            if route == .signIn { return .collect(.signIn) }
            if route == .signOut { return .collect(.signOut) }
        }
        return .relay
    }

    public var hasReplayed: Bool { replays > 0 }

    /// A body reaches the upstream twice at most, for whatever reason it is sent again; three times when it was refused, each time before
    /// it was acted on, for two tokens that others had replaced.
    private func isBodySpent(most: Int) -> Bool { hasBody && attempts >= most }

    /// Only requests that carried the session's credential are sent again.
    public var mayReplay: Bool {
        carriesCredential && generation != 0 && replays < 2 && !hasAnswered
    }

    /// At most one refresh for one request: a token that this process has just been given, and that is refused, was not at fault. It is
    /// still sent again when there is another token by now.
    public var mayRefresh: Bool { replays == 0 || !isRefreshed }

    /// The connection broke before a byte of the answer. Only an idempotent request on a connection that had served others, which
    /// the upstream may close at any time, is sent again; anything else may have been acted on.
    public mutating func connectionBroke(wasReused: Bool, isReplayable: Bool) -> FaultAction {
        guard !hasResent, !hasAnswered, !isBodySpent(most: 2), wasReused, isReplayable, method.isIdempotent else {
            return .fail
        }
        hasResent = true
        return .sendAgain
    }
}
