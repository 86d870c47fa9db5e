import Credentials
import Support

extension SharedRecord {
    /// Why a value in the engine is not a record.
    public enum Damage: Error, Equatable, Sendable, CustomStringConvertible {
        /// A newer Squire wrote it. It must be neither interpreted nor overwritten.
        case version(Int)
        case tooLong
        /// It is not a JSON object with a version.
        case noRecord
        /// The named member is missing or invalid.
        case member(String)
        /// It parses as a record, but no Squire spells a record like this.
        case spelling
        /// A complete record is followed by something else, such as a line feed.
        case tail

        /// A predicate for a sentence that begins with "the shared record". Reveals nothing about the value.
        public var description: String {
            switch self {
            case .version(let number): "was written by a newer Squire (version \(number)): update this one"
            case .tooLong: "is longer than \(SharedRecord.maxBytes / 1024) KiB"
            case .noRecord: "is not one that Squire wrote"
            case .member(let name): "is damaged: its member \"\(name)\" is missing, or not what Squire writes"
            case .spelling: "is damaged: it is not spelled as Squire writes it"
            case .tail: "is damaged: something is behind its end, such as a line end: put it back without"
            }
        }
    }

    /// Parses the value that the engine keeps.
    public init(parsing bytes: [UInt8]) throws(Damage) {
        guard bytes.count <= Self.maxBytes else { throw .tooLong }
        guard let json = JSONValue(parsing: bytes), let version = json["v"]?.integer, version >= Self.version else {
            throw .noRecord
        }
        guard version == Self.version else { throw .version(version) }
        let reader = MemberReader(json)
        var parent: SharedID?
        if json["parent"] != .null { parent = try reader.id("parent") }
        guard
            let identity = SharedIdentity(
                id: try reader.id("id"),
                parent: parent,
                login: try reader.id("login"),
                era: try reader.value("era", json["era"]?.integer),
                generation: try reader.value("generation", json["generation"]?.integer)
            )
        else { throw .member("era") }
        let sealed = json["sealed"]?.string.flatMap { Base64.decode($0) }
        self.init(
            identity: identity,
            state: try reader.state(),
            write: try reader.id("write"),
            keyID: try reader.value("kid", json["kid"]?.string.flatMap(SharedKeyID.init)),
            sealed: try reader.value("sealed", sealed.flatMap { $0.count <= Self.maxSealed ? $0 : nil })
        )
        // This rejects duplicate and unknown members, another order, white space, and other spellings of a number such
        // as 1e0.
        let spelled = self.bytes
        guard spelled == bytes else { throw bytes.starts(with: spelled) ? .tail : .spelling }
    }
}

/// Reads the members of a record.
private struct MemberReader {
    let json: JSONValue

    init(_ json: JSONValue) {
        self.json = json
    }

    func value<Value>(_ name: String, _ value: Value?) throws(SharedRecord.Damage) -> Value {
        guard let value else { throw .member(name) }
        return value
    }

    func id(_ name: String) throws(SharedRecord.Damage) -> SharedID {
        try value(name, json[name]?.string.flatMap(SharedID.init))
    }

    func state() throws(SharedRecord.Damage) -> SharedTokenState {
        switch try value("state", json["state"]?.string.flatMap(SharedTokenState.Word.init)) {
        case .ready: return .ready
        case .refused: return .refused
        case .none: return .none
        case .busy:
            let claim = json["claim"].flatMap { claim -> SharedClaim? in
                guard let id = claim["id"]?.string.flatMap(SharedID.init),
                    let by = claim["by"]?.string.flatMap(ProcessName.init), let beat = claim["beat"]?.integer
                else { return nil }
                return SharedClaim(id: id, by: by, beat: beat)
            }
            return .busy(try value("claim", claim))
        }
    }
}
