import Platform
import Support

/// A script of the scenarios that runs beside a test, and says things in lines of JSON. It ends with `stop`, or with the
/// test's process.
final class Script {
    private let process: pid_t
    /// Negative once it is closed.
    private var commands: Int32
    private let replies: FileDescriptor
    private var rest: [UInt8] = []

    init(_ name: String, _ words: String...) throws {
        var (input, output): ([Int32], [Int32]) = ([-1, -1], [-1, -1])
        guard pipe(&input) == 0, pipe(&output) == 0 else { throw SystemError("no pipe") }
        // Another test's process must not keep the input open.
        for end in [input[1], output[0]] { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        var actions = posix_spawn_file_actions_t()
        posix_spawn_file_actions_init(&actions)
        defer { posix_spawn_file_actions_destroy(&actions) }
        posix_spawn_file_actions_adddup2(&actions, input[0], 0)
        posix_spawn_file_actions_adddup2(&actions, output[1], 1)
        for end in [input[0], output[1]] { posix_spawn_file_actions_addclose(&actions, end) }
        let tests = #filePath.split(separator: "/").dropLast(3).map { "/" + $0 }.joined()
        let words = ["/usr/bin/python3", "-B", "\(tests)/EndToEndTests/Scenarios/\(name)"] + words
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let status = posix_spawnp(&child, words[0], &actions, nil, &arguments, environ)
        for end in [input[0], output[1]] { close(end) }
        process = child
        commands = input[1]
        replies = FileDescriptor(owning: output[0])
        guard status == 0 else { throw SystemError("no Python") }
    }

    deinit { if commands >= 0 { close(commands) } }

    func send(_ line: String) { _ = SystemCall.writeAll(commands, "\(line)\n".utf8) }

    /// Ends its input, and waits until it has ended.
    func stop() {
        close(commands)
        commands = -1
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    func reply() throws -> JSONValue {
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest.removeSubrange(...end) }
                return JSONValue(parsing: rest[..<end]) ?? .null
            }
            let count = read(replies.number, &part, part.count)
            guard count > 0 else { throw SystemError("the script has ended") }
            rest += part[..<count]
        }
    }
}
