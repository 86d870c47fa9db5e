import Testing

@testable import Redaction

/// The same secret members, in what is not written as its media type says, or by lesser-known rules.
@Suite struct RedactorSpellingTests {
    private static func redacted(_ text: String, _ type: String?) -> (text: String, redactions: [String]) {
        let redacted = Known.redactor.text(Known.bytes(text), type: type)
        return (String(decoding: redacted.octets, as: UTF8.self), redacted.redactions)
    }

    private static let form = "application/x-www-form-urlencoded"

    /// What curl's `-d` says of any body.
    @Test(
        arguments: [
            (#"{"email":"a","password":"x"}"#, #"{"email":"a","password":"‹redacted›"}"#, ["/password"]),
            (
                #"{"u":"a?b=c&d=e","password":"x=y&z"}"#, #"{"u":"a?b=c&d=e","password":"‹redacted›"}"#,
                ["/password"]
            ),
            (#" [{"otp":12}]"#, #" [{"otp":"‹redacted›"}]"#, ["/0/otp"]),
            (#"p={"password":"x","n":1}&b"#, #"p={"password":"‹redacted›","n":1}&b"#, ["p/password"]),
            (
                "p=%7B%22password%22%3A+%22x+y%22%7D&b=c", "p=%7B%22password%22%3A+%22‹redacted›%22%7D&b=c",
                ["p/password"]
            ),
            ("%7B%22password%22:%22x%3Dy%22%7D", "%7B%22password%22:%22‹redacted›%22%7D", ["/password"]),
            (
                #"%7B"user":"a=b","password":"x"}"#, #"%7B"user":"a=b","password":"‹redacted›"}"#,
                ["/password"]
            ),
            ("{'password':'x'}", "{'password':'‹redacted›'}", ["password"]),
            ("a=%7B%27password%27%3A+%27x%27%7D", "a=%7B%27password%27%3A+%27‹redacted›%27%7D", ["a/password"]),
        ] as [(String, String, [String])]
    )
    func jsonThatIsSaidToBeAFormGoes(_ text: String, _ expected: String, _ redactions: [String]) {
        let redacted = Self.redacted(text, Self.form)
        #expect(redacted.text == expected)
        #expect(Set(redacted.redactions) == Set(redactions))
    }

    @Test(arguments: [
        ("token[]=x&a[]=1", "token[]=‹redacted›&a[]=1"), ("password[0]=x", "password[0]=‹redacted›"),
        ("password%5B0%5D=x", "password%5B0%5D=‹redacted›"), ("a[otp][12][]=x", "a[otp][12][]=‹redacted›"),
        ("[0][cvv]=x", "[0][cvv]=‹redacted›"), ("user[pass_word]=x", "user[pass_word]=‹redacted›"),
        ("token[value]=x", "token[value]=‹redacted›"), ("user[name]=x&code[0]=1", "user[name]=x&code[0]=1"),
        ("[]=x&[=y&]=z&[0]=1", "[]=x&[=y&]=z&[0]=1"),
    ])
    func indexedNamesOfFormsGo(_ text: String, _ expected: String) {
        #expect(Self.redacted(text, Self.form).text == expected)
    }

    @Test func indexedNamesOfParametersGo() {
        let left = Known.redactor.target(Known.bytes("/?a=1&cvv[0]=2&cvv%5B%5D=3")).octets
        #expect(String(decoding: left, as: UTF8.self) == "/?a=1&cvv[0]=‹redacted›&cvv%5B%5D=‹redacted›")
    }

    /// No browser says so, but fetch() and nc do.
    @Test(
        arguments: [
            ("user=a&password=b+c\nd&x=1", "user=a&password=‹redacted›&x=1", ["password"]),
            ("user=a b\r\nline&pass%77ord=b&c\r\nx=1", "user=a b\r\nline&pass%77ord=‹redacted›\r\nx=1", ["password"]),
            ("token[]=x", "token[]=‹redacted›", ["token[]"]), ("password=1", "password=‹redacted›", ["password"]),
            ("a=1&b=2\npassword=x", "a=1&b=2\npassword=‹redacted›", ["password"]),
            ("a=1&&password=", "a=1&&password=‹redacted›", ["password"]),
            ("The password=1 of all", "The password=1 of all", []), ("=1&password=2", "=1&password=2", []),
            ("let token=1;\ntoken=2", "let token=1;\ntoken=2", []), ("password", "password", []),
        ] as [(String, String, [String])]
    )
    func formsThatAreNotSaidToBeOneGo(_ text: String, _ expected: String, _ redactions: [String]) {
        for type in [nil, "text/plain;charset=UTF-8", "application/json", "application/octet-stream"] {
            let redacted = Self.redacted(text, type)
            #expect(redacted.text == expected)
            #expect(redacted.redactions == redactions)
        }
    }

    @Test(arguments: [
        "name*=utf-8''password", "name*=UTF-8'en'pass%77ord", "name=a; name*=utf-8''password",
        "name*0=pass; name*1=\"word\"", "name*0*=utf-8''pass%77; name*1=ord", "\r\n name=\"password\"",
        "name=\"pass%77ord\"", "name=password[0]",
    ])
    func everySpellingOfAPartsNameGoes(_ name: String) {
        let head = "--b\r\nContent-Disposition: form-data; \(name)\r\nX: y\r\n\r\n"
        let redacted = Self.redacted(head + "x\r\n--b--\r\n", "multipart/form-data; boundary=b")
        #expect(redacted.text == head + "‹redacted›\r\n--b--\r\n")
    }

    @Test(
        arguments: [
            ("<a><password>x</password><b>y</b></a>", "<a><password>‹redacted›</password><b>y</b></a>", ["password"]),
            (
                "<s:Client-Secret xml:lang='en'\n><![CDATA[<x>]]>&amp;</s:Client-Secret>",
                "<s:Client-Secret xml:lang='en'\n>‹redacted›</s:Client-Secret>", ["Client-Secret"]
            ),
            ("<Token><a>x</a><b>y</b></Token >z", "<Token>‹redacted›</Token >z", ["Token"]),
            (
                "<u id='1' otp=\"12\" pwd = 'a>b'>t</u>", "<u id='1' otp=\"‹redacted›\" pwd = '‹redacted›'>t</u>",
                ["otp", "pwd"]
            ),
            ("<token/><password />x", "<token/><password />x", []),
            ("<password>x<b>y</b>", "<password>‹redacted›<b>y</b>", ["password"]),
            ("<password>x", "<password>‹redacted›", ["password"]),
            ("<tokens>x</tokens><p>password</p>", "<tokens>x</tokens><p>password</p>", []),
            ("if (a<token.length) b(c<token)", "if (a<token.length) b(c<token)", []),
            ("</password>x<", "</password>x<", []), ("<password", "<password", []),
        ] as [(String, String, [String])]
    )
    func elementsWithSecretNamesGo(_ text: String, _ expected: String, _ redactions: [String]) {
        for type in ["application/xml", "text/xml", nil] {
            let redacted = Self.redacted(text, type)
            #expect(redacted.text == expected)
            #expect(redacted.redactions == redactions)
        }
    }

    @Test(arguments: [
        ("{'user':'a','password':'x y'}", "{'user':'a','password':'‹redacted›'}"),
        (#"it's {'password' : "it's", 'n': 1}"#, #"it's {'password' : "‹redacted›", 'n': 1}"#),
        (#"{"password":'x y'}"#, #"{"password":'‹redacted›'}"#),
        (#"{'otp':12,'pwd':'a\'b'}"#, #"{'otp':‹redacted›,'pwd':'‹redacted›'}"#),
        (#"{"log":"{'password':'x'}"}"#, #"{"log":"{'password':'‹redacted›'}"}"#),
        (#"{"a":"don't","b":"say 'token': it's"}"#, #"{"a":"don't","b":"say 'token': ‹redacted›"}"#),
    ])
    func membersInSingleQuotesGo(_ text: String, _ expected: String) {
        #expect(Self.redacted(text, "application/json").text == expected)
    }

    @Test func secretContainerInSingleQuotesGoes() {
        let left = Self.redacted("{'token':{'a':'x y','b':['z']},'c':'keep'}", nil).text
        for part in ["x", "y'", "z"] { #expect(!left.contains(part)) }
        #expect(left.hasSuffix("'c':'keep'}"))
    }

    @Test(arguments: [
        ("/a/token=SECRET/b?x=1", "/a/token=‹redacted›/b?x=1"),
        ("/a/user[password]=1?b", "/a/user[password]=‹redacted›?b"),
        ("/a/%74oken%3DSECRET", "/a/%74oken%3D‹redacted›"), ("/a/code=1/key=2", "/a/code=1/key=2"),
        ("/token=x", "/token=‹redacted›"), ("/a/token:x", "/a/token:x"),
    ])
    func exactNamesInPathsGo(_ target: String, _ expected: String) {
        let left = Known.redactor.target(Known.bytes(target)).octets
        #expect(String(decoding: left, as: UTF8.self) == expected)
    }

    static let growing: [(String, String?)] = [
        (#"{"u":"a?b=c&d=e","password":"x=y&z","n":[{"otp":12}]}"#, form),
        (#"p={"password":"x","n":1}&b=%7B%22password%22%3A+%22x+y%22%7D&{"pwd":"a=b"}&t[]=1"#, form),
        ("a[]=1&token[0]=y&b[otp][]=1", form),
        (#"{"password":'x y','a':1,"token":['b c',{"d":'e f'}]}"#, nil), (#"{"pwd":'x y"#, "application/json"),
        (#"%7B"user":"a=b","password":"x"}"#, form), ("a=%7B%27password%27%3A+%27x%27%7D", form),
        ("user=a&password=b+c\nd&x=1\notp=12", nil), ("user=a b\r\nline&pass%77ord=b&c\r\nx=1", "text/plain"),
        ("<a><s:password x='1' otp='2'>x<b>y</b></s:password><token>z<c/><pwd/>d</a>", "application/xml"),
        ("{'user':'a','password':'x y','token':{'a':'b c','d':[1,'e']},\"pwd\":'f g'} it's", nil),
        (
            "--b\r\nContent-Disposition: form-data;\r\n name*=utf-8''pwd\r\n\r\nx\r\n--b\r\n\r\n{'otp':'y'}\r\n--b--",
            "multipart/form-data; boundary=b"
        ),
    ]

    /// Each would take minutes if time grew with the square.
    @Test(arguments: [
        "'", "'token':", "{'", "<token>", "<token x", "<a token='", "</", "<", "token[0]=x&", "[", "]", "%7B",
        "{\"a\":&", "=[{\"", "a=b\n", "token=x\n", "name*0=x;", "&",
    ])
    func hostileTextTakesNoTime(_ unit: String) {
        let text = [UInt8](String(repeating: unit, count: 8192 / unit.utf8.count).utf8)
        let part = Known.bytes("--b\r\nContent-Disposition: form-data; ") + text + Known.bytes("\r\n\r\nx")
        let clock = ContinuousClock()
        for type in [nil, "application/json", Self.form, "multipart/form-data; boundary=b"] {
            for isComplete in [false, true] {
                let time = clock.measure {
                    _ = Known.redactor.text(text, type: type, isComplete: isComplete)
                    _ = Known.redactor.text(part, type: type, isComplete: isComplete)
                }
                #expect(time < .seconds(1), "\(unit) as \(type ?? "none")")
            }
        }
    }
}
