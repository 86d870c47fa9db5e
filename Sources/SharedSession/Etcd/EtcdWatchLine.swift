import Support

extension StoreWatchLine {
    /// Parses one line of etcd's watch.
    public init(_ line: [UInt8], _ answers: EtcdAnswers) {
        self.init(JSONValue(parsing: line), line, answers)
    }

    /// `message` is what `line` says, nil if that is no JSON.
    init(_ message: JSONValue?, _ line: [UInt8], _ answers: EtcdAnswers) {
        guard let message else {
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

    private static func read(_ result: JSONValue, _ answers: EtcdAnswers) -> StoreWatchLine {
        // One line may both create and cancel a watch that is refused.
        if result["canceled"]?.bool == true {
            if result["compact_revision"] != nil { return .forgotten }
            return .ended(EtcdProblem(text: result["cancel_reason"]?.string ?? "").failure)
        }
        guard let events = result["events"] else { return result["created"]?.bool == true ? .opened : .idle }
        guard case .array(let list) = events, let last = list.last else {
            return .ended(SharedStoreFailure(.damaged, "etcd's watch told of no event"))
        }
        let damaged = SharedStoreFailure(.damaged, "etcd's watch told of another key, or of no value")
        guard let pair = last["kv"], answers.isOfKey(pair) else { return .ended(damaged) }
        switch last["type"] {
        case nil, .string("PUT")?:
            guard let value = answers.stored(pair) else { return .ended(damaged) }
            guard let revision = value.revision.etcd else { return .ended(damaged) }
            return .changed(value, at: .number(revision))
        case .string("DELETE")?:
            guard let revision = EtcdAnswers.number(pair["mod_revision"]) else { return .ended(damaged) }
            return .changed(nil, at: .number(revision))
        default: return .ended(damaged)
        }
    }
}
