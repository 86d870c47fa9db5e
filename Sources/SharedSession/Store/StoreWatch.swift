import Platform
import Threads
import Upstream

/// Carries out the steps of a `StoreWatchMachine`.
///
/// *Threading*: created and run on the watch's thread; reads run on `calls`.
final class StoreWatch {
    private let client: any StoreClient
    private let calls: WorkThread
    private let report: @Sendable (SharedStoreNews) -> Void
    private var machine: StoreWatchMachine
    private var hasSurveyed = false

    init(_ client: any StoreClient, _ calls: WorkThread, _ report: @escaping @Sendable (SharedStoreNews) -> Void) {
        self.client = client
        self.calls = calls
        self.report = report
        machine = StoreWatchMachine(requestTimeout: client.requestTimeout, interval: client.readInterval) {
            Double.random(in: 0..<1)
        }
    }

    /// Returns when the descriptor `stop` becomes readable, or when the store takes no more calls.
    func run(_ stop: Int32) {
        var step: StoreWatchMachine.Step? = machine.start()
        while let current = step {
            switch current {
            case .read: step = read().map { advance(.read($0)) }
            case .open(let position, let timeout): step = follow(after: position, timeout, stop)
            case .pause(let duration): step = hasStopped(stop, within: duration) ? nil : advance(.due)
            // These steps concern an open stream, and there is none.
            case .listen, .goOn: step = advance(.due)
            }
        }
    }

    private func advance(_ event: StoreWatchMachine.Event) -> StoreWatchMachine.Step {
        let (news, next) = machine.handle(event)
        for one in news { report(one) }
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
    private func follow(after position: StorePosition, _ timeout: Duration, _ stop: Int32) -> StoreWatchMachine.Step? {
        let stream: StoreStream
        switch client.watch(after: position) {
        case .success(let success): stream = success
        // Nothing was sent, so that no endpoint is to blame.
        case .failure(let failure): return advance(.line(.ended(failure)))
        }
        let signal = client.stream.begin(at: stream.endpoint)
        defer { client.stream.end() }
        var open = OpenStream(endpoint: stream.endpoint, due: Self.moment(after: timeout))
        let end = stream.request.follow(stream.settings, stop: signal?.descriptor ?? stop, due: open.due) { arrival in
            for event in events(of: arrival, on: &open) {
                guard goesOn(after: event, on: &open) else { return .enough }
            }
            return .until(open.due)
        }
        switch end {
        case .enough: return open.next
        case .stopped where signal == nil || client.stream.isClosed: return nil
        case .stopped, .failed, .response: return step(after: end, at: open.endpoint)
        }
    }

    /// A stream while it is followed.
    private struct OpenStream {
        let endpoint: String
        var lines = StoreLines()
        /// When the machine wants its next event, by `MonotonicClock` in nanoseconds.
        var due: UInt64
        var isOpen = false
        /// The step for which the stream ends; nil after `stop`.
        var next: StoreWatchMachine.Step?
    }

    private func events(
        of arrival: BlockingRequest.Arrival,
        on stream: inout OpenStream
    ) -> [StoreWatchMachine.Event] {
        let endpoint = stream.endpoint
        switch arrival {
        case .head: return client.streams == .leased ? [.line(.opened)] : []
        case .due:
            if !stream.isOpen { client.watchEnded(at: endpoint, .init(.unreachable, "\(endpoint) opens no watch")) }
            return [.due]
        case .bytes(let bytes):
            return stream.lines.append(bytes)?.map { .line(client.line($0, at: endpoint)) }
                ?? [.line(.ended(SharedStoreFailure(.damaged, "a line of the watch is too long")))]
        }
    }

    /// Advances the machine. Returns whether it wants to go on with the stream.
    private func goesOn(after event: StoreWatchMachine.Event, on stream: inout OpenStream) -> Bool {
        if case .line(.ended(let failure)) = event { client.watchEnded(at: stream.endpoint, failure) }
        if case .line(.opened) = event { stream.isOpen = true }
        var step: StoreWatchMachine.Step? = advance(event)
        while step == .read, stream.isOpen, case .due = event {
            // Once per process, and only in one that lives long enough for its first check.
            if !hasSurveyed { client.survey() }
            hasSurveyed = true
            step = read().map { advance(.read($0)) }
        }
        switch step {
        case .listen(let duration)?: stream.due = Self.moment(after: duration)
        case .goOn?: break
        default:
            stream.next = step
            return false
        }
        return true
    }

    /// The next step after a stream that ended by itself. The endpoint is to blame, unless its engine ends streams from
    /// time to time.
    private func step(after end: BlockingRequest.StreamEnd, at endpoint: String) -> StoreWatchMachine.Step {
        let failure: SharedStoreFailure
        switch end {
        case .enough, .stopped: failure = .init(.unreachable, "\(endpoint) does not answer")
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
