public import Credentials

/// The protocol by which many machines share one session, as one machine sees it. Pure: events in, actions out.
///
/// A machine refreshes only after the engine has its claim; it saves the result in its own file before it shares it;
/// and it replaces only what its result descends from. `decide` is the one door through which a record becomes current.
/// At most one call to the engine is under way. *Threading*: belongs to one thread, which carries out the actions in
/// their order and answers each as its case says.
public struct SharedState: Hashable, Sendable {
    /// This process, as its claims name it.
    public let me: ProcessName
    public let timing: SharedTiming

    var phase = Phase.idle
    /// What is under way to the engine.
    var call = Call.none
    var wish = Wish.nothing
    /// What the engine had when it was last read or written.
    var sight = Sight.unknown
    /// The claim of another machine that was heard of last, whether or not the engine still has it; nil since its end
    /// was heard of.
    var standing: Standing?
    var heard = Heard.nothing
    var link = Link.lost
    public internal(set) var held: SharedHolding
    /// What is known of it besides.
    public internal(set) var note: SharedHolding.Note

    /// `held` is what the local file has.
    public init(me: ProcessName, held: SharedHolding, note: SharedHolding.Note = .init(), timing: SharedTiming) {
        self.me = me
        self.held = held
        self.note = note
        self.timing = timing
    }

    /// What this machine is doing.
    enum Phase: Hashable, Sendable {
        /// -> reading: a refresh is wanted, a record is older than what is held; -> sharing.
        case idle
        /// Reads, to decide. -> idle, claiming, sharing, saving (a login).
        case reading
        /// The claim is on its way. -> preparing: written; -> checking: unclear; -> reading: conflict.
        case claiming(Claiming)
        /// Whether the claim was written is being read. -> preparing, reading.
        case checking(Claiming)
        /// The local file is being prepared. -> sending; -> closing: too late, or no room.
        case preparing(Claiming)
        /// The API has the refresh. -> saving, closing, sending once more.
        case sending(Sending)
        /// The file is being written. -> sharing, whatever comes of it.
        case saving(SharedIdentity, Sharing.Cause)
        /// What is held is newer than what the engine has. -> reading: the engine has it, or something newer.
        case sharing(Sharing)
        /// The claim is being taken back. -> reading.
        case closing(Closing)
    }

    struct Claiming: Hashable, Sendable {
        var claim: SharedClaim
        /// When it was sent off.
        var since: Int64
    }

    struct Sending: Hashable, Sendable {
        var claim: SharedClaim
        var attempt: Attempt
        var hold: Hold
    }

    enum Attempt: Hashable, Sendable { case first, second }

    enum Hold: Hashable, Sendable {
        /// The engine had the claim at that moment; the next beat is due then.
        case ours(at: Int64, next: Int64)
        /// The engine had lost the claim, and was told it again: another machine may have sent the same meanwhile.
        case regained(next: Int64)
        case lost

        var next: Int64? {
            switch self {
            case .ours(_, let next), .regained(let next): next
            case .lost: nil
            }
        }
    }

    struct Sharing: Hashable, Sendable {
        enum Cause: Hashable, Sendable {
            /// A refresh of this machine.
            case result
            /// The engine has forgotten what it had, or this machine was stopped before it could share.
            case healing
            /// The engine had nothing, and this machine has something that was its own.
            case joining
            /// A person logged in, or out: newer than whatever the engine has.
            case person
            /// The same, in an earlier process or while the engine was away: it gets its era where it is shared.
            case renewal
        }

        var cause: Cause
        var since: Int64
        var use: Use

        /// Whether this machine works with what it holds.
        enum Use: Hashable, Sendable {
            case pending, begun
            /// And it was said that the others do not know.
            case alone
        }
    }

    struct Closing: Hashable, Sendable {
        var claim: SharedID
        /// The token set that was claimed.
        var identity: SharedIdentity
        var ending: Ending
        var since: Int64

        enum Ending: Hashable, Sendable {
            /// The API refused.
            case refused
            /// Nothing was sent, or nothing came back.
            case released
        }
    }

    enum Call: Hashable, Sendable {
        case none
        case get
        case swap(SharedFacts)
        /// The engine is asked again at that moment.
        case pausing(until: Int64)
    }

    enum Wish: Hashable, Sendable {
        case nothing
        /// Another token set than the one that is held, and since when it is waited for.
        case refresh(since: Int64)
        case login(id: SharedID, login: SharedID)
        case logout(id: SharedID, login: SharedID)
        /// The engine should have what this machine has, unless it has a session already.
        case join(id: SharedID, login: SharedID)

        var isRefresh: Bool {
            guard case .refresh = self else { return false }
            return true
        }

        /// Somebody waits for it who can wait no longer than the engine answers.
        var isForOthers: Bool {
            switch self {
            case .refresh, .join: true
            case .nothing, .login, .logout: false
            }
        }
    }

    enum Sight: Hashable, Sendable {
        case unknown
        case absent
        case unreadable(SharedObstacle)
        case record(SharedView)

        var view: SharedView? {
            guard case .record(let view) = self else { return nil }
            return view
        }

        var reading: SharedReading? {
            switch self {
            case .unknown: nil
            case .absent: .absent
            case .unreadable(let obstacle): .unreadable(obstacle)
            case .record(let view): .record(view)
            }
        }
    }

    /// That another machine refreshes a token set.
    struct Standing: Hashable, Sendable {
        var identity: SharedIdentity
        var claim: SharedClaim
        /// Since when nothing was heard of it; nil while nothing can be heard.
        var silentSince: Int64?
    }

    /// What the watch told while this machine was about something else.
    enum Heard: Hashable, Sendable {
        case nothing
        /// No call was begun since: an answer that comes now may be older.
        case told(SharedReading)
        /// The call that was begun since, or one that follows it, brings what is at least as new.
        case asked(SharedReading)
    }

    enum Link: Hashable, Sendable { case lost, connected }
}
