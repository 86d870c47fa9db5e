import HTTP1

/// Finds the contents of elements, and the values of attributes, with secret names in XML and HTML, well-formed or not.
struct ElementScanner {
    private let view: TextView
    /// Nothing follows.
    private let isEnded: Bool
    /// How many secret elements were not closed.
    private var unclosed = 0

    /// Of elements that are not closed, so many are looked for to the end of the text.
    private static let maxUnclosed = 16

    static func scan(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        view.octets.withUnsafeBufferPointer { octets in
            var scanner = ElementScanner(view: view, isEnded: isEnded)
            scanner.scan(octets, &findings)
        }
    }

    private init(view: TextView, isEnded: Bool) {
        self.view = view
        self.isEnded = isEnded
    }

    private mutating func scan(_ octets: UnsafeBufferPointer<UInt8>, _ findings: inout Findings) {
        var index = 0
        while let bracket = octets[index...].firstIndex(of: UInt8(ascii: "<")) {
            let name = (bracket + 1)..<Self.endOfName(octets, bracket + 1)
            index = name.upperBound
            guard !name.isEmpty, index < octets.count, Self.endsName(octets[index]) else { continue }
            switch attributes(octets, index, &findings) {
            case .undecided: return
            case .other(let end): index = end
            case .opening(let end):
                index = end
                guard let local = Self.secretName(octets, name) else { continue }
                guard let close = endOfContent(octets, name, end, &findings) else { return }
                if close > end { findings.add(end..<close, in: view, reason(octets, local, findings)) }
                index = close
            }
        }
    }

    private enum Tag {
        /// Content follows.
        case opening(end: Int)
        /// It closes itself, or is no tag.
        case other(end: Int)
        /// Nothing can be said of what follows.
        case undecided
    }

    /// Reads the rest of a tag.
    private func attributes(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ start: Int,
        _ findings: inout Findings
    ) -> Tag {
        var index = start
        while index < octets.count {
            switch octets[index] {
            case UInt8(ascii: ">"):
                return octets[index - 1] == UInt8(ascii: "/") ? .other(end: index + 1) : .opening(end: index + 1)
            case UInt8(ascii: "<"): return .other(end: index)
            case let octet where Self.isOfName(octet):
                let name = index..<Self.endOfName(octets, index)
                let equals = Self.endOfBlanks(octets, name.upperBound)
                index = equals
                guard equals < octets.count, octets[equals] == UInt8(ascii: "=") else { continue }
                let value = Self.endOfBlanks(octets, equals + 1)
                guard value < octets.count else { return .undecided }
                let quote = octets[value]
                let isQuoted = quote == UInt8(ascii: "\"") || quote == UInt8(ascii: "'")
                let content = isQuoted ? value + 1 : value
                let close = octets[content...].firstIndex {
                    isQuoted ? $0 == quote : Self.isBlank($0) || $0 == UInt8(ascii: ">")
                }
                if let close {
                    if let local = Self.secretName(octets, name), close > content {
                        findings.add(content..<close, in: view, reason(octets, local, findings))
                    }
                    index = isQuoted ? close + 1 : close
                } else if !isEnded {
                    findings.hold(from: content, in: view)
                    return .undecided
                } else if let local = Self.secretName(octets, name) {
                    findings.add(content..<octets.count, in: view, reason(octets, local, findings))
                    return .undecided
                } else {
                    // No such quote follows any more.
                    index = content
                }
            default: index += 1
            }
        }
        return .undecided
    }

    /// Where the secret content that begins there ends; nil when nothing can be said yet.
    private mutating func endOfContent(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ name: Range<Int>,
        _ start: Int,
        _ findings: inout Findings
    ) -> Int? {
        if !isEnded || unclosed < Self.maxUnclosed {
            var index = start
            while let bracket = octets[index...].firstIndex(of: UInt8(ascii: "<")) {
                index = bracket + 1
                guard index < octets.count, octets[index] == UInt8(ascii: "/") else { continue }
                let end = index + 1 + name.count
                guard end < octets.count, !Self.isOfName(octets[end]) else { continue }
                let isSame = octets[(index + 1)..<end].elementsEqual(octets[name]) {
                    Octet.lowercase($0) == Octet.lowercase($1)
                }
                if isSame { return bracket }
            }
            guard isEnded else {
                findings.hold(from: start, in: view)
                return nil
            }
            unclosed += 1
        }
        return octets[start...].firstIndex(of: UInt8(ascii: "<")) ?? octets.count
    }

    // MARK: Names

    /// The name without its prefix, if it is secret.
    private static func secretName(_ octets: UnsafeBufferPointer<UInt8>, _ name: Range<Int>) -> Range<Int>? {
        let colon = octets[name].lastIndex(of: UInt8(ascii: ":"))
        let local = (colon.map { $0 + 1 } ?? name.lowerBound)..<name.upperBound
        return SecretName.isMember(octets[local]) ? local : nil
    }

    private func reason(
        _ octets: UnsafeBufferPointer<UInt8>,
        _ name: Range<Int>,
        _ findings: Findings
    ) -> Findings.Reason {
        guard findings.listsNames else { return .sameName }
        return .name(String(decoding: octets[name].prefix(Findings.maxName), as: UTF8.self))
    }

    /// Of names as they are used; those with other letters are none of the secret ones.
    private static func isOfName(_ octet: UInt8) -> Bool {
        switch octet {
        case 0x30...0x3A, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."): true
        default: octet >= 0x80
        }
    }

    private static func endOfName(_ octets: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        octets[start...].firstIndex { !isOfName($0) } ?? octets.count
    }

    private static func endsName(_ octet: UInt8) -> Bool {
        isBlank(octet) || octet == UInt8(ascii: ">") || octet == UInt8(ascii: "/")
    }

    private static func isBlank(_ octet: UInt8) -> Bool {
        octet == 0x20 || octet == 0x0A || octet == 0x0D || octet == 0x09
    }

    private static func endOfBlanks(_ octets: UnsafeBufferPointer<UInt8>, _ start: Int) -> Int {
        octets[start...].firstIndex { !isBlank($0) } ?? octets.count
    }
}
