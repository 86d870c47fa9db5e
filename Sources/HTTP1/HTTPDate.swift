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
        let words = text.utf8.split(separator: UInt8(ascii: " "), omittingEmptySubsequences: true)
        switch words.count {
        case 6 where words[5].elementsEqual("GMT".utf8) && words[0].last == UInt8(ascii: ","):
            guard index(of: words[0].dropLast(), in: weekdays) != nil else { return nil }
            let day = number(words[1], digits: 2)
            return moment(day: day, month: words[2], year: number(words[3], digits: 4), time: words[4])
        case 4 where words[3].elementsEqual("GMT".utf8) && words[0].last == UInt8(ascii: ","):
            let date = words[1].split(separator: UInt8(ascii: "-"), omittingEmptySubsequences: false)
            guard index(of: words[0].dropLast(), in: longWeekdays) != nil, date.count == 3 else { return nil }
            // A two-digit year means one that is neither long past nor far ahead.
            let year = number(date[2], digits: 2).map { $0 < 70 ? 2000 + $0 : 1900 + $0 }
            return moment(day: number(date[0], digits: 2), month: date[1], year: year, time: words[2])
        case 5 where index(of: words[0], in: weekdays) != nil:
            let day = number(words[2], digits: words[2].count == 1 ? 1 : 2)
            return moment(day: day, month: words[1], year: number(words[4], digits: 4), time: words[3])
        default:
            return nil
        }
    }

    private static func index(of word: Substring.UTF8View, in names: [String]) -> Int? {
        names.firstIndex { word.elementsEqual($0.utf8) }
    }

    private static func moment(
        day: Int?,
        month: Substring.UTF8View,
        year: Int?,
        time: Substring.UTF8View
    ) -> Int? {
        let time = time.split(separator: UInt8(ascii: ":"), omittingEmptySubsequences: false)
        guard let day, let month = index(of: month, in: months), let year, time.count == 3,
            let hour = number(time[0], digits: 2), let minute = number(time[1], digits: 2),
            let second = number(time[2], digits: 2), (1970...9999).contains(year), (0...23).contains(hour),
            (0...59).contains(minute), (0...60).contains(second)
        else { return nil }
        let days = days(year: year, month: month + 1, day: day)
        guard date(days: days) == (year, month + 1, day) else { return nil }
        return days * 86_400 + hour * 3_600 + minute * 60 + second
    }

    /// A number of exactly that many ASCII digits.
    private static func number(_ text: Substring.UTF8View, digits: Int) -> Int? {
        guard text.count == digits, text.allSatisfy(Octet.isDigit) else { return nil }
        return text.reduce(0) { $0 * 10 + Int($1 - 0x30) }
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
