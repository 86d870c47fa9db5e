import Credentials
import Platform

/// What is known of the engine and of what was done with it, for people and metrics.
struct SharedObservations: Sendable {
    private enum Link: Equatable {
        case unknown
        case reachable
        case lost
    }

    private let engine: String
    private let name: String
    private var link = Link.unknown
    private var failure: SharedStoreFailure?
    /// The claim that the engine's record carries, and when it was first seen.
    private var claim: (claim: SharedClaim, since: Int64)?
    /// Since when tokens are in use here that the others do not know.
    private var notSharedSince: Int64?
    /// When a token of another machine was heard of that is not in use yet.
    private var adoptingSince: Int64?
    private var counts = SharedStatus.Counts()
    /// Why the engine's record cannot be used, as it was told last.
    private var toldUnusable: String?

    init(engine: String, name: String) {
        self.engine = engine
        self.name = name
    }

    /// Why the engine did not do what it was asked for last; nil if it did.
    var problem: String? { failure?.detail }

    /// The engine did not answer when it was asked last.
    var isLost: Bool { link == .lost }

    // MARK: The engine

    mutating func answered() -> SharedNews? {
        failure = nil
        guard link != .reachable else { return nil }
        let isFirst = link == .unknown
        link = .reachable
        return isFirst ? nil : .reachable
    }

    mutating func failed(_ new: SharedStoreFailure) -> SharedNews? {
        let isNews = link != .lost || failure?.detail != new.detail
        failure = new
        link = .lost
        return isNews ? .unreachable(new) : nil
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

    /// Another machine's token was heard of.
    mutating func adopts(_ now: Int64) { adoptingSince = now }

    /// What was heard of is in use.
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
        notSharedSince = notSharedSince ?? now
        return .logoutNotShared(reason: problem ?? failure?.words)
    }

    mutating func said(_ notice: SharedState.Notice, _ problem: String?, _ now: Int64) -> SharedNews? {
        switch notice {
        case .notShared:
            notSharedSince = notSharedSince ?? now
            return .notShared(reason: problem ?? failure?.words)
        case .shared:
            defer { notSharedSince = nil }
            return notSharedSince == nil ? nil : .shared
        case .takesOver(let by):
            counts.takeovers += 1
            return .takesOver(from: by.description)
        case .takenOver: return .takenOver
        case .putsBack: return .putsBack
        case .drops:
            notSharedSince = nil
            return .drops
        case .tooLate: return .tooLate
        case .unreadable:
            // Whoever writes it again and again need not fill the log.
            let reason = problem ?? "it cannot be used"
            defer { toldUnusable = reason }
            return toldUnusable == reason ? nil : .unusable(reason: reason)
        // The session says so itself; nothing is lost by what came too late.
        case .notSaved, .ignored: return nil
        }
    }

    /// Tokens are in use here that the others do not know.
    var isNotShared: Bool { notSharedSince != nil }

    /// What is in use came from elsewhere.
    mutating func hasNothingOfItsOwn() { notSharedSince = nil }

    // MARK: Status

    func status(_ facts: SharedFacts?, revision: StoreRevision?, problem: String?, now: Int64) -> SharedStatus {
        var status = SharedStatus(engine: engine, name: name)
        status.isReachable = link == .unknown ? nil : link == .reachable
        status.problem = problem ?? failure?.detail
        status.remedy = problem == nil ? failure?.advice : nil
        status.revision = revision?.description
        status.era = facts?.identity.era
        status.generation = facts?.identity.generation
        status.claim = claim.map { .init(by: $0.claim.by.description, age: Self.seconds(now, since: $0.since)) }
        status.notSharedFor = notSharedSince.map { Self.seconds(now, since: $0) }
        status.counts = counts
        return status
    }

    private static func seconds(_ now: Int64, since: Int64) -> Int {
        Int(max(0, now.subtracting(saturating: since)) / 1_000_000_000)
    }
}
