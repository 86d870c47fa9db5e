import Credentials
import HTTP1
import Redaction
import ReverseProxy

/// The redactor for data that are stored now.
struct CurrentRedactor {
    /// Differs between redactors.
    var version: Int
    /// The version of the known tokens; nil if it is out of date.
    var known: Int?
    var redactor: Redactor
    /// How requests carry the token, by their configurations.
    var secrecy: SecrecyHistory
    /// How many octets of each body are stored.
    var limit: Int
    /// Lines that were examined and contain nothing secret.
    let clean = CleanLines()

    /// The redacted target.
    func target(_ target: [UInt8]) -> Redactor.Redacted {
        // No field begins with a slash, so a target cannot be confused with a line.
        guard target.first == UInt8(ascii: "/") else { return redactor.target(target) }
        if clean.contains(target[...]) { return Redactor.Redacted(octets: target, redactions: []) }
        let redacted = redactor.target(target)
        if redacted.octets == target, redacted.redactions.isEmpty { clean.insert(target[...]) }
        return redacted
    }

    /// A method, or a field's name, without secrets.
    func word(_ word: [UInt8]) -> [UInt8] {
        // A line has a colon, and a target a slash.
        if clean.contains(word[...]) { return word }
        let shown = redactor.word(word)
        if shown == word { clean.insert(word[...]) }
        return shown
    }
}

/// Lines of heads, targets, and words that contain nothing secret. Most occur repeatedly, and are examined only once.
///
/// Valid for one redactor. *Threading*: belongs to the inspector's loop.
final class CleanLines {
    private var lines: Set<ArraySlice<UInt8>> = []
    private var octets = 0
    private static let maximumOctets = 128 * 1024
    private static let maximumLine = 512

    func contains(_ line: ArraySlice<UInt8>) -> Bool { line.count <= Self.maximumLine && lines.contains(line) }

    func insert(_ line: ArraySlice<UInt8>) {
        guard line.count <= Self.maximumLine else { return }
        if octets > Self.maximumOctets {
            lines = []
            octets = 0
        }
        octets += line.count
        // A copy, because a slice would retain the whole head.
        lines.insert(ArraySlice(Array(line)))
    }
}

/// Creates the storable, redacted form of an exchange.
extension RunningExchange {
    private static let maximumTarget = 8192

    /// The exchange at `now`, in monotonic nanoseconds.
    func stored(_ current: CurrentRedactor, now: UInt64) -> StoredExchange {
        var result = StoredExchange(
            id: id,
            sequence: 0,
            wallMilliseconds: beginning.wallMilliseconds,
            connection: beginning.connection,
            origin: beginning.origin,
            method: [],
            target: [],
            route: route
        )
        // The refresh that a client calls is made with the session's credential alone.
        let credential = current.secrecy.credential(of: sentParts.configuration)
        if carriesCredential || route == .refresh { result.replaced = credential.field }
        let method = readRequest(current, into: &result)
        result.attempts = attempts.indices.map { read(attempt: $0, method, current) }
        if let index = result.attempts.lastIndex(where: \.isRelayed), ownAnswer == nil {
            let size = max(responseBytes, UInt64(attempts[index].body.octets.count))
            result.attempts[index].body.size = isTunnel || method == .head ? 0 : size
            if size > UInt64(attempts[index].body.octets.count), !isTunnel, method != .head {
                result.attempts[index].body.isCut = true
            }
        }
        result.interim = interim
        result.tokenWaits = tokenWaits
        for index in tokenWaits.indices where !tokenWaits[index].detail.isEmpty {
            result.tokenWaits[index].detail = current.redactor.message(tokenWaits[index].detail)
        }
        result.ownAnswer = ownAnswer.map { read($0, current) }
        result.messages = readMessages(current)
        result.hasRedactedMessages = hasRedactedMessages
        result.requestBytes = requestBytes
        result.responseBytes = responseBytes
        result.ending = ending
        result.age = ending.map { Double($0.totalNanoseconds) / 1e6 } ?? milliseconds(now)
        result.isLate = beginning.isLate
        result.isTunnel = isTunnel
        result.isCut =
            isCut || result.request.body.isCut || result.attempts.contains { $0.body.isCut }
            || result.target.count > Self.maximumTarget
        result.target = Array(result.target.prefix(Self.maximumTarget))
        return result
    }

    /// The client's request, or the forwarded one if the client's is unknown.
    private func readRequest(_ current: CurrentRedactor, into result: inout StoredExchange) -> MethodName {
        var sent = RequestHead()
        let hasSent = RecordedHead.parse(request: sentHead + [0x0D, 0x0A], into: &sent)
        if hasSent {
            result.sent = RecordedHead.fields(sent.fields, of: sentHead, current).fields
            result.sentParts = RecordedHead.parts(sent.fields, sentParts)
            if carriesCredential, let generation = attempts.last?.generation, generation != 0 {
                let credential = current.secrecy.credential(of: sentParts.configuration)
                let value = "\(credential.prefix)‹token, generation \(generation)›\(credential.suffix)"
                result.sent.append(StoredField(name: Array(credential.field.utf8), value: Array(value.utf8)))
            }
        }
        var own = RequestHead()
        let hasOwn = RecordedHead.parse(request: requestHead, into: &own)
        let (head, octets, place) = hasOwn ? (own, requestHead, place) : (sent, sentHead, sentParts.place)
        guard hasOwn || hasSent else {
            readFirstLine(current, into: &result)
            return .other
        }
        result.method = current.word(Array(octets[head.methodRange.range]))
        let target = current.target(place.target(of: head, octets))
        result.target = target.octets
        result.request.minorVersion = head.minorVersion
        result.request.redactions = target.redactions
        let content = RecordedHead.content(head.fields, of: octets)
        if hasOwn {
            let (fields, redactions) = RecordedHead.fields(own.fields, of: requestHead, current)
            result.request.fields = fields
            result.request.headSize = requestHead.count
            result.request.redactions += redactions
        }
        let isWhole =
            (ending != nil || !attempts.isEmpty) && !requestBody.isCut
            && requestBytes == UInt64(requestBody.octets.count)
        // The data of a WebSocket's client are not a body.
        let size = isTunnel ? 0 : requestBytes
        result.request.body = requestBody.stored(content, isComplete: isWhole, size: size, current)
        if ending != nil, !isTunnel, !cameWhole(hasOwn ? own.framing : .none) { result.request.body.isCut = true }
        return head.method
    }

    /// Whether the client's body was complete according to its framing: the exchange may have ended before.
    private func cameWhole(_ framing: MessageFraming) -> Bool {
        switch framing {
        case .none, .untilClose: true
        case .length(let length): requestBytes >= length
        case .chunked: !attempts.isEmpty && ending?.outcome != .clientGone
        }
    }

    /// The first line of bytes that are not a request.
    private func readFirstLine(_ current: CurrentRedactor, into result: inout StoredExchange) {
        let line = requestHead.prefix { $0 != 0x0D && $0 != 0x0A }
        let words = line.split(separator: 0x20, maxSplits: 2)
        guard let method = words.first, method.allSatisfy(Octet.isToken) else { return }
        result.method = current.word(Array(method))
        // Only this line is known.
        isCut = true
        guard words.count > 1 else { return }
        let target = current.redactor.target(Array(words[1]))
        result.target = target.octets
        result.request.redactions = target.redactions
    }

    private func read(attempt index: Int, _ method: MethodName, _ current: CurrentRedactor) -> StoredAttempt {
        let attempt = attempts[index]
        var result = StoredAttempt(number: attempt.number, generation: attempt.generation, began: attempt.began)
        result.connected = attempt.connected
        result.isReused = attempt.isReused
        result.setup = attempt.setup
        result.sent = attempt.sent
        result.firstByte = attempt.firstByte
        result.ended = attempt.ended
        result.isHeld = attempt.isHeld
        result.isRelayed = attempt.isRelayed
        result.marks = attempt.marks.list
        var head = ResponseHead()
        guard RecordedHead.parse(response: attempt.head, method: method, into: &head) else { return result }
        result.status = head.status
        result.reason = current.redactor.message(Array(attempt.head[head.reason.range]))
        result.minorVersion = head.minorVersion
        result.headSize = attempt.head.count
        (result.fields, result.redactions) = RecordedHead.fields(head.fields, of: attempt.head, current)
        let size = UInt64(attempt.body.octets.count)
        var isWhole = ending != nil && !attempt.body.isCut
        if attempt.isRelayed, size < responseBytes { isWhole = false }
        // For a held response, the number of received octets is unknown.
        if !attempt.isRelayed, isCut || attempt.body.octets.count >= current.limit { isWhole = false }
        // Of a held response, only the octets that came with its head are read.
        if case .length(let length) = head.framing, length > size { isWhole = false }
        let content = RecordedHead.content(head.fields, of: attempt.head)
        result.body = attempts[index].body.stored(content, isComplete: isWhole, size: size, current)
        if case .length(let length) = head.framing, length > size, attempt.isHeld, !attempt.isRelayed {
            result.body.isCut = true
        }
        return result
    }

    private func read(_ answer: OwnAnswer, _ current: CurrentRedactor) -> StoredOwnAnswer {
        // The response to a client's refresh contains a token.
        let body = current.redactor.body(
            answer.body,
            type: "application/json",
            encoding: nil,
            isComplete: answer.body.count < current.limit,
            limit: current.limit
        )
        var result = StoredOwnAnswer(status: answer.status, code: answer.code, body: body.kept, at: answer.at)
        var head = ResponseHead()
        if RecordedHead.parse(response: answer.head, method: .get, into: &head) {
            result.fields = RecordedHead.fields(head.fields, of: answer.head, current).fields
            result.headSize = answer.head.count
        }
        return result
    }

    /// Redacts the messages since the last time, or all messages if there are new secrets.
    private func readMessages(_ current: CurrentRedactor) -> [StoredMessage] {
        if safeMessagesVersion != current.version {
            safeMessages = []
            safeMessagesVersion = current.version
        }
        for index in safeMessages.count..<messages.count {
            let message = messages[index]
            let type = message.opcode == nil ? "text/event-stream" : nil
            let kept = current.redactor.text(message.octets, type: type, isComplete: message.isWhole).octets
            if kept != message.octets { hasRedactedMessages = true }
            safeMessages.append(
                StoredMessage(
                    at: message.at,
                    isFromClient: message.isFromClient,
                    opcode: message.opcode,
                    size: message.size,
                    kept: kept
                )
            )
        }
        return safeMessages
    }
}

extension RunningExchange.RawBody {
    /// The redacted body; created again if more has arrived or there are new secrets.
    mutating func stored(
        _ content: (type: String?, encoding: String?),
        isComplete: Bool,
        size: UInt64,
        _ current: CurrentRedactor
    ) -> StoredBody {
        var result: StoredBody
        if let safe, safe.count == octets.count, safe.version == current.version, safe.isComplete == isComplete {
            result = safe.body
        } else {
            result = current.redactor.body(
                octets,
                type: content.type,
                encoding: content.encoding,
                isComplete: isComplete,
                limit: current.limit
            )
            result.kept.trim()
            safe = (octets.count, current.version, isComplete, result)
        }
        result.size = size
        if isCut || size > UInt64(octets.count) { result.isCut = true }
        return result
    }
}
