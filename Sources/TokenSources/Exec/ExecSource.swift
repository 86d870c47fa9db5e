public import Credentials
import Platform
import Support
import Threads

/// A token source that runs a command. It mints tokens: getting one spends nothing.
///
/// *Threading*: call `get` on one thread at a time.
public final class ExecSource: TokenSource {
    /// Whether the command can ask a person.
    public enum Company: Sendable {
        case nobody
        /// A person at the terminal.
        case person
    }

    private let configuration: ExecConfiguration
    private let runner: CommandRunner
    private let input: CommandRunner.Input
    private let interval: Duration
    private let secrets: [String]
    private let clock: any CredentialClock
    private let remark: @Sendable (String) -> Void
    /// The last run that returned the held token.
    private let repeated = Guarded<Repetition?>(nil)

    private struct Repetition {
        var token: Token
        /// On `CredentialClock.elapsed()`.
        var at: Int64
        /// Seconds since 1970, if the output says so.
        var expiresAt: Int?

        /// Whether the token has ended, so that the command may have another.
        func isOver(wall: Int) -> Bool { (expiresAt ?? token.claims?.expiresAt).map { $0 <= wall } ?? false }
    }

    /// The command runs at most once in this time while it returns the same token, and that has not ended.
    public static let standardInterval = Duration.seconds(10)

    /// `upstream` is its URL, which some helpers need; `environment` is this process's. `secrets` are the configuration's:
    /// no words of a command that are shown hold them. `remark` is called with a
    /// sentence if a command provided a token but also complained.
    public init(
        _ configuration: ExecConfiguration,
        upstream: String,
        environment: [String: String],
        company: Company = .nobody,
        secrets: [String] = [],
        interval: Duration = ExecSource.standardInterval,
        clock: any CredentialClock = SystemClock(),
        remark: @escaping @Sendable (String) -> Void = { _ in }
    ) {
        self.configuration = configuration
        self.interval = interval
        self.secrets = configuration.variables.compactMap(\.value.text) + secrets
        self.clock = clock
        self.remark = remark
        let talk = ExecTalk(configuration, upstream: upstream, company: company)
        input = talk.input
        runner = CommandRunner(
            arguments: talk.arguments,
            directory: configuration.directory,
            environment: talk.environment(environment),
            // A person may have to log in first.
            timeout: company == .person ? max(configuration.timeout, .seconds(300)) : configuration.timeout
        )
    }

    public var spends: Bool { false }

    public func get(_ held: HeldTokens) -> TokenOutcome {
        if let outcome = recent(held) { return outcome }
        return outcome(of: runner.run(input), held)
    }

    /// The outcome of a recent run that returned the same token, which has not ended since; nil if there is none.
    private func recent(_ held: HeldTokens) -> TokenOutcome? {
        guard let last = repeated.with({ $0 }), last.token == held.accessToken,
            clock.elapsed().subtracting(saturating: last.at) < interval.wholeNanoseconds,
            !last.isOver(wall: clock.wall())
        else { return nil }
        return .unchanged(expiresIn: last.expiresAt?.subtracting(saturating: clock.wall()))
    }

    private func outcome(of end: CommandEnd, _ held: HeldTokens) -> TokenOutcome {
        func quoted(_ complaint: String, _ others: [String] = []) -> String {
            let held = [held.accessToken?.value].compactMap(\.self)
            return Complaint.text(complaint, hiding: secrets + held + others)
        }
        func story(_ text: String) -> String { "the command \(configuration.name) \(text)" }
        switch end {
        case .failed(let failure):
            let reason = story(failure.text { quoted($0) })
            guard failure.mayPass else { return .misconfigured(reason: reason) }
            // Nothing of its output is for clients.
            let told = story(failure.text { _ in nil }) + "; Squire's log says more"
            return .unavailable(reason: reason, isTimeout: failure.isTimeout, told: told)
        case .printed(let output, let complaint):
            do throws(ExecFormat.Problem) {
                let found = try configuration.format.find(in: output, configuration.places, wall: clock.wall())
                if let complaint { remark(story("says: \(quoted(complaint, [found.token.value]))")) }
                return taken(found, held)
            } catch {
                let said = complaint.map { ". It says: \(quoted($0))" } ?? ""
                return .misconfigured(reason: story(error.text) + said)
            }
        }
    }

    private func taken(_ found: ExecFormat.Found, _ held: HeldTokens) -> TokenOutcome {
        guard found.token == held.accessToken else {
            repeated.with { $0 = nil }
            return .obtained(TokenSet(accessToken: found.token, expiresIn: found.expiresIn))
        }
        // This is normal: helpers return a cached token until shortly before it expires.
        let expiresAt = found.expiresIn.map { clock.wall().adding(saturating: $0) }
        repeated.with { $0 = Repetition(token: found.token, at: clock.elapsed(), expiresAt: expiresAt) }
        return .unchanged(expiresIn: found.expiresIn)
    }
}

/// The arguments, the environment and the standard input of a command.
struct ExecTalk {
    private enum Language {
        case none, git, docker
    }

    private let configuration: ExecConfiguration
    private let upstream: String
    private let company: ExecSource.Company
    private let language: Language

    init(_ configuration: ExecConfiguration, upstream: String, company: ExecSource.Company) {
        self.configuration = configuration
        self.upstream = upstream
        self.company = company
        language =
            switch configuration.format {
            case .docker: .docker
            case .git: .git
            case .auto: Self.language(configuration.command)
            case .raw, .kubernetes, .json: .none
            }
    }

    /// Recognises helpers by the names that their protocols require.
    private static func language(_ command: [String]) -> Language {
        let name = command.first.flatMap { $0.split(separator: "/").last } ?? ""
        if name.hasPrefix("docker-credential-") { return .docker }
        return name.hasPrefix("git-credential-") || name == "git" && command.dropFirst().first == "credential"
            ? .git : .none
    }

    /// A docker credential helper expects `get`.
    var arguments: [String] {
        let command = configuration.command
        return language == .docker && command.last != "get" ? command + ["get"] : command
    }

    var input: CommandRunner.Input {
        switch language {
        case .docker: return .bytes(Array("\(upstream)\n".utf8))
        case .git:
            let scheme = upstream.prefix { $0 != ":" }
            let host = upstream.dropFirst(scheme.count + 3).prefix { $0 != "/" }
            return .bytes(Array("protocol=\(scheme)\nhost=\(host)\n\n".utf8))
        case .none:
            switch company {
            case .nobody: return .nothing
            case .person: return .terminal
            }
        }
    }

    /// `base` is this process's.
    func environment(_ base: [String: String]) -> [String: String] {
        var result = base
        // These concern this process only.
        for name in ["NOTIFY_SOCKET", "LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES"] { result[name] = nil }
        let isInteractive =
            switch company {
            case .nobody: false
            case .person: isatty(STDIN_FILENO) == 1
            }
        result["KUBERNETES_EXEC_INFO"] =
            JSONValue.object([
                .init("apiVersion", .string("client.authentication.k8s.io/v1")),
                .init("kind", .string("ExecCredential")),
                .init("spec", .object([.init("interactive", .bool(isInteractive))])),
            ]).serialized()
        // git would ask at a terminal that it does not have.
        if !isInteractive { result["GIT_TERMINAL_PROMPT"] = result["GIT_TERMINAL_PROMPT"] ?? "0" }
        for variable in configuration.variables { result[variable.name] = variable.value.text }
        return result
    }
}
