public import Credentials
import Platform

/// The state of a shared token set.
public enum SharedTokenState: Hashable, Sendable {
    case ready
    /// A machine is refreshing it.
    case busy(SharedClaim)
    /// The API refused to refresh it.
    case refused
    /// A tombstone: somebody logged out, and there are no tokens.
    case none

    /// Whether the seal covers the state. It does not cover a claim, which changes too often.
    var isSealed: Bool {
        switch self {
        case .ready, .busy: false
        case .refused, .none: true
        }
    }

    /// The claim, if there is one.
    var claim: SharedClaim? {
        guard case .busy(let claim) = self else { return nil }
        return claim
    }

    /// The spelling of a state in a record.
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

/// A machine's announcement that it is about to refresh a token set.
public struct SharedClaim: Hashable, Sendable {
    public let id: SharedID
    /// The process that made the claim.
    public let by: ProcessName
    /// Grows while the machine is alive, up to `SharedIdentity.maxCount`. At that maximum the claim looks silent.
    public let beat: Int

    /// A new claim, which the engine does not have yet.
    public init(id: SharedID, by: ProcessName) {
        self.id = id
        self.by = by
        beat = 0
    }

    /// Nil if `beat` is out of bounds.
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

    /// The same claim with the beat after that of `last`, the claim in the engine; nil counts as 0.
    func next(after last: SharedClaim?) -> SharedClaim {
        SharedClaim(self, beat: min((last?.beat ?? 0).adding(saturating: 1), SharedIdentity.maxCount))
    }
}
