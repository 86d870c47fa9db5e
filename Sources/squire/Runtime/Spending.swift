import CSystem
import Credentials
import Threads
import Upstream

/// A command that spends something that works once: between the sending and the moment at which what came for it is
/// saved, its end would cost the login.
///
/// The first SIGINT, SIGTERM, SIGHUP or SIGQUIT waits until then, and ends the process as if it had come then; one that
/// comes before there is a connection to send it on, at once, with nothing sent. Another one ends it at once
/// (`csystem_hold_signals`). `run` and `exec` have an end of their own (`Foreground`).
///
/// *Threading*: `begin` on the thread that sends, `end` on the one that waits for it, perhaps the same.
enum Spending {
    /// Nothing that works once has left when this returns. Never returns where a signal was first. With `waitsElsewhere`
    /// another thread waits, which gets the signals: no system call of this one is cut short.
    static func begin(waitsElsewhere: Bool = true) {
        _ = attends
        csystem_hold_signals(waitsElsewhere ? 1 : 0)
    }

    /// As long as there is only a connection in the making, a signal ends that, and nothing was spent.
    private static let attends: Void = {
        let stop = csystem_stop_descriptor()
        BlockingRequest.attendant.with { $0 = .init(stop: stop) { csystem_may_send() != 0 } }
    }()

    /// Everything is saved. Does not return where a signal has waited for that.
    static func end() { csystem_release_signals() }

    /// `source`, so that what it spends is spent between `begin` and `end`.
    static func watched(_ source: any TokenSource) -> any TokenSource {
        source.spends ? WatchedSource(source: source) : source
    }

    private struct WatchedSource: TokenSource {
        let source: any TokenSource

        var spends: Bool { source.spends }
        var startsAlone: Bool { source.startsAlone }
        var grant: String? { source.grant }
        var clockSkew: Int? { source.clockSkew }

        func canGet(with held: HeldTokens) -> Bool { source.canGet(with: held) }

        func get(_ held: HeldTokens) -> TokenOutcome {
            Spending.begin()
            return source.get(held)
        }
    }
}
