import ArgumentParser
import Credentials
import Diagnosis
import ReverseProxy
import Settings
import Upstream

struct CheckCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "check",
        abstract: "Validate and explain the configuration; with --online also test the connection to the API.",
        discussion: """
            Each line has a verdict (ok, --, warn, fail), its subject, what was found, and what to do next. All lines \
            are on standard output; what is wrong in the configuration itself is on standard error.

            --online tests DNS, connection, proxy, TLS, clock, API and session, in this order. The API is asked about \
            the session only for session.probe (session: {probe: GET /api/me}); the session is neither refreshed nor \
            changed. With session.oauth, the authorization server's metadata, token endpoint and clock are tested, \
            too, and with grant: client-credentials whether it knows the client. With session.shared, each member of \
            the engine is tested: whether it can read and write with a quorum, as the configured user and with the \
            configured certificate, and whether the record opens and belongs to this API and this customer. Nothing is \
            written.

            Exit codes: 0 nothing fails, 65 the session file or the shared record cannot be read, 69 the API or the \
            engine of a shared session cannot be reached, 73 the session cannot be saved, 77 a login is needed or the \
            API rejects the token, 78 configuration error.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(
        name: .long,
        help: "Also contact the API, and the engine of session.shared. The token is sent only for session.probe."
    )
    var online = false

    func run() throws {
        let loaded = try options.load(online ? .act : .look)
        let output = CheckOutput()
        output.show(.ok("configuration", loaded.path ?? "(options)"))
        output.show(loaded.blanks.map { .warn("configuration", "line \($0.line): \($0.name) is for you to fill in") })
        output.show(ConfigurationMeaning(loaded.configuration).lines)
        // Opening the session file corrects its mode, so that the exposure must be shown first.
        output.show(loaded.exposures.map { .warn("secrets", $0) })
        // With --online they have been read.
        if !online, options.isAllowed(loaded) { output.show(Self.lines(loaded.secretIssues())) }
        let session = SessionCheck(loaded)
        output.show(session.sourceLines())
        output.show(session.sharedLines())
        output.show(session.fileLines())
        // Only --online is about to save anything.
        output.show(session.saveLines(isNeeded: online))
        if !online { output.show(session.storyLines()) }
        if online {
            let way = ConnectionCheck(loaded)
            output.show(way.lines())
            if let issuer = OAuthCheck(loaded) { output.show(issuer.lines()) }
            // An unreachable API cannot be asked.
            let hasWay = output.fault != .unreachable
            var isBehind = false
            if let shared = SharedCheck(loaded) {
                let findings = shared.findings()
                output.show(findings.lines)
                isBehind = findings.isBehind
            }
            if isBehind {
                output.show(.note("session", "the shared one, which squire run takes up here: the API was not asked"))
            } else if hasWay {
                output.show(session.lines())
            }
        }
        if let fault = output.fault { throw ExitCode(fault.rawValue) }
    }

    /// What may be better by the time it is used is no failure yet.
    private static func lines(_ issues: [ConfigurationError.Issue]) -> [CheckLine] {
        issues.map { issue in
            let text = issue.line.map { "line \($0): \(issue.message)" } ?? issue.message
            return issue.mayPass ? .warn("secrets", text) : CheckLine(.fail(.misconfigured), "secrets", text)
        }
    }
}

/// Prints each line at once, and remembers the first failure.
private final class CheckOutput {
    private(set) var fault: CheckLine.Fault?

    func show(_ line: CheckLine) {
        Output.say(line.description, column: CheckLine.textColumn)
        // An unreachable API matters most to a script, so that it wins over earlier failures.
        if let found = line.fault, fault == nil || found == .unreachable { fault = found }
    }

    func show(_ lines: [CheckLine]) {
        for line in lines { show(line) }
    }
}
