import Platform

/// Which lifetimes are believed, whatever their source.
public enum TokenLife {
    /// Ten years with leap days, in seconds. A longer lifetime means something else, such as milliseconds or "never".
    public static let longest = 3653 * 86_400

    /// `seconds` if it is from 1 to `longest`; otherwise nil, which means unknown: such a token is used until it is
    /// rejected.
    public static func believed(_ seconds: Int) -> Int? { (1...longest).contains(seconds) ? seconds : nil }

    /// Why the token's claim to end at `end` is not believed at `now`. Completes a sentence that names the end. Both
    /// are in seconds since 1970.
    public static func doubt(of end: Int, now: Int) -> String {
        let left = end.subtracting(saturating: now)
        if left <= 0 { return "which has passed" }
        return left > longest ? "more than \(longest / 365 / 86_400) years away" : "which does not fit its beginning"
    }
}
