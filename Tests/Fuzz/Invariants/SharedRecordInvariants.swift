import Credentials
import SharedSession

/// Whatever the engine holds, reading it ends; what is read as a record is written octet for octet, in any state it
/// still fits, and what the seal did not make does not open.
enum SharedRecordInvariants {
    /// The key of the corpus: octets 0 to 31.
    private static let key = Array("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n".utf8)

    static func check(_ bytes: [UInt8]) throws {
        let record: SharedRecord
        do throws(SharedRecord.Damage) {
            record = try SharedRecord(parsing: bytes)
        } catch {
            if case .version(let number) = error { try require(number > 1, "version \(number) is not a newer one") }
            try require(error.description.utf8.count < 200, "a reason that is the value")
            return
        }
        try require(record.bytes == bytes, "written, it reads differently")
        try require(bytes.count <= SharedRecord.maxBytes, "a record that is too long")
        try checkStates(record)
        try checkSeal(record)
    }

    private static func checkStates(_ record: SharedRecord) throws {
        guard let name = ProcessName(String(repeating: "\\", count: ProcessName.maxBytes)),
            let claim = SharedClaim(id: .random(), by: name, beat: SharedIdentity.maxCount)
        else {
            throw Violation("the longest claim is none")
        }
        for state in [SharedTokenState.ready, .busy(claim), .refused, .none] {
            guard let other = record.with(state) else { continue }
            let read = try? SharedRecord(parsing: other.bytes)
            try require(read == other && other.write != record.write, "in another state it cannot be read")
        }
        let child = record.identity.child(.random())
        try require(child.map { $0.parent == record.identity.id } ?? true, "a child of another")
    }

    private static func checkSeal(_ record: SharedRecord) throws {
        guard let file = try? SharedKeyFile(parsing: key) else { throw Violation("the key is none") }
        let place = "squire/v1/session/fuzz"
        let seal = SharedSeal(name: "fuzz", place: place, file)
        guard let content = try? seal.open(record) else { return }
        let others = [
            SharedSeal(name: "other", place: place, file), SharedSeal(name: "fuzz", place: place + "x", file),
        ]
        for other in others { try require((try? other.open(record)) == nil, "it opens under another name") }
        switch content {
        case .tombstone: try require(record.state == .none, "a tombstone that says nothing of it")
        case .session(let session):
            try require(record.state != .none, "a logout with a session")
            let again = try? seal.seal(session, record.identity)
            try require(again.flatMap { try? seal.open($0) } == content, "sealed again, it opens differently")
        }
    }
}
