import Platform

/// The notation for Unix sockets in addresses: `unix:PATH`.
public enum UnixSpelling {
    /// Bytes of a path that a socket can have (unix(7)): 107 on Linux, 103 on macOS.
    public static let maxPath = MemoryLayout.size(ofValue: sockaddr_un().sun_path) - 1

    private static let prefix = "unix:"

    public static func text(_ path: String) -> String { prefix + path }

    /// The path in `text`; nil if it does not denote a Unix socket.
    public static func path(_ text: String) -> String? {
        text.hasPrefix(prefix) ? String(text.dropFirst(prefix.utf8.count)) : nil
    }
}
