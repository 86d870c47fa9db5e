import Platform
import Support

/// Members of a real etcd, which `etcd.py` of the scenarios runs. They end with this object, or with the test's process.
final class RealEtcd {
    static let isInstalled = found("etcd") && found("etcdctl")

    private(set) var urls: [String] = []
    private var directory = ""
    private let process: pid_t
    private let commands: FileDescriptor
    private let replies: FileDescriptor
    private var rest: [UInt8] = []

    /// One member without anything, or three with TLS, client certificates and the user `squire`.
    init(members: Int) throws {
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
        let script = "\(tests)/EndToEndTests/Scenarios/etcd.py"
        let words = ["/usr/bin/python3", "-B", script, "\(members)"]
        var arguments: [UnsafeMutablePointer<CChar>?] = words.map { strdup($0) } + [nil]
        defer { for argument in arguments { free(argument) } }
        var child = pid_t()
        let status = posix_spawnp(&child, words[0], &actions, nil, &arguments, environ)
        for end in [input[0], output[1]] { close(end) }
        process = child
        commands = FileDescriptor(owning: input[1])
        replies = FileDescriptor(owning: output[0])
        guard status == 0 else { throw SystemError("no Python") }
        let first = try reply()
        guard case .array(let urls)? = first["urls"], let directory = first["directory"]?.string else {
            throw SystemError("etcd does not start: \(first.serialized())")
        }
        self.urls = urls.compactMap(\.string)
        self.directory = directory
    }

    /// Waits until the members have ended.
    func stop() {
        _ = SystemCall.writeAll(commands.number, "end\n".utf8)
        var status: Int32 = 0
        while waitpid(process, &status, 0) < 0, errno == EINTR {}
    }

    func file(_ name: String) -> String { "\(directory)/\(name)" }

    /// What `obey` of the script says.
    @discardableResult
    func obey(_ command: String) throws -> String {
        _ = SystemCall.writeAll(commands.number, "\(command)\n".utf8)
        let reply = try reply()
        guard let text = reply["ok"]?.string else { throw SystemError("\(command): \(reply.serialized())") }
        return text
    }

    private func reply() throws -> JSONValue {
        var part = [UInt8](repeating: 0, count: 4096)
        while true {
            if let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
                defer { rest.removeSubrange(...end) }
                return JSONValue(parsing: rest[..<end]) ?? .null
            }
            let count = read(replies.number, &part, part.count)
            guard count > 0 else { throw SystemError("etcd.py ended") }
            rest += part[..<count]
        }
    }

    private static func found(_ command: String) -> Bool {
        guard let path = getenv("PATH") else { return false }
        return String(cString: path).split(separator: ":").contains { access("\($0)/\(command)", X_OK) == 0 }
    }
}
