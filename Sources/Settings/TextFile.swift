import Platform

/// Reads small files, and expands paths.
public enum TextFile {
    /// Reads a text file that a user named. Fails if it is no regular file, larger than `limit` bytes, or not UTF-8.
    /// Never blocks, whatever kind of file it is.
    public static func read(_ path: String, limit: Int = maximumSize) -> Result<String, Problem> {
        bytes(path, limit: limit).flatMap { bytes in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return .failure(notUTF8(bytes))
            }
            return .success(text)
        }
    }

    /// The same for a file that need not be text.
    static func bytes(_ path: String, limit: Int) -> Result<[UInt8], Problem> {
        do throws(NamedFile.Problem) {
            return .success(try NamedFile.read(path, limit: limit))
        } catch {
            if case .tooLarge = error { return .failure(Problem("\(error.text): is it the right file?")) }
            return .failure(Problem(error.text + ownership(path, error)))
        }
    }

    /// Whose file this process may not read, as the end of a message. In a container, or as a service, its user is
    /// often another than its file's.
    private static func ownership(_ path: String, _ problem: NamedFile.Problem) -> String {
        var information = stat()
        guard problem == .system(EACCES), unsafe stat(path, &information) == 0 else { return "" }
        let mode = String(information.st_mode & 0o777, radix: 8)
        return ": the file belongs to user \(information.st_uid) (mode \(mode)), and Squire runs as user \(geteuid())"
    }

    /// Describes the first place that is not UTF-8.
    private static func notUTF8(_ bytes: [UInt8]) -> Problem {
        if bytes.starts(with: [0xFF, 0xFE]) || bytes.starts(with: [0xFE, 0xFF]) {
            return Problem("it is UTF-16 text: save it as UTF-8", line: 1)
        }
        var mark = YAMLMark()
        var decoder = UTF8()
        var rest = bytes.makeIterator()
        var former: Unicode.Scalar?
        while case .scalarValue(let scalar) = decoder.decode(&rest) {
            mark.pass(scalar, after: former)
            former = scalar
        }
        return Problem("it is not UTF-8 text from column \(mark.column) on: save it as UTF-8", line: mark.line)
    }

    /// Why a file that another library will read cannot be used; nil if it can. It must be a regular file of at most 16
    /// MiB, because the library may block on anything else, or read without end.
    static func problem(_ path: String) -> Problem? {
        do throws(Problem) {
            guard let information = try openLooking(path).information() else { throw .system() }
            guard information.st_mode & S_IFMT == S_IFREG else { throw Problem("it is not a regular file") }
            guard information.st_size <= maximumForeignSize else {
                throw Problem("it is larger than \(maximumForeignSize >> 20) MiB")
            }
            return nil
        } catch {
            return error
        }
    }

    static let maximumForeignSize = 16 << 20

    /// The maximum size of a text file in bytes.
    public static let maximumSize = 1 << 20

    private static func openLooking(_ path: String) throws(Problem) -> FileDescriptor {
        do throws(NamedFile.Problem) {
            return try NamedFile.open(path)
        } catch {
            throw Problem(error.text + ownership(path, error))
        }
    }

    public struct Problem: Error {
        public var text: String
        /// The line of the problem, counted from 1; nil if it concerns the whole file.
        public var line: Int?

        init(_ text: String, line: Int? = nil) {
            self.text = text
            self.line = line
        }

        /// The system's description of `errno`.
        fileprivate static func system() -> Problem { unsafe Problem(String(cString: strerror(errno))) }
    }

    /// Expands `~` to the home directory, and resolves other relative paths in `directory`.
    public static func expand(_ path: String, in directory: String, environment: [String: String]) -> String {
        if path == "~" || path.hasPrefix("~/") {
            return home(environment) + path.dropFirst()
        }
        if path.hasPrefix("/") || directory.isEmpty || directory == "." { return path }
        return directory + "/" + path
    }

    /// Why a path is probably a mistake: to a shell, `~root` is another user's home directory, but here it would be a
    /// file of that name. Nil if it is plausible.
    static func problem(spelling path: String) -> String? {
        let name = path.prefix { $0 != "/" }
        guard name.hasPrefix("~"), name != "~" else { return nil }
        return "begins with \(name): Squire looks up no other user's home directory. Write the path from / on; ~/ is "
            + "your own home directory, and ./\(name) a file of that name"
    }

    /// `HOME`, or the home directory of the account if that is no absolute path: a relative one would be another
    /// directory for each command.
    public static func home(_ environment: [String: String]) -> String {
        if let home = environment["HOME"], home.hasPrefix("/") { return home }
        return unsafe getpwuid(geteuid()).map { unsafe String(cString: $0.pointee.pw_dir) } ?? "/"
    }

    /// The absolute path without symbolic links, or only absolute if there is no such file.
    static func realPath(_ path: String) -> String {
        if let resolved = RealPath.of(path) { return resolved }
        guard !path.hasPrefix("/"), let current = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }
}
