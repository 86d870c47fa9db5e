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
final class ReloadDesk: Sendable {
    /// Receives the outcome on the main loop, or at once if nothing can be read.
    typealias Wish = @Sendable (ReloadOutcome) -> Void

    /// How one proxy handles a request.
    struct Clerk {
        /// Called on the main loop, first. Returns why a request is refused that names that configuration; nil names
        /// any.
        let refusal: (_ configuration: String?) -> ReloadOutcome?
        /// Called on the main loop: a request was accepted that arrived at that time, in microseconds of
        /// `MonotonicClock`.
        let begins: (_ time: UInt64) -> Void
        /// Called on the reading thread. Blocks until it is done or `StopSignal` is given.
        let read: @Sendable (StopSignal) -> Reading
        /// Called on the main loop.
        let follow: (Reading) -> ReloadOutcome
        /// Called on the main loop: an accepted request has been answered.
        let ends: () -> Void
    }

    typealias Reading = Result<LoadedConfiguration, ConfigurationError>

    private let counter = Guarded<LoopBound<Counter?>?>(nil)
    private let loop = Guarded<EventLoop?>(nil)

    /// Accepts requests from now on. Call before the loop runs, or on its thread.
    func open(on loop: EventLoop, _ clerk: Clerk) {
        let bound = LoopBound<Counter?>(nil, loop: loop)
        bound.value = Counter(clerk, bound, loop)
        counter.with { $0 = bound }
        self.loop.with { $0 = loop }
    }

    /// Requests a reload, if `configuration` is the running one or nil. `wish` is called once, but never after the main
    /// loop has ended. One event for several proxies has one `time`.
    func submit(_ configuration: String?, at time: UInt64 = now(), _ wish: @escaping Wish) {
        guard let counter = counter.with({ $0 }), let loop = loop.with({ $0 }) else { return wish(.notReloadable) }
        loop.execute { counter.value?.take(configuration, time, wish) }
    }

    /// In microseconds.
    static func now() -> UInt64 { MonotonicClock.now() / 1000 }

    /// Ends the reading in progress, and accepts no more requests. On the loop's thread.
    func close() {
        counter.with { $0 }?.value?.close()
    }
}

/// The state of the desk. *Threading*: on the main loop.
private final class Counter {
    private let clerk: ReloadDesk.Clerk
    /// Through this the reading thread finds the object.
    private unowned let reference: LoopBound<Counter?>
    private let loop: EventLoop
    private var queue = ReloadQueue<ReloadDesk.Wish>()
    /// Ends the reading in progress.
    private var stop: StopSignal?

    init(_ clerk: ReloadDesk.Clerk, _ reference: LoopBound<Counter?>, _ loop: EventLoop) {
        self.clerk = clerk
        self.reference = reference
        self.loop = loop
    }

    func take(_ configuration: String?, _ time: UInt64, _ wish: @escaping ReloadDesk.Wish) {
        if let refusal = clerk.refusal(configuration) { return wish(refusal) }
        switch queue.add(wish) {
        case .read:
            clerk.begins(time)
            read()
        case .wait: clerk.begins(time)
        case .tooMany: wish(.tooMany)
        case .closed: wish(.stopping)
        }
    }

    func close() {
        let waiting = queue.close()
        stop?.give()
        for wish in waiting { wish(.stopping) }
    }

    private func read() {
        stop = StopSignal()
        // Nobody joins the thread, so that a disk that hangs does not delay the end.
        let thread = stop.flatMap { stop in
            NativeThread(name: "squire-reload") { [read = clerk.read, loop = loop, reference = reference] in
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

    private func hasRead(_ reading: ReloadDesk.Reading) {
        stop = nil
        let (granted, readsAgain) = queue.ended()
        // `close` has answered all requests in the meantime.
        guard !granted.isEmpty else { return }
        let outcome = clerk.follow(reading)
        for wish in granted {
            wish(outcome)
            clerk.ends()
        }
        if readsAgain { read() }
    }
}
