public import Credentials
import Logging
public import ReverseProxy

/// Words for what happens to the session.
public enum SessionLog {
    public static func log(_ event: SessionEvent, to log: MessageLog) {
        log.write(message(event))
    }

    /// A request of the session's own, at `debug`.
    public static func log(_ request: SessionRequestRecord, to log: MessageLog) {
        let result = request.status.map { "status \($0)" } ?? "no answer: \(request.reason ?? "")"
        log.write(
            LogMessage(
                .debug,
                event: "refresh_request",
                "refresh request: \(request.method) \(request.path): \(result), \(request.milliseconds) ms",
                [
                    ("method", .text(request.method)), ("path", .text(request.path)),
                    ("status", request.status.map(LogMessage.Value.number)),
                    ("reason", request.reason.map(LogMessage.Value.text)), ("ms", .number(request.milliseconds)),
                ]
            )
        )
    }

    static func message(_ event: SessionEvent) -> LogMessage {
        switch event {
        case .refreshed(let cause, let generation, let expiresIn):
            refreshed(RefreshReport(cause: cause, outcome: .refreshed), generation, expiresIn)
        case .refreshFailed(let cause, let reason, let failure):
            refreshFailed(
                RefreshReport(cause: cause, outcome: failure.needsLogin ? .refused : .unavailable),
                reason,
                failure
            )
        case .adopted(let generation):
            LogMessage(
                .notice,
                event: "adopted",
                "another process changed the session: token \(generation)",
                [("generation", .count(generation))]
            )
        case .recovered:
            LogMessage(.notice, event: "recovered", "recovered a token written by a squire process that was killed")
        case .fileUnreadable(let reason):
            LogMessage(
                .error,
                event: "session_file",
                "session file unusable, continuing with the token in memory: \(reason)",
                [("reason", .text(reason))]
            )
        case .loggedIn(let generation):
            LogMessage(.notice, event: "login", "logged in: token \(generation)", [("generation", .count(generation))])
        case .loggedOut:
            LogMessage(.notice, event: "logout", "logged out")
        case .saved:
            LogMessage(.notice, event: "saved", "the token is saved now")
        case .notSaved(let reason):
            LogMessage(
                .error,
                event: "not_saved",
                "the new token is in use but NOT SAVED, and the old one is dead: \(reason)",
                [("reason", .text(reason))]
            )
        }
    }

    static func refreshed(_ report: RefreshReport, _ generation: Generation, _ expiresIn: Int?) -> LogMessage {
        LogMessage(
            .notice,
            event: "refresh",
            "token refreshed\(story(report, "because of")): token \(generation)\(life(expiresIn))",
            members(report) + [
                ("generation", .count(generation)), ("expires_in", expiresIn.map(LogMessage.Value.number)),
            ]
        )
    }

    static func refreshFailed(_ report: RefreshReport, _ reason: String, _ failure: CredentialFailure) -> LogMessage {
        var (text, retry) = ("token not refreshed\(story(report, "for")): \(reason)", Int?.none)
        switch failure {
        case .loginNeeded: text += " Run: squire login"
        case .unavailable(let seconds, _):
            text += "; next try in \(seconds) s"
            retry = seconds
        case .notRefreshable, .refreshDidNotHelp, .overloaded, .paused, .notWritable, .shuttingDown: break
        }
        return LogMessage(
            failure.needsLogin ? .error : .warning,
            event: "refresh",
            text,
            members(report) + [("reason", .text(reason)), ("retry_in", retry.map(LogMessage.Value.number))]
        )
    }

    /// ` because of [d022-1] (rejected) in 299 ms, 11 more waited`
    private static func story(_ report: RefreshReport, _ why: String) -> String {
        let who = report.trigger.map { " \(why) [\(ExchangeID($0))]" } ?? ""
        let others = report.waiters - 1
        let more = others > 0 ? ", \(others) more waited" : ""
        return "\(who) (\(report.cause.rawValue)) in \(report.milliseconds) ms\(more)"
    }

    private static func members(_ report: RefreshReport) -> [(String, LogMessage.Value?)] {
        [
            ("cause", .text(report.cause.rawValue)), ("outcome", .text(report.outcome.rawValue)),
            ("trigger", report.trigger.map { .text("\(ExchangeID($0))") }), ("waiters", .number(report.waiters)),
            ("ms", .number(report.milliseconds)),
        ]
    }

    /// `, good for 3600 s`
    static func life(_ seconds: Int?) -> String {
        seconds.map { ", good for \($0) s" } ?? ""
    }
}
