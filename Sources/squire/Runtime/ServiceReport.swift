import EventIO
import Logging
import Platform
import ServiceManager
import Settings

/// Sends notices to the service manager: that the proxy serves, reloads or ends (sd_notify(3)). Never blocks; a notice
/// that the manager is too busy to take is sent later.
///
/// *Threading*: created and used on the main loop.
final class ServiceReport {
    private let socket: NotifySocket
    private let logger: Logger
    /// Returns a sentence about what runs, without secrets.
    private let describe: () -> String
    private var state = ServiceState()
    private var queue = NoticeQueue()
    private var retry: EventTimer?
    private let loop: EventLoop
    /// Whether a failure has been reported, which happens once.
    private var hasComplained = false

    private static let retryAfter = Duration.milliseconds(100)

    /// Nil if there is no service manager, or, after a warning, if it cannot be reached.
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

    /// A reload began. `time` is when it was requested, in microseconds of `MonotonicClock`. `reloadEnded` follows;
    /// several reloads may overlap.
    func reloadBegan(at time: UInt64) {
        tell(state.reloadBegan(at: time))
    }

    func reloadEnded() {
        tell(state.reloadEnded(describe()))
    }

    /// The result of `describe` may have changed.
    func changed() {
        tell(state.changed(describe()))
    }

    /// The program is ending, and takes `limit` at most.
    func ends(within limit: Duration) {
        tell(state.ends("What runs is finished.", within: limit.nanoseconds / 1000))
    }

    private func tell(_ notice: Notice?) {
        guard let notice else { return }
        guard queue.add(notice) else {
            return complain("it has not read the last \(NoticeQueue.maximum) notices")
        }
        // With a single notice in the queue, none is waiting for a retry.
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
