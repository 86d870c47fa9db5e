import HTTP1
import ReverseProxy
import Testing

@Suite struct AdmissionTests {
    private static let page = "http://localhost:3000"
    private static let key = "secret-of-16-bytes"

    private func policy(needsKey: Bool) -> AccessPolicy {
        var access = AccessConfiguration()
        access.origins = [Self.page]
        if needsKey { access.key = Array(Self.key.utf8) }
        return AccessPolicy(
            access,
            upstream: Origin(isSecure: true, authority: Authority(host: "api.example.com", port: nil)),
            ownHosts: []
        )
    }

    private func admission(_ method: String, _ fields: [String], _ policy: AccessPolicy) -> Admission {
        let bytes = Array(([method + " /t HTTP/1.1"] + fields + ["", ""]).joined(separator: "\r\n").utf8)
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        guard case .complete = parser.parse(bytes.span, into: &head) else {
            return Admission(head, .init(start: nil, count: 0), policy)
        }
        return bytes.withUnsafeBytes { Admission(head, $0, policy) }
    }

    /// Every combination of what the rules look at.
    private static let combinations: [(method: String, fields: [String])] = {
        let choices: [[[String]]] = [
            [["Host: localhost"], ["Host: api.example.com"], ["Host: evil.test"]],
            [
                [], ["Origin: \(page)"], ["Origin: http://localhost"], ["Origin: null"],
                ["Origin: \(page)", "Origin: \(page)"],
            ],
            [[], ["Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: cross-site"]],
            [[], ["Access-Control-Request-Method: GET"]],
            [[], ["X-Squire-Key: "], ["X-Squire-Key: wrong"], ["X-Squire-Key: \(key)"]],
            [[], ["User-Agent: curl/8"], ["User-Agent: Mozilla/5.0 x"], ["User-Agent: x", "User-Agent: Mozilla/5.0"]],
            [[], ["Sec-Purpose: prefetch;prerender"], ["Purpose: Prefetch"]],
        ]
        var fields: [[String]] = [[]]
        for choice in choices { fields = fields.flatMap { before in choice.map { before + $0 } } }
        return ["GET", "OPTIONS", "X", "TRACE"].flatMap { method in fields.map { (method, $0) } }
    }()

    @Test func nothingIsForwardedWithoutTheKeyWhereOneIsNeeded() {
        let policy = policy(needsKey: true)
        var decisions = (forwarded: 0, answered: 0, refused: 0)
        for (method, fields) in Self.combinations {
            switch admission(method, fields, policy).decision {
            case .forward:
                decisions.forwarded += 1
                #expect(fields.contains("X-Squire-Key: \(Self.key)"), "\(method) \(fields)")
            case .preflight:
                decisions.answered += 1
                #expect(
                    method == "OPTIONS" && fields.filter { $0 == "Origin: \(Self.page)" }.count == 1
                        && fields.contains("Access-Control-Request-Method: GET"),
                    "\(method) \(fields)"
                )
            case .options:
                Issue.record("nothing asked for the proxy's own options: \(method) \(fields)")
            case .refuse:
                decisions.refused += 1
            }
        }
        #expect(decisions.forwarded > 0 && decisions.answered > 0 && decisions.refused > 0)
    }

    @Test func noPageMakesABrowserSendARequest() {
        let policy = policy(needsKey: false)
        var forwarded = 0
        for (method, fields) in Self.combinations {
            guard case .forward = admission(method, fields, policy).decision else { continue }
            forwarded += 1
            #expect(!fields.contains("Sec-Fetch-Site: cross-site") || fields.contains("Origin: \(Self.page)"))
            #expect(!fields.contains { $0.contains("urpose") }, "\(method) \(fields)")
            let isBrowser = fields.contains { $0.contains("Mozilla/") }
            let saysNothing = !fields.contains { $0.hasPrefix("Sec-Fetch-Site") }
            #expect(!isBrowser || !saysNothing || fields.contains("Host: localhost"), "\(method) \(fields)")
        }
        #expect(forwarded > 0)
    }

    /// What is not looked at twice is what would be forwarded anyway.
    @Test func aHeadThatNeedsNoLookIsForwarded() {
        var skipped = 0
        for needsKey in [true, false] {
            let policy = policy(needsKey: needsKey)
            for (method, fields) in Self.combinations where !fields.contains("Host: evil.test") {
                guard let admission = unlookedAt(method, fields, policy) else { continue }
                skipped += 1
                guard case .forward = admission.decision, admission.pageOrigin == nil else {
                    Issue.record("\(method) \(fields)")
                    continue
                }
            }
        }
        #expect(skipped > 0)
    }

    /// The admission of a head that needs no look; nil for others.
    private func unlookedAt(_ method: String, _ fields: [String], _ policy: AccessPolicy) -> Admission? {
        let bytes = Array(([method + " /t HTTP/1.1"] + fields + ["", ""]).joined(separator: "\r\n").utf8)
        var parser = RequestParser(limits: HeadLimits())
        var head = RequestHead()
        guard case .complete = parser.parse(bytes.span, into: &head) else { return nil }
        return bytes.withUnsafeBytes { Admission.needsLook(head, $0, policy) ? nil : Admission(head, $0, policy) }
    }

    /// RFC 9110 section 7.6.2. A Host that was accepted before is no shortcut past it.
    @Test func optionsWithoutAnotherHopAreSquiresOwn() {
        let fields = ["Host: localhost", "Max-Forwards: 0"]
        let open = policy(needsKey: false)
        guard case .options = admission("OPTIONS", fields, open).decision else {
            Issue.record("OPTIONS are forwarded")
            return
        }
        #expect(unlookedAt("OPTIONS", fields, open) == nil)
        guard case .forward = admission("OPTIONS", ["Host: localhost", "Max-Forwards: 1"], open).decision,
            case .forward = admission("GET", fields, open).decision
        else {
            Issue.record("another hop, or another method, is forwarded")
            return
        }
        guard case .refuse = admission("OPTIONS", fields, policy(needsKey: true)).decision else {
            Issue.record("it passes without the key")
            return
        }
    }

    @Test func ownPagesHaveNoPreflights() {
        let fields = ["Host: localhost", "Origin: http://localhost", "Access-Control-Request-Method: GET"]
        guard case .refuse(let failure) = admission("OPTIONS", fields, policy(needsKey: true)).decision else {
            Issue.record("it passes without the key")
            return
        }
        #expect(failure.status == 403)
        guard case .forward = admission("OPTIONS", fields, policy(needsKey: false)).decision else {
            Issue.record("without a key it is a request like others")
            return
        }
    }
}
