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
        if let view = worker.credential(context.session, clock: context.clock, now: now) {
            _ = exchange.credentialArrived(.success(view.credential))
            credentialLine = view.line
            return beginAttempt(now: now)
        }
        phase = .waiting
        let reference = RunnerReference(self)
        context.session.credential { result in
            reference.resume { $0.credentialArrived(result) }
        }
    }

    /// The upstream refused the token: the answer is held until it is known whether there is another.
    func askForAnotherCredential() {
        phase = .waiting
        client.clearDeadline()
        let reference = RunnerReference(self)
        context.session.credential(
            rejecting: exchange.generation,
            cause: .rejected,
            skew: skew(),
            delay: { nanoseconds, credential in sendAgain(after: nanoseconds, credential) },
            deliver: { result in reference.resume { $0.credentialArrived(result) } }
        )
    }

    /// The upstream's own clock is behind the token's making: it will accept the token when it gets there.
    private func sendAgain(after nanoseconds: Int64, _ credential: Credential) {
        let timer = EventTimer(loop: worker.loop) { [unowned self] in credentialArrived(.success(credential)) }
        pause = timer
        timer.arm(nanoseconds: UInt64(nanoseconds))
    }

    /// How far the refusing server's `Date` is before the token's `nbf`, in nanoseconds.
    private func skew() -> Int64? {
        guard let notBefore = worker.notBefore(context.session, generation: exchange.generation),
            let heldHead, let field = responseHead.first(.date)
        else { return nil }
        let text = String(decoding: heldHead.readable[field.value.range], as: UTF8.self)
        guard let date = HTTPDate.seconds(text), date < notBefore else { return nil }
        return Int64(notBefore - date) * 1_000_000_000
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
            relayHeld(proxyStatus: Failure.proxyStatus(of: failure))
        case .refuse(let failure):
            answer(Failure(failure))
        case .refuseSwitched:
            answer(.sessionSwitched)
        }
    }

    func reportReplay(isAccepted: Bool) {
        context.session.reportReplay(of: exchange.generation, accepted: isAccepted)
        worker.counters.add(isAccepted ? .replaysAccepted : .replaysRejected)
    }

    // MARK: Answers that change the session

    /// A sign-in succeeded: its token becomes the session's, saved before the client hears of it.
    func learnToken() {
        let pointer = context.configuration.session.refresh?.token ?? "/data/token/value"
        guard let json = JSONValue(parsing: collected), let text = json.value(at: pointer)?.string,
            let token = Token(text)
        else { return relayHeld(proxyStatus: nil) }
        let reference = RunnerReference(self)
        context.session.adopt(token, origin: .signIn) { result in
            reference.resume { runner in
                var note: String?
                if case .failure = result {
                    note = "squire; error=proxy_internal_error; details=\"the session file cannot be written\""
                }
                runner.relayHeld(proxyStatus: note)
            }
        }
    }

    func forgetToken() {
        let reference = RunnerReference(self)
        context.session.forget { _ in
            reference.resume { $0.relayHeld(proxyStatus: nil) }
        }
    }

    /// A client calls the refresh path itself: one refresh for everyone, and the upstream's own answer.
    func serveRefresh() {
        let reference = RunnerReference(self)
        context.session.refreshNow(cause: .client) { result in
            reference.resume { runner in
                switch result {
                case .success(let reply): runner.answer(reply)
                case .failure(let failure): runner.answer(Failure(failure))
                }
            }
        }
    }

    private func answer(_ reply: RefreshReply) {
        exchange.hasAnswered = true
        responseStatus = 200
        responseBytes = UInt64(reply.body.count)
        let closes = client.willClose || isBodyUnread
        ownAnswer(closes: closes).append(reply, to: client.outputBuffer())
        guard client.flush() else { return }
        finish(.complete, closes: closes)
    }
}
