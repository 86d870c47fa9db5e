import Support
import Testing

@testable import Redaction

/// What the tests take for secrets.
enum Known {
    static let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI1MDkwOTc2In0.c2lnbmF0dXJlLW9mLXNldmVu"
    static let opaque = #"op/aq"ue\to+ken%41=six"#
    static let refresh = "refresh-of-seven-0123456789"
    static let configured = "configured-key-0987654321"

    static let redactor = Redactor(
        tokens: [.init(generation: 6, value: bytes(opaque)), .init(generation: 7, value: bytes(token))],
        secrets: [bytes(refresh), bytes(configured)],
        isSecretField: { name in
            let name = name.lowercased()
            return ["authorization", "proxy-authorization", "x-api-key", "x-api-authorization"].contains(name)
        }
    )

    static func bytes(_ text: String) -> [UInt8] { Array(text.utf8) }

    /// RFC 4648 section 4.
    static func base64(_ text: String) -> String {
        let digits = Base64URL.encode(bytes(text))
        let plain = digits.replacingAll("-", with: "+").replacingAll("_", with: "/")
        return plain + String(repeating: "=", count: (4 - plain.utf8.count % 4) % 4)
    }

    static func percent(_ text: String) -> String {
        bytes(text).map { octet in
            let isPlain =
                (0x30...0x39).contains(octet) || (0x41...0x5A).contains(octet) || (0x61...0x7A).contains(octet)
            return isPlain ? String(Unicode.Scalar(octet)) : "%" + hexadecimal(octet)
        }.joined()
    }

    /// Every octet encoded.
    static func percentAll(_ text: String) -> String { bytes(text).map { "%" + hexadecimal($0) }.joined() }

    /// Every octet escaped.
    static func escapedAll(_ text: String) -> String { bytes(text).map { "\\u00" + hexadecimal($0) }.joined() }

    /// In small letters.
    static func hexadecimal(_ text: String) -> String { bytes(text).map { hexadecimal($0).lowercased() }.joined() }

    /// Some digits in capitals, others of the same value not.
    static func hexadecimalInBothCases(_ text: String) -> String { bytes(text).map(hexadecimal).joined() }

    static func json(_ text: String) -> String { JSONValue.string(text).serialized() }

    private static func hexadecimal(_ octet: UInt8) -> String {
        let digits = String(octet, radix: 16, uppercase: octet % 2 == 0)
        return digits.utf8.count == 1 ? "0" + digits : digits
    }
}

@Suite struct RedactorValueTests {
    private static func left(of text: String, _ type: String? = nil) -> String {
        String(decoding: Known.redactor.text(Known.bytes(text), type: type).octets, as: UTF8.self)
    }

    @Test(arguments: [
        (Known.token, 7), (Known.opaque, 6),
    ])
    func knownTokenIsFoundInEverySpelling(_ token: String, _ generation: Int) {
        let mark = "‹token, generation \(generation)›"
        let spellings = [
            token, Known.percent(token), Known.percentAll(token), Known.escapedAll(token),
            Known.hexadecimal(token), Known.hexadecimal(token).uppercased(), Known.percent(Known.hexadecimal(token)),
            Known.hexadecimalInBothCases(token), Known.percent(Known.hexadecimalInBothCases(token)),
            String(Known.json(token).dropFirst().dropLast()), Known.percent(Known.percent(token)),
            String(Known.json(token).replacingAll("/", with: "\\/").dropFirst().dropLast()),
            Known.percent(Known.percent(Known.percent(token))),
            Known.percent(String(Known.json(token).dropFirst().dropLast())),
            String(Known.json(String(Known.json(token).dropFirst().dropLast())).dropFirst().dropLast()),
            String(Known.json(Known.percent(token)).dropFirst().dropLast()),
        ]
        for spelling in spellings { #expect(Self.left(of: "before \(spelling) after") == "before \(mark) after") }
    }

    /// What is said of a text that goes on is not taken back.
    @Test func hexadecimalThatComesInParts() {
        for before in ["", "x", "0123456789abcdef", "ABCDEF0123456789ABCDEF"] {
            let text = Known.bytes("\(before)\(Known.hexadecimalInBothCases(Known.opaque)) after")
            let whole = Known.redactor.text(text, type: nil).octets
            #expect(String(decoding: whole, as: UTF8.self) == "\(before)‹token, generation 6› after")
            for cut in text.indices {
                let part = Known.redactor.text(Array(text[..<cut]), type: nil, isComplete: false).octets
                #expect(whole.starts(with: part), "\(before) \(cut)")
            }
        }
    }

    @Test(arguments: [Known.token, Known.opaque, Known.refresh, Known.configured])
    func knownSecretIsFoundInBase64AtEachOffset(_ secret: String) {
        for before in ["", "u", "us", "user:", "an", "long one: "] {
            for after in ["", "x", "xy", "xyz"] {
                let whole = Known.base64(before + secret + after)
                for text in [
                    whole, whole.replacingAll("+", with: "-").replacingAll("/", with: "_"), Known.percent(whole),
                    whole.replacingAll("/", with: "\\/"),
                ] {
                    let left = Self.left(of: "<\(text)>")
                    #expect(left.contains("›"), "\(before)|\(after)")
                    // What is left says next to nothing of it.
                    let digits = left.utf8.count { $0 < 0x80 }
                    #expect(digits < "<\(whole)>".utf8.count - secret.utf8.count + 24)
                }
            }
        }
    }

    @Test func tokenAsUTF16IsFound() {
        let wide: [UInt8] = Known.bytes(Known.token).flatMap { [$0, UInt8(0)] }
        let left = Known.redactor.text([0xFF, 0xFE] + wide + [0x20, 0], type: nil).octets
        #expect(left == [0xFF, 0xFE] + Known.bytes("‹token, generation 7›") + [0, 0x20, 0])
    }

    @Test(arguments: [
        ("Bearer eyJhbGciOiJub25lIn0.eyJhIjoxfQ. and", "Bearer ‹redacted› and"),
        ("see eyJhbGciOiJub25lIn0.eyJhIjoxfQ.abc.", "see ‹redacted›."), ("eyJ is no token", "eyJ is no token"),
        ("eyJhbGciOiJub25lIn0.only", "eyJhbGciOiJub25lIn0.only"),
        ("a%2EeyJhbGciOiJub25lIn0%2EeyJhIjoxfQ%2Eabc", "a%2E‹redacted›"),
        ("eyJhbGciOiJSU0EifQ.a.b.c.d", "‹redacted›"), ("eyj.a.b", "eyj.a.b"),
    ])
    func whatHasTheFormOfATokenIsFound(_ text: String, _ expected: String) {
        #expect(Self.left(of: text) == expected)
    }

    @Test func bothOfTwoNeighboursAreMarked() {
        #expect(Self.left(of: Known.refresh + Known.configured) == "‹redacted›‹redacted›")
        #expect(Self.left(of: "\(Known.token) \(Known.opaque)") == "‹token, generation 7› ‹token, generation 6›")
    }

    @Test func almostASecretStays() {
        let almost = String(Known.configured.dropLast()) + "_ " + String(Known.refresh.dropFirst())
        #expect(Self.left(of: almost) == almost)
    }

    @Test func octetsThatAreNoTextStay() {
        let octets = (0...255).map { UInt8($0) } + [0xFF, 0xFE, 0, 0xC0, 0x80]
        #expect(Known.redactor.text(octets, type: nil) == .init(octets: octets, redactions: []))
        let with = octets + Known.bytes(Known.configured) + octets
        #expect(Known.redactor.text(with, type: nil).octets == octets + Known.bytes("‹redacted›") + octets)
    }

    @Test func secretsThatOverlapAreFoundWhole() {
        let redactor = Redactor(
            tokens: [
                .init(generation: 1, value: Known.bytes("aaaaaaaaab")),
                .init(generation: 2, value: Known.bytes("aaaaaaaab")),
            ],
            secrets: [Known.bytes("baaaaaaaa")],
            isSecretField: { _ in false }
        )
        let left = { (text: String) in
            String(decoding: redactor.text(Known.bytes(text), type: nil).octets, as: UTF8.self)
        }
        #expect(left("xaaaaaaaaaabx") == "xa‹token, generation 1›x")
        #expect(left("xcaaaaaaaabx") == "xc‹token, generation 2›x")
        #expect(left("aaaaaaaaabaaaaaaaa") == "‹token, generation 1›")
        #expect(left("aaaaaaaa") == "aaaaaaaa")
    }

    @Test func nothingIsKnown() {
        let redactor = Redactor(tokens: [], secrets: [[], Known.bytes("short")], isSecretField: { _ in false })
        #expect(redactor.text(Known.bytes("short and sweet"), type: nil).octets == Known.bytes("short and sweet"))
    }
}

@Suite struct RedactorTargetTests {
    @Test(
        arguments: [
            ("/a/b?page=2&code_of=1&postcode=12#x", "/a/b?page=2&code_of=1&postcode=12#x", []),
            ("/a?token=abc&b=1", "/a?token=‹redacted›&b=1", ["query token"]),
            ("/a?b=1&access_token=abc", "/a?b=1&access_token=‹redacted›", ["query access_token"]),
            ("/a?%74oken=%61bc&b=%41", "/a?%74oken=‹redacted›&b=%41", ["query token"]),
            (
                "/a?API-Key=abc&key=1&code=2", "/a?API-Key=‹redacted›&key=‹redacted›&code=‹redacted›",
                ["query API-Key", "query key", "query code"]
            ),
            (
                "/a?X-Amz-Signature=1&X-Amz-Date=2", "/a?X-Amz-Signature=‹redacted›&X-Amz-Date=2",
                ["query X-Amz-Signature"]
            ),
            ("/a;session=1/b", "/a;session=‹redacted›/b", ["query session"]),
            (
                "/r?to=https%3A%2F%2Fx%2F%3Ftoken%3Dabc%26c%3D1&b=2",
                "/r?to=https%3A%2F%2Fx%2F%3Ftoken%3D‹redacted›&b=2", ["query token"]
            ),
            (
                "/r?to=https%253A%252F%252Fx%252F%253Ftoken%253Dabc&b=2",
                "/r?to=https%253A%252F%252Fx%252F%253Ftoken%253D‹redacted›&b=2", ["query token"]
            ),
            ("/r?to=http://u:p@h/", "/r?to=http://‹redacted›@h/", ["query user"]),
            ("/r?a=Bearer%20abcdef&b=2", "/r?a=Bearer%20‹redacted›&b=2", ["query bearer"]),
            (
                "/user[name]=1?user[password]=1", "/user[name]=1?user[password]=‹redacted›",
                ["query user[password]"]
            ),
            ("/a?token=", "/a?token=‹redacted›", ["query token"]), ("/a?token", "/a?token", []),
            ("/\u{202E}x?é=1", "/\u{202E}x?é=1", []), ("*", "*", []), ("", "", []),
            ("/t/" + Known.configured, "/t/‹redacted›", ["value"]),
            ("/t/" + Known.percentAll(Known.token) + "/x", "/t/‹token, generation 7›/x", ["value"]),
            ("/a?token=" + Known.token, "/a?token=‹token, generation 7›", ["query token"]),
        ] as [(String, String, [String])]
    )
    func secretParametersGo(_ target: String, _ expected: String, _ redactions: [String]) {
        let redacted = Known.redactor.target(Known.bytes(target))
        #expect(String(decoding: redacted.octets, as: UTF8.self) == expected)
        #expect(redacted.redactions == redactions)
    }

    @Test func whatIsEncodedTooOftenGoes() {
        var text = "token=abc"
        for _ in 0..<9 { text = Known.percent(text) }
        let left = String(decoding: Known.redactor.target(Known.bytes("/a?b=" + text)).octets, as: UTF8.self)
        #expect(left.hasPrefix("/a?b=token") && left.hasSuffix("‹redacted›") && !left.contains("abc"))
    }
}

@Suite struct RedactorFieldTests {
    @Test(arguments: [
        ("Authorization", "Bearer \(Known.token)", "Bearer ‹token, generation 7›"),
        ("authorization", "Basic dXNlcjpwYXNz", "Basic ‹redacted›"),
        ("Authorization", "Basic " + Known.base64("user:" + Known.token), "Basic ‹token, generation 7›"),
        ("Authorization", "not a scheme", "‹redacted›"), ("Authorization", "opaque", "‹redacted›"),
        ("Authorization", "", "‹redacted›"), ("Proxy-Authorization", "Negotiate  abc", "Negotiate  ‹redacted›"),
        ("X-Api-Key", "abc", "‹redacted›"), ("X-API-Authorization", "Bearer abc", "Bearer ‹redacted›"),
        ("Cookie", "a=1; b=\"2\"; c", "a=‹redacted›; b=‹redacted›; ‹redacted›"),
        ("Set-Cookie", "sid=1=2; Path=/; HttpOnly", "sid=‹redacted›; Path=/; HttpOnly"),
        ("Set-Cookie", "lonely", "‹redacted›"), ("X-Request-ID", "abc", "abc"),
        ("X-Echo", "got \(Known.token)!", "got ‹token, generation 7›!"),
        ("X-Echo", Known.configured, "‹redacted›"),
        ("Location", "https://a.example/cb?code=abc&state=1", "https://a.example/cb?code=‹redacted›&state=1"),
        ("Referer", "http://a/?token=1", "http://a/?token=‹redacted›"),
    ])
    func secretsGo(_ name: String, _ value: String, _ expected: String) {
        let redacted = Known.redactor.field(Known.bytes(name), Known.bytes(value))
        #expect(String(decoding: redacted.octets, as: UTF8.self) == expected)
        #expect(redacted.redactions == (value == expected ? [] : ["field \(name)"]))
    }

    @Test func octetsOfFieldsStay() {
        let value: [UInt8] = [0xE9, 0x80, 0x20, 0xFF]
        #expect(Known.redactor.field(Known.bytes("X-A"), value) == .init(octets: value, redactions: []))
    }
}
