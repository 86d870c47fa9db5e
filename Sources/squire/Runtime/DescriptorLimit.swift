import Platform

/// How many descriptors this process may open (RLIMIT_NOFILE), and how many connections that is good for.
enum DescriptorLimit {
    /// For what is open whatever the load: loops, listeners, logs, the session's file, its lock and its refresh.
    private static let reserve = 40

    /// As many as the system allows, within reason.
    static func raise() {
        guard var limit = current(), limit.rlim_cur < limit.rlim_max else { return }
        limit.rlim_cur = min(limit.rlim_max, 65_536)
        _ = setrlimit(SystemConstant.openFiles, &limit)
    }

    /// Client connections that each of `proxies` can serve. Each may need three descriptors, its own, the upstream's and that of the file
    /// its body is kept in: so many leave enough to answer, to connect and to refresh when all are in use.
    static func connections(proxies: Int) -> Int {
        guard let limit = current(), limit.rlim_cur < rlim_t(Int32.max) else { return .max }
        return max(1, (Int(limit.rlim_cur) - reserve) / 3 / max(1, proxies))
    }

    private static func current() -> rlimit? {
        var limit = rlimit()
        return getrlimit(SystemConstant.openFiles, &limit) == 0 ? limit : nil
    }
}
