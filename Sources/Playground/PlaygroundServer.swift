public import Credentials
import Cryptography
public import EventIO
import HTTP1
public import LocalServer
import Platform
import Support

/// The simulated MENU API over HTTP: routes, helpers, and the log of what was seen.
///
/// *Threading*: made and used on its loop.
public final class PlaygroundServer: LocalHandler {
    private let loop: EventLoop
    private let options: PlaygroundOptions
    private var api: SimulatedAPI
    private var server: LocalServer?
    private var timers: [Int: EventTimer] = [:]
    private var lastTimer = 0
    private var log: [JSONValue] = []
    private var requestCount = 0
    private var uploads: [Int: Upload] = [:]
    private let wallClock: () -> Int

    private static let logLimit = 1000

    private final class Upload {
        /// Nil when it cannot be computed.
        var digest = try? SHA256()
        var count = 0
    }

    public init(
        loop: EventLoop,
        socket: ListeningSocket,
        options: PlaygroundOptions,
        wallClock: @escaping () -> Int = { SystemClock().wall() }
    ) {
        self.loop = loop
        self.options = options
        self.wallClock = wallClock
        api = SimulatedAPI(options)
        server = LocalServer(loop: loop, socket: socket, handler: self)
    }

    public func stop() {
        server?.stop()
        server = nil
        timers = [:]
    }

    /// Logs the seeded customer in, as a client would, and gives the token.
    public func signInSeededCustomer(host: String) -> String? {
        api.signIn(email: SimulatedAPI.email, host: host, path: "/api/customers/login", now: now)
            .json.value(at: "/data/token/value")?.string
    }

    private var now: Int { wallClock() + options.skew }

    // MARK: Serving

    public func bodyConsumer(for request: LocalRequest) -> ((UnsafeRawBufferPointer) -> Void)? {
        guard request.path == "/playground/sink" else { return nil }
        let upload = Upload()
        uploads[request.number] = upload
        return { bytes in
            if unsafe (try? upload.digest?.update(bytes)) == nil { upload.digest = nil }
            upload.count += bytes.count
        }
    }

    public func serve(_ request: LocalRequest, _ responder: LocalResponder) {
        guard options.latency > .zero else { return handle(request, responder) }
        after(options.latency) { [unowned self] in handle(request, responder) }
    }

    private func after(_ delay: Duration, _ work: @escaping () -> Void) {
        lastTimer += 1
        let number = lastTimer
        let timer = EventTimer(loop: loop) { [unowned self] in
            timers[number] = nil
            work()
        }
        timers[number] = timer
        timer.arm(after: delay)
    }

    private func handle(_ request: LocalRequest, _ responder: LocalResponder) {
        requestCount += 1
        if request.path.hasPrefix("/playground/") {
            note(request, status: 200)
            return helper(request, responder)
        }
        let response = route(request)
        note(request, status: response.status)
        if response.isLost { return responder.drop() }
        responder.send(message(response))
    }

    private func message(_ response: SimulatedAPI.Response) -> LocalResponse {
        LocalResponse(
            response.status,
            contentType: "application/json",
            // Whoever tries it at a terminal finds the prompt on a line of its own.
            response.json.serialized() + "\n",
            fields: [("Date", HTTPDate.text(now)), ("Cache-Control", "no-cache, private")] + response.fields
        )
    }

    private func note(_ request: LocalRequest, status: Int) {
        var entry: [JSONValue.Member] = [
            .init("number", .integer(requestCount)), .init("method", .string(request.method)),
            .init("path", .string(request.path)), .init("status", .integer(status)),
        ]
        if let identifier = api.identifier(Self.bearer(request)) {
            entry.append(.init("token_id", .string(identifier)))
        }
        log.append(.object(entry))
        if log.count > Self.logLimit { log.removeFirst(log.count - Self.logLimit) }
    }

    private static func bearer(_ request: LocalRequest) -> String? {
        guard let field = request["Authorization"], field.lowercased().hasPrefix("bearer ") else { return nil }
        return String(field.dropFirst(7).drop { $0 == " " })
    }

    // MARK: The API

    private func route(_ request: LocalRequest) -> SimulatedAPI.Response {
        let json = JSONValue(parsing: request.body)
        let host = request["Host"] ?? "localhost"
        switch (request.action, request.path) {
        case ("POST", "/api/customers/check-email"): return api.checkEmail(json)
        case ("POST", "/api/customers/passwordless-request"): return api.requestCode(json)
        case ("POST", "/api/customers/register"): return api.register(json, host: host, now: now)
        case ("POST", "/api/customers/login"): return api.login(json, host: host, now: now)
        case ("POST", "/api/customers/social-sign-up"):
            return api.signIn(email: SimulatedAPI.email, host: host, path: request.path, now: now)
        case ("GET", "/api/customers/refresh"): return api.refresh(Self.bearer(request), host: host, now: now)
        case ("POST", "/api/customers/logout"): return api.logout(Self.bearer(request), now: now)
        case ("POST", "/api/oauth/tokens"):
            guard request["Authorization"]?.lowercased().hasPrefix("basic ") == true else {
                return SimulatedAPI.failure(401, "Client authentication failed.")
            }
            return SimulatedAPI.success(
                .object([
                    .init(
                        "oauth_token",
                        .object([.init("access_token", .string("example")), .init("expires_in", .integer(3600))])
                    )
                ])
            )
        default: return resource(request)
        }
    }

    /// Paths with made-up contents: those of section 6 of the API's description.
    private func resource(_ request: LocalRequest) -> SimulatedAPI.Response {
        let parts = request.path.split(separator: "/").map(String.init)
        guard parts.first == "api", parts.count >= 2 else { return SimulatedAPI.failure(404, "Not found") }
        let name = parts[1]
        let isPersonal = ["customer-accounts", "customers", "payment-processors", "orders", "dlc-service"].contains(
            name
        )
        if isPersonal, let refusal = api.refusal(Self.bearer(request), now: now) { return refusal }
        let action = parts.last ?? ""
        switch (request.action, name) {
        case ("PUT", "customer-accounts"):
            return SimulatedAPI.success(.object([.init("customer_account", api.account())]))
        case ("GET", "customer-accounts") where parts.count == 3:
            return SimulatedAPI.success(.object([.init("customer_account", api.account())]))
        case ("DELETE", "customer-accounts"):
            return SimulatedAPI.success(nil)
        case ("GET", "customer-accounts"), ("GET", "customers"):
            return SimulatedAPI.success(
                .object([.init(action.split(separator: "-").joined(separator: "_"), .array([]))])
            )
        case ("POST", "customers"):
            return SimulatedAPI.success(.object([.init("customer_account", api.account())]))
        case (_, "payment-processors"):
            // A decoy: this token is not the customer's.
            return Self.with("token", .string("6d3c2a5e-8f0b-4a58-9c1d-0f1e2d3c4b5a"))
        case ("POST", "orders"):
            return SimulatedAPI.success(
                .object([.init("order", .object([.init("id", .string("b4a7f3de-91f2-4a6e-8a58-2f2b8b1c9d10"))]))])
            )
        case ("GET", "venues"), ("POST", "directory"), ("GET", "delivery"), ("POST", "init-application"),
            ("GET", "manual-location-inputs"), ("POST", "autocomplete-addresses"), ("POST", "venues"), (_, "cart"),
            ("GET", "dlc-service"):
            return SimulatedAPI.success(.object([.init(name.split(separator: "-").joined(separator: "_"), .array([]))]))
        default:
            return SimulatedAPI.failure(404, "Not found")
        }
    }

    private static func with(_ name: String, _ value: JSONValue) -> SimulatedAPI.Response {
        var response = SimulatedAPI.success(nil)
        response.json[name] = value
        return response
    }

    // MARK: Helpers

    private func helper(_ request: LocalRequest, _ responder: LocalResponder) {
        let parts = request.path.split(separator: "/").dropFirst().map(String.init)
        let upload = uploads.removeValue(forKey: request.number)
        // `echo` changes nothing; all the others that are not GET do.
        if request.isFromPage, request.action != "GET", parts.first != "echo" {
            return responder.send(
                LocalResponse(403, contentType: "text/plain", "The playground's helpers are not for web pages.\n")
            )
        }
        switch (request.action, parts.first, parts.dropFirst().first) {
        case ("POST", "revoke", nil):
            responder.send(message(api.revoke(forGood: request.query == "final=true", now: now)))
        case ("POST", "expire", nil):
            responder.send(message(api.revoke(forGood: false, now: now)))
        case ("GET", "log", nil):
            responder.send(json(logDocument()))
        case (_, "echo", _):
            responder.send(json(echo(request)))
        case ("GET", "bytes", let count?):
            guard let count = Int(count), (0...10_000_000_000).contains(count) else { return notFound(responder) }
            responder.send(
                LocalResponse(200, fields: [("Content-Type", "application/octet-stream")], body: .pattern(count))
            )
        case ("GET", "stream", let count?):
            guard let count = Int(count), (1...86_400).contains(count) else { return notFound(responder) }
            responder.begin(200, fields: [("Content-Type", "text/event-stream"), ("Cache-Control", "no-cache")])
            stream(responder, number: 1, of: count)
        case ("POST", "sink", nil), ("PUT", "sink", nil):
            let upload = upload ?? Upload()
            responder.send(
                json(
                    .object([
                        .init("bytes", .integer(upload.count)),
                        .init("sha256", Self.text(of: try? upload.digest?.finish())),
                    ])
                )
            )
        default:
            notFound(responder)
        }
    }

    private func notFound(_ responder: LocalResponder) {
        responder.send(
            LocalResponse(
                404,
                contentType: "text/plain",
                """
                The playground's helpers: POST revoke, POST expire, GET log, ANY echo, GET bytes/N, GET stream/N, POST sink,
                each under /playground/.

                """
            )
        )
    }

    private func json(_ value: JSONValue) -> LocalResponse {
        LocalResponse(200, contentType: "application/json", value.serialized(pretty: true) + "\n")
    }

    private func stream(_ responder: LocalResponder, number: Int, of count: Int) {
        switch responder.write("data: \(number)\n\n") {
        case .taken: break
        // It does not read: better a stream that ends than one with a hole.
        case .full: return responder.drop()
        case .gone: return
        }
        guard number < count else { return responder.end() }
        after(.seconds(1)) { [unowned self] in stream(responder, number: number + 1, of: count) }
    }

    private func logDocument() -> JSONValue {
        let counts = api.counts
        return .object([
            .init("requests_seen", .integer(requestCount)), .init("refreshes", .integer(counts.refreshes)),
            .init("refused_refreshes", .integer(counts.refusedRefreshes)), .init("logins", .integer(counts.logins)),
            .init("logouts", .integer(counts.logouts)), .init("refused_tokens", .integer(counts.refusals)),
            .init("requests", .array(log)),
        ])
    }

    private static func text(of hash: [UInt8]?) -> JSONValue { hash.map { .string(Hexadecimal.text($0)) } ?? .null }

    private func echo(_ request: LocalRequest) -> JSONValue {
        .object([
            .init("method", .string(request.method)), .init("target", .string(request.target)),
            .init(
                "headers",
                .array(request.fields.map { .array([.string($0.name), .string($0.value)]) })
            ),
            .init("body_bytes", .integer(request.body.count)),
            .init("body_sha256", Self.text(of: try? SHA256.hash(request.body))),
            .init("body", String(validating: request.body, as: UTF8.self).map(JSONValue.string) ?? .null),
        ])
    }
}
