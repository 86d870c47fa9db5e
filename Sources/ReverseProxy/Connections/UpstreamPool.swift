import EventIO
import Upstream

/// The upstream connections of one worker that wait for another exchange: last in, first out, so that surplus ones grow old.
///
/// *Threading*: belongs to its loop.
final class UpstreamPool: UpstreamConnectionDelegate {
    private let connector: UpstreamConnector
    private var idle: [UpstreamConnection] = []
    private let maxIdle: Int
    private let maxIdleNanoseconds: UInt64
    private var sweep: EventTimer?

    init(loop: EventLoop, settings: UpstreamSettings, maxIdle: Int, maxIdleTime: Duration) {
        connector = UpstreamConnector(loop: loop, settings: settings)
        self.maxIdle = maxIdle
        maxIdleNanoseconds = maxIdleTime.nanoseconds
        sweep = EventTimer(loop: loop) { [unowned self] in closeOld() }
    }

    deinit {
        for connection in idle { connection.close() }
    }

    var connectionCount: Int { connector.connectionCount }

    /// An idle connection; nil when a new one must be made. One that was closed, or on which something came, is of no use: the loop may not
    /// have got to it yet, and an answer that nobody asked for would be taken for the next one.
    func takeIdle() -> UpstreamConnection? {
        while let connection = idle.popLast() {
            if connection.isQuiet { return connection }
            connection.close()
        }
        return nil
    }

    func connect(completion: @escaping (Result<UpstreamConnection, UpstreamError>) -> Void) -> UpstreamConnector.Attempt
    {
        connector.connect(completion: completion)
    }

    func cancel(_ attempt: UpstreamConnector.Attempt) {
        connector.cancel(attempt)
    }

    /// Takes back a connection whose exchange is complete on both sides.
    func give(_ connection: UpstreamConnection, now: UInt64) {
        guard idle.count < maxIdle, connection.isOpen else { return connection.close() }
        connection.setReading(true)
        connection.delegate = self
        connection.idleSince = now
        idle.append(connection)
        if sweep?.isArmed == false { sweep?.arm(nanoseconds: maxIdleNanoseconds) }
    }

    func closeAll() {
        for connection in idle { connection.close() }
        idle = []
        sweep?.cancel()
    }

    /// The upstream closed it, or sends what nobody asked for: useless either way.
    func upstreamIsReadable(_ connection: UpstreamConnection) {
        if let index = idle.firstIndex(where: { $0 === connection }) { idle.remove(at: index) }
        connection.close()
    }

    func upstreamIsWritable(_ connection: UpstreamConnection) {}

    private func closeOld() {
        let now = MonotonicClock.now()
        var kept: [UpstreamConnection] = []
        for connection in idle {
            if now &- connection.idleSince < maxIdleNanoseconds { kept.append(connection) } else { connection.close() }
        }
        idle = kept
        if let oldest = idle.first {
            sweep?.arm(nanoseconds: maxIdleNanoseconds &- (now &- oldest.idleSince) &+ 1_000_000)
        }
    }
}
