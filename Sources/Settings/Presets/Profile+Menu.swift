extension Profile {
    static let menu = Profile(
        name: "menu",
        summary: "the MENU customer API, whose token refreshes itself",
        text: """
            # The MENU customer API. Its token refreshes itself: there is no refresh token beside it.
            headers: {Accept: application/json, X-Request-ID: "{uuid}"}
            requires: [Application, Api-Version, Device-UUID]
            session:
              tokens: jwt
              refresh: {method: GET, path: /api/customers/refresh, token: /data/token/value, timeout: 30s}
              sign-in: [POST /api/customers/login, POST /api/customers/register, POST /api/customers/social-sign-up]
              sign-out: [POST /api/customers/logout]
              anonymous:
                - POST /api/customers/check-email
                - POST /api/customers/passwordless-request
                - POST /api/oauth/tokens

            """
    )
}
