import Platform

/// What the token endpoint said of a device code (RFC 8628 section 3.5).
public enum DevicePoll: Equatable, Sendable {
    /// The person has not decided yet.
    case pending
    case slowDown
    /// No answer, or one that says nothing of the code. `retryAfter` is the seconds that the server asked for.
    case noAnswer(retryAfter: Int?)
}

/// When to ask for the token of a device code, and when to give up (RFC 8628 section 3.5). Pure; moments are
/// nanoseconds of any clock that does not go back.
public struct DevicePolling: Equatable, Sendable {
    /// What an answer without `interval` means (RFC 8628 section 3.2).
    static let defaultInterval = 5
    /// What `slow_down` adds, for good.
    static let slowDown = 5
    /// Without a usable `expires_in`.
    static let defaultLife = 15 * 60
    /// Whatever a server says: a person has gone by then.
    private static let longestLife = 24 * 3600
    private static let longestInterval = 300

    /// Seconds between two questions.
    public private(set) var interval: Int
    /// When the code is over.
    public let deadline: Int64
    /// How many nanoseconds a second has: fewer in tests.
    private let second: Int64

    /// `interval` and `expiresIn` are seconds, as the server said them; nil, and what cannot be meant, is the default.
    public init(interval: Int?, expiresIn: Int?, now: Int64, second: Duration = .seconds(1)) {
        self.second = max(second.wholeNanoseconds, 1)
        let life = Self.usable(expiresIn, Self.defaultLife, Self.longestLife)
        let pause = Self.usable(interval, Self.defaultInterval, Self.longestInterval)
        // One that leaves no time to ask cannot be meant.
        self.interval = pause < life ? pause : Self.defaultInterval
        deadline = now.adding(saturating: Int64(life).multiplied(saturating: self.second))
    }

    private static func usable(_ seconds: Int?, _ standard: Int, _ longest: Int) -> Int {
        guard let seconds, seconds >= 0 else { return standard }
        return min(max(seconds, 1), longest)
    }

    /// Takes an answer in.
    public mutating func heard(_ poll: DevicePoll) {
        switch poll {
        case .pending: break
        case .slowDown: interval = min(interval + Self.slowDown, Self.longestInterval)
        case .noAnswer(let retryAfter):
            // A server that has trouble gets half as many questions (RFC 8628 section 3.5).
            interval = min(max(interval * 2, retryAfter ?? 0), Self.longestInterval)
        }
    }

    /// Nanoseconds until the next question; nil when the code is over by then.
    public func wait(now: Int64) -> Int64? {
        let pause = Int64(interval).multiplied(saturating: second)
        return now.adding(saturating: pause) < deadline ? pause : nil
    }
}
