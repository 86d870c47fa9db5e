import Settings
import Testing

@Suite struct ReloadQueueTests {
    @Test func theFirstWishReads() {
        var queue = ReloadQueue<Int>()
        #expect(queue.add(1) == .read)
        #expect(queue.ended() == ([1], false))
        #expect(queue.add(2) == .read)
    }

    /// The file may have changed since that reading began.
    @Test func aWishDuringAReadingIsGrantedByTheNext() {
        var queue = ReloadQueue<Int>()
        #expect(queue.add(1) == .read)
        #expect(queue.add(2) == .wait)
        #expect(queue.add(3) == .wait)
        #expect(queue.ended() == ([1], true))
        #expect(queue.add(4) == .wait)
        #expect(queue.ended() == ([2, 3], true))
        #expect(queue.ended() == ([4], false))
    }

    @Test func thoseThatWaitAreBounded() {
        var queue = ReloadQueue<Int>()
        #expect(queue.add(0) == .read)
        for wish in 1...ReloadQueue<Int>.maximum { #expect(queue.add(wish) == .wait) }
        #expect(queue.add(-1) == .tooMany)
        #expect(queue.ended() == ([0], true))
        #expect(queue.add(-2) == .wait)
        #expect(queue.ended() == (Array(1...ReloadQueue<Int>.maximum), true))
    }

    @Test func theEndAnswersEverybodyOnce() {
        var queue = ReloadQueue<Int>()
        #expect(queue.add(1) == .read)
        #expect(queue.add(2) == .wait)
        #expect(queue.close() == [1, 2])
        #expect(queue.close() == [])
        #expect(queue.ended() == ([], false))
        #expect(queue.add(3) == .closed)
    }
}
