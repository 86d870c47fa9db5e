import Credentials
import HTTP1
import ReverseProxy
import Support

/// A running exchange with its raw octets, including secrets. Only `ExchangeAssembler` sees it, and `wipe` overwrites
/// it at the end.
///
/// This file processes events; `+Reading` creates the storable form.
final class RunningExchange {
    let id: ExchangeID
    let beginning: RecordedEvent.Beginning
    var requestHead: [UInt8] = []
    /// How the target of `requestHead` relates to the base path.
    var place = TargetPlace.below
    var sentHead: [UInt8] = []
    var sentParts = RecordedEvent.HeadParts(madeOffset: 0, rulesOffset: 0)
    var route: RouteKind?
    var carriesCredential = false
    var requestBody = RawBody()
    var requestBytes: UInt64 = 0
    var responseBytes: UInt64 = 0
    var attempts: [Attempt] = []
    var interim: [StoredInterim] = []
    var tokenWaits: [StoredTokenWait] = []
    var ownAnswer: OwnAnswer?
    var isTunnel = false
    private var frames: (client: FrameReader, upstream: FrameReader)
    var messages: [RawMessage] = []
    /// The first of them, redacted by that version of the redactor.
    var safeMessages: [StoredMessage] = []
    var safeMessagesVersion = 0
    var hasRedactedMessages = false
    var ending: RecordedEvent.Ending?
    var isCut = false
    /// The memory that it uses in octets: raw data, redacted forms, and an overhead for each message.
    private(set) var octets = 0
    /// The limit for `octets`.
    private var bound = 0
    /// The part of `octets` for redacted forms.
    private var safeOctets = 0
    /// The number of the last event in the assembler's count.
    var touched = 0
    /// When it was last shown, in monotonic nanoseconds; nil if it was not.
    var shownAt: UInt64?
    /// Something has arrived since.
    var hasNews = true

    private let limit: Int
    private static let maximumAttempts = 32
    private static let maximumSteps = 64
    static let maximumMessages = 2000
    /// The approximate overhead of a message in octets, raw and redacted.
    static let messageCost = 192

    struct Attempt {
        var number: Int
        var generation: Generation
        var began: Double
        var connected: Double?
        var isReused = false
        var setup = StoredSetup()
        var sent: Double?
        var firstByte: Double?
        var ended: Double?
        var head: [UInt8] = []
        var body = RawBody()
        var isHeld = false
        var isRelayed = false
        var marks = Marks()
        var events: EventStreamReader?
    }

    struct OwnAnswer {
        var status: Int
        var code: String?
        var head: [UInt8] = []
        var body: [UInt8] = []
        var at: Double
    }

    struct RawMessage {
        var at: Double
        var isFromClient: Bool
        var opcode: Int?
        var size: UInt64
        var octets: [UInt8]
        /// Nothing was left out.
        var isWhole: Bool
    }

    /// The first octets of a body, raw and in redacted form.
    struct RawBody {
        var octets: [UInt8] = []
        /// Some octets did not fit.
        var isCut = false
        var safe: (count: Int, version: Int, isComplete: Bool, body: StoredBody)?
        var safeOctets: Int { safe?.body.kept.count ?? 0 }
    }

    /// The times at which each further 4 KiB had arrived; fewer if there would be too many.
    struct Marks {
        private(set) var list: [(offset: UInt64, at: Double)] = []
        private var step: UInt64 = 4096
        private static let maximum = 256

        mutating func add(_ offset: UInt64, _ at: Double) {
            if let last = list.last, offset < last.offset &+ step { return }
            if list.count == Self.maximum {
                list = list.enumerated().filter { $0.offset.isMultiple(of: 2) }.map(\.element)
                step *= 2
            }
            list.append((offset, at))
        }
    }

    init(_ id: ExchangeID, _ beginning: RecordedEvent.Beginning, limit: Int) {
        self.id = id
        self.beginning = beginning
        self.limit = limit
        frames = (FrameReader(limit: limit), FrameReader(limit: limit))
    }

    /// Milliseconds after the start of the exchange.
    func milliseconds(_ at: UInt64) -> Double {
        at > beginning.startedAt ? Double(at - beginning.startedAt) / 1e6 : 0
    }

    /// How many more octets may be held; never negative.
    private var room: Int { max(0, bound - octets) }

    /// `room` is how many more octets may be held.
    func take(_ event: RecordedEvent, room: Int) {
        bound = octets + max(0, room)
        let at = milliseconds(event.at)
        hasNews = true
        switch event.what {
        case .began: break
        case .requestHead(let head, let place):
            self.place = place
            hold(head) { $0.requestHead = head }
        case .sentHead(let head, let parts, let route, let carriesCredential):
            self.route = route
            sentParts = parts
            self.carriesCredential = carriesCredential
            hold(head) { $0.sentHead = head }
        case .requestBody(let part):
            requestBytes &+= UInt64(part.count)
            append(part, to: &requestBody)
        case .attempt(let number, let generation): begin(number, generation, at)
        case .connected(let isReused, let lookup, let tls):
            change {
                $0.connected = at
                $0.isReused = isReused
                if lookup > 0 { $0.setup.lookup = Double(lookup) / 1e6 }
                if tls > 0 { $0.setup.tls = Double(tls) / 1e6 }
            }
        case .sent: change { $0.sent = at }
        case .interim(let status):
            if interim.count < Self.maximumSteps { interim.append(StoredInterim(at: at, status: status)) }
        case .responseHead(let head):
            change {
                $0.firstByte = at
                $0.isRelayed = true
            }
            // The attempt may not have been recorded for lack of space.
            hold(head) { exchange in exchange.change { $0.head = head } }
        case .responseBody(let part): takeResponse(part, at)
        case .progress(let requestBytes, let responseBytes):
            self.requestBytes = max(self.requestBytes, requestBytes)
            self.responseBytes = max(self.responseBytes, responseBytes)
            if responseBytes > 0 { change { $0.marks.add(responseBytes, at) } }
        case .held:
            change {
                $0.isHeld = true
                $0.isRelayed = false
                $0.ended = at
            }
        case .relayedHeld: change { $0.isRelayed = true }
        case .tokenWait(let need, let awaited):
            endAttempt(at)
            guard tokenWaits.count < Self.maximumSteps else { return }
            tokenWaits.append(StoredTokenWait(began: at, need: need, awaited: awaited))
        case .tokenArrived(let arrival):
            guard let last = tokenWaits.indices.last, tokenWaits[last].ended == nil else { return }
            tokenWaits[last].ended = at
            tokenWaits[last].take(arrival)
            let detail = StoredTokenWait.detail(of: arrival)
            hold(detail) { $0.tokenWaits[last].detail = detail }
        case .ownAnswer(let status, let head, let body, let code):
            endAttempt(at)
            notRelayed()
            ownAnswer = OwnAnswer(status: status, code: code, at: at)
            hold(head) { $0.ownAnswer?.head = head }
            hold(body) { $0.ownAnswer?.body = body }
        case .tunnelOpened: isTunnel = true
        case .tunnelData(let isFromClient, let part): takeTunnel(isFromClient, part, at)
        case .ended(let ending):
            endAttempt(at)
            if let last = tokenWaits.indices.last, tokenWaits[last].ended == nil { tokenWaits[last].ended = at }
            requestBytes = ending.requestBytes
            responseBytes = ending.responseBytes
            self.ending = ending
        case .lost: isCut = true
        }
    }

    /// Counts the redacted forms; they are created again each time if there is no room for them. `bound` is how many
    /// octets the exchange may use.
    func countSafe(bound: Int) {
        octets -= safeOctets
        safeOctets =
            attempts.reduce(requestBody.safeOctets) { $0 + $1.body.safeOctets }
            + safeMessages.reduce(0) { $0 + $1.kept.count }
        if octets + safeOctets > bound {
            requestBody.safe = nil
            for index in attempts.indices { attempts[index].body.safe = nil }
            safeMessages = []
            safeOctets = 0
        }
        octets += safeOctets
    }

    /// Overwrites the raw octets.
    func wipe() {
        requestHead.wipe()
        sentHead.wipe()
        requestBody.octets.wipe()
        for index in attempts.indices {
            attempts[index].head.wipe()
            attempts[index].body.octets.wipe()
            attempts[index].events?.wipe()
        }
        ownAnswer?.head.wipe()
        ownAnswer?.body.wipe()
        for index in tokenWaits.indices { tokenWaits[index].detail.wipe() }
        for index in messages.indices { messages[index].octets.wipe() }
        frames.client.wipe()
        frames.upstream.wipe()
        octets = 0
    }

    // MARK: Steps

    private func change(_ body: (inout Attempt) -> Void) {
        guard !attempts.isEmpty else { return }
        body(&attempts[attempts.count - 1])
    }

    private func begin(_ number: Int, _ generation: Generation, _ at: Double) {
        endAttempt(at)
        notRelayed()
        guard attempts.count < Self.maximumAttempts else {
            isCut = true
            return
        }
        attempts.append(Attempt(number: number, generation: generation, began: at))
    }

    private func endAttempt(_ at: Double) {
        change { if $0.ended == nil { $0.ended = at } }
    }

    /// Another attempt, or Squire's own response, follows: the client has not received the last response.
    private func notRelayed() {
        change {
            guard $0.isRelayed else { return }
            $0.isRelayed = false
            $0.isHeld = true
        }
    }

    private func hold(_ part: [UInt8], _ body: (RunningExchange) -> Void) {
        guard part.count <= room else {
            isCut = true
            return
        }
        octets += part.count
        body(self)
    }

    /// What is kept has no gaps: where some was left out, nothing more is added.
    private func append(_ part: [UInt8], to body: inout RawBody) {
        let fits = body.isCut ? 0 : min(part.count, room, max(0, limit - body.octets.count))
        if fits < part.count { body.isCut = true }
        body.octets += part.prefix(fits)
        octets += fits
    }

    private func takeResponse(_ part: [UInt8], _ at: Double) {
        guard let last = attempts.indices.last else { return }
        append(part, to: &attempts[last].body)
        if attempts[last].isRelayed {
            responseBytes &+= UInt64(part.count)
            attempts[last].marks.add(max(responseBytes, UInt64(attempts[last].body.octets.count)), at)
        }
        if attempts[last].events == nil, attempts[last].body.octets.count == part.count, isEventStream(attempts[last]) {
            attempts[last].events = EventStreamReader(limit: limit)
        }
        guard let before = attempts[last].events?.held else { return }
        var found: [RawMessage] = []
        attempts[last].events?.read(part, room: room) { event, size, isWhole in
            found.append(
                RawMessage(at: at, isFromClient: false, opcode: nil, size: size, octets: event, isWhole: isWhole)
            )
        }
        octets += (attempts[last].events?.held ?? 0) - before
        add(found)
    }

    private func takeTunnel(_ isFromClient: Bool, _ part: [UInt8], _ at: Double) {
        if isFromClient {
            requestBytes &+= UInt64(part.count)
        } else {
            responseBytes &+= UInt64(part.count)
        }
        var found: [RawMessage] = []
        let add = { (message: FrameReader.Message) in
            found.append(
                RawMessage(
                    at: at,
                    isFromClient: isFromClient,
                    opcode: message.opcode,
                    size: message.size,
                    octets: message.payload,
                    isWhole: message.size == UInt64(message.payload.count)
                )
            )
        }
        let before = frames.client.held + frames.upstream.held
        if isFromClient {
            frames.client.read(part, room: room, add)
        } else {
            frames.upstream.read(part, room: room, add)
        }
        octets += frames.client.held + frames.upstream.held - before
        self.add(found)
    }

    /// Keeps the messages for which there is room; the reader no longer holds their octets.
    private func add(_ found: [RawMessage]) {
        for message in found {
            guard messages.count < Self.maximumMessages, message.octets.count + Self.messageCost <= room else {
                isCut = true
                return
            }
            octets += message.octets.count + Self.messageCost
            messages.append(message)
        }
    }

    private func isEventStream(_ attempt: Attempt) -> Bool {
        // A quick check, so that few heads have to be parsed.
        guard attempt.head.span.contains("event-stream") else { return false }
        var head = ResponseHead()
        guard RecordedHead.parse(response: attempt.head, method: .get, into: &head) else { return false }
        guard let type = head.first(.contentType) else { return false }
        let start = Int(type.value.lowerBound)
        let length = min("text/event-stream".utf8.count, type.value.count)
        return attempt.head.span.matches(ByteRange(start, start + length), "text/event-stream")
    }
}
