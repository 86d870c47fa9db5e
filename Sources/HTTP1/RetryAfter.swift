/// `Retry-After` (RFC 9110 section 10.2.3): a number of seconds, or a date of any of the three forms.
public enum RetryAfter {
    /// Longest wait in seconds. Longer ones are cut to it.
    static let maximum = 3600

    /// The seconds to wait, from 0 to an hour; nil if `value` is malformed. A date is compared with the response's own
    /// `Date`, or with `wall`, seconds since 1970, if that is missing.
    public static func seconds(_ value: String?, date: String?, wall: Int) -> Int? {
        guard let value = value.map(Octet.trimmed), !value.isEmpty else { return nil }
        if value.utf8.allSatisfy(Octet.isDigit) { return Int(value).map { min($0, maximum) } ?? maximum }
        guard let end = HTTPDate.seconds(value) else { return nil }
        // A clock may show any value. Within the range of dates the difference cannot overflow.
        let now = date.flatMap { HTTPDate.seconds(Octet.trimmed($0)) } ?? min(max(wall, 0), HTTPDate.last)
        return min(max(end - now, 0), maximum)
    }
}
