import Platform
import TestFiles
import Testing
import Threads

@testable import Credentials

#if os(Linux)
@Suite struct SessionFileWatchTests {
    /// What appears at once is never written, so that no end of a writing is told.
    @Test(arguments: ["file", "link", "hard link", "FIFO", "directory"])
    func whateverAppearsIsTold(_ kind: String) throws {
        let directory = TestDirectory.make()
        let file = SessionFile(path: directory + "/s.json")
        let (isWatching, isTold, calls) = (Latch<Bool>(), Latch<Bool>(), Guarded(0))
        let watch = SessionFileWatch(file) {
            let call = calls.with {
                $0 += 1
                return $0
            }
            (call == 1 ? isWatching : isTold).set(true)
        }
        #expect(isWatching.wait())
        #expect(PrivateFile.create(directory + "/other", []))
        let made =
            switch kind {
            case "link": unsafe symlink("other", file.path)
            case "hard link": unsafe link(directory + "/other", file.path)
            case "FIFO": unsafe mkfifo(file.path, 0o600)
            case "directory": unsafe mkdir(file.path, 0o700)
            default: Int32(PrivateFile.create(file.path, []) ? 0 : -1)
            }
        #expect(made == 0)
        #expect(isTold.wait())
        try #require(watch).stop()
    }
}
#endif
