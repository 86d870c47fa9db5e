import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support

struct LogoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Log out at the API, then forget the token.",
        discussion: """
            An expired token is refreshed first: the API refuses to log it out, and it would stay refreshable. What a login \
            replaced and kept as FILE.previous is ended too, and removed. With --local nothing is sent.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Only forget the token here; at the API it lives on.")
    var local = false

    func run() throws {
        let session = try SessionAccess(try options.load())
        guard let record = try session.record(), let token = record.token else {
            if session.file.hasPrevious || session.file.hasEnding { try session.requireWritable("nothing is ended") }
            try endPrevious(session)
            return Output.line("there is no session in \(session.file.path)")
        }
        // Before anything is ended: a token that dies and stays in the file is worse than one that lives.
        try session.requireWritable("the session is kept")
        let mayRefresh = record.foreignRefreshOrigin(to: session.loaded.binding) == nil
        let wasDead = try !local && end(token, session, mayRefresh: mayRefresh)
        try session.forget(record.principal)
        Output.line(wasDead ? "logged out (the token was dead already)" : "logged out")
        if (try? session.file.load())?.record.token != nil {
            Output.line("somebody logged in meanwhile: that session stays in \(session.file.path)")
        }
        try endPrevious(session)
    }

    /// Ends the token at the API. `mayRefresh` says whether it may be sent to where this configuration refreshes. True if
    /// it was of no use any more.
    private func end(_ given: Token, _ session: SessionAccess, mayRefresh: Bool) throws -> Bool {
        let configuration = session.loaded.configuration
        guard let signOut = SignOut(configuration) else {
            Output.error(
                "squire: no session.sign-out is configured: the token is forgotten here, but lives on at the API"
            )
            return false
        }
        var token = given
        let status = session.cache.status
        let canRefresh = configuration.session.refresh != nil && mayRefresh
        if let seconds = status.expiresIn, seconds <= 5, canRefresh {
            do {
                token = try session.refresh(.manual)
            } catch let failure as ExitFailure where failure.code == 77 {
                // It can do nothing any more.
                return true
            }
        }
        var outcome = signOut.end(token)
        if case .rejected = outcome, canRefresh, let fresh = try? session.refresh(.rejected) {
            outcome = signOut.end(fresh)
        }
        let again = "Try again, or forget it here only: \(session.loaded.lines.line("logout", ["--local"]))"
        switch outcome {
        case .ended, .rejected: return false
        case .failed(let status):
            throw ExitFailure.tryLater(
                "squire: the API answers the logout with status \(status); the token is kept. \(again)"
            )
        case .unreachable(let detail):
            throw ExitFailure.unreachable("squire: the API cannot be reached: \(detail); the token is kept. \(again)")
        }
    }

    /// Ends what logins replaced and kept, and removes it.
    private func endPrevious(_ session: SessionAccess) throws {
        let file = session.file
        do throws(SessionFileError) {
            if file.hasEnding, !endKept(session) { return }
            // Once: what a login keeps from now on is not for this logout to end.
            if try file.takePrevious() { _ = endKept(session) }
        } catch {
            throw ExitFailure.notWritable("squire: \(file.previousPath) is kept: \(error.description)")
        }
    }

    /// Ends what lies at `endingPath`, and says what became of it. False if it is there still.
    private func endKept(_ session: SessionAccess) -> Bool {
        let (file, binding) = (session.file, session.loaded.binding)
        let removed = "removed \(file.previousPath)"
        guard let record = file.ending(), let token = record.token else {
            return remove(file, "\(removed), which held no session")
        }
        let who = token.claims?.subject.map { "the former session, of customer \($0)," } ?? "the former session"
        if let origin = record.foreignOrigin(to: binding) {
            return remove(file, "\(removed); \(who) is for \(origin) and lives on there")
        }
        guard !local, let signOut = SignOut(session.loaded.configuration) else {
            return remove(file, "\(removed); \(who) lives on at the API")
        }
        if signOut.endForGood(token, mayRefresh: record.foreignRefreshOrigin(to: binding) == nil) {
            return remove(file, "\(removed); \(who) has ended at the API too")
        }
        Output.line(
            "\(who) could not be ended, and lives on at the API; it is kept in \(file.endingPath). "
                + "Try again, or forget it here only: \(session.loaded.lines.line("logout", ["--local"]))"
        )
        return false
    }

    /// False if it is there still.
    private func remove(_ file: SessionFile, _ said: String) -> Bool {
        let isRemoved = file.removeEnding()
        Output.line(isRemoved ? said : "\(file.endingPath) cannot be removed: remove it by hand")
        return isRemoved
    }
}
