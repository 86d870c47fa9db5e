import Platform

/// Descriptor numbers. The kernel always gives out the lowest free one, so a high number means that few are left.
public enum Descriptors {
    /// Above this number Squire opens nothing that it can do without: it keeps no request bodies. The numbers above are
    /// for refreshes and for upstream connections. Based on the limit (RLIMIT_NOFILE) at the first use.
    public static let ceiling: Int32 = {
        var limit = rlimit()
        guard getrlimit(SystemConstant.openFiles, &limit) == 0, limit.rlim_cur < rlim_t(Int32.max) else { return .max }
        return max(8, Int32(limit.rlim_cur) - 10)
    }()
}
