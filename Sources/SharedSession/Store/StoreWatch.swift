import Platform
import Threads
import Upstream

/// Carries out the steps of a `StoreWatchMachine`.
///
/// *Threading*: created and run on the watch's thread; reads run on `calls`.
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

    /// Returns when the descriptor `stop` becomes readable, or when the store takes no more calls.
    func run(_ stop: Int32) {
        var step: StoreWatchMachine.Step? = machine.start()
        while let current = step {
            switch current {
            case .read: step = read().map { advance(.read($0)) }
            case .open(let position, let patience): step = follow(after: position, patience, stop)
            case .pause(let duration): step = hasStopped(stop, within: duration) ? nil : advance(.due)
            // These steps concern an open stream, and there is none.
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

    /// Follows a stream until the machine wants another step, and returns that step; nil after `stop`.
    private func follow(after position: StorePosition, _ patience: Duration, _ stop: Int32) -> StoreWatchMachine.Step? {
        let stream: StoreStream
        switch client.watch(after: position) {
        case .success(let success): stream = success
        // Nothing was sent, so that no endpoint is to blame.
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
                    // Once per process, and only in one that lives long enough for its first check.
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
