import Credentials
import Platform
import ReverseProxy
import Settings
import Support
import Threads

/// Redeems something single-use for tokens, and adopts them as the session: with the file locked, and saved before
/// anything is reported.
struct TokenRedemption {
    let access: SessionAccess
    let replaceable: ReplaceableSession
    /// The command line that repeats the login.
    let line: String
    /// The same with --replace.
    let replacing: String

    /// What is redeemed.
    enum Grant {
        case code
        case deviceCode
        /// A code or a password, at the API.
        case signIn
        case refreshToken(Token)

        /// The end of a message about tokens that were not kept.
        fileprivate var fate: String {
            switch self {
            case .code, .deviceCode: "The code is spent."
            case .signIn: "A code is spent."
            case .refreshToken: "The refresh token is spent."
            }
        }
    }

    private var mayRetry: Bool { access.loaded.configuration.session.retriesLost }

    /// Calls `ask` once to redeem it. Returns the outcome: its tokens are saved, or its refresh token if only that can
    /// be used. Throws if they came and were not kept.
    func redeem(_ grant: Grant, _ ask: @escaping @Sendable () -> TokenOutcome) throws -> TokenOutcome {
        let obtained = Guarded<TokenOutcome?>(nil)
        // It is spent once more later, unless that is forbidden.
        let given: Token? = if mayRetry, case .refreshToken(let token) = grant { token } else { nil }
        let spend: @Sendable () -> Session.Gain = {
            SignalHold.begin()
            let outcome = ask()
            obtained.with { $0 = outcome }
            switch outcome {
            case .obtained(let tokens, _): return .tokens(tokens)
            case .lost(let reason, _, _): return given.map { .unanswered($0, reason: reason) } ?? .nothing
            case .misconfigured(let reason, let tokens): return Self.rest(of: tokens, reason) ?? .nothing
            case .unchanged, .refused, .unavailable, .unreachable: return .nothing
            }
        }
        defer { SignalHold.end() }
        do {
            try access.adopt(.signIn, replacing: replaceable, spending: spend)
        } catch {
            throw notKept(error, obtained.with { $0 }, grant)
        }
        // `adopt` has called `spend`, or has thrown.
        return endingUnused(obtained.with { $0 } ?? .unreachable(reason: "nothing was asked"))
    }

    /// Adopts tokens that have already arrived. For polling while a person takes minutes: the file is locked only for
    /// the adoption, so that others can use the session meanwhile.
    func redeem(_ grant: Grant, given outcome: TokenOutcome) throws -> TokenOutcome {
        do {
            switch outcome {
            case .obtained(let tokens, _): try access.adopt(tokens, .signIn, replacing: replaceable)
            case .misconfigured(let reason, let tokens):
                guard let rest = Self.rest(of: tokens, reason) else { break }
                try access.adopt(.signIn, replacing: replaceable) { rest }
            case .unchanged, .refused, .unavailable, .unreachable, .lost: break
            }
        } catch {
            throw notKept(error, outcome, grant)
        }
        return endingUnused(outcome)
    }

    /// The refresh token that came beside an access token which cannot be used; nil if none came.
    private static func rest(of tokens: UnusableTokens?, _ reason: String) -> Session.Gain? {
        guard let tokens, let refreshToken = tokens.refreshToken else { return nil }
        return .refreshToken(
            refreshToken,
            expiresIn: tokens.refreshExpiresIn,
            useless: tokens.accessToken,
            reason: reason
        )
    }

    /// Ends an access token that cannot be used, and that no refresh token succeeds.
    private func endingUnused(_ outcome: TokenOutcome) -> TokenOutcome {
        if case .misconfigured(_, let tokens?) = outcome, tokens.refreshToken == nil {
            _ = SignOut.endRefused(tokens, access.loaded)
        }
        return outcome
    }

    /// Ends tokens that were not kept. Returns the error to throw.
    private func notKept(_ error: any Error, _ outcome: TokenOutcome?, _ grant: Grant) -> any Error {
        if let failure = error as? ExitFailure, failure.keepsTokens { return failure }
        let tokens: UnusableTokens
        switch outcome {
        case .obtained(let obtained, _): tokens = UnusableTokens(obtained)
        case .misconfigured(_, let useless?): tokens = useless
        case .misconfigured, .unchanged, .refused, .unavailable, .unreachable, .lost, nil: return failure(error, "")
        }
        let fate = SignOut.endRefused(tokens, access.loaded)
        return failure(error, " \(fate) \(grant.fate)")
    }

    /// Why tokens were not kept. `fate` says what became of them.
    private func failure(_ error: any Error, _ fate: String) -> any Error {
        switch error {
        case let error as SessionFileError:
            return ExitFailure.usage(
                "squire: \(error.description). It is as it was.\(fate) To replace it: \(replacing)"
            )
        case let error as ExitFailure: return ExitFailure(code: error.code, message: error.message + fate)
        default: return error
        }
    }

    /// The command's failure for an outcome without an access token.
    func failure(_ outcome: TokenOutcome, of grant: Grant) -> ExitFailure {
        let nobody = "squire: nobody is logged in: "
        switch outcome {
        case .obtained, .unchanged: return .tryLater(nobody + "the answer holds no new token. To try again: \(line)")
        case .refused(let reason, _): return .loginNeeded(nobody + "\(reason). To try again: \(line)")
        case .misconfigured(let reason, let tokens):
            guard tokens?.refreshToken != nil else { return .configuration(nobody + reason) }
            let replaced = LoginReport.replaced(access).map { ". Replaced \($0)" } ?? ""
            return .configuration(
                "squire: no token came that can be used: \(reason). The refresh token is kept in \(access.file.path): once "
                    + "the configuration is right, the next token is had with it\(replaced)"
            )
        case .unavailable(let reason, let seconds, _, _, _, _):
            let when = seconds.map { "in \($0) s" } ?? "later"
            return .tryLater(nobody + "\(reason). Try again \(when): \(line)")
        case .unreachable(let reason, _):
            let text = nobody + "\(reason). To try again: \(line)"
            // The refresh token was not sent, so that the same command can be repeated.
            if case .refreshToken = grant { return .tryLater(text) }
            return .unreachable(text)
        case .lost(let reason, _, _):
            guard case .refreshToken = grant else {
                return .tryLater(nobody + "\(reason). \(grant.fate) To try again: \(line)")
            }
            guard mayRetry else {
                return .tryLater(
                    nobody + "the answer was lost: \(reason). The refresh token may be spent, and session.retry-lost: "
                        + "never forbids to send it once more by itself. The session is as it was. To try again all the "
                        + "same: \(line)"
                )
            }
            return .tryLater(
                "squire: the answer was lost: \(reason). The refresh token is kept in \(access.file.path), and is tried "
                    + "again when a token is needed; it may be spent"
            )
        }
    }
}
