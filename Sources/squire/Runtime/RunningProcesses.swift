import Platform
import Settings

/// Finds this user's Squire processes that listen, for proxies whose inspector does not answer.
enum RunningProcesses {
    private static let named = 5

    /// The command that makes the proxy of this configuration file reload, as advice.
    static func advice(for configuration: String?) -> String {
        guard let path = configuration.flatMap(RealPath.of) else {
            return "To have a squire run read its configuration again: kill -HUP PID"
        }
        let found = running(path).prefix(named).map(String.init)
        switch found.count {
        case 0:
            return "No squire run of this user was started with \(path); if it runs as another user, run as that: "
                + "kill -HUP PID"
        case 1: return "To have squire run read it again: kill -HUP \(found[0])"
        default:
            return "To have a squire run read it again: kill -HUP PID, where PID is one of "
                + found.joined(separator: ", ")
        }
    }

    /// The processes of `squire run` of this user that were started with the configuration file at that real path.
    static func running(_ path: String) -> [Int] {
        processes.filter { $0.command == "run" && $0.configurations.contains(path) }.map { Int($0.number) }
    }

    /// The subcommand of a listening Squire of this user; nil if `process` is not one.
    static func command(_ process: pid_t) -> String? { words(of: "\(process)")?.command }

    private static let listening = ["run", "demo", "exec", "playground"]

    private struct Process {
        let number: pid_t
        let command: String
        /// The real paths of the configuration files that it was started with.
        let configurations: [String]
    }

    /// Found by proc(5); empty on a system without it.
    private static var processes: [Process] {
        var found: [Process] = []
        for name in Directory.names("/proc") {
            guard let number = pid_t(name), let (command, arguments) = words(of: name) else { continue }
            let files = command == "run" ? configurations(name, arguments) : []
            found.append(Process(number: number, command: command, configurations: files))
        }
        return found.sorted { $0.number < $1.number }
    }

    /// The subcommand and the arguments after it; nil for any other process.
    private static func words(of name: String) -> (command: String, arguments: [Substring])? {
        guard read("/proc/\(name)/comm") == "squire\n",
            let status = read("/proc/\(name)/status"),
            let users = status.split(separator: "\n").first(where: { $0.hasPrefix("Uid:") }),
            users.split(separator: "\t").dropFirst().first == Substring(String(getuid()))
        else { return nil }
        let arguments = read("/proc/\(name)/cmdline")?.split(separator: "\0") ?? []
        guard let command = arguments.dropFirst().first.map(String.init), listening.contains(command) else {
            return nil
        }
        return (command, Array(arguments.dropFirst(2)))
    }

    /// The configuration files that the arguments name, else the one that `ConfigurationLoader` would find in the
    /// process's directory and environment.
    private static func configurations(_ name: String, _ arguments: [Substring]) -> [String] {
        var asked: [String] = []
        for (index, argument) in arguments.enumerated() {
            if argument == "--config", index + 1 < arguments.count {
                asked.append(String(arguments[index + 1]))
            } else if argument.hasPrefix("--config=") {
                asked.append(String(argument.dropFirst("--config=".count)))
            }
        }
        let isUnasked = asked.isEmpty
        if isUnasked {
            var environment: [String: String] = [:]
            for entry in (read("/proc/\(name)/environ") ?? "").split(separator: "\0") {
                guard let equals = entry.firstIndex(of: "=") else { continue }
                environment[String(entry[..<equals])] = String(entry[entry.index(after: equals)...])
            }
            asked = ConfigurationLoader.candidates(environment)
        }
        // This link leads to the process's current directory.
        let place = "/proc/\(name)/cwd/"
        let paths = asked.compactMap { RealPath.of($0.hasPrefix("/") ? $0 : place + $0) }
        return isUnasked ? Array(paths.prefix(1)) : paths
    }

    static func read(_ path: String, limit: Int = 1 << 16) -> String? {
        guard let file = try? FileDescriptor.open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC),
            case .bytes(let bytes) = file.readAll(limit: limit)
        else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }
}
