import ArgumentParser
import Credentials
import EventIO
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

    /// Prints the status of a running Squire; returns false if there is none. Throws the exit code of
    /// `squire status`, or which ones to choose from.
    static func showAny(json: Bool) throws -> Bool {
        let proxy: RunningProxy
        do throws(NotFound) {
            proxy = try findAny()
        } catch {
            guard error.isAmbiguous else { return false }
            throw ExitFailure.usage("squire: \(error.reason)")
        }
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

    /// Where it runs, and since when.
    func runningLine(now: Int) -> String {
        var addresses: [String] = []
        if case .array(let listen)? = status["listen"] {
            addresses = listen.compactMap(\.string).map { "proxy \(ControlCharacters.escaped($0))" }
        }
        let words = [
            pid.map { "pid \($0)" }, status["started_at"]?.integer.map { "since \(LocalTime.text($0, now: now))" },
        ]
        let all = words.compactMap(\.self) + addresses + ["inspector \(address.url)"]
        return "running     \(all.joined(separator: ", "))"
    }

    /// Another process wrote these texts, so that control characters are escaped.
    private func lines(now: Int) -> [String] {
        let session = status["session"] ?? .null
        let text = { (value: JSONValue?) in value?.string.map(ControlCharacters.escaped) }
        let word = text(session["state"]) ?? "unknown"
        let state = SessionStatus.State(rawValue: word).map {
            SessionStatus.summary(
                $0,
                isRejected: session["rejected"]?.bool ?? false,
                expiresIn: session["expires_in"]?.integer,
                isExplained: session["advice"]?.string != nil
            )
        }
        var lines = ["session     \(state ?? word)"]
        if !hasSaved {
            lines.append("            NOT SAVED: what the session file holds \(hasEnded ? "has ended" : "is dead")")
        }
        lines.append(runningLine(now: now))
        lines.append(
            "config      \(configuration.map(ControlCharacters.escaped) ?? "none: it was started without a file")"
        )
        if let upstream = text(status["upstream"]) { lines.append("upstream    \(upstream)") }
        if let subject = text(session["subject"]) { lines.append("customer    \(subject)") }
        if let seconds = session["expires_in"]?.integer, let at = session["expires_at"]?.integer {
            let distance = seconds > 0 ? "in \(seconds) s" : "\(seconds.magnitude) s ago"
            lines.append("expires     \(distance), \(LocalTime.text(at, now: now))")
        }
        if let refreshes = session["refreshes"]?.integer, word != SessionStatus.State.unused.rawValue {
            lines.append("refreshes   \(refreshes)")
        }
        for (index, line) in (shared?.lines ?? []).enumerated() {
            lines.append((index == 0 ? "shared      " : "            ") + ControlCharacters.escaped(line))
        }
        return lines
    }
}
