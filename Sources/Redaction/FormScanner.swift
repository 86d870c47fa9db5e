import HTTP1

/// Finds the values of secret members in forms: `application/x-www-form-urlencoded` and `multipart/…` (RFC 7578).
enum FormScanner {
    static func scanURLEncoded(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        // Some say of any body that it is a form.
        let isJSON = MemberScanner.looksLikeJSON(view.octets)
        MemberScanner.scan(view, 0..<view.count, isEnded: isEnded, isJSON: isJSON, into: &findings)
        var start = 0
        while start <= view.count {
            let end = view.octets[start...].firstIndex(of: UInt8(ascii: "&")) ?? view.count
            defer { start = end + 1 }
            let isOpen = end == view.count && !isEnded
            if start > 0 || !isJSON { scanJSON(view, start..<end, isOpen: isOpen, below: [], into: &findings) }
            guard let equals = view.octets[start..<end].firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = (equals + 1)..<end
            let name = plain(view, start..<equals)
            if SecretName.isMember(name) || findings.places.isParameter(name) {
                guard !isOpen else { return findings.hold(from: value.lowerBound, in: view) }
                findings.add(value, in: view, reason(name, findings))
            } else {
                scanJSON(view, value, isOpen: isOpen, below: name, into: &findings)
            }
        }
    }

    /// Looks into a part of a form if it is JSON, encoded or not.
    private static func scanJSON(
        _ view: TextView,
        _ range: Range<Int>,
        isOpen: Bool,
        below name: [UInt8],
        into findings: inout Findings
    ) {
        // A byte order mark may be before it.
        switch view.octets[range].first(where: { !isBlank($0) }) {
        case UInt8(ascii: "{"), UInt8(ascii: "["), UInt8(ascii: "%"), 0xEF: break
        default: return
        }
        let part = view.part(range).withBlanks()
        let inner = part.without(.percent, isComplete: !isOpen) ?? part
        guard MemberScanner.looksLikeJSON(inner.octets) else { return }
        findings.naming { findings in
            MemberScanner.scan(inner, 0..<inner.count, isEnded: !isOpen, nesting: 1, into: &findings)
        } below: {
            text(name)
        }
    }

    /// A form of which nothing says that it is one: it begins with a name of a form, and an equals sign. Values end at
    /// `&`, or with the line if the first one does (as in `text/plain` forms of HTML).
    static func scanUndeclared(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        let octets = view.octets
        guard let first = octets.firstIndex(where: { !isOfName($0) }), first > 0, octets[first] == UInt8(ascii: "=")
        else { return }
        let isInLines = octets[first...].first(where: isEnd).map(isLineEnd) ?? false
        var start = 0
        while start < octets.count {
            let end = octets[start...].firstIndex(where: isEnd) ?? octets.count
            let equals = octets[start..<end].firstIndex { !isOfName($0) } ?? end
            guard equals > start, equals < end, octets[equals] == UInt8(ascii: "=") else {
                start = end + 1
                continue
            }
            let name = plain(view, start..<equals)
            guard SecretName.isMember(name) || findings.places.isParameter(name) else {
                start = end + 1
                continue
            }
            let value = equals + 1
            let stop = octets[value...].firstIndex { isInLines ? isLineEnd($0) : $0 == UInt8(ascii: "&") }
            guard stop != nil || isEnded else { return findings.hold(from: value, in: view) }
            findings.add(value..<(stop ?? octets.count), in: view, reason(name, findings))
            start = (stop ?? octets.count) + 1
        }
    }

    private static func isBlank(_ octet: UInt8) -> Bool {
        Octet.isBlank(octet) || isLineEnd(octet) || octet == UInt8(ascii: "+")
    }

    private static func isLineEnd(_ octet: UInt8) -> Bool { octet == 0x0A || octet == 0x0D }

    private static func isEnd(_ octet: UInt8) -> Bool { octet == UInt8(ascii: "&") || isLineEnd(octet) }

    /// Of a name in a form as it is sent.
    private static func isOfName(_ octet: UInt8) -> Bool {
        switch octet {
        case 0x30...0x39, 0x41...0x5A, 0x61...0x7A, UInt8(ascii: "_"), UInt8(ascii: "-"), UInt8(ascii: "."),
            UInt8(ascii: "["), UInt8(ascii: "]"), UInt8(ascii: "%"), UInt8(ascii: "+"), UInt8(ascii: "*"),
            UInt8(ascii: "~"):
            true
        default: false
        }
    }

    /// `boundary` is that of the content type.
    static func scanMultipart(_ view: TextView, boundary: [UInt8], isEnded: Bool, into findings: inout Findings) {
        let delimiter = Array("--".utf8) + boundary
        var place = nextDelimiter(view.octets, delimiter, from: 0)
        while let start = place {
            let head = start + delimiter.count
            let lines = headLines(view.octets, from: head)
            guard let lines else { return }
            place = nextDelimiter(view.octets, delimiter, from: lines.end)
            let places = findings.places
            guard let name = lines.names.first(where: { SecretName.isMember($0) || places.isParameter($0) }) else {
                continue
            }
            guard let next = place else {
                if !isEnded { return findings.hold(from: lines.end, in: view) }
                return findings.add(lines.end..<view.count, in: view, reason(name, findings))
            }
            // The line's end before the delimiter belongs to that.
            var end = next
            if end > lines.end, view.octets[end - 1] == 0x0A { end -= 1 }
            if end > lines.end, view.octets[end - 1] == 0x0D { end -= 1 }
            findings.add(lines.end..<max(lines.end, end), in: view, reason(name, findings))
        }
    }

    /// The parameter of a content type, without its quotes.
    static func boundary(of type: String) -> [UInt8]? {
        parameters(of: Array(type.utf8)[...]).first { $0.name == "boundary" }.flatMap {
            $0.value.isEmpty ? nil : $0.value
        }
    }

    private static func reason(_ name: [UInt8], _ findings: Findings) -> Findings.Reason {
        findings.listsNames ? .name(text(name)) : .sameName
    }

    private static func text(_ name: [UInt8]) -> String {
        String(decoding: name.prefix(Findings.maxName), as: UTF8.self)
    }

    private static func plain(_ view: TextView, _ range: Range<Int>) -> [UInt8] {
        let name = view.without(.percent, within: range, isComplete: true)?.octets[...] ?? view.octets[range]
        return name.map { $0 == UInt8(ascii: "+") ? 0x20 : $0 }
    }

    /// Where a line begins with the delimiter.
    private static func nextDelimiter(_ octets: [UInt8], _ delimiter: [UInt8], from start: Int) -> Int? {
        var line = start
        while line + delimiter.count <= octets.count {
            if line == 0 || octets[line - 1] == 0x0A, octets[line...].starts(with: delimiter) { return line }
            guard let next = octets[line...].firstIndex(of: 0x0A) else { return nil }
            line = next + 1
        }
        return nil
    }

    /// The names that the fields of a part say, and where its content begins; nil if they do not end.
    private static func headLines(_ octets: [UInt8], from start: Int) -> (names: [[UInt8]], end: Int)? {
        // Of the last Content-Disposition, and the lines that go on with it.
        var disposition: [UInt8] = []
        var isDisposition = false
        // What is left of the delimiter's line.
        guard var line = octets[start...].firstIndex(of: 0x0A).map({ $0 + 1 }) else { return nil }
        while let end = octets[line...].firstIndex(of: 0x0A) {
            let content = octets[line..<end].last == 0x0D ? octets[line..<(end - 1)] : octets[line..<end]
            line = end + 1
            guard let first = content.first else { return (names(of: disposition[...]), line) }
            if Octet.isBlank(first) {
                if isDisposition { disposition += content }
                continue
            }
            let field = "content-disposition:".utf8
            isDisposition = content.prefix(field.count).map(Octet.lowercase).elementsEqual(field)
            if isDisposition { disposition = Array(content.dropFirst(field.count)) }
        }
        return nil
    }

    /// The name of a part, and the one in the spelling of RFC 8187 and RFC 2231 (`name*`, `name*0`): nobody knows which
    /// the server takes.
    private static func names(of disposition: ArraySlice<UInt8>) -> [[UInt8]] {
        var names: [[UInt8]] = []
        var extended: [UInt8] = []
        for (name, value) in parameters(of: disposition) {
            if name == "name" {
                names.append(decoded(value))
            } else if name.hasPrefix("name*") {
                let parts = name.hasSuffix("*") ? value.split(separator: 0x27, omittingEmptySubsequences: false) : []
                extended += decoded(parts.count == 3 ? Array(parts[2]) : value)
            }
        }
        return names + [extended]
    }

    private static func decoded(_ value: [UInt8]) -> [UInt8] {
        TextView(value).without(.percent, isComplete: true)?.octets ?? value
    }

    /// The parameters behind the first semicolon (RFC 9110 section 5.6.6), their names in small letters; blanks around
    /// the equals sign are tolerated.
    private static func parameters(of value: ArraySlice<UInt8>) -> [(name: String, value: [UInt8])] {
        var parameters: [(name: String, value: [UInt8])] = []
        var rest = value
        while let semicolon = rest.firstIndex(of: UInt8(ascii: ";")) {
            rest = rest[(semicolon + 1)...].drop(while: Octet.isBlank)
            let name = rest.prefix { Octet.isToken($0) }
            rest = rest[name.endIndex...].drop(while: Octet.isBlank)
            guard rest.first == UInt8(ascii: "=") else { continue }
            rest = rest.dropFirst().drop(while: Octet.isBlank)
            var result: [UInt8] = []
            if rest.first == UInt8(ascii: "\"") {
                rest = rest.dropFirst()
                while let octet = rest.popFirst(), octet != UInt8(ascii: "\"") {
                    result.append(octet == UInt8(ascii: "\\") ? rest.popFirst() ?? octet : octet)
                }
            } else {
                result = Array(rest.prefix { $0 != UInt8(ascii: ";") && !Octet.isBlank($0) })
            }
            parameters.append((String(decoding: name.map(Octet.lowercase), as: UTF8.self), result))
        }
        return parameters
    }
}
