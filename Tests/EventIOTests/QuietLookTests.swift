import Platform
import Testing

@testable import EventIO

/// What the loop's look at the descriptors, just taken, tells of one that is not read.
@Suite struct QuietLookTests {
    /// The ends of a connection inside this process; the first is watched.
    private final class Pair: DescriptorWatchDelegate {
        let near: Int32
        let far: Int32
        private var watch: DescriptorWatch?
        var whenReadable: (Pair) -> Void = { $0.read() }

        init(_ loop: EventLoop) {
            var ends: [Int32] = [-1, -1]
            #expect(socketpair(AF_UNIX, SystemConstant.streamSocket, 0, &ends) == 0)
            (near, far) = (ends[0], ends[1])
            SocketIO.setNonBlocking(near)
            let watch = DescriptorWatch(loop: loop, descriptor: near, delegate: self)
            watch.setReading(true)
            self.watch = watch
        }

        var wasFoundQuiet: Bool { wasFoundQuiet(at: MonotonicClock.now()) }
        func wasFoundQuiet(at now: UInt64) -> Bool { watch!.wasFoundQuiet(at: now) }

        func setReading(_ on: Bool) { watch!.setReading(on) }

        func speak() {
            #expect(write(far, "x", 1) == 1)
        }

        /// Takes what is there.
        func read() {
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

    /// Runs turns until `body` has been called at the start of one.
    private func atTurnStart(_ loop: EventLoop, _ body: @escaping () -> Void) {
        loop.turnStarted = {
            body()
            loop.stop()
        }
        loop.callAtTurnStart()
        loop.run()
        loop.turnStarted = nil
    }

    @Test func theStartOfATurnComesWithoutAnEventAndOnce() throws {
        let loop = try EventLoop()
        var (starts, turns) = (0, 0)
        loop.turnStarted = { starts += 1 }
        loop.turnEnded = {
            turns += 1
            if turns == 2 { loop.stop() } else { loop.execute {} }
        }
        loop.callAtTurnStart()
        loop.callAtTurnStart()
        loop.run()
        (loop.turnStarted, loop.turnEnded) = (nil, nil)
        #expect(starts == 1)
    }

    @Test func whatTheLookFoundIsNotQuiet() throws {
        let loop = try EventLoop()
        let pairs = (0..<4).map { _ in Pair(loop) }
        let (speaker, ended, silent, unread) = (pairs[0], pairs[1], pairs[2], pairs[3])
        defer { for pair in pairs { pair.end() } }
        speaker.speak()
        shutdown(ended.far, Int32(SHUT_WR))
        unread.setReading(false)
        var found: [Bool] = []
        atTurnStart(loop) { found = pairs.map(\.wasFoundQuiet) }
        #expect(found == [false, false, true, false])
        #expect(!silent.wasFoundQuiet)
    }

    /// The look took no notice of a descriptor that nobody watched then.
    @Test func nothingIsKnownOfADescriptorThatIsWatchedSinceTheLook() throws {
        let loop = try EventLoop()
        let pair = Pair(loop)
        defer { pair.end() }
        pair.setReading(false)
        pair.speak()
        var found: Bool?
        atTurnStart(loop) {
            pair.setReading(true)
            found = pair.wasFoundQuiet
        }
        #expect(found == false)
    }

    @Test func aLookTellsNothingOfMuchLater() throws {
        let loop = try EventLoop()
        let silent = Pair(loop)
        defer { silent.end() }
        var found: [Bool] = []
        let start = MonotonicClock.now()
        atTurnStart(loop) {
            // The look came after `start`, and before now.
            found = [start, MonotonicClock.now() + EventLoop.lookLasts].map(silent.wasFoundQuiet(at:))
        }
        #expect(found.last == false)
    }

    /// Only a look that nothing has followed tells something.
    @Test func nothingIsKnownInCallbacksAndAtTheEndOfATurn() throws {
        let loop = try EventLoop()
        let (speaker, silent) = (Pair(loop), Pair(loop))
        defer { for pair in [speaker, silent] { pair.end() } }
        var found: [Bool] = []
        speaker.whenReadable = { pair in
            found.append(silent.wasFoundQuiet)
            pair.read()
        }
        loop.turnStarted = { found.append(silent.wasFoundQuiet) }
        loop.turnEnded = {
            found.append(silent.wasFoundQuiet)
            loop.stop()
        }
        loop.callAtTurnStart()
        speaker.speak()
        loop.run()
        (loop.turnStarted, loop.turnEnded) = (nil, nil)
        #expect(found.first == true && found.dropFirst().allSatisfy { !$0 } && found.count >= 3)
    }

    /// What is left over is handled before the turn starts, and may read what came after the look.
    @Test func nothingIsKnownWhileEventsOfTheTurnBeforeAreLeft() throws {
        let loop = try EventLoop()
        let pairs = (0..<3).map { _ in Pair(loop) }
        let silent = Pair(loop)
        defer { for pair in pairs + [silent] { pair.end() } }
        var (called, before, found) = (0, nil as Int?, nil as Bool?)
        for pair in pairs {
            pair.speak()
            pair.whenReadable = { pair in
                pair.read()
                called += 1
                // The first ends the turn, and the second comes in the next.
                if called == 1 {
                    loop.callAtTurnStart()
                    loop.endTurn()
                }
            }
        }
        loop.turnStarted = {
            (before, found) = (called, silent.wasFoundQuiet)
            loop.stop()
        }
        loop.run()
        loop.turnStarted = nil
        #expect(before == 3 && found == false)
    }

    /// A look that finds as many as it can report may have left out the one that is asked about.
    @Test(arguments: [1, 30, 31, 32, 33, 40, 100])
    func aLookThatMayHaveLeftSomeOutTellsNothing(_ count: Int) throws {
        let loop = try EventLoop()
        let pairs = (0..<count).map { _ in Pair(loop) }
        let silent = Pair(loop)
        defer { for pair in pairs + [silent] { pair.end() } }
        for pair in pairs { pair.speak() }
        var (found, called, inFirstTurn) = (nil as Bool?, 0, nil as Int?)
        for pair in pairs {
            pair.whenReadable = { pair in
                called += 1
                pair.read()
            }
        }
        loop.turnStarted = { found = silent.wasFoundQuiet }
        loop.turnEnded = {
            if inFirstTurn == nil { inFirstTurn = called }
            if called == count { loop.stop() }
        }
        loop.callAtTurnStart()
        loop.run()
        (loop.turnStarted, loop.turnEnded) = (nil, nil)
        #expect(found == (count < EventLoop.reportedAtOnce))
        // What is assumed of libevent: a look reports at least that many.
        #expect(inFirstTurn! >= min(count, EventLoop.reportedAtOnce))
    }
}
