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

    /// Every combination of what the rules look at: nothing is forwarded without the key where one is needed.
    @Test func nothingIsForwardedWithoutTheKey() {
        let policy = policy(needsKey: true)
        var decisions = (forwarded: 0, answered: 0, refused: 0)
        for method in ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "TRACE", "CONNECT", "X"] {
            for host in ["Host: localhost", "Host: api.example.com", "Host: evil.test"] {
                for origin in [
                    [], ["Origin: \(Self.page)"], ["Origin: http://localhost"], ["Origin: null"],
                    ["Origin: \(Self.page)", "Origin: \(Self.page)"],
                ] {
                    for site in [
                        [], ["Sec-Fetch-Site: none"], ["Sec-Fetch-Site: same-origin"], ["Sec-Fetch-Site: cross-site"],
                    ] {
                        for asked in [[], ["Access-Control-Request-Method: GET"]] {
                            for shown in [
                                [], ["X-Squire-Key: "], ["X-Squire-Key: wrong"], ["X-Squire-Key: \(Self.key)"],
                            ] {
                                switch admission(method, [host] + origin + site + asked + shown, policy).decision {
                                case .forward:
                                    decisions.forwarded += 1
                                    #expect(shown == ["X-Squire-Key: \(Self.key)"])
                                case .preflight:
                                    decisions.answered += 1
                                    #expect(method == "OPTIONS" && origin == ["Origin: \(Self.page)"] && !asked.isEmpty)
                                case .refuse:
                                    decisions.refused += 1
                                }
                            }
                        }
                    }
                }
            }
        }
        #expect(decisions.forwarded > 0 && decisions.answered > 0 && decisions.refused > 0)
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
