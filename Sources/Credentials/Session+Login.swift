/// Taking over the tokens of a login.
extension Session {
    /// What a one-time secret was exchanged for.
    public enum Gain: Sendable {
        case tokens(TokenSet)
        /// A refresh token that was sent without an answer: it may still be valid.
        case unanswered(Token, reason: String)
        /// A refresh token beside an access token that cannot be used, or none: it is saved, to be spent next. What was
        /// given for it is gone. `expiresIn` is its lifetime in seconds; `useless` is the access token, which is saved
        /// nowhere, but may name its customer.
        case refreshToken(Token, expiresIn: Int?, useless: Token?, reason: String)
        /// The session stays as it is.
        case nothing
    }

    /// Makes `tokens` the session's, after saving them. Tokens that cannot be saved are refused or, with
    /// `keepsUnsaved`, used from memory until they can be. A living session that they replace is kept beside the file.
    /// If they may not replace it, they are refused, and nothing changes.
    public func adopt(
        _ tokens: TokenSet,
        _ arrival: SessionRecord.Arrival,
        keepsUnsaved: Bool = false,
        replacing replaceable: ReplaceableSession = .ofThisAPI,
        completion: @escaping ChangeCompletion
    ) {
        change(completion) { [self] in
            take(arrival, keepsUnsaved: keepsUnsaved, replacing: replaceable) { () throws(SessionFileError) in
                .tokens(tokens)
            }
        }
    }

    /// Calls `spend`, which exchanges a one-time secret such as a code, and makes the result the session's, as `adopt`
    /// does. Meanwhile the file is locked and has room for the result, so only the end of this process can lose it.
    /// `spend` blocks; it is called once, and only if the result can be saved at all.
    public func adopt(
        _ arrival: SessionRecord.Arrival,
        replacing replaceable: ReplaceableSession,
        spending spend: @escaping @Sendable () -> Gain,
        completion: @escaping ChangeCompletion
    ) {
        change(completion) { [self] in
            take(arrival, keepsUnsaved: false, replacing: replaceable) { [self] () throws(SessionFileError) in
                guard let file else { return spend() }
                // The disk may have filled up while the person was busy, and may while the secret is spent: room is
                // held meanwhile.
                return try file.holdingRoom(spend)
            }
        }
    }

    /// On the session's thread. `gain` is called once, with the file's lock held.
    private func take(
        _ arrival: SessionRecord.Arrival,
        keepsUnsaved: Bool,
        replacing replaceable: ReplaceableSession,
        _ gain: @escaping () throws(SessionFileError) -> Gain
    ) -> Result<Void, SessionFileError> {
        var gained: Result<Gain, SessionFileError>?
        var replaced: ReplacedSession?
        var unsaved: SessionRecord?
        let change = Change(
            keepsUnsaved: keepsUnsaved,
            replacesForeign: replaceable.mayBeForeign,
            prepare: { _ in
                let known = gained ?? Result { () throws(SessionFileError) in try gain() }
                gained = known
                return if case .success = known { true } else { false }
            },
            make: { [self] record, _ in
                guard case .success(let gain)? = gained else { return .leave }
                let former = record.spent
                let verdict = put(gain, arrival, into: &record, replacing: replaceable, &replaced)
                if case .replace = verdict {
                    unsaved = record
                    unsaved?.replaces(former)
                }
                return verdict
            }
        )
        let result = replace(.login, change)
        if case .failure(let error) = result, let file, let unsaved, !keepsUnsaved, !error.isRefusal {
            // The secret is spent, and this may be the only living token.
            let place = file.keepUnsaved(unsaved) ? file.answerPath : nil
            return .failure(SessionFileError(error, keptIn: place))
        }
        switch gained {
        case .failure(let error)?: return .failure(error)
        case .success(.nothing)?: break
        // Nil: refused before anything was spent.
        case .success(.tokens)?, .success(.unanswered)?, .success(.refreshToken)?, nil:
            announce(result, replaced, keepsUnsaved: keepsUnsaved)
        }
        return result
    }

    private func put(
        _ gain: Gain,
        _ arrival: SessionRecord.Arrival,
        into record: inout SessionRecord,
        replacing replaceable: ReplaceableSession,
        _ replaced: inout ReplacedSession?
    ) -> ChangeVerdict {
        let now = clock.now.wall
        // A session of another source may still be valid for that source.
        let mayLive = mayRefresh(record) || binding.flatMap { record.foreignSource(to: $0) } != nil
        switch gain {
        case .nothing: return .leave
        case .tokens(let tokens):
            let token = tokens.accessToken
            replaced = ReplacedSession(record, by: token, binding, canRefresh: mayLive, now: now)
            if let other = replaceable.otherCustomer(replaced, by: token) { return .refuse(customer: other) }
            record.put(tokens, arrival, upstream: binding?.origin, now: now)
        case .unanswered(let token, let reason):
            replaced = ReplacedSession(record, by: token, binding, canRefresh: mayLive, now: now)
            record.begin(with: token, now: now)
            record.unanswered = .init(at: now, reason: reason)
        case .refreshToken(let token, let expiresIn, let useless, let reason):
            replaced = ReplacedSession(record, by: token, binding, canRefresh: mayLive, now: now)
            if let useless, let other = replaceable.otherCustomer(replaced, by: useless) {
                return .refuse(customer: other)
            }
            record.begin(with: token, expiresIn: expiresIn, now: now)
            record.record(RefreshEntry(at: now, cause: .manual, outcome: .misconfigured, detail: reason))
        }
        if let binding { record.bind(binding) }
        return .replace(keeping: replaced?.record)
    }

    private func announce(
        _ result: Result<Void, SessionFileError>,
        _ replaced: ReplacedSession?,
        keepsUnsaved: Bool
    ) {
        switch result {
        case .failure(let error) where error.isRefusal: emit(.loginIgnored(reason: error.description))
        case .failure where !keepsUnsaved: break
        case .success, .failure:
            if var replaced {
                let isKept = file?.previous()?.token == replaced.record.token
                replaced.keptIn = isKept ? file?.previousPath : nil
                emit(.replaced(replaced))
            }
            emit(.loggedIn(generation: generation))
        }
    }
}
