import Platform
import Threads

/// Runs the scenarios' Python.
enum Python {
    struct Result: Sendable {
        let status: Int32
        let output: String
    }

    /// Runs a file of `Scenarios` with arguments, quoted for the shell; both its outputs are one.
    static func run(_ command: String) -> Result {
        guard let squire else { return Result(status: -1, output: "squire is not built beside the tests") }
        let directory = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Scenarios"
        var name = Array("/tmp/squire-scenario-XXXXXX".utf8CString)
        let log = mkstemp(&name)
        guard log >= 0 else { return Result(status: -1, output: "no file in /tmp for the output: error \(errno)") }
        unlink(name)
        defer { close(log) }
        let status = shell(
            """
            cd '\(directory)' && unset PYTHONDONTWRITEBYTECODE \
            && export SQUIRE_BINARY='\(squire)' PYTHONPYCACHEPREFIX='\(cache)' \
            && exec $(command -v /usr/bin/python3 || echo python3) -W ignore \(command)
            """,
            output: log
        )
        return Result(status: status, output: text(log))
    }

    /// Runs `body` where it may block.
    static func onThread(_ body: @escaping @Sendable () -> Void) {
        NativeThread(name: "scenario", run: body)?.detach()
    }

    /// The binary under test: built beside the tests, or what `SQUIRE_BINARY` names.
    private static let squire: String? = {
        if let named = environment("SQUIRE_BINARY") { return named }
        guard let built = built.map({ $0 + "/squire" }) else { return nil }
        return access(built, X_OK) == 0 ? built : nil
    }()

    /// Where compiled scenarios are kept: each of 600 cases would compile its file again. Not beside them, in the sources.
    private static let cache = (built ?? "/nonexistent") + "/scenarios.pycache"

    /// The directory of what was built.
    private static let built: String? = {
        var path = [CChar](repeating: 0, count: 4096)
        #if os(Linux)
        guard readlink("/proc/self/exe", &path, path.count - 1) > 0 else { return nil }
        #else
        var size = UInt32(path.count)
        guard _NSGetExecutablePath(&path, &size) == 0 else { return nil }
        #endif
        let own = String(decoding: path.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        return own.split(separator: "/").dropLast().map { "/" + $0 }.joined()
    }()

    private static func shell(_ command: String, output: Int32) -> Int32 {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, output, 1)
        posix_spawn_file_actions_adddup2(&actions, output, 2)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        guard posix_spawnp(&child, "sh", &actions, nil, &arguments, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private static func text(_ file: Int32) -> String {
        var bytes: [UInt8] = []
        var part = [UInt8](repeating: 0, count: 65536)
        while case let count = pread(file, &part, part.count, off_t(bytes.count)), count > 0 { bytes += part[..<count] }
        return String(decoding: bytes, as: UTF8.self)
    }
}

/// The value of a variable; nil if it is unset or empty.
func environment(_ name: String) -> String? {
    guard let value = getenv(name), value[0] != 0 else { return nil }
    return String(cString: value)
}
