import Platform
import Threads
import Upstream

/// Does what the watch's machine decides, on a thread of its own.
///
/// *Threading*: made and run on that thread; reads are made by `calls`.
final class StoreWatch {
    private let client: any StoreClient
    private let calls: WorkThread
    private let tell: @Sendable (SharedStoreNews) -> Void
    private var machine: StoreWatchMachine
    private var hasSurveyed = false

    init(_ client: any StoreClient, _ calls: WorkThread, _ tell: @escaping @Sendable (SharedStoreNews) -> Void) {
        self.client = client
        self.calls = calls
        self.tell = tell
        machine = StoreWatchMachine(patience: client.patience, interval: client.readInterval) {
            Double.random(in: 0..<1)
        }
    }

    /// Returns when `stop` can be read, or the store takes no more calls.
    func run(_ stop: Int32) {
        var step: StoreWatchMachine.Step? = machine.start()
        while let current = step {
            switch current {
            case .read: step = read().map { advance(.read($0)) }
            case .open(let position, let patience): step = follow(after: position, patience, stop)
            case .pause(let duration): step = hasStopped(stop, within: duration) ? nil : advance(.due)
            // Only a stream is listened to.
            case .listen, .goOn: step = advance(.due)
            }
        }
    }

    private func advance(_ event: StoreWatchMachine.Event) -> StoreWatchMachine.Step {
        let (news, next) = machine.handle(event)
        for one in news { tell(one) }
        return next
    }

    /// Nil after `stop`.
    private func read() -> Result<StoreReading, SharedStoreFailure>? {
        let latch = Latch<Result<StoreReading, SharedStoreFailure>>()
        let client = client
        guard calls.execute({ latch.set(client.read()) }) else { return nil }
        let result = latch.wait()
        if case .failure(let failure) = result, failure.kind == .stopped { return nil }
        return result
    }

    /// Follows a stream until the machine wants something else; that, or nil after `stop`.
    private func follow(after position: StorePosition, _ patience: Duration, _ stop: Int32) -> StoreWatchMachine.Step? {
        let stream: StoreStream
        switch client.watch(after: position) {
        case .success(let success): stream = success
        // Nothing was sent: no endpoint is to blame.
        case .failure(let failure): return advance(.line(.ended(failure)))
        }
        let endpoint = stream.endpoint
        let signal = client.stream.begin(at: endpoint)
        defer { client.stream.end() }
        var lines = StoreLines()
        var due = Self.moment(after: patience)
        var isOpen = false
        var next: StoreWatchMachine.Step?
        let end = stream.request.follow(stream.settings, stop: signal?.descriptor ?? stop, due: due) { arrival in
            let events: [StoreWatchMachine.Event]
            switch arrival {
            case .head: events = client.streams == .leased ? [.line(.opened)] : []
            case .due:
                events = [.due]
                if !isOpen { client.watchEnded(at: endpoint, .init(.unreachable, "\(endpoint) opens no watch")) }
            case .bytes(let bytes):
                events =
                    lines.append(bytes)?.map { .line(client.line($0, at: endpoint)) }
                    ?? [.line(.ended(SharedStoreFailure(.damaged, "a line of the watch is too long")))]
            }
            for event in events {
                if case .line(.ended(let failure)) = event { client.watchEnded(at: endpoint, failure) }
                if case .line(.opened) = event { isOpen = true }
                var step: StoreWatchMachine.Step? = advance(event)
                while step == .read, isOpen, case .due = event {
                    // Once, and by programs that run for long only.
                    if !hasSurveyed { client.survey() }
                    hasSurveyed = true
                    step = read().map { advance(.read($0)) }
                }
                switch step {
                case .listen(let duration)?: due = Self.moment(after: duration)
                case .goOn?: break
                default:
                    next = step
                    return .enough
                }
            }
            return .until(due)
        }
        let failure: SharedStoreFailure
        switch end {
        case .enough: return next
        case .stopped:
            if signal == nil || client.stream.isClosed { return nil }
            failure = .init(.unreachable, "\(endpoint) does not answer")
        case .failed(let reason): failure = client.failure(.failure(reason), at: endpoint)
        case .response(let response):
            failure = client.failure(.success(response), at: endpoint)
            if response.status == 200, client.streams == .leased { return advance(.line(.ended(failure))) }
        }
        client.watchEnded(at: endpoint, failure)
        return advance(.line(.ended(failure)))
    }

    private func hasStopped(_ stop: Int32, within duration: Duration) -> Bool {
        var polled = pollfd(fd: stop, events: Int16(POLLIN), revents: 0)
        return unsafe poll(&polled, 1, Int32(min(max(duration.wholeMilliseconds, 0), Int64(Int32.max)))) > 0
    }

    private static func moment(after duration: Duration) -> UInt64 {
        MonotonicClock.now().adding(saturating: duration.nanoseconds)
    }
}
