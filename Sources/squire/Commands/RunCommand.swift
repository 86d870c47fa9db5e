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
        abstract: "Run the proxy: attach the bearer, forward, refresh, send again.",
        discussion: """
            Standard output has one line for each endpoint once it accepts connections; logs go to standard error. \
            After SIGTERM or SIGINT, running exchanges finish, and the exit code is 0, or 73 if a token could not be \
            saved, as the last lines say. A second signal, at least half a second later, ends it at once. SIGHUP reads \
            the configuration again, as squire reload does. It also ends when the terminal that it was started from \
            closes, unless nohup started it. It reports to a service manager (sd_notify), which may also pass the \
            sockets to listen on (LISTEN_FDS).

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
        help: ArgumentHelp("A configuration file; repeat it to run several independent proxies.", valueName: "file"),
        completion: .configurations
    )
    var config: [String] = []

    @OptionGroup var options: ProxyOptions

    func validate() throws {
        guard config.count > 1 else { return }
        var real: [String: String] = [:]
        for path in config {
            let same = RealPath.of(path) ?? path
            if let other = real[same] {
                throw ValidationError(
                    "--config names \(path) twice" + (other == path ? "" : ", the first time as \(other)")
                        + ": each configuration is one proxy"
                )
            }
            real[same] = path
        }
        if !ServiceEnvironment.shared.sockets.isEmpty {
            throw ValidationError(
                "LISTEN_FDS passes the sockets of one proxy, and several --config are several: run one squire for each"
            )
        }
        let variables = ConfigurationOverrides(environment: Environment.all)
        if let problem = options.overrides.over(variables).problemWithSeveral { throw ValidationError(problem) }
    }

    func run() throws {
        let logging = try options.logging()
        // The first line of the log says what runs. Messages from before wait until then.
        LogWriter.standardError.hold()
        defer { LogWriter.standardError.finish() }
        for warning in ConfigurationOverrides.warnings(Environment.all) { logging.logger().warning("\(warning)") }
        let (loaded, inherited) = try load(logging)
        DescriptorLimit.raise()
        // Opening the sessions binds them, after which the notice no longer applies.
        for one in loaded { if let notice = one.formerNotice { logging.logger().notice("\(notice)") } }
        let services = try start(loaded, inherited, logging)
        var report: ServiceReport?
        let foreground = try Foreground(
            logging: logging,
            timeout: services.map(\.shutdownTimeout).max() ?? .zero,
            hangUp: .reloads {
                let now = ReloadCoordinator.now()
                for service in services { service.reloads.submit(nil, at: now) { _ in } }
            },
            drain: { hurry, completion in
                report?.ends(within: services.map(\.longestStop).max() ?? .zero)
                let remaining = Countdown(services.count, completion: completion)
                for service in services { service.drain(hurry: hurry) { remaining.countDown() } }
            }
        )
        LogWriter.standardError.release(first: services.compactMap(\.startLine))
        let overrides = options.overrides
        for (service, one) in zip(services, loaded) {
            service.acceptReloads(on: foreground.loop) { stop throws(ConfigurationError) in
                // Examined at each reload, because other users may have gained access to a socket's file.
                try Self.reload(one, overrides, inherited.addresses, until: stop)
            }
        }
        report = Self.report(of: services, on: foreground.loop, logging)
        for service in services { announce(service, logging) }
        report?.served()
        foreground.run()
        for service in services { service.stop() }
        foreground.logEnd()
        if services.contains(where: \.endsUnsaved) {
            throw ExitFailure.notWritable("squire: a token is not in its session file: the lines above say where it is")
        }
    }

    /// Loads all configurations, and the sockets that a service manager passed. Throws all mistakes at once.
    private func load(_ logging: Logging) throws -> (loaded: [LoadedConfiguration], inherited: InheritedSockets) {
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
                let loader = Loading.loader(options.overrides)
                var one = try loader.load(path)
                try Loading.prepare(&one, loader)
                for sentence in try one.take(inherited.addresses) {
                    logging.logger().notice("\(ControlCharacters.escaped(sentence))")
                }
                if config.count > 1 { one.addressSources.oneOfSeveral = one.path }
                loaded.append(one)
            } catch {
                // A mistake in an option is one mistake, however many configurations it is applied to.
                problems += error.issues.filter { !problems.contains($0) }
            }
        }
        guard problems.isEmpty else { throw Loading.failure(ConfigurationError(problems)) }
        do throws(ConfigurationError) {
            try LoadedConfiguration.requireDistinctAddresses(loaded)
        } catch {
            throw Loading.failure(error)
        }
        return (loaded, inherited)
    }

    /// Starts all proxies, or none.
    private func start(
        _ loaded: [LoadedConfiguration],
        _ inherited: InheritedSockets,
        _ logging: Logging
    ) throws -> [ProxyService] {
        var services: [ProxyService] = []
        let sessions = SessionGroup()
        for (one, logging) in zip(loaded, loggings(logging, for: loaded)) {
            do {
                services.append(
                    try ProxyService(one, logging: logging, beside: loaded, sessions: sessions, inherited: inherited)
                )
            } catch {
                for service in services { service.stop() }
                guard let failure = error as? ExitFailure, loaded.count > 1 else { throw error }
                throw failure.about(one.path)
            }
        }
        return services
    }

    /// Prints the endpoints of a proxy that is ready, and logs what is wrong with its session.
    private func announce(_ service: ProxyService, _ logging: Logging) {
        // EBADF: standard output was closed by the caller, so that nobody waits for the endpoints.
        if let problem = Output.announce(service.endpoints), problem.code != EBADF {
            logging.logger().warning("\(problem.description)")
        }
        service.warnAboutSession()
        service.warnIfNotWritable()
        service.reloadWhenMoved()
    }

    /// The logging of each proxy. With several proxies, each line names its proxy.
    private func loggings(_ logging: Logging, for loaded: [LoadedConfiguration]) -> [Logging] {
        let names = ProxyNames.names(of: loaded.map { ($0.path, $0.configuration.upstream.host) })
        let column = names.count > 1 ? names.map(\.utf8.count).max() ?? 0 : 0
        return names.map { logging.of(proxy: $0, column: column) }
    }

    /// Reads the configuration file of the start again; without one, the options. Never another file.
    private static func reload(
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
