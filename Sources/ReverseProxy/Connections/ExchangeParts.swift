import EventIO
import HTTP1
import Platform
import Upstream

/// A request while its exchange lasts.
struct Request {
    let client: ClientStream
    let context: WorkerContext
    let id: ExchangeID
    /// Monotonic nanoseconds.
    let startedAt: UInt64
    let minorVersion: Int
    /// The head for the upstream up to `prefixLength`, then up to `headLength` the present attempt's credential and the
    /// end, and behind that perhaps the body, if it is small.
    let head: ByteBuffer
    var prefixLength = 0
    /// Up to there the head is the client's; behind it is what Squire makes, and from `rulesOffset` on what is
    /// configured.
    var madeOffset = 0
    var rulesOffset = 0
    var headLength = 0
    var methodLength = 0
    /// Where in it the target as the client means it begins.
    var targetOffset = 0
    var targetLength = 0
    /// The request asks for a WebSocket.
    let mayTunnel: Bool
    /// A page of this configured origin sent the request: it may read the response.
    let pageOrigin: [UInt8]?
    /// The Host that the client calls this proxy by; empty without one.
    let acceptedHost: [UInt8]
    /// What becomes of the upstream's cookies.
    let cookies: CookieRule
    /// The client's connection ends after the response, and the response says so.
    var closes: Bool
    var upload: Upload?
    var expectation = Expectation.none
    /// Body bytes from the client.
    var bytes: UInt64 = 0
    /// Runs while the upstream is asked: from the beginning of an attempt to its response's head, or to where it is
    /// known what the response means.
    var upstreamTime = Stopwatch()
    /// Runs while a token is waited for.
    var tokenTime = Stopwatch()
    /// When the present attempt began, which is before it has a connection; monotonic nanoseconds.
    var attemptStartedAt: UInt64 = 0
    /// When it got its connection.
    var attemptConnectedAt: UInt64 = 0
    /// Until when it may wait for the session, in all, on `MonotonicClock`; zero before it has waited.
    var waitEndsAt: UInt64 = 0
    /// The refresh that it started; nil when it started none.
    var ledRefresh: LedRefresh?
    /// The client's fields, kept for who wants to hear what became of them; nil otherwise.
    var clientFields: HeadEdits.Fields?

    /// Some of the body has not been read: the client's connection cannot carry another request.
    var isBodyUnread: Bool { upload.map { !$0.body.isComplete } ?? false }
    var isReplayable: Bool { upload?.body.isReplayable ?? true }
}

/// A refresh that an exchange started.
struct LedRefresh {
    /// Because its token was rejected, and not because one was due.
    var isForRejection: Bool
    /// Another token came of it.
    var hasBroughtToken = false
}

/// Who waits for "100 Continue" before the body is sent (RFC 9110 section 10.1.1).
enum Expectation: Equatable {
    case none
    /// The client does, until it gets it or sends anyway.
    case client
    /// Squire does: a body that is too large to be kept had better not be sent with a credential that is refused. Its
    /// client may wait too.
    case own(clientWaits: Bool)

    /// The client sends without waiting, or is being told to.
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
    /// As it goes upstream, framing included.
    let body: RequestBody
    /// Takes it out of the client's bytes.
    var reader: BodyReader
    let isChunked: Bool
}

/// How the sending of a request failed.
enum UploadEnd {
    case none
    /// The upstream had ended its side before.
    case afterEnd
    /// It reset the connection. The failed write took the error away, so what is read afterwards ends as if cleanly
    /// (send(2), socket(7): SO_ERROR).
    case reset

    init(_ result: IOResult) {
        // Linux says EPIPE when the upstream's end came before its reset.
        self = result == .failed(ECONNRESET) ? .reset : .afterEnd
    }
}

/// One try to get a response, on one connection; never outlives its use of it.
struct Attempt {
    let connection: UpstreamConnection
    /// It served other exchanges before, so the upstream may have closed it.
    let isReused: Bool
    /// What the attempt shows of the session's token when it is accepted.
    let epoch: UInt64
    var headSent = 0
    var bodySent = 0
    /// What the upload came to: once it fails, nothing more can be sent; the response, or the end of the connection, is
    /// there to be read.
    var upload = UploadEnd.none
    /// The body is held back until the upstream says "100 Continue", or a second has passed.
    var awaitsContinue = false
    var interimResponses = 0
    /// The client does not keep up, or it is not decided who takes the response: the upstream is not read.
    var isPaused = false
    /// Bytes that were received and not used yet; nil without any.
    var input: ByteBuffer?
    /// Everything of the exchange went over the connection, both ways, and the upstream keeps it.
    var isReusable = false
}

/// A response from its head on.
struct Response {
    var reader: BodyReader
    /// The head while it is held.
    var head: ByteBuffer?
    /// The body so far, while it is held.
    var collected: [UInt8] = []
    /// Decides from the first bytes whether it is a rejection; nil if that is not the question.
    var search: RefusalSearch?
    /// The body goes to the client in chunks.
    var writesChunks = false
    /// The body goes to the client until the connection ends.
    var endsWithConnection = false
    /// More came than belongs to it.
    var hasSurplus = false
}

/// What is told of a response when the exchange has ended.
struct Outcome {
    var status = 0
    /// Of the upstream's first response; 0 without one.
    var firstStatus = 0
    /// Body bytes for the client.
    var bytes: UInt64 = 0
    var problem: Problem?
    /// The upstream's last answer refused the token.
    var isTokenRefused = false
    /// The upstream's own rejection is relayed, because only a login helps.
    var needsLogin = false

    /// It is the upstream's answer, and not a refusal of the token.
    @inline(__always)
    var isServed: Bool {
        // Neither called nor compared: either would copy all of this for each request.
        guard status != 0, !isTokenRefused else { return false }
        return if case .none = problem { true } else { false }
    }
}

/// Measures what several spans of time come to. Monotonic nanoseconds.
struct Stopwatch {
    private enum State {
        case unused
        case running(since: UInt64)
        case stopped
    }

    private var state = State.unused
    private var total: UInt64 = 0

    /// Does nothing while it runs.
    mutating func start(now: UInt64) {
        if case .running = state { return }
        state = .running(since: now)
    }

    /// Does nothing while it does not run.
    mutating func stop(now: UInt64) {
        guard case .running(let since) = state else { return }
        total &+= now &- since
        state = .stopped
    }

    /// All spans together, one that still runs too; nil if there was none.
    func elapsed(now: UInt64) -> UInt64? {
        switch state {
        case .unused: nil
        case .running(let since): total &+ (now &- since)
        case .stopped: total
        }
    }
}
