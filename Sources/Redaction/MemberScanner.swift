import Support

/// Finds the values of members with secret names in JSON (RFC 8259), and in what holds members but is none.
///
/// Reads one JSON text, or several in a row. At the first fault it goes on by looking for `"NAME": value` only. Each
/// octet is looked at a few times at most.
struct MemberScanner {
    private let view: TextView
    private let end: Int
    /// Nothing follows behind `end`.
    private let isEnded: Bool
    /// How deep texts within strings are looked into.
    private let nesting: Int
    /// What is around the names of members that are looked for.
    private var quote = UInt8(ascii: "\"")

    private struct Frame {
        var isObject: Bool
        /// Where the present member's name is.
        var name: (start: Int32, end: Int32) = (0, 0)
        /// Of the present element.
        var index: Int32 = 0
    }

    private enum Expected { case value, nameOrEnd, colon, commaOrEnd }

    private var stack: [Frame] = []
    private var expected = Expected.value
    /// The name of the present member is secret.
    private var isSecretMember = false
    /// How many frames there were when a secret container began.
    private var secretDepth: Int?
    private var secretReason: Findings.Reason?
    /// The closing quote of the last string.
    private var lastQuote: Int?

    private static let maxNesting = 3

    /// Looks through that part of the view.
    static func scan(
        _ view: TextView,
        _ range: Range<Int>,
        isEnded: Bool,
        isJSON: Bool = true,
        nesting: Int = 0,
        into findings: inout Findings
    ) {
        var scanner = MemberScanner(view: view, end: range.upperBound, isEnded: isEnded, nesting: nesting)
        view.octets.withUnsafeBufferPointer { octets in
            if isJSON {
                scanner.scan(octets, range.lowerBound, &findings)
            } else {
                scanner.scanLoosely(octets, range.lowerBound, depth: 0, &findings)
            }
            guard octets[range].contains(UInt8(ascii: "'")) else { return }
            // Python and JavaScript write strings so; no number there needs quotes.
            var single = MemberScanner(view: view, end: range.upperBound, isEnded: isEnded, nesting: maxNesting)
            single.quote = UInt8(ascii: "'")
            single.scanLoosely(octets, range.lowerBound, depth: 0, &findings)
        }
    }

    private init(view: TextView, end: Int, isEnded: Bool, nesting: Int) {
        self.view = view
        self.end = end
        self.isEnded = isEnded
        self.nesting = nesting
    }

    /// Whether a text begins as an object or an array.
    static func looksLikeJSON(_ text: some Sequence<UInt8>) -> Bool {
        let first = text.first { !JSONOctets.isBlank($0) && ![0xEF, 0xBB, 0xBF, 0x1E].contains($0) }
        return first == UInt8(ascii: "{") || first == UInt8(ascii: "[")
    }

    /// Whether the content of a string may be an object or an array, escaped.
    private static func mayHoldJSON(_ content: Slice<UnsafeBufferPointer<UInt8>>) -> Bool {
        switch content.first(where: { !JSONOctets.isBlank($0) }) {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "\\"): content.contains(UInt8(ascii: "\\"))
        default: false
        }
    }

    // MARK: JSON

    private mutating func scan(_ octets: UnsafeBufferPointer<UInt8>, _ start: Int, _ findings: inout Findings) {
        var index = start
        // A byte order mark is ignored (RFC 8259 section 8.1).
        if index + 2 < end, octets[index] == 0xEF, octets[index + 1] == 0xBB, octets[index + 2] == 0xBF { index += 3 }
        while true {
            // Between texts in a row there may be a record separator (RFC 7464).
            while index < end, JSONOctets.isBlank(octets[index]) || stack.isEmpty && octets[index] == 0x1E {
                index += 1
            }
            guard index < end else { return }
            guard let following = step(octets, index, &findings) else {
                // That quote may be an opening one. Within a secret container all goes, whatever the quotes mean.
                guard let secretDepth else { return scanLoosely(octets, lastQuote ?? index, depth: 0, &findings) }
                return scanLoosely(octets, index, depth: stack.count - secretDepth + 1, &findings)
            }
            index = following
        }
    }

    /// Reads one token and gives where the next begins, `end` when nothing more can be said. Nil is a fault.
    private mutating func step(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ index: Int,
        _ findings: inout Findings
    ) -> Int? {
        let octet = octets[index]
        switch (expected, octet) {
        case (.value, UInt8(ascii: "\"")): return string(octets, index, &findings)
        case (.value, UInt8(ascii: "{")), (.value, UInt8(ascii: "[")):
            if isSecretMember, secretDepth == nil {
                secretDepth = stack.count + 1
                secretReason = reason(octets, findings)
            }
            isSecretMember = false
            stack.append(Frame(isObject: octet == UInt8(ascii: "{")))
            expected = octet == UInt8(ascii: "{") ? .nameOrEnd : .value
            return index + 1
        case (.value, UInt8(ascii: "]")), (.commaOrEnd, UInt8(ascii: "]")): return pop(isObject: false, index)
        case (.nameOrEnd, UInt8(ascii: "}")), (.commaOrEnd, UInt8(ascii: "}")): return pop(isObject: true, index)
        case (.nameOrEnd, UInt8(ascii: "\"")):
            guard let close = JSONOctets.closing(octets, index + 1, end) else { return isEnded ? nil : end }
            lastQuote = close
            stack[stack.count - 1].name = (Int32(index + 1), Int32(close))
            isSecretMember = isSecretName(octets, (index + 1)..<close)
            expected = .colon
            return close + 1
        case (.colon, UInt8(ascii: ":")):
            expected = .value
            return index + 1
        case (.commaOrEnd, UInt8(ascii: ",")):
            if stack.last?.isObject == true {
                expected = .nameOrEnd
            } else if !stack.isEmpty {
                stack[stack.count - 1].index += 1
                expected = .value
            } else {
                return nil
            }
            return index + 1
        case (.value, UInt8(ascii: ",")), (.value, UInt8(ascii: ":")), (.value, UInt8(ascii: "}")): return nil
        case (.value, UInt8(ascii: "'")) where isSecretMember || secretDepth != nil:
            // No JSON, but a secret all the same.
            let close = JSONOctets.closing(octets, index + 1, end, UInt8(ascii: "'"))
            if close == nil, !isEnded {
                findings.hold(from: index + 1, in: view)
            } else {
                add(octets, (index + 1)..<(close ?? end), needsQuotes: false, &findings)
            }
            ended()
            return close.map { $0 + 1 } ?? end
        case (.value, _):
            let close = JSONOctets.endOfWord(octets, index, end)
            let isSecret = isSecretMember || secretDepth != nil || isAtPlace(octets, findings.places)
            if close == end, !isEnded, isSecret {
                findings.hold(from: index, in: view)
            } else if isSecret, !JSONOctets.isLiteral(octets, index..<close) {
                add(octets, index..<close, needsQuotes: true, &findings)
            }
            ended()
            return close
        case (.nameOrEnd, _), (.colon, _), (.commaOrEnd, _): return nil
        }
    }

    private mutating func string(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ index: Int,
        _ findings: inout Findings
    ) -> Int? {
        let close = JSONOctets.closing(octets, index + 1, end)
        let content = (index + 1)..<(close ?? end)
        if isSecretMember || secretDepth != nil || isAtPlace(octets, findings.places) {
            if close == nil, !isEnded {
                findings.hold(from: content.lowerBound, in: view)
            } else {
                add(octets, content, needsQuotes: false, &findings)
            }
        } else if nesting < Self.maxNesting, Self.mayHoldJSON(octets[content]) {
            let isClosed = close != nil || isEnded
            let inner = view.without(.escape, within: content, isComplete: isClosed)
            if let inner, Self.looksLikeJSON(inner.octets) {
                findings.naming { findings in
                    Self.scan(inner, 0..<inner.count, isEnded: isClosed, nesting: nesting + 1, into: &findings)
                } below: {
                    path(octets)
                }
            }
        }
        guard let close else { return end }
        lastQuote = close
        ended()
        return close + 1
    }

    /// A value has ended.
    private mutating func ended() {
        isSecretMember = false
        expected = stack.isEmpty ? .value : .commaOrEnd
    }

    private mutating func pop(isObject: Bool, _ index: Int) -> Int? {
        guard let last = stack.last, last.isObject == isObject else { return nil }
        if secretDepth == stack.count {
            secretDepth = nil
            secretReason = nil
        }
        stack.removeLast()
        ended()
        return index + 1
    }

    private mutating func add(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ range: Range<Int>,
        needsQuotes: Bool,
        _ findings: inout Findings
    ) {
        guard secretDepth == nil else { return addInSecret(range, needsQuotes: needsQuotes, &findings) }
        findings.add(range, in: view, reason(octets, findings), needsQuotes: needsQuotes && nesting == 0)
    }

    private func reason(_ octets: UnsafeBufferPointer<UInt8>, _ findings: Findings) -> Findings.Reason {
        findings.listsNames ? .name(path(octets)) : .sameName
    }

    /// A JSON Pointer (RFC 6901) to the present value.
    private func path(_ octets: UnsafeBufferPointer<UInt8>) -> String {
        var text = ""
        for frame in stack {
            guard text.utf8.count <= Findings.maxName else { return text + "…" }
            text += "/"
            if frame.isObject {
                let name = view.part(Int(frame.name.start)..<Int(frame.name.end))
                let plain = name.without(.escape, isComplete: true) ?? name
                text += JSONPointer.escaped(String(decoding: plain.octets.prefix(Findings.maxName), as: UTF8.self))
            } else {
                text += "\(frame.index)"
            }
        }
        return text
    }

    // MARK: What is no JSON

    /// Looks for members. `depth` counts the open brackets of a secret container.
    private mutating func scanLoosely(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ start: Int,
        depth: Int,
        _ findings: inout Findings
    ) {
        var index = start
        var depth = depth
        while index < end {
            if depth > 0 {
                guard let following = stepInSecret(octets, index, &depth, &findings) else { return }
                index = following
                continue
            }
            guard octets[index] == quote else {
                index += 1
                continue
            }
            if JSONOctets.isEscaped(octets, index, start) {
                index += 1
                continue
            }
            guard let close = JSONOctets.closing(octets, index + 1, end, quote) else { return }
            let name = (index + 1)..<close
            // It may be the opening one as well.
            index = close
            let colon = JSONOctets.endOfBlanks(octets, close + 1, end)
            guard colon < end, octets[colon] == UInt8(ascii: ":"), isSecretName(octets, name) else { continue }
            let value = JSONOctets.endOfBlanks(octets, colon + 1, end)
            guard value < end else { return }
            let reason: Findings.Reason =
                findings.listsNames
                ? .name(String(decoding: octets[name].prefix(Findings.maxName), as: UTF8.self)) : .sameName
            switch octets[value] {
            case UInt8(ascii: "\""), UInt8(ascii: "'"):
                guard let last = JSONOctets.closing(octets, value + 1, end, octets[value]) else {
                    if !isEnded { return findings.hold(from: value + 1, in: view) }
                    return findings.add((value + 1)..<end, in: view, reason)
                }
                findings.add((value + 1)..<last, in: view, reason)
                index = last
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth = 1
                secretReason = reason
                index = value + 1
            default:
                let last = JSONOctets.endOfWord(octets, value, end)
                if last == end, !isEnded { return findings.hold(from: value, in: view) }
                if last > value, !JSONOctets.isLiteral(octets, value..<last) {
                    findings.add(value..<last, in: view, reason, needsQuotes: nesting == 0)
                }
                index = max(last, value)
            }
        }
    }

    /// One token within a secret container; nil when nothing more can be said.
    private mutating func stepInSecret(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ index: Int,
        _ depth: inout Int,
        _ findings: inout Findings
    ) -> Int? {
        switch octets[index] {
        case UInt8(ascii: "{"), UInt8(ascii: "["):
            depth += 1
            return index + 1
        case UInt8(ascii: "}"), UInt8(ascii: "]"):
            depth -= 1
            return index + 1
        case UInt8(ascii: "\""), quote:
            guard let close = JSONOctets.closing(octets, index + 1, end, octets[index]) else {
                if isEnded {
                    addInSecret((index + 1)..<end, needsQuotes: false, &findings)
                } else {
                    findings.hold(from: index + 1, in: view)
                }
                return nil
            }
            let next = JSONOctets.endOfBlanks(octets, close + 1, end)
            if next == end, !isEnded {
                findings.hold(from: index + 1, in: view)
                return nil
            }
            if next == end || octets[next] != UInt8(ascii: ":") {
                addInSecret((index + 1)..<close, needsQuotes: false, &findings)
            }
            return close + 1
        case let octet where JSONOctets.isBlank(octet) || octet == UInt8(ascii: ",") || octet == UInt8(ascii: ":"):
            return index + 1
        default:
            let close = JSONOctets.endOfWord(octets, index, end)
            if close == end, !isEnded {
                findings.hold(from: index, in: view)
                return nil
            }
            if !JSONOctets.isLiteral(octets, index..<close) {
                addInSecret(index..<close, needsQuotes: true, &findings)
            }
            return close
        }
    }

    private mutating func addInSecret(_ range: Range<Int>, needsQuotes: Bool, _ findings: inout Findings) {
        // A container is listed once.
        findings.add(range, in: view, secretReason ?? .sameName, needsQuotes: needsQuotes && nesting == 0)
        secretReason = nil
    }

    // MARK: Names

    /// Whether the present value is where a token is by the configuration.
    private func isAtPlace(_ octets: UnsafeBufferPointer<UInt8>, _ places: SecretPlaces) -> Bool {
        nesting == 0
            && places.hasPath(stack.count) { level, step in
                let frame = stack[level]
                guard frame.isObject else { return Array("\(frame.index)".utf8) == step }
                let name = Int(frame.name.start)..<Int(frame.name.end)
                // An escape has six octets for one (RFC 8259 section 7): what is longer is another name.
                guard (step.count...(6 * step.count)).contains(name.count) else { return false }
                guard octets[name].contains(UInt8(ascii: "\\")) else { return octets[name].elementsEqual(step) }
                return view.part(name).without(.escape, isComplete: true)?.octets == step
            }
    }

    private func isSecretName(_ octets: UnsafeBufferPointer<UInt8>, _ range: Range<Int>) -> Bool {
        guard octets[range].contains(UInt8(ascii: "\\")) else { return SecretName.isMember(octets[range]) }
        guard let name = view.without(.escape, within: range, isComplete: true) else {
            return SecretName.isMember(octets[range])
        }
        return SecretName.isMember(name.octets)
    }
}
