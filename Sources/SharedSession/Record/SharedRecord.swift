public import Credentials
import Support

/// The value that the engine keeps for one shared session: members in the clear that machines decide by, and the sealed
/// tokens.
///
/// It has exactly one spelling: what is written is read back octet for octet, and whatever else the engine holds is
/// damage. What `identity` says is true only once `SharedSeal` has opened the record.
public struct SharedRecord: Equatable, Sendable {
    /// What becomes of the token set.
    public enum State: Equatable, Sendable {
        case ready
        /// A machine refreshes it.
        case busy(Claim)
        /// The API refused to refresh it.
        case refused
        /// A tombstone: somebody logged out.
        case none
    }

    /// That a machine refreshes the token set, or is about to.
    public struct Claim: Equatable, Sendable {
        public let id: SharedID
        /// Who, for people and for the machine itself: `host/process/random`.
        public let by: String
        /// Grows while the machine is at work.
        public let beat: Int

        /// The longest `by`, in octets.
        public static let maxName = 128

        /// Nil if `by` is empty, longer than 128 octets or not visible ASCII, or the beat is out of its bounds.
        public init?(id: SharedID, by: String, beat: Int = 0) {
            let isName = (1...Self.maxName).contains(by.utf8.count) && by.utf8.allSatisfy { (0x21...0x7E).contains($0) }
            guard isName, (0...SharedIdentity.maxCount).contains(beat) else { return nil }
            self.id = id
            self.by = by
            self.beat = beat
        }
    }

    public let identity: SharedIdentity
    public let state: State
    /// Another one in each write, so that no two values are the same.
    public let write: SharedID
    public let keyID: SharedKeyID
    /// Nonce, ciphertext and tag.
    public let sealed: [UInt8]

    /// The version that this Squire reads and writes.
    static let version = 1
    /// The longest value, in octets.
    public static let maxBytes = 64 * 1024
    /// The longest `sealed`, in octets: whatever stands beside it, a claim too, the value is not too long.
    static let maxSealed = (maxBytes - 1024) / 4 * 3

    /// Made by `SharedSeal`, which ensures that it is not too long.
    init(identity: SharedIdentity, state: State, write: SharedID, keyID: SharedKeyID, sealed: [UInt8]) {
        self.identity = identity
        self.state = state
        self.write = write
        self.keyID = keyID
        self.sealed = sealed
    }

    /// The same token set in another state, as another write. Nil where the seal vouches for one of both: it must say so
    /// anew.
    public func with(_ state: State, write: SharedID = .random()) -> SharedRecord? {
        guard state == self.state || !state.isSealed && !self.state.isSealed else { return nil }
        return SharedRecord(identity: identity, state: state, write: write, keyID: keyID, sealed: sealed)
    }

    /// The value for the engine.
    public var bytes: [UInt8] {
        var members: [JSONValue.Member] = [.init("v", .integer(Self.version))]
        members += identity.members
        members.append(.init("state", .string(state.word.rawValue)))
        members.append(.init("write", .string(write.description)))
        if case .busy(let claim) = state {
            members.append(
                .init(
                    "claim",
                    .object([
                        .init("id", .string(claim.id.description)), .init("by", .string(claim.by)),
                        .init("beat", .integer(claim.beat)),
                    ])
                )
            )
        }
        members.append(.init("kid", .string(keyID.description)))
        members.append(.init("sealed", .string(Base64.encode(sealed))))
        return JSONValue.object(members).octets()
    }
}

extension SharedRecord.State {
    /// Whether the seal vouches for it. Who refreshes, and whether anybody does, changes too often.
    var isSealed: Bool {
        switch self {
        case .ready, .busy: false
        case .refused, .none: true
        }
    }

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
