import Testing

@testable import Redaction

@Suite struct RedactorBodyTests {
    private static func redacted(_ text: String, _ type: String?) -> (text: String, redactions: [String]) {
        let redacted = Known.redactor.text(Known.bytes(text), type: type)
        return (String(decoding: redacted.octets, as: UTF8.self), redacted.redactions)
    }

    @Test(
        arguments: [
            (#"{"code":200,"data":{"id":1}}"#, #"{"code":200,"data":{"id":1}}"#, []),
            (
                #"{ "user" : "a", "Pass-Word":"b\"c" ,"n":9007199254740993 }"#,
                #"{ "user" : "a", "Pass-Word":"‹redacted›" ,"n":9007199254740993 }"#, ["/Pass-Word"]
            ),
            (
                #"{"data":{"token":{"value":"abc","ttl":3600,"ok":true,"none":null,"l":["x",[1]]}}}"#,
                #"{"data":{"token":{"value":"‹redacted›","ttl":"‹redacted›","ok":true,"none":null,"l":["‹redacted›",["‹redacted›"]]}}}"#,
                ["/data/token"]
            ),
            (
                #"[{"otp":1},{"otp":-1.5e3},{"otp":true}]"#,
                #"[{"otp":"‹redacted›"},{"otp":"‹redacted›"},{"otp":true}]"#, ["/0/otp", "/1/otp"]
            ),
            (
                #"{"a":1,"a":2,"token":"x","token":"y"}"#, #"{"a":1,"a":2,"token":"‹redacted›","token":"‹redacted›"}"#,
                ["/token"]
            ),
            (
                #"{"passw\u006frd":"x","a/b~":{"my_secret":""}}"#,
                #"{"passw\u006frd":"‹redacted›","a/b~":{"my_secret":"‹redacted›"}}"#,
                ["/password", "/a~1b~0/my_secret"]
            ),
            (
                #"{"secretary":"a","tokens":"b","tokenize":1,"passwords":"x","keys":1,"auth":"y"}"#,
                #"{"secretary":"a","tokens":"b","tokenize":1,"passwords":"x","keys":1,"auth":"y"}"#, []
            ),
            (
                #"{"token":"\#(Known.token)","b":\#(Known.json("x \(Known.opaque) y"))}"#,
                #"{"token":"‹token, generation 7›","b":"x ‹token, generation 6› y"}"#, ["/token", "value"]
            ),
            (
                #"{"body":"{\"password\":\"x\",\"n\":12,\"otp\":34}"}"#,
                #"{"body":"{\"password\":\"‹redacted›\",\"n\":12,\"otp\":‹redacted›}"}"#,
                ["/body/password", "/body/otp"]
            ),
            (#"{"q":"say \"token\":","b":"keep"}"#, #"{"q":"say \"token\":","b":"keep"}"#, []),
            ("{\"token\":1}\n{\"token\":2}\n", "{\"token\":\"‹redacted›\"}\n{\"token\":\"‹redacted›\"}\n", ["/token"]),
            (
                #"{"a":{"token":"x"},"\#(Known.configured)":{"pwd":1}}"#,
                #"{"a":{"token":"‹redacted›"},"‹redacted›":{"pwd":"‹redacted›"}}"#,
                ["/a/token", "value", "/‹redacted›/pwd"]
            ),
            ("  ", "  ", []), ("", "", []), (#""just text""#, #""just text""#, []), ("12", "12", []),
        ] as [(String, String, [String])]
    )
    func membersWithSecretNamesGo(_ text: String, _ expected: String, _ redactions: [String]) {
        let redacted = Self.redacted(text, "application/json")
        #expect(redacted.text == expected)
        #expect(redacted.redactions == redactions)
    }

    /// What is no JSON.
    @Test(arguments: [
        (#"{"a": oops "b", "password" : "x", "c":1}"#, #"{"a": oops "b", "password" : "‹redacted›", "c":1}"#),
        (
            #"{"note":"it's broken, "password":"hunter2","x":1}"#,
            #"{"note":"it's broken, "password":"‹redacted›","x":1}"#
        ),
        (#"{"password":"unterminated"#, #"{"password":"‹redacted›"#),
        (#"{"password":12"#, #"{"password":"‹redacted›""#),
        (
            #"{"password":{"a":"x" oops "b":"y","c":1}} tail"#,
            #"{"password":{"a":"‹redacted›" "‹redacted›" "b":"‹redacted›","c":"‹redacted›"}} tail"#
        ),
        (#"{a:1,"token":"x"}"#, #"{a:1,"token":"‹redacted›"}"#),
        (#"var s = {"token":["x","y"]};"#, #"var s = {"token":["‹redacted›","‹redacted›"]};"#),
        (#"{"token":"x"]"#, #"{"token":"‹redacted›"]"#), (#"{"a":1]{"token":"x"}"#, #"{"a":1]{"token":"‹redacted›"}"#),
        (#"<script>x={"apiKey": "k"}</script>"#, #"<script>x={"apiKey": "‹redacted›"}</script>"#),
        ("a password=1", "a password=1"), (#""token""#, #""token""#), (#"{"token""#, #"{"token""#),
        (#"{"token":"#, #"{"token":"#),
    ])
    func membersAreFoundInWhatIsBroken(_ text: String, _ expected: String) {
        #expect(Self.redacted(text, "application/json").text == expected)
        #expect(Self.redacted(text, nil).text == expected)
    }

    @Test(
        arguments: [
            ("user=a&password=b+c&x=1", "user=a&password=‹redacted›&x=1", ["password"]),
            (
                "pass%77ord=b&client_secret=", "pass%77ord=‹redacted›&client_secret=‹redacted›",
                ["password", "client_secret"]
            ),
            ("token&code=1&grant_type=password", "token&code=1&grant_type=password", []),
            ("d=%7B%22pwd%22%3A%22x%22%7D&b=1", "d=%7B%22pwd%22%3A%22‹redacted›%22%7D&b=1", ["d/pwd"]),
            ("a=\(Known.percent(Known.opaque))&b", "a=‹token, generation 6›&b", ["value"]), ("&&=&", "&&=&", []),
        ] as [(String, String, [String])]
    )
    func formsGo(_ text: String, _ expected: String, _ redactions: [String]) {
        let redacted = Self.redacted(text, "Application/X-WWW-Form-Urlencoded; charset=utf-8")
        #expect(redacted.text == expected)
        #expect(redacted.redactions == redactions)
    }

    @Test(arguments: ["\r\n", "\n"])
    func multipartGoes(_ end: String) {
        let type = "multipart/form-data; boundary=\"a b\""
        let text = [
            "preamble", "--a b", "Content-Disposition: form-data; name=\"user\"", "", "me", "--a b",
            "content-disposition:form-data;filename=x; name=Pass_word", "Content-Type: text/plain", "", "line 1",
            "line 2",
            "--a b", "Content-Disposition: form-data; name=otp", "", "", "--a b",
            "Content-Disposition: form-data; name=\"data\"", "", #"{"token":"x"}"#, "--a b--", "",
        ].joined(separator: end)
        let redacted = Self.redacted(text, type)
        let expected = text.replacing("line 1\(end)line 2", "‹redacted›").replacing(#""x""#, "\"‹redacted›\"")
            .replacing("name=otp\(end)\(end)\(end)", "name=otp\(end)\(end)‹redacted›\(end)")
        #expect(redacted.text == expected)
        #expect(redacted.redactions == ["Pass_word", "otp", "token"])
    }

    @Test func multipartThatIsCutOffKeepsNothing() {
        let head = "--b\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\n"
        let type = "multipart/form-data; boundary=b"
        #expect(Self.redacted(head + "abc", type).text == head + "‹redacted›")
        let growing = Known.redactor.text(Known.bytes(head + "abc"), type: type, isComplete: false)
        #expect(String(decoding: growing.octets, as: UTF8.self) == head)
    }

    @Test func eventStreamsGo() {
        let text =
            "id: 1\ndata: {\"token\":\"x\",\"n\":1}\n\ndata: {\"pwd\":\ndata: \"y\"}\r\n\r\n: \(Known.configured)\n"
        let expected =
            "id: 1\ndata: {\"token\":\"‹redacted›\",\"n\":1}\n\ndata: {\"pwd\":\ndata: \"y\"}\r\n\r\n: ‹redacted›\n"
        #expect(Self.redacted(text, "text/event-stream").text == expected)
    }

    @Test func listOfNamesIsBounded() {
        let deep = String(repeating: "{\"\(String(repeating: "n", count: 50))\":", count: 500)
        let text = "[" + (0..<3000).map { "{\"token\":\($0)}" }.joined(separator: ",") + "," + deep + "{\"pwd\":1}"
        let redacted = Self.redacted(text, "application/json")
        #expect(redacted.redactions.count == Findings.maxNames)
        #expect(redacted.redactions.allSatisfy { $0.utf8.count < 3 * Findings.maxName })
        #expect(!redacted.text.contains("{\"token\":2999}") && redacted.text.hasSuffix("{\"pwd\":\"‹redacted›\"}"))
    }

    // MARK: Growing

    static let growing: [(String, String?)] = [
        (
            #"{"a":"x","password":"hunter2","b":[1,2,{"otp":1234567}],"c":"{\"token\":\"y\"}","t":"\#(Known.token)"}"#,
            "application/json"
        ),
        (#"{"note":"it's broken, "password":"hunter2" , "otp": 123 ,"x":{"secret":["a",1,"b":2]}"#, "application/json"),
        (#"{"secret":{"a":"x" oops "b":"y","c":[1]}},"pwd":"#, "application/json"),
        (
            "a \(Known.token) b \(Known.percentAll(Known.token)) c \(Known.escapedAll(Known.opaque)) d \(Known.opaque)",
            nil
        ),
        ("x \(Known.base64("us\(Known.refresh)")) y \(Known.percent(Known.percent(Known.opaque))) z", "text/plain"),
        ("eyJhbGciOiJub25lIn0.eyJhIjoxfQ. eyJa.b then e ey eyJ and %65yJh.a.b", nil),
        (
            "user=a&pass%77ord=b+c&d=%7B%22pwd%22%3A%22x%22%7D&t=\(Known.percent(Known.opaque))",
            "application/x-www-form-urlencoded"
        ),
        (
            "--b\r\nContent-Disposition: form-data; name=\"secret\"\r\n\r\nabc\r\n--b\r\nContent-Disposition: form-data; name=x\r\n\r\n\(Known.configured)\r\n--b--\r\n",
            "multipart/form-data; boundary=b"
        ),
        ("data: {\"token\":\"x\"}\n\ndata: {\"pwd\": 12\n\n: \(Known.refresh)", "text/event-stream"),
        ("\u{1F600} \\ud83d\\ude00 \\ud83d x \\u00e4%C3%A4 é", nil),
    ]

    /// Whatever has come of a body: what is shown of it stays.
    @Test(arguments: growing + RedactorSpellingTests.growing)
    func everyBeginningIsTheBeginningOfAll(_ text: String, _ type: String?) {
        let octets = Known.bytes(text)
        let whole = Known.redactor.text(octets, type: type).octets
        for length in 0...octets.count {
            let part = Known.redactor.text(Array(octets[..<length]), type: type, isComplete: false).octets
            #expect(whole.starts(with: part), "\(length): \(String(decoding: part, as: UTF8.self))")
        }
    }

    /// A body that is larger than what is kept.
    @Test func secretAcrossTheEndLeavesNothing() {
        for secret in [Known.token, Known.opaque, Known.configured, Known.base64("a" + Known.configured)] {
            for seen in 1..<secret.utf8.count {
                let text = "some text: " + secret + " and more"
                let seen = Array(Known.bytes(text).prefix("some text: ".utf8.count + seen))
                let kept = Known.redactor.text(seen, type: "text/plain", isComplete: false).octets
                #expect(Known.redactor.text(Known.bytes(text), type: nil).octets.starts(with: kept))
                #expect(kept.count <= "some text: YW‹token, generation 7›E".utf8.count)
            }
        }
    }

    /// Each would take minutes if time grew with the square.
    @Test(arguments: [
        "\"", "\"token\":", "{", "[", "{\"token\":", "\\", "\\\"", "%25", "%", "%2525252541", "eyJ", "eyJa.b.c ", ".",
        "\"\\\"", "{\"a\":\"{\\\"b\\\":", "\"{\\n\",", "[\"{\\\\n\",", "e", "token=1&", "?token=", "bearer ", "//a:b@",
        "--b\r\n", "a", "aaaaaaab", "\0", "\u{FEFF}{",
    ])
    func hostileTextTakesNoTime(_ unit: String) {
        let text = [UInt8](String(repeating: unit, count: 8192 / unit.utf8.count).utf8)
        let repeating = Redactor(
            tokens: (1...8).map {
                .init(generation: $0, value: [UInt8](repeating: 0x61, count: 500 * Int($0)) + [0x62])
            },
            secrets: [Known.bytes("aaaaaaaa"), Known.bytes(Known.token)],
            isSecretField: { _ in true }
        )
        let clock = ContinuousClock()
        for type in [
            "application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=b",
        ] {
            let time = clock.measure { _ = repeating.text(text, type: type, isComplete: false) }
            #expect(time < .seconds(1), "\(unit) as \(type)")
        }
        let time = clock.measure {
            _ = repeating.target(text)
            _ = repeating.field(Known.bytes("Cookie"), text)
        }
        #expect(time < .seconds(2), "\(unit)")
    }
}

extension String {
    fileprivate func replacing(_ part: String, _ other: String) -> String {
        var result = ""
        var rest = self[...]
        while !rest.isEmpty {
            if rest.hasPrefix(part) {
                result += other
                rest = rest.dropFirst(part.count)
            } else {
                result.append(rest.removeFirst())
            }
        }
        return result
    }

    // MARK: Configured places

    private static let placing = Redactor(
        tokens: [],
        secrets: [],
        places: SecretPlaces(pointers: ["/session/jwt2", "/r~1n", "/list/1", "/result"], parameters: ["renew"]),
        isSecretField: { _ in false }
    )

    @Test(
        arguments: [
            (#"{"session":{"jwt2":"T1","name":"ann"}}"#, #"{"session":{"jwt2":"‹redacted›","name":"ann"}}"#),
            (#"{"session":{"\u006awt2":"T1"}}"#, #"{"session":{"\u006awt2":"‹redacted›"}}"#),
            (#"{"r/n":"T1","x":{"r/n":"T2"}}"#, #"{"r/n":"‹redacted›","x":{"r/n":"T2"}}"#),
            (#"{"list":["a","T1","b"]}"#, #"{"list":["a","‹redacted›","b"]}"#),
            (#"{"jwt2":"a","session":{"x":{"jwt2":"b"}}}"#, #"{"jwt2":"a","session":{"x":{"jwt2":"b"}}}"#),
            (#"{"result":{"id":"a"}}"#, #"{"result":{"id":"a"}}"#), (#"{"result":12}"#, #"{"result":"‹redacted›"}"#),
            (#"{"result":null}"#, #"{"result":null}"#),
        ]
    )
    func tokensAreFoundWhereTheConfigurationHasThem(_ text: String, _ shown: String) {
        let redacted = Self.placing.text(Known.bytes(text), type: "application/json")
        #expect(String(decoding: redacted.octets, as: UTF8.self) == shown)
        for cut in 0..<text.utf8.count {
            let part = Self.placing.text(Array(text.utf8.prefix(cut)), type: "application/json", isComplete: false)
            #expect(Known.bytes(shown).starts(with: part.octets))
        }
    }

    @Test func parametersAreFoundByTheConfiguredName() {
        let form = Self.placing.text(Known.bytes("a=1&renew=T1&b=2"), type: "application/x-www-form-urlencoded")
        #expect(String(decoding: form.octets, as: UTF8.self) == "a=1&renew=‹redacted›&b=2")
        let target = Self.placing.target(Known.bytes("/renew?a=1&renew=T1"))
        #expect(String(decoding: target.octets, as: UTF8.self) == "/renew?a=1&renew=‹redacted›")
    }

    @Test(arguments: ["pass", "passphrase", "PIN", "jwt", "pass_code"])
    func shortNamesOfSecretsCount(_ name: String) {
        let text = #"{"\#(name)":"hunter2","compass":"N"}"#
        let redacted = Known.redactor.text(Known.bytes(text), type: "application/json")
        #expect(String(decoding: redacted.octets, as: UTF8.self) == #"{"\#(name)":"‹redacted›","compass":"N"}"#)
    }
}
