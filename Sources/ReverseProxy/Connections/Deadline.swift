import EventIO
import Platform

/// A deadline that moves often and rarely passes: moving it costs no timer operation.
///
/// *Threading*: belongs to its loop.
final class Deadline {
    private var timer: EventTimer?
    /// In monotonic nanoseconds; nil means never.
    private var due: UInt64?
    private var armedFor: UInt64 = .max
    private let passed: () -> Void

    init(loop: EventLoop, passed: @escaping () -> Void) {
        self.passed = passed
        timer = EventTimer(loop: loop) { [unowned self] in fired() }
    }

    func set(at time: UInt64, now: UInt64) {
        due = time
        // If the timer fires earlier, it finds the new time and rearms for the rest.
        if armedFor <= time, timer?.isArmed == true { return }
        armedFor = time
        timer?.arm(nanoseconds: time > now ? time - now : 0)
    }

    /// Moves a deadline that was set `former` nanoseconds after some moment to `nanoseconds` after the same moment.
    func change(from former: UInt64, to nanoseconds: UInt64, now: UInt64) {
        guard let due else { return }
        set(at: due &- former &+ nanoseconds, now: now)
    }

    func clear() {
        due = nil
    }

    /// The timer never fires again.
    func cancel() {
        due = nil
        timer?.cancel()
        armedFor = .max
    }

    private func fired() {
        armedFor = .max
        guard let due else { return }
        let now = MonotonicClock.now()
        if now >= due {
            self.due = nil
            passed()
        } else {
            set(at: due, now: now)
        }
    }
}
