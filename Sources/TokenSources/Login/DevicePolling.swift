import Platform

/// The token endpoint's response to a poll with a device code (RFC 8628 section 3.5).
public enum DevicePoll: Equatable, Sendable {
    /// The person has not decided yet.
    case pending
    case slowDown
    /// No response, or one that says nothing about the code. `retryAfter` is what the server asked for, in seconds.
    case noAnswer(retryAfter: Int?)
}

/// Decides when to poll for the token of a device code, and when to give up (RFC 8628 section 3.5). Pure; moments are
/// nanoseconds on any monotonic clock.
public struct DevicePolling: Equatable, Sendable {
    /// The interval in seconds if the server names none (RFC 8628 section 3.2).
    static let defaultInterval = 5
    /// The seconds that `slow_down` adds to the interval permanently.
    static let slowDown = 5
    /// The lifetime in seconds without a usable `expires_in`.
    static let defaultLife = 15 * 60
    /// The limit for what a server says, in seconds: nobody waits longer.
    private static let longestLife = 24 * 3600
    private static let longestInterval = 300

    /// Seconds between two polls.
    public private(set) var interval: Int
    /// When the code expires.
    public let deadline: Int64
    /// The length of a second in nanoseconds: shorter in tests.
    private let second: Int64

    /// `interval` and `expiresIn` are in seconds, from the server. Nil and implausible values mean the default.
    public init(interval: Int?, expiresIn: Int?, now: Int64, second: Duration = .seconds(1)) {
        self.second = max(second.wholeNanoseconds, 1)
        let life = Self.usable(expiresIn, Self.defaultLife, Self.longestLife)
        let pause = Self.usable(interval, Self.defaultInterval, Self.longestInterval)
        // An interval that leaves no time to poll is implausible.
        self.interval = pause < life ? pause : Self.defaultInterval
        deadline = now.adding(saturating: Int64(life).multiplied(saturating: self.second))
    }

    private static func usable(_ seconds: Int?, _ standard: Int, _ longest: Int) -> Int {
        guard let seconds, seconds >= 0 else { return standard }
        return min(max(seconds, 1), longest)
    }

    /// Processes a response.
    public mutating func heard(_ poll: DevicePoll) {
        switch poll {
        case .pending: break
        case .slowDown: interval = min(interval + Self.slowDown, Self.longestInterval)
        case .noAnswer(let retryAfter):
            // A server in trouble is polled half as often (RFC 8628 section 3.5).
            interval = min(max(interval * 2, retryAfter ?? 0), Self.longestInterval)
        }
    }

    /// Nanoseconds until the next poll; nil if the code has expired by then.
    public func wait(now: Int64) -> Int64? {
        let pause = Int64(interval).multiplied(saturating: second)
        return now.adding(saturating: pause) < deadline ? pause : nil
    }
}
