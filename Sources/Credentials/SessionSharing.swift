/// What machines share a session through. It decides when a token may be refreshed, logged in to or forgotten; the
/// session does it.
///
/// *Threading*: any thread, unless a method says otherwise.
public protocol SessionSharing: AnyObject, Sendable {
    /// The session whose side this is. Once, before all else.
    func attach(_ session: any SharedSide)

    /// The session holds that now. After each change of its record; costs no I/O.
    func holds(_ record: SessionRecord)

    /// Keeps the session in step with the other machines from now on: for programs that keep running.
    func begin()

    /// Makes a change that begins with what `record` holds. On the session's thread, which it blocks, with the file's
    /// lock held: `steps` are taken on that thread, as they are asked for.
    func change(_ wish: SharedWish, from record: SessionRecord, _ steps: any SharedSteps) -> SharedEnding

    /// Begins no change any more, and ends those that only wait.
    func close()

    /// Waits until what is under way is shared, at most `timeout`, and ends. After `close`. True if nothing is left that
    /// the other machines must learn of.
    func finish(timeout: Duration) -> Bool

    var status: SharedStatus { get }

    /// The other machines were asked what they have, or cannot be asked.
    var hasAsked: Bool { get }

    /// The other machines have a session, or it is not known that they have none.
    var mayHaveSession: Bool { get }
}

/// The session, as what shares it sees it.
public protocol SharedSide: AnyObject, Sendable {
    /// Does `work` on the session's thread; false when that has ended.
    func execute(_ work: @escaping @Sendable () -> Void) -> Bool

    /// Carries out what another machine did, on the session's thread. `isLocked` says that the file's lock is held.
    /// Gives where it is saved.
    func carryOut(_ deed: SharedDeed, isLocked: Bool) -> SharedSaving

    /// The engine can be reached again: what waits for it need not wait longer. Any thread.
    func engineIsBack()
}

/// What a change is to bring.
public enum SharedWish: Sendable {
    /// Another token than the one that is held.
    case refresh
    /// The tokens that `SharedSteps.save` brings, which a person logged in for.
    case login
    case logout
    /// What the other machines have, if that is something else.
    case look
}

/// What the session must do for its change. On the session's thread.
public protocol SharedSteps: AnyObject {
    /// Whether a result could be saved: there is room, and the journal is written.
    func prepare() -> Bool

    /// Sends the refresh, unless `doubt` forbids it. Blocks.
    func send(after doubt: SharedDoubt) -> SharedSending

    /// Saves what there is under that name, and uses it. `there` is the session that the engine had instead, if it had
    /// one. May be called again, with another name for the same.
    func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving

    /// Forgets the token for the logout of that name.
    func forget(as identity: SharedIdentity)
}

/// What is known of the last refresh of the same tokens, by whatever machine.
public enum SharedDoubt: Sendable {
    case none
    /// Its answer was lost.
    case unanswered(SessionRecord.Unanswered)
    /// The machine of that name claimed it and fell silent: it may have sent it.
    case takenOver(from: String)
}

public enum SharedSending: Sendable {
    case tokens
    /// The API refuses what was sent, for good.
    case refused
    /// No answer came.
    case lost(SessionRecord.Unanswered)
    /// Nothing was sent, or what came back says nothing of the token. With what whoever sends it next must know, and
    /// for how many seconds the issuer wants to be left alone.
    case nothing(SessionRecord.Unanswered?, retryAfter: Int? = nil)
}

public enum SharedSaving: Sendable {
    case inFile
    /// It is in use, and the file could not take it.
    case inMemory
    /// There was nothing to save, or it may not be.
    case nothing
    /// The file could not take it, and it is not in use.
    case noRoom
}

/// How a change ended.
public enum SharedEnding: Sendable {
    /// What was saved is the session's, whether or not the other machines know.
    case done
    /// What another machine did has taken its place, or there was nothing to do.
    case settled
    case failed(SharedFailure)
}

/// Why a change came to nothing.
public enum SharedFailure: Sendable {
    /// The engine cannot be asked. The reason is a sentence without its full stop.
    case unreachable(String)
    /// The engine has a record that this machine must neither use nor replace.
    case unusable(String)
    /// The engine or another machine was too slow, or the API gave no answer.
    case unanswered
    /// The issuer told another machine to leave it alone: for so many seconds from now.
    case postponed(seconds: Int)
    /// The local file could not take a result.
    case notWritable
    /// The API refused, or there is no session.
    case loginNeeded
    /// The session's counts are at their end.
    case exhausted
    case closed
}

/// What another machine did.
public enum SharedDeed: Sendable {
    /// It has other tokens, which came `age` seconds ago. `isRefused` says that the API refused to refresh them.
    case adopt(SessionRecord, SharedIdentity, isRefused: Bool, age: ClosedRange<Int>)
    /// Somebody logged out.
    case forget(SharedIdentity)
    /// The API refused a machine to refresh the tokens of that name.
    case deny(SharedIdentity)
    /// The tokens of that name, which it was refused for, may be refreshed again.
    case allow(SharedIdentity)
    /// What this machine has becomes the session of all, under that name.
    case enrol(SharedIdentity)
    /// That came to nothing: it is this machine's own again.
    case disown(SharedIdentity)
    /// Whether the other machines know the tokens of that name, as a restart must know.
    case markShared(SharedIdentity, Bool)
}
