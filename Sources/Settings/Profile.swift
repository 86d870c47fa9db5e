import ReverseProxy

/// Presets for an API.
enum Profile: String, CaseIterable {
    case menu

    /// What the session's configuration is before the file changes it.
    var session: SessionConfiguration {
        var session = SessionConfiguration()
        switch self {
        case .menu:
            session.tokensAreJWTs = true
            session.refresh = .init(
                method: "GET",
                path: "/api/customers/refresh",
                token: "/data/token/value",
                timeout: .seconds(30)
            )
            session.signIn = Self.patterns(
                "POST /api/customers/login",
                "POST /api/customers/register",
                "POST /api/customers/social-sign-up"
            )
            session.signOut = Self.patterns("POST /api/customers/logout")
            session.anonymous = Self.patterns(
                "POST /api/customers/check-email",
                "POST /api/customers/passwordless-request",
                "POST /api/oauth/tokens"
            )
        }
        return session
    }

    /// Sent when neither the client nor the file says otherwise.
    var headers: [HeaderRule] {
        switch self {
        case .menu:
            [
                HeaderRule(name: "Accept", value: "application/json", source: "profile menu"),
                HeaderRule(name: "X-Request-ID", value: "{uuid}", source: "profile menu"),
            ]
        }
    }

    /// Must be configured.
    var requiredHeaders: [String] {
        switch self {
        case .menu: ["Application", "Api-Version", "Device-UUID"]
        }
    }

    private static func patterns(_ texts: String...) -> [RoutePattern] {
        texts.map { RoutePattern($0)! }  // Constants, covered by a test.
    }
}
