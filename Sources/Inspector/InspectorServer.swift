import Credentials
public import EventIO
public import HTTP1
public import LocalServer
import Platform
public import ReverseProxy
import Support

/// The second listener: health, metrics, status, recordings and reloads of a proxy, for people and programs. Not
/// reachable through the proxy's port; never shows a token.
///
/// This file admits requests and answers most of them; `+Changes` carries out slow ones; `+Metrics` has the counters.
/// *Threading*: created and used on its loop.
public final class InspectorServer: LocalHandler {
    let loop: EventLoop
    let proxy: InspectedProxy
    /// The reference by which other threads find this object, if it still exists.
    let reference: LoopBound<InspectorServer?>
    let store: ExchangeStore
    /// Distinguishes this run's numbers from those of another run.
    let run = String(UInt64.random(in: 1...UInt64.max), radix: 36)
    private(set) lazy var intake = makeIntake()
    private(set) lazy var feed = makeFeed()
    /// Polls the workers' recordings while somebody waits for them.
    private(set) lazy var lookTimer = EventTimer(loop: loop) { [unowned self] in look() }
    var pace = LookPace()
    /// Created again when the secrets change.
    var redactor: CurrentRedactor?
    /// The history of the tokens.
    let book: GenerationBook
    private let refreshes: RefreshCounts
    let build: BuildInfo
    var version: String { build.version }
    private let startedAt = SystemClock().wall()
    private(set) var access: InspectorAccess
    private var sameUser: Bool
    var life = Life.stopped
    /// How long a response waits for a refresh, in addition to its two attempts.
    let patience: Duration
    /// Unanswered requests by number.
    var waiting: [Int: Waiting] = [:]
    /// The requests that the inspector sends itself, by ticket.
    var sendings: [UInt64: Sending] = [:]
    /// The last one that ended.
    var retired: Sending?
    /// The last ticket.
    var ticket: UInt64 = 0

    enum Life {
        /// → `draining`, `stopped`
        case open(LocalServer)
        /// The proxy is about to end: requests are answered, but no more are sent. → `stopped`
        case draining(LocalServer)
        /// Not yet open, or closed.
        case stopped

        var server: LocalServer? {
            switch self {
            case .open(let server), .draining(let server): server
            case .stopped: nil
            }
        }
    }

    static let maxConnections = 64
    /// How many of them are reserved for health checks.
    static let keptForHealth = 8
    /// How long a client may neither send nor receive anything.
    private static let silence = Duration.seconds(5)

    /// `reference` refers to the new object until it is stopped.
    public init(
        loop: EventLoop,
        socket: ListeningSocket,
        proxy: InspectedProxy,
        refreshes: RefreshCounts,
        generations: GenerationBook = GenerationBook(),
        access: InspectorAccess,
        sameUser: Bool,
        build: BuildInfo,
        patience: Duration = .seconds(5),
        keep: Int = 16 << 20,
        reference: LoopBound<InspectorServer?>
    ) {
        self.loop = loop
        self.proxy = proxy
        self.refreshes = refreshes
        book = generations
        self.access = access
        self.sameUser = sameUser
        self.build = build
        self.patience = patience
        store = ExchangeStore(keep: keep)
        self.reference = reference
        let isUnixSocket = if case .unix = socket.address { true } else { false }
        let server = LocalServer(
            loop: loop,
            socket: socket,
            handler: self,
            maxConnections: Self.maxConnections,
            period: Self.silence,
            admits: { [unowned self] descriptor in
                !self.sameUser
                    || PeerUsers.shared.peer(of: descriptor, isUnixSocket: isUnixSocket).refusal == nil
            }
        )
        life = .open(server)
        reference.value = self
        listenToRecordings()
        book.onChange { generations in loop.execute { reference.value?.sessionChanged(generations) } }
    }

    public func stop() {
        waiting = [:]
        stopSending()
        book.onChange(nil)
        proxy.recordings.onNews {}
        lookTimer.cancel()
        feed.stop()
        life.server?.stop()
        life = .stopped
        reference.value = nil
    }

    /// Applies a reload to later requests, and ends what it no longer admits.
    public func reconfigure(access: InspectorAccess, sameUser: Bool, _ settings: InspectorSettings) {
        let asksAnotherKey = access.asksAnotherKey(than: self.access)
        let excludesUsers = sameUser && !self.sameUser
        self.access = access
        self.sameUser = sameUser
        // A page asks again by itself, and then needs the key.
        if asksAnotherKey { feed.end() }
        if excludesUsers { life.server?.closeUnadmitted() }
        proxy.recordings.set(mode: settings.record)
        proxy.recordings.set(bodyLimit: settings.body)
        if store.keep != settings.keep { store.keep = settings.keep }
        redactor?.known = nil
    }

    // MARK: Judging

    /// The checks in this order: Host and target, the page that sent it, capacity, whether the method is known, the
    /// key, the path, the method for the path, the header that changes require, the body's type.
    public func refusal(of request: LocalRequest) -> LocalResponse? {
        if let problem = access.denial(of: request) { return InspectorResponse.problem(problem) }
        let route = InspectorRoute(path: request.path)
        if route?.isVital != true, (life.server?.busyCount ?? 0) >= Self.maxConnections - Self.keptForHealth {
            return InspectorResponse.problem(.inspectorOverloaded)
        }
        guard InspectorRoute.knownMethods.contains(request.method) else {
            return Self.notAllowed(route?.methods ?? InspectorRoute.knownMethods)
        }
        if InspectorRoute.needsKey(path: request.path), let problem = access.keyDenial(of: request) {
            return InspectorResponse.problem(problem)
        }
        guard let route else { return InspectorResponse.problem(.notFound) }
        guard route.methods.contains(request.method) else { return Self.notAllowed(route.methods) }
        guard request.action != "GET" else { return nil }
        guard request.joined("X-Squire-Inspector") == "1" else { return InspectorResponse.problem(.headerRequired) }
        // Whether a chunked body is empty is only known when it has arrived.
        if let length = request.bodyLength, length > 0 { return typeRefusal(of: request) }
        return nil
    }

    private static func notAllowed(_ methods: [String]) -> LocalResponse {
        let list = methods.joined(separator: ", ")
        return InspectorResponse.problem(
            Problem(.methodNotAllowed, detail: "This is asked with \(list)."),
            fields: [("Allow", list)]
        )
    }

    /// Pages can send some other types without a preflight (Fetch section 2.2.2), but not this one.
    private func typeRefusal(of request: LocalRequest) -> LocalResponse? {
        let type = request.joined("Content-Type")?.prefix { $0 != ";" }.lowercased() ?? ""
        let isJSON = type.split(separator: " ") == ["application/json"]
        return isJSON ? nil : InspectorResponse.problem(.notJSON)
    }

    public func response(to error: HTTP1Error) -> LocalResponse {
        InspectorResponse.problem(error == .bodyTooLarge ? .inspectorBodyTooLarge : Problem(error))
    }

    // MARK: Answering

    public func serve(_ request: LocalRequest, _ responder: LocalResponder) {
        // `refusal` has checked it, and only the body has arrived since.
        guard let route = InspectorRoute(path: request.path) else { return }
        switch route {
        case .page: page("index.html", request, responder)
        case .file(let name): page(name, request, responder)
        case .health: responder.send(InspectorResponse.text(200, "ok\n"))
        case .readiness: responder.send(readiness(showsReason: access.keyDenial(of: request) == nil))
        case .metrics:
            let text =
                Self.metrics(
                    proxy.snapshot(),
                    refreshes,
                    proxy.current().session.status,
                    build: build,
                    startedAt: startedAt
                ) + Self.metrics(proxy.recordings.counts, evicted: store.evicted, viewers: feed.count)
            responder.send(InspectorResponse.text(200, text, type: "text/plain; version=0.0.4; charset=utf-8"))
        case .status: responder.send(InspectorResponse.json(200, status()))
        case .exchanges where request.action == "GET": exchanges(request, responder)
        case .exchanges where request.action == "DELETE": clear(responder)
        case .archive: archive(nil, request, responder)
        case .exchange(let id): exchange(id, responder)
        case .exchangeArchive(let id): archive(id, request, responder)
        case .requestBody(let id): body(id, attempt: nil, responder)
        case .responseBody(let id, let attempt): body(id, attempt: attempt, responder)
        case .preview(let id, let attempt): preview(id, attempt: attempt, responder)
        case .generations: generations(responder)
        case .events: events(request, responder)
        case .exchanges, .replay, .pin, .record, .explain, .refresh, .reload:
            if !request.body.isEmpty, let refusal = typeRefusal(of: request) { return responder.send(refusal) }
            switch route {
            case .replay(let id): send(again: id, request, responder)
            case .pin(let id): pin(id, request, responder)
            case .record: record(request, responder)
            case .explain: explain(request, responder)
            case .refresh, .reload: change(route, request, responder)
            default: send(again: nil, request, responder)
            }
        }
    }

    private func readiness(showsReason: Bool) -> LocalResponse {
        let session = proxy.current().session
        let status = session.status
        // Nothing else may start the session: a program that waits for readiness sends no requests before.
        if status.state == .starting { session.start() }
        guard !status.isReady else { return InspectorResponse.text(200, "ready\n") }
        let reason = showsReason ? ": \(status.reasonNotReady)" : ""
        return InspectorResponse.text(503, "not ready\(reason)\n")
    }

    func status() -> JSONValue {
        let current = proxy.current()
        return .object([
            .init("session", current.session.status.json), .init("upstream", .string(current.upstream)),
            .init("listen", .array(proxy.listen.map(JSONValue.string))), .init("version", .string(version)),
            .init("config", .optional(current.configuration)), .init("pid", .integer(Int(getpid()))),
            .init("started_at", .integer(startedAt)),
            .init("inspector", recordingStatus()),
            .init("margin", margin(current)), .init("copy", copyStatus(current)),
        ])
    }
}

extension Problem {
    fileprivate static let headerRequired = Problem(
        .headerRequired,
        detail: "What changes something needs the header X-Squire-Inspector: 1."
    )
    static let notFound = Problem(
        .notFound,
        detail: "This is Squire's inspector, not the proxy, and it has no such path. See / for what is here."
    )
    fileprivate static let notJSON = Problem(
        .unsupportedMediaType,
        detail: "The body must be JSON: send it with Content-Type: application/json."
    )
    fileprivate static let inspectorBodyTooLarge = Problem(
        .bodyTooLarge,
        detail: "The body is larger than the inspector takes (8 MiB)."
    )
    static let inspectorOverloaded = Problem(
        .overloaded,
        detail: "Too many requests wait for the inspector's answer. Try again in a moment.",
        retryAfter: 2
    )
}
