public import Credentials

/// The protocol by which many machines share one session, from the view of one of them. A pure state machine: events
/// in, actions out.
///
/// A machine refreshes only while the engine has its claim. It saves the result in its own file before it shares it,
/// and it replaces only the record from which the result descends. Only `decide` makes a record of the engine current.
/// At most one call to the engine is in progress.
///
/// *Threading*: belongs to one thread, which performs the actions in order and answers each as its case says.
public struct SharedState: Hashable, Sendable {
    /// The name of this process in its claims.
    public let me: ProcessName
    public let timing: SharedTiming

    var phase = Phase.idle
    /// The call to the engine that is in progress.
    var call = Call.none
    var wish = Wish.nothing
    /// The engine's value when it was last read or written.
    var sight = Sight.unknown
    /// The latest claim of another machine, whether or not the engine still has it. Nil once its end is known, or once
    /// the engine has a record that names it as silent.
    var rivalClaim: RivalClaim?
    var pendingReport = PendingReport.none
    /// The newest record that the watch has told during another call or phase, until the engine's value is decided upon.
    var newestReport: SharedView?
    var link = Link.lost
    /// Since when it has been unknown of one write after another whether it was done; nil if the last one's outcome is
    /// known.
    var unclearSince: Int64?
    public internal(set) var held: SharedHolding {
        didSet { if held.identity != oldValue.identity { (silent, ended) = ([], []) } }
    }
    /// The processes that claimed what is held and fell silent, as far as is known: see `SharedFacts.silent`. What one
    /// of them may have sent stays in doubt until there is a successor, whatever the engine forgets and whatever claim
    /// it has now: only that empties the list.
    var silent: [ProcessName] = []
    /// The claims on what is held whose end some record has told: see `SharedFacts.ended`. A claim that has ended once is
    /// never pursued again, whatever the engine loses.
    var ended: [SharedID] = []
    /// When the call to the engine that is in progress, or the last one, began.
    var calledAt: Int64 = 0
    /// When the last call began that told what the engine has. It has told nothing about the time after that.
    var knownAt: Int64 = 0
    /// More about `held`.
    public internal(set) var note: SharedHolding.Note

    /// `held` is the content of the local file.
    public init(me: ProcessName, held: SharedHolding, note: SharedHolding.Note = .init(), timing: SharedTiming) {
        self.me = me
        self.held = held
        self.note = note
        self.timing = timing
    }

    /// What this machine is doing, and the phases that may follow.
    enum Phase: Hashable, Sendable {
        /// Nothing. -> reading: a refresh is wanted, or the engine has something older; -> sharing.
        case idle
        /// Reading the engine, to decide. -> idle, claiming, sharing, saving (a login).
        case reading
        /// Writing the claim. -> preparing: written; -> checking: unclear; -> reading: conflict.
        case claiming(Claiming)
        /// Reading whether the claim was written. -> preparing, reading.
        case checking(Claiming)
        /// Preparing the local file. -> sending; -> closing: too late, or no space.
        case preparing(Claiming)
        /// Refreshing at the API. -> saving, closing, sending once more.
        case sending(Sending)
        /// Writing the file. -> sharing, whether or not that succeeds.
        case saving(SharedIdentity, Sharing.Cause)
        /// Writing what is held to the engine. -> reading: the engine has it, or something newer.
        case sharing(Sharing)
        /// Taking the claim back. -> reading.
        case closing(Closing)
    }

    struct Claiming: Hashable, Sendable {
        var claim: SharedClaim
        /// When its write was sent.
        var since: Int64
        /// The other machine's claim, silent for too long, that it replaces.
        var over: SharedClaim?
    }

    struct Sending: Hashable, Sendable {
        var claim: SharedClaim
        var attempt: Attempt
        var hold: Hold
    }

    enum Attempt: Hashable, Sendable { case first, second }

    enum Hold: Hashable, Sendable {
        /// The engine had the claim at that time; the next beat is due at `next`.
        case ours(at: Int64, next: Int64)
        /// The engine had lost the claim, which was then written again. Another machine may have sent the same refresh
        /// in between.
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
            /// This machine refreshed.
            case result
            /// The engine has lost the session, or this machine was stopped before it could share.
            case healing
            /// The engine has no session, and this machine has one that was never shared.
            case joining
            /// A person logged in or out, which is newer than anything in the engine.
            case person
            /// A person logged in or out in an earlier process, or while the engine was away. The era is assigned when
            /// that is shared.
            case renewal
        }

        var cause: Cause
        var since: Int64
        var use: Use

        /// Whether this machine uses what it holds.
        enum Use: Hashable, Sendable {
            case pending, begun
            /// It does, and has reported that the others do not know it.
            case alone
        }
    }

    struct Closing: Hashable, Sendable {
        var claim: SharedID
        /// The claimed token set.
        var identity: SharedIdentity
        var ending: Ending
        var since: Int64

        enum Ending: Hashable, Sendable {
            /// The API refused.
            case refused
            /// Nothing was sent, or no answer came.
            case released
        }
    }

    enum Call: Hashable, Sendable {
        case none
        case get
        case swap(SharedFacts)
        /// The next call waits until that time.
        case pausing(until: Int64)
    }

    enum Wish: Hashable, Sendable {
        case nothing
        /// Tokens other than the held ones, wanted since that time.
        case refresh(since: Int64)
        case login(id: SharedID, login: SharedID)
        case logout(id: SharedID, login: SharedID)
        /// This machine's session should become the shared one, if there is none.
        case join(id: SharedID, login: SharedID)

        var isRefresh: Bool {
            guard case .refresh = self else { return false }
            return true
        }

        /// Whether the waiters cannot wait until the engine answers again.
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

    /// Another machine's claim.
    struct RivalClaim: Hashable, Sendable {
        var identity: SharedIdentity
        var claim: SharedClaim
        /// The time since which nothing was heard of it; nil while the watch is not connected.
        var silentSince: Int64?
    }

    /// The watch's last report during another call or phase.
    enum PendingReport: Hashable, Sendable {
        case none
        /// No call has begun since. An answer that arrives now may be older than the report.
        case unread(SharedReading)
        /// A call has begun since. Its answer, or that of a later call, is at least as new.
        case asked(SharedReading)
    }

    enum Link: Hashable, Sendable { case lost, connected }
}
