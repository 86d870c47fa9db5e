import Credentials
import ReverseProxy
import Support

extension InspectorServer {
    /// The summary for the list.
    func summary(of exchange: StoredExchange) -> JSONValue { .object(exchange.summary) }

    /// All data of an exchange, except the octets of bodies that are not text.
    func detail(of exchange: StoredExchange) -> JSONValue {
        var exchange = exchange
        let refreshes = exchange.tokenWaits.isEmpty ? [] : book.history().entries
        for index in exchange.tokenWaits.indices where exchange.tokenWaits[index].outcome == .refreshed {
            let generation = exchange.tokenWaits[index].generation
            exchange.tokenWaits[index].waiters = refreshes.last { $0.generation == generation }?.report?.others
        }
        return .object(exchange.summary + exchange.details)
    }
}

extension StoredExchange {
    typealias Members = [JSONValue.Member]

    var summary: Members {
        let shown = RecordedText(target)
        var replayOf: JSONValue = .null
        if case .replay(let former, _) = origin { replayOf = .string(former.description) }
        var members: Members = [
            .init("seq", .integer(sequence)), .init("id", .string(id.description)),
            .init("at", .string(RecordedText.moment(wallMilliseconds))),
            .init("method", .string(RecordedText(method).text)), .init("target", .string(shown.text)),
            .init("status", .optional(status)), .init("outcome", .optional(outcome?.rawValue)),
            .init("code", .optional(code)), .init("route", .string(route?.shownName ?? "none")),
            .init("attempts", .integer(attempts.count)), .init("statuses", .array(statuses.map(JSONValue.integer))),
            .init("generation", .optional(generation.map { Int(clamping: $0) })),
            .init("generations", .array(generations.map { .integer(Int(clamping: $0)) })),
            .init("refresh", .optional(refresh)), .init("token_outcome", .optional(tokenOutcome?.rawValue)),
            .init("request_bytes", .count(requestBytes)),
            .init("response_bytes", .count(responseBytes)), .init("total_ms", .milliseconds(age)),
            .init("upstream_ms", upstreamMilliseconds.map(JSONValue.milliseconds) ?? .null),
            .init("type", .optional(type)), .init("state", .string(isRunning ? "running" : "done")),
            .init("origin", .string(originName)), .init("replay_of", replayOf),
            .init("flags", .array(flags.map { .string($0.rawValue) })), .init("connection", .count(connection)),
        ]
        if shown.isOctets { members.append(.init("octets", .bool(true))) }
        return members
    }

    var details: Members {
        let timings = timings
        return [
            .init("request", requestJSON), .init("sent", .object(Self.fields(sent) + [.init("what", sentWhat)])),
            .init("attempt_list", .array(attempts.map(Self.json))),
            .init("interim", .array(interim.map(Self.json))),
            .init("token_wait", tokenWaits.last.map(Self.json) ?? .null),
            .init("token_waits", .array(tokenWaits.map(Self.json))), .init("own_answer", ownAnswerJSON),
            .init("own_answer_head", ownAnswerHead),
            .init("messages", .array(messages.map(Self.json))),
            .init(
                "timings",
                .object([
                    .init("queued", .milliseconds(timings.queued)), .init("token", .milliseconds(timings.token)),
                    .init("upstream", .milliseconds(timings.upstream)), .init("client", .milliseconds(timings.client)),
                ])
            ),
        ]
    }

    /// The origin of each field that went upstream, in the words of `squire explain`.
    private var sentWhat: JSONValue {
        .array(
            (0..<sent.count).map { number in
                let what: Explanation.Field.What =
                    number == 0
                    ? .made
                    : number <= sentParts.kept ? .kept : number <= sentParts.kept + sentParts.made ? .made : .set
                return .string(what.rawValue)
            }
        )
    }

    private var requestJSON: JSONValue {
        var head: Members = [.init("version", .string("1.\(request.minorVersion)"))]
        head += Self.fields(request.fields)
        head.append(.init("size", .integer(request.headSize)))
        return .object([
            .init("head", .object(head)), .init("body", request.body.json),
            .init("kept_for_replay", ending?.wasReplayable == true ? .string("memory") : .null),
            .init("redactions", .array(requestRedactions.map(JSONValue.string))),
            .init("replaced", .optional(replaced)),
        ])
    }

    /// Squire's own response: the problem that was sent, or another one.
    private var ownAnswerJSON: JSONValue {
        guard let ownAnswer else { return .null }
        if let value = JSONValue(parsing: ownAnswer.body), case .object(var members) = value {
            if value["status"] == nil { members.append(.init("status", .integer(ownAnswer.status))) }
            members.append(.init("at", .milliseconds(ownAnswer.at)))
            return .object(members)
        }
        return .object([
            .init("status", .integer(ownAnswer.status)), .init("code", .optional(ownAnswer.code)),
            .init("text", .string(RecordedText(ownAnswer.body).text)), .init("at", .milliseconds(ownAnswer.at)),
        ])
    }

    private var ownAnswerHead: JSONValue {
        guard let ownAnswer, ownAnswer.headSize > 0 else { return .null }
        return .object(Self.fields(ownAnswer.fields) + [.init("size", .integer(ownAnswer.headSize))])
    }

    private static func fields(_ fields: StoredFields) -> Members {
        var isOctets = false
        let pairs = fields.map { field in
            let value = RecordedText(field.value)
            isOctets = isOctets || value.isOctets
            return JSONValue.array([.string(RecordedText(field.name).text), .string(value.text)])
        }
        return [.init("fields", .array(pairs))] + (isOctets ? [.init("octets", .bool(true))] : [])
    }

    private static func json(_ attempt: StoredAttempt) -> JSONValue {
        let reason = RecordedText(attempt.reason)
        var members: Members = [
            .init("n", .integer(attempt.number)),
            .init("generation", attempt.generation == 0 ? .null : .integer(Int(clamping: attempt.generation))),
            .init("began", .milliseconds(attempt.began)), .init("connected", .moment(attempt.connected)),
            .init("reused", .bool(attempt.isReused)), .init("lookup_ms", .moment(attempt.setup.lookup)),
            .init("tls_ms", .moment(attempt.setup.tls)), .init("sent", .moment(attempt.sent)),
            .init("first_byte", .moment(attempt.firstByte)), .init("ended", .moment(attempt.ended)),
            .init("status", .optional(attempt.status)), .init("reason", .string(reason.text)),
            .init("version", .string("1.\(attempt.minorVersion)")),
        ]
        members += fields(attempt.fields)
        members += [
            .init("size", .integer(attempt.headSize)), .init("body", attempt.body.json),
            .init("redactions", .array((attempt.redactions + attempt.body.redactions).map(JSONValue.string))),
            .init("held", .bool(attempt.isHeld)), .init("relayed", .bool(attempt.isRelayed)),
            .init("marks", .array(attempt.marks.map { .array([.count($0.offset), .milliseconds($0.at)]) })),
        ]
        return .object(members)
    }

    private static func json(_ interim: StoredInterim) -> JSONValue {
        .object([.init("at", .milliseconds(interim.at)), .init("status", .integer(interim.status))])
    }

    private static func json(_ wait: StoredTokenWait) -> JSONValue {
        .object([
            .init("began", .milliseconds(wait.began)), .init("ended", .moment(wait.ended)),
            .init("led", .bool(wait.led)), .init("for_rejection", .bool(wait.need == .another)),
            .init("need", .string(wait.need.name)), .init("awaited", .string(wait.awaited.name)),
            .init("waiters", .optional(wait.waiters)),
            .init("generation", wait.generation == 0 ? .null : .integer(Int(clamping: wait.generation))),
            .init("outcome", .optional(wait.outcome?.rawValue)),
            .init("detail", wait.detail.isEmpty ? .null : .string(RecordedText(wait.detail).text)),
        ])
    }

    private static func json(_ message: StoredMessage) -> JSONValue {
        .object(
            [
                .init("at", .milliseconds(message.at)),
                .init("from", .string(message.isFromClient ? "client" : "upstream")),
                .init("opcode", .optional(message.opcode)), .init("size", .count(message.size)),
            ] + RecordedText.content(message.kept)
        )
    }
}

extension StoredBody {
    fileprivate var json: JSONValue {
        var members: [JSONValue.Member] = [
            .init("size", .count(size)), .init("kept", .integer(kept.count)),
            .init("decoded", .optional(decodedSize)), .init("type", .optional(type)),
            .init("encoding", .optional(encoding)), .init("cut", .bool(isCut)),
        ]
        members += RecordedText.content(kept)
        if let unreadable { members.append(.init("unreadable", .string(unreadable))) }
        members.append(.init("redactions", .array(redactions.map(JSONValue.string))))
        return .object(members)
    }
}

extension JSONValue {
    static func optional(_ text: String?) -> JSONValue { text.map(JSONValue.string) ?? .null }
    static func optional(_ number: Int?) -> JSONValue { number.map(JSONValue.integer) ?? .null }
    static func count(_ number: UInt64) -> JSONValue { .number("\(number)") }

    /// Milliseconds, to a thousandth.
    static func milliseconds(_ value: Double) -> JSONValue {
        let thousandths = value.isFinite ? UInt64(min(max(0, value), 1e12) * 1000 + 0.5) : 0
        guard thousandths % 1000 != 0 else { return .number("\(thousandths / 1000)") }
        var digits = "\(thousandths % 1000 + 1000)".dropFirst()
        while digits.last == "0" { digits.removeLast() }
        return .number("\(thousandths / 1000).\(digits)")
    }

    fileprivate static func moment(_ value: Double?) -> JSONValue { value.map(milliseconds) ?? .null }
}

/// Recorded octets as text for JSON: octets that are not UTF-8 are read as Latin-1, one character for each octet.
struct RecordedText: Equatable {
    let text: String
    /// The octets are not UTF-8.
    let isOctets: Bool

    init(_ octets: [UInt8]) {
        if let text = String(validating: octets, as: UTF8.self) {
            (self.text, isOctets) = (text, false)
        } else {
            (text, isOctets) = (Self.latin(octets), true)
        }
    }

    /// A member `text` or `base64`; none for empty content.
    static func content(_ octets: [UInt8]) -> [JSONValue.Member] {
        if octets.isEmpty { return [] }
        if let text = String(validating: octets, as: UTF8.self) { return [.init("text", .string(text))] }
        return [.init("base64", .string(base64(octets)))]
    }

    /// RFC 3339 with milliseconds. `wall` is in milliseconds since 1970.
    static func moment(_ wall: Int64) -> String { UTCTime.rfc3339(milliseconds: wall) }

    /// Marks for secrets are not from the peer, and stay unchanged.
    private static func latin(_ octets: [UInt8]) -> String {
        var result = ""
        var rest = octets[...]
        let (opening, closing): ([UInt8], [UInt8]) = ([0xE2, 0x80, 0xB9], [0xE2, 0x80, 0xBA])
        while let octet = rest.first {
            if rest.starts(with: opening), let mark = mark(rest, closing) {
                result += mark
                rest = rest.dropFirst(mark.utf8.count)
            } else {
                result.unicodeScalars.append(Unicode.Scalar(octet))
                rest = rest.dropFirst()
            }
        }
        return result
    }

    private static func mark(_ octets: ArraySlice<UInt8>, _ closing: [UInt8]) -> String? {
        let head = octets.prefix(64)
        guard
            let end = head.indices.first(where: { head[$0...].starts(with: closing) }),
            let text = String(validating: head[..<(end + 3)], as: UTF8.self)
        else { return nil }
        return text.hasPrefix("‹redacted›") || text.hasPrefix("‹token") ? text : nil
    }

    /// RFC 4648 section 4, with padding.
    static func base64(_ octets: [UInt8]) -> String {
        let text = Base64URL.encode(octets).utf8.map { octet in
            octet == UInt8(ascii: "-") ? UInt8(ascii: "+") : octet == UInt8(ascii: "_") ? UInt8(ascii: "/") : octet
        }
        let padding = [UInt8](repeating: UInt8(ascii: "="), count: (4 - text.count % 4) % 4)
        return String(decoding: text + padding, as: UTF8.self)
    }
}

extension RouteKind {
    /// The kind as in `squire explain`, in the API's spelling.
    var shownName: String {
        switch self {
        case .ordinary, .refresh: "ordinary"
        case .signIn: "sign_in"
        case .signOut: "sign_out"
        case .anonymous: "anonymous"
        }
    }
}
