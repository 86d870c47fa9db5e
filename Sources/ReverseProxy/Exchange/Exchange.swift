public import Credentials
public import HTTP1

/// One client request and its response: one attempt, or several. Pure: events in, actions out; the runner obeys.
///
/// ```
/// awaitingCredential → sending ⇄ holding          a rejected response is held while another credential is asked for
///                         ↓  ↘      ↓
///                         ↓   collecting → settling    the body decides; a sign-in or sign-out changes the session
///                         ↓      ↓           ↓
///                      relaying, tunnelling          → finished    every state leads there, once
/// ```
///
/// Each event names the states it belongs to. One that comes late, because the client left or time ran out, finds
/// another state and changes nothing: its action is `.ignore`.
public struct Exchange: Sendable {
    /// What the request means to the session. Fixed from the start.
    public struct Rules: Equatable, Sendable {
        public var route: RouteKind
        public var method: MethodName
        public var hasBody: Bool
        /// The request carries the session's bearer.
        public var carriesCredential: Bool
        public var missing: SessionConfiguration.Missing
        /// A token in the response to a sign-in becomes the session's.
        public var learnsToken: Bool

        public init(
            route: RouteKind,
            method: MethodName,
            hasBody: Bool = false,
            carriesCredential: Bool,
            missing: SessionConfiguration.Missing,
            learnsToken: Bool = true
        ) {
            self.route = route
            self.method = method
            self.hasBody = hasBody
            self.carriesCredential = carriesCredential
            self.missing = missing
            self.learnsToken = learnsToken
        }
    }

    public enum State: Equatable, Sendable {
        /// Nothing is sent yet: the session is asked for a credential, or there is nothing to ask. Leads to `sending`
        /// or `finished`.
        case awaitingCredential
        /// An attempt is in progress: it connects, sends, and waits for the response's head.
        case sending
        /// The response rejects the credential. It is held until the session has another one, or none.
        case holding(isReplayable: Bool)
        /// The response's body decides, so it is read completely.
        case collecting(Purpose, isReplayable: Bool)
        /// The whole response waits until the session has changed.
        case settling
        /// The client gets the upstream's response. There is no way back.
        case relaying
        /// A WebSocket: bytes pass in both directions.
        case tunnelling
        case finished(ExchangeRecord.Outcome)
    }

    /// Why a response's body is collected.
    public enum Purpose: Equatable, Sendable {
        /// It may mean "token rejected".
        case verdict
        /// It may contain a token for the session.
        case signIn
        /// The session has ended.
        case signOut
    }

    public enum StartAction: Equatable, Sendable {
        /// `settled`: also wait for a refresh in flight. A sign-out must end the token that the refresh brings, not the
        /// one before.
        case askForCredential(settled: Bool)
        /// Send the request without a credential.
        case send
        /// A client calls the refresh path itself: one refresh serves everyone.
        case refresh
    }

    public enum HeadAction: Equatable, Sendable {
        case relay
        /// Hold the response and ask for another credential.
        case hold
        /// Read the whole response first: its body decides.
        case collect(Purpose)
        case ignore
    }

    public enum VerdictAction: Equatable, Sendable {
        case relay
        /// The response is a rejection: ask for another credential.
        case hold
        case learnToken
        case forgetToken
        case ignore
    }

    public enum CredentialAction: Equatable, Sendable {
        case send
        /// The request cannot be replayed, but the session was refreshed: the client's own retry will work.
        case relayRefreshed
        /// Relay the held response after all, with a Proxy-Status for this failure.
        case relayHeld(CredentialFailure)
        /// Relay the held response unchanged: the rejection is about the request.
        case relayUncured
        /// Answer with this failure.
        case fail(CredentialFailure)
        /// The session has another principal: the request is not theirs.
        case failSwitched
        case ignore
    }

    public enum BreakAction: Equatable, Sendable {
        case sendAgain
        case fail
        case ignore
    }

    public enum FailureAction: Equatable, Sendable {
        /// No response has begun: the client gets a problem.
        case respond
        /// The client has part of a response: it must see that the rest is missing.
        case cut
        case ignore
    }

    public let rules: Rules
    public private(set) var state = State.awaitingCredential
    /// The number of attempts that have begun.
    public private(set) var attempts = 0
    /// The generation of the credential in use; zero means none.
    public private(set) var generation: Generation = 0
    /// The principal of the first attempt.
    public private(set) var principal: Principal?
    /// How often the request was replayed with another credential: once, or twice if the first one came from another
    /// process and was already dead.
    private var replays = 0
    /// The credential in use came from a refresh by this process.
    private var isRefreshed = false
    /// The request has waited for a refresh that brought no other token.
    private var hasWaited = false
    /// How often the request was retried after a dead connection.
    private var retries = 0
    /// The upstream refused an expectation of Squire's own: that attempt had no body.
    public private(set) var hasDroppedExpectation = false

    public init(_ rules: Rules) {
        self.rules = rules
    }

    public var isFinished: Bool { if case .finished = state { true } else { false } }

    // MARK: Beginning

    /// The request is admitted.
    public mutating func start() -> StartAction {
        if rules.route == .refresh { return .refresh }
        if rules.carriesCredential { return .askForCredential(settled: rules.route == .signOut) }
        beginAttempt()
        return .send
    }

    private mutating func beginAttempt() {
        attempts += 1
        state = .sending
    }

    // MARK: Credentials

    /// The answer to a question for a credential, in `awaitingCredential` or `holding`. `hasWaited`: the request has
    /// waited for a refresh that brought no other token. It waits for no further one.
    public mutating func credentialArrived(
        _ result: Result<Credential, CredentialFailure>,
        hasWaited: Bool = false
    ) -> CredentialAction {
        if hasWaited { self.hasWaited = true }
        switch (state, result) {
        case (.awaitingCredential, .success(let credential)):
            return use(credential)
        case (.awaitingCredential, .failure(let failure)):
            guard failure.needsLogin, rules.missing == .forward else { return .fail(failure) }
            beginAttempt()
            return .send
        case (.holding(let isReplayable), .success(let credential)):
            guard isReplayable else {
                state = .relaying
                return .relayRefreshed
            }
            if let principal, !principal.isSame(as: credential.principal) { return .failSwitched }
            replays += 1
            return use(credential)
        case (.holding, .failure(let failure)):
            // The API's own rejection says less than "try again in a moment".
            if failure == .overloaded { return .fail(failure) }
            state = .relaying
            return failure == .refreshDidNotHelp ? .relayUncured : .relayHeld(failure)
        case (.sending, _), (.collecting, _), (.settling, _), (.relaying, _), (.tunnelling, _), (.finished, _):
            return .ignore
        }
    }

    /// Uses a credential that is at hand.
    @inline(__always)
    public mutating func use(_ credential: Credential) -> CredentialAction {
        isRefreshed = credential.isRefreshed
        principal = credential.principal
        generation = credential.generation
        beginAttempt()
        return .send
    }

    // MARK: The response

    /// The head of a final response has arrived, in `sending`. `isReplayable`: the request can be sent again, byte for
    /// byte.
    public mutating func headArrived(
        status: Int,
        verdict: RejectionPolicy.Verdict,
        isReplayable: Bool
    ) -> HeadAction {
        guard case .sending = state else { return .ignore }
        let mayHold = isReplayable && !isBodySpent(most: hasReplayed ? 3 : 2)
        switch verdict {
        case .rejected where mayReplay:
            state = .holding(isReplayable: mayHold)
            return .hold
        case .needsBody where mayReplay: return collect(.verdict, isReplayable: mayHold)
        case .accepted, .rejected, .needsBody, .unknown: break
        }
        // The request cannot be replayed again, but the counters need to know whether the refresh helped.
        if verdict == .needsBody, hasReplayed { return collect(.verdict, isReplayable: false) }
        if status >= 200, status < 300 {
            if rules.route == .signIn, rules.learnsToken, changesSession {
                return collect(.signIn, isReplayable: false)
            }
            if isSignedOut(by: status), verdict != .rejected { return collect(.signOut, isReplayable: false) }
        }
        state = .relaying
        return .relay
    }

    private mutating func collect(_ purpose: Purpose, isReplayable: Bool) -> HeadAction {
        state = .collecting(purpose, isReplayable: isReplayable)
        return .collect(purpose)
    }

    /// The body of the response with that status is complete, in `collecting`. `isRejection`: it rejects the credential, if that was the question.
    /// `isReplayable`: the request can still be replayed, although more of it may have been sent meanwhile.
    public mutating func bodyCollected(status: Int, isRejection: Bool, isReplayable: Bool) -> VerdictAction {
        guard case .collecting(let purpose, let wasReplayable) = state else { return .ignore }
        switch purpose {
        case .verdict where isRejection && mayReplay:
            state = .holding(isReplayable: wasReplayable && isReplayable)
            return .hold
        case .verdict where !isRejection && isSignedOut(by: status):
            state = .settling
            return .forgetToken
        case .verdict:
            state = .relaying
            return .relay
        case .signIn:
            state = .settling
            return .learnToken
        case .signOut:
            state = .settling
            return .forgetToken
        }
    }

    /// The body is too long or too slow to be what is expected, in `collecting`; or the session has changed, in
    /// `settling`. True if the response goes to the client from now on.
    public mutating func relayCollected() -> Bool {
        switch state {
        case .collecting, .settling:
            state = .relaying
            return true
        case .awaitingCredential, .sending, .holding, .relaying, .tunnelling, .finished:
            return false
        }
    }

    /// The upstream switches to the requested protocol, in `sending`. True if bytes pass in both directions from now
    /// on.
    public mutating func upstreamSwitched() -> Bool {
        guard case .sending = state else { return false }
        state = .tunnelling
        return true
    }

    /// The connection broke before the first byte of the response, in `sending`. Only an idempotent request on a reused
    /// connection, which the upstream may close at any time, is retried, once; any other may have been acted on.
    public mutating func connectionBroke(wasReused: Bool, isReplayable: Bool) -> BreakAction {
        guard case .sending = state else { return .ignore }
        guard retries == 0, !isBodySpent(most: 2), wasReused, isReplayable, rules.method.isIdempotent else {
            return .fail
        }
        retries += 1
        beginAttempt()
        return .sendAgain
    }

    /// The upstream refuses the expectation that Squire added (417), in `sending`, and none of the body was sent: the
    /// request is sent again without it, once (RFC 9110 section 10.1.1). False if that was tried already.
    public mutating func expectationRefused() -> Bool {
        guard case .sending = state, !hasDroppedExpectation else { return false }
        hasDroppedExpectation = true
        beginAttempt()
        return true
    }

    // MARK: Ending

    /// Something went wrong: decides what the client sees of it.
    public func failed() -> FailureAction {
        switch state {
        case .awaitingCredential, .sending, .holding, .collecting, .settling: .respond
        case .relaying, .tunnelling: .cut
        case .finished: .ignore
        }
    }

    /// Ends the exchange. True once; later ends are ignored.
    public mutating func finish(_ outcome: ExchangeRecord.Outcome) -> Bool {
        guard !isFinished else { return false }
        state = .finished(outcome)
        return true
    }

    /// The response could not be written because the client is gone, so it is not complete after all.
    public mutating func clientMissedResponse() {
        if case .finished(.complete) = state { state = .finished(.clientGone) }
    }

    // MARK: What has been

    public var hasReplayed: Bool { replays > 0 }

    /// Whether the response with that status means that a client signed in, which the session does not learn from.
    @inline(__always)
    public func passesOver(signIn status: Int) -> Bool {
        rules.route == .signIn && !rules.learnsToken && changesSession && (200..<300).contains(status)
    }

    /// Whether a response with that status ends the session whose credential the request carried, unless it rejects that.
    private func isSignedOut(by status: Int) -> Bool {
        rules.route == .signOut && generation != 0 && changesSession && (200..<300).contains(status)
    }

    /// Safe methods but GET, with which some APIs sign in and out, change nothing (RFC 9110 section 9.2.1).
    private var changesSession: Bool {
        switch rules.method {
        case .head, .options, .trace: false
        default: true
        }
    }

    /// Whether a response with that status, which rejects nothing, shows that the API accepts the credential: a success,
    /// or the switch to a WebSocket. An error or a redirect may come from where nobody looked at it.
    @inline(__always)
    public static func isAcceptance(_ status: Int) -> Bool {
        (200..<300).contains(status) || status == 304 || status == 101
    }

    /// A body reaches the upstream at most twice, for whatever reason it is sent again; three times if both earlier
    /// credentials had been replaced by others and were rejected, so that the body was never acted on.
    private func isBodySpent(most: Int) -> Bool {
        rules.hasBody && attempts - (hasDroppedExpectation ? 1 : 0) >= most
    }

    /// Only requests that carried the session's credential are replayed.
    private var mayReplay: Bool { rules.carriesCredential && generation != 0 && replays < 2 }

    /// A request that has waited for a refresh in vain waits for no other. And if a credential that this process has
    /// just received is rejected, the credential was not the cause. The request is still replayed if there is another
    /// credential by now.
    public var mayRefresh: Bool { !hasWaited && (replays == 0 || !isRefreshed) }
}
