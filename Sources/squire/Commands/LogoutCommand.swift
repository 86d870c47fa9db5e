import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support
import TokenSources

struct LogoutCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "logout",
        abstract: "Log out at the API, then forget the token.",
        discussion: """
            At an authorization server, the refresh token is revoked, then the access token. For session.sign-out, an \
            expired token is refreshed first, because the API would not accept it, and it could still be refreshed. A \
            session that a login replaced and kept as FILE.previous is ended and removed, too; if machines share it, \
            it is only removed. With --local, nothing is sent.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Only forget the token here; at the API it stays valid.")
    var local = false

    func run() throws {
        let loaded = try options.load()
        guard loaded.configuration.session.source.isKept else {
            return Output.say("there is nothing to log out of: this source keeps no session")
        }
        let access = try SessionAccess(loaded)
        if !local { access.catchUp() }
        guard let record = try access.record(), !record.isEmpty else {
            if !local, let advice = access.session.status.shared?.adviceWithoutToken {
                throw ExitFailure.tryLater("squire: nothing is ended. \(advice)")
            }
            if access.file.hasKept || access.file.hasEnding { try access.requireWritable("nothing is ended") }
            try endPrevious(access)
            return Output.say("there is no session in \(access.file.path)")
        }
        if let source = record.foreignSource(to: loaded.binding) {
            let file = access.file.path
            return Output.say("there is no session of this source: the one in \(file) was made by \(source)")
        }
        if !local, let place = access.session.status.sharedElsewhere {
            throw ExitFailure.configuration(
                "squire: nothing is ended. Machines share this session in \(place), which session.shared does not name: they "
                    + "would lose it, and not know why. Log out with a configuration that names it, or forget it here only: "
                    + loaded.lines.line("logout", ["--local"])
            )
        }
        // Before anything is ended: a dead token that stays in the file is worse than a live one.
        try access.requireWritable("the session is kept")
        defer { access.finishSharing() }
        var wasDead = false
        if case .oauth(let oauth) = loaded.configuration.session.source, !local, let signOut = SignOut(loaded) {
            // With the file locked, because a refresh in flight would leave a new token behind.
            let lost = access.session.status.lostAnswer
            try access.forget { held in Self.judge(signOut.end(held), oauth, loaded) }
            Self.warn(ofLost: lost)
        } else {
            wasDead = try !local && end(record, access)
            try access.forget(record.principal)
        }
        Output.report(wasDead ? "logged out (the token was dead already)" : "logged out")
        if let left = try? access.file.session(), !left.isEmpty {
            Output.report("somebody logged in meanwhile: that session stays in \(access.file.path)")
        }
        try endPrevious(access)
    }

    /// Ends the session at its source. Returns true if it was dead already.
    private func end(_ record: SessionRecord, _ access: SessionAccess) throws -> Bool {
        guard let signOut = SignOut(access.loaded) else {
            let reason =
                access.loaded.configuration.session.signOut.isEmpty
                ? "no session.sign-out is configured" : "session.sign-out names no single request, only patterns with *"
            Output.error("squire: \(reason): the token is forgotten here, but lives on at the API")
            return false
        }
        guard let outcome = try endByRoute(record, access, signOut) else {
            Self.warn(ofLost: access.session.status.lostAnswer)
            return true
        }
        if let failure = Self.judge(outcome, nil, access.loaded) { throw failure }
        if case .rejected = outcome { Self.warn(ofLost: access.session.status.lostAnswer) }
        return false
    }

    /// `story` tells of a refresh without an answer, if there was one: what that brought is not held, and nobody can end it.
    private static func warn(ofLost story: String?) {
        guard let story else { return }
        Output.error("squire: warning: \(story). If it brought another token, the session may live on with that")
    }

    /// Reports what became of the tokens at their source. Returns a failure if they must be kept. `oauth` is their
    /// source, if that is an authorization server.
    private static func judge(
        _ outcome: SignOut.Outcome,
        _ oauth: OAuthConfiguration?,
        _ loaded: LoadedConfiguration
    ) -> ExitFailure? {
        switch outcome {
        case .ended, .rejected: break
        case .noWay:
            Output.error(
                "squire: the authorization server has no way to end tokens: they are forgotten here, but live on there"
            )
        case .endedPartly(let reason):
            Output.error("squire: the session has ended, but its access token lives on until its end: \(reason)")
        case .cameTooLate:
            Output.error(
                "squire: the access token had ended before, and session.oauth.revocation ends nothing without it: the refresh "
                    + "token is forgotten here, but may live on there"
            )
        // Such tokens are only a cache, and are forgotten even if they live on at the source.
        case .failed(let failure) where oauth?.grant.spends == false:
            Output.error("squire: the token is forgotten here, but lives on: \(failure.reason)")
        case .failed(let failure): return Self.failure(failure, loaded)
        }
        return nil
    }

    private static func failure(_ failure: SignOut.Failure, _ loaded: LoadedConfiguration) -> ExitFailure {
        let again = "Try again, or forget it here only: \(loaded.lines.line("logout", ["--local"]))"
        return switch failure {
        case .later(let reason): .tryLater("squire: the logout failed (\(reason)); the token is kept. \(again)")
        case .unreachable(let reason):
            .unreachable("squire: the API cannot be reached: \(reason); the token is kept. \(again)")
        case .refused(let reason):
            .configuration("squire: the logout is refused: \(reason); the token is kept. \(again)")
        }
    }

    /// Ends the token by `session.sign-out`; refreshes it first if it has expired. Nil if the session was dead already.
    private func endByRoute(
        _ record: SessionRecord,
        _ access: SessionAccess,
        _ signOut: SignOut
    ) throws -> SignOut.Outcome? {
        var held = record.held
        let status = access.session.status
        // Whether the token may be sent to this configuration's refresh endpoint.
        let mayRefresh = record.foreignRefreshOrigin(to: access.loaded.binding) == nil
        let canRefresh = access.loaded.configuration.session.refresh != nil && mayRefresh
        let isOver = held.accessToken == nil || status.expiresIn.map { $0 <= 5 } ?? false
        if isOver, canRefresh {
            do {
                held.accessToken = try access.refresh(.manual, goesOn: true)
            } catch let failure as ExitFailure where failure.code == 77 {
                // The refresh was refused: the session is dead.
                return nil
            }
        }
        let outcome = signOut.end(held)
        guard case .rejected = outcome, canRefresh else { return outcome }
        do {
            let next = signOut.end(HeldTokens(accessToken: try access.refresh(.rejected, goesOn: true)))
            // That token is not dead, and nobody else would end it.
            guard case .rejected = next else { return next }
            return .failed(.later(reason: "the API rejects the refreshed token, too"))
        } catch let failure as ExitFailure where failure.code == 77 {
            return outcome
        } catch let failure as ExitFailure {
            // The API refuses this token, but the session may continue there with another.
            let again = "Try again, or forget it here only: \(access.loaded.lines.line("logout", ["--local"]))"
            throw ExitFailure(
                code: failure.code,
                message: "\(failure.message). Nothing is ended: the API refuses the token that is here, which ended "
                    + "before its time, and the session may live on there with another one. \(again)"
            )
        }
    }

    /// Ends the sessions that logins replaced and kept, and removes their files.
    private func endPrevious(_ access: SessionAccess) throws {
        let file = access.file
        do throws(SessionFileError) {
            if file.hasEnding, !endKept(access, file.previousPath) { return }
            // Only the files that exist now. A later login's file is not this logout's to end.
            for kept in SessionFile.Kept.allCases {
                let path = file.path(of: kept)
                if try file.take(kept), !endKept(access, path) { return }
            }
        } catch {
            throw ExitFailure.notWritable("squire: what is kept beside \(file.path) stays: \(error.description)")
        }
    }

    /// Ends the session in `endingPath`, which was kept at `path`, and reports the outcome. Returns false if the file
    /// remains.
    private func endKept(_ access: SessionAccess, _ path: String) -> Bool {
        let (file, binding) = (access.file, access.loaded.binding)
        let removed = "removed \(path)"
        guard let record = file.ending(), !record.isEmpty else {
            return remove(file, "\(removed), which held no session")
        }
        let customer = (record.token?.claims?.subject).map(ControlCharacters.escaped)
        let who = customer.map { "the former session, of customer \($0)," } ?? "the former session"
        if let origin = record.foreignOrigin(to: binding) {
            return remove(file, "\(removed); \(who) is for \(origin) and lives on there")
        }
        if let source = record.foreignSource(to: binding) {
            return remove(file, "\(removed); \(who) was made by \(source) and lives on there")
        }
        // Those machines would lose the session without knowing why.
        if let place = record.placeOfMachines(in: binding.sharedPlace) {
            return remove(
                file,
                "\(removed); \(who) is that of the machines that share it in \(place), and lives on with them. To end it, log "
                    + "out on one of them"
            )
        }
        guard !local, let signOut = SignOut(access.loaded) else {
            return remove(file, "\(removed); \(who) lives on at the API")
        }
        if signOut.endForGood(record.held, mayRefresh: record.foreignRefreshOrigin(to: binding) == nil) {
            return remove(file, "\(removed); \(who) has ended at the API too")
        }
        Output.report(
            "\(who) could not be ended, and lives on at the API; it is kept in \(file.endingPath). "
                + "Try again, or forget it here only: \(access.loaded.lines.line("logout", ["--local"]))"
        )
        return false
    }

    /// Returns false if the file remains.
    private func remove(_ file: SessionFile, _ said: String) -> Bool {
        let isRemoved = file.removeEnding()
        Output.report(isRemoved ? said : "\(file.endingPath) cannot be removed: remove it by hand")
        return isRemoved
    }
}
