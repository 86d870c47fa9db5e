import Credentials

/// The kind of a record in a worker's ring: a case of `RecordedEvent.What`. The header is followed by the fixed part
/// named here, then by octets.
enum RecordKind: UInt8 {
    /// `RecordedEvent.Beginning`
    case began = 1
    /// `TargetPlace`
    case requestHead
    /// `SentHead`
    case sentHead
    case requestBody
    /// `Attempt`
    case attempt
    /// `Connected`
    case connected
    case sent
    /// `Int`: the status.
    case interim
    case responseHead
    case responseBody
    /// `Progress`
    case progress
    case held
    case relayedHeld
    /// `TokenWait`
    case tokenWait
    /// `TokenArrival`, followed by the text of a failure
    case tokenArrived
    /// `OwnAnswer`
    case ownAnswer
    case tunnelOpened
    case tunnelFromClient
    case tunnelFromUpstream
    /// `End`
    case ended

    struct SentHead: BitwiseCopyable {
        let route: RouteKind
        let carriesCredential: Bool
        let place: TargetPlace
        let madeOffset: UInt32
        let rulesOffset: UInt32
        /// As in `RecordedEvent.HeadParts`.
        let configuration: UInt32
    }

    struct Attempt: BitwiseCopyable {
        let number: Int
        let generation: Generation
    }

    struct Connected: BitwiseCopyable {
        let isReused: Bool
        /// As in `ConnectionSetup`; 0 for nil.
        let lookup: UInt64
        let tls: UInt64
    }

    struct Progress: BitwiseCopyable {
        let requestBytes: UInt64
        let responseBytes: UInt64
    }

    struct TokenWait: BitwiseCopyable {
        let need: RecordedEvent.TokenNeed
        let awaited: Awaited
    }

    /// `RecordedEvent.TokenArrival` without a failure's text.
    enum TokenArrival: BitwiseCopyable {
        case token(Generation)
        case former(Generation)
        case valid(Generation)
        case served
        case timedOut
        case failed(Failure)
    }

    /// `CredentialFailure` without its text.
    enum Failure: BitwiseCopyable {
        case loginNeeded(hasText: Bool)
        case notRefreshable
        case unchanged(retryAfter: Int)
        case unavailable(retryAfter: Int, isUnreachable: Bool, hasText: Bool)
        case misconfigured(retryAfter: Int)
        case paused(retryAfter: Int)
        case refreshDidNotHelp
        case notWritable
        case overloaded
        case shuttingDown
    }

    struct OwnAnswer: BitwiseCopyable {
        let status: Int
        let code: Problem.Code?
        /// The length of the head, which precedes the body.
        let headLength: Int
    }

    struct End: BitwiseCopyable {
        let ending: RecordedEvent.Ending
        /// An earlier event was dropped for lack of room.
        let isIncomplete: Bool

        /// The size of the record in the ring.
        static var size: Int { RecordingRing.size(MemoryLayout<End>.size) }
    }
}

// MARK: Reading

extension RecordingRing.Record {
    /// Decodes the record and passes it to `body`; `prefix` is the prefix of the ring's worker.
    mutating func decode(prefix: UInt16, _ body: (RecordedEvent) -> Void) {
        let (exchange, at) = (ExchangeID(prefix: prefix, number: number), at)
        func tell(_ what: RecordedEvent.What) {
            body(RecordedEvent(exchange: exchange, at: at, what: what))
        }
        if RecordKind(rawValue: kind) == .ended {
            guard let end = take(RecordKind.End.self) else { return }
            if end.isIncomplete { tell(.lost) }
            tell(.ended(end.ending))
        } else if let what = what() {
            tell(what)
        }
    }

    private mutating func what() -> RecordedEvent.What? {
        switch RecordKind(rawValue: kind) {
        case .began: take().map { .began($0) }
        case .requestHead: take(TargetPlace.self).map { .requestHead(rest(), $0) }
        case .sentHead:
            take(RecordKind.SentHead.self)
                .map { told in
                    let parts = RecordedEvent.HeadParts(
                        madeOffset: Int(told.madeOffset),
                        rulesOffset: Int(told.rulesOffset),
                        place: told.place,
                        configuration: told.configuration
                    )
                    return .sentHead(
                        rest(),
                        parts,
                        route: told.route,
                        carriesCredential: told.carriesCredential
                    )
                }
        case .requestBody: .requestBody(rest())
        case .attempt:
            take(RecordKind.Attempt.self).map { .attempt(number: $0.number, generation: $0.generation) }
        case .connected:
            take(RecordKind.Connected.self)
                .map { .connected(isReused: $0.isReused, lookup: $0.lookup, tls: $0.tls) }
        case .sent: .sent
        case .interim: take().map { .interim(status: $0) }
        case .responseHead: .responseHead(rest())
        case .responseBody: .responseBody(rest())
        case .progress:
            take(RecordKind.Progress.self)
                .map { .progress(requestBytes: $0.requestBytes, responseBytes: $0.responseBytes) }
        case .held: .held
        case .relayedHeld: .relayedHeld
        case .tokenWait:
            take(RecordKind.TokenWait.self).map { .tokenWait($0.need, $0.awaited) }
        case .tokenArrived:
            take(RecordKind.TokenArrival.self).map { .tokenArrived(RecordedEvent.TokenArrival($0, text: rest())) }
        case .ownAnswer:
            take(RecordKind.OwnAnswer.self)
                .map { answer in
                    let octets = rest()
                    let (head, body) = (octets.prefix(answer.headLength), octets.dropFirst(answer.headLength))
                    let code = answer.code?.rawValue
                    return .ownAnswer(status: answer.status, head: Array(head), body: Array(body), code: code)
                }
        case .tunnelOpened: .tunnelOpened
        case .tunnelFromClient: .tunnelData(isFromClient: true, rest())
        case .tunnelFromUpstream: .tunnelData(isFromClient: false, rest())
        case .ended, nil: nil
        }
    }
}

extension RecordKind.TokenArrival {
    init(_ arrival: RecordedEvent.TokenArrival) {
        self =
            switch arrival {
            case .token(let generation): .token(generation)
            case .former(let generation): .former(generation)
            case .valid(let generation): .valid(generation)
            case .served: .served
            case .timedOut: .timedOut
            case .failed(let failure): .failed(RecordKind.Failure(failure))
            }
    }
}

extension RecordedEvent.TokenArrival {
    fileprivate init(_ arrival: RecordKind.TokenArrival, text: [UInt8]) {
        self =
            switch arrival {
            case .token(let generation): .token(generation)
            case .former(let generation): .former(generation)
            case .valid(let generation): .valid(generation)
            case .served: .served
            case .timedOut: .timedOut
            case .failed(let failure): .failed(CredentialFailure(failure, text: text))
            }
    }
}

extension RecordKind.Failure {
    fileprivate init(_ failure: CredentialFailure) {
        self =
            switch failure {
            case .loginNeeded(let text): .loginNeeded(hasText: text != nil)
            case .notRefreshable: .notRefreshable
            case .unchanged(let seconds): .unchanged(retryAfter: seconds)
            case .unavailable(let seconds, let isUnreachable, let text):
                .unavailable(retryAfter: seconds, isUnreachable: isUnreachable, hasText: text != nil)
            case .misconfigured(_, let seconds): .misconfigured(retryAfter: seconds)
            case .paused(let seconds): .paused(retryAfter: seconds)
            case .refreshDidNotHelp: .refreshDidNotHelp
            case .notWritable: .notWritable
            case .overloaded: .overloaded
            case .shuttingDown: .shuttingDown
            }
    }
}

extension CredentialFailure {
    fileprivate init(_ failure: RecordKind.Failure, text: [UInt8]) {
        let words = String(decoding: text, as: UTF8.self)
        self =
            switch failure {
            case .loginNeeded(let hasText): .loginNeeded(hasText ? words : nil)
            case .notRefreshable: .notRefreshable
            case .unchanged(let seconds): .unchanged(retryAfter: seconds)
            case .unavailable(let seconds, let isUnreachable, let hasText):
                .unavailable(retryAfter: seconds, isUnreachable: isUnreachable, because: hasText ? words : nil)
            case .misconfigured(let seconds): .misconfigured(words, retryAfter: seconds)
            case .paused(let seconds): .paused(retryAfter: seconds)
            case .refreshDidNotHelp: .refreshDidNotHelp
            case .notWritable: .notWritable(words)
            case .overloaded: .overloaded
            case .shuttingDown: .shuttingDown
            }
    }

    /// The text of the failure; empty if it has none.
    var text: String {
        switch self {
        case .loginNeeded(let text), .unavailable(_, _, let text): text ?? ""
        case .misconfigured(let text, _), .notWritable(let text): text
        case .notRefreshable, .unchanged, .paused, .refreshDidNotHelp, .overloaded, .shuttingDown: ""
        }
    }
}
