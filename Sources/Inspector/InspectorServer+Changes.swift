import Credentials
import EventIO
import LocalServer
import Platform
import ReverseProxy
import Support

/// Requests that change something: received on the inspector's loop, carried out elsewhere, and answered when that is
/// done. If the client has left by then, the response is discarded.
extension InspectorServer {
    /// A request that waits for another thread.
    struct Waiting {
        let responder: LocalResponder
        /// Ends the wait if the other thread does not.
        let timer: EventTimer
    }

    /// Reads the body, then refreshes or reloads.
    func change(_ route: InspectorRoute, _ request: LocalRequest, _ responder: LocalResponder) {
        var body = JSONValue.object([])
        if !request.body.isEmpty {
            guard let value = JSONValue(parsing: request.body), case .object = value else {
                return responder.send(InspectorResponse.problem(.noObject))
            }
            body = value
        }
        guard case .object(let members) = body else { return }
        let known = route == .reload ? ["config"] : []
        if let other = members.first(where: { !known.contains($0.name) }) {
            return responder.send(InvalidMember(field: other.name, problem: "is not known here").response)
        }
        guard route == .reload else { return refresh(request.number, responder) }
        switch body["config"] {
        case nil, .null?: reload(nil, request.number, responder)
        case .string(let path)?: reload(path, request.number, responder)
        default:
            let fault = InvalidMember(field: "config", problem: "must be the real path of a configuration file")
            responder.send(fault.response)
        }
    }

    private static let maximumWaiting = 256

    /// Registers `number` to be answered by the other thread, or at the end of `limit`. If too many requests wait
    /// already, tells the client to retry and returns false.
    private func wait(
        _ number: Int,
        _ responder: LocalResponder,
        limit: Duration,
        _ lateAnswer: @escaping (InspectorServer) -> LocalResponse
    ) -> Bool {
        // Clients that have left count, too: their requests are still being carried out.
        guard waiting.count < Self.maximumWaiting else {
            responder.send(InspectorResponse.problem(.inspectorOverloaded))
            return false
        }
        let timer = EventTimer(loop: loop) { [unowned self] in answer(number, lateAnswer(self)) }
        timer.arm(after: limit)
        waiting[number] = Waiting(responder: responder, timer: timer)
        return true
    }

    /// Answers the request, unless it was answered before.
    private func answer(_ number: Int, _ response: @autoclosure () -> LocalResponse) {
        guard let request = waiting.removeValue(forKey: number) else { return }
        request.responder.send(response())
    }

    // MARK: Refresh

    /// Refreshes now, or joins the refresh in flight, and answers when it has ended.
    private func refresh(_ number: Int, _ responder: LocalResponder) {
        let current = proxy.current()
        guard let timeout = current.refreshTimeout else {
            return responder.send(InspectorResponse.problem(.nothingToRefresh))
        }
        let waits = wait(number, responder, limit: timeout + timeout + patience) { _ in
            Self.refused(.sessionUnavailable, "The refresh is still on its way. See /api/status.", retryAfter: 5)
        }
        guard waits else { return }
        let (loop, reference) = (loop, reference)
        current.session.refreshNow(cause: .manual) { result in
            var failure: CredentialFailure?
            if case .failure(let reason) = result { failure = reason }
            loop.execute { [failure] in reference.value?.refreshEnded(number, failure) }
        }
    }

    private func refreshEnded(_ number: Int, _ failure: CredentialFailure?) {
        switch failure {
        // The API returned the same valid token, as the status shows.
        case nil, .unchanged?: answer(number, InspectorResponse.json(200, status()))
        // There is a way, and it would end the token for others.
        case .notRefreshable? where proxy.current().session.sharedElsewhere != nil:
            let detail = proxy.current().session.status.advice
            let problem = detail.map { Problem(.nothingToRefresh, detail: $0) } ?? .nothingToRefresh
            answer(number, InspectorResponse.problem(problem))
        case let failure?: answer(number, Self.response(to: failure))
        }
    }

    /// The response to a failed refresh.
    static func response(to failure: CredentialFailure) -> LocalResponse {
        let problem = Problem(failure)
        switch failure {
        case .notRefreshable: return InspectorResponse.problem(.nothingToRefresh)
        case .shuttingDown: return InspectorResponse.problem(problem)
        case .loginNeeded: return refused(.loginNeeded, problem.detail, retryAfter: nil)
        case .unchanged, .unavailable, .misconfigured, .paused, .notWritable, .overloaded, .refreshDidNotHelp:
            return refused(.sessionUnavailable, problem.detail, retryAfter: problem.retryAfter)
        }
    }

    /// A 409; `retryAfter` is in seconds.
    private static func refused(_ code: Problem.Code, _ detail: String, retryAfter: Int?) -> LocalResponse {
        let problem = Problem(code, status: 409, detail: detail, retryAfter: retryAfter)
        let moment = retryAfter.map { UTCTime.rfc3339(SystemClock().wall().adding(saturating: $0)) }
        return InspectorResponse.problem(problem, members: moment.map { [.init("retry_at", .string($0))] } ?? [])
    }

    // MARK: Reload

    /// A reload reads files and may open another session, and a command for a secret may take half a minute.
    private static let reloadLimit = Duration.seconds(60)

    private func reload(_ configuration: String?, _ number: Int, _ responder: LocalResponder) {
        let waits = wait(number, responder, limit: Self.reloadLimit) { _ in
            InspectorResponse.problem(.reloadTakesLong)
        }
        guard waits else { return }
        let (loop, reference) = (loop, reference)
        proxy.reload(configuration) { outcome in
            loop.execute { reference.value?.answer(number, Self.response(to: outcome)) }
        }
    }

    static func response(to outcome: ReloadOutcome) -> LocalResponse {
        switch outcome {
        case .reread(let changed, let restart):
            return InspectorResponse.json(
                200,
                .object([
                    .init("changed", .array(changed.map(JSONValue.string))),
                    .init("restart", .array(restart.map(JSONValue.string))),
                    .init("same", .bool(changed.isEmpty && restart.isEmpty)),
                ])
            )
        case .refused(let mistakes):
            let errors = mistakes.map { mistake in
                JSONValue.object([
                    .init("file", .string(mistake.source)),
                    .init("line", mistake.line.map(JSONValue.integer) ?? .null),
                    .init("detail", .string(mistake.detail)),
                ])
            }
            let texts = mistakes.map(\.description).joined(separator: "\n")
            return InspectorResponse.problem(
                Problem(.configurationError, detail: "The configuration was not changed: \(texts)"),
                members: [.init("errors", .array(errors))]
            )
        case .otherConfiguration: return InspectorResponse.problem(.otherConfiguration)
        case .notReloadable: return InspectorResponse.problem(.nothingToReload)
        case .tooMany: return InspectorResponse.problem(.reloadTakesLong)
        case .stopping: return InspectorResponse.problem(.shuttingDown)
        }
    }
}

extension Problem {
    fileprivate static let nothingToRefresh = Problem(
        .nothingToRefresh,
        detail: "No way to refresh is configured (session.refresh): the token lasts as long as it does."
    )
    fileprivate static let otherConfiguration = Problem(
        .otherConfiguration,
        detail: "This Squire was started with another configuration file. See config in /api/status."
    )
    fileprivate static let nothingToReload = Problem(
        .otherConfiguration,
        detail: "This Squire was started without a configuration file of its own, so there is none to read again."
    )
    fileprivate static let reloadTakesLong = Problem(
        .overloaded,
        detail: "The configuration is still being read. The log will say what came of it.",
        retryAfter: 5
    )
}
