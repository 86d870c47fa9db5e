import EventIO
import Logging
import ReverseProxy

/// Logs the steps of an exchange in progress: `[00a7-12] attempt 1: reused connection, TLS, token 3`.
extension ExchangeLog {
    func write(_ id: ExchangeID, _ step: ExchangeStep, at time: Timestamp, to line: ByteBuffer) {
        let level: Logger.Level = step.detail == .steps ? .debug : .trace
        var message = Self.message(step)
        message.level = level
        message.text = "[\(id)] \(message.text)"
        message.members.insert(("id", .text("\(id)")), at: 1)
        style.write(message, at: time, to: line)
    }

    private static func message(_ step: ExchangeStep) -> LogMessage {
        switch step {
        case .routed(let route, let pattern, let bearer):
            let by = pattern.map { " by \($0)" } ?? ""
            let words =
                switch bearer {
                case .session: "the session's token goes along"
                case .client: "the client's own credential goes along"
                case .none: "no token goes along"
                }
            return LogMessage(
                .debug,
                event: "route",
                "route \(route.rawValue)\(by): \(words)",
                [
                    ("route", .text(route.rawValue)), ("pattern", pattern.map(LogMessage.Value.text)),
                    ("bearer", .text("\(bearer)")),
                ]
            )
        case .requestEdited(let edits): return message("request_fields", "request", edits)
        case .responseEdited(let edits): return message("response_fields", "response", edits)
        case .connecting:
            return LogMessage(.debug, event: "connecting", "no idle connection: waits for one, a new one is begun")
        case .attempt(let number, let generation, let link):
            let parts = [
                link.isReused ? "reused connection" : "new connection", link.isSecure ? "TLS" : "plain",
                link.proxy.map { "proxy \($0)" }, generation > 0 ? "token \(generation)" : "no token",
            ]
            return LogMessage(
                .debug,
                event: "attempt",
                "attempt \(number): \(parts.compactMap(\.self).joined(separator: ", "))",
                [
                    ("attempt", .number(number)), ("connection", .text(link.isReused ? "reused" : "new")),
                    ("tls", .text(link.isSecure ? "yes" : "no")), ("via", link.proxy.map(LogMessage.Value.text)),
                    ("generation", .count(generation)),
                ]
            )
        case .answered(let status, let verdict, let version):
            let words =
                switch verdict {
                case .accepted: ""
                case .rejected: ": the token is rejected"
                case .undecided: ": its body says whether the token is rejected"
                case .unknown: ": its body is not looked into for a rejection of the token"
                }
            return LogMessage(
                .debug,
                event: "answer",
                "answer \(status)\(version.map { " over \($0)" } ?? "")\(words)",
                [
                    ("status", .number(status)), ("verdict", .text("\(verdict)")),
                    ("tls_version", version.map(LogMessage.Value.text)),
                ]
            )
        case .interim(let status):
            return LogMessage(.trace, event: "interim", "interim answer \(status)", [("status", .number(status))])
        case .waits(.needsToken): return LogMessage(.trace, event: "token_wait", "waits for a token")
        case .waits(.needsAnother): return LogMessage(.trace, event: "token_wait", "waits for another token")
        case .resumed(let generation?):
            return LogMessage(
                .trace,
                event: "token",
                "goes on with token \(generation)",
                [("generation", .count(generation))]
            )
        case .resumed(nil): return LogMessage(.trace, event: "token", "goes on without another token")
        }
    }

    private static func message(_ event: String, _ head: String, _ edits: HeadEdits) -> LogMessage {
        let kinds = [("added", edits.added), ("replaced", edits.replaced), ("removed", edits.removed)]
        let words = kinds.filter { !$0.1.isEmpty }.map { "\($0.0) \($0.1.joined(separator: ", "))" }
        return LogMessage(
            .debug,
            event: event,
            "\(head) fields: \(words.isEmpty ? "none changed" : words.joined(separator: "; "))",
            [("added", .list(edits.added)), ("replaced", .list(edits.replaced)), ("removed", .list(edits.removed))]
        )
    }
}
