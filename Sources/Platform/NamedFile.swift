/// Whole files that a person named. The name may lead to anything.
public enum NamedFile {
    /// Why a file cannot be read: the rest of a sentence that begins with its name.
    public enum Problem: Error, Equatable, Sendable {
        case isDirectory
        /// A socket or a FIFO.
        case isNoFile
        /// The file is larger than that many bytes.
        case tooLarge(Int)
        /// The value is `errno`.
        case system(Int32)

        public var text: String {
            switch self {
            case .isDirectory: "it is a directory"
            case .isNoFile: "it is not a regular file"
            case .tooLarge(let limit): "it is larger than \(limit / 1024) KiB"
            case .system(let code): unsafe String(cString: strerror(code))
            }
        }
    }

    /// Opens a file without waiting for the other end of a FIFO. Accepts regular files, and devices such as /dev/null,
    /// which do not block either.
    public static func open(_ path: String) throws(Problem) -> FileDescriptor {
        let file: FileDescriptor
        do {
            file = try FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY)
        } catch {
            throw .system(error.code)
        }
        switch file.information().map({ $0.st_mode & S_IFMT }) {
        case S_IFREG, S_IFCHR: return file
        case S_IFDIR: throw .isDirectory
        default: throw .isNoFile
        }
    }

    /// Reads a file of at most `limit` bytes. Never blocks, whatever kind of file it is.
    public static func read(_ path: String, limit: Int) throws(Problem) -> [UInt8] {
        switch try open(path).readAll(limit: limit) {
        case .bytes(let bytes): return bytes
        case .tooLarge: throw .tooLarge(limit)
        case .failed(let code): throw .system(code)
        }
    }
}
