import ArgumentParser
import Credentials
import Settings
import Support

/// `squire status` without a configuration: the status that a running Squire reports.
extension RunningProxy {
    /// Whether its session serves requests, or may after a refresh.
    private var isUsable: Bool {
        ["usable", "refreshing", "starting", "unused"].contains(status["session"]?["state"]?.string)
    }

    /// Whether its source, which needs no login, failed to provide a usable token.
    private var isFailing: Bool {
        let session = status["session"]
        let isOver = session?["expires_in"]?.integer.map { $0 <= 0 } ?? false
        return session?["advice"]?.string != nil && (session?["state"]?.string == "starting" || isOver)
    }

    /// The state of the session's sharing; nil if it is not shared.
    var shared: SharedStatus? { status["session"]?["shared"].flatMap(SharedStatus.init) }

    /// Prints the status of a running Squire; returns false if there is none. Throws the exit code of `squire status`.
    static func showAny(json: Bool) throws -> Bool {
        guard let proxy = try? findAny() else { return false }
        try proxy.show(json: json)
        return true
    }

    /// Prints its status. Throws the exit code of `squire status`.
    func show(json: Bool) throws {
        if json { return Output.line((status["session"] ?? .null).serialized(pretty: true)) }
        lines(now: SystemClock().wall()).forEach(Output.labelled)
        if let advice = status["session"]?["advice"]?.string { Output.say("\n\(ControlCharacters.escaped(advice))") }
        if isFailing { throw ExitCode(ExitReason.tryLater.rawValue) }
        if !isUsable { throw ExitCode(ExitReason.loginNeeded.rawValue) }
    }

    /// Another process wrote these texts, so that control characters are escaped.
    private func lines(now: Int) -> [String] {
        let session = status["session"] ?? .null
        let text = { (value: JSONValue?) in value?.string.map(ControlCharacters.escaped) }
        let isOver = session["expires_in"]?.integer.map { $0 <= 0 } ?? false
        let word = text(session["state"]) ?? "unknown"
        let state =
            word == "usable" && isOver ? "expired; the next request refreshes it" : word.replacingAll("_", with: " ")
        let who = pid.map { "pid \($0), " } ?? ""
        var lines = ["session     \(state)"]
        if !hasSaved { lines.append("            NOT SAVED: what the session file holds is dead") }
        lines.append("running     \(who)inspector at \(address)")
        lines.append(
            "config      \(configuration.map(ControlCharacters.escaped) ?? "none: it was started without a file")"
        )
        if let upstream = text(status["upstream"]) { lines.append("upstream    \(upstream)") }
        if let subject = text(session["subject"]) { lines.append("customer    \(subject)") }
        if let seconds = session["expires_in"]?.integer, let at = session["expires_at"]?.integer {
            let distance = seconds > 0 ? "in \(seconds) s" : "\(seconds.magnitude) s ago"
            lines.append("expires     \(distance), \(LocalTime.text(at, now: now))")
        }
        if let refreshes = session["refreshes"]?.integer { lines.append("refreshes   \(refreshes)") }
        for (index, line) in (shared?.lines ?? []).enumerated() {
            lines.append((index == 0 ? "shared      " : "            ") + ControlCharacters.escaped(line))
        }
        return lines
    }
}
