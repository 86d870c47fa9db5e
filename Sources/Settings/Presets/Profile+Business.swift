/// Customers and books.
extension Profile {
    static let salesforce = Profile(
        name: "salesforce",
        summary: "Salesforce, with the login of production",
        text: """
            # Salesforce. Your instance is the upstream: https://YOU.my.salesforce.com
            # A sandbox logs in elsewhere: issuer: https://test.salesforce.com
            # An answer says nothing about the token's end: it is refreshed when the API refuses it, with a JSON list.
            # The scope needs refresh_token, or no refresh token comes.
            # Seen: the endpoints of help.salesforce.com as pages repeat them, nango.dev for the refusal.
            session:
              oauth:
                authorization-endpoint: https://login.salesforce.com/services/oauth2/authorize
                token-endpoint: https://login.salesforce.com/services/oauth2/token
                revocation-endpoint: https://login.salesforce.com/services/oauth2/revoke
                client-authentication: client-secret-post
              rejected: [{status: 401, pointer: /0/errorCode, equals: INVALID_SESSION_ID}]

            """
    )

    static let hubspot = Profile(
        name: "hubspot",
        summary: "HubSpot's CRM API",
        text: """
            # HubSpot. Tokens live for 30 minutes, and the refresh token stays.
            # Seen: developers.hubspot.com/docs/api-reference/auth-oauth-v3/guide (v1 ends in February 2027).
            # Not checked against the provider's documentation here: how v3 says that the refresh token is over.
            upstream: https://api.hubapi.com
            session:
              oauth:
                authorization-endpoint: https://app.hubspot.com/oauth/authorize
                token-endpoint: https://api.hubapi.com/oauth/v3/token
                client-authentication: client-secret-post
                answer: {error: /status}
                final: [BAD_REFRESH_TOKEN]

            """
    )

    static let quickbooks = Profile(
        name: "quickbooks",
        summary: "QuickBooks Online",
        text: """
            # QuickBooks Online. In production a redirect URI must be https: squire login --refresh-token -
            # takes the refresh token of Intuit's OAuth playground. It changes about daily, and lives for 100 days.
            # Seen: developer.intuit.com/.well-known/openid-sandbox-configuration.
            upstream: https://quickbooks.api.intuit.com
            session:
              oauth:
                authorization-endpoint: https://appcenter.intuit.com/connect/oauth2
                token-endpoint: https://oauth.platform.intuit.com/oauth2/v1/tokens/bearer
                revocation-endpoint: https://developer.api.intuit.com/v2/oauth2/tokens/revoke
                client-authentication: client-secret-basic

            """
    )

    static let xero = Profile(
        name: "xero",
        summary: "Xero's accounting API",
        text: """
            # Xero. Requests name the organisation: headers: {xero-tenant-id: ID}
            # A public client: client-authentication: none
            # Refresh tokens rotate, with some minutes of grace, and end after 60 days.
            # Seen: pages that repeat the endpoints. Not checked against the provider's documentation here: revocation.
            upstream: https://api.xero.com
            session:
              oauth:
                authorization-endpoint: https://login.xero.com/identity/connect/authorize
                token-endpoint: https://identity.xero.com/connect/token
                revocation-endpoint: https://identity.xero.com/connect/revocation
                client-authentication: client-secret-basic
                offline-scope: offline_access

            """
    )

    static let zoho = Profile(
        name: "zoho",
        summary: "Zoho's APIs, data centre of the United States",
        text: """
            # Zoho. Elsewhere upstream and endpoints end in .eu, .in, .com.au or .jp. At most 10 tokens in 10 minutes.
            # The scheme is not Bearer; errors of the token endpoint come with status 200.
            # Seen: zoho.com, refreshing access tokens and authentication.
            upstream: https://www.zohoapis.com
            session:
              oauth:
                authorization-endpoint: https://accounts.zoho.com/oauth/v2/auth
                token-endpoint: https://accounts.zoho.com/oauth/v2/token
                revocation-endpoint: https://accounts.zoho.com/oauth/v2/token/revoke
                client-authentication: client-secret-post
                authorization-parameters: {access_type: offline, prompt: consent}
              apply: "Authorization: Zoho-oauthtoken {token}"

            """
    )
}
