public import Credentials
import Support

/// The value that the engine keeps for one shared session: members in the clear that machines decide by, and the sealed
/// tokens.
///
/// It has exactly one spelling: what is written is read back octet for octet, and whatever else the engine holds is
/// damage. What `identity` says is true only once `SharedSeal` has opened the record.
public struct SharedRecord: Equatable, Sendable {
    public let identity: SharedIdentity
    public let state: SharedTokenState
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
    init(identity: SharedIdentity, state: SharedTokenState, write: SharedID, keyID: SharedKeyID, sealed: [UInt8]) {
        self.identity = identity
        self.state = state
        self.write = write
        self.keyID = keyID
        self.sealed = sealed
    }

    /// The same token set in another state, as another write. Nil where the seal vouches for one of both: it must say so
    /// anew.
    public func with(_ state: SharedTokenState, write: SharedID = .random()) -> SharedRecord? {
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
                        .init("id", .string(claim.id.description)), .init("by", .string(claim.by.description)),
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
