public import Credentials
import Platform

extension SharedState {
    /// An input of the machine.
    public enum Event: Hashable, Sendable {
        /// The process starts. Once, before all others.
        case started
        /// The held tokens are unusable: rejected, or about to expire.
        case refreshWanted
        /// A person logged in on this machine, and the new tokens have arrived.
        case loggedIn
        /// A person logged out on this machine.
        case loggedOut
        /// This machine holds tokens that were never shared. They become the shared ones if the engine has no session.
        case joins
        /// Another process of this machine changed the local file.
        case fileChanged(SharedHolding, SharedHolding.Note = .init())
        /// A login or logout here waits to be shared, and somebody elsewhere has logged in or out later. The later one
        /// counts.
        case overtaken
        /// The issuer wants no request for that many seconds, as it told another machine. Waiters are told so.
        case issuerPauses(seconds: Int)

        /// The answer to `get`. Nil if the read failed.
        case read(SharedReading?)
        /// The answer to `swap`.
        case swapped(Swapped)
        /// The watch reports the engine's value. The report may be late.
        case watched(SharedReading)
        /// The watch is connected to the engine: from now on silence has a meaning.
        case connected
        case disconnected

        /// The answer to `prepare`.
        case prepared(Bool)
        /// The answer to `send`.
        case answered(Answer)
        /// The answer to `save`.
        case saved(Saved)
        /// The time `wakeAt` has come. Extra or early ones do no harm.
        case time
    }

    public enum Swapped: Hashable, Sendable {
        case written(version: UInt64)
        /// Nothing was written, because the engine has this value.
        case conflict(SharedReading)
        /// The value may have been written, or may still be.
        case unclear
        /// Nothing was written, and nothing will be.
        case failed
    }

    public enum Answer: Hashable, Sendable {
        case tokens
        /// The API refuses the tokens for good.
        case refused
        /// The request was sent, and no answer came.
        case lost
        /// Nothing was sent, or the answer says nothing about the tokens.
        case nothing
    }

    public enum Saved: Hashable, Sendable {
        case inFile
        /// The tokens are in use, but the file could not be written.
        case inMemory
        /// There was nothing to save: a login brought no tokens.
        case nothing
        /// The file could not be written, and the tokens must not be used without it.
        case noRoom
    }

    /// An output of the machine.
    public enum Action: Hashable, Sendable {
        /// Read the latest value of the engine. Answered by `read`.
        case get
        /// Write `new` if the engine's value is still `expecting`, in all its octets; nil means that there is none.
        /// Answered by `swapped`.
        case swap(expecting: SharedView?, new: SharedFacts)
        /// Make sure that a result can be saved: there is space, the permissions suffice, and the journal is written.
        /// Answered by `prepared`.
        case prepare
        /// Send the refresh of the held tokens. Answered by `answered`, once the transfer has ended.
        case send
        /// Write the new tokens to the local file with that identity, and synchronize it. Answered by `saved`.
        case save(SharedIdentity)
        /// Make the record's tokens current: first in the local file, then in this process.
        case adopt(SharedView)
        /// Make this machine's new tokens current.
        case use(SharedIdentity)
        /// End the session. The local file is kept as the previous one.
        case forget(SharedIdentity)
        /// Make what was to become the shared session this machine's own again.
        case disown(SharedIdentity)
        /// Answer those who wait for a refresh.
        case refuse(Refusal)
        case say(Notice)
    }

    /// Why a refresh brought no tokens.
    public enum Refusal: Hashable, Sendable {
        /// The engine cannot be reached, and no machine refreshes without it.
        case unreachable
        /// The engine, or another machine, was too slow. Trying again may help.
        case unanswered
        /// The issuer wants no request for that many seconds.
        case issuerPauses(seconds: Int)
        /// The local file cannot be written.
        case noRoom
        case unreadable(SharedObstacle)
        /// The API refused, or there is no session.
        case loginNeeded
        /// The session's counters have reached their maximum; a login starts anew.
        case exhausted
    }

    /// An event for the log and the status.
    public enum Notice: Hashable, Sendable {
        /// Tokens of this machine are in use, but not in the engine.
        case notShared
        case shared(SharedIdentity)
        /// The machine with that claim was silent for too long: this one's has replaced it.
        case takesOver(from: ProcessName)
        /// Another machine has taken over this machine's refresh.
        case takenOver
        /// The engine had lost what this machine holds.
        case putsBack(SharedIdentity)
        /// This machine's result came after another's had replaced its parent.
        case drops(SharedIdentity)
        /// The claim was confirmed too late to send a refresh under it.
        case tooLate
        /// The local file could not be written: the tokens are only in memory and, soon, in the engine.
        case notSaved
        case unreadable(SharedObstacle)
        /// The engine can be read, and has not said for long of any write whether it was done.
        case noWriteAnswered
        /// An unexpected or late event.
        case ignored(Event)
    }

    /// When the next `time` is due; nil if nothing waits.
    public var wakeAt: Int64? {
        var moments: [Int64] = []
        if case .pausing(let until) = call { moments.append(until) }
        switch phase {
        case .sending(let sending):
            if let next = sending.hold.next { moments.append(next) }
        case .sharing(let sharing) where sharing.use == .pending:
            moments.append(sharing.since.adding(saturating: timing.patience))
        default: break
        }
        return moments.min()
    }

    /// No call and no change is in progress.
    public var isIdle: Bool { phase == .idle }

    /// A change of this machine is in progress that the others wait for.
    public var isOwing: Bool {
        switch phase {
        case .idle, .reading: false
        case .claiming, .checking, .preparing, .sending, .saving, .sharing, .closing: true
        }
    }

    /// Whether the refresh in progress may be sent now, if nothing of it was sent yet.
    public func maySend(now: Int64) -> Bool {
        guard case .sending(let sending) = phase else { return false }
        return holds(sending.hold, now)
    }

    /// The engine has been read at least once.
    public var hasLooked: Bool { sight != .unknown }

    /// Whether the engine has a session that is not older than `holding`, or may have one.
    public func mayHaveSession(after holding: SharedHolding) -> Bool {
        switch (sight, holding) {
        case (.absent, _), (.unknown, .ended): false
        case (.record(let view), _):
            view.facts.state != .none && holding.identity?.order(view.facts.identity) != .behind
        case (.unreadable, _), (.unknown, _): true
        }
    }

    /// The other process that may have sent a refresh of what is held, and fell silent; nil if there is none. This one
    /// knows of itself what it has sent.
    var mayHaveSent: ProcessName? { silent.last { $0 != me } }

    /// The engine's record when it was last read or written.
    public var seen: SharedView? { sight.view }

    /// The versions of the values that the machine may still refer to.
    var versions: [UInt64] {
        var versions: [UInt64] = []
        if let view = sight.view { versions.append(view.version) }
        switch pendingReport {
        case .unread(.record(let view)), .asked(.record(let view)): versions.append(view.version)
        case .none, .unread, .asked: break
        }
        return versions
    }

    /// Whether this machine's own session is about to become the shared one.
    var isJoining: Bool {
        switch phase {
        case .saving(_, .joining): true
        case .sharing(let sharing): sharing.cause == .joining
        default: false
        }
    }

    /// Whether an earlier login is being saved with a later era.
    var isRenewing: Bool {
        guard case .saving(_, .renewal) = phase else { return false }
        return true
    }

    /// Whether a claim is being written.
    var isClaiming: Bool {
        guard case .claiming = phase else { return false }
        return true
    }

    /// Whether the answer to a refresh, or a login, may be about to reach the local file.
    public var isChanging: Bool {
        switch phase {
        case .preparing, .sending, .saving: true
        case .idle, .reading, .claiming, .checking, .sharing, .closing: false
        }
    }

    /// This machine's claim, if it has one.
    public var claim: SharedClaim? {
        switch phase {
        case .claiming(let claiming), .checking(let claiming), .preparing(let claiming): claiming.claim
        case .sending(let sending): sending.claim
        default: nil
        }
    }
}
