import Credentials
import EventIO
import HTTP1
import Platform
import Support

/// The exchange's requests to the session.
extension ExchangeRunner {
    /// The first question: which credential to use.
    func askForCredential(settled: Bool, now: UInt64) {
        if exchange.rules.route == .signOut, let place = proxy.session.sharedElsewhere {
            return fail(.sharedElsewhere(place))
        }
        if !settled, let current = request.context.sessionView.credential(now: now) {
            _ = exchange.use(current.credential)
            return beginAttempt(credential: current.line, now: now)
        }
        let ticket = waitForSession(now: now)
        waitsForToken(.needsToken, now: now)
        let waiting = resources.waiting
        let inquiry = Inquiry(route: routeHash, trigger: request.id.trigger)
        let awaited = proxy.session.credential(for: inquiry, settled: settled) { grant in
            waiting.resume(ticket) { $0.granted(grant) }
        }
        if awaited == .ownRefresh { request.ledRefresh = LedRefresh(rejected: nil) }
        recordTokenWait(.first, awaited, now: now)
    }

    /// Records the start of the wait, and reports it to observers.
    private func waitsForToken(_ reason: ExchangeStep.Wait, now: UInt64) {
        request.tokenTime.start(now: now)
        if proxy.detail == .everything { trace(.waits(reason)) }
    }

    /// The upstream rejected the credential: the response is held until the session knows whether there is another one.
    func askForAnotherCredential(now: UInt64) {
        let ticket = waitForSession(now: now)
        waitsForToken(.needsAnother, now: now)
        let waiting = resources.waiting
        let rejection = Rejection(
            generation: exchange.generation,
            skew: exchange.hasReplayed ? nil : skew,
            ledRefresh: request.ledRefresh?.rejected != nil,
            mayRefresh: exchange.mayRefresh
        )
        let inquiry = Inquiry(route: routeHash, rejection: rejection, trigger: request.id.trigger)
        let awaited = proxy.session.credential(for: inquiry) { grant in
            waiting.resume(ticket) { $0.granted(grant) }
        }
        if awaited == .ownRefresh {
            let hasBroughtToken = request.ledRefresh?.hasBroughtToken ?? false
            request.ledRefresh = LedRefresh(rejected: exchange.generation, hasBroughtToken: hasBroughtToken)
        }
        recordTokenWait(.another, awaited, now: now)
    }

    /// Limits the wait, whatever delays a refresh.
    private func waitForSession(now: UInt64) -> WaitingExchanges.Ticket {
        let ticket = resources.waiting.add(self)
        wait = .session(ticket)
        setDeadline(now: now)
        return ticket
    }

    private func granted(_ grant: Grant) {
        wait = .nothing
        switch grant {
        case .use(let credential, let hasWaited): credentialArrived(.success(credential), hasWaited: hasWaited)
        case .failed(let failure): credentialArrived(.failure(failure))
        case .useAfter(let nanoseconds, let credential):
            // The upstream's clock is behind the token's start of validity: it will accept the token at that moment.
            let timer = EventTimer(loop: resources.loop) { [unowned self] in
                wait = .nothing
                credentialArrived(.success(credential), as: .valid(credential.generation))
            }
            wait = .clock(timer)
            timer.arm(nanoseconds: UInt64(max(nanoseconds, 0)))
        }
    }

    /// `arrival` is what the recording says of it; nil says what `result` says.
    func credentialArrived(
        _ result: Result<Credential, CredentialFailure>,
        hasWaited: Bool = false,
        as arrival: RecordedEvent.TokenArrival? = nil
    ) {
        let now = MonotonicClock.now()
        request.tokenTime.stop(now: now)
        if proxy.detail == .everything { trace(.resumed((try? result.get())?.generation)) }
        recordTokenArrived(arrival ?? Self.arrival(result, hasWaited: hasWaited), now: now)
        if case .success = result, !hasWaited { request.ledRefresh?.hasBroughtToken = true }
        switch exchange.credentialArrived(result, hasWaited: hasWaited) {
        case .send:
            if response != nil { dropHeld(now: now) }
            let line = (try? result.get()).map { request.context.sessionView.line(of: $0, now: now) }
            beginAttempt(credential: line, now: now)
        case .relayRefreshed:
            recordEvent(.relayedHeld, (), now: now)
            relayHeld(
                proxyStatus: "squire; details=\"the session was refreshed: send the request again\"",
                retryAfter: 0
            )
        case .relayHeld(let failure):
            outcome.needsLogin = failure.needsLogin
            recordEvent(.relayedHeld, (), now: now)
            relayHeld(proxyStatus: Problem.proxyStatus(of: failure))
        case .relayUncured:
            recordReplay(isAccepted: false)
            recordEvent(.relayedHeld, (), now: now)
            relayHeld(proxyStatus: nil)
        case .fail(let failure):
            fail(Problem(failure, login: proxy.session.login))
        case .failSwitched:
            fail(.sessionSwitched)
        case .ignore:
            break
        }
    }

    private static func arrival(
        _ result: Result<Credential, CredentialFailure>,
        hasWaited: Bool
    ) -> RecordedEvent.TokenArrival {
        switch result {
        case .success(let credential):
            hasWaited ? .former(credential.generation) : .token(credential.generation)
        case .failure(let failure): .failed(failure)
        }
    }

    /// Identifies the request's method and path, without the query.
    var routeHash: UInt64 {
        let line = request.head.readable[..<(request.targetOffset + request.targetLength)]
        let end = line.firstIndex(of: UInt8(ascii: "?")) ?? line.endIndex
        return FNV.hash(UnsafeRawBufferPointer(rebasing: line[..<end]))
    }

    /// How far the `Date` of the rejecting server is before the token's `nbf`, in nanoseconds. More than an hour is not
    /// a clock error: the token's `nbf` means something else, such as milliseconds.
    private var skew: Int64? {
        guard let notBefore = request.context.sessionView.notBefore(generation: exchange.generation),
            let text = heldText(.date).first, let date = HTTPDate.seconds(text), date < notBefore
        else { return nil }
        let (seconds, overflows) = notBefore.subtractingReportingOverflow(date)
        return overflows || seconds > 3_600 ? nil : Int64(seconds) * 1_000_000_000
    }

    /// The response to a replayed request shows whether the replay helped.
    func recordReplay(isAccepted: Bool) {
        resources.counters.add(isAccepted ? .replaysAccepted : .replaysRejected)
    }

    /// The head or the body of a response with that status rejects no credential: unless it is an error, the API accepts
    /// the session's, if the request carried that.
    @inline(__always)
    func credentialPassed(status: Int) {
        guard exchange.rules.carriesCredential, Exchange.isAcceptance(status) else { return }
        proxy.session.accepted(route: routeHash, epoch: attempt?.epoch ?? 0)
    }

    // MARK: Responses that change the session

    /// A sign-in succeeded: its token becomes the session's, and is saved before the client gets the response.
    func learnToken() {
        let now = MonotonicClock.now()
        let tokens: TokenSet
        switch finding(in: decodedBody) {
        case .tokens(let found): tokens = found
        case .unusable(let reason, _): return relayCollected(proxyStatus: Problem.proxyStatus(unusable: reason))
        case .absent: return relayCollected(proxyStatus: Self.noToken)
        }
        let ticket = waitForSession(now: now)
        let waiting = resources.waiting
        proxy.session.adopt(tokens, .signIn, keepsUnsaved: true) { result in
            waiting.resume(ticket) { runner in
                var note: String?
                if case .failure(let error) = result, error.reason != .foreign {
                    note = "squire; error=proxy_internal_error; details=\"the session file cannot be written\""
                }
                runner.sessionChanged(note)
            }
        }
    }

    /// What the body of the response to a sign-in holds.
    func finding(in body: [UInt8]) -> TokenFinder.Finding {
        let session = proxy.configuration.session
        return TokenFinder(session.refresh).look(
            in: body,
            date: heldText(.date).first,
            wall: proxy.clock.wall(),
            onlyJWTs: session.tokensAreJWTs
        )
    }

    /// Tells the client's person why the session is as it was (RFC 9209 section 2.1.4).
    static let noToken =
        "squire; details=\"the response to this sign-in has no token where session.refresh.token, or usage, has it\""

    static let unreadSignIn =
        "squire; details=\"the response to this sign-in is too long, or too slow, to look for a token in it\""

    static let passedOver =
        "squire; details=\"this sign-in does not change Squire's session: its tokens come from its source, not from clients\""

    /// A sign-out succeeded: the session forgets its token before the client gets the response.
    func forgetToken() {
        guard let principal = exchange.principal else { return relayCollected() }
        let ticket = waitForSession(now: MonotonicClock.now())
        let waiting = resources.waiting
        proxy.session.signOut(principal) { _ in
            waiting.resume(ticket) { $0.sessionChanged(nil) }
        }
    }

    private func sessionChanged(_ proxyStatus: String?) {
        wait = .nothing
        guard exchange.relayCollected() else { return }
        relayHeld(proxyStatus: proxyStatus)
    }

    /// A client calls the refresh path itself: one refresh serves everyone, and the client gets the upstream's own
    /// response.
    func serveRefresh(now: UInt64) {
        let ticket = waitForSession(now: now)
        let waiting = resources.waiting
        waitsForToken(.needsAnother, now: now)
        let awaited = proxy.session.refreshNow(cause: .client, trigger: request.id.trigger) { result in
            waiting.resume(ticket) { $0.refreshed(result) }
        }
        recordTokenWait(.refresh, awaited, now: now)
    }

    private func refreshed(_ result: Result<RefreshResponse, CredentialFailure>) {
        wait = .nothing
        let now = MonotonicClock.now()
        request.tokenTime.stop(now: now)
        switch result {
        case .success(let reply):
            recordTokenArrived(.served, now: now)
            respond(reply)
        case .failure(let failure):
            recordTokenArrived(.failed(failure), now: now)
            fail(Problem(failure, login: proxy.session.login))
        }
    }
}
