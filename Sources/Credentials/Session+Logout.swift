/// Forgetting the tokens that a logout ends.
extension Session {
    /// Forgets the token; the file keeps everything else. With `principal`, only that principal's: a later login of
    /// somebody else stays. A change that cannot be saved is refused or, with `keepsUnsaved`, stays in memory until it
    /// can be.
    public func forget(
        _ principal: Principal? = nil,
        keepsUnsaved: Bool = true,
        completion: @escaping ChangeCompletion
    ) {
        change(completion) { [self] in
            let result = replace(.logout, keepsUnsaved: keepsUnsaved) { record, _ in
                if let principal, record.principal?.isSame(as: principal) == false { return .leave }
                record.forgetToken()
                return .replace(keeping: nil)
            }
            if case .success = result { emit(.loggedOut) }
            return result
        }
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
            var problem: SessionFileError?
            let result = replace(.logout, keepsUnsaved: false) { [self] record, _ in
                guard !record.isEmpty, foreign(record) == nil else { return .leave }
                // Runs again if somebody else wrote the file first.
                if ended != record.held {
                    // What is ended must not come back.
                    do throws(SessionFileError) { try file?.proveWritable() } catch {
                        problem = error
                        return .leave
                    }
                    guard end(record.held) else { return .leave }
                    ended = record.held
                }
                record.forgetToken()
                return .replace(keeping: nil)
            }
            if let problem { return .failure(problem) }
            if case .success = result, ended != nil { emit(.loggedOut) }
            return result
        }
    }
}
