import HTTP1
import ReverseProxy
import Support
import Testing
import Upstream

@testable import Diagnosis

/// Each thing that can be seen on the way, and what is said of it.
@Suite
struct ConnectionDiagnosisTests {
    static let now = 1_795_000_000

    static func diagnosis(
        _ host: String = "api.example.com",
        secure: Bool = true,
        tls: TLSConfiguration = TLSConfiguration(),
        past: (moment: Int, file: String)? = nil,
        speaksTLS: Bool = false
    ) -> ConnectionDiagnosis {
        ConnectionDiagnosis(
            upstream: Origin(isSecure: secure, authority: Authority(host: host, port: nil)),
            files: .init(tls, authorities: [], certificate: nil),
            limits: .init(connect: .seconds(2), answer: .seconds(3)),
            clock: .init(started: now, ended: now + 1, past: past),
            speaksTLS: speaksTLS
        )
    }

    static func report(
        _ stage: RequestReport.Stage,
        _ cause: RequestReport.Cause,
        proxy: String? = nil,
        proxyDate: String? = nil,
        certificates: RequestReport.Certificates = .init()
    ) -> RequestReport {
        RequestReport(
            outcome: .failed(
                .init(
                    stage: stage,
                    cause: cause,
                    error: UpstreamError(kind: .tls, detail: "The library's words", advice: "Its advice."),
                    isOfProxy: proxy != nil && stage < .securing
                )
            ),
            progress: .init(resolved: 0.001, connected: 0.002),
            address: "192.0.2.1",
            proxy: proxy,
            proxyDate: proxyDate,
            certificates: certificates
        )
    }

    static func response(_ status: Int, _ fields: [(String, String)] = []) -> RequestReport {
        let fields = fields.map { (name: $0.0, value: $0.1) }
        return RequestReport(outcome: .response(.init(status: status, fields: fields, body: [])))
    }

    /// The line that fails is the last; those before it pass, in the contract's order.
    @Test(arguments: [
        (RequestReport.Stage.resolving, ["DNS"]), (.connecting, ["DNS", "connection"]),
        (.tunnelling, ["DNS", "connection", "proxy"]), (.securing, ["DNS", "connection", "TLS"]),
        (.answering, ["DNS", "connection", "TLS", "API"]),
    ])
    func saysWhatPassedBefore(_ stage: RequestReport.Stage, _ subjects: [String]) {
        let proxy = stage == .tunnelling ? "proxy.test:3128" : nil
        let lines = Self.diagnosis().lines(Self.report(stage, .other, proxy: proxy), to: "GET /")
        #expect(lines.map(\.subject) == subjects)
        #expect(lines.dropLast().allSatisfy { $0.verdict == .ok })
        #expect(lines.last?.fault == .unreachable)
    }

    @Test(arguments: [
        (RequestReport.Stage.resolving, RequestReport.Cause.timeout, "api.example.com is not resolved within 2s"),
        (.connecting, .timeout, "api.example.com port 443 does not answer within 2s"),
        (.connecting, .notConnected(111), "api.example.com port 443 cannot be reached: connection refused"),
        (.securing, .timeout, "does not answer the TLS handshake within 2s"),
        (.securing, .notTLS, "upstream: http://api.example.com:443 with allow-plain-upstream: true"),
        (.securing, .closed, "closes the connection during the TLS handshake"),
        (.securing, .incompatible, "no version or cipher of TLS in common (The library's words)"),
        (.securing, .alert(112), "unrecognized_name (112): it does not know the name api.example.com"),
        (.securing, .alert(116), "it wants a client certificate"), (.securing, .alert(70), "allow 1.2 or 1.3"),
        (.securing, .alert(255), "ends TLS with alert (255): ask its operator"),
        (.securing, .other, "The library's words: Its advice."),
        // Where the TLS library shows no certificate.
        (.securing, .untrusted(10), "The library's words: Its advice."),
        (.securing, .wrongName, "the certificate is not for api.example.com"),
        (.answering, .timeout, "no answer to GET / within 3s, though the connection is good"),
        (.answering, .closed, "does it want a client certificate"), (.answering, .notHTTP, "is not HTTP"),
    ])
    func advises(_ stage: RequestReport.Stage, _ cause: RequestReport.Cause, _ words: String) throws {
        let line = try #require(Self.diagnosis().lines(Self.report(stage, cause), to: "GET /").last)
        #expect(line.text.contains(words), "\(line.text)")
    }

    @Test(arguments: [
        (9, "is not valid before 2026-11-26 13:50:27 UTC"), (10, "expired on 2026-11-27 13:50:27 UTC"),
        (18, "this machine does not trust it"), (20, "this machine does not trust it"),
        (23, "has been revoked"), (26, "was not issued for this use (wrong purpose)"),
        (66, "is too weak for this machine (its key is too small)"),
        (62, "is for api.example.com, 10.1.2.3, 2001:db8::5, *.example.com, and not for other.test"),
        (9999, "is not accepted (fault 9999 of openssl verify)"), (-1, "is not accepted"),
    ])
    func namesTheCertificate(_ fault: Int, _ words: String) throws {
        let seen = RequestReport.Certificates(peer: CertificateTests.der, faulty: CertificateTests.der)
        let report = Self.report(.securing, .untrusted(fault), certificates: seen)
        let line = try #require(Self.diagnosis("other.test").lines(report, to: "GET /").last)
        #expect(line.text.contains(words), "\(line.text)")
        #expect(line.text.contains("the certificate of CN=api.example.com, O=Example AG, issued by itself"))
    }

    /// A clock that is wrong is told from a certificate that is, by what is known of the time.
    @Test(arguments: [9, 10])
    func tellsWhoseClockIsWrong(_ fault: Int) throws {
        let seen = RequestReport.Certificates(peer: CertificateTests.der, faulty: CertificateTests.der)
        let text = { (date: String?, past: (moment: Int, file: String)?) in
            let report = Self.report(.securing, .untrusted(fault), proxyDate: date, certificates: seen)
            return Self.diagnosis(past: past).lines(report, to: "GET /").last?.text ?? ""
        }
        let setsClock = "set this machine's clock"
        let unknown = text(nil, nil)
        #expect(
            unknown.contains("this machine's clock says \(UTCTime.text(Self.now + 1)). If that is the time, the API's")
        )
        #expect(unknown.contains(setsClock))
        let agrees = text(HTTPDate.text(Self.now), nil)
        #expect(agrees.contains("the proxy's agrees: the API's operator"))
        #expect(!agrees.contains(setsClock))
        for wrong in [
            text(HTTPDate.text(Self.now + 100_000), nil), text(nil, (Self.now + 100_000, "squire.yaml")),
        ] {
            #expect(wrong.contains(setsClock))
            #expect(!wrong.contains("API's operator"))
        }
        // A file of just now says nothing.
        #expect(text(nil, (Self.now + 60, "squire.yaml")) == unknown)
    }

    @Test(arguments: [
        ("/x", ResponseDiagnosis.Target.same), ("x", .same), ("?x", .same), ("#x", .same), ("x/y:z", .same),
        ("https://api.example.com/x", .same), ("https://API.example.com:443", .same), ("//api.example.com", .same),
        ("http://api.example.com", .other("http://api.example.com")),
        ("https://api.example.com:8443/?t=s", .other("https://api.example.com:8443")),
        ("https://[2001:db8::1]/", .other("https://[2001:db8::1]")), ("mailto:x@y.test", .unknown),
        ("https://u:p@x.test/", .unknown), ("https://", .unknown), ("https://x y/", .unknown),
        ("https://x.test\\@y.test/", .other("https://x.test")), ("https://x.test:0/", .unknown),
    ])
    func findsTheTargetOfARedirect(_ location: String, _ target: ResponseDiagnosis.Target) {
        let upstream = Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil))
        #expect(ResponseDiagnosis.target(of: location, from: upstream) == target)
    }

    @Test
    func recognisesPlainHTTPOnAPortOfTLS() {
        let diagnosis = Self.diagnosis(secure: false, speaksTLS: true)
        for report in [Self.response(400), Self.report(.answering, .closed)] {
            let line = diagnosis.lines(report, to: "GET /").last
            #expect(line?.fault == .unreachable)
            #expect(line?.text == "api.example.com port 80 speaks TLS: write upstream: https://api.example.com:80")
        }
    }

    /// Dates that no clock has, and numbers that no sum takes.
    @Test(arguments: [
        "Fri, 31 Dec 9999 23:59:59 GMT", "Thu, 01 Jan 1970 00:00:00 GMT", "", "Sun, 99 Foo 2026 00:00:00 GMT",
    ])
    func survivesTheClocksOfOthers(_ date: String) {
        let fields = [("Date", date), ("Retry-After", "99999999999999999999999"), ("Location", date)]
        for status in [200, 301, 429, 503, 999] {
            #expect(!Self.diagnosis().lines(Self.response(status, fields), to: "GET /").isEmpty)
        }
    }

    @Test
    func linesActOnNoTerminal() {
        let line = CheckLine.warn("API", "a\u{1B}[31m\nb\u{202E}c")
        #expect(line.description == "warn  API            a\\x1B[31m\\x0Ab\\u{202E}c")
    }
}
