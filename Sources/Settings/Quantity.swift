/// Durations and sizes as people write them.
public enum Quantity {
    /// `500ms`, `30s`, `24m`, `2h`, `30d`, or `0`. Nil when `text` is none of these.
    public static func duration(_ text: String) -> Duration? {
        if text == "0" { return .zero }
        guard let (number, unit) = split(text) else { return nil }
        let milliseconds: [String: Double] = [
            "ms": 1, "s": 1_000, "m": 60_000, "h": 3_600_000, "d": 86_400_000,
        ]
        guard let factor = milliseconds[unit], number * factor <= 1e14 else { return nil }
        return .milliseconds(Int64(number * factor))
    }

    /// Bytes: `64KiB`, `1MiB`, `2GiB`, `512B`, `512`. Nil when `text` is none of these.
    public static func size(_ text: String) -> Int? {
        if let bytes = Int(text) { return bytes >= 0 ? bytes : nil }
        guard let (number, unit) = split(text) else { return nil }
        let factors: [String: Double] = ["B": 1, "KiB": 1024, "MiB": 1_048_576, "GiB": 1_073_741_824]
        guard let factor = factors[unit], number * factor <= 1e15 else { return nil }
        return Int(number * factor)
    }

    private static func split(_ text: String) -> (Double, String)? {
        let digits = text.prefix { ("0"..."9").contains($0) || $0 == "." }
        guard let number = Double(digits), !digits.isEmpty else { return nil }
        return (number, String(text[digits.endIndex...]))
    }
}

/// Finds what a misspelt word was meant to be.
public enum Spelling {
    /// The candidate nearest to `word`, if it is near.
    public static func nearest(to word: String, among candidates: [String]) -> String? {
        let scored = candidates.map { (candidate: $0, distance: distance(word.lowercased(), $0.lowercased())) }
        guard let best = scored.min(by: { $0.distance < $1.distance }) else { return nil }
        return best.distance <= max(1, min(3, word.count / 3)) ? best.candidate : nil
    }

    /// Insertions, removals, substitutions and swaps of neighbours between the two (optimal string alignment).
    static func distance(_ left: String, _ right: String) -> Int {
        let a = Array(left.utf8)
        let b = Array(right.utf8)
        var rows = [[Int]](repeating: [Int](repeating: 0, count: b.count + 1), count: a.count + 1)
        for i in 0...a.count { rows[i][0] = i }
        for j in 0...b.count { rows[0][j] = j }
        guard !a.isEmpty, !b.isEmpty else { return max(a.count, b.count) }
        for i in 1...a.count {
            for j in 1...b.count {
                let cost = a[i - 1] == b[j - 1] ? 0 : 1
                var best = min(rows[i - 1][j] + 1, rows[i][j - 1] + 1, rows[i - 1][j - 1] + cost)
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] { best = min(best, rows[i - 2][j - 2] + 1) }
                rows[i][j] = best
            }
        }
        return rows[a.count][b.count]
    }
}
