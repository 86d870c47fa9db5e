import Credentials
import ReverseProxy
import Settings

/// The source of each configuration's tokens.
enum ConfiguredSource {
    /// Nil if nothing but a person brings tokens. `observe` hears of each request.
    static func make(
        _ configuration: ProxyConfiguration,
        observe: @escaping SessionRequests.Observer = { _ in }
    ) -> (any TokenSource)? {
        switch configuration.session.source {
        case .given, .unused: nil
        case .recipe: RecipeSource(configuration, observe: observe)
        case .oauth, .exec, .tokenFile: nil
        }
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
