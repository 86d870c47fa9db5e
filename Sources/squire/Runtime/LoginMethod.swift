import ReverseProxy
import TokenSources

/// The method by which a session gets its first token.
enum LoginMethod: Equatable {
    /// A person provides an access token.
    case token
    /// A person provides a refresh token, which is spent at once.
    case refreshToken
    /// A person provides an access token and its refresh token. No request is sent.
    case pair
    /// The customer signs in at the API, by `session.sign-in`.
    case signIn
    /// At the authorization server, with a browser on this machine.
    case browser
    /// At the authorization server, with a browser on any device.
    case device
    /// `device` if the authorization server supports it, else `browser`.
    case deviceOrBrowser
    /// The source is asked, and needs no person.
    case ask

    /// The method that the options request.
    enum Request: Equatable {
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

    /// What decides besides the options.
    struct Circumstances {
        /// Whether `session.sign-in` is configured.
        var canSignIn: Bool
        /// Whether a browser can be opened on the user's screen.
        var hasBrowser: Bool
        /// Whether a person can be asked.
        var isAtTerminal: Bool
    }

    /// Why there is no method. The texts complete a sentence that begins with "squire: ".
    enum Problem: Error, Equatable {
        /// The requested method does not fit the configuration.
        case usage(String)
        /// The configuration lacks what the method needs.
        case configuration(String)
    }

    init(_ request: Request?, _ source: SessionConfiguration.Source, _ circumstances: Circumstances) throws(Problem) {
        switch source {
        case .unused where request == nil: self = .ask
        case .unused: throw .usage("session: none needs no login")
        case .exec, .tokenFile: self = try .asking(request)
        case .oauth(let oauth) where !oauth.grant.spends: self = try .asking(request)
        case .oauth(let oauth): self = try Self(request, oauth, circumstances)
        case .given: self = try Self(request, nil, circumstances)
        case .recipe(let recipe):
            let first: LoginMethod = recipe.needsPair ? .pair : .refreshToken
            self = try Self(request, recipe.refreshToken == nil ? nil : first, circumstances)
        }
    }

    private static func asking(_ request: Request?) throws(Problem) -> LoginMethod {
        guard let request else { return .ask }
        throw .usage("this source needs no login, and takes no \(request.option): it is asked when a token is needed")
    }

    private init(_ request: Request?, _ oauth: OAuthConfiguration, _ circumstances: Circumstances) throws(Problem) {
        switch request {
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

    /// `spending` is the method for a refresh token; nil if there is none.
    private init(_ request: Request?, _ spending: LoginMethod?, _ circumstances: Circumstances) throws(Problem) {
        switch request {
        case .token?: self = .token
        case .email?:
            guard circumstances.canSignIn else { throw .configuration("no session.sign-in is configured") }
            self = .signIn
        case .refreshToken?, .pair?:
            guard spending != nil else {
                throw .usage("--refresh-token needs session.oauth, or session.refresh.refresh-token")
            }
            self = request == .pair ? .pair : .refreshToken
        case .browser?, .device?:
            throw .usage("--browser and --device need session.oauth, which this configuration does not have")
        case nil:
            guard circumstances.isAtTerminal else {
                // A refresh token alone is spent at once; beside its access token it is kept.
                let refreshing = ["--refresh-token -", "--token - --refresh-token -"]
                let choices =
                    (circumstances.canSignIn ? ["--email ADDRESS"] : [])
                    + (spending == nil ? [] : spending == .pair ? Array(refreshing.dropFirst()) : refreshing)
                    + ["--token -"]
                let last = choices.last ?? ""
                let others = choices.dropLast().joined(separator: ", ")
                throw .usage(others.isEmpty ? "say \(last)" : "say \(others), or \(last)")
            }
            self = spending ?? (circumstances.canSignIn ? .signIn : .token)
        }
    }
}
