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
        switch news {
        case .reachable:
            LogMessage(
                .notice,
                event: "shared",
                "what the session is shared through answers again",
                [outcome("reachable")]
            )
        case .unreachable(let failure):
            LogMessage(
                .warning,
                event: "shared",
                "what the session is shared through cannot be asked (\(failure.detail)): the token is used to its end, "
                    + "and not refreshed until then. \(failure.advice)",
                [outcome("unreachable"), ("reason", .text(failure.detail))]
            )
        case .readOnly(let failure):
            LogMessage(
                .error,
                event: "shared",
                "what the session is shared through can be read, and refuses what is written (\(failure.detail)): the token is "
                    + "used to its end, and not refreshed until then. \(failure.advice)",
                [outcome("read_only"), ("reason", .text(failure.detail))]
            )
        case .writable:
            LogMessage(
                .notice,
                event: "shared",
                "what the session is shared through takes what is written again",
                [outcome("writable")]
            )
        case .misconfigured(let failure):
            LogMessage(
                .error,
                event: "shared",
                "MISCONFIGURED: \(failure.detail). \(failure.advice)",
                [outcome("misconfigured"), ("reason", .text(failure.detail))]
            )
        case .unusable(let reason):
            LogMessage(
                .error,
                event: "shared",
                "NOT SHARED: the shared session is neither used nor replaced: \(reason)",
                [outcome("unusable"), ("reason", .text(reason))]
            )
        case .notShared(let reason):
            LogMessage(
                .error,
                event: "shared",
                "the token is in use here but NOT SHARED, and the other machines do not have it"
                    + (reason.map { ": \($0)" } ?? ""),
                [outcome("not_shared"), ("reason", reason.map(LogMessage.Value.text))]
            )
        case .logoutNotShared(let reason):
            LogMessage(
                .error,
                event: "shared",
                "logged out here, and NOT SHARED: the other machines could not be told, and go on until the API refuses them. "
                    + "The next Squire that runs here tells them" + (reason.map { ". \($0)" } ?? ""),
                [outcome("not_shared"), ("reason", reason.map(LogMessage.Value.text))]
            )
        case .shared:
            LogMessage(.notice, event: "shared", "the other machines know it now", [outcome("shared")])
        case .takesOver(let machine):
            LogMessage(
                .warning,
                event: "shared",
                "\(machine) was silent for too long: its refresh is taken over",
                [outcome("takeover"), ("by", .text(machine))]
            )
        case .takenOver:
            LogMessage(
                .warning,
                event: "shared",
                "another machine has taken over the refresh of this one, which was silent for too long",
                [outcome("taken_over")]
            )
        case .putsBack:
            LogMessage(
                .warning,
                event: "shared",
                "the machines had an older token than this one, or none: this one's has been put back",
                [outcome("put_back")]
            )
        case .drops:
            LogMessage(
                .warning,
                event: "shared",
                "another machine's token took the place of the one that this machine was given",
                [outcome("dropped")]
            )
        case .keys(nil):
            LogMessage(
                .notice,
                event: "shared",
                "session.shared.key has other keys, which are used now",
                [outcome("keys")]
            )
        case .keys(let problem?):
            LogMessage(
                .error,
                event: "shared",
                "session.shared.key has changed and cannot be used, so the keys that were read stay: \(problem)",
                [outcome("keys"), ("reason", .text(problem))]
            )
        case .engineReplaced(let from, let to):
            LogMessage(
                .warning,
                event: "shared",
                "what the session is shared through is another one than before (\(from), now \(to)): it was restored, made "
                    + "anew, or session.shared names members of two clusters",
                [outcome("engine_replaced")]
            )
        case .tooLate:
            LogMessage(
                .notice,
                event: "shared",
                "leave to refresh came too late to be used",
                [outcome("too_late")]
            )
        }
    }

    private static func outcome(_ word: String) -> (String, LogMessage.Value?) { ("outcome", .text(word)) }
}
