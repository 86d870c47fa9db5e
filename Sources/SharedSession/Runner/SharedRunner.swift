public import Credentials
import Platform
import Threads

/// Shares a session through an engine. Runs the protocol on a thread of its own, between the engine's store and the
/// session.
///
/// *Threading*: see `SessionSharing`. *Ownership*: the session owns it; it refers to the session weakly.
public final class SharedRunner: SessionSharing {
    public struct Options: Sendable {
        /// `etcd` or `kubernetes`.
        public var engine: String
        /// The session's name in the engine.
        public var name: String
        public var seal: SharedSeal
        /// The engine's key for the value.
        public var place: String
        /// The path of the key file, which is read again when it changes.
        public var keyFile: String
        /// The origin of the API that the session is for.
        public var origin: String
        public var timing: SharedTiming
        /// The interval at which the key file is examined.
        public var keyInterval = Duration.seconds(5)

        public init(
            engine: String,
            name: String,
            place: String,
            seal: SharedSeal,
            keyFile: String,
            origin: String,
            timing: SharedTiming
        ) {
            self.engine = engine
            self.name = name
            self.place = place
            self.seal = seal
            self.keyFile = keyFile
            self.origin = origin
            self.timing = timing
        }
    }

    private struct Weak: Sendable {
        weak var session: (any SharedSide)?
    }

    private struct Timer {
        var due: Int64?
        var whenAtRest: Latch<Void>?
    }

    /// How long a process that ends waits for an engine that does not answer, in order to share its last result.
    private static let patienceAtEnd = Duration.seconds(3)

    private let store: any SharedStore
    private let clock: any CredentialClock
    private let observe: @Sendable (SharedNews) -> Void
    private let core: Guarded<SharedCore>
    private let timer = Guarded(Timer())
    private let session = Guarded(Weak())
    private let queue = SharedQueue()
    private let keys: Guarded<SharedKeyWatch>
    private let keyInterval: Duration
    private let thread = WorkThread(name: "squire-shared")

    /// `observe` must not block.
    public init(
        _ store: any SharedStore,
        _ options: Options,
        clock: any CredentialClock = SystemClock(),
        observe: @escaping @Sendable (SharedNews) -> Void = { _ in }
    ) {
        self.store = store
        self.clock = clock
        self.observe = observe
        keyInterval = options.keyInterval
        keys = Guarded(SharedKeyWatch(path: options.keyFile, name: options.name, place: options.place))
        core = Guarded(
            SharedCore(
                SharedState(me: ProcessName.make(), held: .nothing, timing: options.timing),
                SharedValues(
                    seal: options.seal,
                    origin: options.origin,
                    keyFile: options.keyFile,
                    place: SessionBinding.place(engine: options.engine, key: options.place)
                ),
                SharedObservations(engine: options.engine, name: options.name)
            )
        )
    }

    // MARK: From the session

    public func attach(_ session: any SharedSide) {
        self.session.with { $0.session = session }
    }

    public func holds(_ record: SessionRecord) {
        post { $0.holds(record, now: $1) }
    }

    public func begin() {
        post { $0.begin(now: $1) }
        lookAtKeys()
    }

    /// Reads changed keys, so that a fleet's keys can be replaced without a restart of each machine.
    private func lookAtKeys() {
        switch keys.with({ $0.look() }) {
        case .none: break
        case .changed(let seal):
            post { $0.use(seal, now: $1) }
            observe(.keys(problem: nil))
        case .unusable(let problem): observe(.keys(problem: problem))
        }
        thread.executeLater(keyInterval.wholeNanoseconds) { [weak self] in self?.lookAtKeys() }
    }

    public func change(_ wish: SharedWish, from record: SessionRecord, _ steps: any SharedSteps) -> SharedEnding {
        queue.beginChange()
        defer { if queue.endChange() { callSession() } }
        guard post({ $0.change(wish, record, now: $1) }) else { return .failed(.closed) }
        while true {
            switch queue.take() {
            case .end(let ending): return ending
            case .deed(let deed): report(deed, steps.carryOut(deed))
            case .step(.prepare):
                let isReady = steps.prepare()
                post { $0.handleAndSettle(.prepared(isReady), now: $1) }
            case .step(.send(let doubt)):
                let sending = steps.send(after: doubt)
                post { $0.sent(sending, now: $1) }
            case .step(.save(let identity, let there)):
                let saved = SharedState.Saved(steps.save(as: identity, over: there))
                post { $0.handleAndSettle(.saved(saved), now: $1) }
            case .step(.forget(let identity, let mark)): steps.forget(as: identity, mark)
            }
        }
    }

    public var maySend: Bool { core.with { $0.machine.maySend(now: clock.elapsed()) } }

    public func close() {
        post { $0.close(now: $1) }
    }

    public func finish(timeout: Duration) -> Bool {
        let latch = Latch<Void>()
        timer.with { $0.whenAtRest = latch }
        let limit = min(timeout, Self.patienceAtEnd)
        // Any event ends the wait if nothing is left to share. This one runs after all events that are already queued.
        let isRunning = post { _, _ in [] }
        thread.executeLater(limit.wholeNanoseconds) { latch.set(()) }
        if timeout > .zero, isRunning { latch.wait() }
        let isDone = core.with { $0.isAtRest }
        let store = store
        if timeout > .zero {
            store.stop()
        } else {
            // Nobody is left to wait for it.
            _ = thread.execute { store.stop() }
        }
        return thread.finish(timeout: timeout > .zero ? limit : .zero) && isDone
    }

    public var hasAsked: Bool { core.with { $0.hasAsked } }

    public func mayHaveSession(after holding: SharedHolding) -> Bool {
        core.with { $0.machine.mayHaveSession(after: holding) }
    }

    public var status: SharedStatus {
        var status = core.with { $0.status(now: clock.elapsed()) }
        status.misconfigured = store.misconfiguration?.words
        return status
    }

    // MARK: The protocol's thread

    /// Runs `event` on the protocol's thread, and performs its effects. `now` is read there. Returns false if the
    /// thread has ended.
    @discardableResult
    private func post(_ event: @escaping @Sendable (inout SharedCore, _ now: Int64) -> [SharedCore.Effect]) -> Bool {
        thread.execute { [weak self] in self?.handle(event) }
    }

    private func handle(_ event: (inout SharedCore, Int64) -> [SharedCore.Effect]) {
        let (effects, wakeAt, isAtRest) = core.with { core in
            core.wall = clock.wall()
            let effects = event(&core, clock.elapsed())
            return (effects, core.wakeAt, core.isAtRest)
        }
        for effect in effects { carryOut(effect) }
        wake(at: wakeAt)
        if isAtRest { timer.with { $0.whenAtRest }?.set(()) }
    }

    private func carryOut(_ effect: SharedCore.Effect) {
        switch effect {
        case .get: store.get { [weak self] result in self?.post { $0.read(result, now: $1) } }
        case .swap(let expecting, let bytes, let pause):
            guard pause > 0 else { return swap(expecting, bytes) }
            thread.executeLater(pause) { [weak self] in self?.swap(expecting, bytes) }
        case .probe(let value):
            store.probe(value) { [weak self] outcome in self?.post { $0.probed(outcome, now: $1) } }
        case .watch: store.watch { [weak self] news in self?.post { $0.watched(news, now: $1) } }
        case .put(let item): if queue.put(item) { callSession() }
        case .engineIsBack: session.with { $0.session }?.engineIsBack()
        case .tell(let news): observe(news)
        }
    }

    private func swap(_ expecting: StoredValue?, _ bytes: [UInt8]) {
        store.swap(expecting: expecting, with: bytes) { [weak self] outcome in
            self?.post { $0.swapped(outcome, now: $1) }
        }
    }

    /// Schedules `timePassed`. One that comes early, or after its reason has gone, does no harm.
    private func wake(at due: Int64?) {
        guard let due else { return }
        let now = clock.elapsed()
        let isSooner = timer.with { timer in
            if let set = timer.due, set <= due, set > now { return false }
            timer.due = due
            return true
        }
        guard isSooner else { return }
        thread.executeLater(max(due.subtracting(saturating: now), 0)) { [weak self] in
            guard let self else { return }
            timer.with { if $0.due == due { $0.due = nil } }
            handle { $0.timePassed(now: $1) }
        }
    }

    // MARK: The session's thread

    private func callSession() {
        let side = session.with { $0.session }
        let isTaken =
            side?.execute { [weak self] in
                guard let self else { return }
                while let deed = queue.takeDeed() {
                    report(deed, session.with { $0.session }?.carryOut(deed) ?? .nothing)
                }
            } ?? false
        // There is no session left to keep in step.
        if !isTaken { post { $0.carriedOut(now: $1) } }
    }

    /// A deed is carried out, with that result.
    private func report(_ deed: SharedDeed, _ saving: SharedSaving) {
        switch deed {
        case .enrol, .renumber:
            let saved = SharedState.Saved(saving)
            post { $0.handleAndSettle(.saved(saved), now: $1) }
        case .adopt, .forget, .deny, .allow, .disown, .markShared: break
        }
        post { $0.carriedOut(now: $1) }
    }
}

extension SharedState.Saved {
    fileprivate init(_ saving: SharedSaving) {
        switch saving {
        case .inFile: self = .inFile
        case .inMemory: self = .inMemory
        case .nothing: self = .nothing
        case .noRoom: self = .noRoom
        }
    }
}
