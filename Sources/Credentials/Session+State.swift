import Platform
import Support

/// The state of a session, which its threads share behind one lock. See `Session.update`.
extension Session {
    struct State: Sendable {
        var machine: CredentialState
        /// The record that the file contains, or would contain if it could be written.
        var record = SessionRecord()
        /// The record is another API's or another source's.
        var isForeign = false
        var persistence: Persistence
        var waiters: [Waiter] = []
        private var lifecycle = Lifecycle.open(watch: nil)
        /// How many requests waited for a refresh that another one started.
        private(set) var coalesced = 0
        /// A check of the file is queued: another would find nothing more.
        private var isRecheckQueued = false
        /// Writing the mark is queued.
        private var isMarkQueued = false

        /// Each waiter holds a connection and its request.
        static let maximumWaiters = 1024

        init(machine: CredentialState, persistence: Persistence) {
            self.machine = machine
            self.persistence = persistence
        }
    }

    enum Lifecycle: Sendable {
        case open(watch: SessionFileWatch?)
        /// A reload has opened its successor: only the exchanges that began before use it.
        case retired
        /// No more work is accepted.
        case closed
    }

    /// A caller that waits for the refresh in flight. Answered exactly once: whoever takes it out of `State.waiters`
    /// answers it.
    enum Waiter: Sendable {
        case request(Inquiry, Completion)
        /// A request that waits for the outcome of the one that led to a refresh.
        case undecided(Inquiry, Completion)
        case response(RefreshCompletion)

        func fail(_ failure: CredentialFailure) {
            switch self {
            case .request(_, let deliver), .undecided(_, let deliver): deliver(.failed(failure))
            case .response(let deliver): deliver(.failure(failure))
            }
        }
    }

    /// A refresh that `CredentialState.beginRefresh` began, and that must be made.
    struct Flight: Sendable {
        let replacing: Generation
        /// Nanoseconds to wait first.
        var pause: Int64 = 0
        var trigger: RefreshTrigger?
        /// The jitter of the pause if it fails: see `BackOff.pause`.
        let jitter = Double.random(in: 0..<1)
    }

    enum Answer: Sendable {
        case granted(Grant)
        /// The caller must start this flight; the request does not wait for it.
        case starts(Flight, Credential)
        /// The request was added to the waiters. The caller must start the flight, if there is one.
        case waits(Flight?)
        /// The request was added to the waiters, until `settleLead`.
        case awaitsLead
    }

    enum JoinAnswer: Sendable {
        case failed(CredentialFailure)
        case waits(Flight?)
    }
}

extension Session.State {
    // MARK: Lifecycle

    private var isClosed: Bool { if case .closed = lifecycle { true } else { false } }

    /// Whether the session may do what no request asked for.
    var actsAlone: Bool { if case .open = lifecycle { true } else { false } }

    /// Returns the watch that has to be stopped.
    mutating func retire() -> SessionFileWatch? {
        guard case .open(let watch) = lifecycle else { return nil }
        lifecycle = .retired
        return watch
    }

    /// Returns the watch that has to be stopped.
    mutating func close() -> SessionFileWatch? {
        defer { lifecycle = .closed }
        if case .open(let watch) = lifecycle { return watch }
        return nil
    }

    /// Keeps `watch` for `close`, or returns it if there is one already or the session is closed.
    mutating func adopt(_ watch: SessionFileWatch) -> SessionFileWatch? {
        guard case .open(nil) = lifecycle else { return watch }
        lifecycle = .open(watch: watch)
        return nil
    }

    // MARK: Requests

    mutating func ask(
        _ inquiry: Inquiry,
        hadAccepted: Bool,
        settled: Bool,
        now: Instant,
        _ deliver: @escaping Session.Completion
    ) -> Session.Answer {
        guard !isClosed else { return .granted(.failed(.shuttingDown)) }
        if let rejection = inquiry.rejection {
            machine.rejected(rejection, route: inquiry.route, hadAccepted: hadAccepted, now: now)
        }
        var decision = machine.decide(inquiry, now: now.elapsed)
        if settled, machine.isRefreshing { decision = .join }
        switch decision {
        case .use(let credential): return .granted(.use(credential, hasWaited: false))
        case .useAfter(let pause, let credential): return .granted(.useAfter(nanoseconds: pause, credential))
        case .fail(let failure): return .granted(.failed(failure))
        case .join where isCrowded, .awaitLead where isCrowded, .start where isCrowded,
            .startAhead where isCrowded && settled:
            return .granted(.failed(.overloaded))
        case .awaitLead:
            waiters.append(.undecided(inquiry, deliver))
            return .awaitsLead
        case .startAhead(let credential) where !settled:
            guard let replacing = machine.beginRefresh() else {
                return .granted(.use(credential, hasWaited: false))
            }
            return .starts(Session.Flight(replacing: replacing, trigger: inquiry.trigger), credential)
        case .startAhead: return .waits(wait(.request(inquiry, deliver), startsAfter: 0, inquiry.trigger))
        case .join: return .waits(wait(.request(inquiry, deliver), startsAfter: nil, inquiry.trigger))
        case .start(let pause): return .waits(wait(.request(inquiry, deliver), startsAfter: pause, inquiry.trigger))
        }
    }

    mutating func join(
        _ trigger: RefreshTrigger?,
        now: Instant,
        _ deliver: @escaping Session.RefreshCompletion
    ) -> Session.JoinAnswer {
        guard !isClosed else { return .failed(.shuttingDown) }
        if let failure = machine.refreshIsBarred(now: now.elapsed) { return .failed(failure) }
        guard !isCrowded else { return .failed(.overloaded) }
        return .waits(wait(.response(deliver), startsAfter: 0, trigger))
    }

    private var isCrowded: Bool { waiters.count >= Self.maximumWaiters }

    /// Adds a waiter. Begins a refresh for the caller to make, unless `pause` is nil or one is in flight already.
    private mutating func wait(
        _ waiter: Session.Waiter,
        startsAfter pause: Int64?,
        _ trigger: RefreshTrigger?
    ) -> Session.Flight? {
        waiters.append(waiter)
        var route: UInt64?
        if case .request(let inquiry, _) = waiter, inquiry.rejection != nil { route = inquiry.route }
        guard let pause, let replacing = machine.beginRefresh(ledBy: route) else {
            coalesced = coalesced.adding(saturating: 1)
            return nil
        }
        return Session.Flight(replacing: replacing, pause: pause, trigger: trigger)
    }

    /// Takes out the requests that waited for the leading one, if that is back or has taken too long.
    mutating func takeUndecided(now: Int64) -> [(Inquiry, Session.Completion)] {
        guard !machine.awaitsLead(now: now) else { return [] }
        var taken: [(Inquiry, Session.Completion)] = []
        waiters.removeAll { waiter in
            guard case .undecided(let inquiry, let deliver) = waiter else { return false }
            taken.append((inquiry, deliver))
            return true
        }
        return taken
    }

    mutating func takeWaiters() -> [Session.Waiter] {
        defer { waiters = [] }
        return waiters
    }

    // MARK: The file

    /// False if a check of the file is queued already.
    mutating func queueRecheck() -> Bool {
        defer { isRecheckQueued = true }
        return !isRecheckQueued && !isClosed
    }

    mutating func beginRecheck() {
        isRecheckQueued = false
    }

    /// True if the file should have a different mark for the token, and no write is queued yet.
    mutating func queueMark() -> Bool {
        guard !isMarkQueued, !isClosed, machine.unwrittenMark != nil else { return false }
        isMarkQueued = true
        return true
    }

    mutating func beginMark() {
        isMarkQueued = false
    }
}
