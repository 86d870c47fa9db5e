import Platform
import Support

/// Makes untrusted text safe for a message: without control characters, without the sent and held secrets, and at most
/// 200 bytes long.
enum QuotedText {
    static let maxBytes = 200
    /// How many bytes of a text are searched and shown: a hostile text must not occupy the thread.
    private static let maxSearched = 8 * 1024
    private static let mark = Array("‹redacted›".utf8)

    /// Removes `secrets` as they are, percent-encoded, in hexadecimal and in base64 at any offset, and also their parts between
    /// characters that JSON and HTML escape. If the text contains one in another percent-encoding, nothing of it is
    /// left.
    static func quoted(_ text: String, hiding secrets: [String]) -> String {
        // First, so that inserted characters cannot hide a secret from the search.
        let shown = Array(Self.shown(text).utf8)
        let bytes = Array(shown.prefix(maxSearched))
        let forms = secrets.filter { !$0.isEmpty }.flatMap { Self.forms(of: Array($0.utf8)) }
        var isSecret = [Bool](repeating: false, count: bytes.count)
        for form in forms { find(form, in: bytes) { isSecret[$0] = true } }
        // A secret that extends beyond the end of the search was not found.
        let longest = forms.map(\.count).max() ?? 0
        let end = shown.count > bytes.count ? max(bytes.count - longest, 0) : bytes.count
        var result: [UInt8] = []
        var wasSecret = false
        for index in 0..<end {
            if isSecret[index], !wasSecret { result += mark } else if !isSecret[index] { result.append(bytes[index]) }
            wasSecret = isSecret[index]
        }
        guard !secrets.contains(where: { isSpelled(Array($0.utf8), in: result) }) else {
            return String(decoding: mark, as: UTF8.self)
        }
        return cut(String(decoding: result, as: UTF8.self))
    }

    /// At most `maxBytes`, cut between two characters.
    private static func cut(_ text: String) -> String {
        guard text.utf8.count > maxBytes else { return text }
        var result = String.UnicodeScalarView()
        var count = 0
        for scalar in text.unicodeScalars {
            count += UTF8.width(scalar)
            if count > maxBytes - 3 { break }
            result.append(scalar)
        }
        return String(result) + "…"
    }

    /// Replaces invisible characters and white space with blanks, and quotation marks with `'`.
    private static func shown(_ text: String) -> String {
        var result = String.UnicodeScalarView()
        for scalar in text.unicodeScalars {
            switch scalar.value {
            case 0..<0x20, 0x7F...0xA0, 0xAD, 0x61C, 0x180E, 0x200B...0x200F, 0x2028...0x202E, 0x2060...0x206F, 0xFEFF,
                0xFFF0...0xFFFB, 0xE0000...0xE0FFF:
                result.append(" ")
            case 0x22: result.append("'")
            default: result.append(scalar)
            }
        }
        return String(result)
    }

    // MARK: Secrets

    /// Whether the decoded text contains the secret.
    private static func isSpelled(_ secret: [UInt8], in text: [UInt8]) -> Bool {
        guard text.contains(UInt8(ascii: "%")), !secret.isEmpty else { return false }
        var isFound = false
        find(secret, in: FormText.unescaped(text)) { _ in isFound = true }
        return isFound
    }

    private static func forms(of secret: [UInt8]) -> [[UInt8]] {
        var forms = [secret]
        let text = String(decoding: secret, as: UTF8.self)
        // In the shown form, in which quotation marks and blanks are replaced.
        forms.append(Array(shown(text).utf8))
        for encoded in [FormText.percentEncoded(text), FormText.encoded(text)] where encoded != text {
            forms.append(Array(encoded.utf8))
            forms.append(lowercasedEscapes(encoded))
            forms.append(Array(encoded.replacingAll("%20", with: "+").utf8))
        }
        let parts = secret.split { !isNeverEscaped($0) }.map(Array.init)
        if parts.count > 1 { forms += parts.filter { $0.count >= shortestPart } }
        if secret.count >= shortestInHexadecimal {
            for isUpper in [false, true] { forms.append(hexadecimal(secret, isUpper: isUpper)) }
        }
        for shift in 0..<3 {
            // The base64 of a value depends on its offset modulo three. Characters that depend on the neighbouring
            // bytes are left out.
            let padded = [UInt8](repeating: 0, count: shift) + secret
            var url = Array(Base64URL.encode(padded).utf8).dropFirst([0, 2, 3][shift])
            if padded.count % 3 != 0 { url = url.dropLast() }
            guard url.count >= 6 else { continue }
            forms.append(Array(url))
            forms.append(url.map { $0 == UInt8(ascii: "-") ? UInt8(ascii: "+") : $0 == 0x5F ? UInt8(ascii: "/") : $0 })
        }
        return forms
    }

    /// Shorter parts would match ordinary words.
    private static let shortestPart = 8

    /// Shorter ones would match ordinary numbers.
    private static let shortestInHexadecimal = 4

    private static func hexadecimal(_ octets: [UInt8], isUpper: Bool) -> [UInt8] {
        let digits = Array((isUpper ? "0123456789ABCDEF" : "0123456789abcdef").utf8)
        return octets.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }
    }

    private static func isNeverEscaped(_ octet: UInt8) -> Bool {
        switch octet {
        case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
            UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "-"), UInt8(ascii: "_"), UInt8(ascii: "."):
            true
        default: false
        }
    }

    /// `%2F` as `%2f`.
    private static func lowercasedEscapes(_ text: String) -> [UInt8] {
        var bytes = Array(text.utf8)
        for index in bytes.indices where bytes[index] == UInt8(ascii: "%") {
            for next in [index + 1, index + 2] where next < bytes.count && (0x41...0x46).contains(bytes[next]) {
                bytes[next] += 0x20
            }
        }
        return bytes
    }

    /// Calls `body` with each offset that an occurrence of `wanted` covers.
    private static func find(_ wanted: [UInt8], in text: [UInt8], _ body: (Int) -> Void) {
        guard let first = wanted.first, wanted.count <= text.count else { return }
        for start in 0...(text.count - wanted.count)
        where text[start] == first && text[start..<start + wanted.count].elementsEqual(wanted) {
            for index in start..<start + wanted.count { body(index) }
        }
    }
}
