/// What happened to the session, for logs and metrics. Emitted from the session's threads, outside of locks; holds no
/// secret.
public enum SessionEvent: Sendable {
    case refreshed(RefreshReport, generation: Generation, expiresIn: Int?)
    /// The refresh brought the same token again.
    case unchanged(RefreshReport, expiresIn: Int?)
    /// Another process or a person changed the file, or another machine the shared session.
    case adopted(AdoptedChange, of: AdoptedOrigin, generation: Generation)
    case refreshFailed(RefreshReport, reason: String, failure: CredentialFailure)
    /// A process that died had written the new token and not put it in place; it is in use now.
    case recovered
    case loggedIn(generation: Generation)
    /// A login took the place of a session that may have lived on.
    case replaced(ReplacedSession)
    /// The machines' session took the place of one that was this machine's own, which is kept in that file.
    case keptBeforeShared(path: String)
    /// A login was not taken over: the file holds the session of another API.
    case loginIgnored(reason: String)
    case loggedOut
    /// The token is in use but not on disk; saving is tried again.
    case notSaved(reason: String)
    /// The upstream refuses the token itself, and its refresh: requests get "login needed" from now on.
    case died(advice: String?)
    /// The API refused another machine to refresh the token that this one has, too.
    case denied(advice: String?)
    /// The upstream accepted a token that was thought dead.
    case revived
    /// What could not be saved before is saved now.
    case saved
    /// The session file exists but cannot be used; the token in memory stays in use.
    case fileUnreadable(reason: String)
}

/// Who did something to the session that this process adopted.
public enum AdoptedOrigin: String, Sendable {
    /// Another process of this machine, or a person.
    case process
    /// Another machine that shares the session.
    case machine
}

/// What another process, a person or another machine did to the session.
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
