import Platform

/// Problems of a source that can be found without running a command. Messages contain nothing of a file's content.
extension ExecConfiguration {
    /// Why the command cannot be started, as a sentence; nil if there is no known problem. `path` is the value of PATH.
    public func problem(path: String) -> String? {
        Self.problem(of: name, in: directory, path: path)
    }

    /// The same of the program `name`, which runs in `directory`.
    static func problem(of name: String, in directory: String, path: String) -> String? {
        if name.contains("/") {
            let file = name.hasPrefix("/") ? name : "\(directory)/\(name)"
            return canRun(file) ? nil : "the command \(name) is not there, or cannot be run"
        }
        let isFound = path.split(separator: ":").contains { canRun("\($0)/\(name)") }
        return isFound ? nil : "the command \(name) is in no directory of PATH"
    }

    private static func canRun(_ path: String) -> Bool {
        var information = stat()
        return unsafe stat(path, &information) == 0 && information.st_mode & S_IFMT == S_IFREG
            && access(path, X_OK) == 0
    }
}

extension TokenFileConfiguration {
    /// Why the file contains no usable token now, as a sentence; nil if it does. `wall` is the current time, in seconds
    /// since 1970.
    public func problem(wall: Int) -> String? {
        switch TokenFileReader(self).read(wall: wall) {
        case .token: nil
        case .unfinished(let text), .wrong(let text): "the token file \(path) \(text)"
        }
    }
}
