import ArgumentParser
import EventIO
import Platform
import Playground
import ReverseProxy
import Settings

/// The options of the simulated API.
struct PlaygroundSwitches: ParsableArguments {
    @Option(
        name: .long,
        help: ArgumentHelp("How long a token lives. (default: 60m; in the demo 60s)", valueName: "duration")
    )
    var tokenTtl: String?

    @Option(
        name: .long,
        help: ArgumentHelp("How long after the login a token can be refreshed.", valueName: "duration")
    )
    var refreshWindow = "30d"

    @Option(
        name: .long,
        help: ArgumentHelp(
            "Whether a refreshed token keeps the login's iat, as the real API's does.",
            valueName: "true|false"
        ),
        completion: .list(["true", "false"])
    )
    var keepIat = "true"

    @Option(name: .long, help: ArgumentHelp("How long the old token works after a refresh.", valueName: "duration"))
    var grace = "0s"

    @Option(name: .long, help: ArgumentHelp("How long every response takes.", valueName: "duration"))
    var latency = "0ms"

    @Option(
        name: .long,
        help: ArgumentHelp("The first N refreshes succeed, but their responses are lost.", valueName: "n")
    )
    var loseRefreshReplies = 0

    @Option(name: .long, help: ArgumentHelp("Refreshes fail with this status.", valueName: "code"))
    var refreshStatus: Int?

    @Option(
        name: .long,
        parsing: .unconditional,  // a negative number is not an option
        help: ArgumentHelp("How far the API's clock is ahead; negative if it is behind.", valueName: "seconds")
    )
    var skew = 0

    func validate() throws {
        _ = try options(defaultTTL: .seconds(60))
    }

    func options(defaultTTL: Duration) throws -> PlaygroundOptions {
        let duration = { (text: String, name: String) throws -> Duration in
            guard let value = Quantity.duration(text) else {
                throw ValidationError("\(name) must be a duration such as 500ms, 30s, 24m, 2h or 30d, not \"\(text)\"")
            }
            return value
        }
        var options = PlaygroundOptions()
        options.tokenTTL = try tokenTtl.map { try duration($0, "--token-ttl") } ?? defaultTTL
        guard options.tokenTTL >= .seconds(1) else { throw ValidationError("--token-ttl must be at least 1s") }
        options.refreshWindow = try duration(refreshWindow, "--refresh-window")
        options.grace = try duration(grace, "--grace")
        options.latency = try duration(latency, "--latency")
        guard let keeps = ["true": true, "false": false][keepIat] else {
            throw ValidationError("--keep-iat must be true or false, not \"\(keepIat)\"")
        }
        options.keepsIssuedAt = keeps
        guard loseRefreshReplies >= 0 else { throw ValidationError("--lose-refresh-replies must not be negative") }
        options.loseRefreshReplies = loseRefreshReplies
        if let refreshStatus, !(400...599).contains(refreshStatus) {
            throw ValidationError("--refresh-status must be from 400 to 599")
        }
        options.refreshStatus = refreshStatus
        let maximumSkew = Int(Quantity.maximumDuration.components.seconds)
        guard (-maximumSkew...maximumSkew).contains(skew) else {
            throw ValidationError("--skew must be from -\(maximumSkew) to \(maximumSkew)")
        }
        options.skew = skew
        return options
    }
}

struct PlaygroundCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "playground",
        abstract: "Run only the simulated MENU API, for tests and demos.",
        discussion: """
            It has one customer: john.doe@example.com, code 1234, password playground. Besides the API's own paths \
            there are helpers: POST /playground/revoke (rejects the current token from now on; with ?final=true its \
            refresh is refused, too), POST /playground/expire, GET /playground/log, ANY /playground/echo, GET \
            /playground/bytes/N, GET /playground/stream/N, POST /playground/sink.
            """
    )

    @Option(name: .long, help: ArgumentHelp("HOST:PORT (port 0 picks a free one) or unix:PATH.", valueName: "addr"))
    var listen = "127.0.0.1:8090"

    @OptionGroup var switches: PlaygroundSwitches

    private var address: ListenAddress? { ListenAddress(listen, expanding: Environment.all) }

    func validate() throws {
        guard address == nil else { return }
        throw ValidationError("--listen \(ListenAddress.problem(listen) ?? "")")
    }

    func run() throws {
        let options = try switches.options(defaultTTL: .seconds(3600))
        // `validate` has checked it.
        guard let address else { return }
        let service = try PlaygroundService(address, options: options)
        let foreground = try Foreground(timeout: .seconds(1), hangUp: .ends) { _, completion in completion() }
        defer { service.stop() }
        // Nobody would know the address.
        if let problem = Output.announce(["playground \(service.url)"]) {
            throw ExitFailure.inputOutput("squire: \(problem.description)")
        }
        foreground.run()
    }
}
