import CSystem
import EventIO
import Platform

/// The main thread's loop: waits for signals, and stops what runs.
final class Foreground {
    let loop: EventLoop
    private var signals: [SignalWatch] = []
    private var timer: EventTimer?
    private var isStopping = false

    /// Takes signals from now on: make it before anything is said to be ready. SIGTERM and SIGINT bring a clean end, a
    /// second one leaves at once.
    ///
    /// `drain` starts the end and calls its argument, on any thread, when all exchanges are done; it has `timeout`.
    init(
        timeout: Duration,
        hangUp: @escaping () -> Void = {},
        drain: @escaping (_ completion: @escaping @Sendable () -> Void) -> Void
    ) throws {
        do throws(SystemError) {
            loop = try EventLoop()
        } catch {
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        for signal in [SIGTERM, SIGINT] {
            signals.append(
                SignalWatch(loop: loop, signal: signal) { [unowned self] in
                    guard !isStopping else { _exit(128 + signal) }
                    isStopping = true
                    let loop = loop
                    timer = EventTimer(loop: loop) { loop.stop() }
                    timer?.arm(after: timeout)
                    drain { loop.stop() }
                }
            )
        }
        signals.append(SignalWatch(loop: loop, signal: SIGHUP, received: hangUp))
    }

    /// Runs until it is told to stop and everything has ended.
    func run() {
        // Start-up's share of 29.9 MiB resident: 21.8 MiB are left after the first request through TLS.
        csystem_release_startup_pages()
        loop.run()
    }

    /// A crash is left to the system, without a report by Swift's runtime.
    static func crashQuietly() {
        for number in [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV] { _ = signal(number, SIG_DFL) }
    }

    /// A parent may have blocked signals, as threads of some runtimes do, and children inherit that: Squire could then
    /// not be stopped.
    static func unblockSignals() {
        var none = sigset_t()
        sigemptyset(&none)
        sigprocmask(SIG_SETMASK, &none, nil)
    }
}
