import Foundation

/// Directories for tests, which are gone when the tests have ended.
public enum TestDirectory {
    /// What holds them all. Whoever is left at the end, a thread of a session perhaps, finds nothing to write to.
    private static let root: String = {
        var template = Array("/tmp/squire-tests.XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { fatalError("there is no room for tests in /tmp") }
        atexit { TestDirectory.remove() }
        return String(cString: made)
    }()

    /// A new one, empty, for this user alone (0700).
    public static func make() -> String {
        let path = "\(root)/\(UUID().uuidString.prefix(8))"
        guard mkdir(path, 0o700) == 0 else { fatalError("cannot make \(path)") }
        return path
    }

    private static func remove() {
        // What a test has closed to itself cannot be emptied before.
        let all = FileManager.default.enumerator(atPath: root)
        while let name = all?.nextObject() as? String {
            let path = "\(root)/\(name)"
            var information = stat()
            if lstat(path, &information) == 0, information.st_mode & S_IFMT == S_IFDIR { chmod(path, 0o700) }
        }
        try? FileManager.default.removeItem(atPath: root)
    }
}
