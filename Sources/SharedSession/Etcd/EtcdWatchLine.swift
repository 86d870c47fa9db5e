import Support

/// One line of a watch.
enum EtcdWatchLine: Equatable {
    case created
    /// The last of the changes that it tells of, and the engine's revision of it.
    case changed(StoredValue?, revision: Int64)
    /// The engine has forgotten what comes after the revision that was asked for.
    case compacted
    /// The engine tells no more.
    case ended(SharedStoreFailure)
    /// It says nothing of the key.
    case idle

    init(_ line: [UInt8], _ answers: EtcdAnswers) {
        guard let message = JSONValue(parsing: line) else {
            self = .ended(SharedStoreFailure(.damaged, "etcd's watch sent a line that is no JSON"))
            return
        }
        if message["error"] != nil {
            self = .ended(EtcdProblem(status: 0, body: line).failure)
            return
        }
        guard case .object? = message["result"], let result = message["result"] else {
            self = .ended(SharedStoreFailure(.damaged, "etcd's watch sent a line without a result"))
            return
        }
        self = Self.read(result, answers)
    }

    private static func read(_ result: JSONValue, _ answers: EtcdAnswers) -> EtcdWatchLine {
        // A watch that is refused is created and canceled in one line.
        if result["canceled"]?.bool == true {
            if result["compact_revision"] != nil { return .compacted }
            return .ended(EtcdProblem(text: result["cancel_reason"]?.string ?? "").failure)
        }
        guard let events = result["events"] else { return result["created"]?.bool == true ? .created : .idle }
        guard case .array(let list) = events, let last = list.last else {
            return .ended(SharedStoreFailure(.damaged, "etcd's watch told of no event"))
        }
        let damaged = SharedStoreFailure(.damaged, "etcd's watch told of another key, or of no value")
        guard let pair = last["kv"], answers.isOfKey(pair) else { return .ended(damaged) }
        switch last["type"] {
        case nil, .string("PUT")?:
            guard let value = answers.stored(pair) else { return .ended(damaged) }
            return .changed(value, revision: value.revision)
        case .string("DELETE")?:
            guard let revision = EtcdAnswers.number(pair["mod_revision"]) else { return .ended(damaged) }
            return .changed(nil, revision: revision)
        default: return .ended(damaged)
        }
    }
}

/// Puts lines together: a chunk of the body may end anywhere.
struct EtcdLines {
    /// Longer lines are refused: several values in base64, and room.
    static let maxLineBytes = 2 * 1024 * 1024

    private var rest: [UInt8] = []

    /// The lines that `bytes` complete, without the empty ones. Nil when a line is too long: nothing can be read any
    /// more then.
    mutating func append(_ bytes: [UInt8]) -> [[UInt8]]? {
        var lines: [[UInt8]] = []
        var start = bytes.startIndex
        while let end = bytes[start...].firstIndex(of: UInt8(ascii: "\n")) {
            guard rest.count + (end - start) <= Self.maxLineBytes else { return nil }
            let line = rest + bytes[start..<end]
            rest = []
            if !line.allSatisfy({ $0 <= 0x20 }) { lines.append(line) }
            start = end + 1
        }
        guard rest.count + (bytes.count - start) <= Self.maxLineBytes else { return nil }
        rest += bytes[start...]
        return lines
    }

    /// Whether a line has begun that has not ended.
    var isCut: Bool { !rest.isEmpty }
}
