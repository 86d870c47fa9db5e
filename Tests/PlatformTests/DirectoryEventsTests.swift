import Platform
import TestFiles
import Testing

#if os(Linux)
@Suite struct DirectoryEventsTests {
    private let directory = TestDirectory.make()

    /// The events up to one that is wanted. The system has queued those of an action when that returns.
    private func events(
        of events: borrowing DirectoryEvents,
        upTo isLast: (DirectoryEvents.Event) -> Bool
    ) -> [DirectoryEvents.Event] {
        var seen: [DirectoryEvents.Event] = []
        while !seen.contains(where: isLast) {
            let next = events.read()
            guard !next.isEmpty else { break }
            seen += next
        }
        return seen
    }

    @Test func entriesAreNamed() throws {
        guard let events = DirectoryEvents(), let watch = events.watch(directory) else { return #expect(Bool(false)) }
        let again = events.watch(directory)
        #expect(again == watch)
        #expect(PrivateFile.create(directory + "/a", [1]))
        #expect(unsafe rename(directory + "/a", directory + "/b") == 0)
        #expect(unsafe unlink(directory + "/b") == 0)
        let seen = self.events(of: events) { _ in false }
        #expect(seen.allSatisfy { $0.watch == watch && !$0.hasLostDirectory && !$0.hasOverflowed })
        #expect(Set(seen.map(\.name)) == ["a", "b"])
        #expect(seen.last?.name == "b")
    }

    @Test(arguments: ["remove", "move"]) func lostDirectoryIsTold(_ how: String) throws {
        let inner = directory + "/inner"
        #expect(unsafe mkdir(inner, 0o700) == 0)
        guard let events = DirectoryEvents(), let watch = events.watch(inner) else { return #expect(Bool(false)) }
        if how == "remove" {
            #expect(unsafe rmdir(inner) == 0)
        } else {
            #expect(unsafe rename(inner, directory + "/other") == 0)
        }
        let seen = self.events(of: events) { $0.hasLostDirectory }
        #expect(seen.last.map { $0.watch == watch && $0.name.isEmpty && $0.hasLostDirectory } ?? false)
        let next = events.watch(inner)
        #expect(next == nil)
    }

    /// More events than one read returns are read one part after the other.
    @Test func manyEventsAreAllRead() throws {
        guard let events = DirectoryEvents(), events.watch(directory) != nil else { return #expect(Bool(false)) }
        let name = String(repeating: "n", count: 200)
        for number in 0..<40 { #expect(PrivateFile.create("\(directory)/\(name)\(number)", [])) }
        let seen = self.events(of: events) { _ in false }
        #expect(Set(seen.map(\.name)) == Set((0..<40).map { "\(name)\($0)" }))
    }

    @Test func whatIsNotThereIsNotWatched() throws {
        guard let events = DirectoryEvents() else { return #expect(Bool(false)) }
        let missing = events.watch(directory + "/missing")
        #expect(missing == nil)
        #expect(PrivateFile.create(directory + "/file", []))
        let file = events.watch(directory + "/file")
        #expect(file == nil)
    }
}
#endif
