/// What becomes of one exchange's recording. A runner's for good: nothing is allocated for it.
enum Recording {
    case absent(Absence)
    case running(Flow)
    /// Its end was told, or counted.
    case ended

    /// Why it is not recorded. The number is how `RecordingGate` has it.
    enum Absence: UInt8 {
        /// Too many are.
        case rate
        /// Too many were refused.
        case refused
        /// Nothing has gone wrong with it so far.
        case failuresOnly
        case slab
        case paused
        case off

        /// It begins all the same if something goes wrong.
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
        /// The exchange's.
        var number: UInt64 = 0
        /// Octets of the bodies that may still be written.
        var requestRoom = 0
        var responseRoom = 0
        /// When the octets that are not written were told of last.
        var toldAt: UInt64 = 0
        /// When the attempt began of which it was told last that all of the request went.
        var sentAttempt: UInt64 = 0
        /// There was no room for something.
        var isIncomplete = false
        /// No rate holds for it.
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

    /// Another response begins, with room of its own for its body.
    mutating func takesAnotherResponse(limit: Int) {
        guard case .running(var flow) = self else { return }
        flow.responseRoom = limit
        self = .running(flow)
    }

    /// Whether it is to be told now that all of the request went, in the attempt that began then: once.
    mutating func tellsSent(attempt startedAt: UInt64) -> Bool {
        guard case .running(var flow) = self, flow.sentAttempt != startedAt else { return false }
        flow.sentAttempt = startedAt
        self = .running(flow)
        return true
    }

    /// The beginning of the request's body is not at hand: the rest is of no use.
    mutating func takesNoRequestBody() {
        guard case .running(var flow) = self else { return }
        flow.requestRoom = 0
        self = .running(flow)
    }
}
