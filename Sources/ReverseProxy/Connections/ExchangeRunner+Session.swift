import Credentials
import EventIO
import HTTP1

/// Lets a runner be named in work for another thread; used again on the runner's own loop only.
private struct RunnerReference: @unchecked Sendable {
    // `@unchecked`: nothing but `resume` touches the runner, and that runs on its loop.
    let runner: ExchangeRunner
    let serial: UInt64
    let loop: EventLoop

    init(_ runner: ExchangeRunner) {
        self.runner = runner
        serial = runner.serial
        loop = runner.worker.loop
    }

    /// Calls `body` on the loop, if the runner still serves the same exchange.
    func resume(_ body: @escaping @Sendable (ExchangeRunner) -> Void) {
        loop.execute { [self] in
            guard runner.serial == serial else { return }
            body(runner)
        }
    }
}

/// The exchange's dealings with the session.
extension ExchangeRunner {
    /// The first question: a token for this request.
    func askForCredential(now: UInt64) {
        guard exchange.carriesCredential else { return beginAttempt() }
        // A sign-out must end the token that a refresh in flight brings, not the one before.
        let isSignOut = exchange.route == .signOut
        if !isSignOut, let view = worker.credential(context.session, clock: context.clock, now: now) {
            _ = exchange.credentialArrived(view.credential)
            credentialLine = view.line
            return beginAttempt(now: now)
        }
        waitForSession(now: now)
        let reference = RunnerReference(self)
        context.session.credential(settled: isSignOut) { grant in
            reference.resume { $0.grantArrived(grant) }
        }
    }

    /// The upstream refused the token: the answer is held until it is known whether there is another.
    func askForAnotherCredential() {
        waitForSession(now: MonotonicClock.now())
        let reference = RunnerReference(self)
        let starts = context.session.credential(
            rejecting: Rejection(
                generation: exchange.generation,
                path: pathMark,
                skew: exchange.hasReplayed ? nil : skew(),
                mayRefresh: exchange.mayRefresh
            ),
            cause: .rejected
        ) { grant in
            reference.resume { $0.grantArrived(grant) }
        }
        if starts { startedRefresh = true }
    }

    /// Nobody waits for ever, whatever holds a refresh up.
    private func waitForSession(now: UInt64) {
        phase = .waiting
        client.setDeadline(nanoseconds: context.intervals.patience, now: now)
    }

    /// The wait was too long. The client's own retry finds the session as it is then.
    func waitedTooLong() {
        dropHeld()
        answer(.sessionBusy)
    }

    /// Stands for the request's method and path, without the query.
    private var pathMark: UInt64 {
        let line = requestHead.readable[..<(methodLength + 1 + targetLength)]
        let end = line.firstIndex(of: UInt8(ascii: "?")) ?? line.endIndex
        return FNV.hash(UnsafeRawBufferPointer(rebasing: line[..<end]))
    }

    /// The upstream's own clock is behind the token's making: it will accept the token when it gets there.
    private func sendAgain(after nanoseconds: Int64, _ credential: Credential) {
        let timer = EventTimer(loop: worker.loop) { [unowned self] in credentialArrived(.success(credential)) }
        pause = timer
        timer.arm(nanoseconds: UInt64(nanoseconds))
    }

    /// How far the refusing server's `Date` is before the token's `nbf`, in nanoseconds. Beyond an hour it is not the clock: the token
    /// says something else there, such as milliseconds.
    private func skew() -> Int64? {
        guard let notBefore = worker.notBefore(context.session, generation: exchange.generation),
            let text = heldText(.date).first, let date = HTTPDate.seconds(text), date < notBefore
        else { return nil }
        let (seconds, overflows) = notBefore.subtractingReportingOverflow(date)
        return overflows || seconds > 3_600 ? nil : Int64(seconds) * 1_000_000_000
    }

    private func grantArrived(_ grant: Grant) {
        switch grant {
        case .use(let credential): credentialArrived(.success(credential))
        case .useAfter(let nanoseconds, let credential): sendAgain(after: nanoseconds, credential)
        case .failed(let failure): credentialArrived(.failure(failure))
        }
    }

    private func credentialArrived(_ result: Result<Credential, CredentialFailure>) {
        let isReplay = exchange.attempts > 0
        switch exchange.credentialArrived(result) {
        case .send:
            if isReplay { dropHeld() }
            credentialLine = []
            if case .success(let credential) = result {
                credentialLine = Worker.line(credential.token)
            }
            beginAttempt()
        case .relayRefreshed:
            relayHeld(
                proxyStatus: "squire; details=\"the session was refreshed: send the request again\"",
                retryAfter: 0
            )
        case .relayHeld(let failure):
            relayHeld(proxyStatus: Problem.proxyStatus(of: failure))
        case .relayUncured:
            noteReplay(isAccepted: false)
            relayHeld(proxyStatus: nil)
        case .refuse(let failure):
            answer(Problem(failure))
        case .refuseSwitched:
            answer(.sessionSwitched)
        }
    }

    /// The answer to a request that was sent again says whether that helped. A path that took tokens a moment ago is not one that refuses
    /// always: its token may have died at once, by other hands.
    func noteReplay(isAccepted: Bool) {
        if startedRefresh, !isAccepted, !worker.forgetAcceptance(path: pathMark) {
            context.session.refreshDidNotHelp(exchange.generation, path: pathMark)
        }
        worker.counters.add(isAccepted ? .replaysAccepted : .replaysRejected)
    }

    /// The token was accepted: so this path takes tokens.
    @inline(__always)
    func noteAcceptance(now: UInt64) {
        guard exchange.carriesCredential else { return }
        worker.noteAcceptance(now: now, path: pathMark)
        if context.session.isStormy { context.session.accepted(path: pathMark) }
    }

    // MARK: Answers that change the session

    /// A sign-in succeeded: its token becomes the session's, saved before the client hears of it.
    func learnToken() {
        let finder = TokenFinder(context.configuration.session.refresh)
        guard let body = decodedBody, let (token, lifetime) = finder.find(in: body, wall: context.clock.wall()) else {
            return relayHeld(proxyStatus: nil)
        }
        let reference = RunnerReference(self)
        context.session.adopt(token, source: .signIn, lifetime: lifetime, keepsUnsaved: true) { result in
            reference.resume { runner in
                var note: String?
                if case .failure = result {
                    note = "squire; error=proxy_internal_error; details=\"the session file cannot be written\""
                }
                runner.relayHeld(proxyStatus: note)
            }
        }
    }

    /// What was collected, readable; nil when it is of a coding that is not known.
    var decodedBody: [UInt8]? {
        ContentDecoding.decode(collected, encoding: heldText(.contentEncoding).first)
    }

    /// The values of a field of the answer that is held.
    func heldText(_ id: FieldName) -> [String] {
        guard let heldHead else { return [] }
        return responseHead.text(of: id, in: heldHead.readable)
    }

    func forgetToken() {
        let reference = RunnerReference(self)
        context.session.forget(exchange.principal) { _ in
            reference.resume { $0.relayHeld(proxyStatus: nil) }
        }
    }

    /// A client calls the refresh path itself: one refresh for everyone, and the upstream's own answer.
    func serveRefresh() {
        waitForSession(now: MonotonicClock.now())
        let reference = RunnerReference(self)
        context.session.refreshNow(cause: .client) { result in
            reference.resume { runner in
                switch result {
                case .success(let reply): runner.answer(reply)
                case .failure(let failure): runner.answer(Problem(failure))
                }
            }
        }
    }

    private func answer(_ reply: RefreshResponse) {
        exchange.hasAnswered = true
        responseStatus = 200
        responseBytes = UInt64(reply.body.count)
        let closes = client.willClose || isBodyUnread
        ownAnswer(closes: closes).append(reply, to: client.outputBuffer())
        client.flush()
        finish(.complete, closes: closes)
    }
}

extension ResponseHead {
    /// The values of all fields of that name, as text. `bytes` are what the head was parsed from. Not for every answer: it allocates.
    func text(of id: FieldName, in bytes: UnsafeRawBufferPointer) -> [String] {
        fields.filter { $0.id == id }.map { String(decoding: bytes[$0.value.range], as: UTF8.self) }
    }
}
