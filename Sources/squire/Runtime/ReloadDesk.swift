import EventIO
import Inspector
import Platform
import Settings
import Threads

/// Where every wish to have the configuration read again is handed in: of SIGHUP, of the inspector, of a login.
///
/// The file and its secrets are read on a thread of their own, `squire-reload`: a command that gives a secret may take
/// its time, and the main loop has signals and a service manager to answer. What was read is put in force on the main
/// loop. One reading at a time (`ReloadQueue`); `close` ends it.
///
/// *Threading*: `open` and `close` on the loop's thread; `submit` from any.
final class ReloadDesk: Sendable {
    /// Called on the main loop, or at once where nothing can be read.
    typealias Wish = @Sendable (ReloadOutcome) -> Void

    /// What one proxy does about a wish.
    struct Clerk {
        /// On the main loop, first: why a wish that names that configuration is not granted; nil is any configuration.
        let refusal: (_ configuration: String?) -> ReloadOutcome?
        /// On the main loop: a wish is kept that came at that moment, in microseconds of the `MonotonicClock`.
        let begins: (_ time: UInt64) -> Void
        /// On the desk's thread. Blocks, but for `StopSignal`.
        let read: @Sendable (StopSignal) -> Reading
        /// On the main loop.
        let follow: (Reading) -> ReloadOutcome
        /// On the main loop: a wish that was kept has been answered.
        let ends: () -> Void
    }

    typealias Reading = Result<LoadedConfiguration, ConfigurationError>

    private let counter = Guarded<LoopBound<Counter?>?>(nil)
    private let loop = Guarded<EventLoop?>(nil)

    /// From now on wishes are granted. The loop must not run yet, or be the caller's.
    func open(on loop: EventLoop, _ clerk: Clerk) {
        let bound = LoopBound<Counter?>(nil, loop: loop)
        bound.value = Counter(clerk, bound, loop)
        counter.with { $0 = bound }
        self.loop.with { $0 = loop }
    }

    /// Has the configuration read again, if it is that one; nil is any. `wish` is called once; never when the main loop
    /// has ended meanwhile. Several desks that are told of one event are told of one `time`.
    func submit(_ configuration: String?, at time: UInt64 = now(), _ wish: @escaping Wish) {
        guard let counter = counter.with({ $0 }), let loop = loop.with({ $0 }) else { return wish(.notReloadable) }
        loop.execute { counter.value?.take(configuration, time, wish) }
    }

    /// Microseconds.
    static func now() -> UInt64 { MonotonicClock.now() / 1000 }

    /// Ends the reading that is under way, and grants nothing more. On the loop.
    func close() {
        counter.with { $0 }?.value?.close()
    }
}

/// What lies behind the desk. *Threading*: on the main loop.
private final class Counter {
    private let clerk: ReloadDesk.Clerk
    /// Where this is found by the thread that reads.
    private unowned let reference: LoopBound<Counter?>
    private let loop: EventLoop
    private var queue = ReloadQueue<ReloadDesk.Wish>()
    /// Of the reading that is under way.
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
        // Nobody joins it: a disk that hangs must not hold up the end.
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
        // Whoever closed the desk meanwhile has no more use for it.
        guard !granted.isEmpty else { return }
        let outcome = clerk.follow(reading)
        for wish in granted {
            wish(outcome)
            clerk.ends()
        }
        if readsAgain { read() }
    }
}
