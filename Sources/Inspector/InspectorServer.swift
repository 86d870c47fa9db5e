public import Credentials
public import EventIO
public import LocalServer
public import ReverseProxy
import Support

/// What the inspector shows of one proxy. Closures are called on the inspector's loop and must not block.
public struct InspectedProxy {
    public var listen: [String]
    /// The upstream and the session of now: a reload changes them.
    public var current: () -> (upstream: String, session: Session)
    public var snapshot: () -> Counters.Snapshot

    public init(
        listen: [String],
        current: @escaping () -> (upstream: String, session: Session),
        snapshot: @escaping () -> Counters.Snapshot
    ) {
        self.listen = listen
        self.current = current
        self.snapshot = snapshot
    }

    var session: Session { current().session }
    var upstream: String { current().upstream }
}

/// The second listener: health, metrics and status of a proxy, for people and machines. Never reachable through the
/// proxy's port, never shows a token.
///
/// *Threading*: made and used on its loop.
public final class InspectorServer: LocalHandler {
    private let proxy: InspectedProxy
    private let refreshes: RefreshCounts
    private let version: String
    private let access: AccessPolicy
    private static let maxConnections = 64
    private var server: LocalServer?

    public init(
        loop: EventLoop,
        socket: ListeningSocket,
        proxy: InspectedProxy,
        refreshes: RefreshCounts,
        access: AccessPolicy,
        sameUser: Bool,
        version: String
    ) {
        self.proxy = proxy
        self.refreshes = refreshes
        self.access = access
        self.version = version
        let isUnixSocket = if case .unix = socket.name { true } else { false }
        server = LocalServer(
            loop: loop,
            socket: socket,
            handler: self,
            maxConnections: Self.maxConnections,
            admits: { !sameUser || PeerUsers.shared.peer(of: $0, isUnixSocket: isUnixSocket).refusal == nil }
        )
    }

    public func stop() {
        server?.stop()
        server = nil
    }

    public func serve(_ request: LocalRequest, _ responder: LocalResponder) {
        if let problem = access.denial(
            AccessPolicy.Request(
                host: request["Host"],
                origin: request.joined("Origin"),
                fetchSite: request.joined("Sec-Fetch-Site"),
                purpose: ["Sec-Purpose", "Purpose"].compactMap(request.joined).joined(separator: ", "),
                userAgent: request.joined("User-Agent"),
                key: request.joined("X-Squire-Key").map { Array($0.utf8) }
            )
        ) {
            return responder.send(response(to: problem))
        }
        responder.send(response(to: request))
    }

    private func response(to request: LocalRequest) -> LocalResponse {
        switch (request.action, request.path) {
        case ("GET", "/healthz"):
            return text(200, "ok\n")
        case ("GET", "/readyz"):
            let status = proxy.session.status
            guard !status.isReady else { return text(200, "ready\n") }
            return text(503, "not ready: \(status.advice ?? "the token has expired")\n")
        case ("GET", "/metrics"):
            return LocalResponse(
                200,
                contentType: "text/plain; version=0.0.4; charset=utf-8",
                metrics(),
                fields: Self.fields
            )
        case ("GET", "/api/status"):
            return json(200, status())
        case ("POST", "/api/session/refresh"):
            guard request["X-Squire-Inspector"] == "1" else {
                return response(to: .headerRequired)
            }
            proxy.session.refreshNow(cause: .manual) { _ in }
            return json(202, status())
        case (_, let path) where path.hasPrefix("/api/exchanges") || path == "/api/events":
            return response(to: .notYet)
        case ("GET", "/"):
            return text(
                200,
                """
                Squire \(version): \(proxy.listen.joined(separator: ", ")) -> \(proxy.upstream)

                /healthz       alive
                /readyz        with a usable session
                /metrics       Prometheus text
                /api/status    session, upstream, listeners

                The web page with the exchanges is still to come.

                """
            )
        default:
            return response(to: .notFound)
        }
    }

    private static let fields = [
        (name: "Cache-Control", value: "no-store"), (name: "X-Content-Type-Options", value: "nosniff"),
        // What a browser shows of this asks for nothing more, the page's icon neither.
        (name: "Content-Security-Policy", value: "default-src 'none'; frame-ancestors 'none'; sandbox"),
    ]

    private func text(_ status: Int, _ text: String) -> LocalResponse {
        LocalResponse(
            status,
            contentType: "text/plain; charset=utf-8",
            text,
            fields: Self.fields
        )
    }

    private func json(_ status: Int, _ value: JSONValue) -> LocalResponse {
        LocalResponse(
            status,
            contentType: "application/json",
            value.serialized(pretty: true) + "\n",
            fields: Self.fields
        )
    }

    private func response(to problem: Problem) -> LocalResponse {
        LocalResponse(
            problem.status,
            fields: [("Content-Type", "\(ProblemWriter.contentType)")] + Self.fields,
            body: .bytes(ProblemWriter(problem).body)
        )
    }

    // MARK: Documents

    private func status() -> JSONValue {
        .object([
            .init("session", proxy.session.status.json), .init("upstream", .string(proxy.upstream)),
            .init("listen", .array(proxy.listen.map(JSONValue.string))), .init("version", .string(version)),
        ])
    }

    private func metrics() -> String {
        let counts = proxy.snapshot()
        var text = Exposition()
        text.family("squire_requests_total", "counter", "Exchanges by the status the client got.")
        for (status, count) in counts.requests.sorted(by: { $0.key < $1.key }) {
            text.sample("squire_requests_total", ["status": status == 0 ? "none" : "\(status)"], "\(count)")
        }
        text.family(
            "squire_request_duration_seconds",
            "histogram",
            "Time from a request's head to the end of its response."
        )
        var sum: UInt64 = 0
        for (index, count) in counts.durationBuckets.enumerated() {
            sum += count
            let bound = index < Counters.bounds.count ? "\(Counters.bounds[index])" : "+Inf"
            text.sample("squire_request_duration_seconds_bucket", ["le": bound], "\(sum)")
        }
        text.sample("squire_request_duration_seconds_sum", [:], "\(Double(counts.durationNanoseconds) / 1e9)")
        text.sample("squire_request_duration_seconds_count", [:], "\(sum)")
        text.family("squire_refreshes_total", "counter", "Refreshes by cause and outcome.")
        for (key, count) in refreshes.snapshot() {
            text.sample("squire_refreshes_total", ["cause": key.cause, "outcome": key.outcome], "\(count)")
        }
        text.family("squire_retries_total", "counter", "Requests sent again with a new token, by outcome.")
        text.sample("squire_retries_total", ["outcome": "accepted"], "\(counts.replaysAccepted)")
        text.sample("squire_retries_total", ["outcome": "rejected"], "\(counts.replaysRejected)")
        sessionMetrics(proxy.session.status, &text)
        text.family("squire_resends_total", "counter", "Requests sent again after a connection turned out to be dead.")
        text.sample("squire_resends_total", [:], "\(counts.resends)")
        text.family("squire_client_connections", "gauge", "Open client connections.")
        text.sample("squire_client_connections", [:], "\(counts.clientConnections)")
        text.family("squire_upstream_connections", "gauge", "Open upstream connections.")
        text.sample("squire_upstream_connections", [:], "\(counts.upstreamConnections)")
        text.family("squire_refused_total", "counter", "Answers of Squire's own, by code.")
        for (code, count) in counts.refused.sorted(by: { $0.key.rawValue < $1.key.rawValue }) {
            text.sample("squire_refused_total", ["reason": code.rawValue], "\(count)")
        }
        return text.text
    }
}

extension InspectorServer {
    private func sessionMetrics(_ session: SessionStatus, _ text: inout Exposition) {
        text.family("squire_refresh_failures_total", "counter", "Refreshes of this session that failed, by class.")
        for outcome in RefreshEntry.Outcome.allCases where outcome != .refreshed {
            let count = session.failures.first { $0.outcome == outcome.rawValue }?.count ?? 0
            text.sample("squire_refresh_failures_total", ["class": outcome.rawValue], "\(count)")
        }
        text.family(
            "squire_refresh_waiters_total",
            "counter",
            "Requests that waited for a refresh another one started."
        )
        text.sample("squire_refresh_waiters_total", [:], "\(session.coalesced)")
        text.family("squire_session_ready", "gauge", "1 with a usable session that is saved.")
        text.sample("squire_session_ready", [:], session.isReady ? "1" : "0")
        text.family("squire_session_generation", "gauge", "Counts the tokens this process has had.")
        text.sample("squire_session_generation", [:], "\(session.generation)")
        text.family("squire_token_age_seconds", "gauge", "Seconds since the token became ours.")
        if let age = session.age { text.sample("squire_token_age_seconds", [:], "\(age)") }
        text.family("squire_token_expires_seconds", "gauge", "Seconds until the token expires.")
        if let seconds = session.expiresIn { text.sample("squire_token_expires_seconds", [:], "\(seconds)") }
    }
}

extension Problem {
    fileprivate static let headerRequired = Problem(
        .headerRequired,
        detail: "Changing requests need the header X-Squire-Inspector: 1."
    )
    fileprivate static let notFound = Problem(.notFound, detail: "See / for what is here.")
    fileprivate static let notYet = Problem(
        .notYet,
        detail: "The list of exchanges is still to come; squire run's log has a line for each."
    )
}

/// Prometheus' text format (exposition format 0.0.4).
private struct Exposition {
    private(set) var text = ""

    mutating func family(_ name: String, _ type: String, _ help: String) {
        text += "# HELP \(name) \(help)\n# TYPE \(name) \(type)\n"
    }

    mutating func sample(_ name: String, _ labels: [String: String], _ value: String) {
        let inside = labels.sorted { $0.key < $1.key }.map { "\($0.key)=\"\($0.value)\"" }.joined(separator: ",")
        text += name + (inside.isEmpty ? "" : "{\(inside)}") + " \(value)\n"
    }
}
