import EventIO
import LocalServer
import Platform
import Redaction
import ReverseProxy

/// How what the workers record comes into the store: when it is asked for, and while somebody looks or waits.
extension InspectorServer {
    /// How often it is looked while somebody looks or waits.
    private static let interval = Duration.milliseconds(50)

    func makeIntake() -> ExchangeIntake {
        ExchangeIntake(proxy.recordings, into: store, now: MonotonicClock.now) { [unowned self] in currentRedactor() }
    }

    func listenToRecordings() {
        let reference = reference
        let signal = LoopSignal(loop: loop) {
            guard let server = reference.value else { return }
            server.proxy.recordings.heard()
            server.pace.wake()
            // In its turn: others wait, too.
            server.lookAgain(after: .zero)
        }
        proxy.recordings.onNews { signal.send() }
        store.onEviction = { [unowned self] in feed.evicted($0) }
    }

    /// Brings the store up to date.
    func collect() {
        intake.collect()
        feed.pump()
    }

    /// Takes what is there, tells those who look, and looks again as long as there is a reason to.
    func look() {
        let turn = intake.turn(isSeen: feed.count > 0)
        feed.pump()
        guard !turn.hasMore else { return lookAgain(after: .zero) }
        guard feed.count > 0 else { return }
        if pace.goesOn(turn.hasNews || turn.isIncomplete) { lookAgain(after: Self.interval) }
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

/// For how long it is looked again and again when nothing comes. Pure.
struct LookPace {
    /// How often nothing has come in a row.
    private var quietLooks = 0

    /// The workers have written something, and wake nobody again for a while: it is looked once more after that, even
    /// if what woke was taken before.
    mutating func wake() { quietLooks = 0 }

    /// Whether to look again after a look that found something, or nothing.
    mutating func goesOn(_ hasFound: Bool) -> Bool {
        quietLooks = hasFound ? 0 : quietLooks + 1
        return quietLooks < 2
    }
}
