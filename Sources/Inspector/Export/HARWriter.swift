import Credentials
import HTTP1
import ReverseProxy
import Support

/// Writes exchanges as HTTP Archive 1.2 (http://www.softwareishard.com/blog/har-12-spec/), piece by piece. Pure.
///
/// Every member has the type that browsers and libraries require. The archive contains no secrets, because the stored
/// exchanges contain none.
struct HARWriter {
    enum View: String {
        /// As the client saw it.
        case client
        /// As the API saw it.
        case upstream
    }

    var version: String
    /// The base URL of the client's requests: `http://127.0.0.1:8080`.
    var client: String
    /// The base URL of the upstream's requests, with its base path.
    var upstream: String
    var view: View
    /// Whether there is an entry for each attempt rather than for each exchange.
    var showsAttempts: Bool
    /// How many octets of each body are stored.
    var bodyLimit: Int

    static let page = "squire"

    /// The text before the pages. `first` is the time of the first entry, in milliseconds since 1970.
    func beginning(first: Int64?) -> String {
        let creator = JSONValue.object([.init("name", .string("Squire")), .init("version", .string(version))])
        let comment = "Secrets are redacted; bodies are cut at \(bodyLimit) octets"
        var text = #"{"log":{"version":"1.2","creator":"# + creator.serialized()
        text += #","comment":"# + JSONValue.string(comment).serialized() + #","pages":["#
        if !showsAttempts, let first {
            text += Self.page(id: Self.page, startedAt: first, title: upstream).serialized()
        }
        return text
    }

    /// The page of an exchange, if each has its own.
    func page(of exchange: StoredExchange) -> String {
        let statuses = exchange.statuses.map(String.init)
        let refreshed = exchange.refresh == nil ? [] : ["refreshed"]
        let parts = statuses.prefix(1) + refreshed + statuses.dropFirst()
        let request = RecordedText(exchange.method).text + " " + RecordedText(exchange.target).text
        let title = parts.isEmpty ? request : "\(request) (\(parts.joined(separator: ", ")))"
        return Self.page(id: exchange.id.description, startedAt: exchange.wallMilliseconds, title: title).serialized()
    }

    static let middle = #"],"entries":["#
    static let end = "]}}\n"

    private static func page(id: String, startedAt: Int64, title: String) -> JSONValue {
        .object([
            .init("startedDateTime", .string(UTCTime.rfc3339(milliseconds: startedAt))), .init("id", .string(id)),
            .init("title", .string(title)), .init("pageTimings", .object([])),
        ])
    }

    /// Its entries, in the order of their beginnings.
    func entries(of exchange: StoredExchange) -> [String] {
        guard exchange.isRequest else { return [] }
        let attempts: [StoredAttempt?] =
            showsAttempts && !exchange.attempts.isEmpty ? exchange.attempts : [exchange.finalAttempt]
        return attempts.indices.map { index in
            let previous = showsAttempts && index > 0 ? attempts[index - 1] : nil
            return entry(of: exchange, attempts[index], after: previous, isLast: index == attempts.count - 1)
                .serialized()
        }
    }

    private func entry(
        of exchange: StoredExchange,
        _ attempt: StoredAttempt?,
        after previous: StoredAttempt?,
        isLast: Bool
    ) -> JSONValue {
        let start = previous.map { $0.ended ?? $0.began } ?? 0
        let timings = HARTimings(exchange, attempt, start: start, isLast: isLast)
        let answer = HARAnswer(exchange, attempt, isShownAsAttempt: showsAttempts)
        var members: [JSONValue.Member] = [
            .init("pageref", .string(showsAttempts ? exchange.id.description : Self.page)),
            .init(
                "startedDateTime",
                .string(UTCTime.rfc3339(milliseconds: exchange.wallMilliseconds &+ timings.startedAt))
            ),
            .init("time", .milliseconds(timings.total)), .init("request", request(of: exchange)),
            .init("response", answer.json), .init("cache", .object([])), .init("timings", timings.json),
            .init("connection", .string("\(exchange.connection)")), .init("_squire", squire(exchange, attempt)),
        ]
        if exchange.isTunnel {
            members.append(.init("_resourceType", .string("websocket")))
            members.append(.init("_webSocketMessages", .array(exchange.messages.map { message($0, exchange) })))
        }
        return .object(members)
    }

    private func squire(_ exchange: StoredExchange, _ attempt: StoredAttempt?) -> JSONValue {
        var redactions = exchange.requestRedactions
        for attempt in exchange.attempts { redactions += attempt.redactions + attempt.body.redactions }
        var members: [JSONValue.Member] = [
            .init("id", .string(exchange.id.description)), .init("attempts", .integer(exchange.attempts.count)),
            .init("generations", .array(exchange.generations.map { .integer(Int(clamping: $0)) })),
            .init("refresh", .optional(exchange.refresh)), .init("outcome", .optional(exchange.outcome?.rawValue)),
            .init("code", .optional(exchange.code)), .init("redactions", .array(redactions.map(JSONValue.string))),
        ]
        if showsAttempts, let attempt { members.append(.init("attempt", .integer(attempt.number))) }
        return .object(members)
    }

    private func message(_ message: StoredMessage, _ exchange: StoredExchange) -> JSONValue {
        let text = String(validating: message.kept, as: UTF8.self)
        let moment = Double(exchange.wallMilliseconds) + message.at
        return .object([
            .init("type", .string(message.isFromClient ? "send" : "receive")),
            .init("time", .milliseconds(moment / 1000)), .init("opcode", .integer(message.opcode ?? 1)),
            .init("data", .string(text ?? RecordedText.base64(message.kept))),
        ])
    }

    // MARK: Request

    private func request(of exchange: StoredExchange) -> JSONValue {
        // A recording that began late contains only these.
        let fields = view == .upstream || exchange.request.headSize == 0 ? exchange.sent : exchange.request.fields
        let target = RecordedText(exchange.target).text
        let path = target.hasPrefix("/") ? target : "/" + (target == "*" ? "" : target)
        var members: [JSONValue.Member] = [
            .init("method", .string(RecordedText(exchange.method).text)),
            .init("url", .string((view == .client ? client : upstream) + path.prefix { $0 != "#" })),
            .init("httpVersion", .string("HTTP/1.1")), .init("cookies", .array([])),
            .init("headers", HARFields.json(fields)), .init("queryString", HARFields.query(exchange.target)),
        ]
        let body = exchange.request.body
        if exchange.requestBytes > 0 || !body.kept.isEmpty { members.append(.init("postData", Self.postData(body))) }
        let size =
            view == .client && exchange.request.headSize > 0
            ? exchange.request.headSize : HARFields.headSize(of: exchange.method, exchange.target, fields)
        members.append(.init("headersSize", .integer(size)))
        members.append(.init("bodySize", .count(exchange.requestBytes)))
        return .object(members)
    }

    private static func postData(_ body: StoredBody) -> JSONValue {
        var members: [JSONValue.Member] = [.init("mimeType", .string(body.type ?? ""))]
        if body.mediaType == "application/x-www-form-urlencoded", body.unreadable == nil {
            members.append(.init("params", HARFields.pairs(body.kept[...])))
        } else if let text = String(validating: body.kept, as: UTF8.self) {
            members.append(.init("text", .string(text)))
        } else {
            members.append(.init("text", .string("")))
            members.append(
                .init(
                    "_content",
                    .object([
                        .init("encoding", .string("base64")), .init("text", .string(RecordedText.base64(body.kept))),
                        .init("size", .integer(body.kept.count)),
                    ])
                )
            )
        }
        if let comment = HARAnswer.comment(on: body) { members.append(.init("comment", .string(comment))) }
        return .object(members)
    }
}

extension StoredExchange {
    /// Whether there was a request: Squire also answers bytes that are not one, which have no entry.
    var isRequest: Bool { !isRunning && !method.isEmpty && !target.isEmpty }

    /// The attempt whose response the client received, or else the last one.
    fileprivate var finalAttempt: StoredAttempt? {
        attempts.last { $0.isRelayed } ?? attempts.last
    }
}
