#if canImport(Glibc)
import Glibc
import Testing
import Threads

@Suite struct NativeThreadTests {
    /// A name that is too long for the system is cut: it would be ignored otherwise.
    @Test(arguments: [("short", "short\n"), ("kubernetes-watch", "kubernetes-watc\n")])
    func aThreadHasItsName(_ name: String, _ shown: String) throws {
        let found = Latch<String>()
        let thread = NativeThread(name: name) {
            let file = open("/proc/thread-self/comm", O_RDONLY)
            var bytes = [UInt8](repeating: 0, count: 64)
            let count = max(read(file, &bytes, bytes.count), 0)
            close(file)
            found.set(String(decoding: bytes[..<count], as: UTF8.self))
        }
        try #require(thread).join()
        #expect(found.wait() == shown)
    }
}
#endif
