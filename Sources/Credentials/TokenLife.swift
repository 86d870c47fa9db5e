import Platform

/// How long a token may live: what is believed of an issuer's word, whoever reads it.
public enum TokenLife {
    /// Ten years, with their leap days, in seconds. Who says more means something else: milliseconds, or "never".
    public static let longest = 3653 * 86_400

    /// The seconds, if they are from 1 to `longest`; nil, that is unknown, otherwise: such a token is used until it is
    /// refused.
    public static func believed(_ seconds: Int) -> Int? { (1...longest).contains(seconds) ? seconds : nil }

    /// Why `end`, which a token claims to be its own, is not believed at `now`: the rest of a sentence that names it.
    /// Both are seconds since 1970.
    public static func doubt(of end: Int, now: Int) -> String {
        let left = end.subtracting(saturating: now)
        if left <= 0 { return "which has passed" }
        return left > longest ? "more than \(longest / 365 / 86_400) years away" : "which does not fit its beginning"
    }
}
