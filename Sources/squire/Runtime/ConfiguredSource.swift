import Credentials
import ReverseProxy
import Settings
import TokenSources

/// The source of each configuration's tokens.
enum ConfiguredSource {
    /// Nil if nothing but a person brings tokens. `observe` hears of each request.
    static func make(
        _ loaded: LoadedConfiguration,
        observe: @escaping SessionRequests.Observer = { _ in }
    ) -> (any TokenSource)? {
        switch loaded.configuration.session.source {
        case .given, .unused: nil
        case .recipe: RecipeSource(loaded.configuration, observe: observe)
        case .oauth(let oauth): OAuthSource(tokenEndpoint(oauth, loaded, observe: observe))
        case .exec, .tokenFile: nil
        }
    }

    /// The authorization server of a configuration.
    static func tokenEndpoint(
        _ oauth: OAuthConfiguration,
        _ loaded: LoadedConfiguration,
        observe: @escaping SessionRequests.Observer = { _ in }
    ) -> TokenEndpoint {
        let services = OAuthServices(
            connection: loaded.configuration.upstreamSettings,
            apply: loaded.configuration.session.apply,
            readSecret: loaded.secretReader.read,
            observe: { observe(SessionRequestRecord($0)) }
        )
        return TokenEndpoint(oauth, services)
    }
}

extension SessionConfiguration {
    /// The numbers of refreshing.
    var policy: RefreshPolicy {
        RefreshPolicy(
            margin: margin,
            trialInterval: TestTimes.trialInterval,
            retriesLost: retriesLost,
            keepAlive: keepAlive
        )
    }
}

extension SessionConfiguration.Source {
    /// Its tokens are kept in a file. What a command or a file gives at any time is not.
    var isKept: Bool {
        switch self {
        case .given, .recipe, .oauth: true
        case .unused, .exec, .tokenFile: false
        }
    }
}

extension LoadedConfiguration {
    /// The session file; nil if the session is not kept.
    var keptFile: SessionFile? { configuration.session.source.isKept ? SessionFile(path: sessionFile) : nil }
}
