import Testing

@testable import Settings

/// A key that is misspelt, or whose value is wrong, is reported once: it is not missing besides. And no mistake hides
/// another.
@Suite struct MisspeltKeyTests {
    /// The mistakes of what stands below `upstream`, each with its line.
    private func mistakes(_ yaml: String) -> [String] {
        do throws(ConfigurationError) {
            let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
            _ = try loader.read("upstream: https://a.example\n" + yaml, path: "squire.yaml")
            return []
        } catch {
            return error.issues.map { "\($0.line ?? 0): \($0.message)" }
        }
    }

    private func expect(_ yaml: String, _ expected: [String]) {
        let found = mistakes(yaml)
        #expect(found.count == expected.count, "\(found)")
        for (one, beginning) in zip(found, expected) { #expect(one.hasPrefix(beginning), "\(found)") }
    }

    @Test(
        arguments: [
            (
                ["token-endpoint: https://l.example/t", "client_id: svc"],
                ["5: unknown key \"session.oauth.client_id\""]
            ),
            (
                ["token_endpoint: https://l.example/t", "client-id: a"],
                ["4: unknown key \"session.oauth.token_endpoint\""]
            ),
            (
                ["issuer: https://l.example", "client-id: a", "grant: client-credentials", "client_secret: hush"],
                ["7: unknown key \"session.oauth.client_secret\""]
            ),
            (
                ["issuer: https://l.example", "grant: jwtbearer", "subject: me"],
                ["5: session.oauth.grant must be one of"]
            ),
            (
                ["issuer: https://l.example", "client-id: a", "private_key: /no/key", "key-id: k"],
                ["6: unknown key \"session.oauth.private_key\""]
            ),
            (
                ["issuer: l.example", "client-id: a", "grant: device-code"], ["4: session.oauth.issuer "]
            ),
            (["issuer: https://l.example"], ["3: session.oauth needs client-id"]),
        ] as [([String], [String])]
    )
    func oauth(_ lines: [String], _ expected: [String]) {
        expect("session:\n  oauth:\n" + lines.map { "    \($0)\n" }.joined(), expected)
    }

    @Test(
        arguments: [
            (["path: /r", "token: data.accessToken"], ["5: session.refresh.token must be a JSON Pointer"]),
            (["path: /r", "tokne: /t"], ["5: unknown key \"session.refresh.tokne\""]),
            (["paht: /r", "token: /t"], ["4: unknown key \"session.refresh.paht\""]),
            (
                ["path: /r", "token: /t", "refreshtoken: /r", "body: 'r={refresh-token}'"],
                ["6: unknown key \"session.refresh.refreshtoken\": did you mean \"refresh-token\"?"]
            ),
            (
                ["path: /r", "token: /t", "refresh-token: /r", "body: {r: '{refresh-token}'}"],
                ["7: session.refresh.body must be a single value"]
            ),
            (
                ["path: /r", "token: /t", "refresh-token: /r", "bodi: 'r={refresh-token}'"],
                ["7: unknown key \"session.refresh.bodi\""]
            ),
            (
                ["path: auth/renew", "body: {r: x}", "token: data.accessToken", "timeout: 1ms"],
                [
                    "4: session.refresh.path must be a path", "5: session.refresh.body must be a single value",
                    "6: session.refresh.token must be a JSON Pointer", "7: session.refresh.timeout must be",
                ]
            ),
            (["method: GET"], ["3: session.refresh needs a path", "3: session.refresh needs token"]),
        ] as [([String], [String])]
    )
    func recipe(_ lines: [String], _ expected: [String]) {
        expect("session:\n  refresh:\n" + lines.map { "    \($0)\n" }.joined(), expected)
    }

    @Test(
        arguments: [
            ("session: {exec: {comand: [a]}}\n", ["2: unknown key \"session.exec.comand\""]),
            ("session: {token-file: {paht: /a}}\n", ["2: unknown key \"session.token-file.paht\""]),
            ("session: {token-file: {path: ''}}\n", ["2: session.token-file needs a path"]),
            ("session: {rejected: [{staus: 401}]}\n", ["2: unknown key \"session.rejected.staus\""]),
            (
                "session: {rejected: [{status: 200, pointer: code, equals: x}]}\n",
                ["2: session.rejected.pointer must be a JSON Pointer"]
            ),
            ("headers:\n  X-A: {valu: b}\n", ["3: unknown key \"headers.X-A.valu\""]),
            ("headers:\n  X-A: {evn: B}\n", ["3: unknown key \"headers.X-A.evn\""]),
        ] as [(String, [String])]
    )
    func others(_ yaml: String, _ expected: [String]) { expect(yaml, expected) }

    @Test(
        "What was nearly right is said",
        arguments: [
            (
                "headers:\n  X-Api-Key {env: API_KEY}\n",
                "3: headers: \"X-Api-Key {env\" is not a header name: is a colon"
            ),
            (
                "session: {token: hush}\n",
                "2: unknown key \"session.token\": a token is given by squire login --token -"
            ),
            ("token: hush\n", "2: unknown key \"token\": a token is given by squire login --token -"),
            ("session:\n  refresh-token: hush\n", "3: unknown key \"session.refresh-token\": a token is given by"),
            ("session: None\n", "2: session must be a map of keys and values, or none: did you mean none?"),
            (
                "session: {oauth: {issuer: https://l.example, client-id: a, client-secret: $SVC_SECRET}}\n",
                "2: session.oauth.client-secret holds $SVC_SECRET, which nothing fills in: write {env: SVC_SECRET}"
            ),
        ]
    )
    func nearlyRight(_ yaml: String, _ expected: String) { expect(yaml, [expected]) }

    @Test("A secret may begin with a dollar sign", arguments: ["$ecret", "$1", "$", "$A-B", "x$A", "$a"])
    func dollar(_ secret: String) {
        expect("headers: {X-A: '\(secret)'}\n", [])
    }

    @Test func aMisspeltUpstreamIsTheOnlyIssue() {
        let loader = ConfigurationLoader(environment: ["HOME": "/nowhere"])
        let error = #expect(throws: ConfigurationError.self) {
            try loader.read("upstrem: https://a.example\n", path: "c")
        }
        #expect(error?.issues.map(\.message) == ["unknown key \"upstrem\": did you mean \"upstream\"?"])
    }

    @Test(
        arguments: [
            ("refresh-token: /r", "{refresh_token}", ": did you mean {refresh-token}?"),
            ("timeout: 2s", "{refresh_token}", ": did you mean {refresh-token}?"),
            ("timeout: 2s", "{Token}", ": did you mean {token}?"),
            ("timeout: 2s", "{customer}", ": only {token} is filled in"),
        ]
    )
    func placeholders(_ line: String, _ word: String, _ end: String) {
        let text = "session:\n  refresh:\n    path: /r\n    token: /t\n    \(line)\n    body: 'r=\(word)'\n"
        let expected = "7: session.refresh.body holds an unknown placeholder, \"\(word)\"\(end)"
        #expect(mistakes(text).contains(expected), "\(mistakes(text))")
    }
}
