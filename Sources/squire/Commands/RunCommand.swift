import ArgumentParser
import Credentials
import Logging
import Settings
import Threads

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Listen, attach the bearer, forward, refresh, send again.",
        discussion: """
            Standard output has one line for each endpoint once it accepts connections; logs go to standard error.
            SIGTERM and SIGINT finish running exchanges and exit with 0; a second one leaves at once. SIGHUP re-reads
            the configuration.

            A small squire.yaml:

              profile: menu
              upstream: https://api-public-playground.menu.app
              headers:
                Application: f3a90488ffee32c3acb6fcd0ca417cf6
                Api-Version: 4.38.0
                Device-UUID: "1287796"
            """
    )

    @Option(
        name: .long,
        parsing: .singleValue,
        help: ArgumentHelp("A configuration file; several run several independent proxies.", valueName: "file")
    )
    var config: [String] = []

    @OptionGroup var options: ProxyOptions

    func validate() throws {
        guard config.count > 1 else { return }
        let variables = ConfigurationOverrides(environment: Environment.all)
        if let problem = options.overrides.over(variables).problemWithSeveral { throw ValidationError(problem) }
    }

    func run() throws {
        let logging = try options.logging()
        let overrides = options.overrides
        for warning in ConfigurationOverrides.warnings(Environment.all) { logging.logger().warning("\(warning)") }
        var problems: [String] = []
        var loaded: [LoadedConfiguration] = []
        for path in config.isEmpty ? [nil] : config.map(Optional.some) {
            do throws(ConfigurationError) {
                let loader = Loading.loader(overrides)
                let one = try loader.load(path)
                try Loading.allow(one, loader)
                loaded.append(one)
            } catch {
                problems.append(error.description)
            }
        }
        guard problems.isEmpty else { throw ExitFailure.configuration(problems.joined(separator: "\n")) }
        DescriptorLimit.raise()
        // Before the sessions are opened, which binds them.
        for one in loaded { if let notice = one.formerNotice { logging.logger().notice("\(notice)") } }

        var services: [ProxyService] = []
        do {
            for one in loaded { services.append(try ProxyService(one, logging: logging, proxies: loaded.count)) }
        } catch {
            for service in services { service.stop() }
            throw error
        }
        let running = services
        let foreground = try Foreground(
            timeout: running.map(\.shutdownTimeout).max() ?? .zero,
            hangUp: { reload(running, loaded, overrides, logging) },
            drain: { completion in
                let remaining = Countdown(running.count, completion: completion)
                for service in running { service.drain { remaining.countDown() } }
            }
        )
        for service in running {
            for endpoint in service.endpoints { Output.line(endpoint) }
            if let problem = service.sessionProblem { logging.logger().warning("\(problem)") }
            service.warnIfNotWritable()
            service.reloadWhenMoved()
        }
        foreground.run()
        for service in running { service.stop() }
        LogWriter.standardError.finish()
    }

    private func reload(
        _ services: [ProxyService],
        _ loaded: [LoadedConfiguration],
        _ overrides: ConfigurationOverrides,
        _ logging: Logging
    ) {
        for (service, old) in zip(services, loaded) {
            do {
                try service.reconfigure(try Loading.loader(overrides).load(again: old))
            } catch let error as ConfigurationError {
                logging.logger().error("the configuration was not changed: \(error.description)")
            } catch {
                logging.logger().error("the configuration was not changed: \(error)")
            }
        }
    }
}
