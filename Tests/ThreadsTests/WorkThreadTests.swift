import Testing
import Threads

@Suite struct WorkThreadTests {
    @Test func workAfterTheEndIsGivenBack() {
        let thread = WorkThread(name: "test")
        let done = Guarded(0)
        #expect(thread.execute { done.with { $0 += 1 } })
        #expect(thread.finish(timeout: .seconds(10)))
        #expect(!thread.execute { done.with { $0 += 1 } })
        thread.executeLater(0) { done.with { $0 += 1 } }
        #expect(done.with { $0 } == 1)
    }

    /// No item is lost or done twice, whenever the end comes.
    @Test func everyItemIsDoneOrGivenBack() {
        for _ in 0..<50 {
            let thread = WorkThread(name: "test")
            let (done, refused) = (Guarded(0), Guarded(0))
            let starters = (0..<4).compactMap { _ in
                NativeThread(name: "test-starter") {
                    for _ in 0..<100 where !thread.execute({ done.with { $0 += 1 } }) { refused.with { $0 += 1 } }
                }
            }
            #expect(thread.finish(timeout: .seconds(10)))
            for starter in starters { starter.join() }
            #expect(done.with { $0 } + refused.with { $0 } == 400)
        }
    }

    @Test(arguments: [.seconds(Int64.max), .seconds(Int64.min), .zero, .milliseconds(Int64.max)] as [Duration])
    func anyTimeoutIsTaken(_ timeout: Duration) {
        let thread = WorkThread(name: "test")
        thread.executeLater(.max) {}
        thread.executeLater(.min) {}
        _ = thread.finish(timeout: timeout)
        _ = thread.finish(timeout: .seconds(10))
    }
}
