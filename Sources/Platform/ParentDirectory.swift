/// The directories that files lie in.
public enum ParentDirectory {
    /// Of a path, as it is spelled: `.` for a name alone.
    public static func of(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Makes it, and those above it that are missing, for this user alone (0700). One that is there stays as it is.
    public static func make(for path: String) throws(SystemError) {
        let directory = of(path)
        var information = stat()
        if stat(directory, &information) == 0 { return }
        var partial = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            partial += "/" + component
            guard mkdir(partial, 0o700) == 0 || errno == EEXIST else {
                throw SystemError("cannot make the directory \(partial)")
            }
        }
    }

    /// Has the names in it on disk when this returns: fsync(2) on the directory.
    public static func synchronize(of path: String) throws(SystemError) {
        let directory = of(path)
        let handle: FileDescriptor
        do {
            handle = try FileDescriptor.open(directory, O_RDONLY | O_DIRECTORY)
        } catch {
            throw SystemError("cannot open \(directory)", code: error.code)
        }
        guard handle.synchronize() else { throw SystemError("cannot save \(directory)") }
    }
}
