import CSystem
import Credentials
import Platform
import Synchronization

/// A command that spends something that works once: between the sending and the moment at which what came for it is
/// saved, its end would cost the login.
///
/// The first SIGINT, SIGTERM, SIGHUP or SIGQUIT waits until then, and ends the process as if it had come then. A second
/// one ends it at once. What whoever started it had ignored stays ignored. `run` and `exec` have an end of their own
/// (`Foreground`).
///
/// *Threading*: `begin` on the thread that sends, `end` on the one that waits for it, perhaps the same.
enum Spending {
    private enum Phase {
        static let idle = 0
        static let spending = 1
        /// A signal waits.
        static let asked = 2
        static let ending = 3
    }

    private static let phase = Atomic<Int>(Phase.idle)
    private static let waiting = Atomic<Int32>(0)
    private static let signals = [SIGINT, SIGTERM, SIGHUP, SIGQUIT]

    private static let words: StaticString = """

        squire: an answer is waited for, to be saved: what was sent works once.
        squire: another such signal ends this at once, and may cost the login.

        """

    /// Nothing that works once has left when this returns. Never returns where a signal was first. With `waitsElsewhere`
    /// another thread waits, which gets the signals: no system call of this one is cut short.
    static func begin(waitsElsewhere: Bool = true) {
        if waitsElsewhere {
            var blocked = sigset_t()
            sigemptyset(&blocked)
            for signal in signals { sigaddset(&blocked, signal) }
            pthread_sigmask(SIG_BLOCK, &blocked, nil)
        }
        for signal in signals where csystem_ignores(signal) == 0 { take(signal) }
        let (isBegun, former) = phase.compareExchange(
            expected: Phase.idle,
            desired: Phase.spending,
            ordering: .sequentiallyConsistent
        )
        while !isBegun, former == Phase.ending { pause() }
    }

    /// Everything is saved. Does not return where a signal has waited for that.
    static func end() {
        let (isIdle, former) = phase.compareExchange(
            expected: Phase.spending,
            desired: Phase.idle,
            ordering: .sequentiallyConsistent
        )
        guard !isIdle, former == Phase.asked else { return }
        die(by: waiting.load(ordering: .sequentiallyConsistent))
        // It is on its way.
        while true { pause() }
    }

    /// `source`, so that what it spends is spent between `begin` and `end`.
    static func watched(_ source: any TokenSource) -> any TokenSource {
        source.spends ? WatchedSource(source: source) : source
    }

    private static func take(_ signal: Int32) {
        var action = sigaction()
        #if canImport(Glibc)
        action.__sigaction_handler.sa_handler = { Spending.came($0) }
        #else
        action.__sigaction_u.__sa_handler = { Spending.came($0) }
        #endif
        action.sa_flags = SA_RESTART
        sigemptyset(&action.sa_mask)
        sigaction(signal, &action, nil)
    }

    /// In a signal handler: nothing but atomics, write(2), signal(2) and raise(3) (signal-safety(7)).
    private static func came(_ signal: Int32) {
        let (wasIdle, _) = phase.compareExchange(
            expected: Phase.idle,
            desired: Phase.ending,
            ordering: .sequentiallyConsistent
        )
        if wasIdle { return die(by: signal) }
        waiting.store(signal, ordering: .sequentiallyConsistent)
        let (isFirst, _) = phase.compareExchange(
            expected: Phase.spending,
            desired: Phase.asked,
            ordering: .sequentiallyConsistent
        )
        guard isFirst else { return die(by: signal) }
        _ = write(2, words.utf8Start, words.utf8CodeUnitCount)
    }

    private static func die(by number: Int32) {
        _ = signal(number, SIG_DFL)
        raise(number)
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
