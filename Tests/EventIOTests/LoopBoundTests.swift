import EventIO
import Platform
import Testing
import Threads

@Suite struct LoopBoundTests {
    /// Tells on which thread it goes.
    private final class Witness {
        let loop: EventLoop
        let gone: Latch<Bool>

        init(_ loop: EventLoop, _ gone: Latch<Bool>) {
            self.loop = loop
            self.gone = gone
        }

        deinit {
            gone.set(loop.isCurrent)
        }
    }

    @Test func valueIsUsedOnTheLoop() throws {
        let thread = try LoopThread(name: "bound")
        let (bound, result) = (LoopBound([1], loop: thread.loop), Latch<[Int]>())
        thread.loop.execute { bound.value.append(2) }
        thread.loop.execute { result.set(bound.value) }
        #expect(result.wait() == [1, 2])
        thread.stop()
        // Nobody runs the loop any more.
        #expect(bound.value == [1, 2])
    }

    @Test func valueIsReleasedOnTheLoop() throws {
        let thread = try LoopThread(name: "bound")
        for _ in 0..<200 {
            let (loop, gone) = (thread.loop, Latch<Bool>())
            do {
                let bound = LoopBound<Witness?>(nil, loop: loop)
                loop.execute { bound.value = Witness(loop, gone) }
            }
            #expect(gone.wait())
        }
        thread.stop()
    }

    @Test func onlyTheLoopsThreadIsCurrent() throws {
        let loop = try EventLoop()
        #expect(loop.isCurrent)
        let (inside, started, goOn) = (Latch<Bool>(), Latch<Bool>(), Latch<Bool>())
        let thread = try #require(NativeThread(name: "bound") { loop.run() })
        loop.execute {
            inside.set(loop.isCurrent)
            started.set(true)
            _ = goOn.wait()
        }
        #expect(started.wait() && !loop.isCurrent && inside.wait())
        goOn.set(true)
        loop.stop()
        thread.join()
        #expect(loop.isCurrent)
    }
}
