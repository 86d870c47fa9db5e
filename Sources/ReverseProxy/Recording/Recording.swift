/// The state of one exchange's recording. Belongs to a runner for good, so it allocates nothing.
enum Recording {
    case absent(Absence)
    case running(Flow)
    /// The end was recorded or counted.
    case ended

    /// Why an exchange is not recorded. `RecordingGate` stores the number.
    enum Absence: UInt8 {
        /// The rate limit is exceeded.
        case rate
        /// The rate limit for refusals is exceeded.
        case refused
        /// Nothing has gone wrong with it so far.
        case failuresOnly
        case slab
        case paused
        case off

        /// Recording begins all the same if something goes wrong.
        var mayBeginLate: Bool {
            switch self {
            case .rate, .failuresOnly: true
            case .refused, .slab, .paused, .off: false
            }
        }

        var number: Recordings.Number {
            switch self {
            case .rate, .refused: .rate
            case .slab: .slab
            case .paused: .paused
            case .failuresOnly, .off: .off
            }
        }
    }

    struct Flow {
        /// The number of the exchange.
        var number: UInt64 = 0
        /// How many octets of each body may still be written.
        var requestRoom = 0
        var responseRoom = 0
        /// When the progress of unrecorded octets was recorded last.
        var toldAt: UInt64 = 0
        /// The beginning of the last attempt whose request was recorded as sent.
        var sentAttempt: UInt64 = 0
        /// A record was dropped for lack of room.
        var isIncomplete = false
        /// No rate limit applies.
        let isUnlimited: Bool

        init(isUnlimited: Bool) {
            self.isUnlimited = isUnlimited
        }

        @inline(__always)
        func room(_ kind: RecordKind) -> Int {
            kind == .requestBody || kind == .tunnelFromClient ? requestRoom : responseRoom
        }

        @inline(__always)
        mutating func setRoom(_ kind: RecordKind, _ room: Int) {
            if kind == .requestBody || kind == .tunnelFromClient { requestRoom = room } else { responseRoom = room }
        }
    }

    @inline(__always)
    var isRunning: Bool { if case .running = self { true } else { false } }

    /// Another response begins, whose body has room of its own.
    mutating func takesAnotherResponse(limit: Int) {
        guard case .running(var flow) = self else { return }
        flow.responseRoom = limit
        self = .running(flow)
    }

    /// Whether to record now, once, that the request of the attempt that began at `startedAt` is sent.
    mutating func tellsSent(attempt startedAt: UInt64) -> Bool {
        guard case .running(var flow) = self, flow.sentAttempt != startedAt else { return false }
        flow.sentAttempt = startedAt
        self = .running(flow)
        return true
    }

    /// The beginning of the request's body is not available, so the rest is useless.
    mutating func takesNoRequestBody() {
        guard case .running(var flow) = self else { return }
        flow.requestRoom = 0
        self = .running(flow)
    }
}
