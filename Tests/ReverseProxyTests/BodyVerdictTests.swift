import ReverseProxy
import Testing

@Suite struct BodyVerdictTests {
    private typealias Body = SessionConfiguration.Rejection.Body

    private func verdict(_ pointer: String, _ equals: String) -> BodyVerdict {
        BodyVerdict([Body(pointer: pointer, equals: equals)])
    }

    /// The state after each byte, and after the end.
    private func states(_ text: String, _ verdict: BodyVerdict) -> [BodyVerdict.State] {
        var verdict = verdict
        var states = Array(text.utf8).map { byte in
            let piece = [byte]
            return verdict.feed(piece.span)
        }
        states.append(verdict.end())
        return states
    }

    @Test(arguments: [
        (#"{"error":{"code":"expired"}}"#, "/error/code", "expired"), (#"{"ok":false}"#, "/ok", "false"),
        (#" [ 1 , {"a" : 12.50e3 } ]"#, "/1/a", "12.50e3"), (#"{"\u0061~/b":"\ud83d\ude42\n"}"#, "/a~0~1b", "🙂\n"),
        (#"{"x":{"code":"expired"},"error":{"x":[{"code":1}],"code":"expired"}}"#, "/error/code", "expired"),
        (#"{"":{"":""}}"#, "//", ""), ("\u{FEFF}{\"a\":1}", "/a", "1"), (#"{"a":[[],[{}],"b"]}"#, "/a/2", "b"),
    ])
    func theValueThatIsLookedForIsRejected(_ text: String, _ pointer: String, _ equals: String) {
        let states = states(text, verdict(pointer, equals))
        #expect(states.last == .rejected)
        // Before the end of the text, and it stays so.
        let first = states.firstIndex(of: .rejected)!
        #expect(states[..<first].allSatisfy { $0 == .undecided } && states[first...].allSatisfy { $0 == .rejected })
        #expect(self.states(text, verdict(pointer, equals + "x")).last == .accepted)
    }

    @Test(arguments: [
        "{}", "[]", "null", "\"expired\"", #"{"error":null}"#, #"{"error":"code"}"#, #"{"error":{"code":null}}"#,
        #"{"error":{"code":{"code":"expired"}}}"#, #"{"error":{"code":["expired"]}}"#,
        #"{"errors":{"code":"expired"}}"#,
        #"{"code":"expired"}"#, #"{"a":{"error":{"code":"expired"}}}"#, #"[{"error":{"code":"expired"}}]"#,
        #"{"error":{"a":1}},"error":{"code":"expired"}}"#, #"{"error":{}}{"error":{"code":"expired"}}"#,
    ])
    func everyOtherValueIsAccepted(_ text: String) {
        #expect(states(text, verdict("/error/code", "expired")).last == .accepted)
    }

    @Test(arguments: [
        "", "  ", "{", "expired", "<html>", #"{"error":{"code":"expired"#, #"{"error":{"code":"expired\"}}"#,
        #"{"error" {"code":"expired"}}"#, #"{"error":{,"code":"expired"}}"#, #"{"error":{"code":"ex\qpired"}}"#,
        #"{"error"]{"code":"expired"}}"#, "{\"error\":{\"co\u{1}de\":1}}", #"data: {"error":{"code":"expired"}}"#,
        #"{"error":{"code":expired}}"#,
    ])
    func whatIsNoJSONSaysNothing(_ text: String) {
        #expect(states(text, verdict("/error/code", "expired")).last == .unknown)
    }

    /// As soon as it can be known, not at the end.
    @Test(arguments: [
        (#"{"error":{"code":"fine""#, "/error/code"), (#"{"error":{"a":1}"#, "/error/code"),
        (#"{"error":1,"#, "/error/code"),
        ("[", "/error"), (#"{"a":["#, "/a/b"), (#"{"a":["#, "/a/01"), ("[", "/-"), ("[{}]", "/0/a"),
        (#"{"a":[1,2"#, "/a/0"), ("7 ", "/a"),
    ])
    func acceptanceIsDecidedEarly(_ text: String, _ pointer: String) {
        #expect(states(text, verdict(pointer, "expired")).dropLast().last == .accepted)
    }

    @Test func nothingIsHeldWithoutEnd() {
        var verdict = verdict("/a", "b")
        let space = [UInt8](repeating: 0x20, count: 4096)
        for _ in 0..<16 { #expect(verdict.feed(space.span) == .undecided) }
        #expect(verdict.feed(space.span) == .accepted)
        let deep = self.verdict(String(repeating: "/0", count: 100), "b")
        #expect(states(String(repeating: "[", count: 1000), deep).dropLast().last == .unknown)
        #expect(states("<", self.verdict("/a", "b")).first == .unknown)
        let long = "{\"" + String(repeating: "x", count: 60_000) + "\":1,\"a\":\"b\"}"
        #expect(states(long, self.verdict("/a", "b")).last == .rejected)
    }

    @Test func severalRulesDecideTogether() {
        let rules = [Body(pointer: "/a", equals: "1"), Body(pointer: "/b/c", equals: "2")]
        for (text, expected) in [
            (#"{"a":1}"#, BodyVerdict.State.rejected), (#"{"a":2,"b":{"c":2}}"#, .rejected),
            (#"{"a":2,"b":{}}"#, .accepted),
            (#"{"b":{"c":3},"a":1}"#, .rejected),
        ] {
            #expect(states(text, BodyVerdict(rules)).last == expected, "\(text)")
        }
        #expect(BodyVerdict([]).state == .accepted)
    }

    /// Random documents: the same verdict as of the whole body, at any split.
    @Test(arguments: 0..<10) func itIsTheVerdictOnTheWholeBody(_ round: Int) {
        var random = SystemRandomNumberGenerator()
        func value(_ depth: Int) -> String {
            switch Int.random(in: 0...(depth > 3 ? 3 : 5), using: &random) {
            case 0: return ["true", "false", "null"].randomElement(using: &random)!
            case 1: return ["0", "-1.5", "2e9"].randomElement(using: &random)!
            case 2, 3:
                return ["\"x\"", "\"\\u0078\"", "\"\"", "\"a\\\"b\"", "\"\\ud800\""].randomElement(using: &random)!
            case 4:
                return "["
                    + (0..<Int.random(in: 0...3, using: &random)).map { _ in value(depth + 1) }.joined(separator: " ,")
                    + "]"
            default:
                let names = ["a", "b", "c"].shuffled(using: &random).prefix(Int.random(in: 0...3, using: &random))
                return "{" + names.map { "\"\($0)\": " + value(depth + 1) }.joined(separator: ",") + "}"
            }
        }
        for _ in 0..<400 {
            let text = value(0)
            let pointer = (0...Int.random(in: 0...2, using: &random)).map { _ in
                "/" + ["a", "b", "c", "0", "1"].randomElement(using: &random)!
            }.joined()
            let equals = ["x", "true", "0", "-1.5", "", "a\"b"].randomElement(using: &random)!
            let rule = SessionConfiguration.Rejection(status: 200, body: Body(pointer: pointer, equals: equals))
            let policy = RejectionPolicy([rule])
            let whole = policy.isRejected(status: 200, challenges: [], body: Array(text.utf8))
            var verdict = policy.bodyVerdict(status: 200, challenges: [])
            let bytes = Array(text.utf8)
            let cut = Int.random(in: 0...bytes.count, using: &random)
            _ = verdict.feed(bytes.span.extracting(0..<cut))
            _ = verdict.feed(bytes.span.extracting(cut..<bytes.count))
            #expect((verdict.end() == .rejected) == whole, "\(pointer) = \(equals) in \(text)")
        }
    }
}
