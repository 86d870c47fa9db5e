import ReverseProxy
import TokenSources

/// How a first token comes into a session.
enum LoginWay: Equatable {
    /// A person gives an access token.
    case token
    /// A person gives a refresh token, which is spent for the first tokens at once.
    case refreshToken
    /// A person gives an access token and the refresh token that belongs to it. Nobody is asked.
    case pair
    /// The customer signs in at the API, by `session.sign-in`.
    case signIn
    /// At the authorization server, with a browser on this machine.
    case browser
    /// The same with a browser anywhere.
    case device
    /// One of these two: the device's, if the authorization server has that.
    case deviceOrBrowser
    /// Nobody is needed: the source is asked.
    case ask

    /// What the options ask for.
    enum Wish: Equatable {
        case token, refreshToken, pair, email, browser, device

        var option: String {
            switch self {
            case .token: "--token"
            case .refreshToken, .pair: "--refresh-token"
            case .email: "--email"
            case .browser: "--browser"
            case .device: "--device"
            }
        }
    }

    /// What decides beside the options.
    struct Circumstances {
        /// `session.sign-in` is configured.
        var canSignIn: Bool
        /// A browser can be opened where the person sits.
        var hasBrowser: Bool
        /// Somebody can be asked.
        var isAtTerminal: Bool
    }

    /// Why there is no way. Ends a sentence that begins with "squire: ".
    enum Problem: Error, Equatable {
        /// What was asked for does not go with the configuration.
        case usage(String)
        /// The configuration lacks what it needs.
        case configuration(String)
    }

    init(_ wish: Wish?, _ source: SessionConfiguration.Source, _ circumstances: Circumstances) throws(Problem) {
        switch source {
        case .unused: throw .usage("session: none needs no login")
        case .exec, .tokenFile: self = try .asking(wish)
        case .oauth(let oauth) where !oauth.grant.spends: self = try .asking(wish)
        case .oauth(let oauth): self = try Self(wish, oauth, circumstances)
        case .given: self = try Self(wish, nil, circumstances)
        case .recipe(let recipe):
            let first: LoginWay = recipe.needsPair ? .pair : .refreshToken
            self = try Self(wish, recipe.refreshToken == nil ? nil : first, circumstances)
        }
    }

    private static func asking(_ wish: Wish?) throws(Problem) -> LoginWay {
        guard let wish else { return .ask }
        throw .usage("this source needs no login, and takes no \(wish.option): it is asked when a token is needed")
    }

    private init(_ wish: Wish?, _ oauth: OAuthConfiguration, _ circumstances: Circumstances) throws(Problem) {
        switch wish {
        case .token?: self = .token
        case .refreshToken?: self = .refreshToken
        case .pair?: self = .pair
        case .email?: throw .usage("--email signs in at an API without session.oauth; say --browser or --device")
        case .browser?: self = .browser
        case .device?: self = .device
        case nil:
            let knowsBrowser = oauth.authorizationEndpoint != nil || oauth.issuer != nil
            switch oauth.grant {
            case .deviceCode: self = .device
            case _ where knowsBrowser && circumstances.hasBrowser: self = .browser
            default: self = .deviceOrBrowser
            }
        }
    }

    /// `spending` is how a refresh token comes in; nil where there is none.
    private init(_ wish: Wish?, _ spending: LoginWay?, _ circumstances: Circumstances) throws(Problem) {
        switch wish {
        case .token?: self = .token
        case .email?:
            guard circumstances.canSignIn else { throw .configuration("no session.sign-in is configured") }
            self = .signIn
        case .refreshToken?, .pair?:
            guard spending != nil else {
                throw .usage("--refresh-token needs session.oauth, or session.refresh.refresh-token")
            }
            self = wish == .pair ? .pair : .refreshToken
        case .browser?, .device?:
            throw .usage("--browser and --device need session.oauth, which this configuration does not have")
        case nil:
            guard circumstances.isAtTerminal else {
                // A refresh token alone is spent at once; beside its access token it is kept.
                let refreshing = ["--refresh-token -", "--token - --refresh-token -"]
                let choices =
                    (spending == nil ? [] : spending == .pair ? Array(refreshing.dropFirst()) : refreshing)
                    + ["--token -"] + (circumstances.canSignIn ? ["--email ADDRESS"] : [])
                throw .usage("say \(choices.count > 1 ? "either " : "")\(choices.joined(separator: " or "))")
            }
            self = spending ?? (circumstances.canSignIn ? .signIn : .token)
        }
    }
}
