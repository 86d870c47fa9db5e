public import Credentials
import Logging
public import ReverseProxy

/// Logs the session's events.
public enum SessionLog {
    /// `login` is the command that logs in to this session.
    public static func log(_ event: SessionEvent, to log: MessageLog, login: String = "squire login") {
        log.write(message(event, login))
    }

    /// Logs a request of the session's own, at `debug`.
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

    static func message(_ event: SessionEvent, _ login: String = "squire login") -> LogMessage {
        switch event {
        case .refreshed(let report, let generation, let expiresIn): refreshed(report, generation, expiresIn)
        case .unchanged(let report, let expiresIn): unchanged(report, expiresIn)
        case .refreshFailed(let report, let reason, let failure): refreshFailed(report, reason, failure, login)
        case .adopted(let change, let origin, let generation): adopted(change, origin, generation)
        case .recovered:
            LogMessage(.notice, event: "recovered", "recovered a token written by a squire process that was killed")
        case .waitsForFile(let path, let since, let limit): waits(path, since, limit)
        case .fileUnreadable(let reason):
            LogMessage(
                .error,
                event: "session_file",
                "session file unusable, continuing with the token in memory: \(reason)",
                [("reason", .text(reason))]
            )
        case .loggedIn(let generation):
            LogMessage(.notice, event: "login", "logged in: token \(generation)", [("generation", .count(generation))])
        case .replaced(let session):
            replaced(session)
        case .keptBeforeShared(let path):
            LogMessage(
                .notice,
                event: "shared",
                "this machine's own session gave way to the one that the machines share; it is kept in \(path)",
                [("outcome", .text("joined")), ("kept_in", .text(path))]
            )
        case .loginIgnored(let reason):
            LogMessage(
                .error,
                event: "login",
                "a sign-in was not taken over: \(reason). To replace it: \(login) --replace",
                [("outcome", .text("ignored")), ("reason", .text(reason))]
            )
        case .loggedOut:
            LogMessage(.notice, event: "logout", "logged out")
        case .livesOn(let reason):
            LogMessage(
                .warning,
                event: "logout",
                "the session is forgotten here, but lives on at its source: \(reason)",
                [("outcome", .text("lives_on")), ("reason", .text(reason))]
            )
        case .died(let advice):
            LogMessage(
                .error,
                event: "dead",
                "the API refuses the token. \(advice ?? "")",
                [("advice", advice.map(LogMessage.Value.text))]
            )
        case .denied(let advice):
            LogMessage(
                .error,
                event: "denied",
                "no machine refreshes the token any more. \(advice ?? "")",
                [("advice", advice.map(LogMessage.Value.text))]
            )
        case .revived:
            LogMessage(.notice, event: "revived", "the API accepts the token again")
        case .saved:
            LogMessage(.notice, event: "saved", "the token is saved now")
        case .notSaved(let reason, let hasEnded):
            LogMessage(
                .error,
                event: "not_saved",
                notSavedText(reason, hasEnded: hasEnded),
                [("reason", .text(reason))]
            )
        }
    }

    /// A change is in force that could not be saved, because of `reason`.
    public static func notSavedText(_ reason: String, hasEnded: Bool) -> String {
        hasEnded
            ? "the session has ended, and its file still has the former token: NOT SAVED: \(reason)"
            : "the new token is in use but NOT SAVED, and the old one is dead: \(reason)"
    }

    private static func waits(_ path: String, _ since: Duration, _ limit: Duration) -> LogMessage {
        LogMessage(
            .warning,
            event: "waiting",
            waitText(path, since, limit),
            [("path", .text(path)), ("limit", .number(Int(limit.components.seconds)))]
        )
    }

    /// What people are told of a long wait for the lock of the session file at `path`.
    public static func waitText(_ path: String, _ since: Duration, _ limit: Duration) -> String {
        "another process has held \(path).lock for \(Quantity.words(seconds: Int(since.components.seconds))). Waiting up to "
            + "\(Quantity.words(seconds: Int(limit.components.seconds))) for it (a stopped Squire? fuser \(path).lock names it)"
    }

    private static func replaced(_ session: ReplacedSession) -> LogMessage {
        let who = session.subject.map { " of customer \($0)" } ?? ""
        let life = session.expiresIn.map { $0 > 0 ? ", good for \(Quantity.words(seconds: $0))" : "" } ?? ""
        let fate = session.keptIn.map { "it is kept in \($0)" } ?? "it could not be kept"
        return LogMessage(
            .notice,
            event: "login",
            "a login replaced the session\(who)\(life); \(fate)",
            [
                ("outcome", .text("replaced")), ("subject", session.subject.map(LogMessage.Value.text)),
                ("expires_in", session.expiresIn.map(LogMessage.Value.number)),
                ("kept_in", session.keptIn.map(LogMessage.Value.text)),
            ]
        )
    }

    private static func adopted(
        _ change: AdoptedChange,
        _ origin: ChangeAuthor,
        _ generation: Generation
    ) -> LogMessage {
        let text =
            switch change {
            case .refresh: "another \(origin.rawValue) refreshed the token: token \(generation)"
            case .login: "a new login\(origin == .machine ? " on another machine" : ""): token \(generation)"
            case .logout: "another \(origin.rawValue) logged out"
            }
        return LogMessage(
            .notice,
            event: "adopted",
            text,
            [
                ("change", .text(change.rawValue)), ("by", .text(origin.rawValue)),
                ("generation", change == .logout ? nil : .count(generation)),
            ]
        )
    }

    static func refreshed(_ report: RefreshReport, _ generation: Generation, _ expiresIn: Int?) -> LogMessage {
        LogMessage(
            .notice,
            event: "refresh",
            "\(report.cause == .start ? "first token" : "token refreshed")\(story(report, "because of")): token \(generation)\(life(expiresIn))",
            members(report) + [
                ("generation", .count(generation)), ("expires_in", expiresIn.map(LogMessage.Value.number)),
            ]
        )
    }

    static func unchanged(_ report: RefreshReport, _ expiresIn: Int?) -> LogMessage {
        LogMessage(
            .notice,
            event: "refresh",
            "token not changed\(story(report, "for")): the API gave the same token again\(life(expiresIn))",
            members(report) + [("expires_in", expiresIn.map(LogMessage.Value.number))]
        )
    }

    static func refreshFailed(
        _ report: RefreshReport,
        _ reason: String,
        _ failure: CredentialFailure,
        _ login: String = "squire login"
    ) -> LogMessage {
        let what = report.cause == .start ? "no first token" : "token not refreshed"
        var (text, retry) = ("\(what)\(story(report, "for")): \(reason)", Int?.none)
        switch failure {
        case .loginNeeded: text += " Run: \(login)"
        case .unavailable(let seconds, _, _), .misconfigured(_, let seconds):
            text += "; next try in \(seconds) s"
            retry = seconds
        case .notRefreshable, .refreshDidNotHelp, .unchanged, .overloaded, .paused, .notWritable, .shuttingDown: break
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

    /// `, good for 60 min`
    static func life(_ seconds: Int?) -> String {
        seconds.map { ", good for \(Quantity.words(seconds: $0))" } ?? ""
    }
}
