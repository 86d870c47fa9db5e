/// Something that happened to the session, for logs and metrics. Emitted on the threads of the session, or of another of
/// its `SessionGroup`, under no lock but the file's; contains no secret.
public enum SessionEvent: Sendable {
    case refreshed(RefreshReport, generation: Generation, expiresIn: Int?)
    /// The refresh brought the same token again.
    case unchanged(RefreshReport, expiresIn: Int?)
    /// Another process or a person changed the file, or another machine the shared session.
    case adopted(AdoptedChange, of: ChangeAuthor, generation: Generation)
    case refreshFailed(RefreshReport, reason: String, failure: CredentialFailure)
    /// A process that died had written the new token without putting it in place; it is in use now.
    case recovered
    case loggedIn(generation: Generation)
    /// A login replaced a session that may still be valid.
    case replaced(ReplacedSession)
    /// The machines' session replaced this machine's own, which is kept in that file.
    case keptBeforeShared(path: String)
    /// A login was not adopted: the file contains the session of another API.
    case loginIgnored(reason: String)
    case loggedOut
    /// The API has ended the session, and it is forgotten here, but its issuer was not made to end all of its tokens.
    case livesOn(reason: String)
    /// The token is in use but not on disk, or the session has ended and is still on disk; saving is retried.
    case notSaved(reason: String, hasEnded: Bool)
    /// The upstream rejects the token itself, and refuses its refresh: requests get "login needed" from now on.
    case died(advice: String?)
    /// The API refused another machine's refresh of the token that this one also has.
    case denied(advice: String?)
    /// The upstream accepted a token that was considered dead.
    case revived
    /// A change that could not be saved before is saved now.
    case saved
    /// Another process has held the file's lock for so long already. Waited for, up to `limit`.
    case waitsForFile(path: String, since: Duration, limit: Duration)
    /// The session file exists but cannot be used; the token in memory stays in use.
    case fileUnreadable(reason: String)
}

/// The author of a change that this process adopted.
public enum ChangeAuthor: String, Sendable {
    /// Another process of this machine, or a person.
    case process
    /// Another machine that shares the session.
    case machine
}

/// The kind of a change by another process, a person or another machine.
public enum AdoptedChange: String, Sendable {
    case refresh, login, logout

    init(from old: SessionRecord, to new: SessionRecord) {
        if new.isEmpty {
            self = .logout
        } else if let lineage = old.lineage, lineage == new.lineage {
            self = .refresh
        } else {
            self = .login
        }
    }
}
