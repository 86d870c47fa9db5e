import EventIO
import Platform

/// One worker's side of `Recordings`: decides what to record, and writes it. Never blocks, never allocates.
///
/// *Threading*: belongs to its worker's loop.
final class Recorder {
    let recordings: Recordings
    let prefix: UInt16
    let gate: RecordingGate
    private let ring: RecordingRing
    private var exchanges = TokenBucket()
    private var octets = TokenBucket()
    private var failures = TokenBucket()
    private var refusals = TokenBucket()
    /// When the inspector was woken last, and how far it had read by then.
    private var wokenAt: UInt64 = 0
    private var consumedThen: UInt64 = 0

    init?(_ recordings: Recordings, worker index: Int) {
        guard let lane = recordings.lane(index) else { return nil }
        self.recordings = recordings
        prefix = lane.prefix
        gate = lane.gate
        ring = lane.ring
    }

    /// While somebody watches, an exchange costs the inspector some 60 us, so this rate costs a hundredth of a CPU.
    /// Nobody can read faster, and a burst of a thousand, as from a script, is recorded completely.
    private static let exchangeRate = TokenBucket.Rate(perSecond: 200, burst: 1000)
    /// Above this rate only heads are recorded.
    private static let octetRate = TokenBucket.Rate(perSecond: 8 << 20, burst: 8 << 20)
    private static let failureRate = TokenBucket.Rate(perSecond: 500, burst: 500)
    private static let refusalRate = TokenBucket.Rate(perSecond: 50, burst: 50)

    // MARK: Admission

    /// Decides whether to record the exchange that begins, after `RecordingGate` let it pass. Refused exchanges have a
    /// rate of their own, so that a page that probes cannot displace others.
    func admit(_ origin: ConnectionOrigin, isRefused: Bool, now: UInt64) -> Recording {
        guard case .client = origin else { return .running(.init(isUnlimited: true)) }
        let policy = recordings.policy
        if policy.isPaused { return refuse(.paused, until: .max, policy) }
        switch policy.mode {
        case .off: return refuse(.off, until: .max, policy)
        case .all: return .running(.init(isUnlimited: true))
        case .auto, .failures:
            if isRefused {
                return refusals.take(of: Self.refusalRate, now: now)
                    ? .running(.init(isUnlimited: false)) : .absent(.refused)
            }
            guard policy.mode == .auto else { return refuse(.failuresOnly, until: .max, policy) }
            guard exchanges.take(of: Self.exchangeRate, now: now) else {
                return refuse(.rate, until: exchanges.refilled(to: Self.exchangeRate), policy)
            }
            return .running(.init(isUnlimited: false))
        }
    }

    /// Refuses all exchanges until `moment`, for the same reason, unless `policy` changes.
    private func refuse(_ absence: Recording.Absence, until moment: UInt64, _ policy: Recordings.Policy) -> Recording {
        gate.close(until: moment, because: absence)
        // `policy` may have changed since it was read, and the gate may have been opened before it was closed here.
        if recordings.policy != policy { gate.open() }
        return .absent(absence)
    }

    /// Decides whether to record an exchange from now on that was not recorded before, because something went wrong.
    func admitLate(now: UInt64) -> Recording? {
        guard !recordings.policy.isPaused, failures.take(of: Self.failureRate, now: now) else { return nil }
        return .running(.init(isUnlimited: false))
    }

    // MARK: Writing

    /// Writes the first record; if that fails, nothing of the exchange is recorded.
    func begin(
        _ recording: inout Recording,
        _ id: ExchangeID,
        _ client: ClientName,
        isLate: Bool,
        startedAt: UInt64,
        now: UInt64
    ) {
        guard case .running(var flow) = recording else { return }
        flow.number = id.number
        flow.requestRoom = recordings.bodyLimit
        flow.responseRoom = flow.requestRoom
        flow.toldAt = now
        let wall = WallClock.now()
        // One pair of clocks for each recording, because they drift, and the wall clock may jump.
        let milliseconds = Int64(wall.seconds) &* 1000 &+ Int64(wall.nanoseconds / 1_000_000)
        let age = now > startedAt ? (now &- startedAt) / 1_000_000 : 0
        let beginning = RecordedEvent.Beginning(
            connection: client.number,
            origin: client.origin,
            isLate: isLate,
            startedAt: startedAt,
            wallMilliseconds: milliseconds &- Int64(truncatingIfNeeded: age)
        )
        let hasRoom = write(.began, flow, beginning, .empty, at: now, reserving: RecordKind.End.size)
        recording = hasRoom ? .running(flow) : .absent(.slab)
    }

    /// Writes a record. If there is no room, it is dropped, and the exchange's end says so.
    func tell<Fixed: BitwiseCopyable>(
        _ recording: inout Recording,
        _ kind: RecordKind,
        _ fixed: Fixed,
        _ bytes: UnsafeRawBufferPointer = .empty,
        at: UInt64
    ) {
        guard case .running(var flow) = recording, !write(kind, flow, fixed, bytes, at: at) else { return }
        flow.isIncomplete = true
        recording = .running(flow)
    }

    /// Writes a head, which counts towards the rate of octets.
    func tellHead<Fixed: BitwiseCopyable>(
        _ recording: inout Recording,
        _ kind: RecordKind,
        _ fixed: Fixed,
        _ head: UnsafeRawBufferPointer,
        at: UInt64
    ) {
        _ = takeOctets(head.count, now: at)
        tell(&recording, kind, fixed, head, at: at)
    }

    /// Writes Squire's own response: its head, and the kept part of its body, which is the last `count` octets.
    func tellOwnAnswer(
        _ recording: inout Recording,
        status: Int,
        code: Problem.Code?,
        _ answer: UnsafeRawBufferPointer,
        count: Int,
        at: UInt64
    ) {
        let headLength = max(0, answer.count - count)
        let told = UnsafeRawBufferPointer(rebasing: answer.prefix(headLength + min(count, recordings.bodyLimit)))
        let fixed = RecordKind.OwnAnswer(status: status, code: code, headLength: headLength)
        tellHead(&recording, .ownAnswer, fixed, told, at: at)
    }

    /// Writes as much of a body as fits. `bodies` are the octets so far, in both directions.
    func tellBody(
        _ recording: inout Recording,
        _ kind: RecordKind,
        _ bytes: UnsafeRawBufferPointer,
        _ bodies: RecordKind.Progress,
        at: UInt64
    ) {
        guard case .running(var flow) = recording, !bytes.isEmpty else { return }
        let room = flow.room(kind)
        let part = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
        if room > 0 {
            let isAllowed = flow.isUnlimited || takeOctets(part.count, now: at)
            if isAllowed {
                let isWritten = extend(kind, flow, part) || write(kind, flow, Nothing(), part, at: at)
                if !isWritten { flow.isIncomplete = true }
                flow.setRoom(kind, isWritten ? room - part.count : 0)
            } else {
                // A kept body has no gaps.
                flow.setRoom(kind, 0)
                flow.isIncomplete = true
            }
        }
        if flow.room(kind) == 0, at &- flow.toldAt >= Self.progressInterval {
            flow.toldAt = at
            _ = write(.progress, flow, bodies, .empty, at: at)
        }
        recording = .running(flow)
    }

    /// Counts the octets together with their overhead in the ring.
    private func takeOctets(_ count: Int, now: UInt64) -> Bool {
        octets.take(UInt64(RecordingRing.size(count)), of: Self.octetRate, now: now)
    }

    private static let progressInterval: UInt64 = 250_000_000

    /// Counts an exchange that has ended, and writes its last record.
    func end(_ flow: Recording.Flow, _ ending: RecordedEvent.Ending, at: UInt64) {
        gate.add(.recorded)
        let end = RecordKind.End(ending: ending, isIncomplete: flow.isIncomplete)
        // Room for it was reserved.
        _ = write(.ended, flow, end, .empty, at: at, releasing: RecordKind.End.size)
        ring.show()
    }

    func end(_ recording: Recording, _ ending: @autoclosure () -> RecordedEvent.Ending, at: UInt64) {
        switch recording {
        case .ended: break
        case .absent(let absence): gate.count(absence)
        case .running(let flow): end(flow, ending(), at: at)
        }
    }

    /// Records a refusal that happened before there was an exchange.
    func record(_ refusal: WorkerResources.Refusal, as id: ExchangeID) {
        let now = MonotonicClock.now()
        var recording = admit(refusal.client.origin, isRefused: true, now: now)
        begin(&recording, id, refusal.client, isLate: false, startedAt: now, now: now)
        if !refusal.line.isEmpty { tellHead(&recording, .requestHead, TargetPlace.below, refusal.line, at: now) }
        tellOwnAnswer(
            &recording,
            status: refusal.problem.status,
            code: refusal.problem.code,
            refusal.answer,
            count: refusal.responseBytes,
            at: now
        )
        let ending = RecordedEvent.Ending(
            status: refusal.problem.status,
            outcome: .local,
            needsLogin: false,
            attempts: 0,
            requestBytes: 0,
            responseBytes: UInt64(refusal.responseBytes),
            totalNanoseconds: 0,
            upstreamNanoseconds: 0,
            tokenNanoseconds: 0,
            refresh: .none,
            wasReplayable: false
        )
        end(recording, ending, at: now)
    }

    private struct Nothing: BitwiseCopyable {}

    @inline(__always)
    private func write<Fixed: BitwiseCopyable>(
        _ kind: RecordKind,
        _ flow: Recording.Flow,
        _ fixed: Fixed,
        _ bytes: UnsafeRawBufferPointer,
        at: UInt64,
        reserving: Int = 0,
        releasing: Int = 0
    ) -> Bool {
        let isWritten = withUnsafeBytes(of: fixed) {
            ring.write(
                kind.rawValue,
                number: flow.number,
                at: at,
                $0,
                bytes,
                reserving: reserving,
                releasing: releasing
            )
        }
        if isWritten { gate.hasNews = true }
        return isWritten
    }

    /// Extends the last record, if possible.
    private func extend(_ kind: RecordKind, _ flow: Recording.Flow, _ part: UnsafeRawBufferPointer) -> Bool {
        let isWritten = ring.extend(kind.rawValue, number: flow.number, part)
        if isWritten { gate.hasNews = true }
        return isWritten
    }

    // MARK: The turn's end

    /// Publishes new records, and wakes the inspector if it waits for them.
    @inline(__always)
    func turnEnded(now: @autoclosure () -> UInt64 = MonotonicClock.now()) {
        if gate.hasNews { publish(now) }
    }

    @inline(never)
    private func publish(_ clock: () -> UInt64) {
        gate.hasNews = false
        ring.publish()
        let isFilling = ring.used >= ring.capacity / 4
        let hasViewers = recordings.policy.hasViewers
        guard hasViewers || isFilling else { return }
        let (now, consumed) = (clock(), ring.consumedPosition)
        // Does not wake it again for the same records: each call costs a system call.
        let isNew = isFilling && consumed != consumedThen && now &- wokenAt >= Self.shortInterval
        guard isNew || now &- wokenAt >= Self.wakeInterval else { return }
        (wokenAt, consumedThen) = (now, consumed)
        recordings.wake()
    }

    private static let wakeInterval: UInt64 = 50_000_000
    private static let shortInterval: UInt64 = 5_000_000
}

/// The identity of a client's connection.
struct ClientName {
    /// Unique among connections.
    let number: UInt64
    let origin: ConnectionOrigin
}

extension UnsafeRawBufferPointer {
    static var empty: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: nil, count: 0) }
}
