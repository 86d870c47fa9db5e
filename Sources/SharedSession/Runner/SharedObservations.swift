import Credentials
import Platform

/// What is known about the engine and the use of it, for the log, the status and the metrics.
struct SharedObservations: Sendable {
    private enum Link {
        case unknown
        case open
        /// The engine has been read since it rejected the last write.
        case readOnly(SharedStoreFailure)
        case lost
    }

    /// The interval, in nanoseconds, at which an engine that rejected a write is asked whether it still does.
    private static let probeInterval: Int64 = 10_000_000_000

    private let engine: String
    private let name: String
    private var link = Link.unknown
    private var failure: SharedStoreFailure?
    /// Why it is unknown of the last write whether it was done; nil if that is known.
    private var unclear: SharedStoreFailure?
    /// When the engine is to be asked whether it accepts writes; nil unless it rejected one.
    private(set) var probeAt: Int64?
    /// The claim in the engine's record, and when it was first seen.
    private var claim: (claim: SharedClaim, since: Int64)?
    /// What the other machines do not know, and since when.
    private var unshared: (what: SharedStatus.Unshared.What, since: Int64)?
    /// When another machine's token was read that is not in use yet.
    private var adoptingSince: Int64?
    private var counts = SharedStatus.Counts()
    /// The last reported reason why the engine's record cannot be used.
    private var toldUnusable: String?

    init(engine: String, name: String) {
        self.engine = engine
        self.name = name
    }

    /// Why the engine does not do what it is asked for; nil if it does.
    private var trouble: SharedStoreFailure? {
        if case .readOnly(let refusal) = link { refusal } else { failure }
    }

    var problem: String? { trouble?.detail }

    /// Whether the last read failed.
    var isLost: Bool { if case .lost = link { true } else { false } }

    /// Whether the engine can be read, but rejects writes.
    var isReadOnly: Bool { if case .readOnly = link { true } else { false } }

    // MARK: The engine

    /// A read succeeded.
    mutating func answered() -> SharedNews? {
        failure = nil
        switch link {
        case .open, .readOnly: return nil
        case .unknown:
            link = .open
            return nil
        case .lost:
            link = .open
            return .reachable
        }
    }

    /// The engine compared a value, and has written or would have.
    mutating func wrote() -> SharedNews? {
        unclear = nil
        guard isReadOnly else { return answered() }
        (failure, link, probeAt) = (nil, .open, nil)
        return .writable
    }

    /// A read failed.
    mutating func failed(_ new: SharedStoreFailure) -> SharedNews? {
        // That this process ends says nothing of the engine.
        guard new.kind != .stopped else {
            failure = failure ?? new
            if case .unknown = link { link = .lost }
            return nil
        }
        let isNews = !isLost || failure?.detail != new.detail
        (failure, link, probeAt) = (new, .lost, nil)
        return isNews ? .unreachable(new) : nil
    }

    /// The engine is being asked whether it accepts writes.
    mutating func probes(_ now: Int64) { probeAt = now.adding(saturating: Self.probeInterval) }

    /// A write failed although reads may succeed. `isOurs` says that the value was not even sent.
    mutating func refusedWrite(_ new: SharedStoreFailure, isOurs: Bool = false, _ now: Int64) -> SharedNews? {
        unclear = nil
        switch (link, new.kind) {
        case (.unknown, _), (.lost, _), (_, .unreachable), (_, .stopped): return failed(new)
        case (.open, _), (.readOnly, _): return rejectsWrites(new, isOurs: isOurs, now)
        }
    }

    /// Whether a write was done is unknown.
    mutating func note(unclear new: SharedStoreFailure) {
        failure = new
        if new.kind != .stopped { unclear = new }
    }

    private mutating func rejectsWrites(_ new: SharedStoreFailure, isOurs: Bool, _ now: Int64) -> SharedNews? {
        let former: SharedStoreFailure? = if case .readOnly(let refusal) = link { refusal } else { nil }
        (failure, link) = (new, .readOnly(new))
        // The cause is this machine's value, so that asking the engine is of no use.
        probeAt = isOurs ? nil : now.adding(saturating: Self.probeInterval)
        return former?.detail == new.detail ? nil : .readOnly(new)
    }

    mutating func note(_ new: SharedStoreFailure) { failure = new }

    // MARK: The protocol

    mutating func count(_ swapped: SharedState.Swapped, _ machine: SharedState) {
        guard machine.isClaiming else { return }
        switch swapped {
        case .written: counts.claims.written += 1
        case .conflict: counts.claims.conflict += 1
        case .unclear: counts.claims.unclear += 1
        case .failed: counts.claims.failed += 1
        }
    }

    /// Another machine's token was read.
    mutating func adopts(_ now: Int64) { adoptingSince = now }

    /// That token is in use.
    mutating func adopted(_ now: Int64) {
        guard let since = adoptingSince else { return }
        adoptingSince = nil
        counts.adoptions += 1
        counts.adoptionNanoseconds = counts.adoptionNanoseconds.adding(saturating: now.subtracting(saturating: since))
    }

    mutating func see(_ facts: SharedFacts?, _ now: Int64) {
        if facts != nil { toldUnusable = nil }
        guard let new = facts?.claim else {
            claim = nil
            return
        }
        let since = claim.flatMap { $0.claim.id == new.id ? $0.since : nil } ?? now
        claim = (new, since)
    }

    mutating func saidOfLogout(_ problem: String?, _ now: Int64) -> SharedNews {
        keepsToItself(.logout, now)
        return .logoutNotShared(reason: problem ?? trouble?.words)
    }

    mutating func said(_ notice: SharedState.Notice, _ problem: String?, _ now: Int64) -> SharedNews? {
        switch notice {
        case .notShared:
            keepsToItself(.token, now)
            return .notShared(reason: problem ?? trouble?.words)
        case .shared:
            defer { unshared = nil }
            return unshared == nil ? nil : .shared
        case .takesOver(let by):
            counts.takeovers += 1
            return .takesOver(from: by.description)
        case .takenOver: return .takenOver
        case .putsBack: return .putsBack
        case .drops:
            unshared = nil
            return .drops
        case .tooLate: return .tooLate
        case .unreadable:
            // Whoever writes the same record again and again must not fill the log.
            let reason = problem ?? "it cannot be used"
            defer { toldUnusable = reason }
            return toldUnusable == reason ? nil : .unusable(reason: reason)
        case .noWriteAnswered: return unclear.flatMap { rejectsWrites($0, isOurs: false, now) }
        // The session reports this itself, and a late event loses nothing.
        case .notSaved, .ignored: return nil
        }
    }

    private mutating func keepsToItself(_ what: SharedStatus.Unshared.What, _ now: Int64) {
        unshared = (what, unshared?.since ?? now)
    }

    /// Whether the other machines do not know something that was done here.
    var isNotShared: Bool { unshared != nil }

    /// What is in use came from another machine.
    mutating func hasNothingOfItsOwn() { unshared = nil }

    // MARK: Status

    func status(_ facts: SharedFacts?, revision: StoreRevision?, problem: String?, now: Int64) -> SharedStatus {
        var status = SharedStatus(engine: engine, name: name)
        status.link =
            switch link {
            case .unknown: .unknown
            case .open: .open
            case .readOnly: .readOnly
            case .lost: .lost
            }
        status.problem = problem ?? trouble?.detail
        status.remedy = problem == nil ? trouble?.advice : nil
        status.revision = revision?.description
        status.era = facts?.identity.era
        status.generation = facts?.identity.generation
        status.claim = claim.map { .init(by: $0.claim.by.description, age: Self.seconds(now, since: $0.since)) }
        status.unshared = unshared.map { .init($0.what, seconds: Self.seconds(now, since: $0.since)) }
        status.counts = counts
        return status
    }

    private static func seconds(_ now: Int64, since: Int64) -> Int {
        Int(max(0, now.subtracting(saturating: since)) / 1_000_000_000)
    }
}
