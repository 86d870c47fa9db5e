import EventIO
import Testing

extension EventLoop {
    /// Runs on the test's thread until `isDone`, which is asked at the end of each turn, after `endTurn`; that is what the
    /// loop does there anyway, by default. Records an issue if nothing happens for long.
    func run(endTurn: (() -> Void)? = nil, until isDone: () -> Bool) {
        let former = turnEnded
        let endTurn = endTurn ?? former
        let patience = EventTimer(loop: self) { [unowned self] in
            Issue.record("nothing happened")
            stop()
        }
        patience.arm(after: .seconds(30))
        withoutActuallyEscaping(isDone) { isDone in
            var isOver = false
            turnEnded = { [unowned self] in
                endTurn?()
                guard !isOver, isDone() else { return }
                isOver = true
                stop()
            }
            run()
            turnEnded = former
        }
        patience.cancel()
    }
}
