import Redaction
import Support

/// What is left of a text in which secrets may stand anywhere: none of them, all else unchanged, and of a text that
/// still grows nothing that would have to be taken back.
///
/// The first byte chooses the media type. In the rest, some control characters stand for secrets in some spelling.
enum RedactionInvariants {
    private static let types = [
        nil, "application/json", "text/plain", "text/event-stream", "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=b", "application/problem+json; charset=utf-8", "image/png",
    ]
    private static let secrets = [
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1In0.c2lnbmF0dXJl", #"op/aq"ue\to+ken%41=six"#, "aaaaaaaab", "aaaaaaaaaaab",
    ].map { Array($0.utf8) }
    private static let redactor = Redactor(
        tokens: [.init(generation: 7, value: secrets[0]), .init(generation: 6, value: secrets[1])],
        secrets: [secrets[2], secrets[3]],
        isSecretField: { $0.lowercased() == "authorization" }
    )

    static func check(_ bytes: [UInt8]) throws {
        guard let first = bytes.first else { return }
        let type = types[Int(first) % types.count]
        let text = bytes.dropFirst().flatMap(expanded)
        let whole = redactor.text(text, type: type)
        try checkSecrets(whole.octets, "text")
        try checkRest(text, whole)
        // The last cut is the end.
        for cut in Cuts(text) {
            let part = redactor.text(Array(text[..<cut]), type: type, isComplete: false).octets
            try require(whole.octets.starts(with: part), "at \(cut), something is shown that is not in the end")
        }
        try checkMembers(text)
        let target = redactor.target(text)
        try checkSecrets(target.octets, "target")
        try checkRest(text, target)
        for name in ["Authorization", "Cookie", "Set-Cookie", "Location", "X-Other"] {
            let field = redactor.field(Array(name.utf8), text)
            try checkSecrets(field.octets, name)
            try checkRest(text, field)
        }
    }

    private static let value = "hunter2/hunter2"
    private static let form = "application/x-www-form-urlencoded"

    /// Secret members of a form, whatever stands around them.
    private static let pairs = [
        "password[0]=\(value)", "token[]=\(value)", "a%5Botp%5D%5B1%5D=\(value)", "token[value]=\(value)",
        "x={\"password\":\"\(value)\"}", "x=%7B%22password%22%3A+%22\(value)%22%7D",
        "%7B%22password%22:%22\(value)%22%7D",
    ]
    /// Secret members at the beginning of a text, whatever follows, of those types.
    private static let beginnings: [(text: String, types: [String?])] = [
        ("{\"password\":\"\(value)\",", [nil, form, "text/plain", "application/json"]),
        ("{'password':'\(value)',", [nil, form, "text/plain", "application/json"]),
        ("password[0]=\(value)&", [nil, form, "text/plain", "application/json"]),
        ("<password>\(value)</password>", [nil, "application/xml"]),
        ("--b\r\nContent-Disposition: form-data;\r\n name*=utf-8''token\r\n\r\n\(value)\r\n--b\r\n", [types[5]]),
    ]

    /// The value of a secret member goes, however that is spelt and whatever the body is said to be.
    private static func checkMembers(_ text: [UInt8]) throws {
        let value = Array(value.utf8)
        guard !contains(text, value) else { return }
        for pair in pairs {
            let left = redactor.text(text + Array("&\(pair)&".utf8) + text, type: form).octets
            try require(!contains(left, value), "the value of \(pair) is left")
        }
        for (beginning, types) in beginnings {
            for type in types {
                let left = redactor.text(Array(beginning.utf8) + text, type: type).octets
                try require(!contains(left, value), "the value of \(beginning) is left as \(type ?? "nothing")")
            }
        }
    }

    /// What a byte of the input stands for.
    private static func expanded(_ byte: UInt8) -> [UInt8] {
        let index = Int(byte) - 1
        guard (0..<secrets.count * 6).contains(index), byte != 0x0A, byte != 0x0D, byte != 0x09 else { return [byte] }
        let secret = secrets[index % secrets.count]
        switch index / secrets.count {
        case 0: return secret
        case 1: return secret.flatMap { Array("%".utf8) + hexadecimal($0) }
        case 2: return secret.flatMap { Array("\\u00".utf8) + hexadecimal($0) }
        case 3: return Array(Base64URL.encode(secret).utf8)
        case 4: return Array(Base64URL.encode([0x75] + secret + [0x75]).utf8)
        default: return Array(Base64URL.encode([0x75, 0x73] + secret).utf8)
        }
    }

    private static func hexadecimal(_ octet: UInt8) -> [UInt8] {
        let digits = Array("0123456789abcdef".utf8)
        return [digits[Int(octet >> 4)], digits[Int(octet & 15)]]
    }

    private static func checkSecrets(_ left: [UInt8], _ place: String) throws {
        for secret in secrets {
            try require(!contains(left, secret), "\(place): a secret is left")
            for offset in 0..<3 {
                // Without the characters that hold bits of what stands around.
                let text = Array(Base64URL.encode([UInt8](repeating: 0, count: offset) + secret).utf8)
                let sure = text.dropFirst([0, 2, 3][offset]).dropLast((secret.count + offset) % 3 == 0 ? 0 : 1)
                try require(!contains(left, Array(sure)), "\(place): a secret is left in base64url")
            }
        }
    }

    private static func contains(_ text: [UInt8], _ part: [UInt8]) -> Bool {
        guard text.count >= part.count else { return false }
        return (0...(text.count - part.count)).contains { text[$0] == part[0] && text[$0...].starts(with: part) }
    }

    private static let marks = ["‹redacted›", "‹token, generation 7›", "‹token, generation 6›"].map { Array($0.utf8) }

    /// What stands between the marks stands in the text, in that order, from its beginning to its end. Quotes are left
    /// out: what stands for a number has some.
    private static func checkRest(_ text: [UInt8], _ left: Redactor.Redacted) throws {
        // A text may have marks of its own.
        guard !contains(text, Array("‹".utf8)) else { return }
        let text = text.filter { $0 != 0x22 }
        let octets = left.octets.filter { $0 != 0x22 }
        var (place, start, index) = (0, 0, 0)
        while index < octets.count {
            guard let mark = marks.first(where: { octets[index...].starts(with: $0) }) else {
                index += 1
                continue
            }
            guard let found = find(octets[start..<index], in: text, place), start > 0 || found == 0 else {
                throw Violation("something changed before \(index)")
            }
            place = found + index - start
            index += mark.count
            start = index
        }
        let end = octets[start...]
        try require(
            start == 0 ? text[...] == end : text.count - end.count >= place && text.suffix(end.count) == end,
            "the end changed"
        )
    }

    private static func find(_ piece: ArraySlice<UInt8>, in text: [UInt8], _ start: Int) -> Int? {
        guard let first = piece.first else { return start }
        guard text.count - start >= piece.count else { return nil }
        return (start...(text.count - piece.count)).first { text[$0] == first && text[$0...].starts(with: piece) }
    }
}
