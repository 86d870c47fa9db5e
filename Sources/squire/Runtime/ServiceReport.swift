import EventIO
import Logging
import Platform
import ServiceManager
import Settings

/// Tells the service manager how it goes: that requests are served, that the configuration is read again, that it ends
/// (sd_notify(3)). Nothing waits for the manager: what it is too busy to take is told a moment later.
///
/// *Threading*: made and used on the main loop.
final class ServiceReport {
    private let socket: NotifySocket
    private let logger: Logger
    /// What there is to say of what runs: a sentence without secrets.
    private let describe: () -> String
    private var state = ServiceState()
    private var queue = NoticeQueue()
    private var retry: EventTimer?
    private let loop: EventLoop
    /// It was said that the manager does not listen: once is enough.
    private var hasComplained = false

    private static let retryAfter = Duration.milliseconds(100)

    /// Nil if no manager wants to be told, or if it cannot be, which is said.
    init?(_ environment: ServiceEnvironment, on loop: EventLoop, _ logger: Logger, describe: @escaping () -> String) {
        guard let named = environment.notifySocket else { return nil }
        do {
            socket = try NotifySocket(try NotifyAddress(named))
        } catch {
            let reason = (error as? NotifyAddress.Unusable).map { "its value \($0)" } ?? "\(error)"
            logger.warning("the service manager of NOTIFY_SOCKET is told nothing: \(ControlCharacters.escaped(reason))")
            return nil
        }
        self.loop = loop
        self.logger = logger
        self.describe = describe
    }

    /// Requests are served from now on.
    func served() {
        tell(state.served(describe()))
    }

    /// The configuration is read again; it was asked for at `time`, in microseconds of the `MonotonicClock`. `reloadEnded`
    /// follows. There may be several at a time.
    func reloadBegan(at time: UInt64) {
        tell(state.reloadBegan(at: time))
    }

    func reloadEnded() {
        tell(state.reloadEnded(describe()))
    }

    /// What `describe` says may have changed.
    func changed() {
        tell(state.changed(describe()))
    }

    /// It ends, and what is to be waited for takes no longer than `limit`.
    func ends(within limit: Duration) {
        tell(state.ends("What runs is finished.", within: limit.nanoseconds / 1000))
    }

    private func tell(_ notice: Notice?) {
        guard let notice else { return }
        guard queue.add(notice) else {
            return complain("it has not read the last \(NoticeQueue.maximum) notices")
        }
        // One that waits is first.
        if queue.waiting.count == 1 { flush() }
    }

    private func flush() {
        while let notice = queue.first {
            switch socket.send(notice) {
            case .sent: queue.removeFirst()
            case .busy: return retryLater()
            case .failed(let error):
                queue.removeFirst()
                complain(error.description)
            }
        }
    }

    private func retryLater() {
        let timer = retry ?? EventTimer(loop: loop) { [unowned self] in flush() }
        retry = timer
        timer.arm(after: Self.retryAfter)
    }

    private func complain(_ reason: String) {
        guard !hasComplained else { return }
        hasComplained = true
        logger.warning("the service manager of NOTIFY_SOCKET does not listen: \(reason)")
    }
}
