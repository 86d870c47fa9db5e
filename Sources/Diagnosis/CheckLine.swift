import Settings

/// One line of `squire check`: a verdict, a subject, and what was found and what to do next.
public struct CheckLine: Sendable, Equatable, CustomStringConvertible {
    public enum Verdict: Sendable, Equatable {
        case ok
        /// Without a verdict.
        case note
        case warn
        case fail(Fault)
    }

    /// Why a check fails; the raw value is the exit code.
    public enum Fault: Int32, Sendable {
        case malformed = 65
        case unreachable = 69
        case notWritable = 73
        case loginNeeded = 77
        case misconfigured = 78
    }

    public var verdict: Verdict
    public var subject: String
    public var text: String

    /// Removes the subject from the start of `text`, where reasons of failures repeat it.
    public init(_ verdict: Verdict, _ subject: String, _ text: String) {
        self.verdict = verdict
        self.subject = subject
        self.text = text.hasPrefix("\(subject): ") ? String(text.dropFirst(subject.count + 2)) : text
    }

    public static func ok(_ subject: String, _ text: String) -> CheckLine { CheckLine(.ok, subject, text) }
    public static func note(_ subject: String, _ text: String) -> CheckLine { CheckLine(.note, subject, text) }
    public static func warn(_ subject: String, _ text: String) -> CheckLine { CheckLine(.warn, subject, text) }
    /// A failure because the API cannot be reached.
    static func fail(_ subject: String, _ text: String) -> CheckLine {
        CheckLine(.fail(.unreachable), subject, text)
    }

    public var fault: Fault? { if case .fail(let fault) = verdict { fault } else { nil } }

    /// The column at which the text begins.
    public static let textColumn = 21

    /// The line in columns. It quotes files, servers and certificates, so that it is escaped.
    public var description: String {
        let word =
            switch verdict {
            case .ok: "ok"
            case .note: "--"
            case .warn: "warn"
            case .fail: "fail"
            }
        return ControlCharacters.escaped(Self.padded(word, 6) + Self.padded(subject, Self.textColumn - 6) + text)
    }

    private static func padded(_ text: String, _ width: Int) -> String {
        text + String(repeating: " ", count: max(width - text.count, 1))
    }
}

extension String {
    /// The first `limit` code points of a foreign text.
    func cut(_ limit: Int = 120) -> String {
        guard unicodeScalars.count > limit else { return self }
        return String(String.UnicodeScalarView(unicodeScalars.prefix(limit - 1))) + "…"
    }
}
