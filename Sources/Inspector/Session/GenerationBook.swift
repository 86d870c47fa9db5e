public import Credentials
public import Platform
import Redaction
import Support
import Threads

/// The history of the session's tokens: the last 64 generations, failed refreshes and other events, for people. Also
/// knows the recent tokens, which must be redacted.
///
/// Identifies tokens by generation only, because a fingerprint confirms a guess. *Threading*: any thread.
public final class GenerationBook: Sendable {
    /// The data about a token, without the token itself.
    struct Entry: Sendable, Equatable {
        enum Origin: String, Sendable { case stored, login, signIn = "sign_in", refresh, adopted }

        /// Why it ended, and when, in milliseconds since 1970.
        struct End: Sendable, Equatable {
            var at: Int64
            var by: String
        }

        let generation: Generation
        var origin: Origin
        /// The cause of the refresh that brought it; nil if none did.
        var cause: RefreshCause?
        /// When it became current, in milliseconds since 1970.
        var at: Int64
        /// The report of the refresh that brought it; nil until that is known, and if none did.
        var report: RefreshReport?
        /// In seconds since 1970.
        var issuedAt: Int?
        var expiresAt: Int?
        var subject: String?
        /// Nil for the current token.
        var end: End?
    }

    /// A refresh that failed.
    struct Failure: Sendable, Equatable {
        enum Kind: String, Sendable { case refused, unavailable, timeout, protocolError = "protocol" }

        /// In milliseconds since 1970.
        var at: Int64
        var cause: RefreshCause
        var kind: Kind
        var status: Int?
        var detail: String
        /// When the refresh is retried, in milliseconds since 1970; nil if it is not.
        var retryAt: Int64?
    }

    struct Event: Sendable, Equatable {
        enum What: String, Sendable {
            case loginNeeded = "login_needed"
            case login, logout
            case notSaved = "not_saved"
            case saved, adopted
        }

        /// In milliseconds since 1970.
        var at: Int64
        var what: What
        var detail: String?
        /// The current generation at that time; 0 without a token.
        var generation: Generation
    }

    /// The history so far, oldest first.
    struct History: Sendable {
        var entries: [Entry] = []
        var failures: [Failure] = []
        var events: [Event] = []
        /// The current generation; 0 without a token.
        var present: Generation = 0
    }

    fileprivate struct State: Sendable {
        var history = History()
        var version = 0
        var tokens: [Redactor.KnownToken] = []
        var secrets: [[UInt8]] = []
    }

    private static let limit = 64
    /// For how many generations the tokens are remembered.
    private static let known = 8

    private let state = Guarded(State())
    private let listener = Guarded<(@Sendable ([Generation]) -> Void)?>(nil)
    let now: @Sendable () -> Int64

    /// `now` returns milliseconds since 1970.
    public init(now: @escaping @Sendable () -> Int64 = WallClock.milliseconds) {
        self.now = now
    }

    /// Calls `body` after each change, on any thread and possibly under the session's locks, so it must not block. Its
    /// argument are the new or changed generations, if any.
    func onChange(_ body: (@Sendable ([Generation]) -> Void)?) {
        listener.with { $0 = body }
    }

    private func change(_ generations: [Generation]) {
        listener.with { $0 }?(generations)
    }

    // MARK: What is known

    /// The tokens of the last eight generations, and spent refresh tokens. `version` grows whenever they change. A
    /// token is included before it can be used.
    func tokensOfLately() -> (version: Int, tokens: [Redactor.KnownToken], secrets: [[UInt8]]) {
        state.with { ($0.version, $0.tokens, $0.secrets) }
    }

    func history() -> History { state.with { $0.history } }

    // MARK: What happens

    /// Pass as `Session`'s `tell`.
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

    /// The session was replaced by one without a token.
    public func end() {
        let now = now()
        let changed = state.with { $0.history.end(by: "adopted", now: now) }
        change(changed)
    }

    /// Call from `Session`'s `emit`.
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
    /// Returns the generations that changed.
    fileprivate mutating func publish(_ publication: Publication, now: Int64, limit: Int) -> [Generation] {
        guard let token = publication.token else { return end(by: "logout", now: now) }
        if let index = entries.lastIndex(where: { $0.generation == publication.generation }) {
            // A refresh may have returned the same token with a longer lifetime.
            guard entries[index].expiresAt != publication.expiresAt else { return [] }
            entries[index].expiresAt = publication.expiresAt
            return [publication.generation]
        }
        let ended = end(by: Self.ending(of: publication.hand), now: now)
        var cause: RefreshCause?
        if case .refresh(let known) = publication.hand { cause = known }
        let claims = token.claims
        entries.append(
            GenerationBook.Entry(
                generation: publication.generation,
                origin: Self.origin(of: publication),
                cause: cause,
                at: now,
                issuedAt: claims?.start,
                expiresAt: publication.expiresAt,
                subject: claims?.subject
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

    /// Why the previous token ends.
    private static func ending(of hand: Publication.Hand) -> String {
        switch hand {
        case .refresh(let cause): cause.rawValue
        case .change, .file(.login), .machine(.login): "login"
        // After a reload, the token of another session.
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
        case .notSaved(let reason, _): add(.notSaved, reason, now: now, limit: limit)
        case .saved: add(.saved, nil, now: now, limit: limit)
        case .unchanged, .recovered, .replaced, .loginIgnored, .revived, .keptBeforeShared, .waitsForFile,
            .fileUnreadable, .livesOn:
            break
        }
        return []
    }

    private mutating func add(_ what: GenerationBook.Event.What, _ detail: String?, now: Int64, limit: Int) {
        // A refused refresh and the death of its token are one event.
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
        case .unavailable(let seconds, _, _), .misconfigured(_, let seconds), .paused(let seconds),
            .unchanged(let seconds):
            seconds
        case .loginNeeded, .notRefreshable, .refreshDidNotHelp, .notWritable, .overloaded, .shuttingDown: nil
        }
    }
}
