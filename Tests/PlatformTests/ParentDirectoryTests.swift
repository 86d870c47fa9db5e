import Platform
import Testing

@Suite struct ParentDirectoryTests {
    @Test(arguments: [("a", "."), ("/a", "/"), ("/a/b", "/a"), ("a/b/c", "a/b"), ("a/", "a"), ("", "."), ("~/a", "~")])
    func ofAPath(_ path: String, _ directory: String) { #expect(ParentDirectory.of(path) == directory) }

    @Test func isMadeForThisUserAlone() throws {
        let root = "/tmp/squire-parent-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let former = umask(0)
        defer {
            umask(former)
            for path in ["\(root)/a/b", "\(root)/a", root] { rmdir(path) }
        }
        try ParentDirectory.make(for: "\(root)/a/b/file")
        for path in [root, "\(root)/a", "\(root)/a/b"] {
            var information = stat()
            #expect(stat(path, &information) == 0 && information.st_mode & 0o7777 == 0o700, "\(path)")
        }
        // One that is there is another's to care for.
        chmod(root, 0o755)
        try ParentDirectory.make(for: "\(root)/file")
        var information = stat()
        #expect(stat(root, &information) == 0 && information.st_mode & 0o7777 == 0o755)
        try ParentDirectory.synchronize(of: "\(root)/a/b/file")
        #expect(throws: SystemError.self) { try ParentDirectory.synchronize(of: "\(root)/none/file") }
    }

    @Test func whatCannotBeMadeIsNamed() {
        #expect {
            try ParentDirectory.make(for: "/dev/null/a/b/file")
        } throws: {
            "\($0)" == "cannot make the directory /dev/null/a: Not a directory"
        }
    }
}
