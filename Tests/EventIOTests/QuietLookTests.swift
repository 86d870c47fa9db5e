import Platform
import Testing

@testable import EventIO

/// What the loop's last look at the descriptors tells of one that is not read.
@Suite struct QuietLookTests {
    /// The ends of a connection inside this process; the first is watched.
    private final class Pair: DescriptorWatchDelegate {
        let near: Int32
        let far: Int32
        private var watch: DescriptorWatch?
        var whenReadable: (Pair) -> Void = { _ in }

        init(_ loop: EventLoop) {
            var ends: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &ends) == 0)
            (near, far) = (ends[0], ends[1])
            SocketIO.setNonBlocking(near)
            let watch = DescriptorWatch(loop: loop, descriptor: near, delegate: self)
            watch.setReading(true)
            self.watch = watch
        }

        var wasQuiet: Bool { watch!.wasQuiet }

        func speak() {
            #expect(write(far, "x", 1) == 1)
        }

        func read() {
            watch!.noteRead()
            withUnsafeTemporaryAllocation(byteCount: 16, alignment: 1) { _ = SocketIO.read(near, into: $0) }
        }

        func end() {
            watch?.close()
            close(near)
            close(far)
        }

        func descriptorIsReadable(_ watch: DescriptorWatch) { whenReadable(self) }
        func descriptorIsWritable(_ watch: DescriptorWatch) {}
    }

    /// Runs a turn of the loop, in which each pair that was spoken to is called, and the one that ends it.
    private func turn(_ loop: EventLoop, _ pairs: [Pair], _ body: @escaping (Pair) -> Void) {
        for pair in pairs { pair.whenReadable = body }
        loop.turnEnded = { loop.stop() }
        loop.run()
        loop.turnEnded = nil
    }

    @Test func whatTheLookFoundDueIsNotQuietBeforeItsOwnCallback() throws {
        let loop = try EventLoop()
        let pairs = (0..<3).map { _ in Pair(loop) }
        defer { for pair in pairs { pair.end() } }
        pairs[0].speak()
        pairs[1].speak()
        // The third hangs up, which is nothing to be read, either.
        shutdown(pairs[2].far, Int32(SHUT_WR))
        var called: Set<Int32> = []
        turn(loop, pairs) { pair in
            // Whoever is called first: of the others, neither was called yet.
            if called.isEmpty { for other in pairs where other !== pair { #expect(!other.wasQuiet) } }
            called.insert(pair.near)
            pair.read()
        }
        #expect(called.count == 3)
    }

    @Test func aDescriptorIsQuietUntilItIsReadInTheSameTurn() throws {
        let loop = try EventLoop()
        let (speaker, silent) = (Pair(loop), Pair(loop))
        defer { for pair in [speaker, silent] { pair.end() } }
        // Its watching began after the last look.
        #expect(!silent.wasQuiet)
        speaker.speak()
        var called = 0
        turn(loop, [speaker, silent]) { pair in
            called += 1
            #expect(pair === speaker && silent.wasQuiet && !pair.wasQuiet)
            pair.read()
            // Something may have come since.
            #expect(!pair.wasQuiet)
            silent.read()
            #expect(!silent.wasQuiet)
        }
        #expect(called == 1)
        speaker.speak()
        turn(loop, [speaker, silent]) { pair in
            called += 1
            #expect(silent.wasQuiet)
            pair.read()
        }
        #expect(called == 2)
    }

    @Test func betweenTurnsNothingIsKnown() throws {
        let loop = try EventLoop()
        let (speaker, silent) = (Pair(loop), Pair(loop))
        defer { for pair in [speaker, silent] { pair.end() } }
        speaker.speak()
        speaker.whenReadable = { $0.read() }
        var atEnd: Bool?
        loop.turnEnded = {
            if atEnd == nil { atEnd = silent.wasQuiet }
            loop.stop()
        }
        loop.run()
        loop.turnEnded = nil
        #expect(atEnd == false && !silent.wasQuiet)
    }

    /// A look that finds as many as it can report may have left out the one that is asked about.
    @Test(arguments: [1, 30, 31, 32, 33, 40, 100])
    func aLookThatMayHaveLeftSomeOutTellsNothing(_ count: Int) throws {
        let loop = try EventLoop()
        let pairs = (0..<count).map { _ in Pair(loop) }
        let silent = Pair(loop)
        defer { for pair in pairs + [silent] { pair.end() } }
        for pair in pairs { pair.speak() }
        var (first, called) = (nil as Bool?, 0)
        for pair in pairs {
            pair.whenReadable = { pair in
                if first == nil { first = silent.wasQuiet }
                called += 1
                pair.read()
            }
        }
        var inFirstTurn: Int?
        loop.turnEnded = {
            if inFirstTurn == nil { inFirstTurn = called }
            if called == count { loop.stop() }
        }
        loop.run()
        loop.turnEnded = nil
        #expect(first == (count < EventLoop.reportedAtOnce))
        // What is assumed of libevent: a look reports at least that many.
        #expect(inFirstTurn! >= min(count, EventLoop.reportedAtOnce))
    }
}
