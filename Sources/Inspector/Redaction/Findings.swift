import Credentials

/// What is secret in a text, by the octets of its source, and how far that is decided.
struct Findings {
    enum Mark: Sendable, Equatable {
        case redacted
        case token(Generation)

        var text: String {
            switch self {
            case .redacted: "‹redacted›"
            case .token(let generation): "‹token, generation \(generation)›"
            }
        }
    }

    /// Why it was found.
    enum Reason {
        /// By its value.
        case value
        /// By the name of what it belongs to.
        case name(String)
        /// By a name that is listed already.
        case sameName

        fileprivate var rank: Int {
            switch self {
            case .value: 0
            case .sameName: 1
            case .name: 2
            }
        }
    }

    private struct Finding {
        var range: Range<Int>
        var mark: Mark
        var reason: Reason
        /// A number: what stands for it needs quotes.
        var needsQuotes: Bool
    }

    private var findings: [Finding] = []
    /// What follows may decide otherwise of what is behind it. Octets of the source.
    private var undecided = Int.max
    private var names = 0

    /// What is listed of the names of one text.
    static let maxNames = 100
    /// Of one name, in octets.
    static let maxName = 200

    /// Whether a further name will be listed.
    var listsNames: Bool { names < Self.maxNames }

    mutating func add(
        _ range: Range<Int>,
        in view: TextView,
        _ reason: Reason,
        _ mark: Mark = .redacted,
        needsQuotes: Bool = false
    ) {
        if case .name = reason { names += 1 }
        let range = view.source(range)
        // A text may be full of them, each beginning within the one before.
        if case .value = reason, let last = findings.last, case .value = last.reason, last.mark == mark,
            last.range.overlaps(range)
        {
            let both = min(last.range.lowerBound, range.lowerBound)..<max(last.range.upperBound, range.upperBound)
            findings[findings.count - 1].range = both
            return
        }
        findings.append(Finding(range: range, mark: mark, reason: reason, needsQuotes: needsQuotes))
    }

    /// Has `find` add what it finds, and puts before those names what they are below.
    mutating func naming(_ find: (inout Findings) -> Void, below name: () -> String) {
        let (first, count) = (findings.count, names)
        find(&self)
        guard names > count else { return }
        let outer = name()
        for index in first..<findings.count {
            if case .name(let inner) = findings[index].reason { findings[index].reason = .name(outer + inner) }
        }
    }

    /// From there on, what follows may decide otherwise.
    mutating func hold(from index: Int, in view: TextView) {
        undecided = min(undecided, view.origin(index))
    }

    /// Whether there is none, and nothing is left to be decided.
    var isEmpty: Bool { findings.isEmpty && undecided == Int.max }

    /// The text without what was found, up to where it is decided.
    func applied(to octets: [UInt8]) -> Redactor.Redacted {
        let merged = self.merged
        var end = min(octets.count, undecided)
        if let open = merged.first(where: { $0.range.lowerBound < end && $0.range.upperBound > end }) {
            end = open.range.lowerBound
        }
        guard !merged.isEmpty || end < octets.count else { return Redactor.Redacted(octets: octets, redactions: []) }
        var result: [UInt8] = []
        result.reserveCapacity(end)
        var redactions = UniqueTexts()
        var start = 0
        for finding in merged {
            guard finding.range.upperBound <= end, finding.range.lowerBound <= end else { break }
            result += octets[start..<finding.range.lowerBound]
            let mark = finding.needsQuotes ? "\"\(finding.mark.text)\"" : finding.mark.text
            result += mark.utf8
            start = finding.range.upperBound
            switch finding.reason {
            case .value: redactions.add("value")
            case .name(let name): redactions.add(name)
            case .sameName: break
            }
        }
        if start < end { result += octets[start..<end] }
        return Redactor.Redacted(octets: result, redactions: redactions.texts)
    }

    /// Those that overlap as one: what is known by its value counts, and the name that it was found by.
    private var merged: [Finding] {
        let sorted = findings.sorted {
            ($0.range.lowerBound, -$0.range.upperBound) < ($1.range.lowerBound, -$1.range.upperBound)
        }
        var result: [Finding] = []
        for finding in sorted {
            guard let last = result.last,
                finding.range.lowerBound < last.range.upperBound || finding.range == last.range
            else {
                result.append(finding)
                continue
            }
            var both = last
            both.range = last.range.lowerBound..<max(last.range.upperBound, finding.range.upperBound)
            if both.mark == .redacted { both.mark = finding.mark }
            if finding.reason.rank > both.reason.rank { both.reason = finding.reason }
            both.needsQuotes = last.needsQuotes || finding.needsQuotes
            result[result.count - 1] = both
        }
        return result
    }
}

/// Texts in the order in which they came, each once.
private struct UniqueTexts {
    private(set) var texts: [String] = []
    private var known: Set<String> = []

    mutating func add(_ text: String) {
        if known.insert(text).inserted { texts.append(text) }
    }
}
