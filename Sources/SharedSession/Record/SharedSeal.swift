public import Credentials
import Cryptography
import Support

/// Seals and opens the records of one shared session: ChaCha20-Poly1305 (RFC 8439) with a random nonce, by a key that
/// is derived for this session's name.
///
/// The associated data are the key's name in the engine and all that says which token set a record speaks of, so that
/// nobody who can write to the engine can pair old tokens with a new generation, or one session's with another's. That
/// a record is a tombstone, or that the API refuses its tokens, is among them: a word that is changed makes no fleet
/// forget its login, nor ask for another.
public struct SharedSeal: Sendable {
    /// Why a session is not sealed.
    public enum SealProblem: Error, Equatable, Sendable {
        /// It does not fit into a record.
        case tooLong
        /// The system's cryptography failed.
        case failed
    }

    /// Why a record is not opened. It is neither used nor written over.
    public enum OpenProblem: Error, Equatable, Sendable {
        /// The key that sealed it is not among ours.
        case unknownKey(SharedKeyID)
        /// It was changed, or is another session's.
        case forged
        /// It opens, and holds no session that this version can read.
        case content
        /// The system's cryptography failed.
        case failed

        /// The rest of a sentence that begins with "the shared record". `file` is the key file.
        public func text(_ file: String) -> String {
            switch self {
            case .unknownKey(let id): "is sealed with key \(id), which is not in \(file)"
            case .forged: "does not open: somebody changed it, or it is that of another session"
            case .content: "opens, and holds no session that this Squire can read"
            case .failed: "cannot be opened: \(CryptographyError.unavailable)"
            }
        }
    }

    /// What an opened record holds.
    public enum Content: Equatable, Sendable {
        case session(SealedSession)
        case tombstone
    }

    /// The key in the engine.
    private let place: String
    private let keys: [SharedKey]
    /// The session's, of which the keys that seal are made.
    private let name: String

    /// `name` is the session's, `place` its key in the engine.
    public init(name: String, place: String, _ file: SharedKeyFile) {
        self.place = place
        self.name = name
        keys = file.keys
    }

    /// A record in that state, which is no tombstone's, as a new write.
    public func seal(
        _ session: SealedSession,
        _ identity: SharedIdentity,
        _ state: SharedTokenState = .ready
    ) throws(SealProblem) -> SharedRecord {
        guard state != .none else { throw .failed }
        return try seal(session.bytes, identity, state)
    }

    /// The record that makes every machine forget, as a new write.
    public func tombstone(_ identity: SharedIdentity) throws(SealProblem) -> SharedRecord {
        try seal([], identity, .none)
    }

    /// Whether the key that seals now has sealed it.
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

    /// The same record under the key that seals now, in the state that it has.
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

    /// One spelling for one meaning: JSON without blanks.
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
