import Platform
import Testing

/// Runs the scenarios: Squire as a process, driven by real clients and raw sockets. They are written in Python, whose sockets share
/// nothing with the code under test.
@Suite(.serialized)
struct EndToEndTests {
    @Test(arguments: [
        "test_refresh", "test_session", "test_wire", "test_strictness", "test_access", "test_websocket", "test_limits",
        "test_upstream", "test_proxy", "test_owned", "test_faults", "test_uploads", "test_upload_ends",
        "test_differential", "test_browser", "test_lifecycle", "test_clients",
        "test_commands", "test_start", "test_disk", "test_never_lost",
    ])
    func scenario(_ name: String) throws {
        let directory = #filePath.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/Scenarios"
        let log = "/tmp/squire-scenario-\(getpid())-\(name).log"
        defer { unlink(log) }
        setenv("SQUIRE_BINARY", try binary(), 1)
        setenv("PYTHONDONTWRITEBYTECODE", "1", 1)
        let status = run(
            "cd '\(directory)' && exec $(command -v /usr/bin/python3 || echo python3) -W ignore -m unittest -v \(name) >'\(log)' 2>&1"
        )
        #expect(status == 0, "\(text(log))")
    }

    /// `squire` is built beside the tests.
    private func binary() throws -> String {
        var path = [CChar](repeating: 0, count: 4096)
        #if os(Linux)
        try #require(readlink("/proc/self/exe", &path, path.count - 1) > 0)
        #else
        var size = UInt32(path.count)
        try #require(_NSGetExecutablePath(&path, &size) == 0)
        #endif
        let own = String(decoding: path.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
        let binary = own.split(separator: "/").dropLast().map { "/" + $0 }.joined() + "/squire"
        try #require(access(binary, X_OK) == 0, "\(binary) is not there")
        return binary
    }

    private func run(_ command: String) -> Int32 {
        var child = pid_t()
        var arguments: [UnsafeMutablePointer<CChar>?] = [strdup("sh"), strdup("-c"), strdup(command), nil]
        defer { for argument in arguments { free(argument) } }
        guard posix_spawnp(&child, "sh", nil, nil, &arguments, environ) == 0 else { return -1 }
        var status: Int32 = 0
        while waitpid(child, &status, 0) < 0, errno == EINTR {}
        return status
    }

    private func text(_ path: String) -> String {
        guard let file = fopen(path, "r") else { return "" }
        defer { fclose(file) }
        var bytes: [UInt8] = []
        while case let byte = fgetc(file), byte != EOF { bytes.append(UInt8(truncatingIfNeeded: byte)) }
        return String(decoding: bytes, as: UTF8.self)
    }
}
