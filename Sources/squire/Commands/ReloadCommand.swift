import ArgumentParser
import Platform
import ReverseProxy
import Settings

struct ReloadCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "reload",
        abstract: "Make the running proxy of this configuration read it again.",
        discussion: """
            Asks the proxy through its inspector, and prints what changed and what needs a restart. Exits with 0; with \
            78 and the mistakes if the configuration is wrong, in which case nothing changes; with 69 if no such proxy \
            can be asked.
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
        } catch {
            // The running proxy may have other options or another environment, so that it decides.
            guard let path = (config.path ?? loader.discover().path).flatMap(RealPath.of),
                let proxy = try? RunningProxy.find(path)
            else { throw Self.refused(Loading.failure(error)) }
            return try reload(proxy, path, key: nil)
        }
        do {
            let proxy = try RunningProxy.find(loaded)
            try reload(proxy, loaded.realPath, key: loaded.configuration.access.key)
        } catch let error as RunningProxy.NotFound {
            throw Self.unreachable(error.reason, loaded.path)
        }
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
