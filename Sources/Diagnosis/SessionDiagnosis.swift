public import Credentials
public import ReverseProxy
import Settings
public import Upstream

/// The line about the session: its file's contents, and the API's verdict if it was asked. Pure.
public struct SessionDiagnosis: Sendable {
    public var state: SessionStatus.State
    /// In seconds; nil if unknown.
    public var expiresIn: Int?
    /// The session's problem, and what to do about it.
    public var advice: String?
    /// The command line that logs in.
    public var loginCommand: String
    public var canRefresh: Bool
    /// Whether the API has rejected the token, and nothing has replaced it.
    public var isRejected: Bool

    /// The result of asking the API.
    public enum Probe: Sendable, Equatable {
        /// No `session.probe` is configured.
        case notConfigured
        /// The record does not say which API it belongs to, so that the token was not sent.
        case unbound
        /// The request, such as `GET /api/me`, got a response.
        case answered(request: String, status: Int, Answer)
        /// The request got no response. The text says why.
        case failed(request: String, String)
    }

    /// What a response says about the token.
    public enum Answer: Sendable, Equatable {
        case accepted, rejected, unclear
    }

    public init(_ status: SessionStatus, loginCommand: String, canRefresh: Bool) {
        self.init(
            state: status.state,
            expiresIn: status.expiresIn,
            advice: status.advice,
            loginCommand: loginCommand,
            canRefresh: canRefresh,
            isRejected: status.isRejected
        )
    }

    init(
        state: SessionStatus.State,
        expiresIn: Int? = nil,
        advice: String? = nil,
        loginCommand: String = "squire login",
        canRefresh: Bool = true,
        isRejected: Bool = false
    ) {
        self.state = state
        self.expiresIn = expiresIn
        self.advice = advice
        self.loginCommand = loginCommand
        self.canRefresh = canRefresh
        self.isRejected = isRejected
    }

    /// Whether there is a token that has not expired, so that the API can be asked about it.
    public var mayBeAsked: Bool {
        switch state {
        case .usable, .refreshing: (expiresIn ?? 1) > 0
        case .loginNeeded, .none, .starting, .unused: false
        }
    }

    /// The request, such as `GET /path`. Without the query, which may contain anything.
    public static func text(_ probe: SessionConfiguration.Probe) -> String {
        "\(probe.method.rawValue) \(probe.path.prefix { $0 != "?" })"
    }

    /// Judges a response to the probe by the proxy's own rules, and by its success.
    public static func judge(
        _ response: BlockingRequest.Response,
        _ probe: SessionConfiguration.Probe,
        _ rules: [SessionConfiguration.Rejection]
    ) -> Answer {
        if RejectionPolicy(rules).isRejected(response, to: probe.method.rawValue) { return .rejected }
        return (200...299).contains(response.status) ? .accepted : .unclear
    }

    // MARK: Lines

    public func lines(_ probe: Probe) -> [CheckLine] {
        switch state {
        case .loginNeeded, .none:
            return [CheckLine(.fail(.loginNeeded), "session", advice ?? "There is no session. Run: \(loginCommand)")]
        case .unused: return [.note("session", "none is needed")]
        case .starting:
            return [.note("session", advice ?? "no token yet: the first request through squire run gets one")]
        case .usable, .refreshing: break
        }
        let line = expiresIn.map { $0 <= 0 } == true ? expired : line(probe)
        return [line] + (advice.map { [.warn("session", $0)] } ?? [])
    }

    private var expired: CheckLine {
        let age = Quantity.words(seconds: -(expiresIn ?? 0))
        return .warn(
            "session",
            "the token expired \(age) ago, so it was not sent and the API was not asked; the next request through "
                + "squire run refreshes it"
        )
    }

    private func line(_ probe: Probe) -> CheckLine {
        switch probe {
        case .notConfigured where isRejected:
            return .warn(
                "session",
                "the API has refused the token before, and was not asked now; the next request through squire run "
                    + "refreshes it"
            )
        case .notConfigured:
            return .note(
                "session",
                "token \(life) by its own word, not tried: the API was not asked. session.probe: GET /PATH says what to ask"
            )
        case .unbound:
            return .warn(
                "session",
                "token \(life) by its own word, not tried: it is not bound to an API yet, which its first request through "
                    + "squire run does"
            )
        case .answered(let request, let status, .accepted):
            return .ok("session", "the API accepts the token (status \(status) to \(request)), \(life)")
        case .answered(let request, let status, .rejected):
            let advice =
                canRefresh
                ? "The next request through squire run refreshes it; if that fails, run: \(loginCommand)"
                : "Run: \(loginCommand)"
            return CheckLine(
                .fail(.loginNeeded),
                "session",
                "the API refuses the token (status \(status) to \(request)). \(advice)"
            )
        case .answered(let request, let status, .unclear):
            return .warn(
                "session",
                "\(request) answers \(status): does not tell whether the token is accepted. "
                    + "\(status == 429 || status >= 500 ? "Try again later" : "Check session.probe"); token \(life) by its "
                    + "own word"
            )
        case .failed(let request, let reason):
            return .warn(
                "session",
                "the API was asked (\(request)) and did not answer: \(reason). Token \(life) by its own word"
            )
        }
    }

    private var life: String { expiresIn.map { "good for \(Quantity.words(seconds: $0))" } ?? "of unknown life" }
}
