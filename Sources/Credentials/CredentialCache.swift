import Synchronization
import Threads

/// What happened to the session, for logs and metrics. Called from the session's thread, outside of locks; holds no secret.
package enum SessionEvent: Sendable {
    case refreshed(cause: RefreshCause, generation: Generation, expiresIn: Int?)
    /// Another process refreshed or logged in.
    case adopted(generation: Generation)
    case refreshFailed(cause: RefreshCause, reason: String, failure: CredentialFailure)
    case loggedIn(generation: Generation)
    case loggedOut
    /// The new token is in use but not on disk; saving is tried again.
    case notSaved(reason: String)
    /// What could not be saved before now is.
    case saved
}

/// The session of one proxy: keeps the current token, hands it out, and has it refreshed, once for everyone.
///
/// *Threading*: every method from any thread. Completions are called on the calling thread when the answer is known at once, else
/// on the session's own thread, never under a lock. Blocking work (files, the refresh) is done on that thread only.
package final class CredentialCache: @unchecked Sendable {
    // `@unchecked`: everything mutable is protected by `lock`.
    package typealias Completion = @Sendable (Result<Credential, CredentialFailure>) -> Void

    private let file: SessionFile?
    private let source: (any TokenSource)?
    private let upstream: String?
    private let withheld: Token?
    private let clock: any CredentialClock
    private let observe: @Sendable (SessionEvent) -> Void
    private let lock = Lock()
    private let thread = WorkThread(name: "squire-session")

    private var state: CredentialState
    private var record = SessionRecord()
    private var waiters: [Completion] = []
    private var replyWaiters: [@Sendable (Result<RefreshReply, CredentialFailure>) -> Void] = []
    private var fileVersion: SessionFile.Version?
    /// The token that the file still holds instead of the current one, which could not be saved. It is dead.
    private var unsavedOver: Token?
    private var isShutDown = false
    private var isRechecking = false
    /// The origin of the upstream that the file's token belongs to, when that is not this one's.
    private var foreignUpstream: String?
    private let publishedGeneration = Atomic<UInt64>(0)

    /// `file` nil keeps the session in memory only. Throws what reading the file throws.
    ///
    /// A token goes to the upstream that issued it, and to no other: `upstream` is the origin it would be sent to; `withheld` is one that
    /// is known to be another upstream's though its record does not say so.
    package init(
        file: SessionFile?,
        source: (any TokenSource)?,
        margin: Duration,
        upstream: String? = nil,
        withheld: Token? = nil,
        clock: any CredentialClock = SystemClock(),
        observe: @escaping @Sendable (SessionEvent) -> Void = { _ in }
    ) throws(SessionFileError) {
        self.file = file
        self.source = source
        self.upstream = upstream
        self.withheld = withheld
        self.clock = clock
        self.observe = observe
        state = CredentialState(policy: RefreshPolicy(margin: margin, canRefresh: source != nil))
        fileVersion = file?.version()
        if let loaded = try file?.load() {
            record = loaded
            publish(loaded)
        }
    }

    deinit {
        // Nobody is left to ask: the thread may end.
        _ = thread.finish(timeout: .zero)
    }

    // MARK: Handing out

    /// The current generation: one load, for the fast path.
    package var generation: Generation { publishedGeneration.load(ordering: .acquiring) }

    /// The current credential and the moment on `CredentialClock.elapsed()` until which it may be used without asking again.
    package func current() -> (credential: Credential, until: Int64)? {
        lock.withLock {
            guard let credential = state.credential, state.isUsable(now: clock.elapsed()) else { return nil }
            return (credential, state.refreshDue(credential) ?? .max)
        }
    }

    /// The whole interface of an exchange: a token for a request, `rejecting` the generation the upstream refused, if any.
    ///
    /// Starts a refresh, or joins the one in flight, when the token is refused or due. `skew` is how far, in nanoseconds, the
    /// refusing upstream's clock is behind the token's making; such a token is handed out again after that pause, by
    /// `delay`, instead of being refreshed.
    package func credential(
        rejecting rejected: Generation? = nil,
        cause: RefreshCause = .expiry,
        skew: Int64? = nil,
        delay: (Int64, Credential) -> Void = { _, _ in },
        deliver: @escaping Completion
    ) {
        let decision = lock.withLock { () -> CredentialState.Decision in
            guard !isShutDown else { return .fail(.shuttingDown) }
            let decision = state.decide(rejected: rejected, skew: skew, now: clock.elapsed())
            if case .wait = decision {
                waiters.append(deliver)
                state.isRefreshing = true
            }
            return decision
        }
        switch decision {
        case .use(let credential): deliver(.success(credential))
        case .useAfter(let pause, let credential): delay(pause, credential)
        case .fail(let failure): deliver(.failure(failure))
        case .wait(let starts): if starts { startRefresh(cause) }
        }
    }

    /// Refreshes now, or joins the refresh in flight, and delivers the upstream's answer: for a client that calls the refresh path
    /// itself, and for people.
    package func refreshNow(
        cause: RefreshCause,
        deliver: @escaping @Sendable (Result<RefreshReply, CredentialFailure>) -> Void
    ) {
        let failure = lock.withLock { () -> CredentialFailure? in
            guard !isShutDown else { return .shuttingDown }
            guard state.credential != nil else { return .loginNeeded }
            guard source != nil else { return .notRefreshable }
            if state.isRefused { return .loginNeeded }
            replyWaiters.append(deliver)
            return nil
        }
        if let failure { return deliver(.failure(failure)) }
        let starts = lock.withLock {
            defer { state.isRefreshing = true }
            return !state.isRefreshing
        }
        if starts { startRefresh(cause) }
    }

    /// Tells whether a request that was sent again after a refresh was accepted: storm control.
    package func reportReplay(of generation: Generation, accepted: Bool) {
        lock.withLock { state.replayed(generation, accepted: accepted, now: clock.elapsed()) }
    }

    /// Looks, on the session's thread, whether another process replaced the file, and adopts its token. One stat(2) when nothing changed.
    package func recheckFile() {
        guard let file, lock.withLock({ !state.isRefreshing && !isRechecking }) else { return }
        lock.withLock { isRechecking = true }
        thread.execute { [self] in
            if lock.withLock({ unsavedOver != nil }) {
                saveAgain(file)
            } else {
                let version = file.version()
                if lock.withLock({ version != fileVersion }) { reload(file, version: version) }
            }
            lock.withLock { isRechecking = false }
        }
    }

    package var status: SessionStatus {
        lock.withLock {
            let claims = state.credential?.token.claims
            let expiresIn = state.credential?.expiry.map { Int(($0 - clock.elapsed()) / 1_000_000_000) }
            let kind: SessionStatus.State
            if state.isRefreshing {
                kind = .refreshing
            } else if state.credential == nil {
                kind = .none
            } else if state.isRefused || (source == nil && (expiresIn ?? 1) <= 0) {
                kind = .loginNeeded
            } else {
                kind = .usable
            }
            return SessionStatus(
                state: kind,
                generation: state.generation,
                subject: claims?.subject,
                issuedAt: claims?.notBefore ?? claims?.issuedAt,
                expiresAt: state.credential?.expiresAt,
                expiresIn: expiresIn,
                refreshes: record.refreshes,
                lastRefresh: record.lastRefresh,
                foreignUpstream: foreignUpstream
            )
        }
    }

    // MARK: Logins and logouts

    /// Makes `token` the session's, saved first.
    package func adopt(
        _ token: Token,
        origin: SessionRecord.Origin,
        completion: @escaping @Sendable (Result<Void, SessionFileError>) -> Void
    ) {
        thread.execute { [self] in
            let result = replace { $0.put(token, origin: origin, upstream: upstream, now: clock.wall()) }
            if case .success = result { observe(.loggedIn(generation: generation)) }
            completion(result)
        }
    }

    /// Forgets the token; the file keeps everything else.
    package func forget(completion: @escaping @Sendable (Result<Void, SessionFileError>) -> Void) {
        thread.execute { [self] in
            let result = replace {
                $0.token = nil
                $0.expiresAt = nil
                $0.receivedAt = nil
                $0.isRefused = false
            }
            if case .success = result { observe(.loggedOut) }
            completion(result)
        }
    }

    /// Takes no more work and waits until a refresh in flight is saved; false when that takes longer than `timeout`.
    package func shutdown(timeout: Duration) -> Bool {
        lock.withLock { isShutDown = true }
        return thread.finish(timeout: timeout)
    }

    // MARK: On the session's thread

    private func replace(_ change: (inout SessionRecord) -> Void) -> Result<Void, SessionFileError> {
        do throws(SessionFileError) {
            guard let file else {
                var changed = lock.withLock { record }
                change(&changed)
                publish(changed)
                return .success(())
            }
            let handle = try file.lock()
            defer { handle.unlock() }
            // A damaged file is replaced: the login is what repairs it.
            var changed = (try? file.load()) ?? SessionRecord()
            change(&changed)
            try file.save(changed)
            publish(changed, version: file.version())
            return .success(())
        } catch {
            return .failure(error)
        }
    }

    private func reload(_ file: SessionFile, version: SessionFile.Version?) {
        let loaded = (try? file.load()) ?? SessionRecord()
        let before = generation
        publish(loaded)
        lock.withLock { fileVersion = version }
        if generation != before { observe(.adopted(generation: generation)) }
    }

    private func startRefresh(_ cause: RefreshCause) {
        thread.execute { [self] in
            let result = refresh(cause)
            var resumed: [Completion] = []
            var replied: [@Sendable (Result<RefreshReply, CredentialFailure>) -> Void] = []
            lock.withLock {
                state.isRefreshing = false
                swap(&resumed, &waiters)
                swap(&replied, &replyWaiters)
            }
            for waiter in resumed { waiter(result.map(\.credential)) }
            for waiter in replied { waiter(result.map(\.reply)) }
        }
    }

    private struct Refreshed {
        var credential: Credential
        var reply: RefreshReply
    }

    /// The refresh, under the file's lock: adopt what a sibling saved; make sure that the result can be saved; only then send;
    /// save; publish.
    private func refresh(_ cause: RefreshCause) -> Result<Refreshed, CredentialFailure> {
        guard let source, let held = lock.withLock({ state.credential }) else { return .failure(.loginNeeded) }
        var handle: SessionFile.LockHandle?
        var replacement: SessionFile.Replacement?
        var base = lock.withLock { record }
        defer { handle?.unlock() }
        if let file {
            do throws(SessionFileError) {
                handle = try file.lock()
                if let saved = try file.load() {
                    let deadToken = lock.withLock { unsavedOver }
                    if saved.token != held.token, saved.token != deadToken {
                        publish(saved, version: file.version())
                        observe(.adopted(generation: generation))
                        return adopted()
                    }
                    base = saved
                }
                replacement = try file.prepare()
            } catch {
                let failure = CredentialFailure.notWritable(error.description)
                _ = lock.withLock {
                    state.refreshFailed(retryAfter: nil, jitter: .random(in: 0..<1), now: clock.elapsed())
                }
                observe(.refreshFailed(cause: cause, reason: error.description, failure: failure))
                return .failure(failure)
            }
        }

        var outcome = source.refresh(held.token)
        if case .lost = outcome {
            // Once more with the old token: it works if the upstream never saw the first, or within its grace.
            outcome = source.refresh(held.token)
        }

        let now = clock.wall()
        switch outcome {
        case .refreshed(let reply):
            base.put(reply.token, origin: .refresh, upstream: upstream, now: now)
            base.refreshes += 1
            base.lastRefresh = .init(at: now, cause: cause.rawValue, outcome: "refreshed")
            var isSaved = true
            if let file, let replacement {
                do throws(SessionFileError) {
                    try file.commit(base, replacement)
                } catch {
                    // The old token is dead: keep working with the new one, and say so loudly.
                    isSaved = saveOnceMore(base, file)
                    if !isSaved { observe(.notSaved(reason: error.description)) }
                }
            }
            lock.withLock { unsavedOver = isSaved ? nil : unsavedOver ?? held.token }
            publish(base, version: file?.version())
            guard let credential = lock.withLock({ state.credential }) else { return .failure(.loginNeeded) }
            let expiresIn = credential.expiresAt.map { $0 - now }
            observe(.refreshed(cause: cause, generation: credential.generation, expiresIn: expiresIn))
            return .success(Refreshed(credential: credential, reply: reply))
        case .refused(let status):
            base.isRefused = true
            base.lastRefresh = .init(at: now, cause: cause.rawValue, outcome: "refused")
            save(base, replacement)
            lock.withLock { state.refreshRefused() }
            observe(.refreshFailed(cause: cause, reason: "refused with status \(status)", failure: .loginNeeded))
            return .failure(.loginNeeded)
        case .unavailable(let reason, let retryAfter):
            base.lastRefresh = .init(at: now, cause: cause.rawValue, outcome: "unavailable")
            return failed(cause, reason: reason, retryAfter: retryAfter, base, replacement)
        case .unreachable(let reason):
            base.lastRefresh = .init(at: now, cause: cause.rawValue, outcome: "unreachable")
            return failed(cause, reason: reason, retryAfter: nil, isUnreachable: true, base, replacement)
        case .lost(let reason):
            base.lastRefresh = .init(at: now, cause: cause.rawValue, outcome: "lost")
            return failed(cause, reason: reason, retryAfter: nil, base, replacement)
        }
    }

    /// The file's lock is held.
    private func saveOnceMore(_ record: SessionRecord, _ file: SessionFile) -> Bool {
        (try? file.save(record)) != nil
    }

    /// Saves what could not be saved before, unless somebody logged in meanwhile.
    private func saveAgain(_ file: SessionFile) {
        guard let handle = try? file.lock() else { return }
        defer { handle.unlock() }
        let (dead, current) = lock.withLock { (unsavedOver, record) }
        guard let dead else { return }
        let onDisk = (try? file.load())?.token
        if let onDisk, onDisk != dead {
            lock.withLock { unsavedOver = nil }
            return reload(file, version: file.version())
        }
        guard saveOnceMore(current, file) else { return }
        let version = file.version()
        lock.withLock {
            unsavedOver = nil
            fileVersion = version
        }
        observe(.saved)
    }

    private func failed(
        _ cause: RefreshCause,
        reason: String,
        retryAfter: Int?,
        isUnreachable: Bool = false,
        _ base: SessionRecord,
        _ replacement: SessionFile.Replacement?
    ) -> Result<Refreshed, CredentialFailure> {
        save(base, replacement)
        let failure = lock.withLock {
            state.refreshFailed(
                retryAfter: retryAfter,
                isUnreachable: isUnreachable,
                jitter: .random(in: 0..<1),
                now: clock.elapsed()
            )
        }
        observe(.refreshFailed(cause: cause, reason: reason, failure: failure))
        return .failure(failure)
    }

    /// Saves what is only information: a failure to do so changes nothing.
    private func save(_ changed: SessionRecord, _ replacement: SessionFile.Replacement?) {
        guard let file, let replacement else { return }
        try? file.commit(changed, replacement)
        let version = file.version()
        lock.withLock {
            record = changed
            fileVersion = version
        }
    }

    /// What a sibling process saved, as if we had refreshed.
    private func adopted() -> Result<Refreshed, CredentialFailure> {
        guard let credential = lock.withLock({ state.credential }) else { return .failure(.loginNeeded) }
        let body = JSONValue.object([
            .init("status", .string("OK")), .init("code", .integer(200)),
            .init("data", .object([.init("token", .object([.init("value", .string(credential.token.value))]))])),
        ])
        let reply = RefreshReply(
            token: credential.token,
            body: Array(body.serialized().utf8),
            contentType: "application/json"
        )
        return .success(Refreshed(credential: credential, reply: reply))
    }

    /// Whose token it is, when it must not be sent to this upstream.
    private func foreign(_ record: SessionRecord) -> String? {
        guard let token = record.token else { return nil }
        if let owner = record.upstream, let upstream, owner != upstream { return owner }
        return token == withheld ? "the upstream before" : nil
    }

    private func publish(_ changed: SessionRecord, version: SessionFile.Version? = nil) {
        lock.withLock {
            record = changed
            if let version { fileVersion = version }
            foreignUpstream = foreign(changed)
            state.publish(
                foreignUpstream == nil ? changed.token : nil,
                expiresAt: changed.expiresAt ?? changed.token?.claims?.expiresAt,
                receivedAt: changed.receivedAt ?? clock.wall(),
                isRefused: changed.isRefused,
                now: clock.elapsed(),
                wall: clock.wall()
            )
            publishedGeneration.store(state.generation, ordering: .releasing)
        }
    }
}
