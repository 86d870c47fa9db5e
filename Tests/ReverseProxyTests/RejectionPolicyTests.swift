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
        #expect(policy.verdict(status: 401, challenges: challenges, isJSON: true) == expected)
        #expect(policy.verdict(status: 403, challenges: challenges, isJSON: true) == .accepted)
    }

    @Test func configuredErrorsAreLookedFor() {
        let policy = RejectionPolicy([
            Rule(status: 401, challenge: "invalid_token"),
            Rule(status: 200, body: .init(pointer: "/ok", equals: "false")),
        ])
        #expect(policy.concerns(status: 200) && policy.concerns(status: 401) && !policy.concerns(status: 403))
        #expect(policy.verdict(status: 401, challenges: [], isJSON: false) == .accepted)
        #expect(policy.verdict(status: 401, challenges: ["Bearer error=\"invalid_token\""], isJSON: false) == .rejected)
        // Downloads are not held up to look for an error in them.
        #expect(policy.verdict(status: 200, challenges: [], isJSON: false) == .accepted)
        #expect(policy.verdict(status: 200, challenges: [], isJSON: true) == .needsBody)
        #expect(policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":false}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array(#"{"ok":true}"#.utf8)))
        #expect(!policy.isRejected(status: 200, challenges: [], body: Array("{".utf8)))
    }
}
