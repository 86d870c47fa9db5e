/// How long a token may live: what is believed of an issuer's word, whoever reads it.
public enum TokenLife {
    /// Ten years, with their leap days, in seconds. Who says more means something else: milliseconds, or "never".
    public static let longest = 3653 * 86_400

    /// The seconds, if they are from 1 to `longest`; nil, that is unknown, otherwise: such a token is used until it is
    /// refused.
    public static func believed(_ seconds: Int) -> Int? { (1...longest).contains(seconds) ? seconds : nil }
}
