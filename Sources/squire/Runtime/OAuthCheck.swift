import Credentials
import Diagnosis
import ReverseProxy
import Settings
import TokenSources

/// Examines the authorization server without spending anything.
struct OAuthCheck {
    private let source: OAuthSource

    /// Nil if the tokens have another source.
    init?(_ loaded: LoadedConfiguration) {
        guard case .oauth(let oauth) = loaded.configuration.session.source else { return nil }
        source = OAuthSource(ConfiguredSource.tokenEndpoint(oauth, loaded))
    }

    /// The verdicts on its metadata, its token endpoint and its clock, and on a client that needs no person, whether
    /// the server knows it. Blocks.
    func lines() -> [CheckLine] {
        do throws(EndpointFailure) {
            let (url, status) = try source.endpoint.look()
            let answers = "\(url) answers (status \(status) to GET)"
            var lines = [
                status == 404
                    ? CheckLine.warn("token endpoint", "\(answers): is session.oauth.token-endpoint right?")
                    : CheckLine.ok("token endpoint", answers)
            ]
            if let skew = source.endpoint.clockSkew, abs(skew) >= Self.tolerance {
                let words = "\(Quantity.words(seconds: abs(skew))) \(skew > 0 ? "behind" : "ahead of")"
                lines.append(.warn("clock", "this machine's is \(words) the authorization server's"))
            }
            switch source.endpoint.configuration.grant {
            case .clientCredentials, .accountCredentials: lines.append(client)
            case .authorizationCode, .deviceCode, .jwtBearer, .tokenExchange: break
            }
            return lines
        } catch {
            return [line(error)]
        }
    }

    /// The tolerated difference of two clocks, in seconds.
    private static let tolerance = 30

    /// Asks for a token, which is discarded.
    private var client: CheckLine {
        switch source.get(HeldTokens()) {
        case .obtained, .unchanged: .ok("client", "the authorization server knows it, and gives it a token")
        case .misconfigured(let reason, _): CheckLine(.fail(.misconfigured), "client", reason)
        case .unreachable(let reason, _): CheckLine(.fail(.unreachable), "client", reason)
        case .refused(let reason, _), .unavailable(let reason, _, _, _, _, _), .lost(let reason, _, _):
            .warn("client", "\(reason): try again later")
        }
    }

    private func line(_ failure: EndpointFailure) -> CheckLine {
        switch failure {
        case .misconfigured(let reason): CheckLine(.fail(.misconfigured), "token endpoint", reason)
        case .unavailable(let reason, _, _): .warn("token endpoint", "\(reason): try again later")
        case .unreachable(let reason, _): CheckLine(.fail(.unreachable), "token endpoint", reason)
        }
    }
}
