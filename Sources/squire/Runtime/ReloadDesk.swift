import EventIO
import Inspector
import Threads

/// Where other threads hand in their wish to have the configuration read again. It is read on the main loop, where
/// SIGHUP comes, too: one reload at a time, and never on a loop that serves anybody.
///
/// *Threading*: `open` on the loop's thread; `submit` from any.
final class ReloadDesk: Sendable {
    /// Reads again, if the configuration is that one; nil is any.
    typealias Clerk = (_ configuration: String?) -> ReloadOutcome

    private let counter = Guarded<Counter?>(nil)

    private struct Counter: Sendable {
        let loop: EventLoop
        let clerk: LoopBound<Clerk?>
    }

    /// From now on wishes are granted. The loop must not run yet, or be the caller's.
    func open(on loop: EventLoop, _ clerk: @escaping Clerk) {
        let bound = LoopBound<Clerk?>(nil, loop: loop)
        bound.value = clerk
        counter.with { $0 = Counter(loop: loop, clerk: bound) }
    }

    /// Calls back once, on another thread or on this one; never when the main loop has ended meanwhile.
    func submit(_ configuration: String?, _ completion: @escaping @Sendable (ReloadOutcome) -> Void) {
        guard let counter = counter.with({ $0 }) else { return completion(.notReloadable) }
        counter.loop.execute { completion(counter.clerk.value?(configuration) ?? .notReloadable) }
    }
}
