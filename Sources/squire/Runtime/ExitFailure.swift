import Credentials

/// A command's failure: the message to print, and the exit code (sysexits(3)).
struct ExitFailure: Error {
    let code: Int32
    let message: String
    /// What a login brought is kept all the same: nothing of it is to be ended at the API.
    var keepsTokens = false

    static func malformed(_ message: String) -> ExitFailure { ExitFailure(.malformed, message) }
    static func unreachable(_ message: String) -> ExitFailure { ExitFailure(.unreachable, message) }
    static func notWritable(_ message: String) -> ExitFailure { ExitFailure(.notWritable, message) }
    static func inputOutput(_ message: String) -> ExitFailure { ExitFailure(.inputOutput, message) }
    static func tryLater(_ message: String) -> ExitFailure { ExitFailure(.tryLater, message) }
    static func loginNeeded(_ message: String) -> ExitFailure { ExitFailure(.loginNeeded, message) }
    static func configuration(_ message: String) -> ExitFailure { ExitFailure(.configuration, message) }

    /// The same, with the name of the configuration file that it is about, if the message does not name it.
    func about(_ path: String?) -> ExitFailure {
        guard let path, !message.contains(path) else { return self }
        let text = message.hasPrefix("squire: ") ? String(message.dropFirst(8)) : message
        return ExitFailure(code: code, message: "squire: \(path): \(text)")
    }

    static func usage(_ message: String) -> ExitFailure { ExitFailure(.usage, message) }

    /// Maps a session's failure. `isUnanswered`: a refresh of the held token was sent, and its answer lost. `isFirst`:
    /// there is no token yet. `login` is the command line that logs in.
    init(
        _ failure: CredentialFailure,
        reason: String?,
        isUnanswered: Bool = false,
        isFirst: Bool = false,
        login: String
    ) {
        let because = reason.map { ": \($0)" } ?? ""
        let loss =
            isUnanswered ? "The answer to a refresh was lost, so that the token may be dead" : "Nothing is lost"
        switch failure {
        case .loginNeeded(let story):
            self = .loginNeeded("squire: \(story ?? "A login is needed\(because).") Run: \(login)")
        case .notRefreshable:
            self = .loginNeeded(
                "squire: the token does not last, and no session.refresh is configured. Run: \(login)"
            )
        case .unavailable(let seconds, true, _):
            self = .unreachable(
                "squire: the API cannot be reached\(because). \(loss); try again in \(seconds) s"
            )
        case .unavailable(let seconds, false, _), .paused(let seconds):
            self = .tryLater(
                isFirst
                    ? "squire: no token can be had now\(because). Try again in \(seconds) s"
                    : "squire: the token cannot be refreshed now\(because). \(loss); try again in \(seconds) s"
            )
        case .misconfigured(let reason, _):
            self = .configuration("squire: no token can be had: \(reason)")
        case .unchanged(let seconds):
            self = .tryLater("squire: the API gave the same token again; try again in \(seconds) s")
        case .notWritable(let text):
            self = .notWritable("squire: nothing was refreshed, since it could not be saved: \(text)")
        case .overloaded, .refreshDidNotHelp, .shuttingDown:
            self = .tryLater("squire: too much is under way; try again in a moment")
        }
    }

    /// Maps an unusable session file. `advice` is what else helps.
    init(_ error: SessionFileError, also advice: String? = nil) {
        let rest = advice.map { ". \($0)" } ?? ""
        self.init(error.reason == .noDirectory ? .notWritable : .malformed, "squire: \(error.description)\(rest)")
    }

    init(code: Int32, message: String) {
        self.code = code
        self.message = message
    }

    private init(_ reason: ExitReason, _ message: String) {
        self.init(code: reason.rawValue, message: message)
    }
}
