public import Credentials
import Platform

extension SharedState {
    /// What happened.
    public enum Event: Hashable, Sendable {
        /// The process begins. Once, first.
        case started
        /// The token set that is held will not do: it is refused or due.
        case refreshWanted
        /// A person logged in on this machine: the new tokens are at hand.
        case loggedIn
        /// A person logs out on this machine.
        case loggedOut
        /// This machine has tokens that it shared with nobody yet: they are shared where the engine has no session.
        case joins
        /// Another process of this machine changed the local file.
        case fileChanged(SharedHolding, SharedHolding.Note = .init())
        /// What a person did here waits to be shared, and another person did something later elsewhere: that stands.
        case overtaken
        /// The issuer wants to be left alone for so many seconds, as another machine was told: who waits for a refresh
        /// is told so.
        case barred(seconds: Int)

        /// The answer to `get`. Nil where nothing could be read.
        case read(SharedReading?)
        /// The answer to `swap`.
        case swapped(Swapped)
        /// The watch tells what the engine has. May be late.
        case watched(SharedReading)
        /// The watch hears the engine: from now on silence means something.
        case connected
        case disconnected

        /// The answer to `prepare`.
        case prepared(Bool)
        /// The answer to `send`.
        case answered(Answer)
        /// The answer to `save`.
        case saved(Saved)
        /// The moment of `wakeAt` has come. Too early or too often does no harm.
        case time
    }

    public enum Swapped: Hashable, Sendable {
        case written(version: UInt64)
        /// Nothing was written: this is there instead.
        case conflict(SharedReading)
        /// It may have been written, or may be yet.
        case unclear
        /// Nothing was written, nor will be.
        case failed
    }

    public enum Answer: Hashable, Sendable {
        case tokens
        /// The API refuses the token set for good.
        case refused
        /// It was asked, and no answer came.
        case lost
        /// Nothing was sent, or what came back says nothing of the token set.
        case nothing
    }

    public enum Saved: Hashable, Sendable {
        case inFile
        /// The file could not take the tokens.
        case inMemory
        /// There was nothing to save after all: a login came to nothing.
        case nothing
        /// The file could not take it, and without the file it is not to be used.
        case noRoom
    }

    /// What is to be done.
    public enum Action: Hashable, Sendable {
        /// Read the engine, never something old. Answered by `read`.
        case get
        /// Write where the engine still has `expecting` (nil: no value) in every byte. Answered by `swapped`.
        case swap(expecting: SharedView?, new: SharedFacts)
        /// Make sure that a result can be saved here: room, rights, journal. Answered by `prepared`.
        case prepare
        /// Send the refresh of what is held. Answered by `answered`, when the transfer has ended.
        case send
        /// Write the new tokens into the local file, under that name, and force them out. Answered by `saved`.
        case save(SharedIdentity)
        /// The record's tokens become current, in the local file first.
        case adopt(SharedView)
        /// The new tokens of this machine become current.
        case use(SharedIdentity)
        /// There is no session any more. The local file is kept as the previous one.
        case forget(SharedIdentity)
        /// What was to become the session of all is this machine's own again.
        case disown(SharedIdentity)
        /// Those who wait for a refresh have their answer.
        case refuse(Refusal)
        case say(Notice)
    }

    /// Why a refresh brought nothing.
    public enum Refusal: Hashable, Sendable {
        /// The engine cannot be reached. Never a refresh on one's own.
        case unreachable
        /// The engine was too slow, or a machine of the fleet did not answer: try again.
        case unanswered
        /// The issuer wants to be left alone for so many seconds.
        case barred(seconds: Int)
        /// The local file could not take a result.
        case noRoom
        case unreadable(SharedObstacle)
        /// The API refused, or there is no session.
        case loginNeeded
        /// The counts of the session are at their end: a login begins anew.
        case exhausted
    }

    /// What people may want to know.
    public enum Notice: Hashable, Sendable {
        /// A token set of this machine is not in the engine, and is in use here.
        case notShared
        case shared(SharedIdentity)
        /// A machine that claimed the refresh was silent for too long.
        case takesOver(from: ProcessName)
        /// Another machine has taken over what this one refreshes.
        case takenOver
        /// The engine had forgotten what this machine holds.
        case putsBack(SharedIdentity)
        /// The result of this machine came after another took its place.
        case drops(SharedIdentity)
        /// The claim was known too late to send.
        case tooLate
        /// The local file could not take a token set: it is in memory and, soon, in the engine.
        case notSaved
        case unreadable(SharedObstacle)
        /// An event came that nothing asked for, or too late.
        case ignored(Event)
    }

    /// The next moment at which `time` should be told; nil where nothing waits.
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

    /// Nothing is under way.
    public var isIdle: Bool { phase == .idle }

    /// Something of this machine is under way that the others wait for.
    public var isOwing: Bool {
        switch phase {
        case .idle, .reading: false
        case .claiming, .checking, .preparing, .sending, .saving, .sharing, .closing: true
        }
    }

    /// It is known what the engine had at some moment.
    public var hasLooked: Bool { sight != .unknown }

    /// The engine has a session that is not older than `holding`, or it is not known that it has none.
    public func mayHaveSession(after holding: SharedHolding) -> Bool {
        switch (sight, holding) {
        case (.absent, _), (.unknown, .ended): false
        case (.record(let view), _):
            view.facts.state != .none && holding.identity?.order(view.facts.identity) != .behind
        case (.unreadable, _), (.unknown, _): true
        }
    }

    /// What the engine had when it was last read or written.
    public var seen: SharedView? { sight.view }

    /// Of the values that this machine may still speak of.
    var versions: [UInt64] {
        var versions: [UInt64] = []
        if let view = sight.view { versions.append(view.version) }
        switch heard {
        case .told(.record(let view)), .asked(.record(let view)): versions.append(view.version)
        case .nothing, .told, .asked: break
        }
        return versions
    }

    /// What was this machine's own is to become the session of all.
    var isJoining: Bool {
        switch phase {
        case .saving(_, .joining): true
        case .sharing(let sharing): sharing.cause == .joining
        default: false
        }
    }

    /// What a person did before gets another era.
    var isRenewing: Bool {
        guard case .saving(_, .renewal) = phase else { return false }
        return true
    }

    /// Whether a claim of this machine is on its way to the engine.
    var isClaiming: Bool {
        guard case .claiming = phase else { return false }
        return true
    }

    /// Whether an answer of the API, or a login, may be on its way to the local file.
    public var isChanging: Bool {
        switch phase {
        case .preparing, .sending, .saving: true
        case .idle, .reading, .claiming, .checking, .sharing, .closing: false
        }
    }

    /// The claim that this machine pursues.
    public var claim: SharedClaim? {
        switch phase {
        case .claiming(let claiming), .checking(let claiming), .preparing(let claiming): claiming.claim
        case .sending(let sending): sending.claim
        default: nil
        }
    }
}
