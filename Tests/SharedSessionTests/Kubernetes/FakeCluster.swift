import Platform
import Support
import Threads

/// An API server of one namespace and one Secret, over sockets, as the Kubernetes API concepts describe it: versions,
/// JSON Patch, collections, watches with bookmarks, forgetting, leases and broken lines.
final class FakeCluster: Sendable {
    static let namespace = "team-a"
    static let secret = "squire-menu"
    static let path = "/api/v1/namespaces/\(namespace)/secrets"

    struct Object: Equatable, Sendable {
        var uid: String
        var version: Int
        /// An object; nil where the Secret has no `data`.
        var data: JSONValue?
    }

    struct State: Sendable {
        /// Of the whole cluster: each write of any object has another one.
        var version = 4711
        var object: Object?
        /// What watches tell.
        var events: [(version: Int, line: String)] = []
        /// Nothing older is told.
        var oldest = 0
        /// Of the streams that are open: others end.
        var era = 0
    }

    /// What goes wrong with one request.
    enum Fault: Sendable {
        case answer(Int, [String], String)
        case close
        case silence
        /// It is done, and nobody hears of it.
        case doneAndClosed
        case doneAndSilent
    }

    private struct Settings: Sendable {
        var tokens: Set<String> = ["token.1"]
        var verbs: Set<String> = ["list", "watch", "create", "patch"]
        var isImmutable = false
        var faults: [(verb: String, fault: Fault)] = []
        var troubles: [String: Fault] = [:]
        /// After that long a watch ends, in milliseconds.
        var lease = 60_000
        /// A bookmark comes after that long, in milliseconds.
        var bookmarks = 20
    }

    private let state = Guarded(State())
    private let settings = Guarded(Settings())
    private let server = Guarded<FakeGateway?>(nil)
    /// How versions are spelled: clients may read nothing from it.
    private let spelling: @Sendable (Int) -> String

    init(spelling: @escaping @Sendable (Int) -> String = { "\($0)" }) {
        self.spelling = spelling
        start()
    }

    var url: String { server.with { $0?.url ?? "" } }
    var requests: [FakeGateway.Asked] { server.with { $0?.requests ?? [] } }
    func stop() { server.with { $0 }?.stop() }

    private func start() {
        let gateway = FakeGateway { [self] asked, _ in handle(asked) }
        server.with { $0 = gateway }
    }

    func spell(_ version: Int) -> String { spelling(version) }

    // MARK: What people do to it

    var version: Int { state.with { $0.version } }
    var object: Object? { state.with { $0.object } }
    func allow(tokens: Set<String>) { settings.with { $0.tokens = tokens } }
    func allow(verbs: Set<String>) { settings.with { $0.verbs = verbs } }
    func makeImmutable() { settings.with { $0.isImmutable = true } }
    func lease(milliseconds: Int) { settings.with { $0.lease = milliseconds } }
    func sendNoBookmarks() { settings.with { $0.bookmarks = .max } }
    /// The next request of that verb fails so.
    func fail(_ verb: String, _ fault: Fault) { settings.with { $0.faults.append((verb, fault)) } }
    /// Each request of that verb fails so from now on; or none any more.
    func trouble(_ verb: String, _ fault: Fault?) { settings.with { $0.troubles[verb] = fault } }
    /// Another object of the cluster is written.
    func writeOther() { state.with { $0.version += 1 } }
    /// The streams that are open end, as at a restart of the server.
    func breakStreams() { state.with { $0.era += 1 } }
    /// What was written up to now is told to nobody who begins before it.
    func forget() { state.with { $0.oldest = $0.version } }
    func snapshot() -> State { state.with { $0 } }

    /// The cluster is what it was. Its servers were started again.
    func restore(_ former: State) {
        state.with { state in
            let era = state.era + 1
            state = former
            state.era = era
            state.oldest = former.version
        }
    }

    func delete() {
        state.with { state in
            guard var object = state.object else { return }
            state.version += 1
            object.version = state.version
            state.object = nil
            state.events.append((state.version, Self.event("DELETED", text(object))))
        }
    }

    /// Somebody else writes, or makes the Secret. Nil is no `data`.
    func put(_ data: [String: String]?) {
        let value = data.map { members in
            JSONValue.object(members.map { .init($0.key, .string(Base64.encode(Array($0.value.utf8)))) })
        }
        state.with { write(value, into: &$0) }
    }

    private func write(_ data: JSONValue?, into state: inout State) {
        if let former = state.object, former.data == data { return }
        let type = state.object == nil ? "ADDED" : "MODIFIED"
        state.version += 1
        let digits = Hexadecimal.text(UInt64.random(in: 0 ... .max)).prefix(12)
        let uid = state.object?.uid ?? "8c4f0f5e-93d5-4b0e-9a51-\(digits)"
        let object = Object(uid: uid, version: state.version, data: data)
        state.object = object
        state.events.append((state.version, Self.event(type, text(object))))
    }

    // MARK: Requests

    private func handle(_ asked: FakeGateway.Asked) -> FakeGateway.Reply {
        let parts = asked.path.split(separator: "?", maxSplits: 1).map(String.init)
        let query = Self.query(parts.count > 1 ? parts[1] : "")
        let verb: String
        switch (asked.method, parts[0]) {
        case ("GET", Self.path): verb = query["watch"] == "1" ? "watch" : "list"
        case ("POST", Self.path): verb = "create"
        case ("PATCH", "\(Self.path)/\(Self.secret)"): verb = "patch"
        default: return .answer(404, "404 page not found\n")
        }
        let (isKnown, isAllowed, fault) = settings.with { settings in
            let isKnown = settings.tokens.contains { asked.token == "Bearer \($0)" }
            let index = settings.faults.firstIndex { $0.verb == verb }
            let fault = index.map { settings.faults.remove(at: $0).fault } ?? settings.troubles[verb]
            return (isKnown, settings.verbs.contains(verb), fault)
        }
        if case .answer(let status, let fields, let body)? = fault { return .detailed(status, fields, body) }
        if case .close? = fault { return .close }
        if case .silence? = fault { return .silence }
        guard isKnown else { return .answer(401, Self.unauthorized) }
        guard isAllowed else { return .answer(403, Self.forbidden(verb)) }
        // Another Secret is none of a role's that is limited to this one.
        if verb == "list" || verb == "watch", query["fieldSelector"] != "metadata.name=\(Self.secret)" {
            return .answer(403, Self.forbidden(verb))
        }
        let reply: FakeGateway.Reply =
            switch verb {
            case "list": state.with { .answer(200, list($0)) }
            case "watch": watch(query)
            case "create": create(asked)
            default: patch(asked, isDry: query["dryRun"] == "All")
            }
        if case .doneAndClosed? = fault { return .close }
        if case .doneAndSilent? = fault { return .silence }
        return reply
    }

    private func create(_ asked: FakeGateway.Asked) -> FakeGateway.Reply {
        guard asked.type == "application/json" else { return .answer(415, "") }
        guard let object = JSONValue(parsing: asked.body.utf8), object["kind"] == .string("Secret"),
            object["apiVersion"] == .string("v1"), object["metadata"]?["name"] == .string(Self.secret),
            object["metadata"]?["namespace"] == .string(Self.namespace)
        else { return .answer(400, Self.status(400, "BadRequest", "no Secret")) }
        return state.with { state in
            guard state.object == nil else { return .answer(409, Self.exists) }
            write(object["data"], into: &state)
            return .answer(201, text(state.object!))
        }
    }

    private func patch(_ asked: FakeGateway.Asked, isDry: Bool) -> FakeGateway.Reply {
        guard asked.type == "application/json-patch+json" else { return .answer(415, "") }
        guard case .array(let operations)? = JSONValue(parsing: asked.body.utf8) else {
            return .answer(400, Self.status(400, "BadRequest", "no patch"))
        }
        let isImmutable = settings.with { $0.isImmutable }
        return state.with { state in
            guard let object = state.object else { return .answer(404, Self.notFound) }
            let current = JSONValue(parsing: text(object).utf8)!
            guard let patched = JSONPatch.apply(operations, to: current) else { return .answer(422, Self.notApplied) }
            if isImmutable, patched["data"] != current["data"] { return .answer(422, Self.immutable) }
            if isDry {
                return .answer(200, text(Object(uid: object.uid, version: object.version, data: patched["data"])))
            }
            write(patched["data"], into: &state)
            return .answer(200, text(state.object!))
        }
    }

    // MARK: Watches

    private func watch(_ query: [String: String]) -> FakeGateway.Reply {
        let asked = query["resourceVersion"] ?? ""
        let (oldest, era, from) = state.with { state in
            (state.oldest, state.era, (0...state.version).last { spell($0) == asked })
        }
        let (lease, bookmarks) = settings.with { ($0.lease, $0.bookmarks) }
        let hasBookmarks = query["allowWatchBookmarks"] == "true"
        return .stream { [self] send in
            guard let from, from >= oldest else {
                _ = send(Self.event("ERROR", Self.expired(asked, spell(oldest))))
                return
            }
            var told = from
            var rest = ""
            var milliseconds = 0
            while send(""), milliseconds < lease {
                let (events, version, now) = state.with { state in
                    (state.events.filter { $0.version > told }, state.version, state.era)
                }
                guard now == era else { return }
                var lines = rest + events.map(\.line).joined()
                if let last = events.last { told = last.version }
                if hasBookmarks, milliseconds % bookmarks == bookmarks - 2 { lines += bookmark(version) }
                // A chunk is no line: it ends anywhere, and the rest of it comes with the next.
                let cut = lines.index(lines.startIndex, offsetBy: min(lines.count, 97))
                rest = String(lines[cut...])
                _ = send(String(lines[..<cut]))
                usleep(2_000)
                milliseconds += 2
            }
        }
    }

    private static func query(_ text: String) -> [String: String] {
        var result: [String: String] = [:]
        for pair in text.split(separator: "&") {
            let parts = pair.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
            result[String(parts[0])] = decoded(parts.count > 1 ? parts[1] : "")
        }
        return result
    }

    private static func decoded(_ text: Substring) -> String {
        var bytes: [UInt8] = []
        var rest = Array(text.utf8)[...]
        while let byte = rest.popFirst() {
            let digits = String(decoding: rest.prefix(2), as: UTF8.self)
            if byte == UInt8(ascii: "%"), let value = UInt8(digits, radix: 16) {
                bytes.append(value)
                rest = rest.dropFirst(2)
            } else {
                bytes.append(byte)
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }
}
