/// Those who know people, for APIs that leave it to them.
extension Profile {
    static let google = Profile(
        name: "google",
        summary: "Google APIs: a person's, or a service account's",
        text: """
            # Google. No refresh token comes without both authorization parameters. Installed apps have a secret, too.
            # A service account instead: grant: jwt-bearer, private-key: FILE (its JSON), scope.
            # Seen: developers.google.com/identity/protocols/oauth2, and the endpoints in Google's oauth2client.
            upstream: https://www.googleapis.com
            session:
              oauth:
                authorization-endpoint: https://accounts.google.com/o/oauth2/v2/auth
                token-endpoint: https://oauth2.googleapis.com/token
                device-authorization-endpoint: https://oauth2.googleapis.com/device/code
                revocation-endpoint: https://oauth2.googleapis.com/revoke
                client-authentication: client-secret-post
                authorization-parameters: {access_type: offline, prompt: consent}

            """
    )

    static let entra = Profile(
        name: "entra",
        summary: "Microsoft Entra ID and Microsoft Graph",
        text: """
            # Microsoft Entra ID, for accounts of any tenant; one tenant's, and the grant client-credentials, need
            # issuer: https://login.microsoftonline.com/TENANT/v2.0
            # Wants the scope with each refresh, and offline_access in it. A public client: client-authentication: none
            # Not checked against the provider's documentation here: the device endpoint.
            upstream: https://graph.microsoft.com
            session:
              oauth:
                authorization-endpoint: https://login.microsoftonline.com/common/oauth2/v2.0/authorize
                token-endpoint: https://login.microsoftonline.com/common/oauth2/v2.0/token
                device-authorization-endpoint: https://login.microsoftonline.com/common/oauth2/v2.0/devicecode
                client-authentication: client-secret-post
                refresh-scope: true
                offline-scope: offline_access

            """
    )

    static let okta = Profile(
        name: "okta",
        summary: "an API behind Okta",
        text: """
            # Okta: name the API as upstream, and issuer: https://YOU.okta.com, or …/oauth2/default for that server.
            # Discovery finds the endpoints and how the client authenticates.
            # Not checked against the provider's documentation here: offline_access, which brings a refresh token.
            session:
              oauth:
                offline-scope: offline_access

            """
    )

    static let auth0 = Profile(
        name: "auth0",
        summary: "an API behind Auth0",
        text: """
            # Auth0: name the API as upstream, and issuer: https://YOU.auth0.com/ (the slash is a part of it).
            # For your API's tokens: authorization-parameters: {audience: YOUR-API}; without it they are Auth0's own.
            # Discovery finds the endpoints and how the client authenticates.
            # Not checked against the provider's documentation here: offline_access, which the API must allow.
            session:
              oauth:
                offline-scope: offline_access

            """
    )

    static let keycloak = Profile(
        name: "keycloak",
        summary: "an API behind Keycloak",
        text: """
            # Keycloak: name the API as upstream, and issuer: https://HOST/realms/REALM
            # Discovery finds the endpoints. The refresh token ends with the session there, without offline_access.
            # Not checked against the provider's documentation here.
            session:
              oauth: {}

            """
    )
}
