import EventIO
import Platform

/// A deadline that moves often and rarely passes: moving it costs no timer operation.
///
/// What arrived in time counts, although it was not read in time because the process was stopped, or its machine: when the
/// time is over, the loop looks at the descriptors again before the deadline passes.
///
/// *Threading*: belongs to its loop.
final class Deadline {
    private enum State {
        case never
        /// In monotonic nanoseconds.
        case due(UInt64)
        /// The time was over at that moment; so many turns of the loop are waited for.
        case over(UInt64, turns: Int)
    }

    private var timer: EventTimer?
    private var state = State.never
    private var armedFor: UInt64 = .max
    private let passed: () -> Void

    /// libevent reports 32 descriptors at once, and twice as many after each look that found as many: some 8,000 in eight.
    static let turns = 8

    init(loop: EventLoop, passed: @escaping () -> Void) {
        self.passed = passed
        timer = EventTimer(loop: loop) { [unowned self] in fired() }
    }

    func set(at time: UInt64, now: UInt64) {
        state = .due(time)
        // If the timer fires earlier, it finds the new time and rearms for the rest.
        if armedFor <= time, timer?.isArmed == true { return }
        arm(for: time, now: now)
    }

    private func arm(for time: UInt64, now: UInt64) {
        armedFor = time
        timer?.arm(nanoseconds: time > now ? time - now : 0)
    }

    /// Moves a deadline that was set `former` nanoseconds after some moment to `nanoseconds` after the same moment.
    func change(from former: UInt64, to nanoseconds: UInt64, now: UInt64) {
        switch state {
        case .never: break
        case .due(let time), .over(let time, _): set(at: time &- former &+ nanoseconds, now: now)
        }
    }

    func clear() {
        state = .never
    }

    /// The timer never fires again.
    func cancel() {
        state = .never
        timer?.cancel()
        armedFor = .max
    }

    private func fired() {
        armedFor = .max
        let now = MonotonicClock.now()
        switch state {
        case .never: break
        case .due(let time) where now < time: arm(for: time, now: now)
        case .due(let time): wait(for: Self.turns, since: time, now: now)
        case .over(_, turns: 1):
            state = .never
            passed()
        case .over(let time, let turns): wait(for: turns - 1, since: time, now: now)
        }
    }

    /// The timer fires in the next turn, after what that turn's look finds has been handled.
    private func wait(for turns: Int, since time: UInt64, now: UInt64) {
        state = .over(time, turns: turns)
        arm(for: now, now: now)
    }
}
