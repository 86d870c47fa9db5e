/// Files that only this user may read.
public enum PrivateFile {
    /// Creates the file at `path` with these bytes: mode 0600 from its first moment, and on disk when this returns.
    /// Removes whatever lay there; never writes through a link. Returns false, and leaves no file, on failure.
    public static func create(_ path: String, _ bytes: some Collection<UInt8>) -> Bool {
        unsafe unlink(path)
        guard let file = try? FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW) else { return false }
        // The process's umask may have removed our own rights, too.
        let isWritten = fchmod(file.number, 0o600) == 0 && file.writeAll(bytes) && file.synchronize()
        if !isWritten { unsafe unlink(path) }
        return isWritten
    }

    /// The same, but fails with `EEXIST` and changes nothing if something lies at `path`.
    public static func createNew(_ path: String, _ bytes: some Collection<UInt8>) throws(SystemError) {
        let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        guard fchmod(file.number, 0o600) == 0, file.writeAll(bytes), file.synchronize() else {
            let error = SystemError("cannot write \(path)")
            unsafe unlink(path)
            throw error
        }
    }

    /// Whether anything lies at `path`, dangling links included. One lstat(2).
    public static func exists(_ path: String) -> Bool {
        var information = stat()
        return unsafe lstat(path, &information) == 0
    }
}
