import Credentials
import EventIO
import LocalServer
import Platform
import Support

/// The viewers: each has an open event stream, and receives changes as fast as it reads. A viewer that misses changes
/// is only told how many.
///
/// *Threading*: belongs to the inspector's loop. Timers run only while there are viewers.
final class Feed {
    /// The data that the feed obtains from the server.
    struct Sources {
        var store: ExchangeStore
        var run: String
        var session: () -> JSONValue
        var generation: (Generation) -> JSONValue?
        /// The members of `stats`, except the time and the rate, and the number of exchanges that have ended.
        var stats: () -> (members: [JSONValue.Member], ended: UInt64)
        /// The number of exchanges that ended without being recorded, for lack of space or time.
        var unrecorded: () -> UInt64
        /// The number of viewers.
        var changed: (Int) -> Void
    }

    static let maximumViewers = 16
    private static let secondsToComment = 15

    private final class Viewer {
        let responder: LocalResponder
        var position: FeedViewer
        /// Events that the viewer must receive when it reads again.
        var owesSession = false
        var owedGenerations: [Generation] = []
        var secondsToComment = Feed.secondsToComment
        var isWaiting = false

        init(_ responder: LocalResponder, _ position: FeedViewer) {
            self.responder = responder
            self.position = position
        }
    }

    private let sources: Sources
    private var viewers: [Int: Viewer] = [:]
    private var lastViewer = 0
    private lazy var pumpTimer = EventTimer(loop: loop) { [unowned self] in pump() }
    private lazy var secondTimer = EventTimer(loop: loop) { [unowned self] in second() }
    private let loop: EventLoop
    private var lastStats: JSONValue?
    private var lastEnded: (count: UInt64, at: UInt64) = (0, 0)
    private var lastUnrecorded: (count: UInt64, sequence: Int) = (0, 0)
    private var isPumping = false

    init(loop: EventLoop, _ sources: Sources) {
        self.loop = loop
        self.sources = sources
    }

    /// The number of viewers.
    var count: Int { viewers.count }

    // MARK: Coming and going

    /// Begins a stream: first `hello`, then the changes after the position; nil means only future ones.
    func add(_ responder: LocalResponder, hello: JSONValue, position text: String?) {
        let store = sources.store
        lastViewer += 1
        let number = lastViewer
        responder.begin(
            200,
            fields: [("Content-Type", "text/event-stream")] + InspectorResponse.fields,
            whenGone: { [weak self] in self?.remove(number) }
        )
        var head = FeedEvent.text("hello", hello) + FeedEvent.text("session", sources.session())
        var position = FeedViewer(after: store.sequence, sequence: store.sequence)
        if let text {
            let asked = FeedPosition(text)
            if let asked, asked.run ?? sources.run == sources.run, asked.sequence <= store.sequence {
                position = FeedViewer(
                    after: asked.sequence,
                    sequence: store.sequence,
                    lost: store.past.after(asked.sequence)
                )
            } else {
                head += FeedEvent.text("reset", .object([.init("why", .string("restart"))]))
                position = FeedViewer(after: 0, sequence: store.sequence)
            }
        }
        if viewers.isEmpty { begin() }
        viewers[number] = Viewer(responder, position)
        sources.changed(viewers.count)
        guard responder.write(head) == .taken else { return remove(number) }
        pump()
        _ = responder.write(FeedEvent.text("stats", Self.stats(sources.stats().members, rate: 0)))
    }

    private func begin() {
        let ended = sources.stats().ended
        lastEnded = (ended, MonotonicClock.now())
        lastUnrecorded = (sources.unrecorded(), sources.store.sequence)
        lastStats = nil
        secondTimer.arm(after: .seconds(1))
    }

    private func remove(_ number: Int) {
        guard viewers.removeValue(forKey: number) != nil else { return }
        sources.changed(viewers.count)
        guard viewers.isEmpty else { return }
        pumpTimer.cancel()
        secondTimer.cancel()
    }

    /// Ends all streams, for now.
    func end() {
        endStreams()
        sources.changed(0)
    }

    private func endStreams() {
        for viewer in viewers.values { viewer.responder.end() }
        viewers = [:]
        pumpTimer.cancel()
        secondTimer.cancel()
    }

    /// Ends all streams.
    func stop() {
        for viewer in viewers.values {
            _ = viewer.responder.write(FeedEvent.text("bye", .object([.init("why", .string("shutting_down"))])))
        }
        endStreams()
    }

    // MARK: What is new

    func evicted(_ sequence: Int) {
        for viewer in viewers.values { viewer.position.evicted(sequence) }
    }

    /// The store was cleared on request.
    func cleared() {
        for viewer in viewers.values {
            viewer.position.cleared(sources.store.sequence)
            _ = viewer.responder.write(FeedEvent.text("reset", .object([.init("why", .string("cleared"))])))
        }
    }

    /// The session, or these generations, have changed.
    func sessionChanged(_ generations: [Generation]) {
        for viewer in viewers.values {
            viewer.owesSession = true
            for generation in generations where !viewer.owedGenerations.contains(generation) {
                viewer.owedGenerations.append(generation)
            }
            viewer.owedGenerations.removeFirst(max(0, viewer.owedGenerations.count - 64))
        }
        pump()
    }

    /// Sends each viewer what is due.
    func pump() {
        // An eviction, or a viewer that leaves, may lead to a nested call.
        guard !viewers.isEmpty, !isPumping else { return }
        isPumping = true
        defer { isPumping = false }
        let now = MonotonicClock.now()
        var next: UInt64?
        for viewer in viewers.values {
            guard pay(viewer) else { continue }
            switch viewer.position.next(
                sources.store,
                run: sources.run,
                pending: viewer.responder.pendingBytes,
                now: now
            ) {
            case .idle: continue
            case .later(let moment): next = min(next ?? moment, moment)
            case .blocked: wait(for: viewer)
            case .send(let text):
                if viewer.responder.write(text) == .gone { continue }
                // There are more changes than were sent.
                if viewer.position.last < sources.store.sequence {
                    next = min(next ?? .max, now &+ FeedViewer.interval)
                }
            }
        }
        if let next { pumpTimer.arm(nanoseconds: next > now ? next - now : 0) }
    }

    /// Sends pending events about the session. False if the viewer does not read.
    private func pay(_ viewer: Viewer) -> Bool {
        guard viewer.owesSession || !viewer.owedGenerations.isEmpty else { return true }
        guard viewer.responder.pendingBytes < FeedViewer.maximumPending else {
            wait(for: viewer)
            return false
        }
        var text = viewer.owesSession ? FeedEvent.text("session", sources.session()) : ""
        for generation in viewer.owedGenerations {
            if let value = sources.generation(generation) { text += FeedEvent.text("generation", value) }
        }
        viewer.owesSession = false
        viewer.owedGenerations = []
        _ = viewer.responder.write(text)
        return true
    }

    private func wait(for viewer: Viewer) {
        guard !viewer.isWaiting else { return }
        viewer.isWaiting = true
        viewer.responder.whenDrained { [weak self, weak viewer] in
            viewer?.isWaiting = false
            self?.pump()
        }
    }

    // MARK: Each second

    private func second() {
        secondTimer.arm(after: .seconds(1))
        countUnrecorded()
        let now = MonotonicClock.now()
        let (members, ended) = sources.stats()
        let seconds = Double(max(1, now - lastEnded.at)) / 1e9
        let rate = Double(ended &- lastEnded.count) / seconds
        lastEnded = (ended, now)
        let stats = Self.stats(members, rate: rate)
        let isNew = stats.without("at") != lastStats?.without("at")
        lastStats = stats
        for viewer in viewers.values {
            viewer.secondsToComment -= 1
            let isDue = viewer.secondsToComment <= 0
            if isDue { viewer.secondsToComment = Self.secondsToComment }
            // A viewer that does not read gets the current state later.
            guard viewer.responder.pendingBytes < FeedViewer.maximumPending else { continue }
            let text = (isNew ? FeedEvent.text("stats", stats) : "") + (isDue ? FeedEvent.comment : "")
            if !text.isEmpty { _ = viewer.responder.write(text) }
        }
        pump()
    }

    /// Counts the exchanges of the last second that were not recorded.
    private func countUnrecorded() {
        let (count, sequence) = (sources.unrecorded(), sources.store.sequence)
        defer { lastUnrecorded = (count, sequence) }
        guard count > lastUnrecorded.count else { return }
        let lost = Lost(
            first: min(lastUnrecorded.sequence + 1, max(1, sequence)),
            last: max(1, sequence),
            count: Int(clamping: count - lastUnrecorded.count)
        )
        for viewer in viewers.values { viewer.position.notRecorded(lost) }
    }

    private static func stats(_ members: [JSONValue.Member], rate: Double) -> JSONValue {
        .object(
            [
                .init("at", .string(UTCTime.rfc3339(milliseconds: WallClock.milliseconds()))),
                .init("rate", .milliseconds((rate * 10).rounded() / 10)),
            ] + members
        )
    }
}

extension JSONValue {
    fileprivate func without(_ name: String) -> JSONValue {
        guard case .object(let members) = self else { return self }
        return .object(members.filter { $0.name != name })
    }
}
