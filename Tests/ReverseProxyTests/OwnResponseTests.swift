import Credentials
import EventIO
import HTTP1
import Testing

@testable import ReverseProxy

@Suite struct OwnResponseTests {
    private func render(_ problem: Problem, method: MethodName = .get) -> String {
        let output = ByteBuffer(capacity: 16)
        let count = OwnResponse(method: method, date: "now", closes: true).append(problem, to: output)
        #expect(count == (method == .head ? 0 : ProblemWriter(problem).count))
        return String(decoding: output.readable, as: UTF8.self)
    }

    @Test(arguments: Problem.Code.allCases) func aProblemIsOneWholeResponse(_ code: Problem.Code) {
        let text = render(Problem(code, detail: "Why.", retryAfter: 3))
        let bytes = Array(text.utf8)
        var parser = ResponseParser(limits: HeadLimits())
        var head = ResponseHead()
        let body = ProblemWriter(Problem(code, detail: "Why.")).body
        let progress = parser.parse(bytes.span, answering: .get, into: &head)
        #expect(progress == .complete(bytes.count - body.count))
        #expect(head.status == code.status && head.framing == .length(UInt64(body.count)) && !head.keepsAlive)
        #expect(text.contains("Content-Type: application/problem+json\r\n"))
        #expect(text.contains("Proxy-Status: squire; error=\(code.proxyError.rawValue)\r\n"))
        #expect(text.contains("Retry-After: 3\r\n"))
    }

    @Test func responseToHEADHasTheLengthAndNoBody() {
        let whole = render(.wrongKey)
        let head = render(.wrongKey, method: .head)
        #expect(whole.hasPrefix(head) && head.hasSuffix("\r\n\r\n") && whole.count > head.count)
    }

    @Test func statusesWithAFieldOfTheirOwnHaveIt() {
        #expect(render(.methodNotAllowed).contains("Allow: GET, "))
        #expect(render(.loginNeeded()).contains("WWW-Authenticate: Bearer "))
    }

    private func render(refreshed contentType: String) -> String {
        let output = ByteBuffer(capacity: 16)
        let reply = RefreshResponse(token: Token("t")!, body: Array("{}".utf8), contentType: contentType)
        OwnResponse(method: .get, date: "now", closes: false).append(reply, to: output)
        return String(decoding: output.readable, as: UTF8.self)
    }

    @Test func theRefreshsTypeIsPassedOn() {
        #expect(
            render(refreshed: "application/json; charset=utf-8").contains(
                "\r\nContent-Type: application/json; charset=utf-8\r\n"
            )
        )
    }

    @Test(arguments: ["a\rSet-Cookie: x=1", "a\nb", "a\r\nX-B: 1", "a\u{0}", "a\u{7F}", "\u{1B}[2J", ""])
    func aTypeThatIsNoFieldValueIsLeftOut(_ contentType: String) {
        let text = render(refreshed: contentType)
        #expect(!text.contains("Content-Type"))
        #expect(text.split(separator: "\r\n", omittingEmptySubsequences: false).count == 7, "\(text.debugDescription)")
    }
}
