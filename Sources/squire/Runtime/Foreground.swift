import CSystem
import EventIO
import Logging
import Platform
import Settings

/// The main thread's loop: waits for signals, and stops what runs.
final class Foreground {
    /// What SIGHUP means.
    enum HangUp {
        /// The terminal is gone, and with it the reason to run, unless nohup(1) said otherwise.
        case ends
        /// The configuration is to be read again; but the end, when this process had a terminal, heeded its signals,
        /// and has it no more.
        case rereads(() -> Void)
    }

    /// Why it ends.
    enum Ending: Equatable {
        case signal(Int32)
        case terminalGone
    }

    let loop: EventLoop
    private(set) var ending: Ending?
    private var orders = StopOrders()
    private let timeout: () -> Duration
    private let drain: (_ hurry: String, _ completion: @escaping @Sendable () -> Void) -> Void
    /// Nil for what keeps no log.
    private let logging: Logging?
    /// Started by nohup(1): no terminal's end is this process's.
    private let ignoresHangUp: Bool
    /// From when it was first asked for: by what waits for SIGHUP before anything else.
    private static let hadTerminal = terminal == .there
    /// Whether SIGHUP may be the terminal's end: not for who was started without one.
    private let dependsOnTerminal: Bool
    private var signals: [SignalWatch] = []
    private var timer: EventTimer?
    private lazy var secondLook = EventTimer(loop: loop) { [unowned self] in endWithTerminal() }

    /// Of a session whose leader ends, the processes get SIGHUP a moment before they lose the terminal.
    private static let secondLookAfter = Duration.milliseconds(250)
    /// After it nobody waits for the start any more.
    private static let startupTime = Duration.milliseconds(500)

    /// Takes signals from now on: make it before anything is said to be ready. SIGTERM and SIGINT bring a clean end, a
    /// second one, unless it comes with the first, leaves at once.
    ///
    /// `timeout` is asked when the end begins: a reload may have changed it.
    /// `drain` starts the end and calls its last argument, on any thread, when all exchanges are done; it has `timeout`.
    /// `hurry` says how to leave at once.
    init(
        logging: Logging? = nil,
        timeout: @autoclosure @escaping () -> Duration,
        hangUp: HangUp,
        drain: @escaping (_ hurry: String, _ completion: @escaping @Sendable () -> Void) -> Void
    ) throws {
        do throws(SystemError) {
            loop = try EventLoop()
        } catch {
            throw ExitFailure.inputOutput("squire: \(error.description)")
        }
        self.logging = logging
        self.timeout = timeout
        self.drain = drain
        ignoresHangUp = csystem_ignores(SIGHUP) != 0
        dependsOnTerminal = !ignoresHangUp && Self.hadTerminal
        for signal in [SIGTERM, SIGINT] {
            signals.append(
                SignalWatch(loop: loop, signal: signal) { [unowned self] in
                    guard ending == nil else {
                        if orders.isHurry(at: MonotonicClock.now()) { leaveAtOnce(signal) }
                        return
                    }
                    endEcho(of: signal)
                    end(.signal(signal))
                }
            )
        }
        signals.append(SignalWatch(loop: loop, signal: SIGHUP) { [unowned self] in hungUp(hangUp) })
        Self.unblockHangUp()
    }

    /// The shell and the kernel may both say it, so that a second one is no hurry.
    private func hungUp(_ meaning: HangUp) {
        guard ending == nil else { return }
        switch meaning {
        case .ends: if !ignoresHangUp { end(.signal(SIGHUP)) }
        case .rereads(let reread):
            if endWithTerminal() { return }
            reread()
            if dependsOnTerminal { secondLook.arm(after: Self.secondLookAfter) }
        }
    }

    /// Ends, if the terminal of the start has gone: true then.
    @discardableResult
    private func endWithTerminal() -> Bool {
        guard dependsOnTerminal, ending == nil, Self.terminal == .gone else { return false }
        end(.terminalGone)
        return true
    }

    private func end(_ reason: Ending) {
        ending = reason
        orders.begin(at: MonotonicClock.now())
        let loop = loop
        timer = EventTimer(loop: loop) { loop.stop() }
        timer?.arm(after: timeout())
        let hurry =
            switch reason {
            case .signal(let signal) where signal != SIGHUP: "\(Self.name(of: signal)) again leaves at once"
            case .signal, .terminalGone: "SIGTERM leaves at once"
            }
        drain(hurry) { loop.stop() }
    }

    private enum Terminal {
        case there
        /// There is none, or it has hung up.
        case gone
        /// Nobody can say now: there may be no descriptor left to ask with.
        case unknown
    }

    /// The process's controlling terminal (tty(4)).
    private static var terminal: Terminal {
        let descriptor = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return errno == ENXIO || errno == EIO ? .gone : .unknown }
        _ = close(descriptor)
        return .there
    }

    /// Runs until it is told to stop and everything has ended.
    func run() {
        // Start-up's share, the libraries' more than the program's. Not at once: what waits for the start is about to ask,
        // and needs some of it again.
        let release = EventTimer(loop: loop) { csystem_release_startup_pages() }
        release.arm(after: Self.startupTime)
        loop.run()
        withExtendedLifetime(release) {}
    }

    /// The last line of the log: how it ended. Everything else must have ended before.
    func sayEnd() {
        switch ending {
        case .signal(let signal)?: say("stopped by \(Self.name(of: signal))", signal)
        case .terminalGone?: say("stopped: its terminal is gone", SIGHUP)
        case nil: break
        }
    }

    private func leaveAtOnce(_ signal: Int32) -> Never {
        endEcho(of: signal)
        say("stopped at once, by a second \(Self.name(of: signal)): what was running is cut", signal)
        csystem_end_commands()
        LogWriter.standardError.finish(timeout: .milliseconds(100))
        _exit(128 + signal)
    }

    private func say(_ text: String, _ signal: Int32) {
        let name =
            switch signal {
            case SIGINT: "SIGINT"
            case SIGHUP: "SIGHUP"
            default: "SIGTERM"
            }
        logging?.messages.write(LogMessage(.notice, event: "stop", text, [("signal", .text(name))]))
    }

    /// A terminal shows `^C`, and the next line would go on behind it.
    private func endEcho(of signal: Int32) {
        guard signal == SIGINT, isatty(2) == 1 else { return }
        LogWriter.standardError.write(UnsafeRawBufferPointer(start: nil, count: 0))
    }

    private static func name(of signal: Int32) -> String {
        switch signal {
        case SIGINT: "Ctrl-C"
        case SIGHUP: "the end of its terminal"
        default: "SIGTERM"
        }
    }

    /// A crash is left to the system, without a report by Swift's runtime.
    static func crashQuietly() {
        for number in [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV] where csystem_ignores(number) == 0 {
            _ = signal(number, SIG_DFL)
        }
    }

    /// A parent may have blocked signals, as threads of some runtimes do, and children inherit that: Squire could then
    /// not be stopped. `hangUpWaits` leaves SIGHUP blocked until there is a `Foreground` that takes it, for a command to
    /// which it does not mean its end. While the process has one thread.
    static func unblockSignals(hangUpWaits: Bool) {
        var blocked = sigset_t()
        sigemptyset(&blocked)
        if hangUpWaits { sigaddset(&blocked, SIGHUP) }
        sigprocmask(SIG_SETMASK, &blocked, nil)
        if hangUpWaits { _ = hadTerminal }
    }

    /// What came meanwhile comes now.
    private static func unblockHangUp() {
        var hangUp = sigset_t()
        sigemptyset(&hangUp)
        sigaddset(&hangUp, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &hangUp, nil)
    }
}
