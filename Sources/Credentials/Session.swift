import Synchronization
import Threads

/// The session of one proxy: keeps the current token, provides it to requests, and has it refreshed, once for everyone.
///
/// This file provides the token; `+Login` and `+Logout` change it, by `+Change`; `+Refresh` has a token rotated, which
/// `+Rotation` does and `+Saving` saves; `+File` follows the file that other processes share, `+SharedSide` the other
/// machines.
/// *Threading*: every method on any thread. A completion is called exactly once: on the calling thread if the answer is
/// known at once, otherwise on a thread of this session or of another of its `SessionGroup`; under no lock but the
/// file's, and at the latest by `end` or when the session is released. Only these threads do blocking work.
public final class Session: Sendable {
    public typealias Completion = @Sendable (Grant) -> Void
    public typealias RefreshCompletion = @Sendable (Result<RefreshResponse, CredentialFailure>) -> Void
    public typealias ChangeCompletion = @Sendable (Result<Void, SessionFileError>) -> Void

    let file: SessionFile?
    let source: (any TokenSource)?
    let binding: SessionBinding?
    /// Nil if no other machine shares the session.
    let sharing: (any SessionSharing)?
    private let onlyLooks: Bool
    /// The line that logs in to this session, for messages.
    public let login: String
    let clock: any CredentialClock
    let emit: @Sendable (SessionEvent) -> Void
    let tell: @Sendable (SessionNews) -> Void
    private let numbers: GenerationNumbers
    /// The other sessions of this process; nil if it has none.
    private let group: SessionGroup?
    /// See `saving`. Acquired before the lock of `state`.
    private let savingLock = Lock()
    let thread = WorkThread(name: "squire-session")
    /// Ends tokens at their source after a sign-out: a source that does not answer must not hold up a login that follows.
    let endings = WorkThread(name: "squire-ending")

    private let state: Guarded<State>
    private let publishedGeneration = Atomic<UInt64>(0)
    private let publishedUsable = Atomic<UInt64>(0)
    private let publishedEpoch = Atomic<UInt64>(0)
    private let publishedInterest = Atomic<Bool>(false)
    private let acceptedRoutes = AcceptedRoutes()

    /// `file` nil keeps the session in memory only. Throws the errors of reading the file.
    ///
    /// A token is sent only to the API that its record is bound to: `binding` says which API this session is for; nil
    /// means any. A record without a binding is bound now, unless `onlyLooks`, which changes nothing. `login` is the
    /// command line that logs in. `sharing` connects the session to other machines, and requires a file. `numbers` are
    /// those of the previous session, if there was one. `group` has the process's other sessions. `tell` is told what is
    /// about to happen, under locks: it must neither block nor call the session.
    public init(
        file: SessionFile?,
        source: (any TokenSource)?,
        policy: RefreshPolicy = RefreshPolicy(),
        binding: SessionBinding? = nil,
        login: String = "squire login",
        sharing: (any SessionSharing)? = nil,
        onlyLooks: Bool = false,
        clock: any CredentialClock = SystemClock(),
        numbers: GenerationNumbers = GenerationNumbers(),
        group: SessionGroup? = nil,
        emit: @escaping @Sendable (SessionEvent) -> Void = { _ in },
        tell: @escaping @Sendable (SessionNews) -> Void = { _ in }
    ) throws(SessionFileError) {
        self.file = file
        self.source = source
        self.binding = binding
        self.login = login
        self.sharing = sharing
        self.onlyLooks = onlyLooks
        self.clock = clock
        self.numbers = numbers
        self.group = group
        self.tell = tell
        self.emit = emit
        state = Guarded(
            State(
                machine: CredentialState(
                    policy: policy,
                    canRefresh: source?.canGet(with: HeldTokens()) ?? false,
                    spends: source?.spends ?? true
                ),
                persistence: file == nil ? .memoryOnly : .absent
            )
        )
        guard let file else { return }
        try open(file, onlyLooks: onlyLooks)
        group?.join(self)
        sharing?.attach(self)
    }

    private func open(_ file: SessionFile, onlyLooks: Bool) throws(SessionFileError) {
        if !onlyLooks, file.hasRemains, let handle = (try? hold(file)) ?? nil { handle.unlock() }
        // Taking the lock may have found a record that could not be put in the file's place.
        guard snapshot.persistence.unsaved == nil else { return }
        let loaded = try file.loadWhenWritten(forUse: !onlyLooks) { clock.now.wall }
        // Whether or not another process holds the lock.
        if let reason = takeSuccessor(of: loaded, in: file) {
            if !onlyLooks { reportUnsaved(reason) }
            return
        }
        guard let loaded else { return }
        if !onlyLooks, bindNow(loaded.record, in: file, waitLimit: Self.bindingWaitLimit) { return }
        guard snapshot.persistence.unsaved == nil else { return }
        publish(loaded.record, .saved(loaded.version), by: .opening)
    }

    /// How long the start waits to write a binding into a file that lacks one. Another process may be doing just that.
    private static let bindingWaitLimit = Duration.seconds(2)

    deinit {
        let (waiters, watch) = update { state, _ in (state.takeWaiters(), state.close()) }
        watch?.stop()
        sharing?.close()
        // No waiter is left, so the threads may end.
        _ = thread.finish(timeout: .zero)
        _ = endings.finish(timeout: .zero)
        _ = sharing?.finish(timeout: .zero)
        for waiter in waiters { waiter.fail(.shuttingDown) }
    }

    /// The only way to change the state: one call is one event. `now` is read under the lock, so that a decision and
    /// its numbers belong to one moment. Publishes the atomics that the fast path reads.
    func update<Result>(_ body: (inout State, Instant) -> Result) -> Result {
        state.with { state in
            let result = body(&state, clock.now)
            // Avoids copying the machine, which contains arrays.
            publishedGeneration.store(state.machine.generation, ordering: .releasing)
            publishedUsable.store(state.machine.mustAsk ? 0 : state.machine.generation, ordering: .releasing)
            publishedEpoch.store(state.machine.epoch, ordering: .relaxed)
            publishedInterest.store(state.machine.wantsAcceptances, ordering: .relaxed)
            return result
        }
    }

    /// Changes the file and the state together, so that nobody adopts from the file what this process is about to publish
    /// itself: the only way to do so, except for `init`. Another token reaches the `group` before this returns. Call it
    /// under no lock but the file's.
    func saving<Result, Failure: Error>(_ body: () throws(Failure) -> Result) throws(Failure) -> Result {
        try saving(()) { (_) throws(Failure) -> Result in try body() }
    }

    /// The same for a `body` that uses up `value`.
    func saving<Value: ~Copyable, Result, Failure: Error>(
        _ value: consuming Value,
        _ body: (consuming Value) throws(Failure) -> Result
    ) throws(Failure) -> Result {
        var isNews = false
        defer { if isNews { group?.follow(self) } }
        return try savingLock.withLock(value) { (value) throws(Failure) -> Result in
            let before = generation
            defer { isNews = generation != before }
            return try body(value)
        }
    }

    /// A copy of the shared state, for reading. Base no decision on what another thread may have changed meanwhile.
    var snapshot: State { state.with { $0 } }

    /// Starts watching the session file, if the system can report changes (inotify on Linux). For long-running
    /// programs; without it, and elsewhere, `recheckFile` polls.
    public func watchFile() {
        guard let file, let watch = SessionFileWatch(file, changed: { [weak self] in self?.recheckNow() }) else {
            return
        }
        if let surplus = update({ state, _ in state.adopt(watch) }) { surplus.stop() }
    }

    // MARK: Handing out

    /// The current generation.
    public var generation: Generation { publishedGeneration.load(ordering: .acquiring) }

    /// The current generation while requests may use it, otherwise zero: one load, for the fast path.
    public var usableGeneration: Generation { publishedUsable.load(ordering: .acquiring) }

    /// The current credential, and until when, on `CredentialClock.elapsed()`, it may be used without asking again.
    public func current() -> (credential: Credential, until: Int64)? {
        state.with { state in
            let machine = state.machine
            guard let credential = machine.credential, !machine.mustAsk, machine.isUsable(now: clock.elapsed()) else {
                return nil
            }
            return (credential, machine.usableUntil)
        }
    }

    /// The token that the next refresh spends, if that is not the access token.
    public var refreshToken: Token? { state.with { $0.isForeign ? nil : $0.record.refreshToken } }

    /// The current token, however old.
    public var token: Token? { snapshot.machine.credential?.token }

    /// The interface for an exchange, with `accepted`: a token for a request.
    ///
    /// Starts a refresh, or joins the one in flight, if the token is rejected or due. `settled` also waits for a
    /// refresh in flight that the request could do without: a sign-out must end the token that the refresh brings.
    @discardableResult
    public func credential(for inquiry: Inquiry, settled: Bool = false, deliver: @escaping Completion) -> Awaited {
        let first: RefreshCause = source?.startsAlone == true && generation == 0 ? .start : .expiry
        let cause: RefreshCause = inquiry.rejection == nil ? first : .rejected
        let ask: @Sendable () -> Answer = { [self] in
            update { state, now in
                let hadAccepted = acceptedRoutes.contains(inquiry.route, epoch: state.machine.epoch)
                return state.ask(inquiry, hadAccepted: hadAccepted, settled: settled, now: now, deliver)
            }
        }
        let answer = ask()
        if let rejection = inquiry.rejection {
            writeMark()
            if rejection.ledRefresh { settleLead() }
        }
        guard case .granted(.failed(let failure)) = answer, file != nil,
            failure.needsLogin || failure == .refreshDidNotHelp
        else { return act(on: answer, cause, deliver) }
        // A change of the file a moment ago, by another process or a person, must not be missed.
        let isToLook = mustLook(failure)
        guard isFileNews || isToLook else { return act(on: told(answer), cause, deliver) }
        let isTaken = thread.execute { [self] in
            recheckNow()
            if isToLook { lookNow() }
            act(on: told(ask()), cause, deliver)
        }
        if !isTaken { deliver(.failed(.shuttingDown)) }
        return isTaken ? .news : .nothing
    }

    /// If there is no token here, the other machines may still have one, which a login would end for all of them. Nil
    /// if that does not apply.
    private func others(_ failure: CredentialFailure) -> (any SessionSharing)? {
        failure.needsLogin && snapshot.record.isEmpty ? sharing : nil
    }

    /// The other machines were not asked yet.
    func mustLook(_ failure: CredentialFailure) -> Bool { others(failure).map { !$0.hasAsked } ?? false }

    /// What this machine holds of the shared session: nothing, or a logout.
    private var holding: SharedHolding {
        guard case .shared(let holding) = snapshot.record.localHolding(in: place) else { return .nothing }
        return holding
    }

    func told(_ failure: CredentialFailure) -> CredentialFailure {
        guard let others = others(failure), others.mayHaveSession(after: holding) else { return failure }
        return .unavailable(retryAfter: Int(BackOff.enginePause / CredentialState.second), isUnreachable: false)
    }

    private func told(_ answer: Answer) -> Answer {
        guard case .granted(.failed(let failure)) = answer else { return answer }
        return .granted(.failed(told(failure)))
    }

    /// The session file is not the one that was read: one stat(2).
    private var isFileNews: Bool { file.map { $0.version() != snapshot.persistence.version } ?? false }

    @discardableResult
    private func act(on answer: Answer, _ cause: RefreshCause, _ deliver: Completion) -> Awaited {
        switch answer {
        case .granted(let grant):
            deliver(grant)
            return .nothing
        case .starts(let flight, let credential):
            deliver(.use(credential, hasWaited: false))
            startRefresh(flight, cause)
            return .nothing
        case .waits(nil):
            return .refresh
        case .waits(let flight?):
            startRefresh(flight, cause)
            return .ownRefresh
        case .awaitsLead:
            // The response may never come, for example because the client is gone.
            thread.executeLater(CredentialState.leadTime) { [weak self] in self?.settleLead() }
            return .lead
        }
    }

    /// Requests that waited for the leading one ask again, if that is back.
    private func settleLead() {
        for (inquiry, deliver) in update({ state, now in state.takeUndecided(now: now.elapsed) }) {
            credential(for: inquiry, deliver: deliver)
        }
    }

    /// The request of that route whose rejection led to the refresh of that generation (`.ownRefresh`) has ended. Call
    /// it for each, or others that the route rejects wait for it in vain, a second at most. Any thread.
    public func leadEnded(route: UInt64, replacing replaced: Generation) {
        update { state, _ in state.machine.leadEnded(route, replacing: replaced) }
        settleLead()
    }

    /// The epoch to pass to `accepted` if a request that is sent now with the token of `generation` is accepted. Zero
    /// if that token is no longer current.
    @inline(__always)
    public func epoch(of generation: Generation) -> UInt64 {
        let epoch = publishedEpoch.load(ordering: .relaxed)
        return CredentialState.isOf(generation, epoch: epoch) ? epoch : 0
    }

    /// A request of that route, sent in `epoch`, was accepted. Two loads, unless the token was rejected before.
    @inline(__always)
    public func accepted(route: UInt64, epoch: UInt64) {
        guard epoch != 0, epoch == publishedEpoch.load(ordering: .relaxed) else { return }
        acceptedRoutes.insert(route, epoch: epoch)
        if publishedInterest.load(ordering: .relaxed) { revive(route, epoch) }
    }

    private func revive(_ route: UInt64, _ sent: UInt64) {
        let epoch = update { state, now in
            if state.machine.epoch == sent { state.machine.accepted(route, now: now.elapsed) }
            return state.machine.epoch
        }
        // The acceptance that revives a token is the first one that counts for it.
        acceptedRoutes.insert(route, epoch: epoch)
        writeMark()
        settleLead()
    }

    // MARK: The end

    /// Interrupting a refresh may cost the login.
    public var spends: Bool { source?.spends ?? false }

    /// Work that an ending session could not finish in time.
    public enum Unfinished: Sendable {
        /// A refresh was under way, and its token is not saved.
        case refresh
        /// A session that a client has ended was being ended at its source, where it may live on.
        case ending
        /// The token is saved, but the other machines do not know it: the next Squire here shares it.
        case sharing
    }

    /// Accepts no more work, and waits until a refresh in flight is saved and shared; returns the work that takes
    /// longer than `timeout`, or nil. Remaining waiters are told that Squire is shutting down.
    @discardableResult
    public func end(timeout: Duration) -> Unfinished? {
        let deadline = ContinuousClock.now + timeout
        let watch = update { state, _ in state.close() }
        watch?.stop()
        sharing?.close()
        // The last chance: the token in the file is dead.
        if let file { _ = thread.execute { [self] in saveAgain(file) } }
        let isDone = thread.finish(timeout: timeout)
        for waiter in update({ state, _ in state.takeWaiters() }) { waiter.fail(.shuttingDown) }
        // The other machines must learn of a token that was just saved.
        let isShared = sharing?.finish(timeout: max(.zero, deadline - .now)) ?? true
        let hasEnded = endings.finish(timeout: max(.zero, deadline - .now))
        guard isDone else { return .refresh }
        guard hasEnded else { return .ending }
        return isShared ? nil : .sharing
    }

    // MARK: What the parts share

    /// Changes the session on its own thread.
    func change(
        _ completion: @escaping ChangeCompletion,
        _ body: @escaping @Sendable () -> Result<Void, SessionFileError>
    ) {
        if !thread.execute({ completion(body()) }) {
            completion(.failure(SessionFileError("Squire is shutting down: the session was not changed")))
        }
    }

    /// Makes a record's token current. True if it differs from the former one. Called in `saving`, or in `init`.
    @discardableResult
    func publish(_ record: SessionRecord, _ persistence: Persistence, by hand: Publication.Hand) -> Bool {
        let isForeign = foreign(record) != nil
        let canRefresh = mayRefresh(record)
        let before = snapshot.machine
        let token = isForeign ? nil : record.token
        let isAnother = token != before.credential?.token
        var known = judged(record)
        // The other machines may have found a way meanwhile: they are asked.
        if sharing != nil, hand == .opening, !onlyLooks {
            known.isRefreshDenied = false
            known.pause = nil
        }
        let number = isAnother ? numbers.number(of: token) : before.generation
        sharing?.holds(isForeign ? SessionRecord() : record)
        if !isForeign || isAnother {
            tell(.publishes(Publication(isForeign ? SessionRecord() : record, number, hand)))
        }
        return update { state, now in
            state.record = record
            state.isForeign = isForeign
            state.persistence = persistence
            state.machine.publish(
                isForeign ? nil : known,
                canRefresh: canRefresh,
                isRefreshed: hand.isRefresh,
                number: number,
                now: now
            )
            return isAnother
        }
    }
}
