import Platform
import Testing

@testable import TokenSources

@Suite
struct AuthorizationCodeLoginTests {
    private let proof = try! ProofKey(verifier: "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk")
    private let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"

    private func url(
        _ endpoint: String,
        scope: String? = nil,
        _ more: [OAuthConfiguration.Parameter] = []
    ) throws -> String {
        let request = AuthorizationCodeLogin.Request(
            endpoint: try EndpointURL(endpoint),
            clientID: "my tool",
            scope: scope,
            parameters: more
        )
        return AuthorizationCodeLogin.url(request, redirectURI: "http://127.0.0.1:1/cb", state: "s", proof: proof)
    }

    @Test
    func requestSaysWhatTheRFCsWant() throws {
        #expect(
            try url("https://a.example/authorize")
                == "https://a.example/authorize?response_type=code&client_id=my%20tool"
                + "&redirect_uri=http%3A%2F%2F127.0.0.1%3A1%2Fcb&state=s&code_challenge=\(challenge)"
                + "&code_challenge_method=S256"
        )
    }

    @Test
    func scopeAndParametersAreSentAsTheyAreWritten() throws {
        let text = try url("https://a.example/a", scope: "read,write+x", [.init("audience", "https://b.example/?a&b")])
        #expect(text.contains("&scope=read%2Cwrite%2Bx&"))
        #expect(text.hasSuffix("&audience=https%3A%2F%2Fb.example%2F%3Fa%26b"))
    }

    @Test(arguments: [
        ("https://a.example/a?tenant=1", "https://a.example/a?tenant=1&response_type="),
        ("https://a.example/a?", "https://a.example/a?response_type="),
        ("https://a.example", "https://a.example?response_type="),
    ])
    func queryOfTheEndpointStays(_ endpoint: String, _ start: String) throws {
        #expect(try url(endpoint).hasPrefix(start))
    }

    /// Both ends of a pipe.
    private final class Pipe {
        let readEnd: Int32
        let writeEnd: Int32

        init() {
            var ends: [Int32] = [-1, -1]
            _ = pipe(&ends)
            (readEnd, writeEnd) = (ends[0], ends[1])
        }

        deinit {
            close(readEnd)
            close(writeEnd)
        }

        func write(_ text: String) {
            _ = SystemCall.writeAll(writeEnd, text.utf8)
        }
    }

    private func pasted(_ redirect: String) throws -> AuthorizationCodeLogin {
        try AuthorizationCodeLogin(
            .init(endpoint: try EndpointURL("https://a.example/a"), clientID: "c", redirect: RedirectAddress(redirect)),
            proof: proof,
            state: "secret-state",
            admits: { _ in true }
        )
    }

    @Test
    func pastedAddressIsTheAnswer() throws {
        let login = try pasted("https://tool.example.com/done")
        defer { login.stop() }
        let pipe = Pipe()
        pipe.write("\nnothing\nhttps://tool.example.com/done?code=x&state=wrong\n?code=c&state=secret-state\n")
        var refusals: [RedirectRefusal] = []
        let ending = login.wait(limit: .seconds(20), input: pipe.readEnd) { refusals.append($0) }
        guard case .answer(.code("c")) = ending else {
            Issue.record("\(ending)")
            return
        }
        #expect(refusals == [.malformed, .state])
        #expect(login.redirectURI == "https://tool.example.com/done")
        let names = login.redemption(of: "c").map(\.name)
        #expect(names == ["code", "redirect_uri", "code_verifier"])
    }

    @Test
    func whatTheServerSaysIsShownWithoutSecrets() throws {
        let login = try pasted("urn:ietf:wg:oauth:2.0:oob")
        defer { login.stop() }
        let pipe = Pipe()
        pipe.write("?error=access_denied&error_description=no%1b%5b31m+secret-state&state=secret-state\n")
        guard
            case .answer(.error("access_denied", let text?)) = login.wait(limit: .seconds(20), input: pipe.readEnd)
        else {
            Issue.record("no error")
            return
        }
        #expect(!text.contains("secret-state"))
        #expect(!text.contains("\u{1B}"))
    }

    @Test
    func nobodyWaitsForWhatCannotCome() throws {
        let login = try pasted("https://tool.example.com/done")
        guard case .inputClosed = login.wait(limit: .seconds(20)) else {
            Issue.record("it waits")
            return
        }
        let listening = try pasted("http://localhost/cb")
        defer { listening.stop() }
        guard case .timedOut = listening.wait(limit: .milliseconds(20)) else {
            Issue.record("it does not wait")
            return
        }
    }

    /// Two words in one line, half lines, a line too long, and the last one without an end.
    @Test
    func linesArePutTogether() {
        let pipe = Pipe()
        var lines = PastedLines(pipe.readEnd)
        pipe.write("one\ntw")
        #expect(lines.read() == ["one"])
        pipe.write("o\r\n\n  \nthree")
        #expect(lines.read() == ["two\r"])
    }
}
