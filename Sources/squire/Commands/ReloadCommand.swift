import ArgumentParser
import Platform
import ReverseProxy
import Settings

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Make the running proxy of this configuration read it again.",
        discussion: """
            Asks the proxy through its inspector, and prints what changed and what needs a restart. If several run \
            with this configuration, asks each that it finds, and names the others; with --inspector, asks only the one \
            at that address. Exits with 0; with 78 and the mistakes if the configuration is wrong, in which case nothing \
            changes; with 69 if no such proxy can be asked.
            """
    )

    @OptionGroup var config: ConfigFileOption

    @Option(
        name: .long,
        help: ArgumentHelp(
            "The inspector's address, if the proxy was started with one (SQUIRE_INSPECTOR).",
            valueName: "addr"
        ),
        completion: .list(["localhost:8081"])
    )
    var inspector: String?

    func run() throws {
        var overrides = ConfigurationOverrides()
        overrides.inspector = inspector.map { .init($0, source: "--inspector") }
        let loader = Loading.loader(overrides)
        let loaded: LoadedConfiguration
        do throws(ConfigurationError) {
            loaded = try loader.load(config.path)
            // Whoever names the file wants the running proxy to use it as it is now.
            loader.trustNamed(loaded)
        } catch {
            // The running proxy may have other options or another environment, so that it decides.
            guard let path = (config.path ?? loader.discover().path).flatMap(RealPath.of),
                let proxy = try? RunningProxy.find(path)
            else { throw Self.refused(Loading.failure(error)) }
            return try reload(proxy, path, key: nil)
        }
        do {
            // Whoever names an inspector means one proxy.
            let proxies = inspector == nil ? try RunningProxy.findAll(loaded) : [try RunningProxy.find(loaded)]
            var problem: (any Error)?
            for proxy in proxies {
                do {
                    try reload(proxy, loaded.realPath, key: loaded.configuration.access.key)
                } catch {
                    // The others are asked all the same.
                    if let earlier = problem as? ExitFailure { Output.failure(earlier.message) }
                    problem = error
                }
            }
            if inspector == nil { Self.nameOthers(than: proxies, loaded.realPath) }
            if let problem { throw problem }
        } catch let error as RunningProxy.NotFound {
            throw Self.unreachable(error.reason, loaded.path)
        }
    }

    /// Names the processes that run this configuration, but were not asked.
    private static func nameOthers(than proxies: [RunningProxy], _ path: String?) {
        let asked = proxies.compactMap(\.pid)
        let others = path.map { RunningProcesses.running($0).filter { !asked.contains($0) } } ?? []
        guard !others.isEmpty else { return }
        let numbers = others.prefix(5).map(String.init)
        let (who, them) =
            others.count == 1 ? ("Another squire run", "it") : ("\(others.count) more squire runs", "them")
        Output.error(
            "squire: \(who) of this configuration (pid \(numbers.joined(separator: ", "))) did not read it again, "
                + "because \(others.count == 1 ? "its inspector is" : "their inspectors are") at another address or off. "
                + "For \(them): kill -HUP \(numbers.joined(separator: " "))"
        )
    }

    private func reload(_ proxy: RunningProxy, _ path: String?, key: [UInt8]?) throws {
        switch proxy.reload(path, key: key) {
        case .reread(let changed, let restart):
            let who = proxy.pid.map { " (pid \($0))" } ?? ""
            let what = ProxyService.summary(changed: changed, restart: restart)
            Output.report("The running Squire\(who) has read its configuration again: \(what)")
        case .refused(let mistakes):
            throw Self.refused(.configuration(mistakes.map(ControlCharacters.escaped).joined(separator: "\n")))
        case .failed(let reason):
            throw Self.unreachable(reason, path)
        }
    }

    private static func refused(_ failure: ExitFailure) -> ExitFailure {
        let message = "\(failure.message)\nsquire: nothing was reloaded: a proxy that runs goes on as it was"
        return ExitFailure(code: failure.code, message: message)
    }

    private static func unreachable(_ reason: String, _ path: String?) -> ExitFailure {
        let why = ControlCharacters.escaped(reason)
        return .unreachable("squire: nothing was reloaded: \(why). \(RunningProcesses.advice(for: path))")
    }
}
