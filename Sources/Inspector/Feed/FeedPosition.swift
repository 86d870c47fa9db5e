/// A viewer's position: `RUN-SEQ`, or `SEQ` in the current run.
struct FeedPosition: Equatable {
    var run: String?
    var sequence: Int

    /// Nil for anything else.
    init?(_ text: String) {
        let parts = text.split(separator: "-", omittingEmptySubsequences: false)
        guard let digits = parts.last, (1...18).contains(digits.utf8.count),
            digits.utf8.allSatisfy({ $0 &- 0x30 < 10 }), let sequence = Int(digits)
        else { return nil }
        self.sequence = sequence
        switch parts.count {
        case 1: run = nil
        case 2:
            guard !parts[0].isEmpty, parts[0].utf8.allSatisfy({ $0 &- 0x30 < 10 || $0 &- 0x61 < 26 }) else {
                return nil
            }
            run = String(parts[0])
        default: return nil
        }
    }
}
