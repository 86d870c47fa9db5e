/// A moment in HTTP (RFC 9110 section 5.6.7), read in its three forms and written in the first:
/// `Sun, 06 Nov 1994 08:49:37 GMT`, `Sunday, 06-Nov-94 08:49:37 GMT`, `Sun Nov  6 08:49:37 1994`.
///
/// Every number has its exact count of digits and its range, so no text makes the arithmetic overflow.
public enum HTTPDate {
    private static let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
    private static let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"]
    private static let longWeekdays = [
        "Thursday", "Friday", "Saturday", "Sunday", "Monday", "Tuesday", "Wednesday",
    ]
    /// The last second of the year 9999.
    static let last = 253_402_300_799

    /// Seconds since 1970; nil if `text` is not such a date, names a day that does not exist in its month, or lies
    /// before 1970.
    public static func seconds(_ text: String) -> Int? {
        let words = text.utf8.split(separator: 0x20, omittingEmptySubsequences: true).map { String(Substring($0)) }
        switch words.count {
        case 6 where words[5] == "GMT" && words[0].hasSuffix(","):
            guard weekdays.contains(String(words[0].dropLast())) else { return nil }
            return moment(day: words[1], month: words[2], year: number(words[3], digits: 4), time: words[4])
        case 4 where words[3] == "GMT" && words[0].hasSuffix(","):
            let date = words[1].split(separator: "-", omittingEmptySubsequences: false).map(String.init)
            guard longWeekdays.contains(String(words[0].dropLast())), date.count == 3 else { return nil }
            // A two-digit year means one that is neither long past nor far ahead.
            let year = number(date[2], digits: 2).map { $0 < 70 ? 2000 + $0 : 1900 + $0 }
            return moment(day: date[0], month: date[1], year: year, time: words[2])
        case 5 where weekdays.contains(words[0]):
            let day = words[2].utf8.count == 1 ? "0" + words[2] : words[2]
            return moment(day: day, month: words[1], year: number(words[4], digits: 4), time: words[3])
        default:
            return nil
        }
    }

    private static func moment(day: String, month: String, year: Int?, time: String) -> Int? {
        let time = time.split(separator: ":", omittingEmptySubsequences: false).map { number(String($0), digits: 2) }
        guard let day = number(day, digits: 2), let month = months.firstIndex(of: month), let year, time.count == 3,
            let hour = time[0], let minute = time[1], let second = time[2], (1970...9999).contains(year),
            (0...23).contains(hour), (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let days = days(year: year, month: month + 1, day: day)
        guard date(days: days) == (year, month + 1, day) else { return nil }
        return days * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// A number of exactly that many ASCII digits.
    private static func number(_ text: String, digits: Int) -> Int? {
        guard text.utf8.count == digits, text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return nil }
        return Int(text)
    }

    /// A moment outside of 1970 to 9999, for example from a clock that is not set, is written as the nearest one
    /// inside.
    public static func text(_ seconds: Int) -> String {
        let seconds = min(max(seconds, 0), last)
        let (year, month, day) = date(days: seconds / 86_400)
        let rest = seconds % 86_400
        let two = { (value: Int) in value < 10 ? "0\(value)" : "\(value)" }
        return "\(weekdays[seconds / 86_400 % 7]), \(two(day)) \(months[month - 1]) \(year) "
            + "\(two(rest / 3_600)):\(two(rest / 60 % 60)):\(two(rest % 60)) GMT"
    }

    /// Days since 1970-01-01 in the proleptic Gregorian calendar; years start in March, so that the leap day comes
    /// last.
    private static func days(year: Int, month: Int, day: Int) -> Int {
        let shifted = month <= 2 ? year - 1 : year
        let era = shifted / 400
        let yearOfEra = shifted - era * 400
        let dayOfYear = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1
        return era * 146_097 + yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear - 719_468
    }

    private static func date(days: Int) -> (year: Int, month: Int, day: Int) {
        let shifted = days + 719_468
        let era = shifted / 146_097
        let dayOfEra = shifted - era * 146_097
        let yearOfEra = (dayOfEra - dayOfEra / 1_460 + dayOfEra / 36_524 - dayOfEra / 146_096) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let index = (5 * dayOfYear + 2) / 153
        let month = index < 10 ? index + 3 : index - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, dayOfYear - (153 * index + 2) / 5 + 1)
    }
}
