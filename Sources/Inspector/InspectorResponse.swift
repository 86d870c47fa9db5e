import LocalServer
import ReverseProxy
import Support

/// Creates the inspector's responses, with their common fields.
enum InspectorResponse {
    /// Security fields for browsers, on all responses except previews.
    private static let guarding = [
        (
            name: "Content-Security-Policy",
            // Only this origin's scripts run, and strings cannot be turned into HTML.
            value: "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
                + "connect-src 'self'; frame-src 'self'; base-uri 'none'; form-action 'none'; "
                + "frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"
        ),
        (name: "X-Content-Type-Options", value: "nosniff"), (name: "X-Frame-Options", value: "DENY"),
        (name: "Referrer-Policy", value: "no-referrer"), (name: "Cross-Origin-Opener-Policy", value: "same-origin"),
        (name: "Cross-Origin-Resource-Policy", value: "same-origin"),
        (
            name: "Permissions-Policy",
            value: "clipboard-write=(self), camera=(), microphone=(), geolocation=()"
        ),
    ]
    /// The fields of all responses except the page's files and previews.
    static let fields = [(name: "Cache-Control", value: "no-store")] + guarding

    /// One of the page's files; 304 if the browser has it already. Browsers revalidate it each time, because a page
    /// with files of two versions stays blank.
    static func file(_ file: PageFile, isKnown: Bool) -> LocalResponse {
        let fields = [(name: "ETag", value: file.tag), (name: "Cache-Control", value: "no-cache")] + guarding
        guard !isKnown else { return LocalResponse(304, fields: fields) }
        return LocalResponse(200, fields: [("Content-Type", file.type)] + fields, body: .bytes(file.bytes))
    }

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
