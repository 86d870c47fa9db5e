import Credentials
import Diagnosis
import ReverseProxy
import Settings
import SharedSession
import TokenSources
import Upstream

/// Examines the session for `squire check`: reads its file and asks the API about its token. Changes nothing.
struct SessionCheck {
    private let loaded: LoadedConfiguration
    private let file: SessionFile

    init(_ loaded: LoadedConfiguration) {
        self.loaded = loaded
        file = SessionFile(path: loaded.sessionFile)
    }

    /// Problems of a source that can always be asked, as far as they are visible without asking it.
    func sourceLines() -> [CheckLine] {
        let problem: String? =
            switch loaded.configuration.session.source {
            case .exec(let exec): exec.problem(path: Environment.all["PATH"] ?? "/usr/bin:/bin")
            case .tokenFile(let file): file.problem(wall: SystemClock().wall())
            case .given, .unused, .recipe, .oauth: nil
            }
        return problem.map { [.warn("source", $0)] } ?? []
    }

    /// The identifiers of the keys that seal a shared session, which must be the same on each machine.
    func sharedLines() -> [CheckLine] {
        guard let path = loaded.configuration.session.shared?.keyFile else { return [] }
        do throws(SharedKeyFile.Problem) {
            let names = try SharedKeyFile.load(path).keyIDs.map(\.description)
            let others = names.count > 1 ? ", \(names.dropFirst().joined(separator: " and ")) open too" : ""
            return [.note("shared key", "\(path): \(names.first ?? "") seals\(others)")]
        } catch {
            return [CheckLine(.fail(.misconfigured), "shared key", "\(path) \(error.text)")]
        }
    }

    /// The session file, and whether it can be read.
    func fileLines() -> [CheckLine] {
        guard loaded.keptFile != nil else { return [] }
        var lines: [CheckLine] = []
        do throws(SessionFileError) {
            let hasToken = try file.session()?.token != nil
            let missing =
                loaded.configuration.session.source.startsAlone
                ? "no token yet" : "no session yet. Run: \(loaded.lines.login)"
            let state = hasToken ? "" : ", \(missing)"
            lines.append(.note("session file", file.path + state))
            if !hasToken { lines += loaded.hints.map { .note("session file", $0) } }
        } catch {
            let fault: CheckLine.Fault = error.reason == .noDirectory ? .notWritable : .malformed
            lines.append(CheckLine(.fail(fault), "session file", error.description))
        }
        if let notice = loaded.formerNotice { lines.append(.note("session file", notice)) }
        return lines
    }

    /// Whether a session could be saved.
    func saveLines(isNeeded: Bool) -> [CheckLine] {
        guard loaded.keptFile != nil, let problem = file.writeProblem() else { return [] }
        // `fileLines` has reported it.
        if case .failure(let error) = Result(catching: { () throws(SessionFileError) in try file.session() }),
            error.reason == .noDirectory
        {
            return []
        }
        let text =
            "\(problem.description): a new token could not be saved, so none is asked for. Make room, or give back the rights"
        return [isNeeded ? CheckLine(.fail(.notWritable), "session file", text) : .warn("session file", text)]
    }

    /// The session's problem according to its file, for a check that asks nobody.
    func storyLines() -> [CheckLine] {
        guard let status = try? SessionAccess(loaded, .look, saysNotices: false).session.status,
            status.state != .none || status.foreignUpstream != nil,
            let advice = status.advice
        else { return [] }
        return [.warn("session", advice)]
    }

    /// The session's state, and the API's verdict on its token if `session.probe` is configured. Blocks.
    func lines() -> [CheckLine] {
        switch loaded.configuration.session.source {
        case .exec, .tokenFile: return statelessLines()
        case .given, .unused, .recipe, .oauth: break
        }
        // `fileLines` reports a file that cannot be read.
        guard let session = try? SessionAccess(loaded, .look, saysNotices: false).session else { return [] }
        let diagnosis = SessionDiagnosis(
            session.status,
            loginCommand: loaded.lines.login,
            canRefresh: loaded.configuration.session.refresh != nil
        )
        return diagnosis.lines(diagnosis.mayBeAsked ? ask(session) : .notConfigured)
    }

    /// Asks a source that can always provide a token. Nothing is spent or kept.
    private func statelessLines() -> [CheckLine] {
        do {
            let access = try SessionAccess(loaded, saysNotices: false)
            let token = try access.token()
            let diagnosis = SessionDiagnosis(access.session.status, loginCommand: loaded.lines.login, canRefresh: true)
            guard diagnosis.mayBeAsked, let probe = loaded.configuration.session.probe else {
                return diagnosis.lines(.notConfigured)
            }
            return diagnosis.lines(ask(probe, token))
        } catch let failure as ExitFailure {
            let text = failure.message.hasPrefix("squire: ") ? String(failure.message.dropFirst(8)) : failure.message
            return [failure.code == 78 ? CheckLine(.fail(.misconfigured), "session", text) : .warn("session", text)]
        } catch {
            return [.warn("session", "\(error)")]
        }
    }

    private func ask(_ session: Session) -> SessionDiagnosis.Probe {
        guard let probe = loaded.configuration.session.probe, let token = session.token else { return .notConfigured }
        // A token that is not bound yet is bound by its first use, but a check writes nothing.
        guard boundToken == token else { return .unbound }
        let answer = ask(probe, token)
        // If another process has refreshed meanwhile, the rejected token was a spent one.
        guard case .answered(_, _, .rejected) = answer, let next = boundToken, next != token else { return answer }
        return ask(probe, next)
    }

    /// The token of the session, if its record says that it is this API's.
    private var boundToken: Token? {
        guard let record = try? file.session(), let owner = record.origin,
            SessionBinding.isSame(owner, loaded.binding.origin), record.foreignOrigin(to: loaded.binding) == nil
        else { return nil }
        return record.token
    }

    private func ask(_ probe: SessionConfiguration.Probe, _ token: Token) -> SessionDiagnosis.Probe {
        let configuration = loaded.configuration
        let answerLimit = ConnectionCheck.answerLimit(configuration)
        var request = SessionRequests(configuration).request(
            probe.method.rawValue,
            probe.path,
            token: token,
            timeout: configuration.timeouts.connect + answerLimit
        )
        request.maximumResponseBytes = Self.maximumBodyBytes
        let text = SessionDiagnosis.text(probe)
        switch request.report(configuration.upstreamSettings, answerWithin: answerLimit).outcome {
        case .response(let response):
            let answer = SessionDiagnosis.judge(response, probe, configuration.session.rejected)
            return .answered(request: text, status: response.status, answer)
        case .failed(let failure):
            let reason =
                failure.cause == .timeout ? "nothing came within \(Quantity.text(answerLimit))" : failure.error.detail
            return .failed(request: text, reason)
        }
    }

    /// How much of a body `session.rejected` examines, as in the proxy.
    private static let maximumBodyBytes = 64 * 1024
}
