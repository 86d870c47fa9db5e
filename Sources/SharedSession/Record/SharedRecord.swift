public import Credentials
import Support

/// The value that the engine keeps for one shared session: clear members, by which machines decide, and the sealed
/// tokens.
///
/// It has exactly one spelling: a record that was written is read back octet for octet, and any other value is damage.
/// The clear members can be trusted only after `SharedSeal` has opened the record.
public struct SharedRecord: Equatable, Sendable {
    public let identity: SharedIdentity
    public let state: SharedTokenState
    /// A fresh random identifier for each write, so that no two values are equal.
    public let write: SharedID
    public let keyID: SharedKeyID
    /// Nonce, ciphertext and tag.
    public let sealed: [UInt8]

    /// The record version that this Squire reads and writes.
    static let version = 1
    /// The maximum length of a value, in octets.
    public static let maxBytes = 64 * 1024
    /// The maximum length of `sealed`, in octets. It leaves room for all other members, including a claim.
    static let maxSealed = (maxBytes - 1024) / 4 * 3

    /// Only `SharedSeal` calls this. It ensures that `sealed` is not too long.
    init(identity: SharedIdentity, state: SharedTokenState, write: SharedID, keyID: SharedKeyID, sealed: [UInt8]) {
        self.identity = identity
        self.state = state
        self.write = write
        self.keyID = keyID
        self.sealed = sealed
    }

    /// The same token set in another state, as a new write. Nil if the seal covers either state, because the record
    /// must be sealed again then.
    public func with(_ state: SharedTokenState, write: SharedID = .random()) -> SharedRecord? {
        guard state == self.state || !state.isSealed && !self.state.isSealed else { return nil }
        return SharedRecord(identity: identity, state: state, write: write, keyID: keyID, sealed: sealed)
    }

    /// The value to store in the engine.
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
