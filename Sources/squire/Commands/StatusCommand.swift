import ArgumentParser
import Credentials
import ReverseProxy
import Settings
import Support

struct StatusCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "status",
        abstract: "Who the session is, how long its token lives, how the last refreshes went, and what to do.",
        discussion: "Sends nothing. Works beside a running squire run."
    )

    @OptionGroup var options: ConfigOption

    @Flag(name: .long, help: "One JSON object, as the inspector's /api/status has it.")
    var json = false

    func run() throws {
        let session = try SessionAccess(try options.load())
        let status = session.cache.status
        if json { return Output.line(status.json.serialized(pretty: true)) }
        let state =
            switch status.state {
            case .usable: (status.expiresIn ?? 1) > 0 ? "usable" : "expired; the next request refreshes it"
            case .refreshing: "being refreshed"
            case .loginNeeded: "a login is needed"
            case .none: "none"
            }
        Output.line("session     \(state)")
        Output.line("file        \(session.loaded.sessionFile)")
        Output.line("upstream    \(session.loaded.configuration.upstream)")
        if let subject = status.subject { Output.line("customer    \(subject)") }
        if let age = status.age { Output.line("age         \(Self.span(age))") }
        if let seconds = status.expiresIn, let at = status.expiresAt {
            let distance = seconds > 0 ? "in \(Self.span(seconds))" : "\(Self.span(-seconds)) ago"
            Output.line("expires     \(distance), \(UTCTime.text(at))")
        }
        let failed = status.failures.map { "\($0.count) \($0.outcome)" }.joined(separator: ", ")
        Output.line("refreshes   \(status.refreshes)\(failed.isEmpty ? "" : ", and failed: \(failed)")")
        for entry in status.history.suffix(5).reversed() { Output.line("            \(Self.line(entry))") }
        if let advice = status.advice { Output.line("\n\(advice)") }
    }

    private static func line(_ entry: RefreshEntry) -> String {
        var text = "\(UTCTime.text(entry.at))  \(entry.outcome.rawValue) (\(entry.cause.rawValue))"
        if let milliseconds = entry.milliseconds { text += ", \(milliseconds) ms" }
        if let waiters = entry.waiters, waiters > 1 { text += ", for \(waiters) requests" }
        if let detail = entry.detail { text += ": \(detail)" }
        return text
    }

    /// Seconds as people say them.
    private static func span(_ seconds: Int) -> String {
        switch seconds {
        case ..<120: "\(seconds) s"
        case ..<7200: "\(seconds / 60) min \(seconds % 60) s"
        case ..<172_800: "\(seconds / 3600) h \(seconds % 3600 / 60) min"
        default: "\(seconds / 86_400) days"
        }
    }
}
