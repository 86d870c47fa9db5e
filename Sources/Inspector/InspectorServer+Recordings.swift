import EventIO
import LocalServer
import Platform
import Redaction
import ReverseProxy

/// Transfers the workers' recordings into the store: on request, and while there are viewers or waiting requests.
extension InspectorServer {
    /// The polling interval while somebody views or waits.
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
            // Queued behind other work.
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

    /// Takes new recordings, informs the viewers, and repeats as long as there is a reason to.
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

    /// The redactor with the current tokens.
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
                places: SecretPlaces(pointers: secrecy.pointers, parameters: secrecy.parameters),
                isSecretField: { secrecy.isSecret(field: $0) }
            ),
            secrecy: secrecy,
            limit: proxy.recordings.bodyLimit
        )
        redactor = fresh
        return fresh
    }
}

/// Decides how long polling continues when nothing arrives. Pure.
struct LookPace {
    /// How many polls in a row found nothing.
    private var quietLooks = 0

    /// The workers have written something, and will not wake the loop again for a while. Polls once more after that,
    /// even if the data were taken before.
    mutating func wake() { quietLooks = 0 }

    /// Whether to poll again after a poll that found something or nothing.
    mutating func goesOn(_ hasFound: Bool) -> Bool {
        quietLooks = hasFound ? 0 : quietLooks + 1
        return quietLooks < 2
    }
}
