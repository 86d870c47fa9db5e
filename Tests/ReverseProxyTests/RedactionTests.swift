import EventIO
import Support
import Testing

@testable import ReverseProxy

@Suite struct RedactionTests {
    @Test(
        arguments: [
            ("/a", "/a"), ("/a?b=1&c", "/a?b=1&c"), ("/a?", "/a?"), ("/a?&&b=&", "/a?&&b=&"), ("*", "*"), ("", ""),
            ("/a?token", "/a?token"), ("/token=1/b?c=2", "/token=1/b?c=2"),
            ("/a?fields=token,name", "/a?fields=token,name"),
            ("/a?x=eyJhbGciOiJIUzI1", "/a?x=eyJhbGciOiJIUzI1"), ("/v1.2.3/file.tar.gz", "/v1.2.3/file.tar.gz"),
            ("/a;x=1/b%20c?d=%2F", "/a;x=1/b%20c?d=%2F"),
            ("/www.example-host.long-domain.test/a", "/www.example-host.long-domain.test/a"),
            ("/a?at=12:30&u=http://x/y", "/a?at=12:30&u=http://x/y"), ("/a%zz%", "/a%zz%"),
            ("/basic/bearer", "/basic/bearer"),
        ]
    )
    func harmlessTargetsAreShownAsTheyAre(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    @Test(
        arguments: [
            ("/a?token=x&b=1&API_KEY=y&c", "/a?token=…&b=1&API_KEY=…&c"), ("/a?b=1&xsigx=", "/a?b=1&xsigx="),
            ("/a?b=c?key=d&e", "/a?b=c?key=…&e"), ("/a?b?key=c=d&e", "/a?b?key=…&e"), ("/a?b=key=c", "/a?b=key=…"),
            ("/a?x=1;token=y;z", "/a?x=1;token=…"), ("/a;token=y/b", "/a;token=…/b"),
            ("/a?t%6Fken=y&b", "/a?t%6Fken=…&b"),
            ("/a?%74%256Fken%3Dy&b", "/a?%74%256Fken%3D…&b"), ("/a?p%61ssword=a%26b&c", "/a?p%61ssword=…&c"),
            ("/r?next=%2Fx%3Ftoken%3Dy%26z%3D1&b", "/r?next=%2Fx%3Ftoken%3D…&b"), ("/a#token=y", "/a#token=…"),
            ("/a?user[token]=y", "/a?user[token]=…"),
            ("/a?q=%7B%22token%22%3A%22y%22%7D&b", "/a?q=%7B%22token%22%3A…&b"),
        ]
    )
    func valuesOfSecretNamesAreLeftOut(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    @Test(
        arguments: [
            ("/a?x=eyJhbGciOiJIUzI1NiJ9.abc.def", "/a?x=…"), ("/eyJhbGciOiJIUzI1NiJ9.abc.def/b", "/…/b"),
            ("/xeyJhbGciOiJIUzI1NiJ9.abc.def", "/x…"),
            ("/a?h=Bearer%20eyJhbGciOiJIUzI1NiJ9.abc.def&b", "/a?h=Bearer%20…&b"),
            ("/a?h=Bearer%20opaque&b", "/a?h=Bearer%20…&b"), ("/Bearer+a/b?c", "/Bearer+…?c"),
            ("/a?h=basic%2520dTpw&b", "/a?h=basic%2520…&b"), ("/a?h=bEARER%09x", "/a?h=bEARER%09…"),
            ("/a?x=eyJhbGciOiJIUzI1NiJ9%2Eabc%2Edef%2Eghi", "/a?x=…"), ("/%65yJhbGciOiJIUzI1NiJ9.abc.def", "/…"),
            ("/0123456789abcdef.0123456789abcdef.0123456789abcdef", "/…"),
        ]
    )
    func tokensAreLeftOutWhereverTheyStand(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    @Test(
        arguments: [
            ("/r?u=http://user:pass@host/p", "/r?u=http://…@host/p"), ("http://u:p@host/@x", "http://…@host/@x"),
            ("u:p@host:443", "…@host:443"), ("u@p@host", "…@host"), ("/@scope/p@1.2", "/@scope/p@1.2"),
            ("/r?u=http%3A%2F%2Fuser%3Apass%40host%2Fp", "/r?u=http%3A%2F%2F…%40host%2Fp"), ("/a?to=x@y", "/a?to=x@y"),
        ]
    )
    func userAndPasswordBeforeAHostAreLeftOut(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    @Test(arguments: [
        ("/\u{202E}gpj", "/\\u{202e}gpj"), ("/\u{2028}x", "/\\u{2028}x"),
        ("/a\u{1B}[31m", "/a\\x1b[31m"), ("/a\u{9B}31m", "/a\\x9b31m"), ("/\u{7F}\n", "/\\x7f\\xa"),
        ("/é\u{A0}🙂", "/é\u{A0}🙂"),
    ])
    func controlCharactersAreEscaped(_ target: String, _ shown: String) {
        #expect(redacted(target) == shown)
    }

    /// 512 characters, of what is shown.
    @Test func longOnesAreCut() {
        let path = "/" + String(repeating: "a", count: 511)
        #expect(redacted(path) == path)
        #expect(redacted(path + "b") == path + "…")
        #expect(redacted(path + "?token=x") == path + "…")
        let query = "/?token=" + String(repeating: "a", count: 600) + "&b="
        #expect(redacted(query + "\u{7}") == "/?token=…&b=\\x7")
        #expect(redacted(query + path) == "/?token=…&b=" + path.prefix(500) + "…")
        let accents = String(repeating: "é", count: 512)
        #expect(redacted(accents) == accents)
        #expect(redacted(accents + "\n") == accents + "…")
    }

    @Test func whatIsEncodedTooOftenIsNotShown() {
        let nested = "/a?b=%" + String(repeating: "25", count: 20) + "41"
        #expect(redacted(nested) == "/a?b=…")
    }

    @Test func knownSecretsAreFoundByValueAlone() {
        let secrets = KnownSecrets([Array("opaque/secret&x=1".utf8), Array("short".utf8)])
            .remembering(Array("first-token".utf8)).remembering(Array("second-token".utf8))
        for (target, shown) in [
            ("/a/first-token/b", "/a/…/b"), ("/second-token", "/…"), ("/x?y=opaque/secret&x=1&z", "/x?y=…&z"),
            ("/a?b=opaque%2Fsecret%26x%3D1", "/a?b=…"), ("/a?b=opaque%252fsecret%2526x%253d1", "/a?b=…"),
            ("/short", "/short"),
            ("/%66irst-toke%6E", "/…"), ("/first-token-first-token", "/…-…"),
        ] {
            #expect(redacted(target, secrets) == shown)
        }
    }

    /// In base64 a secret has three spellings, by where it begins, in each alphabet.
    @Test(arguments: [0, 1, 2, 3, 4, 5]) func encodedSecretsAreFoundWhereverTheyBegin(_ before: Int) {
        let secret = Array("opaque?>secret~of~mine".utf8)
        let secrets = KnownSecrets.none.remembering(secret)
        let around = { [UInt8](repeating: UInt8(ascii: "u"), count: $0) }
        for after in 0...3 {
            let text = Base64URL.encode(around(before) + secret + around(after))
            let plain = text.replacing("-", with: "+").replacing("_", with: "/")
            for encoded in [text, plain, plain.replacing("+", with: "%2B").replacing("/", with: "%2F")] {
                let shown = redacted("/a?x=" + encoded, secrets)
                #expect(shown.contains("…") && shown.utf8.count < 5 + 10 + text.utf8.count / 2)
                #expect(!shown.contains(encoded.dropFirst(2 * before + 4).prefix(12)))
            }
        }
        #expect(redacted("/a?x=" + Base64URL.encode(around(60)), secrets).hasPrefix("/a?x=dXV1"))
    }

    /// A key that a reload replaced may still work.
    @Test func secretsOfFormerConfigurationsAreRemembered() {
        let keys = (0..<20).map { "configured-key-\($0)" }
        let token = KnownSecrets.none.remembering(Array("the-token".utf8))
        let secrets = keys.reduce(token) { $0.replacingConfigured([Array($1.utf8)]) }
        for (index, key) in keys.enumerated() where index != 1 {
            #expect(redacted("/" + key, secrets) == (index < 3 ? "/" + key : "/…"), "\(index)")
        }
        #expect(redacted("/the-token", secrets.replacingConfigured([])) == "/…")
    }

    @Test func sixteenTokensAreRemembered() {
        let tokens = (0..<20).map { "token-number-\($0)" }
        let secrets = tokens.reduce(KnownSecrets.none) { $0.remembering(Array($1.utf8)) }
        for (index, token) in tokens.enumerated() where index != 1 {
            #expect(redacted("/" + token, secrets) == (index < 4 ? "/" + token : "/…"))
        }
    }

    // MARK: Properties

    private func encoded(_ text: String, _ random: inout SystemRandomNumberGenerator, share: Int) -> String {
        text.utf8.map { byte in
            let isReserved =
                !(0x30...0x39).contains(byte) && !(0x41...0x5A).contains(byte & 0xDF) && byte != 0x2E && byte != 0x2D
            guard isReserved || Int.random(in: 0..<share, using: &random) == 0 else {
                return String(UnicodeScalar(byte))
            }
            let digits = String(byte, radix: 16)
            return "%" + (digits.count == 1 ? "0" : "") + (Bool.random(using: &random) ? digits.uppercased() : digits)
        }.joined()
    }

    private func decoded(_ text: String) -> String {
        String(decoding: PathReadings.decoded(Array(text.utf8)) ?? Array(text.utf8), as: UTF8.self)
    }

    /// A secret, in any of the places where it is recognised, never comes out: not a part of it either.
    @Test(arguments: 0..<8) func noSpellingShowsASecret(_ round: Int) {
        var random = SystemRandomNumberGenerator()
        let characters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        func word(_ length: Int) -> String {
            String((0..<length).map { _ in characters.randomElement(using: &random)! })
        }
        for _ in 0..<100 {
            let opaque = word(24)
            let jwt = "eyJ" + word(20) + "." + word(30) + "." + word(27)
            let known = "\(word(8))/\(word(8))+\(word(8))=="
            let secrets = KnownSecrets.none.remembering(Array(known.utf8))
            let names = ["token", "access_token", "API-KEY", "Password", "code", "x-signature", "client.secret"]
            let name = names.randomElement(using: &random)!
            var parameter = [
                "\(name)=\(opaque)", "x=\(jwt)", "h=Bearer \(opaque)", "y=\(known)", "z=a\(jwt)",
                "q={\"\(name)\":\"\(opaque)\"}",
                "n=/in?\(name)=\(opaque)", "Authorization: Basic \(opaque)",
            ].randomElement(using: &random)!
            for _ in 0..<Int.random(in: 0...3, using: &random) {
                parameter = encoded(parameter, &random, share: 6)
            }
            let separator = ["&", ";", "?"].randomElement(using: &random)!
            let target = [
                "/a?\(encoded(parameter, &random, share: 9))&b=1", "/a?b=1\(separator)\(parameter)",
                "/a;\(parameter)/b?c=2",
                "/a/\(jwt)/b?c=1", "/\(encoded(jwt, &random, share: 3))", "/\(encoded(known, &random, share: 3))/x",
                "/p/\(jwt)",
            ].randomElement(using: &random)!
            var shown = redacted(target, secrets)
            let parts = [opaque, jwt, known].reduce(into: Set<Substring>()) { $0.formUnion(windows($1)) }
            for _ in 0..<6 {
                #expect(parts.isDisjoint(with: windows(shown)), "\(target) is shown as \(redacted(target, secrets))")
                shown = decoded(shown)
            }
        }
    }

    /// Every seven characters in a row.
    private func windows(_ text: String) -> [Substring] {
        var result: [Substring] = []
        var rest = text[...]
        while rest.count >= 7 {
            result.append(rest.prefix(7))
            rest = rest.dropFirst()
        }
        return result
    }

    private func redacted(_ target: String, _ secrets: KnownSecrets = .none) -> String {
        let scratch = ByteBuffer(capacity: 64)
        return Array(target.utf8).withUnsafeBufferPointer {
            String(decoding: Redaction.shown($0, secrets: secrets, scratch: scratch), as: UTF8.self)
        }
    }
}
