import Credentials
import Platform
import ReverseProxy
import Settings
import SharedSession
import Threads
import TokenSources

/// The session as a command uses it: opened, asked, waited for. Works beside a running `squire run` on the same file.
struct SessionAccess {
    /// What a command opens it for.
    enum Purpose {
        /// Nothing is changed, not even what a process that died left.
        case look
        case use
        /// Opens the file that a login writes.
        case login
    }

    let loaded: LoadedConfiguration
    let cache: Session
    let file: SessionFile
    /// What the session's thread said.
    private let heard = Guarded(Heard())

    private struct Heard {
        /// About a failure.
        var reason: String?
        var replaced: ReplacedSession?
    }

    /// `saysNotices` is false for a command that says them in lines of its own.
    init(_ loaded: LoadedConfiguration, _ purpose: Purpose = .use, saysNotices: Bool = true) throws {
        self.loaded = loaded
        if saysNotices, let notice = loaded.formerNotice { Output.error("squire: \(notice)") }
        file = SessionFile(path: purpose == .login ? loaded.place.loginFile : loaded.place.file)
        if purpose == .use, loaded.configuration.session.source.isKept {
            guard file.waitForRefresh(limit: Self.refreshTime(loaded)) else {
                throw ExitFailure.tryLater(
                    "squire: another process refreshes the token, and has no answer yet. Try again later"
                )
            }
        }
        let heard = heard
        let sharing: SharedRunner?
        do throws(ConfigurationError) {
            sharing = try SharedEngine(loaded)?.runner(loaded) { news in
                guard purpose != .look, let text = SharedLog.warning(news) else { return }
                Output.error("squire: \(text)")
            }
        } catch {
            throw Loading.failure(error)
        }
        do throws(SessionFileError) {
            cache = try Session(
                file: loaded.configuration.session.source.isKept ? file : nil,
                source: ConfiguredSource.make(
                    loaded,
                    company: purpose == .login ? .person : .nobody,
                    remark: { Output.error("squire: \($0)") }
                ).map(Spending.watched),
                policy: loaded.configuration.session.policy,
                binding: loaded.binding,
                login: loaded.lines.login,
                sharing: sharing,
                onlyLooks: purpose == .look,
                emit: { event in
                    switch event {
                    case .refreshFailed(_, let text, _): heard.with { $0.reason = text }
                    case .replaced(let session): heard.with { $0.replaced = session }
                    case .notSaved(let text):
                        Output.error("squire: the new token is in use but NOT SAVED, and the old one is dead: \(text)")
                    case .refreshed, .unchanged, .adopted, .recovered, .loggedIn, .loginIgnored, .loggedOut, .saved,
                        .died, .denied, .revived, .keptBeforeShared,
                        .fileUnreadable:
                        break
                    }
                }
            )
        } catch {
            throw ExitFailure(error)
        }
    }

    /// What the last `adopt` took the place of.
    var replaced: ReplacedSession? { heard.with { $0.replaced } }

    /// The record in the file, with tokens that may be sent to this API; nil if there is none. What is checked and what
    /// is used come from one look at the file, which somebody may replace at any moment.
    func record() throws -> SessionRecord? {
        guard loaded.configuration.session.source.isKept, let record = try? file.load()?.record, !record.isEmpty else {
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

    /// The current token, expired or not; a first one, where none is there and one can be had without a login.
    func token() throws -> Token {
        let (running, isSilent) = waitForOthers()
        if let running, !running.hasSaved {
            throw ExitFailure.tryLater(
                "squire: the Squire that runs here has a token that it could not save, and what \(file.path) holds is "
                    + "dead. Send requests through it meanwhile; squire status says what to mend"
            )
        }
        // As any machine that wants a token then: what is here may have been spent.
        if isSilent, running == nil { return try refresh(.expiry) }
        let status = cache.status
        // What is in the file is dead: nobody but this process has what took its place, or the other machines.
        if status.unsaved != nil, let token = cache.token { return token }
        guard let token = try record()?.token, status.foreignSource == nil else {
            if status.state == .starting || status.state == .usable {
                return try refresh(status.startsAlone ? .start : .expiry)
            }
            if status.foreignSource != nil, let advice = status.advice {
                throw ExitFailure.loginNeeded("squire: \(advice)")
            }
            if let advice = cache.status.shared?.adviceWithoutToken {
                throw ExitFailure.tryLater("squire: \(advice)")
            }
            let story = ["there is no session in \(file.path)"] + loaded.hints
            throw ExitFailure.loginNeeded("squire: \(story.joined(separator: ". ")). Run: \(loaded.lines.login)")
        }
        return token
    }

    /// Keeps up with the other machines, and waits while one of them refreshes: the token that is here is about to die.
    /// What came of it is in the file, unless that machine fell silent. The proxy that runs here, if one does. Blocks.
    private func waitForOthers() -> (running: RunningProxy?, isSilent: Bool) {
        let takeover = loaded.configuration.session.shared?.takeover ?? .zero
        let limit = MonotonicClock.now() &+ UInt64(takeover.wholeNanoseconds)
        while true {
            let running = loaded.configuration.session.source.isKept ? try? RunningProxy.find(loaded) : nil
            if running == nil { catchUp() }
            let isAtWork = running?.isBeingRefreshed ?? cache.status.shared?.isBeingRefreshed ?? false
            guard isAtWork, MonotonicClock.now() < limit else { return (running, isAtWork) }
            MonotonicClock.pause(Self.lookingInterval)
        }
    }

    /// How often it is looked whether another machine is done, nanoseconds.
    private static let lookingInterval: Int64 = 200_000_000

    /// Takes over what the other machines have, if the session is shared: where no Squire runs nobody keeps step with them. Blocks.
    func catchUp() {
        guard loaded.configuration.session.shared != nil else { return }
        Latch.awaiting { looked in cache.look { looked(()) } }
    }

    /// Refreshes, or adopts what another process refreshed meanwhile. With `goesOn` the command does something with the
    /// session even if that fails, and gives its leave back at its end.
    func refresh(_ cause: RefreshCause, goesOn: Bool = false) throws -> Token {
        waitForPause()
        let result = Latch.awaiting { cache.refreshNow(cause: cause, deliver: $0) }
        if !goesOn, case .failure = result { giveLeaveBack() }
        Spending.end()
        switch result {
        case .success(let reply):
            if let kept = cache.rescue()?.keptIn {
                Output.error("squire: it is kept in \(kept), and taken up from there once \(file.path) can be written")
            }
            return reply.token
        case .failure(.notRefreshable)
        where cache.status.foreignRefresh != nil || cache.status.sharedElsewhere != nil:
            throw ExitFailure.loginNeeded("squire: \(cache.status.advice ?? "the token is refreshed elsewhere")")
        case .failure(let failure):
            throw ExitFailure(failure, reason: heard.with { $0.reason } ?? pauseReason, login: loaded.lines.login)
        }
    }

    /// A pause that another process has begun, and that ends in a moment, is waited for.
    private func waitForPause() {
        guard let left = cache.status.retryIn, left <= Self.patience else { return }
        MonotonicClock.pause(Int64(left) * 1_000_000_000)
    }

    /// Seconds.
    private static let patience = 2

    /// Why nobody asks now: another process was told.
    private var pauseReason: String? {
        let status = cache.status
        return status.retryIn == nil ? nil : status.lastRefresh?.detail
    }

    /// The other machines wait for a claim that this process leaves behind. Nothing can be done with the session behind it.
    func giveLeaveBack() {
        guard loaded.configuration.session.shared != nil else { return }
        cache.end(timeout: Self.sharingTime)
    }

    /// How long a refresh of another process is waited for.
    private static func refreshTime(_ loaded: LoadedConfiguration) -> Duration {
        // Two tries, as a refresh makes where an answer was lost, and a moment.
        let timeout = loaded.configuration.session.timeout ?? .seconds(30)
        return timeout + timeout + .seconds(5)
    }

    /// How long a command waits at its end for what it shares.
    private static let sharingTime = Duration.seconds(3)

    /// Makes sure that what is about to be done can be saved. `undone` says what was not done.
    func requireWritable(_ undone: String, makingDirectory: Bool = false) throws {
        guard let problem = file.writeProblem(makingDirectory: makingDirectory) else { return }
        throw ExitFailure.notWritable("squire: \(undone), since it could not be saved: \(problem.description)")
    }

    /// Throws a `SessionFileError` if there is a session now that `replaceable` does not allow to replace.
    func adopt(
        _ tokens: TokenSet,
        _ arrival: SessionRecord.Arrival,
        replacing replaceable: ReplaceableSession
    ) throws {
        try changed { cache.adopt(tokens, arrival, replacing: replaceable, completion: $0) }
    }

    /// The same with what `spend` is given for something that works once.
    func adopt(
        _ arrival: SessionRecord.Arrival,
        replacing replaceable: ReplaceableSession,
        spending spend: @escaping @Sendable () -> Session.Gain
    ) throws {
        try changed { cache.adopt(arrival, replacing: replaceable, spending: spend, completion: $0) }
    }

    private func changed(_ change: (@escaping Session.ChangeCompletion) -> Void) throws {
        guard case .failure(let error) = Latch.awaiting(change) else { return }
        if error.isRefusal { throw error }
        throw ExitFailure.notWritable("squire: the session is as it was: \(error.description)")
    }

    /// Has `end` end what is held, with the file locked, and forgets it unless that gives a failure.
    func forget(ending end: @escaping @Sendable (HeldTokens) -> ExitFailure?) throws {
        let problem = Guarded<ExitFailure?>(nil)
        let result = Latch.awaiting { forgotten in
            cache.forget(
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

    /// Forgets the token if it is `principal`'s still: another login that came meanwhile stays.
    func forget(_ principal: Principal?) throws {
        let result = Latch.awaiting { cache.forget(principal, keepsUnsaved: false, completion: $0) }
        if case .failure(let error) = result {
            throw ExitFailure.notWritable("squire: the token is not forgotten: \(error.description)")
        }
    }
}
