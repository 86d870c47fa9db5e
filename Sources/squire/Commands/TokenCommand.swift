import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support

struct TokenCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case raw, header, env, json
    }

    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a token that stays valid for a while; refresh first if necessary.",
        discussion: """
            Never prints a token that is known to be rejected: exits with 77 if a login is needed, with 75 if the \
            rejection may be temporary. If the API's tokens live no longer than --min-ttl, a refreshed one is printed \
            during the first half of its life, because another would last no longer.

            curl -H "$(squire token --format header)" https://…
            eval "$(squire token --format env)"; echo "$SQUIRE_TOKEN"
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(
        name: .long,
        help: ArgumentHelp("How long it must stay valid. (default: \(Self.usualTtl))", valueName: "duration"),
        completion: .list(["30s", "60s", "5m", "1h"])
    )
    var minTtl: String?

    private static let usualTtl = "60s"

    @Option(name: .long, help: "raw, header (the line of session.apply), env (export SQUIRE_TOKEN=…) or json.")
    var format = Format.raw

    func validate() throws {
        guard let minTtl, Quantity.duration(minTtl) == nil else { return }
        let meant = Suggestion.question(Suggestion.duration(minTtl))
        throw ValidationError("--min-ttl must be a duration such as 30s or 5m, not \"\(minTtl)\"\(meant)")
    }

    func run() throws {
        // `validate` has checked it.
        let least = Quantity.duration(minTtl ?? Self.usualTtl) ?? .zero
        let loaded = try options.load()
        if loaded.configuration.session.source == .unused {
            throw ExitFailure.usage("squire: session: none has no token to print")
        }
        let access = try SessionAccess(loaded)
        let token = try usableToken(access, seconds: Int(least.components.seconds))
        let status = access.session.status
        switch format {
        case .raw: Output.line(token.value)
        case .header: Output.line(Self.header(token, access.loaded.configuration.session))
        case .env: Output.line("export SQUIRE_TOKEN=\(CommandLines.singleQuoted(token.value))")
        case .json:
            Output.line(
                JSONValue.object([
                    .init("token", .string(token.value)),
                    .init("expires_at", status.expiresAt.map(JSONValue.integer) ?? .null),
                    .init("header", .string(Self.header(token, access.loaded.configuration.session))),
                ]).serialized()
            )
        }
    }

    /// The field that carries the token, as a line.
    private static func header(_ token: Token, _ session: SessionConfiguration) -> String {
        "\(session.apply.field): \(session.apply.value(token))"
    }

    /// The session's token. Refreshes first if the token was rejected, or expires within `seconds`.
    private func usableToken(_ access: SessionAccess, seconds: Int) throws -> Token {
        let wasStarting = access.session.status.state == .starting
        let token = try access.token()
        // It was obtained just now, and another would not last longer.
        if wasStarting { return token }
        let before = access.session.status
        if before.state == .loginNeeded {
            throw ExitFailure.loginNeeded("squire: \(before.advice ?? "A login is needed.")")
        }
        let isShort = before.expiresIn.map { $0 < max(seconds, 1) } ?? false
        guard isShort || before.isRejected else { return token }
        if !before.isRejected, let left = before.expiresIn, let life = before.freshLife, life <= seconds,
            left > life / 2
        {
            // A refresh brought it recently, and another would not last longer.
            warn(left, seconds)
            return token
        }
        let fresh = try access.refresh(before.isRejected ? .rejected : .expiry)
        let after = access.session.status
        if after.isRejected {
            throw ExitFailure.tryLater(
                "squire: the API refuses the token, and gave the same one again; try again later"
            )
        }
        if let left = after.expiresIn { warn(left, seconds) }
        return fresh
    }

    /// Warns that the token does not live as long as the person asked for. The default lifetime needs no warning.
    private func warn(_ left: Int, _ seconds: Int) {
        guard let minTtl, left < seconds else { return }
        Output.error("squire: the API's tokens live \(left) s only, less than --min-ttl \(minTtl)")
    }
}
