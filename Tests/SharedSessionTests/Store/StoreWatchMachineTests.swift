import Testing

@testable import SharedSession

@Suite struct StoreWatchMachineTests {
    private typealias Machine = StoreWatchMachine

    private static let failure = SharedStoreFailure(.unreachable, "nobody answers")
    private let first = EtcdSamples.value("v1", 4)
    private let second = EtcdSamples.value("v2", 9)

    private func machine() -> Machine {
        Machine(requestTimeout: .seconds(2), interval: .seconds(10)) { 0.5 }
    }

    private func reading(_ value: StoredValue?, _ revision: Int64) -> Machine.Event {
        .read(.success(StoreReading(value: value, position: .number(revision))))
    }

    private func check(
        _ result: (news: [SharedStoreNews], next: Machine.Step),
        _ news: [SharedStoreNews],
        _ next: Machine.Step,
        _ location: SourceLocation = #_sourceLocation
    ) {
        #expect(result.news == news, sourceLocation: location)
        #expect(result.next == next, sourceLocation: location)
    }

    /// A machine that listens, and has told the first value, read at revision 7.
    private func listening() -> Machine {
        var machine = machine()
        #expect(machine.start() == .read)
        let (news, next) = machine.handle(reading(first, 7))
        #expect(news == [.connected, .changed(first)])
        #expect(next == .open(after: .number(7), .seconds(2)))
        #expect(machine.handle(.line(.opened)).next == .listen(.seconds(10)))
        return machine
    }

    @Test func tellsWhatTheStreamTells() {
        var machine = listening()
        #expect(machine.handle(.line(.changed(second, at: .number(9)))).news == [.changed(second)])
        #expect(machine.handle(.line(.changed(nil, at: .number(10)))).news == [.changed(nil)])
        // Told before.
        #expect(machine.handle(.line(.changed(second, at: .number(9)))).news.isEmpty)
        check(machine.handle(.line(.idle)), [], .goOn)
        check(machine.handle(.line(.opened)), [], .goOn)
    }

    @Test func absentKeyIsTold() {
        var machine = machine()
        _ = machine.start()
        #expect(machine.handle(reading(nil, 1)).news == [.connected, .changed(nil)])
    }

    @Test func readsNowAndThen() {
        var machine = listening()
        check(machine.handle(.due), [], .read)
        check(machine.handle(reading(first, 8)), [], .listen(.seconds(10)))
    }

    /// The stream is open and tells nothing: the read finds it.
    @Test func silentStreamIsLeft() {
        var machine = listening()
        _ = machine.handle(.due)
        check(machine.handle(reading(second, 9)), [.changed(second)], .open(after: .number(9), .seconds(2)))
    }

    /// Revisions that go back are another history: an open stream waits for what comes after the former.
    @Test func restoredEngineIsWatchedAnew() {
        var machine = listening()
        _ = machine.handle(.line(.changed(second, at: .number(9))))
        _ = machine.handle(.due)
        check(machine.handle(reading(second, 6)), [], .open(after: .number(6), .seconds(2)))
        #expect(machine.handle(.line(.opened)).next == .listen(.seconds(10)))
        let third = EtcdSamples.value("v3", 7)
        #expect(machine.handle(.line(.changed(third, at: .number(7)))).news == [.changed(third)])
    }

    /// An engine whose positions have no order: what a stream tells is what comes after the read that it began with.
    @Test func positionsWithoutAnOrder() {
        let third = StoredValue(bytes: Array("v3".utf8), revision: StoreRevision("1"))
        var machine = machine()
        _ = machine.start()
        let reading = { (value: StoredValue?, token: String) in
            Machine.Event.read(.success(StoreReading(value: value, position: .token(token))))
        }
        let open = Machine.Step.open(after: .token("9"), .seconds(2))
        check(machine.handle(reading(first, "9")), [.connected, .changed(first)], open)
        _ = machine.handle(.line(.opened))
        #expect(machine.handle(.line(.changed(second, at: .token("8")))).news == [.changed(second)])
        #expect(machine.handle(.line(.changed(third, at: .token("8")))).news == [.changed(third)])
        _ = machine.handle(.due)
        check(machine.handle(reading(third, "1")), [], .listen(.seconds(10)))
        _ = machine.handle(.due)
        check(machine.handle(reading(first, "9")), [.changed(first)], open)
    }

    @Test func endOfTheStreamIsAnsweredByReading() {
        for line in [StoreWatchLine.forgotten, .ended(Self.failure)] {
            var machine = listening()
            check(machine.handle(.line(line)), [], .read)
            // Nothing was missed: nobody hears of it.
            check(machine.handle(reading(first, 8)), [], .open(after: .number(8), .seconds(2)))
        }
    }

    @Test func readThatFailsIsALoss() {
        var machine = listening()
        _ = machine.handle(.line(.ended(Self.failure)))
        check(machine.handle(.read(.failure(Self.failure))), [.lost(Self.failure)], .pause(.milliseconds(500)))
        check(machine.handle(.due), [], .read)
        check(machine.handle(.read(.failure(Self.failure))), [], .pause(.milliseconds(1000)))
        check(machine.handle(.due), [], .read)
        // What was told before the loss is not told again.
        check(machine.handle(reading(first, 8)), [.connected], .open(after: .number(8), .seconds(2)))
    }

    @Test func engineThatWasNeverHeardIsSaidOnce() {
        var machine = machine()
        _ = machine.start()
        check(machine.handle(.read(.failure(Self.failure))), [.lost(Self.failure)], .pause(.milliseconds(250)))
        _ = machine.handle(.due)
        check(machine.handle(.read(.failure(Self.failure))), [], .pause(.milliseconds(500)))
    }

    @Test func quorumThatIsLostIsFoundByReading() {
        var machine = listening()
        _ = machine.handle(.due)
        let (news, next) = machine.handle(.read(.failure(Self.failure)))
        #expect(news == [.lost(Self.failure)])
        #expect(next == .pause(.milliseconds(250)))
    }

    @Test func watchThatIsNotOpenedIsGivenUp() {
        var machine = machine()
        _ = machine.start()
        _ = machine.handle(reading(first, 7))
        check(machine.handle(.due), [], .read)
    }

    /// A stream that ends as soon as it is open: reading goes on, ever more slowly, and up to 2 s.
    @Test func streamsThatEndAtOnceAreAskedForSlowly() {
        var machine = listening()
        var pauses: [Duration] = []
        for _ in 0..<8 {
            var (_, next) = machine.handle(.line(.ended(Self.failure)))
            if case .pause(let duration) = next {
                pauses.append(duration)
                next = machine.handle(.due).next
            }
            #expect(next == .read)
            _ = machine.handle(reading(first, 8))
            _ = machine.handle(.line(.opened))
        }
        #expect(pauses == [0.5, 1, 2, 2, 2, 2, 2].map { .seconds($0) })
    }

    /// Events in any order: there is always something to be done next, and what is told alternates as it must.
    @Test(arguments: 1..<20 as Range<UInt64>)
    func anyOrder(_ seed: UInt64) {
        var random = SeededGenerator(state: seed &* 0x9E37_79B9_7F4A_7C15 | 1)
        var machine = machine()
        if seed % 2 == 0 { _ = machine.start() }
        var isConnected: Bool?
        var told: StoredValue??
        for _ in 0..<2000 {
            let revision = Int64.random(in: 0..<12, using: &random)
            let value = revision % 3 == 0 ? nil : StoredValue(bytes: [], revision: StoreRevision(etcd: revision))
            let events: [Machine.Event] = [
                reading(value, revision), .read(.failure(Self.failure)), .due, .line(.opened), .line(.forgotten),
                .line(.changed(value, at: .number(.max))), .line(.changed(value, at: .number(revision))), .line(.idle),
                .line(.ended(Self.failure)),
            ]
            let (news, next) = machine.handle(events.randomElement(using: &random)!)
            for one in news {
                switch one {
                case .connected:
                    #expect(isConnected != true)
                    isConnected = true
                case .lost:
                    #expect(isConnected != false)
                    isConnected = false
                case .changed(let value):
                    #expect(isConnected == true && told != .some(value))
                    told = .some(value)
                }
            }
            switch next {
            case .pause(let duration), .listen(let duration), .open(_, let duration):
                #expect(duration > .zero && duration <= .seconds(15))
            case .read, .goOn: break
            }
        }
    }
}
