import Inspector
import Platform
import ReverseProxy
import Upstream

/// The limit of open descriptors (RLIMIT_NOFILE), and the number of connections that it allows.
enum DescriptorLimit {
    /// The descriptors that a proxy needs under any load: standard streams, the main loop, the session's watch, the
    /// netlink socket that identifies peers, the reserve for a refresh, and the connections being opened, up to four
    /// descriptors each.
    private static let fixed = 34
    /// The descriptors of an event loop, with a margin: epoll, pipes, signals.
    private static let perLoop = 7
    /// The inspector's connections, one more that waits to be accepted, and those of the requests that it sends itself.
    private static let inspector = 65 + InspectorServer.maximumSending

    /// Raises the soft limit to the hard limit, or to 65,536 at most.
    static func raise() {
        guard var limit = current(), limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(SystemConstant.openFiles, &limit)
    }

    /// The number of client connections that each of `proxies` can serve. When all are in use, enough descriptors
    /// remain to answer, connect, spill bodies and refresh.
    static func connections(_ configuration: ProxyConfiguration, proxies: Int) -> Int {
        guard let limit = current(), limit.rlim_cur < rlim_t(Int32.max) else { return .max }
        let available = Int(limit.rlim_cur) / max(1, proxies) - overhead(configuration)
        return max(1, available / perConnection(configuration))
    }

    /// Throws if the limit does not suffice for two clients.
    static func require(_ configuration: ProxyConfiguration, proxies: Int) throws {
        let needed = (overhead(configuration) + 2 * perConnection(configuration)) * max(1, proxies)
        guard let limit = current(), limit.rlim_cur < rlim_t(needed) else { return }
        throw ExitFailure.inputOutput(
            "squire: the limit of open files (ulimit -n) is \(limit.rlim_cur): at least \(needed) are needed"
        )
    }

    /// The descriptors of a client connection, an upstream connection, and a spilled body.
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
