public import Credentials
import Cryptography
import Support

/// Seals and opens the records of one shared session with ChaCha20-Poly1305 (RFC 8439), a random nonce, and a key
/// derived for the session's name.
///
/// The associated data contain the engine's key for the value and everything that identifies the token set. So nobody
/// who can write to the engine can pair old tokens with a new generation, or one session's tokens with another's. They
/// also say whether the record is a tombstone, or its refresh was refused: otherwise changing one word could make a
/// fleet forget its login, or ask for a new one.
public struct SharedSeal: Sendable {
    /// Why a session cannot be sealed.
    public enum SealProblem: Error, Equatable, Sendable {
        /// It is too large for a record.
        case tooLong
        /// The system's cryptography failed.
        case failed
    }

    /// Why a record cannot be opened. Such a record is neither used nor overwritten.
    public enum OpenProblem: Error, Equatable, Sendable {
        /// It was sealed with a key that is not in the key file.
        case unknownKey(SharedKeyID)
        /// It was changed, or belongs to another session.
        case forged
        /// Its plaintext is not a session that this version can read.
        case content
        /// The system's cryptography failed.
        case failed

        /// A predicate for a sentence that begins with "the shared record". `file` is the path of the key file.
        public func text(_ file: String) -> String {
            switch self {
            case .unknownKey(let id): "is sealed with key \(id), which is not in \(file)"
            case .forged: "does not open: somebody changed it, or it is that of another session"
            case .content: "opens, and holds no session that this Squire can read"
            case .failed: "cannot be opened: \(CryptographyError.unavailable)"
            }
        }
    }

    /// The plaintext of a record.
    public enum Content: Equatable, Sendable {
        case session(SealedSession)
        case tombstone
    }

    /// The engine's key for the value.
    private let place: String
    private let keys: [SharedKey]
    /// The session's name, from which the sealing keys are derived.
    private let name: String

    /// `name` is the session's name, `place` the engine's key for its value.
    public init(name: String, place: String, _ file: SharedKeyFile) {
        self.place = place
        self.name = name
        keys = file.keys
    }

    /// Seals a session in `state`, which must not be `none`, as a new write.
    public func seal(
        _ session: SealedSession,
        _ identity: SharedIdentity,
        _ state: SharedTokenState = .ready
    ) throws(SealProblem) -> SharedRecord {
        guard state != .none else { throw .failed }
        return try seal(session.bytes, identity, state)
    }

    /// Seals the record of a logout, which makes every machine forget its tokens, as a new write.
    public func tombstone(_ identity: SharedIdentity) throws(SealProblem) -> SharedRecord {
        try seal([], identity, .none)
    }

    /// Whether `record` is sealed with the current sealing key.
    public func isCurrent(_ record: SharedRecord) -> Bool { record.keyID == keys.first?.id }

    private func seal(
        _ bytes: [UInt8],
        _ identity: SharedIdentity,
        _ state: SharedTokenState
    ) throws(SealProblem) -> SharedRecord {
        guard let key = keys.first else { throw .failed }
        guard bytes.count <= SharedRecord.maxSealed - ChaCha20Poly1305.overhead else { throw .tooLong }
        let data = associatedData(identity, state, key.id)
        do throws(CryptographyError) {
            let sealed = try ChaCha20Poly1305.seal(bytes, with: try key.sealing(name), authenticating: data)
            return SharedRecord(identity: identity, state: state, write: .random(), keyID: key.id, sealed: sealed)
        } catch {
            throw .failed
        }
    }

    public func open(_ record: SharedRecord) throws(OpenProblem) -> Content {
        guard let key = keys.first(where: { $0.id == record.keyID }) else { throw .unknownKey(record.keyID) }
        let data = associatedData(record.identity, record.state, key.id)
        let opened: [UInt8]
        do throws(CryptographyError) {
            opened = try ChaCha20Poly1305.open(record.sealed, with: try key.sealing(name), authenticating: data)
        } catch {
            throw error == .forged ? .forged : .failed
        }
        if record.state == .none {
            guard opened.isEmpty else { throw .content }
            return .tombstone
        }
        guard let session = SealedSession(parsing: opened) else { throw .content }
        return .session(session)
    }

    /// Seals the contents of `record` with the current sealing key. State and identity stay the same.
    public func reseal(_ record: SharedRecord) throws(OpenProblem) -> Result<SharedRecord, SealProblem> {
        let content = try open(record)
        do throws(SealProblem) {
            switch content {
            case .tombstone: return .success(try tombstone(record.identity))
            case .session(let session): return .success(try seal(session.bytes, record.identity, record.state))
            }
        } catch {
            return .failure(error)
        }
    }

    /// Identifies the record. Equal meanings have equal octets: JSON without white space.
    private func associatedData(
        _ identity: SharedIdentity,
        _ state: SharedTokenState,
        _ key: SharedKeyID
    ) -> [UInt8] {
        var members: [JSONValue.Member] = [
            .init("key", .string(place)), .init("v", .integer(SharedRecord.version)),
        ]
        members += identity.members
        members.append(.init("kid", .string(key.description)))
        if state.isSealed { members.append(.init("state", .string(state.word.rawValue))) }
        return JSONValue.object(members).octets()
    }
}
