import EventIO
import Testing
import Threads

@Suite struct LoopSignalTests {
    /// What is done on the loop before.
    private func settle(_ loop: EventLoop) {
        let done = Latch<Bool>()
        loop.execute { done.set(true) }
        _ = done.wait()
    }

    @Test func sentOftenItIsOneCall() throws {
        let thread = try LoopThread(name: "signals")
        let loop = thread.loop
        let calls = Guarded<[Bool]>([])
        let signals = (0..<3).map { _ in LoopSignal(loop: loop) { calls.with { $0.append(loop.isCurrent) } } }
        let (holds, goOn) = (Latch<Bool>(), Latch<Bool>())
        loop.execute {
            holds.set(true)
            _ = goOn.wait()
        }
        _ = holds.wait()
        for _ in 0..<5 { for signal in signals { signal.send() } }
        goOn.set(true)
        settle(loop)
        settle(loop)
        #expect(calls.with { $0 } == [true, true, true])
        signals[1].send()
        settle(loop)
        settle(loop)
        #expect(calls.with { $0 }.count == 4)
        thread.stop()
    }

    /// A signal that its own handler sends comes again; whatever was set before it was sent is seen by a call.
    @Test func nothingIsMissed() throws {
        let thread = try LoopThread(name: "signals")
        let (sent, seen, all) = (Guarded(0), Guarded(0), Latch<Bool>())
        let count = 5000
        let signal = LoopSignal(loop: thread.loop) {
            let now = sent.with { $0 }
            seen.with { $0 = now }
            if now == 2 * count { all.set(true) }
        }
        let senders = try (0..<2).map { index in
            try #require(
                NativeThread(name: "sender\(index)") {
                    for _ in 0..<count {
                        sent.with { $0 += 1 }
                        signal.send()
                    }
                }
            )
        }
        for sender in senders { sender.join() }
        #expect(all.wait() && seen.with { $0 } == 2 * count)
        thread.stop()
    }

    @Test func aLoopThatHasEndedCallsNobody() throws {
        let thread = try LoopThread(name: "signals")
        let calls = Guarded(0)
        let signal = LoopSignal(loop: thread.loop) { calls.with { $0 += 1 } }
        thread.stop()
        signal.send()
        #expect(calls.with { $0 } == 0)
    }
}
