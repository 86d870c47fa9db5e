import ArgumentParser
import Platform

extension CompletionKind {
    /// Configuration files, and directories that may contain them.
    static var configurations: CompletionKind { .file(extensions: ["yaml", "yml"]) }
}

/// The completions of the command after `squire exec --`: programs on PATH, then files. No directive of the completion
/// scripts means this in bash, zsh and fish alike, so that they call the program.
enum CommandCompletion {
    private static let maximumWords = 2000

    /// `words` is the command line from `squire` on, `index` the word to complete, and `prefix` its text so far.
    @Sendable static func words(_ words: [String], _ index: Int, _ prefix: String) -> [String] {
        let isCommand = index > 0 && index <= words.count && words[index - 1] == "--"
        if let slash = prefix.lastIndex(of: "/") {
            let directory = String(prefix[...slash])
            let names = entries(of: directory, startingWith: prefix[prefix.index(after: slash)...])
            return names.map { directory + $0 }.filter { !isCommand || access($0, X_OK) == 0 }
        }
        guard isCommand else { return entries(of: ".", startingWith: Substring(prefix)) }
        var found: Set<String> = []
        for directory in (Environment.all["PATH"] ?? "").split(separator: ":") {
            for name in entries(of: String(directory), startingWith: Substring(prefix)) {
                if access("\(directory)/\(name)", X_OK) == 0 { found.insert(name) }
            }
        }
        return Array(found.sorted().prefix(maximumWords))
    }

    private static func entries(of directory: String, startingWith prefix: Substring) -> [String] {
        guard let stream = opendir(directory) else { return [] }
        defer { closedir(stream) }
        var names: [String] = []
        while names.count < maximumWords, let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { String(validatingCString: $0) }
            }
            guard let name, name != ".", name != "..", name.hasPrefix(prefix) else { continue }
            // Hidden files are offered only after a dot. A name with a line feed cannot be offered, because a shell
            // reads one word per line.
            if name.hasPrefix("."), !prefix.hasPrefix(".") { continue }
            if name.contains("\n") { continue }
            names.append(name)
        }
        return names.sorted()
    }
}
