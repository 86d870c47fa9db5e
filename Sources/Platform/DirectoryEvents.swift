/// Changes of the entries of directories: inotify(7). Linux only; elsewhere there is no such value.
///
/// *Ownership*: it owns its descriptor. *Threading*: any thread, one at a time.
public struct DirectoryEvents: ~Copyable, Sendable {
    /// One change.
    public struct Event: Equatable, Sendable {
        /// The watch that saw it: see `watch`.
        public var watch: Int32
        /// The entry that changed; empty for the directory itself. A file that is new may have nothing in it yet.
        public var name: String
        /// The directory was removed or moved, and is watched no more.
        public var hasLostDirectory: Bool
        /// Events were lost: anything may have changed.
        public var hasOverflowed: Bool
    }

    #if os(Linux)
    private let file: FileDescriptor

    private static let mask = UInt32(
        IN_CLOSE_WRITE | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE | IN_DELETE_SELF | IN_MOVE_SELF
            | IN_ONLYDIR
    )

    /// Nil if the system has no more of them.
    public init?() {
        let number = inotify_init1(Int32(IN_CLOEXEC) | Int32(IN_NONBLOCK))
        guard number >= 0 else { return nil }
        file = FileDescriptor(owning: number)
    }

    /// Becomes readable when there are events.
    public var descriptor: Int32 { file.number }

    /// Watches `directory`, and returns the number of the watch: the same one if it is watched already. Nil if it does
    /// not exist, or the system has no more watches.
    public func watch(_ directory: String) -> Int32? {
        let watch = unsafe inotify_add_watch(file.number, directory, Self.mask)
        return watch >= 0 ? watch : nil
    }

    /// Events of the watch that are waiting already are still read.
    public func endWatch(_ watch: Int32) {
        _ = inotify_rm_watch(file.number, watch)
    }

    /// Reads the events that are waiting, at most some hundred. Does not block.
    public func read() -> [Event] {
        var bytes = [UInt8](repeating: 0, count: 4096)
        let number = file.number
        let count = unsafe bytes.withUnsafeMutableBytes { unsafe SystemCall.read(number, into: $0) }
        return count > 0 ? Self.parse(bytes[..<count]) : []
    }

    /// `struct inotify_event`: watch, mask, cookie, length of the name that follows, which is padded with zeros.
    static func parse(_ bytes: ArraySlice<UInt8>) -> [Event] {
        let headSize = 16
        var events: [Event] = []
        unsafe bytes.withUnsafeBytes { bytes in
            var offset = 0
            while offset + headSize <= bytes.count {
                let watch = unsafe bytes.loadUnaligned(fromByteOffset: offset, as: Int32.self)
                let mask = unsafe bytes.loadUnaligned(fromByteOffset: offset + 4, as: UInt32.self)
                let length = unsafe Int(bytes.loadUnaligned(fromByteOffset: offset + 12, as: UInt32.self))
                let end = min(offset + headSize + length, bytes.count)
                let name = unsafe String(decoding: bytes[(offset + headSize)..<end].prefix { $0 != 0 }, as: UTF8.self)
                events.append(
                    Event(
                        watch: watch,
                        name: name,
                        hasLostDirectory: mask & UInt32(IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED) != 0,
                        hasOverflowed: mask & UInt32(IN_Q_OVERFLOW) != 0
                    )
                )
                offset = end
            }
        }
        return events
    }
    #else
    public init?() { return nil }

    public var descriptor: Int32 { -1 }

    public func watch(_ directory: String) -> Int32? { nil }

    public func endWatch(_ watch: Int32) {}

    public func read() -> [Event] { [] }
    #endif
}
