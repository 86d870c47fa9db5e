import Credentials
import ReverseProxy

/// Derived properties of an exchange.
extension StoredExchange {
    enum Outcome: String {
        case complete
        case clientGone = "client_gone"
        case upstreamFailed = "upstream_failed"
        /// Squire refused it.
        case refused
        /// Squire answered by itself, without a refusal.
        case answered
        case shutDown = "shut_down"
    }

    enum Flag: String {
        case redacted, cut, late, encoded, stream, websocket, slow, pinned
    }

    var isRunning: Bool { ending == nil }

    /// The status that the client received; nil if it received no head.
    var status: Int? {
        if let ownAnswer { return ownAnswer.status }
        if let ending { return ending.status == 0 ? nil : ending.status }
        return attempts.last { $0.isRelayed }?.status
    }

    /// Nil while it is running.
    var outcome: Outcome? {
        switch ending?.outcome {
        case nil: nil
        case .complete?: .complete
        case .clientGone?: .clientGone
        case .upstreamBroke?: .upstreamFailed
        case .shutDown?: .shutDown
        case .local?: ownOutcome
        }
    }

    private var ownOutcome: Outcome {
        switch ownAnswer?.code.flatMap(Problem.Code.init) {
        case nil, .loginNeeded?, .sessionUnavailable?: .answered
        case .upstreamUnreachable?, .upstreamTLS?, .upstreamProtocol?, .upstreamReset?, .upstreamTimeout?:
            .upstreamFailed
        default: .refused
        }
    }

    /// Squire did not admit it because of its Host, the page or the user that sent it, or its key, or because it was
    /// not a request.
    var isTurnedAway: Bool { route == nil && ownAnswer?.code != nil }

    /// The code of Squire's own response, or the one that it added to the upstream's.
    var code: String? {
        ownAnswer?.code ?? (ending?.needsLogin == true ? Problem.Code.loginNeeded.rawValue : nil)
    }

    var statuses: [Int] { attempts.compactMap(\.status) }

    /// The generation of the last attempt; nil without a token.
    var generation: Generation? { attempts.last.flatMap { $0.generation == 0 ? nil : $0.generation } }

    /// The generations that it was sent with, each once.
    var generations: [Generation] {
        var result: [Generation] = []
        for attempt in attempts where attempt.generation != 0 && !result.contains(attempt.generation) {
            result.append(attempt.generation)
        }
        return result
    }

    /// `led`, `waited`, or nil if it waited for no refresh.
    var refresh: String? {
        if tokenWaits.contains(where: \.led) { return "led" }
        return tokenWaits.contains { $0.awaited != .nothing } ? "waited" : nil
    }

    /// What came of its last wait for a token; nil if there was none, or it lasts.
    var tokenOutcome: StoredTokenWait.Outcome? { tokenWaits.last?.outcome }

    /// The media type of the client's response, without parameters, in lower case.
    var type: String? {
        if let ownAnswer { return ownAnswer.code == nil ? nil : "application/problem+json" }
        return attempts.last { $0.isRelayed }?.body.mediaType
    }

    /// The duration of all attempts in milliseconds.
    var upstreamMilliseconds: Double? {
        attempts.isEmpty ? nil : attempts.reduce(0) { $0 + max(0, ($1.ended ?? age) - $1.began) }
    }

    var flags: [Flag] {
        var result: [Flag] = []
        if isRedacted { result.append(.redacted) }
        if isCut { result.append(.cut) }
        if isLate { result.append(.late) }
        if request.body.unreadable != nil || attempts.contains(where: { $0.body.unreadable != nil }) {
            result.append(.encoded)
        }
        if attempts.last?.body.mediaType == "text/event-stream" { result.append(.stream) }
        if isTunnel { result.append(.websocket) }
        if isSlow { result.append(.slow) }
        if isPinned { result.append(.pinned) }
        return result
    }

    private var isRedacted: Bool {
        !request.redactions.isEmpty || !request.body.redactions.isEmpty || hasRedactedMessages
            || attempts.contains { !$0.redactions.isEmpty || !$0.body.redactions.isEmpty }
    }

    private var isSlow: Bool { age > 1000 }

    /// The origin of the request: `client`, `replay`, `composer`.
    var originName: String {
        switch origin {
        case .client: "client"
        case .replay: "replay"
        case .composer: "composer"
        }
    }

    /// The ticket, if the inspector sent it.
    var ticket: UInt64? {
        switch origin {
        case .client: nil
        case .replay(_, let ticket), .composer(let ticket): ticket
        }
    }

    /// The time in milliseconds by cause, with the sum `age`. `queued` is the time before the first step, and the time
    /// that an attempt waited for another exchange's connection.
    var timings: (queued: Double, token: Double, upstream: Double, client: Double) {
        let total = max(0, age)
        let first = attempts.first?.began
        let starts = [first, tokenWaits.first?.began].compactMap { $0 }
        let waits = attempts.reduce(0) { $0 + ($1.isReused ? max(0, ($1.connected ?? $1.began) - $1.began) : 0) }
        let queued = min(total, (starts.min() ?? 0) + waits)
        let upstream = min(total - queued, max(0, (upstreamMilliseconds ?? 0) - waits))
        let waited = tokenWaits.reduce(0) { $0 + max(0, ($1.ended ?? age) - $1.began) }
        let token = min(total - queued - upstream, waited)
        return (queued, token, upstream, max(0, total - queued - upstream - token))
    }

    // MARK: Keeping

    /// The lane in which it is stored.
    var lane: ExchangeStore.Lane {
        if isPinned { return .pinned }
        if outcome == .refused { return .refusals }
        let isNotable =
            status ?? 0 >= 400 || attempts.count > 1 || !tokenWaits.isEmpty || isSlow || origin != .client
            || outcome == .upstreamFailed
        return isNotable ? .notable : .ordinary
    }

    /// Releases unused capacity.
    mutating func trim() {
        method.trim()
        target.trim()
        request.fields.trim()
        request.body.kept.trim()
        sent.trim()
        for index in attempts.indices {
            attempts[index].fields.trim()
            attempts[index].body.kept.trim()
        }
        ownAnswer?.body.trim()
        ownAnswer?.fields.trim()
    }

    /// The memory that it uses in the store, in octets, with overhead.
    var cost: Int {
        let allocation = 48
        var sum = 256 + MemoryLayout<StoredExchange>.size
        sum += method.count + target.count + request.fields.octets.count + sent.octets.count + 4 * allocation
        sum += request.body.cost + request.redactions.reduce(0) { $0 + $1.utf8.count + allocation }
        for attempt in attempts {
            sum += MemoryLayout<StoredAttempt>.stride + attempt.fields.octets.count + attempt.reason.count
            sum += attempt.body.cost + attempt.marks.count * 16 + 2 * allocation
            sum += attempt.redactions.reduce(0) { $0 + $1.utf8.count + allocation }
        }
        sum += (interim.count + tokenWaits.count) * MemoryLayout<StoredTokenWait>.stride
        sum += tokenWaits.reduce(0) { $0 + $1.detail.count }
        sum += ownAnswer.map { $0.body.count + $0.fields.octets.count + 2 * allocation } ?? 0
        sum += messages.reduce(0) { $0 + MemoryLayout<StoredMessage>.stride + $1.kept.count + allocation }
        return sum
    }

    /// Removes bodies and messages, because it is too large for the store.
    mutating func dropBodies() {
        for index in attempts.indices { attempts[index].body.drop() }
        request.body.drop()
        messages = []
        isCut = true
    }
}

extension StoredBody {
    /// Without parameters, in lower case.
    var mediaType: String? {
        type.map { $0.prefix { $0 != ";" && $0 != " " && $0 != "\t" }.lowercased() }
    }

    fileprivate var cost: Int {
        kept.count + 96 + (type?.utf8.count ?? 0) + redactions.reduce(0) { $0 + $1.utf8.count + 48 }
    }

    fileprivate mutating func drop() {
        isCut = isCut || !kept.isEmpty
        kept = []
    }
}

extension StoredExchange {
    /// Ends an exchange that was no longer assembled.
    mutating func end(_ ending: RecordedEvent.Ending) {
        self.ending = ending
        age = Double(ending.totalNanoseconds) / 1e6
        requestBytes = ending.requestBytes
        responseBytes = ending.responseBytes
        for index in attempts.indices where attempts[index].ended == nil { attempts[index].ended = age }
        for index in tokenWaits.indices where tokenWaits[index].ended == nil { tokenWaits[index].ended = age }
        isCut = true
    }
}
