import ReverseProxy
import Testing

@Suite struct RejectionPolicyTests {
    private typealias Rule = SessionConfiguration.Rejection

    /// A 401 by default: whose challenge it is decides.
    @Test(
        arguments: [
            ([], RejectionPolicy.Verdict.rejected), (["jwt-auth"], .rejected), (["Bearer realm=\"x\""], .rejected),
            (["Bearer error=\"invalid_token\", error_description=\"a, b\""], .rejected),
            (["Basic realm=\"x\""], .accepted),
            (["Basic realm=\"a, Bearer b\", charset=\"UTF-8\""], .accepted), (["NTLM", "Negotiate YII=="], .accepted),
            (["Basic realm=x, Bearer"], .rejected), (["Basic realm=x", "Bearer realm=y"], .rejected),
            (["Bearer error=insufficient_scope"], .accepted),
            (["Bearer realm=\"a\\\"b\", error=\"insufficient_scope\""], .accepted),
            (["=,=\"", "\"", ",,,"], .rejected),
        ] as [([String], RejectionPolicy.Verdict)]
    )
    func challengeDecidesWhoseA401Is(_ challenges: [String], _ expected: RejectionPolicy.Verdict) {
        let policy = RejectionPolicy([Rule(status: 401)])
        #expect(policy.verdict(status: 401, challenges: challenges, body: .init(type: "application/json")) == expected)
        #expect(policy.verdict(status: 403, challenges: challenges, body: .init(type: "application/json")) == .accepted)
    }

    @Test func configuredErrorsAreLookedFor() {
        let policy = RejectionPolicy([
            Rule(status: 401, challenge: "invalid_token"),
            Rule(status: 200, body: .init(pointer: "/ok", equals: "false")),
        ])
        #expect(policy.concerns(status: 200) && policy.concerns(status: 401) && !policy.concerns(status: 403))
        #expect(policy.verdict(status: 401, challenges: [], body: .init(type: "text/html")) == .accepted)
        #expect(
            policy.verdict(status: 401, challenges: ["Bearer error=\"invalid_token\""], body: .init(type: "text/html"))
                == .rejected
        )
        // Downloads are not held up to look for an error in them.
        #expect(policy.verdict(status: 200, challenges: [], body: .init(type: "text/html")) == .accepted)
        #expect(policy.verdict(status: 200, challenges: [], body: .init(type: "application/json")) == .needsBody)
        #expect(policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":false}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":true}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array("{".utf8)))
    }

    @Test(arguments: [
        "application/x-ndjson", "text/event-stream", "application/json-seq", "application/geo+json-seq",
        "Application/Stream+JSON; charset=utf-8", "multipart/mixed; boundary=x", "application/jsonl",
        "application/grpc+json",
    ])
    func aStreamOfRecordsIsNeverLookedInto(_ type: String) {
        for status in [200, 403] {
            let policy = RejectionPolicy([Rule(status: status, body: .init(pointer: "/a", equals: "b"))])
            #expect(policy.verdict(status: status, challenges: [], body: .init(type: type)) == .accepted)
        }
    }

    @Test(
        arguments: [
            ("application/json", nil, true, RejectionPolicy.Verdict.needsBody),
            ("APPLICATION/JSON ; charset=x", nil, true, .needsBody),
            ("application/problem+json", "gzip", true, .needsBody), ("application/json", "br", true, .accepted),
            ("application/json", nil, false, .accepted), ("text/html", nil, true, .accepted),
            (nil, nil, true, .accepted),
            ("application/octet-stream; x=json", nil, true, .accepted),
        ] as [(String?, String?, Bool, RejectionPolicy.Verdict)]
    )
    func aSuccessIsLookedIntoOnlyIfItIsReadableJSON(
        _ type: String?,
        _ encoding: String?,
        _ isThere: Bool,
        _ expected: RejectionPolicy.Verdict
    ) {
        let policy = RejectionPolicy([200, 206].map { Rule(status: $0, body: .init(pointer: "/a", equals: "b")) })
        let body = RejectionPolicy.Body(type: type, encoding: encoding, isThere: isThere)
        #expect(policy.verdict(status: 200, challenges: [], body: body) == expected)
        #expect(policy.verdict(status: 206, challenges: [], body: body) == .accepted)
    }
}
