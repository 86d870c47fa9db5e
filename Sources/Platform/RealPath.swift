/// Paths without links: realpath(3).
public enum RealPath {
    /// The file that lies at `path`, from the root on; nil if there is none that can be seen.
    public static func of(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }
}
