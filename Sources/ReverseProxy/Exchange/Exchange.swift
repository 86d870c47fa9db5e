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
    /// What the request is to the session. Fixed from the start.
    public struct Rules: Equatable, Sendable {
        public var route: RouteKind
        public var method: MethodName
        public var hasBody: Bool
        /// The session's bearer goes along.
        public var carriesCredential: Bool
        public var missing: SessionConfiguration.Missing
        /// A token in the answer to a sign-in becomes the session's.
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
        /// Nothing is sent yet: a credential is asked for, or there is nothing to ask. Leads to `sending`, or to
        /// `finished`.
        case awaitingCredential
        /// An attempt is under way: it connects, sends, waits for the response's head.
        case sending
        /// The response rejects the credential. It is held until there is another one, or none to be had.
        case holding(isReplayable: Bool)
        /// The response's body is read whole, because it decides.
        case collecting(Purpose, isReplayable: Bool)
        /// The whole response waits until the session has changed.
        case settling
        /// The client gets the upstream's response: no way back.
        case relaying
        /// A WebSocket: bytes both ways.
        case tunnelling
        case finished(ExchangeRecord.Outcome)
    }

    /// Why a response's body is collected.
    public enum Purpose: Equatable, Sendable {
        /// Whether it means "token rejected".
        case verdict
        /// A token to learn.
        case signIn
        /// The end of the session.
        case signOut
    }

    public enum StartAction: Equatable, Sendable {
        /// `settled`: also wait for a refresh in flight. A sign-out must end the token that it brings, not the one
        /// before.
        case askForCredential(settled: Bool)
        /// The request goes without one.
        case send
        /// A client calls the refresh path itself: one refresh for everyone.
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
        /// It is a rejection: ask for another credential.
        case hold
        case learnToken
        case forgetToken
        case ignore
    }

    public enum CredentialAction: Equatable, Sendable {
        case send
        /// The request cannot be sent again, but the session was refreshed: the client's own retry will work.
        case relayRefreshed
        /// The response that was held goes to the client after all, with this Proxy-Status.
        case relayHeld(CredentialFailure)
        /// The response that was held is the request's own.
        case relayUncured
        /// Answer with this failure.
        case fail(CredentialFailure)
        /// Another principal's session: the request is not theirs.
        case failSwitched
        case ignore
    }

    public enum BreakAction: Equatable, Sendable {
        case sendAgain
        case fail
        case ignore
    }

    public enum FailureAction: Equatable, Sendable {
        /// The client has heard nothing yet: it gets a problem.
        case respond
        /// The client has part of a response: it must see that the rest is missing.
        case cut
        case ignore
    }

    public let rules: Rules
    public private(set) var state = State.awaitingCredential
    /// Attempts that were begun.
    public private(set) var attempts = 0
    /// Of the credential in use; zero is none.
    public private(set) var generation: Generation = 0
    /// For whom the first attempt spoke.
    public private(set) var principal: Principal?
    /// How often it was sent again with another credential: once, or twice if the first one was another process's and
    /// dead already.
    private var replays = 0
    /// The credential in use came from a refresh of this process.
    private var isRefreshed = false
    /// It has waited for a refresh in vain.
    private var hasWaited = false
    /// How often it was sent again after a dead connection.
    private var retries = 0

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

    /// The answer to a question for a credential, in `awaitingCredential` or `holding`.
    /// `hasWaited`: for a refresh, in vain. It waits for no other.
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
            // The API's own refusal says less than "come again in a moment".
            if failure == .overloaded { return .fail(failure) }
            state = .relaying
            return failure == .refreshDidNotHelp ? .relayUncured : .relayHeld(failure)
        case (.sending, _), (.collecting, _), (.settling, _), (.relaying, _), (.tunnelling, _), (.finished, _):
            return .ignore
        }
    }

    /// The same for a credential that is at hand.
    @inline(__always)
    public mutating func use(_ credential: Credential) -> CredentialAction {
        isRefreshed = credential.isRefreshed
        principal = credential.principal
        generation = credential.generation
        beginAttempt()
        return .send
    }

    // MARK: The response

    /// The head of a final response is here, in `sending`. `isReplayable`: the request can be sent again, byte for
    /// byte.
    public mutating func headArrived(
        status: Int,
        verdict: RejectionPolicy.Verdict,
        isReplayable: Bool
    ) -> HeadAction {
        guard case .sending = state else { return .ignore }
        if verdict != .accepted, mayReplay {
            let isReplayable = isReplayable && !isBodySpent(most: hasReplayed ? 3 : 2)
            if verdict == .rejected {
                state = .holding(isReplayable: isReplayable)
                return .hold
            }
            return collect(.verdict, isReplayable: isReplayable)
        }
        // It cannot be sent again; but whether the refresh helped is to be known.
        if verdict == .needsBody, hasReplayed { return collect(.verdict, isReplayable: false) }
        if status >= 200, status < 300 {
            if rules.route == .signIn, rules.learnsToken { return collect(.signIn, isReplayable: false) }
            if rules.route == .signOut { return collect(.signOut, isReplayable: false) }
        }
        state = .relaying
        return .relay
    }

    private mutating func collect(_ purpose: Purpose, isReplayable: Bool) -> HeadAction {
        state = .collecting(purpose, isReplayable: isReplayable)
        return .collect(purpose)
    }

    /// The body is whole, in `collecting`. `isRejection`: what it says of the credential, where that was the question.
    /// `isReplayable`: the request can still be sent again, though more of it may have gone meanwhile.
    public mutating func bodyCollected(isRejection: Bool, isReplayable: Bool) -> VerdictAction {
        guard case .collecting(let purpose, let wasReplayable) = state else { return .ignore }
        switch purpose {
        case .verdict where isRejection && mayReplay:
            state = .holding(isReplayable: wasReplayable && isReplayable)
            return .hold
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

    /// The body is too long, or takes too long, to be what is looked for, in `collecting`; or the session has changed,
    /// in `settling`. True if the response goes to the client from now on.
    public mutating func relayCollected() -> Bool {
        switch state {
        case .collecting, .settling:
            state = .relaying
            return true
        case .awaitingCredential, .sending, .holding, .relaying, .tunnelling, .finished:
            return false
        }
    }

    /// The upstream switches to the protocol that was asked for, in `sending`. True if bytes go both ways from now on.
    public mutating func upstreamSwitched() -> Bool {
        guard case .sending = state else { return false }
        state = .tunnelling
        return true
    }

    /// The connection broke before a byte of the response, in `sending`. Only an idempotent request on a connection
    /// that had served others, which the upstream may close at any time, is sent again, once; anything else may have
    /// been acted on.
    public mutating func connectionBroke(wasReused: Bool, isReplayable: Bool) -> BreakAction {
        guard case .sending = state else { return .ignore }
        guard retries == 0, !isBodySpent(most: 2), wasReused, isReplayable, rules.method.isIdempotent else {
            return .fail
        }
        retries += 1
        beginAttempt()
        return .sendAgain
    }

    // MARK: Ending

    /// Something went wrong: what the client is to see of it.
    public func failed() -> FailureAction {
        switch state {
        case .awaitingCredential, .sending, .holding, .collecting, .settling: .respond
        case .relaying, .tunnelling: .cut
        case .finished: .ignore
        }
    }

    /// Ends the exchange. True once; whatever would end it again comes late.
    public mutating func finish(_ outcome: ExchangeRecord.Outcome) -> Bool {
        guard !isFinished else { return false }
        state = .finished(outcome)
        return true
    }

    /// The client was found gone when the response was written: it is not complete after all.
    public mutating func clientMissedResponse() {
        if case .finished(.complete) = state { state = .finished(.clientGone) }
    }

    // MARK: What has been

    public var hasReplayed: Bool { replays > 0 }

    /// A body reaches the upstream twice at most, for whatever reason it is sent again; three times if it was rejected,
    /// each time before it was acted on, for two credentials that others had replaced.
    private func isBodySpent(most: Int) -> Bool { rules.hasBody && attempts >= most }

    /// Only requests that carried the session's credential are sent again.
    private var mayReplay: Bool { rules.carriesCredential && generation != 0 && replays < 2 }

    /// A request that has waited for a refresh in vain waits for no other; and a credential that this process has just been given, and that is rejected,
    /// was not at fault. It is still sent again if there is another one by now.
    public var mayRefresh: Bool { !hasWaited && (replays == 0 || !isRefreshed) }
}
