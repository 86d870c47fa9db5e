import Threads

/// Forgetting the tokens that a logout ends.
extension Session {
    /// Forgets the token; the file keeps everything else. With `principal`, only what descends from its login: a later
    /// login stays, whoever's it is. A change that cannot be saved is refused or, with `keepsUnsaved`, stays in memory
    /// until it can be.
    public func forget(
        _ principal: Principal? = nil,
        keepsUnsaved: Bool = true,
        completion: @escaping ChangeCompletion
    ) {
        change(completion) { [self] in forget(principal, keepsUnsaved: keepsUnsaved).result }
    }

    /// The API has ended the session of `principal`: forgets what descends from its login. After `completion`, the
    /// source ends it at the issuer, too: whoever else has a refresh token could go on with it.
    public func signOut(_ principal: Principal, completion: @escaping ChangeCompletion) {
        change(completion) { [self] in
            let (result, forgotten) = forget(principal, keepsUnsaved: true)
            if let source, let forgotten {
                _ = endings.execute { [self] in
                    if let reason = source.end(forgotten) { emit(.livesOn(reason: reason)) }
                }
            }
            return result
        }
    }

    /// A session that a client has ended is being ended at its source: `end` waits for that.
    public var isEnding: Bool { endings.isBusy }

    /// On the session's thread. Returns the forgotten tokens, too; nil if nothing was forgotten.
    private func forget(
        _ principal: Principal?,
        keepsUnsaved: Bool
    ) -> (result: Result<Void, SessionFileError>, forgotten: HeldTokens?) {
        var forgotten: HeldTokens?
        let change = Change(
            keepsUnsaved: keepsUnsaved,
            make: { record, _ in
                forgotten = nil
                if let principal, record.principal?.isOfSameLogin(as: principal) == false { return .leave }
                forgotten = record.held
                record.forgetToken()
                return .replace(keeping: nil)
            }
        )
        let result = replace(.logout, change)
        if case .success = result, forgotten != nil { emit(.loggedOut) }
        return (result, forgotten)
    }

    /// Calls `end`, which ends the held tokens at their issuer, and forgets them if that succeeded. The file is locked
    /// meanwhile: a refresh in flight is waited for, and none begins, so that nothing outlives the logout. `end`
    /// blocks.
    public func forget(
        ending end: @escaping @Sendable (HeldTokens) -> Bool,
        completion: @escaping ChangeCompletion
    ) {
        change(completion) { [self] in
            var ended: HeldTokens?
            let change = Change(
                prepare: { [self] (record) throws(SessionFileError) in
                    guard !record.isEmpty, foreign(record) == nil else { return false }
                    if ended == record.held { return true }
                    // What is ended must not come back.
                    try file?.proveWritable()
                    guard end(record.held) else { return false }
                    ended = record.held
                    return true
                },
                make: { record, _ in
                    record.forgetToken()
                    return .replace(keeping: nil)
                }
            )
            let result = replace(.logout, change)
            if case .success = result, ended != nil { emit(.loggedOut) }
            return result
        }
    }
}
