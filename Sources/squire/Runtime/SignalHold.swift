import CSystem
import Credentials
import Threads
import Upstream

/// Holds signals back while a command spends something single-use. If the process ended between the request and the
/// saving of the response, the login would be lost.
///
/// The first SIGINT, SIGTERM, SIGHUP or SIGQUIT takes effect after the saving; before a connection exists, it takes
/// effect at once, and nothing is sent. A second one ends the process at once (`csystem_hold_signals`). `run` and
/// `exec` end differently (`Foreground`).
///
/// *Threading*: `begin` on the thread that sends, `end` on the thread that waits for it, which may be the same.
enum SignalHold {
    /// Call before sending anything single-use. Does not return if a signal came first. `waitsElsewhere` says that
    /// another thread waits, which gets the signals, so that they interrupt no system call of this one.
    static func begin(waitsElsewhere: Bool = true) {
        _ = observesConnections
        csystem_hold_signals(waitsElsewhere ? 1 : 0)
    }

    /// While a connection is only being made, a signal ends the attempt, and nothing is spent.
    private static let observesConnections: Void = {
        let stop = csystem_stop_descriptor()
        BlockingRequest.attendant.with { $0 = .init(stop: stop) { csystem_may_send() != 0 } }
    }()

    /// Call when everything is saved. Does not return if a signal is waiting.
    static func end() { csystem_release_signals() }

    /// Wraps `source`, so that each request that spends something calls `begin` first.
    static func wrap(_ source: any TokenSource) -> any TokenSource {
        source.spends ? HoldingSource(source: source) : source
    }

    private struct HoldingSource: TokenSource {
        let source: any TokenSource

        var spends: Bool { source.spends }
        var startsAlone: Bool { source.startsAlone }
        var grant: String? { source.grant }
        var clockSkew: Int? { source.clockSkew }

        func canGet(with held: HeldTokens) -> Bool { source.canGet(with: held) }

        func end(_ held: HeldTokens) -> String? { source.end(held) }

        func response(bringing token: Token, _ refreshToken: Token?) -> RefreshResponse {
            source.response(bringing: token, refreshToken)
        }

        func get(_ held: HeldTokens) -> TokenOutcome { get(held) { true } }

        func get(_ held: HeldTokens, if maySend: @escaping @Sendable () -> Bool) -> TokenOutcome {
            SignalHold.begin()
            return source.get(held, if: maySend)
        }
    }
}
