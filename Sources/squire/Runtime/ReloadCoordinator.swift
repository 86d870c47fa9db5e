import EventIO
import Inspector
import Platform
import Settings
import Threads

/// Receives all requests to read the configuration again: from SIGHUP, from the inspector, and after a login.
///
/// The file and its secrets are read on a thread of their own, `squire-reload`, because a command that prints a secret
/// may be slow while the main loop has signals and a service manager to answer. The result is applied on the main loop.
/// There is one reading at a time (`ReloadQueue`); `close` ends it.
///
/// *Threading*: `open` and `close` on the loop's thread, `submit` on any.
final class ReloadCoordinator: Sendable {
    /// Receives the outcome on the main loop, or at once if nothing can be read.
    typealias Completion = @Sendable (ReloadOutcome) -> Void

    /// How one proxy handles a request.
    struct Handler {
        /// Called on the main loop, first. Returns why a request is refused that names that configuration; nil names
        /// any.
        let refusal: (_ configuration: String?) -> ReloadOutcome?
        /// Called on the main loop: a request was accepted that arrived at that time, in microseconds of
        /// `MonotonicClock`.
        let accepted: (_ time: UInt64) -> Void
        /// Called on the reading thread. Blocks until it is done or `StopSignal` is given.
        let read: @Sendable (StopSignal) -> Reading
        /// Called on the main loop.
        let apply: (Reading) -> ReloadOutcome
        /// Called on the main loop: an accepted request has been answered.
        let answered: () -> Void
    }

    typealias Reading = Result<LoadedConfiguration, ConfigurationError>

    private let state = Guarded<LoopBound<ReloadState?>?>(nil)
    private let loop = Guarded<EventLoop?>(nil)

    /// Accepts requests from now on. Call before the loop runs, or on its thread.
    func open(on loop: EventLoop, _ handler: Handler) {
        let bound = LoopBound<ReloadState?>(nil, loop: loop)
        bound.value = ReloadState(handler, bound, loop)
        state.with { $0 = bound }
        self.loop.with { $0 = loop }
    }

    /// Requests a reload, if `configuration` is the running one or nil. `completion` is called once, but never after the main
    /// loop has ended. One event for several proxies has one `time`.
    func submit(_ configuration: String?, at time: UInt64 = now(), _ completion: @escaping Completion) {
        guard let state = state.with({ $0 }), let loop = loop.with({ $0 }) else { return completion(.notReloadable) }
        loop.execute { state.value?.take(configuration, time, completion) }
    }

    /// In microseconds.
    static func now() -> UInt64 { MonotonicClock.now() / 1000 }

    /// Ends the reading in progress, and accepts no more requests. On the loop's thread.
    func close() {
        state.with { $0 }?.value?.close()
    }
}

/// The state of a `ReloadCoordinator`. *Threading*: on the main loop.
private final class ReloadState {
    private let handler: ReloadCoordinator.Handler
    /// Through this the reading thread finds the object.
    private unowned let reference: LoopBound<ReloadState?>
    private let loop: EventLoop
    private var queue = ReloadQueue<ReloadCoordinator.Completion>()
    /// Ends the reading in progress.
    private var stop: StopSignal?

    init(_ handler: ReloadCoordinator.Handler, _ reference: LoopBound<ReloadState?>, _ loop: EventLoop) {
        self.handler = handler
        self.reference = reference
        self.loop = loop
    }

    func take(_ configuration: String?, _ time: UInt64, _ completion: @escaping ReloadCoordinator.Completion) {
        if let refusal = handler.refusal(configuration) { return completion(refusal) }
        switch queue.add(completion) {
        case .read:
            handler.accepted(time)
            read()
        case .wait: handler.accepted(time)
        case .tooMany: completion(.tooMany)
        case .closed: completion(.stopping)
        }
    }

    func close() {
        let waiting = queue.close()
        stop?.give()
        for completion in waiting { completion(.stopping) }
    }

    private func read() {
        stop = StopSignal()
        // Nobody joins the thread, so that a disk that hangs does not delay the end.
        let thread = stop.flatMap { stop in
            NativeThread(name: "squire-reload") { [read = handler.read, loop = loop, reference = reference] in
                let reading = read(stop)
                loop.execute { reference.value?.hasRead(reading) }
            }
        }
        thread?.detach()
        guard thread == nil else { return }
        let error = SystemError(
            "the configuration cannot be read again: a thread for it cannot be started",
            code: EAGAIN
        )
        hasRead(.failure(ConfigurationError([.init(source: "squire", message: error.description)])))
    }

    private func hasRead(_ reading: ReloadCoordinator.Reading) {
        stop = nil
        let (served, readsAgain) = queue.ended()
        // `close` has answered all requests in the meantime.
        guard !served.isEmpty else { return }
        let outcome = handler.apply(reading)
        for completion in served {
            completion(outcome)
            handler.answered()
        }
        if readsAgain { read() }
    }
}
