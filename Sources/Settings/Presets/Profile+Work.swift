/// Where teams work.
extension Profile {
    static let github = Profile(
        name: "github",
        summary: "GitHub, as a GitHub App's user or an OAuth app",
        text: """
            # GitHub. Where a GitHub App's user tokens expire, the refresh token rotates at once: the old pair is dead.
            # squire login --device needs no secret: client-authentication: none
            # Seen: docs.github.com, refreshing user access tokens and the device flow.
            upstream: https://api.github.com
            session:
              oauth:
                authorization-endpoint: https://github.com/login/oauth/authorize
                token-endpoint: https://github.com/login/oauth/access_token
                device-authorization-endpoint: https://github.com/login/device/code
                client-authentication: client-secret-post

            """
    )

    static let gitlab = Profile(
        name: "gitlab",
        summary: "GitLab, gitlab.com or your own",
        text: """
            # GitLab. Your own: upstream and issuer: https://gitlab.example.com. The refresh token rotates at once.
            # A public client: client-authentication: none
            # Not checked against the provider's documentation here: that discovery finds the device endpoint.
            upstream: https://gitlab.com
            session:
              oauth:
                issuer: https://gitlab.com
                client-authentication: client-secret-post

            """
    )

    static let slack = Profile(
        name: "slack",
        summary: "Slack's Web API, with token rotation",
        text: """
            # Slack. Refresh tokens need token rotation, which the app opts in to; errors come with status 200.
            # Scopes have a comma between them. A user's token instead of the bot's:
            #   answer: {access-token: /authed_user/access_token, refresh-token: /authed_user/refresh_token,
            #            expires-in: /authed_user/expires_in}
            # Seen: docs.slack.dev/authentication/using-token-rotation, api.slack.com/methods.
            upstream: https://slack.com
            session:
              oauth:
                authorization-endpoint: https://slack.com/oauth/v2/authorize
                token-endpoint: https://slack.com/api/oauth.v2.access
                client-authentication: client-secret-post
                final: [invalid_refresh_token, token_revoked]
                revocation: {method: GET, url: https://slack.com/api/auth.revoke}
              rejected: [401, {status: 200, pointer: /error, equals: [token_expired]}]

            """
    )

    static let atlassian = Profile(
        name: "atlassian",
        summary: "Jira and Confluence Cloud (OAuth 2.0, 3LO)",
        text: """
            # Atlassian Cloud. Paths begin with /ex/jira/CLOUDID; put that into upstream. Refresh tokens rotate, and end
            # after 90 days without use. A wrong secret is answered with access_denied.
            # Seen: developer.atlassian.com/cloud/jira/software/oauth-2-3lo-apps. There is no revocation endpoint.
            upstream: https://api.atlassian.com
            session:
              oauth:
                authorization-endpoint: https://auth.atlassian.com/authorize
                token-endpoint: https://auth.atlassian.com/oauth/token
                client-authentication: client-secret-post
                request: json
                authorization-parameters: {audience: api.atlassian.com, prompt: consent}
                offline-scope: offline_access

            """
    )

    static let zoom = Profile(
        name: "zoom",
        summary: "Zoom's REST API",
        text: """
            # Zoom. A new pair with each refresh; the refresh token ends after 90 days without use. A server-to-server app
            # needs no login: grant: account-credentials, and parameters: {account_id: …}.
            # Seen: developers.zoom.us/docs/rooms/oauth.
            # Not checked against the provider's documentation here: revocation, and 124 for an expired token.
            upstream: https://api.zoom.us
            session:
              oauth:
                authorization-endpoint: https://zoom.us/oauth/authorize
                token-endpoint: https://zoom.us/oauth/token
                revocation-endpoint: https://zoom.us/oauth/revoke
                client-authentication: client-secret-basic
              rejected: [{status: 401, pointer: /code, equals: 124}]

            """
    )
}
