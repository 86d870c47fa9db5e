/// Music, files, sport and shops.
extension Profile {
    static let spotify = Profile(
        name: "spotify",
        summary: "Spotify's Web API",
        text: """
            # Spotify. An answer without a refresh token means that the old one stays. Without a secret (PKCE):
            # client-authentication: none
            # Not checked against the provider's documentation here.
            upstream: https://api.spotify.com
            session:
              oauth:
                authorization-endpoint: https://accounts.spotify.com/authorize
                token-endpoint: https://accounts.spotify.com/api/token
                client-authentication: client-secret-basic

            """
    )

    static let dropbox = Profile(
        name: "dropbox",
        summary: "Dropbox",
        text: """
            # Dropbox. Tokens live for four hours; the refresh token stays. No secret: client-authentication: none
            # Seen: dropbox.tech/developers/using-oauth-2-0-with-offline-access.
            # Not checked against the provider's documentation here: revocation, and how a token is refused.
            upstream: https://api.dropboxapi.com
            session:
              oauth:
                authorization-endpoint: https://www.dropbox.com/oauth2/authorize
                token-endpoint: https://api.dropboxapi.com/oauth2/token
                client-authentication: client-secret-post
                authorization-parameters: {token_access_type: offline}
                revocation: {method: POST, url: https://api.dropboxapi.com/2/auth/token/revoke}
              rejected: [{status: 401, pointer: /error/.tag, equals: [expired_access_token, invalid_access_token]}]

            """
    )

    static let fitbit = Profile(
        name: "fitbit",
        summary: "Fitbit's Web API",
        text: """
            # Fitbit. A refresh token can be used once. 401 also says that a permission is missing: the body tells.
            # Seen: dev.fitbit.com, refreshing tokens and error messages.
            # Not checked against the provider's documentation here: revocation.
            upstream: https://api.fitbit.com
            session:
              oauth:
                authorization-endpoint: https://www.fitbit.com/oauth2/authorize
                token-endpoint: https://api.fitbit.com/oauth2/token
                revocation-endpoint: https://api.fitbit.com/oauth2/revoke
                client-authentication: client-secret-basic
                answer: {error: /errors/0/errorType}
              rejected: [{status: 401, pointer: /errors/0/errorType, equals: [expired_token, invalid_token]}]

            """
    )

    static let strava = Profile(
        name: "strava",
        summary: "Strava",
        text: """
            # Strava. The same access token may come again while it is good, and the refresh token may change any time.
            # Scopes have a comma between them. A missing scope is 401, too: the body tells.
            # Seen: developers.strava.com/docs/authentication. Not checked there: revocation with the applied token.
            upstream: https://www.strava.com
            session:
              oauth:
                authorization-endpoint: https://www.strava.com/oauth/authorize
                token-endpoint: https://www.strava.com/oauth/token
                client-authentication: client-secret-post
                revocation: {method: POST, url: https://www.strava.com/oauth/deauthorize}
                answer: {error: /errors/0/resource}
                final: [RefreshToken]
              rejected: [{status: 401, pointer: /errors/0/code, equals: invalid}]

            """
    )

    static let shopify = Profile(
        name: "shopify",
        summary: "Shopify's Admin API, with tokens that expire",
        text: """
            # Shopify. The shop is the upstream, https://SHOP.myshopify.com, and its are the endpoints:
            # authorization-endpoint: …/admin/oauth/authorize, token-endpoint: …/admin/oauth/access_token
            # Seen: shopify.dev/docs/apps/build/authentication-authorization/access-tokens/offline-access-tokens.
            # Not checked against the provider's documentation here: that token requests may be JSON.
            session:
              oauth:
                client-authentication: client-secret-post
                request: json
                parameters: {expiring: "1"}
              apply: "X-Shopify-Access-Token: {token}"

            """
    )

    static let amazonSellingPartner = Profile(
        name: "amazon-sp-api",
        summary: "Amazon's Selling Partner API, North America",
        text: """
            # Amazon SP-API. Elsewhere: upstream: https://sellingpartnerapi-eu.amazon.com, or -fe. The refresh token is
            # the one of the authorization in Seller Central: squire login --refresh-token -
            # Seen: developer-docs.amazon.com/sp-api, connecting to the Selling Partner API.
            # Not checked against the provider's documentation here: how a token is refused.
            upstream: https://sellingpartnerapi-na.amazon.com
            session:
              oauth:
                token-endpoint: https://api.amazon.com/auth/o2/token
                client-authentication: client-secret-post
              apply: "x-amz-access-token: {token}"
              rejected: [401, {status: 403, pointer: /errors/0/code, equals: Unauthorized}]

            """
    )

    static let ebay = Profile(
        name: "ebay",
        summary: "eBay's REST APIs",
        text: """
            # eBay. Its redirect URI is a name (RuName) that stands for an https address:
            # squire login --refresh-token - takes a refresh token that was got another way. It stays.
            # Seen: developer.ebay.com/api-docs/static/oauth-refresh-token-request.html.
            upstream: https://api.ebay.com
            session:
              oauth:
                authorization-endpoint: https://auth.ebay.com/oauth2/authorize
                token-endpoint: https://api.ebay.com/identity/v1/oauth2/token
                client-authentication: client-secret-basic

            """
    )
}
