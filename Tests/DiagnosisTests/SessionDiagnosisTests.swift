import Credentials
import ReverseProxy
import Testing
import Upstream

@testable import Diagnosis

@Suite
struct SessionDiagnosisTests {
    static let get = try! SessionConfiguration.Probe(parsing: "GET /me")  // A constant.

    static func judge(
        _ status: Int,
        _ fields: [(name: String, value: String)] = [],
        _ body: String = "",
        probe: SessionConfiguration.Probe = get,
        rules: [SessionConfiguration.Rejection] = [.init(status: 401)]
    ) -> SessionDiagnosis.Answer {
        SessionDiagnosis.judge(.init(status: status, fields: fields, body: Array(body.utf8)), probe, rules)
    }

    @Test(arguments: [
        (200, SessionDiagnosis.Answer.accepted), (204, .accepted), (401, .rejected), (302, .unclear), (403, .unclear),
        (404, .unclear), (429, .unclear), (500, .unclear), (0, .unclear),
    ])
    func judgesAStatus(_ status: Int, _ answer: SessionDiagnosis.Answer) {
        #expect(Self.judge(status) == answer)
    }

    /// The same rules as in the proxy.
    @Test
    func judgesAChallengeAndABody() {
        #expect(Self.judge(401, [("WWW-Authenticate", "Basic realm=\"x\"")]) == .unclear)
        #expect(Self.judge(401, [("WWW-Authenticate", "Bearer error=\"insufficient_scope\"")]) == .unclear)
        let rules = [SessionConfiguration.Rejection(status: 200, body: .init(pointer: "/error", equals: "expired"))]
        let json = [(name: "Content-Type", value: "application/json")]
        #expect(Self.judge(200, json, "{\"error\": \"expired\"}", rules: rules) == .rejected)
        #expect(Self.judge(200, json, "{\"error\": \"other\"}", rules: rules) == .accepted)
        #expect(Self.judge(200, json, "{\"error\": ", rules: rules) == .accepted)
    }

    @Test(arguments: [
        (
            SessionDiagnosis.Probe.notConfigured, CheckLine.Verdict.note,
            "token good for 4 min by its own word, not tried"
        ),
        (.unbound, .warn, "not bound to an API yet"),
        (.answered(request: "GET /me", status: 200, .accepted), .ok, "accepts the token (status 200 to GET /me)"),
        (.answered(request: "GET /me", status: 401, .rejected), .fail(.loginNeeded), "squire login --config c.yaml"),
        (.answered(request: "GET /me", status: 404, .unclear), .warn, "GET /me answers 404: does not tell"),
        (.failed(request: "GET /me", "it hangs"), .warn, "did not answer: it hangs"),
    ])
    func saysWhatTheAPISaid(_ probe: SessionDiagnosis.Probe, _ verdict: CheckLine.Verdict, _ words: String) {
        let session = SessionDiagnosis(
            state: .usable,
            expiresIn: 299,
            loginCommand: "squire login --config c.yaml --token -"
        )
        let lines = session.lines(probe)
        #expect(lines.map(\.verdict) == [verdict])
        #expect(lines[0].text.contains(words), "\(lines)")
    }

    @Test(arguments: [
        (SessionStatus.State.usable, 299 as Int?, true), (.usable, nil, true), (.refreshing, 1, true),
        (.usable, 0, false),
        (.usable, -5, false), (.loginNeeded, 299, false), (.none, nil, false),
    ])
    func asksAboutATokenThatLives(_ state: SessionStatus.State, _ expiresIn: Int?, _ mayBeAsked: Bool) {
        #expect(SessionDiagnosis(state: state, expiresIn: expiresIn).mayBeAsked == mayBeAsked)
    }

    @Test
    func saysWhatIsKnownWithoutAsking() {
        #expect(SessionDiagnosis(state: .none).lines(.notConfigured).map(\.fault) == [.loginNeeded])
        let dead = SessionDiagnosis(state: .loginNeeded, expiresIn: 50, advice: "It is over.").lines(.notConfigured)
        #expect(dead == [CheckLine(.fail(.loginNeeded), "session", "It is over.")])
        let expired = SessionDiagnosis(state: .usable, expiresIn: -5).lines(.notConfigured)
        #expect(expired.map(\.verdict) == [.warn])
        #expect(expired[0].text.contains("expired 5 s ago, so it was not sent"))
        let ailing = SessionDiagnosis(state: .usable, expiresIn: 5, advice: "Log in before.").lines(.notConfigured)
        #expect(ailing.map(\.verdict) == [.note, .warn])
        let refused = SessionDiagnosis(state: .usable, expiresIn: 50, isRejected: true)
        #expect(refused.lines(.notConfigured).map(\.verdict) == [.warn])
        let accepted = SessionDiagnosis.Probe.answered(request: "GET /me", status: 200, .accepted)
        #expect(refused.lines(accepted).map(\.verdict) == [.ok])
    }

    // MARK: session.probe

    @Test(arguments: [
        "", "GET", "GET me", "/me", "POST /me", "get /me", "GET  ", "GET /a b", "GET /{token}", "GET /é",
        "GET https://x.test/",
        "OPTIONS /me", "GET /a\u{9}b", "GET /#x",
    ])
    func refusesWhatIsNoProbe(_ text: String) {
        #expect(throws: SessionConfiguration.Probe.Malformed.self) {
            try SessionConfiguration.Probe(parsing: text)
        }
    }

    @Test(arguments: [
        ("GET /me", true), ("HEAD /me?x=1", true), ("GET /refresh", false), ("GET /refresh?x", false),
        ("HEAD /%72efresh", false), ("GET /login", false), ("GET /open/x", false), ("GET /logout", false),
        ("GET /x/../refresh", false),
    ])
    func refusesAProbeThatWouldSpendTheToken(_ text: String, _ isGood: Bool) throws {
        var session = SessionConfiguration()
        session.refresh = .init(method: "GET", path: "/refresh", token: "/t")
        session.signIn = [RoutePattern("/login")!]  // Constants.
        session.anonymous = [RoutePattern("/open/**")!]
        session.signOut = [RoutePattern("GET /logout")!]
        let probe = try SessionConfiguration.Probe(parsing: text)
        #expect((session.problem(of: probe) == nil) == isGood)
        // Its query may hold anything.
        #expect(!SessionDiagnosis.text(probe).contains("?"))
    }
}
