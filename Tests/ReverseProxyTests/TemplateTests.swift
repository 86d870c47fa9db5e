import Credentials
import HTTP1
import Support
import Testing
import TokenSources
import Upstream

@testable import ReverseProxy

/// What a recipe's texts become with tokens in them: values, whatever they hold.
@Suite struct TemplateTests {
    /// All that a token may hold, each between two others, and all of them at once.
    private static let hostile =
        (0x21...0x7E as ClosedRange<UInt8>).map { "a\(Character(Unicode.Scalar($0)))b" }
        + [
            String(decoding: 0x21...0x7E as ClosedRange<UInt8>, as: UTF8.self), "\",\"admin\":true,\"x\":\"",
            "a&b=c%00",
        ]

    private func fill(_ text: String, _ context: Template.Context, _ value: String) -> String {
        Template(text).filled(as: context) { $0 == .token ? value : "refresh-" + value } ?? ""
    }

    @Test(arguments: hostile) func inJSON(_ value: String) {
        let text = fill(#"{"a": "{token}", "b": ["x {refresh-token}"]}"#, .json, value)
        #expect(
            JSONValue(parsing: Array(text.utf8))
                == .object([
                    .init("a", .string(value)), .init("b", .array([.string("x refresh-" + value)])),
                ])
        )
    }

    @Test(arguments: hostile) func inAForm(_ value: String) {
        let text = fill("grant_type=refresh&t={token}&r={refresh-token}", .form, value)
        let pairs = text.split(separator: "&", omittingEmptySubsequences: false).map { pair in
            pair.split(separator: "=", omittingEmptySubsequences: false).map { decoded(String($0)) }
        }
        #expect(pairs == [["grant_type", "refresh"], ["t", value], ["r", "refresh-" + value]])
    }

    @Test(arguments: hostile) func inAURL(_ value: String) {
        let text = fill("/renew/{token}?t={token}", .url, value)
        #expect(text.utf8.allSatisfy(Octet.isTarget))
        let parts = text.split(separator: "?", omittingEmptySubsequences: false)
        #expect(parts.count == 2)
        let segments = parts[0].split(separator: "/", omittingEmptySubsequences: false).map { decoded(String($0)) }
        #expect(segments == ["", "renew", value] && parts.last.map { decoded(String($0)) } == "t=" + value)
    }

    @Test(arguments: hostile) func inAField(_ value: String) {
        let text = fill("Token {token}", .field, value)
        #expect(text == "Token \(value)" && text.utf8.allSatisfy(Octet.isFieldContent))
    }

    private func decoded(_ text: String) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "%"),
                let code = UInt8(String(decoding: rest.prefix(2), as: UTF8.self), radix: 16)
            else {
                bytes.append(byte)
                continue
            }
            rest = rest.dropFirst(2)
            bytes.append(code)
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// What a token holds is not filled in again.
    @Test func onceOnly() {
        #expect(fill("{token}-{refresh-token}", .field, "{refresh-token}") == "{refresh-token}-refresh-{refresh-token}")
    }

    @Test func whatIsNotHeld() {
        let template = Template("{token} {refresh-token} {uuid}")
        #expect(template.placeholders == [.token, .refreshToken, .uuid])
        let token = Token("abc")
        #expect(template.filled(HeldTokens(accessToken: token), as: .field, uuid: { "u" }) == nil)
        #expect(
            template.filled(HeldTokens(accessToken: token, refreshToken: token), as: .field, uuid: { "u" })
                == "abc abc u"
        )
        #expect(Template("nothing").filled(HeldTokens(), as: .json, uuid: { "u" }) == "nothing")
    }

    @Test(
        arguments: [
            (#"{"a": "{token}"}"#, nil, .json), ("  [\"{token}\"]", nil, .json), ("t={token}", nil, .form),
            ("{token}", nil, .form), ("", nil, .form), ("t={token}", "application/json", .json),
            ("t={token}", "application/vnd.x+json; charset=utf-8", .json), ("{\"a\": 1}", "text/plain", .json),
            ("{\"a\": 1}", "application/x-www-form-urlencoded;charset=UTF-8", .form), ("<a/>", "text/xml", .form),
            ("t={token}", "Application/JSON ; charset=utf-8", .json),
        ] as [(String, String?, Template.BodyForm)]
    )
    func bodies(_ body: String, _ contentType: String?, _ form: Template.BodyForm) {
        #expect(Template.BodyForm(body: body, contentType: contentType) == form)
    }

    @Test(
        arguments: [
            (#"{"a": "{token}"}"#, nil), (#"{"a": {token}}"#, .token),
            (#"{"a\"": "\\", "b": {refresh-token}}"#, .refreshToken),
            (#"{"a": "\"{token}"}"#, nil), (#"{"{token}": "{refresh-token}"}"#, nil), (#"{"a": 1}"#, nil),
        ] as [(String, Template.Placeholder?)]
    )
    func quotes(_ text: String, _ unquoted: Template.Placeholder?) {
        #expect(Template(text).unquoted == unquoted)
    }

    @Test(
        arguments: [
            ("{token}", nil), ("{tokn}", "{tokn}"), ("{Token}", "{Token}"), ("{ token }", "{ token }"), ("{}", nil),
            ("{refresh_token}", "{refresh_token}"), (#"{"a": "{token}", "b": {"c": 1}}"#, nil), ("{1}", nil),
            (#"{"a": "{env.X}"}"#, "{env.X}"), ("{{tokn}}", "{tokn}"), ("{{token}}", nil), ("{token", nil), ("}{", nil),
            ("{$X}", "{$X}"), ("${X}", nil), ("${X} {Y}", "{Y}"), ("{\u{E9}}", nil),
            ("{refresh-token}", "{refresh-token}"), ("{uuid}", "{uuid}"),
        ] as [(String, String?)]
    )
    func unknownPlaceholders(_ text: String, _ unknown: String?) {
        #expect(Template.unknownPlaceholder(in: text, known: [.token]) == unknown)
    }

    @Test(arguments: [
        ("${A}", "${A}"), ("x${A:-b}y${C}", "${A:-b}"), ("$A", nil), ("$ {A}", nil), ("${A", nil), ("$$${A}", "${A}"),
    ])
    func theFirstVariableOfAnEnvironmentIsFound(_ text: String, _ variable: String?) {
        #expect(Template.variable(in: text) == variable)
    }

    @Test(.timeLimit(.minutes(1))) func longTexts() {
        for piece in ["{", "${", "{token", "{a ", "{token}", "\"{\\"] {
            let text = String(repeating: piece, count: 10_000)
            _ = Template.unknownPlaceholder(in: text, known: [.token])
            _ = Template.variable(in: text)
            _ = Template(text).unquoted
        }
    }

    // MARK: The whole request

    private func request(
        _ held: HeldTokens,
        _ change: (inout SessionConfiguration.Refresh) -> Void
    ) -> BlockingRequest? {
        var recipe = SessionConfiguration.Refresh(method: "POST", path: "/renew", token: "/token")
        change(&recipe)
        var configuration = ProxyConfiguration(
            upstream: Origin(isSecure: true, authority: Authority(host: "a.example", port: nil))
        )
        configuration.headers = [
            HeaderRule(name: "X-A", value: "1"), HeaderRule(name: "X-B", value: "b", secret: .plain("b")),
            HeaderRule(name: "X-Api-Key", value: "k"),
        ]
        configuration.session.refresh = recipe
        return SessionRequests(configuration).request(recipe, held)
    }

    private func field(_ request: BlockingRequest?, _ name: String) -> String? {
        request?.fields.first { $0.name.lowercased() == name.lowercased() }?.value
    }

    private let pair = HeldTokens(accessToken: Token("acc+1"), refreshToken: Token("ref+2"))

    @Test func aSeparateRefreshToken() {
        let json = request(pair) {
            ($0.refreshToken, $0.body) = ("/r", #"{"RefreshToken": "{refresh-token}"}"#)
        }
        #expect(json?.body.map { String(decoding: $0, as: UTF8.self) } == #"{"RefreshToken": "ref+2"}"#)
        #expect(field(json, "Content-Type") == "application/json" && field(json, "Authorization") == nil)
        #expect(field(json, "X-A") == "1")
        let form = request(pair) { ($0.refreshToken, $0.body) = ("/r", "refresh_token={refresh-token}") }
        #expect(form?.body.map { String(decoding: $0, as: UTF8.self) } == "refresh_token=ref%2B2")
        #expect(field(form, "Content-Type") == "application/x-www-form-urlencoded")
        let both = request(pair) {
            ($0.refreshToken, $0.path) = ("/r", "/renew?r={refresh-token}")
            $0.headers = [HeaderRule(name: "authorization", value: "Bearer {token}")]
        }
        #expect(both?.url == "https://a.example/renew?r=ref%2B2" && field(both, "Authorization") == "Bearer acc+1")
    }

    @Test func theTokenAlone() {
        let recipe = request(HeldTokens(accessToken: Token("acc"))) { _ in }
        #expect(field(recipe, "Authorization") == "Bearer acc" && recipe?.body == nil)
        let without = request(HeldTokens(accessToken: Token("acc"))) {
            $0.headers = [HeaderRule(name: "Authorization", value: ""), HeaderRule(name: "X-Token", value: "{token}")]
        }
        #expect(field(without, "Authorization") == nil && field(without, "X-Token") == "acc")
    }

    /// What is secret is the upstream's alone, unless the recipe names it.
    @Test func secretHeadersStayAtTheUpstream() {
        let held = HeldTokens(accessToken: Token("acc"))
        func sent(_ host: String?, _ headers: [HeaderRule] = []) -> [String?] {
            let request = request(held) {
                $0.origin = host.map { Origin(isSecure: true, authority: Authority(host: $0, port: nil)) }
                $0.headers = headers
            }
            return ["X-A", "X-B", "X-Api-Key", "Authorization"].map { field(request, $0) }
        }
        #expect(sent(nil) == ["1", "b", "k", "Bearer acc"] && sent("A.example") == sent(nil))
        #expect(sent("b.example") == ["1", nil, nil, "Bearer acc"])
        #expect(sent("b.example", [HeaderRule(name: "x-b", value: "theirs")]) == ["1", "theirs", nil, "Bearer acc"])
    }

    @Test func aTokenThatIsNotHeldIsNotLeftOut() {
        #expect(request(HeldTokens(accessToken: Token("acc"))) { $0.body = "r={refresh-token}" } == nil)
        #expect(request(HeldTokens(refreshToken: Token("ref"))) { $0.path = "/renew?t={token}" } == nil)
        let header = request(HeldTokens(refreshToken: Token("ref"))) {
            $0.headers = [HeaderRule(name: "X-Old", value: "Bearer {token}")]
        }
        #expect(header != nil && field(header, "X-Old") == nil)
    }
}
