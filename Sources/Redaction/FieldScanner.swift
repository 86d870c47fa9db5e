import HTTP1

/// Finds what is secret in fields, and in the lines of event streams.
enum FieldScanner {
    /// Schemes that say nothing of the credentials behind them.
    private static let schemes: Set<String> = [
        "basic", "bearer", "digest", "dpop", "gnap", "hawk", "hoba", "mutual", "negotiate", "ntlm", "oauth",
        "privatetoken", "scram-sha-1", "scram-sha-256", "signature", "token", "vapid", "apikey", "jwt",
        "aws4-hmac-sha256",
    ]

    /// The secret part of such a field's value: all behind a scheme that is known.
    static func secret(_ value: [UInt8]) -> Range<Int> {
        guard let blank = value.firstIndex(where: Octet.isBlank),
            schemes.contains(String(decoding: value[..<blank], as: UTF8.self).lowercased()),
            let start = value[blank...].firstIndex(where: { !Octet.isBlank($0) })
        else { return 0..<value.count }
        return start..<value.count
    }

    /// The values of `name=value` pairs between semicolons (RFC 6265 section 4); what is no pair is all value.
    static func pairs(_ value: [UInt8]) -> [Range<Int>] {
        var result: [Range<Int>] = []
        var start = 0
        while start < value.count {
            let end = value[start...].firstIndex(of: UInt8(ascii: ";")) ?? value.count
            let equals = value[start..<end].firstIndex(of: UInt8(ascii: "="))
            let first = equals.map { $0 + 1 } ?? value[start..<end].firstIndex { !Octet.isBlank($0) }
            if let first { result.append(first..<end) }
            start = end + 1
        }
        return result
    }

    /// The data of an event stream, line by line: most is JSON.
    static func scanEvents(_ view: TextView, isEnded: Bool, into findings: inout Findings) {
        var line = 0
        while line < view.count {
            let end = view.octets[line...].firstIndex { $0 == 0x0A || $0 == 0x0D } ?? view.count
            let colon = view.octets[line..<end].firstIndex(of: UInt8(ascii: ":"))
            let content = (colon.map { $0 + 1 } ?? line)..<end
            let isLast = end == view.count && !isEnded
            MemberScanner.scan(
                view,
                content,
                isEnded: !isLast,
                isJSON: MemberScanner.looksLikeJSON(view.octets[content]),
                into: &findings
            )
            line = end + 1
        }
    }
}
