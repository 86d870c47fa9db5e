import Credentials
import Threads
import Upstream

@testable import TokenSources

/// Answers requests from a list, by the end of their URL, and keeps what was asked.
final class FakeServer: Sendable {
    struct Asked: Sendable {
        var method: String
        var url: String
        var fields: [String: String]
        var body: String
        var settings: UpstreamSettings

        /// The value of a form's part, as it is written.
        subscript(name: String) -> String? {
            body.split(separator: "&").first { $0.hasPrefix("\(name)=") }.map { String($0.dropFirst(name.count + 1)) }
        }
    }

    enum Answer: Sendable {
        case response(Int, String, [String: String])
        case notSent, noResponse

        static func json(_ body: String, _ fields: [String: String] = [:]) -> Answer { .response(200, body, fields) }
        static func status(_ status: Int, _ body: String = "", _ fields: [String: String] = [:]) -> Answer {
            .response(status, body, fields)
        }
    }

    private struct State: Sendable {
        var asked: [Asked] = []
        var answers: [String: [Answer]] = [:]
    }

    private let state = Guarded(State())
    let clock = FakeClock()
    let secrets = Guarded<[String: String]>(["SECRET": "s3cret:/+ä"])
    let reads = Guarded(0)

    /// Answers to what ends with each key, one after another; the last one stays.
    init(_ answers: [String: [Answer]]) {
        state.with { $0.answers = answers }
    }

    var asked: [Asked] { state.with { $0.asked } }

    func endpoint(_ change: (inout OAuthConfiguration) -> Void) -> TokenEndpoint {
        var configuration = OAuthConfiguration()
        configuration.tokenEndpoint = try? EndpointURL("https://login.example.com/token")
        configuration.clientID = "svc"
        change(&configuration)
        let connection = UpstreamSettings(
            origin: "https://api.example.com",
            proxy: .url("http://proxy:3128"),
            authorities: "ca.pem",
            certificate: "upstream.pem",
            key: "upstream.key"
        )
        return TokenEndpoint(configuration, services(connection))
    }

    private func services(_ connection: UpstreamSettings) -> OAuthServices {
        OAuthServices(
            connection: connection,
            apply: CredentialApplication(field: "X-Token", prefix: "T ", suffix: ""),
            readSecret: { [self] reference in
                reads.with { $0 += 1 }
                switch reference {
                case .plain(let text): return .success(text)
                case .environment(let name), .file(let name):
                    guard let text = secrets.with({ $0[name] }) else { return .failure(.configuration("is not there")) }
                    return .success(text)
                case .command(let command):
                    return .success("\(secrets.with { $0[command[0]] } ?? "")\(reads.with { $0 })")
                }
            },
            clock: clock,
            send: { [self] in answer($0, $1) }
        )
    }

    private func answer(_ request: BlockingRequest, _ settings: UpstreamSettings) -> BlockingRequest.Outcome {
        let asked = Asked(
            method: request.method,
            url: request.url,
            fields: Dictionary(request.fields.map { ($0.name, $0.value) }) { "\($0), \($1)" },
            body: String(decoding: request.body ?? [], as: UTF8.self),
            settings: settings
        )
        let answer = state.with { state -> Answer in
            state.asked.append(asked)
            guard let key = state.answers.keys.filter(request.url.hasSuffix).max(by: { $0.count < $1.count }) else {
                return .status(404)
            }
            guard let answers = state.answers[key], let first = answers.first else { return .status(404) }
            if answers.count > 1 { state.answers[key]?.removeFirst() }
            return first
        }
        switch answer {
        case .notSent: return .failure(.notSent(UpstreamError(kind: .unreachable, detail: "Refused")))
        case .noResponse: return .failure(.noResponse(UpstreamError(kind: .timeout, detail: "Timed out")))
        case .response(let status, let body, let fields):
            let fields = fields.map { (name: $0.key, value: $0.value) }
            return .success(.init(status: status, fields: fields, body: Array(body.utf8)))
        }
    }
}

final class FakeClock: CredentialClock {
    private let state = Guarded((elapsed: Int64(0), wall: 1_795_514_400))

    func elapsed() -> Int64 { state.with { $0.elapsed } }
    func wall() -> Int { state.with { $0.wall } }

    func advance(_ seconds: Int) {
        state.with {
            $0.elapsed += Int64(seconds) * 1_000_000_000
            $0.wall += seconds
        }
    }
}

extension TokenOutcome {
    var accessToken: String? {
        if case .obtained(let tokens, _) = self { tokens.accessToken.value } else { nil }
    }

    /// The case's name.
    var word: String {
        switch self {
        case .obtained: "obtained"
        case .unchanged: "unchanged"
        case .refused: "refused"
        case .misconfigured: "misconfigured"
        case .unavailable: "unavailable"
        case .unreachable: "unreachable"
        case .lost: "lost"
        }
    }

    var reason: String {
        switch self {
        case .obtained, .unchanged: ""
        case .refused(let reason, _), .misconfigured(let reason, _), .unavailable(let reason, _, _, _, _, _),
            .unreachable(let reason, _), .lost(let reason, _, _):
            reason
        }
    }
}
