import Credentials

/// What is secret in a text, by the octets of its source, and how far that is decided.
struct Findings {
    typealias Mark = RedactionMark

    /// Why it was found.
    enum Reason {
        /// By its value.
        case value
        /// By the name of what it belongs to.
        case name(String)
        /// By a name that is listed already.
        case sameName
    }

    /// There may be tens of thousands: no references.
    private struct Finding {
        var start: Int32
        var end: Int32
        var mark: Mark
        /// Of a name in `names`; or one of these.
        var name: Int32
        /// A number: what stands for it needs quotes.
        var needsQuotes: Bool

        static let byValue: Int32 = -2
        static let bySameName: Int32 = -1

        /// Orders by beginning; of those with the same one the longest comes first.
        var key: UInt64 { UInt64(UInt32(bitPattern: start)) << 32 | UInt64(UInt32.max - UInt32(bitPattern: end)) }
    }

    /// What is secret by where it is.
    let places: SecretPlaces

    private var findings: [Finding] = []
    private var names: [String] = []
    /// What follows may decide otherwise of what is behind it. Octets of the source.
    private var undecided = Int.max

    /// What is listed of the names of one text.
    static let maxNames = 100
    /// Of one name, in octets.
    static let maxName = 200

    init(_ places: SecretPlaces = .none) {
        self.places = places
    }

    /// Whether a further name will be listed.
    var listsNames: Bool { names.count < Self.maxNames }

    mutating func add(
        _ range: Range<Int>,
        in view: TextView,
        _ reason: Reason,
        _ mark: Mark = .redacted,
        needsQuotes: Bool = false
    ) {
        let source = view.source(range)
        let name: Int32
        switch reason {
        case .value:
            name = Finding.byValue
            // A text may be full of them, each beginning within the one before.
            if let last = findings.last, last.name == name, last.mark == mark, source.lowerBound < Int(last.end),
                Int(last.start) < source.upperBound
            {
                findings[findings.count - 1].start = min(last.start, Int32(source.lowerBound))
                findings[findings.count - 1].end = max(last.end, Int32(source.upperBound))
                return
            }
        case .name(let text):
            name = Int32(names.count)
            names.append(text)
        case .sameName: name = Finding.bySameName
        }
        let (start, end) = (Int32(source.lowerBound), Int32(source.upperBound))
        findings.append(Finding(start: start, end: end, mark: mark, name: name, needsQuotes: needsQuotes))
    }

    /// Has `find` add what it finds, and puts before those names what they are below.
    mutating func naming(_ find: (inout Findings) -> Void, below name: () -> String) {
        let first = names.count
        find(&self)
        guard names.count > first else { return }
        let outer = name()
        for index in first..<names.count {
            names[index] = outer + (outer.isEmpty || names[index].hasPrefix("/") ? "" : "/") + names[index]
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
        if let open = merged.first(where: { $0.start < end && $0.end > end }) { end = Int(open.start) }
        guard !merged.isEmpty || end < octets.count else { return Redactor.Redacted(octets: octets, redactions: []) }
        var result: [UInt8] = []
        result.reserveCapacity(end)
        var redactions = UniqueTexts()
        var start = 0
        for finding in merged {
            guard finding.end <= end else { break }
            result += octets[start..<Int(finding.start)]
            if finding.needsQuotes { result.append(UInt8(ascii: "\"")) }
            result += finding.mark.text.utf8
            if finding.needsQuotes { result.append(UInt8(ascii: "\"")) }
            start = Int(finding.end)
            if finding.name == Finding.byValue {
                redactions.add("value")
            } else if finding.name >= 0 {
                redactions.add(names[Int(finding.name)])
            }
        }
        if start < end { result += octets[start..<end] }
        return Redactor.Redacted(octets: result, redactions: redactions.texts)
    }

    /// Those that overlap as one: what is known by its value counts, and the name that it was found by.
    private var merged: [Finding] {
        var result: [Finding] = []
        for finding in findings.sorted(by: { $0.key < $1.key }) {
            guard let last = result.last, finding.start < last.end || finding.key == last.key else {
                result.append(finding)
                continue
            }
            var both = last
            both.end = max(last.end, finding.end)
            if both.mark == .redacted { both.mark = finding.mark }
            both.name = max(last.name, finding.name)
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
