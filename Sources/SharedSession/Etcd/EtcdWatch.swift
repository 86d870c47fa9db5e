import Platform
import Threads
import Upstream

/// Does what the watch's machine decides, on a thread of its own.
///
/// *Threading*: made and run on that thread; reads are made by `calls`.
final class EtcdWatch {
    private let client: EtcdClient
    private let calls: WorkThread
    private let tell: @Sendable (SharedStoreNews) -> Void
    private var machine: EtcdWatchMachine

    init(_ client: EtcdClient, _ calls: WorkThread, _ tell: @escaping @Sendable (SharedStoreNews) -> Void) {
        self.client = client
        self.calls = calls
        self.tell = tell
        machine = EtcdWatchMachine(patience: client.options.patience, interval: client.options.readInterval) {
            Double.random(in: 0..<1)
        }
    }

    /// Returns when `stop` can be read, or the store takes no more calls.
    func run(_ stop: Int32) {
        var step: EtcdWatchMachine.Step? = machine.start()
        while let current = step {
            switch current {
            case .read: step = read().map { advance(.read($0)) }
            case .open(let revision, let patience): step = follow(from: revision, patience, stop)
            case .pause(let duration): step = hasStopped(stop, within: duration) ? nil : advance(.due)
            // Only a stream is listened to.
            case .listen: step = advance(.due)
            }
        }
    }

    private func advance(_ event: EtcdWatchMachine.Event) -> EtcdWatchMachine.Step {
        let (news, next) = machine.handle(event)
        for one in news { tell(one) }
        return next
    }

    /// Nil after `stop`.
    private func read() -> Result<EtcdReading, SharedStoreFailure>? {
        let latch = Latch<Result<EtcdReading, SharedStoreFailure>>()
        let client = client
        guard calls.execute({ latch.set(client.read()) }) else { return nil }
        let result = latch.wait()
        if case .failure(let failure) = result, failure.kind == .stopped { return nil }
        return result
    }

    /// Follows a stream until the machine wants something else; that, or nil after `stop`.
    private func follow(from revision: Int64, _ patience: Duration, _ stop: Int32) -> EtcdWatchMachine.Step? {
        let (endpoint, request, settings) = client.watch(from: revision)
        var lines = EtcdLines()
        var due = Self.moment(after: patience)
        var isOpen = false
        var next: EtcdWatchMachine.Step?
        let end = request.follow(settings, stop: stop, due: due) { arrival in
            let events: [EtcdWatchMachine.Event]
            switch arrival {
            case .due:
                events = [.due]
                if !isOpen { ended(endpoint, SharedStoreFailure(.unreachable, "\(endpoint) opens no watch")) }
            case .bytes(let bytes):
                events =
                    lines.append(bytes)?.map { .line(EtcdWatchLine($0, client.answers)) }
                    ?? [.line(.ended(SharedStoreFailure(.damaged, "a line of etcd's watch is too long")))]
            }
            for event in events {
                if case .line(.ended(let failure)) = event { ended(endpoint, failure) }
                if case .line(.created) = event { isOpen = true }
                var step: EtcdWatchMachine.Step? = advance(event)
                while step == .read, isOpen, case .due = event { step = read().map { advance(.read($0)) } }
                guard case .listen(let duration)? = step else {
                    next = step
                    return .enough
                }
                due = Self.moment(after: duration)
            }
            return .until(due)
        }
        let failure: SharedStoreFailure
        switch end {
        case .enough: return next
        case .stopped: return nil
        case .failed(let reason): failure = EtcdProblem(reason, at: endpoint).failure
        case .response(let response) where response.status == 200:
            failure = SharedStoreFailure(.unreachable, "\(endpoint) ended the watch")
        case .response(let response): failure = EtcdProblem(status: response.status, body: response.body).failure
        }
        ended(endpoint, failure)
        return advance(.line(.ended(failure)))
    }

    private func ended(_ endpoint: String, _ failure: SharedStoreFailure) {
        client.leave(endpoint)
        client.observe(.watchEnded(failure))
    }

    private func hasStopped(_ stop: Int32, within duration: Duration) -> Bool {
        var polled = pollfd(fd: stop, events: Int16(POLLIN), revents: 0)
        return poll(&polled, 1, Int32(min(max(duration.wholeMilliseconds, 0), Int64(Int32.max)))) > 0
    }

    private static func moment(after duration: Duration) -> UInt64 {
        MonotonicClock.now().adding(saturating: duration.nanoseconds)
    }
}
