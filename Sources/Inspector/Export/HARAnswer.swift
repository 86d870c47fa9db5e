import HTTP1
import Support

/// The response of an entry.
struct HARAnswer {
    private let exchange: StoredExchange
    private let attempt: StoredAttempt?
    /// Squire's own response, unless the entry shows an earlier attempt.
    private let own: StoredOwnAnswer?

    init(_ exchange: StoredExchange, _ attempt: StoredAttempt?, isShownAsAttempt: Bool) {
        self.exchange = exchange
        self.attempt = attempt
        own = isShownAsAttempt && attempt != nil ? nil : exchange.ownAnswer
    }

    var json: JSONValue {
        if let own { return Self.json(own, exchange) }
        guard let attempt, let status = attempt.status else { return nothing }
        let location = attempt.fields.values(of: "location").first.map { RecordedText($0).text }
        return .object([
            .init("status", .integer(status)), .init("statusText", .string(RecordedText(attempt.reason).text)),
            .init("httpVersion", .string("HTTP/1.\(attempt.minorVersion)")),
            .init("cookies", .array(attempt.fields.values(of: "set-cookie").compactMap(HARFields.cookie))),
            .init("headers", HARFields.json(attempt.fields)), .init("content", content(attempt, status)),
            .init("redirectURL", .string(location ?? "")), .init("headersSize", .integer(attempt.headSize)),
            .init("bodySize", bodySize(attempt, status)),
        ])
    }

    private static func json(_ own: StoredOwnAnswer, _ exchange: StoredExchange) -> JSONValue {
        let given = own.fields.values(of: "content-type").first
        let type = given.map { RecordedText($0).text } ?? "application/octet-stream"
        let isHead = exchange.isHead
        var content: [JSONValue.Member] = [
            .init("size", .integer(isHead ? 0 : own.body.count)), .init("mimeType", .string(type)),
        ]
        if !isHead { content += text(own.body) }
        return .object([
            .init("status", .integer(own.status)), .init("statusText", .string("\(StatusPhrase.of(own.status))")),
            .init("httpVersion", .string("HTTP/1.1")), .init("cookies", .array([])),
            .init("headers", HARFields.json(own.fields)), .init("content", .object(content)),
            .init("redirectURL", .string("")), .init("headersSize", .integer(own.headSize > 0 ? own.headSize : -1)),
            .init("bodySize", .integer(isHead ? 0 : own.body.count)),
        ])
    }

    /// No response came.
    private var nothing: JSONValue {
        .object([
            .init("status", .integer(0)), .init("statusText", .string("")), .init("httpVersion", .string("HTTP/1.1")),
            .init("cookies", .array([])), .init("headers", .array([])),
            .init("content", .object(Self.noContent("application/octet-stream"))),
            .init("redirectURL", .string("")), .init("headersSize", .integer(-1)), .init("bodySize", .integer(-1)),
            .init("_error", .string("no response: \(exchange.code ?? exchange.outcome?.rawValue ?? "unknown")")),
        ])
    }

    private func content(_ attempt: StoredAttempt, _ status: Int) -> JSONValue {
        let body = attempt.body
        guard !exchange.isHead, status != 204, status != 304 else {
            return .object(Self.noContent(Self.mimeType(body)))
        }
        let known = body.encoding == nil ? body.size : UInt64(body.kept.count)
        let size = body.decodedSize.map(JSONValue.integer) ?? .count(known)
        var members: [JSONValue.Member] = [.init("size", size)]
        if body.encoding != nil, let decoded = body.decodedSize, body.unreadable == nil {
            members.append(.init("compression", .integer(decoded - Int(clamping: body.size))))
        }
        members.append(.init("mimeType", .string(Self.mimeType(body))))
        if body.unreadable == nil { members += Self.text(body.kept) }
        if let comment = Self.comment(on: body) { members.append(.init("comment", .string(comment))) }
        return .object(members)
    }

    private static func noContent(_ type: String) -> [JSONValue.Member] {
        [.init("size", .integer(0)), .init("mimeType", .string(type))]
    }

    private static func mimeType(_ body: StoredBody) -> String {
        body.type.flatMap { $0.isEmpty ? nil : $0 } ?? "application/octet-stream"
    }

    private static func text(_ octets: [UInt8]) -> [JSONValue.Member] {
        if let text = String(validating: octets, as: UTF8.self) { return [.init("text", .string(text))] }
        return [.init("text", .string(RecordedText.base64(octets))), .init("encoding", .string("base64"))]
    }

    /// Explains which part of a body is missing, and why; nil if nothing is.
    static func comment(on body: StoredBody) -> String? {
        if let coding = body.unreadable {
            return "\(body.size) octets encoded with \(coding), which cannot be searched for secrets: not kept"
        }
        guard body.isCut else { return nil }
        let size = body.decodedSize.map { "\($0)" } ?? "\(body.size)"
        return "cut: \(body.kept.count) of \(size) octets are kept"
    }

    /// -1 if the body never ended.
    private func bodySize(_ attempt: StoredAttempt, _ status: Int) -> JSONValue {
        if exchange.isHead || status == 304 || status == 204 { return .integer(0) }
        if attempt.isRelayed, exchange.outcome != .complete { return .integer(-1) }
        return .count(attempt.isRelayed ? exchange.responseBytes : attempt.body.size)
    }
}

extension StoredExchange {
    var isHead: Bool { method == Array("HEAD".utf8) }
}
