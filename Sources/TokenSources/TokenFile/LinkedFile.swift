import Platform

/// What decides which file a path names: each link on the way, and the file itself.
enum LinkedFile {
    /// An entry of a directory.
    struct Entry: Hashable, Sendable {
        var directory: String
        var name: String
    }

    /// As many as the system follows.
    private static let maxLinks = 40

    /// The entries that must be watched to hear of another file behind `path`, in the order in which they are followed.
    /// The last is the file, or the first that is missing.
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
