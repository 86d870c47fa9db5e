public import Support

/// The MENU customer API's behaviour, without HTTP: who is logged in, which tokens live. Time comes in.
public struct SimulatedAPI {
    /// A response's status and its JSON envelope.
    public struct Response {
        public var status: Int
        public var json: JSONValue
        /// More fields, such as `WWW-Authenticate`.
        public var fields: [(name: String, value: String)] = []
        /// Do it, but lose the response.
        public var isLost = false
    }

    public struct Counts {
        public var refreshes = 0
        public var refusedRefreshes = 0
        public var logins = 0
        public var logouts = 0
        public var refusals = 0
    }

    /// The seeded customer. The address and the numbers are examples.
    public static let email = "john.doe@example.com"
    public static let code = "1234"
    public static let password = "playground"

    private var options: PlaygroundOptions
    private let mint = TokenMint()
    /// `jti` of refreshed or logged-out tokens, and until when they still work.
    private var blacklist: [String: Int] = [:]
    /// `jti` of tokens that ordinary calls refuse, but a refresh accepts.
    private var revoked: Set<String> = []
    private var newest: JSONValue?
    private var lostReplies: Int
    private var nextSession = 28_350
    private var customers: [String: JSONValue] = [:]
    public private(set) var counts = Counts()

    public init(_ options: PlaygroundOptions) {
        self.options = options
        lostReplies = options.loseRefreshReplies
        customers[Self.email] = Self.customer(email: Self.email, first: "John", last: "Doe")
    }

    private static func customer(email: String, first: String, last: String) -> JSONValue {
        .object([
            .init("id", .string("8100bab1-267e-41ae-8592-c229253b0129")), .init("type_id", .integer(1)),
            .init("reference_type", .string("CustomerAccount")), .init("first_name", .string(first)),
            .init("last_name", .string(last)), .init("email", .string(email)),
            .init("phone_number", .string("+15550100")), .init("locale", .string("en-US")), .init("state", .integer(1)),
            .init("demographics", .array([])), .init("optin_status_email", .integer(3)),
            .init("optin_status_pn", .integer(3)), .init("has_pending_email_change", .bool(false)),
            .init("has_pending_phone_number_change", .bool(false)), .init("is_social", .bool(false)),
            .init("social_login", .null), .init("updated_at", .string("2023-08-28 07:29:58")),
            .init("created_at", .string("2023-08-25 12:10:33")),
        ])
    }

    // MARK: Envelopes

    public static func success(_ data: JSONValue?) -> Response {
        var members: [JSONValue.Member] = [.init("status", .string("OK")), .init("code", .integer(200))]
        if let data { members.append(.init("data", data)) }
        return Response(status: 200, json: .object(members))
    }

    public static func failure(
        _ status: Int,
        code: Int? = nil,
        _ message: String,
        title: String = "That didn't work"
    ) -> Response {
        let data = JSONValue.object([
            .init("info_message", .object([.init("title", .string(title)), .init("body", .string(message))])),
            .init("message", .string("Consumer Error")), .init("error_id", .string("")),
        ])
        let json = JSONValue.object([
            .init("status", .string("Consumer Error")), .init("code", .integer(code ?? status)), .init("data", data),
        ])
        return Response(status: status, json: json)
    }

    private static func unauthenticated(_ message: String) -> Response {
        var response = failure(401, message, title: "Unauthenticated")
        response.fields = [("WWW-Authenticate", "jwt-auth")]
        return response
    }

    // MARK: Tokens

    /// Why a token is refused; nil when it is good. `isRefresh` accepts expired and revoked ones.
    private func problem(_ claims: JSONValue?, isRefresh: Bool, now: Int) -> String? {
        guard let claims, let identifier = claims["jti"]?.string else {
            return "Token Signature could not be verified."
        }
        if let until = blacklist[identifier], now >= until { return "The token has been blacklisted" }
        if isRefresh {
            let window = Int(options.refreshWindow.components.seconds)
            guard now <= (claims["iat"]?.integer ?? 0) + window else {
                return "Token has expired and can no longer be refreshed"
            }
            return nil
        }
        if revoked.contains(identifier) { return "The token has been revoked" }
        if now > claims["exp"]?.integer ?? 0 { return "Token has expired" }
        if (claims["nbf"]?.integer ?? 0) > now { return "Not Before (nbf) timestamp cannot be in the future" }
        return nil
    }

    /// A response that refuses; nil when `token` may act.
    public mutating func refusal(_ token: String?, now: Int) -> Response? {
        guard let token else {
            counts.refusals += 1
            return Self.unauthenticated("The token could not be parsed from the request")
        }
        guard let problem = problem(mint.claims(token), isRefresh: false, now: now) else { return nil }
        counts.refusals += 1
        return Self.unauthenticated(problem)
    }

    /// A short name of a token for the log; nothing of it can be used.
    public func identifier(_ token: String?) -> String? {
        token.flatMap { mint.claims($0)?["jti"]?.string }
    }

    private mutating func issue(_ payload: TokenMint.Payload) -> JSONValue {
        let token = mint.token(payload)
        newest = token.flatMap(mint.claims)
        return .object([
            .init("value", token.map(JSONValue.string) ?? .null),
            .init("ttl", .integer(Int(options.tokenTTL.components.seconds) / 60)),
            .init("refresh_ttl", .integer(2_628_000)), .init("issued_token_type", .string("access_token")),
            .init("token_type", .string("Bearer")),
        ])
    }

    private static func randomIdentifier() -> String {
        let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789")
        return String((0..<16).map { _ in letters.randomElement()! })
    }

    /// A new session for a customer.
    public mutating func signIn(email: String, host: String, path: String, now: Int) -> Response {
        counts.logins += 1
        nextSession += 1
        let lifetime = Int(options.tokenTTL.components.seconds)
        let token = issue(
            .init(
                issuer: "http://\(host)\(path)",
                issuedAt: now,
                expiresAt: now + lifetime,
                notBefore: now,
                identifier: Self.randomIdentifier(),
                subject: "5090976",
                sessionID: nextSession,
                isRefreshed: false
            )
        )
        return Self.success(
            .object([.init("customer_account", customers[email] ?? .null), .init("token", token)])
        )
    }

    // MARK: Calls

    public func checkEmail(_ body: JSONValue?) -> Response {
        guard let email = body?["email"]?.string else { return Self.failure(422, "The email field is required.") }
        return Self.success(
            .object([.init("exists", .bool(customers[email] != nil)), .init("is_social", .bool(false))])
        )
    }

    public func requestCode(_ body: JSONValue?) -> Response {
        body?["email"]?.string == nil ? Self.failure(422, "The email field is required.") : Self.success(nil)
    }

    public mutating func register(_ body: JSONValue?, host: String, now: Int) -> Response {
        guard let body, let email = body["passwordless_email"]?.string else {
            return Self.failure(422, "The passwordless email field is required.")
        }
        guard Self.text(body["passwordless_code"]) == Self.code else {
            return Self.failure(401, code: 1000, "The code is incorrect.")
        }
        customers[email] = Self.customer(
            email: email,
            first: body["first_name"]?.string ?? "",
            last: body["last_name"]?.string ?? ""
        )
        return signIn(email: email, host: host, path: "/api/customers/register", now: now)
    }

    public mutating func login(_ body: JSONValue?, host: String, now: Int) -> Response {
        let email = body?["passwordless_email"]?.string ?? body?["email"]?.string
        let isRight =
            body?["passwordless_email"] != nil
            ? Self.text(body?["passwordless_code"]) == Self.code : body?["password"]?.string == Self.password
        guard let email, customers[email] != nil, isRight else {
            return Self.failure(401, code: 1000, "The credentials are incorrect.")
        }
        return signIn(email: email, host: host, path: "/api/customers/login", now: now)
    }

    private static func text(_ value: JSONValue?) -> String? {
        switch value {
        case .string(let text), .number(let text): text
        default: nil
        }
    }

    public mutating func refresh(_ token: String?, host: String, now: Int) -> Response {
        if let status = options.refreshStatus {
            counts.refusedRefreshes += 1
            return Self.failure(status, "This playground refuses to refresh (--refresh-status).")
        }
        guard let token else {
            counts.refusedRefreshes += 1
            return Self.unauthenticated("The token could not be parsed from the request")
        }
        let claims = mint.claims(token)
        if let problem = problem(claims, isRefresh: true, now: now) {
            counts.refusedRefreshes += 1
            return Self.unauthenticated(problem)
        }
        guard let claims, let identifier = claims["jti"]?.string else { return Self.unauthenticated("") }
        counts.refreshes += 1
        // A second refresh within the grace does not make it longer.
        if blacklist[identifier] == nil { blacklist[identifier] = now + Int(options.grace.components.seconds) }
        let lifetime = Int(options.tokenTTL.components.seconds)
        let fresh = issue(
            .init(
                issuer: "http://\(host)/api/customers/refresh",
                issuedAt: options.keepsIssuedAt ? claims["iat"]?.integer ?? now : now,
                expiresAt: now + lifetime,
                notBefore: now,
                identifier: Self.randomIdentifier(),
                subject: claims["sub"]?.string ?? "",
                sessionID: claims["session_id"]?.integer ?? 0,
                isRefreshed: true
            )
        )
        var response = Self.success(
            .object([.init("customer_account", customers[Self.email] ?? .null), .init("token", fresh)])
        )
        if lostReplies > 0 {
            lostReplies -= 1
            response.isLost = true
        }
        return response
    }

    public mutating func logout(_ token: String?, now: Int) -> Response {
        if let refusal = refusal(token, now: now) { return refusal }
        if let identifier = identifier(token) { blacklist[identifier] = now }
        counts.logouts += 1
        return Self.success(nil)
    }

    // MARK: Helpers under /playground/

    /// The current token is refused from now on; a refresh still accepts it, unless `forGood`.
    public mutating func revoke(forGood: Bool, now: Int) -> Response {
        guard let identifier = newest?["jti"]?.string else { return Self.failure(404, "There is no token yet.") }
        if forGood { blacklist[identifier] = now } else { revoked.insert(identifier) }
        return Self.success(.object([.init("revoked", .string(identifier))]))
    }

    public func account(_ email: String = SimulatedAPI.email) -> JSONValue { customers[email] ?? .null }
}
