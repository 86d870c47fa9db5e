import Credentials
import HTTP1
import LocalServer
import Redaction
import ReverseProxy
import Support

/// Explains what would be sent for a request, like `squire explain`.
extension InspectorServer {
    func explain(_ request: LocalRequest, _ responder: LocalResponder) {
        guard case .object(let members)? = JSONValue(parsing: request.body) else {
            return responder.send(InspectorResponse.problem(.explainNeedsAnObject))
        }
        let asked: Explanation.Request
        do throws(InvalidMember) {
            asked = try Explanation.Request(members)
        } catch {
            return responder.send(error.response)
        }
        let current = proxy.current()
        guard let explanation = current.explain(asked) else {
            return responder.send(InvalidMember(field: "target", problem: "makes no request").response)
        }
        let credential = current.secrecy.present.credential
        let shown = ShownExplanation(redactor: currentRedactor().redactor, credential: credential)
        responder.send(InspectorResponse.json(200, shown.json(explanation)))
    }
}

extension Problem {
    fileprivate static let explainNeedsAnObject = Problem(
        .badRequest,
        detail: #"The body is not a JSON object such as {"method":"GET","target":"/x","fields":[["Accept","*/*"]]}."#
    )
}

extension Explanation.Request {
    fileprivate init(_ members: [JSONValue.Member]) throws(InvalidMember) {
        var (method, target): (String?, String?)
        var fields: [(name: String, value: String)] = []
        for member in members {
            switch member.name {
            case "method": method = member.value.string
            case "target": target = member.value.string
            case "fields": fields = try GivenFields.read(member.value)
            default: throw InvalidMember(field: member.name, problem: "is not known here")
            }
        }
        guard let method, !method.isEmpty, method.utf8.allSatisfy(Octet.isToken) else {
            throw InvalidMember(field: "method", problem: "must be a method, such as GET")
        }
        guard let target, !target.isEmpty, !target.utf8.contains(where: { $0 <= 0x20 || $0 == 0x7F }) else {
            throw InvalidMember(field: "target", problem: "must be a path and query without blanks, such as /x?y=1")
        }
        self.init(method: method, target: Self.withoutMarks(target), fields: fields)
    }

    /// Replaces the marks for secrets in a recorded target, which are not valid there: any value will do.
    private static func withoutMarks(_ target: String) -> String {
        var result = ""
        var rest = target[...]
        while let start = rest.firstIndex(of: "‹") {
            result += rest[..<start]
            rest = rest[start...]
            guard let end = rest.firstIndex(of: "›"), rest.hasPrefix("‹redacted›") || rest.hasPrefix("‹token") else {
                break
            }
            result += "redacted"
            rest = rest[rest.index(after: end)...]
        }
        return result + rest
    }
}

/// Converts an explanation to JSON, without secrets.
struct ShownExplanation {
    var redactor: Redactor
    var credential: CredentialApplication

    func json(_ explanation: Explanation) -> JSONValue {
        switch explanation.access {
        case .refused(let problem), .malformed(let problem):
            return .object([
                .init(
                    "access",
                    .object([
                        .init("allowed", .bool(false)), .init("status", .integer(problem.status)),
                        .init("code", .string(problem.code.rawValue)), .init("detail", .string(problem.detail)),
                    ])
                ),
                .init("fields", .array([])),
            ])
        case .answered(let reason):
            let detail = JSONValue.string("answered by Squire: \(reason)")
            return .object([
                .init("access", .object([.init("allowed", .bool(true)), .init("detail", detail)])),
                .init("fields", .array([])),
            ])
        case .allowed(let forwarding): return json(forwarding)
        }
    }

    private func json(_ forwarding: Explanation.Forwarding) -> JSONValue {
        let (route, token) = (forwarding.route, forwarding.token)
        return .object([
            .init("access", .string("allowed")),
            .init(
                "route",
                .object([
                    .init("kind", .string(route.kind.shownName)), .init("because", .optional(route.because)),
                    .init("source", .optional(route.source)),
                ])
            ),
            .init("upstream", .string(forwarding.upstream)), .init("cookies", .string(forwarding.cookies)),
            .init(
                "token",
                .object([
                    .init("action", .string(token.action.rawValue)),
                    .init("generation", .optional(token.generation.map { Int(clamping: $0) })),
                    .init("expires_in", .optional(token.expiresIn)), .init("advice", .optional(token.advice)),
                    .init("text", .string(token.text)),
                ])
            ),
            .init("request_line", .string(shown(forwarding.requestLine))),
            .init("fields", .array(forwarding.fields.map { json($0, token) })),
        ])
    }

    private func shown(_ requestLine: String) -> String {
        let parts = requestLine.split(separator: " ", omittingEmptySubsequences: false).map(String.init)
        guard parts.count == 3 else { return "" }
        return "\(parts[0]) \(RecordedText(redactor.target(Array(parts[1].utf8)).octets).text) \(parts[2])"
    }

    private func json(_ field: Explanation.Field, _ token: Explanation.Token) -> JSONValue {
        .object([
            .init("name", .string(field.name)), .init("value", .string(value(of: field, token))),
            .init("what", .string(field.what.rawValue)),
            .init("why", .string(field.why ?? (field.what == .kept ? "the client's" : "configured"))),
            .init("source", .optional(field.source)),
        ])
    }

    private func value(of field: Explanation.Field, _ token: Explanation.Token) -> String {
        if field.isToken {
            let mark = token.generation.map { RedactionMark.token($0) } ?? .redacted
            return "\(credential.prefix)\(mark.text)\(credential.suffix)"
        }
        let value = Array(field.value.utf8)
        let redacted = redactor.field(Array(field.name.utf8), value)
        // A configured value may be secret, whatever the field's name is.
        if field.secret != nil, redacted.octets == value { return RedactionMark.redacted.text }
        return RecordedText(redacted.octets).text
    }
}
