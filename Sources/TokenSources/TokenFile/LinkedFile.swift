import Platform

/// Resolves a path into the directory entries that decide which file it names: each link on the way, and the file
/// itself.
enum LinkedFile {
    /// An entry of a directory.
    struct Entry: Hashable, Sendable {
        var directory: String
        var name: String
    }

    /// The maximum number of links, as in Linux (path_resolution(7)).
    private static let maxLinks = 40

    /// The entries to watch for changes of the file at `path`, in the order in which they are followed. The last one is
    /// the file, or the first missing entry.
    static func entries(of path: String) -> [Entry] {
        var entries: [Entry] = []
        var pending = Array(parts(absolute(path)).reversed())
        var current = ""
        var links = 0
        while let part = pending.popLast() {
            if part == ".." {
                current = String(current[..<(current.lastIndex(of: "/") ?? current.startIndex)])
                continue
            }
            let entry = Entry(directory: current.isEmpty ? "/" : current, name: part)
            let next = "\(current)/\(part)"
            if let target = Directory.link(next) {
                entries.append(entry)
                links += 1
                guard links <= maxLinks else { return entries }
                if target.hasPrefix("/") { current = "" }
                pending += parts(target).reversed()
            } else if pending.isEmpty || !PrivateFile.exists(next) {
                return entries + [entry]
            } else {
                current = next
            }
        }
        return entries
    }

    private static func parts(_ path: String) -> [String] {
        path.split(separator: "/").map(String.init).filter { $0 != "." }
    }

    private static func absolute(_ path: String) -> String {
        guard !path.hasPrefix("/"), let current = unsafe getcwd(nil, 0) else { return path }
        defer { unsafe free(current) }
        return unsafe String(cString: current) + "/" + path
    }
}
