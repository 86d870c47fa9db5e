/// Paths without links: realpath(3).
public enum RealPath {
    /// The absolute path of the file at `path`, without links; nil if there is no file, or it cannot be seen.
    public static func of(_ path: String) -> String? {
        guard let resolved = unsafe realpath(path, nil) else { return nil }
        defer { unsafe free(resolved) }
        return unsafe String(cString: resolved)
    }
}
