import HTTP1
import ReverseProxy
import Support

/// What was probably meant by a value of the wrong form. Each function returns nil if it does not know, and never a
/// value that would be refused, too. The results are shown to people, and never used instead of what they wrote.
public enum Suggestion {
    /// The end of a message: a colon and the question.
    public static func question(_ meant: String?) -> String { meant.map { ": did you mean \($0)?" } ?? "" }

    // MARK: Quantities

    private static let timeUnits: [(words: [String], unit: String, factor: Int)] = [
        (["msec", "msecs", "millisecond", "milliseconds"], "ms", 1),
        (["", "sec", "secs", "second", "seconds", "s"], "s", 1), (["min", "mins", "minute", "minutes"], "m", 1),
        (["hr", "hrs", "hour", "hours"], "h", 1), (["day", "days"], "d", 1), (["w", "week", "weeks"], "d", 7),
    ]

    /// `60` is `60s`, `5 min` is `5m`, `1h30m` is `90m`.
    public static func duration(_ text: String) -> String? {
        let text = text.lowercased()
        guard let (number, word) = split(text) else { return nil }
        if let unit = timeUnits.first(where: { $0.words.contains(word) }) {
            return checked(number, unit.factor, unit.unit) { Quantity.duration($0) != nil }
        }
        if ["ms", "m", "h", "d"].contains(word) {
            return checked(number, 1, word) { Quantity.duration($0) != nil }
        }
        return sum(text).map(Quantity.text)
    }

    /// The sum of several durations in one word.
    private static func sum(_ text: String) -> Duration? {
        var rest = Substring(text)
        var total = Duration.zero
        for _ in 0..<4 where !rest.isEmpty {
            let digits = rest.prefix { $0.isASCII && $0.isNumber }
            let unit = rest[digits.endIndex...].prefix { $0.isASCII && $0.isLetter }
            guard !digits.isEmpty, let part = Quantity.duration("\(digits)\(unit)") else { return nil }
            total += part
            rest = rest[unit.endIndex...]
        }
        return rest.isEmpty && total <= Quantity.maximumDuration ? total : nil
    }

    private static let sizeUnits = [
        "k": "KiB", "kb": "KiB", "kib": "KiB", "m": "MiB", "mb": "MiB", "mib": "MiB", "g": "GiB", "gb": "GiB",
        "gib": "GiB", "b": "B", "bytes": "B",
    ]

    /// `64KB` is `64KiB`.
    static func size(_ text: String) -> String? {
        guard let (number, word) = split(text.lowercased()), let unit = sizeUnits[word] else { return nil }
        return checked(number, 1, unit) { Quantity.size($0) != nil }
    }

    /// A whole number, and the word after it.
    private static func split(_ text: String) -> (number: Int, word: String)? {
        let digits = text.prefix { $0.isASCII && $0.isNumber }
        guard let number = Int(digits) else { return nil }
        return (number, String(text[digits.endIndex...].drop { $0 == " " }))
    }

    private static func checked(_ number: Int, _ factor: Int, _ unit: String, _ isValid: (String) -> Bool) -> String? {
        let (product, isTooLarge) = number.multipliedReportingOverflow(by: factor)
        let text = "\(product)\(unit)"
        return !isTooLarge && isValid(text) ? text : nil
    }

    // MARK: Words

    static func bool(_ text: String) -> String? {
        switch text.lowercased() {
        case "yes", "y", "on", "1", "true": "true"
        case "no", "n", "off", "0", "false", "none": "false"
        default: nil
        }
    }

    /// The nearest word, or the shortest one of which it is a part.
    static func choice(_ text: String, among words: [String]) -> String? {
        let text = text.lowercased().replacingAll("_", with: "-")
        if let nearest = Spelling.nearest(to: text, among: words) { return nearest }
        guard text.utf8.count >= 4 else { return nil }
        return words.filter { $0.contains(text) }.min { $0.utf8.count < $1.utf8.count }
    }

    /// `data.token` and `$.data.token` are `/data/token`.
    static func pointer(_ text: String) -> String? {
        var rest = Substring(text)
        if rest.hasPrefix("$") { rest = rest.dropFirst() }
        if rest.hasPrefix(".") { rest = rest.dropFirst() }
        let isName = rest.utf8.allSatisfy { byte in
            switch byte {
            case 0x30...0x39, 0x41...0x5A, 0x61...0x7A: true
            default: "-_.".utf8.contains(byte)
            }
        }
        guard isName, !rest.isEmpty, !rest.hasSuffix("."), !rest.contains("..") else { return nil }
        return "/" + String(rest).replacingAll(".", with: "/")
    }

    static func path(_ text: String) -> String? {
        guard !text.isEmpty, !text.contains("://"), text.utf8.allSatisfy(Octet.isTarget) else { return nil }
        return "/\(text)"
    }

    /// `post /login`, `/login POST` and `POST login` are `POST /login`.
    static func route(_ text: String) -> String? {
        let words = text.split(separator: " ").map(String.init)
        guard words.count == 2 else { return nil }
        let (method, path) = words[0].hasPrefix("/") ? (words[1], words[0]) : (words[0], words[1])
        let route = "\(method.uppercased()) \(path.hasPrefix("/") ? path : "/\(path)")"
        guard RegisteredMethod.problem(method.uppercased()) == nil, RoutePattern(route) != nil else { return nil }
        return route
    }

    // MARK: URLs

    /// The URL with a scheme, if it has none or a misspelt one: `https`, or `http` to this machine.
    static func url(_ text: String) -> String? {
        var rest = Substring(text)
        for mark in ["\"", "'"] where rest.count > 2 && rest.hasPrefix(mark) && rest.hasSuffix(mark) {
            rest = rest.dropFirst().dropLast()
        }
        var scheme: String?
        if let end = rest.firstRange(of: "://"), end.lowerBound > rest.startIndex {
            scheme = rest[..<end.lowerBound].lowercased()
            rest = rest[end.upperBound...]
        } else if let word = ["https", "http"].first(where: rest.lowercased().hasPrefix) {
            let behind = rest.dropFirst(word.utf8.count)
            let slashes = behind.drop { $0 == ":" || $0 == "/" }
            if behind.startIndex != slashes.startIndex { (scheme, rest) = (word, slashes) }
        }
        if let port = Int(rest), (1...65_535).contains(port), scheme == nil { rest = "localhost:\(port)" }
        let host = rest.prefix { !"/?#".contains($0) }
        guard let origin = ConfigurationSections.origin("https://\(host)") else { return nil }
        // A lone word could be anything.
        let isHost = scheme != nil || host.contains(".") || host.contains(":") || host.lowercased() == "localhost"
        guard isHost else { return nil }
        // `htps` is nearer to `https`, and `htp` as near to `http`.
        let isSecure = scheme.map { $0.hasSuffix("s") } ?? false
        let meant = "\(origin.authority.isLoopback && !isSecure ? "http" : "https")://\(rest)"
        return meant == text ? nil : meant
    }
}
