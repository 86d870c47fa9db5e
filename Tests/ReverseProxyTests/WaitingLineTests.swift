import Testing
import Upstream

@testable import ReverseProxy

struct WaitingLineTests {
    private func waiter() -> UpstreamPool.Waiter { UpstreamPool.Waiter { _ in } }

    private func serve(_ waiter: UpstreamPool.Waiter) {
        waiter.complete(.failure(UpstreamError(kind: .reset, detail: "")))
    }

    @Test func passesOverThoseThatWaitNoMore() {
        var line = WaitingLine()
        let waiters = (0..<200).map { _ in waiter() }
        for waiter in waiters { line.append(waiter) }
        for index in 0..<200 where index % 3 != 0 { serve(waiters[index]) }
        for index in stride(from: 0, to: 200, by: 3) {
            let next = line.popFirst()
            #expect(next === waiters[index])
        }
        let isEmpty = line.isEmpty
        #expect(isEmpty)
    }

    /// An upstream that keeps no connection: all are served by their own, and nobody ever takes one from the line.
    @Test func forgetsThoseThatWereServedOtherwise() {
        var line = WaitingLine()
        for _ in 0..<1000 {
            let waiter = waiter()
            line.append(waiter)
            serve(waiter)
        }
        #expect(line.waiters.count <= 64)
    }
}
