import Logging
public import SharedSession

/// Logs the events of a shared session.
public enum SharedLog {
    public static func log(_ news: SharedNews, to log: MessageLog) {
        log.write(message(news))
    }

    /// The warning that a subcommand prints about the event; nil if it is harmless.
    public static func warning(_ news: SharedNews) -> String? {
        let message = message(news)
        return message.level >= .warning ? message.text : nil
    }

    static func message(_ news: SharedNews) -> LogMessage {
        let entry = entry(news)
        return LogMessage(
            entry.level,
            event: "shared",
            entry.text,
            [
                ("outcome", .text(entry.outcome)), ("reason", entry.reason.map(LogMessage.Value.text)),
                ("by", entry.by.map(LogMessage.Value.text)),
            ]
        )
    }

    /// A log line, before it is a message.
    private struct Entry {
        var level: Logger.Level
        /// Its name for programs.
        var outcome: String
        var text: String
        var reason: String?
        /// A machine, by the name of its process.
        var by: String?

        init(_ level: Logger.Level, _ outcome: String, _ text: String, reason: String? = nil, by: String? = nil) {
            self.level = level
            self.outcome = outcome
            self.text = text
            self.reason = reason
            self.by = by
        }
    }

    private static func entry(_ news: SharedNews) -> Entry {
        switch news {
        case .reachable: Entry(.notice, "reachable", "the engine of the shared session answers again")
        case .unreachable(let failure): unreachable(failure)
        case .readOnly(let failure): readOnly(failure)
        case .writable: Entry(.notice, "writable", "the engine of the shared session accepts writes again")
        case .misconfigured(let failure):
            Entry(
                .error,
                "misconfigured",
                "MISCONFIGURED: \(failure.detail). \(failure.advice)",
                reason: failure.detail
            )
        case .engineReplaced(let from, let to): engineReplaced(from, to)
        case .keys(let problem): keys(problem)
        case .unusable(let reason):
            Entry(
                .error,
                "unusable",
                "NOT SHARED: the shared session is neither used nor replaced: \(reason)",
                reason: reason
            )
        case .notShared(let reason): notShared(reason)
        case .logoutNotShared(let reason): logoutNotShared(reason)
        case .shared: Entry(.notice, "shared", "the other machines know it now")
        case .takesOver(let machine):
            Entry(
                .warning,
                "takeover",
                "\(machine) was silent for too long: this machine takes its refresh over",
                by: machine
            )
        case .takenOver:
            Entry(
                .warning,
                "taken_over",
                "another machine has taken over the refresh of this one, which was silent for too long"
            )
        case .putsBack:
            Entry(
                .warning,
                "put_back",
                "the machines had an older token than this one, or none: this one's has been put back"
            )
        case .drops:
            Entry(.warning, "dropped", "another machine's token has replaced the one that this machine obtained")
        case .tooLate:
            Entry(.notice, "too_late", "the claim was confirmed too late, so this machine did not refresh")
        }
    }

    // MARK: The engine

    private static func unreachable(_ failure: SharedStoreFailure) -> Entry {
        Entry(
            .warning,
            "unreachable",
            "the engine of the shared session cannot be reached (\(failure.detail)): the token is used until it expires, "
                + "and not refreshed before the engine is back. \(failure.advice)",
            reason: failure.detail
        )
    }

    private static func readOnly(_ failure: SharedStoreFailure) -> Entry {
        Entry(
            .error,
            "read_only",
            "the engine of the shared session can be read, but rejects writes (\(failure.detail)): the token is used until "
                + "it expires, and not refreshed before the engine accepts writes. \(failure.advice)",
            reason: failure.detail
        )
    }

    private static func engineReplaced(_ from: String, _ to: String) -> Entry {
        Entry(
            .warning,
            "engine_replaced",
            "the engine of the shared session is another one than before (\(from), now \(to)): it was restored or "
                + "recreated, or session.shared names members of two clusters"
        )
    }

    private static func keys(_ problem: String?) -> Entry {
        guard let problem else {
            return Entry(.notice, "keys", "session.shared.key has other keys, which are used now")
        }
        return Entry(
            .error,
            "keys",
            "session.shared.key has changed and cannot be used, so the keys that were read stay: \(problem)",
            reason: problem
        )
    }

    // MARK: This machine

    private static func notShared(_ reason: String?) -> Entry {
        Entry(
            .error,
            "not_shared",
            "the token is in use here but NOT SHARED, and the other machines do not have it"
                + (reason.map { ": \($0)" } ?? ""),
            reason: reason
        )
    }

    private static func logoutNotShared(_ reason: String?) -> Entry {
        Entry(
            .error,
            "not_shared",
            "logged out here, and NOT SHARED: the other machines could not be told, and go on until the API refuses them. "
                + "The next Squire that runs here tells them" + (reason.map { ". \($0)" } ?? ""),
            reason: reason
        )
    }
}
