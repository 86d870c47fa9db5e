import HTTP1
import Support

/// The parts of a certificate (RFC 5280 section 4.1) that people want to know: subject, issuer, validity and host
/// names.
///
/// Verifies nothing; the TLS library does that. `CheckLine` shortens and escapes its texts when it prints them.
public struct Certificate: Sendable, Equatable {
    /// `CN=api.example.com, O=Example`, with the common name first; empty if there is none.
    public var subject: String
    public var issuer: String
    /// Seconds since 1970, within `UTCTime.range`.
    public var notBefore: Int
    public var notAfter: Int
    /// The host names and addresses in subjectAltName, in order.
    public var names: [String]
    /// Whether subject and issuer are the same.
    public var isSelfIssued: Bool

    private static let maximumNames = 1000

    /// Nil if the bytes are not a DER certificate.
    public init?(der bytes: [UInt8]) {
        var outer = DERReader(bytes[...])
        guard var certificate = outer.next(0x30)?.parts, var body = certificate.next(0x30)?.parts else { return nil }
        // The version.
        _ = body.next(0xA0)
        // Serial number, algorithm.
        guard body.next(0x02) != nil, body.next(0x30) != nil, let issuer = body.next(0x30),
            var validity = body.next(0x30)?.parts, let begin = validity.next().flatMap(Self.moment),
            let end = validity.next().flatMap(Self.moment), let subject = body.next(0x30)
        else { return nil }
        self.issuer = Self.name(issuer)
        self.subject = Self.name(subject)
        isSelfIssued = issuer.content == subject.content
        notBefore = UTCTime.clamped(begin)
        notAfter = UTCTime.clamped(end)
        // The key, and two unused identifiers.
        _ = body.next(0x30)
        _ = body.next(0x81)
        _ = body.next(0x82)
        names = body.next(0xA3).map(Self.alternativeNames) ?? []
    }

    /// The readable certificates in a PEM file (RFC 7468).
    public static func all(pem bytes: [UInt8]) -> [Certificate] {
        var found: [Certificate] = []
        var text: [UInt8]?
        for line in bytes.split(whereSeparator: { $0 == 0x0A || $0 == 0x0D }) {
            let isBegin = line.starts(with: "-----BEGIN ".utf8)
            if isBegin, String(decoding: line.prefix(64), as: UTF8.self).contains("CERTIFICATE-----") {
                text = []
            } else if line.starts(with: "-----".utf8) {
                if let base64 = text, let der = Base64URL.decode(String(decoding: base64, as: UTF8.self)),
                    let certificate = Certificate(der: der)
                {
                    found.append(certificate)
                }
                text = nil
            } else {
                text?.append(contentsOf: line)
            }
        }
        return found
    }

    // MARK: Names

    private static let attributes: [(identifier: [UInt8], name: String)] = [
        ([0x55, 0x04, 0x03], "CN"), ([0x55, 0x04, 0x0B], "OU"), ([0x55, 0x04, 0x0A], "O"), ([0x55, 0x04, 0x06], "C"),
    ]

    /// RFC 5280 section 4.1.2.4: `SEQUENCE OF SET OF SEQUENCE { type, value }`.
    private static func name(_ element: DERReader.Element) -> String {
        var values: [(name: String, value: String)] = []
        var sets = element.parts
        while values.count < 32, var set = sets.next(0x31)?.parts {
            while var pair = set.next(0x30)?.parts {
                guard let type = pair.next(0x06), let value = pair.next(),
                    let known = attributes.first(where: { $0.identifier[...] == type.content })
                else { continue }
                values.append((known.name, text(value)))
            }
        }
        // The country distinguishes nobody, unless it is the only part.
        let shown = values.filter { $0.name != "C" || values.count == 1 }
        // The common name usually comes last, but need not.
        let ordered = shown.filter { $0.name == "CN" } + shown.reversed().filter { $0.name != "CN" }
        return ordered.map { "\($0.name)=\($0.value)" }.joined(separator: ", ")
    }

    /// The string types of X.520 (X.680 section 41).
    private static func text(_ element: DERReader.Element) -> String {
        let octets = element.content.prefix(512)
        switch element.tag {
        case 0x1E:
            // BMPString: two bytes each.
            var units: [UInt16] = []
            for index in stride(from: octets.startIndex, to: octets.endIndex - 1, by: 2) {
                units.append(UInt16(octets[index]) << 8 | UInt16(octets[index + 1]))
            }
            return String(decoding: units, as: UTF16.self)
        case 0x14: return String(String.UnicodeScalarView(octets.map { Unicode.Scalar($0) }))
        default: return String(decoding: octets, as: UTF8.self)
        }
    }

    /// RFC 5280 section 4.2.1.6.
    private static func alternativeNames(_ extensions: DERReader.Element) -> [String] {
        var wrapper = extensions.parts
        guard var list = wrapper.next(0x30)?.parts else { return [] }
        while var entry = list.next(0x30)?.parts {
            guard let identifier = entry.next(0x06), identifier.content == [0x55, 0x1D, 0x11] else { continue }
            // The critical flag.
            _ = entry.next(0x01)
            guard var value = entry.next(0x04)?.parts, var names = value.next(0x30)?.parts else { return [] }
            var found: [String] = []
            while found.count < maximumNames, let name = names.next() {
                switch name.tag {
                case 0x82: found.append(String(decoding: name.content.prefix(255), as: UTF8.self))
                case 0x87: if let address = address(Array(name.content)) { found.append(address) }
                default: break
                }
            }
            return found
        }
        return []
    }

    private static func address(_ octets: [UInt8]) -> String? {
        switch octets.count {
        case 4: return octets.map(String.init).joined(separator: ".")
        case 16:
            let groups = stride(from: 0, to: 16, by: 2).map { Int(octets[$0]) << 8 | Int(octets[$0 + 1]) }
            return IPv6Text.text(groups)
        default: return nil
        }
    }

    // MARK: Dates

    /// Parses a UTCTime or GeneralizedTime in the form of RFC 5280 section 4.1.2.5, with seconds and `Z`. Returns
    /// seconds since 1970.
    private static func moment(_ element: DERReader.Element) -> Int? {
        let count = element.tag == 0x17 ? 2 : element.tag == 0x18 ? 4 : 0
        guard count > 0, element.content.count == count + 11, element.content.last == UInt8(ascii: "Z") else {
            return nil
        }
        var digits = element.content.dropLast()
        guard digits.allSatisfy(Octet.isDigit) else { return nil }
        let take = { (count: Int) -> Int in
            defer { digits = digits.dropFirst(count) }
            return digits.prefix(count).reduce(0) { $0 * 10 + Int($1 - UInt8(ascii: "0")) }
        }
        var year = take(count)
        if count == 2 { year += year < 50 ? 2000 : 1900 }
        let (month, day, hour, minute, second) = (take(2), take(2), take(2), take(2), take(2))
        return UTCTime.seconds(
            year: year,
            month: month,
            day: day,
            secondOfDay: hour * 3600 + minute * 60 + second
        )
    }
}

/// The usual notation of an IPv6 address (RFC 5952 section 4).
enum IPv6Text {
    static func text(_ groups: [Int]) -> String {
        var best = 0..<0
        var start = 0
        while start < groups.count {
            guard groups[start] == 0 else {
                start += 1
                continue
            }
            var end = start
            while end < groups.count, groups[end] == 0 { end += 1 }
            if end - start > max(best.count, 1) { best = start..<end }
            start = end
        }
        let text = { (part: ArraySlice<Int>) in part.map { String($0, radix: 16) }.joined(separator: ":") }
        guard !best.isEmpty else { return text(groups[...]) }
        return text(groups[..<best.lowerBound]) + "::" + text(groups[best.upperBound...])
    }
}
