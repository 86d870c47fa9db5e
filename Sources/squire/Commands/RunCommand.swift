import ArgumentParser
import Credentials
import EventIO
import Logging
import Platform
import ReverseProxy
import Settings
import Threads

struct RunCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "run",
        abstract: "Listen, attach the bearer, forward, refresh, send again.",
        discussion: """
            Standard output has one line for each endpoint once it accepts connections; logs go to standard error. \
            SIGTERM and SIGINT finish running exchanges and exit with 0, or with 73 if a token could not be saved, which \
            the last lines say; a second one, from half a second on, leaves at once. SIGHUP re-reads \
            the configuration, as squire reload does; the end of the terminal it was started from ends it too, unless \
            nohup started it. A service manager is told how it goes (sd_notify), and may pass the sockets to listen on \
            (LISTEN_FDS).

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
        help: ArgumentHelp("A configuration file; several run several independent proxies.", valueName: "file"),
        completion: .configurations
    )
    var config: [String] = []

    @OptionGroup var options: ProxyOptions

    func validate() throws {
        guard config.count > 1 else { return }
        if !ServiceEnvironment.shared.sockets.isEmpty {
            throw ValidationError(
                "LISTEN_FDS says one thing, and several --config ask for several: run one squire for each"
            )
        }
        let variables = ConfigurationOverrides(environment: Environment.all)
        if let problem = options.overrides.over(variables).problemWithSeveral { throw ValidationError(problem) }
    }

    func run() throws {
        let logging = try options.logging()
        let overrides = options.overrides
        // The first line of the log says what runs. Messages from before wait until then.
        LogWriter.standardError.hold()
        defer { LogWriter.standardError.finish() }
        for warning in ConfigurationOverrides.warnings(Environment.all) { logging.logger().warning("\(warning)") }
        var problems: [ConfigurationError.Issue] = []
        var loaded: [LoadedConfiguration] = []
        var inherited = InheritedSockets()
        do throws(ConfigurationError) {
            inherited = try InheritedSockets(ServiceEnvironment.shared)
        } catch {
            problems += error.issues
        }
        if let notice = inherited.notice { logging.logger().notice("\(notice)") }
        for path in config.isEmpty ? [nil] : config.map(Optional.some) {
            do throws(ConfigurationError) {
                let loader = Loading.loader(overrides)
                var one = try loader.load(path)
                try Loading.prepare(&one, loader)
                for sentence in try one.take(inherited.addresses) {
                    logging.logger().notice("\(ControlCharacters.escaped(sentence))")
                }
                loaded.append(one)
            } catch {
                problems += error.issues
            }
        }
        guard problems.isEmpty else { throw Loading.failure(ConfigurationError(problems)) }
        do throws(ConfigurationError) {
            try LoadedConfiguration.requireDistinctAddresses(loaded)
        } catch {
            throw Loading.failure(error)
        }
        DescriptorLimit.raise()
        // Opening the sessions binds them, after which the notice no longer applies.
        for one in loaded { if let notice = one.formerNotice { logging.logger().notice("\(notice)") } }

        let loggings = self.loggings(logging, for: loaded)
        var services: [ProxyService] = []
        do {
            for (one, logging) in zip(loaded, loggings) {
                services.append(try ProxyService(one, logging: logging, beside: loaded, inherited: inherited))
            }
        } catch {
            for service in services { service.stop() }
            throw error
        }
        let (running, sockets) = (services, inherited)
        var report: ServiceReport?
        let foreground = try Foreground(
            logging: logging,
            timeout: running.map(\.shutdownTimeout).max() ?? .zero,
            hangUp: .rereads {
                let now = ReloadDesk.now()
                for service in running { service.reloads.submit(nil, at: now) { _ in } }
            },
            drain: { hurry, completion in
                report?.ends(within: running.map(\.longestStop).max() ?? .zero)
                let remaining = Countdown(running.count, completion: completion)
                for service in running { service.drain(hurry: hurry) { remaining.countDown() } }
            }
        )
        LogWriter.standardError.release(first: running.compactMap(\.startLine))
        for (service, one) in zip(running, loaded) {
            service.acceptReloads(on: foreground.loop) { stop throws(ConfigurationError) in
                // Examined at each reload, because other users may have gained access to a socket's file.
                try Self.reread(one, overrides, sockets.addresses, until: stop)
            }
        }
        report = Self.report(of: running, on: foreground.loop, logging)
        for service in running {
            // EBADF: standard output was closed by the caller, so that nobody waits for the endpoints.
            if let problem = Output.announce(service.endpoints), problem.code != EBADF {
                logging.logger().warning("\(problem.description)")
            }
            service.warnOfSession()
            service.warnIfNotWritable()
            service.reloadWhenMoved()
        }
        report?.served()
        foreground.run()
        for service in running { service.stop() }
        foreground.sayEnd()
        if running.contains(where: \.endsUnsaved) {
            throw ExitFailure.notWritable("squire: a token is not in its session file: the lines above say where it is")
        }
    }

    /// The logging of each proxy. With several proxies, each line names its proxy.
    private func loggings(_ logging: Logging, for loaded: [LoadedConfiguration]) -> [Logging] {
        let names = ProxyNames.names(of: loaded.map { ($0.path, $0.configuration.upstream.host) })
        let column = names.count > 1 ? names.map(\.utf8.count).max() ?? 0 : 0
        return names.map { logging.of(proxy: $0, column: column) }
    }

    /// Reads the configuration file of the start again; without one, the options. Never another file.
    private static func reread(
        _ loaded: LoadedConfiguration,
        _ overrides: ConfigurationOverrides,
        _ inherited: InheritedAddresses,
        until stop: StopSignal
    ) throws(ConfigurationError) -> LoadedConfiguration {
        var fresh = try Loading.loader(overrides).load(again: loaded, until: stop)
        try fresh.take(inherited)
        return fresh
    }

    /// Reports the proxies' state to the service manager; nil if there is none.
    private static func report(of running: [ProxyService], on loop: EventLoop, _ logging: Logging) -> ServiceReport? {
        let report = ServiceReport(ServiceEnvironment.shared, on: loop, logging.logger()) {
            running.map(\.statusLine).joined(separator: "; ")
        }
        guard let report else { return nil }
        let bound = LoopBound<ServiceReport?>(nil, loop: loop)
        bound.value = report
        for service in running {
            service.report = report
            // Session events arrive on the session's threads.
            service.sessionChanged.with { $0 = { loop.execute { bound.value?.changed() } } }
        }
        return report
    }
}
