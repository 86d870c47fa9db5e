import Platform

/// Detects changes of the key file.
struct SharedKeyWatch: Sendable {
    enum News: Sendable {
        case none
        case changed(SharedSeal)
        /// The changed file cannot be used, and the keys that were read before stay in use. Reported once for each
        /// reason.
        case unusable(String)
    }

    private struct Version: Equatable {
        var inode: UInt64
        var size: Int64
        var seconds: Int
        var nanoseconds: Int
    }

    private let path: String
    private let name: String
    private let place: String
    private var version: Version?
    private var told: String?

    /// `name` is the session's name, `place` the engine's key for its value.
    init(path: String, name: String, place: String) {
        self.path = path
        self.name = name
        self.place = place
        version = Self.version(path)
    }

    /// Reads the file if it has changed; otherwise performs one stat(2).
    mutating func look() -> News {
        let now = Self.version(path)
        guard now != version || told != nil else { return .none }
        do throws(SharedKeyFile.Problem) {
            let file = try SharedKeyFile.load(path)
            (version, told) = (now, nil)
            return .changed(SharedSeal(name: name, place: place, file))
        } catch {
            guard told != error.text else { return .none }
            told = error.text
            return .unusable("\(path) \(error.text)")
        }
    }

    private static func version(_ path: String) -> Version? {
        var information = stat()
        guard unsafe stat(path, &information) == 0 else { return nil }
        #if os(Linux)
        // The change time covers a change of the mode, too.
        let time = information.st_ctim
        #else
        let time = information.st_ctimespec
        #endif
        return Version(
            inode: UInt64(information.st_ino),
            size: Int64(information.st_size),
            seconds: time.tv_sec,
            nanoseconds: Int(time.tv_nsec)
        )
    }
}
