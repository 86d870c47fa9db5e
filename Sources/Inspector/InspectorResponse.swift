import LocalServer
import ReverseProxy
import Support

/// Makes the inspector's responses, with the fields that each of them has.
enum InspectorResponse {
    static let fields = [
        (name: "Cache-Control", value: "no-store"), (name: "X-Content-Type-Options", value: "nosniff"),
        // What a browser shows of this asks for nothing more, the page's icon neither.
        (name: "Content-Security-Policy", value: "default-src 'none'; frame-ancestors 'none'; sandbox"),
        (name: "X-Frame-Options", value: "DENY"), (name: "Referrer-Policy", value: "no-referrer"),
        (name: "Cross-Origin-Opener-Policy", value: "same-origin"),
        (name: "Cross-Origin-Resource-Policy", value: "same-origin"),
    ]

    static func text(_ status: Int, _ text: String, type: String = "text/plain; charset=utf-8") -> LocalResponse {
        LocalResponse(status, contentType: type, text, fields: fields)
    }

    static func json(_ status: Int, _ value: JSONValue) -> LocalResponse {
        LocalResponse(status, contentType: "application/json", value.serialized(pretty: true) + "\n", fields: fields)
    }

    /// Problem details (RFC 9457), with further members and fields.
    static func problem(
        _ problem: Problem,
        members: [JSONValue.Member] = [],
        fields further: [(name: String, value: String)] = []
    ) -> LocalResponse {
        let retry = problem.retryAfter.map { [(name: "Retry-After", value: "\($0)")] } ?? []
        let body: [UInt8]
        if members.isEmpty {
            body = ProblemWriter(problem).body
        } else if case .object(let plain)? = JSONValue(parsing: ProblemWriter(problem).body) {
            body = Array((JSONValue.object(plain + members).serialized() + "\n").utf8)
        } else {
            body = ProblemWriter(problem).body
        }
        return LocalResponse(
            problem.status,
            fields: [("Content-Type", "\(ProblemWriter.contentType)")] + fields + retry + further,
            body: .bytes(body)
        )
    }
}
