#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Reads small files, and expands paths as people write them.
public enum TextFile {
    /// Reads a text file that a user named. Fails if it is no regular file, larger than `limit` bytes, or not UTF-8. Never
    /// blocks, whatever kind of file it is.
    public static func read(_ path: String, limit: Int = 1 << 20) -> Result<String, Problem> {
        bytes(path, limit: limit).flatMap { bytes in
            guard let text = String(validating: bytes, as: UTF8.self) else {
                return .failure(Problem("it is not UTF-8 text", line: line(ofFirstInvalidIn: bytes)))
            }
            return .success(text)
        }
    }

    /// The same for a file that need not be text.
    static func bytes(_ path: String, limit: Int) -> Result<[UInt8], Problem> {
        let descriptor: Int32
        switch openLooking(path) {
        case .failure(let problem): return .failure(problem)
        case .success(let opened): descriptor = opened
        }
        defer { close(descriptor) }
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 16 * 1024)
        while true {
            let count = chunk.withUnsafeMutableBytes { systemRead(descriptor, $0) }
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return .failure(Problem(String(cString: strerror(errno)))) }
            if count == 0 { return .success(bytes) }
            bytes += chunk[..<count]
            guard bytes.count <= limit else { return .failure(Problem("it is larger than \(limit / 1024) KiB")) }
        }
    }

    /// The line, counted from 1, of the first byte that is not UTF-8.
    private static func line(ofFirstInvalidIn bytes: [UInt8]) -> Int {
        var line = 1
        var decoder = UTF8()
        var rest = bytes.makeIterator()
        while case .scalarValue(let scalar) = decoder.decode(&rest) {
            if scalar == "\n" { line += 1 }
        }
        return line
    }

    /// Why a file that another library will read cannot be used; nil if it can. It must be a regular file of at most 16
    /// MiB, because the library may block on anything else, or read without end.
    static func problem(_ path: String) -> Problem? {
        switch openLooking(path) {
        case .failure(let problem): return problem
        case .success(let descriptor):
            defer { close(descriptor) }
            var information = stat()
            guard fstat(descriptor, &information) == 0 else { return Problem(String(cString: strerror(errno))) }
            guard information.st_mode & S_IFMT == S_IFREG else { return Problem("it is not a regular file") }
            guard information.st_size <= maximumForeignSize else {
                return Problem("it is larger than \(maximumForeignSize >> 20) MiB")
            }
            return nil
        }
    }

    static let maximumForeignSize = 16 << 20

    /// Opens a file without waiting for the other end of a FIFO. Accepts regular files, and devices such as /dev/null,
    /// which do not block either.
    private static func openLooking(_ path: String) -> Result<Int32, Problem> {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else { return .failure(Problem(String(cString: strerror(errno)))) }
        var information = stat()
        let isKnown = fstat(descriptor, &information) == 0
        switch information.st_mode & S_IFMT {
        case S_IFREG where isKnown, S_IFCHR where isKnown: return .success(descriptor)
        case S_IFDIR where isKnown:
            close(descriptor)
            return .failure(Problem("it is a directory"))
        default:
            close(descriptor)
            return .failure(Problem("it is not a regular file"))
        }
    }

    public struct Problem: Error {
        public var text: String
        /// Where in the file it is, counted from 1; nil if that is no part of it.
        public var line: Int?

        init(_ text: String, line: Int? = nil) {
            self.text = text
            self.line = line
        }
    }

    /// Expands `~` to the home directory, and resolves other relative paths in `directory`.
    public static func expand(_ path: String, in directory: String, environment: [String: String]) -> String {
        if path == "~" || path.hasPrefix("~/") {
            return home(environment) + path.dropFirst()
        }
        if path.hasPrefix("/") || directory.isEmpty || directory == "." { return path }
        return directory + "/" + path
    }

    public static func home(_ environment: [String: String]) -> String {
        if let home = environment["HOME"], !home.isEmpty { return home }
        return getpwuid(geteuid()).map { String(cString: $0.pointee.pw_dir) } ?? "/"
    }

    public static func directory(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }

    public static func isReadable(_ path: String) -> Bool {
        access(path, R_OK) == 0
    }
}

private func systemRead(_ descriptor: Int32, _ buffer: UnsafeMutableRawBufferPointer) -> Int {
    #if canImport(Glibc)
    Glibc.read(descriptor, buffer.baseAddress, buffer.count)
    #else
    Darwin.read(descriptor, buffer.baseAddress, buffer.count)
    #endif
}
