#if os(Linux)
import CSystem
#endif

/// What a file system says of a file beside its mode.
public enum FileFlags {
    /// Whether the file is immutable or append-only (statx(2), chflags(2)): no other file can take its place. False if
    /// that cannot be told.
    public static func forbidReplacement(_ path: String) -> Bool {
        #if os(Linux)
        unsafe csystem_is_unchangeable(path) == 1
        #else
        var information = stat()
        guard unsafe lstat(path, &information) == 0 else { return false }
        return information.st_flags & UInt32(UF_IMMUTABLE | UF_APPEND | SF_IMMUTABLE | SF_APPEND) != 0
        #endif
    }
}
