/// Connects a session to the machines that share it. It decides when a token may be refreshed, replaced by a login or
/// forgotten; the session carries that out.
///
/// *Threading*: any thread, unless a method says otherwise.
public protocol SessionSharing: AnyObject, Sendable {
    /// Sets the session. Called once, first.
    func attach(_ session: any SharedSide)

    /// Reports the current record, after each change. Performs no I/O.
    func holds(_ record: SessionRecord)

    /// Keeps the session in step with the other machines from now on: for long-running programs.
    func begin()

    /// Makes a change that starts from `record`. Blocks the session's thread, with the file's lock held, and calls
    /// `steps` on that thread.
    func change(_ wish: SharedWish, from record: SessionRecord, _ steps: any SharedSteps) -> SharedEnding

    /// Whether the refresh for which `send` was called may still be sent: as far as this machine knows, the others take
    /// it for alive. They do not any more if it was stopped for long. Does not block.
    var maySend: Bool { get }

    /// Begins no further change, and ends those that only wait.
    func close()

    /// Waits until the current changes are shared, at most `timeout`, and ends. Call after `close`. True if the other
    /// machines know everything.
    func finish(timeout: Duration) -> Bool

    var status: SharedStatus { get }

    /// The other machines were asked for their session, or cannot be asked.
    var hasAsked: Bool { get }

    /// The other machines have a session, or may have one, that is not older than `holding`.
    func mayHaveSession(after holding: SharedHolding) -> Bool
}

/// The session, from the view of its sharing.
public protocol SharedSide: AnyObject, Sendable {
    /// Runs `work` on the session's thread; false if that has ended.
    func execute(_ work: @escaping @Sendable () -> Void) -> Bool

    /// Carries out another machine's deed, on the session's thread, and takes the file's lock for that. Returns where the
    /// result is saved.
    func carryOut(_ deed: SharedDeed) -> SharedSaving

    /// The engine can be reached again: changes that wait for it need not wait longer. Any thread.
    func engineIsBack()
}

/// The purpose of a change.
public enum SharedWish: Sendable {
    /// A token other than the held one.
    case refresh
    /// The tokens that `SharedSteps.save` provides, from a login.
    case login
    case logout
    /// The other machines' session, if it differs.
    case look
}

/// The session's part in its change. On the session's thread.
public protocol SharedSteps: AnyObject {
    /// Whether a result could be saved: there is room, and the journal is written.
    func prepare() -> Bool

    /// Carries out another machine's deed between two steps: the file's lock is held. Returns where the result is saved.
    func carryOut(_ deed: SharedDeed) -> SharedSaving

    /// Sends the refresh, unless `doubt` forbids it. Blocks.
    func send(after doubt: SharedDoubt) -> SharedSending

    /// Saves the result with that identity, and uses it. `there` is the session that the engine had instead, if there
    /// was one. May be called again, with another identity for the same result. What a person did is saved as what the
    /// others do not know.
    func save(as identity: SharedIdentity, over there: SessionRecord?) -> SharedSaving

    /// Forgets the token, for the logout with that identity. `mark` is what the others know of it.
    func forget(as identity: SharedIdentity, _ mark: SharedMark)
}

/// What is known about the last refresh of the same tokens, by any machine.
public enum SharedDoubt: Sendable {
    case none
    /// Its answer was lost.
    case unanswered(SessionRecord.Unanswered)
    /// That process claimed the refresh and fell silent: it may have sent it.
    case takenOver(from: ProcessName)
}

public enum SharedSending: Sendable {
    case tokens
    /// The API refuses the sent tokens, for good.
    case refused
    /// No answer came.
    case lost(SessionRecord.Unanswered)
    /// Nothing was sent, or the answer says nothing about the token. Carries what the next sender must know, and for
    /// how many seconds the issuer wants no request.
    case nothing(SessionRecord.Unanswered?, retryAfter: Int? = nil)
}

public enum SharedSaving: Sendable {
    case inFile
    /// It is in use, but the file could not be written.
    case inMemory
    /// There was nothing to save, or saving is not allowed.
    case nothing
    /// The file could not be written, and the result is not in use.
    case noRoom
}

/// How a change ended.
public enum SharedEnding: Sendable {
    /// The saved result is the session's, whether or not the other machines know it.
    case done
    /// Another machine's deed has taken its place, or there was nothing to do.
    case settled
    case failed(SharedFailure)
}

/// A change by another machine.
public enum SharedDeed: Sendable {
    /// It has other tokens, which arrived `age` seconds ago. `refusal` says that the API refused to refresh them.
    case adopt(SessionRecord, SharedIdentity, SharedRefusal?, age: ClosedRange<Int>)
    /// Somebody logged out.
    case forget(SharedIdentity)
    /// The API refused a machine's refresh of the tokens with that identity.
    case deny(SharedIdentity, SharedRefusal)
    /// The tokens with that identity, whose refresh was refused, may be refreshed again.
    case allow(SharedIdentity)
    /// This machine's session becomes the shared one, with that identity.
    case enrol(SharedIdentity)
    /// The enrolment failed: the session is this machine's own again.
    case disown(SharedIdentity)
    /// Whether the other machines know the tokens, or the logout, with that identity. Must survive a restart.
    case markShared(SharedIdentity, SharedMark)
    /// The same tokens, or the same logout, have that identity now. Answered as `enrol`.
    case renumber(SharedIdentity)
}
