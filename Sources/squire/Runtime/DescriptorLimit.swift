import Inspector
import Platform
import ReverseProxy
import Upstream

/// How many descriptors this process may open (RLIMIT_NOFILE), and how many connections that is good for.
enum DescriptorLimit {
    /// What a proxy has whatever the load: standard streams, the main loop, the session's watch, the kernel's socket
    /// for who asks, the reserve of a refresh, and room for the connections that are being made, up to four descriptors
    /// each.
    private static let fixed = 34
    /// A loop's, with a margin: epoll, pipes, signals.
    private static let perLoop = 7
    /// Connections of the inspector, one that waits for its turn, and those by which it sends requests itself.
    private static let inspector = 65 + InspectorServer.maximumSending

    /// As many as the system allows, within reason.
    static func raise() {
        guard var limit = current(), limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(SystemConstant.openFiles, &limit)
    }

    /// Client connections that each of `proxies` can serve: so many leave enough to answer, to connect, to keep bodies
    /// and to refresh when all are in use.
    static func connections(_ configuration: ProxyConfiguration, proxies: Int) -> Int {
        guard let limit = current(), limit.rlim_cur < rlim_t(Int32.max) else { return .max }
        let available = Int(limit.rlim_cur) / max(1, proxies) - overhead(configuration)
        return max(1, available / perConnection(configuration))
    }

    /// Throws when not even two clients can be served.
    static func require(_ configuration: ProxyConfiguration, proxies: Int) throws {
        let needed = (overhead(configuration) + 2 * perConnection(configuration)) * max(1, proxies)
        guard let limit = current(), limit.rlim_cur < rlim_t(needed) else { return }
        throw ExitFailure.inputOutput(
            "squire: the limit of open files (ulimit -n) is \(limit.rlim_cur): at least \(needed) are needed"
        )
    }

    /// The client's, the upstream's, and that of the file its body is kept in.
    private static func perConnection(_ configuration: ProxyConfiguration) -> Int {
        2 + configuration.upstreamSettings.descriptorsPerConnection
    }

    private static func overhead(_ configuration: ProxyConfiguration) -> Int {
        let cores = max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN))))
        let workers = configuration.workers == 0 ? cores : configuration.workers
        // `localhost` has two sockets.
        return fixed + 2 * configuration.listen.count + workers * perLoop
            + (configuration.inspector.listen == nil ? 0 : inspector + perLoop)
    }

    private static func current() -> rlimit? {
        var limit = rlimit()
        return getrlimit(SystemConstant.openFiles, &limit) == 0 ? limit : nil
    }
}
