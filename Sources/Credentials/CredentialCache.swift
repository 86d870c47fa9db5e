import Synchronization
import Threads

/// What happened to the session, for logs and metrics. Called from the session's threads, outside of locks; holds no secret.
public enum SessionEvent: Sendable {
    case refreshed(cause: RefreshCause, generation: Generation, expiresIn: Int?)
    /// Another process refreshed, logged in or logged out.
    case adopted(generation: Generation)
    case refreshFailed(cause: RefreshCause, reason: String, failure: CredentialFailure)
    /// A process that died had written the new token, and not made it the file: it is in use now.
    case recovered
    case loggedIn(generation: Generation)
    case loggedOut
    /// The token is in use but not on disk; saving is tried again.
    case notSaved(reason: String)
    /// What could not be saved before now is.
    case saved
    /// The file is there but cannot be read; what is in memory goes on being used.
    case fileUnreadable(reason: String)
}

/// The session of one proxy: keeps the current token, hands it out, and has it refreshed, once for everyone.
///
/// The parts: this file hands out and takes in; `+Refresh` rotates the token; `+File` keeps step with the file that other processes
/// share. *Threading*: every method from any thread. Completions are called on the calling thread when the answer is known at once,
/// else on one of the session's own threads, never under a lock. Blocking work (files, the refresh) is done on those only.
public final class CredentialCache: @unchecked Sendable {
    // `@unchecked`: everything mutable is protected by `lock`.
    public typealias Completion = @Sendable (Result<Credential, CredentialFailure>) -> Void
    public typealias ReplyCompletion = @Sendable (Result<RefreshReply, CredentialFailure>) -> Void

    let file: SessionFile?
    let source: (any TokenSource)?
    let upstream: String?
    private let withheld: Token?
    let clock: any CredentialClock
    let observe: @Sendable (SessionEvent) -> Void
    let lock = Lock()
    /// Held while the file and the state change together, so that nobody adopts from the file what this process is about to publish
    /// itself. Taken before `lock`.
    let saving = Lock()
    let thread = WorkThread(name: "squire-session")

    var state: CredentialState
    var record = SessionRecord()
    private var waiters: [Waiter] = []
    private var replyWaiters: [ReplyCompletion] = []
    /// Requests that waited for a refresh which another one started.
    private var coalesced = 0
    var fileVersion: SessionFile.Version?
    var unsaved: Unsaved?
    /// Why the file cannot be read.
    var fileProblem: String?
    var saveDelay = CredentialCache.firstSaveDelay
    var isRechecking = false
    /// Refreshes of the current token whose answer was lost, and that were tried again unasked.
    var unaskedRetries = 0
    private var isShutDown = false
    /// The origin of the upstream that the file's token belongs to, when that is not this one's.
    private var foreignUpstream: String?
    private var watch: SessionFileWatch?
    private let publishedGeneration = Atomic<UInt64>(0)
    private let publishedUsable = Atomic<UInt64>(0)
    private let publishedStorm = Atomic<Bool>(false)

    private struct Waiter {
        /// Its attempt with a token was refused; else it has made none.
        var refusal: Refusal?
        var deliver: Completion
    }

    /// The current token is not on disk.
    struct Unsaved {
        /// The token that the file holds instead, as `Token.fingerprint`. It is dead.
        var replaces: String?
        var reason: String
    }

    /// So many may wait for a refresh: each holds a connection and its request.
    private static let maxWaiters = 1024
    static let firstSaveDelay: Int64 = 1_000_000_000
    static let lastSaveDelay: Int64 = 30_000_000_000

    /// `file` nil keeps the session in memory only. Throws what reading the file throws.
    ///
    /// A token goes to the upstream that issued it, and to no other: `upstream` is the origin it would be sent to; `withheld` is one that
    /// is known to be another upstream's though its record does not say so.
    public init(
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
        guard let file else { return }
        if file.hasLeftover, let handle = (try? file.tryLock()) ?? nil {
            recover(file)
            handle.unlock()
        }
        if let loaded = try file.load() { publish(loaded.record, version: loaded.version) }
    }

    deinit {
        watch?.stop()
        // Nobody is left to ask: the thread may end.
        _ = thread.finish(timeout: .zero)
    }

    /// Hears of changes of the file from now on, as they happen, where the system can tell. For programs that go on; without it, and
    /// elsewhere, `recheckFile` looks.
    public func watchFile() {
        guard let file, watch == nil else { return }
        watch = SessionFileWatch(file) { [weak self] in self?.recheckNow() }
    }

    // MARK: Handing out

    /// The current generation.
    public var generation: Generation { publishedGeneration.load(ordering: .acquiring) }

    /// The same while requests may be sent with it, else zero: one load, for the fast path.
    public var usableGeneration: Generation { publishedUsable.load(ordering: .acquiring) }

    /// The current credential and the moment on `CredentialClock.elapsed()` until which it may be used without asking again.
    public func current() -> (credential: Credential, until: Int64)? {
        lock.withLock {
            guard let credential = state.credential, !state.isHeld, state.isUsable(now: clock.elapsed()) else {
                return nil
            }
            return (credential, state.refreshDue(credential) ?? .max)
        }
    }

    /// The current token, however old.
    public var token: Token? { lock.withLock { state.credential?.token } }

    /// The whole interface of an exchange: a token for a request, `rejecting` the one the upstream refused, if any.
    ///
    /// Starts a refresh, or joins the one in flight, when the token is refused or due; true when it starts one: when that request
    /// is refused all the same, `wasNotCured` is to be told. `settled` also waits for a refresh in flight that the request could
    /// do without: a sign-out must end the token that is to come. A token that is only ahead of its upstream's clock is handed out again
    /// after that pause, by `delay`, instead of being refreshed.
    @discardableResult
    public func credential(
        rejecting refusal: Refusal? = nil,
        cause: RefreshCause = .expiry,
        settled: Bool = false,
        delay: (Int64, Credential) -> Void = { _, _ in },
        deliver: @escaping Completion
    ) -> Bool {
        switch decide(refusal, settled: settled, deliver) {
        case .use(let credential): deliver(.success(credential))
        case .useAfter(let pause, let credential): delay(pause, credential)
        case .fail(let failure) where (failure.needsLogin || failure == .notCured) && file != nil:
            // What another process, or a person, did just now must not be missed by a moment.
            thread.execute { [self] in
                recheckNow()
                switch decide(refusal, settled: settled, deliver) {
                case .use(let credential), .useAfter(_, let credential): deliver(.success(credential))
                case .fail(let failure): deliver(.failure(failure))
                case .wait(let starts, let pause): if starts { startRefresh(cause, after: pause) }
                }
            }
        case .fail(let failure): deliver(.failure(failure))
        case .wait(let starts, let pause):
            if starts { startRefresh(cause, after: pause) }
            return starts
        }
        return false
    }

    /// A decision that says to wait has put `deliver` among the waiting.
    private func decide(_ refusal: Refusal?, settled: Bool, _ deliver: @escaping Completion) -> CredentialState.Decision
    {
        lock.withLock {
            guard !isShutDown else { return .fail(.shuttingDown) }
            if let refusal { state.note(refusal) }
            var decision = state.decide(refusal, now: clock.elapsed())
            if settled, state.isRefreshing { decision = .wait(starts: false) }
            guard case .wait(let starts, _) = decision else { return decision }
            guard waiters.count < Self.maxWaiters else { return .fail(.overloaded) }
            waiters.append(Waiter(refusal: refusal, deliver: deliver))
            if !starts { coalesced += 1 }
            state.beginRefresh()
            announce()
            return decision
        }
    }

    /// Refreshes now, or joins the refresh in flight, and delivers the upstream's answer: for a client that calls the refresh path
    /// itself, and for people.
    public func refreshNow(cause: RefreshCause, deliver: @escaping ReplyCompletion) {
        let (failure, starts) = join(deliver)
        if starts { return startRefresh(cause) }
        guard let failure else { return }
        guard failure.needsLogin, file != nil else { return deliver(.failure(failure)) }
        thread.execute { [self] in
            recheckNow()
            let (failure, starts) = join(deliver)
            if let failure { deliver(.failure(failure)) } else if starts { startRefresh(cause) }
        }
    }

    /// Puts `deliver` among those who wait for a refresh, unless that fails; says whether it is to be started.
    private func join(_ deliver: @escaping ReplyCompletion) -> (failure: CredentialFailure?, starts: Bool) {
        lock.withLock {
            if isShutDown { return (.shuttingDown, false) }
            if let failure = state.refreshIsBarred(now: clock.elapsed()) { return (failure, false) }
            guard replyWaiters.count < Self.maxWaiters else { return (.overloaded, false) }
            replyWaiters.append(deliver)
            let starts = !state.isRefreshing
            if !starts { coalesced += 1 }
            state.beginRefresh()
            announce()
            return (nil, starts)
        }
    }

    /// The request that started a refresh, and was sent again with its token, was refused all the same: storm control.
    public func wasNotCured(_ generation: Generation, path: UInt64) {
        lock.withLock {
            state.wasNotCured(generation, path: path, now: clock.elapsed())
            announce()
        }
    }

    /// Whether acceptances are of interest: one load, for the fast path.
    public var isStormy: Bool { publishedStorm.load(ordering: .relaxed) }

    /// A request of that path was accepted.
    public func accepted(path: UInt64) {
        lock.withLock {
            state.accepted(path: path)
            announce()
        }
    }

    // MARK: Logins and logouts

    /// Makes `token` the session's, saved first. One that cannot be saved is refused, or, with `keepsUnsaved`, used from memory until
    /// it can. `lifetime` is seconds, where the answer that brought it said so.
    public func adopt(
        _ token: Token,
        origin: SessionRecord.Origin,
        lifetime: Int? = nil,
        keepsUnsaved: Bool = false,
        completion: @escaping @Sendable (Result<Void, SessionFileError>) -> Void
    ) {
        thread.execute { [self] in
            let result = replace(keepsUnsaved: keepsUnsaved) {
                $0.put(token, origin: origin, upstream: upstream, lifetime: lifetime, now: clock.wall())
                return true
            }
            if keepsUnsaved || (try? result.get()) != nil { observe(.loggedIn(generation: generation)) }
            completion(result)
        }
    }

    /// Forgets the token; the file keeps everything else. With `customer`, only theirs: another login that came meanwhile stays.
    public func forget(
        _ customer: Customer? = nil,
        completion: @escaping @Sendable (Result<Void, SessionFileError>) -> Void
    ) {
        thread.execute { [self] in
            let result = replace(keepsUnsaved: true) { record in
                if let customer, record.customer?.isSame(as: customer) == false { return false }
                record.forgetToken()
                return true
            }
            if case .success = result { observe(.loggedOut) }
            completion(result)
        }
    }

    /// Takes no more work and waits until a refresh in flight is saved; false when that takes longer than `timeout`.
    public func shutdown(timeout: Duration) -> Bool {
        lock.withLock { isShutDown = true }
        watch?.stop()
        watch = nil
        defer { resumeWaiters(.failure(.shuttingDown), reply: .failure(.shuttingDown)) }
        // The last chance: the token in the file is dead.
        if let file { thread.execute { [self] in saveAgain(file) } }
        return thread.finish(timeout: timeout)
    }

    // MARK: What the parts share

    /// Ends the waiting of all who wait, with what is known now. Outside of locks.
    func resumeWaiters(_ result: Result<Credential, CredentialFailure>, reply: Result<RefreshReply, CredentialFailure>)
    {
        var resumed: [Waiter] = []
        var replied: [ReplyCompletion] = []
        let living = lock.withLock { () -> Credential? in
            swap(&resumed, &waiters)
            swap(&replied, &replyWaiters)
            return state.living(now: clock.elapsed())
        }
        for waiter in resumed {
            // A refresh ahead of expiry failed: the token works as long as it lives.
            if case .failure = result, waiter.refusal == nil, let living {
                waiter.deliver(.success(living))
            } else if let refusal = waiter.refusal, refusal.generation == (try? result.get())?.generation {
                // It was used, and refused, as soon as it was there: this one waits for the next.
                credential(
                    rejecting: refusal,
                    cause: .rejected,
                    delay: { _, same in waiter.deliver(.success(same)) },
                    deliver: waiter.deliver
                )
            } else {
                waiter.deliver(result)
            }
        }
        for waiter in replied { waiter(reply) }
    }

    /// How many wait now.
    var waiterCount: Int { lock.withLock { waiters.count + replyWaiters.count } }

    /// Makes a record's token current.
    func publish(
        _ changed: SessionRecord,
        version: SessionFile.Version?,
        isRefreshed: Bool = false,
        unsaved: Unsaved? = nil
    ) {
        lock.withLock {
            let before = state.credential?.token
            record = changed
            fileVersion = version
            fileProblem = nil
            self.unsaved = unsaved
            foreignUpstream = foreign(changed)
            let ours = foreignUpstream == nil ? changed : nil
            state.publish(ours, isRefreshed: isRefreshed, now: clock.elapsed(), wall: clock.wall())
            if changed.isRefused { state.story = changed.lastRefresh?.detail }
            if state.credential?.token != before { unaskedRetries = 0 }
            announce()
        }
    }

    /// Tells the fast path how things are. The lock is held.
    func announce() {
        publishedGeneration.store(state.generation, ordering: .releasing)
        publishedUsable.store(state.isHeld ? 0 : state.generation, ordering: .releasing)
        publishedStorm.store(state.isStormy, ordering: .relaxed)
    }

    /// Whose token it is, when it must not be sent to this upstream.
    private func foreign(_ record: SessionRecord) -> String? {
        guard let token = record.token else { return nil }
        if let owner = record.upstream, let upstream, owner != upstream { return owner }
        return token == withheld ? "the upstream before" : nil
    }

    public var status: SessionStatus {
        lock.withLock {
            let credential = state.credential
            let now = clock.elapsed()
            let expiresIn = credential?.expiry.map { Int(($0 - now) / CredentialState.second) }
            let kind: SessionStatus.State
            if state.isRefreshing {
                kind = .refreshing
            } else if credential == nil {
                kind = .none
            } else if (state.isRefused || source == nil) && (expiresIn ?? 1) <= 0 || state.isRefused && wasRejected {
                kind = .loginNeeded
            } else {
                kind = .usable
            }
            return SessionStatus(
                state: kind,
                generation: state.generation,
                subject: credential?.token.claims?.subject,
                issuedAt: credential?.token.claims?.start,
                receivedAt: credential?.receivedAt,
                age: credential.map { max(0, clock.wall() - $0.receivedAt) },
                expiresAt: credential?.expiresAt,
                expiresIn: expiresIn,
                refreshes: record.refreshes,
                lastRefresh: record.lastRefresh,
                history: record.history,
                failures: record.failures,
                coalesced: coalesced,
                isRejected: state.isRejected,
                retryIn: state.backOffUntil > now ? Int((state.backOffUntil - now) / CredentialState.second) + 1 : nil,
                story: state.isRefused ? state.story : nil,
                unsaved: unsaved?.reason,
                fileProblem: fileProblem,
                foreignUpstream: foreignUpstream
            )
        }
    }

    /// The upstream refused the current token itself, not only its refresh ahead of expiry. The lock is held.
    private var wasRejected: Bool { state.isRejected || record.lastRefresh?.cause != .expiry }
}
