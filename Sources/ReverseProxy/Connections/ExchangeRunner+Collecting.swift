import Credentials
import EventIO
import HTTP1
import Inflation
import Platform
import Support

/// Responses whose body decides: it may mean a rejection, contain a token, or end the session.
extension ExchangeRunner {
    static let collectLimit = 1024 * 1024
    /// Rejections are short.
    static let verdictLimit = 64 * 1024

    func collect(_ buffer: ByteBuffer) {
        var collected: [UInt8] = []
        let progress = readBody(of: buffer, deliver: { collected += $0 })
        response!.collected += collected
        collected.withUnsafeBytes { recordBody(.responseBody, $0) }
        if case .failed(let error) = progress {
            settleCutResponse()
            return fail(.protocolError(error))
        }
        if case .complete = progress { client.clearDeadline() }
        if let state = response!.search?.feed(collected), state != .undecided {
            return decide(state)
        }
        if case .complete = progress { return decide(response!.search?.end() ?? .unknown) }
        switch exchange.state {
        case .collecting(.verdict, _) where response!.collected.count > Self.verdictLimit: stopCollecting()
        // The status says that the session has ended, whatever follows.
        case .collecting(.signOut, _): decide(.unknown)
        // The deadline is that of the whole: an answer that trickles is not waited for without an end.
        case .collecting(.signIn, _) where response!.jsonEnd.feed(collected) && Self.hasWholeJSON(response!.collected):
            decide(.unknown)
        case .collecting(.signIn, _) where response!.collected.count > Self.collectLimit: stopCollecting()
        default: break
        }
    }

    /// The body has a JSON object or array that ends: more of it says nothing more.
    private static func hasWholeJSON(_ body: [UInt8]) -> Bool { JSONValue(lenient: body) != nil }

    /// The body of a response that changes the session is cut, or is not valid. The session changes all the same, although
    /// the client hears that the response is not whole: behind its JSON, that to a sign-in has a whole token, which may be
    /// the only living one, and the status of that to a sign-out says enough.
    func settleCutResponse() {
        switch exchange.state {
        case .collecting(.signIn, _):
            guard case .tokens(let tokens) = finding(in: decodedBody) else { return }
            proxy.session.adopt(tokens, .signIn, keepsUnsaved: true) { _ in }
        case .collecting(.signOut, _):
            guard let principal = exchange.principal else { return }
            proxy.session.signOut(principal) { _ in }
        default: return
        }
    }

    /// The body is too long, or too slow, to be what is expected.
    func stopCollecting() {
        switch exchange.state {
        case .collecting(.verdict, _): decide(.unknown)
        case .collecting(.signIn, _): relayCollected(proxyStatus: Self.unreadSignIn)
        default: relayCollected()
        }
    }

    /// The body is examined while it arrives, and its first bytes decide.
    func beginVerdict() {
        guard case .collecting(.verdict, _) = exchange.state else { return }
        response!.search = RejectionSearch(
            proxy.rejection.bodyVerdict(status: responseHead.status, challenges: heldText(.wwwAuthenticate))
        )
    }

    /// `finding` is what the body says about the token, if that was the question.
    private func decide(_ finding: BodyVerdict.State) {
        let now = MonotonicClock.now()
        request.upstreamTime.stop(now: now)
        let status = responseHead.status
        let isRejection = finding == .rejected
        if finding == .accepted { credentialPassed(status: status) }
        if isRejection { countRejected() }
        switch exchange.bodyCollected(status: status, isRejection: isRejection, isReplayable: request.isReplayable) {
        case .hold:
            recordLate(now: now)
            recordEvent(.held, (), now: now)
            askForAnotherCredential(now: now)
        case .relay:
            if exchange.hasReplayed { recordReplay(isAccepted: !isRejection) }
            relayHeld(proxyStatus: nil)
        case .learnToken: learnToken()
        case .forgetToken: forgetToken()
        case .ignore: break
        }
    }

    /// The collected body, decompressed.
    var decodedBody: [UInt8] {
        ContentDecoding.decode(response!.collected, coding: heldText(.contentEncoding).first)
    }

    /// The values of a field of the held response.
    func heldText(_ id: FieldName) -> [String] {
        guard let head = response?.head else { return [] }
        return responseHead.text(of: id, in: head.readable)
    }
}

extension ResponseHead {
    /// The values of all fields with that name, as text. `bytes` are what the head was parsed from. Allocates, so not
    /// for every response.
    func text(of id: FieldName, in bytes: UnsafeRawBufferPointer) -> [String] {
        fields.filter { $0.id == id }.map { String(decoding: bytes[$0.value.range], as: UTF8.self) }
    }
}
