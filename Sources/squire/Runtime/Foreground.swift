import CSystem
import EventIO
import Logging
import Platform
import Settings
import Threads

/// The main thread's event loop, which waits for signals and stops the program.
final class Foreground {
    /// The meaning of SIGHUP.
    enum HangUp {
        /// The terminal has closed, which ends the process, unless nohup(1) started it.
        case ends
        /// A reload. But if the process had a terminal, respected its signals, and has lost it, the process ends.
        case reloads(() -> Void)
    }

    /// Why the process ends.
    enum Ending: Equatable {
        case signal(Int32)
        case terminalGone
    }

    let loop: EventLoop
    private(set) var ending: Ending?
    private var orders = StopOrders()
    private let timeout: () -> Duration
    private let drain: (_ hurry: String, _ completion: @escaping @Sendable () -> Void) -> Void
    /// Nil for a command without a log.
    private let logging: Logging?
    /// Whether nohup(1) started the process, so that a closing terminal does not end it.
    private let ignoresHangUp: Bool
    /// Evaluated at its first use, which `unblockSignals` makes before any signal can arrive.
    private static let hadTerminal = terminal == .there
    /// Whether SIGHUP may mean that the terminal has closed. It never does for a process that was started without one.
    private let dependsOnTerminal: Bool
    private var signals: [SignalWatch] = []
    private var timer: EventTimer?
    private lazy var terminalCheck = EventTimer(loop: loop) { [unowned self] in endWithTerminal() }

    /// When the session leader ends, its processes receive SIGHUP shortly before they lose the terminal.
    private static let terminalCheckDelay = Duration.milliseconds(250)
    /// After that time nobody waits for the start any more.
    private static let startupTime = Duration.milliseconds(500)

    /// Handles signals from now on, so that it must exist before the program reports that it is ready. The first
    /// SIGTERM or SIGINT ends the process cleanly; a later one, unless it belongs to the same event, ends it at once.
    ///
    /// `timeout` is evaluated when the end begins, because a reload may have changed it. `drain` begins the end, and
    /// calls its last argument on any thread once all exchanges are done; after `timeout` they are cut. `hurry` tells a
    /// person how to end the process at once.
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
                        if orders.isHurry(at: MonotonicClock.now()) { Self.exitAtOnce(signal, logging) }
                        return
                    }
                    Self.endEcho(of: signal)
                    end(.signal(signal))
                }
            )
        }
        signals.append(SignalWatch(loop: loop, signal: SIGHUP) { [unowned self] in hungUp(hangUp) })
        Self.unblockHangUp()
    }

    /// The shell and the kernel may both send SIGHUP, so that a second one must not end the process at once.
    private func hungUp(_ meaning: HangUp) {
        guard ending == nil else { return }
        switch meaning {
        case .ends: if !ignoresHangUp { end(.signal(SIGHUP)) }
        case .reloads(let reload):
            if endWithTerminal() { return }
            reload()
            if dependsOnTerminal { terminalCheck.arm(after: Self.terminalCheckDelay) }
        }
    }

    /// Ends the process if its terminal has closed. Returns true in that case.
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
        /// There is none, or it has closed.
        case gone
        /// Unknown, because no descriptor is left to find out.
        case unknown
    }

    /// The state of the controlling terminal (tty(4)).
    private static var terminal: Terminal {
        let descriptor = open("/dev/tty", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard descriptor >= 0 else { return errno == ENXIO || errno == EIO ? .gone : .unknown }
        _ = close(descriptor)
        return .there
    }

    /// Runs until a signal has ended the program: the caller does what is left, and returns soon.
    func run() {
        // Memory that only the start needed, mostly that of libraries. Released late, because the first request needs a
        // part of it again.
        let release = EventTimer(loop: loop) { csystem_release_startup_pages() }
        release.arm(after: Self.startupTime)
        loop.run()
        withExtendedLifetime(release) {}
        Self.watchEnd(orders, logging)
    }

    /// From now on a thread of its own gets the signals, until the process has ended. What is left blocks the main thread,
    /// such as waiting for a refresh: only a second SIGTERM or SIGINT ends that at once. The echo of the first, and a SIGHUP,
    /// must not end the process before its log is written, nor must `others`, which have had a meaning so far. `orders` are
    /// those that came before.
    static func watchEnd(_ orders: StopOrders, _ logging: Logging?, others: [Int32] = []) {
        var (watched, former) = (sigset_t(), sigset_t())
        sigemptyset(&watched)
        for signal in [SIGTERM, SIGINT, SIGHUP] + others { sigaddset(&watched, signal) }
        // All other threads block them anyway.
        pthread_sigmask(SIG_BLOCK, &watched, &former)
        let thread = NativeThread(name: "squire-signals") { [watched, orders, logging] in
            var (watched, orders, signal) = (watched, orders, Int32(0))
            while sigwait(&watched, &signal) == 0 {
                guard signal == SIGTERM || signal == SIGINT else { continue }
                if orders.isHurry(at: MonotonicClock.now()) { exitAtOnce(signal, logging) }
                orders.begin(at: MonotonicClock.now())
            }
        }
        if let thread { thread.detach() } else { pthread_sigmask(SIG_SETMASK, &former, nil) }
    }

    /// Logs the last line, which says how the process ended. Call when everything else has ended.
    func logEnd() {
        switch ending {
        case .signal(let signal)?: Self.log("stopped by \(Self.name(of: signal))", signal, logging)
        case .terminalGone?: Self.log("stopped: its terminal is gone", SIGHUP, logging)
        case nil: break
        }
    }

    private static func exitAtOnce(_ signal: Int32, _ logging: Logging?) -> Never {
        endEcho(of: signal)
        log("stopped at once, by a second \(name(of: signal)): what was running is cut", signal, logging)
        csystem_end_commands()
        LogWriter.standardError.finish(timeout: .milliseconds(100))
        _exit(128 + signal)
    }

    private static func log(_ text: String, _ signal: Int32, _ logging: Logging?) {
        let name =
            switch signal {
            case SIGINT: "SIGINT"
            case SIGHUP: "SIGHUP"
            default: "SIGTERM"
            }
        logging?.messages.write(LogMessage(.notice, event: "stop", text, [("signal", .text(name))]))
    }

    /// Ends the line on which the terminal shows `^C`.
    private static func endEcho(of signal: Int32) {
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

    /// Leaves crashes to the system, without the crash report of Swift's runtime.
    static func crashQuietly() {
        for number in [SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGFPE, SIGBUS, SIGSEGV] where csystem_ignores(number) == 0 {
            _ = signal(number, SIG_DFL)
        }
    }

    /// Unblocks all signals. A parent may have blocked some, as threads of some runtimes do, and a child inherits that;
    /// Squire could not be stopped then. `hangUpWaits` keeps SIGHUP blocked until a `Foreground` handles it, for a
    /// command that SIGHUP must not end. Call while the process has one thread.
    static func unblockSignals(hangUpWaits: Bool) {
        var blocked = sigset_t()
        sigemptyset(&blocked)
        if hangUpWaits { sigaddset(&blocked, SIGHUP) }
        sigprocmask(SIG_SETMASK, &blocked, nil)
        if hangUpWaits { _ = hadTerminal }
    }

    /// Delivers a pending SIGHUP.
    private static func unblockHangUp() {
        var hangUp = sigset_t()
        sigemptyset(&hangUp)
        sigaddset(&hangUp, SIGHUP)
        pthread_sigmask(SIG_UNBLOCK, &hangUp, nil)
    }
}
