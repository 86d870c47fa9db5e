import Credentials
import Platform
import ReverseProxy
import Settings
import SharedSession
import Threads
import TokenSources

/// A command's access to the session. Works beside a running `squire run` on the same file.
struct SessionAccess {
    /// The purpose of the access.
    enum Purpose {
        /// Changes nothing. Does not even recover from a crash during a save.
        case look
        case use
        /// Opens the file that a login writes.
        case login
    }

    let loaded: LoadedConfiguration
    let session: Session
    let file: SessionFile
    /// What the session reported.
    private let reports = Guarded(Reports())

    private struct Reports {
        /// The detail of a failed refresh.
        var reason: String?
        var replaced: ReplacedSession?
    }

    /// `saysNotices: false` is for a command that prints the notices itself.
    init(_ loaded: LoadedConfiguration, _ purpose: Purpose = .use, saysNotices: Bool = true) throws {
        self.loaded = loaded
        if saysNotices, let notice = loaded.formerNotice { Output.error("squire: \(notice)") }
        file = SessionFile(path: purpose == .login ? loaded.place.loginFile : loaded.place.file)
        if purpose == .use, loaded.configuration.session.source.isKept {
            let (path, limit) = (file.path, Self.refreshTime(loaded))
            let isDone = file.waitForRefresh(limit: limit) { Self.tellWait(path, SessionFile.quietWait, limit) }
            guard isDone else {
                throw ExitFailure.tryLater(
                    "squire: another process refreshes the token, and has no answer yet. Try again later"
                )
            }
        }
        let reports = reports
        let sharing = try Self.makeSharing(loaded, purpose)
        do throws(SessionFileError) {
            session = try Session(
                file: loaded.configuration.session.source.isKept ? file : nil,
                source: ConfiguredSource.make(
                    loaded,
                    company: purpose == .login ? .person : .nobody,
                    remark: { Output.error("squire: \($0)") }
                ).map(SignalHold.wrap),
                policy: loaded.configuration.session.policy,
                binding: loaded.binding,
                login: loaded.lines.login,
                sharing: sharing,
                onlyLooks: purpose == .look,
                emit: { Self.record($0, in: reports) }
            )
        } catch {
            throw ExitFailure(error, also: file.unsavedAdvice)
        }
    }

    /// Nil if no session is shared.
    private static func makeSharing(_ loaded: LoadedConfiguration, _ purpose: Purpose) throws -> SharedRunner? {
        do throws(ConfigurationError) {
            return try SharedEngine(loaded)?.runner(loaded) { news in
                guard purpose != .look, let text = SharedLog.warning(news) else { return }
                Output.error("squire: \(text)")
            }
        } catch {
            throw Loading.failure(error)
        }
    }

    private static func tellWait(_ path: String, _ since: Duration, _ limit: Duration) {
        Output.error("squire: \(SessionLog.waitText(path, since, limit))")
    }

    private static func record(_ event: SessionEvent, in reports: Guarded<Reports>) {
        switch event {
        case .refreshFailed(_, let text, _): reports.with { $0.reason = text }
        case .replaced(let former): reports.with { $0.replaced = former }
        case .notSaved(let reason, let hasEnded):
            Output.error("squire: \(SessionLog.notSavedText(reason, hasEnded: hasEnded))")
        case .waitsForFile(let path, let since, let limit): tellWait(path, since, limit)
        case .refreshed, .unchanged, .adopted, .recovered, .loggedIn, .loginIgnored, .loggedOut, .saved,
            .died, .denied, .revived, .keptBeforeShared,
            .fileUnreadable, .livesOn:
            break
        }
    }

    /// The session that the last `adopt` replaced.
    var replaced: ReplacedSession? { reports.with { $0.replaced } }

    /// The record of the session, wherever it lies. Nil if there is none; throws if its tokens must not be sent to this API. A single read,
    /// so that the checked record and the used one cannot differ.
    func record() throws -> SessionRecord? {
        guard loaded.configuration.session.source.isKept, let record = try? file.session(), !record.isEmpty else {
            return nil
        }
        if let other = record.foreignOrigin(to: loaded.binding) {
            throw ExitFailure.loginNeeded(
                "squire: the session in \(file.path) is for \(other), and is not sent elsewhere. "
                    + "Name another session.file, or replace it: \(loaded.lines.login) --replace"
            )
        }
        return record
    }

    /// The current token, perhaps expired. Obtains a first one if that needs no login.
    func token() throws -> Token {
        let (running, isSilent) = waitForOthers()
        // It may be the one that this process found beside the file.
        if let running, !running.hasSaved, !running.holds(session.status) {
            guard !running.hasEnded else {
                throw ExitFailure.loginNeeded(
                    "squire: the session has ended, and \(file.path) still has its token, because that could not be saved. "
                        + "squire status says what to mend. For another session, run: \(loaded.lines.login)"
                )
            }
            throw ExitFailure.tryLater(
                "squire: the Squire that runs here has a token that it could not save, and what \(file.path) holds is "
                    + "dead. Send requests through it meanwhile; squire status says what to mend"
            )
        }
        // The token may have been spent, so that this machine refreshes, as any other would.
        if isSilent, running == nil { return try refresh(.expiry) }
        let status = session.status
        // The token in the file is dead. Only this process, or another machine, has its successor.
        if status.unsaved != nil, let token = session.token { return token }
        guard let token = try record()?.token, status.foreignSource == nil else {
            if status.state == .starting || status.state == .usable {
                return try refresh(status.startsAlone ? .start : .expiry)
            }
            if status.foreignSource != nil, let advice = status.advice {
                throw ExitFailure.loginNeeded("squire: \(advice)")
            }
            if let advice = session.status.shared?.adviceWithoutToken {
                throw ExitFailure.tryLater("squire: \(advice)")
            }
            let kept = file.unsavedAdvice.map { [String($0.dropLast())] } ?? []
            let story = ["there is no session in \(file.path)"] + kept + loaded.hints
            throw ExitFailure.loginNeeded("squire: \(story.joined(separator: ". ")). Run: \(loaded.lines.login)")
        }
        return token
    }

    /// Catches up with the other machines, and waits while one of them refreshes, because the token here is about to
    /// die. The result is in the file then, unless that machine fell silent. Returns the proxy that runs here, if there
    /// is one. Blocks.
    private func waitForOthers() -> (running: RunningProxy?, isSilent: Bool) {
        let takeover = loaded.configuration.session.shared?.takeover ?? .zero
        let limit = MonotonicClock.now() &+ UInt64(takeover.wholeNanoseconds)
        while true {
            let running = loaded.configuration.session.source.isKept ? try? RunningProxy.find(loaded) : nil
            if running == nil { catchUp() }
            let isAtWork = running?.isBeingRefreshed ?? session.status.shared?.isBeingRefreshed ?? false
            guard isAtWork, MonotonicClock.now() < limit else { return (running, isAtWork) }
            MonotonicClock.pause(Self.lookingInterval)
        }
    }

    /// The interval between looks at another machine's refresh, in nanoseconds.
    private static let lookingInterval: Int64 = 200_000_000

    /// Adopts the other machines' session, if the session is shared. Needed where no proxy keeps step with them.
    /// Blocks.
    func catchUp() {
        guard loaded.configuration.session.shared != nil else { return }
        Latch.awaiting { looked in session.look { looked(()) } }
    }

    /// Refreshes, or adopts the token that another process has obtained since. `goesOn` says that the command uses the
    /// session even if this fails, and calls `finishSharing` at its end.
    func refresh(_ cause: RefreshCause, goesOn: Bool = false) throws -> Token {
        waitForPause()
        let result = Latch.awaiting { session.refreshNow(cause: cause, deliver: $0) }
        if !goesOn, case .failure = result { finishSharing() }
        SignalHold.end()
        switch result {
        case .success(let reply):
            if case .tokens(let kept?) = session.rescue()?.what {
                Output.error("squire: it is kept in \(kept), and taken up from there once \(file.path) can be written")
            }
            return reply.token
        case .failure(.notRefreshable)
        where session.status.foreignRefresh != nil || session.status.sharedElsewhere != nil:
            throw ExitFailure.loginNeeded("squire: \(session.status.advice ?? "the token is refreshed elsewhere")")
        case .failure(let failure):
            throw ExitFailure(
                failure,
                reason: reports.with { $0.reason } ?? pauseReason,
                isUnanswered: (try? file.session())?.unanswered != nil,
                isFirst: session.status.state == .starting,
                login: loaded.lines.login
            )
        }
    }

    /// Waits for the end of a short pause that another process has begun.
    private func waitForPause() {
        guard let left = session.status.retryIn, left <= Self.patience else { return }
        MonotonicClock.pause(Int64(left) * 1_000_000_000)
    }

    /// In seconds.
    private static let patience = 2

    /// Why nothing is sent during another process's pause.
    private var pauseReason: String? {
        let status = session.status
        return status.retryIn == nil ? nil : status.lastRefresh?.detail
    }

    /// Ends the session's sharing, so that the other machines need not wait for an unfinished claim of this process.
    /// The session cannot be used afterwards.
    func finishSharing() {
        guard loaded.configuration.session.shared != nil else { return }
        session.end(timeout: Self.sharingTime)
    }

    /// How long to wait for another process's refresh.
    private static func refreshTime(_ loaded: LoadedConfiguration) -> Duration {
        // Two attempts, as after a lost answer, and a margin.
        let timeout = loaded.configuration.session.timeout ?? .seconds(30)
        return timeout + timeout + .seconds(5)
    }

    /// How long a command waits at its end for its last result to be shared.
    private static let sharingTime = Duration.seconds(3)

    /// Throws if the command's result could not be saved. `undone` begins the message, and says what was not done.
    func requireWritable(_ undone: String, makingDirectory: Bool = false) throws {
        guard let problem = file.writeProblem(makingDirectory: makingDirectory) else { return }
        throw ExitFailure.notWritable("squire: \(undone), since it could not be saved: \(problem.description)")
    }

    /// Throws a `SessionFileError` if `replaceable` does not allow to replace the current session.
    func adopt(
        _ tokens: TokenSet,
        _ arrival: SessionRecord.Arrival,
        replacing replaceable: ReplaceableSession
    ) throws {
        try perform { session.adopt(tokens, arrival, replacing: replaceable, completion: $0) }
    }

    /// The same for tokens that `spend` obtains for something single-use.
    func adopt(
        _ arrival: SessionRecord.Arrival,
        replacing replaceable: ReplaceableSession,
        spending spend: @escaping @Sendable () -> Session.Gain
    ) throws {
        try perform { session.adopt(arrival, replacing: replaceable, spending: spend, completion: $0) }
    }

    private func perform(_ change: (@escaping Session.ChangeCompletion) -> Void) throws {
        guard case .failure(let error) = Latch.awaiting(change) else { return }
        if error.isRefusal { throw error }
        if case .unsaved(let place) = error.reason {
            let rest =
                place.map { "What came is kept in \($0): once that is mended, move it to \(file.path)" }
                ?? "It could not be kept beside it either, so that a new login is needed: \(loaded.lines.login)"
            var failure = ExitFailure.notWritable(
                "squire: signed in, but that could not be saved: \(error.description). \(rest)"
            )
            failure.keepsTokens = place != nil
            throw failure
        }
        throw ExitFailure.notWritable("squire: the session is as it was: \(error.description)")
    }

    /// Calls `end` with the held tokens and the file locked, and forgets them unless it returns a failure.
    func forget(ending end: @escaping @Sendable (HeldTokens) -> ExitFailure?) throws {
        let problem = Guarded<ExitFailure?>(nil)
        let result = Latch.awaiting { forgotten in
            session.forget(
                ending: { held in
                    let failure = end(held)
                    problem.with { $0 = failure }
                    return failure == nil
                },
                completion: forgotten
            )
        }
        if let problem = problem.with({ $0 }) { throw problem }
        if case .failure(let error) = result {
            throw ExitFailure.notWritable("squire: the token is not forgotten: \(error.description)")
        }
    }

    /// Forgets the token if it still belongs to `principal`, so that a login in the meantime is kept.
    func forget(_ principal: Principal?) throws {
        let result = Latch.awaiting { session.forget(principal, keepsUnsaved: false, completion: $0) }
        if case .failure(let error) = result {
            throw ExitFailure.notWritable("squire: the token is not forgotten: \(error.description)")
        }
    }
}
