import Platform

/// Looks whether the key file is another than the one that was read.
struct SharedKeyWatch: Sendable {
    enum News: Sendable {
        case none
        case changed(SharedSeal)
        /// It is another, and cannot be used: the keys that were read stay. Told once for each reason.
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

    /// `name` is the session's, `place` its key in the engine.
    init(path: String, name: String, place: String) {
        self.path = path
        self.name = name
        self.place = place
        version = Self.version(path)
    }

    /// One stat(2) while nothing changed.
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
        // Of a change of its mode, too.
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
