/// Files that nobody but this user may read.
public enum PrivateFile {
    /// Creates the file at `path` with these bytes, mode 0600 from its first moment, and on disk when this returns.
    /// Removes what lay there before; never writes through a link. False, and no file, if that fails.
    public static func create(_ path: String, _ bytes: some Collection<UInt8>) -> Bool {
        unlink(path)
        guard let file = try? FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW) else { return false }
        // The mask of the process may have taken our own rights away too.
        let isWritten = fchmod(file.number, 0o600) == 0 && file.writeAll(bytes) && file.synchronize()
        if !isWritten { unlink(path) }
        return isWritten
    }

    /// The same where nothing may lie before: `EEXIST` then, and nothing is changed.
    public static func createNew(_ path: String, _ bytes: some Collection<UInt8>) throws(SystemError) {
        let file = try FileDescriptor.open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW)
        guard fchmod(file.number, 0o600) == 0, file.writeAll(bytes), file.synchronize() else {
            let error = SystemError("cannot write \(path)")
            unlink(path)
            throw error
        }
    }

    /// Whether anything lies at `path`, and be it a link that leads nowhere. One lstat(2).
    public static func exists(_ path: String) -> Bool {
        var information = stat()
        return lstat(path, &information) == 0
    }
}
