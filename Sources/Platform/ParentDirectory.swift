/// The directories that files lie in.
public enum ParentDirectory {
    /// The directory part of `path`, as it is spelled: `.` for a bare name.
    public static func of(_ path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    /// Creates the directory and its missing parents, for this user alone (0700). An existing directory stays as it is.
    public static func make(for path: String) throws(SystemError) {
        let directory = of(path)
        var information = stat()
        if unsafe stat(directory, &information) == 0 { return }
        var partial = directory.hasPrefix("/") ? "" : "."
        for component in directory.split(separator: "/") {
            partial += "/" + component
            guard unsafe mkdir(partial, 0o700) == 0 || errno == EEXIST else {
                throw SystemError("cannot make the directory \(partial)")
            }
        }
    }

    /// Returns when the names in the directory are on disk: fsync(2) on the directory.
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
