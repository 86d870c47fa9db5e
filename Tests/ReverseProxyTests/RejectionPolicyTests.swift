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
            // What another token does not cure.
            (["Bearer error=\"insufficient_claims\", claims=\"eyJhIjp7fX0==\""], .accepted),
            (["Bearer error=\"insufficient_user_authentication\", acr_values=\"urn:x\", max_age=5"], .accepted),
            (["DPoP error=\"use_dpop_nonce\", algs=\"ES256\""], .accepted),
            (["Bearer", "DPoP error=use_dpop_nonce"], .accepted), (["Bearer error=Insufficient_Scope"], .accepted),
            (["Basic realm=x, Bearer error=insufficient_scope, X error=insufficient_claims"], .accepted),
            (["Bearer error=invalid_token, DPoP error=use_dpop_nonce"], .rejected),
        ] as [([String], RejectionPolicy.Verdict)]
    )
    func challengeDecidesWhoseA401Is(_ challenges: [String], _ expected: RejectionPolicy.Verdict) {
        let policy = RejectionPolicy([Rule(status: 401)])
        #expect(policy.verdict(status: 401, challenges: challenges, body: .init(type: "application/json")) == expected)
        #expect(policy.verdict(status: 403, challenges: challenges, body: .init(type: "application/json")) == .accepted)
    }

    /// Whatever the status, and whether the head or the body is the rule, unless a rule asks for just that.
    @Test(arguments: [
        "insufficient_scope", "insufficient_claims", "insufficient_user_authentication", "use_dpop_nonce",
    ])
    func whatAnotherTokenDoesNotCureNeverRefreshes(_ error: String) {
        let challenges = ["Bearer error=\"\(error)\""]
        for status in [200, 401, 403] {
            let rules = [
                Rule(status: status), Rule(status: status, body: .init(pointer: "/e", equals: "x")),
                Rule(status: status, challenge: "invalid_token"),
            ]
            for rule in rules {
                let verdict = RejectionPolicy([rule])
                    .verdict(status: status, challenges: challenges, body: .init(type: "application/json"))
                #expect(verdict == .accepted, "\(rule)")
            }
            let explicit = RejectionPolicy([Rule(status: status, challenge: error)])
            #expect(explicit.verdict(status: status, challenges: challenges, body: .init(type: nil)) == .rejected)
        }
    }

    /// What APIs say of a token that is over, and what they say besides with the same status.
    @Test(
        arguments: [
            (
                "Salesforce", 401, "/0/errorCode", ["INVALID_SESSION_ID"],
                #"[{"message":"Session expired or invalid","errorCode":"INVALID_SESSION_ID"}]"#,
                #"[{"message":"No such column","errorCode":"INVALID_FIELD"}]"#
            ),
            (
                "Zoom", 401, "/code", ["124"], #"{"code":124,"message":"Access token is expired."}"#,
                #"{"code":4700,"message":"Token cannot be empty."}"#
            ),
            ("Zoom's text", 401, "/code", ["124"], #"{"code":"124"}"#, #"{"code":"1240"}"#),
            (
                "Slack", 200, "/error", ["token_expired", "invalid_auth"], #"{"ok":false,"error":"token_expired"}"#,
                #"{"ok":false,"error":"channel_not_found"}"#
            ),
            (
                "Fitbit", 401, "/errors/0/errorType", ["expired_token"],
                #"{"errors":[{"errorType":"expired_token","message":"Access token expired"}],"success":false}"#,
                #"{"errors":[{"errorType":"insufficient_permissions"}],"success":false}"#
            ),
            (
                "Strava", 401, "/errors/0/code", ["invalid"],
                #"{"message":"Authorization Error","errors":[{"resource":"Athlete","field":"access_token","code":"invalid"}]}"#,
                #"{"message":"Authorization Error","errors":[{"resource":"AccessToken","field":"scope","code":"missing"}]}"#
            ),
            (
                "Dropbox", 401, "/error/.tag", ["expired_access_token"], #"{"error":{".tag":"expired_access_token"}}"#,
                #"{"error":{".tag":"missing_scope"}}"#
            ),
            ("a truth value", 200, "/ok", ["false"], #"{"ok":false}"#, #"{"ok":true}"#),
        ] as [(String, Int, String, [String], String, String)]
    )
    func providersAreUnderstood(
        _ name: String,
        _ status: Int,
        _ pointer: String,
        _ equals: [String],
        _ refusal: String,
        _ other: String
    ) {
        let policy = RejectionPolicy([Rule(status: status, body: .init(pointer: pointer, equals: equals))])
        #expect(policy.verdict(status: status, challenges: [], body: .init(type: "application/json")) == .needsBody)
        for (text, expected) in [(refusal, true), (other, false)] {
            #expect(policy.isRejected(status: status, challenges: [], body: Array(text.utf8)) == expected, "\(name)")
            var verdict = policy.bodyVerdict(status: status, challenges: [])
            let bytes = Array(text.utf8)
            _ = verdict.feed(bytes.span)
            #expect((verdict.end() == .rejected) == expected, "\(name)")
        }
    }

    @Test(arguments: [
        ("124", #"124"#, true), ("124", "124.0", true), ("124", "12.4e1", true), ("124", #""124""#, true),
        ("124", #""124.0""#, false),
        ("1.0", "1", true), ("9007199254740993", "9007199254740992", false), ("true", "true", true),
        ("true", #""true""#, true),
        ("true", "1", false), ("null", "null", false), ("x", #""X""#, false),
    ])
    func aNumberIsItsValueAndItsText(_ equals: String, _ value: String, _ expected: Bool) {
        let policy = RejectionPolicy([Rule(status: 200, body: .init(pointer: "/a/1", equals: ["other", equals]))])
        let bytes = Array(#"{"a":[0,\#(value)]}"#.utf8)
        #expect(policy.isRejected(status: 200, challenges: [], body: bytes) == expected)
        var verdict = policy.bodyVerdict(status: 200, challenges: [])
        _ = verdict.feed(bytes.span)
        #expect((verdict.end() == .rejected) == expected)
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
        #expect(policy.verdict(status: 200, challenges: [], body: .init(type: "text/html")) == .unknown)
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
            // To start one is to accept the token.
            let expected = status == 200 ? RejectionPolicy.Verdict.accepted : .unknown
            #expect(policy.verdict(status: status, challenges: [], body: .init(type: type)) == expected)
            #expect(policy.verdict(status: status, challenges: [], body: .init(type: type, isThere: false)) == .unknown)
        }
    }

    @Test(
        arguments: [
            ("application/json", true, RejectionPolicy.Verdict.needsBody),
            ("APPLICATION/JSON ; charset=x", true, .needsBody), ("application/problem+json", true, .needsBody),
            ("application/json", false, .unknown), ("text/html", true, .unknown), (nil, true, .unknown),
            ("application/octet-stream; x=json", true, .accepted), ("Image/PNG", true, .accepted),
            ("image/png", false, .unknown), ("text/json", true, .unknown), ("text/plain", true, .unknown),
            ("model/gltf+json", true, .needsBody),
        ] as [(String?, Bool, RejectionPolicy.Verdict)]
    )
    func aSuccessIsLookedIntoOnlyIfItIsJSON(
        _ type: String?,
        _ isThere: Bool,
        _ expected: RejectionPolicy.Verdict
    ) {
        let policy = RejectionPolicy([200, 206].map { Rule(status: $0, body: .init(pointer: "/a", equals: "b")) })
        let body = RejectionPolicy.Body(type: type, isThere: isThere)
        #expect(policy.verdict(status: 200, challenges: [], body: body) == expected)
        #expect(policy.verdict(status: 206, challenges: [], body: body) == .unknown)
        #expect(policy.verdict(status: 201, challenges: [], body: body) == .accepted)
    }
}
