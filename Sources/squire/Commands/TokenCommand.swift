import ArgumentParser
import Credentials
import Settings
import Support

struct TokenCommand: ParsableCommand {
    enum Format: String, ExpressibleByArgument, CaseIterable {
        case raw, header, env, json
    }

    static let configuration = CommandConfiguration(
        commandName: "token",
        abstract: "Print a token that stays valid for a while, refreshing first if it must.",
        discussion: """
            curl -H "$(squire token --format header)" https://…
            eval "$(squire token --format env)"; echo "$SQUIRE_TOKEN"
            """
    )

    @OptionGroup var options: ConfigOption

    @Option(name: .long, help: ArgumentHelp("How long it must stay valid.", valueName: "duration"))
    var minTtl = "60s"

    @Option(name: .long, help: "raw, header (Authorization: …), env (export SQUIRE_TOKEN=…) or json.")
    var format = Format.raw

    func run() throws {
        guard let least = Quantity.duration(minTtl) else {
            throw ValidationError("--min-ttl must be a duration such as 30s or 5m, not \"\(minTtl)\"")
        }
        let session = try SessionAccess(try options.load())
        var token = try session.token()
        let seconds = Int(least.components.seconds)
        if let left = session.cache.status.expiresIn, left < max(seconds, 1) {
            token = try session.refresh(.expiry)
            if let fresh = session.cache.status.expiresIn, fresh < seconds {
                Output.error("squire: the API's tokens live \(fresh) s only, less than --min-ttl \(minTtl)")
            }
        }
        let status = session.cache.status
        switch format {
        case .raw: Output.line(token.value)
        case .header: Output.line("Authorization: Bearer \(token.value)")
        case .env: Output.line("export SQUIRE_TOKEN='\(token.value)'")
        case .json:
            let number = { (value: Int?) in value.map(JSONValue.integer) ?? .null }
            Output.line(
                JSONValue.object([
                    .init("token", .string(token.value)), .init("token_type", .string("Bearer")),
                    .init("expires_at", number(status.expiresAt)), .init("expires_in", number(status.expiresIn)),
                ]).serialized()
            )
        }
    }
}
