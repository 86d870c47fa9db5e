import Credentials
import EventIO
import HTTP1
import Platform
import Support
import Upstream

/// The data of a request, for the duration of its exchange.
struct Request {
    /// The largest body, in bytes, that goes into one segment with the head.
    static let smallBody = 16 * 1024

    let client: ClientStream
    let context: WorkerContext
    let id: ExchangeID
    /// In monotonic nanoseconds.
    let startedAt: UInt64
    let minorVersion: Int
    /// Up to `prefixLength` the head for the upstream; up to `headLength` the current attempt's credential and the
    /// empty line; behind that a small body, if there is one.
    let head: ByteBuffer
    var prefixLength = 0
    /// Up to there the head is the client's; behind it is what Squire makes, and from `rulesOffset` on what is
    /// configured.
    var madeOffset = 0
    var rulesOffset = 0
    var headLength = 0
    var methodLength = 0
    /// The offset of the target as the client sees it. The base path lies before it.
    var targetOffset = 0
    var targetLength = 0
    /// The request asks for a WebSocket.
    let mayTunnel: Bool
    /// The configured origin of the page that sent the request and may read the response.
    let pageOrigin: [UInt8]?
    /// The Host that the client uses for this proxy, or the upstream's in a complete target; empty if it sent none.
    let acceptedHost: [UInt8]
    /// How the client's target relates to the base path.
    let place: TargetPlace
    /// How the upstream's cookies are treated.
    let cookies: CookieRule
    /// The client's connection ends after the response, which says so.
    var closes: Bool
    var upload: Upload?
    var expectation = Expectation.none
    /// The head for the upstream has an `Expect` that the client did not send.
    var hasOwnExpectation = false
    /// The number of body bytes that the client sent.
    var bytes: UInt64 = 0
    /// Runs while Squire waits for the upstream: from the start of an attempt to its response's head, or until the
    /// meaning of the response is decided.
    var upstreamTime = Stopwatch()
    /// Runs while the exchange waits for a token.
    var tokenTime = Stopwatch()
    /// When the current attempt began, before it had a connection; in monotonic nanoseconds.
    var attemptStartedAt: UInt64 = 0
    /// When the current attempt got its connection.
    var attemptConnectedAt: UInt64 = 0
    /// The end of all waiting for the session, on `MonotonicClock`; zero before the first wait.
    var waitEndsAt: UInt64 = 0
    /// The refresh that this exchange started; nil if it started none.
    var ledRefresh: LedRefresh?
    /// The client's fields, kept for observers of edits; nil if there are none.
    var clientFields: HeadEdits.Fields?

    /// Records the parts of the head that was rendered into `head`.
    mutating func note(_ rendered: HeaderPolicy.Rendered, methodLength: Int) {
        prefixLength = head.count
        madeOffset = rendered.madeOffset
        rulesOffset = rendered.rulesOffset
        self.methodLength = methodLength
        targetOffset = rendered.targetOffset
        targetLength = rendered.targetLength
    }

    /// How the target of the head for the upstream relates to the base path, which precedes the part that clients see.
    var placeInHead: TargetPlace {
        let count = targetOffset - methodLength - 1
        return count > 0 ? .whole(basePath: count) : .below
    }

    /// Ends the head with the credential's field line; nil stands for none.
    mutating func endHead(credential line: [UInt8]?) {
        head.truncate(to: prefixLength)
        if let line { head.append(line) }
        head.append("\r\n")
        headLength = head.count
    }

    /// An attempt begins, and waits for its connection.
    mutating func attemptBegins(now: UInt64) {
        upstreamTime.start(now: now)
        attemptStartedAt = now
    }

    /// The attempt has its connection: decides whether the body is held back. A small one that is not shares a segment
    /// with the head.
    mutating func prepare(_ attempt: inout Attempt, scratch: ByteBuffer, now: UInt64) {
        attemptConnectedAt = now
        head.truncate(to: headLength)
        if case .own = expectation {
            attempt.awaitsContinue = true
        } else {
            attempt.awaitsContinue = expectation != .none && (upload?.body.count ?? 1) == 0
        }
        guard !attempt.awaitsContinue, let body = upload?.body, body.count > 0, body.count <= Self.smallBody,
            let bytes = body.bytes(from: 0, limit: Self.smallBody, scratch: scratch)
        else { return }
        head.append(bytes)
        attempt.bodySent = bytes.count
    }

    /// Part of the body has not been read: the client's connection cannot carry another request.
    var isBodyUnread: Bool { upload.map { !$0.body.isComplete } ?? false }
    var isReplayable: Bool { upload?.body.isReplayable ?? true }

    /// Takes Squire's own `Expect` out of the head for the upstream.
    mutating func dropExpectation() {
        let line = Array("Expect: 100-continue\r\n".utf8)
        let bytes = Array(head.readable.prefix(headLength))
        let places = madeOffset..<max(madeOffset, rulesOffset - line.count + 1)
        guard hasOwnExpectation, let place = places.first(where: { bytes[$0...].starts(with: line) }) else { return }
        head.truncate(to: place)
        head.append(Array(bytes[(place + line.count)...]))
        rulesOffset -= line.count
        prefixLength -= line.count
        headLength -= line.count
        hasOwnExpectation = false
        expectation = .none
    }
}

/// A refresh that an exchange started.
struct LedRefresh {
    /// The generation whose rejection led to it; nil if it was due anyway.
    var rejected: Generation?
    /// It brought another token.
    var hasBroughtToken = false
}

/// Who waits for "100 Continue" before the body is sent (RFC 9110 section 10.1.1).
enum Expectation: Equatable {
    case none
    /// The client waits, until it receives the response or sends anyway.
    case client
    /// Squire waits: a body that is too large to keep should not be sent with a credential that is refused. The client
    /// may wait too.
    case own(clientWaits: Bool)

    /// The client sends without waiting, or is being told to send.
    mutating func clientGoesOn() {
        switch self {
        case .client: self = .none
        case .own: self = .own(clientWaits: false)
        case .none: break
        }
    }

    var clientWaits: Bool { self == .client || self == .own(clientWaits: true) }
}

/// A request's body on its way from the client.
struct Upload {
    /// The body in the form for the upstream, with its framing.
    let body: RequestBody
    /// Extracts the body from the client's bytes.
    var reader: BodyReader
    let isChunked: Bool
}

/// How the sending of a request failed.
enum UploadEnd {
    case none
    /// The upstream had already ended its side.
    case afterEnd
    /// The upstream reset the connection. The failed write consumed the error, so a later read sees what looks like a
    /// clean end (send(2), socket(7): SO_ERROR).
    case reset

    init(_ result: IOResult) {
        // Linux returns EPIPE if the upstream's end arrived before its reset.
        self = result == .failed(ECONNRESET) ? .reset : .afterEnd
    }
}

/// One attempt to get a response, on one connection; never outlives its use of the connection.
struct Attempt {
    let connection: UpstreamConnection
    /// The connection served other exchanges before, so the upstream may have closed it.
    let isReused: Bool
    /// The session's epoch for the token: it shows what an acceptance proves.
    let epoch: UInt64
    var headSent = 0
    var bodySent = 0
    /// The state of the upload. After a failure nothing more can be sent, but the response or the connection's end can
    /// be read.
    var upload = UploadEnd.none
    /// The body is held back until the upstream sends "100 Continue" or a second has passed.
    var awaitsContinue = false
    var interimResponses = 0
    /// The upstream is not read, because the client does not keep up, or because it is not decided what happens to the
    /// response.
    var isPaused = false
    /// Received bytes that are not used yet; nil if there are none.
    var input: ByteBuffer?
    /// Both messages passed over the connection completely, and the upstream keeps it open.
    var isReusable = false
}

/// A response, from its head on.
struct Response {
    var reader: BodyReader
    /// The head, while the response is held.
    var head: ByteBuffer?
    /// The body so far, while the response is held.
    var collected: [UInt8] = []
    /// Decides from the body's first bytes whether it is a rejection; nil if no rule asks that.
    var search: RejectionSearch?
    /// Finds the end of the JSON of a sign-in.
    var jsonEnd = JSONEnd()
    /// The body is sent to the client in chunks.
    var writesChunks = false
    /// The body is sent to the client until the connection ends.
    var endsWithConnection = false
    /// Bytes arrived that do not belong to the response.
    var hasSurplus = false
}

/// The facts about the response that are reported when the exchange has ended.
struct Outcome {
    var status = 0
    /// The status of the upstream's first response; 0 if there was none.
    var firstStatus = 0
    /// The number of body bytes for the client.
    var bytes: UInt64 = 0
    var problem: Problem?
    /// The upstream's last response rejected the token.
    var isTokenRejected = false
    /// The upstream's own rejection is relayed, because only a login helps.
    var needsLogin = false

    /// The client got the upstream's response, which did not reject the token.
    @inline(__always)
    var isServed: Bool {
        // Neither called nor compared: either would copy all of this for each request.
        guard status != 0, !isTokenRejected else { return false }
        return if case .none = problem { true } else { false }
    }
}

/// Adds up several spans of time, in monotonic nanoseconds.
struct Stopwatch {
    private enum State {
        case unused
        case running(since: UInt64)
        case stopped
    }

    private var state = State.unused
    private var total: UInt64 = 0

    /// Does nothing if it is running.
    mutating func start(now: UInt64) {
        if case .running = state { return }
        state = .running(since: now)
    }

    /// Does nothing if it is not running.
    mutating func stop(now: UInt64) {
        guard case .running(let since) = state else { return }
        total &+= now &- since
        state = .stopped
    }

    /// The sum of all spans, including one that is still running; nil if there was none.
    func elapsed(now: UInt64) -> UInt64? {
        switch state {
        case .unused: nil
        case .running(let since): total &+ (now &- since)
        case .stopped: total
        }
    }
}
