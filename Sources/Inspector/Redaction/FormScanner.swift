import HTTP1

/// Finds the values of secret members in forms: `application/x-www-form-urlencoded` and `multipart/…` (RFC 7578).
enum FormScanner {
    static func scanURLEncoded(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        var start = 0
        while start <= view.count {
            let end = view.octets[start...].firstIndex(of: UInt8(ascii: "&")) ?? view.count
            defer { start = end + 1 }
            guard let equals = view.octets[start..<end].firstIndex(of: UInt8(ascii: "=")) else { continue }
            let value = (equals + 1)..<end
            let isOpen = end == view.count && !isEnded
            let name = plain(view, start..<equals)
            if SecretName.isMember(name) {
                guard !isOpen else { return findings.hold(from: value.lowerBound, in: view) }
                findings.add(value, in: view, reason(name, findings))
            } else if view.octets[value].contains(UInt8(ascii: "%")),
                let inner = view.without(.percent, within: value, isComplete: !isOpen),
                MemberScanner.looksLikeJSON(inner.octets)
            {
                findings.naming { findings in
                    MemberScanner.scan(inner, 0..<inner.count, isEnded: !isOpen, nesting: 1, into: &findings)
                } below: {
                    text(name)
                }
            }
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
            guard let name = lines.name, SecretName.isMember(name) else { continue }
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
        parameter("boundary", of: Array(type.utf8)[...]).flatMap { $0.isEmpty ? nil : $0 }
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

    /// The name that the fields of a part say, and where its content begins; nil if they do not end.
    private static func headLines(_ octets: [UInt8], from start: Int) -> (name: [UInt8]?, end: Int)? {
        var name: [UInt8]?
        // What is left of the delimiter's line.
        guard var line = octets[start...].firstIndex(of: 0x0A).map({ $0 + 1 }) else { return nil }
        while let end = octets[line...].firstIndex(of: 0x0A) {
            let content = octets[line..<end].last == 0x0D ? octets[line..<(end - 1)] : octets[line..<end]
            line = end + 1
            if content.isEmpty { return (name, line) }
            let field = Array("content-disposition:".utf8)
            guard content.count > field.count,
                content.prefix(field.count).map(Octet.lowercase).elementsEqual(field)
            else { continue }
            name = parameter("name", of: content.dropFirst(field.count)) ?? name
        }
        return nil
    }

    /// The parameter of that name (RFC 9110 section 5.6.6); blanks around the equals sign are tolerated.
    private static func parameter(_ wanted: String, of value: ArraySlice<UInt8>) -> [UInt8]? {
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
            if String(decoding: name.map(Octet.lowercase), as: UTF8.self) == wanted { return result }
        }
        return nil
    }
}
