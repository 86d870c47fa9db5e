import Platform
import Threads

/// The scenarios' Python. Interpreters stay, and each case is a fork of one (`cases.py serve`): starting one and
/// reading the files would cost a tenth of a second for each of 700 cases.
final class Python: Sendable {
    struct Result: Sendable {
        let status: Int32
        let output: String
    }

    /// Those that nobody uses.
    private static let idle = Guarded<[Python]>([])

    /// One end of a pair of sockets: the other is the interpreter's input and output.
    private let connection: Int32

    /// Does what `cases.py` does for these words; both its outputs are one. Blocks.
    static func run(_ words: String) -> Result {
        guard let python = idle.with({ $0.popLast() }) ?? Python() else {
            let why = squire == nil ? "squire is not built beside the tests" : "Python did not start"
            return Result(status: -1, output: why)
        }
        guard let result = python.ask(words) else { return Result(status: -1, output: "Python ended") }
        idle.with { $0.append(python) }
        return result
    }

    /// Runs `body` where it may block.
    static func onThread(_ body: @escaping @Sendable () -> Void) {
        NativeThread(name: "scenario", run: body)?.detach()
    }

    private init?() {
        guard let squire = Self.squire else { return nil }
        let directory = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Scenarios"
        let command = """
            cd '\(directory)' && unset PYTHONDONTWRITEBYTECODE \
            && export SQUIRE_BINARY='\(squire)' PYTHONPYCACHEPREFIX='\(Self.cache)' \
            && exec $(command -v /usr/bin/python3 || echo python3) -W ignore cases.py serve
            """
        var pair: [Int32] = [-1, -1]
        guard socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &pair) == 0 else { return nil }
        // No other interpreter holds these open.
        for descriptor in pair { _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC) }
        defer { close(pair[1]) }
        guard Self.spawn(command, pair[1]) else {
            close(pair[0])
            return nil
        }
        connection = pair[0]
    }

    /// Nil when the interpreter has ended.
    private func ask(_ words: String) -> Result? {
        let question = words + "\n"
        guard send(connection, question, question.utf8.count, SystemConstant.noSignal) == question.utf8.count else {
            return nil
        }
        var received: [UInt8] = []
        while !received.contains(UInt8(ascii: "\n")) { guard receive(&received) else { return nil } }
        let line = received.prefix { $0 != UInt8(ascii: "\n") }
        let numbers = String(decoding: line, as: UTF8.self).split(separator: " ").map { Int($0) }
        guard numbers.count == 2, let status = numbers[0].flatMap(Int32.init(exactly:)), let count = numbers[1] else {
            return nil
        }
        let start = line.count + 1
        while received.count < start + count { guard receive(&received) else { return nil } }
        return Result(status: status, output: String(decoding: received[start...], as: UTF8.self))
    }

    /// Adds what has come, and waits for it. False at the end.
    private func receive(_ bytes: inout [UInt8]) -> Bool {
        var part = [UInt8](repeating: 0, count: 65536)
        let count = read(connection, &part, part.count)
        bytes += part[..<max(0, count)]
        return count > 0
    }

    /// The binary under test: built beside the tests, or what `SQUIRE_BINARY` names.
    private static let squire: String? = {
        if let named = environment("SQUIRE_BINARY") { return named }
        guard let built = built.map({ $0 + "/squire" }) else { return nil }
        return access(built, X_OK) == 0 ? built : nil
    }()

    /// Where compiled scenarios are kept: not beside them, in the sources.
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

    /// Runs a command of the shell, which ends when its input does. Nobody waits for it.
    private static func spawn(_ command: String, _ connection: Int32) -> Bool {
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, connection, 0)
        posix_spawn_file_actions_adddup2(&actions, connection, 1)
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        return posix_spawnp(&child, "sh", &actions, nil, &arguments, environ) == 0
    }
}

/// The value of a variable; nil if it is unset or empty.
func environment(_ name: String) -> String? {
    guard let value = getenv(name), value[0] != 0 else { return nil }
    return String(cString: value)
}
