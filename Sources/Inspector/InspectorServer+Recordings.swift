import EventIO
import LocalServer
import Platform
import ReverseProxy

/// How what the workers record comes into the store: when it is asked for, and while somebody looks or waits.
extension InspectorServer {
    /// How often it is looked while somebody looks or waits.
    private static let interval = Duration.milliseconds(50)

    func makeIntake() -> ExchangeIntake {
        ExchangeIntake(proxy.recordings, into: store, now: MonotonicClock.now) { [unowned self] in currentRedactor() }
    }

    func listenToRecordings() {
        let (loop, reference) = (loop, reference)
        proxy.recordings.onNews { loop.execute { reference.value?.look() } }
        store.onAwaiting = { [unowned self] in lookAgain(after: .milliseconds(5)) }
        store.onEviction = { [unowned self] in feed.evicted($0) }
    }

    /// Brings the store up to date.
    func collect() {
        intake.collect()
        feed.pump()
    }

    /// Takes what is there, tells those who look, and looks again as long as there is a reason to.
    func look() {
        let turn = intake.turn()
        feed.pump()
        guard !turn.hasMore else { return lookAgain(after: .zero) }
        guard feed.count > 0 || store.isAwaited else { return }
        quietLooks = turn.hasNews || turn.isIncomplete ? 0 : quietLooks + 1
        if quietLooks < 2 || store.isAwaited { lookAgain(after: Self.interval) }
    }

    func lookAgain(after delay: Duration) {
        lookTimer.arm(after: delay)
    }

    /// Knows the tokens of this moment.
    func currentRedactor() -> CurrentRedactor {
        let known = book.tokensOfLately()
        if let redactor, redactor.known == known.version { return redactor }
        let secrecy = proxy.current().secrecy
        let fresh = CurrentRedactor(
            version: (redactor?.version ?? 0) + 1,
            known: known.version,
            redactor: Redactor(
                tokens: known.tokens,
                secrets: known.secrets + secrecy.secrets,
                isSecretField: secrecy.isSecretField
            ),
            credential: secrecy.credential,
            limit: proxy.recordings.bodyLimit
        )
        redactor = fresh
        return fresh
    }
}
