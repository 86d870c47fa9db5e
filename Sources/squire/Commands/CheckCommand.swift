import ArgumentParser
import Credentials
import HTTP1
import ReverseProxy
import Settings
import Upstream

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate the configuration; with --online also the way to the API.",
        discussion:
            "--online tests, in order, DNS, connection, TLS, clock, API and session; each line says what to do next."
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Also contact the API. The token is not sent.")
    var online = false

    func run() throws {
        let loaded = try options.load(online ? .act : .look)
        Output.line("ok    configuration  \(loaded.path ?? "(options)")")
        guard online else { return }
        try checkWay(loaded.configuration)
        try checkSession(loaded)
    }

    private func checkWay(_ configuration: ProxyConfiguration) throws {
        let started = SystemClock().wall()
        let request = BlockingRequest(
            method: "GET",
            url: configuration.upstream.description + "/",
            fields: [("Accept", "application/json")],
            timeout: configuration.timeouts.connect + .seconds(10)
        )
        let response: BlockingRequest.Response
        do throws(BlockingRequest.Failure) {
            response = try request.perform(configuration.upstreamSettings)
        } catch {
            throw Self.explain(error, configuration)
        }
        let milliseconds = { (seconds: Double) in "\(Int(seconds * 1000)) ms" }
        Output.line("ok    DNS            \(milliseconds(response.timing.resolved))")
        Output.line("ok    connection     \(milliseconds(response.timing.connected))")
        if configuration.upstream.isSecure {
            Output.line("ok    TLS            \(milliseconds(response.timing.secured))")
        } else {
            Output.line("--    TLS            not used: \(configuration.upstream)")
        }
        if let date = response["Date"].flatMap(HTTPDate.seconds) {
            let skew = date - started
            if abs(skew) > 5 {
                Output.line(
                    "warn  clock          the API's clock is \(abs(skew)) s \(skew > 0 ? "ahead of" : "behind") this machine's; tokens are judged from their receipt, so this is harmless, but check NTP"
                )
            } else {
                Output.line("ok    clock          within \(max(1, abs(skew))) s")
            }
        } else {
            Output.line("--    clock          the API sends no Date")
        }
        if response.status >= 500 {
            Output.line("warn  API            answers with status \(response.status): it is there, but not well")
        } else {
            Output.line("ok    API            answers (status \(response.status) to GET /)")
        }
    }

    private static func explain(_ failure: BlockingRequest.Failure, _ configuration: ProxyConfiguration) -> ExitFailure
    {
        let error: UpstreamError
        switch failure {
        case .notSent(let cause), .noResponse(let cause): error = cause
        }
        let (line, hint) =
            switch error.kind {
            case .unresolvable: ("DNS            ", "check the spelling of upstream, and the network")
            case .unreachable:
                ("connection     ", "check host and port of upstream, firewalls, and whether a proxy: is needed")
            case .refusedByProxy: ("proxy          ", error.advice ?? "check the proxy setting")
            case .tls:
                ("TLS            ", "a private authority is configured with tls.ca; verification cannot be turned off")
            case .timeout:
                ("connection     ", "nothing answers in time: check firewalls, and whether a proxy: is needed")
            case .reset: ("API            ", "the connection breaks: is that an HTTP server?")
            case .configuration: ("TLS            ", "check the files under tls:")
            }
        return .unreachable("fail  \(line)\(error.detail): \(hint)")
    }

    private func checkSession(_ loaded: LoadedConfiguration) throws {
        let status = try SessionAccess(loaded, .look).cache.status
        switch status.state {
        case .usable, .refreshing:
            let life =
                status.expiresIn.map { $0 > 0 ? "good for \($0) s" : "expired; the next request refreshes it" }
                ?? "of unknown life"
            Output.line("ok    session        token \(life)")
            if let advice = status.advice { Output.line("warn  session        \(advice)") }
        case .loginNeeded, .none:
            let advice = status.advice ?? "Run: \(loaded.lines.login)"
            throw ExitFailure.loginNeeded("fail  session        \(advice) (\(loaded.sessionFile))")
        }
    }
}
