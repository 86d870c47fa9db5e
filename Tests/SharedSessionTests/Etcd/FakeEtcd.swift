import Platform
import Support
import Threads

/// One member of an etcd with one key, over sockets: revisions, transactions, watches, compaction.
final class FakeEtcd: Sendable {
    struct State: Sendable {
        var revision = 7
        var value: (text: String, revision: Int)?
        var events: [(revision: Int, line: String)] = []
        var compacted = 0
        var era = 0
    }

    private let state = Guarded(State())
    private let server = Guarded<FakeGateway?>(nil)

    init() {
        let gateway = FakeGateway { [self] asked, _ in handle(asked) }
        server.with { $0 = gateway }
    }

    var url: String { server.with { $0?.url ?? "" } }
    func stop() { server.with { $0 }?.stop() }
    func breakStreams() { state.with { $0.era += 1 } }
    func compact() { state.with { $0.compacted = $0.revision } }
    func snapshot() -> State { state.with { $0 } }

    func restore(_ former: State) {
        state.with { state in
            let era = state.era + 1
            state = former
            state.era = era
        }
    }

    func delete() {
        state.with { delete(from: &$0) }
    }

    private func delete(from state: inout State) {
        state.revision += 1
        state.value = nil
        state.events.append((state.revision, EtcdSamples.deleted(state.revision)))
    }

    private func handle(_ asked: FakeGateway.Asked) -> FakeGateway.Reply {
        guard let body = JSONValue(parsing: asked.body.utf8) else { return .answer(400, "") }
        switch asked.path {
        case "/v3/kv/range": return state.with { .answer(200, Self.range($0)) }
        case "/v3/kv/txn": return transaction(body)
        case "/v3/watch": return watch(from: Int(body["create_request"]?["start_revision"]?.string ?? "") ?? 0)
        default: return .answer(404, "Not Found\n")
        }
    }

    private static func range(_ state: State) -> String {
        state.value.map { EtcdSamples.range($0.text, $0.revision, at: state.revision) }
            ?? EtcdSamples.absent(state.revision)
    }

    private func transaction(_ body: JSONValue) -> FakeGateway.Reply {
        let text = body.value(at: "/success/0/request_put/value")?.string
        let isRemoval = body.value(at: "/success/0/request_delete_range") != nil
        guard case .array(let comparisons)? = body["compare"], !comparisons.isEmpty, isRemoval != (text != nil) else {
            return .answer(400, "")
        }
        return state.with { state in
            let isSame = comparisons.allSatisfy { comparison in
                switch comparison["target"]?.string {
                case "MOD": comparison["mod_revision"] == .string("\(state.value?.revision ?? 0)")
                case "VALUE": comparison["value"]?.string == state.value?.text
                default: false
                }
            }
            guard isSame else {
                let content = #""responses":[{"response_range":\#(Self.range(state))}]"#
                return .answer(200, "{\(EtcdSamples.header(state.revision)),\(content)}")
            }
            guard let text else {
                delete(from: &state)
                return .answer(200, EtcdSamples.removed(state.revision))
            }
            state.revision += 1
            state.value = (text, state.revision)
            state.events.append((state.revision, EtcdSamples.put(text, state.revision)))
            return .answer(200, EtcdSamples.written(state.revision))
        }
    }

    private func watch(from start: Int) -> FakeGateway.Reply {
        .stream { [state] send in
            let (era, revision, compacted) = state.with { ($0.era, $0.revision, $0.compacted) }
            _ = send(EtcdSamples.created(revision))
            guard start > compacted else {
                _ = send(EtcdSamples.compacted)
                return
            }
            var told = start - 1
            while send("") {
                let (events, now) = state.with { state in (state.events.filter { $0.revision > told }, state.era) }
                guard now == era else { return }
                if let last = events.last { told = last.revision }
                _ = send(events.map(\.line).joined())
                usleep(2_000)
            }
        }
    }
}
