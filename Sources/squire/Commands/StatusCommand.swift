import ArgumentParser
import Credentials
import Platform
import ReverseProxy
import Settings
import Support

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Show whose session it is, how long its token lives, the last refreshes, and what to do.",
        discussion: """
            Sends nothing to the API. Says whether a proxy runs with this configuration, where and since when; without a \
            configuration, it asks the running Squire, such as squire demo. Exits with 77 if a login is needed or there is no session; with --json always \
            with 0. With --all, lists each session file in $XDG_STATE_HOME/squire: its state, customer, API, \
            configuration and path.
            """
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "Print one JSON object, as in the inspector's /api/status.")
    var json = false

    @Flag(name: .long, help: "Show each session, whatever configuration it belongs to.")
    var all = false

    func run() throws {
        if all { return Self.printAll(json: json) }
        // A demo has no configuration file.
        if options.isNowhere, try RunningProxy.showAny(json: json) { return }
        let loaded = try options.load(.look)
        let found = Result(catching: { () throws(RunningProxy.NotFound) in try RunningProxy.find(loaded) })
        let proxy = try? found.get()
        // Only the running proxy knows a token that is not in a file, or could not be saved, and why none arrived.
        if let proxy, !proxy.hasSaved || loaded.configuration.session.source.isBestAskedOfARunningProxy {
            return try proxy.show(json: json)
        }
        let access = try SessionAccess(loaded, .look)
        var status = access.session.status
        // Only the running proxy knows which machine refreshes, and whether the others know a token.
        if status.shared != nil, let known = proxy?.shared { status.shared = known }
        if json { return Output.json(status.json) }
        let claim = (try? access.record())?.token?.claims?.expiresAt
        for line in Self.lines(status, access.loaded, found, claim: claim, now: SystemClock().wall()) {
            Output.labelled(line)
        }
        if let advice = status.advice { Output.say("\n\(advice)") }
        if status.state == .none { for hint in access.loaded.hints { Output.say(hint) } }
        if status.isFailing { throw ExitCode(ExitReason.tryLater.rawValue) }
        if !status.isUsable, status.state != .starting { throw ExitCode(ExitReason.loginNeeded.rawValue) }
    }

    /// `proxy` is the running one of this configuration, or why none is found. `claim` is the expiry that the token itself
    /// states, in seconds since 1970.
    private static func lines(
        _ status: SessionStatus,
        _ loaded: LoadedConfiguration,
        _ proxy: Result<RunningProxy, RunningProxy.NotFound>,
        claim: Int?,
        now: Int
    ) -> [String] {
        var lines = ["session     \(status.summary)"]
        switch proxy {
        case .success(let proxy): lines.append(proxy.runningLine(now: now))
        case .failure(let error): lines.append("running     not found: \(ControlCharacters.escaped(error.reason))")
        }
        if loaded.keptFile != nil { lines.append("file        \(loaded.sessionFile)") }
        lines.append("upstream    \(loaded.configuration.upstreamURL)")
        if let subject = status.subject { lines.append("customer    \(ControlCharacters.escaped(subject))") }
        if let signedInAt = status.signedInAt {
            lines.append("logged in   \(LocalTime.text(signedInAt, now: now))")
        }
        if let age = status.age { lines.append("age         \(Quantity.words(seconds: age))") }
        if let seconds = status.expiresIn, let at = status.expiresAt {
            let distance =
                seconds > 0 ? "in \(Quantity.words(seconds: seconds))" : "\(Quantity.words(seconds: -seconds)) ago"
            lines.append("expires     \(distance), \(LocalTime.text(at, now: now))")
        } else if let claim {
            let why = TokenLife.doubt(of: claim, now: now)
            lines.append("expires     unknown: the token says \(UTCTime.text(claim)), \(why), and is not believed")
        }
        if ![.none, .unused].contains(status.state) {
            let failed = status.failures.map { "\($0.count) \($0.outcome)" }.joined(separator: ", ")
            lines.append("refreshes   \(status.refreshes)\(failed.isEmpty ? "" : ", and failed: \(failed)")")
            lines += status.history.suffix(5).reversed().map {
                "            \(line($0, now: now, told: status.explanation))"
            }
        }
        for (index, line) in (status.shared?.lines ?? []).enumerated() {
            lines.append((index == 0 ? "shared      " : "            ") + ControlCharacters.escaped(line))
        }
        return lines
    }

    /// Describes one refresh, in less than the width of a terminal. Omits its detail if that equals `told`, which the
    /// advice repeats.
    static func line(_ entry: RefreshEntry, now: Int, told: String? = nil) -> String {
        var text = "\(LocalTime.text(entry.at, now: now))  \(entry.outcome.rawValue) (\(entry.cause.rawValue)"
        let refusal = entry.outcome == .refused ? entry.status : nil
        if let refusal { text += ", status \(refusal)" }
        text += ")"
        if let milliseconds = entry.milliseconds { text += ", \(milliseconds) ms" }
        if let waiters = entry.waiters, waiters > 1 { text += ", for \(waiters) requests" }
        if refusal == nil, entry.detail != told, entry.outcome != .unchanged, let detail = entry.detail {
            text += ": \(ControlCharacters.escaped(detail))"
        }
        guard let columns = Terminal.columns(1) else { return text }
        // The label takes 12 columns.
        let limit = max(columns - 13, 40)
        return text.count > limit ? text.prefix(limit - 1) + "…" : text
    }
}
