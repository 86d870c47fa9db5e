import CSystem
import EventIO
import Logging
import Platform
import Settings

/// The main thread's loop: waits for signals, and stops what runs.
final class Foreground {
    let loop: EventLoop
    private var signals: [SignalWatch] = []
    private var timer: EventTimer?
    /// Nil for what keeps no log.
    private let logging: Logging?
    private var state = State.running

    private enum State {
        case running
        /// This signal ends it.
        case stopping(Int32)
    }

    /// Takes signals from now on: make it before anything is said to be ready. SIGTERM and SIGINT bring a clean end, a
    /// second one leaves at once.
    ///
    /// `drain` starts the end and calls its last argument, on any thread, when all exchanges are done; it has `timeout`.
    /// `hurry` says how to leave at once.
    init(
        logging: Logging? = nil,
        timeout: Duration,
        hangUp: @escaping () -> Void = {},
        drain: @escaping (_ hurry: String, _ completion: @escaping @Sendable () -> Void) -> Void
    ) throws {
        self.logging = logging
        do throws(SystemError) {
            loop = try EventLoop()
        } catch {
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        for signal in [SIGTERM, SIGINT] {
            signals.append(
                SignalWatch(loop: loop, signal: signal) { [unowned self] in
                    guard case .running = state else { leaveAtOnce(signal) }
                    state = .stopping(signal)
                    endEcho(of: signal)
                    let loop = loop
                    timer = EventTimer(loop: loop) { loop.stop() }
                    timer?.arm(after: timeout)
                    drain("\(Self.name(of: signal)) again leaves at once") { loop.stop() }
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

    /// The last line of the log: how it ended. Everything else must have ended before.
    func sayEnd() {
        guard case .stopping(let signal) = state else { return }
        say("stopped by \(Self.name(of: signal))", signal)
    }

    private func leaveAtOnce(_ signal: Int32) -> Never {
        endEcho(of: signal)
        say("stopped at once, by a second \(Self.name(of: signal)): what was running is cut", signal)
        LogWriter.standardError.finish(timeout: .milliseconds(100))
        _exit(128 + signal)
    }

    private func say(_ text: String, _ signal: Int32) {
        let name = signal == SIGINT ? "SIGINT" : "SIGTERM"
        logging?.messages.write(LogMessage(.notice, event: "stop", text, [("signal", .text(name))]))
    }

    /// A terminal shows `^C`, and the next line would go on behind it.
    private func endEcho(of signal: Int32) {
        guard signal == SIGINT, isatty(2) == 1 else { return }
        LogWriter.standardError.write(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private static func name(of signal: Int32) -> String { signal == SIGINT ? "Ctrl-C" : "SIGTERM" }

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
