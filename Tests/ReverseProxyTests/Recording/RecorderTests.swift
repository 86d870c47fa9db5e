import Credentials
import Testing
import Threads

@testable import ReverseProxy

@Suite struct RecorderTests {
    private let second: UInt64 = 1_000_000_000

    private func admitted(
        _ recorder: Recorder,
        _ count: Int,
        _ origin: ConnectionOrigin = .client,
        isRefused: Bool = false,
        now: UInt64
    ) -> Int {
        (0..<count).count { _ in recorder.gate.admit(origin, isRefused: isRefused, now: now, recorder).isRunning }
    }

    private func make(_ mode: Recordings.Mode = .auto, bodyLimit: Int = 64 * 1024) throws -> (Recordings, Recorder) {
        let recordings = Recordings(workers: 2, mode: mode, bodyLimit: bodyLimit)
        return (recordings, try #require(Recorder(recordings, worker: 1)))
    }

    @Test func bucketLetsThroughWhatWasSavedUp() {
        var bucket = TokenBucket()
        let rate = TokenBucket.Rate(perSecond: 10, burst: 3)
        /// How many of nine.
        func taken(at now: UInt64) -> Int {
            (0..<9).count { _ in bucket.take(of: rate, now: now) }
        }
        #expect(taken(at: 5 * second) == 3)
        #expect(taken(at: 5 * second + second / 5) == 2)
        // A clock that goes back, or anywhere, gives nothing away.
        #expect(taken(at: 0) == 0)
        #expect(taken(at: .max) == 3)
        let nine = bucket.take(9, of: rate, now: .max)
        #expect(!nine)
    }

    @Test func aPersonsPaceIsAdmittedAndABurst() throws {
        let (_, recorder) = try make()
        #expect(admitted(recorder, 5000, now: 9 * second) == 1000)
        #expect(admitted(recorder, 5000, now: 10 * second) == 200)
        #expect(admitted(recorder, 5000, now: 100 * second) == 1000)
    }

    @Test(arguments: [Recordings.Mode.failures, .off]) func nothingBeginsAtTheBeginning(_ mode: Recordings.Mode) throws
    {
        let (_, recorder) = try make(mode)
        #expect(admitted(recorder, 10, now: second) == 0)
        let recording = recorder.gate.admit(.client, isRefused: false, now: second, recorder)
        guard case .absent(let absence) = recording else {
            Issue.record("\(recording)")
            return
        }
        #expect(absence.mayBeginLate == (mode == .failures) && absence.number == .off)
    }

    @Test func allIsAll() throws {
        let (recordings, recorder) = try make(.all)
        #expect(admitted(recorder, 9000, now: second) == 9000)
        #expect(admitted(recorder, 900, isRefused: true, now: second) == 900)
        recordings.set(isPaused: true)
        #expect(admitted(recorder, 9, now: second) == 0)
        #expect(recorder.admitLate(now: second) == nil)
    }

    @Test func whatTheInspectorSendsIsAlwaysRecorded() throws {
        let origin = ConnectionOrigin.replay(of: ExchangeID(prefix: 1, number: 2), ticket: 3)
        for mode in Recordings.Mode.allCases {
            let (recordings, recorder) = try make(mode)
            recordings.set(isPaused: true)
            #expect(admitted(recorder, 5000, origin, now: 0) == 5000)
            #expect(admitted(recorder, 5000, .composer(ticket: 1), isRefused: true, now: 0) == 5000)
        }
    }

    @Test func refusalsAndFailuresHaveSharesOfTheirOwn() throws {
        let (_, recorder) = try make()
        let now = 9 * second
        #expect(admitted(recorder, 5000, now: now) == 1000)
        #expect(admitted(recorder, 5000, isRefused: true, now: now) == 50)
        #expect((0..<5000).count { _ in recorder.admitLate(now: now) != nil } == 500)
        #expect((0..<5000).count { _ in recorder.admitLate(now: now + second / 2) != nil } == 250)
        #expect(admitted(recorder, 5000, isRefused: true, now: now + second) == 50)
    }

    /// Without asking the recorder, of which there is none when the inspector is off.
    @Test func aClosedGateSaysWhyByItself() throws {
        for absence: Recording.Absence in [.rate, .refused, .failuresOnly, .slab, .paused, .off] {
            let gate = RecordingGate(AtomicArray(count: Recordings.Number.count))
            gate.close(until: second, because: absence)
            func reason(_ now: UInt64) -> Recording.Absence? {
                guard case .absent(let reason) = gate.admit(.client, isRefused: false, now: now, nil) else {
                    return nil
                }
                return reason
            }
            #expect(reason(0) == absence && reason(second - 8) == absence)
            #expect(reason(second + 8) == .off)
            gate.close(until: .max, because: absence)
            #expect(reason(.max - 8) == absence)
            gate.open()
            #expect(reason(0) == .off)
        }
    }

    @Test func whatIsRecordedChangesAtOnce() throws {
        let (recordings, recorder) = try make(.off)
        #expect(admitted(recorder, 9, now: second) == 0)
        recordings.set(mode: .all)
        #expect(admitted(recorder, 9, now: second) == 9)
        recordings.set(isPaused: true)
        #expect(admitted(recorder, 9, now: second) == 0)
        recordings.set(isPaused: false)
        recordings.set(mode: .auto)
        #expect(admitted(recorder, 2000, now: second) == 1000)
        // The gate opens with the next one's credit, and no later.
        #expect(admitted(recorder, 9, now: second + second / 200 - 8) == 0)
        #expect(admitted(recorder, 9, now: second + second / 200 + 8) == 1)
        // Refusals and the inspector's own have shares of theirs, gate or no gate.
        #expect(admitted(recorder, 9, isRefused: true, now: second) == 9)
        #expect(admitted(recorder, 9, .composer(ticket: 1), now: second) == 9)
    }

    /// Whoever changes it and the worker that closes its gate meet: it must not stay closed for a reason that is over.
    @Test func aChangeIsNeverMissed() throws {
        let (recordings, recorder) = try make(.all)
        let turns = 2000
        let changer = try #require(
            NativeThread(name: "changer") {
                for _ in 0..<turns {
                    recordings.set(isPaused: true)
                    recordings.set(isPaused: false)
                }
            }
        )
        for _ in 0..<turns { _ = admitted(recorder, 1, now: second) }
        changer.join()
        #expect(admitted(recorder, 1, now: second) == 1)
    }

    // MARK: Writing

    private func begun(_ recorder: Recorder, _ number: UInt64, isUnlimited: Bool = false) -> Recording {
        var recording = Recording.running(.init(isUnlimited: isUnlimited))
        let id = ExchangeID(prefix: recorder.prefix, number: number)
        let client = ClientName(number: 5, origin: .composer(ticket: 4))
        recorder.begin(&recording, id, client, isLate: false, startedAt: 10, now: 20)
        return recording
    }

    private func body(_ recorder: Recorder, _ recording: inout Recording, _ count: Int, at: UInt64 = 20) {
        [UInt8](repeating: 65, count: count).withUnsafeBytes {
            let bodies = RecordKind.Progress(requestBytes: 1, responseBytes: UInt64(count))
            recorder.tellBody(&recording, .responseBody, $0, bodies, at: at)
        }
    }

    private var ending: RecordedEvent.Ending {
        RecordedEvent.Ending(
            status: 200,
            outcome: .complete,
            needsLogin: false,
            attempts: 1,
            requestBytes: 2,
            responseBytes: 3,
            totalNanoseconds: 4,
            upstreamNanoseconds: 5,
            tokenNanoseconds: 6,
            refresh: .brought,
            wasReplayable: true
        )
    }

    private func drained(_ recordings: Recordings, _ recorder: Recorder) -> [RecordedEvent] {
        recorder.turnEnded()
        var events: [RecordedEvent] = []
        while recordings.drain(limit: 3, { events.append($0) }) {}
        return events
    }

    @Test func eventsComeAsTheyWereTold() throws {
        let (recordings, recorder) = try make()
        var recording = begun(recorder, 1)
        recorder.tell(&recording, .attempt, RecordKind.Attempt(number: 2, generation: 7), at: 21)
        for failure: CredentialFailure in [
            .loginNeeded("why"), .loginNeeded(), .notRefreshable, .unchanged(retryAfter: 1),
            .unavailable(retryAfter: 2, isUnreachable: true), .misconfigured("x", retryAfter: 3),
            .unavailable(retryAfter: 2, isUnreachable: false, because: "so"),
            .paused(retryAfter: 4),
            .refreshDidNotHelp, .notWritable("disk"), .overloaded, .shuttingDown,
        ] {
            var text = failure.text
            text.withUTF8 {
                let arrival = RecordKind.TokenArrival(.failed(failure))
                recorder.tell(&recording, .tokenArrived, arrival, UnsafeRawBufferPointer($0), at: 22)
            }
            let told = try #require(drained(recordings, recorder).last)
            guard case .tokenArrived(.failed(let read)) = told.what else {
                Issue.record("\(told)")
                continue
            }
            #expect(read == failure)
        }
        recorder.end(recording, ending, at: 30)
        let last = try #require(drained(recordings, recorder).last)
        guard case .ended(let read) = last.what else {
            Issue.record("\(last)")
            return
        }
        #expect(String(describing: read) == String(describing: ending))
        #expect(last.exchange == ExchangeID(prefix: recorder.prefix, number: 1) && last.at == 30)
        #expect(recordings.counts == Recordings.Counts(recorded: 1))
    }

    @Test func bodiesHaveTheirLimit() throws {
        let (recordings, recorder) = try make(bodyLimit: 1024)
        var recording = begun(recorder, 1)
        for _ in 0..<10 { body(recorder, &recording, 300) }
        body(recorder, &recording, 300, at: 20 + second)
        body(recorder, &recording, 300, at: 21 + second)
        let events = drained(recordings, recorder)
        #expect(events.compactMap(\.octets).flatMap(\.self).count == 1024)
        // What is not kept is told of, not too often.
        #expect(events.count { if case .progress = $0.what { true } else { false } } == 1)
        #expect(!events.contains { if case .lost = $0.what { true } else { false } })
    }

    @Test func aRunningExchangeIsSeenWhileItRuns() throws {
        let (recordings, recorder) = try make()
        var recording = begun(recorder, 1)
        body(recorder, &recording, 10)
        #expect(drained(recordings, recorder).count == 2)
        body(recorder, &recording, 10)
        body(recorder, &recording, 10)
        #expect(drained(recordings, recorder).map { $0.octets?.count } == [20])
    }

    /// Too many octets a second: what is kept of a body is its beginning, without gaps, and heads are kept.
    @Test func octetsHaveARate() throws {
        let (recordings, recorder) = try make(bodyLimit: 1 << 20)
        for number: UInt64 in 1...18 {
            var recording = begun(recorder, number)
            for _ in 0..<8 { body(recorder, &recording, 64 * 1024, at: second) }
            recorder.end(recording, ending, at: second)
            var (kept, isLost) = (0, false)
            for event in drained(recordings, recorder) {
                kept += event.octets?.count ?? 0
                if case .lost = event.what { isLost = true }
            }
            #expect(isLost == (kept < 512 * 1024))
            #expect(kept == (number <= 15 ? 512 * 1024 : kept))
            if number > 16 { #expect(kept == 0) }
        }
        var replay = begun(recorder, 99, isUnlimited: true)
        body(recorder, &replay, 64 * 1024, at: second)
        #expect(drained(recordings, recorder).contains { $0.octets?.count == 64 * 1024 })
    }

    @Test func whatDoesNotFitIsSaidToBeLost() throws {
        let (recordings, recorder) = try make(.all)
        var recording = begun(recorder, 1, isUnlimited: true)
        let head = [UInt8](repeating: 1, count: 3 << 20)
        head.withUnsafeBytes { recorder.tellHead(&recording, .responseHead, (), $0, at: 20) }
        recorder.end(recording, ending, at: 30)
        let events = drained(recordings, recorder)
        #expect(events.count == 3)
        if case .lost = events[1].what {} else { Issue.record("\(events[1])") }
        if case .ended = events[2].what {} else { Issue.record("\(events[2])") }
    }

    /// Nobody reads: recordings that began all end, the others are counted.
    @Test func aFullRingLosesNoEnd() throws {
        let (recordings, recorder) = try make(.all)
        var open: [Recording] = []
        for number: UInt64 in 1...6000 {
            var recording = begun(recorder, number)
            body(recorder, &recording, 500)
            open.append(recording)
        }
        for recording in open { recorder.end(recording, ending, at: 40) }
        let events = drained(recordings, recorder)
        let (began, ended) = events.reduce(into: (0, 0)) {
            if case .began = $1.what { $0.0 += 1 }
            if case .ended = $1.what { $0.1 += 1 }
        }
        let counts = recordings.counts
        #expect(began == ended && began > 1000 && began < 6000)
        #expect(counts.ended == 6000 && counts.recorded == UInt64(began) && counts.slab == 6000 - UInt64(began))
    }

    @Test func identifiersAreKnown() throws {
        let (recordings, recorder) = try make()
        #expect((1...7).allSatisfy { recorder.gate.nextExchange() == $0 })
        let id = { ExchangeID(prefix: recorder.prefix &+ $0, number: $1) }
        #expect(recordings.hasGiven(id(0, 1)) && recordings.hasGiven(id(0, 7)))
        #expect(!recordings.hasGiven(id(0, 0)) && !recordings.hasGiven(id(0, 8)) && !recordings.hasGiven(id(1, 1)))
    }

    @Test func prefixesDiffer() {
        #expect(Set(ExchangeID.prefixes(65_536)).count == 65_536)
    }

    @Test func theInspectorIsWokenForViewersAndWhenTheRingFills() throws {
        let (recordings, recorder) = try make(.all)
        let calls = Guarded(0)
        recordings.onNews {
            calls.with { $0 += 1 }
            recordings.heard()
        }
        var (number, now): (UInt64, UInt64) = (0, second)
        /// How often it was woken for an exchange.
        func turn(_ octets: Int = 1) -> Int {
            number += 1
            var recording = begun(recorder, number, isUnlimited: true)
            body(recorder, &recording, octets)
            recorder.end(recording, ending, at: now)
            recorder.turnEnded(now: now)
            return calls.with { calls in
                defer { calls = 0 }
                return calls
            }
        }
        #expect(turn() == 0)
        recordings.set(viewers: 1)
        #expect(turn() == 1 && turn() == 0)
        now += second / 25
        #expect(turn() == 0)
        now += second / 100
        #expect(turn() == 1 && turn() == 0)
        // A turn that told nothing.
        now += second
        recorder.turnEnded(now: now)
        #expect(calls.with { $0 } == 0)
        recordings.set(viewers: 0)
        #expect((0..<10).map { _ in turn(60_000) } == [0, 0, 0, 0, 0, 0, 0, 0, 1, 0])
        // Not again for the same, but as soon as it has been there.
        while recordings.drain(limit: 1000, { _ in }) {}
        now += second / 200
        #expect((0..<10).map { _ in turn(60_000) }.reduce(0, +) == 1)
    }

    /// Whoever is slow to come is not called again for each time that it was not there: the calls would be waiting for it.
    @Test func whoWasCalledIsNotCalledAgainBeforeItHeard() throws {
        let (recordings, recorder) = try make(.all)
        let calls = Guarded(0)
        recordings.onNews { calls.with { $0 += 1 } }
        recordings.set(viewers: 1)
        for number in 1...5 as ClosedRange<UInt64> {
            recorder.end(begun(recorder, number, isUnlimited: true), ending, at: number * second)
            recorder.turnEnded(now: number * second)
            #expect(calls.with { $0 } == (number < 4 ? 1 : 2))
            if number == 3 { recordings.heard() }
        }
    }
}

extension RecordedEvent {
    /// The octets of a body.
    var octets: [UInt8]? {
        switch what {
        case .requestBody(let octets), .responseBody(let octets), .tunnelData(_, let octets): octets
        default: nil
        }
    }
}
