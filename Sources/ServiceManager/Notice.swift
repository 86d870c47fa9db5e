import Platform

/// A notice to a service manager, in the form of sd_notify(3). Statuses are for people, and contain no secret.
public enum Notice: Sendable, Equatable {
    /// It serves, for the first time or again.
    case ready(status: String)
    /// It reads its configuration again; `ready` follows in any case. `at` is in microseconds of CLOCK_MONOTONIC.
    case reloading(at: UInt64)
    /// It ends, and may take `within` microseconds.
    case stopping(status: String, within: UInt64)
    case status(String)

    /// The maximum length of a status in octets. Managers read 4096 octets of a message (PIPE_BUF), and show one line.
    static let maximumStatus = 512

    /// The message, with one assignment per line.
    public var datagram: [UInt8] {
        let text =
            switch self {
            case .ready(let status): "READY=1\nSTATUS=\(Self.line(status))\n"
            case .reloading(let now): "RELOADING=1\nMONOTONIC_USEC=\(now)\nSTATUS=The configuration is read again.\n"
            case .stopping(let status, let within):
                "STOPPING=1\nSTATUS=\(Self.line(status))\nEXTEND_TIMEOUT_USEC=\(within)\n"
            case .status(let status): "STATUS=\(Self.line(status))\n"
            }
        return Array(text.utf8)
    }

    /// Limits the text to one line of bounded length, so that it cannot add an assignment.
    private static func line(_ text: String) -> String {
        var line = ""
        var length = 0
        for scalar in text.unicodeScalars {
            let shown = scalar.properties.generalCategory == .control ? " " : scalar
            length += UTF8.width(shown)
            guard length <= maximumStatus else { return line + "…" }
            line.unicodeScalars.append(shown)
        }
        return line
    }
}
