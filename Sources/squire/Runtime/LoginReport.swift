import Credentials
import ReverseProxy
import Settings
import Support
import TokenSources

/// Reports the outcome of a login.
struct LoginReport {
    private let access: SessionAccess
    private let former: FormerSession

    init(_ access: SessionAccess, former: FormerSession) {
        self.access = access
        self.former = former
    }

    /// `isOAuth` limits standard output to one line, for scripts that read an address from standard error.
    func say(isOAuth: Bool) {
        let status = access.session.status
        let who = status.subject.map(ControlCharacters.escaped).map { " as customer \($0)" } ?? ""
        let life = status.expiresIn.map { Self.life($0, isDead: status.state == .loginNeeded) } ?? doubt
        var rest = ["session in \(access.file.path)"]
        if let replaced = Self.replaced(access) {
            rest.append("replaced \(replaced)")
        } else if case .former(let file, _) = access.loaded.place {
            rest.append("\(former.description) stays in \(file), where an older Squire left it")
        }
        if isOAuth {
            rest.forEach(Output.error)
            if let warning = warning(status) { Output.error(warning) }
            Output.report("logged in\(who)\(life)")
        } else {
            Output.report("logged in\(who)\(life)")
            for line in rest { Output.report(line) }
        }
    }

    /// The session that the login replaced, and what became of it; nil if there was none.
    static func replaced(_ access: SessionAccess) -> String? {
        access.replaced.map { replaced in
            let fate = replaced.keptIn.map { "it is kept in \($0)" } ?? "it could not be kept"
            return "\(FormerSession(replaced).description); \(fate)"
        }
    }

    /// The remark on a token whose lifetime is unknown although it states its expiry; empty if it states none.
    private var doubt: String {
        guard let end = access.session.token?.claims?.expiresAt else { return "" }
        let claim = "\(UTCTime.text(end)), \(TokenLife.doubt(of: end, now: SystemClock().wall()))"
        return ", token good until the API refuses it: it claims to end at \(claim), and is not believed"
    }

    static func life(_ seconds: Int, isDead: Bool = false) -> String {
        guard seconds <= 0 else { return ", token good for \(Quantity.words(seconds: seconds))" }
        let past = ", token expired \(Quantity.words(seconds: -seconds)) ago"
        return past + (isDead ? ", and nothing refreshes it: give one that lives" : "; the next request refreshes it")
    }

    /// Warns that the session ends with its token, because no refresh token came.
    private func warning(_ status: SessionStatus) -> String? {
        guard case .oauth(let oauth) = access.loaded.configuration.session.source,
            let record = try? access.record(), record.refreshToken == nil
        else { return nil }
        let word = oauth.offlineScope ?? "offline_access"
        let end =
            record.expiresAt.map {
                "ends with its token, in \(Quantity.words(seconds: status.expiresIn ?? 0)) (\(UTCTime.text($0)))"
            }
            ?? "ends with its token, nobody says when"
        return "squire: warning: no refresh token came: the session \(end). "
            + "To have one, ask for it: add \(word) to session.oauth.scope, if the server knows that word, and log in again"
    }
}
