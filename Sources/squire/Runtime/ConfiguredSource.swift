import Credentials
import ReverseProxy
import Settings
import TokenSources

/// Makes the token source that a configuration describes.
enum ConfiguredSource {
    /// Nil if only a person provides tokens. `company` says whom a command may ask; `observe` receives each request,
    /// and `remark` what a command prints.
    static func make(
        _ loaded: LoadedConfiguration,
        company: ExecSource.Company = .nobody,
        observe: @escaping SessionRequests.Observer = { _ in },
        remark: @escaping @Sendable (String) -> Void = { _ in }
    ) -> (any TokenSource)? {
        switch loaded.configuration.session.source {
        case .given, .unused: nil
        case .recipe: RecipeSource(loaded.configuration, observe: observe)
        case .oauth(let oauth): OAuthSource(tokenEndpoint(oauth, loaded, observe: observe))
        case .exec(let exec):
            ExecSource(
                exec,
                upstream: loaded.configuration.upstreamURL,
                environment: Environment.all,
                company: company,
                secrets: loaded.configuration.secretTexts,
                interval: TestTimes.execInterval,
                remark: remark
            )
        case .tokenFile(let file):
            TokenFileSource(file, margin: loaded.configuration.session.margin, times: TestTimes.tokenFile)
        }
    }

    /// The client of the configured authorization server.
    static func tokenEndpoint(
        _ oauth: OAuthConfiguration,
        _ loaded: LoadedConfiguration,
        observe: @escaping SessionRequests.Observer = { _ in }
    ) -> TokenEndpoint {
        let services = OAuthServices(
            connection: loaded.configuration.upstreamSettings,
            apply: loaded.configuration.session.apply,
            readSecret: { [reader = loaded.secretReader] in reader.read($0) },
            secrets: loaded.configuration.secretTexts,
            observe: { observe(SessionRequestRecord($0)) }
        )
        return TokenEndpoint(oauth, services)
    }
}

extension ProxyConfiguration {
    /// The configured secrets for those who quote what others wrote.
    fileprivate var secretTexts: [String] { secrets.map { String(decoding: $0, as: UTF8.self) } }
}

extension SessionConfiguration {
    /// When this process refreshes a shared token, relative to the other machines; different in each process.
    private static let placeInFleet = Double.random(in: 0...1)

    /// The durations and counts that govern refreshing.
    var policy: RefreshPolicy {
        RefreshPolicy(
            margin: margin,
            trialInterval: TestTimes.trialInterval,
            retriesLost: retriesLost,
            keepAlive: keepAlive,
            fleet: shared.map { .init(takeover: $0.takeover, place: Self.placeInFleet) }
        )
    }
}

extension SessionConfiguration.Source {
    /// Whether only the running proxy knows its tokens: a source that can always be asked keeps at most a cache.
    var isBestAskedOfARunningProxy: Bool { startsAlone || self == .unused }
}

extension LoadedConfiguration {
    /// The session file; nil if the session is not kept.
    var keptFile: SessionFile? { configuration.session.source.isKept ? SessionFile(path: sessionFile) : nil }
}
