import Platform
import Settings

/// Finds the `squire run` processes of this user, for those that no inspector answers for.
enum RunningProcesses {
    private static let named = 5

    /// What to run so that they read their configuration again. Those that were started with a file of the name of
    /// `configuration` come first: where they were started, and so which file it is, nobody says.
    static func advice(for configuration: String?) -> String {
        let name = configuration.map(fileName)
        let all = processes
        let likely = all.filter { process in name != nil && process.arguments.contains { fileName(String($0)) == name }
        }
        let found = (likely.isEmpty ? all : likely).prefix(named).map { String($0.number) }
        guard found.count != 1 else { return "To have squire run read it again: kill -HUP \(found[0])" }
        if found.isEmpty {
            return "No squire run of this user was found; if it runs as another user, run as that: kill -HUP PID"
        }
        return "To have a squire run read its configuration again: kill -HUP PID, where PID is one of "
            + found.joined(separator: ", ")
    }

    /// Who may have a port that is taken: a Squire, where one runs.
    static var listener: String {
        let found = processes.filter { $0.number != getpid() }.prefix(named).map { String($0.number) }
        return found.isEmpty
            ? "Something" : "Something, perhaps the squire run with the PID \(found.joined(separator: " or ")),"
    }

    private static func fileName(_ path: String) -> String {
        path.split(separator: "/").last.map(String.init) ?? ""
    }

    private struct Process {
        let number: pid_t
        let arguments: [Substring]
    }

    /// By what proc(5) tells; none where there is no such thing.
    private static var processes: [Process] {
        guard let directory = opendir("/proc") else { return [] }
        defer { closedir(directory) }
        var found: [Process] = []
        while let entry = readdir(directory) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) {
                $0.withMemoryRebound(to: CChar.self, capacity: 256) { String(cString: $0) }
            }
            guard let number = pid_t(name), let arguments = arguments(ofRun: name) else { continue }
            found.append(Process(number: number, arguments: arguments))
        }
        return found.sorted { $0.number < $1.number }
    }

    /// Nil for any other process than a `squire run` of this user.
    private static func arguments(ofRun name: String) -> [Substring]? {
        guard read("/proc/\(name)/comm") == "squire\n",
            let status = read("/proc/\(name)/status"),
            let users = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") }),
            users.split(separator: "\t").dropFirst().first == Substring(String(getuid()))
        else { return nil }
        let arguments = read("/proc/\(name)/cmdline")?.split(separator: "\0") ?? []
        return arguments.dropFirst().first == "run" ? Array(arguments.dropFirst(2)) : nil
    }

    private static func read(_ path: String) -> String? {
        guard let file = try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
            case .bytes(let bytes) = file.readAll(limit: 1 << 16)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
