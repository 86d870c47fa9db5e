public import Credentials
public import Platform
import Redaction
import Support
import Threads

/// What became of the tokens: the history of generations, of refreshes that failed and of what else happened to the
/// session, the last 64 of each, for people; and the tokens of lately, for whoever must take them out of what is shown.
///
/// Tells tokens apart by their generation only: fingerprints tell them apart for whoever can guess them. *Threading*:
/// any thread.
public final class GenerationBook: Sendable {
    /// A token, without the token.
    struct Entry: Sendable, Equatable {
        enum Origin: String, Sendable { case stored, login, signIn = "sign_in", refresh, adopted }

        /// What ended it, and when, in milliseconds since 1970.
        struct End: Sendable, Equatable {
            var at: Int64
            var by: String
        }

        let generation: Generation
        var origin: Origin
        /// Why it was refreshed; nil when no refresh brought it.
        var cause: RefreshCause?
        /// When it became current, milliseconds since 1970.
        var at: Int64
        /// How the refresh went that brought it; nil until that is told, and when none did.
        var report: RefreshReport?
        /// Seconds since 1970.
        var issuedAt: Int?
        var expiresAt: Int?
        var subject: String?
        /// Nil for the present one.
        var end: End?
    }

    /// A refresh that failed.
    struct Failure: Sendable, Equatable {
        enum Kind: String, Sendable { case refused, unavailable, timeout, protocolError = "protocol" }

        /// Milliseconds since 1970.
        var at: Int64
        var cause: RefreshCause
        var kind: Kind
        var status: Int?
        var detail: String
        /// When it is tried again, milliseconds since 1970; nil when it is not.
        var retryAt: Int64?
    }

    struct Event: Sendable, Equatable {
        enum What: String, Sendable {
            case loginNeeded = "login_needed"
            case login, logout
            case notSaved = "not_saved"
            case saved, adopted
        }

        /// Milliseconds since 1970.
        var at: Int64
        var what: What
        var detail: String?
        /// The present one then; 0 without a token.
        var generation: Generation
    }

    /// What happened so far. Oldest first.
    struct History: Sendable {
        var entries: [Entry] = []
        var failures: [Failure] = []
        var events: [Event] = []
        /// Of the present token; 0 without one.
        var present: Generation = 0
    }

    fileprivate struct State: Sendable {
        var history = History()
        var version = 0
        var tokens: [Redactor.KnownToken] = []
        var secrets: [[UInt8]] = []
    }

    private static let limit = 64
    /// Of how many generations the tokens are known.
    private static let known = 8

    private let state = Guarded(State())
    private let listener = Guarded<(@Sendable ([Generation]) -> Void)?>(nil)
    let now: @Sendable () -> Int64

    /// `now` is milliseconds since 1970.
    public init(now: @escaping @Sendable () -> Int64 = WallClock.milliseconds) {
        self.now = now
    }

    /// Calls `body`, on any thread and perhaps under the session's locks, whenever something has changed: it must not
    /// block. It gets the generations that are new or changed, of which there may be none.
    func onChange(_ body: (@Sendable ([Generation]) -> Void)?) {
        listener.with { $0 = body }
    }

    private func change(_ generations: [Generation]) {
        listener.with { $0 }?(generations)
    }

    // MARK: What is known

    /// The tokens of the last eight generations, and what was spent for others. `version` grows whenever they change. A
    /// token is among them before anybody can have used it.
    func tokensOfLately() -> (version: Int, tokens: [Redactor.KnownToken], secrets: [[UInt8]]) {
        state.with { ($0.version, $0.tokens, $0.secrets) }
    }

    func history() -> History { state.with { $0.history } }

    // MARK: What happens

    /// Is told by `Session`'s `tell`.
    public func hear(_ news: SessionNews) {
        switch news {
        case .publishes(let publication):
            let now = now()
            let changed = state.with { state -> [Generation] in
                state.learn(publication, limit: Self.known)
                return state.history.publish(publication, now: now, limit: Self.limit)
            }
            change(changed)
        case .refreshBegins, .refreshEnds: change([])
        }
    }

    /// The session that there was is given up, for one without a token.
    public func end() {
        let now = now()
        let changed = state.with { $0.history.end(by: "adopted", now: now) }
        change(changed)
    }

    /// Is told by `Session`'s `emit`.
    public func record(_ event: SessionEvent) {
        let now = now()
        let changed = state.with { $0.history.record(event, now: now, limit: Self.limit) }
        change(changed)
    }
}

extension GenerationBook.State {
    fileprivate mutating func learn(_ publication: Publication, limit: Int) {
        if let token = publication.token.map({ Array($0.value.utf8) }),
            tokens.last(where: { $0.generation == publication.generation })?.value != token
        {
            tokens.append(Redactor.KnownToken(generation: publication.generation, value: token))
            tokens.removeFirst(max(0, tokens.count - limit))
            version += 1
        }
        if let secret = publication.refreshToken.map({ Array($0.value.utf8) }), !secrets.contains(secret) {
            secrets.append(secret)
            secrets.removeFirst(max(0, secrets.count - limit))
            version += 1
        }
    }
}

extension GenerationBook.History {
    /// Gives the generations that changed.
    fileprivate mutating func publish(_ publication: Publication, now: Int64, limit: Int) -> [Generation] {
        guard let token = publication.token else { return end(by: "logout", now: now) }
        if let index = entries.lastIndex(where: { $0.generation == publication.generation }) {
            // The same token: a refresh may have brought it again, for longer.
            guard entries[index].expiresAt != publication.expiresAt else { return [] }
            entries[index].expiresAt = publication.expiresAt
            return [publication.generation]
        }
        let ended = end(by: Self.ending(of: publication.hand), now: now)
        var cause: RefreshCause?
        if case .refresh(let known) = publication.hand { cause = known }
        entries.append(
            GenerationBook.Entry(
                generation: publication.generation,
                origin: Self.origin(of: publication),
                cause: cause,
                at: now,
                issuedAt: token.claims?.start,
                expiresAt: publication.expiresAt,
                subject: token.claims?.subject
            )
        )
        entries.removeFirst(max(0, entries.count - limit))
        present = publication.generation
        return ended + [publication.generation]
    }

    fileprivate mutating func end(by: String, now: Int64) -> [Generation] {
        defer { present = 0 }
        guard present != 0, let index = entries.lastIndex(where: { $0.generation == present }) else { return [] }
        entries[index].end = .init(at: now, by: by)
        return [present]
    }

    private static func origin(of publication: Publication) -> GenerationBook.Entry.Origin {
        switch (publication.hand, publication.arrival) {
        case (.opening, _): .stored
        case (.refresh, _): .refresh
        case (.change, .signIn), (.change, .refresh): .signIn
        case (.change, .given), (.change, nil), (.file(.login), _), (.machine(.login), _): .login
        case (.file(.refresh), _), (.file(.logout), _), (.machine(.refresh), _), (.machine(.logout), _): .adopted
        }
    }

    /// What ends the one before.
    private static func ending(of hand: Publication.Hand) -> String {
        switch hand {
        case .refresh(let cause): cause.rawValue
        case .change, .file(.login), .machine(.login): "login"
        // After a reload, another session's token.
        case .file(.refresh), .file(.logout), .machine(.refresh), .machine(.logout), .opening: "adopted"
        }
    }

    fileprivate mutating func record(_ event: SessionEvent, now: Int64, limit: Int) -> [Generation] {
        switch event {
        case .refreshed(let report, let generation, _):
            guard let index = entries.lastIndex(where: { $0.generation == generation }), entries[index].cause != nil
            else { return [] }
            entries[index].report = report
            return [generation]
        case .refreshFailed(let report, let reason, let failure):
            failures.append(GenerationBook.Failure(report, reason, failure, now: now))
            failures.removeFirst(max(0, failures.count - limit))
            if failure.needsLogin { add(.loginNeeded, reason, now: now, limit: limit) }
        case .died(let advice), .denied(let advice): add(.loginNeeded, advice, now: now, limit: limit)
        case .adopted(.refresh, let origin, _):
            add(.adopted, "another \(origin.rawValue) refreshed the token", now: now, limit: limit)
        case .adopted(.login, let origin, _):
            add(.login, "another \(origin.rawValue) logged in", now: now, limit: limit)
        case .adopted(.logout, let origin, _):
            add(.logout, "another \(origin.rawValue) logged out", now: now, limit: limit)
        case .loggedIn: add(.login, nil, now: now, limit: limit)
        case .loggedOut: add(.logout, nil, now: now, limit: limit)
        case .notSaved(let reason): add(.notSaved, reason, now: now, limit: limit)
        case .saved: add(.saved, nil, now: now, limit: limit)
        case .unchanged, .recovered, .replaced, .loginIgnored, .revived, .keptBeforeShared, .fileUnreadable: break
        }
        return []
    }

    private mutating func add(_ what: GenerationBook.Event.What, _ detail: String?, now: Int64, limit: Int) {
        // A refresh that is refused, and the token that died of it, are one story.
        if what == .loginNeeded, let last = events.last, last.what == what, last.generation == present { return }
        events.append(GenerationBook.Event(at: now, what: what, detail: detail, generation: present))
        events.removeFirst(max(0, events.count - limit))
    }
}

extension GenerationBook.Failure {
    fileprivate init(_ report: RefreshReport, _ reason: String, _ failure: CredentialFailure, now: Int64) {
        self.init(
            at: now,
            cause: report.cause,
            kind: Kind(report),
            status: report.status,
            detail: reason,
            retryAt: failure.secondsUntilRetry.map { now.adding(saturating: Int64($0) * 1000) }
        )
    }
}

extension GenerationBook.Failure.Kind {
    fileprivate init(_ report: RefreshReport) {
        switch report.outcome {
        case .refused, .misconfigured: self = .refused
        case .unavailable, .unreachable, .interrupted, .notWritable, .refreshed, .unchanged:
            self = report.isTimeout ? .timeout : .unavailable
        case .lost: self = report.isTimeout ? .timeout : .protocolError
        }
    }
}

extension CredentialFailure {
    fileprivate var secondsUntilRetry: Int? {
        switch self {
        case .unavailable(let seconds, _), .misconfigured(_, let seconds), .paused(let seconds),
            .unchanged(let seconds):
            seconds
        case .loginNeeded, .notRefreshable, .refreshDidNotHelp, .notWritable, .overloaded, .shuttingDown: nil
        }
    }
}
