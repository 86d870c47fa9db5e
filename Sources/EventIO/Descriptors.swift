import Platform

/// The numbers of descriptors, which the kernel gives out from the lowest: one that is high says that few are left.
public enum Descriptors {
    /// From this number on, what can be done without is not opened: bodies are not kept. What is above
    /// is for refreshes and for connections to the upstream. By the limit (RLIMIT_NOFILE) as it is when this is first
    /// asked for.
    public static let ceiling: Int32 = {
        var limit = rlimit()
        guard getrlimit(SystemConstant.openFiles, &limit) == 0, limit.rlim_cur < rlim_t(Int32.max) else { return .max }
        return max(8, Int32(limit.rlim_cur) - 10)
    }()
}
