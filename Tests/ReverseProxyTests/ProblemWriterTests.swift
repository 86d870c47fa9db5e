import Credentials
import EventIO
import HTTP1
import ReverseProxy
import Support
import Testing

@Suite struct ProblemWriterTests {
    private func json(_ problem: Problem) throws -> JSONValue {
        let writer = ProblemWriter(problem)
        let output = ByteBuffer(capacity: 16)
        writer.append(to: output)
        #expect(writer.count == output.count && writer.body == Array(output.readable))
        return try #require(JSONValue(parsing: writer.body))
    }

    @Test(arguments: Problem.Code.allCases) func everyProblemIsReadable(_ code: Problem.Code) throws {
        let json = try json(Problem(code, detail: "Why."))
        #expect(json.value(at: "/type") == .string("about:blank"))
        #expect(json.value(at: "/title") == .string("\(StatusPhrase.of(code.status))"))
        #expect(json.value(at: "/status") == .integer(code.status))
        #expect(json.value(at: "/detail") == .string("Why."))
        #expect(json.value(at: "/code") == .string(code.rawValue))
    }

    /// A detail may quote what others wrote.
    @Test func anyDetailIsEscaped() throws {
        let scalars = (0...0x2FF).compactMap(Unicode.Scalar.init).map(Character.init)
        let detail = String(scalars) + "\u{2028}🙂\"}\\"
        #expect(try json(Problem(.badRequest, detail: detail)).value(at: "/detail") == .string(detail))
        let body = ProblemWriter(Problem(.badRequest, detail: detail)).body
        #expect(body.dropLast().allSatisfy { $0 >= 0x20 && $0 != 0x7F })
    }
}
