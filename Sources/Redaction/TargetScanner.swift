import HTTP1

/// Finds what is secret in a request target or another URL reference, by the names of its parameters, by what precedes
/// it, and before a host. Looks into parameters within parameters.
struct TargetScanner {
    private let view: TextView
    private let octets: [UInt8]
    private var findings: Findings

    /// How often encoding is taken off.
    static let maxDecodings = 6

    /// One reading of the target.
    static func scan(_ view: TextView, into findings: inout Findings) {
        var scanner = TargetScanner(view: view, octets: view.octets, findings: findings)
        scanner.findParameters()
        scanner.findSchemes()
        scanner.findUsers()
        findings = scanner.findings
    }

    /// Finds what is encoded more often than anybody does without something to hide.
    static func scanHidden(_ view: TextView, into findings: inout Findings) {
        guard let first = view.octets.indices.first(where: { view.octets[$0] == 0x25 || !view.isWritten($0) }) else {
            return
        }
        findings.add(first..<view.count, in: view, .name("target"))
    }

    /// A value goes on to the next `&` of the target itself, or in its path to the next slash, whatever is encoded
    /// inside.
    private mutating func findParameters() {
        // Where a name may have begun; nil in the path, but behind a semicolon.
        var name: Int?
        // Where a segment of the path began, up to its first equals sign.
        var segment: Int?
        var isQuery = false
        var index = 0
        while index < octets.count {
            switch octets[index] {
            case UInt8(ascii: "?"), UInt8(ascii: "&"), UInt8(ascii: "#"):
                isQuery = true
                segment = nil
                name = index + 1
            case UInt8(ascii: ";"): name = index + 1
            case UInt8(ascii: "/") where !isQuery:
                name = nil
                segment = index + 1
            case UInt8(ascii: "="), UInt8(ascii: ":"):
                guard let start = name else {
                    guard octets[index] == UInt8(ascii: "="), let start = segment else { break }
                    segment = nil
                    guard SecretName.isMember(octets[start..<index]) else { break }
                    let end = endOfValue(from: index + 1, isQuery: false)
                    add((index + 1)..<end, String(decoding: octets[start..<index], as: UTF8.self))
                    index = end
                    continue
                }
                let parameter = octets[start..<index]
                if SecretName.isParameter(parameter) || findings.places.isParameter(parameter) {
                    let end = endOfValue(from: index + 1, isQuery: isQuery)
                    add((index + 1)..<end, String(decoding: octets[start..<index], as: UTF8.self))
                    index = end
                    continue
                }
                // A value may be a parameter, encoded once more.
                name = index + 1
            default: break
            }
            index += 1
        }
    }

    private mutating func add(_ range: Range<Int>, _ name: String) {
        findings.add(range, in: view, findings.listsNames ? .name("query \(name)") : .sameName)
    }

    private func endOfValue(from start: Int, isQuery: Bool) -> Int {
        let stop = isQuery ? UInt8(ascii: "&") : UInt8(ascii: "/")
        var index = start
        while index < octets.count {
            let octet = octets[index]
            if octet == stop || !isQuery && octet == UInt8(ascii: "?"), view.isWritten(index) { break }
            index += 1
        }
        return index
    }

    /// What follows the name of an authentication scheme and a blank.
    private mutating func findSchemes() {
        // A span of a copy: the one of a property keeps that from being changed.
        let octets = octets
        let span = octets.span
        var index = 0
        loop: while index < octets.count {
            guard octets[index] | 0x20 == UInt8(ascii: "b") else {
                index += 1
                continue
            }
            for scheme in ["bearer", "basic"] as [StaticString] {
                let end = index + scheme.utf8CodeUnitCount
                guard end < octets.count, span.matches(ByteRange(index, end), scheme),
                    Octet.isBlank(octets[end]) || octets[end] == UInt8(ascii: "+")
                else { continue }
                let stop = endOfValue(from: end + 1, isQuery: true)
                if stop > end + 1 { add((end + 1)..<stop, "\(scheme)") }
                index = stop
                continue loop
            }
            index += 1
        }
    }

    /// User and password before a host (RFC 3986 section 3.2.1), behind two slashes.
    private mutating func findUsers() {
        var start: Int?
        var hasPassword = false
        var last: Int?
        var previous: UInt8 = 0
        for index in 0..<view.count {
            let octet = octets[index]
            defer { previous = octet }
            switch octet {
            case UInt8(ascii: "/") where previous == UInt8(ascii: "/"):
                start = index + 1
                hasPassword = false
                last = nil
            case UInt8(ascii: ":"): if start != nil { hasPassword = true }
            // The last one counts: some take the others for part of the password.
            case UInt8(ascii: "@"): last = start == nil ? nil : index
            case UInt8(ascii: "/"), UInt8(ascii: "?"), UInt8(ascii: "#"), UInt8(ascii: "&"):
                if let start, let last, hasPassword { add(start..<last, "user") }
                start = nil
            default: break
            }
        }
        if let start, let last, hasPassword { add(start..<last, "user") }
    }
}
