import Logging
import Platform

/// The journal's stream that the process was started with (`JOURNAL_STREAM`, systemd.exec(5)): `DEVICE:INODE`, both
/// decimal. Standard error may have been redirected since.
struct JournalStream: Equatable {
    var device: UInt64
    var inode: UInt64

    init?(_ text: String) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, let device = Self.number(parts[0]), let inode = Self.number(parts[1]) else {
            return nil
        }
        self.device = device
        self.inode = inode
    }

    /// The file that is open as `descriptor`; nil if there is none.
    init?(descriptor: Int32) {
        var information = stat()
        guard unsafe fstat(descriptor, &information) == 0 else { return nil }
        device = UInt64(truncatingIfNeeded: information.st_dev)
        inode = UInt64(truncatingIfNeeded: information.st_ino)
    }

    private static func number(_ text: Substring) -> UInt64? {
        text.utf8.allSatisfy { (0x30...0x39).contains($0) } ? UInt64(text) : nil
    }
}

extension LogStyle {
    /// Whether standard error goes to the journal.
    public static func isJournal(_ environment: [String: String]) -> Bool {
        guard let named = environment["JOURNAL_STREAM"].flatMap(JournalStream.init) else { return false }
        return named == JournalStream(descriptor: 2)
    }

    /// The digit of the `<n>` prefix that tells the journal a line's priority (sd-daemon(3)).
    static func priority(_ level: Logger.Level) -> Int {
        switch level {
        case .trace, .debug: 7
        case .info: 6
        case .notice: 5
        case .warning: 4
        case .error: 3
        case .critical: 2
        }
    }
}
