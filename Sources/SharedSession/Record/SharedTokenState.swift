public import Credentials
import Platform

/// What becomes of a shared token set.
public enum SharedTokenState: Hashable, Sendable {
    case ready
    /// A machine refreshes it.
    case busy(SharedClaim)
    /// The API refused to refresh it.
    case refused
    /// A tombstone: somebody logged out.
    case none

    /// Whether the seal vouches for it. Who refreshes, and whether anybody does, changes too often.
    var isSealed: Bool {
        switch self {
        case .ready, .busy: false
        case .refused, .none: true
        }
    }

    /// The claim on the token set.
    var claim: SharedClaim? {
        guard case .busy(let claim) = self else { return nil }
        return claim
    }

    /// Its name in a record.
    enum Word: String {
        case ready, busy, refused, none
    }

    var word: Word {
        switch self {
        case .ready: .ready
        case .busy: .busy
        case .refused: .refused
        case .none: .none
        }
    }
}

/// That a machine refreshes a token set, or is about to.
public struct SharedClaim: Hashable, Sendable {
    public let id: SharedID
    /// Which process of which machine.
    public let by: ProcessName
    /// Grows while the machine is at work, up to `SharedIdentity.maxCount`: a claim that has come so far looks silent.
    public let beat: Int

    /// A claim that was not told yet.
    public init(id: SharedID, by: ProcessName) {
        self.id = id
        self.by = by
        beat = 0
    }

    /// Nil if the beat is out of its bounds.
    public init?(id: SharedID, by: ProcessName, beat: Int) {
        guard (0...SharedIdentity.maxCount).contains(beat) else { return nil }
        self.id = id
        self.by = by
        self.beat = beat
    }

    private init(_ claim: SharedClaim, beat: Int) {
        id = claim.id
        by = claim.by
        self.beat = beat
    }

    /// The same claim with the beat that follows `last`: that of the engine, where it has one.
    func next(after last: SharedClaim?) -> SharedClaim {
        SharedClaim(self, beat: min((last?.beat ?? 0).adding(saturating: 1), SharedIdentity.maxCount))
    }
}
